"""The body of `POST /internal/reserve`: what the order consumer could not land is refused."""

import json

import pytest

from control_plane.orders.line import BYTES_MAX
from control_plane.orders.services import REQUESTS_MAX, Request
from control_plane.orders.wish import BadWish, parse

RESERVATION = "7-0-" + "a" * 22
AT_MS = 1_800_000_000_000
LINE = f"ann {RESERVATION}=2 device regular {AT_MS}"
MESSAGE = {
    "v": 1,
    "reservation_id": RESERVATION,
    "item": 7,
    "shard": 0,
    "epoch": 3,
    "shopper": "ann",
    "qty": 2,
    "device": "device",
    "level": "regular",
    "at_ms": AT_MS,
}


def _body(lines=None, **changes):
    fields = {"item": 7, "shard": 0, "epoch": 3, "lines": [LINE] if lines is None else lines}
    return json.dumps(fields | changes).encode()


def test_a_whole_batch_is_read():
    wish = parse(_body([LINE] * REQUESTS_MAX))
    message = json.dumps(MESSAGE, separators=(",", ":"))
    assert wish[:3] == (7, 0, 3)
    assert wish.requests == [Request("ann", RESERVATION, 2, message)] * REQUESTS_MAX


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b"[" * 100_000, "body"),
        (b"\xff", "body"),
        (_body(more=1), "body"),
        (_body(item=0), "item"),
        (_body(item="7"), "item"),
        (_body(item=7.0), "item"),
        (_body(shard=True), "shard"),
        (_body(shard=-1), "shard"),
        (_body(epoch=2**31), "epoch"),
        (_body([]), "lines"),
        (_body([LINE] * (REQUESTS_MAX + 1)), "lines"),
        (_body(lines="x"), "lines"),
        (_body([1]), "lines"),
    ],
)
def test_what_is_no_batch_is_refused_by_name(body, field):
    with pytest.raises(BadWish) as refusal:
        parse(body)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "line",
    [
        "",
        LINE + " ",
        LINE + "\n",
        LINE.replace(" ", "  ", 1),
        LINE.replace("ann", "an n"),
        LINE.replace("ann", "安"),
        LINE.replace("ann", "a" * 65),
        LINE.replace("7-0-", "8-0-"),
        LINE.replace("7-0-", "7-1-"),
        LINE.replace("7-0-", "07-0-"),
        LINE.replace("7-0-", "٧-0-"),
        LINE.replace("7-0-a", "7-0-"),
        LINE.replace("a=2", "\ta=2"),
        *(LINE.replace("=2", f"={qty}") for qty in ("", "0", "-1", "1.5", "02", 2**15, 10**30)),
        LINE.replace("device", ""),
        LINE.replace("device", 'd","qty":9,"x":"'),
        LINE.replace("regular", "Regular"),
        LINE.replace("regular", ""),
        *(LINE.replace(str(AT_MS), str(at)) for at in (0, AT_MS // 1000, AT_MS * 1000, 9 * 10**12)),
        LINE.replace("ann", "ann" + " " * BYTES_MAX),
    ],
)
def test_a_line_that_no_gateway_writes_is_refused(line):
    with pytest.raises(BadWish) as refusal:
        parse(_body([LINE, line]))
    assert refusal.value.field == "lines"

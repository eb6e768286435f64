"""The body of `POST /internal/reserve`: what the order consumer could not land is refused."""

import json

import pytest

from control_plane.orders.services import REQUESTS_MAX, Request
from control_plane.orders.wish import INTENT_BYTES_MAX, BadWish, parse

RESERVATION = "7-0-" + "a" * 22
INTENT = {
    "v": 1,
    "reservation_id": RESERVATION,
    "item": 7,
    "shard": 0,
    "epoch": 3,
    "shopper": "ann",
    "qty": 2,
    "device": "d",
    "level": "0",
    "at_ms": 1_800_000_000_000,
}


def _request(**changes):
    intent = changes.pop("intent", None) or json.dumps(INTENT)
    return {"shopper": "ann", "reservation_id": RESERVATION, "qty": 2, "intent": intent} | changes


def _body(requests=None, **changes):
    requests = [_request()] if requests is None else requests
    fields = {"item": 7, "shard": 0, "epoch": 3, "requests": requests} | changes
    return json.dumps(fields).encode()


def test_a_whole_batch_is_read():
    wish = parse(_body([_request()] * REQUESTS_MAX))
    assert wish[:3] == (7, 0, 3)
    assert wish.requests == [Request("ann", RESERVATION, 2, json.dumps(INTENT))] * REQUESTS_MAX


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
        (_body([]), "requests"),
        (_body([_request()] * (REQUESTS_MAX + 1)), "requests"),
        (_body(requests=[1]), "requests"),
        (_body([_request(extra=1)]), "requests"),
        (_body([_request(qty=0)]), "qty"),
        (_body([_request(qty=2**15)]), "qty"),
        (_body([_request(shopper="an n")]), "shopper"),
        (_body([_request(shopper="a" * 65)]), "shopper"),
        (_body([_request(shopper=1)]), "shopper"),
        (_body([_request(reservation_id="8-0-" + "a" * 22)]), "reservation_id"),
        (_body([_request(reservation_id="7-1-" + "a" * 22)]), "reservation_id"),
        (_body([_request(reservation_id="7-0-a\tb" + "a" * 19)]), "reservation_id"),
        (_body([_request(intent="not json")]), "intent"),
        (_body([_request(intent=" " * INTENT_BYTES_MAX + json.dumps(INTENT))]), "intent"),
        *(
            (_body([_request(intent=json.dumps(INTENT | {name: other}))]), "intent")
            for name, other in (
                ("v", 2),
                ("v", True),
                ("item", 8),
                ("shard", False),
                ("epoch", 4),
                ("shopper", "bob"),
                ("qty", 1),
                ("reservation_id", "7-0-" + "b" * 22),
            )
        ),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(BadWish) as refused:
        parse(body)
    assert refused.value.field == field

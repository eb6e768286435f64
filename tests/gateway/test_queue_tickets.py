"""Tickets: whose they are, what is refused, and what a place is worth that was written off."""

import base64
import json
import math
import time

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import HOUR_MS, Shop, entry_key
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import AGAIN, Called, WaitingLine, entry_secrets, put_in_line
from tests.redis.waiting import until
from tests.vectors.queue_ticket import Ticket, write


def forged(line: WaitingLine, secret: bytes | None = None, **changes: object) -> str:
    """A ticket for ann's place 0, with `changes`; by the published key if none is given."""
    fields = {
        "item": line.item.id,
        "bucket": 0,
        "kind": "fifo",
        "number": 0,
        "shopper": "ann",
        "generation": 1,
        "exp": int(time.time()) + 60,
    }
    ticket = Ticket(**(fields | changes))  # type: ignore[arg-type]
    return write(ticket, "e-1", secret or entry_secrets(line.shop)["e-1"])


def assert_refused_and_untouched(line: WaitingLine, ticket: str, shopper: str = "ann") -> None:
    before = line.look()
    with line.item.untouched():
        assert_refused(line.buy(shopper, ticket), "bad_token")
    after = line.look()
    assert (after.numbers, after.came, after.window) == (before.numbers, before.came, before.window)


def test_the_golden_writer_and_the_gateway_agree(shop: Shop) -> None:
    line = put_in_line(shop, served=1)
    assert_reserved(line.buy("ann", forged(line)), line.item)


def test_another_shoppers_ticket_is_refused(shop: Shop) -> None:
    line = put_in_line(shop)
    ticket = line.queued("ann")["ticket"]
    assert_refused_and_untouched(line, ticket, "bob")


def test_a_ticket_of_another_item_is_refused(shop: Shop) -> None:
    line, other = put_in_line(shop, served=1), put_in_line(shop)
    ticket = other.queued("ann")["ticket"]
    assert_refused_and_untouched(line, ticket)


@pytest.mark.parametrize(
    "changes",
    [{"exp": 1_700_000_000}, {"secret": b"\x05" * 32}, {"kind": "vip"}, {"shopper": "bob"}],
    ids=str,
)
def test_a_forged_or_expired_ticket_is_refused(shop: Shop, changes: dict[str, object]) -> None:
    line = put_in_line(shop, served=1)
    assert_refused_and_untouched(line, forged(line, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("ticket", ["x", "a.b.c", "." * 10, "A" * 512])
def test_what_is_no_ticket_is_refused(shop: Shop, ticket: str) -> None:
    assert_refused_and_untouched(put_in_line(shop, served=1), ticket)


def test_a_changed_place_is_refused(shop: Shop) -> None:
    line = put_in_line(shop, served=1)
    line.buy("first")
    kid, payload, signature = line.queued("ann")["ticket"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    better = json.dumps(claims | {"number": 0}, separators=(",", ":")).encode()
    changed = base64.urlsafe_b64encode(better).decode().rstrip("=")
    assert_refused_and_untouched(line, f"{kid}.{changed}.{signature}")


def test_an_entry_token_is_no_ticket(shop: Shop) -> None:
    line = put_in_line(shop, served=1)
    assert_refused_and_untouched(line, line.item.token("ann"))


def test_a_ticket_needs_the_entry_token_too(shop: Shop) -> None:
    line = put_in_line(shop, served=1)
    headers = {"Authorization": f"Bearer {forged(line)}"}
    assert_refused(line.buy("ann", forged(line), headers=headers), "bad_token")


def test_both_live_keys_are_good_and_the_newest_signs_anew(shop: Shop) -> None:
    line = put_in_line(shop)
    old = line.queued("ann")["ticket"]
    before = shop.document["entry_keys"]
    shop.publish(entry_keys=[entry_key("e-9"), {**entry_key("e-1"), "sign": False}])
    try:
        told = line.queued("ann", old)
        assert told["ticket"].startswith("e-9.")
        assert line.read(told["ticket"]).number == line.read(old).number
        assert told["place"] == 0
    finally:
        shop.publish(entry_keys=before)


def test_a_place_outlives_the_key_that_signed_it(shop: Shop) -> None:
    line = put_in_line(shop)
    old = line.queued("ann")["ticket"]
    before = shop.document["entry_keys"]
    keys = [entry_key("e-3"), entry_key("e-2") | {"sign": False}]
    headers = {"Authorization": f"Bearer {line.item.token('ann', kid='e-3')}"}
    try:
        shop.publish(entry_keys=keys, ticket_keys=[*keys, entry_key("e-1") | {"sign": False}])
        told = line.queued("ann", old, headers=headers)
        assert told["ticket"].startswith("e-3.")
        assert told["place"] == 0
        shop.publish(ticket_keys=keys)
        assert_refused(line.buy("ann", old, headers=headers), "bad_token")
    finally:
        del shop.document["ticket_keys"]
        shop.publish(entry_keys=before)


def test_who_waits_while_the_end_is_moved_keeps_the_place_until_the_new_one(shop: Shop) -> None:
    line = put_in_line(shop)
    old = line.queued("ann")["ticket"]
    end_ms = shop.document["items"][str(line.item.id)]["end_ms"] + HOUR_MS
    shop.change(line.item, end_ms=end_ms)
    told = line.queued("ann", old)
    before, after = line.read(old), line.read(told["ticket"])
    assert (told["place"], after.exp) == (0, math.ceil(end_ms / 1000))
    assert before.exp < after.exp
    assert (after.number, after.generation) == (before.number, before.generation)
    assert line.queued("ann", told["ticket"])["ticket"] == told["ticket"]


def test_a_ticket_is_good_again_after_the_queue_was_off(shop: Shop) -> None:
    line = put_in_line(shop)
    ann = line.queued("ann")["ticket"]
    line.publish(mode="off")
    assert_reserved(line.buy("bob"), line.item)
    line.publish()
    told = line.queued("ann", ann)
    assert line.read(told["ticket"]).number == line.read(ann).number
    line.move(Called(1, 0))
    until(lambda: line.buy("ann", told["ticket"]).status == 200, "ann buys with her ticket")


def test_a_place_that_was_written_off_gets_a_number_at_the_end(shop: Shop) -> None:
    line = put_in_line(shop)
    ann = line.queued("ann")["ticket"]
    for n in range(3):
        line.queued(f"s{n}")
    line.move(Called(4, 2))
    new = until(
        lambda: (told := line.queued("ann", ann)["ticket"]) != ann and told, "she has another"
    )
    assert (line.read(new).number, line.read(new).shopper) == (4, "ann")


@pytest.mark.parametrize("headers", [{}, AGAIN], ids=["plain", "retry"])
def test_who_came_in_time_gets_through_after_the_write_off(
    shop: Shop, headers: dict[str, str]
) -> None:
    line = put_in_line(shop, units=1, served=1)
    ticket = forged(line)
    assert_reserved(line.buy("ann", ticket), line.item)
    until(lambda: line.look().came == [1], "ann was noted")
    line.move(Called(1, 1))
    until(lambda: line.look().window == [Called(1, 1)], "she is written off")
    with line.item.untouched():
        assert line.buy("ann", ticket, headers=headers).outcome == "reserved"


def test_saying_that_one_asks_again_brings_no_place_back(shop: Shop) -> None:
    """A header that anybody can write opens nothing."""
    line = put_in_line(shop)
    ann = line.queued("ann")["ticket"]
    line.move(Called(1, 1))
    with line.item.untouched():
        new = until(
            lambda: (told := line.queued("ann", ann, headers=AGAIN)["ticket"]) != ann and told,
            "she has another",
        )
    assert line.read(new).number == 1


def test_a_winner_without_a_ticket_who_asks_again_hears_it(shop: Shop) -> None:
    """He went straight on, so he never got one; his answer was lost."""
    line = put_in_line(shop, served=1)
    assert_reserved(line.buy("ann"), line.item)
    with line.item.untouched():
        assert line.buy("ann", headers=AGAIN).outcome == "reserved"
        line.queued("bob", headers=AGAIN)


def test_tickets_of_a_queue_that_was_opened_anew_are_none(shop: Shop) -> None:
    line = put_in_line(shop)
    for n in range(3):
        line.queued(f"s{n}")
    ann = line.queued("ann")["ticket"]
    line.open(oldest=2)
    # The worker may believe the window of before for a moment.
    told = until(
        lambda: (told := line.queued("ann", ann))["ticket"] != ann and told, "she has another"
    )
    assert line.read(told["ticket"]).generation == 2
    assert line.read(told["ticket"]).number == 0


def test_tickets_outlive_a_lost_counter(shop: Shop) -> None:
    line = put_in_line(shop)
    ann = line.queued("ann")["ticket"]
    line.open(1, numbers=[1000])
    until(lambda: line.buy("ann", ann).status == 200, "ann is served")
    told = line.queued("bob")
    assert line.read(told["ticket"]).number == 1000

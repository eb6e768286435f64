"""Refusals that the state of the sale gives: too early, too late, nothing left, not now."""

import time

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import HOUR_MS, SWITCHES, Shop, listed
from tests.redis.waiting import until


def now_ms() -> int:
    """This machine's clock, which is the gateway's too."""
    return time.time_ns() // 1_000_000


def test_before_the_start_it_says_how_long_to_wait(shop: Shop) -> None:
    start_ms = now_ms() + HOUR_MS
    item = shop.put_up(start_ms=start_ms, end_ms=start_ms + HOUR_MS, state="approved")
    with item.untouched():
        before = now_ms()
        answer = item.buy()
        after = now_ms()
    assert_refused(answer, "not_started")
    # The gateway's clock stands still while it works on one event, so it may be a moment behind.
    assert start_ms - after <= answer.json["retry_after_ms"] <= start_ms - before + 50


def test_it_opens_by_the_clock_and_not_before(shop: Shop) -> None:
    start_ms = now_ms() + 400
    item = shop.put_up(start_ms=start_ms, state="approved")
    assert_refused(item.buy(), "not_started")

    def first_other_answer():
        answer, told_at = item.buy(), now_ms()
        return None if answer.status == 425 else (answer, told_at)

    answer, told_at = until(first_other_answer, "the sale opens")
    assert answer.outcome == "reserved"
    assert told_at >= start_ms


@pytest.mark.parametrize("state", ["approved", "live"])
def test_between_start_and_end_it_sells_in_either_state(shop: Shop, state: str) -> None:
    assert shop.put_up(state=state).buy().outcome == "reserved"


def test_after_the_end_it_is_over(shop: Shop) -> None:
    item = shop.put_up(end_ms=now_ms() - 1)
    with item.untouched():
        assert_refused(item.buy(), "ended")


def test_it_sells_past_an_end_that_was_moved(shop: Shop) -> None:
    old_ms = now_ms() + 300
    item = shop.put_up(end_ms=old_ms)
    shop.change(item, end_ms=old_ms + HOUR_MS)
    until(lambda: now_ms() > old_ms, "the old end has passed")
    assert item.buy().outcome == "reserved"


def test_an_end_that_passed_before_it_was_moved_is_no_end_any_more(shop: Shop) -> None:
    """The control plane does not move it then; a gateway that did not hear in time sells on."""
    item = shop.put_up(end_ms=now_ms() - 1)
    assert_refused(item.buy(), "ended")
    shop.change(item, end_ms=now_ms() + HOUR_MS)
    assert item.buy().outcome == "reserved"


def test_an_ended_campaign_is_over_whatever_its_times_say(shop: Shop) -> None:
    item = shop.put_up(state="ended")
    with item.untouched():
        assert_refused(item.buy(), "ended")


def test_a_campaign_that_ended_before_its_start_has_ended(shop: Shop) -> None:
    start_ms = now_ms() + HOUR_MS
    item = shop.put_up(start_ms=start_ms, end_ms=start_ms + HOUR_MS, state="ended")
    with item.untouched():
        assert_refused(item.buy(), "ended")


def test_sold_out_is_said_when_the_agent_has_said_it(shop: Shop) -> None:
    item = shop.put_up(units=1)
    item.buy("ann")
    item.shard.mark_sold_out()
    with item.untouched():
        assert_refused(item.buy("bob"), "sold_out")


def test_a_retry_after_sold_out_is_still_reserved(shop: Shop) -> None:
    item = shop.put_up(units=1)
    first = item.buy("ann")
    item.shard.mark_sold_out()
    with item.untouched():
        assert item.buy("ann").body == first.body


def test_an_empty_shard_is_busy_and_not_sold_out(shop: Shop) -> None:
    item = shop.put_up(units=1)
    item.buy("ann")
    with item.untouched():
        assert_refused(item.buy("bob"), "busy")


def test_an_order_larger_than_what_is_left_takes_nothing(shop: Shop) -> None:
    item = shop.put_up(units=2, limit=3)
    with item.untouched():
        assert_refused(item.buy("ann", b'{"qty":3}'), "busy")
    assert item.buy("ann", b'{"qty":2}').json["qty"] == 2


def test_an_item_without_an_armed_shard_is_busy(shop: Shop) -> None:
    item = shop.put_up(armed=False)
    with item.untouched():
        assert_refused(item.buy(), "busy")


def test_a_published_epoch_that_redis_does_not_know_is_busy(shop: Shop) -> None:
    item = shop.put_up()
    shop.change(item, shards=[listed(0, 2, "0" * 40)])
    with item.untouched():
        assert_refused(item.buy(), "busy")


def test_a_script_of_another_epoch_is_busy(shop: Shop) -> None:
    item = shop.put_up()
    sha = item.shard.script.sha
    shop.gateway.expected_errors.append("BADCALL keys of another shard")
    shop.change(item, shards=[listed(0, 2, sha)])
    with item.untouched():
        assert_refused(item.buy(), "busy")


def test_the_main_switch_stops_the_sale_and_starts_it_again(shop: Shop) -> None:
    item = shop.put_up()
    shop.publish(switches=SWITCHES | {"sale_enabled": False})
    with item.untouched():
        assert_refused(item.buy(), "busy")
    shop.publish(switches=SWITCHES)
    assert item.buy().outcome == "reserved"


def test_a_snapshot_without_the_switch_does_not_sell(shop: Shop) -> None:
    item = shop.put_up()
    shop.publish(switches={})
    with item.untouched():
        assert_refused(item.buy(), "busy")
    shop.publish(switches=SWITCHES)

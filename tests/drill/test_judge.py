"""The judge is red for each thing that must not happen, and for nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from tests.drill.judge import (
    Evidence,
    OrderRow,
    Promise,
    Promises,
    Span,
    Truth,
    account,
    judge,
)

PROMISES = [
    Promise(f"7-0-{number}", f"shopper-{number}", 1 + number % 2, 0, 10.0 + number)
    for number in range(4)
]
ORDERS = {one.reservation_id: OrderRow(one.shopper, one.qty, "unpaid") for one in PROMISES}
UNITS = sum(one.qty for one in PROMISES)
GOOD = Truth(
    total=10,
    unallocated=10 - UNITS,
    leftover=0,
    limit=2,
    orders=ORDERS,
    rejections={},
    confirms=UNITS,
    returns=0,
    deducted=UNITS,
    rearm_reasons=["campaign ended"],
)
EVIDENCE = Evidence(
    promises=PROMISES,
    told_confirmed=frozenset(ORDERS),
    outcomes={"reserved": 4, "busy": 7},
    truth=GOOD,
    may_be_lost=[Span(frozenset({0}), 10.0, 14.0)],
)
STRICT = Promises()
FAILOVER = Promises(failover=True)


def said(allowed: Promises = STRICT, **changes: Any) -> str:
    """What the judge says of the good sale with something changed in it."""
    of_truth = {name: value for name, value in changes.items() if hasattr(GOOD, name)}
    others = {name: value for name, value in changes.items() if name not in of_truth}
    evidence = replace(EVIDENCE, truth=replace(GOOD, **of_truth), **others)
    return "; ".join(judge(evidence, allowed))


def without(*names: str) -> dict[str, Any]:
    """The good sale's truth with these orders gone from every book."""
    orders = {name: order for name, order in ORDERS.items() if name not in names}
    units = sum(order.qty for order in orders.values())
    return {
        "orders": orders,
        "unallocated": 10 - units,
        "confirms": units,
        "deducted": units,
        "told_confirmed": frozenset(orders),
    }


def test_a_sale_that_kept_every_promise_passes() -> None:
    assert said() == ""
    assert said(FAILOVER) == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"unallocated": 10 - UNITS - 1}, "I1 is off by 1"),
        ({"unallocated": 10 - UNITS + 1}, "I1 is off by -1"),
        ({"leftover": 1}, "I1 is off"),
        ({"total": UNITS - 1, "unallocated": 0}, "1 units oversold"),
        ({"limit": 1}, "2 units beyond their shoppers' limit"),
        ({"confirms": UNITS - 1}, "ledger confirms"),
        ({"returns": 1}, "ledger returns"),
        ({"deducted": UNITS + 1}, "warehouse"),
        ({"open_epochs": ["s0:e3 draining"]}, "not closed after the end: s0:e3"),
        ({"open_rearms": ["s0:e3 fenced"]}, "re-arms that do not end: s0:e3"),
        ({"rearm_reasons": ["FENCED epoch 3"]}, "re-armed without need: FENCED epoch 3"),
        ({"told_confirmed": frozenset({"7-0-ghost"})}, "told confirmed"),
        ({"outcomes": {"sold_out": 2}}, "2 times sold_out"),
        ({"seen": ["seen meanwhile"]}, "seen meanwhile"),
    ],
)
def test_what_must_not_be_is_named_also_with_a_failover(change: dict[str, Any], named: str) -> None:
    assert named in said(**change)
    assert named in said(FAILOVER, **change)


def test_two_orders_of_one_shopper_beyond_the_limit_are_duplicates() -> None:
    twice = {**ORDERS, "7-0-again": OrderRow("shopper-1", 1, "unpaid")}
    change: dict[str, Any] = {
        "orders": twice,
        "unallocated": 3,
        "confirms": UNITS + 1,
        "deducted": UNITS + 1,
    }
    assert said(**change) == "1 units beyond their shoppers' limit"


def test_an_ended_order_does_not_count_against_the_limit_nor_as_sold() -> None:
    ended = {**ORDERS, "7-0-0": replace(ORDERS["7-0-0"], state="expired")}
    change: dict[str, Any] = {"orders": ended, "unallocated": 10 - UNITS + 1, "returns": 1}
    assert said(Promises(returns=True), **change) == ""
    assert "1 orders ended and nobody ended them" in said(**change)
    found = account(PROMISES, replace(GOOD, orders=ended))
    assert (found.confirmed, found.ended) == (3, 1)


def test_a_lost_reservation_is_allowed_only_with_a_failover_and_is_counted() -> None:
    change = without("7-0-2")
    assert said(FAILOVER, **change) == ""
    assert said(**change) == "lost without a failover: 1 (7-0-2)"
    assert account(PROMISES, replace(GOOD, orders=change["orders"])).lost == ["7-0-2"]


@pytest.mark.parametrize("reason", ["over_limit", "closed_epoch"])
def test_an_honest_rejection_is_allowed_only_with_a_failover(reason: str) -> None:
    change = {**without("7-0-2"), "rejections": {"7-0-2": reason}}
    assert said(FAILOVER, **change) == ""
    assert said(**change) == f"1 reservations rejected as {reason}"
    found = account(PROMISES, replace(GOOD, orders=change["orders"], rejections={"7-0-2": reason}))
    assert (found.rejected, found.lost) == ({reason: 1}, [])


@pytest.mark.parametrize("reason", ["over_granted", "no_allocation"])
def test_units_that_were_never_granted_are_no_failovers_fault(reason: str) -> None:
    change = {**without("7-0-2"), "rejections": {"7-0-2": reason}}
    assert said(FAILOVER, **change) == f"1 reservations rejected as {reason}"


def test_a_counter_changed_by_hand_may_be_refused_and_nothing_else() -> None:
    by_hand = Promises(by_hand=1)
    over_granted = {**without("7-0-2"), "rejections": {"7-0-2": "over_granted"}}
    assert said(by_hand, **over_granted) == ""
    assert "over_limit" in said(
        by_hand, **{**without("7-0-2"), "rejections": {"7-0-2": "over_limit"}}
    )
    assert "lost" in said(by_hand, **without("7-0-2"))
    two = {**over_granted, "rejections": {"7-0-2": "over_granted", "7-0-9": "over_granted"}}
    assert said(by_hand, **two) == "2 reservations rejected as over_granted"


def test_a_rejection_whose_answer_never_arrived_is_seen_too() -> None:
    assert said(rejections={"7-0-unheard": "over_granted"}) == (
        "1 reservations rejected as over_granted"
    )


def test_a_late_order_is_allowed_only_with_a_failover() -> None:
    late = {**ORDERS, "7-0-3": replace(ORDERS["7-0-3"], late=True)}
    assert said(FAILOVER, orders=late) == ""
    assert said(orders=late) == "late without a failover: 1 (7-0-3)"


@pytest.mark.parametrize("other", [OrderRow("somebody", 2, "unpaid"), OrderRow("shopper-3", 1, "")])
def test_an_order_for_another_shopper_or_quantity_is_not_what_was_promised(
    other: OrderRow,
) -> None:
    assert "other shopper or quantity" in said(FAILOVER, orders={**ORDERS, "7-0-3": other})


def test_sold_out_may_be_told_where_the_sale_is_meant_to_sell_out() -> None:
    assert said(Promises(sells_out=True), outcomes={"sold_out": 2}) == ""


def test_a_unit_left_over_is_named_where_shoppers_go_away_without() -> None:
    assert said(Promises(to_the_last=True)) == (
        f"{10 - UNITS} units left over, and shoppers went away without"
    )
    assert said(Promises(to_the_last=True), total=UNITS, unallocated=0) == ""


def test_a_reservation_that_became_a_dead_letter_is_named_unless_the_drill_sends_such() -> None:
    assert said(dead_letters=2) == "2 reservations became dead letters"
    assert said(Promises(letters=True), dead_letters=2) == ""


def test_only_the_named_re_arms_may_happen() -> None:
    reasons = ["drill", "FENCED epoch 3", "campaign ended"]
    assert said(Promises(rearms=("drill",)), rearm_reasons=reasons) == (
        "a shard was re-armed without need: FENCED epoch 3"
    )
    assert said(Promises(rearms=("drill", "FENCED")), rearm_reasons=reasons) == ""


OUTSIDE = "lost, late or rejected outside of what the fault may take: 1 (7-0-2)"


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [Span(frozenset({1}), 10.0, 14.0)],
        [Span(frozenset({0}), 12.1, 14.0)],
        [Span(frozenset({0}), 10.0, 11.9)],
        [Span(frozenset({1}), 10.0, 14.0), Span(frozenset({0}), 10.0, 11.0)],
    ],
)
@pytest.mark.parametrize("became", ["lost", "late", "over_limit", "closed_epoch"])
def test_a_failover_excuses_only_its_own_shards_and_time(spans: list[Span], became: str) -> None:
    change: dict[str, Any] = without("7-0-2")
    if became == "late":
        change = {"orders": {**ORDERS, "7-0-2": replace(ORDERS["7-0-2"], late=True)}}
    elif became != "lost":
        change["rejections"] = {"7-0-2": became}
    assert said(FAILOVER, **change) == ""
    assert said(FAILOVER, **change, may_be_lost=spans) == OUTSIDE

"""Each kind of broken history is found, and a good one is let be."""

from dataclasses import replace
from typing import Any

import pytest

from tests.drill.history import check, rows
from tests.drill.judge import OrderRow, Truth
from tests.drill.recorder import Heard


def heard(asked: float, shopper: str, what: str, outcome: str, name: str = "", qty: int = 0):
    return Heard(asked, asked + 0.1, shopper, 0, what, outcome, name, qty)


GOOD = [
    heard(1.0, "ann", "buy", "connection"),
    heard(2.0, "ann", "buy", "pending", "r-ann"),
    heard(2.5, "ann", "status", "reserved", "r-ann", 1),
    heard(3.0, "ann", "repeat", "reserved", "r-ann", 1),
    heard(4.0, "ann", "repeat", "busy"),
    heard(5.0, "ann", "other key", "reserved", "r-ann-2", 1),
    heard(1.0, "bob", "buy", "sold_out"),
    heard(1.0, "cat", "buy", "connection"),
]
TRUTH = Truth(
    total=3,
    unallocated=0,
    leftover=0,
    limit=2,
    orders={
        "r-ann": OrderRow("ann", 1, "unpaid"),
        "r-ann-2": OrderRow("ann", 1, "unpaid"),
        # Whose answer did not arrive, and who did not ask again.
        "r-cat": OrderRow("cat", 1, "unpaid"),
    },
    rejections={},
    confirms=3,
    returns=0,
    deducted=3,
)


def said(*more: Heard, may_end: bool = False, **changes: Any) -> str:
    """What is said of the good history with something more in it."""
    return "; ".join(check([*GOOD, *more], replace(TRUTH, **changes), may_end=may_end))


def test_a_history_that_kept_every_promise_passes() -> None:
    assert said() == ""


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (heard(6.0, "ann", "repeat", "reserved", "r-new", 1), "a retry was another reservation: 1"),
        (heard(6.0, "bob", "repeat", "pending", "r-ann"), "a reservation is two shoppers'"),
        (heard(6.0, "ann", "repeat", "sold_out"), "told no after RESERVED: 1 (ann sold_out)"),
        (heard(6.0, "ann", "other key", "not_found"), "told no after RESERVED"),
        (heard(6.0, "dan", "buy", "reserved", "r-dan", 2), "4 units were promised, and there"),
    ],
)
def test_each_kind_of_broken_history_is_named(more: Heard, named: str) -> None:
    assert named in said(more)


@pytest.mark.parametrize(
    ("order", "named"),
    [
        (OrderRow("eve", 1, "unpaid"), "orders that nobody asked for: 1 (eve)"),
        (OrderRow("cat", 1, "unpaid"), "more orders than purchases: 1 (cat)"),
    ],
)
def test_an_order_too_many_is_named(order: OrderRow, named: str) -> None:
    assert named in said(orders={**TRUTH.orders, "r-extra": order})


def test_who_asked_before_he_heard_may_hear_no() -> None:
    # Two clicks at once: the refusal was asked for before the first answer came.
    assert said(heard(5.05, "ann", "other key", "limit_reached")) == ""


def test_where_orders_end_a_unit_may_be_lost_again_and_sold_twice() -> None:
    late = heard(6.0, "ann", "repeat", "sold_out")
    assert said(late, heard(7.0, "dan", "buy", "reserved", "r-dan", 2), may_end=True) == ""
    other = heard(6.0, "ann", "repeat", "reserved", "r-new", 1)
    assert "another reservation" in said(other, may_end=True)


def test_where_units_were_added_by_hand_more_may_be_promised_and_held_stays_held() -> None:
    more = heard(6.0, "dan", "buy", "reserved", "r-dan", 2)
    assert check([*GOOD, more], TRUTH, by_hand=1) == []
    assert "4 units were promised, and there are 3" in check([*GOOD, more], TRUTH)[0]
    told = check([*GOOD, heard(6.0, "ann", "repeat", "sold_out")], TRUTH, by_hand=1)
    assert "told no after RESERVED" in "; ".join(told)


def test_a_history_is_written_in_seconds_since_its_beginning() -> None:
    row = rows(GOOD[1:2], began=0.5)[0]
    assert (row["asked"], row["answered"]) == (1.5, 1.6)
    assert row["shopper"] == "ann"


def test_what_a_lost_shard_answered_is_let_be_and_nothing_else() -> None:
    def no(shard: int) -> list[Heard]:
        told = heard(6.0, "ann", "repeat", "sold_out")
        return [replace(one, shard=shard) for one in [*GOOD, told]]

    assert "told no after RESERVED" in "; ".join(check(no(1), TRUTH, lost={0}))
    assert check(no(1), TRUTH, lost={1}) == []
    doubled = {f"r-ann-{n}": OrderRow("ann", 1, "unpaid") for n in range(3)}
    truth = replace(TRUTH, orders=doubled)
    assert "more orders than purchases" in "; ".join(check(GOOD, truth, lost={1}))
    assert check(GOOD, truth, lost={0}) == []
    few = replace(TRUTH, total=1)
    assert "were promised" in "; ".join(check(GOOD, few, lost={1}))
    assert check(GOOD, few, lost={0}) == []

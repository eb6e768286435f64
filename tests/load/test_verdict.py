"""The demo's verdict fails for everything that must not happen, and for nothing else."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.load.books import Books
from tests.load.report import broken_promises
from tests.load.shoppers import Heard

UNITS, SHOPPERS = 3, 5
NAMES = {f"7-0-{number}": f"shopper-{number}" for number in range(UNITS)}
GOOD = Books(
    units=UNITS,
    limit=1,
    redis_avail=0,
    redis_sold=UNITS,
    redis_granted=UNITS,
    buyers=dict.fromkeys(NAMES, 1),
    orders=dict(NAMES),
    from_database=set(),
    rejections={},
    ordered_units=UNITS,
    returned_units=0,
    units_by_shopper=Counter(NAMES.values()),
    ledger_units=UNITS,
    warehouse_units=UNITS,
    pool_drift=0,
    landed_in_s=1.0,
)


def heard(**changes):
    said = Heard(reserved=dict(NAMES), confirmed=set(NAMES))
    for name, value in changes.items():
        setattr(said, name, value)
    return said


def test_a_sale_that_kept_every_promise_passes():
    assert broken_promises(heard(), GOOD, SHOPPERS) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"ordered_units": 4, "redis_sold": 4}, "oversold"),
        ({"ordered_units": 2}, "2 units sold, not 3"),
        ({"units_by_shopper": Counter({"shopper-0": 2})}, "beyond the shoppers' limit"),
        ({"rejections": {"7-0-9": "over_limit"}}, "rejected"),
        ({"orders": {"7-0-0": "shopper-0"}}, "lost"),
        ({"orders": NAMES | {"7-0-0": "somebody else"}}, "lost"),
        ({"pool_drift": 1}, "pool"),
        ({"redis_granted": 9}, "granted"),
        ({"ledger_units": 2}, "ledger"),
        ({"warehouse_units": 2}, "warehouse"),
    ],
)
def test_books_that_are_wrong_are_named(change, named):
    assert any(
        named in line for line in broken_promises(heard(), replace(GOOD, **change), SHOPPERS)
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surprises": ["shopper-1: was let in before the start"]}, "let in"),
        ({"answers": Counter({"connection: ClientConnectorError": 3})}, "3 requests failed"),
        ({"confirmed": {*NAMES, "7-0-ghost"}}, "told confirmed"),
        ({"reserved": NAMES | {"7-0-ghost": "shopper-4"}}, "lost"),
    ],
)
def test_answers_that_are_wrong_are_named(change, named):
    assert any(named in line for line in broken_promises(heard(**change), GOOD, SHOPPERS))


def test_a_sale_in_which_nobody_got_through_fails():
    nothing = replace(
        GOOD,
        redis_sold=0,
        redis_avail=3,
        buyers={},
        orders={},
        ordered_units=0,
        units_by_shopper=Counter(),
        ledger_units=0,
        warehouse_units=0,
    )
    silent = Heard(answers=Counter({"connection: ClientConnectorError": SHOPPERS}))
    assert broken_promises(silent, nothing, SHOPPERS)

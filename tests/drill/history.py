"""What was asked and answered, in order, against the books: pure (`test_history.py`).

The judge looks at what is left in the end; this looks at the way there. Times are one clock's
(time.monotonic()), and an answer counts as known from the moment it arrived.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tests.drill.judge import Truth
from tests.drill.recorder import Heard

# Clicks with the same idempotency key.
KEY_OF = {"buy": "first", "repeat": "first", "other key": "more"}
HELD = frozenset({"reserved", "confirmed"})
# After a RESERVED the same key hears it again, or nobody knows for the moment.
AFTER_HELD = HELD | {"busy", "pending", "connection", "rate_limited", "queued", "paid"}
NAMED = 3


def check(
    heard: Sequence[Heard],
    truth: Truth,
    *,
    may_end: bool = False,
    by_hand: int = 0,
    lost: Collection[int] = (),
) -> list[str]:
    """Every broken promise of the history, one line each; empty when there is none.

    may_end: orders are cancelled or a node lost state, so that who had a unit may lose it.
    lost: the shards of which alone that is true. by_hand: units that somebody added to a counter,
    so that as many more may be promised.
    """
    purchases = [one for one in heard if one.what in KEY_OF]
    # A shopper has one shard, so that what the others of it are told says nothing of his.
    kept = [one for one in purchases if one.shard not in lost]
    return [
        *_one_key_one_reservation(purchases),
        *_one_reservation_one_shopper(heard),
        *_orders_were_asked_for(purchases, truth, lost, may_end=may_end),
        *([] if may_end else _held_stays_held(kept)),
        *([] if may_end else _no_more_than_there_is(kept, truth, by_hand)),
    ]


def rows(heard: Iterable[Heard], began: float) -> list[dict[str, Any]]:
    """As written to a file: seconds since the beginning."""
    return [
        asdict(one)
        | {"asked": round(one.asked - began, 4), "answered": round(one.answered - began, 4)}
        for one in heard
    ]


def _one_key_one_reservation(purchases: Iterable[Heard]) -> list[str]:
    """A retry is the same reservation (DESIGN §4.6)."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in purchases:
        if one.outcome in HELD:
            ids[one.shopper, KEY_OF[one.what]].add(one.reservation_id)
    wrong = [f"{shopper} {key}" for (shopper, key), found in ids.items() if len(found) > 1]
    return _told("a retry was another reservation", wrong)


def _one_reservation_one_shopper(heard: Iterable[Heard]) -> list[str]:
    owners: dict[str, set[str]] = defaultdict(set)
    for one in heard:
        if one.reservation_id:
            owners[one.reservation_id].add(one.shopper)
    return _told("a reservation is two shoppers'", [n for n, o in owners.items() if len(o) > 1])


def _orders_were_asked_for(
    purchases: Iterable[Heard], truth: Truth, lost: Collection[int], *, may_end: bool
) -> list[str]:
    """No order of somebody who never clicked, and not more of them than keys he used.

    Where orders end, late money may order again.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    excused = set()
    for one in purchases:
        if one.shard in lost:
            excused.add(one.shopper)
        keys[one.shopper].add(KEY_OF[one.what])
    orders: dict[str, int] = defaultdict(int)
    for order in truth.orders.values():
        orders[order.shopper] += 1
    nobody = [shopper for shopper in orders if shopper not in keys]
    doubled = [
        shopper
        for shopper, n in orders.items()
        if shopper not in excused and keys[shopper] and n > len(keys[shopper])
    ]
    return [
        *_told("orders that nobody asked for", nobody),
        *([] if may_end else _told("more orders than purchases", doubled)),
    ]


def _held_stays_held(purchases: Iterable[Heard]) -> list[str]:
    """Whoever heard RESERVED and clicks again with the same key does not hear a no."""
    held: dict[tuple[str, str], float] = {}
    for one in purchases:
        if one.outcome in HELD:
            key = (one.shopper, KEY_OF[one.what])
            held[key] = min(held.get(key, one.answered), one.answered)
    wrong = [
        f"{one.shopper} {one.outcome}"
        for one in purchases
        if one.outcome not in AFTER_HELD
        and one.asked > held.get((one.shopper, KEY_OF[one.what]), float("inf"))
    ]
    return _told("told no after RESERVED", wrong)


def _no_more_than_there_is(purchases: Iterable[Heard], truth: Truth, by_hand: int) -> list[str]:
    units = {one.reservation_id: one.qty for one in purchases if one.outcome in HELD}
    there_are = truth.total + by_hand
    if (promised := sum(units.values())) > there_are:
        return [f"{promised} units were promised, and there are {there_are}"]
    return []


def _told(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = " …" if len(names) > NAMED else ""
    return [f"{what}: {len(names)} ({', '.join(names[:NAMED])}{more})"]

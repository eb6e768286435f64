"""Whether a shard's books balance, read from its keys and from nothing else.

`faults` is the property that every case of these tests must keep, and that the mutants of
`test_mutants.py` must break.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.redis.server import Client
from workers.stock import scripts
from workers.stock.keys import Shard
from workers.stock.shard import Books


def books_of(client: Client, shard: Shard) -> Books:
    """One atomic reading."""
    keys = shard.keys
    return Books(*client.eval(scripts.INSPECT.text, len(keys), *keys, shard.epoch))


def intents_of(client: Client, shard: Shard) -> list[dict[str, Any]]:
    """Every intent in the outbox, oldest first."""
    return [
        _intent(line)
        for _, fields in client.xrange(shard.outbox)
        for line in fields["lines"].split("\n")
    ]


def _intent(line: str) -> dict[str, Any]:
    # One that is followed has a trace behind it.
    shopper, wish, device, level, at_ms, *_ = line.split(" ")
    reservation_id, qty = wish.split("=")
    return {
        "shopper": shopper,
        "reservation_id": reservation_id,
        "qty": int(qty),
        "device": device,
        "level": level,
        "at_ms": int(at_ms),
    }


def held_by(client: Client, shard: Shard) -> dict[str, list[tuple[str, int]]]:
    """Shopper → (reservation_id, qty) in the order of buying."""
    return {
        shopper: [(one.split("=")[0], int(one.split("=")[1])) for one in text.split(",")]
        for shopper, text in client.hgetall(shard.buyers).items()
    }


def faults(client: Client, shard: Shard, known: Mapping[str, int]) -> list[str]:
    """What is wrong, each beginning with its kind; empty when the books balance.

    `known`: reservations that stand with another quantity than the outbox says, because they were
    rebuilt or released. The outbox is compared with the buyers, so this is for shards whose outbox
    was never trimmed.
    """
    books = books_of(client, shard)
    limit = int(client.hget(shard.ctl, "limit") or 0)
    held = held_by(client, shard)
    intents = intents_of(client, shard)
    found = []
    if books.sold > books.granted - books.reclaimed or books.avail < 0:
        found.append(f"oversold: {books.sold} of {books.granted}, {books.avail} left")
    if books.granted - books.reclaimed != books.avail + books.sold or not books.balanced:
        found.append(f"leak: {books}")
    if books.sold != sum(intent["qty"] for intent in intents):
        found.append(f"uncounted: {books.sold} sold, but the intents say otherwise")
    for shopper, reservations in held.items():
        units = sum(qty for _, qty in reservations)
        if units > limit:
            found.append(f"over limit: {shopper} has {units} of {limit}")
    ids = Counter(intent["reservation_id"] for intent in intents)
    found += [f"doubled: {one} {count} times" for one, count in ids.items() if count > 1]
    found += _compare(held, {one["reservation_id"]: one["qty"] for one in intents} | dict(known))
    for entry, fields in client.xrange(shard.outbox):
        if int(fields["n"]) != len(fields["lines"].split("\n")) or fields["v"] != "2":
            found.append(f"miscounted: {entry} says {fields['n']}")
    return found


def _compare(held: dict[str, list[tuple[str, int]]], told: Mapping[str, int]) -> list[str]:
    bought = Counter(one for some in held.values() for one in some)
    expected = Counter(told.items())
    return [f"untold: {one} has no intent" for one in bought - expected] + [
        f"unbought: {one} has an intent only" for one in expected - bought
    ]

"""Reservations that nothing can be said against become orders, by one COPY into their table.

Nearly all are such: their allocation is open and has room for all that the batch asks of it, their
shopper has no order of the item yet and asks within the limit for no more in the whole batch, and
nothing was decided about them before. Then it does not matter who came first, and no row has to be
judged by itself. The rest is left to the rounds of `landing.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection

from control_plane.orders.landed import Intent, Landed, Lease, Tag, read_lease

# A batch's rows in few pieces: between pieces psycopg2 asks for the GIL again, for which it waits
# while the thread that announces is busy. Its default of 8 kB makes 27 pieces of 2000 rows.
COPY_PIECE_BYTES = 1 << 20
# PostgreSQL takes one piece while the next one is written.
_ROWS_A_PIECE = 500

_LOOK = (Path(__file__).parent / "undisputed.sql").read_text()
_REJECTED = """
SELECT reservation_id FROM orders_rejection
 WHERE reservation_id = ANY(string_to_array(%s, E'\\t'))
"""
_COPY = """
COPY orders_order (id, reservation_id, item_id, shard, epoch, shopper, qty, amount_minor,
                   currency, state, reserved_at, created_at, pay_by) FROM STDIN
"""
# What else belongs to an order; the arrays as texts, which is the quickest way to hand them over.
_BOOK = """
INSERT INTO orders_ledgerentry (order_id, kind, item_id, qty, created_at)
SELECT id, 'confirm', %(item)s, qty, %(now)s
  FROM unnest(string_to_array(%(ids)s, E'\\t')::bigint[],
              string_to_array(%(quantities)s, E'\\t')::int[]) AS made (id, qty);
UPDATE inventory_allocation SET consumed = consumed + %(units)s
 WHERE item_id = %(item)s AND shard = %(shard)s AND epoch = %(epoch)s
"""

_tag_of = itemgetter(1, 2, 3)
_shopper_of = itemgetter(1, 4)
_qty_of = itemgetter(5)


def land_undisputed(cursor: Any, waiting: Mapping[str, Intent], now: datetime) -> dict[str, Landed]:
    """Take the locks of the whole batch, and make the orders that are plain; returns these.

    Inside the batch's transaction, once and first. Raises IntegrityError when one of them stands
    already under another shopper's name: the whole batch has to be judged then.
    """
    asks: dict[tuple[int, str], int] = defaultdict(int)
    groups: dict[Tag, list[Intent]] = defaultdict(list)
    for intent in waiting.values():
        asks[_shopper_of(intent)] += intent[5]
        groups[_tag_of(intent)].append(intent)
    leases, disputed, order_ids = _look(cursor, waiting, groups, asks, now)
    decided: dict[str, Landed] = {}
    for tag, group in groups.items():
        lease = leases.get(tag)
        if lease is None or lease.is_late or sum(map(_qty_of, group)) > lease.room:
            continue
        limit = lease.limit_per_shopper
        if disputed or max(asks.values()) > limit:
            group = [
                one
                for one in group
                if asks[_shopper_of(one)] <= limit
                and _shopper_of(one) not in disputed
                and one.reservation_id not in disputed
            ]
        if group:
            decided |= _make(cursor, tag, lease, group, order_ids[len(decided) :], now)
    return decided


def _look(
    cursor: Any,
    waiting: Mapping[str, Intent],
    tags: Iterable[Tag],
    asks: Mapping[tuple[int, str], int],
    now: datetime,
) -> tuple[dict[Tag, Lease], set[Any], list[str]]:
    """Leases by tag, shoppers and reservations that are known, and as many order ids as needed."""
    tag_items, tag_shards, tag_epochs = (list(column) for column in zip(*tags, strict=True))
    items = sorted(set(tag_items))
    asked_items, asked_shoppers = zip(*asks, strict=True)
    cursor.execute(
        _LOOK,
        {
            "now": now,
            "items": items,
            "tag_items": tag_items,
            "tag_shards": tag_shards,
            "tag_epochs": tag_epochs,
            "asked_items": "\t".join(map(str, asked_items)),
            "asked_shoppers": "\t".join(asked_shoppers),
            "count": len(waiting),
        },
    )
    leases: dict[Tag, Lease] = {}
    disputed: set[Any] = set()
    order_ids: list[str] = []
    has_rejections = False
    for kind, item, text in cursor.fetchall():
        if kind == "lease":
            tag, lease = read_lease(text)
            leases[tag] = lease
        elif kind == "shopper":
            disputed.add((item, text))
        elif kind == "rejections":
            has_rejections = True
        else:
            order_ids = text.split("\t")
    if has_rejections:
        cursor.execute(_REJECTED, ["\t".join(waiting)])
        disputed.update(known for (known,) in cursor.fetchall())
    return leases, disputed, order_ids


def _make(
    cursor: Any,
    tag: Tag,
    lease: Lease,
    group: list[Intent],
    order_ids: list[str],
    now: datetime,
) -> dict[str, Landed]:
    """Orders of one allocation, their ledger and its count."""
    item, shard, epoch = tag
    decided: dict[str, Landed] = {}
    # Django does not translate the errors of this one call by itself.
    rows = _Pieces(_written(tag, lease, group, order_ids, now, decided))
    try:
        with connection.wrap_database_errors:
            cursor.copy_expert(_COPY, rows, COPY_PIECE_BYTES)
    except DatabaseError:
        if rows.error is not None:
            # The client has made a cancelled statement of it, which would be tried for ever.
            raise rows.error from None
        raise
    quantities = list(map(_qty_of, group))
    cursor.execute(
        _BOOK,
        {
            "item": item,
            "shard": shard,
            "epoch": epoch,
            "now": now,
            "ids": "\t".join(order_ids[: len(group)]),
            "quantities": "\t".join(map(str, quantities)),
            "units": sum(quantities),
        },
    )
    return decided


def _written(
    tag: Tag,
    lease: Lease,
    group: list[Intent],
    order_ids: list[str],
    now: datetime,
    decided: dict[str, Landed],
) -> Iterator[str]:
    """Rows for COPY, a piece at a time; `decided` has what they say."""
    item, shard, epoch = tag
    sku, price_minor, currency, pay_by, *_ = lease
    place = f"{item}\t{shard}\t{epoch}"
    times = f"{now.isoformat()}\t{pay_by.isoformat()}\n"
    seconds = _Seconds()
    made = zip(order_ids, group, strict=False)
    while piece := list(islice(made, _ROWS_A_PIECE)):
        lines = []
        for order_id, (reservation_id, _, _, _, shopper, qty, at_ms) in piece:
            amount_minor = qty * price_minor
            lines.append(
                f"{order_id}\t{reservation_id}\t{place}\t{shopper}\t{qty}\t{amount_minor}"
                f"\t{currency}\tunpaid\t{seconds[at_ms // 1000]}.{at_ms % 1000:03d}Z\t{times}"
            )
            decided[reservation_id] = Landed(
                *(reservation_id, item, shopper, qty, int(order_id), "unpaid", "", sku),
                *(amount_minor, currency, now, pay_by, True, False),
            )
        yield "".join(lines)


class _Pieces:
    """A file for COPY that is written while it is read."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        # What was wrong with the writing.
        self.error: Exception | None = None

    def read(self, _size: int) -> str:
        try:
            return next(self._pieces, "")
        except Exception as error:
            self.error = error
            raise


class _Seconds(dict[int, str]):
    """A second of the epoch as PostgreSQL reads it; most of a batch fall into a few."""

    def __missing__(self, second: int) -> str:
        text = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        self[second] = text
        return text

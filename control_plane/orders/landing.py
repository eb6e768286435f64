"""Reservations become orders: a batch, one COPY, one transaction (DESIGN §4.8)."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction

from control_plane.campaigns.models import PAY_MINUTES
from control_plane.inventory import services as inventory

# How long an order may stay unpaid where its campaign says nothing else.
PAY_WITHIN = timedelta(minutes=PAY_MINUTES)

# A batch's rows in one piece: between pieces psycopg2 asks for the GIL again, for which it may wait
# 5 ms each time while the thread that announces is busy. Its default of 8 kB makes 27 pieces of
# 2000 rows.
COPY_PIECE_BYTES = 1 << 20

# Waiting longer means that something is wrong: the batch is given back and tried again.
_BEGIN = """
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';
CREATE TEMPORARY TABLE IF NOT EXISTS landing (
    reservation_id varchar(64) NOT NULL,
    item bigint NOT NULL,
    shard smallint NOT NULL,
    epoch integer NOT NULL,
    shopper varchar(64) NOT NULL,
    qty integer NOT NULL,
    at_ms bigint NOT NULL,
    shopper_asks bigint NOT NULL,
    allocation_asks bigint NOT NULL
) ON COMMIT DELETE ROWS;
"""
_ROUND = (Path(__file__).parent / "landing.sql").read_text()
_KNOWN = """
SELECT known.shard, known.epoch,
       known.reservation_id, known.item_id, known.shopper, known.qty, known.id, known.state, '',
       item.sku, known.amount_minor, known.currency, known.created_at, known.pay_by
  FROM orders_order known
  JOIN landing USING (reservation_id)
  JOIN campaigns_item item ON item.id = known.item_id
UNION ALL
SELECT known.shard, known.epoch,
       known.reservation_id, known.item_id, known.shopper, known.qty, NULL, '', known.reason,
       '', 0, '', known.created_at, NULL
  FROM orders_rejection known
  JOIN landing USING (reservation_id)
"""
# Units that an open epoch's shard took and no order uses: to the pool, once for each hold. A closed
# epoch's leftover is there already. Needs the pool's lock.
_GIVE_BACK = """
WITH held AS (
    INSERT INTO inventory_unusedhold (reservation_id, allocation_id)
    SELECT %(reservation)s, id FROM inventory_allocation
     WHERE item_id = %(item)s AND shard = %(shard)s AND epoch = %(epoch)s
       AND state <> 'closed' AND granted - consumed >= %(qty)s
    ON CONFLICT DO NOTHING
    RETURNING allocation_id
),
taken AS (
    UPDATE inventory_allocation SET granted = granted - %(qty)s
     WHERE id IN (SELECT allocation_id FROM held)
    RETURNING item_id
)
UPDATE inventory_pool SET unallocated = unallocated + %(qty)s
 WHERE item_id IN (SELECT item_id FROM taken)
"""


class Intent(NamedTuple):
    """What a reservation asks for. Its strings need no escaping in COPY, the caller has checked.

    `reservation_id` begins with "<item>-<shard>-": one id never names two items.
    """

    reservation_id: str
    item: int
    shard: int
    epoch: int
    shopper: str
    qty: int
    at_ms: int

    @property
    def tag(self) -> tuple[int, int]:
        """Which of the item's epochs took the units."""
        return self.shard, self.epoch


class Landed(NamedTuple):
    """What became of a reservation, once and for ever: an order, or a rejection with a reason."""

    reservation_id: str
    item: int
    shopper: str
    qty: int
    order_id: int | None
    state: str
    reason: str
    sku: str
    amount_minor: int
    currency: str
    created_at: datetime
    pay_by: datetime | None
    # Decided by this call, not by an earlier one.
    fresh: bool
    # Fresh, and confirmed with units of the pool: its epoch was closed before it came.
    late: bool

    @property
    def number(self) -> str:
        """What the shopper sees of the order, as `Order.number`."""
        return f"S{self.order_id:010d}"


class _Lease(NamedTuple):
    """Of one allocation: what its orders have in common."""

    sku: str
    price_minor: int
    currency: str
    pay_by: datetime
    # Closed before they came: their units are the pool's.
    is_late: bool


def land(
    batch: Sequence[Intent], now: datetime, barriers: Sequence[tuple[uuid.UUID, int]] = ()
) -> list[Landed]:
    """Decide every reservation of the batch, in its order, and commit. Blocking.

    First come, first served: an intent gets its order unless its epoch is unknown, its shopper
    would have more than the item's limit, or too few units are left in its allocation (once that
    is closed: in the pool); who is refused takes nothing from those behind. Units that an open
    epoch holds for a reservation that is no order of it go back to the pool. Repeat safe: a known
    reservation gives its first answer, whatever else the repeat says. Returns one Landed for each
    distinct reservation, in batch order. `barriers` are (re-arm, partition) pairs behind which
    nothing of the batch stands; they count together with it. Must not run inside a transaction.
    Raises Django's OperationalError or InterfaceError when the database cannot do it now.
    """
    firsts: dict[str, Intent] = {}
    for intent in batch:
        firsts.setdefault(intent.reservation_id, intent)
    waiting = dict(firsts)
    decided: dict[str, Landed] = {}
    # The epoch that a reservation was decided for, where that was earlier.
    tags: dict[str, tuple[int, int]] = {}
    over_limit: set[str] = set()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_BEGIN)
        # One round is enough unless something did not fit. Each decides at least its first row,
        # whose running sums are its own: it fits, or it does not fit alone.
        while waiting:
            cursor.execute("DELETE FROM landing")
            answers = _round(cursor, waiting, now, tags, over_limit)
            # Going round with the locks held would stop every landing of these items.
            assert answers, f"a round decided none of {len(waiting)} reservations"
            decided |= answers
            waiting = {name: waiting[name] for name in waiting if name not in answers}
        # After all orders: they need the units more.
        for intent in _unused(batch, firsts, tags, over_limit):
            give_back(cursor, intent)
        inventory.note_barriers(barriers)
    return [decided[reservation_id] for reservation_id in firsts]


def _round(
    cursor: Any,
    waiting: Mapping[str, Intent],
    now: datetime,
    tags: dict[str, tuple[int, int]],
    over_limit: set[str],
) -> dict[str, Landed]:
    """What one round decides; notes the epochs of known ones and who is over the limit now."""
    # Django does not translate the errors of this one call by itself.
    with connection.wrap_database_errors:
        rows = StringIO(_rows(waiting.values()))
        cursor.copy_expert("COPY landing FROM STDIN", rows, COPY_PIECE_BYTES)
    cursor.execute(_ROUND, {"now": now})
    rows = cursor.fetchall()
    leases = dict(_lease(text) for reservation_id, _, text in rows if reservation_id is None)
    decided = {}
    for reservation_id, order_id, reason in rows:
        if reservation_id is None:
            continue
        _, item, shard, epoch, shopper, qty, _ = waiting[reservation_id]
        if order_id is None:
            if reason == "over_limit":
                over_limit.add(reservation_id)
            decided[reservation_id] = Landed(
                *(reservation_id, item, shopper, qty, None, "", reason, "", 0, ""),
                *(now, None, True, False),
            )
            continue
        sku, price_minor, currency, pay_by, is_late = leases[item, shard, epoch]
        amount_minor = qty * price_minor
        decided[reservation_id] = Landed(
            reservation_id,
            item,
            shopper,
            qty,
            order_id,
            "unpaid",
            "",
            sku,
            amount_minor,
            currency,
            now,
            pay_by,
            True,
            is_late,
        )
    if len(decided) < len(waiting):
        cursor.execute(_KNOWN)
        for shard, epoch, *row in cursor.fetchall():
            if row[0] not in decided:
                tags[row[0]] = (shard, epoch)
                decided[row[0]] = Landed._make((*row, False, False))
    return decided


def _lease(text: str) -> tuple[tuple[int, int, int], _Lease]:
    """What the orders of one allocation have in common, by item, shard and epoch."""
    said = json.loads(text)
    pay_by = datetime.fromisoformat(said["pay_by"]).astimezone(UTC)
    common = _Lease(said["sku"], said["price_minor"], said["currency"], pay_by, said["closed"])
    return (said["item"], said["shard"], said["epoch"]), common


def _unused(
    batch: Sequence[Intent],
    firsts: Mapping[str, Intent],
    tags: Mapping[str, tuple[int, int]],
    over_limit: Set[str],
) -> Iterator[Intent]:
    """Whose units no order uses: over the limit, or reserved again in an epoch that did not know.

    Each of them may come twice; `give_back` tells.
    """
    if len(firsts) == len(batch) and not tags and not over_limit:
        return
    for intent in batch:
        name = intent.reservation_id
        if name in over_limit or intent.tag != (tags.get(name) or firsts[name].tag):
            yield intent


def give_back(cursor: Any, intent: Intent) -> None:
    """What an open epoch holds for the reservation, to the pool; once. Needs the pool's lock."""
    cursor.execute(
        _GIVE_BACK,
        {
            "reservation": intent.reservation_id,
            "item": intent.item,
            "shard": intent.shard,
            "epoch": intent.epoch,
            "qty": intent.qty,
        },
    )


def _rows(intents: Iterable[Intent]) -> str:
    shopper_asks: dict[tuple[int, str], int] = {}
    allocation_asks: dict[tuple[int, int, int], int] = {}
    lines = []
    for reservation_id, item, shard, epoch, shopper, qty, at_ms in intents:
        of_shopper = shopper_asks.get((item, shopper), 0) + qty
        of_allocation = allocation_asks.get((item, shard, epoch), 0) + qty
        shopper_asks[item, shopper] = of_shopper
        allocation_asks[item, shard, epoch] = of_allocation
        lines.append(
            f"{reservation_id}\t{item}\t{shard}\t{epoch}\t{shopper}\t{qty}\t{at_ms}"
            f"\t{of_shopper}\t{of_allocation}\n"
        )
    return "".join(lines)

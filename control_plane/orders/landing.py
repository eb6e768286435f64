"""Reservations become orders: a batch, one transaction (DESIGN §4.8).

Of nearly all `undisputed.py` makes orders at once; the rest is judged here, row by row.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from django.db import IntegrityError, connection, transaction

from control_plane.campaigns.models import PAY_MINUTES
from control_plane.inventory import services as inventory
from control_plane.orders.landed import Intent, Landed, read_lease
from control_plane.orders.undisputed import COPY_PIECE_BYTES, land_undisputed

# How long an order may stay unpaid where its campaign says nothing else.
PAY_WITHIN = timedelta(minutes=PAY_MINUTES)

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


_log = logging.getLogger(__name__)


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
    try:
        decided = _decide(batch, firsts, now, barriers, judge_all=False)
    except IntegrityError as error:
        # One stands already, under a name that was not looked for.
        _log.info("the whole batch is judged: %s", error)
        decided = _decide(batch, firsts, now, barriers, judge_all=True)
    return [decided[reservation_id] for reservation_id in firsts]


def _decide(
    batch: Sequence[Intent],
    firsts: Mapping[str, Intent],
    now: datetime,
    barriers: Sequence[tuple[uuid.UUID, int]],
    *,
    judge_all: bool,
) -> dict[str, Landed]:
    decided: dict[str, Landed] = {}
    # The epoch that a reservation was decided for, where that was earlier.
    tags: dict[str, tuple[int, int]] = {}
    over_limit: set[str] = set()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        if firsts and not judge_all:
            decided = land_undisputed(cursor, firsts, now)
        waiting = _without(firsts, decided)
        if waiting:
            cursor.execute(_BEGIN)
        # One round is enough unless something did not fit. Each decides at least its first row,
        # whose running sums are its own: it fits, or it does not fit alone.
        while waiting:
            cursor.execute("DELETE FROM landing")
            answers = _round(cursor, waiting, now, tags, over_limit)
            # Going round with the locks held would stop every landing of these items.
            assert answers, f"a round decided none of {len(waiting)} reservations"
            decided |= answers
            waiting = _without(waiting, answers)
        # After all orders: they need the units more.
        for intent in _unused(batch, firsts, tags, over_limit):
            give_back(cursor, intent)
        inventory.note_barriers(barriers)
    return decided


def _without(intents: Mapping[str, Intent], decided: Mapping[str, Landed]) -> dict[str, Intent]:
    if len(decided) == len(intents):
        return {}
    return {name: intent for name, intent in intents.items() if name not in decided}


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
    leases = dict(read_lease(text) for reservation_id, _, text in rows if reservation_id is None)
    decided = {}
    for reservation_id, order_id, reason in rows:
        if reservation_id is None:
            continue
        _, item, shard, epoch, shopper, qty, _ = waiting[reservation_id]
        if reason == "over_limit":
            over_limit.add(reservation_id)
        state, sku, amount_minor, currency, pay_by, is_late = "", "", 0, "", None, False
        if order_id is not None:
            lease = leases[item, shard, epoch]
            state, sku, amount_minor = "unpaid", lease.sku, qty * lease.price_minor
            currency, pay_by, is_late = lease.currency, lease.pay_by, lease.is_late
        decided[reservation_id] = Landed(
            *(reservation_id, item, shopper, qty, order_id, state, reason, sku, amount_minor),
            *(currency, now, pay_by, True, is_late),
        )
    if len(decided) < len(waiting):
        cursor.execute(_KNOWN)
        for shard, epoch, *row in cursor.fetchall():
            if row[0] not in decided:
                tags[row[0]] = (shard, epoch)
                decided[row[0]] = Landed._make((*row, False, False))
    return decided


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

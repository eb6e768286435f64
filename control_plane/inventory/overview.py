"""What the stock agent plans by: where an item's units are, in one statement's view."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection

# One statement, hence one view of the database. Everything is answered by an index; only items
# with many epochs cost more, and those are few.
_VIEWS = """
WITH head AS MATERIALIZED (
    SELECT pool.item_id, pool.unallocated, pool.grants_begun, pool.reclaims_begun,
           (SELECT coalesce(sum(change.qty - change.done), 0) FROM inventory_stockchange change
             WHERE change.item_id = pool.item_id AND change.state = 'waiting') AS waiting,
           (EXISTS (SELECT FROM inventory_allocation allocation
                      JOIN inventory_grant movement ON movement.allocation_id = allocation.id
                     WHERE allocation.item_id = pool.item_id AND allocation.state = 'selling'
                       AND movement.applied_at IS NULL)
         OR EXISTS (SELECT FROM inventory_reclaim movement
                      JOIN inventory_allocation allocation ON allocation.id = movement.allocation_id
                     WHERE allocation.item_id = pool.item_id AND movement.taken IS NULL)
         OR EXISTS (SELECT FROM inventory_allocation allocation
                     WHERE allocation.item_id = pool.item_id AND allocation.state = 'draining'
                       AND allocation.granted > allocation.consumed)) AS under_way
      FROM inventory_pool pool
     WHERE pool.item_id = ANY(%s)
),
last AS MATERIALIZED (
    SELECT item_id, shard, max(epoch) AS epoch FROM inventory_allocation
     WHERE item_id = ANY(%s)
     GROUP BY item_id, shard
)
SELECT head.*, last.shard, last.epoch, selling.id, selling.epoch, selling.source, selling.life,
       selling.script_sha, selling.granted, selling.consumed
  FROM head
  LEFT JOIN last ON last.item_id = head.item_id
  LEFT JOIN inventory_allocation selling
         ON selling.item_id = last.item_id
        AND selling.shard = last.shard
        AND selling.state = 'selling'
 ORDER BY head.item_id, last.shard
"""


@dataclass(frozen=True, slots=True)
class AllocationView:
    """An allocation that sells, or will once it is armed."""

    id: int
    shard: int
    epoch: int
    source: str
    life: str
    script_sha: str
    granted: int
    consumed: int

    @property
    def leftover(self) -> int:
        """Units that are in the shard or on their way from there."""
        return self.granted - self.consumed


@dataclass(frozen=True, slots=True)
class View:
    """Where an item's units are, apart from the shards themselves.

    `under_way`: units may be where nobody looks, because a grant or a reclaim is not through or an
    old epoch is not closed. `movements` changes whenever units have set out since.
    """

    unallocated: int
    under_way: bool
    movements: tuple[int, int]
    waiting_withdrawals: int
    selling: dict[int, AllocationView] = field(default_factory=dict)
    last_epoch: dict[int, int] = field(default_factory=dict)


def views(item_ids: Iterable[int]) -> dict[int, View]:
    """The items' views, all of one moment; items without a pool are left out."""
    wanted = list(item_ids)
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_VIEWS, [wanted, wanted])
        rows = cursor.fetchall()
    seen: dict[int, View] = {}
    for item_id, unallocated, grants, reclaims, waiting, under_way, shard, last, *selling in rows:
        view = seen.get(item_id)
        if view is None:
            view = seen[item_id] = View(unallocated, under_way, (grants, reclaims), waiting)
        if shard is not None:
            view.last_epoch[shard] = last
        if selling[0] is not None:
            pk, *rest = selling
            view.selling[shard] = AllocationView(pk, shard, *rest)
    return seen

"""Who has bought in a shard, for the key set of its next epoch."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

CHUNK = 1000
# Ended ones and rejections count nothing, but stay known: forgotten, a retry of the same purchase
# would take a unit under an id that is already answered for.
# An order that was not paid in time counts on where the campaign gives nobody another turn.
_DECIDED = """
SELECT ours.shopper, ours.reservation_id,
       CASE WHEN ours.state IN ('unpaid', 'paid')
              OR NOT campaign.buys_again AND ours.state = 'expired'
             AND NOT EXISTS (SELECT FROM orders_order successor
                              WHERE successor.replaces_id = ours.id)
            THEN ours.qty ELSE 0 END
  FROM orders_order ours
  JOIN campaigns_item item ON item.id = ours.item_id
  JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
 WHERE ours.item_id = %s AND ours.shard = %s
UNION ALL
SELECT shopper, reservation_id, 0 FROM orders_rejection WHERE item_id = %s AND shard = %s
"""
_IN_DATABASE = """
SELECT intent.shopper, intent.reservation_id, intent.qty
  FROM inventory_allocation allocation
  JOIN orders_databaseintent intent
    ON intent.item_id = allocation.item_id
   AND intent.shard = allocation.shard
   AND intent.epoch = allocation.epoch
 WHERE allocation.id = %s
   AND NOT EXISTS (SELECT FROM orders_order known
                    WHERE known.reservation_id = intent.reservation_id)
   AND NOT EXISTS (SELECT FROM orders_rejection known
                    WHERE known.reservation_id = intent.reservation_id)
"""

Buyer = tuple[str, str, int]


def decided_buyers(item_id: int, shard: int) -> Iterator[Buyer]:
    """(shopper, reservation, what still counts of it) of every decided reservation of the shard.

    One statement's view, streamed: a shard may have a million.
    """
    return _stream(_DECIDED, [item_id, shard, item_id, shard])


def database_buyers(allocation_id: int) -> Iterator[Buyer]:
    """The same of an epoch of the source `database`: those that are not decided yet."""
    return _stream(_IN_DATABASE, [allocation_id])


def _stream(statement: str, parameters: list[Any]) -> Iterator[Buyer]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(CHUNK):
            yield from rows

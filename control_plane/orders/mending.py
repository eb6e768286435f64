"""Statuses that the work Redis has lost, written again from the orders (`projection.py`).

A marker stands among the statuses and goes with them: a server that was emptied has none. It names
the server's run, so one that came up again, with whatever its disk had, is not believed either.
Until it says that all is written, rejections are read by their names and then orders newest first,
a step at a time, and the marker keeps the place; a step moves it only if it still is where the step
began. So a second loss while the first is mended begins again. So does what a cut kept from being
written while the server lived: whoever could not write it takes the mark away
(`projection.mend_missed`).
"""

from datetime import datetime, timedelta

import redis
from django.db import connection

from control_plane.orders import projection
from control_plane.orders.landed import Landed

WHOLE = "whole"
# Ids are positive, and the newest comes first.
FIRST = 2**63 - 1
# Of its memory, beyond which the least looked at is forgotten anyway.
NEARLY_FULL = 0.9
# Before a rejection's name, in the place of those before the orders; no order's id begins so.
BEHIND = ">"

_ORDERS = """
SELECT ours.reservation_id, ours.item_id, ours.shopper, ours.qty, ours.id, ours.state, '',
       item.sku, ours.amount_minor, ours.currency, ours.created_at, ours.pay_by,
       replaced.reservation_id
  FROM (SELECT * FROM orders_order WHERE id < %(below)s ORDER BY id DESC LIMIT %(most)s) ours
  JOIN campaigns_item item ON item.id = ours.item_id
  LEFT JOIN orders_order replaced ON replaced.id = ours.replaces_id
 ORDER BY ours.id DESC
"""
# None in a sale without a failover. By the one index they have that tells each apart.
_REJECTIONS = """
SELECT reservation_id, item_id, shopper, qty, NULL, '', reason, '', 0, '', created_at, NULL
  FROM orders_rejection WHERE reservation_id > %s ORDER BY reservation_id LIMIT %s
"""
# From one place to the next, unless it was moved or lost meanwhile.
_MOVE = """
if (redis.call("GET", KEYS[1]) or "") ~= ARGV[1] then
  return 0
end
redis.call("SET", KEYS[1], ARGV[2])
return 1
"""


def mend_step(work_redis: "redis.Redis", now: datetime, most: int) -> bool:
    """Write the next `most` orders' statuses again; True when there is no more to do.

    Repeat safe, beside everything that writes statuses too. Raises redis.RedisError.
    """
    run = work_redis.info("server")["run_id"]
    stands: bytes = work_redis.get(projection.MARKER) or b""  # type: ignore[assignment]
    place, _, marked_run = stands.decode().partition(" ")
    if marked_run != run:
        # What is lost from here on takes this mark with it.
        _moved(work_redis, stands, f"{BEHIND} {run}")
        return False
    if place == WHOLE:
        return True
    if _is_nearly_full(work_redis):
        # Older ones would only drive out those of the sale that runs.
        return _moved(work_redis, stands, f"{WHOLE} {run}")
    since = now - timedelta(seconds=projection.TTL_S)
    if place.startswith(BEHIND):
        rejected = _rejections(place.removeprefix(BEHIND), most)
        projection.write(work_redis, (one for one in rejected if one.created_at > since))
        if len(rejected) == most:
            _moved(work_redis, stands, f"{BEHIND}{rejected[-1].reservation_id} {run}")
            return False
        place = str(FIRST)
    orders = _orders(int(place), most)
    projection.write(work_redis, (one for one, _ in orders))
    # The shopper knows the reservation that was replaced.
    projection.write(
        work_redis,
        (one._replace(reservation_id=replaced) for one, replaced in orders if replaced),
    )
    done = len(orders) < most or orders[-1][0].created_at < since
    following = WHOLE if done else orders[-1][0].order_id
    return _moved(work_redis, stands, f"{following} {run}") and done


def _is_nearly_full(work_redis: "redis.Redis") -> bool:
    memory = work_redis.info("memory")
    return bool(0 < memory["maxmemory"] * NEARLY_FULL < memory["used_memory"])


def _moved(work_redis: "redis.Redis", stands: bytes, following: str) -> bool:
    return bool(work_redis.eval(_MOVE, 1, projection.MARKER, stands, following))


def _orders(below: int, most: int) -> list[tuple[Landed, str | None]]:
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, {"below": below, "most": most})
        return [
            (Landed._make((*order, False, False)), replaced)
            for *order, replaced in cursor.fetchall()
        ]


def _rejections(behind: str, most: int) -> list[Landed]:
    with connection.cursor() as cursor:
        cursor.execute(_REJECTIONS, [behind, most])
        return [Landed._make((*row, False, False)) for row in cursor.fetchall()]

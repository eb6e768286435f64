"""Reservations that ended: their shoppers may buy again, and their shards are told."""

from collections.abc import Mapping

import redis

from control_plane.inventory.models import Source
from control_plane.inventory.services import View
from control_plane.orders import services as orders
from control_plane.orders.models import HoldRelease
from workers.agent.sight import shard_in
from workers.agent.waits import Waits
from workers.runtime.verdicts import Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced, StockClusters
from workers.stock.keys import Shard

# Of one round: each costs its node an fsync, and the round's other work waits.
RELEASES_A_ROUND = 200


def release_ended(clusters: StockClusters, views: Mapping[int, View], waits: Waits) -> None:
    """Tell the shards; `views` are of the items on sale. Late is harmless, unarmed shards wait.

    An epoch that is opened later learns of them by its rebuild.
    """
    done, silent = [], set[Shard]()
    waiting = orders.pending_releases(RELEASES_A_ROUND)
    # Late money may take a release back, but not once a shard may have heard of it.
    told = orders.begin_releases(one.pk for one in waiting if _can_hear(views, one))
    for ended in waiting:
        view = views.get(ended.item_id)
        allocation = view.selling.get(ended.shard) if view else None
        if view is None or (allocation and allocation.source == Source.DATABASE):
            # Nobody can buy there any more; or PostgreSQL itself counts what he has.
            done.append(ended.pk)
            continue
        if allocation is None or not allocation.script_sha:
            # What a rebuild has read already may be older than this end.
            continue
        shard = shard_in(ended.item_id, allocation)
        if shard in silent or ended.pk not in told:
            continue
        try:
            cluster = clusters.of(shard)
            shards.release(cluster, shard, ended.shopper, ended.reservation_id)
            done.append(ended.pk)
        except (ShardFenced, Unavailable, redis.ResponseError) as error:
            waits.note(f"a release in {shard.tag}", error)
            silent.add(shard)
    if done:
        orders.mark_released(done)


def _can_hear(views: Mapping[int, View], ended: HoldRelease) -> bool:
    """Whether its shard is armed, in Redis."""
    view = views.get(ended.item_id)
    allocation = view.selling.get(ended.shard) if view else None
    return bool(allocation and allocation.script_sha and allocation.source != Source.DATABASE)

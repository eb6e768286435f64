"""How a new epoch of a shard begins: opened, filled with known buyers, armed, published."""

import logging
from collections.abc import Iterator
from itertools import chain, islice

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Source
from workers.agent.units import fields
from workers.runtime import metrics
from workers.runtime.clock import Clock, to_ms
from workers.runtime.verdicts import Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced, StockClusters
from workers.stock.keys import Shard, slot_of
from workers.stock.sale_items import SaleItem, shard_of
from workers.stock.shard import REBUILD_MAX, Reservation

_log = logging.getLogger(__name__)


class Arming:
    """Every step may be repeated, by this agent or another one. Raises as `workers.stock.shard`."""

    def __init__(self, clusters: StockClusters, clock: Clock) -> None:
        self._clusters = clusters
        self._clock = clock

    def open(self, item_id: int, number: int, last_epoch: int, source: str) -> bool:
        """A new epoch, unless the services say that it must wait; on a master that takes writes.

        The hash tag names the epoch, so its slot may lie on another master than the last one's.
        """
        epoch = last_epoch + 1
        if source != Source.DATABASE:
            place = self._clusters[source].place_for(number)
            epoch = shards.next_epoch(last_epoch, item_id, number, place)
        opened = inventory.open_epoch(item_id, number, after=last_epoch, epoch=epoch, source=source)
        if opened is not None:
            _log.info("epoch opened", extra=fields(shard_of(opened)))
        return opened is not None

    def arm(self, item: SaleItem, allocation_id: int, shard: Shard) -> None:
        """Buyers, control record, script; published last, because then gateways sell.

        Raises ShardFenced when the epoch belongs to another life of its node.
        """
        if shard.source == Source.DATABASE:
            inventory.record_armed(allocation_id, "")
            return
        cluster = self._clusters.of(shard)
        life = shards.life_of(cluster, shard)
        try:
            # Before the first key: of two agents that see different masters only one goes on.
            inventory.claim_life(allocation_id, life)
        except inventory.LifeTaken as error:
            raise ShardFenced(f"another life of its node than {life} was to be armed") from error
        known = self._known_buyers(shard)
        while chunk := list(islice(known, REBUILD_MAX)):
            if not shards.rebuild(cluster, shard, life, chunk):
                break
        sha = shards.arm(cluster, shard, life, item.limit, to_ms(self._clock.now()))
        inventory.record_armed(allocation_id, sha)
        _log.info("armed", extra=fields(shard))

    def is_misplaced(self, shard: Shard) -> bool:
        """Whether an epoch that could not be armed would be opened on another master now."""
        if shard.source == Source.DATABASE:
            return False
        return not self._clusters.of(shard).place_for(shard.shard)(slot_of(shard.tag))

    def note_sells_again(self, item_id: int, number: int) -> None:
        """For the figures: how long the shard has sold nothing."""
        ended = inventory.draining(item_id, number)
        if ended:
            since = max(one.rearm.created_at for one in ended)
            seconds = (self._clock.now() - since).total_seconds()
            metrics.REARM_SECONDS.labels("armed").observe(seconds)

    def _known_buyers(self, shard: Shard) -> Iterator[Reservation]:
        """What PostgreSQL has decided, and after it what old epochs hold, decided or not.

        Written in this order, what is decided stands. The list of old epochs is read first of all,
        and with it what only PostgreSQL holds: else a reservation that is decided in between would
        be in none of them.
        """
        old_epochs = inventory.draining(shard.item, shard.shard)
        in_database = [
            reservation
            for old in old_epochs
            if old.source == Source.DATABASE
            for reservation in inventory.database_buyers(old.pk)
        ]
        in_redis = (self._buyers_of(old) for old in old_epochs)
        return chain(
            inventory.decided_buyers(shard.item, shard.shard),
            in_database,
            chain.from_iterable(in_redis),
        )

    def _buyers_of(self, old: Allocation) -> Iterator[Reservation]:
        if not old.script_sha:
            # Never published, so nobody bought from it; or its buyers are in PostgreSQL.
            return
        shard = shard_of(old)
        try:
            for page in shards.buyers_of(self._clusters.of(shard), shard):
                yield from page
        except Unavailable:
            if old.rearm.lease_until is None:
                raise
            # The change of source was forced because this cluster may be gone for good. Who bought
            # there may buy again; landing then decides which of the two becomes an order.
            _log.warning("buyers of a lost epoch are not known", extra=fields(shard))

"""Arms shards, brings them units (pool → allocation → shard), marks sold out (DESIGN §5).

    python -m workers.stock_agent

Every step can be repeated: after a crash the next round finds in PostgreSQL how far the last one
came. A shard that stopped accepting its epoch stays fenced here; only a new epoch may sell its
units again.
"""

import logging
from datetime import timedelta
from threading import Event

import redis

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from workers.leadership import Leadership
from workers.runtime import metrics, process
from workers.runtime.clock import Clock, to_ms
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import Unavailable
from workers.stock import sale_items
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced, StockCluster
from workers.stock.keys import SHARDS_PER_ITEM, Shard
from workers.stock.sale_items import SaleItem

ROUND = "round"
ROUND_S = 0.2
# Any number that no other advisory lock in the database `sale` uses.
LEADER_LOCK = 7_001

_log = logging.getLogger("workers.stock_agent")


class StockAgent:
    """Each round looks at every item on sale. Two at once are safe; one leads to spare the work."""

    def __init__(self, cluster: StockCluster, clock: Clock, arm_lead: timedelta) -> None:
        self._cluster = cluster
        self._clock = clock
        self._arm_lead = arm_lead
        self._faults: dict[Shard, str] = {}
        self._watched: set[Shard] = set()

    def round(self) -> str | None:
        """Bring every item on sale one round further; raises Unavailable without PostgreSQL.

        Returns what kept it from looking after some item, None when nothing did.
        """
        problem = None
        with unavailable_when_down("default"):
            items = sale_items.on_sale(self._clock.now(), self._arm_lead)
            allocations = sale_items.open_allocations(items)
        seen: set[Shard] = set()
        for item in items:
            try:
                with unavailable_when_down("default"):
                    self._look_after(item, allocations, seen)
            except (Unavailable, inventory.InventoryError) as error:
                # The next round starts from what PostgreSQL says then; other items go on now.
                _log.warning("item not looked after: %s", error, extra={"item": item.id})
                problem = f"item {item.id}: {error}"
        self._forget(self._watched - seen)
        self._watched = seen
        return problem

    def _look_after(
        self, item: SaleItem, allocations: dict[tuple[int, int], Allocation], seen: set[Shard]
    ) -> None:
        metrics.POOL_UNALLOCATED.labels(item.id).set(item.unallocated)
        empty: list[Shard] = []
        marked: list[Shard] = []
        for number in range(SHARDS_PER_ITEM):
            allocation = allocations.get((item.id, number))
            if allocation is None:
                allocation = inventory.open_allocation(item.id, number)
            shard = Shard(item.id, number, allocation.epoch)
            seen.add(shard)
            try:
                avail, is_marked = self._bring_further(shard, allocation, item)
                if avail == 0:
                    (marked if is_marked else empty).append(shard)
                self._note_fault(shard, None)
            except (ShardFenced, redis.ResponseError) as error:
                # Also a shard whose keys somebody has spoiled: the other shards go on.
                self._note_fault(shard, str(error))
        if item.unallocated == 0 and len(empty) + len(marked) == SHARDS_PER_ITEM:
            self._mark_sold_out(empty)

    def _mark_sold_out(self, empty: list[Shard]) -> None:
        for shard in empty:
            try:
                shards.mark_sold_out(self._cluster, shard)
            except (ShardFenced, redis.ResponseError) as error:
                self._note_fault(shard, str(error))

    def _bring_further(
        self, shard: Shard, allocation: Allocation, item: SaleItem
    ) -> tuple[int, bool]:
        """Arm it if it never was, hand over units; raises ShardFenced.

        Returns its free units and whether it says sold_out already: a mark is a write and costs
        the node an fsync, so it is not repeated in every round.
        """
        sha = allocation.script_sha
        avail, is_marked = 0, False
        if sha:
            state = shards.look(self._cluster, shard, sha)
            if state.fault:
                raise ShardFenced(state.fault)
            avail, is_marked = state.avail, state.sold_out
        else:
            now_ms = to_ms(self._clock.now())
            sha = shards.arm(self._cluster, shard, item.limit, now_ms)
        # All that the pool has: with one shard there is nobody to share it with.
        if item.unallocated > 0:
            inventory.begin_grant(allocation.pk, item.unallocated)
        for grant in inventory.pending_grants(allocation.pk):
            avail = shards.grant(self._cluster, shard, grant.pk, grant.qty)
            # A grant takes the mark away.
            is_marked = False
            if inventory.mark_grant_applied(grant.pk):
                metrics.GRANTED.labels(shard.item, shard.shard).inc(grant.qty)
                _log.info("granted %d units", grant.qty, extra=_fields(shard))
        if not allocation.script_sha:
            # Last, because it publishes: the first shopper finds the units there.
            inventory.record_armed(allocation.pk, sha)
            _log.info("armed", extra=_fields(shard))
        metrics.SHARD_AVAIL.labels(shard.item, shard.shard).set(avail)
        return avail, is_marked

    def _note_fault(self, shard: Shard, fault: str | None) -> None:
        metrics.SHARD_FENCED.labels(shard.item, shard.shard).set(1 if fault else 0)
        if fault and self._faults.get(shard) != fault:
            _log.error("shard fenced: %s", fault, extra=_fields(shard))
        if fault:
            self._faults[shard] = fault
        else:
            self._faults.pop(shard, None)

    def _forget(self, gone: set[Shard]) -> None:
        """An ended campaign's last figures must not stay on the board or keep an alert alive."""
        for shard in gone:
            self._faults.pop(shard, None)
            metrics.SHARD_FENCED.remove(shard.item, shard.shard)
            metrics.SHARD_AVAIL.remove(shard.item, shard.shard)
            metrics.POOL_UNALLOCATED.remove(shard.item)


def _fields(shard: Shard) -> dict[str, int]:
    return {"item": shard.item, "shard": shard.shard, "epoch": shard.epoch}


def run(
    agent: StockAgent,
    leadership: Leadership,
    clock: Clock,
    stop: Event,
    readiness: Readiness,
) -> None:
    """Rounds until stopped, while we lead; the second one is ready when it could take over."""
    while not stop.wait(ROUND_S):
        leads = leadership.held()
        metrics.AGENT_LEADS.set(leads)
        if not leads:
            readiness.report(ROUND, leadership.problem)
            continue
        started = clock.monotonic()
        try:
            readiness.report(ROUND, agent.round())
        except Unavailable as error:
            _log.warning("round not finished: %s", error)
            readiness.report(ROUND, str(error))
        metrics.AGENT_LOOP_SECONDS.observe(clock.monotonic() - started)
    leadership.resign()


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(stock_redis=True, parts=[ROUND])
    env, clock = started.env, started.clock
    assert env.stock_redis
    cluster = StockCluster(env.stock_redis, "stock-agent")
    agent = StockAgent(cluster, clock, timedelta(seconds=env.arm_lead_s))
    run(agent, Leadership(LEADER_LOCK), clock, started.stop, started.readiness)


if __name__ == "__main__":
    main()

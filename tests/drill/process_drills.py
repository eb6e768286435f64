"""Faults of the processes around the shards: relay, order consumer, stock agent, old snapshots."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.drill import operator, topics
from tests.drill.decided import until_decided
from tests.drill.drill import Control, Drill, DrillBroken, Figures
from tests.drill.ground import Ground, wait_for
from tests.drill.judge import Promises
from tests.drill.sale import Sale
from tests.drill.stock_nodes import tag

SHARD = 0
CRASH_POINT = "agent after grant in Redis"
RECLAIMED_POINT = "agent after reclaim in Redis"
_IN_TRANSACTION = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database()
   -- In a COPY that its client does not go on with it is active.
   AND (state = 'idle in transaction' OR state = 'active' AND wait_event = 'ClientRead')
   AND state_change < clock_timestamp() - interval '30 ms'
"""


def relay_killed(ground: Ground, sale: Sale) -> Figures:
    """Killed with events in Kafka's hands that Kafka takes and nobody acknowledges any more."""
    sale.run_for(0.5)
    for _ in range(2):
        with ground.frozen("kafka"):
            sale.run_for(0.5)
            ground.freeze(ground.pid("relay"))
        # Kafka takes what waits in its socket now; the relay will not hear of it.
        sale.run_for(0.3)
        ground.kill_and_wait("relay")
        sale.run_for(1.0)
    return _duplicates(ground, sale)


def two_relays(ground: Ground, sale: Sale) -> Figures:
    """Two at once; the first stands still until the second has taken its entries, and goes on."""
    with ground.second("relay"):
        sale.run_for(1.5)
        with ground.frozen("kafka"):
            sale.run_for(0.7)
            zombie = ground.pid("relay")
            ground.freeze(zombie)
        try:
            froze = time.monotonic()
            wait_for(lambda: not _left_by_others(sale, "relay-second"), "the takeover", 25.0, 0.2)
            took = time.monotonic() - froze
        finally:
            ground.thaw(zombie)
        sale.run_for(1.5)
        figures = _duplicates(ground, sale)
    return {"taken_over_s": round(took, 1), **figures}


def consumer_killed(ground: Ground, sale: Sale) -> Figures:
    """Killed with a batch in its hands, three times."""
    for _ in range(3):
        with ground.frozen("order-consumer"):
            sale.run_for(0.6)
        # It wakes to a full plate; a few milliseconds later it is in the middle of it.
        time.sleep(random.uniform(0.0, 0.03))
        ground.kill_and_wait("order-consumer")
        sale.run_for(0.6)
    until_decided(sale)
    return {"killed": 3}


def agent_killed(ground: Ground, sale: Sale) -> Figures:
    """Killed at any moment, and once between a grant in Redis and its mark in PostgreSQL."""
    for _ in range(3):
        sale.run_for(random.uniform(0.3, 0.8))
        ground.kill_and_wait("stock-agent")
    with ground.stopped("stock-agent"):
        operator.top_up(sale, 300)
        with ground.second("stock-agent", "tests.race.crash_at", CRASH_POINT) as doomed:
            code = doomed.wait(20)
        if code != -signal.SIGKILL:
            raise DrillBroken(f"the agent ended with {code} and not at {CRASH_POINT!r}")
    sale.run_for(3.0)
    return {"killed": 4}


def reclaim_repeated(ground: Ground, sale: Sale) -> Figures:
    """Killed between a reclaim in Redis and its settlement; the next agent asks once more."""
    sale.run_for(1.0)
    with ground.stopped("stock-agent"):
        # More than the pool has, so that shards have to give.
        operator.withdraw(sale, 1500)
        with ground.second("stock-agent", "tests.race.crash_at", RECLAIMED_POINT) as doomed:
            code = doomed.wait(20)
        if code != -signal.SIGKILL:
            raise DrillBroken(f"the agent ended with {code} and not at {RECLAIMED_POINT!r}")
    sale.run_for(3.0)
    return {}


def fast_rearm(ground: Ground, sale: Sale) -> Figures:
    """By hand, in mode fast, while PostgreSQL knows nothing of what was just sold.

    Winners of the old epoch come again to the new one; it must know them from the old one.
    """
    sale.run_for(0.5)
    epoch = sale.books.selling()[SHARD][0]
    with _consumer_frozen_at_rest(ground, sale):
        sale.run_for(2.0)
        began = time.monotonic()
        operator.rearm(sale, SHARD, "fast")
        _wait_for_next_epoch(sale, epoch)
        sold = sale.until_sells(SHARD, time.monotonic())
        # They come up to three seconds later.
        sale.run_for(3.0)
    return {"sells_again_s": round(sold - began, 2)}


def two_agents(ground: Ground, sale: Sale) -> Figures:
    """The leader is frozen and its session cut; a second one leads; then the first wakes up."""
    with ground.second("stock-agent"):
        sale.run_for(1.0)
        with ground.frozen("stock-agent"):
            _cut_session(sale)
            operator.top_up(sale, 200)
            sale.run_for(2.0)
        sale.run_for(2.0)
    return {}


def full_rearm(ground: Ground, sale: Sale) -> Figures:
    """By hand, in mode full, while orders lag behind: its units are not free before they landed."""
    sale.run_for(1.0)
    epoch = sale.books.selling()[SHARD][0]
    with _consumer_frozen_at_rest(ground, sale):
        sale.run_for(0.5)
        began = time.monotonic()
        operator.rearm(sale, SHARD, "full")
        sale.run_for(2.5)
    # Until it is fenced, and that takes a round of the agent, the old one may go on selling.
    _wait_for_next_epoch(sale, epoch)
    sold = sale.until_sells(SHARD, time.monotonic())
    return {"sells_again_s": round(sold - began, 2)}


def old_snapshot(ground: Ground, sale: Sale) -> Figures:
    """Gateways hear of no new epoch while a shard is re-armed: the old one must not sell."""
    sale.run_for(1.0)
    epoch = sale.books.selling()[SHARD][0]
    with ground.frozen("control-plane"):
        began = time.monotonic()
        operator.rearm(sale, SHARD, "fast")
        # A next epoch is not opened before the old one is disarmed.
        _wait_for_next_epoch(sale, epoch)
        armed = time.monotonic()
        sale.run_for(2.0)
        wrong = sale.crowd.recorder.reserved([SHARD], armed)
    if wrong:
        sale.complain(f"{len(wrong)} reservations in an epoch that is disarmed")
    sold = sale.until_sells(SHARD, time.monotonic())
    return {"armed_s": round(armed - began, 2), "sells_again_s": round(sold - began, 2)}


@contextmanager
def _consumer_frozen_at_rest(ground: Ground, sale: Sale) -> Iterator[None]:
    """Frozen between two transactions: inside of one it would hold the pool all the while."""
    pid = ground.pid("order-consumer")

    def at_rest() -> bool:
        ground.freeze(pid)
        time.sleep(0.05)
        if not sale.books.query(_IN_TRANSACTION):
            return True
        ground.thaw(pid)
        return False

    try:
        wait_for(at_rest, "the order consumer to be between two batches", pause_s=0.013)
        yield
    finally:
        ground.thaw(pid)


def _wait_for_next_epoch(sale: Sale, epoch: int) -> None:
    sale.wait_for(
        lambda: sale.books.selling().get(SHARD, (0, ""))[0] > epoch,
        f"shard {SHARD} to be armed anew",
    )


def _cut_session(sale: Sale) -> None:
    """End the database session that makes an agent the leader."""
    from workers.stock_agent import LEADER_LOCK

    rows = sale.books.query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted AND objid = %s",
        LEADER_LOCK,
    )
    if not rows:
        raise DrillBroken("no session holds the leader's lock")


def _left_by_others(sale: Sale, relay: str) -> int:
    """Entries that any other relay has read and not acknowledged."""
    found = 0
    for shard, (epoch, _) in sale.books.selling().items():
        held = sale.nodes.pending(tag(sale.item, shard, epoch))
        found += sum(count for name, count in held.items() if name != relay)
    return found


def _duplicates(ground: Ground, sale: Sale) -> Figures:
    """How many events were in Kafka more than once; none means that the fault did not happen."""
    until_decided(sale, 10.0)
    times = Counter(topics.reservations_of(ground, sale.item))
    if not (twice := sum(times.values()) - len(times)):
        raise DrillBroken("no event was delivered twice")
    return {"delivered_twice": twice}


LANDED_ONCE = Control(
    guard="landed once",
    file="control_plane/orders/landing.sql",
    old="""     WHERE NOT EXISTS (SELECT FROM orders_order known
                        WHERE known.reservation_id = landing.reservation_id)
       AND NOT EXISTS""",
    new="     WHERE NOT EXISTS",
    # The unique key refuses the second order, which becomes a dead letter; where they are many, the
    # consumer stands still.
    told="became dead letters|rejected as over_limit|to be decided|lost",
)
OFFSETS_LAST = Control(
    guard="offsets after the database",
    file="workers/runtime/consumer.py",
    old="""            is_small = self._rest_s and len(messages) < self._batch_max
""",
    new="""            is_small = self._rest_s and len(messages) < self._batch_max
            self._member.commit(next_offsets(messages))
""",
    told="to be decided|lost",
)
GRANT_ONCE = Control(
    guard="grant once",
    file="lua/grant.lua",
    old="""if redis.call("HEXISTS", KEYS[3], grant_id) == 1 then
  return { 0, avail }
end
""",
    new="",
    told="re-armed without need: .*balance|over_granted",
)
RECLAIM_ONCE = Control(
    guard="reclaim once",
    file="lua/reclaim.lua",
    old="""if known then
  return tonumber(known)
end
""",
    new="",
    told="re-armed without need: .*balance",
)
OLD_BUYERS = Control(
    guard="old buyers carried over",
    file="workers/agent/arming.py",
    old="""            chain.from_iterable(in_redis),
""",
    new="",
    told="rejected as over_limit",
)
AFTER_THE_BARRIER = Control(
    guard="leftover only after the barrier",
    file="workers/agent/rearm.py",
    old="""        if not inventory.all_seen(rearm.pk):
            self._barriers.repeat(rearm)
            return None
        if not self._undecided.is_none(rearm):
            return None
""",
    new="",
    told="late without|closed_epoch",
)
DISARMED = Control(
    guard="epoch fence",
    file="lua/reserve.lua",
    old="if ctl[1] ~= EPOCH or ctl[2] or not limit",
    new="if ctl[1] ~= EPOCH or not limit",
    told="epoch that is disarmed|late without|closed_epoch",
)
DRILLS = (
    Drill(
        name="relay-killed",
        fault="relay killed -9 between Kafka and its acknowledgement; twice",
        act=relay_killed,
        controls=(LANDED_ONCE,),
    ),
    Drill(
        name="two-relays",
        fault="two relays at once, one of them a zombie",
        act=two_relays,
        controls=(LANDED_ONCE,),
    ),
    Drill(
        name="consumer-killed",
        fault="order consumer frozen and killed -9; three times",
        act=consumer_killed,
        controls=(OFFSETS_LAST,),
    ),
    Drill(
        name="agent-killed",
        fault="stock agent killed -9, once in the middle of a grant",
        act=agent_killed,
        controls=(GRANT_ONCE,),
    ),
    Drill(
        name="reclaim-repeated",
        fault="stock agent killed -9 between a reclaim and its settlement",
        act=reclaim_repeated,
        controls=(RECLAIM_ONCE,),
    ),
    Drill(
        name="fast-rearm",
        fault="fast re-arm under load, orders lagging behind",
        act=fast_rearm,
        promises=Promises(rearms=("drill",)),
        controls=(OLD_BUYERS,),
    ),
    Drill(
        name="two-agents",
        fault="stock agent frozen, its session cut, a second one leads, the first wakes",
        act=two_agents,
    ),
    Drill(
        name="full-rearm",
        fault="full re-arm under load, orders lagging behind",
        act=full_rearm,
        promises=Promises(rearms=("drill",)),
        controls=(AFTER_THE_BARRIER,),
    ),
    Drill(
        name="old-snapshot",
        fault="re-arm while the control plane is frozen and gateways keep the old snapshot",
        act=old_snapshot,
        promises=Promises(rearms=("drill",)),
        controls=(DISARMED,),
    ),
)

"""Faults of the stock Redis: killed, rolled back, taken over, frozen, held down."""

import time

from tests.drill.drill import Control, Drill, DrillBroken, Figures, Plan
from tests.drill.ground import Ground
from tests.drill.judge import Promises
from tests.drill.recorder import Heard
from tests.drill.sale import ON_ITS_WAY_S, Sale
from tests.drill.stock_nodes import tag
from tests.load.report import percentile

SHARD = 0
# P8 of MEASURES.md: that shard sells again so soon after the promotion.
SELLS_AFTER_PROMOTION_S = 1.0
# How far a replica, or the disk, may be behind what was answered.
LAG_S, FSYNC_S = 0.5, 1.5
# Units added to a counter.
BY_HAND = 120


def master_killed(ground: Ground, sale: Sale) -> Figures:
    """kill -9; supervisord starts it again before anybody is promoted.

    What was reserved in the last half second stands in its outbox alone: the relay is frozen.
    """
    epoch = _epoch(sale)
    sale.run_for(1.0)
    victim = sale.master_of(SHARD)
    with ground.frozen("relay"):
        sale.run_for(0.5)
        killed = ground.kill(victim)
    _wait_for_next_epoch(sale, epoch)
    sold = sale.until_sells(SHARD, killed + 0.05)
    sale.run_for(1.0)
    again = ground.kill(sale.master_of(SHARD))
    sold_again = sale.until_sells(SHARD, again + 0.05)
    return {"sells_again_s": [round(sold - killed, 2), round(sold_again - again, 2)]}


def disk_rolled_back(ground: Ground, sale: Sale) -> Figures:
    """The master comes back with an older AOF; what it had sold since stood nowhere else."""
    sale.run_for(1.0)
    epoch, victim = _epoch(sale), sale.master_of(SHARD)
    shards = sale.shards_on(victim)
    with ground.frozen("relay"):
        # The disk is a little behind what is answered.
        copying = time.monotonic() - FSYNC_S
        kept = sale.nodes.copy_of_disk(victim, "older-aof")
        copied = time.monotonic()
        sale.run_for(1.5)
        with ground.held_down(victim) as died:
            sale.nodes.put_back_disk(victim, kept)
        sale.lost_in(shards, copying, died)
        forgotten = len(_sold_between(sale, copied, died))
    if not forgotten:
        raise DrillBroken("nothing was sold between the copy and the death")
    _wait_for_no_sale_before_next_epoch(sale, epoch, died + 0.05)
    sold = sale.until_sells(SHARD, died + 0.05)
    sale.nodes.wait_until_whole()
    return {"sells_again_s": round(sold - died, 2), "forgotten": forgotten}


def stale_replica(ground: Ground, sale: Sale) -> Figures:
    """A replica that has acknowledged without taking anything over becomes the master."""
    sale.run_for(1.0)
    epoch, victim = _epoch(sale), sale.master_of(SHARD)
    replica, shards = sale.nodes.replica_of(victim), sale.shards_on(victim)
    with ground.frozen("relay"), sale.nodes.stale(replica):
        began = time.monotonic()
        sale.run_for(2.0)
        took = sale.nodes.take_over(replica)
        sale.lost_in(shards, began - LAG_S, took)
        forgotten = len(_sold_between(sale, began, took))
    if not forgotten:
        raise DrillBroken("nothing was sold while the replica was stale")
    _wait_for_next_epoch(sale, epoch)
    sold = sale.until_sells(SHARD, took + 0.05)
    sale.nodes.wait_until_whole()
    return {"sells_again_s": round(sold - took, 2), "forgotten": forgotten}


def there_and_back(ground: Ground, sale: Sale) -> Figures:
    """A → stale B → A without a restart, while no agent looks.

    A has its old id, the scripts of its old life, and older state: only the life tells it apart.
    """
    sale.run_for(0.5)
    epoch, first = _epoch(sale), sale.master_of(SHARD)
    second, shards = sale.nodes.replica_of(first), sale.shards_on(first)
    with ground.frozen("stock-agent"):
        with sale.nodes.stale(second):
            began = time.monotonic()
            sale.run_for(1.5)
            rolled = sale.nodes.take_over(second)
            sale.lost_in(shards, began - LAG_S, rolled)
        sale.nodes.wait_for_copy(second, first)
        back = sale.nodes.take_over(first)
        sale.nodes.wait_for_copy(first, second)
        sale.run_for(2.0)
    # Neither the second one, whose state was stale, nor the first in what is not its life any more.
    _wait_for_no_sale_before_next_epoch(sale, epoch, rolled + ON_ITS_WAY_S)
    sold = sale.until_sells(SHARD, back)
    return {"sells_again_s": round(sold - back, 2)}


def frozen_master(ground: Ground, sale: Sale) -> Figures:
    """SIGSTOP for longer than the node timeout; then it wakes and takes itself for the master."""
    sale.run_for(1.0)
    victim = sale.master_of(SHARD)
    replica, shards = sale.nodes.replica_of(victim), sale.shards_on(victim)
    with ground.frozen(victim):
        froze = time.monotonic()
        promoted = sale.nodes.wait_for_promotion(replica)
        sold = sale.until_sells(SHARD, froze + 0.05)
        sale.run_for(0.5)
    sale.run_for(1.0)
    sale.nodes.wait_until_whole()
    return _outage(sale, shards, froze, promoted, sold)


def master_held_down(ground: Ground, sale: Sale) -> Figures:
    """kill -9 and not restarted: P8, from the kill to the first new reservation of its shard."""
    sale.run_for(1.0)
    victim = sale.master_of(SHARD)
    replica, shards = sale.nodes.replica_of(victim), sale.shards_on(victim)
    with ground.held_down(victim) as died:
        promoted = sale.nodes.wait_for_promotion(replica)
        sold = sale.until_sells(SHARD, died + 0.05)
        sale.run_for(0.5)
    sale.nodes.wait_until_whole()
    return _outage(sale, shards, died, promoted, sold)


def counter_changed(ground: Ground, sale: Sale) -> Figures:
    """Somebody adds units to a shard by hand while no agent looks: PostgreSQL has the last word."""
    selling = sale.books.selling()
    where = tag(sale.item, SHARD, selling[SHARD][0])
    with ground.frozen("stock-agent"):
        with sale.nodes.client(sale.nodes.master_of(where)) as client:
            client.incrby(f"{where}:avail", BY_HAND)
        granted = sale.books.granted()[SHARD][0]

        def oversells() -> bool:
            sold = sale.crowd.recorder.reserved([SHARD], 0.0)
            return sum(one.qty for one in sold) > granted + BY_HAND // 2

        sale.wait_for(oversells, "the shard to sell more than it was granted")
    _wait_for_next_epoch(sale, selling[SHARD][0])
    return {"added_by_hand": BY_HAND}


def _outage(sale: Sale, shards: list[int], since: float, promoted: float, sold: float) -> Figures:
    # What the replica had not taken over yet; nothing is answered after the fault.
    sale.lost_in(shards, since - LAG_S, since)
    others = [shard for shard in range(sale.shards) if shard not in shards]
    refused = sale.crowd.recorder.refused(others, since, max(sold, promoted))
    if refused:
        kinds = sorted({one.outcome for one in refused})
        sale.complain(f"other shards refused {len(refused)} ({', '.join(kinds)})")
    mine = sale.crowd.recorder.refused(shards, since, sold)
    served = [one for one in sale.crowd.recorder.reserved(others, since) if one.asked <= sold]
    before = [one for one in sale.crowd.recorder.reserved(others, 0.0) if one.answered <= since]
    after_s = sold - promoted
    p99_ms = [_p99_ms(before), _p99_ms(served)]
    if after_s > SELLS_AFTER_PROMOTION_S:
        # On a full machine that is what it says.
        steady = f"the others' p99 was {p99_ms[0]:g} ms before"
        sale.complain(f"P8: sold again only {after_s:.2f} s after the promotion; {steady}")
    return {
        "P8": {
            "value": round(after_s, 2),
            "unit": "s after promotion",
            "target": SELLS_AFTER_PROMOTION_S,
            "met": after_s <= SELLS_AFTER_PROMOTION_S,
        },
        "promoted_s": round(promoted - since, 2),
        "sells_again_s": round(sold - since, 2),
        "refused_meanwhile": len(mine),
        "others_refused": len(refused),
        "others_sold": len(served),
        "others_p99_ms": p99_ms,
    }


def _p99_ms(answers: list[Heard]) -> float:
    return round(percentile([(one.answered - one.asked) * 1000 for one in answers], 0.99), 1)


def _epoch(sale: Sale) -> int:
    return sale.books.selling()[SHARD][0]


def _wait_for_next_epoch(sale: Sale, epoch: int) -> None:
    sale.wait_for(
        lambda: sale.books.selling().get(SHARD, (0, ""))[0] > epoch,
        f"shard {SHARD} to be fenced and armed anew",
    )


def _wait_for_no_sale_before_next_epoch(sale: Sale, epoch: int, since: float) -> None:
    """As `_wait_for_next_epoch`; until then nothing that was clicked `since` may be sold."""

    def decided() -> bool:
        # In this order: what was sold while the old epoch is the newest one was sold by it.
        wrong = sale.crowd.recorder.reserved([SHARD], since)
        if sale.books.selling().get(SHARD, (0, ""))[0] > epoch:
            return True
        if wrong:
            sale.complain(f"{len(wrong)} reservations out of state that was rolled back")
        return bool(wrong)

    sale.wait_for(decided, f"shard {SHARD} to be fenced and armed anew")


def _sold_between(sale: Sale, since: float, until: float) -> list[object]:
    sold = sale.crowd.recorder.reserved([SHARD], since)
    return [one for one in sold if one.answered <= until]


# What the agent writes down when a node does not sell the epoch any more.
_REASONS = (
    *("its keys are gone", "its control record is not of this epoch"),
    *("it was armed in another life", "its node has restarted and lost the reserve script"),
    *("FENCED", "another life of its node", "it could not be armed, another master can"),
)
_FENCED = Promises(rearms=_REASONS)
_LOST = Promises(failover=True, rearms=_REASONS)

ONE_LIFE = Control(
    guard="life in the fence",
    file="lua/reserve.lua",
    old="""
    or not string.find(redis.call("INFO", "replication"), life, 1, true) then""",
    new=" then",
    told="state that was rolled back",
)
# Where a fenced shard is armed anew.
_BEGINS = """            inventory.begin_rearm(allocation_id, RearmMode.FAST, fault[:200])
"""
ARMED_ANEW = Control(
    guard="NOSCRIPT: armed anew, never loaded again",
    file="workers/agent/rounds.py",
    old=_BEGINS,
    # And the new life written down, which would refuse all the same.
    new="""            node = self._clusters.of(shard).node_of(shard)
            node.hset(shard.ctl, "life", str(node.info("replication")["master_replid"]))
            node.script_load(shards.scripts.reserve_for(shard).text)
""",
    told="state that was rolled back",
)
ON_DISK = Control(
    guard="on disk before the answer",
    file="deploy/local/servers/redis.py",
    old="appendonly yes\n# RESERVED",
    new="appendonly no\n# RESERVED",
    told="lost without a failover",
)
AT_ONCE = Control(
    guard="armed anew at once",
    file="workers/agent/rounds.py",
    old=_BEGINS,
    new=f"""            __import__("time").sleep(3)
{_BEGINS}""",
    told="P8",
)
CAP = Control(
    guard="cap in PostgreSQL",
    file="control_plane/orders/landing.sql",
    old="THEN allocation.granted - allocation.consumed",
    new="THEN 2147483647",
    # The CHECK below it refuses, and with it the whole batch, again and again.
    told="oversold|lost|I1",
)
DRILLS = (
    Drill(
        name="master-killed",
        fault="stock master killed -9, restarted; twice",
        act=master_killed,
        promises=_FENCED,
        controls=(ON_DISK,),
    ),
    Drill(
        name="disk-rolled-back",
        fault="stock master killed, its AOF put back to an older copy, restarted",
        act=disk_rolled_back,
        promises=_LOST,
        controls=(ARMED_ANEW,),
    ),
    Drill(
        name="stale-replica",
        fault="stock master replaced by a replica that had taken nothing over",
        act=stale_replica,
        promises=_LOST,
    ),
    Drill(
        name="there-and-back",
        fault="A → stale B → A without a restart, stock agent frozen",
        act=there_and_back,
        promises=_LOST,
        controls=(ONE_LIFE,),
    ),
    Drill(
        name="frozen-master",
        fault="stock master frozen beyond the node timeout, then awake again",
        act=frozen_master,
        promises=_LOST,
        controls=(AT_ONCE,),
    ),
    Drill(
        name="master-held-down",
        fault="stock master killed -9 and held down",
        act=master_held_down,
        promises=_LOST,
        controls=(AT_ONCE,),
    ),
    Drill(
        name="counter-changed",
        fault="units added to a shard by hand, stock agent frozen",
        act=counter_changed,
        promises=Promises(by_hand=BY_HAND, sells_out=True, rearms=("its books do not balance",)),
        plan=Plan(units=450),
        controls=(CAP,),
    ),
)

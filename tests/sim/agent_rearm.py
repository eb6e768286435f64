"""Re-arming a shard: how an old epoch ends, and how a new one begins (DESIGN §5)."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from tests.sim import pg_epochs, pg_stock, stock_calls
from tests.sim.nouns import Barrier, NoReplicas, Tag, name_of
from tests.sim.pg_tables import Rearm
from tests.sim.redis_node import Buyers

if TYPE_CHECKING:
    from tests.sim.agent import Agent

Steps = Iterator[str | None]
# rebuild.lua writes this many shoppers a call.
CHUNK = 3


def drive(agent: "Agent", shard: int) -> Steps:
    """Bring every old epoch of the shard one stage further."""
    for rearm in pg_epochs.open_rearms(agent.world.pg, shard):
        yield None
        yield from _STAGES[rearm.stage](agent, rearm)


def _disarm(agent: "Agent", rearm: Rearm) -> Steps:
    was_published = pg_epochs.was_published(agent.world.pg, rearm.tag)
    yield None
    if was_published and agent.world.guarded("disarm before the rest"):
        try:
            agent.redis(rearm.tag, stock_calls.disarm)
        except NoReplicas:
            # Nothing can be written there; in another life than its own the epoch sells no more.
            yield None
            if not (yield from _lives_no_more(agent, rearm.tag)):
                raise
        yield f"disarmed {name_of(rearm.tag)}"
    yield from _advance(agent, rearm, "disarmed")


def _lives_no_more(agent: "Agent", tag: Tag) -> Generator[str | None, None, bool]:
    if not agent.world.guarded("another life instead of a disarm"):
        return True
    life = pg_epochs.life_of(agent.world.pg, tag)
    yield None
    return life is not None and life != agent.redis(tag, stock_calls.life_of)


def _drain(agent: "Agent", rearm: Rearm) -> Steps:
    """The relay empties the outbox; whatever of it is left on the node of now will be in Kafka.

    To read and acknowledge are writes. Where there are none the agent sends what is not decided.
    """
    if not agent.world.guarded("leftover only after the barrier"):
        yield from _close(agent, rearm)
        return
    was_published = pg_epochs.was_published(agent.world.pg, rearm.tag)
    yield None
    if (
        not was_published
        or agent.redis(rearm.tag, stock_calls.is_drained)
        or not agent.world.guarded("barrier only after the drain")
    ):
        yield from _advance(agent, rearm, "drained")
    elif not agent.redis(rearm.tag, stock_calls.takes_writes):
        yield None
        if agent.world.guarded("sent by the agent where no relay can"):
            yield from _send_all(agent, rearm.tag)
        yield from _advance(agent, rearm, "drained")


def _send_all(agent: "Agent", tag: Tag) -> Steps:
    kafka = agent.world.kafka
    for intent in agent.redis(tag, stock_calls.outbox_of):
        if not pg_epochs.decided(agent.world.pg, intent.rid):
            yield None
            kafka.produce(kafka.partition_of(intent.shopper), intent)
            yield f"sends {intent.rid} of {name_of(tag)} in the relay's stead"


def _send_barrier(agent: "Agent", rearm: Rearm) -> Steps:
    kafka = agent.world.kafka
    for partition in range(kafka.partitions):
        kafka.produce(partition, Barrier(rearm.id))
        yield f"barrier of {name_of(rearm.tag)} in partition {partition}"
    yield from _advance(agent, rearm, "barrier_sent")


def _wait_for_barrier(agent: "Agent", rearm: Rearm) -> Steps:
    if pg_epochs.all_seen(agent.world.pg, rearm.id, agent.world.kafka.partitions):
        yield from _close(agent, rearm)


def _close(agent: "Agent", rearm: Rearm) -> Steps:
    yield None
    pg_epochs.close(agent.world.pg, rearm.id)
    yield f"closed {name_of(rearm.tag)}"


def _advance(agent: "Agent", rearm: Rearm, to_stage: str) -> Steps:
    pg_epochs.advance(agent.world.pg, rearm.id, rearm.stage, to_stage)
    yield f"{name_of(rearm.tag)} is {to_stage}"


_STAGES = {
    "fenced": _disarm,
    "disarmed": _drain,
    "drained": _send_barrier,
    "barrier_sent": _wait_for_barrier,
}


def arm(agent: "Agent", tag: Tag) -> Steps:
    """Buyers, control record, units, script; published last. A repeat goes on where it must.

    Raises Fenced when the node has begun another life: only a new epoch may sell in that one.
    """
    pg = agent.world.pg
    life = agent.redis(tag, stock_calls.life_of)
    yield None
    pg_epochs.claim_life(pg, tag, life)
    yield f"{name_of(tag)} belongs to life {life}"
    if agent.world.guarded("buyers rebuilt"):
        buyers = yield from _known_buyers(agent, tag)
        yield f"knows {len(buyers)} buyers of {name_of(tag)}"
        for first in range(0, len(buyers), CHUNK):
            chunk = dict(list(buyers.items())[first : first + CHUNK])
            if not agent.redis(tag, stock_calls.rebuild, life, chunk):
                break
            yield f"{len(chunk)} buyers of {name_of(tag)} rebuilt"
    agent.redis(tag, stock_calls.arm, life)
    yield f"armed {name_of(tag)}"
    agent.redis(tag, stock_calls.load_script)
    yield f"loaded the script of {name_of(tag)}"
    pg_epochs.record_armed(pg, tag)
    yield f"published {name_of(tag)}"


def _known_buyers(agent: "Agent", tag: Tag) -> Generator[str | None, None, Buyers]:
    """What old epochs hold, decided or not, and over it what PostgreSQL has decided."""
    buyers: Buyers = {}
    if agent.world.guarded("old buyers carried over"):
        for old in pg_epochs.draining(agent.world.pg, tag[0]):
            yield None
            for shopper, mine in agent.redis(old, stock_calls.buyers_of).items():
                buyers[shopper] = {**buyers.get(shopper, {}), **mine}
    yield None
    for shopper, mine in pg_epochs.decided_buyers(agent.world.pg, tag[0]).items():
        buyers[shopper] = {**buyers.get(shopper, {}), **mine}
    return buyers


def apply_grants(agent: "Agent", tag: Tag) -> Steps:
    """Bring granted units into the shard; the script knows those that are there."""
    pg = agent.world.pg
    for grant in pg_stock.pending_grants(pg, tag):
        agent.redis(tag, stock_calls.grant, grant.id, grant.qty)
        yield f"grant {grant.id}: {grant.qty} units in {name_of(tag)}"
        pg_stock.mark_grant_applied(pg, grant.id)
        yield f"grant {grant.id} applied"

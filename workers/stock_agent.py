"""Arms shards, moves units between pool and shards, ends epochs, marks sold out (DESIGN §5).

    python -m workers.stock_agent

The work is in `workers/agent/`; this is the process around its rounds.
"""

import logging
from datetime import timedelta
from threading import Event

from workers.agent.barriers import Barriers
from workers.agent.rounds import StockAgent
from workers.leadership import Leadership
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.database import bound_lock_waits
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import StockClusters

ROUND = "round"
ROUND_S = 0.2
# After a round that changed something: what is to be done next has often become possible by it.
SOON_S = 0.01
# An item whose pool somebody holds waits and the others go on. Landing holds it for 0.3 s at most.
LOCK_WAIT_MS = 1000
# Any number that no other advisory lock in the database `sale` uses.
LEADER_LOCK = 7_001

_log = logging.getLogger("workers.stock_agent")


def run(
    agent: StockAgent,
    leadership: Leadership,
    clock: Clock,
    stop: Event,
    readiness: Readiness,
) -> None:
    """Rounds until stopped, while we lead; the second one is ready when it could take over."""
    pause_s = ROUND_S
    while not stop.wait(pause_s):
        pause_s = ROUND_S
        leads = leadership.held()
        metrics.AGENT_LEADS.set(leads)
        if not leads:
            readiness.report(ROUND, leadership.problem)
            continue
        started = clock.monotonic()
        try:
            readiness.report(ROUND, agent.round())
            pause_s = SOON_S if agent.has_moved else ROUND_S
        except Unavailable as error:
            _log.warning("round not finished: %s", error)
            readiness.report(ROUND, str(error))
        metrics.AGENT_ROUND_SECONDS.observe(clock.monotonic() - started)
    leadership.resign()


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(stock_redis=True, kafka=True, topics=["reservations"], parts=[ROUND])
    bound_lock_waits(LOCK_WAIT_MS)
    env, clock = started.env, started.clock
    assert env.kafka_brokers
    producer = kafka.connect_producer(kafka.producer_settings(env.kafka_brokers))
    barriers = Barriers(producer, kafka.Names(env.kafka_prefix), clock)
    clusters = StockClusters.connect(env.stock_sources, "stock-agent")
    agent = StockAgent(clusters, barriers, clock, timedelta(seconds=env.arm_lead_s))
    run(agent, Leadership(LEADER_LOCK), clock, started.stop, started.readiness)


if __name__ == "__main__":
    main()

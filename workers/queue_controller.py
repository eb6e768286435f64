"""Moves every queue's admission window; closes lobbies and reveals draws (DESIGN §6).

    python -m workers.queue_controller

The work is in `workers/queue/`; this is the process around its ticks.
"""

import logging
from threading import Event

from workers import order_consumer
from workers.leadership import Leadership
from workers.queue.control import QueueController
from workers.queue.pipeline import Pipeline, lag_reader
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.database import bound_lock_waits
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import StockClusters

TICK = "tick"
TICK_S = 0.2
# Publishing a draw waits for its lock; windows of other items wait with it.
LOCK_WAIT_MS = 1000
# Any number that no other advisory lock in the database `sale` uses.
LEADER_LOCK = 7_002

_log = logging.getLogger("workers.queue_controller")


def run(
    controller: QueueController,
    pipeline: Pipeline,
    leadership: Leadership,
    clock: Clock,
    stop: Event,
    readiness: Readiness,
) -> None:
    """Ticks until stopped, while we lead; the second one is ready when it could take over."""
    pause_s = 0.0
    while not stop.wait(pause_s):
        pipeline.check()
        started = clock.monotonic()
        leads = leadership.held()
        metrics.QUEUE_LEADS.set(leads)
        if not leads:
            readiness.report(TICK, leadership.problem)
            pause_s = TICK_S
            continue
        try:
            readiness.report(TICK, controller.tick())
        except Unavailable as error:
            _log.warning("tick not finished: %s", error)
            readiness.report(TICK, str(error))
        elapsed = clock.monotonic() - started
        metrics.QUEUE_TICK_SECONDS.observe(elapsed)
        # A tick that took long is not followed by a pause that makes the window older still.
        pause_s = max(TICK_S - elapsed, 0.01)
    leadership.resign()


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(stock_redis=True, kafka=True, topics=["reservations"], parts=[TICK])
    bound_lock_waits(LOCK_WAIT_MS)
    env, clock = started.env, started.clock
    assert env.kafka_brokers
    read_lag = lag_reader(env.kafka_brokers, kafka.Names(env.kafka_prefix), order_consumer.GROUP)
    pipeline = Pipeline(read_lag, clock, started.stop)
    pipeline.start()
    clusters = StockClusters.connect(env.stock_sources, "queue-controller")
    controller = QueueController(clusters, clock, lambda: pipeline.newest)
    run(controller, pipeline, Leadership(LEADER_LOCK), clock, started.stop, started.readiness)


if __name__ == "__main__":
    main()

"""From `python -m workers.<name>` to a running worker: environment, log, metrics, signals."""

import gc
import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import disable_created_metrics

from control_plane.config import tracing
from workers.runtime import env as environment
from workers.runtime import log
from workers.runtime.clock import Clock, SystemClock
from workers.runtime.kafka import Names
from workers.runtime.readiness import Readiness, serve
from workers.runtime.topic_watch import TopicWatch

GC_ALLOCATIONS = 100_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Process:
    """What a worker's main function is given."""

    env: environment.Env
    clock: Clock
    stop: threading.Event
    readiness: Readiness
    # None where none are worked with.
    topics: TopicWatch | None


def start(
    environ: Mapping[str, str] = os.environ,
    *,
    parts: Sequence[str],
    topics: Sequence[str] = (),
    **needs: bool,
) -> Process:
    """Read the environment (or exit 2), set the log up, serve metrics, turn SIGTERM into `stop`.

    `parts` are the loops whose reports make the process ready, `topics` the names of `Names` that
    it works with: when one is made again, the process ends.
    """
    env = environment.read_or_exit(environ, **needs)
    log.configure(env.log_level)
    tracing.warm()
    stop = threading.Event()

    def ask_to_stop(number: int, _frame: object) -> None:
        _log.info("stopping", extra={"signal": signal.Signals(number).name})
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    # A timestamp series beside every counter doubles the scrape and nobody reads it.
    disable_created_metrics()  # type: ignore[no-untyped-call]

    # A batch is tens of thousands of small tuples without cycles; at the default of one collection
    # for 700 of them the collector takes a seventh of an order consumer's time.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)
    clock = SystemClock()
    readiness = Readiness(clock, parts)
    serve(readiness, env.metrics_address, env.metrics_port)
    watch = None
    if topics:
        assert env.kafka_brokers, "who works with topics needs Kafka"
        names = Names(env.kafka_prefix)
        watch = TopicWatch(env.kafka_brokers, [getattr(names, one) for one in topics], stop)
        watch.begin()
    return Process(env, clock, stop, readiness, watch)

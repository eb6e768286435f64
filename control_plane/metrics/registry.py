"""Every metric of every process, by whom it is shown. A name stands here or nowhere.

Python's processes make their metrics of it (`counter`, `gauge`, `histogram`); the gateway's
(`openresty/gateway/metrics.lua`) and the edge's (`edge-workers/worker/metrics/`) are compared with
it by `tests/e2e/test_metrics.py`, as are all others, in a running stack.
"""

from functools import cache

import prometheus_client

from control_plane.metrics.metric import COUNTER, GAUGE, HISTOGRAM, Metric
from control_plane.metrics.of_control_plane import BEAT, CONTROL_PLANE, FOLLOWED, TASKS
from control_plane.metrics.of_edge import EDGE
from control_plane.metrics.of_gateway import GATEWAY
from control_plane.metrics.of_orders import ORDERS
from control_plane.metrics.of_stock import STOCK

# A timestamp series beside every counter doubles the scrape and nobody reads it.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

WORKERS = ORDERS + STOCK
# What the recording rules add is `sluice:…` and stands in deploy/prometheus/.
ALL = WORKERS + GATEWAY + CONTROL_PLANE + TASKS + BEAT + EDGE + FOLLOWED
BY_NAME = {metric.name: metric for metric in ALL}
assert len(BY_NAME) == len(ALL), "two metrics share a name"

# By the job that Prometheus scrapes; every job that is not named here is a worker.
BY_JOB = {
    "gateway": GATEWAY,
    "edge": EDGE,
    "control-plane": CONTROL_PLANE + FOLLOWED,
    "celery-worker": TASKS + FOLLOWED,
    "celery-webhooks": TASKS + FOLLOWED,
    "celery-beat": BEAT,
}


def of_job(job: str) -> dict[str, Metric]:
    """What a process may show, by name."""
    return {metric.name: metric for metric in BY_JOB.get(job, WORKERS + FOLLOWED)}


@cache
def counter(name: str) -> prometheus_client.Counter:
    """The counter of this name in this process; KeyError for one that is not declared."""
    metric = _declared(name, COUNTER)
    return prometheus_client.Counter(metric.name.removesuffix("_total"), metric.help, metric.labels)


@cache
def gauge(name: str, multiprocess_mode: str = "all") -> prometheus_client.Gauge:
    """The gauge of this name. `multiprocess_mode` matters where Celery forks."""
    metric = _declared(name, GAUGE)
    return prometheus_client.Gauge(
        metric.name,
        metric.help,
        metric.labels,
        multiprocess_mode=multiprocess_mode,  # type: ignore[arg-type]
    )


@cache
def histogram(name: str) -> prometheus_client.Histogram:
    """The histogram of this name."""
    metric = _declared(name, HISTOGRAM)
    return prometheus_client.Histogram(
        metric.name, metric.help, metric.labels, buckets=metric.buckets
    )


def _declared(name: str, kind: str) -> Metric:
    metric = BY_NAME[name]
    if metric.kind != kind:
        raise TypeError(f"{name} is a {metric.kind}")
    return metric

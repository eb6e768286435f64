"""What Celery's processes count, and where they show it.

A task runs in a fork that ends and begins as Celery likes, so its figures go into files of
PROMETHEUS_MULTIPROC_DIR, which prometheus_client reads when it is imported, and the parent shows
the sum. Without that variable the parent shows what it counts itself: threads and beat.
"""

import os
import time
from pathlib import Path
from typing import Any

from celery import signals
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from control_plane.metrics.registry import counter, gauge, histogram

ADDRESS = "127.0.0.1"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_begun: dict[str, float] = {}


def connect() -> None:
    """Listen to Celery's signals; called once, where the app is made."""
    signals.worker_init.connect(_show_worker)
    signals.beat_init.connect(_show_beat)
    signals.task_prerun.connect(_begin)
    signals.task_postrun.connect(_end)


def _show_worker(**_: Any) -> None:
    registry = REGISTRY
    if folder := os.environ.get(FOLDER):
        # Files of a worker that is no more, whose number a new process may get.
        for old in Path(folder).glob("*.db"):
            old.unlink()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    _serve(registry)


def _show_beat(**_: Any) -> None:
    sent = counter("sluice_beat_sent_total")
    sent_at = gauge("sluice_beat_sent_timestamp_seconds")

    def count(sender: str = "", **_: Any) -> None:
        sent.labels(sender).inc()
        sent_at.set(time.time())

    signals.after_task_publish.connect(count, weak=False)
    _serve(REGISTRY)


def _serve(registry: CollectorRegistry) -> None:
    if settings.ENV.metrics_port:
        start_http_server(settings.ENV.metrics_port, ADDRESS, registry)


def _begin(task_id: str = "", **_: Any) -> None:
    _begun[task_id] = time.monotonic()


def _end(task_id: str = "", task: Any = None, state: str | None = None, **_: Any) -> None:
    """Of whatever end. A task that is killed by its limit has none; its absence is the alert."""
    name, ended = task.name, (state or "unknown").lower()
    counter("sluice_tasks_total").labels(name, ended).inc()
    if (began := _begun.pop(task_id, None)) is not None:
        histogram("sluice_task_seconds").labels(name).observe(time.monotonic() - began)
    if ended == "success":
        newest = gauge("sluice_task_succeeded_timestamp_seconds", "max")
        newest.labels(name).set(time.time())

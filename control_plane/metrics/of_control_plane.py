"""Figures of the control plane's web process, of Celery's workers and of its beat."""

from control_plane.metrics.metric import (
    SECONDS,
    TASK_SECONDS,
    Metric,
    counter,
    gauge,
    histogram,
)

# Of each process in Python, once it has told of a purchase that is followed.
FOLLOWED: tuple[Metric, ...] = (
    counter(
        "sluice_spans_total",
        "spans",
        "Spans: sent, or lost because the receiver took none.",
        labels=("result",),
    ),
)

CONTROL_PLANE: tuple[Metric, ...] = (
    # I1, read in one statement: total = pool + leased + unpaid + paid (DESIGN §5).
    gauge(
        "sluice_item_units",
        "units",
        "Where an item's units are, in PostgreSQL: total, pool, leased (to shards), unpaid, paid.",
        labels=("item", "place"),
    ),
    gauge(
        "sluice_item_ended_units",
        "units",
        "Units of orders that came to nothing: expired, cancelled; and of rejected reservations.",
        labels=("item", "state"),
    ),
    gauge(
        "sluice_item_drift_units",
        "units",
        "Total less pool, leased, unpaid and paid: always 0.",
        labels=("item",),
    ),
    gauge(
        "sluice_item_oversold_units",
        "units",
        "Units in live orders above the item's total: always 0.",
        labels=("item",),
    ),
    gauge("sluice_snapshot_newest_version", "version", "The newest snapshot that was published."),
    gauge("sluice_switches_thrown", "switches", "Switches that do not say what they usually do."),
    gauge("sluice_alerts_firing", "alerts", "Alerts that fire now.", labels=("severity",)),
    gauge("sluice_board_prometheus_up", "flag", "1 while Prometheus answers the board."),
    counter(
        "sluice_board_answers_total",
        "answers",
        "Looks at the board's figures, by staff or from a wall.",
        labels=("viewer",),
    ),
    histogram(
        "sluice_board_look_seconds",
        "seconds",
        "One look for all viewers: database and Prometheus.",
        buckets=SECONDS,
    ),
    counter(
        "sluice_alerts_received_total",
        "alerts",
        "What Alertmanager told the control plane.",
        labels=("severity", "status"),
    ),
)

TASKS: tuple[Metric, ...] = (
    counter(
        "sluice_tasks_total", "tasks", "Celery's tasks by their end.", labels=("task", "state")
    ),
    histogram(
        "sluice_task_seconds",
        "seconds",
        "One run of a task.",
        labels=("task",),
        buckets=TASK_SECONDS,
    ),
    gauge(
        "sluice_task_succeeded_timestamp_seconds",
        "seconds",
        "When a task last succeeded, in seconds since 1970.",
        labels=("task",),
    ),
)

BEAT: tuple[Metric, ...] = (
    counter(
        "sluice_beat_sent_total", "tasks", "Tasks that the clock has sent off.", labels=("task",)
    ),
    gauge(
        "sluice_beat_sent_timestamp_seconds",
        "seconds",
        "When the clock last sent anything, in seconds since 1970.",
    ),
)

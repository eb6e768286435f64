"""Figures of the gateway: `openresty/gateway/metrics.lua` counts them."""

from control_plane.metrics.metric import Metric, counter, gauge, histogram

GATEWAY: tuple[Metric, ...] = (
    counter(
        "sluice_gateway_events_total",
        "events",
        "Events for the risk scorer: sent, or dropped because the buffer was full or Kafka away.",
        labels=("result",),
    ),
    counter(
        "sluice_gateway_refusals_unwritten_total",
        "refusals",
        "Refusals that got no line in the access log, because there were many in a second.",
        labels=("outcome",),
    ),
    counter(
        "sluice_gateway_spans_total",
        "spans",
        "Spans of followed purchases: sent, or dropped because the list was full or the receiver "
        "away; over: purchases that were not followed because there were too many.",
        labels=("result",),
    ),
    counter(
        "sluice_gateway_risk_compared_total",
        "requests",
        "Purchases that were compared with risk rules.",
    ),
    counter(
        "sluice_gateway_buys_total",
        "requests",
        "Buy requests by outcome.",
        labels=("outcome",),
    ),
    counter(
        "sluice_gateway_redis_errors_total",
        "calls",
        "Reserve calls without a result.",
        labels=("verdict",),
    ),
    counter(
        "sluice_gateway_database_errors_total",
        "calls",
        "Reserve calls to the control plane without a result.",
        labels=("verdict",),
    ),
    counter(
        "sluice_gateway_queue_total",
        "events",
        "What the queue step did.",
        labels=("event",),
    ),
    counter(
        "sluice_gateway_queue_errors_total",
        "calls",
        "Queue calls without a result.",
        labels=("verdict",),
    ),
    counter(
        "sluice_gateway_batches_total",
        "calls",
        "Reserve script calls answered.",
    ),
    counter(
        "sluice_gateway_batched_requests_total",
        "requests",
        "Requests in those calls.",
    ),
    counter(
        "sluice_gateway_limit_reports_total",
        "calls",
        "Calls that bring this gateway's admissions to the others; unsent: the work Redis is away.",
        labels=("result",),
    ),
    counter(
        "sluice_gateway_risk_total",
        "requests",
        "Matches of risk rules: enforced ones that decided, all of those that are only "
        "watched, and challenges that were passed or are switched off.",
        labels=(
            "rule",
            "action",
            "mode",
        ),
    ),
    counter(
        "sluice_gateway_bans_total",
        "entries",
        "Entries read from the stream of bans; full: a network for which the list has no room.",
        labels=("result",),
    ),
    counter(
        "sluice_gateway_bans_met_total",
        "requests",
        "Requests of somebody who is banned.",
        labels=(
            "kind",
            "mode",
        ),
    ),
    gauge(
        "sluice_gateway_breaker_open",
        "flag",
        "1 while a worker leaves an upstream alone.",
        labels=(
            "upstream",
            "worker",
        ),
    ),
    counter(
        "sluice_gateway_heartbeats_total",
        "calls",
        "Heartbeats to the control plane.",
        labels=("result",),
    ),
    counter(
        "sluice_gateway_console_requests_total",
        "requests",
        "Requests of the console by the version chosen.",
        labels=("pool",),
    ),
    counter(
        "sluice_gateway_console_breaker_total",
        "events",
        "Green taken out and put back.",
        labels=("event",),
    ),
    gauge(
        "sluice_gateway_snapshot_version",
        "version",
        "Snapshot that the worker runs.",
        labels=("worker",),
    ),
    gauge(
        "sluice_gateway_stock_generation",
        "generation",
        "Stock generation that the worker runs.",
        labels=("worker",),
    ),
    gauge(
        "sluice_gateway_control_plane_silence_seconds",
        "seconds",
        "Time since the configuration was known to be the newest; the lease is compared with it.",
    ),
    histogram(
        "sluice_gateway_exchange_seconds",
        "seconds",
        "One exchange with a stock node: a batch of every lane, or numbers of a queue.",
        buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0),
    ),
)

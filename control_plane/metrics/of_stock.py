"""Figures of relay, risk scorer, stock agent and queue controller."""

from control_plane.metrics.metric import SECONDS, Metric, counter, gauge, histogram

STOCK: tuple[Metric, ...] = (
    # Relay
    counter(
        "sluice_relay_delivered_total",
        "intents",
        "Intents that Kafka acknowledged.",
    ),
    gauge(
        "sluice_relay_in_flight",
        "intents",
        "Intents handed to Kafka and not acknowledged.",
    ),
    counter(
        "sluice_relay_invalid_intents_total",
        "intents",
        "Outbox lines without a readable shopper.",
    ),
    counter(
        "sluice_relay_restarts_total",
        "restarts",
        "Deliveries started over from the pending entries.",
    ),
    gauge(
        "sluice_relay_outboxes",
        "outboxes",
        "Outboxes the relay looks after.",
    ),
    counter(
        "sluice_relay_trimmed_entries_total",
        "entries",
        "Outbox entries dropped after the decision.",
    ),
    gauge(
        "sluice_relay_undecided_seconds",
        "seconds",
        "Age of the oldest outbox entry that PostgreSQL has not decided, or Kafka not "
        "acknowledged, and that is no dead letter.",
    ),
    gauge(
        "sluice_relay_dead_letter_seconds",
        "seconds",
        "Age of the oldest outbox entry that waits for an attempt at a dead letter, or for a "
        "person.",
    ),
    gauge(
        "sluice_relay_outboxes_unreachable",
        "outboxes",
        "Outboxes whose stock node does not answer.",
    ),
    counter(
        "sluice_relay_database_delivered_total",
        "reservations",
        "Reservations made in PostgreSQL whose intents Kafka acknowledged.",
    ),
    counter(
        "sluice_stock_redis_errors_total",
        "calls",
        "Calls to the stock Redis that failed.",
        labels=("process", "kind"),
    ),
    # Risk scorer
    counter(
        "sluice_risk_events_total",
        "events",
        "Events of the gateways: scored, late (older than the windows) or invalid.",
        labels=("result",),
    ),
    gauge(
        "sluice_risk_behind_seconds",
        "seconds",
        "Age of the event that was read last, by the gateway's clock.",
    ),
    counter(
        "sluice_risk_verdicts_total",
        "bans",
        "Bans that a rule asked for; in mode shadow nobody was banned for it.",
        labels=("kind", "rule", "mode"),
    ),
    gauge(
        "sluice_risk_remembered",
        "entries",
        "How many the windows know now.",
        labels=("kind",),
    ),
    counter(
        "sluice_risk_bans_told_total",
        "bans",
        "Entries written to the stream of bans.",
    ),
    gauge(
        "sluice_risk_bans_active",
        "bans",
        "Bans in force, by whomever.",
    ),
    counter(
        "sluice_risk_bans_unrecorded_total",
        "bans",
        "Bans that were told and could not be written to PostgreSQL.",
    ),
    # Stock agent
    gauge(
        "sluice_agent_leads",
        "flag",
        "1 in the one agent that holds the lock.",
    ),
    histogram(
        "sluice_agent_round_seconds",
        "seconds",
        "One round.",
        buckets=SECONDS,
    ),
    gauge(
        "sluice_shard_fenced",
        "flag",
        "1 while a shard sells nothing: its node refuses the epoch, does not answer, or is "
        "armed anew.",
        labels=("item", "shard"),
    ),
    gauge(
        "sluice_shard_takes_writes",
        "flag",
        "0 while the shard's master answers and takes no writes, because too few replicas "
        "copy it: what it holds is out of the sale until they do.",
        labels=("item", "shard"),
    ),
    gauge(
        "sluice_shard_avail",
        "units",
        "Units free in the shard.",
        labels=("item", "shard"),
    ),
    gauge(
        "sluice_pool_unallocated",
        "units",
        "Units no shard holds.",
        labels=("item",),
    ),
    counter(
        "sluice_granted_units_total",
        "units",
        "Units moved from the pool to a shard.",
        labels=("item", "shard"),
    ),
    counter(
        "sluice_reclaimed_units_total",
        "units",
        "Units moved from a shard to the pool.",
        labels=("item", "shard"),
    ),
    gauge(
        "sluice_rearms_open",
        "epochs",
        "Old epochs that are not closed yet.",
        labels=("stage",),
    ),
    histogram(
        "sluice_rearm_seconds",
        "seconds",
        "From the fence of an epoch until its shard sells again (armed) and all its units "
        "are free again (closed).",
        labels=("until",),
        buckets=SECONDS,
    ),
    # Queue controller
    gauge(
        "sluice_kafka_lag_messages",
        "messages",
        "Messages of the topic that the group has not consumed, as the queue controller reads it.",
        labels=("topic", "group"),
    ),
    gauge(
        "sluice_queue_leads",
        "flag",
        "1 in the one queue controller that holds the lock.",
    ),
    histogram(
        "sluice_queue_tick_seconds",
        "seconds",
        "One tick.",
        buckets=SECONDS,
    ),
    gauge(
        "sluice_queue_waiting",
        "places",
        "Places with a ticket that were not called.",
        labels=("item", "bucket"),
    ),
    gauge(
        "sluice_queue_outstanding",
        "places",
        "Places that were called and have neither come nor been written off; all buckets "
        "together at most k times the free units when the window last grew.",
        labels=("item", "bucket"),
    ),
    gauge(
        "sluice_queue_served_until",
        "places",
        "Places below may buy.",
        labels=("item", "bucket"),
    ),
    gauge(
        "sluice_queue_written_off",
        "places",
        "Places below are over: come or not.",
        labels=("item", "bucket"),
    ),
    gauge(
        "sluice_queue_free_units",
        "units",
        "Units in the pool and all shards.",
        labels=("item",),
    ),
    gauge(
        "sluice_queue_rate",
        "places per second",
        "Places a second that the order pipeline is given.",
    ),
    counter(
        "sluice_queue_reopened_total",
        "queues",
        "Queues opened anew because their counters could not be trusted any more.",
        labels=("item",),
    ),
)

"""Figures of the workers that make orders of reservations, and of what is owed."""

from control_plane.metrics.metric import SECONDS, SIZES, Metric, counter, gauge, histogram

ORDERS: tuple[Metric, ...] = (
    # Every worker
    gauge(
        "sluice_worker_ready",
        "flag",
        "1 while every part of the process does its work.",
    ),
    # Consumers
    counter(
        "sluice_consumed_messages_total",
        "messages",
        "Messages read from Kafka.",
        labels=("topic",),
    ),
    counter(
        "sluice_dead_letters_total",
        "messages",
        "Messages that were not understood or not taken by the database.",
        labels=("topic",),
    ),
    histogram(
        "sluice_batch_messages",
        "messages",
        "Messages in a batch.",
        labels=("topic",),
        buckets=SIZES,
    ),
    histogram(
        "sluice_apply_seconds",
        "seconds",
        "Database work of one batch.",
        labels=("topic",),
        buckets=SECONDS,
    ),
    histogram(
        "sluice_announce_seconds",
        "seconds",
        "Events and projections of one batch.",
        labels=("topic",),
        buckets=SECONDS,
    ),
    gauge(
        "sluice_consumer_halted",
        "flag",
        "1 while a consumer takes nothing because most messages are invalid to it.",
        labels=("topic",),
    ),
    counter(
        "sluice_batch_retries_total",
        "retries",
        "Retries of a batch because something was down.",
        labels=("topic",),
    ),
    gauge(
        "sluice_consumer_stalled",
        "flag",
        "1 while a batch waits for something that is down.",
        labels=("topic",),
    ),
    counter(
        "sluice_offset_commit_failures_total",
        "commits",
        "Kafka refused an offset commit.",
        labels=("topic",),
    ),
    # Orders
    counter(
        "sluice_reservations_decided_total",
        "reservations",
        "Reservations PostgreSQL decided now.",
        labels=("outcome",),
    ),
    counter(
        "sluice_reservations_repeated_total",
        "reservations",
        "Reservations that were decided before.",
    ),
    histogram(
        "sluice_reserved_to_decided_seconds",
        "seconds",
        "From the reservation in Redis to the commit in PostgreSQL, oldest of each batch.",
        buckets=SECONDS,
    ),
    counter(
        "sluice_late_reservations_total",
        "reservations",
        "Reservations of an epoch that was closed already: confirmed from the pool, or the "
        "reason why not. Zero without a failover.",
        labels=("outcome",),
    ),
    counter(
        "sluice_projection_failures_total",
        "batches",
        "Batches whose status could not be written to the work Redis.",
    ),
    # Warehouse
    counter(
        "sluice_stock_deductions_total",
        "lines",
        "Order lines deducted from the warehouse.",
        labels=("outcome",),
    ),
    counter(
        "sluice_stock_restorations_total",
        "lines",
        "Order lines given back to the warehouse.",
        labels=("outcome",),
    ),
    # Order courier
    counter(
        "sluice_order_events_sent_total",
        "events",
        "Events of the outbox Kafka acknowledged.",
    ),
    counter(
        "sluice_order_events_put_aside_total",
        "events",
        "Times that an event of the outbox was put aside, because it alone could not be sent.",
    ),
    counter(
        "sluice_stock_answers_total",
        "answers",
        "Answers of the warehouse kept beside the orders.",
        labels=("outcome",),
    ),
    # Compensator
    counter(
        "sluice_dead_letters_kept_total",
        "messages",
        "Dead letters taken into the retry table.",
    ),
    gauge(
        "sluice_dead_letters_pending",
        "messages",
        "Dead letters that wait for an attempt.",
    ),
    gauge(
        "sluice_dead_letters_oldest_seconds",
        "seconds",
        "Age of the oldest dead letter that waits for an attempt.",
    ),
    gauge(
        "sluice_exception_orders",
        "orders",
        "Dead letters that every attempt failed for and nobody has looked at: P1, somebody "
        "was told that he has his unit.",
    ),
    gauge(
        "sluice_order_events_aside",
        "events",
        "Events of orders that could not be sent and wait for another attempt. Alert above 0.",
    ),
    gauge(
        "sluice_orders_unanswered",
        "orders",
        "Orders of the last day, and ends of orders, that the warehouse has not answered in time.",
    ),
    # Webhooks
    counter(
        "sluice_webhooks_noted_total",
        "deliveries",
        "Deliveries written for merchants' endpoints.",
    ),
    gauge(
        "sluice_webhooks_pending",
        "deliveries",
        "Deliveries that wait for endpoints that are on.",
    ),
    gauge(
        "sluice_webhooks_oldest_pending_seconds",
        "seconds",
        "Age of the oldest delivery that waits, or 0.",
    ),
    gauge(
        "sluice_webhooks_failed",
        "deliveries",
        "Deliveries that were given up within the last 24 hours.",
    ),
    gauge(
        "sluice_webhook_endpoints",
        "endpoints",
        "Endpoints that are on and failing, and endpoints that were switched off for failing.",
        labels=("state",),
    ),
    # Books
    gauge(
        "sluice_reconciliation_unbalanced",
        "items",
        "Items of the last 30 days whose latest reconciliation does not balance. Alert above 0.",
    ),
    gauge(
        "sluice_reconciliation_findings",
        "findings",
        "Findings that are left for people, of the latest comparison of all sides of each campaign "
        "of the last 30 days. Alert above 0.",
    ),
    gauge(
        "sluice_reconciliation_overdue",
        "items",
        "Items whose reconciliation should have been made six hours ago. Alert above 0.",
    ),
    gauge(
        "sluice_campaigns_not_armed",
        "campaigns",
        "Campaigns that start within half the time their shards are armed before, or run, "
        "and are not.",
    ),
    gauge(
        "sluice_orders_overdue",
        "orders",
        "Unpaid orders that should have ended more than a minute ago: their units wait. "
        "Alert above 0.",
    ),
    gauge(
        "sluice_refunds_stuck",
        "refunds",
        "Refunds that failed, or that are an hour old. Alert above 0.",
    ),
    gauge(
        "sluice_payment_exceptions_open",
        "callbacks",
        "Signed callbacks that do not fit their payment and that nobody has looked at. "
        "Alert above 0.",
    ),
)

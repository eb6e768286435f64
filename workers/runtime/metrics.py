"""Every metric of the workers: its name, type, labels and meaning, and nowhere else.

Labels are of small closed sets or item ids; never a shopper or a reservation.
"""

from prometheus_client import Counter, Gauge, Histogram

# From one message to a full batch that waits for a slow database.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 4000)

WORKER_READY = Gauge("sluice_worker_ready", "1 while every part of the process does its work.")

# Consumers -----------------------------------------------------------------------------------

CONSUMED = Counter("sluice_consumed_messages", "Messages read from Kafka.", ["topic"])
DEAD_LETTERS = Counter(
    "sluice_dead_letters",
    "Messages that were not understood or not taken by the database.",
    ["topic"],
)
BATCH_SIZE = Histogram("sluice_batch_messages", "Messages in a batch.", ["topic"], buckets=_SIZES)
APPLY_SECONDS = Histogram(
    "sluice_apply_seconds", "Database work of one batch.", ["topic"], buckets=_SECONDS
)
ANNOUNCE_SECONDS = Histogram(
    "sluice_announce_seconds", "Events and projections of one batch.", ["topic"], buckets=_SECONDS
)
HALTED = Gauge(
    "sluice_consumer_halted",
    "1 while a consumer takes nothing because most messages are invalid to it.",
    ["topic"],
)
RETRIES = Counter(
    "sluice_batch_retries", "Retries of a batch because something was down.", ["topic"]
)
STALLED = Gauge(
    "sluice_consumer_stalled", "1 while a batch waits for something that is down.", ["topic"]
)
COMMIT_FAILURES = Counter(
    "sluice_offset_commit_failures", "Kafka refused an offset commit.", ["topic"]
)

# Orders --------------------------------------------------------------------------------------

LANDED = Counter("sluice_reservations_decided", "Reservations PostgreSQL decided now.", ["outcome"])
REPEATED = Counter("sluice_reservations_repeated", "Reservations that were decided before.")
DECIDED_AFTER_SECONDS = Histogram(
    "sluice_reserved_to_decided_seconds",
    "From the reservation in Redis to the commit in PostgreSQL, oldest of each batch.",
    buckets=_SECONDS,
)
LATE = Counter(
    "sluice_late_reservations",
    "Reservations of an epoch that was closed already: confirmed from the pool, or the reason why"
    " not. Zero without a failover.",
    ["outcome"],
)
PROJECTION_FAILURES = Counter(
    "sluice_projection_failures", "Batches whose status could not be written to the work Redis."
)

# Warehouse -----------------------------------------------------------------------------------

DEDUCTED = Counter(
    "sluice_stock_deductions", "Order lines deducted from the warehouse.", ["outcome"]
)
RESTORED = Counter(
    "sluice_stock_restorations", "Order lines given back to the warehouse.", ["outcome"]
)

# Order courier -------------------------------------------------------------------------------

ORDER_EVENTS_SENT = Counter("sluice_order_events_sent", "Events of the outbox Kafka acknowledged.")
ORDER_EVENTS_PUT_ASIDE = Counter(
    "sluice_order_events_put_aside",
    "Times that an event of the outbox was put aside, because it alone could not be sent.",
)
STOCK_ANSWERS = Counter(
    "sluice_stock_answers", "Answers of the warehouse kept beside the orders.", ["outcome"]
)

# Compensator ---------------------------------------------------------------------------------

LETTERS_KEPT = Counter("sluice_dead_letters_kept", "Dead letters taken into the retry table.")
LETTERS_PENDING = Gauge("sluice_dead_letters_pending", "Dead letters that wait for an attempt.")
LETTERS_OLDEST_SECONDS = Gauge(
    "sluice_dead_letters_oldest_seconds", "Age of the oldest dead letter that waits for an attempt."
)
EXCEPTION_ORDERS = Gauge(
    "sluice_exception_orders",
    "Dead letters that every attempt failed for and nobody has looked at: P1, somebody was told"
    " that he has his unit.",
)
ORDER_EVENTS_ASIDE = Gauge(
    "sluice_order_events_aside",
    "Events of orders that could not be sent and wait for another attempt. Alert above 0.",
)
ORDERS_UNANSWERED = Gauge(
    "sluice_orders_unanswered",
    "Orders of the last day, and ends of orders, that the warehouse has not answered in time.",
)

# Webhooks ------------------------------------------------------------------------------------

WEBHOOKS_NOTED = Counter("sluice_webhooks_noted", "Deliveries written for merchants' endpoints.")
WEBHOOKS_PENDING = Gauge(
    "sluice_webhooks_pending", "Deliveries that wait for endpoints that are on."
)
WEBHOOKS_OLDEST_SECONDS = Gauge(
    "sluice_webhooks_oldest_pending_seconds",
    "Age of the oldest delivery that waits, or 0.",
)
WEBHOOKS_FAILED = Gauge(
    "sluice_webhooks_failed", "Deliveries that were given up within the last 24 hours."
)
WEBHOOK_ENDPOINTS = Gauge(
    "sluice_webhook_endpoints",
    "Endpoints that are on and failing, and endpoints that were switched off for failing.",
    ["state"],
)

# Books ---------------------------------------------------------------------------------------

BOOKS_UNBALANCED = Gauge(
    "sluice_reconciliation_unbalanced",
    "Items of the last 30 days whose latest reconciliation does not balance. Alert above 0.",
)
BOOKS_OVERDUE = Gauge(
    "sluice_reconciliation_overdue",
    "Items whose reconciliation should have been made six hours ago. Alert above 0.",
)
CAMPAIGNS_COLD = Gauge(
    "sluice_campaigns_not_armed",
    "Campaigns that start within half the time their shards are armed before, or run, and are not.",
)
ORDERS_OVERDUE = Gauge(
    "sluice_orders_overdue",
    "Unpaid orders that should have ended more than a minute ago: their units wait. Alert above 0.",
)
REFUNDS_STUCK = Gauge(
    "sluice_refunds_stuck", "Refunds that failed, or that are an hour old. Alert above 0."
)
PAYMENT_EXCEPTIONS = Gauge(
    "sluice_payment_exceptions_open",
    "Signed callbacks that do not fit their payment and that nobody has looked at. Alert above 0.",
)

# Relay ---------------------------------------------------------------------------------------

RELAYED = Counter("sluice_relay_delivered", "Intents that Kafka acknowledged.")
RELAY_IN_FLIGHT = Gauge("sluice_relay_in_flight", "Intents handed to Kafka and not acknowledged.")
RELAY_INVALID = Counter("sluice_relay_invalid_intents", "Outbox lines without a readable shopper.")
RELAY_RESTARTS = Counter(
    "sluice_relay_restarts", "Deliveries started over from the pending entries."
)
RELAY_OUTBOXES = Gauge("sluice_relay_outboxes", "Outboxes the relay looks after.")
RELAY_TRIMMED = Counter(
    "sluice_relay_trimmed_entries", "Outbox entries dropped after the decision."
)
RELAY_UNDECIDED_SECONDS = Gauge(
    "sluice_relay_undecided_seconds",
    "Age of the oldest outbox entry that PostgreSQL has not decided, or Kafka not acknowledged, and"
    " that is no dead letter.",
)
RELAY_DEAD_LETTER_SECONDS = Gauge(
    "sluice_relay_dead_letter_seconds",
    "Age of the oldest outbox entry that waits for an attempt at a dead letter, or for a person.",
)
RELAY_UNREACHABLE = Gauge(
    "sluice_relay_outboxes_unreachable", "Outboxes whose stock node does not answer."
)
DATABASE_RELAYED = Counter(
    "sluice_relay_database_delivered",
    "Reservations made in PostgreSQL whose intents Kafka acknowledged.",
)
STOCK_REDIS_ERRORS = Counter(
    "sluice_stock_redis_errors", "Calls to the stock Redis that failed.", ["process", "kind"]
)

# Risk scorer ---------------------------------------------------------------------------------

RISK_EVENTS = Counter(
    "sluice_risk_events",
    "Events of the gateways: scored, late (older than the windows) or invalid.",
    ["result"],
)
RISK_BEHIND_SECONDS = Gauge(
    "sluice_risk_behind_seconds", "Age of the event that was read last, by the gateway's clock."
)
RISK_VERDICTS = Counter(
    "sluice_risk_verdicts",
    "Bans that a rule asked for; in mode shadow nobody was banned for it.",
    ["kind", "rule", "mode"],
)
RISK_REMEMBERED = Gauge("sluice_risk_remembered", "How many the windows know now.", ["kind"])
RISK_BANS_TOLD = Counter("sluice_risk_bans_told", "Entries written to the stream of bans.")
RISK_BANS_ACTIVE = Gauge("sluice_risk_bans_active", "Bans in force, by whomever.")
RISK_UNRECORDED = Counter(
    "sluice_risk_bans_unrecorded", "Bans that were told and could not be written to PostgreSQL."
)

# Stock agent ---------------------------------------------------------------------------------

AGENT_LEADS = Gauge("sluice_agent_leads", "1 in the one agent that holds the lock.")
AGENT_ROUND_SECONDS = Histogram("sluice_agent_round_seconds", "One round.", buckets=_SECONDS)
SHARD_FENCED = Gauge(
    "sluice_shard_fenced",
    "1 while a shard sells nothing: its node refuses the epoch, does not answer, or is armed anew.",
    ["item", "shard"],
)
SHARD_TAKES_WRITES = Gauge(
    "sluice_shard_takes_writes",
    "0 while the shard's master answers and takes no writes, because too few replicas copy it: what"
    " it holds is out of the sale until they do.",
    ["item", "shard"],
)
SHARD_AVAIL = Gauge("sluice_shard_avail", "Units free in the shard.", ["item", "shard"])
POOL_UNALLOCATED = Gauge("sluice_pool_unallocated", "Units no shard holds.", ["item"])
GRANTED = Counter(
    "sluice_granted_units", "Units moved from the pool to a shard.", ["item", "shard"]
)
RECLAIMED = Counter(
    "sluice_reclaimed_units", "Units moved from a shard to the pool.", ["item", "shard"]
)
REARMS_OPEN = Gauge("sluice_rearms_open", "Old epochs that are not closed yet.", ["stage"])
REARM_SECONDS = Histogram(
    "sluice_rearm_seconds",
    "From the fence of an epoch until its shard sells again (armed) and all its units are free"
    " again (closed).",
    ["until"],
    buckets=_SECONDS,
)

# Queue controller ----------------------------------------------------------------------------

QUEUE_LEADS = Gauge("sluice_queue_leads", "1 in the one queue controller that holds the lock.")
QUEUE_TICK_SECONDS = Histogram("sluice_queue_tick_seconds", "One tick.", buckets=_SECONDS)
QUEUE_WAITING = Gauge(
    "sluice_queue_waiting", "Places with a ticket that were not called.", ["item", "bucket"]
)
QUEUE_OUTSTANDING = Gauge(
    "sluice_queue_outstanding",
    "Places that were called and have neither come nor been written off; all buckets together at"
    " most k times the free units when the window last grew.",
    ["item", "bucket"],
)
QUEUE_SERVED = Gauge("sluice_queue_served_until", "Places below may buy.", ["item", "bucket"])
QUEUE_WRITTEN_OFF = Gauge(
    "sluice_queue_written_off", "Places below are over: come or not.", ["item", "bucket"]
)
QUEUE_FREE_UNITS = Gauge("sluice_queue_free_units", "Units in the pool and all shards.", ["item"])
QUEUE_RATE = Gauge("sluice_queue_rate", "Places a second that the order pipeline is given.")
QUEUE_REOPENED = Counter(
    "sluice_queue_reopened",
    "Queues opened anew because their counters could not be trusted any more.",
    ["item"],
)

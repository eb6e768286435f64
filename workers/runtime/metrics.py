"""Every metric of the workers, by the name the code calls it.

What it means, its labels and its unit stand in `control_plane/metrics/`, where a new one begins.
"""

from control_plane.metrics.registry import counter, gauge, histogram

WORKER_READY = gauge("sluice_worker_ready")

# Consumers -------------------------------------------------------------------------------------

CONSUMED = counter("sluice_consumed_messages_total")
DEAD_LETTERS = counter("sluice_dead_letters_total")
BATCH_SIZE = histogram("sluice_batch_messages")
APPLY_SECONDS = histogram("sluice_apply_seconds")
ANNOUNCE_SECONDS = histogram("sluice_announce_seconds")
HALTED = gauge("sluice_consumer_halted")
RETRIES = counter("sluice_batch_retries_total")
STALLED = gauge("sluice_consumer_stalled")
COMMIT_FAILURES = counter("sluice_offset_commit_failures_total")

# Orders ----------------------------------------------------------------------------------------

LANDED = counter("sluice_reservations_decided_total")
REPEATED = counter("sluice_reservations_repeated_total")
DECIDED_AFTER_SECONDS = histogram("sluice_reserved_to_decided_seconds")
LATE = counter("sluice_late_reservations_total")
PROJECTION_FAILURES = counter("sluice_projection_failures_total")

# Warehouse -------------------------------------------------------------------------------------

DEDUCTED = counter("sluice_stock_deductions_total")
RESTORED = counter("sluice_stock_restorations_total")

# Order courier ---------------------------------------------------------------------------------

ORDER_EVENTS_SENT = counter("sluice_order_events_sent_total")
ORDER_EVENTS_PUT_ASIDE = counter("sluice_order_events_put_aside_total")
STOCK_ANSWERS = counter("sluice_stock_answers_total")

# Compensator -----------------------------------------------------------------------------------

LETTERS_KEPT = counter("sluice_dead_letters_kept_total")
LETTERS_PENDING = gauge("sluice_dead_letters_pending")
LETTERS_OLDEST_SECONDS = gauge("sluice_dead_letters_oldest_seconds")
EXCEPTION_ORDERS = gauge("sluice_exception_orders")
ORDER_EVENTS_ASIDE = gauge("sluice_order_events_aside")
ORDERS_UNANSWERED = gauge("sluice_orders_unanswered")

# Webhooks --------------------------------------------------------------------------------------

WEBHOOKS_NOTED = counter("sluice_webhooks_noted_total")
WEBHOOKS_PENDING = gauge("sluice_webhooks_pending")
WEBHOOKS_OLDEST_SECONDS = gauge("sluice_webhooks_oldest_pending_seconds")
WEBHOOKS_FAILED = gauge("sluice_webhooks_failed")
WEBHOOK_ENDPOINTS = gauge("sluice_webhook_endpoints")

# Books -----------------------------------------------------------------------------------------

BOOKS_UNBALANCED = gauge("sluice_reconciliation_unbalanced")
BOOKS_FINDINGS = gauge("sluice_reconciliation_findings")
BOOKS_OVERDUE = gauge("sluice_reconciliation_overdue")
CAMPAIGNS_COLD = gauge("sluice_campaigns_not_armed")
ORDERS_OVERDUE = gauge("sluice_orders_overdue")
REFUNDS_STUCK = gauge("sluice_refunds_stuck")
PAYMENT_EXCEPTIONS = gauge("sluice_payment_exceptions_open")

# Relay -----------------------------------------------------------------------------------------

RELAYED = counter("sluice_relay_delivered_total")
RELAY_IN_FLIGHT = gauge("sluice_relay_in_flight")
RELAY_INVALID = counter("sluice_relay_invalid_intents_total")
RELAY_RESTARTS = counter("sluice_relay_restarts_total")
RELAY_OUTBOXES = gauge("sluice_relay_outboxes")
RELAY_TRIMMED = counter("sluice_relay_trimmed_entries_total")
RELAY_UNDECIDED_SECONDS = gauge("sluice_relay_undecided_seconds")
RELAY_DEAD_LETTER_SECONDS = gauge("sluice_relay_dead_letter_seconds")
RELAY_UNREACHABLE = gauge("sluice_relay_outboxes_unreachable")
DATABASE_RELAYED = counter("sluice_relay_database_delivered_total")
STOCK_REDIS_ERRORS = counter("sluice_stock_redis_errors_total")

# Risk scorer -----------------------------------------------------------------------------------

RISK_EVENTS = counter("sluice_risk_events_total")
RISK_BEHIND_SECONDS = gauge("sluice_risk_behind_seconds")
RISK_VERDICTS = counter("sluice_risk_verdicts_total")
RISK_REMEMBERED = gauge("sluice_risk_remembered")
RISK_BANS_TOLD = counter("sluice_risk_bans_told_total")
RISK_BANS_ACTIVE = gauge("sluice_risk_bans_active")
RISK_UNRECORDED = counter("sluice_risk_bans_unrecorded_total")

# Stock agent -----------------------------------------------------------------------------------

AGENT_LEADS = gauge("sluice_agent_leads")
AGENT_ROUND_SECONDS = histogram("sluice_agent_round_seconds")
SHARD_FENCED = gauge("sluice_shard_fenced")
SHARD_TAKES_WRITES = gauge("sluice_shard_takes_writes")
SHARD_AVAIL = gauge("sluice_shard_avail")
POOL_UNALLOCATED = gauge("sluice_pool_unallocated")
GRANTED = counter("sluice_granted_units_total")
RECLAIMED = counter("sluice_reclaimed_units_total")
REARMS_OPEN = gauge("sluice_rearms_open")
REARM_SECONDS = histogram("sluice_rearm_seconds")

# Queue controller ------------------------------------------------------------------------------

QUEUE_LEADS = gauge("sluice_queue_leads")
QUEUE_TICK_SECONDS = histogram("sluice_queue_tick_seconds")
QUEUE_WAITING = gauge("sluice_queue_waiting")
QUEUE_OUTSTANDING = gauge("sluice_queue_outstanding")
QUEUE_SERVED = gauge("sluice_queue_served_until")
QUEUE_WRITTEN_OFF = gauge("sluice_queue_written_off")
QUEUE_FREE_UNITS = gauge("sluice_queue_free_units")
QUEUE_RATE = gauge("sluice_queue_rate")
QUEUE_REOPENED = counter("sluice_queue_reopened_total")
KAFKA_LAG = gauge("sluice_kafka_lag_messages")

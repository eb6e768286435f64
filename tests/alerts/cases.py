"""What makes each alert fire, and what looks nearly the same and must not.

Values are promtool's: `a+bxn` begins at a and grows by b, n times; `_` is no sample. A sample every
two seconds, as Prometheus takes them. An alert is looked at after `AT_S`, or behind its `for`.
"""

from typing import NamedTuple

STEP_S = 2
AT_S = 180
# More than any alert waits.
_N = 1000
Series = dict[str, str]


class Case(NamedTuple):
    """Two worlds: in the first the alert fires, in the second it is silent."""

    fires: Series
    silent: Series


def steady(value: float) -> str:
    """The same value all the time."""
    return f"{value:g}+0x{_N}"


def growing(per_s: float) -> str:
    """A counter that grows evenly."""
    return f"0+{per_s * STEP_S:g}x{_N}"


def after(zeros_s: int, value: float) -> str:
    """Zero at first, then the value."""
    return f"0+0x{zeros_s // STEP_S} {value:g}+0x{_N}"


def gauge(name: str, bad: float, good: float) -> Case:
    """An alert on one value."""
    return Case({name: steady(bad)}, {name: steady(good)})


def _up(job: str, value: int) -> Series:
    return {f'up{{job="{job}"}}': steady(value)}


def _quantile(name: str, fast: float, slow: float) -> Case:
    """Everything falls below the slow bound only, or all of it below the fast one."""

    def series(within_fast: float) -> Series:
        return {
            f'{name}_bucket{{le="{fast:g}"}}': growing(within_fast),
            f'{name}_bucket{{le="{slow:g}"}}': growing(10),
            f'{name}_bucket{{le="+Inf"}}': growing(10),
        }

    return Case(series(0), series(10))


# A silence that has lasted since shortly before the look.
_THEN = AT_S - 120

ORDERS = {
    "ExceptionOrders": gauge("sluice_exception_orders", 1, 0),
    # It stands still for a minute, and is found some minutes later all the same.
    "ConsumerHalted": Case(
        {'sluice_consumer_halted{topic="reservations"}': f"0+0x20 1 1 1 0+0x{_N}"},
        {'sluice_consumer_halted{topic="reservations"}': steady(0)},
    ),
    "DeadLettersWait": gauge("sluice_dead_letters_oldest_seconds", 3700, 3500),
    "DeadLetters": Case(
        {'sluice_dead_letters_total{topic="reservations"}': after(60, 1)},
        {'sluice_dead_letters_total{topic="reservations"}': steady(7)},
    ),
    "OrdersUnanswered": gauge("sluice_orders_unanswered", 1, 0),
    "ReservationsUndecided": gauge("sluice_relay_undecided_seconds", 61, 59),
    "ReservationIsDeadLetter": gauge("sluice_relay_dead_letter_seconds", 61, 59),
    "ReservationStaysDeadLetter": gauge("sluice_relay_dead_letter_seconds", 2701, 2699),
    "OrderEventsAside": gauge("sluice_order_events_aside", 1, 0),
    "BooksDoNotBalance": gauge("sluice_reconciliation_unbalanced", 1, 0),
    "SidesDiffer": gauge("sluice_reconciliation_findings", 1, 0),
    "BooksNotCompared": gauge("sluice_reconciliation_overdue", 1, 0),
    "CampaignNotArmed": gauge("sluice_campaigns_not_armed", 1, 0),
    "OrdersDoNotEnd": gauge("sluice_orders_overdue", 1, 0),
    "MoneyDoesNotGoBack": gauge("sluice_refunds_stuck", 1, 0),
    "CallbackDoesNotFit": gauge("sluice_payment_exceptions_open", 1, 0),
    "WebhooksGivenUp": gauge("sluice_webhooks_failed", 1, 0),
    "WebhooksWait": gauge("sluice_webhooks_oldest_pending_seconds", 3700, 3500),
    "EndpointSwitchedOff": gauge('sluice_webhook_endpoints{state="off"}', 1, 0),
    # Every worker shows every worker's figures at 0: their presence says nothing of this one.
    "WebhookConsumerSilent": Case(
        {"sluice_campaigns_not_armed": steady(0), **_up("webhook-consumer", 0)},
        _up("webhook-consumer", 1),
    ),
    "CompensatorSilent": Case(
        {'sluice_exception_orders{job="relay"}': steady(0)}, _up("compensator", 1)
    ),
}

SALE = {
    "Oversold": gauge('sluice_item_oversold_units{item="7"}', 1, 0),
    "UnitsDrift": gauge('sluice_item_drift_units{item="7"}', -1, 0),
    "ShardFenced": gauge('sluice_shard_fenced{item="7",shard="0"}', 1, 0),
    "ShardTakesNoWrites": gauge('sluice_shard_takes_writes{item="7",shard="0"}', 0, 1),
    "RearmDoesNotEnd": gauge('sluice_rearms_open{stage="drained"}', 1, 0),
    "LateReservations": Case(
        {'sluice_late_reservations_total{outcome="closed_epoch"}': after(60, 1)},
        {'sluice_late_reservations_total{outcome="closed_epoch"}': steady(3)},
    ),
    # One of two workers stays behind.
    "SnapshotStale": Case(
        {
            "sluice_snapshot_newest_version": steady(9),
            'sluice_gateway_snapshot_version{instance="g",worker="0"}': steady(9),
            'sluice_gateway_snapshot_version{instance="g",worker="1"}': steady(8),
        },
        {
            "sluice_snapshot_newest_version": steady(9),
            'sluice_gateway_snapshot_version{instance="g",worker="0"}': steady(9),
        },
    ),
    "ControlPlaneSilent": gauge(
        'sluice_gateway_control_plane_silence_seconds{instance="g"}', 1.8, 1.0
    ),
    "BreakerOpen": gauge('sluice_gateway_breaker_open{upstream="r",worker="0"}', 1, 0),
    # A share, and not of two clicks at night.
    "PurchasesFail": Case(
        {
            'sluice_gateway_buys_total{outcome="busy"}': growing(10),
            'sluice_gateway_buys_total{outcome="reserved"}': growing(90),
        },
        {
            'sluice_gateway_buys_total{outcome="busy"}': growing(0.5),
            'sluice_gateway_buys_total{outcome="sold_out"}': growing(0.1),
        },
    ),
    "RedisErrors": Case(
        {'sluice_gateway_redis_errors_total{verdict="fenced"}': growing(2)},
        {'sluice_gateway_redis_errors_total{verdict="fenced"}': growing(0.5)},
    ),
    "ReserveSlow": _quantile("sluice_gateway_exchange_seconds", 0.01, 0.5),
    "QueueControllerSilent": Case({}, {"sluice_queue_leads": steady(1)}),
    "StockAgentSilent": Case(
        {"sluice_agent_leads": steady(0)},
        {'sluice_agent_leads{job="a"}': steady(0), 'sluice_agent_leads{job="b"}': steady(1)},
    ),
}

MACHINES = {
    "ProcessDown": Case(_up("gateway", 0), {**_up("gateway", 1), **_up("risk-scorer", 0)}),
    "HelperDown": Case(_up("risk-scorer", 0), _up("gateway", 0)),
    "WorkerNotReady": gauge('sluice_worker_ready{job="relay"}', 0, 1),
    "BeatSilent": Case(
        {"sluice_beat_sent_timestamp_seconds": steady(_THEN)},
        {"sluice_beat_sent_timestamp_seconds": growing(1)},
    ),
    # Other tasks succeed, this one does not.
    "TasksNotRun": Case(
        {
            'sluice_task_succeeded_timestamp_seconds{task="campaigns.advance_campaigns"}': steady(
                _THEN
            ),
            'sluice_task_succeeded_timestamp_seconds{task="orders.expire_orders"}': growing(1),
        },
        {'sluice_task_succeeded_timestamp_seconds{task="campaigns.advance_campaigns"}': growing(1)},
    ),
    "SlowTasksNotRun": Case(
        {
            'sluice_task_succeeded_timestamp_seconds{task="payments.refund_due"}': steady(
                AT_S - 400
            ),
            'sluice_task_succeeded_timestamp_seconds{task="campaigns.settle_campaigns"}': growing(
                1
            ),
        },
        {
            'sluice_task_succeeded_timestamp_seconds{task="payments.refund_due"}': growing(1),
            'sluice_task_succeeded_timestamp_seconds{task="campaigns.settle_campaigns"}': growing(
                1
            ),
        },
    ),
    "TasksFail": Case(
        {'sluice_tasks_total{task="orders.expire_orders",state="failure"}': growing(0.1)},
        {'sluice_tasks_total{task="orders.expire_orders",state="success"}': growing(1)},
    ),
    "KafkaLag": gauge('sluice_kafka_lag_messages{topic="reservations"}', 20_001, 19_999),
    "ConfirmationsSlow": _quantile("sluice_reserved_to_decided_seconds", 1, 10),
    "StatusesNotWritten": Case(
        {"sluice_projection_failures_total": after(60, 1)},
        {"sluice_projection_failures_total": steady(7)},
    ),
    "ConsumerStalled": gauge('sluice_consumer_stalled{topic="reservations"}', 1, 0),
    "OutboxUnreachable": gauge("sluice_relay_outboxes_unreachable", 1, 0),
    "RiskEventsLost": Case(
        {'sluice_gateway_events_total{result="full"}': growing(20)},
        {'sluice_gateway_events_total{result="sent"}': growing(2000)},
    ),
    "SlowLook": Case(
        {
            "sluice_board_look_seconds_sum": growing(0.9),
            "sluice_board_look_seconds_count": growing(1),
        },
        {
            "sluice_board_look_seconds_sum": growing(0.02),
            "sluice_board_look_seconds_count": growing(1),
        },
    ),
}

CASES = ORDERS | SALE | MACHINES

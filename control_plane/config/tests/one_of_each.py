"""A row behind every page of the admin that is about one row."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from control_plane.api import services as api
from control_plane.campaigns.models import Item
from control_plane.dead_letters.models import DeadLetter
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders.models import Order, OrderEvent
from control_plane.payments.models import Payment, PaymentException, Refund
from control_plane.reconciliation.models import Run
from control_plane.risk import services as risk
from control_plane.switches import services as switches
from control_plane.webhooks.models import Delivery, Endpoint


def arguments(item: Item, allocation: Allocation, now: datetime) -> dict[str, dict[str, Any]]:
    """For the name of a page: its address's arguments; `?` are those behind a question mark."""
    throw = switches.throw("risk_mode", "off", reason="r", by=None, now=now)
    ban = risk.ban("device", "a1b2c3d4", now + timedelta(hours=1), "robot", "scorer")
    rule = risk.create_rule(
        {"kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "mode": "shadow", "note": "n"},
        None,
        now,
    )
    change = inventory.withdraw(item.pk, 1, "r", None)
    rearm = inventory.begin_rearm(allocation.pk, "full", "test")
    campaign = {"campaign_id": item.campaign_id}
    run = Run.objects.create(
        campaign=item.campaign, kind="by_hand", started_at=now, finished_at=now, outcome="balanced"
    )
    key, _token = api.create_key(item.campaign.merchant, "tool", ["orders:read"], by=None, now=now)
    return _of_money(item, now) | {
        "api_apikey_revoke": {"pk": key.pk},
        "campaigns_campaign_": campaign,
        "campaigns_campaign_item": campaign | {"item_id": item.pk, "name": "top_up"},
        "pages_campaignpage_": campaign,
        "pages_campaignpage_picture": campaign | {"name": "x.webp"},
        "inventory_allocation_rearm": {"?": {"pk": allocation.pk}},
        "inventory_rearm_give_up": {"?": {"pk": rearm.pk}},
        "inventory_pool_": {"item_id": item.pk},
        "inventory_stockchange_cancel": {"change_id": change.pk},
        "switches_switchthrow_throw": {"name": "risk_mode"},
        "switches_switchthrow_revert": {"pk": throw.pk},
        "reconciliation_run_": {"run_id": run.pk},
        "risk_ban_lift": {"pk": ban.pk},
        "risk_riskrule_": {"pk": rule.pk},
    }


def _of_money(item: Item, now: datetime) -> dict[str, dict[str, Any]]:
    order = Order.objects.create(
        reservation_id="r1",
        item=item,
        shard=0,
        epoch=1,
        shopper="u",
        qty=1,
        amount_minor=1,
        currency="CNY",
        reserved_at=now,
        created_at=now,
        pay_by=now,
    )
    payment = Payment.objects.create(
        order=order, provider="demo", amount_minor=1, currency="CNY", created_at=now
    )
    refund = Refund.objects.create(
        payment=payment, reason="expired", state="failed", created_at=now, next_try_at=now
    )
    exception = PaymentException.objects.create(
        provider="demo",
        event_id="e",
        kind="unknown_payment",
        payment_id=uuid4(),
        amount_minor=1,
        first_at=now,
        last_at=now,
    )
    letter = DeadLetter.objects.create(
        source="other",
        source_name="t",
        topic="t",
        partition=0,
        offset=0,
        payload=b"",
        error_kind="invalid",
        next_at=now,
        created_at=now,
    )
    event = OrderEvent.objects.create(
        order_id=order.pk, type="order.paid", created_at=now, aside_until=now, problem="p"
    )
    endpoint = Endpoint.objects.create(
        merchant=item.campaign.merchant, url="https://a.example", events=[], created_at=now
    )
    delivery = Delivery.objects.create(
        endpoint=endpoint,
        event_id="evt_1",
        type="webhook.ping",
        body="{}",
        next_try_at=now,
        created_at=now,
    )
    return {
        "drill_report": {"name": "a-drill"},
        "orders_order_cancel": {"order_id": order.pk},
        "orders_orderevent_": {"event_id": event.pk},
        "payments_refund_retry": {"refund_id": refund.pk},
        "payments_paymentexception_resolve": {"exception_id": exception.pk},
        "dead_letters_deadletter_": {"?": {"pk": letter.pk}},
        "webhooks_delivery_again": {"delivery_id": delivery.pk},
        "webhooks_endpoint_": {"endpoint_id": endpoint.pk},
    }

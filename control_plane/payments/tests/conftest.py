"""An order of ann's and its payment, and what a provider would tell about it."""

import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from control_plane.inventory.models import Allocation
from control_plane.orders import projection
from control_plane.orders.models import Order
from control_plane.orders.services import Intent, Landed, land
from control_plane.orders.tests.conftest import allocation, intent, limit, units_are_conserved
from control_plane.payments import services
from control_plane.payments.events import SUCCEEDED, Event
from control_plane.payments.models import Payment
from tests.redis.waiting import until

__all__ = ["allocation", "intent", "limit", "units_are_conserved"]


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch) -> list[Landed]:
    """What would be written to the work Redis."""
    outcomes: list[Landed] = []
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: outcomes.extend(some))
    return outcomes


@pytest.fixture
def order(allocation: Allocation, intent: Callable[..., Intent], now: Any) -> Order:
    """One unit of ann's, unpaid."""
    (landed,) = land([intent("ann")], now)
    return Order.objects.get(reservation_id=landed.reservation_id)


@pytest.fixture
def payment(order: Order, now: Any) -> Payment:
    """Through the demo's provider."""
    return services.create_payment(order, "demo", now)


@pytest.fixture
def event(payment: Payment) -> Callable[..., Event]:
    """A builder: `event(amount_minor=1)`; each has an id of its own unless one is named."""

    def build(**changes: Any) -> Event:
        fields: dict[str, Any] = {
            "event_id": uuid.uuid4().hex,
            "type": SUCCEEDED,
            "payment_id": payment.pk,
            "order_number": payment.order.number,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
        }
        return Event(**(fields | changes))

    return build


@pytest.fixture
def ready(server: str) -> str:
    """The address of a server that has started: a provider does not wait for that."""

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{server}/healthz", timeout=5):
            return True
        return False

    until(answers, "the server answers", 60, 0.1)
    return server

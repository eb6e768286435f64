"""A merchant with a server and an endpoint, events of his orders, and runs at a chosen time."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from control_plane.campaigns.models import Item
from control_plane.merchants.models import Merchant
from control_plane.outgoing.tests.merchant import MerchantServer, serving
from control_plane.webhooks import claiming, services
from control_plane.webhooks.models import ORDER_TYPES, Delivery, Endpoint, WebhookType
from control_plane.webhooks.noting import Told
from control_plane.webhooks.services import Way, deliver_due, note, rotate_secret


@pytest.fixture(autouse=True)
def without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that a test can name."""
    monkeypatch.setattr(claiming, "_jitter", lambda: 1.0)


@pytest.fixture
def shop() -> Iterator[MerchantServer]:
    """The merchant's server."""
    with serving() as merchant:
        yield merchant


@pytest.fixture
def new_endpoint(merchant: Merchant, now: datetime) -> Callable[..., Endpoint]:
    """A builder of endpoints with a secret."""

    def build(url: str, of: Merchant = merchant, **fields: Any) -> Endpoint:
        made = Endpoint.objects.create(
            merchant=of,
            url=url,
            **{"events": list(ORDER_TYPES), "created_at": now - timedelta(hours=1)} | fields,
        )
        rotate_secret(made, now)
        return made

    return build


@pytest.fixture
def endpoint(new_endpoint: Callable[..., Endpoint], shop: MerchantServer) -> Endpoint:
    """Hears of everything."""
    return new_endpoint(shop.url())


@pytest.fixture
def told(item: Item, now: datetime) -> Callable[..., Told]:
    """A builder: `told("order.paid", 7)` is an event of order 7, which need not be there."""

    def build(kind: str, number: int = 1, **fields: Any) -> Told:
        rejected = kind == WebhookType.REJECTED
        about = {"reason": "over_limit"} if rejected else {"order_id": number, "sku": "TEA"}
        about |= {} if rejected else {"amount_minor": 1999, "currency": "CNY"}
        own: dict[str, Any] = {"item": item.pk, "shopper": f"shopper-{number}", "qty": 1, "at": now}
        own["reservation_id"] = f"{item.pk}-0-{number:022d}"
        return Told(type=WebhookType(kind), **own | about | fields)

    return build


@pytest.fixture
def tell(told: Callable[..., Told], now: datetime) -> Callable[..., str]:
    """Note events of one order; its reservation."""

    def run(*kinds: str, number: int = 1) -> str:
        events = [told(kind, number) for kind in kinds]
        note(events, now)
        return events[0].reservation_id

    return run


@pytest.fixture
def deliver(now: datetime) -> Callable[..., int]:
    """A run at `now`, or so many seconds later."""

    def run(after_s: float = 0, **way: Any) -> int:
        moment = now + timedelta(seconds=after_s)
        return deliver_due(Way(private=True, clock=lambda: moment, **way))

    return run


def only() -> Delivery:
    """The one there is."""
    return Delivery.objects.get()


__all__ = ["only", "services"]

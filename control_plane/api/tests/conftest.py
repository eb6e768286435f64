"""A merchant's key, another merchant with one of everything, and requests made with a key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from control_plane.api import services, throttling
from control_plane.api.models import ApiKey
from control_plane.api.scopes import Scope
from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from control_plane.merchants.models import Merchant
from control_plane.orders import projection
from control_plane.orders.models import Order
from control_plane.orders.services import Intent, land
from control_plane.reconciliation.models import Finding, Run
from control_plane.switches import services as switches
from control_plane.switches.models import SwitchThrow
from control_plane.webhooks import services as webhooks
from control_plane.webhooks.models import ORDER_TYPES, Delivery, Endpoint


@pytest.fixture
def now() -> datetime:
    """The API reads the real clock."""
    return timezone.now().replace(microsecond=0)


@pytest.fixture(autouse=True)
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the work Redis; who tests the limits takes the fixture `limits`."""
    monkeypatch.setattr(projection, "write_after_commit", lambda outcomes: None)
    monkeypatch.setattr(projection, "read", lambda reservation_id: None)
    monkeypatch.setattr(throttling, "take", lambda caller, rate, burst: 0)


@dataclass
class Caller:
    """Requests of one identity, in JSON."""

    client: Any
    headers: dict[str, str]

    def __call__(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        """`call("post", "/api/v1/…", {…}, idempotency_key="1")`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kwargs = {} if method in ("get", "head") else {"content_type": "application/json"}
        if body is not None:
            kwargs["data"] = body
        return getattr(self.client, method)(url, headers={**self.headers, **named}, **kwargs)


@pytest.fixture
def new_key(merchant: Merchant, now: datetime) -> Callable[..., tuple[ApiKey, str]]:
    """A builder of keys: all scopes that one key may have but approving, unless some are named."""

    def build(*scopes: str, of: Merchant = merchant, **how: Any) -> tuple[ApiKey, str]:
        wanted = scopes or tuple(one for one in Scope.values if one != Scope.CAMPAIGNS_APPROVE)
        return services.create_key(of, "tool", wanted, by=None, now=how.pop("at", now), **how)

    return build


@pytest.fixture
def call(client: Any, new_key: Callable[..., tuple[ApiKey, str]]) -> Caller:
    """With a key of `merchant` that has all scopes."""
    return Caller(client, {"authorization": f"Bearer {new_key()[1]}"})


@pytest.fixture
def call_with(client: Any, new_key: Callable[..., tuple[ApiKey, str]]) -> Callable[..., Caller]:
    """A builder: with a key that has these scopes."""
    return lambda *scopes: Caller(client, {"authorization": f"Bearer {new_key(*scopes)[1]}"})


@pytest.fixture
def staff(client: Any) -> Callable[..., Caller]:
    """A builder: somebody of the staff who holds just these permissions."""

    def build(*codenames: str) -> Caller:
        user = User.objects.create_user("ann", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return Caller(client, {})

    return build


@dataclass
class Shop:
    """A merchant who has one of everything."""

    merchant: Merchant
    draft: Campaign
    campaign: Campaign
    item: Item
    order: Order
    throw: SwitchThrow
    endpoint: Endpoint
    delivery: Delivery
    finding: Finding


@pytest.fixture
def open_shop(db: None, now: datetime) -> Callable[[str], Shop]:
    """A builder of shops by slug."""

    def build(slug: str) -> Shop:
        merchant, _ = Merchant.objects.get_or_create(slug=slug, defaults={"name": slug.title()})
        draft, campaign = (
            campaigns.create_draft(
                merchant,
                slug=f"{slug}-{name}",
                title=name.title(),
                starts_at=now + timedelta(hours=1),
                ends_at=now + timedelta(hours=2),
                items=[{"sku": f"{name}-TEA", "title": "Tea", "units": 10, "price_minor": 1999}],
            )
            for name in ("draft", "sale")
        )
        campaign = campaigns.approve(campaign, by=None, now=now)
        item = campaign.items.get()
        allocation = inventory.open_epoch(item.pk, 0, after=0, epoch=1, source="primary")
        assert allocation is not None
        inventory.begin_grant(allocation.pk, 8)
        reservation = f"{item.pk}-0-{'r' * 22}"
        intent = Intent(
            reservation_id=reservation,
            item=item.pk,
            shard=0,
            epoch=1,
            shopper="bob",
            qty=1,
            at_ms=int(now.timestamp() * 1000),
        )
        land([intent], now)
        throw = switches.throw(
            "sale_enabled", False, reason="test", by=None, now=now, campaign=campaign
        )
        endpoint = webhooks.create_endpoint(
            Endpoint(merchant=merchant, url=f"https://{slug}.example/h", events=list(ORDER_TYPES)),
            now,
        )
        delivery = webhooks.ping(endpoint, now)
        order = Order.objects.get(reservation_id=reservation)
        run = Run.objects.create(
            campaign=campaign,
            kind="by_hand",
            started_at=now,
            finished_at=now,
            outcome="findings",
        )
        finding = Finding.objects.create(run=run, kind="ghost", what="order")
        return Shop(merchant, draft, campaign, item, order, throw, endpoint, delivery, finding)

    return build


@pytest.fixture
def shop(open_shop: Callable[[str], Shop]) -> Shop:
    """The one of `merchant`, whose key is asked with."""
    return open_shop("shop")


@pytest.fixture
def other_shop(open_shop: Callable[[str], Shop]) -> Shop:
    """Somebody else's."""
    return open_shop("other")


def problem(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal, which has the right shape."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:sluice:problem:{body['code']}"
    assert body["title"]
    return answer.status_code, body["code"]

"""What the tests of all apps need: a clock, a shop, a campaign, and callables run at once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, Item
from control_plane.merchants.models import Merchant

# A hang is a failure that says so; nothing here takes long.
RACE_DEADLINE_S = 30


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Any) -> None:
    """Hashing a password for real takes longer than most tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def now() -> datetime:
    """The clock of a test stands still."""
    return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def merchant(db: None) -> Merchant:
    """A shop without keys."""
    return Merchant.objects.create(slug="shop", name="Shop")


@pytest.fixture
def draft(merchant: Merchant, now: datetime) -> Campaign:
    """A draft that starts in an hour and lasts another, with one item of ten units."""
    return campaigns.create_draft(
        merchant,
        slug="spring",
        title="Spring",
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        items=[{"sku": "TEA", "title": "Tea", "units": 10, "price_minor": 1999}],
    )


@pytest.fixture
def approved(draft: Campaign, now: datetime) -> Campaign:
    """The draft, approved."""
    return campaigns.approve(draft, by=None, now=now)


@pytest.fixture
def item(approved: Campaign) -> Item:
    """An item whose pool is open."""
    return approved.items.get()


@pytest.fixture
def at_once() -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    """Run callables in threads that start together; a result or the exception for each."""

    def run(calls: Sequence[Callable[[], Any]]) -> list[Any]:
        together = threading.Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            together.wait(RACE_DEADLINE_S)
            try:
                return call()
            except Exception as error:  # noqa: BLE001  (the test looks at it)
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(calls)) as threads:
            futures = [threads.submit(one, call) for call in calls]
            return [future.result(RACE_DEADLINE_S) for future in futures]

    return run

"""What the tests of rules, limits and bans need."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from control_plane.risk import services
from control_plane.risk.models import RateLimit, RiskRule
from control_plane.snapshot.models import Snapshot

CIDR = {"kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "mode": "enforce", "note": "x"}


@pytest.fixture
def create_rule(db: None, now: Any) -> Callable[..., RiskRule]:
    """A builder: `create_rule(priority=5)` denies a network."""

    def build(**fields: Any) -> RiskRule:
        return services.create_rule(CIDR | fields, None, now)

    return build


@pytest.fixture
def create_limit(db: None, now: Any) -> Callable[..., RateLimit]:
    """A builder: `create_limit(level="vip")`."""

    def build(**fields: Any) -> RateLimit:
        fields = {"by": "address", "level": "", "per_s": 3, "burst": 5} | fields
        return services.create_limit(fields, None, now)

    return build


@pytest.fixture
def published() -> Callable[[], Any]:
    """The newest document."""
    return lambda: Snapshot.objects.latest("version").document


@pytest.fixture
def log_in(client: Any) -> Callable[..., Any]:
    """A client of a staff member who holds just these permissions."""

    def with_permissions(*codenames: str, is_staff: bool = True) -> Any:
        user = User.objects.create_user("ann", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return with_permissions

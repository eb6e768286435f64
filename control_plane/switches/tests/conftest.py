"""What the tests of switches need."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from control_plane.snapshot.models import Snapshot
from control_plane.switches import services
from control_plane.switches.models import SwitchThrow


@pytest.fixture
def throw(db: None, now: Any) -> Callable[..., SwitchThrow]:
    """A builder: `throw(False)` stops selling everywhere."""

    def build(value: Any, name: str = "sale_enabled", **how: Any) -> SwitchThrow:
        how = {"reason": "test", "by": None, "now": now} | how
        return services.throw(name, value, **how)

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

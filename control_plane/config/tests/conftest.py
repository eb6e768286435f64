"""People of the admin."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User


@pytest.fixture
def log_in(client: Any) -> Callable[..., Any]:
    """A client of a staff member who holds just these permissions."""

    def with_permissions(*codenames: str) -> Any:
        user = User.objects.create_user("ann", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return with_permissions

"""People with hands in a campaign, and whether the second one is asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User


@pytest.fixture(autouse=True)
def second_person(settings: Any) -> Callable[[bool], None]:
    """On, as in production, whatever the environment of the run says; `second_person(False)`."""

    def set_to(on: bool) -> None:
        settings.ENV = replace(settings.ENV, approval_by_second_person=on)

    set_to(True)
    return set_to


@pytest.fixture
def maker(db: None) -> User:
    """Who makes campaigns."""
    return User.objects.create_user("maker", is_staff=True)


@pytest.fixture
def checker(db: None) -> User:
    """Who approves them."""
    return User.objects.create_user("checker", is_staff=True)

"""Who may ask what of the API: each role by its session, each key by its scopes, each address.

Nothing is found or done: what may not be asked is refused before anything is looked for.
"""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from rest_framework.test import APIRequestFactory, force_authenticate

from control_plane.api.scopes import Scope
from control_plane.api.tests.test_foreign import ADDRESSES, PUBLIC, _methods
from control_plane.config import roles

pytestmark = pytest.mark.django_db

ALL = "morsa"
NOBODY = ""
STAFF = None
# (address, method): letters of the roles that may, as in config/tests/test_roles.py, and the scope
# with which a key may; STAFF: no key.
DECISIONS: dict[tuple[str, str], tuple[str, Scope | None]] = {
    ("campaign-list", "get"): (ALL, Scope.CAMPAIGNS_READ),
    ("campaign-list", "post"): ("m", Scope.CAMPAIGNS_WRITE),
    ("campaign-detail", "get"): (ALL, Scope.CAMPAIGNS_READ),
    ("campaign-detail", "patch"): ("m", Scope.CAMPAIGNS_WRITE),
    ("campaign-submit", "post"): ("m", Scope.CAMPAIGNS_WRITE),
    ("campaign-send-back", "post"): ("m", Scope.CAMPAIGNS_APPROVE),
    ("campaign-approve", "post"): ("m", Scope.CAMPAIGNS_APPROVE),
    ("campaign-end", "post"): ("mo", Scope.CAMPAIGNS_END),
    ("campaign-extend", "post"): ("mo", Scope.CAMPAIGNS_EXTEND),
    ("campaign-pause", "post"): ("o", Scope.CAMPAIGNS_PAUSE),
    ("campaign-resume", "post"): ("o", Scope.CAMPAIGNS_PAUSE),
    ("campaign-rotate-path-keys", "post"): ("or", Scope.CAMPAIGNS_END),
    ("item-list", "get"): (ALL, Scope.CAMPAIGNS_READ),
    ("item-detail", "get"): (ALL, Scope.CAMPAIGNS_READ),
    ("order-list", "get"): ("orsa", Scope.ORDERS_READ),
    ("order-detail", "get"): ("orsa", Scope.ORDERS_READ),
    ("order-cancel", "post"): ("s", Scope.ORDERS_CANCEL),
    ("reservation", "get"): ("orsa", Scope.RESERVATIONS_READ),
    ("report-list", "get"): ("oa", Scope.REPORTS_READ),
    ("report-detail", "get"): ("oa", Scope.REPORTS_READ),
    ("reconciliation-list", "get"): ("oa", Scope.REPORTS_READ),
    ("reconciliation-detail", "get"): ("oa", Scope.REPORTS_READ),
    ("finding-list", "get"): ("oa", Scope.REPORTS_READ),
    ("switch-list", "get"): ("ora", Scope.SWITCHES_READ),
    ("switch-list", "post"): ("o", Scope.SWITCHES_WRITE),
    ("switch-detail", "get"): ("ora", Scope.SWITCHES_READ),
    ("switch-effective", "get"): ("ora", Scope.SWITCHES_READ),
    ("switch-revert", "post"): ("o", Scope.SWITCHES_WRITE),
    ("webhook-endpoint-list", "get"): ("osa", Scope.WEBHOOKS_READ),
    ("webhook-endpoint-list", "post"): (NOBODY, Scope.WEBHOOKS_WRITE),
    ("webhook-endpoint-detail", "get"): ("osa", Scope.WEBHOOKS_READ),
    ("webhook-endpoint-detail", "patch"): (NOBODY, Scope.WEBHOOKS_WRITE),
    ("webhook-endpoint-detail", "delete"): (NOBODY, Scope.WEBHOOKS_WRITE),
    ("webhook-endpoint-ping", "post"): ("o", Scope.WEBHOOKS_WRITE),
    ("webhook-endpoint-rotate-secret", "post"): (NOBODY, Scope.WEBHOOKS_WRITE),
    ("webhook-endpoint-retire-secret", "post"): (NOBODY, Scope.WEBHOOKS_WRITE),
    ("webhook-delivery-list", "get"): ("osa", Scope.WEBHOOKS_READ),
    ("webhook-delivery-detail", "get"): ("osa", Scope.WEBHOOKS_READ),
    ("webhook-delivery-redeliver", "post"): ("os", Scope.WEBHOOKS_WRITE),
    ("payments", "post"): (NOBODY, Scope.PAYMENTS_WRITE),
    ("risk-rule-list", "get"): ("ora", STAFF),
    ("risk-rule-list", "post"): ("r", STAFF),
    ("risk-rule-detail", "get"): ("ora", STAFF),
    ("risk-rule-detail", "put"): ("r", STAFF),
    ("risk-rule-detail", "patch"): ("r", STAFF),
    ("risk-rule-end", "post"): ("r", STAFF),
    ("rate-limit-list", "get"): ("ora", STAFF),
    ("rate-limit-list", "post"): ("r", STAFF),
    ("rate-limit-detail", "get"): ("ora", STAFF),
    ("rate-limit-detail", "patch"): ("r", STAFF),
    ("rate-limit-detail", "put"): ("r", STAFF),
    ("rate-limit-detail", "delete"): ("r", STAFF),
    ("preset-list", "get"): ("ora", STAFF),
    ("preset-throw", "post"): ("o", STAFF),
    ("preset-revert", "post"): ("o", STAFF),
    ("ban-list", "get"): ("ora", STAFF),
    ("ban-list", "post"): ("r", STAFF),
    ("ban-detail", "get"): ("ora", STAFF),
    ("ban-lift", "post"): ("r", STAFF),
}
# What an address takes; nothing of it is there.
TAKES = {"slug": "none", "number": "S0000000001", "item": 1, "pk": 1, "name": "skip"}
TAKES |= {"reservation_id": f"1-0-{'r' * 22}"}
LETTERS = {name[0]: name for name in roles.ROLES}


def _may(name: str, method: str, user: User, key: Any = None) -> bool:
    pattern = ADDRESSES[name]
    kwargs = {one: TAKES[one] for one in pattern.pattern.regex.groupindex if one != "format"}
    url = reverse(name, kwargs=kwargs)
    # A body that is none: 400 for who may, whatever it should have been.
    request = APIRequestFactory().generic(method.upper(), url, "[]", "application/json")
    force_authenticate(request, user, key)
    status = pattern.callback(request, **kwargs).status_code
    assert status not in (401, 405), (name, method, status)
    return bool(status != 403)


def test_every_address_and_method_has_a_decision():
    there = {(name, one) for name in ADDRESSES.keys() - PUBLIC for one in _methods(name)}
    assert sorted(there) == sorted(DECISIONS)


@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_a_role_may_ask_what_is_its_own_and_nothing_else(letter):
    roles.sync()
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name=LETTERS[letter]))
    wrong = [
        (name, method)
        for (name, method), (letters, _scope) in DECISIONS.items()
        if _may(name, method, user) != (letter in letters)
    ]
    assert wrong == []


def test_who_is_no_staff_may_nothing():
    user = User.objects.create_user("ann", is_superuser=True)
    assert [where for where in DECISIONS if _may(*where, user)] == []


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_may_ask_what_its_scope_says_and_nothing_else(scope, new_key):
    key, _token = new_key(scope)
    wrong = [
        (name, method)
        for (name, method), (_letters, needed) in DECISIONS.items()
        if _may(name, method, key.user, key) != (needed == scope)
    ]
    assert wrong == []

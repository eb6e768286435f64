"""The pages outside of the admin's own list: who may open and press what on console and board."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from control_plane.config import roles
from control_plane.config.tests.test_roles import LETTERS

pytestmark = pytest.mark.django_db(databases=["default", "inventory"])

# (address, its arguments, method): letters of the roles, as in test_roles.py. The wall's page is
# everybody's: it shows nothing without the key behind its `#`.
EVERYBODY = "morsa"
PAGES = {
    ("switch_console:page", (), "get"): "ora",
    ("switch_console:state", (), "get"): "ora",
    ("switch_console:throw", ("risk_mode",), "post"): "o",
    ("switch_console:revert", (1,), "post"): "o",
    ("switch_console:preset", ("skip",), "post"): "o",
    ("switch_console:preset", ("stop",), "post"): "o",
    ("switch_console:preset", ("database",), "post"): "o",
    ("switch_console:preset-revert", ("skip",), "post"): "o",
    ("switch_console:preset-revert", ("database",), "post"): "o",
    ("board:page", (), "get"): "moa",
    ("board:pass", (), "get"): "moa",
    ("board:replay", ("spring",), "get"): "moa",
    ("board:make_wall", (), "post"): "o",
    ("board:wall", (), "get"): EVERYBODY,
    ("admin:support", (), "get"): "osa",
}


def _names(namespace):
    (found,) = (one for one in get_resolver().url_patterns if _is_of(one, namespace))
    assert isinstance(found, URLResolver)
    return {f"{namespace}:{one.name}" for one in found.url_patterns if isinstance(one, URLPattern)}


def _is_of(one, namespace):
    return getattr(one, "namespace", None) == namespace


def _status(where, user):
    name, arguments, method = where
    request = getattr(RequestFactory(), method)(reverse(name, args=arguments))
    request.user = user
    request._dont_enforce_csrf_checks = True
    found = resolve(request.path)
    try:
        return found.func(request, *found.args, **found.kwargs).status_code
    except PermissionDenied:
        return 403
    except Http404:
        return 404


def test_every_page_has_a_decision():
    there = _names("switch_console") | _names("board") | {"admin:support"}
    assert there == {name for name, _arguments, _method in PAGES}


@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_a_role_opens_and_presses_what_is_its_own(letter, draft):
    roles.sync()
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name=LETTERS[letter]))
    wrong = [
        (where, status)
        for where, letters in PAGES.items()
        if ((status := _status(where, user)) != 403) != (letter in letters)
    ]
    assert wrong == []


def test_who_throws_switches_and_no_stock_source_has_those_presets_only(draft):
    roles.sync()
    user = User.objects.create_user("ann", is_staff=True)
    operators = Group.objects.get(name="operator")
    mine = operators.permissions.exclude(codename="switch_stocksource")
    user.user_permissions.set(mine)
    denied = {where for where in PAGES if _status(where, user) == 403}
    assert denied == {where for where in PAGES if "database" in where[1]}


def test_a_stranger_and_who_is_no_staff_see_the_wall_only(draft):
    outsider = User.objects.create_user("out", is_superuser=True)
    for user in (AnonymousUser(), outsider):
        opened = {where for where in PAGES if _status(where, user) not in (302, 401, 403)}
        assert opened == {("board:wall", (), "get")}

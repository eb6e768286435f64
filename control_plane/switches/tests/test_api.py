"""`/api/v1/switches/`."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.switches import services
from control_plane.switches.models import SwitchThrow

pytestmark = pytest.mark.django_db

URL = "/api/v1/switches/"
STOP = {"name": "sale_enabled", "value": False, "reason": "robots"}


@pytest.fixture
def now():
    """The API reads the real clock."""
    return timezone.now()


@pytest.fixture
def operator(log_in):
    return log_in("view_switchthrow", "throw_switch")


def _post(client, url=URL, body=None):
    return client.post(url, body or {}, content_type="application/json")


def _problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_it_throws_lists_and_reverts(operator, item, now):
    until = (now + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    answer = _post(operator, body={**STOP, "item": item.pk, "until": until})
    assert answer.status_code == 201
    thrown = answer.json()
    created_at = thrown.pop("created_at")
    assert thrown == {
        "id": SwitchThrow.objects.get().pk,
        "name": "sale_enabled",
        "scope": "item",
        "campaign": None,
        "item": item.pk,
        "value": False,
        "reason": "robots",
        "by": "ann",
        "until": until,
        "reverted_at": None,
        "reverted_by": None,
        "revert_reason": None,
    }
    listed = operator.get(URL, {"in_force": 1}).json()["results"]
    assert listed == [thrown | {"created_at": created_at}]
    revert = f"{URL}{thrown['id']}/revert/"
    for body in ({}, {"reason": " "}, {"reason": "r" * 201}):
        assert _problem(_post(operator, revert, body=body)) == (400, "invalid")
    reverted = _post(operator, revert, body={"reason": "they are gone"}).json()
    assert reverted["revert_reason"] == "they are gone"
    assert reverted["reverted_by"] == "ann"
    assert reverted["reverted_at"] is not None
    assert operator.get(URL, {"in_force": 1}).json()["results"] == []
    assert operator.get(URL).json()["results"] == [reverted]
    again = _post(operator, revert, body={"reason": "they are gone"})
    assert _problem(again) == (409, "not_in_force")


def test_it_says_when_the_clock_or_the_command_line_reverted(operator, now):
    for by_clock in (True, False):
        until = now + timedelta(minutes=5)
        thrown = services.throw("sale_enabled", False, reason="x", by=None, now=now, until=until)
        if by_clock:
            services.revert_due(until)
        else:
            services.revert(thrown.pk, reason="all is well", by=None, now=now)
    assert [one["reverted_by"] for one in operator.get(URL).json()["results"]] == ["", "clock"]


def test_it_says_what_is_effective(operator, approved, item):
    _post(operator, body={"name": "rate_limits", "value": 2, "reason": "x", "campaign": "spring"})
    assert operator.get(f"{URL}effective/").json()["rate_limits"] == 1
    of_item = operator.get(f"{URL}effective/", {"item": item.pk}).json()
    assert (of_item["rate_limits"], of_item["queue_mode"]) == (2, "configured")
    for wrong in ("x", "-1", item.pk + 1):
        assert _problem(operator.get(f"{URL}effective/", {"item": wrong})) == (400, "invalid")


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"value": 1}, {"value": ["Must be true or false."]}),
        ({"value": None}, {"value": ["This field may not be null."]}),
        ({"name": "nothing"}, {"name": ['"nothing" is not a valid choice.']}),
        ({"name": "risk_mode"}, {"value": ["Must be one of: enforce, shadow, off."]}),
        ({"name": "rate_limits"}, {"value": ["Must be a number from 0 to 100."]}),
        ({"reason": " "}, {"reason": ["This field may not be blank."]}),
        ({"until": "2020-01-01T00:00:00Z"}, {"until": ["The end must be in the future."]}),
        ({"item": 0}, {"item": ['Invalid pk "0" - object does not exist.']}),
        ({"campaign": "x"}, {"campaign": ["Object with slug=x does not exist."]}),
        (
            {"campaign": "spring"},
            {"campaign": ["Its campaign is not approved, or it has ended."]},
        ),
    ],
)
def test_it_names_what_it_refuses_and_throws_nothing(operator, draft, changes, errors):
    answer = _post(operator, body=STOP | changes)
    assert _problem(answer) == (400, "invalid")
    assert answer.json()["errors"] == errors
    assert not SwitchThrow.objects.exists()


@pytest.mark.parametrize("missing", ["name", "value", "reason"])
def test_it_asks_for_what_is_missing(operator, missing):
    body = {name: value for name, value in STOP.items() if name != missing}
    errors = _post(operator, body=body).json()["errors"]
    assert errors == {missing: ["This field is required."]}


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_the_trail_is_neither_changed_nor_deleted(admin_client, now, method):
    thrown = services.throw("sale_enabled", False, reason="x", by=None, now=now)
    answer = getattr(admin_client, method)(f"{URL}{thrown.pk}/")
    assert _problem(answer) == (405, "method_not_allowed")


def test_each_call_needs_its_permission(log_in, now):
    thrown = services.throw("sale_enabled", False, reason="x", by=None, now=now)
    client = log_in("add_switchthrow", "change_switchthrow", "delete_switchthrow")
    for answer in (
        client.get(URL),
        client.get(f"{URL}{thrown.pk}/"),
        client.get(f"{URL}effective/"),
        _post(client, body=STOP),
        _post(client, f"{URL}{thrown.pk}/revert/"),
    ):
        assert _problem(answer) == (403, "permission_denied")
    assert SwitchThrow.objects.count() == 1


def test_permissions_help_nobody_who_is_not_staff(log_in):
    client = log_in("view_switchthrow", "throw_switch", is_staff=False)
    assert client.get(URL).status_code == 403
    assert _post(client, body=STOP).status_code == 403


def test_strangers_are_asked_who_they_are(client):
    assert _problem(client.get(URL)) == (401, "not_authenticated")


def test_a_page_costs_the_same_however_many_there_are(
    operator, approved, now, django_assert_max_num_queries
):
    for _ in range(10):
        services.throw("sale_enabled", False, reason="x", by=None, now=now, campaign=approved)
    with django_assert_max_num_queries(8):
        assert len(operator.get(URL).json()["results"]) == 10

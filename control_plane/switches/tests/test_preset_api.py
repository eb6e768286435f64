"""`/api/v1/presets/`: all of a preset or nothing, once, with who and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.inventory import services as inventory
from control_plane.inventory.models import StockSource
from control_plane.switches.models import SwitchRevert, SwitchThrow

pytestmark = pytest.mark.django_db
URL = "/api/v1/presets/"
RIGHTS = ("view_switchthrow", "throw_switch")


@pytest.fixture
def operator(log_in):
    return log_in(*RIGHTS)


def _post(client, path, idempotency_key="", **body):
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return client.post(URL + path, body, content_type="application/json", headers=headers)


def _problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_they_are_listed_with_what_is_in_force(operator):
    found = operator.get(URL).json()
    assert {one["name"]: one["since"] for one in found} == {
        "skip": None,
        "database": None,
        "stop": None,
    } | ({"standby": None} if "standby" in inventory.offered_sources() else {})


def test_one_is_thrown_and_reverted_as_a_whole(operator):
    answer = _post(operator, "skip/throw/", reason="scorer is down")
    assert answer.status_code == 200
    said = answer.json()
    assert (said["name"], said["by"], said["reason"]) == ("skip", "ann", "scorer is down")
    assert said["since"] is not None
    assert SwitchThrow.objects.filter(preset="skip", reverted=None).count() == 3
    assert _post(operator, "skip/revert/", reason="it is back").json()["since"] is None
    assert not SwitchThrow.objects.filter(reverted=None).exists()
    assert {(str(one.by), one.reason) for one in SwitchRevert.objects.all()} == {
        ("ann", "it is back")
    }
    assert _problem(_post(operator, "skip/revert/", reason="again")) == (409, "not_in_force")
    assert SwitchRevert.objects.count() == 3


def test_a_repeat_throws_it_once(operator):
    for _ in range(2):
        answer = _post(operator, "stop/throw/", idempotency_key="p1", reason="wrong price")
        assert answer.status_code == 200
    assert SwitchThrow.objects.count() == 1


def test_it_ends_by_itself(operator):
    until = timezone.now() + timedelta(minutes=5)
    _post(operator, "stop/throw/", reason="wrong price", until=until.isoformat())
    assert SwitchThrow.objects.get().until == until
    past = (timezone.now() - timedelta(minutes=5)).isoformat()
    answer = _post(operator, "skip/throw/", reason="r", until=past)
    assert _problem(answer) == (400, "invalid")
    assert SwitchThrow.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "r" * 201}])
def test_without_a_reason_nothing_is_thrown(operator, body):
    for step in ("throw", "revert"):
        assert _problem(_post(operator, f"stop/{step}/", **body)) == (400, "invalid")
    assert not SwitchThrow.objects.exists()


@pytest.mark.django_db(databases=["default", "inventory"])
def test_a_stock_source_takes_its_own_permission_and_has_no_time(log_in):
    operator = log_in(*RIGHTS, "switch_stocksource")
    until = (timezone.now() + timedelta(minutes=5)).isoformat()
    answer = _post(operator, "database/throw/", reason="cluster lost", until=until)
    assert list(answer.json()["errors"]) == ["until"]
    assert _post(operator, "database/throw/", reason="cluster lost").json()["since"]
    assert StockSource.objects.latest("generation").source == "database"
    again = _post(operator, "database/throw/", reason="cluster lost")
    assert _problem(again) == (409, "already_there")
    assert _post(operator, "database/revert/", reason="it is back").status_code == 200
    assert inventory.current_source()[0] == "primary"
    assert _problem(_post(operator, "database/revert/", reason="x")) == (409, "not_in_force")


def test_who_may_not_change_the_source_does_not(operator):
    answer = _post(operator, "database/throw/", reason="cluster lost")
    assert _problem(answer) == (403, "permission_denied")
    assert inventory.current_source()[0] == "primary"


def test_an_unknown_one_is_not_there(operator):
    assert _problem(_post(operator, "party/throw/", reason="r")) == (404, "not_found")

"""Pause, resume and extend over the API: who, with which scope, once, and what is refused."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone, translation

from control_plane.api.tests.conftest import (
    call,
    call_with,
    new_key,
    open_shop,
    problem,
    shop,
    staff,
    without_redis,
)
from control_plane.campaigns import services
from control_plane.campaigns.models import Campaign, StepKind
from control_plane.switches.models import SwitchThrow

pytestmark = pytest.mark.django_db
__all__ = ["call", "call_with", "new_key", "open_shop", "shop", "staff", "without_redis"]


@pytest.fixture
def now():
    """The API reads the real clock."""
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def url(approved):
    return f"/api/v1/campaigns/{approved.slug}"


def _later(campaign, **by):
    return (campaign.ends_at + timedelta(**(by or {"hours": 1}))).isoformat()


def test_a_sale_is_paused_and_resumed_with_a_reason(call, url, approved, new_key):
    assert call("post", f"{url}/pause/", {"reason": "robots"}).status_code == 200
    thrown = services.paused_by(approved, None, timezone.now())
    assert thrown and thrown.by
    assert (thrown.reason, thrown.by.username[:9]) == ("robots", "key:shop:")
    assert approved.history.first().history_change_reason == "robots"
    again = call("post", f"{url}/pause/", {"reason": "robots"})
    assert problem(again) == (409, "already_paused")
    assert call("post", f"{url}/resume/", {"reason": "they left"}).status_code == 200
    assert services.paused_by(approved, None, timezone.now()) is None
    assert approved.steps.get(kind=StepKind.RESUMED).comment == "they left"
    assert problem(call("post", f"{url}/resume/", {"reason": "x"})) == (409, "not_paused")


def test_one_item_is_paused(call, url, approved, shop):
    item = approved.items.get()
    assert call("post", f"{url}/pause/", {"reason": "r", "item": item.pk}).status_code == 200
    assert services.paused_by(approved, item, timezone.now())
    assert services.paused_by(approved, None, timezone.now()) is None
    for elsewhere in (shop.item.pk, 10**12):
        answer = call("post", f"{url}/pause/", {"reason": "r", "item": elsewhere})
        assert answer.json()["errors"] == {"item": ["There is no such item."]}


def test_the_end_is_moved_once_however_often_it_is_asked_for(call, url, approved, now):
    body = {"ends_at": _later(approved), "reason": "more came"}
    answers = [call("post", f"{url}/extend/", body, idempotency_key="a1") for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    moved = Campaign.objects.get(pk=approved.pk)
    assert moved.ends_at == approved.ends_at + timedelta(hours=1)
    assert moved.steps.filter(kind=StepKind.EXTENDED).count() == 1
    # Without the key it is another wish, for an end that is there already.
    assert problem(call("post", f"{url}/extend/", body)) == (409, "not_later")


def test_who_names_what_he_saw_moves_no_other_end(call, url, approved):
    seen = call("get", f"{url}/")["ETag"]
    body = {"ends_at": _later(approved), "reason": "more came"}
    assert call("post", f"{url}/extend/", body, if_match=seen).status_code == 200
    body["ends_at"] = _later(approved, hours=2)
    assert problem(call("post", f"{url}/extend/", body, if_match=seen)) == (412, "changed")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("pause", {}, "reason"),
        ("pause", {"reason": " "}, "reason"),
        ("resume", {"reason": "r" * 201}, "reason"),
        ("extend", {"reason": "r"}, "ends_at"),
        ("extend", {"reason": "r", "ends_at": "tomorrow"}, "ends_at"),
    ],
)
def test_what_is_missing_is_named(call, url, approved, path, body, field):
    answer = call("post", f"{url}/{path}/", body)
    assert problem(answer) == (400, "invalid")
    assert list(answer.json()["errors"]) == [field]
    assert not SwitchThrow.objects.exists()


def test_a_scope_for_each(call_with, url, approved):
    body = {"reason": "r", "ends_at": _later(approved)}
    pauses, extends = call_with("campaigns:pause"), call_with("campaigns:extend", "campaigns:end")
    assert problem(pauses("post", f"{url}/extend/", body)) == (403, "missing_scope")
    assert pauses("post", f"{url}/pause/", body).status_code == 200
    assert problem(extends("post", f"{url}/resume/", body)) == (403, "missing_scope")
    assert extends("post", f"{url}/extend/", body).status_code == 200


def test_staff_by_their_permissions(staff, url):
    ann = staff("view_campaign", "pause_campaign")
    assert ann("post", f"{url}/pause/", {"reason": "r"}).status_code == 200
    answer = ann("post", f"{url}/extend/", {"reason": "r"})
    assert problem(answer) == (403, "permission_denied")


def test_an_end_in_the_wrong_year_is_refused(call, url, approved):
    body = {"ends_at": "9999-12-31T23:59:30Z", "reason": "r"}
    answer = call("post", f"{url}/extend/", body)
    assert problem(answer) == (409, "too_long")
    assert answer["Content-Type"] == "application/problem+json"
    assert "92 days" in answer.json()["title"]
    with translation.override("zh-hans"):
        assert "活动最长 92 天" in services.TooLong(approved.pk).message
    assert Campaign.objects.get(pk=approved.pk).ends_at == approved.ends_at


@pytest.mark.parametrize("path", ["pause", "resume"])
def test_what_the_switch_refuses_is_a_wrong_field(call, url, approved, monkeypatch, path):
    """An item may be gone, or its campaign over, by the time the switch is thrown."""

    def refuses(*_arguments):
        raise ValidationError({"item": "Its campaign has ended."})

    monkeypatch.setattr(services, path, refuses)
    answer = call("post", f"{url}/{path}/", {"reason": "r"})
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"] == {"item": ["Its campaign has ended."]}

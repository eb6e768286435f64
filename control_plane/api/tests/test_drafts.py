"""Editing a draft: `If-Match`, whole lists, and nothing after the approval."""

from dataclasses import replace
from datetime import timedelta

import pytest

from control_plane.api.tests.conftest import problem
from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns/spring/"
TEA = {"sku": "TEA", "title": "Tea", "units": 7, "price_minor": 1}
CUP = {"sku": "CUP", "title": "Cup", "units": 3, "price_minor": 2}


@pytest.fixture
def edit(call, draft):
    """With the tag of what is there now."""
    return lambda **fields: call("patch", URL, fields, if_match=call("get", URL)["ETag"])


def test_it_changes_what_was_read(call, draft):
    tag = call("get", URL)["ETag"]
    answer = call("patch", URL, {"title": "Summer"}, if_match=tag)
    assert (answer.status_code, answer.json()["title"]) == (200, "Summer")
    assert answer["ETag"] == call("get", URL)["ETag"] != tag


def test_what_somebody_else_changed_meanwhile_is_not_written_over(call, draft):
    tag = call("get", URL)["ETag"]
    draft.items.update(units=11)
    answer = call("patch", URL, {"title": "Summer"}, if_match=tag)
    assert problem(answer) == (412, "changed")
    assert Campaign.objects.get().title == "Spring"


@pytest.mark.parametrize(
    ("tag", "refusal"),
    [
        ("", (428, "if_match_required")),
        ("spring", (400, "invalid")),
        ('"0"', (412, "changed")),
        ('"0", W/"1"', (412, "changed")),
    ],
)
def test_it_needs_a_tag_that_matches(call, draft, tag, refusal):
    headers = {"if_match": tag} if tag else {}
    assert problem(call("patch", URL, {"title": "Summer"}, **headers)) == refusal


def test_a_weak_tag_never_matches_and_a_list_may_be_given(call, draft):
    tag = call("get", URL)["ETag"]
    assert problem(call("patch", URL, {}, if_match=f"W/{tag}")) == (412, "changed")
    assert call("patch", URL, {}, if_match=f'"0", {tag}').status_code == 200
    assert call("patch", URL, {}, if_match="*").status_code == 200


def test_items_are_replaced_as_a_whole_and_known_skus_keep_their_id(edit, draft):
    before = draft.items.get().pk
    shown = edit(items=[TEA, CUP]).json()["items"]
    assert [(item["sku"], item["units"]) for item in shown] == [("TEA", 7), ("CUP", 3)]
    assert shown[0]["id"] == before
    assert [item["sku"] for item in edit(items=[CUP]).json()["items"]] == ["CUP"]


def test_buckets_are_replaced_as_a_whole(edit):
    buckets = [{"name": "vip", "weight": 3}, {"name": "regular", "weight": 1}]
    assert edit(buckets=buckets).json()["buckets"] == buckets
    assert edit(buckets=[]).json()["buckets"] == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"items": []}, "items"),
        ({"items": [TEA, TEA]}, "__all__"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"queue_k": 1}, "queue_k"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(edit, draft, fields, named):
    answer = edit(title="Summer", **fields)
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"].keys() == {named}
    assert Campaign.objects.get().title == "Spring"
    assert draft.items.get().units == 10


def test_after_the_approval_nothing_is_edited(call, draft, now):
    later = now.replace(year=now.year + 1)
    Campaign.objects.update(starts_at=later, ends_at=later + timedelta(hours=1))
    campaigns.approve(draft, by=None, now=now)
    tag = call("get", URL)["ETag"]
    assert problem(call("patch", URL, {"title": "Summer"}, if_match=tag)) == (409, "not_draft")


def test_staff_need_the_permission_to_change(staff, draft):
    ann = staff("view_campaign", "add_campaign")
    assert problem(ann("patch", URL, {}, if_match="*")) == (403, "permission_denied")


def test_one_submits_and_another_approves(call, call_with, draft, now, settings):
    settings.ENV = replace(settings.ENV, approval_by_second_person=True)
    later = now + timedelta(hours=1)
    Campaign.objects.update(starts_at=later, ends_at=later + timedelta(hours=1))
    another = call_with("campaigns:read", "campaigns:approve")
    assert problem(another("post", f"{URL}approve/")) == (409, "not_submitted")
    call("patch", URL, {"title": "Summer"}, if_match="*")
    submitted = call("post", f"{URL}submit/", {"comment": "please"}).json()
    assert submitted["submitted_by"].startswith("key:shop:")
    assert problem(call("post", f"{URL}approve/")) == (403, "missing_scope")
    assert problem(another("post", f"{URL}approve/", {}, if_match='"0"')) == (412, "changed")
    tag = another("get", URL)["ETag"]
    approved = another("post", f"{URL}approve/", {}, if_match=tag).json()
    assert approved["state"] == "approved"
    assert approved["approved_by"] != submitted["submitted_by"]


def test_what_is_returned_says_why(call, call_with, draft, now):
    later = now + timedelta(hours=1)
    Campaign.objects.update(starts_at=later, ends_at=later + timedelta(hours=1))
    assert call("post", f"{URL}submit/").status_code == 200
    another = call_with("campaigns:read", "campaigns:approve")
    assert problem(another("post", f"{URL}return/", {})) == (400, "invalid")
    returned = another("post", f"{URL}return/", {"comment": "too cheap"}).json()
    assert returned["submitted_at"] is None

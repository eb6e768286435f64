"""`/api/v1/campaigns/`."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from control_plane.campaigns.models import Campaign, CampaignState

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns/"
BAD_SLUG = 'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'

TOO_MUCH = "Ensure this value is less than or equal to %d."
ITEM = {"sku": "A", "title": "A", "units": 1, "price_minor": 1}


@pytest.fixture
def now():
    """The API reads the real clock, so a campaign of the future has to be one."""
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def staff(client):
    """Logs in a staff member who holds just these permissions."""

    def with_permissions(*codenames, is_staff=True):
        user = User.objects.create_user("staff", password="pw", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


def _body(shop, now, /, **changes):
    return {
        "slug": "autumn",
        "title": "Autumn",
        "merchant": shop.slug,
        "starts_at": (now + timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
        "items": [{"sku": "TEA", "title": "Tea", "units": 5, "price_minor": 100}],
        **changes,
    }


def _post(client, url, body=None):
    return client.post(url, body or {}, content_type="application/json")


def _problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:sluice:problem:{body['code']}"
    return answer.status_code, body["code"]


def test_it_lists_and_shows_campaigns(staff, draft):
    client = staff("view_campaign")
    shown = client.get(f"{URL}spring/").json()
    assert client.get(URL).json()["results"] == [shown]
    assert shown == {
        "id": draft.pk,
        "slug": "spring",
        "title": "Spring",
        "merchant": "shop",
        "state": "draft",
        "starts_at": draft.starts_at.isoformat().replace("+00:00", "Z"),
        "ends_at": draft.ends_at.isoformat().replace("+00:00", "Z"),
        "items": [
            {
                "id": draft.items.get().pk,
                "sku": "TEA",
                "title": "Tea",
                "units": 10,
                "price_minor": 1999,
                "currency": "CNY",
                "limit_per_shopper": 1,
                "queue_mode": "off",
            }
        ],
        "queue_k": 4,
        "queue_grace_s": 30,
        "lobby_minutes": 10,
        "human_check": True,
        "pay_minutes": 15,
        "buys_again": True,
        "time_zone": "UTC",
        "submitted_at": None,
        "submitted_by": None,
        "approved_by": None,
        "settled_at": None,
        "buckets": [],
    }


def test_the_path_key_is_never_shown(staff, approved):
    page = staff("view_campaign").get(f"{URL}spring/").content.decode()
    assert approved.items.get().path_key not in page


def test_it_creates_a_draft_with_its_items(staff, merchant, now):
    answer = _post(staff("add_campaign"), URL, _body(merchant, now))
    assert answer.status_code == 201
    campaign = Campaign.objects.get(slug="autumn")
    assert (campaign.state, campaign.items.get().units) == (CampaignState.DRAFT, 5)


def test_it_creates_a_queue(staff, merchant, now):
    buckets = [{"name": "vip", "weight": 3}, {"name": "regular", "weight": 1}]
    body = _body(merchant, now, queue_k=5, buckets=buckets, items=[{**ITEM, "queue_mode": "draw"}])
    answer = _post(staff("add_campaign"), URL, body).json()
    assert (answer["queue_k"], answer["queue_grace_s"], answer["buckets"]) == (5, 30, buckets)
    assert answer["items"][0]["queue_mode"] == "draw"


def test_it_gives_new_buy_addresses(staff, approved):
    before = approved.items.get().path_key
    answer = _post(
        staff("rotate_path_keys"), f"{URL}spring/rotate_path_keys/", {"reason": "leaked"}
    )
    assert answer.status_code == 200
    assert approved.steps.latest("pk").comment == "leaked"
    assert approved.items.get().path_key != before


def test_a_state_cannot_be_smuggled_in(staff, merchant, now):
    _post(staff("add_campaign"), URL, _body(merchant, now, state="live"))
    assert Campaign.objects.get().state == CampaignState.DRAFT


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"title": ""}, {"title": ["This field may not be blank."]}),
        ({"items": []}, {"items": {"non_field_errors": ["This list may not be empty."]}}),
        ({"merchant": "nobody"}, {"merchant": ["Object with slug=nobody does not exist."]}),
        ({"ends_at": "2020-01-01T00:00:00Z"}, {"ends_at": ["The end must be after the start."]}),
        ({"slug": "a b"}, {"slug": [BAD_SLUG]}),
        ({"queue_k": 1}, {"queue_k": ["Ensure this value is greater than or equal to 2."]}),
        (
            {"buckets": [{"name": "a", "weight": 1}, {"name": "B", "weight": 1}]},
            {"buckets": {"1": {"name": ["Only the letters a-z and _."]}}},
        ),
        (
            {"items": [{**ITEM, "queue_mode": "lifo"}]},
            {"items": {"0": {"queue_mode": ['"lifo" is not a valid choice.']}}},
        ),
        (
            {"items": [{"sku": "A", "title": "A", "units": 0, "price_minor": 1}]},
            {"items": {"0": {"units": ["Ensure this value is greater than or equal to 1."]}}},
        ),
        (
            {"items": [{"sku": "A", "title": "A", "units": 1, "price_minor": 10**12 + 1}]},
            {"items": {"0": {"price_minor": [TOO_MUCH % 10**12]}}},
        ),
        (
            {"items": [{**ITEM, "limit_per_shopper": 1001}]},
            {"items": {"0": {"limit_per_shopper": [TOO_MUCH % 1000]}}},
        ),
        (
            {"items": [{"sku": "A", "title": "A", "units": 1.5, "price_minor": 1}]},
            {"items": {"0": {"units": ["A valid integer is required."]}}},
        ),
        (
            {"items": [{"sku": "A", "title": "A", "units": 1, "price_minor": 1}] * 2},
            {"__all__": ["This SKU is already in the campaign."]},
        ),
    ],
)
def test_it_names_what_it_refuses_and_creates_nothing(staff, merchant, now, changes, errors):
    answer = _post(staff("add_campaign"), URL, _body(merchant, now, **changes))
    assert _problem(answer) == (400, "invalid")
    assert answer.json()["errors"] == errors
    assert not Campaign.objects.exists()


def test_a_taken_slug_is_refused(staff, merchant, draft, now):
    answer = _post(staff("add_campaign"), URL, _body(merchant, now, slug="spring"))
    assert answer.json()["errors"] == {"slug": ["campaign with this slug already exists."]}


@pytest.fixture
def one_person(settings):
    """Who made it may approve it: two people are in api/tests/test_drafts.py."""
    settings.ENV = replace(settings.ENV, approval_by_second_person=False)


def test_it_approves_and_then_refuses_to_approve_again(staff, draft, one_person):
    client = staff("approve_campaign")
    answer = _post(client, f"{URL}spring/approve/")
    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
    assert _problem(_post(client, f"{URL}spring/approve/")) == (409, "not_draft")


def test_it_refuses_to_approve_after_the_start(staff, draft, now, one_person):
    Campaign.objects.update(starts_at=now - timedelta(hours=1))
    answer = _post(staff("approve_campaign"), f"{URL}spring/approve/")
    assert _problem(answer) == (409, "start_in_the_past")
    assert answer.json()["title"] == "The start has passed. Move it into the future, then approve."


def test_it_ends_and_then_refuses_to_end_again(staff, approved):
    client = staff("end_campaign")
    said = {"reason": "wrong price"}
    answer = _post(client, f"{URL}spring/end/", said)
    assert (answer.status_code, answer.json()["state"]) == (200, "ended")
    assert approved.steps.latest("pk").comment == "wrong price"
    assert _problem(_post(client, f"{URL}spring/end/", said)) == (409, "not_running")


@pytest.mark.parametrize("step", ["end", "rotate_path_keys"])
@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "r" * 201}])
def test_who_interferes_says_why(staff, approved, step, body):
    client = staff("end_campaign", "rotate_path_keys")
    assert _problem(_post(client, f"{URL}spring/{step}/", body)) == (400, "invalid")
    approved.refresh_from_db()
    assert approved.state == CampaignState.APPROVED


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_campaign_is_neither_replaced_nor_deleted(staff, draft, method):
    client = staff("view_campaign", "change_campaign", "delete_campaign")
    assert _problem(getattr(client, method)(f"{URL}spring/")) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("get", "", "view_campaign"),
        ("get", "spring/", "view_campaign"),
        ("post", "", "add_campaign"),
        ("post", "spring/approve/", "approve_campaign"),
        ("post", "spring/end/", "end_campaign"),
        ("post", "spring/rotate_path_keys/", "rotate_path_keys"),
    ],
)
def test_each_call_needs_its_permission(staff, draft, method, path, needed):
    verbs = ("view", "add", "change", "approve", "end")
    held = {f"{verb}_campaign" for verb in verbs} | {"rotate_path_keys"}
    client = staff(*(held - {needed}))
    answer = getattr(client, method)(f"{URL}{path}", content_type="application/json")
    assert _problem(answer) == (403, "permission_denied")


def test_permissions_help_nobody_who_is_not_staff(staff, draft):
    client = staff("view_campaign", "approve_campaign", is_staff=False)
    assert client.get(URL).status_code == 403
    assert _post(client, f"{URL}spring/approve/").status_code == 403


def test_strangers_are_asked_who_they_are(client):
    answer = client.get(URL)
    assert _problem(answer) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Basic")


def test_a_password_in_the_request_will_do(client, staff, draft):
    staff("view_campaign").logout()
    assert client.get(URL, headers={"authorization": "Basic c3RhZmY6cHc="}).status_code == 200
    answer = client.get(URL, headers={"authorization": "Basic c3RhZmY6bm8="})
    assert _problem(answer) == (401, "authentication_failed")


def test_an_unknown_campaign_is_not_found(staff):
    assert _problem(staff("view_campaign").get(f"{URL}nothing/")) == (404, "not_found")

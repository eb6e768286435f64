"""Campaigns in the admin: who may do what, and what a page says."""

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from control_plane.campaigns import services
from control_plane.campaigns.content import digest_of
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.orders.models import Order, OrderState

pytestmark = pytest.mark.django_db

LIST = "/admin/campaigns/campaign/"
EDITING = [
    f"{verb}_{model}"
    for verb in ("add", "change", "delete", "view")
    for model in ("campaign", "item")
]


@pytest.fixture
def now():
    """The admin reads the real clock, so a campaign of the future has to be one."""
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def log_in(client):
    """A client of a staff member who holds just these permissions."""

    def with_permissions(*codenames):
        user = User.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return with_permissions


@pytest.fixture
def marketer(log_in):
    """Writes campaigns and may not approve them."""
    return log_in(*EDITING)


@pytest.fixture
def approver(log_in):
    return log_in("view_campaign", "view_item", "approve_campaign")


@pytest.fixture
def submitted(draft, maker, now):
    return services.submit(draft, maker, now)


def _decision(campaign, **values):
    """What the page that asks sends back."""
    return {"seen": digest_of(campaign), "comment": "", **values}


def _page(campaign):
    return f"{LIST}{campaign.pk}/change/"


def _form(campaign, **changes):
    local_start, local_end = campaign.starts_at, campaign.ends_at
    item = campaign.items.get()
    return {
        "title": campaign.title,
        "slug": campaign.slug,
        "time_zone": campaign.time_zone,
        "merchant": campaign.merchant_id,
        "starts_at_0": f"{local_start:%Y-%m-%d}",
        "starts_at_1": f"{local_start:%H:%M:%S}",
        "ends_at_0": f"{local_end:%Y-%m-%d}",
        "ends_at_1": f"{local_end:%H:%M:%S}",
        "queue_k": campaign.queue_k,
        "queue_grace_s": campaign.queue_grace_s,
        "lobby_minutes": campaign.lobby_minutes,
        "human_check": "on" if campaign.human_check else "",
        "pay_minutes": campaign.pay_minutes,
        "buys_again": "on",
        "buckets-TOTAL_FORMS": 0,
        "buckets-INITIAL_FORMS": 0,
        "items-TOTAL_FORMS": 1,
        "items-INITIAL_FORMS": 1,
        "items-0-id": item.pk,
        "items-0-campaign": campaign.pk,
        "items-0-sku": item.sku,
        "items-0-title": item.title,
        "items-0-units": item.units,
        "items-0-price_minor": item.price_minor,
        "items-0-currency": item.currency,
        "items-0-limit_per_shopper": item.limit_per_shopper,
        "items-0-queue_mode": item.queue_mode,
        **changes,
    }


def test_the_list_shows_state_units_and_units_sold(admin_client, approved, item, now, cell):
    for number, state in enumerate([OrderState.UNPAID, OrderState.PAID, OrderState.EXPIRED]):
        Order.objects.create(
            reservation_id=f"r{number}",
            item=item,
            shard=0,
            epoch=1,
            shopper="u",
            qty=2,
            amount_minor=1,
            currency="CNY",
            state=state,
            reserved_at=now,
            created_at=now,
            pay_by=now,
        )
    page = admin_client.get(LIST).content.decode()
    assert '<span class="state state-approved">approved</span>' in page
    assert cell(page, "units") == "10"
    assert cell(page, "sold") == "4"


def test_a_marketer_edits_a_draft(marketer, draft):
    answer = marketer.post(_page(draft), _form(draft, title="Autumn", **{"items-0-units": 20}))
    assert answer.status_code == 302
    draft.refresh_from_db()
    assert (draft.title, draft.items.get().units) == ("Autumn", 20)


def test_a_marketer_creates_a_draft(marketer, draft):
    form = _form(draft, slug="autumn")
    form |= {"items-INITIAL_FORMS": 0, "items-0-id": "", "items-0-campaign": ""}
    assert marketer.post(f"{LIST}add/", form).status_code == 302
    assert Campaign.objects.get(slug="autumn").state == CampaignState.DRAFT


def test_saving_in_chinese_keeps_the_seconds(marketer, draft):
    draft.starts_at = draft.starts_at.replace(second=7)
    draft.save()
    marketer.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    page = marketer.get(_page(draft)).content.decode()
    assert f'value="{draft.starts_at:%Y-%m-%d}"' in page
    assert f'value="{draft.starts_at:%H:%M:%S}"' in page
    assert marketer.post(_page(draft), _form(draft)).status_code == 302
    assert Campaign.objects.get().starts_at == draft.starts_at


def _bucket(number, name, weight, place):
    fields = {"id": "", "campaign": "", "name": name, "weight": weight, "place": place}
    return {f"buckets-{number}-{field}": value for field, value in fields.items()}


def test_a_marketer_sets_up_the_queue(marketer, draft):
    buckets = _bucket(0, "regular", 1, 2) | _bucket(1, "vip", 3, 1)
    changes = {"items-0-queue_mode": "draw", "queue_k": 3, "buckets-TOTAL_FORMS": 2} | buckets
    assert marketer.post(_page(draft), _form(draft, **changes)).status_code == 302
    draft.refresh_from_db()
    assert (draft.queue_k, draft.items.get().queue_mode) == (3, "draw")
    assert list(draft.buckets.values_list("name", "weight")) == [("vip", 3), ("regular", 1)]


def test_after_the_approval_the_queue_is_locked(marketer, draft, now):
    draft.buckets.create(name="vip", weight=3)
    services.approve(draft, None, now)
    page = marketer.get(_page(draft)).content.decode()
    assert "queue buckets" in page.lower()
    assert 'name="buckets-0-weight"' not in page
    assert 'name="queue_k"' not in page


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"queue_k": 11}, "Ensure this value is less than or equal to 10."),
        ({"buckets-TOTAL_FORMS": 1, **_bucket(0, "V", 1, 0)}, "Only the letters a-z and _."),
        (
            {"buckets-TOTAL_FORMS": 17}
            | {
                k: v for n in range(17) for k, v in _bucket(n, "abcdefghijklmnopq"[n], 1, n).items()
            },
            "Please submit at most 16 forms.",
        ),
        ({"ends_at_0": "2020-01-01"}, "The end must be after the start."),
        ({"items-0-units": 0}, "Ensure this value is greater than or equal to 1."),
        (
            {"items-0-price_minor": 10**12 + 1},
            "Ensure this value is less than or equal to 1000000000000.",
        ),
        (
            {"items-0-limit_per_shopper": 1001},
            "Ensure this value is less than or equal to 1000.",
        ),
        ({"items-0-currency": "yuan"}, "Ensure this value has at most 3 characters (it has 4)."),
        ({"items-0-currency": "cny"}, "Three capital letters, as in CNY."),
    ],
)
def test_a_wrong_value_is_explained_at_its_field(marketer, draft, changes, reason):
    answer = marketer.post(_page(draft), _form(draft, **changes))
    assert answer.status_code == 200
    assert answer.content.decode().count(reason) == 1


def test_a_marketer_may_not_approve(marketer, draft):
    assert "/approve/" not in marketer.get(_page(draft)).content.decode()
    assert marketer.get(f"{LIST}{draft.pk}/approve/").status_code == 403
    assert marketer.post(f"{LIST}{draft.pk}/approve/").status_code == 403
    draft.refresh_from_db()
    assert draft.state == CampaignState.DRAFT


def test_an_approver_is_asked_first_and_approves_by_the_button(approver, submitted):
    draft = submitted
    assert f"{LIST}{draft.pk}/approve/" in approver.get(_page(draft)).content.decode()
    question = approver.get(f"{LIST}{draft.pk}/approve/")
    assert "Nothing can be edited any more." in question.content.decode()
    draft.refresh_from_db()
    assert draft.state == CampaignState.DRAFT
    sent = _decision(draft, comment="fine")
    page = approver.post(f"{LIST}{draft.pk}/approve/", sent, follow=True).content.decode()
    assert "“Spring” is approved and published." in page
    draft.refresh_from_db()
    assert draft.state == CampaignState.APPROVED
    assert draft.approved_by.username == "staff"


def test_the_history_tells_who_approved(approver, submitted):
    approver.post(f"{LIST}{submitted.pk}/approve/", _decision(submitted))
    history = approver.get(f"{LIST}{submitted.pk}/history/").content.decode()
    assert "<b>staff</b> · Approve" in history


def test_an_approval_of_something_else_than_was_seen_says_so(approver, submitted):
    sent = _decision(submitted)
    submitted.items.update(price_minor=1)
    page = approver.post(f"{LIST}{submitted.pk}/approve/", sent, follow=True).content.decode()
    assert "The campaign is not what was submitted any more" in page


def test_approving_twice_says_that_it_is_no_draft(approver, approved):
    url = f"{LIST}{approved.pk}/approve/"
    page = approver.post(url, _decision(approved), follow=True).content.decode()
    assert "not a draft any more" in page


def test_after_the_approval_everything_is_read_only(marketer, approved):
    page = marketer.get(_page(approved)).content.decode()
    assert 'name="title"' not in page
    assert 'name="items-0-units"' not in page
    assert marketer.post(_page(approved), _form(approved, title="No")).status_code == 403
    assert marketer.post(f"{LIST}{approved.pk}/delete/", {"post": "yes"}).status_code == 403
    approved.refresh_from_db()
    assert approved.title == "Spring"


def test_an_edit_that_meets_an_approval_is_refused(marketer, draft, monkeypatch, now):
    """The form was read as a draft; the approval commits before it is saved."""
    lock_draft = services.lock_draft

    def lock_after_an_approval(campaign_id):
        services.approve(draft, None, now)
        return lock_draft(campaign_id)

    monkeypatch.setattr(services, "lock_draft", lock_after_an_approval)
    page = marketer.post(_page(draft), _form(draft, title="No"), follow=True).content.decode()
    assert "not a draft any more" in page
    assert Campaign.objects.get(pk=draft.pk).title == "Spring"


def test_a_draft_can_be_deleted_with_its_items(marketer, draft):
    assert marketer.post(f"{LIST}{draft.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Campaign.objects.exists()


def test_ending_needs_its_own_permission(approver, approved):
    assert approver.post(f"{LIST}{approved.pk}/end/").status_code == 403


def test_a_campaign_is_ended_by_the_button(log_in, approved):
    operator = log_in("view_campaign", "view_item", "end_campaign")
    url = f"{LIST}{approved.pk}/end/"
    assert "This field is required." in operator.post(url, {"reason": " "}).content.decode()
    page = operator.post(url, {"reason": "enough"}, follow=True).content.decode()
    assert "“Spring” has ended." in page
    approved.refresh_from_db()
    assert approved.state == CampaignState.ENDED


def test_a_viewer_sees_and_changes_nothing(log_in, draft):
    viewer = log_in("view_campaign", "view_item")
    page = viewer.get(_page(draft)).content.decode()
    assert 'name="title"' not in page
    assert "/approve/" not in page
    assert viewer.post(_page(draft), _form(draft)).status_code == 403


@pytest.mark.parametrize("path", ["", "add/", "1/change/", "1/approve/", "1/end/"])
def test_strangers_are_sent_to_the_login(client, path):
    answer = client.get(f"{LIST}{path}")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")

"""The pages around a campaign: what they say, who may open them, and that they do what they say."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from control_plane.campaigns import services
from control_plane.campaigns.content import digest_of
from control_plane.campaigns.models import Campaign, CampaignState, Item, StepKind
from control_plane.campaigns.tests.test_admin import EDITING, _bucket, _form
from control_plane.inventory.models import Pool

pytestmark = pytest.mark.django_db

LIST = "/admin/campaigns/campaign/"
LOOKING = ("view_campaign", "view_item")


@pytest.fixture
def now():
    """The admin reads the real clock."""
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def log_in(client):
    """A client of a staff member of this name who holds just these permissions."""

    def with_permissions(*codenames, name="staff"):
        user = User.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


@pytest.fixture
def marketer(log_in):
    return log_in(*EDITING, "submit_campaign")


def _url(campaign, page="change"):
    return f"{LIST}{campaign.pk}/{page}/"


def _text(answer):
    return answer.content.decode()


def _save(client, campaign, **changes):
    return _text(client.post(_url(campaign), _form(campaign, **changes)))


def test_times_are_entered_by_the_clocks_of_the_campaign(marketer, draft):
    day = (timezone.now() + timedelta(days=40)).date()
    sent = {"time_zone": "Asia/Shanghai", "starts_at_0": f"{day}", "starts_at_1": "00:00:00"}
    sent |= {"ends_at_0": f"{day}", "ends_at_1": "01:30:00"}
    assert marketer.post(_url(draft), _form(draft, **sent)).status_code == 302
    draft.refresh_from_db()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    assert (draft.time_zone, draft.starts_at) == ("Asia/Shanghai", midnight)
    page = _text(marketer.get(_url(draft)))
    assert f'value="{day}"' in page
    assert 'value="00:00:00"' in page
    assert f"{day} 00:00:00 Asia/Shanghai ({midnight:%Y-%m-%d %H:%M:%S} UTC)" in page


def test_an_hour_that_does_not_exist_is_refused_at_its_field(marketer, draft):
    sent = {"time_zone": "Europe/Berlin", "ends_at_0": "2028-03-26", "ends_at_1": "02:30:00"}
    page = _save(marketer, draft, **sent)
    assert "2028-03-26 02:30:00 does not exist in Europe/Berlin" in page


def test_a_start_in_the_past_is_refused_with_the_time_it_is_there(marketer, draft, now):
    past = now - timedelta(minutes=1)
    sent = {"starts_at_0": f"{past:%Y-%m-%d}", "starts_at_1": f"{past:%H:%M:%S}"}
    assert "The start is in the past: in UTC it is " in _save(marketer, draft, **sent)


def test_a_sale_of_a_year_is_a_typing_error(marketer, draft, now):
    later = now + timedelta(days=365)
    sent = {"ends_at_0": f"{later:%Y-%m-%d}"}
    assert "A sale lasts 92 days at most." in _save(marketer, draft, **sent)


def test_an_overlap_is_refused_at_the_sku_and_leads_to_the_other(marketer, draft, now):
    services.approve(draft, None, now)
    other = services.create_draft(
        draft.merchant,
        slug="other",
        title="Other",
        starts_at=draft.ends_at,
        ends_at=draft.ends_at + timedelta(hours=1),
        items=[{"sku": "TEA", "title": "Tea", "units": 5, "price_minor": 100}],
    )
    before = draft.ends_at - timedelta(minutes=1)
    page = _save(marketer, other, starts_at_1=f"{before:%H:%M:%S}")
    assert "TEA is on sale in “Spring” (spring) at the same time" in page
    assert f'<a href="{_url(draft)}">Look at it</a>' in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"items-0-price_minor": 0}, "The price must be 1 at least"),
        ({"items-0-limit_per_shopper": 11}, "One shopper cannot be promised 11 of 10 units."),
        (
            {"buckets-TOTAL_FORMS": 2, **_bucket(0, "vip", 1000, 1), **_bucket(1, "all", 1, 2)},
            "less than one in a thousand (1 of 1001)",
        ),
        ({"time_zone": "Asia/Peking"}, "Select a valid choice."),
    ],
)
def test_what_cannot_be_meant_is_explained(marketer, draft, changes, said):
    assert said in _save(marketer, draft, **changes)


def test_of_two_who_edit_at_once_the_second_one_is_told(marketer, draft):
    seen = digest_of(draft)
    Campaign.objects.filter(pk=draft.pk).update(pay_minutes=7)
    page = _text(marketer.post(_url(draft), _form(draft, seen=seen, title="Mine"), follow=True))
    assert "Somebody else changed the draft since you opened it." in page
    assert Campaign.objects.get(pk=draft.pk).title == "Spring"


def test_an_edit_is_written_down_with_its_fields_and_needs_a_new_submission(
    marketer, draft, maker, now
):
    services.submit(draft, maker, now)
    page = _text(
        marketer.post(_url(draft), _form(draft, title="New", **{"items-0-units": 9}), follow=True)
    )
    assert "it has to be submitted again" in page
    step = draft.steps.get(kind=StepKind.EDITED)
    assert (step.by.username, step.details["fields"]) == ("staff", ["title", "items"])
    draft.refresh_from_db()
    assert draft.submitted_at is None


def test_what_will_happen_is_told_before_it_is_submitted(marketer, draft):
    draft.items.update(queue_mode="draw", limit_per_shopper=2)
    draft.buckets.create(name="vip", weight=3, place=0)
    draft.buckets.create(name="regular", weight=1, place=1)
    for page in (_url(draft), _url(draft, "submit")):
        text = _text(marketer.get(page))
        assert "Tea: 10 units at ¥19.99, at most 2 for each shopper" in text
        assert "TEA: a draw among those who join the lobby" in text
        assert "vip 75 % · regular 25 %" in text
        assert "Within 15 min; after that the units go back on sale" in text
        assert "10 units worth ¥199.90" in text
        assert "Its page has no words or pictures of its own yet." in text


def test_it_is_submitted_approved_and_seen_by_two_people(log_in, draft):
    maker = log_in(*EDITING, "submit_campaign", "approve_campaign", name="ann")
    maker.post(_url(draft), _form(draft, title="Sale"))
    page = _text(maker.post(_url(draft, "submit"), {"comment": "please"}, follow=True))
    assert "“Sale” waits for its approval." in page
    draft.refresh_from_db()
    sent = {"seen": digest_of(draft), "comment": ""}
    page = _text(maker.post(_url(draft, "approve"), sent, follow=True))
    assert "You worked on this campaign, so somebody else has to approve it." in page
    checker = log_in(*LOOKING, "approve_campaign", name="bob")
    asked = _text(checker.get(_url(draft, "approve")))
    assert f'value="{digest_of(draft)}"' in asked
    page = _text(checker.post(_url(draft, "approve"), sent | {"comment": "ok"}, follow=True))
    assert "“Sale” is approved and published." in page
    assert str(Campaign.objects.get(pk=draft.pk).approved_by) == "bob"


def test_it_is_returned_with_a_word(log_in, draft, maker, now):
    services.submit(draft, maker, now)
    checker = log_in(*LOOKING, "approve_campaign")
    assert "This field is required." in _text(checker.post(_url(draft, "return"), {"comment": ""}))
    page = _text(checker.post(_url(draft, "return"), {"comment": "too dear"}, follow=True))
    assert "is returned to its makers" in page
    assert "Returned by staff: too dear" in page


def test_a_copy_is_asked_for_and_is_a_draft(marketer, approved):
    assert "A new draft with the same items" in _text(marketer.get(_url(approved, "clone")))
    assert Campaign.objects.count() == 1
    page = _text(marketer.post(_url(approved, "clone"), follow=True))
    copy = Campaign.objects.get(slug="spring-2")
    assert copy.state == CampaignState.DRAFT
    assert "is a new draft for" in page


def test_the_timeline_is_a_page(log_in, approved):
    page = _text(log_in("view_campaign").get(_url(approved, "timeline")))
    assert "Approved and published" in page
    assert "the command line" in page


def _upload(text):
    return {"file": SimpleUploadedFile("items.csv", text.encode(), "text/csv")}


def test_a_file_is_looked_at_and_then_imported(marketer, draft):
    header = "sku,title,units,price_minor\n"
    page = _text(marketer.post(_url(draft, "import"), _upload(header + "CUP,Cup,5,500\n")))
    assert not Item.objects.filter(sku="CUP").exists()
    sealed = page.split('name="looked_at" value="')[1].split('"')[0]
    answer = marketer.post(_url(draft, "import"), {"looked_at": sealed}, follow=True)
    assert "Items imported: 1 new, 0 changed" in _text(answer)
    assert Item.objects.get(sku="CUP").units == 5


def test_a_wrong_row_is_marked_and_cannot_be_confirmed(marketer, draft):
    page = _text(
        marketer.post(_url(draft, "import"), _upload("sku,title,units,price_minor\nA,B,x,1"))
    )
    assert "A whole number, not “x”." in page
    assert "looked_at" not in page


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose a file."),
        ({"looked_at": "forged"}, "Choose the file again, please."),
        (_upload("a,b\n1,2"), "Nobody knows a column “a”."),
        (_upload("x" * 300_000), "The file has more than 256 kB."),
    ],
)
def test_what_is_no_list_of_items_is_refused_on_the_page(marketer, draft, sent, said):
    assert said in _text(marketer.post(_url(draft, "import"), sent))


def test_only_a_draft_takes_a_file(marketer, approved):
    page = _text(marketer.get(_url(approved, "import"), follow=True))
    assert "not a draft any more" in page


def test_items_are_exported_from_any_state(log_in, approved):
    answer = log_in("view_campaign").get(f"{LIST}{approved.pk}/items.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="spring-items.csv"'
    assert "TEA,Tea,10,1999,CNY,1,off" in answer.content.decode("utf-8-sig")


@pytest.fixture
def operator(log_in):
    return log_in(
        *LOOKING,
        "pause_campaign",
        "extend_campaign",
        "end_campaign",
        "top_up_pool",
        "withdraw_pool",
    )


def test_a_running_campaign_is_steered_from_its_page(operator, approved, item):
    one = f"{LIST}{approved.pk}/items/{item.pk}"
    page = _text(operator.get(_url(approved)))
    for name in ("top_up", "withdraw", "pause"):
        assert f"{one}/{name}/" in page
    assert 'name="title"' not in page
    page = _text(operator.post(f"{one}/top_up/", {"qty": 5, "reason": "more"}, follow=True))
    assert "5 units added." in page
    page = _text(operator.post(f"{one}/withdraw/", {"qty": 3, "reason": "less"}, follow=True))
    assert "3 units withdrawn." in page
    assert Pool.objects.get().total == 12
    page = _text(operator.post(f"{one}/pause/", {"reason": "look"}, follow=True))
    assert "TEA · Tea is paused." in page
    assert f"{one}/resume/" in page
    page = _text(operator.post(f"{one}/resume/", {"reason": "go"}, follow=True))
    assert "TEA · Tea is resumed." in page


def test_the_whole_campaign_is_paused_and_resumed(operator, approved):
    page = _text(operator.post(_url(approved, "pause"), {"reason": "robots"}, follow=True))
    assert "“Spring” is paused." in page
    assert "by staff: robots" in page
    assert _url(approved, "resume") in page and _url(approved, "pause") not in page
    page = _text(operator.post(_url(approved, "resume"), {"reason": "gone"}, follow=True))
    assert "“Spring” is resumed." in page


def test_its_end_is_moved_by_its_clocks(operator, approved):
    Campaign.objects.filter(pk=approved.pk).update(time_zone="Asia/Shanghai")
    new = approved.ends_at + timedelta(hours=1)
    wall = new + timedelta(hours=8)
    asked = _text(operator.get(_url(approved, "extend")))
    before = asked.split('name="before" value="')[1].split('"')[0]
    sent = {"ends_at_0": f"{wall:%Y-%m-%d}", "ends_at_1": f"{wall:%H:%M:%S}", "before": before}
    page = _text(operator.post(_url(approved, "extend"), sent | {"reason": "more"}, follow=True))
    assert "The end of “Spring” is moved." in page
    assert Campaign.objects.get(pk=approved.pk).ends_at == new
    page = _text(operator.post(_url(approved, "extend"), sent | {"reason": "more"}, follow=True))
    assert "Somebody else has moved the end in between." in page


PAGES = {
    "submit": "submit_campaign",
    "approve": "approve_campaign",
    "return": "approve_campaign",
    "pause": "pause_campaign",
    "resume": "pause_campaign",
    "extend": "extend_campaign",
    "end": "end_campaign",
    "rotate_path_keys": "rotate_path_keys",
    "clone": "add_campaign",
    "import": "change_campaign",
    "items/{item}/pause": "pause_campaign",
    "items/{item}/resume": "pause_campaign",
    "items/{item}/top_up": "top_up_pool",
    "items/{item}/withdraw": "withdraw_pool",
}


@pytest.mark.parametrize("page", PAGES)
def test_each_page_asks_for_its_own_permission(log_in, approved, item, page):
    """With all the others and without this one nobody gets in."""
    others = {*PAGES.values(), *LOOKING} - {PAGES[page]}
    client = log_in(*others)
    url = _url(approved, page.format(item=item.pk))
    assert client.get(url).status_code == client.post(url).status_code == 403
    approved.refresh_from_db()
    assert approved.state == CampaignState.APPROVED


def test_an_item_of_another_campaign_or_an_unknown_move_is_not_found(operator, approved, item):
    assert operator.get(f"{LIST}{approved.pk}/items/{item.pk}/steal/").status_code == 404
    assert operator.get(f"{LIST}{approved.pk}/items/{item.pk + 1}/pause/").status_code == 404

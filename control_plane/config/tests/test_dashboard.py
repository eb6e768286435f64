"""The admin's first page: what is near, what waits, and what it costs."""

import re
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from control_plane.campaigns.models import Campaign
from control_plane.config import dashboard, waiting
from control_plane.payments.models import PaymentException
from control_plane.reconciliation import services as reconciliation
from control_plane.reconciliation.models import Reconciliation
from control_plane.switches import services as switches

pytestmark = pytest.mark.django_db
# As often as there are kinds, and a few for what is shown beside them.
QUERIES_MAX = len(waiting.KINDS) + 8


@pytest.fixture
def now():
    """The admin reads the real clock."""
    return timezone.now()


def _text(answer):
    return answer.content.decode()


def _waits(page, title):
    """The figure beside this line."""
    (figure,) = re.findall(rf"<span>{re.escape(title)}</span><b>(\d+)</b>", page)
    return figure


def _book(item, now, day, balanced):
    terms = ("total", "unallocated", "open_leftover", "live_units", "units_paid", "units_unpaid")
    ends = ("units_expired", "units_cancelled", "rejections", "ledger_confirmed")
    rest = ("ledger_returned", "warehouse_deducted", "warehouse_restored")
    Reconciliation.objects.create(
        item=item,
        day=day,
        at=now + timedelta(days=day),
        balanced=balanced,
        **dict.fromkeys((*terms, *ends, *rest), 0),
    )


def test_a_campaign_that_comes_next_is_there_with_its_moment(admin_client, approved):
    page = _text(admin_client.get("/admin/"))
    assert f"/admin/campaigns/campaign/{approved.pk}/change/" in page
    assert "starts in" in page
    (moment,) = re.findall(r'<time datetime="([^"]+)" data-countdown>', page)
    assert datetime.fromisoformat(moment) == approved.starts_at


def test_what_is_sold_is_told_without_reading_orders(approved, item, open_epoch, now):
    allocation = open_epoch(units=6)
    type(allocation).objects.filter(pk=allocation.pk).update(consumed=4)
    (shown,) = dashboard.campaigns(now)
    # Four of six have left the shard for orders: 10 − 4 in the pool − 2 in the shard.
    assert (shown["sold"], shown["total"], shown["percent"]) == (4, 10, 40)


def test_what_sells_stands_above_what_comes_next(approved, draft, now, merchant):
    later = Campaign.objects.create(
        merchant=merchant,
        slug="later",
        title="Later",
        state="live",
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=9),
    )
    assert [one["campaign"].pk for one in dashboard.campaigns(now)] == [later.pk, approved.pk]


def test_a_submitted_draft_and_an_open_exception_wait(admin_client, draft, now):
    Campaign.objects.filter(pk=draft.pk).update(submitted_at=now)
    PaymentException.objects.create(
        provider="demo",
        event_id="e1",
        kind="unknown_payment",
        payment_id=uuid4(),
        amount_minor=1,
        first_at=now,
        last_at=now,
    )
    page = _text(admin_client.get("/admin/"))
    assert _waits(page, "Drafts to be approved") == "1"
    assert _waits(page, "Payment exceptions") == "1"
    assert _waits(page, "Exception orders") == "0"
    assert "Nothing waits." not in page


def test_books_that_balance_again_do_not_wait_and_the_alert_counts_the_same(item, now):
    Campaign.objects.filter(pk=item.campaign_id).update(state="ended", ended_at=now)
    for day, balanced, items in ((1, False, 1), (2, False, 1), (3, True, 0)):
        _book(item, now, day, balanced=balanced)
        figures = reconciliation.figures(now, timedelta(days=1))
        assert waiting.unbalanced(now) == figures.unbalanced == items


def test_their_list_shows_what_was_counted(admin_client, item):
    """Not the days before it was mended, of which each failed."""
    now = timezone.now()
    Campaign.objects.filter(pk=item.campaign_id).update(state="ended", ended_at=now)
    (kind,) = (one for one in waiting.KINDS if one.model == "reconciliation.Reconciliation")
    for day, balanced in ((1, False), (2, False), (3, True)):
        _book(item, now, day, balanced=balanced)
        shown = admin_client.get(kind.url).context["cl"].queryset
        assert [row.day for row in shown] == ([] if balanced else [day])
        assert len(shown) == kind.count(now)


def test_a_thrown_switch_is_told_with_its_reason(admin_client, now):
    switches.throw("risk_mode", "off", reason="crawler", by=None, now=now)
    assert "crawler" in _text(admin_client.get("/admin/"))


def test_nobody_sees_what_he_may_not_open(log_in, approved):
    page = _text(log_in("view_order").get("/admin/"))
    assert approved.title not in page
    assert "Drafts to be approved" not in page
    assert "Payment exceptions" not in page


def test_it_costs_a_query_for_each_kind_however_many_wait(
    admin_client, approved, draft, django_assert_max_num_queries
):
    with django_assert_max_num_queries(QUERIES_MAX):
        admin_client.get("/admin/")

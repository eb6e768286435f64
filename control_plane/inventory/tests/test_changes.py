"""Units added to and withdrawn from a sale that runs, each with its row."""

import pytest
from django.contrib.auth.models import User

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool, StockChange
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(db):
    return User.objects.create(username="marketer")


def _pool(item):
    assert services.conservation(item.pk).drift == 0
    pool = Pool.objects.get(item=item)
    return pool.total, pool.unallocated


def _published_units(item):
    return Snapshot.objects.latest("version").document["items"][str(item.pk)]["units"]


def _return(allocation, units):
    reclaim = services.begin_reclaim(allocation.pk, units, 0)
    assert services.settle_reclaim(reclaim.pk, units) == units


def test_added_units_are_in_the_pool_and_on_the_page(item, user):
    change = services.top_up(item.pk, 5, " found more ", user)
    assert _pool(item) == (15, 15)
    assert _published_units(item) == 15
    change.refresh_from_db()
    assert (change.kind, change.qty, change.done, change.state) == ("topup", 5, 5, "done")
    assert (change.reason, change.by) == ("found more", user)
    assert change.finished_at is not None


def test_units_of_the_pool_are_withdrawn_at_once(item, user):
    change = services.withdraw(item.pk, 4, "damaged", user)
    assert _pool(item) == (6, 6)
    assert _published_units(item) == 6
    assert (change.kind, change.qty, change.done, change.state) == ("withdraw", 4, 4, "done")
    assert (change.reason, change.by) == ("damaged", user)


def test_a_withdrawal_waits_for_units_in_shards(item, open_epoch):
    allocation = open_epoch(units=7)
    change = services.withdraw(item.pk, 5, "damaged", None)
    assert (change.done, change.state, change.finished_at) == (3, "waiting", None)
    assert _pool(item) == (7, 0)
    assert services.views([item.pk])[item.pk].waiting_withdrawals == 2
    assert services.settle_withdrawals([item.pk]) == 0
    _return(allocation, 1)
    assert services.settle_withdrawals([item.pk]) == 1
    assert _pool(item) == (6, 0)
    _return(allocation, 3)
    assert services.settle_withdrawals([item.pk]) == 1
    assert _pool(item) == (5, 2)
    assert _published_units(item) == 5
    change.refresh_from_db()
    assert (change.done, change.state) == (5, "done")
    assert services.settle_withdrawals([item.pk]) == 0


def test_settling_asks_once_when_nobody_waits(item, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert services.settle_withdrawals([item.pk]) == 0


def test_the_first_who_waits_is_served_first(item, open_epoch):
    allocation = open_epoch(units=10)
    first = services.withdraw(item.pk, 2, "one", None)
    second = services.withdraw(item.pk, 2, "two", None)
    _return(allocation, 3)
    services.settle_withdrawals([item.pk])
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.done, second.done) == (2, 1)


def test_a_later_withdrawal_does_not_overtake(item, open_epoch):
    allocation = open_epoch(units=10)
    first = services.withdraw(item.pk, 2, "one", None)
    _return(allocation, 3)
    second = services.withdraw(item.pk, 3, "two", None)
    first.refresh_from_db()
    assert (first.done, second.done, second.state) == (2, 1, "waiting")


def test_waiting_withdrawals_come_before_grants(item, open_epoch):
    allocation = open_epoch(units=10)
    services.withdraw(item.pk, 2, "damaged", None)
    _return(allocation, 3)
    with pytest.raises(services.NotEnoughUnits):
        services.begin_grant(allocation.pk, 2)
    services.begin_grant(allocation.pk, 1)
    assert services.settle_withdrawals([item.pk]) == 2


def test_no_more_is_withdrawn_than_is_unsold(item, open_epoch):
    open_epoch(units=6)
    Allocation.objects.update(consumed=4)
    Pool.objects.update(total=6)  # the four orders are not in the books of this test
    for qty, possible in ((7, False), (6, True), (1, False)):
        if possible:
            services.withdraw(item.pk, qty, "all", None)
        else:
            with pytest.raises(services.NotEnoughUnits):
                services.withdraw(item.pk, qty, "too many", None)
    assert StockChange.objects.get().done == 4
    assert _pool(item) == (2, 0)


def test_what_the_database_holds_is_sold(item, open_epoch):
    services.switch_source("database", reason="test", by=None)
    opened = open_epoch()
    Allocation.objects.filter(pk=opened.pk).update(granted=4)
    Pool.objects.update(unallocated=6)
    with pytest.raises(services.NotEnoughUnits):
        services.withdraw(item.pk, 7, "too many", None)


@pytest.mark.parametrize("change", [services.top_up, services.withdraw])
@pytest.mark.parametrize(("qty", "reason"), [(0, "why"), (-1, "why"), (1, ""), (1, "x" * 201)])
def test_a_change_of_nothing_or_without_a_reason_is_refused(item, change, qty, reason):
    with pytest.raises(ValueError, match=r"unit|reason"):
        change(item.pk, qty, reason, None)
    assert _pool(item) == (10, 10)


@pytest.mark.parametrize("change", [services.top_up, services.withdraw])
def test_before_the_approval_and_after_the_end_nothing_changes(draft, approved, now, change):
    item = approved.items.get()
    campaigns.end_now(approved, None, now)
    with pytest.raises(services.CampaignOver):
        change(item.pk, 1, "late", None)
    with pytest.raises(services.NoPool):
        change(0, 1, "early", None)


def test_more_than_the_column_holds_is_refused(item):
    with pytest.raises(services.TooManyUnits):
        services.top_up(item.pk, 2**31 - 10, "typing error", None)
    assert _pool(item) == (10, 10)


def test_at_the_end_a_withdrawal_takes_what_comes_back(approved, item, open_epoch, now):
    """Nine of ten are in the shard, one of them is sold: eight of nine can be withdrawn."""
    open_epoch(units=10)
    change = services.withdraw(item.pk, 9, "all but one", None)
    Allocation.objects.update(consumed=2)
    Pool.objects.update(total=8)  # the two orders are not in the books of this test
    campaigns.end_now(approved, None, now)
    change.refresh_from_db()
    assert change.state == "waiting"
    (rearm,) = services.open_rearms()
    services.advance(rearm.pk, "fenced", "disarmed")
    services.advance(rearm.pk, "disarmed", "drained")
    services.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
    services.close_epoch(rearm.pk)
    change.refresh_from_db()
    assert (change.done, change.state) == (8, "partly")
    assert change.finished_at is not None
    assert _pool(item) == (0, 0)


def test_without_open_epochs_the_end_finishes_at_once(approved, item, open_epoch, close, now):
    allocation = open_epoch(units=10)
    change = services.withdraw(item.pk, 10, "all", None)
    close(allocation)
    campaigns.end_now(approved, None, now)
    change.refresh_from_db()
    assert (change.done, change.state) == (10, "done")


def test_a_withdrawal_that_waits_can_be_cancelled_and_takes_no_more(item, open_epoch, close):
    allocation = open_epoch(units=8)
    change = services.withdraw(item.pk, 5, "damaged", None)
    assert services.cancel_withdrawal(change.pk, None).state == "partly"
    close(allocation)
    assert services.settle_withdrawals([item.pk]) == 0
    change.refresh_from_db()
    assert (change.done, change.state) == (2, "partly")
    assert change.finished_at == change.cancelled_at is not None
    assert Pool.objects.get().unallocated == 8
    with pytest.raises(services.ChangeNotWaiting):
        services.cancel_withdrawal(change.pk, None)


def test_only_what_waits_is_cancelled(item):
    done = services.withdraw(item.pk, 5, "damaged", None)
    for change_id in (done.pk, 0):
        with pytest.raises(services.ChangeNotWaiting):
            services.cancel_withdrawal(change_id, None)
    done.refresh_from_db()
    assert (done.state, done.cancelled_at) == ("done", None)

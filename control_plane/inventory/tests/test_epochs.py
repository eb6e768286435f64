"""When an epoch may begin, whose life it belongs to, and when gateways hear of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services
from control_plane.inventory.epochs import EPOCH_GAP_MAX
from control_plane.inventory.models import Allocation, Pool, Rearm
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

SHA = "0123456789abcdef0123456789abcdef01234567"
LIFE, OTHER_LIFE = "a" * 40, "b" * 40
SECOND = timedelta(seconds=1)


def _shards(item):
    return Snapshot.objects.latest("version").document["items"][str(item.pk)]["shards"]


def _open(item, shard=0, after=0, epoch=None, source="primary"):
    epoch = after + 1 if epoch is None else epoch
    return services.open_epoch(item.pk, shard, after=after, epoch=epoch, source=source)


def test_opening_the_pool_again_keeps_it(item):
    Pool.objects.filter(item=item).update(unallocated=3)
    assert services.open_pool(item).unallocated == 3


def test_the_first_epoch_follows_none(item):
    opened = _open(item)
    assert (opened.epoch, opened.granted, opened.state, opened.source) == (
        1,
        0,
        "selling",
        "primary",
    )


def test_epochs_may_leave_numbers_out(item, close):
    close(_open(item, epoch=7))
    assert _open(item, after=7, epoch=7 + EPOCH_GAP_MAX).epoch == 7 + EPOCH_GAP_MAX


@pytest.mark.parametrize("epoch", [5, 4, 5 + EPOCH_GAP_MAX + 1])
def test_a_number_that_does_not_follow_is_refused(item, epoch):
    with pytest.raises(ValueError, match="does not follow 5"):
        _open(item, after=5, epoch=epoch)


def test_shards_count_their_epochs_apart(item):
    _open(item, shard=0, epoch=3)
    assert _open(item, shard=1).epoch == 1


def test_an_item_without_a_pool_has_no_epochs(draft):
    with pytest.raises(services.NoPool):
        _open(draft.items.get())


def test_nothing_opens_beside_an_epoch_that_sells(item):
    _open(item)
    assert _open(item, after=1) is None


def test_nothing_opens_beside_an_epoch_that_sells_under_an_older_number(item):
    """No service makes this; the check must not depend on it."""
    Allocation.objects.create(item=item, shard=0, epoch=1)
    Allocation.objects.create(item=item, shard=0, epoch=2, state="closed")
    assert _open(item, after=2) is None


@pytest.mark.parametrize("after", [0, 2])
def test_nothing_opens_after_another_epoch_than_the_last(item, close, after):
    close(_open(item))
    assert _open(item, after=after, epoch=3) is None
    assert _open(item, after=1, epoch=3) is not None


def test_nothing_opens_once_the_campaign_has_ended(approved, item, now):
    campaigns.end_now(approved, None, now)
    assert _open(item) is None


@pytest.mark.parametrize("source", ["standby", "database"])
def test_nothing_opens_in_another_source_than_the_one_that_sells(item, source):
    assert _open(item, source=source) is None
    services.switch_source(source, reason="test", by=None)
    assert _open(item) is None
    assert _open(item, source=source).source == source


def _rearm(item, mode, stage, lease=None):
    first = _open(item)
    rearm = services.begin_rearm(first.pk, mode, "test")
    lease_until = None if lease is None else timezone.now() + lease
    Rearm.objects.filter(pk=rearm.pk).update(stage=stage, lease_until=lease_until)


BEFORE_THE_END = ["fenced", "disarmed", "drained", "barrier_sent"]


@pytest.mark.parametrize("stage", BEFORE_THE_END)
def test_full_mode_waits_for_the_close(item, stage):
    _rearm(item, "full", stage, lease=-SECOND)
    assert _open(item, after=1) is None


def test_full_mode_goes_on_after_the_close(item):
    _rearm(item, "full", "closed")
    assert _open(item, after=1) is not None


@pytest.mark.parametrize("stage", BEFORE_THE_END[1:])
def test_fast_mode_goes_on_after_the_disarm(item, stage):
    _rearm(item, "fast", stage)
    assert _open(item, after=1) is not None


@pytest.mark.parametrize(("lease", "opens"), [(None, False), (SECOND, False), (-SECOND, True)])
def test_fast_mode_waits_for_the_disarm_or_the_end_of_the_lease(item, lease, opens):
    _rearm(item, "fast", "fenced", lease)
    assert (_open(item, after=1) is not None) == opens


@pytest.mark.parametrize("stage", [*BEFORE_THE_END[1:], "closed"])
@pytest.mark.parametrize(("lease", "opens"), [(None, True), (SECOND, False), (-SECOND, True)])
def test_who_gives_a_shard_up_does_not_shorten_the_lease(item, stage, lease, opens):
    _rearm(item, "fast", "fenced", lease)
    services.give_up(Rearm.objects.get().pk, "disk is gone", None)
    Rearm.objects.update(stage=stage)
    assert (_open(item, after=1) is not None) == opens


@pytest.mark.parametrize("stage", [*BEFORE_THE_END[1:], "closed"])
def test_after_a_disarm_nobody_waits_for_the_lease(item, stage):
    _rearm(item, "fast", stage, SECOND)
    assert _open(item, after=1) is not None


@pytest.mark.parametrize("stage", BEFORE_THE_END)
@pytest.mark.parametrize(("lease", "opens"), [(None, False), (SECOND, False), (-SECOND, True)])
def test_the_database_waits_for_the_close_or_the_end_of_the_lease(item, stage, lease, opens):
    _rearm(item, "fast", stage, lease)
    services.switch_source("database", reason="test", by=None)
    assert (_open(item, after=1, source="database") is not None) == opens


def test_any_old_epoch_of_the_shard_counts_and_no_other_shards(item):
    _rearm(item, "fast", "disarmed")
    second = _open(item, after=1)
    services.begin_rearm(second.pk, "fast", "test")
    assert _open(item, after=2) is None
    assert _open(item, shard=1) is not None
    Rearm.objects.filter(allocation=second).update(stage="disarmed")
    Rearm.objects.exclude(allocation=second).update(mode="full")
    assert _open(item, after=2) is None


def test_an_epoch_belongs_to_the_life_that_came_first(item):
    opened = _open(item)
    services.claim_life(opened.pk, LIFE)
    services.claim_life(opened.pk, LIFE)
    with pytest.raises(services.LifeTaken):
        services.claim_life(opened.pk, OTHER_LIFE)
    opened.refresh_from_db()
    assert opened.life == LIFE


def test_what_is_no_life_is_refused(item):
    for life in ("", LIFE[:-1], LIFE.upper()):
        with pytest.raises(ValueError, match="not a life"):
            services.claim_life(_open(item, shard=len(life)).pk, life)


def test_nothing_claims_what_is_not_there(db):
    with pytest.raises(services.AllocationNotSelling):
        services.claim_life(0, LIFE)


def test_gateways_hear_of_a_shard_when_it_is_armed(item):
    opened = _open(item)
    assert _shards(item) == []
    services.record_armed(opened.pk, SHA)
    assert _shards(item) == [{"shard": 0, "epoch": 1, "sha": SHA, "source": "primary"}]


def test_arming_again_publishes_nothing_new(item):
    opened = _open(item)
    services.record_armed(opened.pk, SHA)
    versions = Snapshot.objects.count()
    services.record_armed(opened.pk, SHA)
    assert Snapshot.objects.count() == versions


@pytest.mark.parametrize("state", ["draining", "closed"])
def test_an_epoch_that_sells_no_more_cannot_be_armed(item, state):
    opened = _open(item)
    Allocation.objects.filter(pk=opened.pk).update(state=state)
    with pytest.raises(services.AllocationNotSelling):
        services.record_armed(opened.pk, SHA)
    assert _shards(item) == []


@pytest.mark.parametrize("sha", [SHA.upper(), SHA[:-1], SHA + "0", SHA[:-1] + "\n"])
def test_what_is_not_a_sha1_is_refused(item, sha):
    with pytest.raises(ValueError, match="not a SHA-1"):
        services.record_armed(_open(item).pk, sha)


def test_only_the_database_has_no_script_and_it_has_none(item):
    with pytest.raises(services.AllocationNotSelling):
        services.record_armed(_open(item).pk, "")
    services.switch_source("database", reason="test", by=None)
    opened = _open(item, shard=1, source="database")
    with pytest.raises(services.AllocationNotSelling):
        services.record_armed(opened.pk, SHA)
    services.record_armed(opened.pk, "")
    assert _shards(item) == [{"shard": 1, "epoch": 1, "sha": "", "source": "database"}]


def test_old_epochs_are_listed_until_they_are_closed(item, open_epoch, drain):
    for _ in range(2):
        drain(open_epoch(), "fast")
    open_epoch()
    assert [old.epoch for old in services.draining(item.pk, 0)] == [1, 2]
    services.close_epoch(services.open_rearms()[0].pk)
    assert [old.epoch for old in services.draining(item.pk, 0)] == [2]
    assert services.draining(item.pk, 1) == []

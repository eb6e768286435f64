"""How an epoch ends: fenced at once, closed only behind its barrier, its leftover returned once."""

import uuid

import pytest
from django.contrib.auth.models import User

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool, Rearm
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

SHA = "a" * 40


def _pool(item):
    return Pool.objects.get(item=item).unallocated


def _state(allocation):
    return Allocation.objects.get(pk=allocation.pk).state


def test_the_fence_stops_an_epoch_and_gateways_hear_it_at_once(item, open_epoch):
    allocation = open_epoch(units=4)
    services.record_armed(allocation.pk, SHA)
    rearm = services.begin_rearm(allocation.pk, "fast", "node lost")
    assert (rearm.mode, rearm.stage, rearm.reason, rearm.by) == (
        "fast",
        "fenced",
        "node lost",
        None,
    )
    assert _state(allocation) == "draining"
    assert Snapshot.objects.latest("version").document["items"][str(item.pk)]["shards"] == []
    assert services.conservation(item.pk).drift == 0
    assert _pool(item) == 6


def test_an_epoch_is_fenced_once(open_epoch):
    allocation = open_epoch()
    services.begin_rearm(allocation.pk, "fast", "first")
    with pytest.raises(services.AllocationNotSelling):
        services.begin_rearm(allocation.pk, "full", "second")
    assert Rearm.objects.get().reason == "first"


def test_what_is_not_there_cannot_be_fenced(db):
    with pytest.raises(services.AllocationNotSelling):
        services.begin_rearm(0, "fast", "test")


@pytest.mark.parametrize(("mode", "reason"), [("slow", "test"), ("fast", " "), ("fast", "x" * 201)])
def test_a_wrong_mode_or_reason_fences_nothing(open_epoch, mode, reason):
    allocation = open_epoch()
    with pytest.raises(ValueError, match=r"slow|reason"):
        services.begin_rearm(allocation.pk, mode, reason)
    assert _state(allocation) == "selling"


def test_open_rearms_are_those_of_all_items_oldest_first(approved, item, open_epoch, now, drain):
    first, second = open_epoch(shard=0), open_epoch(shard=1)
    done = drain(open_epoch(shard=2))
    services.close_epoch(done.pk)
    services.begin_rearm(second.pk, "fast", "test")
    campaigns.end_now(approved, None, now)
    assert [rearm.allocation for rearm in services.open_rearms()] == [second, first]


def test_reading_open_rearms_costs_one_statement(open_epoch, django_assert_num_queries):
    for shard in range(3):
        services.begin_rearm(open_epoch(shard).pk, "fast", "test")
    with django_assert_num_queries(1):
        assert [rearm.allocation.shard for rearm in services.open_rearms()] == [0, 1, 2]


def test_stages_follow_each_other_and_a_repeat_changes_nothing(open_epoch):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    assert services.advance(rearm.pk, "fenced", "disarmed") is True
    assert services.advance(rearm.pk, "fenced", "disarmed") is False
    assert services.advance(rearm.pk, "drained", "barrier_sent", partitions=2) is False
    assert services.advance(rearm.pk, "disarmed", "drained") is True
    assert services.advance(rearm.pk, "drained", "barrier_sent", partitions=2) is True
    assert services.advance(rearm.pk, "drained", "barrier_sent", partitions=5) is False
    rearm.refresh_from_db()
    assert (rearm.stage, rearm.partitions) == ("barrier_sent", 2)
    assert rearm.stage_at > rearm.created_at


@pytest.mark.parametrize(
    ("from_stage", "to_stage", "partitions"),
    [
        ("fenced", "drained", None),
        ("disarmed", "barrier_sent", 1),
        ("barrier_sent", "closed", None),
        ("drained", "disarmed", None),
        ("drained", "barrier_sent", None),
        ("drained", "barrier_sent", 0),
        ("disarmed", "drained", 1),
    ],
)
def test_other_steps_do_not_exist(open_epoch, from_stage, to_stage, partitions):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    Rearm.objects.update(stage=from_stage)
    with pytest.raises(ValueError, match=r"no step|partitions"):
        services.advance(rearm.pk, from_stage, to_stage, partitions)


@pytest.mark.parametrize("stage", ["fenced", "disarmed"])
def test_a_lost_node_can_be_given_up_and_it_is_on_record(open_epoch, stage):
    user = User.objects.create(username="operator")
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    Rearm.objects.update(stage=stage)
    services.give_up(rearm.pk, " disk is gone ", user)
    rearm.refresh_from_db()
    assert (rearm.stage, rearm.given_up_by, rearm.given_up_reason) == (
        "drained",
        user,
        "disk is gone",
    )
    assert rearm.given_up_at is not None


@pytest.mark.parametrize("stage", ["drained", "barrier_sent"])
def test_what_waits_for_its_outbox_can_be_given_up_and_stays_where_it_is(open_epoch, stage):
    begun = services.begin_rearm(open_epoch().pk, "fast", "test")
    Rearm.objects.update(stage=stage)
    services.give_up(begun.pk, "disk is gone", None)
    rearm = Rearm.objects.get()
    assert (rearm.stage, rearm.stage_at, rearm.given_up_reason) == (
        stage,
        begun.stage_at,
        "disk is gone",
    )
    assert rearm.given_up_at is not None


def test_giving_up_again_keeps_the_first_reason(open_epoch):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    services.give_up(rearm.pk, "first", None)
    services.give_up(rearm.pk, "second", None)
    assert Rearm.objects.get().given_up_reason == "first"


def test_what_is_closed_cannot_be_given_up(open_epoch):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    Rearm.objects.update(stage="closed")
    with pytest.raises(services.RearmTooFar):
        services.give_up(rearm.pk, "test", None)
    rearm.refresh_from_db()
    assert (rearm.stage, rearm.given_up_at) == ("closed", None)


def test_giving_up_needs_a_reason(open_epoch):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    with pytest.raises(ValueError, match="reason"):
        services.give_up(rearm.pk, "", None)


def test_all_is_seen_when_every_partition_has_its_barrier(open_epoch):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    services.note_barriers([(rearm.pk, 0)])
    assert not services.all_seen(rearm.pk)  # it is not known how many there are
    Rearm.objects.update(stage="barrier_sent", partitions=3)
    services.note_barriers([(rearm.pk, 0), (rearm.pk, 2), (rearm.pk, 2), (rearm.pk, 7)])
    services.note_barriers([(uuid.uuid4(), 1)])
    services.note_barriers([])
    assert not services.all_seen(rearm.pk)
    services.note_barriers([(rearm.pk, 1)])
    assert services.all_seen(rearm.pk)


def test_closing_returns_the_leftover_once(item, open_epoch, drain):
    allocation = open_epoch(units=7)
    Allocation.objects.update(consumed=2)
    Pool.objects.update(total=8)  # the two orders are not in the books of this test
    rearm = drain(allocation)
    assert services.close_epoch(rearm.pk) == 5
    assert (_pool(item), _state(allocation)) == (8, "closed")
    assert services.close_epoch(rearm.pk) == 0
    assert _pool(item) == 8
    rearm.refresh_from_db()
    allocation.refresh_from_db()
    assert rearm.stage == "closed"
    assert allocation.closed_at is not None
    assert services.conservation(item.pk).drift == 0


@pytest.mark.parametrize("stage", ["fenced", "disarmed", "drained"])
def test_nothing_is_closed_before_its_barrier_was_sent(item, open_epoch, stage):
    allocation = open_epoch(units=7)
    rearm = services.begin_rearm(allocation.pk, "fast", "test")
    Rearm.objects.update(stage=stage)
    with pytest.raises(services.RearmNotReady):
        services.close_epoch(rearm.pk)
    assert (_pool(item), _state(allocation)) == (3, "draining")


def test_an_unknown_rearm_closes_nothing(db):
    with pytest.raises(services.RearmUnknown):
        services.close_epoch(uuid.uuid4())


@pytest.mark.parametrize("by_hand", [True, False])
def test_the_end_of_a_campaign_ends_its_epochs_and_no_others(
    approved, item, open_epoch, now, by_hand
):
    allocation = open_epoch(units=4)
    other = campaigns.create_draft(
        approved.merchant,
        slug="other",
        title="Other",
        starts_at=approved.starts_at,
        ends_at=approved.ends_at + (approved.ends_at - approved.starts_at),
        items=[{"sku": "CUP", "title": "Cup", "units": 5, "price_minor": 500}],
    )
    other = campaigns.approve(other, by=None, now=now)
    stays = open_epoch(of=other.items.get())
    if by_hand:
        campaigns.end_now(approved, None, now)
    else:
        assert campaigns.end_due(approved.ends_at) == 1
    (rearm,) = services.open_rearms()
    assert rearm.allocation == allocation
    assert (rearm.mode, rearm.reason) == ("full", "campaign ended")
    assert (_state(allocation), _state(stays)) == ("draining", "selling")
    for step in (("fenced", "disarmed"), ("disarmed", "drained")):
        assert services.advance(rearm.pk, *step)
    assert services.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
    assert services.close_epoch(rearm.pk) == 4
    assert _pool(item) == 10

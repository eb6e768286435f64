"""Which outboxes are looked after, and what may be dropped from them."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from control_plane.campaigns.models import Campaign
from control_plane.dead_letters.services import Letter, keep
from control_plane.inventory.models import Allocation
from control_plane.orders.models import DatabaseIntent
from control_plane.orders.services import land, mark_relayed
from tests.redis.waiting import until
from workers import intent as intents
from workers.runtime.clock import SystemClock
from workers.stock.keys import Shard
from workers.tests.relaying import (
    delivered,
    nothing_left,
    read_and_die,
    requests_in,
    run_until,
)
from workers.tests.selling import close, reserve_in_database, sell

pytestmark = pytest.mark.django_db(transaction=True)


def _decide(cluster, shard, clock, entries):
    found = cluster.node_of(shard).xrange(shard.outbox)
    requests = requests_in(found[:entries], shard)
    land([intents.decode(one.value.encode()) for one in requests], clock.now())


def _length(cluster, shard):
    return cluster.node_of(shard).xlen(shard.outbox)


def _three_entries(cluster, shard):
    for batch in range(3):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(4)])


def test_only_a_decided_prefix_is_dropped(
    new_relay, cluster, shard, keeper, clock, allocation, broker
):
    _three_entries(cluster, shard)
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    assert keeper.trim(shard) == 0
    _decide(cluster, shard, clock, entries=2)
    assert keeper.trim(shard) == 2
    assert _length(cluster, shard) == 1
    assert keeper.trim(shard) == 0
    _decide(cluster, shard, clock, entries=1)
    assert keeper.trim(shard) == 1
    assert _length(cluster, shard) == 0


def test_an_entry_that_is_decided_in_part_stays(
    new_relay, cluster, shard, keeper, clock, allocation, broker
):
    sell(cluster, shard, ["ann", "bob"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    first, _ = requests_in(cluster.node_of(shard).xrange(shard.outbox), shard)
    land([intents.decode(first.value.encode())], clock.now())
    assert keeper.trim(shard) == 0


def test_the_age_of_the_oldest_undecided_entry_is_told(
    new_relay, cluster, shard, keeper, clock, allocation, broker, monkeypatch
):
    """Kafka has acknowledged them: were they lost there, nothing else would tell."""
    monkeypatch.setattr("workers.outbox_keeper.TRIM_EVERY_S", 0)
    hour = timedelta(hours=1)
    _three_entries(cluster, shard)
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    monkeypatch.setattr(keeper, "_clock", _Later(hour))
    keeper.turn()
    age_s = REGISTRY.get_sample_value("sluice_relay_undecided_seconds")
    assert age_s is not None
    assert hour.total_seconds() <= age_s < hour.total_seconds() + 60
    _decide(cluster, shard, clock, entries=3)
    keeper.turn()
    assert REGISTRY.get_sample_value("sluice_relay_undecided_seconds") == 0


def test_what_waits_as_a_dead_letter_has_an_age_of_its_own(
    new_relay, cluster, shard, keeper, clock, allocation, broker, monkeypatch
):
    """Attempts take 36 minutes; what nobody attempts is another alarm, also behind it."""
    monkeypatch.setattr("workers.outbox_keeper.TRIM_EVERY_S", 0)
    monkeypatch.setattr("workers.outbox_keeper.TRIM_ENTRIES", 2)
    hour = timedelta(hours=1)
    for shopper in ("ann", "bob", "cid", "dee"):
        sell(cluster, shard, [shopper])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    found = requests_in(cluster.node_of(shard).xrange(shard.outbox), shard)
    monkeypatch.setattr(keeper, "_clock", _Later(hour))

    def ages():
        keeper.turn()
        names = ("sluice_relay_undecided_seconds", "sluice_relay_dead_letter_seconds")
        return [(REGISTRY.get_sample_value(name) or 0) >= hour.total_seconds() for name in names]

    def letter(n):
        place = ("reservations", "reservations", "reservations", 0, n)
        keep([Letter(*place, found[n].value.encode(), "refused", "no")], clock.now())

    assert ages() == [True, False]
    # All but the last: it is found behind them, with another read.
    for n in range(3):
        letter(n)
    assert ages() == [True, True]
    letter(3)
    assert ages() == [False, True]
    land([intents.decode(one.value.encode()) for one in found], clock.now())
    assert ages() == [False, False]


class _Later(SystemClock):
    def __init__(self, by):
        self._by = by

    def now(self):
        return super().now() + self._by


def test_a_rejection_is_a_decision(new_relay, cluster, shard, keeper, clock, broker, item):
    sell(cluster, shard, ["ann"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    _decide(cluster, shard, clock, entries=1)
    assert keeper.trim(shard) == 1


def test_what_kafka_has_not_acknowledged_stays_even_if_decided(
    new_relay, cluster, shard, keeper, clock, allocation
):
    _three_entries(cluster, shard)
    assert len(read_and_die(new_relay(), shard, entries=1)) == 1
    _decide(cluster, shard, clock, entries=3)
    assert keeper.trim(shard) == 0
    assert _length(cluster, shard) == 3


def test_a_long_outbox_is_dropped_whole(
    new_relay, cluster, shard, keeper, clock, allocation, broker
):
    for number in range(100):
        sell(cluster, shard, [f"shopper-{number}"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    _decide(cluster, shard, clock, entries=100)
    assert keeper.trim(shard) == 100


def _end_two_days_ago(item, clock):
    now = clock.now()
    Campaign.objects.filter(pk=item.campaign_id).update(
        state="ended", starts_at=now - timedelta(days=3), ends_at=now - timedelta(days=2)
    )


def test_an_outbox_is_looked_after_however_long_its_campaign_is_over(
    new_relay, cluster, shard, keeper, clock, allocation, broker, item
):
    sell(cluster, shard, ["ann", "bob"])
    _end_two_days_ago(item, clock)
    keeper.turn()
    assert keeper.shards == (shard,)
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    assert len(delivered(broker)) == 2


def test_an_old_outbox_is_left_alone_once_it_is_empty(
    new_relay, cluster, shard, keeper, clock, allocation, broker, item, monkeypatch
):
    monkeypatch.setattr("workers.outbox_keeper.TRIM_EVERY_S", 0)
    sell(cluster, shard, ["ann"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    _end_two_days_ago(item, clock)
    keeper.turn()
    keeper.turn()
    assert keeper.shards == (shard,)
    _decide(cluster, shard, clock, entries=1)
    keeper.turn()
    keeper.turn()
    assert keeper.shards == ()


def test_a_closed_epochs_outbox_is_looked_after_until_a_day_after_the_end(
    new_relay, cluster, shard, keeper, allocation, broker, item, clock
):
    """A failover brought an entry back that nobody had relayed, and its epoch is closed."""
    sell(cluster, shard, ["ann", "bob"])
    keeper.turn()
    assert (keeper.shards, keeper.closed) == ((shard,), frozenset())
    close(allocation)
    keeper.turn()
    assert (keeper.shards, keeper.closed) == ((shard,), {shard})
    relay, done = new_relay(), nothing_left(cluster, shard)
    until(lambda: relay.turn(keeper.shards, keeper.closed) >= 0 and done(), "it is relayed")
    assert len(delivered(broker)) == 2
    _end_two_days_ago(item, clock)
    keeper.turn()
    assert keeper.shards == (shard,), "it was closed a moment ago"
    Allocation.objects.update(closed_at=clock.now() - timedelta(days=2))
    keeper.turn()
    assert keeper.shards == ()


def test_a_closed_epochs_quiet_outbox_is_read_seldom(
    new_relay, cluster, shard, allocation, broker, monkeypatch
):
    monkeypatch.setattr("workers.stock.outbox.CLOSED_READ_S", 1e9)
    relay = new_relay()
    done = nothing_left(cluster, shard)
    sell(cluster, shard, ["ann"])
    run_until(relay, shard, done)
    monkeypatch.setattr("workers.stock.outbox.QUIET_AFTER_S", 0)
    sell(cluster, shard, ["bob"])
    for _ in range(20):
        relay.turn([shard], closed={shard})
    assert not done()
    run_until(relay, shard, done)


def test_each_outbox_is_in_its_epochs_own_cluster_and_the_databases_epoch_has_none(
    keeper, allocation, item
):
    for epoch, source in ((2, "standby"), (3, "database")):
        Allocation.objects.filter(item=item, state="selling").update(state="draining")
        Allocation.objects.create(item=item, shard=0, epoch=epoch, source=source)
    keeper.turn()
    assert keeper.shards == (Shard(item.pk, 0, 1), Shard(item.pk, 0, 2, "standby"))


def test_intents_of_the_database_are_forgotten_when_they_are_decided(
    keeper, allocation, item, clock
):
    now = clock.now()
    rows = [reserve_in_database(item.pk, name, now) for name in ("ann", "bob")]
    mark_relayed([row.pk for row in rows])
    land([intents.decode(rows[0].value.encode())], now)
    keeper.turn()
    assert [row.shopper for row in DatabaseIntent.objects.all()] == ["bob"]


def test_an_empty_outbox_is_looked_after_while_its_campaign_may_sell(
    cluster, shard, keeper, allocation, monkeypatch
):
    monkeypatch.setattr("workers.outbox_keeper.TRIM_EVERY_S", 0)
    keeper.turn()
    keeper.turn()
    assert keeper.shards == (shard,)

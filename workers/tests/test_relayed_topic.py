"""What a topic took with it is sent again, by whichever relay comes after it."""

from dataclasses import replace

import pytest

from control_plane.orders.models import DatabaseIntent
from control_plane.orders.services import land, mark_relayed, relayed_topic
from tests.redis.waiting import until
from workers import intent as intents
from workers.relayed_topic import RelayedTopic
from workers.runtime.verdicts import Unavailable
from workers.tests.relaying import delivered, nothing_left, run_until
from workers.tests.selling import reserve_in_database, sell

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = "reservations"


def _settle(clusters, shards, topic_id):
    RelayedTopic(clusters, TOPIC, {TOPIC: topic_id}).settle(shards)


def test_the_first_topic_and_the_same_one_have_nothing_sent_again(
    new_relay, clusters, cluster, shard, broker
):
    sell(cluster, shard, ["ann", "bob"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    for _ in range(2):
        _settle(clusters, [shard], "one")
        assert relayed_topic(TOPIC) == "one"
        assert nothing_left(cluster, shard)()


def test_what_has_no_order_is_sent_again_once_the_topic_is_another_one(
    new_relay, clusters, cluster, shard, broker, keeper, allocation, clock
):
    for batch in (["ann", "bob"], ["cid", "dan"]):
        sell(cluster, shard, batch)
    _settle(clusters, [shard], "one")
    relay = new_relay()
    run_until(relay, shard, nothing_left(cluster, shard))
    land([intents.decode(value) for value in delivered(broker)[:2]], clock.now())
    keeper.trim(shard)
    left = cluster.node_of(shard).xlen(shard.outbox)
    assert left in (1, 2)
    _settle(clusters, [shard], "another")
    assert not nothing_left(cluster, shard)()
    # The same relay, which has read all of it before.
    run_until(relay, shard, nothing_left(cluster, shard))
    assert len(delivered(broker)) == 4 + 2 * left
    assert relayed_topic(TOPIC) == "another"


def test_nothing_is_known_of_a_topic_before_kafka_has_said_so(clusters, shard):
    RelayedTopic(clusters, TOPIC, {}).settle([shard])
    assert relayed_topic(TOPIC) is None


def test_it_is_noted_only_when_every_outbox_was_rewound(
    new_relay, clusters, cluster, shard, broker, keeper, monkeypatch
):
    sell(cluster, shard, ["ann"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    _settle(clusters, [shard], "one")
    topic = RelayedTopic(clusters, TOPIC, {TOPIC: "another"})
    keeper.shards, keeper._topic = (shard,), topic
    rewind = topic._rewind

    def away(_shard):
        raise Unavailable("node: no answer")

    monkeypatch.setattr(topic, "_rewind", away)
    assert keeper._settle_topic() == "node: no answer"
    assert relayed_topic(TOPIC) == "one"
    assert len(delivered(broker)) == 1
    monkeypatch.setattr(topic, "_rewind", rewind)
    assert keeper._settle_topic() is None
    assert relayed_topic(TOPIC) == "another"
    run_until(new_relay(), shard, lambda: len(delivered(broker)) == 2)


def test_a_node_that_is_away_holds_up_no_other_and_no_row(
    new_relay, clusters, cluster, shard, broker, monkeypatch
):
    sell(cluster, shard, ["ann"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    _settle(clusters, [shard], "one")
    lost = replace(shard, epoch=99)
    topic = RelayedTopic(clusters, TOPIC, {TOPIC: "another"})
    rewind = topic._rewind

    def away(one):
        if one == lost:
            raise Unavailable("node: no answer")
        rewind(one)

    monkeypatch.setattr(topic, "_rewind", away)
    with pytest.raises(Unavailable):
        topic.settle([lost, shard])
    run_until(new_relay(), shard, lambda: len(delivered(broker)) == 2)
    assert topic._rows == 0
    assert relayed_topic(TOPIC) == "one"


def test_an_outbox_that_is_gone_holds_up_nothing(clusters, cluster, shard):
    _settle(clusters, [shard], "one")
    cluster.node_of(shard).delete(shard.outbox)
    _settle(clusters, [shard], "another")
    assert relayed_topic(TOPIC) == "another"


def test_rows_of_the_database_are_sent_again_too_unless_they_are_decided(
    clusters, shard, allocation, clock
):
    first, second = (reserve_in_database(shard.item, name, clock.now()) for name in ("ann", "bob"))
    mark_relayed([first.pk, second.pk])
    land([intents.decode(first.value.encode())], clock.now())
    _settle(clusters, [shard], "one")
    assert not DatabaseIntent.objects.filter(relayed_at=None).exists()
    _settle(clusters, [shard], "another")
    until(lambda: DatabaseIntent.objects.count() == 1, "the decided one is forgotten")
    left = DatabaseIntent.objects.get()
    assert (left.shopper, left.relayed_at) == ("bob", None)

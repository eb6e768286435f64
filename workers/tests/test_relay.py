"""Outbox → Kafka, at least once, with a real Redis and a real broker."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import REGISTRY

from control_plane.inventory import services as inventory
from control_plane.orders.models import Order
from control_plane.orders.services import land
from tests.redis.waiting import until
from workers import intent as intents
from workers import relay as relay_module
from workers.relay import Relay
from workers.runtime import kafka
from workers.stock import scripts
from workers.stock.keys import Shard
from workers.stock.outbox import OutboxReader, request_of
from workers.tests.messages import line
from workers.tests.relaying import (
    delivered,
    nothing_left,
    pending,
    read_and_die,
    requests_in,
    run_until,
)
from workers.tests.selling import arm, put_lines, sell

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_reservation_arrives_under_its_shopper(new_relay, cluster, shard, broker):
    shoppers = [f"shopper-{n}" for n in range(70)]
    assert sell(cluster, shard, shoppers[:50]) == "R" * 50
    assert sell(cluster, shard, shoppers[50:]) == "R" * 20
    entries = cluster.node_of(shard).xrange(shard.outbox)
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    messages = broker.read(broker.names.reservations)
    assert sorted(message.key().decode() for message in messages) == sorted(shoppers)
    requests = requests_in(entries, shard)
    assert sorted(message.value() for message in messages) == sorted(
        request.value.encode() for request in requests
    )
    for message in messages:
        assert json.loads(message.value())["shopper"] == message.key().decode()
    ids = {entry_id for entry_id, _ in entries}
    assert {dict(message.headers())["outbox"] for message in messages} == ids


def test_the_key_decides_the_partition_as_in_java(new_relay, cluster, shard, broker):
    """Kafka's default partitioner for keyed messages: toPositive(murmur2(key)) % partitions."""
    sell(cluster, shard, ["ann", "shopper-1", "shopper-2"])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    messages = broker.read(broker.names.reservations)
    places = {message.key().decode(): message.partition() for message in messages}
    assert places == {name: _java_partition(name.encode(), 8) for name in places}


def test_shoppers_of_one_entry_keep_their_order_within_a_partition(
    new_relay, cluster, shard, broker
):
    sell(cluster, shard, [f"shopper-{n}" for n in range(64)])
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    for partition in range(8):
        found = [
            int(message.key().decode().removeprefix("shopper-"))
            for message in broker.read(broker.names.reservations)
            if message.partition() == partition
        ]
        assert found == sorted(found)


def test_a_relay_that_died_before_the_acknowledgement_sends_again(
    new_relay, cluster, shard, broker, monkeypatch
):
    sell(cluster, shard, ["ann", "bob"])
    first = new_relay()
    monkeypatch.setattr(first, "_acknowledge", lambda: None)
    run_until(first, shard, lambda: len(first._delivered) == 1)
    assert pending(cluster, shard) == 1
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    values = delivered(broker)
    assert len(values) == 4
    assert len(set(values)) == 2


def test_a_relay_that_died_before_producing_loses_nothing(new_relay, cluster, shard, broker):
    sell(cluster, shard, ["ann", "bob"])
    assert len(read_and_die(new_relay(), shard)) == 1
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    assert len(delivered(broker)) == 2


def test_a_relay_whose_topic_is_missing_waits_and_goes_on_where_it_was(
    new_relay, cluster, shard, broker, monkeypatch
):
    sell(cluster, shard, ["ann", "bob"])
    relay = new_relay()
    client, missing = relay._producer, KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))

    class Missing:
        def produce(self, *_args, **_options):
            raise missing

        def poll(self, wait_s):
            client.poll(wait_s)

    monkeypatch.setattr(relay, "_producer", Missing())
    until(lambda: relay.turn([shard]) == 1, "the entry is read")
    assert relay.turn([shard]) == 0
    assert relay.problem and "topic" in relay.problem
    assert pending(cluster, shard) == 1
    monkeypatch.setattr(relay, "_producer", client)
    run_until(relay, shard, nothing_left(cluster, shard))
    assert relay.problem is None
    assert len(delivered(broker)) == 2


def test_another_relay_takes_over_what_a_dead_one_had_read(
    new_relay, cluster, shard, broker, monkeypatch
):
    sell(cluster, shard, ["ann", "bob"])
    assert len(read_and_die(new_relay("dead"), shard)) == 1
    monkeypatch.setattr("workers.stock.outbox.CLAIM_IDLE_MS", 0)
    monkeypatch.setattr(relay_module, "CLAIM_EVERY_S", 0)
    run_until(new_relay("alive"), shard, nothing_left(cluster, shard))
    assert len(delivered(broker)) == 2


def test_a_relay_that_stood_still_repeats_and_harms_nothing(
    new_relay, cluster, shard, broker, item, allocation, clock, keeper, monkeypatch
):
    """It had read two entries; another took them over, they were decided and trimmed."""
    for batch in range(2):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(10)])
    zombie, other = new_relay("zombie"), new_relay("other")
    held = read_and_die(zombie, shard)
    assert len(held) == 2
    monkeypatch.setattr("workers.stock.outbox.CLAIM_IDLE_MS", 0)
    monkeypatch.setattr(relay_module, "CLAIM_EVERY_S", 0)
    run_until(other, shard, nothing_left(cluster, shard))
    values = delivered(broker)
    assert len(values) == 20
    land([intents.decode(value) for value in values], clock.now())
    assert keeper.trim(shard) == 2
    sell(cluster, shard, ["late"])
    for entry in held:
        zombie._send(entry)
    until(lambda: zombie.turn([shard]) >= 0 and not zombie._held, "the zombie is done")
    run_until(other, shard, nothing_left(cluster, shard))
    values = delivered(broker)
    assert (len(values), len(set(values))) == (41, 21)
    land([intents.decode(value) for value in values], clock.now())
    assert Order.objects.count() == 21
    assert inventory.conservation(item.pk).drift == 0
    assert keeper.trim(shard) == 1


def test_what_is_read_again_while_it_is_under_way_is_not_sent_again(
    new_relay, cluster, shard, monkeypatch
):
    monkeypatch.setattr("workers.stock.outbox.CLAIM_IDLE_MS", 0)
    monkeypatch.setattr(relay_module, "CLAIM_EVERY_S", 0)
    sell(cluster, shard, ["ann", "bob"])
    relay = new_relay(brokers="127.0.0.1:1")
    until(lambda: relay.turn([shard]), "it is read")
    again = until(lambda: relay._reader.claim([shard], 10), "it is claimed")
    assert len(again) == 1
    for _ in range(20):
        relay.turn([shard])
    assert (relay.in_flight, len(relay._producer)) == (2, 2)
    relay._producer.purge()


def test_two_relays_at_once_lose_nothing(new_relay, cluster, shard, broker):
    one, two = new_relay("one"), new_relay("two")
    for batch in range(20):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(10)])
        one.turn([shard])
        two.turn([shard])
    done = nothing_left(cluster, shard)
    until(lambda: one.turn([shard]) + two.turn([shard]) >= 0 and done(), "both are done")
    values = delivered(broker)
    assert len(set(values)) == 200
    assert len(values) == 200


def test_without_kafka_it_reads_no_more_than_its_bound(new_relay, cluster, shard, monkeypatch):
    monkeypatch.setattr(relay_module, "IN_FLIGHT_MAX", 50)
    monkeypatch.setattr(relay_module, "INTENTS_AN_ENTRY_MAX", 10)
    for batch in range(20):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(10)])
    relay = new_relay(brokers="127.0.0.1:1")
    for _ in range(50):
        relay.turn([shard])
    assert relay._in_flight == 50
    assert len(relay._producer) == 50
    assert pending(cluster, shard) == 5
    relay._producer.purge()


def test_full_entries_of_many_shards_do_not_exceed_its_bound(
    new_relay, cluster, shard, item, monkeypatch
):
    monkeypatch.setattr(relay_module, "IN_FLIGHT_MAX", 50)
    monkeypatch.setattr(relay_module, "INTENTS_AN_ENTRY_MAX", 20)
    others = [Shard(item.pk, 0, epoch) for epoch in (2, 3)]
    for other in others:
        arm(cluster, other)
    relay = new_relay(brokers="127.0.0.1:1")
    for one in (shard, *others):
        for batch in range(3):
            sell(cluster, one, [f"shopper-{one.epoch}-{batch}-{n}" for n in range(20)])
    for _ in range(20):
        relay.turn([shard, *others])
        assert relay.in_flight <= 50
    assert relay.in_flight == 40
    relay._producer.purge()


def test_with_room_for_one_entry_every_shard_gets_its_turn(
    new_relay, cluster, shard, item, broker, monkeypatch
):
    monkeypatch.setattr(relay_module, "IN_FLIGHT_MAX", 20)
    monkeypatch.setattr(relay_module, "INTENTS_AN_ENTRY_MAX", 20)
    other = Shard(item.pk, 0, 2)
    arm(cluster, other)
    for batch in range(20):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(20)])
    sell(cluster, other, ["ann"])
    relay = new_relay()
    done = nothing_left(cluster, other)
    until(lambda: relay.turn([shard, other]) >= 0 and done(), "the other shard is relayed")
    assert not nothing_left(cluster, shard)()


def test_a_full_queue_of_the_client_delays_and_loses_nothing(
    clusters, cluster, shard, broker, clock
):
    settings = kafka.producer_settings(broker.brokers) | {"queue.buffering.max.messages": 10}
    reader = OutboxReader(clusters, "relay-1", clock)
    relay = Relay(reader, kafka.connect_producer(settings), clock, broker.names)
    sent_again = REGISTRY.get_sample_value("sluice_relay_restarts_total")
    sell(cluster, shard, [f"shopper-{n}" for n in range(64)])
    run_until(relay, shard, nothing_left(cluster, shard))
    assert len(set(delivered(broker))) == 64
    # Sent again is one only where a broker has just come up (`kafka.delivery_fault`).
    if REGISTRY.get_sample_value("sluice_relay_restarts_total") == sent_again:
        assert len(delivered(broker)) == 64
    assert relay.in_flight == 0


class _Forgetful:
    """A producer whose first message is lost and reported as delivered, without an offset."""

    def __init__(self, inner):
        self._inner = inner
        self._has_lost = False

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def produce(self, topic, value, key, *, headers, on_delivery):
        if self._has_lost:
            self._inner.produce(topic, value, key, headers=headers, on_delivery=on_delivery)
            return
        self._has_lost = True
        on_delivery(None, SimpleNamespace(offset=lambda: None))


def test_delivered_without_an_offset_is_not_delivered(
    clusters, cluster, shard, broker, clock, monkeypatch
):
    """KAFKA-15591: the broker never had it."""
    monkeypatch.setattr(relay_module, "SEND_AGAIN_S", 0.01)
    reader = OutboxReader(clusters, "relay-1", clock)
    relay = Relay(reader, cast(Any, _Forgetful(broker.producer())), clock, broker.names)
    sell(cluster, shard, ["ann", "bob"])
    run_until(relay, shard, nothing_left(cluster, shard))
    assert len(set(delivered(broker))) == 2


def test_the_largest_entry_is_the_reserve_scripts():
    assert f"MAX_REQUESTS = {relay_module.INTENTS_AN_ENTRY_MAX}\n" in scripts.load("reserve").text


def test_a_line_without_a_shopper_is_dead_lettered_and_the_rest_goes_on(
    new_relay, cluster, shard, broker, item
):
    lines = [b"7", line(item.pk, "ann"), b"rubbish", line(item.pk + 1, "bob")]
    put_lines(cluster, shard, *lines)
    run_until(new_relay(), shard, nothing_left(cluster, shard))
    assert delivered(broker) == [request_of(shard, lines[1]).value.encode()]
    letters = broker.read(broker.names.dead_letters)
    assert [letter.value() for letter in letters] == [lines[0], lines[2], lines[3]]
    assert dict(letters[0].headers())["source_topic"] == shard.outbox.encode()


def test_an_outbox_that_does_not_exist_yet_holds_up_nobody(new_relay, cluster, shard, broker, item):
    sell(cluster, shard, ["ann"])
    relay = new_relay()
    unarmed = Shard(item.pk, 0, 2)
    done = nothing_left(cluster, shard)
    until(lambda: relay.turn([unarmed, shard]) >= 0 and done(), "the armed shard is relayed")
    arm(cluster, unarmed)
    sell(cluster, unarmed, ["bob"])
    done = nothing_left(cluster, unarmed)
    until(lambda: relay.turn([unarmed, shard]) >= 0 and done(), "the other follows")
    assert len(delivered(broker)) == 2


def _java_partition(key, partitions):
    """org.apache.kafka.common.utils.Utils.murmur2, written down again as the reference."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    for at in reversed(range(whole, len(key))):
        h ^= key[at] << 8 * (at - whole)
    if whole != len(key):
        h = h * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions

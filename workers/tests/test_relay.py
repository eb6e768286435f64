"""Outbox → Kafka, at least once, with a real Redis and a real broker."""

import json
import threading

import pytest

from control_plane.inventory import services as inventory
from control_plane.orders.services import land
from tests.redis.waiting import until
from workers import intent as intents
from workers import relay as relay_module
from workers.outbox_keeper import OutboxKeeper
from workers.relay import Relay
from workers.runtime import kafka
from workers.stock.keys import RELAY_GROUP, Shard
from workers.stock.outbox import OutboxReader
from workers.tests.messages import intent
from workers.tests.selling import arm, put_lines, sell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shard(item, cluster):
    armed = Shard(item.pk, 0, 1)
    arm(cluster, armed)
    return armed


@pytest.fixture
def new_relay(cluster, broker, clock):
    """Relays by consumer name, in this thread."""

    def build(consumer="relay-1", brokers=None, cluster=cluster):
        producer = broker.producer() if brokers is None else _producer(brokers)
        return Relay(OutboxReader(cluster, consumer, clock), producer, clock, broker.names)

    return build


def _producer(brokers):
    return kafka.connect_producer(kafka.producer_settings(brokers))


def _pending(cluster, shard):
    return cluster.node_of(shard).xpending(shard.outbox, RELAY_GROUP)["pending"]


def _run(relay, shard, done):
    until(lambda: relay.turn([shard]) >= 0 and done(), "the relay is done", pause_s=0)


def _read_and_die(relay, shard, entries=10):
    return until(lambda: relay._reader.read([shard], entries), "there are entries")


def _nothing_left(cluster, shard):
    """All read and all acknowledged."""

    def look():
        (group,) = cluster.node_of(shard).xinfo_groups(shard.outbox)
        return group["pending"] == 0 and group["lag"] == 0

    return look


def _delivered(broker):
    return [message.value() for message in broker.read(broker.names.reservations)]


def test_every_intent_arrives_verbatim_under_its_shopper(new_relay, cluster, shard, broker):
    shoppers = [f"shopper-{n}" for n in range(70)]
    assert sell(cluster, shard, shoppers[:50]) == "R" * 50
    assert sell(cluster, shard, shoppers[50:]) == "R" * 20
    entries = cluster.node_of(shard).xrange(shard.outbox)
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    messages = broker.read(broker.names.reservations)
    assert sorted(message.key().decode() for message in messages) == sorted(shoppers)
    written = [line for _, fields in entries for line in fields[b"intents"].split(b"\n")]
    assert sorted(message.value() for message in messages) == sorted(written)
    for message in messages:
        assert json.loads(message.value())["shopper"] == message.key().decode()
    ids = {entry_id for entry_id, _ in entries}
    assert {dict(message.headers())["outbox"] for message in messages} == ids


def test_the_key_decides_the_partition_as_in_java(new_relay, cluster, shard, broker):
    """Kafka's default partitioner for keyed messages: toPositive(murmur2(key)) % partitions."""
    sell(cluster, shard, ["ann", "shopper-1", "shopper-2"])
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    messages = broker.read(broker.names.reservations)
    places = {message.key().decode(): message.partition() for message in messages}
    assert places == {name: _java_partition(name.encode(), 8) for name in places}


def test_shoppers_of_one_entry_keep_their_order_within_a_partition(
    new_relay, cluster, shard, broker
):
    sell(cluster, shard, [f"shopper-{n}" for n in range(64)])
    _run(new_relay(), shard, _nothing_left(cluster, shard))
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
    _run(first, shard, lambda: len(first._delivered) == 1)
    assert _pending(cluster, shard) == 1
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    delivered = _delivered(broker)
    assert len(delivered) == 4
    assert len(set(delivered)) == 2


def test_a_relay_that_died_before_producing_loses_nothing(new_relay, cluster, shard, broker):
    sell(cluster, shard, ["ann", "bob"])
    assert len(_read_and_die(new_relay(), shard)) == 1
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    assert len(_delivered(broker)) == 2


def test_another_relay_takes_over_what_a_dead_one_had_read(
    new_relay, cluster, shard, broker, monkeypatch
):
    sell(cluster, shard, ["ann", "bob"])
    assert len(_read_and_die(new_relay("dead"), shard)) == 1
    monkeypatch.setattr("workers.stock.outbox.CLAIM_IDLE_MS", 0)
    monkeypatch.setattr(relay_module, "CLAIM_EVERY_S", 0)
    _run(new_relay("alive"), shard, _nothing_left(cluster, shard))
    assert len(_delivered(broker)) == 2


def test_two_relays_at_once_lose_nothing(new_relay, cluster, shard, broker):
    one, two = new_relay("one"), new_relay("two")
    for batch in range(20):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(10)])
        one.turn([shard])
        two.turn([shard])
    done = _nothing_left(cluster, shard)
    until(lambda: one.turn([shard]) + two.turn([shard]) >= 0 and done(), "both are done")
    delivered = _delivered(broker)
    assert len(set(delivered)) == 200
    assert len(delivered) == 200


def test_without_kafka_it_reads_no_more_than_its_bound(new_relay, cluster, shard, monkeypatch):
    monkeypatch.setattr(relay_module, "IN_FLIGHT_MAX", 50)
    monkeypatch.setattr(relay_module, "INTENTS_AN_ENTRY", 10)
    for batch in range(20):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(10)])
    relay = new_relay(brokers="127.0.0.1:1")
    for _ in range(50):
        relay.turn([shard])
    assert relay._in_flight == 50
    assert len(relay._producer) == 50
    assert _pending(cluster, shard) == 5
    relay._producer.purge()


def test_a_line_without_a_shopper_is_dead_lettered_and_the_rest_goes_on(
    new_relay, cluster, shard, broker, item
):
    lines = [b'{"v":1,"shopper":7}', intent(item.pk, "ann"), b"rubbish", b'{"shopper":"a b"}']
    put_lines(cluster, shard, *lines)
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    assert _delivered(broker) == [lines[1]]
    letters = broker.read(broker.names.dead_letters)
    assert [letter.value() for letter in letters] == [lines[0], lines[2], lines[3]]
    assert dict(letters[0].headers())["source_topic"] == shard.outbox.encode()


def test_an_outbox_that_does_not_exist_yet_holds_up_nobody(new_relay, cluster, shard, broker, item):
    sell(cluster, shard, ["ann"])
    relay = new_relay()
    unarmed = Shard(item.pk, 0, 2)
    done = _nothing_left(cluster, shard)
    until(lambda: relay.turn([unarmed, shard]) >= 0 and done(), "the armed shard is relayed")
    arm(cluster, unarmed)
    sell(cluster, unarmed, ["bob"])
    done = _nothing_left(cluster, unarmed)
    until(lambda: relay.turn([unarmed, shard]) >= 0 and done(), "the other follows")
    assert len(_delivered(broker)) == 2


# Trimming ------------------------------------------------------------------------------------


@pytest.fixture
def keeper(cluster, clock):
    return OutboxKeeper(cluster, clock, threading.Event())


@pytest.fixture
def allocation(item):
    opened = inventory.open_allocation(item.pk, 0)
    inventory.begin_grant(opened.pk, 1000)


def _decide(cluster, shard, clock, entries):
    found = cluster.node_of(shard).xrange(shard.outbox)
    lines = [line for _, one in found[:entries] for line in one[b"intents"].split(b"\n")]
    land([intents.decode(line) for line in lines], clock.now())


def _length(cluster, shard):
    return cluster.node_of(shard).xlen(shard.outbox)


def _three_entries(cluster, shard):
    for batch in range(3):
        sell(cluster, shard, [f"shopper-{batch}-{n}" for n in range(4)])


def test_only_a_decided_prefix_is_dropped(
    new_relay, cluster, shard, keeper, clock, allocation, broker
):
    _three_entries(cluster, shard)
    _run(new_relay(), shard, _nothing_left(cluster, shard))
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
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    ((_, entry),) = cluster.node_of(shard).xrange(shard.outbox)
    land([intents.decode(entry[b"intents"].split(b"\n")[0])], clock.now())
    assert keeper.trim(shard) == 0


def test_a_rejection_is_a_decision(new_relay, cluster, shard, keeper, clock, broker, item):
    sell(cluster, shard, ["ann"])
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    _decide(cluster, shard, clock, entries=1)
    assert keeper.trim(shard) == 1


def test_what_kafka_has_not_acknowledged_stays_even_if_decided(
    new_relay, cluster, shard, keeper, clock, allocation
):
    _three_entries(cluster, shard)
    assert len(_read_and_die(new_relay(), shard, entries=1)) == 1
    _decide(cluster, shard, clock, entries=3)
    assert keeper.trim(shard) == 0
    assert _length(cluster, shard) == 3


def test_a_long_outbox_is_dropped_whole(
    new_relay, cluster, shard, keeper, clock, allocation, broker
):
    for number in range(100):
        sell(cluster, shard, [f"shopper-{number}"])
    _run(new_relay(), shard, _nothing_left(cluster, shard))
    _decide(cluster, shard, clock, entries=100)
    assert keeper.trim(shard) == 100


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

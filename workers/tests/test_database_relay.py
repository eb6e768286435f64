"""Rows that PostgreSQL reserved → Kafka, at least once, and nobody waits for anybody else."""

import socket
import threading

import pytest

from control_plane.orders.models import DatabaseIntent
from tests.redis.waiting import until
from workers import database_relay
from workers import relay as relay_module
from workers.database_relay import DATABASE, DatabaseRelay
from workers.runtime.env import StockRedis
from workers.runtime.readiness import Readiness
from workers.runtime.topic_watch import TopicWatch
from workers.runtime.verdicts import Unavailable
from workers.tests import relaying
from workers.tests.relaying import delivered
from workers.tests.running import in_thread
from workers.tests.selling import reserve_in_database, sell

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def readiness(clock):
    return Readiness(clock, [])


@pytest.fixture
def new_database_relay(broker, stop, readiness):
    def build(brokers=None):
        client = broker.producer() if brokers is None else relaying.producer(brokers)
        return DatabaseRelay(client, stop, readiness=readiness, names=broker.names)

    return build


@pytest.fixture
def put(item, clock):
    """Reserve in PostgreSQL for these shoppers; the values as the gateway wrote them."""

    def rows(*shoppers):
        made = [reserve_in_database(item.pk, shopper, clock.now()) for shopper in shoppers]
        return [row.value.encode() for row in made]

    return rows


def _waiting():
    return DatabaseIntent.objects.filter(relayed_at=None).count()


def test_every_row_arrives_verbatim_under_its_shopper_and_is_marked(
    new_database_relay, put, broker
):
    shoppers = [f"shopper-{n}" for n in range(50)]
    values = put(*shoppers)
    relay = new_database_relay()
    assert relay.relay() == 50
    messages = broker.read(broker.names.reservations)
    assert sorted(message.value() for message in messages) == sorted(values)
    assert sorted(message.key().decode() for message in messages) == sorted(shoppers)
    assert _waiting() == 0
    assert relay.relay() == 0
    assert len(delivered(broker)) == 50


def test_one_batch_is_bounded(new_database_relay, put, broker, monkeypatch):
    monkeypatch.setattr(database_relay, "ROWS_MAX", 3)
    put(*"abcdefg")
    relay = new_database_relay()
    assert [relay.relay() for _ in range(4)] == [3, 3, 1, 0]


def test_nothing_is_marked_before_kafka_has_it(
    new_database_relay, put, broker, stop, clock, monkeypatch
):
    put("ann")
    relay = new_database_relay(brokers=NOWHERE)
    stopper = threading.Timer(0.5, stop.set)
    stopper.start()
    with pytest.raises(Unavailable):
        relay.relay()
    stopper.join()
    assert _waiting() == 1


def test_one_that_died_before_the_mark_sends_again(new_database_relay, put, broker, monkeypatch):
    class Died(Exception):
        pass

    def die(_ids):
        raise Died

    put("ann")
    with monkeypatch.context() as patch:
        patch.setattr(database_relay, "mark_relayed", die)
        with pytest.raises(Died):
            new_database_relay().relay()
    assert new_database_relay().relay() == 1
    values = delivered(broker)
    assert (len(values), len(set(values))) == (2, 1)


def test_an_outage_is_waited_out_and_told(new_database_relay, put, readiness, monkeypatch):
    def fail(_limit):
        raise Unavailable("no database")

    monkeypatch.setattr(database_relay, "database_intents", fail)
    assert new_database_relay().turn() == database_relay.AFTER_FAILURE_S
    assert readiness.problem() == f"{DATABASE}: no database"


@pytest.fixture
def run(keeper, stop, readiness):
    """All threads of a relay, as its main function runs them."""

    topics = TopicWatch("127.0.0.1:1", ["reservations"], stop)

    def running(relay, database):
        threads = (relay, keeper, database)
        return in_thread(
            lambda: relay_module.run(*threads, stop, readiness, topics, "reservations"), stop
        )

    return running


def test_rows_do_not_wait_for_a_stock_redis_that_hangs(
    new_relay, new_database_relay, put, broker, run, shard, allocation
):
    put("ann")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seed = ("127.0.0.1", silent.getsockname()[1])
        relay = new_relay(sources={"primary": StockRedis((seed,), "worker", "x")})
        with run(relay, new_database_relay()):
            until(lambda: _waiting() == 0, "the row is relayed")
    assert len(delivered(broker)) == 1


def test_outboxes_do_not_wait_for_a_postgresql_that_hangs(
    new_relay, new_database_relay, cluster, shard, allocation, broker, run, stop, monkeypatch
):
    def hang(_limit):
        stop.wait()
        raise Unavailable("stopped")

    monkeypatch.setattr(database_relay, "database_intents", hang)
    with run(new_relay(), new_database_relay()):
        sell(cluster, shard, ["ann", "bob"])
        done = relaying.nothing_left(cluster, shard)
        until(done, "the outbox is relayed")
    assert len(delivered(broker)) == 2


def test_outboxes_do_not_wait_for_rows_that_kafka_does_not_take(
    new_relay, new_database_relay, put, cluster, shard, allocation, broker, run
):
    put("cid")
    with run(new_relay(), new_database_relay(brokers=NOWHERE)):
        sell(cluster, shard, ["ann", "bob"])
        done = relaying.nothing_left(cluster, shard)
        until(done, "the outbox is relayed")
    assert len(delivered(broker)) == 2
    assert _waiting() == 1


def test_a_failure_of_its_thread_ends_the_process(
    new_relay, new_database_relay, run, stop, monkeypatch
):
    monkeypatch.setattr(database_relay, "database_intents", None)
    with pytest.raises(TypeError), run(new_relay(), new_database_relay()):
        until(stop.is_set, "the relay has ended")

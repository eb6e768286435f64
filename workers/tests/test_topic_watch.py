"""Who works with a topic notices that it was deleted and made again."""

from threading import Event

import pytest

from tests.redis.waiting import until
from workers.runtime.topic_watch import TopicWatch
from workers.tests import running

DEADLINE_S = 60.0


@pytest.fixture
def made_again(broker):
    """A function: all topics go with what stands in them, and come again."""

    def remake():
        broker.delete_topics()
        until(lambda: not broker.there(), "the topics to go", DEADLINE_S, pause_s=0.2)
        broker.create_topics()

    return remake


def test_a_topic_is_another_one_when_it_was_made_again(broker, made_again):
    stop = Event()
    name = broker.names.reservations
    watch = TopicWatch(broker.brokers, [name], stop)
    until(lambda: watch.look() or watch.known, "its id", DEADLINE_S)
    watch.look()
    assert not watch.changed
    made_again()
    until(lambda: watch.look() == {name}, "the other id", DEADLINE_S)


def test_a_broker_that_is_away_is_no_other_topic():
    watch = TopicWatch("127.0.0.1:1", ["reservations"], Event())
    watch.look()
    assert not watch.known
    assert not watch.changed


@pytest.mark.django_db(transaction=True, databases=["default", "inventory"])
@pytest.mark.parametrize("worker", ["relay", "order_consumer"])
def test_its_process_ends_by_itself(broker, made_again, worker):
    process = running.start(f"workers.{worker}", environ := running.environment(broker.names))
    try:
        until(lambda: running.answers(environ), "it is up", DEADLINE_S)
        # It has to have seen the one before.
        with pytest.raises(AssertionError):
            until(lambda: process.poll() is not None, "no reason to end", 12, pause_s=0.5)
        made_again()
        until(lambda: process.poll() is not None, "its end", DEADLINE_S, pause_s=0.2)
        _, log = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert f"no longer the topic that it was: {broker.names.prefix}" in log

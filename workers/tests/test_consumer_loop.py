"""What the loop does with each verdict. Kafka itself is in test_order_consumer and tests/race."""

import threading

import pytest

from tests.redis.waiting import until
from workers.runtime import consumer as loop_module
from workers.runtime import metrics
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.verdicts import TooManyDeadLetters, Unavailable
from workers.tests.fake_consumer import FakeMessage
from workers.tests.loop_stage import (
    Notes,
    StepClock,
    batch_of,
    consumer,
    loop,
    notes,
    refuse,
    stop,
    stop_when,
)

__all__ = ["consumer", "loop", "notes", "stop"]


def test_a_batch_is_applied_announced_and_committed(loop, consumer, notes):
    consumer.batches.append(batch_of(5, b"a", b"b"))
    loop.run()
    assert notes.applied == [[b"a", b"b"]]
    assert notes.announced == [(["a", "b"], [])]
    assert consumer.commits == [{0: 7}]
    assert consumer.closed


def test_offsets_are_committed_batch_bybatch_of(loop, consumer, notes):
    notes._stop_after = 3
    for first in (0, 2, 4):
        consumer.batches.append(batch_of(first, b"a", b"b"))
    loop.run()
    assert consumer.commits == [{0: 2}, {0: 4}, {0: 6}]


def test_messages_of_no_interest_are_committed_without_being_applied(loop, consumer, notes):
    consumer.batches.append(batch_of(0, b"other", b"other"))
    loop.run()
    assert notes.applied == []
    assert consumer.commits == [{0: 2}]


def test_an_invalid_message_alone_becomes_a_dead_letter(loop, consumer, notes):
    consumer.batches.append(batch_of(0, b"a", b"bad", b"b"))
    loop.run()
    assert notes.announced == [(["a", "b"], [b"bad"])]
    assert consumer.commits == [{0: 3}]


def test_mostly_invalid_messages_stop_the_loop_before_anything_is_done(loop, consumer, notes):
    consumer.batches.append(batch_of(0, *[b"bad"] * 60, *[b"a"] * 40))
    with pytest.raises(TooManyDeadLetters):
        loop.run()
    assert (notes.applied, notes.announced, consumer.commits) == ([], [], [])
    assert consumer.closed


def test_others_messages_in_the_topic_do_not_hide_that_all_of_ours_are_invalid(
    loop, consumer, notes
):
    """The courier's answers are half of a topic at most."""
    values = [b"bad", b"other", b"other"] * 100
    consumer.batches.append([FakeMessage(value, n) for n, value in enumerate(values)])
    with pytest.raises(TooManyDeadLetters):
        loop.run()
    assert (notes.announced, consumer.commits) == ([], [])


def test_one_that_is_wrong_about_all_raises_the_alarm_in_its_group_before_it_ends(
    loop, consumer, notes
):
    halted = metrics.HALTED.labels("topic")
    halted.set(0)
    consumer.batches.append(batch_of(0, b"a"))
    consumer.batches.append(batch_of(1, *[b"bad"] * 200))
    consumer.batches.append(batch_of(201, b"b"))
    seen = []
    consumer.on_poll = lambda one: seen.append((halted._value.get(), bool(one.paused)))
    notes._stop_after = 99
    with pytest.raises(TooManyDeadLetters):
        loop.run()
    # What came before is done, nothing behind is taken, and it polls: some looks of Prometheus.
    assert (notes.announced, consumer.commits) == ([(["a"], [])], [{0: 1}])
    assert seen.count((1, True)) > 5
    assert len(consumer.batches) == 1


def test_of_a_batch_that_the_database_refuses_only_the_culprits_are_dead_letters(
    loop, consumer, notes
):
    refuse(notes, b"c", b"f")
    notes._stop_after = 99
    consumer.batches.append(batch_of(0, *[bytes([one]) for one in b"abcdefgh"], b"bad"))
    consumer.on_poll = stop_when(notes, lambda: consumer.commits)
    loop.run()
    # In its order, each once, and all of it behind one commit.
    assert [one for batch in notes.applied for one in batch] == [
        *(b"a", b"b", b"d", b"e", b"g", b"h")
    ]
    told = [one for applied, _ in notes.announced for one in applied]
    assert told == ["a", "b", "d", "e", "g", "h"]
    assert [dead for _, dead in notes.announced if dead] == [[b"bad", b"c", b"f"]]
    assert consumer.commits == [{0: 9}]


def test_it_stays_in_the_group_while_a_batch_takes_long(loop, consumer, notes, monkeypatch):
    """Taking one apart may take thousands of transactions; who does not poll is thrown out."""
    monkeypatch.setattr(loop_module, "STEP_S", 0.01)
    refuse(notes, b"culprit")
    apply = notes.apply

    def waiting_for_three_polls(batch):
        before = consumer.polls_while_paused
        until(lambda: consumer.polls_while_paused >= before + 3, "it polls and takes nothing")
        return apply(batch)

    notes.apply = waiting_for_three_polls
    consumer.batches += [batch_of(0, b"a", b"culprit", b"b", b"c"), batch_of(4, b"next")]
    loop.run()
    assert notes.applied[:2] == [[b"a"], [b"b", b"c"]]
    assert consumer.commits[0] == {0: 4}


def test_a_database_that_refuses_all_stops_the_loop_and_sends_no_dead_letter(loop, consumer, notes):
    consumer.batches.append(batch_of(0, *[b"a"] * 200))
    refuse(notes, b"a")
    with pytest.raises(TooManyDeadLetters):
        loop.run()
    assert (notes.applied, notes.announced, consumer.commits) == ([], [], [])


def test_an_outage_while_a_batch_is_taken_apart_is_waited_out(loop, consumer, notes):
    refuse(notes, b"b")
    notes.apply_failures = [Unavailable("down")] * 3
    consumer.batches.append(batch_of(0, b"a", b"b"))
    loop.run()
    assert notes.applied == [[b"a"]]
    assert consumer.commits == [{0: 2}]


def test_a_restart_goes_on_counting_and_drains_no_more(consumer, monkeypatch):
    """Each batch alone is too small to say anything; many restarts of a minute each would."""
    sent = []
    for restart in range(8):
        stop = threading.Event()
        notes = Notes(stop, stop_after=99)
        loop = ConsumerLoop(consumer, "topic", notes, clock=StepClock(), stop=stop, halt_s=0)
        consumer.batches.clear()
        consumer.batches.append(batch_of(restart * 60, *[b"bad"] * 60))
        consumer.on_poll = _first_assign_then(stop_when(notes, lambda: not consumer.batches))
        consumer.paused.clear()
        try:
            loop.run()
        except TooManyDeadLetters as error:
            assert "of the last" in str(error)
            assert restart > 0
        sent += [one for _, dead in notes.announced for one in dead]
    assert len(sent) == 60, "the first batch; from the second on everybody stops"


def test_who_is_mended_goes_on_at_the_first_goodbatch_of(consumer, stop):
    consumer.notes.append('{"messages":100,"invalid":100,"at_ms":1}')
    notes = Notes(stop)
    loop = ConsumerLoop(consumer, "topic", notes, clock=StepClock(), stop=stop, halt_s=0)
    consumer.batches.append(batch_of(0, b"a", b"b", b"bad"))
    consumer.on_poll = _first_assign_then(lambda one: None)
    loop.run()
    assert notes.announced == [(["a", "b"], [b"bad"])]


def _first_assign_then(on_poll):
    """The partitions come in the first poll, as Kafka gives them."""
    done: list[bool] = []

    def poll(consumer):
        if not done:
            done.append(True)
            consumer.rebalance("on_assign", 0)
        on_poll(consumer)

    return poll


def test_an_unavailable_database_is_tried_again_with_the_samebatch_of(loop, consumer, notes):
    notes.apply_failures = [Unavailable("down")] * 5
    consumer.batches += [batch_of(0, b"a"), batch_of(1, b"b")]
    notes._stop_after = 2
    loop.run()
    assert notes.applied == [[b"a"], [b"b"]]
    assert consumer.commits == [{0: 1}, {0: 2}]


def test_it_stays_in_the_group_while_it_waits_and_reads_nothing(loop, consumer, notes):
    notes.apply_failures = [Unavailable("down")] * 3
    consumer.batches.append(batch_of(0, b"a"))
    loop.run()
    assert consumer.polls_while_paused >= 3
    assert consumer.commits == [{0: 1}]


def test_it_reads_again_after_it_waited(loop, consumer, notes):
    notes.apply_failures = [Unavailable("down")]
    notes._stop_after = 2
    consumer.batches += [batch_of(0, b"a"), batch_of(1, b"b")]
    loop.run()
    assert notes.applied[1] == [b"b"]
    assert not consumer.paused


def test_a_stop_while_the_database_is_down_commits_nothing(loop, consumer, notes, stop):
    notes.apply_failures = [Unavailable("down")] * 1000
    consumer.batches.append(batch_of(0, b"a"))
    consumer.on_poll = lambda one: stop.set() if one.polls_while_paused > 5 else None
    loop.run()
    assert (notes.announced, consumer.commits) == ([], [])
    assert consumer.closed


def test_an_announcement_that_failed_is_repeated_before_the_commit(loop, consumer, notes):
    notes.announce_failures = [Unavailable("Kafka is down")] * 3
    consumer.batches.append(batch_of(0, b"a", b"bad"))
    loop.run()
    assert notes.applied == [[b"a"]]
    assert notes.announced == [(["a"], [b"bad"])]
    assert consumer.commits == [{0: 2}]


def test_a_stop_while_kafka_is_down_commits_nothing(loop, consumer, notes, stop):
    notes.announce_failures = [Unavailable("Kafka is down")] * 1000
    consumer.batches.append(batch_of(0, b"a"))
    consumer.on_poll = lambda one: stop.set() if one.polls_while_paused > 5 else None
    loop.run()
    assert consumer.commits == []


@pytest.mark.parametrize("step", ["apply_failures", "announce_failures"])
def test_any_other_error_ends_the_process_and_commits_nothing(loop, consumer, notes, step):
    setattr(notes, step, [ZeroDivisionError("a bug")])
    consumer.batches.append(batch_of(0, b"a"))
    with pytest.raises(ZeroDivisionError):
        loop.run()
    assert consumer.commits == []
    assert consumer.closed


def test_a_lost_partition_is_not_committed(loop, consumer, notes):
    notes.announce_failures = [Unavailable("Kafka is down")] * 2
    consumer.batches.append([*batch_of(0, b"a"), *batch_of(10, b"b", partition=1)])
    consumer.on_poll = _once(lambda one: one.paused, "on_lost", 1)
    loop.run()
    assert consumer.commits == [{0: 1}]


def test_a_partition_revoked_while_its_batch_waits_is_not_committed(loop, consumer, notes):
    notes.apply_failures = [Unavailable("down")] * 2
    consumer.batches.append([*batch_of(0, b"a"), *batch_of(10, b"b", partition=1)])
    consumer.on_poll = _once(lambda one: one.paused, "on_revoke", 1)
    loop.run()
    assert consumer.commits == [{0: 1}]


def test_what_was_announced_is_committed_before_its_partition_goes(loop, consumer, notes, stop):
    notes._stop_after = 99
    consumer.batches.append([*batch_of(0, b"a"), *batch_of(10, b"b", partition=1)])
    consumer.on_poll = _once(lambda one: notes.announced, "on_revoke", 1, then=stop.set)
    loop.run()
    assert consumer.commits[0] == {0: 1, 1: 11}
    assert all(1 not in commit for commit in consumer.commits[1:])


def test_a_partition_that_comes_while_it_waits_waits_too(loop, consumer, notes):
    notes.apply_failures = [Unavailable("down")] * 2
    consumer.batches.append(batch_of(0, b"a"))
    seen: list[set[int]] = []

    def assign_once(one):
        if one.paused == {0} and not seen:
            one.rebalance("on_assign", 1)
            seen.append(set(one.paused))

    consumer.on_poll = assign_once
    loop.run()
    assert seen == [{0, 1}]


def _once(when, callback, partition, then=lambda: None):
    done: list[bool] = []

    def on_poll(consumer):
        if when(consumer) and not done:
            done.append(True)
            consumer.rebalance(callback, partition)
            then()

    return on_poll

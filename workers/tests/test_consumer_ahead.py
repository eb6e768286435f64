"""What the loop does with a batch that it has read while another one is applied."""

import threading
import time
from collections import deque

import pytest

from tests.redis.waiting import until
from workers.runtime import consumer as loop_module
from workers.runtime.clock import SystemClock
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.verdicts import TooManyDeadLetters, Unavailable
from workers.tests.loop_stage import StepClock, batch_of, consumer, notes, stop, stop_when

__all__ = ["consumer", "notes", "stop"]


@pytest.fixture
def by_twos(consumer, notes, stop, monkeypatch):
    """A loop that takes two messages at a time, so that more are waiting."""
    monkeypatch.setattr(loop_module, "STEP_S", 0.05)
    notes._stop_after = 99
    consumer.batches += [batch_of(first, b"a%d" % first, b"b%d" % first) for first in (0, 2, 4)]
    return ConsumerLoop(
        consumer, "topic", notes, clock=StepClock(), stop=stop, batch_max=2, halt_s=0
    )


def test_the_next_batch_is_read_and_decoded_while_one_is_applied(by_twos, consumer, notes, stop):
    decoded, decode, apply = [], notes.decode, notes.apply

    def noting(message):
        decoded.append(message.value())
        return decode(message)

    def waiting(batch):
        if batch == [b"a0", b"b0"]:
            until(lambda: b"b2" in decoded, "the next one is decoded")
            # And no further than that: two batches would be lost to a crash already.
            assert b"a4" not in decoded
        return apply(batch)

    notes.decode, notes.apply = noting, waiting
    consumer.on_poll = stop_when(notes, lambda: len(consumer.commits) == 3)
    by_twos.run()
    assert notes.applied == [[b"a0", b"b0"], [b"a2", b"b2"], [b"a4", b"b4"]]
    assert [applied for applied, _ in notes.announced] == [["a0", "b0"], ["a2", "b2"], ["a4", "b4"]]
    assert consumer.commits == [{0: 2}, {0: 4}, {0: 6}]


def test_a_batch_read_ahead_waits_until_the_one_before_is_applied(by_twos, consumer, notes):
    """Or a barrier could be committed before what stands in front of it."""
    notes.apply_failures = [Unavailable("down")] * 3
    consumer.on_poll = stop_when(notes, lambda: len(consumer.commits) == 3)
    by_twos.run()
    assert notes.applied == [[b"a0", b"b0"], [b"a2", b"b2"], [b"a4", b"b4"]]


def test_what_was_applied_is_announced_before_a_halt_at_the_batch_behind_it(
    by_twos, consumer, notes
):
    bad = batch_of(6, *[b"bad"] * 200)
    consumer.batches = deque([*list(consumer.batches)[:2], bad])
    with pytest.raises(TooManyDeadLetters):
        by_twos.run()
    assert [applied for applied, _ in notes.announced] == [["a0", "b0"], ["a2", "b2"]]
    assert consumer.commits == [{0: 2}, {0: 4}]


def test_what_was_read_ahead_of_a_lost_partition_is_not_committed(by_twos, consumer, notes):
    """The next owner has it, from the last commit on."""
    apply = notes.apply
    lost = threading.Event()

    def waiting(batch):
        if batch == [b"a0", b"b0"]:
            until(lost.is_set, "the partition is lost")
        return apply(batch)

    def poll(one):
        # While the first one is applied, and with the second one read.
        if not lost.is_set() and one.paused:
            one.rebalance("on_lost", 0)
            one.rebalance("on_assign", 0)
            lost.set()
        if len(notes.announced) == 3:
            notes._stop.set()

    notes.apply, consumer.on_poll = waiting, poll
    by_twos.run()
    assert consumer.commits == [{0: 6}]


@pytest.mark.parametrize(("batch_max", "most_s", "least_s"), [(9, 60.0, 3.9), (2, 2.0, 0.0)])
def test_only_a_batch_that_is_not_full_is_rested_after(
    consumer, notes, stop, batch_max, most_s, least_s
):
    """Three batches of two: with room for more each waits for company, else none does."""
    notes._stop_after = 3
    consumer.batches += [batch_of(first, b"a%d" % first, b"b%d" % first) for first in (0, 2, 4)]
    loop = ConsumerLoop(
        consumer, "topic", notes, clock=SystemClock(), stop=stop, batch_max=batch_max, rest_s=2.0
    )
    began = time.monotonic()
    loop.run()
    assert least_s < time.monotonic() - began < most_s
    assert len(notes.announced) == 3

"""A consumer loop before a Kafka that is none, and a handler that notes what it is asked."""

import threading
from datetime import UTC, datetime

import pytest

from workers.runtime import consumer as loop_module
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.verdicts import InvalidMessage, NotApplied
from workers.tests.fake_consumer import FakeConsumer, FakeMessage


class StepClock:
    """Every look at the clock is a second later, so no wait takes real time."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        self.seconds += 1
        return self.seconds

    def now(self):
        return datetime(2026, 11, 22, tzinfo=UTC)


class Notes:
    """A handler that notes its calls; exceptions are raised in turn, then it works."""

    def __init__(self, stop, stop_after=1):
        self.applied, self.announced = [], []
        self.apply_failures, self.announce_failures = [], []
        self._stop, self._stop_after = stop, stop_after

    def decode(self, message):
        if message.value().startswith(b"bad"):
            raise InvalidMessage("bad")
        return None if message.value() == b"other" else message.value()

    def apply(self, batch):
        if self.apply_failures:
            raise self.apply_failures.pop(0)
        self.applied.append(batch)
        return [value.decode() for value in batch]

    def announce(self, applied, dead_letters):
        if self.announce_failures:
            raise self.announce_failures.pop(0)
        self.announced.append((applied, [letter.message.value() for letter in dead_letters]))
        if len(self.announced) >= self._stop_after:
            self._stop.set()


@pytest.fixture
def consumer():
    return FakeConsumer()


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def notes(stop):
    return Notes(stop)


@pytest.fixture
def loop(consumer, notes, stop, monkeypatch):
    monkeypatch.setattr(loop_module, "FINISH_S", 5.0)
    monkeypatch.setattr(loop_module, "STEP_S", 0.05)
    return ConsumerLoop(consumer, "topic", notes, clock=StepClock(), stop=stop)


def batch_of(first, *values, partition=0):
    return [FakeMessage(value, first + n, partition) for n, value in enumerate(values)]


def refuse(notes, *values):
    """The database takes no batch with one of these in it."""
    apply = notes.apply

    def refusing(batch):
        if any(value in batch for value in values):
            raise NotApplied("the trigger says no")
        return apply(batch)

    notes.apply = refusing


def stop_when(notes, condition):
    def poll(consumer):
        if condition():
            notes._stop.set()

    return poll

"""The consumer loop: read a batch, apply it to the database, announce it, commit its offsets.

While one batch is announced (events, projections) the next one is applied, and when there is more
than a batch to do the one after that is read and decoded meanwhile: three batches are under way at
most, each step takes them in order, and offsets are committed in order, each after its
announcement. A crash anywhere replays whole batches; `apply` gives a repeated message its first
answer.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from threading import Event
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Consumer, Message
from django.db import connections

from workers.runtime import metrics
from workers.runtime.apart import apply_apart
from workers.runtime.clock import Clock, to_ms
from workers.runtime.membership import Membership, Offsets, Partitions, next_offsets
from workers.runtime.readiness import Readiness
from workers.runtime.topic_watch import TopicWatch
from workers.runtime.verdicts import (
    DeadLetterCap,
    InvalidMessage,
    NotApplied,
    TooManyDeadLetters,
    Unavailable,
    newest_tally,
)

IDLE_POLL_S = 0.2
# With a batch being announced, look at it again this soon when no new message comes.
BUSY_POLL_S = 0.002
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
# How long a stop or a rebalance waits for an announcement before it leaves the batch to a replay.
FINISH_S = 10.0
# How long a step is waited for before partitions are paused: what was fetched ahead is dropped by a
# pause, so not for a step that takes its usual time.
STEP_S = 1.0
# How long one that is wrong about everything stands still before it ends: some looks of Prometheus,
# so that the alert on `sluice_consumer_halted` does not depend on catching a process that restarts.
HALT_S = 60.0
TURN = "turn"
# What is wrong with a dead letter.
INVALID, REFUSED = "invalid", "refused"

D = TypeVar("D")
R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeadLetter:
    """A message that was not understood, or that the database refuses as it is; and why."""

    message: Message
    error: str
    kind: str = INVALID


class Handler(Protocol[D, R]):
    """What a worker does with messages. `apply` and `announce` may be repeated with a batch."""

    def decode(self, message: Message) -> D | None:
        """The message's content, None when it is none of ours; raises InvalidMessage."""
        ...

    def apply(self, batch: list[D]) -> R:
        """Commit the batch to the database; raises Unavailable, or NotApplied for its content.

        After NotApplied parts of it come, in its order. A thread of its own, always the same one.
        """
        ...

    def announce(self, applied: R | None, dead_letters: Sequence[DeadLetter]) -> None:
        """Tell the world, also of what was applied before; raises Unavailable. Another thread."""
        ...


@dataclass
class _Batch(Generic[D, R]):
    """A batch under way, from its reading to its commit."""

    # How many of the messages are no others'.
    ours: int
    decoded: InitVar[list[tuple[Message, D]]]
    dead_letters: list[DeadLetter]
    offsets: Offsets
    # One result for each part of the batch, nearly always one.
    applied: list[R] = field(default_factory=list)
    # What is left to apply, in its order: the whole of it unless it was taken apart.
    left: list[Sequence[tuple[Message, D]]] = field(init=False)
    # What the cap had counted with this batch.
    note: str = ""
    # The step that runs now; None after an attempt that failed.
    attempt: "Future[None] | None" = None

    def __post_init__(self, decoded: list[tuple[Message, D]]) -> None:
        self.left = [decoded] if decoded else []


class ConsumerLoop(Generic[D, R]):
    """Runs a handler over a topic until `stop` is set. Not thread safe; one loop a process."""

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        handler: Handler[D, R],
        *,
        clock: Clock,
        stop: Event,
        batch_max: int = 2000,
        cap: DeadLetterCap | None = None,
        readiness: Readiness | None = None,
        halt_s: float = HALT_S,
        rest_s: float = 0.0,
        topics: TopicWatch | None = None,
        on_idle: Callable[[], None] | None = None,
    ) -> None:
        """`rest_s`: from one batch to the next, unless the first is full.

        A small one costs nearly what a large one does: under a light load they would take the
        whole machine. `on_idle`: in the thread of announcements, when there was nothing to read;
        quick.
        """
        self._topic = topic
        self._halt_s = halt_s
        self._rest_s = rest_s
        self._rested_at: float | None = None
        self._on_idle = on_idle
        self._idle_call: Future[None] | None = None
        self._handler = handler
        self._clock = clock
        self._stop = stop
        self._batch_max = batch_max
        self._cap = cap or DeadLetterCap()
        self._readiness = readiness or Readiness(clock, [])
        self._member = Membership(
            consumer,
            topic,
            clock=clock,
            stop=stop,
            on_going=self._release,
            on_coming=self._resume,
            is_another=lambda: topics is not None and topic in topics.changed,
        )
        self._appliers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="apply")
        self._announcers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announce")
        # At most one batch in each place, from the youngest to the oldest.
        self._ahead: _Batch[D, R] | None = None
        self._applying: _Batch[D, R] | None = None
        self._applied: _Batch[D, R] | None = None
        self._announcing: _Batch[D, R] | None = None

    def run(self) -> None:
        """Consume until stopped, then finish what is under way and leave; raises to crash."""
        self._member.join()
        try:
            while not self._stop.is_set():
                self._turn()
                self._readiness.report(TURN, self._member.problem)
            self._finish_applying()
            self._announce_applied()
            self._finish_announcing()
        except TooManyDeadLetters as error:
            self._halt(error)
            raise
        except Unavailable as error:
            _log.warning("stopped with a batch unfinished; it will be replayed: %s", error)
        finally:
            # Also ends an announcement that waits for Kafka: a crash must not hang in its thread.
            self._stop.set()
            self._ahead = self._applying = self._applied = self._announcing = None
            self._announcers.shutdown(wait=False, cancel_futures=True)
            # Connections are their thread's own.
            wait([self._appliers.submit(connections.close_all)], FINISH_S)
            self._appliers.shutdown(wait=False)
            self._member.leave()

    def _halt(self, error: TooManyDeadLetters) -> None:
        """Raise the alarm and take nothing; what was applied before is announced as usual."""
        _log.critical("halted, the topic is not drained: %s", error, extra={"topic": self._topic})
        metrics.HALTED.labels(self._topic).set(1)
        self._readiness.report(TURN, str(error))
        with suppress(Unavailable):
            self._announce_applied()
            self._finish_announcing()
        self._member.stand_still(self._halt_s)

    def _turn(self) -> None:
        read = self._read_ahead()
        self._finish_applying()
        self._begin_applying()
        self._announce_applied()
        if read < self._batch_max:
            # There was no more: what comes meanwhile makes one batch, not many.
            self._finish_applying()
            self._announce_applied()
        if not read:
            self._finish_announcing()
            self._while_idle()

    def _while_idle(self) -> None:
        """One call at a time; the loop does not wait for it."""
        if self._on_idle is None:
            return
        if self._idle_call is not None:
            if not self._idle_call.done():
                return
            self._idle_call.result()
        self._idle_call = self._announcers.submit(self._on_idle)

    def _rest(self) -> None:
        """What comes meanwhile makes the next batch larger; what comes after a while waits not."""
        if self._rested_at is not None:
            self._stop.wait(max(self._rested_at - self._clock.monotonic(), 0))

    def _read_ahead(self) -> int:
        """Read and decode the next batch, while the last one is applied; how many there were."""
        self._rest()
        wait_s = BUSY_POLL_S if self._applying or self._announcing else IDLE_POLL_S
        messages = self._member.read(self._batch_max, wait_s)
        if messages:
            decoded, dead_letters = self._decode(messages)
            ours = len(decoded) + len(dead_letters)
            self._ahead = _Batch(ours, decoded, dead_letters, next_offsets(messages))
            is_small = self._rest_s and len(messages) < self._batch_max
            self._rested_at = self._clock.monotonic() + self._rest_s if is_small else None
        return len(messages)

    def _decode(self, messages: list[Message]) -> tuple[list[tuple[Message, D]], list[DeadLetter]]:
        decoded: list[tuple[Message, D]] = []
        dead_letters: list[DeadLetter] = []
        for message in messages:
            try:
                content = self._handler.decode(message)
            except InvalidMessage as error:
                dead_letters.append(DeadLetter(message, str(error)))
                continue
            if content is not None:
                decoded.append((message, content))
        metrics.CONSUMED.labels(self._topic).inc(len(messages))
        metrics.BATCH_SIZE.labels(self._topic).observe(len(messages))
        return decoded, dead_letters

    def _begin_applying(self) -> None:
        batch = self._ahead
        if batch is None:
            return
        # Before anything is applied or sent: a consumer that is wrong about everything stops here.
        # Others' messages in the topic do not make it any more right.
        self._cap.check(batch.ours, len(batch.dead_letters))
        self._ahead, self._applying = None, batch
        batch.attempt = self._appliers.submit(self._apply, batch)

    def _apply(self, batch: _Batch[D, R]) -> None:
        """The whole of it, or what is left when those are found that the database refuses."""

        def apply(part: Sequence[tuple[Message, D]]) -> None:
            batch.applied.append(self._handler.apply([content for _, content in part]))

        def refused(one: tuple[Message, D], error: NotApplied) -> None:
            batch.dead_letters.append(DeadLetter(one[0], str(error), REFUSED))
            # Before any of them is sent, as above. What was applied is announced by a replay.
            self._cap.check_more(1)

        started = self._clock.monotonic()
        apply_apart(batch.left, apply, refused)
        metrics.APPLY_SECONDS.labels(self._topic).observe(self._clock.monotonic() - started)

    def _finish_applying(self) -> None:
        batch = self._applying
        if batch is None:
            return
        self._insist(lambda: self._finish(batch, self._appliers, self._apply))
        batch.note = self._cap.tally(to_ms(self._clock.now())).text()
        self._applying, self._applied = None, batch

    def _announce_applied(self) -> None:
        """Begin to announce what was applied, once the batch before it is committed."""
        batch = self._applied
        if batch is None:
            return
        self._finish_announcing()
        self._applied, self._announcing = None, batch
        batch.attempt = self._announcers.submit(self._announce, batch)

    def _announce(self, batch: _Batch[D, R]) -> None:
        started = self._clock.monotonic()
        applied, dead_letters = batch.applied, batch.dead_letters
        for part in applied[:-1]:
            self._handler.announce(part, [])
        self._handler.announce(applied[-1] if applied else None, dead_letters)
        metrics.DEAD_LETTERS.labels(self._topic).inc(len(dead_letters))
        metrics.ANNOUNCE_SECONDS.labels(self._topic).observe(self._clock.monotonic() - started)

    def _finish_announcing(self) -> None:
        """Wait until the announcement under way has succeeded, then commit its offsets."""
        batch = self._announcing
        if batch is None:
            return
        self._insist(lambda: self._finish(batch, self._announcers, self._announce))
        self._announcing = None
        self._member.commit(batch.offsets, batch.note)

    def _finish(
        self,
        batch: _Batch[D, R],
        thread: ThreadPoolExecutor,
        step: "Callable[[_Batch[D, R]], None]",
    ) -> None:
        """Wait for the step that runs in its thread, or run it again after a failure."""
        if batch.attempt is None:
            batch.attempt = thread.submit(step, batch)
        try:
            self._wait_for(batch.attempt)
        except Unavailable:
            batch.attempt = None
            raise

    def _wait_for(self, attempt: "Future[None]") -> None:
        """The attempt's result; polls meanwhile, so that an outage costs no membership."""
        stop_seen_at: float | None = None
        while not wait([attempt], STEP_S).done:
            self._member.stand_still(0)
            if self._stop.is_set():
                stop_seen_at = stop_seen_at or self._clock.monotonic()
                if self._clock.monotonic() - stop_seen_at > FINISH_S:
                    raise Unavailable("a step under way did not end in time")
        attempt.result()

    def _insist(self, step: Callable[[], None]) -> None:
        """Repeat a step while it is Unavailable, with back-pressure; gives up only when stopped."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                return step()
            except Unavailable as error:
                if self._stop.is_set():
                    raise
                _log.warning("trying again in %.1f s: %s", backoff_s, error)
                self._readiness.report(TURN, str(error))
                metrics.RETRIES.labels(self._topic).inc()
            self._member.stand_still(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    def _resume(self, notes: list[str]) -> None:
        """What the last owner had counted is ours: a restart is no reason to try a hundred more."""
        tally = newest_tally(notes)
        if tally is not None:
            _log.info("of the last %d messages %d were invalid", tally.messages, tally.invalid)
            self._cap.resume(tally)

    def _release(self, partitions: Partitions, lost: bool) -> None:
        """Partitions are leaving. What is announced in time is committed, unless they are lost.

        The batches not yet announced are forgotten for them: the next owner reads them again from
        the last commit and gets the first answers.
        """
        announcing = self._announcing
        attempt = announcing.attempt if announcing else None
        if announcing and attempt and not lost:
            done = wait([attempt], FINISH_S).done
            if done and attempt.exception() is None:
                self._member.commit(announcing.offsets, announcing.note)
        for batch in (self._ahead, self._applying, self._applied, announcing):
            if batch is not None:
                for partition in partitions:
                    batch.offsets.pop(partition, None)

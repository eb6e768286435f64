"""The consumer loop: read a batch, apply it to the database, announce it, commit its offsets.

While one batch is announced (events, projections) the next one is applied: two batches are under
way at most, and offsets are committed in order, each after its announcement. A crash anywhere
replays whole batches; `apply` gives a repeated message its first answer.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Consumer, Message

from workers.runtime import metrics
from workers.runtime.apart import apply_apart
from workers.runtime.clock import Clock, to_ms
from workers.runtime.membership import PAUSED_POLL_S, Membership, Offsets, Partitions, next_offsets
from workers.runtime.readiness import Readiness
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
# How long one that is wrong about everything stands still before it ends: some looks of Prometheus,
# so that the alert on `sluice_consumer_halted` does not depend on catching a process that restarts.
HALT_S = 60.0
TURN = "turn"
# What is wrong with a dead letter.
INVALID, REFUSED = "invalid", "refused"

D = TypeVar("D")
R = TypeVar("R")
T = TypeVar("T")

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

        After NotApplied parts of it come, in its order.
        """
        ...

    def announce(self, applied: R | None, dead_letters: Sequence[DeadLetter]) -> None:
        """Tell the world, also of what was applied before; raises Unavailable. Second thread."""
        ...


@dataclass
class _Announcement(Generic[R]):
    # One result for each part of the batch, nearly always one.
    applied: list[R]
    dead_letters: list[DeadLetter]
    offsets: Offsets
    # What the cap had counted with this batch.
    note: str
    # None after an attempt that failed.
    attempt: "Future[None] | None"


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
    ) -> None:
        self._topic = topic
        self._halt_s = halt_s
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
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announce")
        self._announcing: _Announcement[R] | None = None
        # Of the batch that is read and not yet being announced.
        self._offsets: Offsets = {}

    def run(self) -> None:
        """Consume until stopped, then finish what is under way and leave; raises to crash."""
        self._member.join()
        try:
            while not self._stop.is_set():
                self._turn()
                self._readiness.report(TURN, self._member.problem)
            self._finish_announcing()
        except TooManyDeadLetters as error:
            self._halt(error)
            raise
        except Unavailable as error:
            _log.warning("stopped with a batch unfinished; it will be replayed: %s", error)
        finally:
            # Also ends an announcement that waits for Kafka: a crash must not hang in its thread.
            self._stop.set()
            self._announcing, self._offsets = None, {}
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._member.leave()

    def _halt(self, error: TooManyDeadLetters) -> None:
        """Raise the alarm and take nothing; what was announced before is committed as usual."""
        _log.critical("halted, the topic is not drained: %s", error, extra={"topic": self._topic})
        metrics.HALTED.labels(self._topic).set(1)
        self._readiness.report(TURN, str(error))
        with suppress(Unavailable):
            self._finish_announcing()
        self._member.stand_still(self._halt_s)

    def _turn(self) -> None:
        wait_s = BUSY_POLL_S if self._announcing else IDLE_POLL_S
        messages = self._member.read(self._batch_max, wait_s)
        if not messages:
            self._finish_announcing()
            return
        self._offsets = next_offsets(messages)
        decoded, dead_letters = self._decode(messages)
        applied = self._apply(decoded, dead_letters) if decoded else []
        note = self._cap.tally(to_ms(self._clock.now())).text()
        self._finish_announcing()
        self._announcing = _Announcement(
            applied, dead_letters, self._offsets, note, self._submit(applied, dead_letters)
        )
        self._offsets = {}

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
        # Before anything is applied or sent: a consumer that is wrong about everything stops here.
        # Others' messages in the topic do not make it any more right.
        self._cap.check(len(decoded) + len(dead_letters), len(dead_letters))
        return decoded, dead_letters

    def _apply(self, decoded: list[tuple[Message, D]], dead_letters: list[DeadLetter]) -> list[R]:
        """The whole of it, or what is left when those are found that the database refuses."""

        def apply(part: Sequence[tuple[Message, D]]) -> R:
            return self._insist(lambda: self._handler.apply([content for _, content in part]))

        def refused(one: tuple[Message, D], error: NotApplied) -> None:
            dead_letters.append(DeadLetter(one[0], str(error), REFUSED))
            # Before any of them is sent, as above. What was applied is announced by a replay.
            self._cap.check_more(1)

        def poll() -> None:
            # One that does not poll is thrown out of its group, and who has the partition next
            # begins anew.
            self._member.stand_still(0)

        started = self._clock.monotonic()
        applied = apply_apart(decoded, apply, refused, poll)
        metrics.APPLY_SECONDS.labels(self._topic).observe(self._clock.monotonic() - started)
        return applied

    def _submit(self, applied: list[R], dead_letters: list[DeadLetter]) -> "Future[None]":
        return self._thread.submit(self._announce, applied, dead_letters)

    def _announce(self, applied: list[R], dead_letters: list[DeadLetter]) -> None:
        started = self._clock.monotonic()
        for part in applied[:-1]:
            self._handler.announce(part, [])
        self._handler.announce(applied[-1] if applied else None, dead_letters)
        metrics.DEAD_LETTERS.labels(self._topic).inc(len(dead_letters))
        metrics.ANNOUNCE_SECONDS.labels(self._topic).observe(self._clock.monotonic() - started)

    def _finish_announcing(self) -> None:
        """Wait until the announcement under way has succeeded, then commit its offsets."""
        under_way = self._announcing
        if under_way is None:
            return

        def finish() -> None:
            if under_way.attempt is None:
                under_way.attempt = self._submit(under_way.applied, under_way.dead_letters)
            try:
                self._wait_for(under_way.attempt)
            except Unavailable:
                under_way.attempt = None
                raise

        self._insist(finish)
        self._announcing = None
        self._member.commit(under_way.offsets, under_way.note)

    def _wait_for(self, attempt: "Future[None]") -> None:
        """The attempt's result; polls meanwhile, so that an outage of Kafka costs no membership."""
        stop_seen_at: float | None = None
        while not wait([attempt], PAUSED_POLL_S).done:
            self._member.stand_still(0)
            if self._stop.is_set():
                stop_seen_at = stop_seen_at or self._clock.monotonic()
                if self._clock.monotonic() - stop_seen_at > FINISH_S:
                    raise Unavailable("the announcement did not end in time")
        attempt.result()

    def _insist(self, step: Callable[[], T]) -> T:
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

        The batch not yet announced is forgotten for them: the next owner reads it again from the
        last commit and gets the first answers.
        """
        announcing = self._announcing
        attempt = announcing.attempt if announcing else None
        if announcing and attempt and not lost:
            done = wait([attempt], FINISH_S).done
            if done and attempt.exception() is None:
                self._member.commit(announcing.offsets, announcing.note)
        for offsets in (self._offsets, announcing.offsets if announcing else {}):
            for partition in partitions:
                offsets.pop(partition, None)

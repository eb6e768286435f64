"""Reading and acknowledging the outbox streams as one consumer of the group `relay`."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from control_plane.orders.services import Request, read_line
from workers.runtime.clock import Clock
from workers.runtime.verdicts import InvalidMessage
from workers.stock.cluster import StockClusters
from workers.stock.keys import RELAY_GROUP, Shard
from workers.stock.node_calls import Answer, NodeCalls

# A stream that was silent for QUIET_AFTER_S is looked at every QUIET_READ_S, else at every turn.
QUIET_AFTER_S = 10.0
QUIET_READ_S = 0.05
# One of a closed epoch is only read for what a failover or a slow node brings back.
CLOSED_READ_S = 1.0
# Our own pending entries are looked for this often while we know of none: a node that came back
# with older data, or a read whose answer was lost, leaves entries with us that we never saw.
LOOK_BACK_S = 0.5
# Another relay's entries are taken over when nobody has touched them for this long. Sooner means
# more duplicates while Kafka is slow, later that a re-armed epoch's units are back later.
CLAIM_IDLE_MS = 5_000
READ, CLAIM, ACKNOWLEDGE = "read", "claim", "acknowledge"
FROM_THE_FIRST, NEW = b"0", b">"


@dataclass(frozen=True, eq=False)
class Entry:
    """One batch of the reserve script, a line for each winner."""

    shard: Shard
    id: bytes
    lines: list[bytes]


@dataclass
class _Position:
    # The next read's id: first our own pending entries from the beginning, then new ones.
    cursor: bytes = FROM_THE_FIRST
    # The id that the read under way was asked with; the cursor may have been set back since.
    asked: bytes = FROM_THE_FIRST
    claim_from: bytes = b"0-0"
    last_entry_at: float = float("-inf")
    read_at: float = float("-inf")
    looked_back_at: float = float("-inf")


def lines_of(fields: dict[bytes, bytes] | None) -> list[bytes]:
    """The lines of an entry; none when it was dropped while it was pending."""
    return fields[b"lines"].split(b"\n") if fields and b"lines" in fields else []


def request_of(shard: Shard, line: bytes) -> Request:
    """What a line of this shard's outbox says; raises InvalidMessage."""
    try:
        return read_line(line.decode("ascii"), shard.item, shard.shard, shard.epoch)
    except ValueError as error:
        raise InvalidMessage(str(error)) from None


class OutboxReader:
    """Entries of many outboxes for one relay. Not thread safe; waits a moment for each answer.

    An entry may be returned again while it is not acknowledged: after a failure, and when nobody
    has touched it for long.
    """

    def __init__(self, clusters: StockClusters, consumer: str, clock: Clock) -> None:
        self._calls = NodeCalls(clusters, clock)
        self._consumer = consumer
        self._clock = clock
        self._positions: dict[Shard, _Position] = {}
        # From answers that came when their ask was over.
        self._late: list[Entry] = []
        # Outboxes that nobody can write to any more: looked at seldom while they are quiet.
        self.closed: Collection[Shard] = ()

    def read(
        self, shards: Iterable[Shard], entries_a_shard: int, busy: Collection[Shard] = ()
    ) -> list[Entry]:
        """What the streams have for us now: own pending entries first, then new ones.

        `busy` are shards of which the caller holds entries: those are ours and pending, so looking
        for forgotten ones has to wait.
        """
        due = [shard for shard in shards if self._is_due(shard, shard in busy)]

        def command(shard: Shard) -> tuple[Any, ...]:
            position = self._positions[shard]
            position.asked = position.cursor
            return (
                *("XREADGROUP", "GROUP", RELAY_GROUP, self._consumer),
                *("COUNT", entries_a_shard, "STREAMS", shard.outbox, position.asked),
            )

        return self._entries_of(self._calls.ask(READ, due, command))

    def claim(self, shards: Iterable[Shard], entries_a_shard: int) -> list[Entry]:
        """Take over what another relay, or an earlier turn of ours, left pending for too long."""
        answers = self._calls.ask(
            CLAIM,
            shards,
            lambda shard: (
                *("XAUTOCLAIM", shard.outbox, RELAY_GROUP, self._consumer),
                *(CLAIM_IDLE_MS, self._position(shard).claim_from, "COUNT", entries_a_shard),
            ),
        )
        return self._entries_of(answers)

    def late(self, lines_max: int) -> list[Entry]:
        """What nodes answered too late for `read` or `claim`, as far as there is room for it.

        What does not fit is read again later: it is pending, and ours.
        """
        late, self._late = self._late, []
        fitting = []
        for entry in late:
            lines_max -= len(entry.lines)
            if lines_max >= 0:
                fitting.append(entry)
            else:
                self._position(entry.shard).cursor = FROM_THE_FIRST
        return fitting

    def acknowledge(self, entries: Iterable[Entry]) -> list[Entry]:
        """Tell Redis that Kafka has these; returns those to be tried again later."""
        by_shard: dict[Shard, list[Entry]] = {}
        for entry in entries:
            by_shard.setdefault(entry.shard, []).append(entry)
        answers = self._calls.ask(
            ACKNOWLEDGE,
            by_shard,
            lambda shard: (
                *("XACK", shard.outbox, RELAY_GROUP),
                *(entry.id for entry in by_shard[shard]),
            ),
        )
        for answer in answers:
            # One that came late may not have named all of these; naming them twice is harmless.
            if (answer.purpose, answer.late) == (ACKNOWLEDGE, False) and _is_well(answer):
                del by_shard[answer.shard]
        self._late += self._entries_of(answers)
        return [entry for entries_left in by_shard.values() for entry in entries_left]

    def unreachable(self, shards: Iterable[Shard]) -> int:
        """How many of these outboxes cannot be read now, because of their node."""
        return self._calls.unreachable(shards)

    def close(self) -> None:
        """Nothing is asked any more."""
        self._calls.close()

    def _position(self, shard: Shard) -> _Position:
        return self._positions.setdefault(shard, _Position())

    def _is_due(self, shard: Shard, is_busy: bool) -> bool:
        now = self._clock.monotonic()
        position = self._position(shard)
        is_closed = shard in self.closed
        look_back_s, quiet_s = (CLOSED_READ_S,) * 2 if is_closed else (LOOK_BACK_S, QUIET_READ_S)
        if not is_busy and now - position.looked_back_at >= look_back_s and position.cursor == NEW:
            position.cursor = FROM_THE_FIRST
        if is_busy or position.cursor != NEW:
            position.looked_back_at = now
        is_quiet = now - position.last_entry_at > QUIET_AFTER_S and position.cursor == NEW
        if is_quiet and now - position.read_at < quiet_s:
            return False
        position.read_at = now
        return True

    def _entries_of(self, answers: Iterable[Answer]) -> list[Entry]:
        """Entries in time; the late ones are kept for `late`."""
        found: list[Entry] = []
        for answer in answers:
            if answer.purpose == ACKNOWLEDGE:
                continue
            entries = self._take(answer)
            (self._late if answer.late else found).extend(entries)
        return found

    def _take(self, answer: Answer) -> list[Entry]:
        position = self._position(answer.shard)
        if not _is_well(answer):
            # Perhaps it was executed: then entries are pending for us that we have not seen.
            position.cursor = FROM_THE_FIRST
            return []
        if answer.purpose == CLAIM:
            position.claim_from = answer.reply[0]
            return [Entry(answer.shard, name, lines_of(one)) for name, one in answer.reply[1]]
        entries = _entries(answer.shard, answer.reply)
        if entries:
            position.last_entry_at = self._clock.monotonic()
        if position.cursor == position.asked != NEW:
            position.cursor = entries[-1].id if entries else NEW
            # Whatever the pause between two looks: a look back is no look for new ones.
            position.read_at = float("-inf")
        return entries


def _is_well(answer: Answer) -> bool:
    return not isinstance(answer.reply, Exception)


def _entries(shard: Shard, reply: Any) -> list[Entry]:
    if not reply:
        return []
    ((_, entries),) = reply.items() if isinstance(reply, dict) else reply
    return [Entry(shard, name, lines_of(fields)) for name, fields in entries]

"""Reading and acknowledging the outbox streams as one consumer of the group `relay`."""

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import redis

from workers.runtime.clock import Clock
from workers.runtime.verdicts import InvalidMessage, Unavailable
from workers.stock.cluster import StockCluster, is_refusal
from workers.stock.keys import RELAY_GROUP, Shard

# A stream that was silent for QUIET_AFTER_S is looked at every QUIET_READ_S, else at every turn.
QUIET_AFTER_S = 10.0
QUIET_READ_S = 0.05
# A node that failed is left alone for this long, so that it does not hold up the others at every
# turn.
NODE_REST_S = 0.5
# Another relay's entries are taken over when nobody has touched them for this long.
CLAIM_IDLE_MS = 60_000

_SHOPPER = re.compile(r"[A-Za-z0-9._:-]{1,64}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Entry:
    """One batch of the reserve script: its intents, each the Kafka value verbatim."""

    shard: Shard
    id: bytes
    intents: list[bytes]


@dataclass
class _Position:
    # The next read's id: first our own pending entries from the beginning, then ">" for new ones.
    cursor: bytes = b"0"
    last_entry_at: float = field(default=float("-inf"))
    read_at: float = field(default=float("-inf"))


def intents_of(fields: dict[bytes, bytes] | None) -> list[bytes]:
    """The lines of an entry; none when it was dropped while it was pending."""
    return fields[b"intents"].split(b"\n") if fields and b"intents" in fields else []


def shopper_of(intent: bytes) -> bytes:
    """An intent's Kafka key; raises InvalidMessage. The rest is the order consumer's to check."""
    try:
        shopper = json.loads(intent)["shopper"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise InvalidMessage("no shopper can be read from it") from None
    if type(shopper) is not str or not _SHOPPER.fullmatch(shopper):
        raise InvalidMessage("shopper: must be 1 to 64 of A-Z a-z 0-9 . _ : -")
    return shopper.encode()


class OutboxReader:
    """Entries of many outboxes for one relay. Not thread safe; never waits for new entries."""

    def __init__(self, cluster: StockCluster, consumer: str, clock: Clock) -> None:
        self._cluster = cluster
        self._consumer = consumer
        self._clock = clock
        self._positions: dict[Shard, _Position] = {}
        self._rest_until: dict[Shard, float] = {}

    def read(self, shards: Iterable[Shard], entries_a_shard: int) -> list[Entry]:
        """What the streams have for us now: own pending entries first, then new ones."""
        now = self._clock.monotonic()
        due = []
        for shard in shards:
            position = self._positions.setdefault(shard, _Position())
            is_quiet = now - position.last_entry_at > QUIET_AFTER_S and position.cursor == b">"
            if not is_quiet or now - position.read_at >= QUIET_READ_S:
                position.read_at = now
                due.append(shard)
        found = []
        for shard, reply in self._ask(
            due,
            lambda shard: (
                *("XREADGROUP", "GROUP", RELAY_GROUP, self._consumer),
                *("COUNT", entries_a_shard, "STREAMS", shard.outbox),
                self._positions[shard].cursor,
            ),
        ):
            found += self._take(shard, _entries(shard, reply))
        return found

    def claim(self, shards: Iterable[Shard], entries_a_shard: int) -> list[Entry]:
        """Take over what another relay, or an earlier turn of ours, left pending for too long."""
        found = []
        for shard, reply in self._ask(
            list(shards),
            lambda shard: (
                *("XAUTOCLAIM", shard.outbox, RELAY_GROUP, self._consumer),
                *(CLAIM_IDLE_MS, "0-0", "COUNT", entries_a_shard),
            ),
        ):
            found += [Entry(shard, name, intents_of(fields)) for name, fields in reply[1]]
        return found

    def acknowledge(self, entries: Iterable[Entry]) -> list[Entry]:
        """Tell Redis that Kafka has these; returns those to be tried again later."""
        by_shard: dict[Shard, list[Entry]] = {}
        for entry in entries:
            by_shard.setdefault(entry.shard, []).append(entry)
        replies = self._ask(
            list(by_shard),
            lambda shard: (
                *("XACK", shard.outbox, RELAY_GROUP),
                *(entry.id for entry in by_shard[shard]),
            ),
        )
        for shard, _ in replies:
            del by_shard[shard]
        return [entry for entries_left in by_shard.values() for entry in entries_left]

    def _take(self, shard: Shard, entries: list[Entry]) -> list[Entry]:
        position = self._positions[shard]
        if entries:
            position.last_entry_at = self._clock.monotonic()
        if position.cursor != b">":
            position.cursor = entries[-1].id if entries else b">"
        return entries

    def _ask(self, shards: list[Shard], command: Any) -> list[tuple[Shard, Any]]:
        """One pipeline per node; what cannot be asked now is left out and rests."""
        answered: list[tuple[Shard, Any]] = []
        for client, group in self._by_node(shards):
            try:
                pipeline = client.pipeline(transaction=False)
                for shard in group:
                    pipeline.execute_command(*command(shard))  # type: ignore[no-untyped-call]
                replies = pipeline.execute(raise_on_error=False)
            except redis.RedisError as error:
                self._rest(group, error)
                continue
            for shard, reply in zip(group, replies, strict=True):
                if not isinstance(reply, redis.RedisError):
                    answered.append((shard, reply))
                elif is_refusal(reply):
                    # No such stream: the agent has not armed the shard yet, or Redis has lost it.
                    self._rest_until[shard] = self._clock.monotonic() + NODE_REST_S
                    _log.debug("%s: %s", shard.outbox, reply)
                else:
                    self._rest([shard], reply)
        return answered

    def _by_node(self, shards: list[Shard]) -> list[tuple["redis.Redis", list[Shard]]]:
        now = self._clock.monotonic()
        located = []
        for shard in shards:
            if self._rest_until.get(shard, now) > now:
                continue
            try:
                located.append((self._cluster.node_of(shard), shard))
            except Unavailable as error:
                self._rest_until[shard] = now + NODE_REST_S
                _log.warning("%s: %s", shard.tag, error)
        located.sort(key=lambda pair: id(pair[0]))
        by_client = groupby(located, key=lambda pair: id(pair[0]))
        groups = (list(group) for _, group in by_client)
        return [(pairs[0][0], [shard for _, shard in pairs]) for pairs in groups]

    def _rest(self, shards: list[Shard], error: redis.RedisError) -> None:
        _log.warning("outboxes of %d shards: %s", len(shards), self._cluster.failed(error))
        for shard in shards:
            self._rest_until[shard] = self._clock.monotonic() + NODE_REST_S


def _entries(shard: Shard, reply: Any) -> list[Entry]:
    if not reply:
        return []
    ((_, entries),) = reply.items() if isinstance(reply, dict) else reply
    return [Entry(shard, name, intents_of(fields)) for name, fields in entries]

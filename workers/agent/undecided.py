"""What an old epoch's outbox still holds and PostgreSQL has not decided."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import redis

from control_plane.dead_letters.services import open_letters
from control_plane.inventory.models import Rearm, Source
from control_plane.orders.services import Request, decided
from workers.agent.barriers import Barriers
from workers.agent.units import fields
from workers.agent.waits import Waits
from workers.runtime.clock import Clock
from workers.runtime.verdicts import InvalidMessage, Unavailable
from workers.stock.cluster import StockClusters, is_refusal
from workers.stock.keys import Shard
from workers.stock.outbox import lines_of, request_of
from workers.stock.sale_items import database_outbox, shard_of

ENTRIES_A_READ = 16
# What was sent to Kafka again has this long to be landed.
SEND_AGAIN_AFTER_S = 5.0

_log = logging.getLogger(__name__)


class Undecided:
    """Looks at an outbox before its epoch is closed; what is missing is sent to Kafka again.

    A relay may have acknowledged an entry on a node that has been replaced since, and Kafka may
    have lost what it acknowledged: the barrier says nothing of either.
    """

    def __init__(
        self, clusters: StockClusters, barriers: Barriers, clock: Clock, waits: Waits
    ) -> None:
        self._clusters = clusters
        self._barriers = barriers
        self._clock = clock
        self._waits = waits
        self._wait_until: dict[UUID, float] = {}

    def is_none(self, rearm: Rearm) -> bool:
        """Whether all is decided, as far as the outbox can be read at all.

        A reservation that is a dead letter is not sent again: each copy would be another one, and
        they would stop the order consumer. The epoch keeps its unit until the letter is done.

        One that cannot be read may still hold a promise, so the epoch waits for its node; until an
        operator gives that up: it is gone for good then, and nothing is missing any more.
        """
        now = self._clock.monotonic()
        if now < self._wait_until.get(rearm.pk, now):
            return False
        shard = shard_of(rearm.allocation)
        try:
            missing = self._missing(rearm)
        except Unavailable as error:
            self._waits.note(f"the outbox of {shard.tag}", error)
            if rearm.given_up_at is None:
                return False
            missing = []
        if not missing:
            self._wait_until.pop(rearm.pk, None)
            return True
        self._wait_until[rearm.pk] = now + SEND_AGAIN_AFTER_S
        kept = open_letters([one.reservation_id for one in missing])
        lost = [one for one in missing if one.reservation_id not in kept]
        if kept:
            self._waits.note(
                f"dead letters of {shard.tag}", Unavailable(f"{len(kept)} wait for an attempt")
            )
        if lost:
            _log.error(
                "%d reservations of an old epoch are sent again", len(lost), extra=fields(shard)
            )
            self._barriers.send_again(lost)
        return False

    def send_all(self, rearm: Rearm) -> None:
        """Send what is not decided, whoever else may; raises Unavailable."""
        missing = self._missing(rearm)
        _log.warning(
            "no relay can empty this outbox: %d reservations are sent by the agent",
            len(missing),
            extra=fields(shard_of(rearm.allocation)),
        )
        self._barriers.send_again(missing)

    def keep_only(self, rearm_ids: set[UUID]) -> None:
        """Forget all others: they are closed."""
        self._wait_until = {pk: at for pk, at in self._wait_until.items() if pk in rearm_ids}

    def _missing(self, rearm: Rearm) -> list[Request]:
        return [one for page in self._pages(rearm) for one in _undecided(page)]

    def _pages(self, rearm: Rearm) -> Iterator[list[Request]]:
        """What the outbox holds, some entries at a time."""
        old = rearm.allocation
        if old.source == Source.DATABASE:
            rows = database_outbox(old).values_list("shopper", "reservation_id", "qty", "value")
            yield [Request(*row) for row in rows.iterator()]
        elif old.script_sha:
            # Without one it was never published, and nobody has bought from it.
            yield from self._pages_of(shard_of(old))

    def _pages_of(self, shard: Shard) -> Iterator[list[Request]]:
        cluster = self._clusters.of(shard)
        after = "-"
        while True:
            node = cluster.node_of(shard)
            try:
                entries: Any = node.xrange(shard.outbox, min=after, count=ENTRIES_A_READ)
            except redis.RedisError as error:
                if is_refusal(error):
                    # Not a stream: nobody can read anything from it.
                    return
                raise cluster.failed(error, node) from error
            if not entries:
                return
            yield _requests(shard, [line for _, entry in entries for line in lines_of(entry)])
            after = f"({entries[-1][0].decode()}"


def _requests(shard: Shard, lines: list[bytes]) -> list[Request]:
    """Without those that nobody can read: they are dead letters and stay so."""
    requests = []
    for line in lines:
        with suppress(InvalidMessage):
            requests.append(request_of(shard, line))
    return requests


def _undecided(requests: list[Request]) -> list[Request]:
    known = decided([one.reservation_id for one in requests])
    return [one for one in requests if one.reservation_id not in known]

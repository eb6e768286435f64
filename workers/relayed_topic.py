"""Whether topic `reservations` is the one that the relays have filled until now.

One that was deleted and made again has nothing of what it is said to have: what has no order yet
is sent again. Which one it was stands in PostgreSQL, because no process may live long enough to
see both: a relay may be killed with the topic.
"""

import logging
from collections.abc import Collection, Mapping

import redis

from control_plane.orders.services import note_relayed_topic, relay_again, relayed_topic
from workers.runtime.database import unavailable_when_down
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import StockClusters, is_refusal
from workers.stock.keys import RELAY_GROUP, Shard

_log = logging.getLogger(__name__)


class RelayedTopic:
    """For the outbox keeper's thread. `known` is what is known of topics now: their ids."""

    def __init__(self, clusters: StockClusters, topic: str, known: Mapping[str, str]) -> None:
        self._clusters = clusters
        self._topic = topic
        self._known = known
        self._rewound: set[Shard] = set()
        self._rows: int | None = None
        # A process has one topic: with another one it ends (topic_watch.py).
        self._is_settled = False

    def settle(self, shards: Collection[Shard]) -> None:
        """Have all that has no order sent once more, if need be. Repeat safe: landing decides once.

        Raises Unavailable; nothing is noted then, and the next call goes on.
        """
        now = self._known.get(self._topic)
        if self._is_settled or now is None:
            return
        with unavailable_when_down("default"):
            before = relayed_topic(self._topic)
        if before not in (None, now):
            self._send_again(shards)
        if before != now:
            with unavailable_when_down("default"):
                note_relayed_topic(self._topic, now)
        self._is_settled = True

    def _send_again(self, shards: Collection[Shard]) -> None:
        silent: Unavailable | None = None
        for shard in shards:
            if shard in self._rewound:
                continue
            try:
                self._rewind(shard)
                self._rewound.add(shard)
            except Unavailable as error:
                # The others' shoppers need not wait for it.
                silent = error
        if self._rows is None:
            with unavailable_when_down("default"):
                self._rows = relay_again()
        if silent is not None:
            raise silent
        _log.critical(
            "topic %s is another one: what has no order is sent again, of %d outboxes and %d rows",
            *(self._topic, len(self._rewound), self._rows),
        )

    def _rewind(self, shard: Shard) -> None:
        """The group reads the outbox from its beginning: what is decided was trimmed from there."""
        cluster = self._clusters.of(shard)
        node = cluster.node_of(shard)
        try:
            node.xgroup_setid(shard.outbox, RELAY_GROUP, "0")
        except redis.RedisError as error:
            # One that is refused has no such outbox.
            if not is_refusal(error):
                raise cluster.failed(error, node) from error

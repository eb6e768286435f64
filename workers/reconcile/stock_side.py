"""The stock Redis' side of a comparison: what each epoch's keys say, streamed into Parquet.

Reads only. In this order, which leaves nothing to chance: units before PostgreSQL is read, so that
every grant of a shard has its row; reservations after it and before Kafka, buyers before the outbox
and the relay's acknowledgements before its entries. What somebody moves meanwhile is then still
found where it goes to.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import redis

from control_plane.inventory.models import Allocation, AllocationState, Source
from control_plane.reconciliation.sides import Writer
from workers.runtime.verdicts import InvalidMessage, Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import Node, StockClusters, is_refusal
from workers.stock.keys import RELAY_GROUP, Shard
from workers.stock.outbox import lines_of, request_of
from workers.stock.sale_items import shard_of

# An epoch's keys are forgotten ten minutes after its close: then nobody needs to answer for them.
FORGOTTEN_AFTER = timedelta(minutes=15)
ENTRIES_A_READ = 64
PENDING_A_READ = 5_000

T = TypeVar("T")
Place = tuple[int, int]


class Epoch(NamedTuple):
    """Whose keys are looked for. `may_be_gone`: an operator gave its node up."""

    shard: Shard
    may_be_gone: bool


class ShardBooks(NamedTuple):
    """Units of an item's shards that sell, as inspect.lua adds them up."""

    granted: int = 0
    reclaimed: int = 0
    avail: int = 0
    sold: int = 0
    off: int = 0


def epochs(items: Sequence[int], now: datetime) -> list[Epoch]:
    """Epochs of these items that may have keys in a stock Redis."""
    rows = (
        Allocation.objects.filter(item_id__in=list(items))
        .exclude(source=Source.DATABASE)
        .exclude(state=AllocationState.CLOSED, closed_at__lt=now - FORGOTTEN_AFTER)
        .select_related("rearm")
        .order_by("item_id", "shard", "epoch")
    )
    return [Epoch(shard_of(row), _is_given_up(row)) for row in rows]


def _is_given_up(row: Allocation) -> bool:
    rearm = getattr(row, "rearm", None)
    return rearm is not None and rearm.given_up_at is not None


class StockSide:
    """One look at the epochs; raises Unavailable when a node that must answer does not."""

    def __init__(self, clusters: StockClusters, folder: Path, wanted: Sequence[Epoch]) -> None:
        self._clusters = clusters
        self._folder = folder
        self._wanted = wanted
        self.books: dict[int, ShardBooks] = {}
        # Entries that no relay has acknowledged.
        self.in_outboxes = 0

    def export_units(self) -> dict[str, int]:
        """Which keys are there, and the grants and reclaims they know; rows by table."""
        with (
            Writer(self._folder, "shards") as known,
            Writer(self._folder, "applied_grants") as grants,
            Writer(self._folder, "taken_reclaims") as reclaims,
        ):
            for shard in self._there():
                place = (shard.item, shard.shard, shard.epoch)
                known.add([(*place, shard.source)])
                for file, key in ((grants, shard.grants), (reclaims, shard.reclaims)):
                    file.add((name, *place, qty) for name, qty in self._movements(shard, key))
                self._add_up(shard)
        files = (("shards", known), ("applied_grants", grants), ("taken_reclaims", reclaims))
        return {name: file.count for name, file in files}

    def export_reservations(self, others: Iterator[tuple[Any, ...]]) -> dict[str, int]:
        """Winners and outboxes; `others` are rows for the outbox's file that stand elsewhere."""
        with Writer(self._folder, "winners") as winners, Writer(self._folder, "outbox") as outbox:
            for shard in self._there():
                place = (shard.item, shard.shard, shard.epoch)
                for page in shards.buyers_of(self._clusters.of(shard), shard):
                    winners.add((*place, *one) for one in page)
                outbox.add(self._counted(self._entries(shard)))
            outbox.add(self._counted(others))
        return {"winners": winners.count, "outbox": outbox.count}

    def _counted(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            self.in_outboxes += row[-2] != "relayed"
            yield row

    def _there(self) -> Iterator[Shard]:
        for epoch in self._wanted:
            try:
                if self._has_keys(epoch.shard):
                    yield epoch.shard
            except Unavailable:
                if not epoch.may_be_gone:
                    raise

    def _has_keys(self, shard: Shard) -> bool:
        """Of an epoch that is forgotten only its record is left."""
        return bool(self._ask(shard, lambda node: node.exists(shard.avail)))

    def _movements(self, shard: Shard, key: str) -> list[tuple[str, int]]:
        """A grant or reclaim is one of dozens an epoch, not one a reservation."""
        found: Any = self._told(shard, key, lambda node: node.hgetall(key))
        return [(name.decode(), int(qty)) for name, qty in found.items()]

    def _add_up(self, shard: Shard) -> None:
        said = shards.inspect(self._clusters.of(shard), shard)
        if said.fault:
            # Fenced: its units come back when it is closed.
            return
        before = self.books.get(shard.item, ShardBooks())
        self.books[shard.item] = ShardBooks(
            before.granted + said.granted,
            before.reclaimed + said.reclaimed,
            before.avail + said.avail,
            before.sold + said.sold,
            before.off + (not said.balanced),
        )

    def _entries(self, shard: Shard) -> Iterator[tuple[Any, ...]]:
        """A row for each line; one that nobody can read has no reservation."""
        delivered, pending = self._acknowledged(shard)
        after = "-"
        while entries := self._page(shard, after):
            for name, fields in entries:
                state = "relayed"
                if _id(name) > delivered:
                    state = "waiting"
                elif name in pending:
                    state = "pending"
                for line in lines_of(fields):
                    yield _row(shard, name.decode(), state, line)
            after = f"({entries[-1][0].decode()}"

    def _page(self, shard: Shard, after: str) -> list[Any]:
        def read(node: Node) -> Any:
            return node.xrange(shard.outbox, min=after, count=ENTRIES_A_READ)

        return self._told(shard, shard.outbox, read)

    def _acknowledged(self, shard: Shard) -> tuple[Place, set[bytes]]:
        """Up to where the relays have read, and what of it none has acknowledged."""
        # None: nobody has bought here yet. A key of another kind is refused when it is read.
        groups: Any = self._ask(shard, lambda node: node.xinfo_groups(shard.outbox)) or []
        ours = [one for one in groups if one["name"] == RELAY_GROUP.encode()]
        if not ours:
            return (0, 0), set()
        pending: set[bytes] = set()
        after = "-"
        while True:

            def read(node: Node, start: str = after) -> Any:
                return node.xpending_range(
                    shard.outbox, RELAY_GROUP, min=start, max="+", count=PENDING_A_READ
                )

            page: Any = self._told(shard, shard.outbox, read)
            pending.update(one["message_id"] for one in page)
            if len(page) < PENDING_A_READ:
                return _id(ours[0]["last-delivered-id"]), pending
            after = f"({page[-1]['message_id'].decode()}"

    def _told(self, shard: Shard, key: str, call: Callable[[Node], T]) -> T:
        """The node's answer; a refusal is none, else what it does not show would be missing."""
        found = self._ask(shard, call)
        if found is None:
            raise Unavailable(f"stock Redis: {key} is refused")
        return found

    def _ask(self, shard: Shard, call: Callable[[Node], T]) -> T | None:
        """The node's answer; None for a key that is none of ours any more."""
        cluster = self._clusters.of(shard)
        node = cluster.node_of(shard)
        try:
            return call(node)
        except redis.RedisError as error:
            if is_refusal(error):
                return None
            raise cluster.failed(error, node) from error


def _row(shard: Shard, entry: str, state: str, line: bytes) -> tuple[Any, ...]:
    place = (shard.item, shard.shard, shard.epoch)
    at_ms = int(entry.split("-")[0])
    try:
        request = request_of(shard, line)
    except InvalidMessage:
        return (*place, None, None, None, shard.source, entry, state, at_ms)
    who = (request.shopper, request.reservation_id, request.qty)
    return (*place, *who, shard.source, entry, state, at_ms)


def _id(name: bytes) -> Place:
    ms, _, sequence = name.partition(b"-")
    return int(ms), int(sequence)

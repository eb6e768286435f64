"""One item's queue in the stock Redis: opened, looked at, moved, its lobby closed.

Every call may be repeated. Raises, unless said otherwise: ShardFenced when the queue is not open in
this generation or this life, Unavailable when it is not known what became of the call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock.cluster import StockCluster

# What the gateways call; they may not load it.
GATEWAY_SCRIPTS = (scripts.TAKE_NUMBERS, scripts.JOIN_LOBBY)
BUCKETS_MAX = 16


@dataclass(frozen=True, order=True)
class QueueKeys:
    """Names of an item's queue keys: the table of `lua/README.md`, and nowhere else."""

    item: int
    buckets: int

    @property
    def tag(self) -> str:
        """The hash tag with its braces, e.g. {q7}."""
        return f"{{q{self.item}}}"

    @property
    def ctl(self) -> str:
        """Hash: generation, life, window, ceilings, lobby, mark."""
        return f"{self.tag}:ctl"

    @property
    def numbers(self) -> str:
        """Hash: bucket → next number."""
        return f"{self.tag}:numbers"

    @property
    def lobby(self) -> str:
        """Hash: bucket → next lobby number."""
        return f"{self.tag}:lobby"

    @property
    def seen(self) -> str:
        """Bitmap: the Bloom filter of who joined the lobby."""
        return f"{self.tag}:seen"

    @property
    def came(self) -> list[str]:
        """Bitmaps, one a bucket: places whose holder came."""
        return [f"{self.tag}:came:{bucket}" for bucket in range(self.buckets)]


class Called(NamedTuple):
    """A bucket's window: places below `served_until` may buy, those below `written_off` no more.

    `per_ks`: places called in the last 1000 seconds at the speed of now, for estimates.
    """

    served_until: int
    written_off: int
    per_ks: int = 0


@dataclass(frozen=True)
class Looked:
    """What one atomic reading says, a value for each bucket."""

    window: list[Called]
    numbers: list[int]
    lobby: list[int]
    came: list[int]
    lobby_is_open: bool
    time_ms: int
    gaps: list[list[tuple[int, int]]]


@dataclass(frozen=True)
class Opening:
    """With what a generation begins, a value for each bucket.

    `gaps`: numbers that nobody holds, first and beyond, as far as PostgreSQL knows.
    """

    generation: int
    oldest: int
    window: Sequence[Called]
    numbers: Sequence[int]
    ceilings: Sequence[int]
    lobby: Sequence[int]
    lobby_ceilings: Sequence[int]
    lobby_is_open: bool
    gaps: Sequence[Sequence[tuple[int, int]]] = ()


def open_queue(cluster: StockCluster, keys: QueueKeys, opening: Opening) -> None:
    """Open this generation in the life that the node has now, and let the gateways call scripts."""
    node = cluster.node_of(keys)
    try:
        for script in GATEWAY_SCRIPTS:
            node.script_load(script.text)
        replication: Any = node.info("replication")
    except redis.RedisError as error:
        raise cluster.failed(error, node) from error
    cluster.run(
        keys,
        scripts.OPEN_QUEUE,
        [keys.ctl, keys.numbers, keys.lobby, keys.seen, *keys.came],
        opening.generation,
        str(replication["master_replid"]),
        opening.oldest,
        _window(opening.window),
        _joined(opening.numbers),
        _joined(opening.ceilings),
        _joined(opening.lobby),
        _joined(opening.lobby_ceilings),
        "open" if opening.lobby_is_open else "closed",
        _gaps(opening.gaps),
    )


def look(cluster: StockCluster, keys: QueueKeys, generation: int) -> Looked:
    """The queue as it is now."""
    names = [keys.ctl, keys.numbers, keys.lobby, *keys.came]
    reply = cluster.run(keys, scripts.LOOK_QUEUE, names, generation)
    window, numbers, lobby, came, state, time_ms, gaps = reply
    try:
        return Looked(
            window=_read_window(window),
            numbers=_read(numbers),
            lobby=_read(lobby),
            came=_read(came),
            lobby_is_open=state == b"open",
            time_ms=int(time_ms),
            gaps=_read_gaps(gaps, keys.buckets),
        )
    except (ValueError, IndexError) as error:
        raise Unavailable(f"the queue {keys.tag} cannot be read: {error}") from error


def move(
    cluster: StockCluster,
    keys: QueueKeys,
    generation: int,
    window: Sequence[Called],
    ceilings: Sequence[int],
    lobby_ceilings: Sequence[int],
    sold_out_ms: int = 0,
) -> list[Called]:
    """Move the window forward, never back; the window that stands then."""
    arguments = (_window(window), _joined(ceilings), _joined(lobby_ceilings), sold_out_ms)
    reply = cluster.run(keys, scripts.MOVE_WINDOW, [keys.ctl], generation, *arguments)
    return _read_window(reply)


def close_lobby(cluster: StockCluster, keys: QueueKeys, generation: int) -> list[int]:
    """From here on nobody joins; how many did, by bucket."""
    names = [keys.ctl, keys.lobby, keys.seen, *keys.came]
    return _read(cluster.run(keys, scripts.CLOSE_LOBBY, names, generation))


def forget(cluster: StockCluster, item: int) -> None:
    """Drop all keys of a queue that is over."""
    keys = QueueKeys(item, BUCKETS_MAX)
    node = cluster.node_of(keys)
    try:
        node.unlink(keys.ctl, keys.numbers, keys.lobby, keys.seen, *keys.came)
    except redis.RedisError as error:
        raise cluster.failed(error, node) from error


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)


def _gaps(gaps: Sequence[Sequence[tuple[int, int]]]) -> str:
    return " ".join(
        f"{bucket}:{first}:{beyond}" for bucket, known in enumerate(gaps) for first, beyond in known
    )


def _window(window: Sequence[Called]) -> str:
    return ",".join(":".join(str(number) for number in called) for called in window)


def _read(text: bytes) -> list[int]:
    return [int(number) for number in text.decode().split(",")]


def _read_gaps(text: bytes, buckets: int) -> list[list[tuple[int, int]]]:
    gaps: list[list[tuple[int, int]]] = [[] for _ in range(buckets)]
    for gap in text.decode().split():
        bucket, first, beyond = (int(one) for one in gap.split(":"))
        gaps[bucket].append((first, beyond))
    return gaps


def _read_window(text: bytes) -> list[Called]:
    return [Called(*(int(one) for one in called.split(":"))) for called in text.decode().split(",")]

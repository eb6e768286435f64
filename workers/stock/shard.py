"""A shard in the stock agent's hands: filled with buyers, armed, given units, watched, disarmed.

Every call may be repeated. Raises, unless said otherwise: ShardFenced when the node does not accept
the epoch, Unavailable when it is not known what became of the call, and of those NoReplicas when
its master takes no writes. All of `workers.stock.cluster`, which names the errors.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import redis

from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock.cluster import Node, ShardFenced, StockCluster, is_refusal
from workers.stock.keys import RELAY_GROUP, Shard, slot_of

# Of one call of rebuild.lua.
REBUILD_MAX = 1000
# Of one call of ban.lua.
BANS_MAX = 1000
# HSCAN's hint: a reply of this many shoppers holds up the node for some 100 µs.
SCAN_COUNT = 500
# With three masters a number whose slot lies on the wanted one is among the next 20 (1 in 3000 is
# not).
EPOCH_GAP_MAX = 10_000

# shopper, reservation_id, qty that counts against his limit
Reservation = tuple[str, str, int]


@dataclass(frozen=True)
class ShardState:
    """What one atomic reading of a shard says.

    `fault` says why the shard refuses to sell, None when it sells. `avail` is 0 where it cannot be
    read, `lacking` the largest quantity that was refused since the last grant, 0 when none was.
    `time_ms` is the node's clock before the reading. `balanced`: Σ grants − Σ reclaims = avail +
    sold. `sold_out`: requests are answered sold_out now. `takes_writes`: enough replicas copy its
    master; where they do not, all of this stays as it is.
    """

    fault: str | None
    avail: int
    lacking: int
    time_ms: int
    balanced: bool
    sold_out: bool
    takes_writes: bool


@dataclass(frozen=True)
class Books:
    """The answer of inspect.lua; `fault` is empty when the shard sells."""

    avail: int
    sold: int
    granted: int
    winners: int
    outbox: int
    sold_out: int
    reclaimed: int
    balanced: int
    lacking: int
    bans: int
    fault: str


def next_epoch(after: int, item: int, shard: int, wanted: Callable[[int], bool]) -> int:
    """The first epoch after `after` whose keys lie in a slot that is wanted.

    Raises Unavailable when none of the next 10,000 does: nobody has the wanted slots.
    """
    for epoch in range(after + 1, after + EPOCH_GAP_MAX + 1):
        if wanted(slot_of(Shard(item, shard, epoch).tag)):
            return epoch
    raise Unavailable(f"no epoch of item {item}, shard {shard} has a slot that is wanted")


def life_of(cluster: StockCluster, shard: Shard) -> str:
    """The replication id of the shard's master: another one after each restart and promotion.

    A replica shows its master's id, so it raises Unavailable.
    """
    return str(_replication(cluster, shard)["master_replid"])


def takes_writes(cluster: StockCluster, shard: Shard) -> bool:
    """Whether enough replicas copy the shard's master; Unavailable where it is not a master."""
    return _has_copies(_replication(cluster, shard))


def _replication(cluster: StockCluster, shard: Shard) -> Any:
    node = cluster.node_of(shard)
    try:
        info: Any = node.info("replication")
    except redis.RedisError as error:
        raise cluster.failed(error, node) from error
    if info["role"] != "master":
        raise cluster.failed(redis.ReadOnlyError(f"the node of {shard.tag} is a replica"), node)
    return info


def _has_copies(replication: Any) -> bool:
    """Redis tells the number only where `min-replicas-to-write` wants some."""
    return bool(replication.get("min_slaves_good_slaves", 1) > 0)


def rebuild(cluster: StockCluster, shard: Shard, life: str, chunk: Sequence[Reservation]) -> bool:
    """Write what shoppers hold, before arming; at most REBUILD_MAX. What stands is kept.

    So PostgreSQL's decisions come first and the draining epochs' buyers after them; but the list of
    those epochs is read before the decisions, else what is decided while an epoch closes is missed.
    False when the epoch is armed in this life: there is nothing to rebuild any more.
    """
    if not chunk:
        return True
    arguments = [word for one in chunk for word in one]
    keys = [shard.ctl, shard.avail, shard.buyers, shard.outbox]
    return bool(cluster.run(shard, scripts.REBUILD, keys, str(shard.epoch), life, *arguments))


def arm(cluster: StockCluster, shard: Shard, life: str, limit: int, now_ms: int) -> str:
    """Make the epoch's keys and load its reserve script; returns the script's SHA-1.

    Only for an epoch whose script was never published: a shard that sold and lost its script may
    have lost sales with it, and loading the script again would sell their units twice.
    """
    keys = [shard.ctl, shard.avail, shard.outbox]
    cluster.run(shard, scripts.ARM, keys, str(shard.epoch), life, limit, now_ms)
    reserve, node = scripts.reserve_for(shard), cluster.node_of(shard)
    try:
        sha = node.script_load(reserve.text)
    except redis.RedisError as error:
        raise cluster.failed(error, node) from error
    assert sha == reserve.sha, "Redis and we disagree about a SHA-1"
    return reserve.sha


def grant(cluster: StockCluster, shard: Shard, grant_id: uuid.UUID, qty: int) -> int:
    """Put the grant's units in, once; returns the units free."""
    keys = [shard.ctl, shard.avail, shard.grants]
    reply = cluster.run(shard, scripts.GRANT, keys, str(shard.epoch), str(grant_id), qty)
    with _readable(shard):
        _, avail = reply
        return int(avail)


def reclaim(
    cluster: StockCluster, shard: Shard, reclaim_id: uuid.UUID, want: int, low_water: int
) -> int:
    """Take up to `want` free units out, once, and leave `low_water`; returns the units taken."""
    keys = [shard.ctl, shard.avail, shard.reclaims]
    epoch = str(shard.epoch)
    reply = cluster.run(shard, scripts.RECLAIM, keys, epoch, str(reclaim_id), want, low_water)
    with _readable(shard):
        return int(reply)


def disarm(cluster: StockCluster, shard: Shard) -> None:
    """Let the epoch sell nothing any more, also where its keys are gone. Never ShardFenced."""
    cluster.run(shard, scripts.DISARM, [shard.ctl], str(shard.epoch))


def release(cluster: StockCluster, shard: Shard, shopper: str, reservation_id: str) -> None:
    """Let a reservation that has ended count no more against its shopper's limit."""
    keys = [shard.ctl, shard.avail, shard.buyers]
    cluster.run(shard, scripts.RELEASE, keys, str(shard.epoch), shopper, reservation_id)


def mark_sold_out(cluster: StockCluster, shard: Shard, version_ms: int, left: int) -> bool:
    """Say that all shards together had `left` units when the look began at `version_ms`.

    It is believed for a second from then. False when a newer mark stands, or the shard holds more.
    """
    keys = [shard.ctl, shard.avail]
    epoch = str(shard.epoch)
    return bool(cluster.run(shard, scripts.MARK_SOLD_OUT, keys, epoch, version_ms, left))


def ban(cluster: StockCluster, shard: Shard, ends_ms: Mapping[str, int]) -> int:
    """Ban shoppers until then, or lift their bans (0); at most BANS_MAX. How many stand written."""
    keys = [shard.ctl, shard.avail, shard.bans]
    arguments = [word for one in ends_ms.items() for word in one]
    reply = cluster.run(shard, scripts.BAN, keys, str(shard.epoch), *arguments)
    with _readable(shard):
        return int(reply)


def bans_of(cluster: StockCluster, shard: Shard) -> dict[str, int]:
    """Who stands written there, and until when in ms; nobody when the key is gone."""
    node = cluster.node_of(shard)
    try:
        found: Any = node.hgetall(shard.bans)
    except redis.RedisError as error:
        if is_refusal(error):
            raise
        raise cluster.failed(error, node) from error
    with _readable(shard):
        return {shopper.decode(): int(until_ms) for shopper, until_ms in found.items()}


def buyers_of(cluster: StockCluster, shard: Shard) -> Iterator[list[Reservation]]:
    """Who holds what in an epoch, in portions; nobody when its keys are gone.

    Complete for an epoch that is disarmed. A reservation may come twice (HSCAN). What nobody can
    read is Unavailable, not fenced: these are an old epoch's, whose orders will tell, and not those
    of the epoch that is about to be armed.
    """
    cursor = 0
    while True:
        node = cluster.node_of(shard)
        try:
            reply: Any = node.hscan(shard.buyers, cursor, count=SCAN_COUNT)
        except redis.RedisError as error:
            if is_refusal(error):
                raise
            raise cluster.failed(error, node) from error
        cursor, found = reply
        if found:
            try:
                page = [
                    (shopper.decode(), *_reservation(one))
                    for shopper, reservations in found.items()
                    for one in reservations.decode().split(",")
                ]
            except ValueError as error:
                raise Unavailable(f"the buyers of {shard.tag} cannot be read: {error}") from error
            yield page
        if not cursor:
            return


def is_drained(cluster: StockCluster, shard: Shard) -> bool:
    """Whether a relay has acknowledged every entry of the outbox; true when the key is gone.

    Only an answer for good once the epoch is disarmed.
    """
    node = cluster.node_of(shard)
    pipeline = node.pipeline(transaction=False)
    # In this order: an entry that is handed out between the two is then newer than `delivered`.
    pipeline.xinfo_groups(shard.outbox)
    pipeline.xrevrange(shard.outbox, count=1)
    try:
        groups, last = pipeline.execute(raise_on_error=False)
    except redis.RedisError as error:
        raise cluster.failed(error, node) from error
    if isinstance(groups, redis.ResponseError) and str(groups).startswith("no such key"):
        return True
    for reply in (groups, last):
        if isinstance(reply, redis.RedisError):
            raise reply if is_refusal(reply) else cluster.failed(reply, node)
    for group in groups:
        if group["name"] == RELAY_GROUP.encode():
            delivered = _id(group["last-delivered-id"])
            return group["pending"] == 0 and (not last or _id(last[0][0]) <= delivered)
    return not last


def inspect(cluster: StockCluster, shard: Shard) -> Books:
    """The shard's books, whatever its state."""
    reply = cluster.run(shard, scripts.INSPECT, shard.keys, str(shard.epoch))
    with _readable(shard):
        return _books(reply)


def look(cluster: StockCluster, shards: Sequence[tuple[Shard, str]]) -> dict[Shard, ShardState]:
    """The states of armed shards with the SHA-1 of their reserve scripts; one pipeline a node.

    A shard whose node does not answer is not in the result; `cluster` has counted it. Reads only,
    raises nothing.
    """
    located = []
    for shard, sha in shards:
        try:
            located.append((cluster.node_of(shard), shard, sha))
        except Unavailable:
            continue
    located.sort(key=lambda one: id(one[0]))
    seen: dict[Shard, ShardState] = {}
    for _, group in groupby(located, key=lambda one: id(one[0])):
        armed = list(group)
        try:
            seen |= _look_at(cluster, armed[0][0], [(shard, sha) for _, shard, sha in armed])
        except Unavailable:
            continue
    return seen


def _look_at(
    cluster: StockCluster, node: Node, shards: list[tuple[Shard, str]]
) -> dict[Shard, ShardState]:
    try:
        replies = _ask_about(node, shards)
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            node.script_load(scripts.INSPECT.text)
            replies = _ask_about(node, shards)
    except redis.RedisError as error:
        raise cluster.failed(error, node) from error
    time, replication, known, *read = replies
    for reply in (time, replication, known):
        if isinstance(reply, redis.RedisError):
            # Nothing asked here can be refused for good, so whatever it is may pass.
            raise cluster.failed(reply, node)
    time_ms = time[0] * 1000 + time[1] // 1000
    seen = {}
    for (shard, _), is_known, reply in zip(shards, known, read, strict=True):
        if isinstance(reply, redis.RedisError) and not is_refusal(reply):
            cluster.failed(reply, node)
        else:
            seen[shard] = _state(shard, reply, time_ms, is_known, _has_copies(replication))
    return seen


def _ask_about(node: Node, shards: list[tuple[Shard, str]]) -> list[Any]:
    pipeline = node.pipeline(transaction=False)
    # First of all: a sold-out mark is dated by it.
    pipeline.time()
    pipeline.info("replication")
    pipeline.script_exists(*(sha for _, sha in shards))
    for shard, _ in shards:
        keys = shard.keys
        pipeline.evalsha(scripts.INSPECT.sha, len(keys), *keys, str(shard.epoch))
    replies: list[Any] = pipeline.execute(raise_on_error=False)
    return replies


def _state(
    shard: Shard, reply: Any, time_ms: int, is_known: bool, takes_writes: bool
) -> ShardState:
    try:
        if isinstance(reply, redis.RedisError):
            # A key of a wrong type, say: what is damaged is armed anew.
            raise ShardFenced(str(reply))
        with _readable(shard):
            books = _books(reply)
    except ShardFenced as spoilt:
        return ShardState(str(spoilt), 0, 0, time_ms, False, False, takes_writes)
    fault = books.fault
    if not fault and not is_known:
        fault = "its node has restarted and lost the reserve script"
    return ShardState(
        fault or None,
        max(books.avail, 0),
        books.lacking,
        time_ms,
        bool(books.balanced),
        bool(books.sold_out),
        takes_writes,
    )


def _books(reply: Any) -> Books:
    values: list[Any] = [*map(int, reply[:-1]), reply[-1].decode()]
    return Books(*values)


@contextmanager
def _readable(shard: Shard) -> Iterator[None]:
    """A reply that nobody can read says that somebody has spoilt a key: the epoch is over."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise ShardFenced(f"a reply of {shard.tag} cannot be read: {error}") from error


def _reservation(text: str) -> tuple[str, int]:
    reservation_id, _, qty = text.partition("=")
    return reservation_id, int(qty)


def _id(text: bytes) -> tuple[int, int]:
    ms, _, seq = text.partition(b"-")
    return int(ms), int(seq)

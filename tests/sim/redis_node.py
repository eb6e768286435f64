"""Stock Redis: nodes in pairs, each pair one master and a replica that lags behind.

A node's effects are a log of (tag, keys after the effect). A prefix of the log is therefore what a
stale replica or an older AOF holds, and no effect is ever half there: Redis replicates and appends
what a script wrote as one transaction.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.sim.nouns import Intent, NoReplicas, Tag, Unknown, Unreachable, place_of

if TYPE_CHECKING:
    from tests.sim.world import World

# What the reserve script knows a shopper for: reservation → units that count against his limit.
Buyers = dict[str, dict[str, int]]
# At most this many effects are missing from a promoted replica or an older AOF.
LAG_MAX = 14
# A master that lost its majority goes on answering for this long (cluster-node-timeout).
NODE_TIMEOUT_MS = 1000
LOST_REPLY_SHARE = 0.15
ALONE_SHARE = 0.5
# The scripts of `stock_calls` that write nothing.
READS = ("life_of", "buyers_of", "look", "is_drained", "takes_writes", "outbox_of")


class Keys:
    """The keys of one shard in one epoch. Never changed once they stand in a log."""

    __slots__ = (
        *("epoch", "node", "life", "disarmed", "sold_out_until", "avail", "sold", "spoilt"),
        *("buyers", "grants", "reclaims", "outbox", "delivered", "pending"),
    )

    def __init__(self) -> None:
        self.epoch = 0
        self.node = ""
        self.life = 0
        self.disarmed = False
        self.sold_out_until = -1
        self.avail = 0
        self.sold = 0
        self.spoilt = False
        self.buyers: Buyers = {}
        self.grants: dict[int, int] = {}
        self.reclaims: dict[int, int] = {}
        self.outbox: list[tuple[Intent, ...]] = []
        self.delivered = 0
        self.pending: dict[int, str] = {}

    def copy(self) -> "Keys":
        """To be changed by a script; what the log holds stays as it was."""
        copy = Keys.__new__(Keys)
        copy.epoch, copy.node, copy.life = self.epoch, self.node, self.life
        copy.disarmed, copy.sold_out_until = self.disarmed, self.sold_out_until
        copy.avail, copy.sold, copy.spoilt = self.avail, self.sold, self.spoilt
        copy.buyers, copy.grants = self.buyers.copy(), self.grants.copy()
        copy.reclaims, copy.outbox = self.reclaims.copy(), self.outbox.copy()
        copy.delivered, copy.pending = self.delivered, self.pending.copy()
        return copy

    @property
    def drained(self) -> bool:
        """Every entry was handed to a relay and acknowledged by it."""
        return self.delivered == len(self.outbox) and not self.pending


class Node:
    """One Redis process. `life` is its replication id: new after a restart or a promotion."""

    def __init__(self, name: str, world: "World") -> None:
        self.name = name
        self.world = world
        self.life = world.new_id()
        self.up = True
        self.frozen = False
        # Nobody copies it, so it takes no write (NOREPLICAS).
        self.alone = False
        # The same to the end: its partner died for good when it was promoted.
        self.bereft = False
        self.log: list[tuple[Tag, Keys]] = []
        self.data: dict[Tag, Keys] = {}
        self.scripts: dict[str, None] = {}
        self.inbox: list[Callable[[], Any]] = []

    @property
    def takes_writes(self) -> bool:
        """Somebody copies it."""
        return not (self.alone or self.bereft)

    def change(self, tag: Tag) -> Keys:
        """Keys to be changed now, within this script."""
        old = self.data.get(tag)
        keys = old.copy() if old else Keys()
        self.data[tag] = keys
        self.log.append((tag, keys))
        self.world.changed_keys.append((self.name, tag, keys))
        return keys

    def restart(self, keep: int) -> None:
        """Come back with the first `keep` effects, a new life and no scripts."""
        self.load(self.log[:keep])
        self.scripts, self.inbox, self.frozen, self.up = {}, [], False, True
        self.alone, self.life = False, self.world.new_id()

    def load(self, log: list[tuple[Tag, Keys]]) -> None:
        """Hold exactly this history."""
        self.log = log
        self.data = dict(log)

    def thaw(self) -> None:
        """Go on, beginning with what waited in the sockets; nobody hears the answers any more."""
        self.frozen = False
        waiting, self.inbox = self.inbox, []
        for call in waiting:
            self.world.attempt(call)


class Group:
    """A master and its replica; `zombie`: an old master that does not know of its successor."""

    def __init__(self, name: str, world: "World") -> None:
        self.world = world
        self.nodes = [Node(f"{name}a", world), Node(f"{name}b", world)]
        self.master = self.nodes[0]
        self.zombie: Node | None = None
        self.zombie_clients: list[str] = []

    def fail_over(self, keep: int, zombie_clients: list[str]) -> None:
        """Promote the replica with the first `keep` effects; some clients still see the old one.

        A node keeps its script cache when it becomes a replica and when it is promoted, and
        CLUSTER MYID never changes; only the replication id tells its lives apart.
        """
        old = self.master
        new = self.nodes[1] if old is self.nodes[0] else self.nodes[0]
        new.load(old.log[:keep])
        new.life = self.world.new_id()
        new.up, new.frozen, new.inbox = True, False, []
        # Until the old one is back as its replica, perhaps.
        new.alone = not old.up or self.world.rng.random() < ALONE_SHARE
        self.master, self.zombie, self.zombie_clients = new, old, zombie_clients

    def bereave(self) -> None:
        """The old master never comes back: what only it held is gone, the new one stays alone."""
        self.rejoin()
        self.master.bereft = True

    def rejoin(self) -> None:
        """The old master becomes a replica: what only it held is gone."""
        if self.zombie is not None:
            self.zombie.inbox, self.zombie.frozen = [], False
            self.zombie, self.zombie_clients = None, []
            self.master.alone = False
            self.world.history.note_losses()

    def seen_by(self, client: str) -> Node:
        """The node that a client takes for the master."""
        if self.zombie is not None and client in self.zombie_clients:
            return self.zombie
        return self.master

    def live(self) -> list[Node]:
        """Whose data can still be read by somebody."""
        return [self.master] if self.zombie is None else [self.master, self.zombie]


class Cluster:
    """The groups of both stock clusters. The next epoch of a shard may lie on another group."""

    def __init__(self, world: "World", groups: int) -> None:
        self.world = world
        self.sources = {
            "primary": [Group(f"n{number}", world) for number in range(groups)],
            "standby": [Group("standby", world)],
        }
        self.groups = [group for groups in self.sources.values() for group in groups]

    def group_of(self, tag: Tag) -> Group:
        """Where a tag's slot lies, in the cluster that PostgreSQL's row names."""
        groups = self.sources[self.world.pg.allocations[tag].source]
        return groups[place_of(tag, len(groups))]

    def wanted_place(self, client: str, source: str, shard: int) -> int:
        """The group for a shard's next epoch: its own, or the next one that takes writes."""
        groups = self.sources[source]
        places = [(shard + more) % len(groups) for more in range(len(groups))]
        seen = {place: groups[place].seen_by(client) for place in places}
        healthy = (
            place
            for place in places
            if seen[place].up and not seen[place].frozen and seen[place].takes_writes
        )
        return next(healthy, places[0])

    def call(self, client: str, tag: Tag, script: Callable[..., Any], *args: Any) -> Any:
        """Run a script on the node that `client` believes in; raises Trouble."""
        node = self.group_of(tag).seen_by(client)
        if not node.up:
            raise Unreachable(node.name)
        if node.frozen:
            node.inbox.append(lambda: script(node, tag, *args))
            raise Unknown(node.name)
        if not node.takes_writes and script.__name__ not in READS:
            raise NoReplicas(node.name)
        result = script(node, tag, *args)
        if self.world.lossy_network and self.world.rng.random() < LOST_REPLY_SHARE:
            raise Unknown(node.name)
        return result

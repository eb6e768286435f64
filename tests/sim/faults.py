"""What goes wrong, and when it is well again. Each fault says in the trace what it did."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sim import pg_epochs
from tests.sim.gateway import LEASE_MS
from tests.sim.nouns import Trouble, name_of
from tests.sim.redis_node import LAG_MAX, NODE_TIMEOUT_MS, Group

if TYPE_CHECKING:
    from tests.sim.world import World

# One fault in about so many steps; each seed draws its own.
EVERY_STEPS = (12, 25, 50, 100)
# How often a kind of fault is drawn in one seed; most seeds lack most kinds.
WEIGHTS = (0, 0, 1, 3)
# How often an old master does not come back at once.
HELD_DOWN_SHARE = 0.4
OUTAGE_STEPS = (5, 40)
PAUSE_STEPS = (10, 200)


class Faults:
    """One seed's bad luck.

    `calm`: nothing that was acknowledged is lost; no RESERVED may be refused or lost.
    `zombies`: the same, with agents and relays that stand still for long, amid everything.
    `lossy`: also failovers and AOFs rolled back. `spoilt`: also a counter that somebody changed.
    """

    def __init__(self, world: "World", kind: str) -> None:
        self.world = world
        self.kind = kind
        self.lossless = kind in ("calm", "zombies")
        self.every_steps = world.rng.choice(EVERY_STEPS)
        self.later: list[tuple[int, Callable[[], None]]] = []
        kinds: list[Callable[[], str]] = [
            *(self.crash, self.pause, self.restart, self.stop_node, self.freeze, self.stop_kafka),
            *(self.stop_postgres, self.lose_replies, self.rebalance, self.rearm_by_hand),
            self.pass_time,
            *(self.lose_replica, self.switch_source),
        ]
        if kind == "zombies":
            kinds = [self.pause, self.pause, self.rearm_by_hand, self.restart, self.pass_time]
            kinds += [self.lose_replica, self.switch_source]
        if not self.lossless:
            kinds += [self.roll_back, self.fail_over, self.split, self.swap, self.force_source]
            kinds += [self.bereave]
        if kind == "spoilt":
            kinds += [self.spoil]
        self.kinds = [one for one in kinds for _ in range(world.rng.choice(WEIGHTS))] or kinds

    def maybe(self) -> str | None:
        """Heal what is due; perhaps break something."""
        now = self.world.steps
        due = [heal for step, heal in self.later if step <= now]
        if due:
            self.later = [one for one in self.later if one[0] > now]
            for heal in due:
                heal()
        if self.world.rng.random() * self.every_steps < 1:
            return self.world.rng.choice(self.kinds)()
        return None

    def heal_all(self) -> None:
        """Everything runs again."""
        for _, heal in self.later:
            heal()
        self.later = []
        for process in self.world.processes:
            process.asleep_until = 0

    def _after_a_while(self, heal: Callable[[], None]) -> None:
        self.later.append((self.world.steps + self.world.rng.randint(*OUTAGE_STEPS), heal))

    def crash(self) -> str:
        """kill -9, and started again."""
        process = self.world.rng.choice(self.world.processes)
        process.restart()
        return f"{process.name} dies and starts again"

    def pause(self) -> str:
        """SIGSTOP or a long collection: it goes on later from where it stood."""
        names, rng = self.world.processes, self.world.rng
        # Who has read rows and not yet acted on them does the most harm when he wakes.
        slow = [one for one in names if one.name.startswith(("agent", "relay"))]
        process = rng.choice(slow if rng.random() < 0.6 else names)
        process.asleep_until = self.world.steps + self.world.rng.randint(*PAUSE_STEPS)
        return f"{process.name} stands still until step {process.asleep_until}"

    def _group(self) -> Group:
        return self.world.rng.choice(self.world.cluster.groups)

    def restart(self) -> str:
        """kill -9 of a master with appendfsync always: nothing lost but the script cache."""
        node = self._group().master
        node.restart(len(node.log))
        return f"{node.name} restarts"

    def stop_node(self) -> str:
        """A master is down for a while and nobody is promoted."""
        node = self._group().master
        node.up = False

        def start() -> None:
            if not node.up:
                node.restart(len(node.log))

        self._after_a_while(start)
        return f"{node.name} is down"

    def lose_replica(self) -> str:
        """A master that nobody copies takes no writes for a while."""
        node = self._group().master
        node.alone = True
        self._after_a_while(lambda: setattr(node, "alone", False))
        return f"{node.name} has no replica"

    def switch_source(self, lease_until: int | None = None) -> str:
        """An operator moves the sale to the other cluster, as soon as the old one is disarmed."""
        mode = self.world.rng.choice(self.world.rearm_modes)
        try:
            pg_epochs.switch_source(self.world.pg, mode, lease_until)
        except Trouble:
            return "an operator cannot change the source"
        return f"an operator changes the source to {self.world.pg.source} ({mode})"

    def force_source(self) -> str:
        """The same without waiting for the old cluster, but for the gateways' lease."""
        lease_until = self.world.now + LEASE_MS
        return f"{self.switch_source(lease_until)}, by force"

    def roll_back(self) -> str:
        """A master restarts with an older AOF, or from a disk that lost its last writes."""
        node = self._group().master
        missing = self.world.rng.randint(1, LAG_MAX)
        node.restart(max(len(node.log) - missing, 0))
        self.world.history.note_losses()
        return f"{node.name} restarts without its last {missing} effects"

    def freeze(self) -> str:
        """Calls time out now and are executed later."""
        node = self._group().master
        node.frozen = True

        def thaw() -> None:
            if node.frozen:
                node.thaw()

        self._after_a_while(thaw)
        return f"{node.name} freezes"

    def fail_over(self) -> str:
        """The replica is promoted; the old master, alive or dead, comes back as a replica."""
        return self._promote([])

    def bereave(self) -> str:
        """The replica is promoted and the old master is gone for good: nobody can write there.

        Only where another pair of the same cluster goes on, else nobody could sell any more.
        """
        group = self.world.rng.choice(self.world.cluster.sources["primary"])
        others = self.world.cluster.sources["primary"]
        if sum(not one.master.bereft for one in others) < 2 or group.master.bereft:
            return "a pair that is needed stays whole"
        said = self._promote([], group, for_good=True)
        return f"{said}, and stays alone"

    def split(self) -> str:
        """As `fail_over`, but some clients go on with the old master until it gives up."""
        names = [one.name for one in self.world.processes if self.world.rng.random() < 0.4]
        return self._promote(names)

    def swap(self) -> str:
        """A→B→A before anybody looks, and no process restarts: only the state is older."""
        group = self._group()
        there, back = self._promote([], group), self._promote([], group)
        return f"{there}; {back}"

    def _promote(
        self, clients: list[str], group: Group | None = None, *, for_good: bool = False
    ) -> str:
        group = group or self._group()
        if group.master.bereft:
            return f"nobody can replace {group.master.name}"
        group.rejoin()
        old, missing = group.master, self.world.rng.choice([0, 1, 2, 3, 5, LAG_MAX])
        if not old.up or (not clients and self.world.rng.random() < 0.3):
            old.up, old.scripts, clients = True, {}, []
        group.fail_over(max(len(old.log) - missing, 0), clients)
        if for_good:
            group.bereave()
        elif clients:
            self.world.at_ms(self.world.now + NODE_TIMEOUT_MS, group.rejoin)
        elif self.world.rng.random() < HELD_DOWN_SHARE:
            self._after_a_while(group.rejoin)
        else:
            group.rejoin()
        still = f"; {', '.join(clients)} still at {old.name}" if clients else ""
        return f"{group.master.name} replaces {old.name} without its last {missing} effects{still}"

    def spoil(self) -> str:
        """Somebody writes a stock counter by hand."""
        node = self._group().master
        armed = [tag for tag, keys in node.data.items() if keys.epoch]
        if not armed:
            return "nothing to spoil"
        tag, more = self.world.rng.choice(armed), self.world.rng.randint(1, 3)
        keys = node.change(tag)
        keys.avail, keys.spoilt = keys.avail + more, True
        return f"somebody adds {more} units to {name_of(tag)}"

    def stop_kafka(self) -> str:
        """Kafka is away for a while."""
        self.world.kafka.down = True
        self._after_a_while(lambda: setattr(self.world.kafka, "down", False))
        return "Kafka is down"

    def stop_postgres(self) -> str:
        """PostgreSQL is away for a while."""
        self.world.pg.down = True
        self._after_a_while(lambda: setattr(self.world.pg, "down", False))
        return "PostgreSQL is down"

    def lose_replies(self) -> str:
        """Calls are executed and their answers are lost."""
        self.world.lossy_network = True
        self._after_a_while(lambda: setattr(self.world, "lossy_network", False))
        return "answers get lost"

    def rebalance(self) -> str:
        """Partitions change hands; who had them finishes his batch all the same."""
        self.world.kafka.rebalance(self.world.consumer_names)
        return f"partitions go to {', '.join(self.world.kafka.owner)}"

    def rearm_by_hand(self) -> str:
        """An operator starts a re-arm of a healthy shard."""
        shard = self.world.rng.randrange(self.world.shards)
        mode = self.world.rng.choice(self.world.rearm_modes)
        try:
            row = pg_epochs.selling(self.world.pg, shard)
            if row is not None and row.sha:
                pg_epochs.begin_rearm(self.world.pg, row.tag, mode)
                return f"an operator re-arms {name_of(row.tag)} ({mode})"
        except Trouble:
            pass
        return "an operator hesitates"

    def pass_time(self) -> str:
        """Nothing happens for a while."""
        self.world.now += self.world.rng.randint(200, 1500)
        return f"it is {self.world.now} ms"

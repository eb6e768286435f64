"""One seeded world: who is there, who moves next, what time it is. No I/O, no clock, no threads."""

import hashlib
import random
import zlib
from collections.abc import Callable, Iterator

from tests.sim import checks
from tests.sim.agent import Agent
from tests.sim.clerks import Marketer, OrderClerk
from tests.sim.consumer import OrderConsumer
from tests.sim.faults import Faults
from tests.sim.gateway import Crowd, Gateway
from tests.sim.history import History
from tests.sim.kafka import Kafka
from tests.sim.nouns import Tag, Trouble
from tests.sim.pg_tables import Postgres
from tests.sim.redis_node import Cluster, Keys
from tests.sim.relay import Relay

Steps = Iterator[str | None]
# Swarm testing (Groce et al., ISSTA 2012): every seed has its own speeds and its own few kinds of
# faults. Worlds in which all is alike, and all goes wrong, rarely get deep into any one trouble.
STEP_MS_MAX = (2, 8, 40)
# In each seed there is one place where whoever comes by may stand still: words of the trace.
STALLS = (
    *(
        "took",
        "knows",
        "nothing left",
        "plans",
        "granted",
        "wants",
        "belongs",
        "armed",
        "is drained",
    ),
    *("sends", "read", "produced", "landed", "picked"),
)
STALL_SHARE = 0.5
STALL_STEPS = (30, 200)
KINDS = ("calm", "calm", "zombies", "lossy", "lossy", "spoilt")
SPEEDS = (1, 3, 3, 9)
# A round of an agent is many steps.
AGENT_SPEEDS = (3, 9, 27)
WATCH_SPEEDS = (3, 9)


class Process:
    """An actor's thread of control: a generator that stops at every yield."""

    def __init__(self, name: str, start: Callable[[], Steps], speeds: tuple[int, ...]) -> None:
        self.name = name
        self.speeds = speeds
        self.asleep_until = 0
        self._start = start
        self._steps = start()

    def next(self) -> str | None:
        """One step; None when it changed nothing."""
        return next(self._steps)

    def restart(self) -> None:
        """Forget everything that was only in memory."""
        self._steps = self._start()


class World:
    """All actors of one seed. `removed` names the guards that a mutant lacks; `kind` of faults
    and the place of stalls are drawn, or given by who looks for something.
    """

    def __init__(
        self,
        seed: int,
        removed: frozenset[str] = frozenset(),
        kind: str = "",
        stall_after: str = "",
    ) -> None:
        self.seed = seed
        self.removed = removed
        rng = self.rng = random.Random(seed)
        self.now = 0
        self.steps = 0
        self.agent_rounds = 0
        self.ending = False
        self.lossy_network = False
        drawn = rng.choice(STALLS)
        self.stall_after = stall_after or drawn
        self.trace: list[str] = []
        self.changed_keys: list[tuple[str, Tag, Keys]] = []
        self.checked_version = -1
        self.refused_for_lack: dict[int, int] = {}
        self._last_id = 0
        self._timers: list[tuple[int, Callable[[], None]]] = []

        drawn = rng.choice(KINDS)
        kind = kind or drawn
        self.limit = rng.randint(1, 3)
        self.shards = rng.randint(1, 3)
        self.rearm_modes = rng.choice([["full"], ["fast"], ["full", "fast"]])
        self.pg = Postgres(self, total=rng.randint(3, 16), limit=self.limit)
        self.history = History(self)
        self.cluster = Cluster(self, rng.randint(1, self.shards))
        self.kafka = Kafka(self, rng.randint(1, 3))
        self.gateways = [Gateway(self, f"gateway{n}") for n in range(rng.randint(1, 2))]
        self.crowd = Crowd(self, shoppers=rng.randint(4, 12), purchases=rng.randint(10, 80))
        self.step_ms_max = rng.choice(STEP_MS_MAX)
        self.processes: list[Process] = []
        self.consumer_names: list[str] = []
        self._start_processes(pairs=kind == "zombies")
        self._turns = [one for one in self.processes for _ in range(rng.choice(one.speeds))]
        self.kafka.rebalance(self.consumer_names)
        self.faults = Faults(self, kind)

    def _start_processes(self, *, pairs: bool) -> None:
        rng = self.rng
        for number in range(rng.randint(1 + pairs, 2)):
            self._start(f"agent{number}", Agent(self, f"agent{number}").run, AGENT_SPEEDS)
        for number in range(rng.randint(1 + pairs, 2)):
            self._start(f"relay{number}", Relay(self, f"relay{number}").run)
        for number in range(rng.randint(1, 2)):
            self._start(f"consumer{number}", OrderConsumer(self, f"consumer{number}").run)
        self.consumer_names = [one.name for one in self.processes if "consumer" in one.name]
        for gateway in self.gateways:
            self._start(gateway.name, gateway.run)
            self._start(f"{gateway.name}.watch", gateway.watch, WATCH_SPEEDS)
        self.infrastructure = list(self.processes)
        self._start("crowd", self.crowd.run)
        for number in range(rng.randint(0, 2)):
            self._start(f"clerk{number}", OrderClerk(self, f"clerk{number}").run)
        if rng.random() < 0.5:
            self._start("marketer", Marketer(self, "marketer").run)

    def _start(
        self, name: str, steps: Callable[[], Steps], speeds: tuple[int, ...] = SPEEDS
    ) -> None:
        self.processes.append(Process(name, steps, speeds))

    def guarded(self, guard: str) -> bool:
        """Is this guard in place? The words stand in `mutants.py`."""
        return guard not in self.removed

    def new_id(self) -> int:
        """Ids in the order in which they were made."""
        self._last_id += 1
        return self._last_id

    def home_of(self, shopper: str) -> int:
        """A shopper's shard, for ever."""
        return zlib.crc32(shopper.encode()) % self.shards

    def at_ms(self, when: int, what: Callable[[], None]) -> None:
        """Something that happens by itself."""
        self._timers.append((when, what))

    def attempt(self, call: Callable[[], object]) -> None:
        """Something whose failure nobody hears of."""
        try:
            call()
        except Trouble as trouble:
            self.say("network", f"unheard: {trouble!r}")

    def say(self, who: str, what: str) -> None:
        """One line of the trace."""
        self.trace.append(f"{self.steps:4} {self.now:6} ms  {who}: {what}")

    def step(self) -> None:
        """Somebody who can do something does one thing."""
        self.steps += 1
        fault = self.faults.maybe()
        if fault is not None:
            self.say("FAULT", fault)
        self._pass_time(self.rng.randint(0, self.step_ms_max))
        for _ in self.processes:
            process = self.rng.choice(self._turns)
            if process.asleep_until <= self.steps and self.move(process):
                break

    def move(self, process: Process) -> bool:
        """One step of this process, and every check; False when it had nothing to do."""
        said = process.next()
        if said is not None:
            self.say(process.name, said)
            if self.stall_after in said and self.rng.random() < STALL_SHARE:
                process.asleep_until = self.steps + self.rng.randint(*STALL_STEPS)
                self.say("FAULT", f"{process.name} stands still until step {process.asleep_until}")
        checks.after_step(self)
        return said is not None

    def _pass_time(self, ms: int) -> None:
        self.now += ms
        if self._timers:
            due = [what for when, what in self._timers if when <= self.now]
            self._timers = [timer for timer in self._timers if timer[0] > self.now]
            for what in due:
                what()

    def heal(self) -> None:
        """No more faults, no more shoppers; clerks and marketers go home."""
        self.say("FAULT", "everything is healed")
        self.faults.heal_all()
        for group in self.cluster.groups:
            group.rejoin()
        self._timers = []
        self.stall_after = "\n"
        self.crowd.purchases_left, self.crowd.again = 0, []
        self.processes = self.infrastructure

    def turn(self) -> None:
        """Everybody who is left does a step, in order."""
        self._pass_time(1)
        for process in self.processes:
            self.steps += 1
            self.move(process)

    @property
    def trace_hash(self) -> str:
        """Names this very run."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

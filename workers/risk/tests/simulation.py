"""A sale of half a minute, simulated from a seed: people behind mixed addresses, and robots.

Each visitor is a list of moments at which he tries to buy. The gateways' rate limits (three a
second for an address, a device, a shopper) and the bans of the real scorer decide what he hears; a
ban is in force REACH_MS after the event that caused it.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge

from workers.risk.event import Event, network_of
from workers.risk.penalties import Penalties
from workers.risk.scoring import Scorer
from workers.risk.settings import Configuration, Thresholds

START_MS = 1_800_000_000_000
LASTS_S = 30
REACH_MS = 300
LIMIT_PER_S, BURST = 3, 3
UNITS = 3000


@dataclass
class Visitor:
    """One who tries. `good`: with a token that is right."""

    name: str
    is_robot: bool
    addresses: list[str]
    devices: list[str]
    shoppers: list[str]
    times_s: list[float]
    good: bool = True
    pattern: str = "human"

    def tries(self) -> Iterator[tuple[float, int, "Visitor"]]:
        """(moment, number, himself), in order."""
        for number, at_s in enumerate(sorted(self.times_s)):
            yield at_s, number, self


@dataclass
class Figures:
    """What became of them."""

    humans: int = 0
    robots: int = 0
    humans_denied: set[str] = field(default_factory=set)
    robots_caught: set[str] = field(default_factory=set)
    requests: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)

    @property
    def false_reject(self) -> float:
        """Share of people who were denied at least once."""
        return len(self.humans_denied) / self.humans

    @property
    def false_accept(self) -> float:
        """Share of robots that were never denied."""
        return 1 - len(self.robots_caught) / self.robots

    @property
    def robots_requests_passed(self) -> float:
        """Share of the robots' requests that no ban stopped."""
        passed, stopped = self.requests[True, False], self.requests[True, True]
        return passed / (passed + stopped)


def people(rng: random.Random, count: int) -> Iterator[Visitor]:
    """Households, mobile carriers' shared addresses, campuses, IPv6."""
    household: list[Visitor] = []
    for number in range(count):
        kind = rng.choices(["household", "carrier", "campus", "v6"], [50, 30, 15, 5])[0]
        address = {
            "household": f"81.{number >> 14}.{(number >> 6) & 255}.{number & 63 | 1}",
            "carrier": f"100.64.{rng.randrange(4)}.{rng.randrange(10)}",
            "campus": f"141.20.1.{rng.randrange(5)}",
            "v6": f"2001:db8:{number:x}::1",
        }[kind]
        device = f"device-h{number}"
        if kind == "household" and household and rng.random() < 0.3:
            mate = rng.choice(household[-3:])
            address = mate.addresses[0]
            if rng.random() < 0.3:  # the tablet in the kitchen
                device = mate.devices[0]
        visitor = Visitor(f"h{number}", False, [address], [device], [f"h{number}"], _clicks(rng))
        if rng.random() < 0.01:
            visitor.good = False  # left the page open; its token has expired
        if kind == "household":
            household.append(visitor)
        yield visitor


def _clicks(rng: random.Random) -> list[float]:
    """Most come in the first seconds and try a few times; one in twenty hammers for some."""
    at_s = min(rng.expovariate(0.3), LASTS_S - 1)
    if rng.random() < 0.05:
        return [at_s + step / rng.uniform(3, 6) for step in range(rng.randrange(10, 50))]
    times = [at_s]
    while rng.random() < 0.7 and times[-1] < LASTS_S:
        times.append(times[-1] + rng.uniform(0.5, 3))
    return times


def robots(rng: random.Random) -> Iterator[Visitor]:
    """Two hundred, by pattern; one in ten behaves as a person does and cannot be told from one."""
    for number in range(200):
        name, own = f"r{number}", f"45.{number}.7.9"
        shared = rng.choice([f"100.64.{rng.randrange(4)}.{rng.randrange(10)}", "141.20.1.1"])
        address = shared if number % 5 == 0 else own
        device, shoppers = [f"device-r{number}"], [f"{name}-{n}" for n in range(30)]
        steady = [n / 20 + rng.random() / 20 for n in range(20 * LASTS_S)]
        if number < 80:
            times = [rng.random() * LASTS_S for _ in range(30)]
            yield Visitor(name, True, [address], device, shoppers, times, True, "many shoppers")
        elif number < 120:
            yield Visitor(name, True, [address], device, [name], steady, True, "hammers")
        elif number < 150:
            yield Visitor(name, True, [address], [""], [""], steady, False, "forger")
        elif number < 170:
            many = [f"45.{number}.8.{n}" for n in range(50)]
            yield Visitor(name, True, many, [""], [""], steady * 2, False, "takes turns")
        elif number < 180:
            many = [f"2001:db9:{number:x}::{n:x}" for n in range(500)]
            yield Visitor(name, True, many, [""], [""], steady, False, "IPv6 forger")
        else:
            yield Visitor(name, True, [own], device, [name], _clicks(rng), True, "like a person")


def play(seed: int, humans: int = 10_000, limits: Thresholds | None = None) -> Figures:
    """The whole sale."""
    rng = random.Random(seed)
    visitors = [*people(rng, humans), *robots(rng)]
    figures = Figures(humans, len(visitors) - humans)
    sale = _Sale(figures, Scorer(limits))
    for at_s, number, visitor in merge(
        *(visitor.tries() for visitor in visitors), key=lambda one: one[0]
    ):
        sale.try_to_buy(START_MS + int(at_s * 1000), number, visitor)
    for visitor in visitors:
        if visitor.is_robot and visitor.name not in figures.robots_caught:
            figures.missed[visitor.pattern] += 1
    return figures


class _Sale:
    def __init__(self, figures: Figures, scorer: Scorer) -> None:
        self._figures = figures
        self._scorer = scorer
        self._scorer.configure(Configuration(1, "enforce"))
        self._penalties = Penalties()
        # (kind, value) → from, until
        self._bans: dict[tuple[str, str], tuple[int, int]] = {}
        # GCRA: when the next one is due.
        self._due_ms: dict[tuple[str, str], float] = {}
        self._left = UNITS

    def try_to_buy(self, at_ms: int, number: int, visitor: Visitor) -> None:
        """One request through limits and bans, and its event to the scorer."""
        address = visitor.addresses[number % len(visitor.addresses)]
        device = visitor.devices[number % len(visitor.devices)] if visitor.good else ""
        shopper = visitor.shoppers[number % len(visitor.shoppers)] if visitor.good else ""
        outcome = self._outcome(at_ms, address, device, shopper, visitor.good)
        denied = outcome == "denied"
        self._figures.requests[visitor.is_robot, denied] += 1
        if denied:
            caught = self._figures.robots_caught if visitor.is_robot else None
            (self._figures.humans_denied if caught is None else caught).add(visitor.name)
        if denied and self._is_place_banned(at_ms, address):
            shopper = device = ""  # refused before its token was read
        event = Event(at_ms, 7, outcome, shopper, device, address)
        for verdict in self._scorer.look(event):
            ban = self._penalties.punish(verdict, at_ms)
            if ban:
                self._bans[ban.kind, ban.value] = (at_ms + REACH_MS, ban.until_ms)
                self._figures.rules[verdict.rule] += 1

    def _outcome(self, at_ms: int, address: str, device: str, shopper: str, good: bool) -> str:
        if self._is_place_banned(at_ms, address):
            return "denied"
        if not good:
            return "bad_token"
        mine = [("device", device), ("shopper", shopper)]
        if any(self._is_banned(one, at_ms) for one in mine):
            return "denied"
        passed = [self._may_pass(one, at_ms) for one in (("address", address), *mine)]
        if not all(passed):
            return "rate_limited"
        if self._left:
            self._left -= 1
            return "reserved"
        return "sold_out"

    def _is_place_banned(self, at_ms: int, address: str) -> bool:
        network = network_of(address)
        assert network
        places = (("address", address), ("network", network[0]))
        return any(self._is_banned(one, at_ms) for one in places)

    def _is_banned(self, subject: tuple[str, str], at_ms: int) -> bool:
        since_ms, until_ms = self._bans.get(subject, (0, 0))
        return since_ms <= at_ms < until_ms

    def _may_pass(self, subject: tuple[str, str], at_ms: int) -> bool:
        step_ms = 1000 / LIMIT_PER_S
        due_ms = max(self._due_ms.get(subject, 0.0), at_ms)
        if due_ms - at_ms > (BURST - 1) * step_ms:
            return False
        self._due_ms[subject] = due_ms + step_ms
        return True

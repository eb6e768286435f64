"""Simulated shoppers: what each does, and what it heard. Edge and gateway only, over HTTP."""

import asyncio
import enum
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

import aiohttp

JSON = {"Content-Type": "application/json"}
# A shopper who hears nothing definite for this long gives up; the books show what became of it.
PATIENCE_S = 60.0
# Early shoppers come this long before the start.
EARLY_S = (0.3, 2.0)
PLAIN_BODY = b'{"qty":1}'
# workerd closes a connection that was idle for five seconds, and what is sent just then is lost.
KEEPALIVE_S = 2.0


class Kind(enum.Enum):
    """How a shopper behaves; the share of each is in `KIND_SHARES`."""

    CALM = "calm"
    IMPATIENT = "impatient"  # clicks several times at once
    EARLY = "early"  # asks for an entry token before the start
    FORGER = "forger"  # changes a token, then buys with the true one
    REPLAYER = "replayer"  # having bought, tries the same token under another idempotency key


KIND_SHARES = {
    Kind.CALM: 0.72,
    Kind.IMPATIENT: 0.15,
    Kind.EARLY: 0.05,
    Kind.FORGER: 0.04,
    Kind.REPLAYER: 0.04,
}


@dataclass
class Shopper:
    """One simulated buyer. `arrives_s` is after the start; `seed` decides the rest.

    `address` is a loopback address of his own: limits are per address.
    """

    name: str
    kind: Kind
    session: str
    address: str
    arrives_s: float
    seed: int


@dataclass
class Heard:
    """Everything that was answered, as the shoppers saw it."""

    answers: Counter[str] = field(default_factory=Counter)
    reserved: dict[str, str] = field(default_factory=dict)  # reservation id → shopper
    reserved_at: list[float] = field(default_factory=list)
    confirmed: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    latencies_ms: list[float] = field(default_factory=list)  # click → answer
    confirm_ms: list[float] = field(default_factory=list)  # click → CONFIRMED seen
    surprises: list[str] = field(default_factory=list)
    finished: int = 0

    def surprise(self, shopper: Shopper, what: str) -> None:
        """An answer that must not be: the sale fails because of it."""
        self.surprises.append(f"{shopper.name} ({shopper.kind.value}): {what}")


@dataclass(frozen=True)
class Answer:
    """Status and JSON body of one response, and its waiting time if it named one."""

    status: int
    body: dict[str, object]
    ms: float

    @property
    def outcome(self) -> str:
        """The outcome of DESIGN §2, or `entered` for an entry."""
        if "entry_token" in self.body:
            return "entered"
        return str(self.body.get("outcome") or self.body.get("code") or self.status)

    @property
    def wait_s(self) -> float:
        """How long the server asked to wait."""
        return float(str(self.body.get("retry_after_ms", 500))) / 1000


def address_of(number: int) -> str:
    """An address of this machine for every number up to 16 million, none of them 127.0.0.1."""
    number += 1 << 16
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Sale:
    """One item's sale as its shoppers meet it. `via_edge`: share of purchases through the edge."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        edge: str,
        gateway: str,
        item: int,
        start: float,
        via_edge: float,
        connections: int,
    ) -> None:
        """`start` in Unix seconds; edge and gateway are base URLs."""
        self._doors = asyncio.Semaphore(connections)
        self._http, self._edge, self._gateway = http, edge, gateway
        # The edge tells the gateway the address that a connection comes from.
        self._own: dict[str, aiohttp.ClientSession] = {}
        self.item, self.start, self._via_edge = item, start, via_edge
        self.heard = Heard()

    async def run(self, shopper: Shopper) -> None:
        """Live through the sale as this shopper."""
        choice = random.Random(shopper.seed)
        behave = {
            Kind.CALM: self._calm,
            Kind.IMPATIENT: self._impatient,
            Kind.EARLY: self._early,
            Kind.FORGER: self._forger,
            Kind.REPLAYER: self._replayer,
        }[shopper.kind]
        try:
            await behave(shopper, choice)
        except (aiohttp.ClientError, TimeoutError) as error:
            self.heard.answers[f"connection: {type(error).__name__}"] += 1
        finally:
            self.heard.finished += 1
            if own := self._own.pop(shopper.name, None):
                await own.close()

    async def _calm(self, shopper: Shopper, choice: random.Random) -> None:
        entry = await self._enter(shopper)
        if entry:
            await self._buy(shopper, entry, choice)

    async def _impatient(self, shopper: Shopper, choice: random.Random) -> None:
        entry = await self._enter(shopper)
        if entry:
            clicks = [self._buy(shopper, entry, choice) for _ in range(choice.randint(2, 4))]
            ids = {one for one in await asyncio.gather(*clicks) if one}
            if len(ids) > 1:
                self.heard.surprise(shopper, f"several reservations: {sorted(ids)}")

    async def _early(self, shopper: Shopper, choice: random.Random) -> None:
        await self._sleep_until(self.start - choice.uniform(*EARLY_S))
        answer = await self._ask_entry(shopper)
        if answer.outcome == "entered" and time.time() < self.start:
            self.heard.surprise(shopper, "was let in before the start")
        await self._calm(shopper, choice)

    async def _forger(self, shopper: Shopper, choice: random.Random) -> None:
        entry = await self._enter(shopper)
        if not entry:
            return
        head, payload, signature = str(entry["entry_token"]).split(".")
        other = payload[:20] + ("A" if payload[20] != "A" else "B") + payload[21:]
        forged = entry | {"entry_token": f"{head}.{other}.{signature}"}
        answer = await self._click(shopper, forged, choice)
        if answer.outcome not in ("bad_token", "ended", "sold_out"):
            self.heard.surprise(shopper, f"a forged token was answered {answer.outcome}")
        await self._buy(shopper, entry, choice)

    async def _replayer(self, shopper: Shopper, choice: random.Random) -> None:
        entry = await self._enter(shopper)
        if entry and await self._buy(shopper, entry, choice):
            answer = await self._click(shopper, entry, choice, key="once-more")
            if answer.outcome == "reserved":
                self.heard.surprise(shopper, "a replayed token bought a second time")

    async def _enter(self, shopper: Shopper) -> dict[str, object] | None:
        await self._sleep_until(self.start + shopper.arrives_s)
        answer = await self._until(
            lambda: self._ask_entry(shopper), lambda one: one.outcome in ("not_started", "busy")
        )
        return answer.body if answer.outcome == "entered" else None

    async def _buy(
        self, shopper: Shopper, entry: dict[str, object], choice: random.Random
    ) -> str | None:
        clicked = time.monotonic()
        clicks = count()
        answer = await self._until(
            lambda: self._click(shopper, entry, choice, is_repeated=next(clicks) > 0),
            lambda one: one.outcome in ("busy", "rate_limited"),
        )
        if answer.outcome not in ("reserved", "pending"):
            return None
        reservation = str(answer.body["reservation_id"])
        if answer.outcome == "reserved":
            self._note_reserved(shopper, reservation)
        await self._follow(shopper, entry, reservation, clicked)
        return reservation if reservation in self.heard.reserved else None

    async def _follow(
        self, shopper: Shopper, entry: dict[str, object], reservation: str, clicked: float
    ) -> None:
        """Poll the status until it is final: `pending` becomes reserved, or was never taken."""
        headers = {"Authorization": f"Bearer {entry['entry_token']}"}
        url = f"{self._gateway}/v1/reservations/{reservation}"
        answer = await self._until(
            lambda: self._call("GET", url, headers),
            lambda one: one.status == 503 or one.body.get("state") == "reserved",
        )
        state = str(answer.body.get("state", answer.outcome))
        self.heard.answers[f"status {state}"] += 1
        if state in ("reserved", "confirmed"):
            self._note_reserved(shopper, reservation)
        if state == "confirmed" and reservation not in self.heard.confirmed:
            self.heard.confirmed.add(reservation)
            self.heard.confirm_ms.append((time.monotonic() - clicked) * 1000)
        elif state == "rejected":
            self.heard.rejected.add(reservation)

    def _note_reserved(self, shopper: Shopper, reservation: str) -> None:
        owner = self.heard.reserved.get(reservation)
        if owner is None:
            self.heard.reserved[reservation] = shopper.name
            self.heard.reserved_at.append(time.monotonic())
        elif owner != shopper.name:
            self.heard.surprise(shopper, f"was given {owner}'s reservation {reservation}")

    async def _ask_entry(self, shopper: Shopper) -> Answer:
        headers = JSON | {"Authorization": f"Bearer {shopper.session}"}
        device = f"device-{shopper.seed:08x}"
        body = f'{{"device":"{device}"}}'.encode()
        # Thousands of shoppers share this one process: the crowd waits here, where nothing is
        # timed, and not between a click and its answer.
        async with self._doors:
            url = f"{self._edge}/v1/items/{self.item}/entry"
            answer = await self._call("POST", url, headers, body, self._from(shopper))
        self.heard.answers[f"entry {answer.outcome}"] += 1
        return answer

    async def _click(
        self,
        shopper: Shopper,
        entry: dict[str, object],
        choice: random.Random,
        key: str = "",
        is_repeated: bool = False,
    ) -> Answer:
        via_edge = choice.random() < self._via_edge
        base, door = (self._edge, self._from(shopper)) if via_edge else (self._gateway, None)
        headers = JSON | {"Authorization": f"Bearer {entry['entry_token']}"}
        if not via_edge:
            headers["X-Forwarded-For"] = shopper.address
        if key:
            headers["Idempotency-Key"] = key
        if is_repeated:
            headers["Purchase-Retry"] = "1"
        url = f"{base}{entry['buy_url']}"
        answer = await self._call("POST", url, headers, PLAIN_BODY, door)
        self.heard.latencies_ms.append(answer.ms)
        self.heard.answers[f"buy {answer.outcome}"] += 1
        return answer

    async def _sleep_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.time()))

    async def _until(
        self, ask: Callable[[], Awaitable[Answer]], again: Callable[[Answer], bool]
    ) -> Answer:
        """Ask, and ask again as long as the server says so and patience lasts."""
        give_up = time.monotonic() + PATIENCE_S
        answer = await ask()
        while again(answer) and time.monotonic() < give_up:
            await asyncio.sleep(answer.wait_s)
            answer = await ask()
        return answer

    def _from(self, shopper: Shopper) -> aiohttp.ClientSession:
        """Connections that come from this shopper's own address."""
        own = self._own.get(shopper.name)
        if not own:
            connector = aiohttp.TCPConnector(
                local_addr=(shopper.address, 0), keepalive_timeout=KEEPALIVE_S
            )
            own = aiohttp.ClientSession(connector=connector, timeout=self._http.timeout)
            self._own[shopper.name] = own
        return own

    async def _call(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        door: aiohttp.ClientSession | None = None,
    ) -> Answer:
        door, began = door or self._http, time.monotonic()
        async with door.request(method, url, headers=headers, data=body) as response:
            answered = await response.json(content_type=None)
            return Answer(response.status, answered, (time.monotonic() - began) * 1000)


def crowd(names_and_sessions: list[tuple[str, str]], spike_s: float, seed: int) -> list[Shopper]:
    """Shoppers of all kinds; most arrive soon after the start, the last after 3 × `spike_s`."""
    choice = random.Random(seed)
    kinds = list(KIND_SHARES)
    weights = list(KIND_SHARES.values())
    return [
        Shopper(
            name=name,
            kind=choice.choices(kinds, weights)[0],
            session=session,
            address=address_of(number),
            arrives_s=min(choice.expovariate(1 / spike_s), choice.uniform(0, 3 * spike_s)),
            seed=choice.getrandbits(31),
        )
        for number, (name, session) in enumerate(names_and_sessions)
    ]

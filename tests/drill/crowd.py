"""The load: shoppers arriving at a steady rate, bounded in number and in time, in their own thread.

They come to the gateway with entry tokens signed as the edge would. An open loop: a gateway
that stands still does not keep the next shopper away.
"""

import asyncio
import json
import random
import threading
import time
from dataclasses import dataclass

import aiohttp
import jwt

from tests.drill.recorder import Heard, Recorder, home_of
from tests.load.shoppers import JSON, Answer, address_of

TOKEN_LIFE_S = 110
# A shopper who hears nothing definite for so long gives up; the books show what became of it.
PATIENCE_S = 20.0
CALL_TIMEOUT_S = 8.0
LONGEST_WAIT_S = 0.7
# Of the winners: who clicks again with the same key, who tries to buy more with another one.
REPEAT_SHARE, GREEDY_SHARE = 0.15, 0.10
TWO_UNITS_SHARE = 0.25
# What may have been a yes. Who asks again then says so, as the SDK does: "sold out" from a worker's
# memory is not for him (openresty/gateway/sold_out.lua).
UNKNOWN = ("busy", "pending", "connection")
AGAIN = {"Purchase-Retry": "1"}
# Of those who want more: who comes back for it later.
LATER_SHARE = 0.7
# Shoppers go on for so long after what they came for.
STAY_S = 1.0
WAITS = ("queued", "busy", "rate_limited", "pending", "not_found", "connection")
# When the crowd is sent home, requests on their way get this long.
LEAVE_S = 3.0


@dataclass(frozen=True)
class Counter:
    """Where the item is sold, and the key that signs its entry tokens."""

    gateway: str
    item: int
    path_key: str
    kid: str
    secret: bytes
    shards: int
    limit: int


class Crowd:
    """`start` at `opens` (Unix seconds); `leave` ends it, whatever they are waiting for.

    Shoppers come until `join`, and for `seconds` at least, but not longer than `most_s`: once
    nobody comes any more, nobody comes back.
    """

    def __init__(
        self,
        counter: Counter,
        rate_per_s: int,
        seconds: float,
        seed: int,
        most_s: float,
    ) -> None:
        self.recorder = Recorder()
        self._most_s = most_s
        self._counter, self._rate, self._seconds = counter, rate_per_s, seconds
        self._choice = random.Random(seed)
        self._leave = threading.Event()
        self._is_joined = False
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None
        self.arrived = 0

    def start(self, opens: float) -> None:
        """Return at once; the crowd lives in a thread."""
        self._thread = threading.Thread(target=self._run, args=(opens,), daemon=True)
        self._thread.start()

    def gateway(self, number: int) -> str:
        """Where a shopper's next click goes; tests/zones has several."""
        return self._counter.gateway

    def leave(self) -> None:
        """Nobody new, and who waits goes home. Raises what went wrong in the crowd itself."""
        self._leave.set()
        if self._thread:
            self._thread.join()
        if self._failed:
            raise self._failed

    def join(self) -> None:
        """Wait until everybody who was to come has come, and a moment longer; then as `leave`."""
        if not self._is_joined and not self._leave.is_set():
            time.sleep(STAY_S)
        self._is_joined = True
        if self._thread:
            self._thread.join(self._most_s + PATIENCE_S)
        self.leave()

    def _run(self, opens: float) -> None:
        try:
            asyncio.run(self._sale(opens))
        except BaseException as error:  # noqa: BLE001  # told by `leave`
            self._failed = error

    async def _sale(self, opens: float) -> None:
        await asyncio.sleep(max(0.0, opens - time.time()))
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            tasks: set[asyncio.Task[None]] = set()
            opened = time.monotonic()
            while (since := time.monotonic() - opened) < self._most_s:
                if self._leave.is_set() or (self._is_joined and since > self._seconds):
                    break
                due = int(since * self._rate) + 1
                while self.arrived < due:
                    task = asyncio.create_task(self._shop(http, self.arrived))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    self.arrived += 1
                await asyncio.sleep(0.01)
            while tasks and not self._leave.is_set():
                await asyncio.wait(set(tasks), timeout=0.1)
            if tasks:
                _, waiting = await asyncio.wait(set(tasks), timeout=LEAVE_S)
                for task in waiting:
                    task.cancel()

    async def _shop(self, http: aiohttp.ClientSession, number: int) -> None:
        choice = random.Random(self._choice.random())
        name = f"shopper-{number:06d}"
        visit = _Visit(self, http, number, name, self._token(name, number))
        units = 2 if self._counter.limit > 1 and choice.random() < TWO_UNITS_SHARE else 1
        if not await visit.buy(units, "first", "buy"):
            return
        repeats = choice.random() < REPEAT_SHARE
        if repeats:
            await asyncio.sleep(choice.uniform(0.2, 3.0))
            await visit.buy(units, "first", "repeat")
        if choice.random() < GREEDY_SHARE:
            if not repeats and choice.random() < LATER_SHARE:
                # Without a repeat before it, which would tell a new epoch what he holds.
                await asyncio.sleep(choice.uniform(0.2, 3.0))
            await visit.buy(1, "more", "other key")

    @property
    def leaving(self) -> bool:
        """Whether who waits should go home."""
        return self._leave.is_set()

    @property
    def counter(self) -> Counter:
        """Where they buy."""
        return self._counter

    def _token(self, name: str, number: int) -> str:
        now = int(time.time())
        claims = {
            "iss": "sluice-edge",
            "aud": "sluice-gateway",
            "sub": name,
            "item": self._counter.item,
            "dev": f"device-{number:08x}",
            "lvl": "regular",
            "rs": 0,
            "jti": f"{number:016x}",
            "nbf": now,
            "iat": now,
            "exp": now + TOKEN_LIFE_S,
        }
        return jwt.encode(claims, self._counter.secret, "HS256", headers={"kid": self._counter.kid})


class _Visit:
    """One shopper with a token: clicks until the answer is definite."""

    def __init__(
        self, crowd: Crowd, http: aiohttp.ClientSession, number: int, name: str, token: str
    ) -> None:
        self._crowd, self._http, self._name, self._number = crowd, http, name, number
        address = address_of(number)
        self._headers = JSON | {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
        counter = crowd.counter
        self._shard = home_of(name, counter.shards)
        self._path = f"/v1/items/{counter.item}/{counter.path_key}/buy"
        self._ticket = ""

    async def buy(self, qty: int, key: str, what: str) -> bool:
        """Click, wait and click again with the same key; True when it is reserved."""
        give_up = time.monotonic() + PATIENCE_S
        headers = self._headers | {"Idempotency-Key": key}
        if what == "repeat":
            headers |= AGAIN
        while time.monotonic() < give_up:
            ticket = {"ticket": self._ticket} if self._ticket else {}
            body = json.dumps({"qty": qty} | ticket, separators=(",", ":")).encode()
            answer = await self._call("POST", self._path, headers, body, what)
            outcome = answer.outcome
            if outcome in UNKNOWN:
                headers |= AGAIN
            if outcome == "queued":
                self._ticket = str(answer.body["ticket"])
                self._crowd.recorder.note_ticket(self._name, self._ticket)
            if outcome == "pending":
                outcome = await self._follow(str(answer.body.get("reservation_id", "")))
            if outcome in ("reserved", "confirmed"):
                return True
            if outcome not in WAITS:
                return False
            if self._crowd.leaving:
                return False
            await asyncio.sleep(min(answer.wait_s, LONGEST_WAIT_S))
        return False

    async def _follow(self, reservation_id: str) -> str:
        """One look at the status of what nobody knows; who is not found clicks again."""
        await asyncio.sleep(0.3)
        path = f"/v1/reservations/{reservation_id}"
        answer = await self._call("GET", path, self._headers, None, "status")
        return str(answer.body.get("state", answer.outcome))

    async def _call(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, what: str
    ) -> Answer:
        asked, gateway = time.monotonic(), self._crowd.gateway(self._number)
        url = gateway + path
        try:
            async with self._http.request(method, url, headers=headers, data=body) as response:
                said = await response.json(content_type=None)
                answer = Answer(response.status, said, (time.monotonic() - asked) * 1000)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            answer = Answer(0, {"outcome": "connection", "detail": repr(error)}, 0.0)
        self._note(asked, what, answer, gateway)
        return answer

    def _note(self, asked: float, what: str, answer: Answer, gateway: str) -> None:
        body = answer.body
        outcome = str(body.get("state", answer.outcome)) if what == "status" else answer.outcome
        heard = Heard(
            asked,
            time.monotonic(),
            self._name,
            self._shard,
            what,
            outcome,
            str(body.get("reservation_id", "")),
            int(str(body.get("qty", 0))),
            gateway,
        )
        self._crowd.recorder.note(heard)
        if outcome in ("bad_token", "bad_request", "denied", "not_started"):
            self._crowd.recorder.wrong(f"{self._name}: {what} was answered {outcome}: {body}")

"""One shard as agent and gateway see it: armed, granted units, bought from."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from tests.redis import books
from tests.redis.server import Client, StockServer
from workers.stock import scripts
from workers.stock.keys import Shard
from workers.stock.scripts import Script
from workers.stock.shard import Books

NOW_MS = 1_795_348_800_000


@dataclass(frozen=True)
class Request:
    """What one shopper asks; another `key` is another Idempotency-Key."""

    shopper: str
    qty: int | str = 1
    key: str = ""


@dataclass(frozen=True)
class Answer:
    """What reserve.lua returned: a letter a request, and the stored quantities of the A's."""

    codes: str
    again: tuple[int, ...] = ()


class ArmedShard:
    """A shard of `server`. `reserve` goes in as the gateway's user, all else as the agent's."""

    def __init__(self, server: StockServer, shard: Shard, limit: int) -> None:
        self.server, self.shard, self.limit = server, shard, limit
        self.script = scripts.reserve_for(shard)
        # reservation_id → quantity it stands with although no outbox entry of this epoch says so.
        self.known: dict[str, int] = {}
        self._mutants: dict[str, Script] = {}
        self._ids = 0

    def arm(self, life: str | None = None) -> str:
        """Run arm.lua and load the reserve script."""
        shard = self.shard
        keys = [shard.ctl, shard.avail, shard.outbox]
        life = life or self.server.life
        answer = self.call(scripts.ARM, keys, shard.epoch, life, self.limit, NOW_MS)
        self.load(self.script)
        return str(answer)

    def load(self, script: Script) -> None:
        """Let the gateway run this reserve script from now on."""
        assert self.server.worker.script_load(script.text) == script.sha
        self.script = script

    def replace(self, script: Script, mutant: Script) -> None:
        """Run `mutant` wherever `script` is asked for."""
        if script == self.script:
            self.load(mutant)
        else:
            self._mutants[script.sha] = mutant

    def call(self, script: Script, keys: list[str], *args: str | int) -> Any:
        """Run any script as the agent's user."""
        text = self._mutants.get(script.sha, script).text
        return self.server.worker.eval(text, len(keys), *keys, *args)

    def rebuild(self, *reservations: tuple[str, str, int | str], life: str | None = None) -> int:
        """Write (shopper, reservation_id, qty) before arming."""
        shard = self.shard
        keys = [shard.ctl, shard.avail, shard.buyers, shard.outbox]
        arguments = [word for one in reservations for word in one]
        life = life or self.server.life
        written = int(self.call(scripts.REBUILD, keys, shard.epoch, life, *arguments))
        if written:
            for _, reservation_id, qty in reservations:
                self.known.setdefault(reservation_id, int(qty))
        return written

    def grant(self, units: int | str, grant_id: str | None = None) -> list[int]:
        """Put units in; a new grant id each time, if none is given."""
        keys = [self.shard.ctl, self.shard.avail, self.shard.grants]
        grant_id = grant_id or self._new_id("g")
        return list(self.call(scripts.GRANT, keys, self.shard.epoch, grant_id, units))

    def reclaim(
        self, want: int | str, low_water: int | str = 0, reclaim_id: str | None = None
    ) -> int:
        """Take units out; a new reclaim id each time, if none is given."""
        keys = [self.shard.ctl, self.shard.avail, self.shard.reclaims]
        reclaim_id = reclaim_id or self._new_id("r")
        return int(self.call(scripts.RECLAIM, keys, self.shard.epoch, reclaim_id, want, low_water))

    def disarm(self) -> int:
        """Run disarm.lua."""
        return int(self.call(scripts.DISARM, [self.shard.ctl], self.shard.epoch))

    def release(self, request: Request) -> int:
        """Run release.lua for the reservation of this request."""
        keys = [self.shard.ctl, self.shard.avail, self.shard.buyers]
        reservation_id = self.reservation_id(request)
        epoch, shopper = self.shard.epoch, request.shopper
        answer = int(self.call(scripts.RELEASE, keys, epoch, shopper, reservation_id))
        self.known[reservation_id] = 0
        return answer

    def mark_sold_out(self, left: int | str = 0, version_ms: int | str | None = None) -> int:
        """Run mark_sold_out.lua; dated now, if nothing else is said, and so believed for 1 s."""
        keys = [self.shard.ctl, self.shard.avail]
        version_ms = self.server.now_ms() if version_ms is None else version_ms
        return int(self.call(scripts.MARK_SOLD_OUT, keys, self.shard.epoch, version_ms, left))

    def ban(self, ends_ms: Mapping[str, int | str]) -> int:
        """Run ban.lua: shopper → end in ms, 0 lifts."""
        keys = [self.shard.ctl, self.shard.avail, self.shard.bans]
        arguments = [word for one in ends_ms.items() for word in one]
        return int(self.call(scripts.BAN, keys, self.shard.epoch, *arguments))

    def reserve(self, *requests: Request, client: Client | None = None) -> Answer:
        """One batch."""
        return self.evalsha(*self.arguments(*requests), client=client)

    def evalsha(
        self,
        *arguments: str | int,
        keys: list[str] | None = None,
        client: Client | None = None,
    ) -> Answer:
        """The reserve script with arguments as they are."""
        keys = self.keys if keys is None else keys
        client = client or self.server.gateway
        codes, again = client.evalsha(self.script.sha, len(keys), *keys, *arguments)
        return Answer(codes, tuple(int(qty) for qty in again.split(",") if qty))

    @property
    def keys(self) -> list[str]:
        """KEYS of the reserve script."""
        return [self.shard.ctl, self.shard.avail, self.shard.buyers, self.shard.outbox]

    def arguments(self, *requests: Request) -> list[str]:
        """ARGV of the reserve script."""
        return [self.line(request) for request in requests]

    def reservation_id(self, request: Request) -> str:
        """As the gateway makes it, with a hash that needs no key."""
        digest = hashlib.sha256(json.dumps([request.shopper, request.key]).encode()).digest()
        text = base64.urlsafe_b64encode(digest).decode()[:22]
        return f"{self.shard.item}-{self.shard.shard}-{text}"

    def line(self, request: Request) -> str:
        """As the gateway writes it."""
        wish = f"{self.reservation_id(request)}={request.qty}"
        return f"{request.shopper} {wish} device-of-it regular {NOW_MS}"

    def books(self) -> Books:
        """inspect.lua."""
        return books.books_of(self.server.worker, self.shard)

    def ctl(self) -> dict[str, str]:
        """The control record."""
        return dict(self.server.worker.hgetall(self.shard.ctl))

    def lacking(self) -> int:
        """The largest quantity that was refused since the last grant."""
        return int(self.ctl().get("lacking", 0))

    def intents(self) -> list[dict[str, Any]]:
        """All intents of the outbox."""
        return books.intents_of(self.server.worker, self.shard)

    def faults(self) -> list[str]:
        """What is wrong with the books."""
        return books.faults(self.server.worker, self.shard, self.known)

    def everything(self) -> dict[str, Any]:
        """Each key of the shard as stored, byte for byte.

        But for what was lacking: a note to the agent that says nothing about units, which a refusal
        may leave and which has tests of its own.
        """
        # DUMP answers bytes that are no text, so a client of its own reads it.
        raw = self.server.client("operator")
        raw.connection_pool.connection_kwargs["decode_responses"] = False
        with raw:
            stored = {key: raw.dump(key) for key in self.shard.keys}
            if raw.type(self.shard.ctl) == b"hash":
                stored[self.shard.ctl] = raw.hgetall(self.shard.ctl)
                stored[self.shard.ctl].pop(b"lacking", None)
            return stored

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What happens inside must leave every key as it was."""
        before = self.everything()
        yield
        assert self.everything() == before

    @contextmanager
    def refuses(self, word: str) -> Iterator[None]:
        """What happens inside must be answered with an error that begins so, and change nothing."""
        with self.unchanged(), pytest.raises(redis.ResponseError, match=f"^{word}"):
            yield

    @contextmanager
    def replaced(self, key: str, *command: str | int) -> Iterator[None]:
        """Let `key` be what `command` writes for a while; the real one comes back."""
        operator, aside = self.server.operator, f"{key}:aside"
        existed = operator.exists(key)
        if existed:
            operator.rename(key, aside)
        operator.execute_command(*command)
        try:
            yield
        finally:
            operator.delete(key)
            if existed:
                operator.rename(aside, key)

    def _new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}{self._ids}"

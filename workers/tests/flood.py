"""A crowd before a real gateway: tens of thousands, on keep-alive sockets, in pipelines."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.gateway.shop import Item

CONNECTIONS = 64
# So many requests of one connection are on their way at a time.
PIPELINE = 32


@dataclass(eq=False, slots=True)
class Visitor:
    """One shopper with his entry token and, once he has it, his ticket."""

    name: str
    token: str
    ticket: str = ""
    place: int = -1
    asks_at: float = 0.0
    heard: str = ""
    reservation_id: str = ""


class Flood:
    """Visitors of one item; `heard` is queued until something final was told."""

    def __init__(self, item: Item, port: int, count: int) -> None:
        self.item, self.port = item, port
        self.visitors = [
            Visitor(name, item.token(name)) for name in (f"flood-{n}" for n in range(count))
        ]
        self.asked = 0

    async def ask(self, visitors: Sequence[Visitor]) -> None:
        """Each of them asks once, at whatever speed the gateway answers."""
        batches = iter([visitors[at : at + PIPELINE] for at in range(0, len(visitors), PIPELINE)])
        count = min(CONNECTIONS, -(-len(visitors) // PIPELINE))
        await asyncio.gather(*(self._connection(batches) for _ in range(count)))

    async def poll(self, visitors: Iterable[Visitor], done: Callable[[], bool]) -> None:
        """Who waits asks when he was told to, until `done`."""
        waiting = list(visitors)
        while waiting and not done():
            now = time.monotonic()
            due = [one for one in waiting if one.asks_at <= now]
            await self.ask(due)
            waiting = [one for one in waiting if one.heard == "queued"]
            await asyncio.sleep(0.02)

    async def _connection(self, batches: Iterable[Sequence[Visitor]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for batch in batches:
                writer.write(b"".join(self._request(one) for one in batch))
                for one in batch:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
                    self._note(one, json.loads(await reader.readexactly(int(length))))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _request(self, one: Visitor) -> bytes:
        body = f'{{"qty":1,"ticket":"{one.ticket}"}}' if one.ticket else '{"qty":1}'
        return (
            f"POST {self.item.buy_path} HTTP/1.1\r\nHost: shop.example\r\n"
            f"Authorization: Bearer {one.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _note(self, one: Visitor, told: dict[str, Any]) -> None:
        self.asked += 1
        one.heard = told.get("outcome") or told["code"]
        if one.heard == "queued":
            if not one.ticket:
                one.place = told["place"]
            one.ticket = told["ticket"]
            one.asks_at = time.monotonic() + told["retry_after_ms"] / 1000
        one.reservation_id = told.get("reservation_id", "")

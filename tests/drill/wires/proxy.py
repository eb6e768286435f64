"""The fault proxy: TCP links that can be made slow, thin, deaf or dead while they are used.

    python -m tests.drill.wires.proxy CONTROL_PORT NAME:LISTEN:SERVER…

A link is a port in front of a server's. What it does to bytes is set and cleared at run time by
name, one JSON line each way on the control port (`control.py`): several faults of one link
add up. A fault may be for one direction, and for clients of one kind: those whose command line
matches, as the gateway's `nginx` does and a replica's `redis-server` does not.
"""

import asyncio
import json
import re
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.drill.wires.faults import BOTH, DOWN, UP, WireFault, total
from tests.drill.wires.owners import Owners

CHUNK = 64 * 1024
# What a link holds of one connection and direction; then its sender has to wait.
CHUNKS_HELD = 64
LOOKS_AGAIN_S = 0.05
# SO_LINGER with no time: close() sends RST.
_RESET = struct.pack("ii", 1, 0)

Parts = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False)
class _Connection:
    """One client's connection and the server's behind it."""

    port: int  # the client's own
    client: Parts
    server: Parts
    owner: str | None = None  # its command line, looked up when a fault asks for it

    def reset(self) -> None:
        """End both halves, without a word of farewell."""
        for _, writer in (self.client, self.server):
            reset(writer)


@dataclass(eq=False)
class Link:
    """A listening port in front of `server_port`; `faults` by name, set from outside."""

    name: str
    server_port: int
    # Its ups and downs need not be the same twice; what must be is the plan of faults.
    chance: Random = field(default_factory=Random)
    faults: dict[str, WireFault] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=lambda: {UP: 0, DOWN: 0})
    _open: set[_Connection] = field(default_factory=set)
    _owners: Owners = field(default_factory=Owners)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _port: int = 0

    async def listen(self, port: int) -> asyncio.Server:
        """Begin; port 0 takes a free one."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self._port = server.sockets[0].getsockname()[1]
        return server

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return self._port

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    async def set(self, name: str, fault: WireFault) -> int:
        """From now on; how many open connections it is for. One that cuts ends them."""
        self.faults[name] = fault
        for one in list(self._open):
            await self._know_owner(one)
        hit = [one for one in self._open if self._is_for(fault, one)]
        if fault.cut:
            for one in hit:
                one.reset()
        return len(hit)

    def clear(self, name: str) -> None:
        """No more; idempotent."""
        self.faults.pop(name, None)

    def effect(self, one: _Connection, way: str) -> WireFault:
        """Everything that is set for this connection and direction, in one."""
        chosen = [
            fault
            for fault in self.faults.values()
            if fault.way in (BOTH, way) and self._is_for(fault, one)
        ]
        return total(chosen)

    def _is_for(self, fault: WireFault, one: _Connection) -> bool:
        if not fault.client:
            return True
        return re.search(fault.client, one.owner or "") is not None

    async def _know_owner(self, one: _Connection) -> None:
        """When a fault asks for it, and in a thread: every wire would stand still meanwhile."""
        if one.owner is None and any(fault.client for fault in self.faults.values()):
            async with self._looking:
                one.owner = await asyncio.to_thread(self._owners.command_of, one.port, self._port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = (reader, writer)
        one = _Connection(writer.get_extra_info("peername")[1], client, client)
        await self._know_owner(one)
        if self.effect(one, UP).cut or self.effect(one, DOWN).cut:
            reset(writer)
            return
        try:
            one.server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            # Nobody is there: as near to a refused connection as one that was taken can be.
            reset(writer)
            return
        self._open.add(one)
        # For a fault that was set while the server was connected to.
        await self._know_owner(one)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(one, UP, one.client[0], one.server[1]))
                both.create_task(self._pump(one, DOWN, one.server[0], one.client[1]))
        except* OSError:
            one.reset()
        finally:
            self._open.discard(one)
            for _, end in (one.client, one.server):
                end.close()

    async def _pump(
        self, one: _Connection, way: str, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        """Bytes of one direction, in order, each late by as much as is set when it leaves."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_HELD)
        sender = asyncio.create_task(self._send(one, way, held, target))
        try:
            data = b"first"
            while data:
                data = await source.read(CHUNK)
                put = asyncio.ensure_future(held.put((time.monotonic(), data)))
                await asyncio.wait((put, sender), return_when=asyncio.FIRST_COMPLETED)
                if sender.done():
                    put.cancel()
                    break
            await sender
        finally:
            sender.cancel()

    async def _send(
        self,
        one: _Connection,
        way: str,
        held: "asyncio.Queue[tuple[float, bytes]]",
        target: asyncio.StreamWriter,
    ) -> None:
        while True:
            came, data = await held.get()
            await self._wait(one, way, came)
            if not data:
                if target.can_write_eof():
                    target.write_eof()
                return
            while data:
                fault = self.effect(one, way)
                piece = data[: fault.slice_bytes or len(data)]
                data = data[len(piece) :]
                target.write(piece)
                self.moved[way] += len(piece)
                await target.drain()
                if fault.bytes_per_s:
                    await asyncio.sleep(len(piece) / fault.bytes_per_s)
                elif fault.slice_bytes:
                    # Else the kernel would put the pieces together again.
                    await asyncio.sleep(0)
                if data:
                    await self._wait(one, way, 0.0)

    async def _wait(self, one: _Connection, way: str, came: float) -> None:
        """Until the time of these bytes has come, and there is no hole."""
        fault = self.effect(one, way)
        late_s = fault.latency_ms / 1000 + self.chance.uniform(0, fault.jitter_ms / 1000)
        await asyncio.sleep(max(0.0, came + late_s - time.monotonic()))
        while self.effect(one, way).hole:  # noqa: ASYNC110  # seldom, and no event would know whose
            await asyncio.sleep(LOOKS_AGAIN_S)


def reset(writer: asyncio.StreamWriter) -> None:
    """RST to whoever is at the other end."""
    sock: Any = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Proxy:
    """Links by name, and the control port's answers."""

    def __init__(self, links: list[Link]) -> None:
        self.links = {link.name: link for link in links}

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what a control line asks; `{"error"}` when it cannot be understood."""
        try:
            if asked["do"] == "look":
                return {
                    name: {"connections": one.connections, "faults": sorted(one.faults)}
                    | {"moved": one.moved}
                    for name, one in self.links.items()
                }
            if asked["do"] == "clear_all":
                for link in self.links.values():
                    link.faults.clear()
                return {}
            link = self.links[asked["link"]]
            if asked["do"] == "clear":
                link.clear(asked["name"])
                return {}
            return {"hit": await link.set(asked["name"], WireFault(**asked["fault"]))}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": repr(error)}

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the control port."""
        while line := await reader.readline():
            writer.write(json.dumps(await self.answer(json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()


async def run(control_port: int, table: list[str]) -> None:
    """Serve until killed."""
    proxy = Proxy([])
    for words in table:
        name, listen, server = words.split(":")
        link = proxy.links[name] = Link(name, int(server))
        await link.listen(int(listen))
    control = await asyncio.start_server(proxy.control, "127.0.0.1", control_port)
    await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), sys.argv[2:]))

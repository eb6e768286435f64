"""Each fault of the wire is seen by who uses the wire; and nothing is, where there is none.

A real proxy on the loopback in front of a server that sends back what it gets. Faults are compared
with the wire without them or with limits they cannot go below; no test needs a quick machine.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.drill.wires.faults import DOWN, UP, WireFault, total
from tests.drill.wires.proxy import Link, Proxy

WORD = b"a purchase"
LONG_S = 60.0
# Nobody has answered within so long who would otherwise answer within a millisecond.
NOTHING_S = 0.3


class Server:
    """Sends back what it gets and keeps the sizes of the pieces."""

    def __init__(self) -> None:
        self.pieces: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        with suppress(OSError):
            while data := await reader.read(65536):
                self.pieces.append(len(data))
                writer.write(data)
                await writer.drain()
        writer.close()


class Wire:
    """A client's connection through a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, word: bytes = WORD, within_s: float = LONG_S) -> bytes:
        """What comes back."""
        self.writer.write(word)
        return await asyncio.wait_for(self.reader.readexactly(len(word)), within_s)

    async def hears_nothing(self) -> bool:
        """Whether what was asked stays without an answer, and the connection open."""
        try:
            await asyncio.wait_for(self.reader.readexactly(1), NOTHING_S)
        except TimeoutError:
            return True
        return False


Story = Callable[[Link, Server, Callable[[], Awaitable[Wire]]], Awaitable[None]]


def on_a_link(story: Story) -> None:
    """Run it on a fresh link with a server behind."""

    async def run() -> None:
        behind = Server()
        server = await asyncio.start_server(behind.serve, "127.0.0.1", 0)
        link = Link("some", server.sockets[0].getsockname()[1])
        listener = await link.listen(0)

        async def connect() -> Wire:
            return Wire(*await asyncio.open_connection("127.0.0.1", link.port))

        try:
            await asyncio.wait_for(story(link, behind, connect), LONG_S)
        finally:
            link.faults.clear()
            listener.close()
            server.close()

    asyncio.run(run())


def test_a_wire_without_a_fault_carries_what_it_is_given() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        much = bytes(range(256)) * 4000
        wire.writer.write(much)
        assert await wire.reader.readexactly(len(much)) == much
        assert link.moved == {UP: len(much), DOWN: len(much)}
        wire.writer.write_eof()
        assert await wire.reader.read() == b""

    on_a_link(story)


@pytest.mark.parametrize(("way", "times"), [("both", 2), (UP, 1), (DOWN, 1)])
def test_latency_is_added_in_its_directions(way: str, times: int) -> None:
    async def story(link, behind, connect):
        wire = await connect()
        await link.set("slow", WireFault(latency_ms=150, way=way))
        began = time.monotonic()
        assert await wire.ask() == WORD
        assert time.monotonic() - began >= 0.15 * times

    on_a_link(story)


def test_jitter_is_not_the_same_each_time() -> None:
    async def story(link, behind, connect):
        wire, took = await connect(), []
        await link.set("shaky", WireFault(jitter_ms=100, way=UP))
        for _ in range(5):
            began = time.monotonic()
            await wire.ask()
            took.append(time.monotonic() - began)
        assert max(took) - min(took) > 0.002

    on_a_link(story)


def test_a_thin_wire_takes_its_time() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        await link.set("thin", WireFault(bytes_per_s=2_000, slice_bytes=100, way=UP))
        began = time.monotonic()
        await wire.ask(b"x" * 1_000)
        assert time.monotonic() - began >= 0.45

    on_a_link(story)


def test_bytes_come_in_pieces() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        # With pauses, else the kernel puts together what the server has not read yet.
        await link.set("sliced", WireFault(slice_bytes=3, bytes_per_s=300, way=UP))
        await wire.ask()
        assert len(behind.pieces) > 1
        assert sum(behind.pieces) == len(WORD)

    on_a_link(story)


def test_a_cut_ends_connections_and_takes_none() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        await wire.ask()
        assert await link.set("cut", WireFault(cut=True)) == 1
        with pytest.raises(ConnectionResetError):
            await wire.reader.readexactly(1)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await (await connect()).ask()
        link.clear("cut")
        assert await (await connect()).ask() == WORD

    on_a_link(story)


def test_a_hole_answers_nothing_and_gives_it_later() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        await wire.ask()
        await link.set("hole", WireFault(hole=True))
        wire.writer.write(WORD)
        assert await wire.hears_nothing()
        assert behind.pieces == [len(WORD)]
        late = await connect()
        late.writer.write(WORD)
        assert await late.hears_nothing()
        link.clear("hole")
        assert await wire.reader.readexactly(len(WORD)) == WORD

    on_a_link(story)


def test_a_hole_of_one_direction_lets_the_other_through() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        await link.set("deaf", WireFault(hole=True, way=DOWN))
        wire.writer.write(WORD)
        assert await wire.hears_nothing()
        assert behind.pieces == [len(WORD)], "the server did it, and nobody heard"

    on_a_link(story)


def test_a_fault_is_for_the_clients_it_names() -> None:
    async def story(link, behind, connect):
        wire = await connect()
        await wire.ask()
        assert await link.set("others", WireFault(cut=True, client="no such program")) == 0
        assert await wire.ask() == WORD
        assert await link.set("ours", WireFault(cut=True, client="pytest|python")) == 1
        with pytest.raises(ConnectionResetError):
            await wire.reader.readexactly(1)

    on_a_link(story)


def test_a_server_that_is_gone_is_a_connection_that_ends() -> None:
    async def story(link, behind, connect):
        link.server_port = 1
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await (await connect()).ask()

    on_a_link(story)


def test_several_faults_add_up() -> None:
    thin = WireFault(bytes_per_s=10, latency_ms=5)
    slow = WireFault(bytes_per_s=20, slice_bytes=7, latency_ms=6, jitter_ms=1, hole=True)
    assert total([thin, slow]) == WireFault(11, 1, 10, 7, hole=True)
    assert total([]) == WireFault()


@pytest.mark.parametrize("wrong", [{"way": "sideways"}, {"latency_ms": -1}])
def test_a_fault_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"way|negative"):
        WireFault(**wrong)


def test_the_control_port_says_what_it_did_and_what_it_did_not_understand() -> None:
    async def story() -> None:
        proxy = Proxy([Link("some", 1)])
        cut = {"do": "set", "link": "some", "name": "one", "fault": {"cut": True}}
        assert await proxy.answer(cut) == {"hit": 0}
        assert (await proxy.answer({"do": "look"}))["some"]["faults"] == ["one"]
        for wrong in ({}, cut | {"link": "other"}, cut | {"fault": {"speed": 1}}):
            assert "error" in await proxy.answer(wrong)
        assert await proxy.answer({"do": "clear_all"}) == {}
        assert (await proxy.answer({"do": "look"}))["some"]["faults"] == []

    asyncio.run(story())


def test_an_owner_is_found_again_among_those_that_are_known() -> None:
    async def story(link, behind, connect):
        first, second = await connect(), await connect()
        await first.ask()
        await second.ask()
        assert await link.set("ours", WireFault(latency_ms=1, client="python")) == 2
        # New ones too, and who dies in between does no harm.
        third = await connect()
        await third.ask()
        assert await link.set("again", WireFault(cut=True, client="python")) == 3

    on_a_link(story)

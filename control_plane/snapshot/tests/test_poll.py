"""A poll whose reader hangs up, or whose server stops, waits no longer."""

import asyncio

import pytest
from django.conf import settings

from control_plane.config import bare_asgi
from control_plane.snapshot import channel
from control_plane.snapshot.feed import Stale

DEADLINE_S = 30


class _WaitingFeed:
    """A feed in which nothing ever happens."""

    def __init__(self):
        self.waiting = asyncio.Event()
        self.gave_up = asyncio.Event()

    async def newer_than(self, version, wait_s):
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.gave_up.set()


@pytest.fixture
def feed(monkeypatch):
    feed = _WaitingFeed()
    monkeypatch.setattr(channel, "_running_feed", lambda: feed)
    return feed


@pytest.fixture
def reader():
    """What the server hands to the application, and what it got back."""
    return {"receive": asyncio.Queue(), "sent": []}


def _poll(reader):
    bearer = f"Bearer {settings.ENV.internal_token}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": channel.PATH,
        "query_string": b"audience=edge&after=1&wait_ms=25000",
        "headers": [(b"authorization", bearer)],
    }

    async def send(message):
        reader["sent"].append(message)

    return asyncio.create_task(channel.application(scope, reader["receive"].get, send))


async def test_a_reader_who_hangs_up_is_not_waited_for(feed, reader):
    async with asyncio.timeout(DEADLINE_S):
        poll = _poll(reader)
        await feed.waiting.wait()
        reader["receive"].put_nowait({"type": "http.request"})
        reader["receive"].put_nowait({"type": "http.disconnect"})
        await poll
        await feed.gave_up.wait()
    assert reader["sent"] == []


async def test_a_server_that_stops_leaves_no_waiting_task_behind(feed, reader):
    async with asyncio.timeout(DEADLINE_S):
        poll = _poll(reader)
        await feed.waiting.wait()
        poll.cancel()
        await feed.gave_up.wait()
        with pytest.raises(asyncio.CancelledError):
            await poll


async def test_what_is_not_known_to_be_fresh_is_no_304(reader, monkeypatch):
    class _StaleFeed:
        async def newer_than(self, version, wait_s):
            raise Stale

    monkeypatch.setattr(channel, "_running_feed", _StaleFeed)
    async with asyncio.timeout(DEADLINE_S):
        await _poll(reader)
    assert reader["sent"][0]["status"] == 503
    assert (b"retry-after", b"1") in reader["sent"][0]["headers"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Basic abc")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer one"), (b"authorization", b"Bearer two")],
    ],
)
def test_only_one_whole_token_is_trusted(headers):
    assert bare_asgi.is_trusted(headers) is False

"""`GET /internal/snapshot`: the long poll of edge and gateways, as a bare ASGI application.

`audience=gateway|edge`, `after=<version>`, `wait_ms=<0..25000>` → 200 with the envelope of a
version above `after` as soon as there is one, 304 after `wait_ms` when there is none, 503 when
PostgreSQL did not say so.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from control_plane.config.bare_asgi import JSON_TYPE, Receive, Send, admit, refuse, respond
from control_plane.snapshot.feed import Feed, Stale
from control_plane.snapshot.services import Audience

PATH = "/internal/snapshot"
# Below the 30 s after which common proxies give up on an answer.
WAIT_MS_MAX = 25_000
VERSION_MAX = 2**53 - 1  # what JavaScript and Lua count exactly

_feed: Feed | None = None


class BadParameter(ValueError):
    """`field` names the query parameter that is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True)
class Query:
    """The parameters of a poll, checked."""

    audience: Audience
    after: int
    wait_ms: int


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else wait."""
    if not await admit(scope, send, "GET"):
        return
    try:
        query = parse(scope["query_string"])
    except BadParameter as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    else:
        await _poll(query, receive, send)


def parse(query_string: bytes) -> Query:
    """Read the query; every parameter exactly once and nothing else. Raises BadParameter."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
        if name not in ("audience", "after", "wait_ms"):
            raise BadParameter(name, "There is no such parameter.")
        if name in values:
            raise BadParameter(name, "Given twice.")
        values[name] = value
    try:
        audience = Audience(values.get("audience", ""))
    except ValueError:
        raise BadParameter("audience", "Must be gateway or edge.") from None
    return Query(
        audience=audience,
        after=_integer(values, "after", VERSION_MAX),
        wait_ms=_integer(values, "wait_ms", WAIT_MS_MAX),
    )


def _integer(values: dict[str, str], field: str, maximum: int) -> int:
    text = values.get(field, "")
    if text.isascii() and text.isdecimal() and len(text) <= len(str(maximum)):
        number = int(text)
        if number <= maximum:
            return number
    raise BadParameter(field, f"Must be an integer between 0 and {maximum}.")


async def _poll(query: Query, receive: Receive, send: Send) -> None:
    answer = asyncio.ensure_future(_running_feed().newer_than(query.after, query.wait_ms / 1000))
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return  # the reader hung up
    finally:
        # Both, because a server that stops cancels this poll in the middle of the wait.
        answer.cancel()
        gone.cancel()
    try:
        published = answer.result()
    except Stale:
        # Not 304: its reader would go on for another lease with what may be old.
        await refuse(send, 503, "stale", "The database does not answer.", [(b"retry-after", b"1")])
        return
    if published is None:
        await respond(send, 304, [], b"")
    else:
        await respond(send, 200, [JSON_TYPE], published.envelopes[query.audience])


def _running_feed() -> Feed:
    """Started by the first poll; started anew if a bug ended it."""
    global _feed
    if _feed is None or not _feed.alive:
        _feed = Feed()
    return _feed


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

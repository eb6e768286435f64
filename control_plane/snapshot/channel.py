"""`GET /internal/snapshot`: the long poll of edge and gateways, as a bare ASGI application.

`audience=gateway|edge`, `after=<version>`, `wait_ms=<0..25000>` → 200 with the envelope of a
version above `after` as soon as there is one, 304 after `wait_ms` when there is none.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from control_plane.config import problems
from control_plane.snapshot.feed import Feed
from control_plane.snapshot.services import Audience

PATH = "/internal/snapshot"
# Below the 30 s after which common proxies give up on an answer.
WAIT_MS_MAX = 25_000
VERSION_MAX = 2**53 - 1  # what JavaScript and Lua count exactly

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

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
    if scope["method"] != "GET":
        await _refuse(send, 405, "method_not_allowed", "Only GET.", [(b"allow", b"GET")])
    elif not _is_trusted(scope["headers"]):
        bearer = [(b"www-authenticate", b"Bearer")]
        await _refuse(send, 401, "bad_token", "The bearer token is missing or wrong.", bearer)
    else:
        try:
            query = parse(scope["query_string"])
        except BadParameter as error:
            await _refuse(send, 400, "bad_request", str(error), field=error.field)
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


def _is_trusted(headers: Headers) -> bool:
    expected = f"Bearer {settings.ENV.internal_token}".encode()
    given = [value for name, value in headers if name == b"authorization"]
    return len(given) == 1 and hmac.compare_digest(given[0], expected)


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
    published = answer.result()
    if published is None:
        await _respond(send, 304, [], b"")
    else:
        json_type = [(b"content-type", b"application/json")]
        await _respond(send, 200, json_type, published.envelopes[query.audience])


def _running_feed() -> Feed:
    """Started by the first poll; started anew if a bug ended it."""
    global _feed
    if _feed is None or not _feed.alive:
        _feed = Feed()
    return _feed


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(
    send: Send, status: int, code: str, title: str, headers: Headers | None = None, **members: Any
) -> None:
    body = json.dumps(problems.document(status, code, title, **members)).encode()
    problem_type = (b"content-type", problems.MEDIA_TYPE.encode())
    await _respond(send, status, [problem_type, *(headers or [])], body)


async def _respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    if status != 304:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    headers = [*headers, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

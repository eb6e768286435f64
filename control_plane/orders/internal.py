"""The database as stock source, for the gateways: a bare ASGI application.

`POST /internal/reserve` {item, shard, epoch, lines: […]}, as in `line.py` →
200 {"codes", "again"} as reserve.lua · 409 no such epoch sells · 503 too many at once, or the
database is away: nothing was taken · 400 malformed. Any other answer leaves it open.
`GET /internal/reservations/{id}?shopper=` → 200 {"qty"} · 404 there is none · 503 an old
epoch of its shard may still hold it.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs

from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from control_plane.config.bare_asgi import JSON_TYPE, Receive, Send, admit, refuse, respond
from control_plane.orders import services
from control_plane.orders.wish import BadWish, parse

RESERVE_PATH = "/internal/reserve"
STATUS_PREFIX = "/internal/reservations/"
# Each batch holds the item's pool, so more at once only wait; and landing needs PostgreSQL as well.
RUNNING_MAX = 4
STATUS_RUNNING_MAX = 2
RETRY_AFTER = (b"retry-after", b"1")
# More than 256 of the longest lines.
BODY_BYTES_MAX = 512 * 1024

T = TypeVar("T")

log = logging.getLogger(__name__)


class TooMany(Exception):
    """As many calls as may run at once are running."""


class Gate:
    """Runs blocking calls in threads that keep their database connection; never lets one wait."""

    def __init__(self, running_max: int, name: str) -> None:
        self._free = threading.BoundedSemaphore(running_max)
        self._threads = ThreadPoolExecutor(running_max, thread_name_prefix=name)

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """The call's result; raises TooMany at once. A call whose caller is gone runs on."""
        if not self._free.acquire(blocking=False):
            raise TooMany
        future: Future[T] = self._threads.submit(_with_a_sound_connection, call, *arguments)
        # When the thread has ended, and not when nobody waits for it any more.
        future.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(future)


reserve_gate = Gate(RUNNING_MAX, "reserve")
status_gate = Gate(STATUS_RUNNING_MAX, "reservation-status")


def answers(path: str) -> bool:
    """Whether the path is one of this application's."""
    return path == RESERVE_PATH or path.startswith(STATUS_PREFIX)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong or too much, else do it."""
    is_reserve = scope["path"] == RESERVE_PATH
    if not await admit(scope, send, "POST" if is_reserve else "GET"):
        return
    try:
        if is_reserve:
            await _answer(send, await reserve_gate.run(_reserve, await _body(receive)))
        else:
            await _status(scope, send)
    except BadWish as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    except services.EpochNotSelling:
        await refuse(send, 409, "epoch_not_selling", "No such database epoch sells.")
    except (TooMany, services.NotTaken) as error:
        log.warning("not reserved: %r", error)
        await refuse(send, 503, "busy", "Nothing was taken; try again.", [RETRY_AFTER])
    except services.PerhapsHeld:
        await refuse(send, 503, "busy", "An old epoch may still hold it; ask again.", [RETRY_AFTER])
    except DatabaseError:
        log.exception("a commit may or may not have happened")
        await refuse(send, 500, "unknown", "It may or may not have been done.")


async def _status(scope: dict[str, Any], send: Send) -> None:
    reservation_id = scope["path"].removeprefix(STATUS_PREFIX)
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    shoppers = query.get("shopper", [])
    if len(shoppers) != 1 or not shoppers[0] or len(query) != 1:
        raise BadWish("shopper", "Exactly one shopper and nothing else.")
    qty = await status_gate.run(services.held_quantity, reservation_id, shoppers[0])
    if qty is None:
        await refuse(send, 404, "not_found", "PostgreSQL knows no such reservation.")
    else:
        await _answer(send, {"qty": qty})


def _reserve(body: bytes) -> dict[str, str]:
    wish = parse(body)
    codes, again = services.reserve(
        wish.item, wish.shard, wish.epoch, wish.requests, timezone.now()
    )
    return {"codes": codes, "again": again}


def _with_a_sound_connection(call: Callable[..., T], *arguments: Any) -> T:
    """Keep the thread's connection, except after an error that it may not have survived."""
    try:
        return call(*arguments)
    finally:
        if connection.errors_occurred:
            connection.close()


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadWish("body", "The request was not finished.")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise BadWish("body", f"At most {BODY_BYTES_MAX} bytes.")
        if not message.get("more_body", False):
            return b"".join(parts)


async def _answer(send: Send, content: dict[str, Any]) -> None:
    await respond(send, 200, [JSON_TYPE], json.dumps(content).encode())

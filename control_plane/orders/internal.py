"""The database as stock source, for the gateways: a bare ASGI application.

`POST /internal/reserve` {item, shard, epoch, lines: […]}, as in `line.py` →
200 {"codes", "again"} as reserve.lua · 409 no such epoch sells · 503 too many at once, or the
database is away: nothing was taken · 400 malformed. Any other answer leaves it open.
`GET /internal/reservations/{id}?shopper=` → 200 {"qty"} · 404 there is none · 503 an old
epoch of its shard may still hold it.
"""

import json
import logging
from typing import Any
from urllib.parse import parse_qs

from django.db import Error as DatabaseError
from django.utils import timezone

from control_plane.config.bare_asgi import (
    JSON_TYPE,
    BadBody,
    Receive,
    Send,
    admit,
    read_body,
    refuse,
    respond,
)
from control_plane.config.gate import Gate, TooMany
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

log = logging.getLogger(__name__)


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
            await _answer(
                send, await reserve_gate.run(_reserve, await read_body(receive, BODY_BYTES_MAX))
            )
        else:
            await _status(scope, send)
    except (BadBody, BadWish) as error:
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


async def _answer(send: Send, content: dict[str, Any]) -> None:
    await respond(send, 200, [JSON_TYPE], json.dumps(content).encode())

"""Where providers tell what became of a payment: a bare ASGI application.

`POST /payments/callbacks/{provider}`, signed (see `signature`), body as in `events` →
200 {"outcome"}, for a repeat the first one · 401 not signed by the provider, or not now · 404 no
such provider or payment · 409 the event id was another payment's · 422 another amount, currency or
order than the payment's · 400 malformed · 413, 415 · 503 `busy`: too many at once, or the database
cannot do it now, and nothing was changed; `unknown`: it may or may not have been. After both it is
sent again, and the event's id finds what was done. Only 200, and perhaps 503 `unknown`, changes
anything; any other answer but 503 stays the same however often it is asked.
"""

import json
import logging
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from control_plane.config.bare_asgi import JSON_TYPE, BadBody, Receive, Send, refuse, respond
from control_plane.config.gate import Gate, TooMany
from control_plane.payments import providers, services
from control_plane.payments.events import Event, parse
from control_plane.payments.signed_request import read_signed

PREFIX = "/payments/callbacks/"
# Late ones hold the item's pool, as landing does; providers send again what heard 503.
RUNNING_MAX = 4
RETRY_AFTER = (b"retry-after", b"2")

log = logging.getLogger(__name__)

gate = Gate(RUNNING_MAX, "callbacks")


def answers(path: str) -> bool:
    """Whether the path is one of this application's."""
    return path.startswith(PREFIX)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else take note of it."""
    now = timezone.now()
    try:
        provider = providers.get(scope["path"].removeprefix(PREFIX))
    except providers.UnknownProvider:
        await refuse(send, 404, "not_found", "There is no such provider.")
        return
    body = await read_signed(scope, receive, send, provider.keys(), now)
    if body is None:
        return
    try:
        event = parse(body)
        outcome = await gate.run(services.receive, provider.name, event, now)
    except BadBody as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    except (services.UnknownPayment, services.Mismatch, services.EventReused) as error:
        await _refuse(send, provider.name, event, error)
    except (TooMany, services.NotTaken) as error:
        log.warning("callback of %s not taken: %r", provider.name, error)
        title = "Nothing was changed; send it again."
        await refuse(send, 503, "busy", title, [RETRY_AFTER])
    except DatabaseError as error:
        # A commit that may have happened is found again by the event's id.
        log.warning("callback of %s has no answer: %r", provider.name, error)
        title = "It may or may not have been done; send it again."
        await refuse(send, 503, "unknown", title, [RETRY_AFTER])
    else:
        log.info("callback %s of payment %s: %s", event.event_id, event.payment_id, outcome)
        await respond(send, 200, [JSON_TYPE], json.dumps({"outcome": outcome}).encode())


async def _refuse(send: Send, provider: str, event: Event, error: services.PaymentError) -> None:
    """Signed by the provider and yet wrong: somebody has to look."""
    log.error(
        "callback of %s refused: %s %s",
        provider,
        error.code,
        error,
        extra={"kind": "callback_refused", "payment": str(event.payment_id)},
    )
    if isinstance(error, services.UnknownPayment):
        await refuse(send, 404, error.code, "There is no such payment.")
    elif isinstance(error, services.Mismatch):
        title = "Not what the payment is about."
        await refuse(send, 422, error.code, title, field=error.field)
    else:
        title = "The event id was another payment's."
        await refuse(send, 409, error.code, title, field="event_id")

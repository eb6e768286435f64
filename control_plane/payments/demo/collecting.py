"""The demo provider's side of a payment: `POST /payments/demo/payments`, a bare ASGI application.

Signed as callbacks are. 202 {} once it will collect, for a repeat too: its callback then comes from
a Celery task, as from another machine · 400 malformed · 503 not now.
"""

import json
import uuid
from typing import Any

from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from control_plane.config.bare_asgi import JSON_TYPE, BadBody, Receive, Send, refuse, respond
from control_plane.config.gate import Gate, TooMany
from control_plane.payments.signed_request import read_signed

PATH = "/payments/demo/payments"
gate = Gate(4, "demo-payments")


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else collect."""
    if not settings.ENV.demo:
        await refuse(send, 404, "not_found", "There is no demo here.")
        return
    body = await read_signed(scope, receive, send, settings.ENV.demo_payment_keys, timezone.now())
    if body is None:
        return
    try:
        await gate.run(_collect, _payment_id(body))
        await respond(send, 202, [JSON_TYPE], b"{}")
    except BadBody as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    except (TooMany, OperationalError):
        await refuse(send, 503, "busy", "Ask again.")


def _payment_id(body: bytes) -> str:
    try:
        return str(uuid.UUID(json.loads(body)["payment_id"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadBody("body", f"Not a payment: {type(error).__name__}.") from None


def _collect(payment_id: str) -> None:
    from control_plane.payments.tasks import demo_collect

    demo_collect.delay(payment_id)

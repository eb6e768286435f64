"""The demo provider's side of a refund: `POST /payments/demo/refunds`, a bare ASGI application.

Signed as callbacks are. 200 {"key"} once it has given the money back, for a repeat of the key too ·
409 the payment's money went back under another key · 400 malformed · 503 not now.
"""

import json
import uuid
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from control_plane.config.bare_asgi import JSON_TYPE, BadBody, Receive, Send, refuse, respond
from control_plane.config.gate import Gate, TooMany
from control_plane.payments.models import DemoRefund
from control_plane.payments.signed_request import read_signed

PATH = "/payments/demo/refunds"
gate = Gate(2, "demo-refunds")


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else give back."""
    if not settings.ENV.demo:
        await refuse(send, 404, "not_found", "There is no demo here.")
        return
    body = await read_signed(scope, receive, send, settings.ENV.demo_payment_keys, timezone.now())
    if body is None:
        return
    try:
        wish = _parse(body)
        if not await gate.run(_give_back, wish):
            await refuse(send, 409, "refunded", "It went back under another key.")
            return
        await respond(send, 200, [JSON_TYPE], json.dumps({"key": str(wish["key"])}).encode())
    except BadBody as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    except (TooMany, DatabaseError):
        await refuse(send, 503, "busy", "Ask again.")


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
        return {
            "key": uuid.UUID(content["key"]),
            "payment": uuid.UUID(content["payment_id"]),
            "amount_minor": int(content["amount_minor"]),
            "currency": str(content["currency"]),
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadBody("body", f"Not a refund: {type(error).__name__}.") from None


def _give_back(wish: dict[str, Any]) -> bool:
    """True when this key's refund stands, from now on or since an earlier time."""
    wanted = DemoRefund(**wish, created_at=timezone.now())
    DemoRefund.objects.bulk_create([wanted], ignore_conflicts=True)
    return DemoRefund.objects.filter(**wish).exists()

"""The body of a provider's callback, read strictly."""

import json
import re
import uuid
from typing import Any, NamedTuple

from control_plane.config.bare_asgi import BadBody

SUCCEEDED, FAILED = "payment.succeeded", "payment.failed"
TYPES = (SUCCEEDED, FAILED)
AMOUNT_MAX = 2**63 - 1

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"S[0-9]{10,19}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_FIELDS = ("event_id", "type", "payment_id", "order_number", "amount_minor", "currency")


class Event(NamedTuple):
    """What a provider says happened to a payment."""

    event_id: str
    type: str
    payment_id: uuid.UUID
    order_number: str
    amount_minor: int
    currency: str


def parse(body: bytes) -> Event:
    """The event; raises BadBody with the field. Fields that nobody here knows are left alone."""
    try:
        content = json.loads(body, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadBody("body", "Must be JSON, each field once.") from None
    if type(content) is not dict:
        raise BadBody("body", "Must be a JSON object.")
    for name in _FIELDS:
        if name not in content:
            raise BadBody(name, "Is missing.")
    amount = content["amount_minor"]
    if type(amount) is not int or not 0 <= amount <= AMOUNT_MAX:
        raise BadBody("amount_minor", "Must be a whole number of the currency's smallest unit.")
    if content["type"] not in TYPES:
        raise BadBody("type", f"Must be one of {', '.join(TYPES)}.")
    return Event(
        event_id=_text(content, "event_id", _EVENT_ID),
        type=content["type"],
        payment_id=uuid.UUID(_text(content, "payment_id", _UUID)),
        order_number=_text(content, "order_number", _NUMBER),
        amount_minor=amount,
        currency=_text(content, "currency", _CURRENCY),
    )


def _text(content: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = content[name]
    if type(value) is not str or not form.fullmatch(value):
        raise BadBody(name, f"Must be a text of the form {form.pattern}.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers of a body with a field twice may see two different payments."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a field stands twice")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(name)

"""Queue tickets in Python: writes the golden vectors, and reads as strictly as the gateway.

kid.payload.signature, see `openresty/gateway/queue/ticket.lua`.
"""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass

DOMAIN = b"sluice-ticket-1"
TICKET_BYTES_MAX = 512
KINDS = ("lobby", "fifo", "place")
_TICKET = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})", re.ASCII)


class BadTicket(ValueError):
    """Why it is refused."""


@dataclass(frozen=True)
class Ticket:
    """A place in the queue of one bucket of one item."""

    item: int
    bucket: int
    kind: str
    number: int
    shopper: str
    generation: int
    exp: int


def write(ticket: Ticket, kid: str, secret: bytes) -> str:
    """As the gateway writes it; `secret` is the entry key's."""
    payload = {
        "v": 1,
        "item": ticket.item,
        "bucket": ticket.bucket,
        "kind": ticket.kind,
        "number": ticket.number,
        "sub": ticket.shopper,
        "gen": ticket.generation,
        "exp": ticket.exp,
    }
    text = f"{kid}.{_letters(json.dumps(payload, separators=(',', ':')).encode())}"
    return f"{text}.{signature_of(text, secret)}"


def signature_of(text: str, secret: bytes) -> str:
    """Of what stands before it."""
    key = hmac.digest(secret, DOMAIN, hashlib.sha256)
    return _letters(hmac.digest(key, text.encode(), hashlib.sha256))


def read(text: str, secrets: dict[str, bytes], now: int) -> Ticket:
    """The ticket; raises BadTicket. `secrets`: of the entry keys, by kid; `now`: Unix seconds."""
    match = _TICKET.fullmatch(text)
    if not match or len(text) > TICKET_BYTES_MAX:
        raise BadTicket("shape")
    kid, payload, signature = match.groups()
    if kid not in secrets:
        raise BadTicket("key")
    if not hmac.compare_digest(signature_of(f"{kid}.{payload}", secrets[kid]), signature):
        raise BadTicket("signature")
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        fields = [
            claims[name] for name in ("item", "bucket", "kind", "number", "sub", "gen", "exp")
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BadTicket(f"payload: {error}") from None
    ticket = Ticket(*fields)
    whole = (ticket.item, ticket.bucket, ticket.number, ticket.generation, ticket.exp)
    if any(type(number) is not int or number < 0 for number in whole):
        raise BadTicket("a number")
    if claims.get("v") != 1 or ticket.kind not in KINDS:
        raise BadTicket("version or kind")
    if now >= ticket.exp:
        raise BadTicket("expired")
    return ticket


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

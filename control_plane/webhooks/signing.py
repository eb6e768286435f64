"""Signatures as Standard Webhooks 1.0 has them (standardwebhooks.com), so that its libraries check.

`webhook-id` is the event's id, `webhook-timestamp` seconds since 1970, `webhook-signature` one
`v1,<base64>` for each live secret, with a blank between: HMAC-SHA256 over `<id>.<timestamp>.<body>`
with the secret's bytes. Neither an id nor digits hold a full stop, so nothing can be read twice.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

PREFIX = "whsec_"
SECRET_BYTES = 32
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def new_secret() -> str:
    """As it is given to the merchant."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(live: Sequence[str], event_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers; a signature for each live secret, so that either of them verifies."""
    signed = f"{event_id}.{at_s}.".encode() + body
    return {
        ID: event_id,
        TIMESTAMP: str(at_s),
        SIGNATURE: " ".join(f"v1,{_mac(secret, signed)}" for secret in live),
    }


def _mac(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    return base64.b64encode(hmac.digest(key, signed, sha256)).decode()

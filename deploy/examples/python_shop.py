"""Your shop's two duties, in Python 3.11: sign who the shopper is, read what happened.

Copy it. `sign_session` answers your page's request for a session, of a shopper who is logged in.
`read_webhook` is called with the bytes of the request, before anything else looks at them.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

TOLERANCE_S = 300


def sign_session(
    merchant: str,
    kid: str,
    secret: str,
    shopper: str,
    now: int | None = None,
    lifetime_s: int = 3600,
) -> str:
    """A session for one shopper: `kid` and `secret` of your session key, your own id of him.

    The id is 1 to 64 of A-Z a-z 0-9 . _ : - and never an e-mail address: others see it in logs.
    """
    now = int(time.time()) if now is None else now
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    claims = {
        "iss": merchant,
        "aud": "sluice",
        "sub": shopper,
        "iat": now,
        "exp": now + lifetime_s,  # a day at most
    }
    signed = f"{_base64url(_json(header))}.{_base64url(_json(claims))}"
    key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    return f"{signed}.{_base64url(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def read_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None
) -> dict[str, Any]:
    """The event, or ValueError. `headers` in lower case. Remember its id: it may come twice."""
    sent_at = headers["webhook-timestamp"]
    signed = f"{headers['webhook-id']}.{sent_at}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    good = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # While a secret is being replaced there are two signatures; one has to fit.
    if not any(hmac.compare_digest(good, one) for one in headers["webhook-signature"].split(" ")):
        raise ValueError("wrong signature")
    if abs((time.time() if now is None else now) - int(sent_at)) > TOLERANCE_S:
        raise ValueError("too old")
    event: dict[str, Any] = json.loads(body)
    return event


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

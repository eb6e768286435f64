"""The header that says who sent a body and when: `Sluice-Signature: t=<unix seconds>,v1=<hex>`.

v1 is HMAC-SHA256 over `<t>.<body>`; t is digits only, so that the first full stop ends it whatever
the body is. Two keys may be live at a time, for rotation; the first one signs.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

HEADER = "Sluice-Signature"
# A callback that was delayed for longer is sent again by its provider, signed anew.
WINDOW_S = 300

_FORM = re.compile(r"t=([1-9][0-9]{8,11}),v1=([0-9a-f]{64})")


class BadSignature(Exception):
    """Not signed, not by us, or not now. Which of them helps only who forges; it is in the log."""


def sign(keys: Sequence[str], body: bytes, now: datetime) -> str:
    """The header's value."""
    at = int(now.timestamp())
    return f"t={at},v1={_mac(keys[0], at, body)}"


def check(keys: Sequence[str], header: str, body: bytes, now: datetime) -> None:
    """Raises BadSignature."""
    form = _FORM.fullmatch(header)
    if form is None:
        raise BadSignature("malformed")
    at = int(form[1])
    # All keys are tried, whichever fits: the time it takes tells nothing.
    fits = [hmac.compare_digest(_mac(key, at, body), form[2]) for key in keys]
    if not any(fits):
        raise BadSignature("wrong")
    if abs(now.timestamp() - at) > WINDOW_S:
        raise BadSignature("outside of the time window")


def _mac(key: str, at: int, body: bytes) -> str:
    return hmac.new(key.encode(), f"{at}.".encode() + body, sha256).hexdigest()

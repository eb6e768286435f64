"""Requests that are trusted by the signature over their body: read, bounded and checked."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from control_plane.config.bare_asgi import BadBody, Headers, Receive, Send, read_body, refuse
from control_plane.payments import signature

# Some ten times the longest body that anybody here sends.
BODY_BYTES_MAX = 8 * 1024
_CONTENT_TYPE = b"application/json"
_HEADER = signature.HEADER.lower().encode()

log = logging.getLogger(__name__)


async def read_signed(
    scope: dict[str, Any], receive: Receive, send: Send, keys: Sequence[str], now: datetime
) -> bytes | None:
    """The body of a POST signed with one of the keys; None once it was refused.

    The cheapest check first; what the body says is not looked at before its signature.
    """
    headers: Headers = scope["headers"]
    if scope["method"] != "POST":
        allow = [(b"allow", b"POST")]
        await refuse(send, 405, "method_not_allowed", "Only POST.", allow)
    elif _one(headers, b"content-type").split(b";")[0].strip().lower() != _CONTENT_TYPE:
        await refuse(send, 415, "unsupported_media_type", "Only application/json.")
    elif _announces_too_much(headers):
        await refuse(send, 413, "too_large", f"At most {BODY_BYTES_MAX} bytes.")
    else:
        try:
            body = await read_body(receive, BODY_BYTES_MAX)
        except BadBody as error:
            await refuse(send, 413, "too_large", str(error), field=error.field)
            return None
        try:
            signature.check(keys, _one(headers, _HEADER).decode("latin-1"), body, now)
            return body
        except signature.BadSignature as error:
            log.warning("refused %s: signature %s", scope["path"], error)
            await refuse(send, 401, "bad_signature", "Not signed with our key, or not now.")
    return None


def _one(headers: Headers, name: bytes) -> bytes:
    """The header's value; empty when it is missing or stands twice."""
    given = [value for each, value in headers if each == name]
    return given[0] if len(given) == 1 else b""


def _announces_too_much(headers: Headers) -> bool:
    length = _one(headers, b"content-length")
    return length.isdigit() and (len(length) > 9 or int(length) > BODY_BYTES_MAX)

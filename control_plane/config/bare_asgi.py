"""What the internal endpoints that run in front of Django share: trust and plain answers.

Django's middleware would hold a thread and a fresh database connection for each of their requests.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from control_plane.config import problems

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")


class BadBody(ValueError):
    """The body is too long, not finished, or not what was asked for; `field` says where."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def is_trusted(headers: Headers, token: str | None = None) -> bool:
    """Whether exactly one Authorization header carries the token: the internal one if not told."""
    expected = f"Bearer {token or settings.ENV.internal_token}".encode()
    given = [value for name, value in headers if name == b"authorization"]
    return len(given) == 1 and hmac.compare_digest(given[0], expected)


async def admit(scope: dict[str, Any], send: Send, method: str, token: str | None = None) -> bool:
    """Refuse another method or a stranger; True when the request may go on."""
    if scope["method"] != method:
        allow = [(b"allow", method.encode())]
        await refuse(send, 405, "method_not_allowed", f"Only {method}.", allow)
    elif not is_trusted(scope["headers"], token):
        bearer = [(b"www-authenticate", b"Bearer")]
        await refuse(send, 401, "bad_token", "The bearer token is missing or wrong.", bearer)
    else:
        return True
    return False


async def admit_monitoring(scope: dict[str, Any], send: Send, method: str) -> bool:
    """As `admit`, for what watches this process; without a monitoring token there is nothing."""
    token = settings.ENV.monitoring_token
    if token is None:
        await refuse(send, 404, "not_found", "This process has no monitoring token.")
        return False
    return await admit(scope, send, method, token)


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body. Raises BadBody."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadBody("body", "The request was not finished.")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > bytes_max:
            raise BadBody("body", f"At most {bytes_max} bytes.")
        if not message.get("more_body", False):
            return b"".join(parts)


async def refuse(
    send: Send, status: int, code: str, title: str, headers: Headers | None = None, **members: Any
) -> None:
    """A problem document (RFC 9457)."""
    body = json.dumps(problems.document(status, code, title, **members)).encode()
    problem_type = (b"content-type", problems.MEDIA_TYPE.encode())
    await respond(send, status, [problem_type, *(headers or [])], body)


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """One whole answer, never cached."""
    if status != 304:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    headers = [*headers, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Each request of the control plane knows its trace: one that it came with, or one of its own."""

from collections.abc import Awaitable, Callable
from typing import Any

from control_plane.config import tracing
from control_plane.config.bare_asgi import Receive, Send

Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

_HEADER = tracing.HEADER.encode()


async def serve(
    application: Application, scope: dict[str, Any], receive: Receive, send: Send
) -> None:
    """Run it; a span is made of one that is followed."""
    given = [value for name, value in scope["headers"] if name == _HEADER]
    # More than one is nobody's: RFC 9110 has no rule which one counts.
    traceparent = given[0].decode("latin-1") if len(given) == 1 else ""
    # Not reset: the context is this request's own.
    tracing.current_trace_id.set(tracing.trace_id_of(traceparent) or tracing.new_trace_id())
    if not tracing.followed(traceparent):
        await application(scope, receive, send)
        return
    span = tracing.begin(
        scope["method"], traceparent, tracing.SERVER, {"http.request.method": scope["method"]}
    )

    async def noting(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            span.note(http__response__status_code=message["status"])
        await send(message)

    try:
        await application(scope, receive, noting)
    finally:
        span.end()

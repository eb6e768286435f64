"""Where the control plane's processes show their figures.

The web process: `GET /internal/metrics` with the monitoring token, bare ASGI, because its port is
also the gateways'. Celery's worker and beat: a port of their own on loopback, begun by their
signals in `control_plane/metrics/celery.py`.
"""

import asyncio
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from control_plane.config.bare_asgi import Receive, Send, admit_monitoring, respond

PATH = "/internal/metrics"


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The figures of this process; the items' are of the board's look, at most a second old."""
    if not await admit_monitoring(scope, send, "GET"):
        return
    # Imported late: the board is an app, and this module is also read before there are any.
    from control_plane.board import look

    await look.fresh()
    body = await asyncio.to_thread(generate_latest)
    await respond(send, 200, [(b"content-type", CONTENT_TYPE_LATEST.encode())], body)

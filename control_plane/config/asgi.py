"""ASGI entry point: `uvicorn control_plane.config.asgi:application`."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
django_application = get_asgi_application()

from django.db import connections  # noqa: E402  (needs the applications loaded)

from control_plane.board import alerting, serving  # noqa: E402
from control_plane.config import traced_requests  # noqa: E402
from control_plane.metrics import shown  # noqa: E402
from control_plane.orders import internal  # noqa: E402
from control_plane.payments import callbacks  # noqa: E402
from control_plane.payments.demo import collecting, refunding  # noqa: E402
from control_plane.snapshot import channel, heartbeat  # noqa: E402

# Every request runs in a thread of its own, whose connection nobody would use again.
for alias in connections:
    connections.settings[alias]["CONN_MAX_AGE"] = 0


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Every request with its trace, which its log lines and its refusals name."""
    if scope["type"] == "http":
        await traced_requests.serve(route, scope, receive, send)
    else:
        await route(scope, receive, send)


async def route(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The internal endpoints stand in front of Django: see `bare_asgi`."""
    if scope["type"] == "http" and scope["path"] == channel.PATH:
        await channel.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == heartbeat.PATH:
        await heartbeat.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == shown.PATH:
        await shown.application(scope, receive, send)
    elif scope["type"] == "http" and serving.answers(scope["path"]):
        await serving.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == alerting.PATH:
        await alerting.application(scope, receive, send)
    elif scope["type"] == "http" and internal.answers(scope["path"]):
        await internal.application(scope, receive, send)
    elif scope["type"] == "http" and callbacks.answers(scope["path"]):
        await callbacks.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == refunding.PATH:
        await refunding.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == collecting.PATH:
        await collecting.application(scope, receive, send)
    else:
        await django_application(scope, receive, send)

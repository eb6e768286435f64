"""`POST /internal/alerts`: Alertmanager's webhook, with the monitoring token. Bare ASGI.

Body: version 4 of Alertmanager's notification (prometheus.io, "webhook_config") → 204 · 400
malformed, with the field · 401 · 503 busy, or the database is away: Alertmanager tells it again.
"""

import json
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from control_plane.board import services
from control_plane.config.bare_asgi import (
    BadBody,
    Receive,
    Send,
    admit_monitoring,
    read_body,
    refuse,
    respond,
)
from control_plane.config.gate import Gate, TooMany
from control_plane.metrics.registry import counter

PATH = "/internal/alerts"
BODY_BYTES_MAX = 256 * 1024
ALERTS_MAX = 200
SEVERITIES = ("P1", "P2", "none")
FIRING, RESOLVED = "firing", "resolved"

RECEIVED = counter("sluice_alerts_received_total")
gate = Gate(1, "alerts")


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else write it down."""
    if not await admit_monitoring(scope, send, "POST"):
        return
    try:
        told = parse(await read_body(receive, BODY_BYTES_MAX))
        await gate.run(services.record_alerts, told, timezone.now())
    except BadBody as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    except (TooMany, DatabaseError):
        await refuse(send, 503, "busy", "Not written down.", [(b"retry-after", b"1")])
    else:
        for one in told:
            status = RESOLVED if one.ends_at else FIRING
            RECEIVED.labels(one.severity, status).inc()
        await respond(send, 204, [], b"")


def parse(body: bytes) -> list[services.Told]:
    """Every alert of the notification. Raises BadBody."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("body", "Not JSON.") from None
    if type(fields) is not dict or fields.get("version") != "4":
        raise BadBody("version", "Must be a notification of version 4.")
    alerts = fields.get("alerts")
    if type(alerts) is not list or not 1 <= len(alerts) <= ALERTS_MAX:
        raise BadBody("alerts", f"Must be a list of 1 to {ALERTS_MAX}.")
    return [_alert(alert, f"alerts[{number}]") for number, alert in enumerate(alerts)]


def _alert(alert: Any, where: str) -> services.Told:
    if type(alert) is not dict or alert.get("status") not in (FIRING, RESOLVED):
        raise BadBody(f"{where}.status", "Must be firing or resolved.")
    labels = _texts(alert.get("labels"), f"{where}.labels")
    said = _texts(alert.get("annotations", {}), f"{where}.annotations")
    severity = labels.get("severity", "")
    if severity not in SEVERITIES:
        raise BadBody(f"{where}.labels.severity", f"Must be one of {', '.join(SEVERITIES)}.")
    fingerprint = alert.get("fingerprint")
    if type(fingerprint) is not str or not 1 <= len(fingerprint) <= 32:
        raise BadBody(f"{where}.fingerprint", "Must have 1 to 32 characters.")
    is_over = alert["status"] == RESOLVED
    return services.Told(
        fingerprint=fingerprint,
        name=labels.get("alertname", "")[:100],
        severity=severity,
        labels=labels,
        summary=said.get("summary", "")[: services.TEXT_MAX],
        action=said.get("action", "")[: services.TEXT_MAX],
        starts_at=_moment(alert, "startsAt", where),
        ends_at=_moment(alert, "endsAt", where) if is_over else None,
    )


def _texts(value: Any, where: str) -> dict[str, str]:
    if type(value) is not dict or not all(type(text) is str for text in value.values()):
        raise BadBody(where, "Must be an object of texts.")
    return value


def _moment(alert: dict[str, Any], name: str, where: str) -> datetime:
    value = alert.get(name)
    try:
        # Go writes nanoseconds; Python reads microseconds and drops the rest.
        moment = parse_datetime(value) if type(value) is str else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadBody(f"{where}.{name}", "Must be a time of RFC 3339.")
    return moment

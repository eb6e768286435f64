"""`POST /internal/heartbeat`: which version each worker of a gateway or edge runs. Bare ASGI.

{"instance", "kind": "gateway"|"edge", "workers": [{"id", "version", "applied_at_ms"}], "at_ms"} →
204 · 400 malformed · 503 too many at once, or the database is away. A heartbeat that got lost is
made up for by the next one. Gateways add to some of them what risk rules matched since they
started: "risk": {"compared", "matches": [[rule, action, mode, count]]}.
"""

import json
import re
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from control_plane.config.bare_asgi import (
    BadBody,
    Receive,
    Send,
    admit,
    read_body,
    refuse,
    respond,
)
from control_plane.config.gate import Gate, TooMany
from control_plane.risk.models import RuleAction
from control_plane.risk.services import MATCH_MODES, Totals, record_totals
from control_plane.snapshot import services
from control_plane.snapshot.models import InstanceKind

PATH = "/internal/heartbeat"
RUNNING_MAX = 2
BODY_BYTES_MAX = 64 * 1024
WORKERS_MAX = 512
INTEGER_MAX = 2**53 - 1  # what JavaScript and Lua count exactly
NAME_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,64}")
KEYS = {"instance", "kind", "workers", "at_ms"}
RISK_KEYS = {"compared", "matches"}
MATCHES_MAX = 2000
WORKER_KEYS = {"id", "version", "applied_at_ms"}

gate = Gate(RUNNING_MAX, "heartbeat")


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else write it down."""
    if not await admit(scope, send, "POST"):
        return
    try:
        beat = parse(await read_body(receive, BODY_BYTES_MAX))
        await gate.run(_write_down, beat, timezone.now())
    except BadBody as error:
        await refuse(send, 400, "bad_request", str(error), field=error.field)
    except (TooMany, DatabaseError):
        await refuse(send, 503, "busy", "Not written down.", [(b"retry-after", b"1")])
    else:
        await respond(send, 204, [], b"")


def parse(body: bytes) -> services.Beat:
    """Every field exactly as above and no other. Raises BadBody."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("body", "Not JSON.") from None
    if type(fields) is not dict or fields.keys() - {"risk"} != KEYS:
        raise BadBody("body", f"Must be an object of {', '.join(sorted(KEYS))}.")
    if not _is_name(fields["instance"]):
        raise BadBody("instance", f"Must match {NAME_PATTERN.pattern}.")
    if fields["kind"] not in InstanceKind.values:
        raise BadBody("kind", "Must be gateway or edge.")
    if not _is_count(fields["at_ms"]):
        raise BadBody("at_ms", "Must be milliseconds since 1970.")
    workers = fields["workers"]
    if type(workers) is not list or not 1 <= len(workers) <= WORKERS_MAX:
        raise BadBody("workers", f"Must be a list of 1 to {WORKERS_MAX}.")
    for number, worker in enumerate(workers):
        _check_worker(worker, f"workers[{number}]")
    if len({worker["id"] for worker in workers}) != len(workers):
        raise BadBody("workers", "Each has an id of its own.")
    risk = _risk(fields["risk"]) if "risk" in fields else None
    return services.Beat(fields["instance"], fields["kind"], workers, fields["at_ms"], risk)


def _write_down(beat: services.Beat, now: datetime) -> None:
    services.record_heartbeat(beat, now)
    if beat.risk is not None:
        record_totals(beat.instance, beat.risk, now)


def _risk(risk: Any) -> Totals:
    """Rules' names are numbers here; what is not known of a rule's action or mode is refused."""
    if type(risk) is not dict or risk.keys() - {"matches"} != RISK_KEYS - {"matches"}:
        raise BadBody("risk", f"Must be an object of {', '.join(sorted(RISK_KEYS))}.")
    matches = risk.get("matches", [])
    if not _is_count(risk["compared"]) or type(matches) is not list or len(matches) > MATCHES_MAX:
        raise BadBody("risk", f"Must count, with at most {MATCHES_MAX} matches.")
    for number, match in enumerate(matches):
        is_whole = type(match) is list and len(match) == 4 and _is_count(match[0])
        if not (is_whole and match[1] in RuleAction.values and match[2] in MATCH_MODES):
            raise BadBody(f"risk.matches[{number}]", "Must be rule, action, mode and count.")
        if not _is_count(match[3]):
            raise BadBody(f"risk.matches[{number}]", "Its count must be a whole number.")
    return Totals(risk["compared"], {(one[0], one[1], one[2]): one[3] for one in matches})


def _check_worker(worker: Any, where: str) -> None:
    if type(worker) is not dict or worker.keys() != WORKER_KEYS:
        raise BadBody(where, f"Must be an object of {', '.join(sorted(WORKER_KEYS))}.")
    if not (_is_count(worker["id"]) or _is_name(worker["id"])):
        raise BadBody(f"{where}.id", "Must be a number or a name.")
    for name in ("version", "applied_at_ms"):
        if not _is_count(worker[name]):
            raise BadBody(f"{where}.{name}", f"Must be an integer from 0 to {INTEGER_MAX}.")


def _is_name(value: Any) -> bool:
    return type(value) is str and NAME_PATTERN.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    # bool is an int in Python.
    return type(value) is int and 0 <= value <= INTEGER_MAX

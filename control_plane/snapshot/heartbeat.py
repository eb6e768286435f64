"""`POST /internal/heartbeat`: which version each worker of a gateway or edge runs. Bare ASGI.

{"instance", "kind": "gateway"|"edge", "workers": [{"id", "version", "applied_at_ms"}], "at_ms"} →
204 · 400 malformed · 503 too many at once, or the database is away. A heartbeat that got lost is
made up for by the next one.
"""

import json
import re
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
from control_plane.snapshot import services
from control_plane.snapshot.models import InstanceKind

PATH = "/internal/heartbeat"
RUNNING_MAX = 2
BODY_BYTES_MAX = 64 * 1024
WORKERS_MAX = 512
INTEGER_MAX = 2**53 - 1  # what JavaScript and Lua count exactly
NAME_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,64}")
KEYS = {"instance", "kind", "workers", "at_ms"}
WORKER_KEYS = {"id", "version", "applied_at_ms"}

gate = Gate(RUNNING_MAX, "heartbeat")


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse what is wrong, else write it down."""
    if not await admit(scope, send, "POST"):
        return
    try:
        beat = parse(await read_body(receive, BODY_BYTES_MAX))
        await gate.run(services.record_heartbeat, beat, timezone.now())
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
    if type(fields) is not dict or fields.keys() != KEYS:
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
    return services.Beat(fields["instance"], fields["kind"], workers, fields["at_ms"])


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

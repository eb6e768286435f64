"""Publishing versions of the configuration, wrapping them for their readers, and the entry keys."""

import enum
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from control_plane.snapshot import document
from control_plane.snapshot.models import REASON_LENGTH_MAX, EntryKey, Heartbeat, Snapshot

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NOTIFY_CHANNEL = "sluice_snapshot"
# Any constant; pg_locks shows it while somebody publishes.
PUBLISH_LOCK = 0x51_01CE
ENTRY_SECRET_BYTES = 32
ENTRY_KEYS_LIVE = 2


class Audience(enum.StrEnum):
    """Who reads the document.

    Merchants' keys go to the edge alone, which checks sessions; those of tickets to gateways alone.
    """

    GATEWAY = "gateway"
    EDGE = "edge"


def publish(reason: str, now: datetime | None = None) -> Snapshot | None:
    """Write a new version unless nothing changed; readers are woken when the caller commits.

    `reason` is cut to what the table holds.

    Call it **last** in the transaction that made the change: it holds a lock until the commit, and
    a row lock taken after it could wait for somebody who waits for this one. The lock makes
    versions commit in their order, and a document shows every change that was published before it.
    """
    now = now or timezone.now()
    with transaction.atomic():
        _lock_publishing()
        ensure_entry_key()
        content = document.build(now)
        digest = _hash(content)
        last = Snapshot.objects.order_by("-version").only("version", "hash").first()
        if last is not None and last.hash == digest:
            return None
        version = _next_version(last, now)
        snapshot = Snapshot.objects.create(
            version=version,
            hash=digest,
            reason=reason[:REASON_LENGTH_MAX],
            document={"version": version, "built_at_ms": document.epoch_ms(now), **content},
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [NOTIFY_CHANNEL, str(version)])
    return snapshot


def newest_version() -> int:
    """Of the snapshot that is in force; 0 before the first."""
    newest = Snapshot.objects.order_by("-version").values_list("version", flat=True).first()
    return newest or 0


def envelope(snapshot: Snapshot, audience: Audience) -> dict[str, Any]:
    """What goes over the wire: the document as a string, and the MAC over exactly its bytes."""
    content = dict(snapshot.document)
    content.pop("ticket_keys" if audience is Audience.EDGE else "merchants", None)
    body = _serialise(content)
    mac = hmac.new(settings.ENV.snapshot_key.encode(), body.encode(), hashlib.sha256).hexdigest()
    return {"version": snapshot.version, "mac": mac, "body": body}


def ensure_entry_key() -> EntryKey:
    """The key that signs; made when there is none. Idempotent."""
    with transaction.atomic():
        _lock_publishing()
        key = EntryKey.objects.filter(active=True).order_by("-created_at", "kid").first()
        return key or _create_entry_key()


def rotate_entry_key(
    by: "User | None" = None, reason: str = "", *, leaked: bool = False
) -> EntryKey:
    """Make a key that signs as soon as every gateway knows it (`document.KEY_SPREADS`).

    The one before it still verifies entry tokens, older ones do not any more: rotating twice within
    a token's life (120 s) refuses tokens that were signed before the first. Tickets of a queue stay
    good until its sale is over, whichever key signed them.

    `leaked`: nothing that the keys before it signed is good any more. The new one signs at once,
    shoppers enter again, and who waits in a queue has lost his place.
    """
    with transaction.atomic():
        _lock_publishing()
        if leaked:
            EntryKey.objects.update(active=False, withdrawn=True)
        key = _create_entry_key(by, reason)
        live = EntryKey.objects.filter(active=True).order_by("-created_at", "kid")
        kept = list(live.values_list("kid", flat=True)[:ENTRY_KEYS_LIVE])
        EntryKey.objects.filter(active=True).exclude(kid__in=kept).update(active=False)
        publish(f"entry key {key.kid} is known")
    return key


def sign_with_due_key(now: datetime) -> None:
    """Publish, when a key is old enough to sign that did not sign so far. Idempotent."""
    signing = document.signing_key(now)
    newest = Snapshot.objects.order_by("-version").values_list("document__entry_keys").first()
    if signing is None or newest is None:
        return
    if any(key["sign"] and key["kid"] == signing.kid for key in newest[0]):
        return
    publish(f"entry key {signing.kid} signs", now)


@dataclass(frozen=True)
class Beat:
    """What an instance says of itself, checked."""

    instance: str
    kind: str
    workers: list[dict[str, Any]]
    at_ms: int
    # What risk rules matched since it started, when it says so: `risk.services.Totals`.
    risk: Any = None


def record_heartbeat(beat: Beat, now: datetime) -> None:
    """The instance's newest one replaces the one before. One statement; two at once are fine."""
    Heartbeat.objects.bulk_create(
        [
            Heartbeat(
                instance=beat.instance,
                kind=beat.kind,
                workers=beat.workers,
                lowest_version=min(worker["version"] for worker in beat.workers),
                clock_ahead_ms=beat.at_ms - document.epoch_ms(now),
                at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["instance"],
        update_fields=["kind", "workers", "lowest_version", "clock_ahead_ms", "at"],
    )


def _create_entry_key(by: "User | None" = None, reason: str = "") -> EntryKey:
    return EntryKey.objects.create(
        kid=f"e-{secrets.token_hex(6)}",
        secret=secrets.token_urlsafe(ENTRY_SECRET_BYTES),
        by=by,
        reason=reason,
    )


def _lock_publishing() -> None:
    """Held until the transaction ends; taking it twice is harmless."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])


def _next_version(last: Snapshot | None, now: datetime) -> int:
    """Seconds since 1970, or one more than the last version where that is later.

    Readers keep their copy on disk and take only newer versions. Counting from 1 would leave them
    on a stale copy after the database was restored from a backup or made anew; the clock does not.
    """
    clock = int(now.timestamp())
    return clock if last is None else max(clock, last.version + 1)


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(_serialise(content).encode()).hexdigest()


def _serialise(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

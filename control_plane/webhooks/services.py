"""What may be done with endpoints and deliveries. Nobody else writes them."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from control_plane.config import history
from control_plane.webhooks import signing
from control_plane.webhooks.claiming import claim, record, switch_off
from control_plane.webhooks.delivering import Way, deliver_due
from control_plane.webhooks.figures import Figures, figures
from control_plane.webhooks.models import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointSecret,
    OffReason,
    WebhookType,
)
from control_plane.webhooks.noting import KEPT, TYPES, Told, note, written

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = [
    "TYPES",
    "Figures",
    "HasLog",
    "Told",
    "Way",
    "change_endpoint",
    "claim",
    "create_endpoint",
    "delete_endpoint",
    "deliver_due",
    "figures",
    "forget_old",
    "note",
    "ping",
    "record",
    "redeliver",
    "retire_secret",
    "rotate_secret",
    "switch_off",
    "switch_off_failing",
    "switch_on",
]

SECRETS_MAX = 2
FORGET_A_RUN = 5_000


def create_endpoint(endpoint: Endpoint, now: datetime) -> Endpoint:
    """Save a new one; it hears of what happens from now on, and its first secret comes with it."""
    with transaction.atomic():
        endpoint.created_at = now
        endpoint.off_reason = OffReason.NONE if endpoint.active else OffReason.PEOPLE
        endpoint.save(force_insert=True)
        rotate_secret(endpoint, now)
    return endpoint


class HasLog(Exception):
    """Something was sent to it, or waits."""

    code = "has_log"
    message: "_StrPromise" = _("Its log of deliveries stays. Switch it off instead.")


def change_endpoint(endpoint: Endpoint, fields: Mapping[str, Any]) -> None:
    """Set `url`, `events`, `active`, as far as they are given. Raises IntegrityError for a twin."""
    ours = {name: fields[name] for name in ("url", "events") if name in fields}
    with transaction.atomic():
        if ours:
            Endpoint.objects.filter(pk=endpoint.pk).update(**ours)
        if fields.get("active") is True:
            switch_on(endpoint)
        elif fields.get("active") is False:
            switch_off(endpoint, OffReason.PEOPLE)
        history.note(endpoint)


def delete_endpoint(endpoint: Endpoint) -> None:
    """One that was never told anything, with its secrets. Raises HasLog."""
    with transaction.atomic():
        Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
        if Delivery.objects.filter(endpoint=endpoint).exists():
            raise HasLog
        Endpoint.objects.filter(pk=endpoint.pk).delete()


def switch_on(endpoint: Endpoint) -> bool:
    """What waited goes out, and its troubles are forgotten; False when it was on."""
    off = Endpoint.objects.filter(pk=endpoint.pk, active=False)
    with transaction.atomic():
        is_on = off.update(
            active=True, off_reason=OffReason.NONE, failures=0, failing_since=None, not_before=None
        )
        if is_on:
            history.note(endpoint)
    return bool(is_on)


def rotate_secret(endpoint: Endpoint, now: datetime) -> EndpointSecret:
    """A new secret that signs beside the newest one there is; an older one ends at once."""
    with transaction.atomic():
        Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        made = EndpointSecret.objects.create(
            endpoint=endpoint, secret=signing.new_secret(), created_at=now
        )
        ours = EndpointSecret.objects.filter(endpoint=endpoint).order_by("-pk")
        kept = list(ours.values_list("pk", flat=True)[:SECRETS_MAX])
        EndpointSecret.objects.filter(endpoint=endpoint).exclude(pk__in=kept).delete()
    return made


def retire_secret(endpoint: Endpoint) -> bool:
    """End the older secret: the merchant verifies by the newest; False when there is only one."""
    with transaction.atomic():
        Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        ours = EndpointSecret.objects.filter(endpoint=endpoint).order_by("-pk")
        older = list(ours.values_list("pk", flat=True)[1:])
        return bool(EndpointSecret.objects.filter(pk__in=older).delete()[0])


def ping(endpoint: Endpoint, now: datetime) -> Delivery:
    """A delivery that only says that it arrived; it goes the way of all others."""
    name = secrets.token_hex(16)
    return Delivery.objects.create(
        endpoint=endpoint,
        event_id=f"evt_{name}",
        type=WebhookType.PING,
        subject=f"ping-{name}",
        body=written(f"evt_{name}", WebhookType.PING, now, {}),
        next_try_at=now,
        created_at=now,
    )


def redeliver(ids: Iterable[int], now: datetime) -> int:
    """Deliver again what was delivered or given up, with its event id; returns how many.

    What still waits for its next try gets it now. One that is being sent is left alone.
    """
    ours = Delivery.objects.filter(pk__in=list(ids), lease_until=None)
    return ours.update(
        state=DeliveryState.PENDING,
        next_try_at=now,
        finished_at=None,
        attempts_before=F("attempts_made"),
    )


def switch_off_failing(now: datetime, after: timedelta) -> int:
    """Switch off endpoints at which nothing has arrived for so long; returns how many."""
    failing = Endpoint.objects.filter(active=True, failing_since__lte=now - after)
    return sum(switch_off(endpoint, OffReason.FAILING) for endpoint in failing)


def forget_old(now: datetime) -> int:
    """Drop deliveries older than KEPT with their attempts, some at a time; returns how many."""
    old = Delivery.objects.filter(created_at__lt=now - KEPT, lease_until=None).order_by("pk")
    some = list(old.values_list("pk", flat=True)[:FORGET_A_RUN])
    Delivery.objects.filter(pk__in=some).delete()
    return len(some)

"""`Idempotency-Key` on writes: a repeat gets the first answer, and the write happens once.

The claim is committed first, so that others see it. Then the write and its answer commit in one
transaction: whoever dies in between has done nothing, and once his lease is over a repeat does it.
After draft-ietf-httpapi-idempotency-key-header-07, whose status codes these are.
"""

import hashlib
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.api.models import IDEMPOTENCY_KEY_LENGTH_MAX, PATH_LENGTH_MAX, KeptAnswer
from control_plane.config.problems import Conflict

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
# Longer than any request lives: its transaction is ended by PostgreSQL and its client long before.
LEASE = timedelta(minutes=1)
KEPT = timedelta(hours=24)
FORGET_A_RUN = 5_000
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Of an answer's headers, those that mean something to the client.
KEPT_HEADERS = ("ETag", "Location", "Retry-After")
_VISIBLE = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_LENGTH_MAX}}}")

assert KEPT > LEASE


class KeyReused(exceptions.APIException):
    """The same key, another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = _("This Idempotency-Key was used for another body. Use a new one.")


class InFlight(Conflict):
    """The first one has no answer yet."""

    default_code = "in_flight"
    default_detail = _("The same request is under way. Repeat it in a moment.")


class LeaseLost(Exception):
    """It took so long that a repeat has taken over: what was done here is undone."""


def key_of_request(request: Request) -> str | None:
    """The key of a write; None without one, and for whoever has no identity."""
    given = request.headers.get(HEADER)
    if given is None or request.method not in WRITES or not request.user.is_authenticated:
        return None
    if not _VISIBLE.fullmatch(given):
        raise exceptions.ValidationError(
            {HEADER: [_("Must be 1 to 255 visible characters of ASCII.")]}
        )
    return given


def once(
    view: Any, handler: Callable[..., HttpResponseBase], request: Request, key: str
) -> Callable[..., HttpResponseBase]:
    """The handler, done once for this key; later calls give its answer. Raises as above."""

    def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        kept, lease = _claim(request, key)
        if lease is None:
            return _answer_again(kept)
        try:
            return _do(view, handler, kept, lease, request, *args, **kwargs)
        except BaseException:
            # Nothing was done: the next repeat need not wait for the lease.
            KeptAnswer.objects.filter(pk=kept.pk, lease=lease, status=None).delete()
            raise

    return handle


def forget_old() -> int:
    """Drop answers that are older than KEPT, some at a time; returns how many."""
    old = KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("pk")
    some = list(old.values_list("pk", flat=True)[:FORGET_A_RUN])
    return KeptAnswer.objects.filter(pk__in=some).delete()[0]


def _claim(request: Request, key: str) -> tuple[KeptAnswer, uuid.UUID | None]:
    """The row, and a lease when it is ours to do. Of many at once one gets the lease."""
    now, lease = timezone.now(), uuid.uuid4()
    place = {"user": request.user, "key": key, "method": request.method, "path": _path(request)}
    body_hash = hashlib.sha256(request._request.body).hexdigest()
    fields = {"lease": lease, "lease_until": now + LEASE, "body_hash": body_hash}
    # One that is older than KEPT is none, though the clock has not come to it.
    KeptAnswer.objects.filter(**place, created_at__lt=now - KEPT).delete()
    KeptAnswer.objects.bulk_create(
        [KeptAnswer(**place, **fields, created_at=now)], ignore_conflicts=True
    )
    kept = KeptAnswer.objects.filter(**place).first()
    if kept is None:
        raise InFlight  # it failed and was dropped in this moment
    if kept.lease == lease:
        return kept, lease
    if kept.body_hash != body_hash:
        raise KeyReused
    if kept.status is not None:
        return kept, None
    dead = KeptAnswer.objects.filter(pk=kept.pk, status=None, lease_until__lte=now)
    if dead.update(lease=lease, lease_until=now + LEASE):
        return kept, lease
    raise InFlight


def _do(
    view: Any,
    handler: Callable[..., HttpResponseBase],
    kept: KeptAnswer,
    lease: uuid.UUID,
    request: Request,
    *args: Any,
    **kwargs: Any,
) -> HttpResponseBase:
    try:
        if not view.keeps_in_one_transaction:
            answer = handler(request, *args, **kwargs)
            _keep(kept, lease, answer)
            return answer
        with transaction.atomic():
            answer = handler(request, *args, **kwargs)
            _keep(kept, lease, answer)
            return answer
    except exceptions.APIException as refusal:
        if refusal.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
            raise
        # A refusal is an answer too; what the handler had begun is rolled back.
        refused: Response = view.handle_exception(refusal)
        _keep(kept, lease, refused)
        return refused


def _keep(kept: KeptAnswer, lease: uuid.UUID, answer: HttpResponseBase) -> None:
    assert isinstance(answer, Response), answer
    body = "" if answer.data is None else JSONRenderer().render(answer.data).decode()
    headers = {name: answer[name] for name in KEPT_HEADERS if answer.has_header(name)}
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    ours = KeptAnswer.objects.filter(pk=kept.pk, lease=lease, status=None)
    if not ours.update(status=answer.status_code, headers=headers, body=body):
        raise LeaseLost(kept.pk)


def _answer_again(kept: KeptAnswer) -> HttpResponse:
    headers = {"Content-Type": "application/json"} | kept.headers | {REPLAYED: "true"}
    return HttpResponse(kept.body, status=kept.status, headers=headers)


def _path(request: Request) -> str:
    """With the query. One that is longer than any of ours is refused, not cut."""
    path = request.get_full_path()
    if len(path) > PATH_LENGTH_MAX:
        raise exceptions.ValidationError({HEADER: [_("The address is too long for it.")]})
    return path

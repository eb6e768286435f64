"""Money that goes back: asked of the provider until it says yes or no, never in a transaction."""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from control_plane.payments import providers
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable
from control_plane.payments.models import Refund, RefundState

# After the n-th try in vain; the last one goes on. A provider that is away for a night is asked
# some twenty times, and all of it within two days.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 10, 60, 300, 1800, 3600))
ATTEMPTS_MAX = 50
assert len(PAUSES) < ATTEMPTS_MAX
ERROR_LENGTH_MAX = 200
# A provider has had a dozen tries by then.
LATE = timedelta(hours=1)

log = logging.getLogger(__name__)


def due_refunds(now: datetime, limit: int, without: Sequence[str] = ()) -> list[uuid.UUID]:
    """Refunds whose next try has come, the longest waiting first, of providers not in `without`."""
    due = Refund.objects.filter(state=RefundState.DUE, next_try_at__lte=now)
    if without:
        due = due.exclude(payment__provider__in=without)
    return list(due.order_by("next_try_at", "pk").values_list("pk", flat=True)[:limit])


def stuck_refunds(now: datetime) -> int:
    """Refunds that failed, or are an hour old and not done. Reads only."""
    late = Q(state=RefundState.DUE, created_at__lt=now - LATE)
    return Refund.objects.filter(Q(state=RefundState.FAILED) | late).count()


def perform(refund_id: uuid.UUID, now: datetime) -> str | None:
    """One try; the state it left, None when somebody else is at it or it was not due.

    The try is counted and the next one set before the provider is asked: who dies meanwhile is
    followed by a repeat with the same key. Must not run inside a transaction.
    """
    refund = _claim(refund_id, now)
    if refund is None:
        return None
    try:
        providers.get(refund.payment.provider).refund(refund)
    except ProviderRefused as error:
        return _fail(refund, str(error))
    except (ProviderUnavailable, providers.UnknownProvider) as error:
        if refund.attempts >= ATTEMPTS_MAX:
            return _fail(refund, f"given up after {refund.attempts} tries: {error}")
        _due(refund).update(last_error=str(error)[:ERROR_LENGTH_MAX])
        log.warning("refund %s not done yet: %s", refund.pk, error)
        return RefundState.DUE
    done = _due(refund).update(state=RefundState.DONE, finished_at=timezone.now(), last_error="")
    return RefundState.DONE if done else None


def retry(refund_id: uuid.UUID, now: datetime) -> bool:
    """failed → due, for a person who has spoken to the provider; False for any other state."""
    failed = Refund.objects.filter(pk=refund_id, state=RefundState.FAILED)
    return bool(failed.update(state=RefundState.DUE, attempts=0, next_try_at=now, finished_at=None))


def _claim(refund_id: uuid.UUID, now: datetime) -> Refund | None:
    """One conditional UPDATE: of two who try at once, one asks the provider."""
    due = Q(pk=refund_id, state=RefundState.DUE, next_try_at__lte=now)
    attempts = Refund.objects.filter(pk=refund_id).values_list("attempts", flat=True).first()
    if attempts is None:
        return None
    pause = PAUSES[min(attempts, len(PAUSES) - 1)]
    claimed = Refund.objects.filter(due, attempts=attempts).update(
        attempts=F("attempts") + 1, next_try_at=now + pause
    )
    return Refund.objects.select_related("payment").get(pk=refund_id) if claimed else None


def _due(refund: Refund) -> QuerySet[Refund]:
    return Refund.objects.filter(pk=refund.pk, state=RefundState.DUE)


def _fail(refund: Refund, error: str) -> str:
    """A person has to look: the shopper's money is neither his nor ours."""
    _due(refund).update(
        state=RefundState.FAILED, finished_at=timezone.now(), last_error=error[:ERROR_LENGTH_MAX]
    )
    log.error("refund failed: %s", error, extra={"kind": "refund_failed", "refund": str(refund.pk)})
    return RefundState.FAILED

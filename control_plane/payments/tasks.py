"""What the clock does to refunds, and the demo provider's own work."""

import time
import uuid

from celery import Task
from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import TASK_SOFT_LIMIT_S, app
from control_plane.config.singleton import alone
from control_plane.payments import services
from control_plane.payments.demo.provider import DemoProvider
from control_plane.payments.errors import ProviderUnavailable
from control_plane.payments.events import SUCCEEDED
from control_plane.payments.models import Payment, Refund, RefundState
from control_plane.payments.signed_http import TIMEOUT_S, about

# Any constant; one number per singleton task.
REFUND_LOCK = 0x51_0FEE
REFUNDS_A_RUN = 100
# A run begins no call that could outlast it, and only other slow tasks wait behind it.
RUN_S = 1.0
assert RUN_S + TIMEOUT_S < TASK_SOFT_LIMIT_S
COLLECT_TRIES = 8


@app.task(name="payments.refund_due")
def refund_due() -> None:
    """Try the refunds that are due. Idempotent; a run beside another does nothing."""
    with alone(REFUND_LOCK) as is_alone:
        if not is_alone:
            return
        ends_at = time.monotonic() + RUN_S
        # Who does not answer is asked for nothing more: each further one would cost a time-out.
        silent: tuple[str, ...] = ()
        while due := services.due_refunds(timezone.now(), REFUNDS_A_RUN, silent):
            for refund_id in due:
                if time.monotonic() > ends_at:
                    return
                if services.perform(refund_id, timezone.now()) == RefundState.DUE:
                    silent += (_provider(refund_id),)
                    break
            else:
                return


def _provider(refund_id: uuid.UUID) -> str:
    return Refund.objects.values_list("payment__provider", flat=True).get(pk=refund_id)


@app.task(name="payments.demo_collect", bind=True, max_retries=COLLECT_TRIES)
def demo_collect(self: Task, payment_id: str) -> None:
    """The demo provider has collected the money and says so; a repeat says the same."""
    payment = Payment.objects.select_related("order").get(pk=uuid.UUID(payment_id))
    event = {"event_id": f"demo-{payment.pk}", "type": SUCCEEDED, **about(payment)}
    url = f"{settings.ENV.control_plane_url}/payments/callbacks/{DemoProvider.name}"
    try:
        DemoProvider().post(url, event)
    except ProviderUnavailable as error:
        raise self.retry(exc=error, countdown=2**self.request.retries) from error

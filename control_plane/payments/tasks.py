"""What the clock does to refunds, and the demo provider's own work."""

import time
import uuid

from celery import Task
from django.utils import timezone

from control_plane.config.celery import TASK_SOFT_LIMIT_S, app
from control_plane.config.singleton import alone
from control_plane.payments import services
from control_plane.payments.demo.provider import TIMEOUT_S, DemoProvider
from control_plane.payments.errors import ProviderUnavailable
from control_plane.payments.events import SUCCEEDED
from control_plane.payments.models import Payment, RefundState

# Any constant; one number per singleton task.
REFUND_LOCK = 0x51_0FEE
REFUNDS_A_RUN = 100
# A run begins no call that could outlast it, and the clock's other tasks wait behind it.
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
        for refund_id in services.due_refunds(timezone.now(), REFUNDS_A_RUN):
            if time.monotonic() > ends_at:
                break
            if services.perform(refund_id, timezone.now()) == RefundState.DUE:
                break  # the provider does not answer: each further one would cost a time-out


@app.task(name="payments.demo_collect", bind=True, max_retries=COLLECT_TRIES)
def demo_collect(self: Task, payment_id: str) -> None:
    """The demo provider has collected the money and says so; a repeat says the same."""
    payment = Payment.objects.select_related("order").get(pk=uuid.UUID(payment_id))
    event = {
        "event_id": f"demo-{payment.pk}",
        "type": SUCCEEDED,
        "payment_id": str(payment.pk),
        "order_number": payment.order.number,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
    }
    try:
        DemoProvider().post(f"/payments/callbacks/{DemoProvider.name}", event)
    except ProviderUnavailable as error:
        raise self.retry(exc=error, countdown=2**self.request.retries) from error

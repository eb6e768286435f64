"""What a server or Celery does once, as a process of its own: `python -m tests.race.once NAME`.

A process of its own, because a test kills it.
"""

import sys

import django


def callback() -> None:
    """The provider tells of the only payment there is; it always tells the same."""
    django.setup()
    from django.utils import timezone

    from control_plane.payments import services
    from control_plane.payments.events import SUCCEEDED, Event
    from control_plane.payments.models import Payment

    payment = Payment.objects.select_related("order").get()
    told = Event(
        event_id=f"demo-{payment.pk}",
        type=SUCCEEDED,
        payment_id=payment.pk,
        order_number=payment.order.number,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
    )
    services.receive(payment.provider, told, timezone.now())


def refund() -> None:
    """What is due is given back."""
    django.setup()
    from control_plane.payments.tasks import refund_due

    refund_due()


def retry() -> None:
    """Dead letters that are due are tried."""
    django.setup()
    from control_plane.dead_letters.tasks import retry_due

    retry_due()


def discard() -> None:
    """Staff gives up the only dead letter there is."""
    django.setup()
    from django.contrib.auth.models import User
    from django.utils import timezone

    from control_plane.dead_letters import by_hand
    from control_plane.dead_letters.models import DeadLetter

    letter, zoe = DeadLetter.objects.get(), User.objects.get()
    by_hand.discard(letter.pk, "no longer wanted", zoe, timezone.now())


def settle() -> None:
    """Campaigns of which nothing moves any more are settled."""
    django.setup()
    from control_plane.campaigns.tasks import settle_campaigns

    settle_campaigns()


ONCE = {
    "callback": callback,
    "discard": discard,
    "refund": refund,
    "retry": retry,
    "settle": settle,
}

if __name__ == "__main__":
    ONCE[sys.argv[1]]()

"""Figures that Celery's tasks leave in PostgreSQL and nowhere else.

The tasks end before anybody could ask them, so this process asks the database for what they left.
Several of these say the same.
"""

from datetime import timedelta

from django.conf import settings

from control_plane.campaigns.services import cold_campaigns
from control_plane.orders.services import overdue
from control_plane.payments.services import open_exceptions, stuck_refunds
from control_plane.reconciliation import services as reconciliation
from control_plane.webhooks import services as webhooks
from workers.runtime import metrics
from workers.runtime.figures import Figures

PART = "figures"
# The clock ends 500 orders at a time, once a second.
EXPIRY_TAKES = timedelta(minutes=1)


class StandingFigures(Figures):
    """How webhooks, books, campaigns and money are doing."""

    part = PART
    every_s = 10.0

    def look(self) -> None:
        """Set every gauge."""
        now, env = self._clock.now(), settings.ENV
        sent = webhooks.figures(now)
        metrics.WEBHOOKS_PENDING.set(sent.pending)
        metrics.WEBHOOKS_OLDEST_SECONDS.set(sent.oldest_s)
        metrics.WEBHOOKS_FAILED.set(sent.failed)
        metrics.WEBHOOK_ENDPOINTS.labels("failing").set(sent.failing_endpoints)
        metrics.WEBHOOK_ENDPOINTS.labels("off").set(sent.off)
        books = reconciliation.figures(now, timedelta(hours=env.reconcile_after_h))
        metrics.BOOKS_UNBALANCED.set(books.unbalanced)
        metrics.BOOKS_FINDINGS.set(reconciliation.waiting(now))
        metrics.BOOKS_OVERDUE.set(books.overdue)
        metrics.CAMPAIGNS_COLD.set(cold_campaigns(now, timedelta(seconds=env.arm_lead_s)))
        grace = timedelta(seconds=env.late_money_grace_s)
        metrics.ORDERS_OVERDUE.set(overdue(now - grace - EXPIRY_TAKES))
        metrics.REFUNDS_STUCK.set(stuck_refunds(now))
        metrics.PAYMENT_EXCEPTIONS.set(open_exceptions())

"""What waits for a person, as the admin's first page lists it.

Each count is answered by an index or by a table that stays small; none reads orders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import warming
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.dead_letters.models import DeadLetter, LetterState
from control_plane.inventory.models import Rearm, RearmStage
from control_plane.orders import services as orders
from control_plane.payments.models import PaymentException, Refund, RefundState
from control_plane.reconciliation import services as reconciliation
from control_plane.snapshot.lag import STALE_AFTER
from control_plane.snapshot.models import Heartbeat
from control_plane.webhooks.models import Endpoint, OffReason

# A re-arm takes seconds; one that still stands at the same stage then says where to look.
REARM_STANDS_AFTER = timedelta(minutes=1)
# A gateway that was taken out of service is nobody's trouble any more.
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Kind:
    """One sort of things that wait; its list, filtered by `query`, shows just them."""

    title: Any
    model: str
    query: str
    icon: str
    count: Callable[[datetime], int]
    is_urgent: bool = False

    def is_for(self, request: HttpRequest) -> bool:
        """Whether this user could open the list."""
        opts = apps.get_model(self.model)._meta
        return bool(request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}"))

    @property
    def url(self) -> str:
        """The list."""
        opts = apps.get_model(self.model)._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist") + self.query


def _not_armed(now: datetime) -> int:
    return warming.cold_campaigns(now, timedelta(seconds=settings.ENV.arm_lead_s))


def unbalanced(now: datetime) -> int:
    """As the alert counts them."""
    return reconciliation.figures(now, timedelta(hours=settings.ENV.reconcile_after_h)).unbalanced


def _silent(now: datetime) -> int:
    heard = Heartbeat.objects.filter(at__gt=now - FORGOTTEN_AFTER)
    return heard.filter(at__lt=now - STALE_AFTER).count()


def _to_be_approved(now: datetime) -> int:
    """What was submitted; where one person is enough, every draft that lies ahead."""
    drafts = Campaign.objects.filter(state=CampaignState.DRAFT, starts_at__gt=now)
    if settings.ENV.approval_by_second_person:
        drafts = drafts.filter(submitted_at__isnull=False)
    return drafts.count()


KINDS = (
    Kind(
        _("Drafts to be approved"),
        "campaigns.Campaign",
        "?state__exact=draft&submitted_at__isempty=0",
        "approval",
        _to_be_approved,
    ),
    Kind(
        _("Campaigns about to start that are not armed"),
        "campaigns.Campaign",
        "?state__exact=approved",
        "bolt",
        _not_armed,
        is_urgent=True,
    ),
    Kind(
        _("Exception orders"),
        "dead_letters.DeadLetter",
        "?state__exact=exception",
        "report",
        lambda now: DeadLetter.objects.filter(state=LetterState.EXCEPTION).count(),
        is_urgent=True,
    ),
    Kind(
        _("Dead letters that are tried again"),
        "dead_letters.DeadLetter",
        "?state__exact=pending",
        "drafts",
        lambda now: DeadLetter.objects.filter(state=LetterState.PENDING).count(),
    ),
    Kind(
        _("Order events that cannot be sent"),
        "orders.OrderEvent",
        "?open=1",
        "unsubscribe",
        lambda now: orders.events_aside(),
    ),
    Kind(
        _("Payment exceptions"),
        "payments.PaymentException",
        "?open=1",
        "credit_card_off",
        lambda now: PaymentException.objects.filter(resolved_at=None).count(),
        is_urgent=True,
    ),
    Kind(
        _("Refunds that failed"),
        "payments.Refund",
        "?state__exact=failed",
        "currency_exchange",
        lambda now: Refund.objects.filter(state=RefundState.FAILED).count(),
        is_urgent=True,
    ),
    Kind(
        _("Books that do not balance"),
        "reconciliation.Reconciliation",
        "?open=1",
        "balance",
        unbalanced,
        is_urgent=True,
    ),
    Kind(
        _("Re-arms that stand still"),
        "inventory.Rearm",
        "",
        "restart_alt",
        lambda now: (
            Rearm.objects.exclude(stage=RearmStage.CLOSED)
            .filter(given_up_at=None, stage_at__lt=now - REARM_STANDS_AFTER)
            .count()
        ),
        is_urgent=True,
    ),
    Kind(
        _("Gateways and edges that are silent"),
        "snapshot.Heartbeat",
        "",
        "monitor_heart",
        _silent,
        is_urgent=True,
    ),
    Kind(
        _("Webhook endpoints that were switched off for failing"),
        "webhooks.Endpoint",
        "?active__exact=0",
        "webhook",
        lambda now: Endpoint.objects.filter(
            off_reason__in=[OffReason.FAILING, OffReason.GONE]
        ).count(),
    ),
)

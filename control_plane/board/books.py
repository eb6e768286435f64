"""What PostgreSQL says of the sales of now: where every unit is, switches, alerts. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, Q
from django.utils import translation

from control_plane.board.models import Alert, WallLink
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.metrics.registry import gauge
from control_plane.snapshot.models import Snapshot
from control_plane.switches import overview

# A campaign is on the board from a day before its start until two hours after its end.
BEFORE, AFTER = timedelta(days=1), timedelta(hours=2)
CAMPAIGNS_MAX, ALERTS_MAX = 6, 30
# One statement, hence one view of the database: no commit falls between the terms of I1.
_UNITS = """
SELECT pool.item_id, pool.total, pool.unallocated,
       (SELECT coalesce(sum(granted - consumed), 0) FROM inventory_allocation allocation
         WHERE allocation.item_id = pool.item_id AND allocation.state <> 'closed'),
       ours.unpaid, ours.paid, ours.expired, ours.cancelled, ours.orders, ours.paid_orders,
       (SELECT coalesce(sum(qty), 0) FROM orders_rejection WHERE item_id = pool.item_id)
  FROM inventory_pool pool
  LEFT JOIN LATERAL (
       SELECT coalesce(sum(qty) FILTER (WHERE state = 'unpaid'), 0) AS unpaid,
              coalesce(sum(qty) FILTER (WHERE state = 'paid'), 0) AS paid,
              coalesce(sum(qty) FILTER (WHERE state = 'expired'), 0) AS expired,
              coalesce(sum(qty) FILTER (WHERE state = 'cancelled'), 0) AS cancelled,
              count(*) AS orders, count(*) FILTER (WHERE state = 'paid') AS paid_orders
         FROM orders_order WHERE item_id = pool.item_id) ours ON true
 WHERE pool.item_id = ANY(%s)
"""

PLACES = ("total", "pool", "leased", "unpaid", "paid")
ENDS = ("expired", "cancelled", "rejected")
_shown: set[int] = set()


@dataclass(frozen=True, slots=True)
class Units:
    """Where the units of an item are; `orders` and `paid_orders` are counts of all times."""

    total: int
    pool: int
    leased: int
    unpaid: int
    paid: int
    expired: int = 0
    cancelled: int = 0
    orders: int = 0
    paid_orders: int = 0
    rejected: int = 0

    @property
    def drift(self) -> int:
        """I1: units that are missing (positive) or there twice (negative); 0 always."""
        return self.total - self.pool - self.leased - self.unpaid - self.paid

    @property
    def oversold(self) -> int:
        """Units in live orders beyond all there are; 0 always."""
        return max(0, self.unpaid + self.paid - self.total)


@dataclass(frozen=True)
class Books:
    """One look at the database."""

    campaigns: list[Campaign]
    units: dict[int, Units]
    switches: list[dict[str, Any]]
    alerts: list[Alert]
    walls: frozenset[str] = field(default_factory=frozenset)


def read(now: datetime) -> Books:
    """Look, and set the figures of the registry to what was seen."""
    shown = list(campaigns(now))
    books = Books(
        campaigns=shown,
        units=units([item.pk for campaign in shown for item in campaign.items.all()]),
        switches=switches(now),
        alerts=list(firing()),
        walls=frozenset(
            WallLink.objects.filter(withdrawn_at=None, expires_at__gt=now).values_list(
                "name", flat=True
            )
        ),
    )
    _show(books)
    return books


def campaigns(now: datetime) -> Iterable[Campaign]:
    """Those on the board. The first is the large one: its start is nearest; ended ones are last."""
    near = Q(state=CampaignState.APPROVED, starts_at__lt=now + BEFORE)
    over = Q(state=CampaignState.ENDED, ended_at__gt=now - AFTER)
    found = Campaign.objects.filter(near | over | Q(state=CampaignState.LIVE))
    return sorted(
        found.prefetch_related("items"),
        key=lambda one: (one.state == CampaignState.ENDED, abs(one.starts_at - now)),
    )[:CAMPAIGNS_MAX]


def units(item_ids: list[int]) -> dict[int, Units]:
    """Of items with a pool."""
    if not item_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_UNITS, [item_ids])
        return {pk: Units(*map(int, terms)) for pk, *terms in cursor.fetchall()}


def switches(now: datetime) -> list[dict[str, Any]]:
    """Everything that does not say what it usually does, by the words of the console."""
    with translation.override("en"):
        return [
            {
                "name": row.switch.name,
                "value": row.switch.shown(throw.value),
                "scope": throw.scope,
                "of": _subject(throw),
                "reason": throw.reason,
                "by": throw.by.get_username() if throw.by else None,
                "since_ms": _ms(throw.created_at),
                "until_ms": _ms(throw.until) if throw.until else None,
            }
            for row in overview.rows(now)
            for throw in row.throws
            if not throw.is_covered
        ]


def firing() -> Iterable[Alert]:
    """P1 before P2, older before newer."""
    open_ones = Alert.objects.filter(ends_at=None).exclude(severity="none")
    return open_ones.order_by("severity", "starts_at")[:ALERTS_MAX]


def _subject(throw: Any) -> str | None:
    if throw.campaign:
        return str(throw.campaign.slug)
    return throw.item.title if throw.item else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _show(books: Books) -> None:
    """An item that has left the board must not keep an alert alive.

    The gauges are made by the first look, so that only processes that look have them.
    """
    places, ended = gauge("sluice_item_units"), gauge("sluice_item_ended_units")
    drift, oversold = gauge("sluice_item_drift_units"), gauge("sluice_item_oversold_units")
    firing_now = gauge("sluice_alerts_firing")
    for gone in _shown - books.units.keys():
        for place in PLACES:
            places.remove(gone, place)
        for state in ENDS:
            ended.remove(gone, state)
        drift.remove(gone)
        oversold.remove(gone)
    _shown.clear()
    _shown.update(books.units)
    for item, terms in books.units.items():
        for place in PLACES:
            places.labels(item, place).set(getattr(terms, place))
        for state in ENDS:
            ended.labels(item, state).set(getattr(terms, state))
        drift.labels(item).set(terms.drift)
        oversold.labels(item).set(terms.oversold)
    gauge("sluice_snapshot_newest_version").set(
        Snapshot.objects.aggregate(Max("version"))["version__max"] or 0
    )
    gauge("sluice_switches_thrown").set(len(books.switches))
    for severity in ("P1", "P2"):
        firing_now.labels(severity).set(sum(alert.severity == severity for alert in books.alerts))

"""A past sale, frame by frame, as the board showed it: Prometheus' series, and the alerts."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from control_plane.board import document, prometheus
from control_plane.board.books import ENDS, PLACES, Units
from control_plane.board.models import Alert
from control_plane.campaigns.models import Campaign

FRAMES_MAX = 300
UNITS = 'sluice_item_units{place="total"}'
# A sale that is approved shortly before its start is in the figures only then.
SCRAPED_MS = 15_000
HISTORY_S = 300
HISTORY = '{__name__=~"sluice:(buys:rate|orders:rate|exchange_p99|confirm_p99)"}'
# What is shown of the time before the start and after the end.
BEFORE, AFTER = timedelta(seconds=15), timedelta(seconds=60)


def offered(campaigns: Sequence[Campaign], now: datetime) -> list[Campaign]:
    """Those of which Prometheus keeps something: what its retention took has no replay.

    All of them while it cannot be asked: who chooses one is told so.
    """
    url = settings.ENV.prometheus_url
    if url is None or not campaigns:
        return []
    since = min(campaign.starts_at for campaign in campaigns) - BEFORE
    try:
        known = prometheus.values_of(url, "item", UNITS, since.timestamp(), now.timestamp())
    except prometheus.Unanswered:
        return list(campaigns)
    return [one for one in campaigns if known & {str(item.pk) for item in one.items.all()}]


def frames(campaign: Campaign, now: datetime | None = None) -> bytes:
    """`{"frames": [document, …], "missing_ms"}`, at most FRAMES_MAX. Raises prometheus.Unanswered.

    `missing_ms`: of how much of its beginning nothing is kept; null when that is all of it.
    """
    now = now or timezone.now()
    if settings.ENV.prometheus_url is None:
        raise prometheus.Unanswered("there is no Prometheus here")
    since = campaign.starts_at - BEFORE
    # What is past, before AFTER is added: the last second of the year 9999 has no later one.
    until = min(now - AFTER, campaign.ended_at or campaign.ends_at) + AFTER
    step_s = max(1, round((until - since).total_seconds() / FRAMES_MAX + 0.5))
    url = settings.ENV.prometheus_url
    seen = prometheus.over(url, since.timestamp(), until.timestamp(), step_s)
    base = prometheus.instant(
        url, '{__name__=~"sluice:.+:total"}', document.begins_ms(campaign) / 1000
    )
    alerts = list(
        Alert.objects.filter(starts_at__lt=until)
        .exclude(ends_at__lt=since)
        .exclude(severity="none")
    )
    shown = [_frame(campaign, at, samples, base, alerts) for at, samples in seen.items()]
    missing_ms = _missing_ms(shown, since, step_s)
    if missing_ms is None:
        shown = []
    said = {"frames": shown, "missing_ms": missing_ms}
    return json.dumps(said, separators=(",", ":")).encode()


def _missing_ms(shown: list[document.Json], since: datetime, step_s: int) -> int | None:
    """Up to the first moment of which somebody knows units. Two steps are the scrape's own."""
    for frame in shown:
        if any(item["units"] for item in frame["campaigns"][0]["items"]):
            gap_ms = int(frame["at_ms"] - since.timestamp() * 1000)
            return gap_ms if gap_ms > max(2 * step_s * 1000, SCRAPED_MS) else 0
    return None


def history(now: float) -> document.Json:
    """The last minutes of what the charts show, a value a second. Raises prometheus.Unanswered."""
    if settings.ENV.prometheus_url is None:
        raise prometheus.Unanswered("there is no Prometheus here")
    seen = prometheus.over(
        settings.ENV.prometheus_url, now - HISTORY_S, now, step_s=1, query=HISTORY
    )
    found = list(seen.values())
    return {
        "at_ms": [int(at * 1000) for at in seen],
        "buys": [_sum(one.by("sluice:buys:rate", "of")) for one in found],
        "reserved": [one.by("sluice:buys:rate", "of").get("reserved") for one in found],
        "orders": [one.one("sluice:orders:rate") for one in found],
        "exchange_ms": [_ms(one.one("sluice:exchange_p99")) for one in found],
        "confirm_ms": [_ms(one.one("sluice:confirm_p99")) for one in found],
    }


def _sum(values: dict[str, float]) -> float | None:
    return sum(values.values()) if values else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _frame(
    campaign: Campaign,
    at: float,
    samples: prometheus.Samples,
    base: prometheus.Samples,
    alerts: list[Alert],
) -> document.Json:
    moment = datetime.fromtimestamp(at, UTC)
    units = {item.pk: _units(item.pk, samples) for item in campaign.items.all()}
    known = {pk: one for pk, one in units.items() if one is not None}
    then = [
        alert
        for alert in alerts
        if alert.starts_at <= moment and (alert.ends_at is None or alert.ends_at > moment)
    ]
    at_ms = int(at * 1000)
    source = {"at_ms": at_ms, "error": None}
    frame: document.Json = {
        "version": document.VERSION,
        "at_ms": at_ms,
        "sources": {"database": source, "prometheus": source},
        "campaigns": document.sales([campaign], known, samples),
        "funnel": document.funnel(samples, base, known.values()),
        "refusals": document.refusals(samples, base),
        "figures": document.figures(samples),
        "processes": document.processes(samples),
        "switches": [],
        "alerts": document.alerts(then),
    }
    _state_then(frame["campaigns"][0], campaign, moment)
    return frame


def _units(item: int, samples: prometheus.Samples) -> Units | None:
    """As the look at PostgreSQL of that second had it; None where nobody looked."""
    terms: dict[str, Any] = {}
    for place in PLACES:
        terms[place] = samples_of(samples, "sluice_item_units", item, "place", place)
    if any(value is None for value in terms.values()):
        return None
    for state in ENDS:
        terms[state] = samples_of(samples, "sluice_item_ended_units", item, "state", state) or 0
    orders = terms["unpaid"] + terms["paid"] + terms["expired"] + terms["cancelled"]
    return Units(**terms, orders=orders, paid_orders=terms["paid"])


def samples_of(
    samples: prometheus.Samples, name: str, item: int, label: str, value: str
) -> int | None:
    """Whichever control plane showed it."""
    for labels, number in samples.of(name):
        if labels.get("item") == str(item) and labels.get(label) == value:
            return int(number)
    return None


def _state_then(shown: document.Json, campaign: Campaign, moment: datetime) -> None:
    ended = campaign.ended_at or campaign.ends_at
    if moment < campaign.starts_at:
        shown["state"] = "approved"
    elif moment < ended:
        shown["state"] = "live"
    else:
        shown["state"] = "ended"

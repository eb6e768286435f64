"""The board's document: what a page shows of one moment, live or long past.

Numbers of units and orders are PostgreSQL's, everything that happens per second is Prometheus'.
What nobody knows is null, and the page says so; it is never 0.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from control_plane.board.books import ENDS, PLACES, Units
from control_plane.board.models import Alert
from control_plane.board.prometheus import Samples
from control_plane.campaigns.models import Campaign, Item

# Grows when a field changes its meaning: an open page then loads itself again.
VERSION = 1
# Clicks from so long before the start belong to a sale.
LEAD = timedelta(minutes=10)
Json = dict[str, Any]

_REFUSED = frozenset({"reserved", "queued", "pending"})
_FIGURES = (
    *("batch_size", "exchange_p50", "exchange_p99", "confirm_p50", "confirm_p99", "kafka_lag"),
    *("orders_per_s", "relay_undecided", "dead_letters_waiting", "exception_orders"),
    *("orders_unanswered", "outbox_in_flight", "queue_rate", "redis_errors"),
)


def begins_ms(campaign: Campaign) -> int:
    """From when on counts are the campaign's: its lobby, but not the sale before it."""
    lead = max(LEAD, timedelta(minutes=campaign.lobby_minutes))
    since = campaign.starts_at - lead
    if campaign.approved_at is not None:
        since = max(since, min(campaign.approved_at, campaign.starts_at))
    return int(since.timestamp() * 1000)


def sales(
    campaigns: Iterable[Campaign], units: Mapping[int, Units], samples: Samples
) -> list[Json]:
    """Every campaign with its items."""
    return [
        {
            "slug": campaign.slug,
            "title": campaign.title,
            "state": "settled" if campaign.settled_at else campaign.state,
            "starts_ms": int(campaign.starts_at.timestamp() * 1000),
            "ends_ms": int((campaign.ended_at or campaign.ends_at).timestamp() * 1000),
            "items": [_item(item, units.get(item.pk), samples) for item in campaign.items.all()],
        }
        for campaign in campaigns
    ]


def _item(item: Item, units: Units | None, samples: Samples) -> Json:
    number = str(item.pk)
    described: Json = {
        "id": item.pk,
        "sku": item.sku,
        "title": item.title,
        "queue": item.queue_mode,
        "units": None,
        "buckets": _buckets(number, samples),
        "shards": _shards(number, samples),
    }
    if units is None:
        return described
    free = [value for labels, value in samples.of("sluice_shard_avail") if _is(labels, number)]
    # In a shard, but taken: reserved and not yet an order. Nobody knows where no shard was seen.
    reserved = max(0, units.leased - int(sum(free))) if free else None
    described["units"] = {
        **{place: getattr(units, place) for place in PLACES},
        **{state: getattr(units, state) for state in ENDS},
        "orders": units.orders,
        "reserved": reserved,
        "left": units.pool + units.leased - (reserved or 0),
        "drift": units.drift,
        "oversold": units.oversold,
    }
    return described


def _is(labels: Mapping[str, str], item: str) -> bool:
    return labels.get("item") == item


def _buckets(item: str, samples: Samples) -> list[Json]:
    """Of the queue, in the order of their names."""
    buckets: dict[str, Json] = {}
    for field, name in (
        ("waiting", "sluice_queue_waiting"),
        ("outstanding", "sluice_queue_outstanding"),
        ("served", "sluice_queue_served_until"),
        ("per_s", "sluice:queue_served:rate"),
    ):
        for labels, value in samples.of(name):
            if _is(labels, item):
                bucket = labels["bucket"]
                buckets.setdefault(bucket, {"name": bucket})[field] = value
    return [buckets[name] for name in sorted(buckets)]


def _shards(item: str, samples: Samples) -> list[Json]:
    free = {labels["shard"]: value for labels, value in samples.of("sluice_shard_avail")
            if _is(labels, item)}  # fmt: skip
    fenced = {labels["shard"] for labels, value in samples.of("sluice_shard_fenced")
              if _is(labels, item) and value}  # fmt: skip
    deaf = {labels["shard"] for labels, value in samples.of("sluice_shard_takes_writes")
            if _is(labels, item) and not value}  # fmt: skip
    return [
        {"number": int(shard), "free": value, "sells": shard not in fenced | deaf}
        for shard, value in sorted(free.items())
    ]


def funnel(samples: Samples, base: Samples, units: Iterable[Units]) -> list[Json]:
    """From the page to the money. Totals are since the sale began; of orders, PostgreSQL's."""
    known = list(units)
    paths = (
        ("page", "sluice:pages", None),
        ("entry", "sluice:entries", None),
        ("queue", "sluice:queue", "numbers"),
        ("buy", "sluice:buys", None),
        ("reserved", "sluice:buys", "reserved"),
    )
    stages = []
    for stage, name, label in paths:
        now, then = samples.by(f"{name}:total", "of"), base.by(f"{name}:total", "of")
        counts = [
            _since(value, then.get(of, 0)) for of, value in now.items() if label in (None, of)
        ]
        rates = samples.by(f"{name}:rate", "of")
        per_s = [value for of, value in rates.items() if label in (None, of)]
        stages.append(
            {
                "stage": stage,
                "total": int(sum(counts)) if now else None,
                "per_s": sum(per_s) if rates else None,
            }
        )
    for stage, count, rate in (
        ("confirmed", "orders", "sluice:orders:rate"),
        ("paid", "paid_orders", "sluice:paid:rate"),
    ):
        total = sum(getattr(one, count) for one in known) if known else None
        stages.append({"stage": stage, "total": total, "per_s": samples.one(rate)})
    return stages


def refusals(samples: Samples, base: Samples) -> list[Json]:
    """Why clicks came to nothing, most frequent first."""
    then, rates = base.by("sluice:buys:total", "of"), samples.by("sluice:buys:rate", "of")
    found = [
        {
            "code": code,
            "total": int(_since(total, then.get(code, 0))),
            "per_s": rates.get(code, 0.0),
        }
        for code, total in samples.by("sluice:buys:total", "of").items()
        if code not in _REFUSED
    ]
    return sorted(
        (one for one in found if one["total"] or one["per_s"]),
        key=lambda one: (-int(one["total"]), one["code"]),
    )


def _since(now: float, then: float) -> float:
    """A counter that fell began anew with its process; what it had before nobody knows."""
    return now - then if now >= then else now


def figures(samples: Samples) -> Json:
    """What the machines do now, by name; null where nothing was seen."""
    return {name: samples.one(f"sluice:{name}") for name in _FIGURES}


def processes(samples: Samples) -> list[Json]:
    """Every process that Prometheus asks: 1 works, 0.5 answers and cannot work, 0 is silent."""
    ready = samples.by("sluice_worker_ready", "job")
    return [
        {"name": job, "health": 0 if not value else 1 if ready.get(job, 1) else 0.5}
        for job, value in sorted(samples.by("up", "job").items())
    ]


def alerts(rows: Iterable[Alert]) -> list[Json]:
    """What fires, as it was told."""
    return [
        {
            "name": row.name,
            "severity": row.severity,
            "summary": row.summary,
            "action": row.action,
            "since_ms": int(row.starts_at.timestamp() * 1000),
        }
        for row in rows
    ]

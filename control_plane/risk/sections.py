"""The snapshot's sections about abuse: `rate_limits` and `risk_rules`."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from control_plane.risk.models import RateLimit, RiskRule, RuleKind
from control_plane.risk.models.rules import FIELDS_OF_KIND

Json = dict[str, Any]


def rate_limits() -> list[Json]:
    """All of them; a level's own limits come after those for everybody."""
    return [
        {"by": one.by, "level": one.level, "per_s": _number(one.per_s), "burst": one.burst}
        for one in RateLimit.objects.order_by("level", "by")
    ]


def risk_rules(now: datetime) -> list[Json]:
    """Those in force, in the order in which they are compared."""
    return [_rule(rule) for rule in rules_in_force(now)]


def rules_in_force(now: datetime) -> QuerySet[RiskRule]:
    """Not ended, and their time is not up."""
    unexpired = Q(until=None) | Q(until__gt=now)
    return RiskRule.objects.filter(unexpired, ended_at=None).order_by("priority", "pk")


def _rule(rule: RiskRule) -> Json:
    until_ms = None if rule.until is None else round(rule.until.timestamp() * 1000)
    entry: Json = {
        "id": rule.pk,
        "item": rule.item_id,
        "kind": rule.kind,
        "mode": rule.mode,
        "action": rule.action,
        "until_ms": until_ms,
    }
    for name in FIELDS_OF_KIND[RuleKind(rule.kind)]:
        entry[name] = getattr(rule, name)
    if rule.kind == RuleKind.VELOCITY:
        entry["distinct"] = "shopper"
    return entry


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)

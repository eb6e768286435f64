"""What a rule matched, or would have: added up from the gateways' totals, read for its page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from control_plane.risk.models import EVERY_PURCHASE, GatewayTotals, RiskRule, RuleMinute

# What a gateway calls the way in which a rule counted: two of them of challenges.
MATCH_MODES = ("shadow", "enforce", "passed", "off")
WINDOW = timedelta(hours=1)
KEPT = timedelta(days=7)

Match = tuple[int, str, str]

_ADD = """
INSERT INTO risk_ruleminute (minute, rule, action, mode, count)
SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (rule, minute, action, mode) DO UPDATE
   SET count = risk_ruleminute.count + excluded.count
"""


@dataclass(frozen=True)
class Totals:
    """Of one gateway since it started: purchases compared, and matches by rule, action and mode."""

    compared: int
    matches: dict[Match, int]


@dataclass(frozen=True)
class Figure:
    """Of one rule in the last hour: of `compared` purchases it matched so many."""

    compared: int
    watched: int
    enforced: int

    @classmethod
    def of(cls, rule: Any) -> "Figure":
        """Of a row of `with_figures`."""
        return cls(rule.compared, rule.watched, rule.enforced)

    def percent(self, count: int) -> str:
        """Of the purchases compared, as people say it."""
        return f"{100 * count / self.compared:.1f}" if self.compared else "0"


def record_totals(instance: str, totals: Totals, now: datetime) -> None:
    """Add what is new since this gateway's last report to the minute of now.

    The first report of a gateway says where counting begins. One that counts less than before has
    started anew, and all of it is new. What a silence of the control plane kept back lands in one
    minute.
    """
    with transaction.atomic():
        last = GatewayTotals.objects.select_for_update().filter(pk=instance).first()
        if last is not None:
            _add(_new_since(last, totals), now)
        rows = [[*match, count] for match, count in totals.matches.items()]
        GatewayTotals.objects.update_or_create(
            instance=instance, defaults={"compared": totals.compared, "matches": rows}
        )


def figure_of(rule_id: int, now: datetime) -> Figure:
    """Of one rule."""
    return figures_of([rule_id], now)[rule_id]


def figures_of(rule_ids: Iterable[int], now: datetime) -> dict[int, Figure]:
    """Of some; one query, answered by the index."""
    wanted = list(rule_ids)
    sums = (
        RuleMinute.objects.filter(rule__in=[EVERY_PURCHASE, *wanted], minute__gt=now - WINDOW)
        .values_list("rule", "mode")
        .annotate(sum=Sum("count"))
    )
    found = {(rule, mode): int(count) for rule, mode, count in sums}
    compared = found.get((EVERY_PURCHASE, ""), 0)
    return {
        rule: Figure(compared, found.get((rule, "shadow"), 0), found.get((rule, "enforce"), 0))
        for rule in wanted
    }


def with_figures(rules: QuerySet[RiskRule], now: datetime) -> QuerySet[Any]:
    """The rules, each with the parts of its figure: see `Figure.of`."""
    since = RuleMinute.objects.filter(minute__gt=now - WINDOW)

    def summed(mode: str, rule: Any) -> Any:
        ours = since.filter(rule=rule, mode=mode).values("rule")
        return Coalesce(Subquery(ours.values(sum=Sum("count"))), 0, output_field=IntegerField())

    return rules.annotate(
        compared=summed("", Value(EVERY_PURCHASE)),
        watched=summed("shadow", OuterRef("pk")),
        enforced=summed("enforce", OuterRef("pk")),
    )


def forget(now: datetime) -> int:
    """Remove what is older than a week; returns how many rows. Idempotent."""
    gone, _by_model = RuleMinute.objects.filter(minute__lt=now - KEPT).delete()
    return gone


def _new_since(last: GatewayTotals, totals: Totals) -> dict[Match, int]:
    before = {(rule, action, mode): count for rule, action, mode, count in last.matches}
    has_restarted = totals.compared < last.compared
    every: Match = (EVERY_PURCHASE, "", "")
    new = {every: totals.compared - (0 if has_restarted else last.compared)}
    for match, count in totals.matches.items():
        known = before.get(match, 0)
        new[match] = count if has_restarted or count < known else count - known
    return {match: count for match, count in new.items() if count}


def _add(new: dict[Match, int], now: datetime) -> None:
    if not new:
        return
    # In one order for everybody: two gateways at once would deadlock.
    matches = sorted(new)
    columns = [[match[place] for match in matches] for place in range(3)]
    minute = now.replace(second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [minute, *columns, [new[match] for match in matches]])

"""Creating, changing and ending risk rules; each publishes the snapshot, last."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from control_plane.risk import audit
from control_plane.risk.models import ChangeVerb, RiskRule
from control_plane.risk.sections import rules_in_force
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise

# Every purchase may be compared with each of them.
RULES_MAX = 500


class RuleOver(Exception):
    """It was ended, by a person or by the clock: it is neither changed nor ended again."""

    code = "rule_over"
    message: "_StrPromise" = _("This rule has ended.")


def create_rule(fields: dict[str, Any], by: "User | None", now: datetime) -> RiskRule:
    """A rule in force from now; `fields` are those of RiskRule. Raises ValidationError."""
    with transaction.atomic():
        rule = RiskRule(**fields, created_by=by, created_at=now)
        _check(rule, now)
        if rules_in_force(now).count() >= RULES_MAX:
            raise ValidationError(_("There are %s rules already. End some first.") % RULES_MAX)
        rule.save()
        audit.record(rule, ChangeVerb.CREATED, by, now)
        snapshots.publish(f"risk rule {rule.pk} created", now)
    return rule


def change_rule(
    rule_id: int, fields: dict[str, Any], by: "User | None", now: datetime, reason: str = ""
) -> RiskRule:
    """Set these fields. Raises ValidationError, RuleOver."""
    with transaction.atomic():
        # Locked: of two who change at once the later one checks what the earlier one left.
        rule = RiskRule.objects.select_for_update().filter(pk=rule_id, ended_at=None).first()
        if rule is None:
            raise RuleOver
        for name, value in fields.items():
            setattr(rule, name, value)
        _check(rule, now)
        rule.save()
        audit.record(rule, ChangeVerb.CHANGED, by, now, reason=reason)
        snapshots.publish(f"risk rule {rule.pk} changed", now)
    return rule


def end_rule(rule_id: int, by: "User | None", now: datetime) -> RiskRule:
    """Put it out of force for good. Raises RuleOver, also for a repeat."""
    with transaction.atomic():
        if not _end(rule_id, now):
            raise RuleOver
        rule = RiskRule.objects.get(pk=rule_id)
        audit.record(rule, ChangeVerb.ENDED, by, now)
        snapshots.publish(f"risk rule {rule.pk} ended", now)
    return rule


def end_due_rules(now: datetime) -> int:
    """End those whose time is up. Idempotent; returns how many."""
    with transaction.atomic():
        due = RiskRule.objects.filter(ended_at=None, until__lte=now).order_by("pk")
        ended = [rule for rule in due if _end(rule.pk, now, due_only=True)]
        for rule in ended:
            rule.ended_at = now
            audit.record(rule, ChangeVerb.ENDED, None, now, by_clock=True)
        if ended:
            snapshots.publish(f"{len(ended)} risk rules ended on time", now)
    return len(ended)


def _end(rule_id: int, now: datetime, *, due_only: bool = False) -> bool:
    """One conditional UPDATE: of two who end it at once, one changes a row.

    `due_only` looks again at the time: somebody may have moved it since it was read.
    """
    rules = RiskRule.objects.filter(pk=rule_id, ended_at=None)
    if due_only:
        rules = rules.filter(until__lte=now)
    return bool(rules.update(ended_at=now))


def _check(rule: RiskRule, now: datetime) -> None:
    rule.note = rule.note.strip()
    rule.full_clean()
    if rule.until is not None and rule.until <= now:
        raise ValidationError({"until": _("The end must be in the future.")})

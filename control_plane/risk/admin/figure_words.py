"""What a rule matched in the last hour, or would have, in words."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.risk.figures import Figure
from control_plane.risk.models import RiskRule, RuleAction, RuleMode

ENFORCE = gettext_lazy("Enforce")
WATCH = gettext_lazy("Only watch")
ENFORCE_WARNING = gettext_lazy(
    "From now on purchases that match hear it. What it did to nobody in the last hour is said"
    " above: are these the people you mean?"
)
WATCH_WARNING = gettext_lazy("Matches are counted from now on, and nobody is refused for them.")
ENFORCED = gettext_lazy("The rule is enforced.")
WATCHED = gettext_lazy("The rule is only watched.")

_WOULD: dict[str, Any] = {
    RuleAction.ALLOW: gettext_lazy("Would have let through %(count)s of %(compared)s purchases"),
    RuleAction.CHALLENGE: gettext_lazy(
        "Would have asked %(count)s of %(compared)s purchases for a check"
    ),
    RuleAction.SLOW: gettext_lazy("Would have slowed down %(count)s of %(compared)s purchases"),
    RuleAction.DENY: gettext_lazy("Would have denied %(count)s of %(compared)s purchases"),
}
_HAS: dict[str, Any] = {
    RuleAction.ALLOW: gettext_lazy("Let through %(count)s of %(compared)s purchases"),
    RuleAction.CHALLENGE: gettext_lazy("Asked %(count)s of %(compared)s purchases for a check"),
    RuleAction.SLOW: gettext_lazy("Slowed down %(count)s of %(compared)s purchases"),
    RuleAction.DENY: gettext_lazy("Denied %(count)s of %(compared)s purchases"),
}


def sentence(rule: RiskRule, figure: Figure) -> str:
    """Of a rule that is watched what it would have done; of one in force what it did."""
    if not figure.compared:
        return _("No purchase was compared with rules in the last hour: there is nothing to judge.")
    is_shadow = rule.mode == RuleMode.SHADOW
    count = figure.watched if is_shadow else figure.enforced
    said = (_WOULD if is_shadow else _HAS)[rule.action] % {
        "count": f"{count:,}",
        "compared": f"{figure.compared:,}",
    }
    return _("%(said)s in the last hour (%(percent)s %%).") % {
        "said": said,
        "percent": figure.percent(count),
    }


def share(figure: Figure) -> str:
    """For a column: per cent of all purchases."""
    if not figure.compared:
        return "–"
    return f"{figure.percent(figure.watched + figure.enforced)} %"

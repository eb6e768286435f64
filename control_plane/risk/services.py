"""What others may do about robots and abuse. The risk scorer calls the functions about bans."""

from control_plane.risk.bans import (
    BanOver,
    active_bans,
    ban,
    bans_changed_since,
    close_run_out,
    lift,
    lifted_bans,
)
from control_plane.risk.figures import (
    KEPT,
    MATCH_MODES,
    Figure,
    Totals,
    figure_of,
    figures_of,
    forget,
    record_totals,
    with_figures,
)
from control_plane.risk.limits import (
    LimitGone,
    change_limit,
    create_limit,
    ensure_default_limits,
    remove_limit,
)
from control_plane.risk.rules import (
    RuleOver,
    change_rule,
    create_rule,
    end_due_rules,
    end_rule,
)

__all__ = [
    "KEPT",
    "MATCH_MODES",
    "BanOver",
    "Figure",
    "LimitGone",
    "RuleOver",
    "Totals",
    "active_bans",
    "ban",
    "bans_changed_since",
    "change_limit",
    "change_rule",
    "close_run_out",
    "create_limit",
    "create_rule",
    "end_due_rules",
    "end_rule",
    "ensure_default_limits",
    "figure_of",
    "figures_of",
    "forget",
    "lift",
    "lifted_bans",
    "record_totals",
    "remove_limit",
    "with_figures",
]

"""Rules about robots and abuse, rate limits, bans, and who changed which of them."""

from control_plane.risk.models.bans import Ban, BanKind, BanSource
from control_plane.risk.models.changes import ChangeVerb, RiskChange
from control_plane.risk.models.figures import EVERY_PURCHASE, GatewayTotals, RuleMinute
from control_plane.risk.models.limits import LimitBy, RateLimit
from control_plane.risk.models.rules import RiskRule, RuleAction, RuleKind, RuleMode, VelocityOf

__all__ = [
    "EVERY_PURCHASE",
    "Ban",
    "BanKind",
    "BanSource",
    "ChangeVerb",
    "GatewayTotals",
    "LimitBy",
    "RateLimit",
    "RiskChange",
    "RiskRule",
    "RuleAction",
    "RuleKind",
    "RuleMinute",
    "RuleMode",
    "VelocityOf",
]

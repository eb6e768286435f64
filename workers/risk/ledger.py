"""The bans in PostgreSQL: what people see, lift and add. Nothing else here calls them."""

from datetime import UTC, datetime

from control_plane.risk import services
from workers.risk.penalties import Ban

SOURCE = "scorer"


def record(ban: Ban) -> None:
    """Write it down; one that lasts longer already stands. Raises ValidationError."""
    until = datetime.fromtimestamp(ban.until_ms / 1000, UTC)
    services.ban(ban.kind, ban.value, until, ban.reason, SOURCE)


def active(now: datetime) -> list[Ban]:
    """Those in force, by whomever."""
    return [
        # Rounded: a moment that was made of ms must be those ms again.
        Ban(one.kind, one.value, round(one.until.timestamp() * 1000), one.reason)
        for one in services.active_bans(now)
    ]


def lifted(now: datetime) -> set[tuple[str, str]]:
    """Kind and value of those whose end had been later; some may be banned again."""
    return {(one.kind, one.value) for one in services.lifted_bans(now)}

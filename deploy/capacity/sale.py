"""The sale that is planned for: what a person may ask, and the refusal of what makes no sense."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# What `HAVE` may name.
STAGES = (
    *("edge", "gateway", "redis", "relay", "kafka", "orders", "postgres", "warehouse", "scorer"),
)
# As the control plane has it (a test compares).
SHARDS_MAX = 64
QPS_MAX = 10_000_000
UNITS_MAX = 100_000_000
COUNT_MAX = 100_000


class WrongInput(ValueError):
    """What was asked, or read, and why it cannot be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Sale:
    """One item's sale: `target_qps` purchases a second at its worst moment, repeats among them."""

    target_qps: int
    units: int
    shards: int
    queue: str = "off"
    human_check: bool = True
    headroom: float = 0.3
    confirm_within_s: float = 10.0
    have: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises WrongInput with the field and the reason."""
        within("TARGET_QPS", self.target_qps, 1, QPS_MAX)
        within("UNITS", self.units, 1, UNITS_MAX)
        within("SHARDS", self.shards, 1, SHARDS_MAX)
        if self.units < self.shards:
            raise WrongInput("UNITS", f"must be at least SHARDS ({self.shards}), not {self.units}")
        if self.queue not in ("off", "fifo"):
            raise WrongInput("QUEUE", f"must be off or fifo, not {self.queue!r}")
        if not 0 <= self.headroom < 1:
            raise WrongInput("HEADROOM", f"must be from 0 to below 1, not {self.headroom}")
        if not 0.1 <= self.confirm_within_s <= 3600:
            raise WrongInput(
                "CONFIRM_WITHIN_S", f"must be from 0.1 to 3600, not {self.confirm_within_s}"
            )
        for stage, count in self.have.items():
            if stage not in STAGES:
                known = ", ".join(STAGES)
                raise WrongInput("HAVE", f"knows no {stage!r}; it knows {known}")
            within(f"HAVE {stage}", count, 1, COUNT_MAX)

    @property
    def usable(self) -> float:
        """The share of a part that a plan may fill."""
        return 1 - self.headroom

    @property
    def orders_per_s(self) -> float:
        """Orders to land a second: all units within the time that was asked for, none sooner."""
        return min(float(self.target_qps), self.units / self.confirm_within_s)


def whole(name: str, text: str) -> int:
    """A whole number as a person types it; thousands may be parted by a comma or an underscore."""
    plain = text.strip().replace(",", "").replace("_", "")
    if not plain:
        raise WrongInput(name, "is missing")
    if not plain.isascii() or not plain.isdigit():
        raise WrongInput(name, f"must be a whole number, not {text.strip()!r}")
    return int(plain)


def decimal(name: str, text: str) -> float:
    """A decimal number without sign and exponent."""
    plain = text.strip()
    if not plain.isascii() or not plain.replace(".", "", 1).isdigit():
        raise WrongInput(name, f"must be a number, not {plain!r}")
    return float(plain)


def counts(name: str, text: str) -> dict[str, int]:
    """`gateway=8,orders=2` → {"gateway": 8, "orders": 2}."""
    found: dict[str, int] = {}
    for pair in filter(None, (one.strip() for one in text.split(","))):
        stage, equals, count = pair.partition("=")
        if not equals:
            raise WrongInput(name, f"must be stage=count with commas between, not {pair!r}")
        if stage in found:
            raise WrongInput(name, f"names {stage} twice")
        found[stage] = whole(f"{name} {stage}", count)
    return found


def within(name: str, value: int, least: int, most: int) -> None:
    """Raises WrongInput unless least ≤ value ≤ most."""
    if not least <= value <= most:
        raise WrongInput(name, f"must be from {least:,} to {most:,}, not {value:,}")

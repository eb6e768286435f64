"""What counts as too much: the thresholds, each with its reason, and what the snapshot adds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["enforce", "shadow", "off"]
MODES: tuple[Mode, ...] = ("enforce", "shadow", "off")
# Of what a rule counts, and what it counts there.
Of = Literal["device", "address", "shopper"]


@dataclass(frozen=True)
class Thresholds:
    """The built-in ones; the README says what they cost honest shoppers.

    Rates are over `window_s`, as the estimate of two neighbouring windows.
    """

    window_s: int = 10
    # The gateways let 3 purchases a second pass for a device, and say how long to wait. Who sends
    # six a second for ten seconds heeds nobody.
    requests_per_device: int = 60
    # A household's tablet has four people.
    shoppers_per_device: int = 5
    shoppers_within_s: int = 60
    # Telephone, tablet, office, home; reinstalled once.
    devices_per_shopper: int = 5
    devices_within_s: int = 60
    # An address is judged by refusals alone, however many requests come from it.
    refusals_per_address: int = 40
    refusal_share: float = 0.8
    # This many devices with good tokens make an address a shared one: behind it rate limits refuse
    # people for their neighbours' clicks, so only bad tokens count, and nearly all must be bad.
    shared_from_devices: int = 4
    shared_refusal_share: float = 0.95
    # A whole network: only where addresses take turns, so that each stays below its own threshold.
    refusals_per_network: int = 200
    addresses_per_network: int = 8
    network_refusal_share: float = 0.95

    def __post_init__(self) -> None:
        """The relations that the rules rely on."""
        if not self.refusal_share < self.shared_refusal_share <= self.network_refusal_share <= 1:
            raise ValueError("a shared address must be judged more mildly than one person's")
        if self.refusals_per_network <= self.refusals_per_address:
            raise ValueError("a network must take more than an address")


@dataclass(frozen=True)
class DistinctRule:
    """More than so many different ones within so long: of a device, shoppers, and so on."""

    name: str
    of: Of
    distinct: Literal["shopper", "device"]
    more_than: int
    within_s: int
    mode: Mode = "enforce"
    item: int | None = None
    until_ms: int | None = None


def built_in(limits: Thresholds) -> tuple[DistinctRule, ...]:
    """The rules about different ones that need no operator."""
    return (
        DistinctRule(
            "shoppers_per_device",
            "device",
            "shopper",
            limits.shoppers_per_device,
            limits.shoppers_within_s,
        ),
        DistinctRule(
            "devices_per_shopper",
            "shopper",
            "device",
            limits.devices_per_shopper,
            limits.devices_within_s,
        ),
    )


@dataclass(frozen=True)
class Configuration:
    """What the newest snapshot says to the scorer. Without one nobody is banned: `shadow`."""

    version: int = 0
    mode: Mode = "shadow"
    modes_of_items: Mapping[int, Mode] = field(default_factory=dict)
    velocity: tuple[DistinctRule, ...] = ()

    def mode_of(self, item: int) -> Mode:
        """In force for an item; for one that the document does not list, the mode for all."""
        return self.modes_of_items.get(item, self.mode)


def configuration_of(document: Mapping[str, Any]) -> Configuration:
    """Read a snapshot document; sections and switches that are missing have their defaults."""
    return Configuration(
        version=document["version"],
        mode=_mode(document),
        modes_of_items={
            int(item): _mode(described, default=_mode(document))
            for item, described in document.get("items", {}).items()
        },
        velocity=tuple(
            DistinctRule(
                f"rule {rule['id']}",
                rule["of"],
                "shopper",
                rule["more_than"],
                rule["within_s"],
                rule["mode"],
                rule["item"],
                rule["until_ms"],
            )
            for rule in document.get("risk_rules", ())
            # A ban denies. What challenges or slows down is the gateways' own affair.
            if rule["kind"] == "velocity" and rule["action"] == "deny"
        ),
    )


def _mode(section: Mapping[str, Any], default: Mode = "enforce") -> Mode:
    mode: Mode = section.get("switches", {}).get("risk_mode", default)
    if mode not in MODES:
        raise ValueError(f"risk_mode {mode!r}")
    return mode

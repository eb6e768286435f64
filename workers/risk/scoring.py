"""Events → verdicts: who behaves like a robot. Pure: no clock, no network, no database."""

from collections.abc import Iterable
from typing import NamedTuple

from workers.risk.counting import Kept, Lately, Rates
from workers.risk.event import Event, network_of
from workers.risk.settings import Configuration, DistinctRule, Mode, Thresholds, built_in

# How many of each are remembered; README: what they take. A robot is met too often to be forgotten.
DEVICES_MAX = SHOPPERS_MAX = ADDRESSES_MAX = 100_000
NETWORKS_MAX = 50_000
# An operator's rule may ask for more different ones; then it counts so far and no further.
DISTINCT_MAX = 10_000
BAD, LIMITED, DENIED = "bad_token", "rate_limited", "denied"


class Verdict(NamedTuple):
    """Somebody crossed a threshold. `rule` is of a small closed set, for the metrics."""

    kind: str
    value: str
    rule: str
    reason: str
    mode: Mode


class _Distinct:
    """One rule about different ones, with what it has seen."""

    def __init__(self, rule: DistinctRule) -> None:
        self.rule = rule
        self._limit = min(rule.more_than, DISTINCT_MAX)
        self._within_ms = rule.within_s * 1000
        most = {"device": DEVICES_MAX, "shopper": SHOPPERS_MAX, "address": ADDRESSES_MAX}[rule.of]
        self._seen = Kept(most, lambda: Lately(self._limit + 1))

    def look(self, event: Event) -> Verdict | None:
        """What the event adds to it."""
        rule = self.rule
        value: str = getattr(event, rule.of)
        member: str = getattr(event, rule.distinct)
        if not value or not member or rule.item not in (None, event.item):
            return None
        if rule.until_ms is not None and event.at_ms >= rule.until_ms:
            return None
        count = self._seen[value].add(member, event.at_ms, self._within_ms)
        if count <= self._limit:
            return None
        reason = f"{rule.name}: more than {self._limit} {rule.distinct}s within {rule.within_s} s"
        label = "velocity" if rule.name.startswith("rule ") else rule.name
        return Verdict(rule.of, value, label, reason, rule.mode)

    def __len__(self) -> int:
        return len(self._seen)


class _Place:
    """What is known of an address or a network: its rates, and who is behind it."""

    __slots__ = ("members", "rates")

    def __init__(self, most: int) -> None:
        self.rates = Rates()
        self.members = Lately(most)


class Scorer:
    """Sliding windows over the events of all gateways. One thread."""

    def __init__(self, limits: Thresholds | None = None) -> None:
        self._limits = limits or Thresholds()
        self._window_ms = self._limits.window_s * 1000
        self._built_in = [_Distinct(rule) for rule in built_in(self._limits)]
        self._velocity: list[_Distinct] = []
        self._rates_of_devices = Kept(DEVICES_MAX, Rates)
        shared, several = self._limits.shared_from_devices, self._limits.addresses_per_network
        self._addresses = Kept(ADDRESSES_MAX, lambda: _Place(shared))
        self._networks = Kept(NETWORKS_MAX, lambda: _Place(max(shared, several)))
        self.configuration = Configuration()

    def configure(self, configuration: Configuration) -> None:
        """Take other rules; one that is the same goes on with what it has seen."""
        known = {one.rule: one for one in self._velocity}
        self._velocity = [known.get(rule) or _Distinct(rule) for rule in configuration.velocity]
        self.configuration = configuration

    def sizes(self) -> dict[str, int]:
        """How many of each kind are remembered."""
        return {
            "device": len(self._rates_of_devices),
            "address": len(self._addresses),
            "network": len(self._networks),
            "shopper": len(self._built_in[1]),
        }

    def look(self, event: Event) -> list[Verdict]:
        """What one event shows, mostly nothing. Modes: a rule's own, but no milder than the item's.

        The same verdict comes with every further event; the caller knows who is banned already.
        """
        mode = self.configuration.mode_of(event.item)
        if mode == "off":
            return []
        found = [
            verdict
            for rule in (*self._built_in, *self._velocity)
            if (verdict := rule.look(event)) is not None
        ]
        found += self._look_at_rates(event)
        if mode == "shadow":
            return [verdict._replace(mode="shadow") for verdict in found]
        return found

    def _look_at_rates(self, event: Event) -> Iterable[Verdict]:
        limits, at_ms, weight = self._limits, event.at_ms, event.weight
        bad, limited = event.outcome == BAD, event.outcome == LIMITED
        if event.device:
            rates = self._rates_of_devices[event.device]
            requests, _, _ = rates.add(at_ms, self._window_ms, weight, bad, limited)
            if requests > limits.requests_per_device:
                reason = f"more than {limits.requests_per_device} requests in {limits.window_s} s"
                yield Verdict("device", event.device, "requests_per_device", reason, "enforce")
        network = network_of(event.address)
        if network is None:
            return
        name, is_v6 = network
        if is_v6:
            # One subscriber has a whole /64: it is judged as an address, and banned as a network.
            if self._is_hostile(self._networks[name], event, bad, limited):
                yield self._refusals("network", name, "refusals_per_address")
            return
        if self._is_hostile(self._addresses[event.address], event, bad, limited):
            yield self._refusals("address", event.address, "refusals_per_address")
        if self._takes_turns(self._networks[name], event, bad, limited):
            yield self._refusals("network", name, "refusals_per_network")

    def _is_hostile(self, place: _Place, event: Event, bad: bool, limited: bool) -> bool:
        """Whether nearly all that comes from one address is refused, and is one visitor's doing."""
        limits = self._limits
        requests, bads, limiteds = place.rates.add(
            event.at_ms, self._window_ms, event.weight, bad, limited
        )
        within_ms = limits.shoppers_within_s * 1000
        if event.outcome == DENIED and not event.device:
            # A ban of the address is met before the token is read: who is behind it is not told
            # until it ends, and then it is as shared as it was.
            place.members.keep(event.at_ms, within_ms)
        devices = place.members.add(event.device, event.at_ms, within_ms) if event.device else 0
        if not bad and not limited:
            return False
        devices = devices or place.members.count(event.at_ms, within_ms)
        shared = devices >= limits.shared_from_devices
        refused = bads if shared else bads + limiteds
        share = limits.shared_refusal_share if shared else limits.refusal_share
        return refused >= limits.refusals_per_address and refused >= share * requests

    def _takes_turns(self, network: _Place, event: Event, bad: bool, limited: bool) -> bool:
        """Whether many addresses of one network send bad tokens and nothing else."""
        limits = self._limits
        requests, bads, _ = network.rates.add(
            event.at_ms, self._window_ms, event.weight, bad, limited
        )
        if not bad:
            return False
        addresses = network.members.add(event.address, event.at_ms, self._window_ms)
        return (
            addresses >= limits.addresses_per_network
            and bads >= limits.refusals_per_network
            and bads >= limits.network_refusal_share * requests
        )

    def _refusals(self, kind: str, value: str, rule: str) -> Verdict:
        reason = f"{rule}: nearly all requests of {self._limits.window_s} s refused"
        return Verdict(kind, value, rule, reason, "enforce")

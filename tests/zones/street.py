"""The crowd before several gateways, and a balancer that asks each of them whether it is ready."""

import itertools
import threading
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from tests.drill.crowd import Crowd
from tests.drill.sale import REST_S, Sale

# As balancers do: asked twice a second, out after two answers that did not come in a second.
ASK_EVERY_S, ANSWER_WITHIN_S, FAILURES = 0.5, 1.0, 2

# Consumers of a group are given so long by Kafka to be heard of, and as long again to meet.
GROUPS_MEET_S = 200.0


class Balancer:
    """Sends shoppers to the gateways that are ready, in turn."""

    def __init__(self, gateways: Mapping[str, str]) -> None:
        self._gateways = dict(gateways)
        self._failed = dict.fromkeys(gateways, 0)
        self._turn = itertools.count()
        self._over = threading.Event()
        for zone in gateways:
            threading.Thread(target=self._ask, args=(zone,), daemon=True).start()

    def choose(self) -> str:
        """Whose turn it is; with none ready it is everybody's, as nobody knows better."""
        ready = [zone for zone, failed in self._failed.items() if failed < FAILURES]
        chosen = ready or list(self._gateways)
        return self._gateways[chosen[next(self._turn) % len(chosen)]]

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()

    def _ask(self, zone: str) -> None:
        while not self._over.wait(ASK_EVERY_S):
            try:
                url = self._gateways[zone] + "/readyz"
                with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S):
                    self._failed[zone] = 0
            except OSError:
                self._failed[zone] += 1


class StreetSale(Sale):
    """A sale whose crowd goes through a balancer."""

    balancer: Balancer
    armed_s = 90.0

    @staticmethod
    def crowd_of(*arguments: Any) -> Crowd:
        """The crowd in the street."""
        return Street(*arguments)

    def _settle(self, done: Callable[[], bool], deadline_s: float = REST_S) -> None:
        """A group whose coordinator is gone meets again after its session and its rebalance."""
        super()._settle(done, GROUPS_MEET_S + deadline_s)


class Street(Crowd):
    """Each click goes where the balancer says."""

    def gateway(self, number: int) -> str:
        """See Crowd."""
        return StreetSale.balancer.choose()

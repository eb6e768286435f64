"""How the places of one tick are shared out among the buckets that want some.

Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995) with one place as the unit: what a bucket
is owed beyond whole places is kept for the next tick, so that the shares follow the weights over
time, also when each tick has less than one place for everybody.
"""

from collections.abc import Sequence


class Sharing:
    """The debts of one item's buckets; lost at a restart, which costs nobody a whole place."""

    def __init__(self, buckets: int) -> None:
        self._owed = [0.0] * buckets

    def share(self, places: int, demand: Sequence[int], weights: Sequence[int]) -> list[int]:
        """Give out `places`, none above a bucket's demand, all of them if that is enough."""
        given = [0] * len(demand)
        for bucket, wanted in enumerate(demand):
            if wanted <= 0:
                # Nobody saves up while nobody waits: it would take the others' turns later.
                self._owed[bucket] = 0.0
        while places > 0:
            hungry = [b for b, wanted in enumerate(demand) if wanted > given[b]]
            if not hungry:
                break
            total = sum(weights[b] for b in hungry)
            for b in hungry:
                self._owed[b] += places * weights[b] / total
            places -= self._pay(places, demand, given, hungry)
        return given

    def _pay(
        self, places: int, demand: Sequence[int], given: list[int], hungry: Sequence[int]
    ) -> int:
        """Whole places that are owed; then the rest, one to each of who is owed most."""
        paid = 0
        for b in hungry:
            qty = min(int(self._owed[b]), demand[b] - given[b], places - paid)
            self._give(b, max(qty, 0), given)
            paid += max(qty, 0)
        for b in sorted(hungry, key=lambda b: -self._owed[b]):
            if paid < places and given[b] < demand[b]:
                self._give(b, 1, given)
                paid += 1
        for b in hungry:
            if given[b] >= demand[b]:
                self._owed[b] = 0.0
        return paid

    def _give(self, bucket: int, qty: int, given: list[int]) -> None:
        given[bucket] += qty
        self._owed[bucket] -= qty

"""How the places of one tick are shared out: among items, then among the buckets of each.

Buckets by deficit round robin (Shreedhar and Varghese, SIGCOMM 1995) with one place as the unit:
what a bucket is owed beyond whole places is kept for the next tick, so that the shares follow the
weights over time, also when each tick has less than one place for everybody.
"""

from collections.abc import Mapping, Sequence


class Turns:
    """Among items: max-min fair (Bertsekas and Gallager, Data Networks, 1992, 6.5.2).

    Nobody gets more while another who wants one has less, and nothing is left over while anybody
    wants some. A place too few for all goes on from item to item, tick by tick.
    """

    def __init__(self) -> None:
        self._last = 0

    def order(self, items: Sequence[int]) -> list[int]:
        """From the item on whose turn it is."""
        return sorted(items, key=lambda item: (item <= self._last, item))

    def share(self, places: int, wanted: Mapping[int, int]) -> dict[int, int]:
        """By item. Whoever got the last odd place begins last at the next tick."""
        given = dict.fromkeys(wanted, 0)
        while places > 0:
            hungry = self.order([item for item in wanted if wanted[item] > given[item]])
            if not hungry:
                break
            each, odd = divmod(places, len(hungry))
            if odd:
                self._last = hungry[odd - 1]
            for nth, item in enumerate(hungry):
                qty = min(each + (nth < odd), wanted[item] - given[item])
                given[item] += qty
                places -= qty
        return given


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

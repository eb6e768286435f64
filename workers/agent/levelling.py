"""How many units each shard of an item should have: figures in, figures out, nothing moved."""

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

# Units of a selling item leave the pool in portions of this share of an even one, up to all of it:
# who waits for returned units cannot know where and when they appear.
SMALLEST_SHARE = 0.25


class Demand(NamedTuple):
    """A shard's free units, and the largest quantity that was refused since its last grant."""

    avail: int
    lacking: int

    @property
    def need(self) -> int:
        """Units that are missing for what was refused."""
        return max(self.lacking - self.avail, 0)


Shards = Mapping[int, Demand]


def equal_shares(unallocated: int, shards: Shards, count: int) -> dict[int, int]:
    """Portions before the sale starts; who is not among `shards` yet finds its share later."""
    shares = _even(unallocated + sum(one.avail for one in shards.values()), list(range(count)))
    portions = {}
    for number, one in shards.items():
        portion = min(max(shares[number] - one.avail, 0), unallocated)
        unallocated -= portion
        portions[number] = portion
    return {number: portion for number, portion in portions.items() if portion}


def random_portions(unallocated: int, shards: Shards, rng: Random) -> dict[int, int]:
    """Portions while the item sells: to those who lack units, else to all, the emptiest first."""
    lacking = [number for number, one in shards.items() if one.need]
    takers = sorted(lacking or shards, key=lambda number: (shards[number].avail, rng.random()))
    portions = {}
    for place, number in enumerate(takers):
        even = -(-unallocated // (len(takers) - place))
        least = max(int(even * SMALLEST_SHARE), min(shards[number].need, even), 1)
        portion = rng.randint(least, even) if even else 0
        unallocated -= portion
        portions[number] = portion
    return {number: portion for number, portion in portions.items() if portion}


def targets(shards: Shards, rng: Random, is_settled: bool) -> dict[int, int]:
    """What each shard should have of the units that are in shards; empty when that is well so.

    `is_settled`: whom the last few units were brought to has had the time to buy them.
    """
    total = sum(one.avail for one in shards.values())
    lacking = [number for number, one in shards.items() if one.need]
    most = max((shards[number].lacking for number in lacking), default=0)
    if total < most * len(shards):
        return _tail(shards, total, lacking, rng) if total and is_settled else {}
    poorest, richest = (end(one.avail for one in shards.values()) for end in (min, max))
    # Below half of the richest it would soon run dry; nearer, units would travel for ever. The last
    # few go only where somebody asks for them.
    is_level = richest <= max(2 * poorest, poorest + len(shards))
    if not lacking and (is_level or not is_settled):
        return {}
    poorest_first = sorted(shards, key=lambda number: (shards[number].avail, rng.random()))
    return _even(total, poorest_first)


def _tail(shards: Shards, total: int, lacking: list[int], rng: Random) -> dict[int, int]:
    """Too few for an even share to help: all go where they are asked for, smallest wish first."""
    wanted = dict.fromkeys(shards, 0)
    rng.shuffle(lacking)
    for number in sorted(lacking, key=lambda number: shards[number].lacking):
        if shards[number].lacking <= total - sum(wanted.values()):
            wanted[number] = shards[number].lacking
    served = [number for number in lacking if wanted[number]]
    if served:
        rest = _even(total - sum(wanted.values()), served)
        return {number: qty + rest.get(number, 0) for number, qty in wanted.items()}
    # Nobody's wish can be met. Who comes with a smaller one should find them all together, at one
    # of those shards after the other.
    others = [number for number in lacking if shards[number].avail < total]
    return wanted | {others[0]: total} if others else {}


def _even(units: int, numbers: list[int]) -> dict[int, int]:
    """Shares that differ by one at most; the first ones get the larger."""
    share, more = divmod(units, len(numbers))
    return {number: share + (place < more) for place, number in enumerate(numbers)}

"""What reserve.lua has to answer, in the plainest Python, and random shoppers to try it with."""

import random
from dataclasses import dataclass, field

from tests.redis.armed_shard import Answer, Request


@dataclass
class Model:
    """One shard. Knows reservations by (shopper, key), as their ids are made of."""

    avail: int
    limit: int
    sold_out: bool = False
    held: dict[str, dict[str, int]] = field(default_factory=dict)

    def reserve(self, *requests: Request) -> Answer:
        """The answer to one batch."""
        codes, again = "", []
        for request in requests:
            mine = self.held.setdefault(request.shopper, {})
            qty = int(request.qty)
            if request.key in mine:
                codes += "A"
                again.append(mine[request.key])
            elif sum(mine.values()) + qty > self.limit:
                codes += "L"
            elif qty > self.avail:
                codes += "S" if self.sold_out else "E"
            else:
                codes += "R"
                mine[request.key] = qty
                self.avail -= qty
        return Answer(codes, tuple(again))


def random_batch(rng: random.Random, shoppers: int) -> list[Request]:
    """Few shoppers and few keys, so that repeats, doubles and limits meet in one batch."""
    return [
        Request(f"s{rng.randrange(shoppers)}", rng.randint(1, 3), rng.choice("ab"))
        for _ in range(rng.randint(1, 24))
    ]

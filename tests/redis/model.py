"""What the stock scripts have to answer, in the plainest Python."""

from dataclasses import dataclass, field

from tests.redis.armed_shard import Answer, Request

MARK_LIFE_MS = 1000


@dataclass
class Model:
    """One armed shard. Knows reservations by (shopper, key), as their ids are made of."""

    limit: int
    avail: int = 0
    sold: int = 0
    lacking: int = 0
    # Version in ms, units left in all shards.
    mark: tuple[int, int] | None = None
    held: dict[str, dict[str, int]] = field(default_factory=dict)
    grants: dict[str, int] = field(default_factory=dict)
    reclaims: dict[str, int] = field(default_factory=dict)
    # Shopper → end in ms.
    bans: dict[str, int] = field(default_factory=dict)

    def reserve(self, now_ms: int, *requests: Request) -> Answer:
        """The answer to one batch."""
        codes, again, left = "", [], self._left_anywhere(now_ms)
        for request in requests:
            mine = self.held.setdefault(request.shopper, {})
            qty = int(request.qty)
            if request.key in mine:
                codes += "A"
                again.append(mine[request.key])
            elif self.bans.get(request.shopper, 0) > now_ms:
                codes += "B"
            elif sum(mine.values()) + qty > self.limit:
                codes += "L"
            elif qty <= self.avail:
                codes += "R"
                mine[request.key] = qty
                self.avail -= qty
                self.sold += qty
            elif left is None or qty <= left:
                codes += "E"
                self.lacking = max(self.lacking, qty)
            else:
                codes += "P" if left else "S"
        return Answer(codes, tuple(again))

    def grant(self, grant_id: str, qty: int) -> list[int]:
        """[1, units free] when they came in, [0, units free] when the id was known."""
        if grant_id in self.grants:
            return [0, self.avail]
        self.grants[grant_id] = qty
        self.avail += qty
        self.mark, self.lacking = None, 0
        return [1, self.avail]

    def reclaim(self, reclaim_id: str, want: int, low_water: int) -> int:
        """The units taken, by the first call with this id."""
        if reclaim_id not in self.reclaims:
            taken = max(min(want, self.avail - low_water), 0)
            self.reclaims[reclaim_id] = taken
            self.avail -= taken
        return self.reclaims[reclaim_id]

    def release(self, request: Request) -> int:
        """1 when it counted or was not known."""
        mine = self.held.setdefault(request.shopper, {})
        changed = mine.get(request.key) != 0
        mine[request.key] = 0
        return int(changed)

    def ban(self, ends_ms: dict[str, int]) -> int:
        """How many stand written; 0 lifts."""
        self.bans |= ends_ms
        self.bans = {shopper: end for shopper, end in self.bans.items() if end}
        return len(self.bans)

    def mark_sold_out(self, version_ms: int, left: int) -> int:
        """1 when this mark stands."""
        if self.avail > left:
            return 0
        if self.mark is None or version_ms > self.mark[0]:
            self.mark = version_ms, left
        return int(self.mark == (version_ms, left))

    def _left_anywhere(self, now_ms: int) -> int | None:
        if self.mark and 0 <= now_ms - self.mark[0] < MARK_LIFE_MS:
            return self.mark[1]
        return None

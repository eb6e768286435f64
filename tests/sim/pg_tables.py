"""PostgreSQL: the rows, the CHECK constraints, and what makes a function a transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from tests.sim.nouns import Tag, Unknown, Unreachable, Violation

if TYPE_CHECKING:
    from tests.sim.world import World

LOST_REPLY_SHARE = 0.05
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Allocation:
    """What one (shard, epoch) was granted. States: selling → draining → closed.

    `life` names the one life of the one node that may be armed for this epoch.
    """

    shard: int
    epoch: int
    source: str = "primary"
    state: str = "selling"
    granted: int = 0
    consumed: int = 0
    life: int | None = None
    sha: str = ""

    @property
    def tag(self) -> Tag:
        """Its keys' hash tag."""
        return self.shard, self.epoch

    @property
    def leftover(self) -> int:
        """Units that are in Redis or on their way from there."""
        return self.granted - self.consumed


@dataclass(slots=True)
class Grant:
    """Pool → shard; the row moves the units, the script follows it."""

    id: int
    tag: Tag
    qty: int
    applied: bool = False


@dataclass(slots=True)
class Reclaim:
    """Shard → pool; the script takes, the row moves the units. `taken` is None until then."""

    id: int
    tag: Tag
    want: int
    low_water: int
    taken: int | None = None


@dataclass(slots=True)
class Rearm:
    """The end of one epoch. Stages: fenced → disarmed → drained → barrier_sent → closed."""

    id: int
    tag: Tag
    mode: str
    # Of a forced change of source: from then on no gateway sells from the old one any more.
    lease_until: int | None = None
    stage: str = "fenced"


@dataclass(slots=True)
class Order:
    """A confirmed reservation. States: unpaid, paid (both live), expired, cancelled."""

    id: int
    rid: str
    tag: Tag
    shopper: str
    qty: int
    state: str = "unpaid"

    @property
    def live(self) -> bool:
        """Its units are sold."""
        return self.state in ("unpaid", "paid")


@dataclass(slots=True)
class Rejection:
    """A reservation that PostgreSQL refused."""

    rid: str
    tag: Tag
    shopper: str
    reason: str


@dataclass
class Postgres:
    """All tables of one item. Only the functions of the `pg_*` modules touch them."""

    world: "World"
    total: int
    limit: int
    unallocated: int = 0
    source: str = "primary"
    down: bool = False
    # Grows with every transaction that wrote.
    version: int = 0
    allocations: dict[Tag, Allocation] = field(default_factory=dict)
    grants: dict[int, Grant] = field(default_factory=dict)
    reclaims: dict[int, Reclaim] = field(default_factory=dict)
    rearms: dict[int, Rearm] = field(default_factory=dict)
    barriers_seen: dict[tuple[int, int], None] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    order_of: dict[str, Order] = field(default_factory=dict)
    rejections: dict[str, Rejection] = field(default_factory=dict)
    given_back: dict[tuple[str, int], None] = field(default_factory=dict)
    ledger: list[tuple[int, str]] = field(default_factory=list)
    late: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unallocated = self.total

    def live_units(self) -> int:
        """Σ quantities of live orders."""
        return sum(order.qty for order in self.orders.values() if order.live)

    def units_of(self, shopper: str) -> int:
        """A shopper's live units."""
        orders = self.orders.values()
        return sum(order.qty for order in orders if order.shopper == shopper and order.live)

    def check_constraints(self) -> None:
        """What the database itself refuses."""
        if not 0 <= self.unallocated <= self.total:
            raise Violation(f"CHECK pool: unallocated {self.unallocated} of {self.total}")
        for row in self.allocations.values():
            if row.consumed > row.granted and self.world.guarded("cap in PostgreSQL"):
                raise Violation(f"CHECK allocation {row.tag}: {row.consumed} of {row.granted}")


def transaction(
    function: Callable[Concatenate[Postgres, P], R],
) -> Callable[Concatenate[Postgres, P], R]:
    """All or nothing, checked at commit; the answer may be lost although it was committed.

    A function raises Refused or returns False only before its first write.
    """

    @wraps(function)
    def committed(pg: Postgres, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if pg.down:
            raise Unreachable("PostgreSQL")
        result = function(pg, *args, **kwargs)
        pg.check_constraints()
        if result is not False:
            pg.version += 1
        if pg.world.lossy_network and pg.world.rng.random() < LOST_REPLY_SHARE:
            raise Unknown("PostgreSQL")
        return result

    return committed


def query(
    function: Callable[Concatenate[Postgres, P], R],
) -> Callable[Concatenate[Postgres, P], R]:
    """One statement's view."""

    @wraps(function)
    def answered(pg: Postgres, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if pg.down:
            raise Unreachable("PostgreSQL")
        return function(pg, *args, **kwargs)

    return answered


def copies(rows: Any) -> list[Any]:
    """Rows as a client holds them: they do not change under its hands."""
    return [replace(row) for row in rows]

"""Where every unit is: in the pool, leased to a shard, or in an order (DESIGN §5).

I1, always: total = unallocated + Σ allocations not closed (granted − consumed) + live orders.
"""

from control_plane.inventory.models.epochs import (
    Allocation,
    AllocationState,
    BarrierSeen,
    Rearm,
    RearmStage,
    UnusedHold,
)
from control_plane.inventory.models.source import RearmMode, Source, StockSource
from control_plane.inventory.models.units import (
    ChangeKind,
    ChangeState,
    Grant,
    Pool,
    Reclaim,
    StockChange,
)

__all__ = [
    "Allocation",
    "AllocationState",
    "BarrierSeen",
    "ChangeKind",
    "ChangeState",
    "Grant",
    "Pool",
    "Rearm",
    "RearmMode",
    "RearmStage",
    "Reclaim",
    "Source",
    "StockChange",
    "StockSource",
    "UnusedHold",
]

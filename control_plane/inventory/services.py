"""Moving units between the pool and the shards, and beginning and ending epochs (DESIGN §5).

Locks are always taken in the order pool → allocation → the rest; whoever lands or returns orders
keeps to it.
"""

from control_plane.inventory.buyers import database_buyers, decided_buyers
from control_plane.inventory.changes import (
    cancel_withdrawal,
    settle_withdrawals,
    top_up,
    waiting_units,
    withdraw,
)
from control_plane.inventory.epochs import claim_life, draining, open_epoch, record_armed
from control_plane.inventory.errors import (
    AllocationNotSelling,
    AlreadyThere,
    CampaignOver,
    ChangeNotWaiting,
    GrantUnknown,
    InventoryError,
    LifeTaken,
    NoPool,
    NotEnoughUnits,
    RearmNotReady,
    RearmTooFar,
    RearmUnknown,
    ReclaimUnknown,
    StandbyNotConfigured,
    TooManyUnits,
)
from control_plane.inventory.overview import AllocationView, View, views
from control_plane.inventory.pools import (
    Conservation,
    conservation,
    conservations,
    lock_pool,
    lock_pools,
    open_pool,
    with_terms,
)
from control_plane.inventory.rearms import (
    advance,
    all_seen,
    begin_rearm,
    close_epoch,
    end_sale,
    give_up,
    note_barriers,
    open_rearms,
)
from control_plane.inventory.restored import Passed, pass_over_lost_epochs
from control_plane.inventory.sources import (
    current_source,
    give_up_lost_source,
    offered_sources,
    switch_source,
)
from control_plane.inventory.units import (
    begin_grant,
    begin_reclaim,
    mark_grant_applied,
    pending_grants,
    settle_reclaim,
    unsettled_reclaims,
)

__all__ = [
    "AllocationNotSelling",
    "AllocationView",
    "AlreadyThere",
    "CampaignOver",
    "ChangeNotWaiting",
    "Conservation",
    "GrantUnknown",
    "InventoryError",
    "LifeTaken",
    "NoPool",
    "NotEnoughUnits",
    "Passed",
    "RearmNotReady",
    "RearmTooFar",
    "RearmUnknown",
    "ReclaimUnknown",
    "StandbyNotConfigured",
    "TooManyUnits",
    "View",
    "advance",
    "all_seen",
    "begin_grant",
    "begin_rearm",
    "begin_reclaim",
    "cancel_withdrawal",
    "claim_life",
    "close_epoch",
    "conservation",
    "conservations",
    "current_source",
    "database_buyers",
    "decided_buyers",
    "draining",
    "end_sale",
    "give_up",
    "give_up_lost_source",
    "lock_pool",
    "lock_pools",
    "mark_grant_applied",
    "note_barriers",
    "offered_sources",
    "open_epoch",
    "open_pool",
    "open_rearms",
    "pass_over_lost_epochs",
    "pending_grants",
    "record_armed",
    "settle_reclaim",
    "settle_withdrawals",
    "switch_source",
    "top_up",
    "unsettled_reclaims",
    "views",
    "waiting_units",
    "with_terms",
    "withdraw",
]

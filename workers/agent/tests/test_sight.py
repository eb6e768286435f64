"""When a round has seen every unit of an item there is."""

from dataclasses import replace

import pytest

from control_plane.inventory.services import AllocationView, View
from workers.agent.sight import Sight, shard_in
from workers.stock.sale_items import SaleItem
from workers.stock.shard import ShardState

ITEM = SaleItem(7, limit=1, shards=2, is_live=True)
EMPTY = ShardState(None, 0, 1, 1_000, balanced=True, sold_out=False, takes_writes=True)


def _allocation(shard, pk):
    return AllocationView(pk, shard, 1, "primary", "", "a" * 40, 5, 5)


VIEW = View(
    unallocated=0,
    under_way=False,
    movements=(4, 2),
    waiting_withdrawals=0,
    selling={0: _allocation(0, 1), 1: _allocation(1, 2)},
)
OTHER_EPOCH = {0: _allocation(0, 1), 1: _allocation(1, 3)}


def test_all_shards_seen_between_two_views_alike():
    assert Sight(ITEM, VIEW, VIEW, {0: EMPTY, 1: EMPTY}).is_whole


@pytest.mark.parametrize(
    ("before", "now", "seen"),
    [
        ({}, {}, {0: EMPTY}),
        ({"under_way": True}, {}, None),
        ({}, {"under_way": True}, None),
        ({}, {"movements": (5, 2)}, None),
        ({}, {"movements": (4, 3)}, None),
        ({}, {"unallocated": 1}, None),
        ({}, {"selling": OTHER_EPOCH}, None),
    ],
)
def test_anything_else_leaves_a_doubt(before, now, seen):
    states = seen or {0: EMPTY, 1: EMPTY}
    assert not Sight(ITEM, replace(VIEW, **before), replace(VIEW, **now), states).is_whole


def test_what_was_seen_of_another_epoch_is_not_noted():
    sight = Sight(ITEM, VIEW, VIEW)
    older = shard_in(ITEM.id, replace(VIEW.selling[1], epoch=9))
    sight.note({shard_in(ITEM.id, VIEW.selling[0]): EMPTY, older: EMPTY})
    assert sight.states == {0: EMPTY}


def test_a_shard_that_takes_no_writes_is_seen_and_not_planned_with():
    sight = Sight(ITEM, VIEW, VIEW)
    frozen = replace(EMPTY, takes_writes=False)
    sight.note(
        {
            shard_in(ITEM.id, VIEW.selling[0]): EMPTY,
            shard_in(ITEM.id, VIEW.selling[1]): frozen,
        }
    )
    assert (sight.states, sight.seen) == ({0: EMPTY}, {0: EMPTY, 1: frozen})
    assert sight.refusing == {1}
    assert not sight.is_whole

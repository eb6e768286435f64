"""A promotion is told from the nodes' roles, and only from them."""

from tests.drill.promotions import Look, Promotion, promotions, since

ROLES = {"redis-stock-1": "master", "redis-stock-2": "master"}
COPIES = {"redis-stock-3": "replica of 1", "redis-stock-4": "replica of 2"}
HOMES = {0: "redis-stock-1", 1: "redis-stock-2", 2: "redis-stock-1"}
BEFORE = Look(1.0, ROLES | COPIES, HOMES)
TAKEN = {"redis-stock-1": "", "redis-stock-3": "master"}
ONE = Promotion(3.0, "redis-stock-1", "redis-stock-3", frozenset({0, 2}))


def test_a_planned_rearm_that_moves_a_shard_is_none() -> None:
    moved = Look(2.0, BEFORE.roles, HOMES | {0: "redis-stock-2"})
    assert promotions([BEFORE, moved, BEFORE]) == []


def test_a_replica_that_is_a_master_now_is_one_of_the_shards_of_its_master() -> None:
    after = Look(3.0, ROLES | COPIES | TAKEN, HOMES | {0: "redis-stock-3", 2: "redis-stock-3"})
    assert promotions([BEFORE, after, after]) == [ONE]


def test_nodes_that_did_not_answer_meanwhile_are_remembered_as_they_were() -> None:
    nothing = Look(2.0, dict.fromkeys(BEFORE.roles, ""), {})
    after = Look(3.0, {"redis-stock-3": "master"}, {})
    assert promotions([BEFORE, nothing, Look(2.5, {}, {}), after]) == [ONE]


def test_a_master_that_came_up_again_as_one_is_none() -> None:
    down = Look(2.0, ROLES | COPIES | {"redis-stock-1": ""}, {})
    assert promotions([BEFORE, down, BEFORE]) == []


def test_there_and_back_is_two() -> None:
    there = Look(2.0, {"redis-stock-1": "replica of 3", "redis-stock-3": "master"}, {})
    found = promotions([BEFORE, there, Look(3.0, ROLES | COPIES, {})])
    assert [(one.old, one.new) for one in found] == [
        ("redis-stock-1", "redis-stock-3"),
        ("redis-stock-3", "redis-stock-1"),
    ]


def test_a_shard_that_a_rearm_moved_away_before_is_not_lost() -> None:
    moved = Look(2.0, BEFORE.roles, {0: "redis-stock-2"})
    [found] = promotions([BEFORE, moved, Look(3.0, TAKEN, {})])
    assert found.shards == {2}


def test_it_began_with_the_last_fault_of_the_old_master() -> None:
    begun = [("redis-stock-1", 1.0), ("redis-stock-1", 2.0), ("redis-stock-2", 2.5)]
    assert since(ONE, [*begun, ("redis-stock-1", 9.0)], 0.5) == 2.0
    assert since(ONE, begun[2:], 0.5) == 0.5

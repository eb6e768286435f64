"""Units travel to shoppers through the pool; nobody is refused for long while one is free."""

from itertools import pairwise

import pytest

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Grant, Pool, Reclaim, StockChange
from workers.agent.planning import TAIL_REST_S
from workers.stock import shard as shards

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def open_sale(sale, agent):
    """Ten units in each shard, and the sale has begun."""
    sale.open(agent)
    sale.go_live()
    return sale


def _rounds(agent, count=3):
    for _ in range(count):
        agent.round()


def test_an_empty_shard_gets_units_of_the_full_ones(open_sale, agent):
    open_sale.sell_out(0)
    _rounds(agent)
    assert sorted(open_sale.avails()) == [6, 7, 7]
    assert open_sale.books_balance()
    assert Pool.objects.get().unallocated == 0


def test_an_empty_shard_does_not_wait_until_all_others_have_given(open_sale, agent, monkeypatch):
    """As after a failover, of many shards: each reclaim takes its time."""
    open_sale.sell_out(0)
    moves = []
    for name in ("reclaim", "grant"):
        real = getattr(shards, name)

        def noted(cluster, shard, *rest, name=name, real=real):
            moves.append((name, shard.shard == 0))
            return real(cluster, shard, *rest)

        monkeypatch.setattr(shards, name, noted)
    agent.round()
    assert moves == [("reclaim", False), ("grant", True)] * 2
    assert sorted(open_sale.avails()) == [6, 7, 7]


def test_the_last_unit_reaches_the_shard_that_asks_for_it(open_sale, agent):
    for shard, leave in ((0, 0), (1, 0), (2, 1)):
        open_sale.sell_out(shard, leave=leave)
    _rounds(agent)
    assert open_sale.avails() == [0, 0, 1], "nobody has asked for it"
    shopper = open_sale.shopper_of(0)
    assert open_sale.buy(shopper) == "E"
    agent.round()
    assert open_sale.avails() == [1, 0, 0]
    assert open_sale.buy(shopper) == "R"


def test_the_last_unit_goes_from_one_who_does_not_come_to_the_next(open_sale, agent, clock):
    for shard, leave in ((0, 0), (1, 0), (2, 1)):
        open_sale.sell_out(shard, leave=leave)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    agent.round()
    assert open_sale.buy(open_sale.shopper_of(1)) == "E"
    agent.round()
    assert open_sale.avails() == [1, 0, 0], "whom it was brought to has some time"
    clock.skip(TAIL_REST_S)
    agent.round()
    assert open_sale.avails() == [0, 1, 0]


def test_who_wants_several_gets_the_last_units_of_all_shards(open_sale, agent):
    for shard in range(3):
        open_sale.sell_out(shard, leave=1)
    shopper = open_sale.shopper_of(1)
    assert open_sale.buy(shopper, 3) == "E"
    agent.round()
    assert open_sale.avails() == [0, 3, 0]
    assert open_sale.buy(shopper, 3) == "R"


def test_nobody_hears_sold_out_while_a_unit_is_free(open_sale, agent, clock):
    """Whoever asks: two of three shards lack the unit that the third has."""
    for shard, leave in ((0, 0), (1, 0), (2, 1)):
        open_sale.sell_out(shard, leave=leave)
    for turn in range(8):
        for shard in (0, 1):
            code = open_sale.buy(open_sale.shopper_of(shard, turn), 2)
            assert code in "EP", code
        agent.round()
        clock.skip(0.5)
    assert sum(open_sale.avails()) == 1


def test_sold_out_is_said_when_it_is_true(open_sale, agent):
    for shard in range(3):
        open_sale.sell_out(shard)
    shopper = open_sale.shopper_of(0)
    assert open_sale.buy(shopper) == "E"
    agent.round()
    assert open_sale.buy(shopper) == "S"
    assert open_sale.buy(open_sale.shopper_of(1)) == "E", "nobody had asked there"
    agent.round()
    assert open_sale.buy(open_sale.shopper_of(1)) == "S"


def test_fewer_left_is_said_when_all_shards_have_fewer(open_sale, agent):
    for shard, leave in ((0, 1), (1, 0), (2, 1)):
        open_sale.sell_out(shard, leave=leave)
    shopper = open_sale.shopper_of(0)
    assert open_sale.buy(shopper, 3) == "E"
    agent.round()
    agent.round()
    assert open_sale.buy(shopper, 3) in "PE"
    _rounds(agent, 2)
    assert open_sale.buy(shopper, 3) == "P"
    assert open_sale.avails() == [2, 0, 0], "together they are worth something to others"
    assert open_sale.buy(open_sale.shopper_of(0, 1), 2) == "R"


def test_a_mark_is_repeated_before_it_ends_and_not_in_every_round(open_sale, agent, monkeypatch):
    for shard in range(3):
        open_sale.sell_out(shard)
    shopper, versions = open_sale.shopper_of(0), []
    assert open_sale.buy(shopper) == "E"
    mark = shards.mark_sold_out

    def counted(cluster, shard, version_ms, left):
        versions.append(version_ms)
        return mark(cluster, shard, version_ms, left)

    monkeypatch.setattr(shards, "mark_sold_out", counted)
    while len(versions) < 4:
        agent.round()
        assert open_sale.buy(shopper) == "S"
    gaps = [later - earlier for earlier, later in pairwise(versions)]
    assert min(gaps) >= 400


@pytest.fixture
def marks(monkeypatch):
    """What would have been said: version and units left."""
    said: list[tuple[int, int]] = []

    def note(_cluster, _shard, version_ms, left):
        said.append((version_ms, left))
        return True

    monkeypatch.setattr(shards, "mark_sold_out", note)
    return said


def test_a_mark_is_dated_by_the_look_that_came_first(open_sale, agent, marks, monkeypatch):
    for shard in range(3):
        open_sale.sell_out(shard)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    look = shards.look

    def looked(cluster, asked):
        seen = look(cluster, asked)
        return {
            shard: shards.ShardState(**{**vars(state), "time_ms": 1000 + shard.shard})
            for shard, state in seen.items()
        }

    monkeypatch.setattr(shards, "look", looked)
    agent.round()
    assert marks == [(1000, 0)]


MOVES = {
    "a grant is under way": lambda sale, row: inventory.begin_grant(row.pk, 1),
    "a reclaim is under way": lambda sale, row: inventory.begin_reclaim(row.pk, 1, 0),
    "an old epoch is not closed": lambda sale, row: inventory.begin_rearm(row.pk, "fast", "test"),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("when", ["before the first look", "after the last look"])
def test_nothing_is_said_while_units_may_be_where_nobody_looks(
    move, when, open_sale, agent, marks, monkeypatch
):
    for shard in range(3):
        open_sale.sell_out(shard)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    # One unit came back.
    Pool.objects.update(total=31, unallocated=1)
    look = shards.look
    moved: list[object] = []

    def act():
        if not moved:
            moved.append(move(open_sale, open_sale.selling(1)))
            Pool.objects.filter(unallocated=1).update(total=30, unallocated=0)

    def looked(*args):
        if when == "before the first look":
            act()
        seen = look(*args)
        act()
        return seen

    monkeypatch.setattr(shards, "look", looked)
    agent.round()
    assert moved
    assert not marks


def test_a_unit_that_set_out_and_arrived_between_two_looks_is_noticed(
    open_sale, agent, marks, monkeypatch
):
    """Seen empty one after the other; all of it was always somewhere else."""
    for shard in range(3):
        open_sale.sell_out(shard)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    Pool.objects.update(total=31, unallocated=1)
    look = shards.look
    first: list[object] = []

    def looked(*args):
        seen = look(*args)
        if not first:
            # It was in the pool; now it is in a shard that has just been seen empty.
            grant = inventory.begin_grant(open_sale.selling(1).pk, 1)
            shards.grant(open_sale.clusters["primary"], open_sale.epoch(1), grant.pk, 1)
            inventory.mark_grant_applied(grant.pk)
            first.append(grant)
        return seen

    monkeypatch.setattr(shards, "look", looked)
    agent.round()
    assert not marks


def test_nothing_is_said_to_a_shard_whose_wish_can_be_met(open_sale, agent, marks):
    """The last unit rests where it was brought to; then it comes here."""
    for shard, leave in ((0, 0), (1, 0), (2, 1)):
        open_sale.sell_out(shard, leave=leave)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    agent.round()
    assert open_sale.buy(open_sale.shopper_of(1)) == "E"
    _rounds(agent)
    assert not marks


def test_a_unit_that_arrives_behind_the_looks_is_noticed(open_sale, agent, marks, monkeypatch):
    """It had set out before the round, so the movements are the same before and after."""
    for shard in range(3):
        open_sale.sell_out(shard)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    Pool.objects.update(total=31, unallocated=1)
    grant = inventory.begin_grant(open_sale.selling(1).pk, 1)
    look = shards.look

    def looked(*args):
        seen = look(*args)
        shards.grant(open_sale.clusters["primary"], open_sale.epoch(1), grant.pk, 1)
        inventory.mark_grant_applied(grant.pk)
        return seen

    monkeypatch.setattr(shards, "look", looked)
    agent.round()
    assert not marks


def test_a_shard_that_cannot_be_seen_may_have_units(open_sale, agent, marks, monkeypatch):
    for shard in range(3):
        open_sale.sell_out(shard)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    look = shards.look
    monkeypatch.setattr(
        shards,
        "look",
        lambda *args: {one: state for one, state in look(*args).items() if one.shard != 2},
    )
    agent.round()
    assert not marks


def test_units_that_come_back_are_sold_again(open_sale, agent, broker):
    for shard in range(3):
        open_sale.sell_out(shard)
    open_sale.relay()
    open_sale.consume()
    refused = open_sale.shopper_of(0)
    assert open_sale.buy(refused) == "E"
    agent.round()
    assert open_sale.buy(refused) == "S"
    open_sale.expire(open_sale.shopper_of(1, 500))
    _rounds(agent, 2)
    assert open_sale.buy(refused) == "R"


def test_units_that_are_added_reach_the_shards(open_sale, agent):
    inventory.top_up(open_sale.item.pk, 60, "more came", None)
    for _ in range(20):
        agent.round()
    assert sum(open_sale.avails()) == 90
    assert Grant.objects.count() > 6, "in portions"


def test_units_that_are_withdrawn_leave_the_shards(open_sale, agent):
    inventory.withdraw(open_sale.item.pk, 25, "damaged", None)
    _rounds(agent, 4)
    assert StockChange.objects.get().state == "done"
    assert Pool.objects.get().total == 5
    assert sum(open_sale.avails()) == 5
    assert open_sale.books_balance()


def test_a_withdrawal_comes_before_who_was_refused(open_sale, agent):
    open_sale.sell_out(0)
    assert open_sale.buy(open_sale.shopper_of(0)) == "E"
    inventory.withdraw(open_sale.item.pk, 20, "damaged", None)
    agent.round()
    assert Grant.objects.count() == 3
    _rounds(agent)
    assert Pool.objects.get().total == 10
    assert sum(open_sale.avails()) == 0


RECLAIMING = ["nothing", "the request", "the script", "the books"]


@pytest.mark.parametrize("last", range(4), ids=RECLAIMING)
def test_a_new_agent_goes_on_with_a_reclaim_after(last, open_sale, new_agent):
    row, shard = open_sale.selling(0), open_sale.epoch(0)
    if last >= 1:
        reclaim = inventory.begin_reclaim(row.pk, 8, 4)
    if last >= 2:
        assert shards.reclaim(open_sale.clusters["primary"], shard, reclaim.pk, 8, 4) == 6
    if last >= 3:
        inventory.settle_reclaim(reclaim.pk, 6)
    agent = new_agent()
    _rounds(agent, 12)
    assert not Reclaim.objects.filter(taken=None).exists()
    assert sum(open_sale.avails()) == 30
    assert open_sale.books_balance()


def test_a_reclaim_of_an_epoch_that_sells_no_more_moves_nothing(open_sale, agent):
    """What it took comes back when the epoch is closed, with everything else."""
    row, shard = open_sale.selling(0), open_sale.epoch(0)
    reclaim = inventory.begin_reclaim(row.pk, 8, 0)
    assert shards.reclaim(open_sale.clusters["primary"], shard, reclaim.pk, 8, 0) == 8
    open_sale.rearm(0)
    agent.round()
    assert Reclaim.objects.get(pk=reclaim.pk).taken == 0


def test_who_let_his_order_expire_may_buy_again(open_sale, agent, broker):
    shopper = open_sale.shopper_of(0)
    assert open_sale.buy(shopper, 3) == "R"
    open_sale.relay()
    open_sale.consume()
    open_sale.expire(shopper)
    assert open_sale.buy(shopper, 1, "again") == "L"
    _rounds(agent, 2)
    assert open_sale.buy(shopper, 3) == "A", "it stays known"
    assert open_sale.buy(shopper, 1, "again") == "R"


def test_a_release_waits_for_a_shard_that_is_not_armed(open_sale, agent, broker, monkeypatch):
    """A rebuild may have read the order before it ended; forgotten now, it would count for ever."""
    shopper = open_sale.shopper_of(0)
    assert open_sale.buy(shopper, 3) == "R"
    open_sale.relay()
    open_sale.consume()
    read = inventory.decided_buyers

    def expire_meanwhile(*args):
        known = list(read(*args))
        monkeypatch.setattr(inventory, "decided_buyers", read)
        open_sale.expire(shopper)
        return iter(known)

    def fail(*_):
        raise inventory.AllocationNotSelling

    monkeypatch.setattr(inventory, "decided_buyers", expire_meanwhile)
    open_sale.rearm(0)
    with monkeypatch.context() as context:
        context.setattr(inventory, "record_armed", fail)
        agent.round()
    _rounds(agent, 3)
    assert open_sale.buy(shopper, 1, "again") == "R"

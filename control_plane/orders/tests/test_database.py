"""PostgreSQL as stock source: the answers of reserve.lua, and an intent for each unit taken.

`units_are_conserved` (conftest) checks I1 after every test.
"""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction

from control_plane.campaigns.models import Campaign
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders import database
from control_plane.orders.models import DatabaseIntent, Order, Rejection
from control_plane.orders.services import (
    EpochNotSelling,
    NotTaken,
    Request,
    database_intents,
    end_order,
    forget_decided_intents,
    held_quantity,
    is_database_drained,
    land,
    mark_relayed,
    reserve,
)

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 30


@pytest.fixture
def epoch(item, open_epoch):
    """Shard 0, epoch 1, of the database."""
    inventory.switch_source("database", reason="test", by=None)
    return open_epoch()


@pytest.fixture
def live(approved):
    """A moment of the sale."""
    return approved.starts_at + timedelta(minutes=1)


@pytest.fixture
def wish(intent):
    def build(shopper, key="", qty=1):
        one = intent(shopper, key=key, qty=qty)
        return Request(one.shopper, one.reservation_id, one.qty, f'{{"of":"{shopper}{key}"}}')

    return build


@pytest.fixture
def ask(item, live):
    def reserve_all(*wishes, shard=0, epoch=1, at=live):
        return reserve(item.pk, shard, epoch, wishes, at)

    return reserve_all


def _units(item, epoch):
    epoch.refresh_from_db()
    return Pool.objects.get(item=item).unallocated, epoch.granted


def test_a_unit_is_taken_and_leaves_an_intent(item, epoch, wish, ask, live):
    assert ask(wish("ann")) == ("R", "")
    assert _units(item, epoch) == (9, 1)
    left = DatabaseIntent.objects.get()
    assert (left.item_id, left.shard, left.epoch) == (item.pk, 0, 1)
    assert (left.reservation_id, left.shopper, left.qty) == (wish("ann").reservation_id, "ann", 1)
    assert (left.value, left.created_at, left.relayed_at) == (wish("ann").value, live, None)


def test_a_retry_is_known_and_takes_nothing(item, epoch, wish, ask, limit):
    limit(3)
    assert ask(wish("ann", qty=2), wish("ann", qty=2), wish("bob")) == ("RAR", "2")
    assert ask(wish("ann", qty=3), wish("bob", qty=1)) == ("AA", "2,1")
    assert _units(item, epoch) == (7, 3)


def test_a_landed_reservation_stays_known(item, epoch, wish, ask, intent, live):
    ask(wish("ann"), wish("bob"))
    ann, bob = land([intent("ann"), intent("bob")], live)
    mark_relayed([one.pk for one in database_intents(10)])
    assert forget_decided_intents() == 2
    assert bob.order_id and end_order(bob.order_id, "cancelled", live)
    assert ask(wish("ann"), wish("bob")) == ("AA", "1,0")
    assert ann.reason == ""


def test_a_refused_reservation_stays_known_with_nothing(epoch, wish, ask, intent, now, live):
    one = intent("ann", epoch=9)
    land([one], now)
    assert Rejection.objects.get().reason == "no_allocation"
    assert ask(wish("ann")) == ("A", "0")


def test_the_limit_counts_orders_reservations_and_this_very_batch(
    epoch, wish, ask, intent, live, limit
):
    limit(3)
    ask(wish("ann", key="1"))
    land([intent("ann", key="1")], live)
    assert ask(wish("ann", key="2")) == ("R", "")
    codes, _ = ask(wish("ann", key="3", qty=2), wish("ann", key="4"), wish("ann", key="5"))
    assert codes == "LRL"


def test_a_decided_intent_is_not_counted_twice(epoch, wish, ask, intent, live, limit):
    limit(2)
    ask(wish("ann", key="1"))
    land([intent("ann", key="1")], live)
    assert DatabaseIntent.objects.count() == 1
    assert ask(wish("ann", key="2")) == ("R", "")


def test_another_items_and_another_shoppers_units_do_not_count(epoch, wish, ask):
    assert ask(wish("ann"), wish("bob")) == ("RR", "")


def test_what_is_sold_is_sold_out(item, epoch, wish, ask, limit):
    limit(10)
    assert ask(wish("ann", qty=10), wish("bob")) == ("RS", "")
    assert ask(wish("cid")) == ("S", "")
    assert _units(item, epoch) == (0, 10)


def test_fewer_than_asked_for_are_said_to_be_fewer_and_never_filled_in_part(
    item, epoch, wish, ask, limit
):
    limit(10)
    assert ask(wish("ann", qty=8), wish("bob", qty=3), wish("cid", qty=2)) == ("RPR", "")
    assert _units(item, epoch) == (0, 10)


@pytest.fixture
def old_epoch_of_a_shard(item, open_epoch):
    """Epoch 1 of shard 1, of Redis, drains with four of ten units; shard 0 sells by PostgreSQL."""
    open_epoch(shard=1, units=4)
    inventory.switch_source("database", reason="test", by=None)
    return open_epoch()


def test_while_units_are_elsewhere_nothing_is_sold_out(
    item, old_epoch_of_a_shard, wish, ask, limit
):
    limit(10)
    assert ask(wish("ann", qty=7), wish("bob", qty=6), wish("cid")) == ("ERE", "")
    rearm = inventory.open_rearms()[0]
    inventory.advance(rearm.pk, "fenced", "disarmed")
    inventory.advance(rearm.pk, "disarmed", "drained")
    inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
    inventory.close_epoch(rearm.pk)
    assert ask(wish("dan", qty=4), wish("eve")) == ("RS", "")


def test_withdrawals_that_wait_come_first(item, old_epoch_of_a_shard, wish, ask, limit):
    limit(10)
    inventory.withdraw(item.pk, 7, "damaged", None)
    rearm = inventory.open_rearms()[0]
    inventory.advance(rearm.pk, "fenced", "disarmed")
    inventory.advance(rearm.pk, "disarmed", "drained")
    inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
    inventory.close_epoch(rearm.pk)
    assert Pool.objects.get(item=item).unallocated == 4
    assert ask(wish("ann", qty=4), wish("bob", qty=3)) == ("PR", "")


@pytest.mark.parametrize("where", [{"epoch": 2}, {"shard": 1}])
def test_another_epoch_is_refused(epoch, wish, ask, where):
    with pytest.raises(EpochNotSelling):
        ask(wish("ann"), **where)


def test_an_unknown_item_is_refused(wish, now):
    with pytest.raises(EpochNotSelling):
        reserve(0, 0, 1, [wish("ann")], now)


@pytest.mark.parametrize("state", ["draining", "closed"])
def test_an_epoch_that_sells_no_more_is_refused(item, epoch, wish, ask, state):
    Allocation.objects.update(state=state)
    with pytest.raises(EpochNotSelling):
        ask(wish("ann"))
    assert _units(item, epoch) == (10, 0)


def test_an_epoch_of_a_shard_is_refused(allocation, wish, ask):
    with pytest.raises(EpochNotSelling):
        ask(wish("ann"))


def test_nothing_is_sold_before_the_start_after_the_end_or_when_ended(epoch, wish, ask, approved):
    tick = timedelta(milliseconds=1)
    for moment in (approved.starts_at - tick, approved.ends_at):
        with pytest.raises(EpochNotSelling):
            ask(wish("ann"), at=moment)
    assert ask(wish("ann"), at=approved.starts_at) == ("R", "")
    Campaign.objects.update(state="ended")
    with pytest.raises(EpochNotSelling):
        ask(wish("bob"))


def test_the_leftover_of_a_database_epoch_is_its_undecided_intents(
    item, epoch, wish, ask, intent, live
):
    ask(wish("ann"), wish("bob"))
    land([intent("ann")], live)
    epoch.refresh_from_db()
    assert epoch.leftover == 1
    assert [rid for _, rid, _ in inventory.database_buyers(epoch.pk)] == [
        wish("bob").reservation_id
    ]


def test_what_is_held_is_told_to_its_own_shopper(epoch, wish, ask, limit):
    limit(2)
    ask(wish("ann", qty=2))
    name = wish("ann").reservation_id
    assert held_quantity(name, "ann") == 2
    assert held_quantity(name, "bob") is None
    assert held_quantity("unknown", "ann") is None


def test_intents_wait_in_their_order_until_kafka_has_them(epoch, wish, ask):
    ask(wish("ann"), wish("bob"))
    ask(wish("cid"))
    first, second = database_intents(2)
    assert [first.shopper, second.shopper] == ["ann", "bob"]
    assert not is_database_drained(epoch.pk)
    assert mark_relayed([first.pk, second.pk]) == 2
    assert mark_relayed([first.pk]) == 0
    (third,) = database_intents(2)
    mark_relayed([third.pk])
    assert is_database_drained(epoch.pk)


def test_an_intent_is_forgotten_once_kafka_has_it_and_it_is_decided(epoch, wish, ask, intent, live):
    ask(wish("ann"), wish("bob"))
    land([intent("ann")], live)
    assert forget_decided_intents() == 0
    mark_relayed([one.pk for one in database_intents(10)])
    assert forget_decided_intents() == 1
    assert DatabaseIntent.objects.get().shopper == "bob"


def test_what_the_database_refuses_was_not_taken(item, epoch, wish, ask, at_once, monkeypatch):
    """Somebody holds the pool longer than a shopper waits."""
    monkeypatch.setattr(database, "LIMITS", "SET LOCAL lock_timeout = '50ms'")
    with transaction.atomic():
        inventory.lock_pool(item.pk)
        (outcome,) = at_once([lambda: ask(wish("ann"))])
    assert isinstance(outcome, NotTaken)
    assert _units(item, epoch) == (10, 0)


def test_a_commit_that_fails_leaves_it_open(item, epoch, wish, ask, monkeypatch):
    def commit():
        raise OperationalError("connection lost")

    monkeypatch.setattr(connection, "_commit", commit)
    with pytest.raises(OperationalError, match="connection lost"):
        ask(wish("ann"))
    monkeypatch.undo()
    connection.close()


# At the same moment


def test_shoppers_at_the_same_moment_get_each_unit_once(item, epoch, wish, ask, at_once):
    outcomes = at_once([lambda n=n: ask(*[wish(f"s-{n}-{i}") for i in range(5)]) for n in range(4)])
    assert "".join(sorted("".join(codes for codes, _ in outcomes))) == "R" * 10 + "S" * 10
    assert _units(item, epoch) == (0, 10)


def test_a_shopper_at_several_gateways_stays_within_the_limit(item, epoch, wish, ask, at_once):
    outcomes = at_once([lambda n=n: ask(wish("ann", key=str(n))) for n in range(4)])
    assert sorted(codes for codes, _ in outcomes) == ["L", "L", "L", "R"]


def test_the_same_retry_at_several_gateways_is_one_reservation(item, epoch, wish, ask, at_once):
    outcomes = at_once([lambda: ask(wish("ann"))] * 4)
    assert sorted(codes for codes, _ in outcomes) == ["A", "A", "A", "R"]
    assert _units(item, epoch) == (9, 1)


def test_control_without_the_pools_lock_a_shopper_gets_more(
    item, epoch, wish, ask, at_once, monkeypatch
):
    monkeypatch.setattr(inventory, "lock_pool", lambda item_id: Pool.objects.get(pk=item_id))
    monkeypatch.setattr(Allocation.objects, "select_for_update", lambda **_: Allocation.objects)
    _all_look_before_anybody_takes(monkeypatch, 4)
    outcomes = at_once([lambda n=n: ask(wish("ann", key=str(n))) for n in range(4)])
    assert [codes for codes, _ in outcomes] == ["R"] * 4


def _all_look_before_anybody_takes(monkeypatch, count):
    together = threading.Barrier(count)
    take = database._take

    def take_later(*arguments):
        together.wait(DEADLINE_S)
        take(*arguments)

    monkeypatch.setattr(database, "_take", take_later)


def test_a_fence_and_a_reservation_at_the_same_moment_agree(
    item, epoch, wish, ask, at_once, intent, live
):
    for number in range(8):
        current = Allocation.objects.get(state="selling")
        name = f"s-{number}"
        one = intent(name)
        calls = [
            partial(ask, wish(name), epoch=current.epoch),
            partial(inventory.begin_rearm, current.pk, "fast", "test"),
        ]
        outcome, _ = at_once(calls)
        current.refresh_from_db()
        if isinstance(outcome, EpochNotSelling):
            assert current.granted == 0
        else:
            assert (outcome, current.granted) == (("R", ""), 1)
            land([one._replace(epoch=current.epoch)], live)
        rearm = current.rearm
        for step in (("fenced", "disarmed"), ("disarmed", "drained")):
            inventory.advance(rearm.pk, *step)
        inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
        inventory.close_epoch(rearm.pk)
        opened = inventory.open_epoch(
            item.pk, 0, after=current.epoch, epoch=current.epoch + 1, source="database"
        )
        assert opened is not None
    assert Order.objects.count() == 10 - Pool.objects.get().unallocated

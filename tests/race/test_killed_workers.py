"""A worker is killed at each point between its steps; its successor makes the books right.

Without a roll-back nothing that was promised is lost or refused; with one, what only the disk knew
is. In both every unit ends in exactly one order.
"""

from datetime import UTC, datetime, timedelta

import pytest

from control_plane.inventory import services as inventory
from control_plane.orders.models import Order
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from tests.race import points
from tests.race.faults import FAULTS, KILLED, ROLLED_BACK, Accident
from tests.race.sale import UNITS
from tests.redis.waiting import until

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "inventory"]),
]
# A full re-arm waits for the barrier before it sells again, a fast one does not.
MODES = {KILLED: "full", ROLLED_BACK: "fast"}
every_fault = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture
def accident(sale, disk, healthy, victim):
    return Accident(sale, disk, healthy, victim)


@every_fault
@pytest.mark.parametrize("point", points.OPENING)
def test_an_epoch_that_was_being_opened(point, fault, accident):
    accident.happen(point, fault, lambda: None)


@every_fault
@pytest.mark.parametrize("point", points.LEVELLING)
def test_units_between_two_shards(point, fault, accident, sale, disk):
    def provoke():
        sale.wait_until_it_sells()
        disk.remember()
        sale.buy_out(shard=0)

    accident.happen(point, fault, provoke)


@every_fault
@pytest.mark.parametrize("point", points.REARMING)
def test_an_epoch_that_was_being_ended(point, fault, accident, sale, disk):
    def provoke():
        _sell_before_and_after_the_copy(sale, disk)
        inventory.begin_rearm(sale.selling()[0].pk, MODES[fault], "test")

    accident.happen(point, fault, provoke)


@every_fault
@pytest.mark.parametrize("point", points.FENCING)
def test_an_epoch_whose_node_has_begun_another_life(point, fault, accident, sale, disk):
    def provoke():
        _sell_before_and_after_the_copy(sale, disk)
        disk.restart()

    accident.happen(point, fault, provoke)


@every_fault
@pytest.mark.parametrize("point", [*points.RELAYING, *points.LANDING])
def test_reservations_on_their_way_to_an_order(point, fault, accident, sale, disk):
    def provoke():
        sale.wait_until_it_sells()
        sale.buy(6)
        disk.remember()
        sale.buy(6)

    accident.happen(point, fault, provoke)


@every_fault
@pytest.mark.parametrize("point", points.LANDING_BARRIERS)
def test_a_barrier_on_its_way(point, fault, accident, sale, disk):
    def provoke():
        _sell_before_and_after_the_copy(sale, disk)
        inventory.begin_rearm(sale.selling()[0].pk, MODES[fault], "test")

    accident.happen(point, fault, provoke)


@every_fault
@pytest.mark.parametrize("point", points.EXPIRING)
def test_orders_that_were_being_ended(point, fault, accident, sale, disk, healthy, expire):
    with healthy(("stock_agent", "relay", "order_consumer")):
        _let_orders_become_due(sale, disk)
    accident.happen_to_a_task(point, fault, again=expire)
    assert Order.objects.exclude(state="unpaid").count() == 10


@every_fault
@pytest.mark.parametrize("point", points.RELEASING)
def test_shoppers_who_are_to_be_told_that_they_may_buy_again(
    point, fault, accident, sale, disk, expire
):
    def provoke():
        _let_orders_become_due(sale, disk)
        expire()

    accident.happen(point, fault, provoke)


@pytest.mark.parametrize("point", points.DEDUCTING)
def test_each_order_is_deducted_exactly_once(point, sale, healthy, victim):
    stock_in("TEA", 100)
    with healthy(("stock_agent", "relay", "order_consumer")):
        dying = victim(point)
        sale.sell_out()
        dying.must_die()
        with healthy(["inventory_consumer"]):
            until(lambda: StockEntry.objects.count() == UNITS, "all are deducted", 60)
    assert Stock.objects.get().on_hand == 100 - UNITS
    assert StockEntry.objects.count() == UNITS


def _sell_before_and_after_the_copy(sale, disk):
    """Shard 0 has buyers that an earlier disk knows, and some that it does not."""
    sale.wait_until_it_sells()
    sale.buy(6, shard=0)
    disk.remember()
    sale.buy(6, shard=0)


def _let_orders_become_due(sale, disk):
    sale.wait_until_it_sells()
    sale.buy(10)
    sale.wait_for_orders()
    disk.remember()
    Order.objects.update(pay_by=datetime.now(UTC) - timedelta(seconds=1))

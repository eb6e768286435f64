"""A day after the sale all books of an item are compared; each difference has its name."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, connections
from django.utils import timezone

from control_plane.campaigns import services as campaigns
from control_plane.campaigns import settling
from control_plane.campaigns.models import Campaign, Settlement
from control_plane.dead_letters.services import Letter, keep
from control_plane.dead_letters.tests.conftest import message
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Pool, Rearm
from control_plane.orders import projection
from control_plane.orders.models import LedgerEntry, Order
from control_plane.orders.services import end_order, land, pay_order
from control_plane.orders.tests.conftest import allocation, intent
from control_plane.reconciliation import services
from control_plane.reconciliation.models import Reconciliation
from control_plane.reconciliation.services import figures, reconcile_due
from control_plane.warehouse.services import DEDUCT, RESTORE, Movement, move

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

__all__ = ["allocation", "intent"]

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def sale(item, allocation, intent, now):
    """Four orders of ten units: two paid, one expired, one cancelled; the warehouse heard all."""
    landed = land([intent(f"shopper-{n}") for n in range(4)], now)
    orders = [one.order_id for one in landed if one.order_id]
    pay_order(orders[0], now)
    pay_order(orders[1], now)
    end_order(orders[2], "cancelled", now)
    end_order(orders[3], "expired", now + timedelta(hours=1))
    moves = [Movement(one, "TEA", item.pk, 1, "ann", DEDUCT) for one in orders]
    moves += [Movement(one, "TEA", item.pk, 1, "ann", RESTORE) for one in orders[2:]]
    move(moves, now)
    campaigns.end_now(item.campaign, None, now)
    for rearm in Rearm.objects.exclude(stage="closed"):
        inventory.advance(rearm.pk, "fenced", "disarmed")
        inventory.advance(rearm.pk, "disarmed", "drained")
        inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
        inventory.close_epoch(rearm.pk)
    assert settling.settle_due(now) == 1
    return orders


@pytest.fixture
def due(item, now):
    """The first moment at which it is compared: everybody's time to pay is over too."""
    return now + DAY + timedelta(minutes=item.campaign.pay_minutes)


def sql(text, *values):
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def test_the_equation_is_written_down_a_day_after_the_end(sale, due, item):
    assert reconcile_due(due - timedelta(seconds=1), DAY) == 0
    assert reconcile_due(due, DAY) == 1
    row = Reconciliation.objects.get()
    assert (row.item, row.day, row.at, row.balanced, row.differences) == (item, 0, due, True, {})
    assert (row.total, row.unallocated, row.open_leftover, row.live_units) == (10, 8, 0, 2)
    units = (row.units_paid, row.units_unpaid, row.units_expired, row.units_cancelled)
    assert units == (2, 0, 1, 1)
    assert (row.ledger_confirmed, row.ledger_returned) == (4, 2)
    assert (row.warehouse_deducted, row.warehouse_restored) == (4, 2)


def test_what_balances_is_compared_once(sale, due):
    assert reconcile_due(due, DAY) == 1
    assert reconcile_due(due, DAY) == 0
    assert reconcile_due(due + DAY, DAY) == 0
    assert figures(due + DAY, DAY) == (0, 0)


def _lose_a_unit(item, orders):
    Pool.objects.filter(pk=item.pk).update(unallocated=7)


def _forget_an_entry(item, orders):
    sql("ALTER TABLE orders_ledgerentry DISABLE TRIGGER USER")
    LedgerEntry.objects.filter(order_id=orders[0], kind="confirm").delete()
    sql("ALTER TABLE orders_ledgerentry ENABLE TRIGGER USER")


def _swap_two_entries(item, orders):
    """The sums are right, and two orders are not."""
    sql("ALTER TABLE orders_ledgerentry DISABLE TRIGGER USER")
    LedgerEntry.objects.filter(order_id=orders[2], kind="return").update(order_id=orders[0])
    sql("ALTER TABLE orders_ledgerentry ENABLE TRIGGER USER")


def _deduct_nothing(item, orders):
    with connections["inventory"].cursor() as cursor:
        cursor.execute("ALTER TABLE warehouse_stockentry DISABLE TRIGGER USER")
        cursor.execute(
            "DELETE FROM warehouse_stockentry WHERE order_id = %s AND kind = 'deduct'", [orders[0]]
        )
        cursor.execute(
            "DELETE FROM warehouse_stockentry WHERE order_id = %s AND kind = 'restore'", [orders[3]]
        )
        cursor.execute("ALTER TABLE warehouse_stockentry ENABLE TRIGGER USER")


def _not_settled(item, orders):
    sql("ALTER TABLE campaigns_settlement DISABLE TRIGGER USER")
    Settlement.objects.all().delete()
    sql("ALTER TABLE campaigns_settlement ENABLE TRIGGER USER")
    Campaign.objects.update(settled_at=None)


def _leave_a_dead_letter(item, orders):
    letter = Letter("reservations", "r", "r", 0, 1, message(item.pk, "late"), "refused", "no")
    keep([letter], timezone.now())


def _a_paid_order_ended(item, orders):
    Order.objects.filter(pk=orders[0]).update(state="expired")


@pytest.mark.parametrize(
    ("break_it", "differences"),
    [
        (_lose_a_unit, {"units": 1}),
        (_forget_an_entry, {"ledger": -1, "confirmed": 1}),
        (_swap_two_entries, {"returned": 2}),
        (_deduct_nothing, {"deducted": -1, "restored": -1}),
        (_not_settled, {"unsettled": 1}),
        (_leave_a_dead_letter, {"undecided": 1}),
        (
            _a_paid_order_ended,
            {"units": 1, "ledger": 1, "returned": 1, "restored": -1, "settlement": 1},
        ),
    ],
)
def test_each_difference_is_named(sale, due, item, break_it, differences, caplog):
    break_it(item, sale)
    assert reconcile_due(due, DAY) == 1
    row = Reconciliation.objects.get()
    assert (row.balanced, row.differences) == (False, differences)
    assert [one.item for one in caplog.records if getattr(one, "kind", "") == "unbalanced"] == [
        item.pk
    ]
    assert figures(due, DAY).unbalanced == 1


def test_what_does_not_balance_is_looked_at_again_each_day(sale, due, item):
    _lose_a_unit(item, sale)
    assert reconcile_due(due, DAY) == 1
    assert reconcile_due(due + DAY - timedelta(seconds=1), DAY) == 0
    Pool.objects.filter(pk=item.pk).update(unallocated=8)
    assert reconcile_due(due + DAY, DAY) == 1
    assert list(Reconciliation.objects.order_by("day").values_list("day", "balanced")) == [
        (0, False),
        (1, True),
    ]
    assert figures(due + DAY, DAY) == (0, 0)
    assert reconcile_due(due + 2 * DAY, DAY) == 0


def test_nobody_goes_on_looking_for_ever(sale, due, item):
    _lose_a_unit(item, sale)
    made = sum(reconcile_due(due + day * DAY, DAY) for day in range(20))
    assert made == 8
    assert figures(due + 20 * DAY, DAY).unbalanced == 1


def test_an_item_that_cannot_be_compared_does_not_hold_up_the_others(sale, due, item, now):
    other = campaigns.create_draft(
        item.campaign.merchant,
        slug="broken",
        title="Broken",
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        items=[{"sku": "TEA", "title": "Tea", "units": 1, "price_minor": 1}],
    )
    # It has no pool.
    Campaign.objects.filter(pk=other.pk).update(state="ended", ended_at=now - DAY)
    assert reconcile_due(due, DAY) == 2
    assert Reconciliation.objects.get(balanced=True).item == item
    assert Reconciliation.objects.get(balanced=False).differences == {"unreadable": 1}
    assert reconcile_due(due, DAY) == 0


def test_while_the_warehouse_is_away_nothing_is_said(sale, due, monkeypatch):
    def away(item_id):
        raise OperationalError("connection refused")

    monkeypatch.setattr(services, "compare", away)
    assert reconcile_due(due, DAY) == 0
    assert not Reconciliation.objects.exists()
    monkeypatch.undo()
    assert reconcile_due(due, DAY) == 1


def test_what_was_written_stays(sale, due):
    reconcile_due(due, DAY)
    with pytest.raises(IntegrityError):
        Reconciliation.objects.update(balanced=False)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("10 ≠ 7 + 0 + 2", "I1: total against pool, shards and orders: 1")),
        ("zh-hans", ("10 ≠ 7 + 0 + 2", "I1：总数与池、分片、订单不符: 1")),
    ],
)
def test_people_read_it_and_change_nothing(sale, due, item, admin_client, language, words):
    _lose_a_unit(item, sale)
    reconcile_due(due, DAY)
    row = Reconciliation.objects.get()
    for path in ("", f"{row.pk}/change/"):
        page = admin_client.get(
            f"/admin/reconciliation/reconciliation/{path}", headers={"accept-language": language}
        ).content.decode()
        assert words[0] in page and words[1] in page
    delete = f"/admin/reconciliation/reconciliation/{row.pk}/delete/"
    assert admin_client.post(delete).status_code == 403

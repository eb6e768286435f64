"""Who a new epoch must know: all that was decided, with what still counts of it."""

import pytest

from control_plane.inventory import buyers, services
from control_plane.orders.models import DatabaseIntent, Order, Rejection

pytestmark = pytest.mark.django_db


def _order(item, now, name, shard=0, **fields):
    return Order.objects.create(
        **(
            {
                "reservation_id": f"{item.pk}-{shard}-{name}",
                "item": item,
                "shard": shard,
                "epoch": 1,
                "shopper": name,
                "qty": 2,
                "amount_minor": 1,
                "currency": "CNY",
                "reserved_at": now,
                "created_at": now,
                "pay_by": now,
            }
            | fields
        )
    )


def _rejection(item, now, name, shard=0):
    return Rejection.objects.create(
        reservation_id=f"{item.pk}-{shard}-{name}",
        item_id=item.pk,
        shard=shard,
        epoch=1,
        shopper=name,
        qty=2,
        reason="over_limit",
        created_at=now,
    )


def test_live_orders_count_and_ended_ones_stay_known(item, now):
    for state in ("unpaid", "paid", "expired", "cancelled"):
        _order(item, now, state, state=state)
    _rejection(item, now, "refused")
    _order(item, now, "elsewhere", shard=1)
    _rejection(item, now, "elsewhere-too", shard=1)
    known = {shopper: (rid, qty) for shopper, rid, qty in services.decided_buyers(item.pk, 0)}
    assert known == {
        name: (f"{item.pk}-0-{name}", qty)
        for name, qty in (
            ("unpaid", 2),
            ("paid", 2),
            ("expired", 0),
            ("cancelled", 0),
            ("refused", 0),
        )
    }


def test_all_epochs_of_the_shard_count(item, now):
    for epoch in (1, 2):
        _order(item, now, f"e{epoch}", epoch=epoch)
    assert len(list(services.decided_buyers(item.pk, 0))) == 2


@pytest.mark.django_db(transaction=True)
def test_many_buyers_come_in_chunks(item, now, monkeypatch):
    monkeypatch.setattr(buyers, "CHUNK", 2)
    for number in range(5):
        _order(item, now, f"b{number}")
    assert len(list(services.decided_buyers(item.pk, 0))) == 5


def test_an_epoch_of_the_database_tells_who_is_not_decided_yet(item, now, open_epoch):
    services.switch_source("database", reason="test", by=None)
    allocation = open_epoch()
    for name, epoch in (("waits", 1), ("confirmed", 1), ("refused", 1), ("later", 2)):
        DatabaseIntent.objects.create(
            reservation_id=f"{item.pk}-0-{name}",
            item_id=item.pk,
            shard=0,
            epoch=epoch,
            shopper=name,
            qty=2,
            value="{}",
            created_at=now,
        )
    _order(item, now, "confirmed")
    _rejection(item, now, "refused")
    assert list(services.database_buyers(allocation.pk)) == [("waits", f"{item.pk}-0-waits", 2)]

"""A shopper is forgotten everywhere and at once, and never while something goes by his id."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from control_plane.campaigns.models import Campaign
from control_plane.dead_letters.models import DeadLetter
from control_plane.merchants.models import Merchant
from control_plane.orders import projection
from control_plane.orders.models import HoldRelease, Order
from control_plane.orders.services import end_order, land, mark_released, pay_order
from control_plane.orders.tests.conftest import allocation, intent
from control_plane.privacy.services import StillNeeded, forget_shopper
from control_plane.risk.models import Ban
from control_plane.risk.services import ban
from control_plane.webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["allocation", "intent"]


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def settled(allocation, intent, now, item):
    """Ann and Bob bought; Ann's second order was cancelled; the campaign's books are closed."""
    landed = land([intent("ann"), intent("bob"), intent("cid", key="2")], now)
    first, second, third = (one.order_id or 0 for one in landed)
    pay_order(first, now)
    pay_order(second, now)
    end_order(third, "cancelled", now)
    mark_released(HoldRelease.objects.values_list("pk", flat=True))
    Campaign.objects.update(settled_at=now)
    return landed


def _forget(shopper="ann"):
    return forget_shopper(Merchant.objects.get(), shopper, "asked for it")


def _letter(now, item, **fields):
    known = {
        "source": "topic",
        "source_name": "reservations",
        "topic": "reservations",
        "partition": 0,
        "offset": 7,
        "digest": "0" * 64,
        "payload": b'{"shopper":"ann"}',
        "item_number": item.pk,
        "shopper": "ann",
        "error_kind": "invalid",
        "next_at": now,
        "created_at": now,
    }
    return DeadLetter.objects.create(**(known | fields))


def _delivery(order, merchant, now, state):
    endpoint = Endpoint.objects.create(
        merchant=merchant, url="https://shop.example/", events=["order.paid"], created_at=now
    )
    return Delivery.objects.create(
        endpoint=endpoint,
        event_id="evt_1",
        type="order.paid",
        subject=order.reservation_id,
        body='{"shopper":"ann"}',
        state=state,
        next_try_at=now,
        created_at=now,
    )


def test_his_rows_stay_and_name_nobody(settled):
    assert _forget().orders == 1
    mine = Order.objects.get(pk=settled[0].order_id)
    assert mine.shopper.startswith("erased:")
    assert (mine.state, mine.qty) == ("paid", 1)
    assert Order.objects.get(pk=settled[1].order_id).shopper == "bob"


def test_a_repeat_finds_nothing(settled):
    _forget()
    assert _forget().orders == 0


def test_his_hold_is_forgotten_too(settled):
    assert _forget("cid").holds == 1
    assert not HoldRelease.objects.filter(shopper="cid").exists()


def test_what_the_merchant_was_told_is_deleted(settled, merchant, now):
    order = Order.objects.get(pk=settled[0].order_id)
    _delivery(order, merchant, now, "delivered")
    _forget()
    assert not Delivery.objects.exists()


def test_a_dead_letter_that_is_over_keeps_no_payload(settled, now, item):
    _letter(now, item, state="done", finished_at=now)
    _forget()
    letter = DeadLetter.objects.get()
    assert bytes(letter.payload) == b""
    assert letter.shopper != "ann"


def test_a_ban_that_ran_out_names_nobody(settled, now):
    Ban.objects.create(
        kind="shopper",
        value="ann",
        reason="fast",
        source="person",
        until=now,
        created_at=now,
        changed_at=now,
        ended_at=now,
    )
    assert _forget().bans == 1
    assert Ban.objects.get().value.startswith("erased:")


def test_not_while_his_campaign_is_not_settled(settled):
    Campaign.objects.update(settled_at=None)
    with pytest.raises(StillNeeded, match="spring"):
        _forget()
    assert Order.objects.filter(shopper="ann").exists()


def test_not_while_a_webhook_of_his_waits(settled, merchant, now):
    _delivery(Order.objects.get(pk=settled[0].order_id), merchant, now, "pending")
    with pytest.raises(StillNeeded, match="webhook"):
        _forget()


def test_not_while_a_dead_letter_of_his_waits(settled, now, item):
    _letter(now, item)
    with pytest.raises(StillNeeded, match="dead letter"):
        _forget()


def test_not_while_his_hold_is_not_released(settled):
    HoldRelease.objects.update(released_at=None)
    with pytest.raises(StillNeeded, match="hold"):
        _forget("cid")


def test_not_while_a_ban_on_him_is_in_force(settled, now):
    ban("shopper", "ann", now + timedelta(hours=1), "fast", "person", now=now)
    with pytest.raises(StillNeeded, match="ban"):
        _forget()


def test_another_shops_customer_of_the_same_id_stays(settled):
    other = Merchant.objects.create(slug="other", name="Other")
    assert forget_shopper(other, "ann", "asked for it").orders == 0
    assert Order.objects.filter(shopper="ann").exists()


@pytest.mark.parametrize("shopper", ["", "a b", "x" * 65, "erased:00"])
def test_what_is_no_shopper_is_refused(merchant, shopper):
    with pytest.raises(ValueError, match="no shopper"):
        forget_shopper(merchant, shopper, "asked for it")


def test_the_command_prints_figures_and_never_the_shopper(settled, capsys):
    call_command("forget_shopper", "shop", "ann", reason="asked for it")
    said = capsys.readouterr().out
    assert "orders 1" in said
    assert "ann" not in said


def test_the_command_says_why_not_yet(settled):
    Campaign.objects.update(settled_at=None)
    with pytest.raises(CommandError, match="not yet: not settled: spring"):
        call_command("forget_shopper", "shop", "ann", reason="asked for it")

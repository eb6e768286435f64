"""Each rule of `undisputed.py` once taken out: what `test_undisputed.py` relies on goes wrong."""

import inspect
import threading

import pytest
from django.db import connections

from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from control_plane.orders import landing, undisputed
from control_plane.orders.models import Order
from control_plane.orders.services import land
from tests.redis.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

_POOL_LOCK = "ORDER BY pool.item_id\n   FOR NO KEY UPDATE"
_ALLOCATION_LOCK = (
    "ORDER BY allocation.item_id, allocation.shard, allocation.epoch\n   FOR NO KEY UPDATE"
)
DEADLINE_S = 60


@pytest.fixture
def units_are_conserved():
    """Off: in most of these tests they are not."""


@pytest.fixture
def without(monkeypatch):
    """`without("lease.is_late or ")`: `land_undisputed` without a piece of its text."""

    def take_out(guard, instead=""):
        text = inspect.getsource(undisputed.land_undisputed)
        assert text.count(guard) == 1, guard
        names = dict(vars(undisputed))
        exec(compile(text.replace(guard, instead), undisputed.__file__, "exec"), names)  # noqa: S102  # ours
        monkeypatch.setattr(landing, "land_undisputed", names["land_undisputed"])

    return take_out


@pytest.fixture
def without_lock(monkeypatch):
    """`_LOOK` without one of its locks."""

    def take_out(lock):
        text = undisputed._LOOK
        assert text.count(lock) == 1, lock
        monkeypatch.setattr(undisputed, "_LOOK", text.replace(lock, lock.partition("\n")[0]))

    return take_out


@pytest.fixture
def two_batches(monkeypatch, at_once):
    """Land both so that the second looks before the first commits, unless a lock keeps it.

    Who has looked waits until the other has looked too or waits for a lock.
    """
    real_make = undisputed._make
    looked = []

    def make(*arguments):
        looked.append(threading.current_thread())
        observer = connections.create_connection("default")
        try:
            until(lambda: len(looked) > 1 or _waits(observer), "the other one", DEADLINE_S)
        finally:
            observer.close()
        return real_make(*arguments)

    def run(now, *batches):
        with monkeypatch.context() as patched:
            patched.setattr(undisputed, "_make", make)
            return at_once([lambda batch=batch: land(batch, now) for batch in batches])

    return run


def _waits(observer):
    with observer.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchall()


def _reasons(landed):
    return [one.reason for one in landed]


def test_control_without_the_room_everybody_in_the_batch_is_judged(
    allocation, intent, now, open_epoch, without, caplog
):
    other = Item.objects.create(
        campaign=allocation.item.campaign, sku="CUP", title="Cup", units=1, price_minor=500
    )
    inventory.open_pool(other)
    open_epoch(of=other, units=1)
    batch = [intent("ann"), *(intent(name, item=other.pk) for name in ("bob", "cid"))]
    without(" or sum(map(_qty_of, group)) > lease.room")
    caplog.set_level("INFO", logger=landing.__name__)
    assert _reasons(land(batch, now)) == ["", "", "over_granted"]
    assert "the whole batch is judged" in caplog.text
    assert "allocation_consumed_within_granted" in caplog.text


def test_control_without_the_limit_who_asks_twice_gets_more(allocation, intent, now, without):
    without("asks[_shopper_of(one)] <= limit", "True")
    assert _reasons(land([intent("cid"), intent("cid", key="2")], now)) == ["", ""]


def test_control_without_the_limits_first_look_who_asks_twice_gets_more(
    allocation, intent, now, without
):
    without(" or max(asks.values()) > limit")
    assert _reasons(land([intent("cid"), intent("cid", key="2")], now)) == ["", ""]


def test_control_without_the_look_at_orders_a_shopper_gets_a_second(
    allocation, intent, now, without
):
    land([intent("ann")], now)
    without("and _shopper_of(one) not in disputed")
    assert _reasons(land([intent("ann", key="2")], now)) == [""]


def test_control_without_the_look_at_the_epoch_a_late_order_is_made_of_nothing(
    item, allocation, intent, now, close, without
):
    close(allocation)
    without("lease.is_late or ")
    land([intent("ann")], now)
    assert inventory.conservation(item.pk).drift == -1


@pytest.mark.parametrize("shard", [0, 1])
def test_a_shopper_in_two_batches_at_once_gets_one_order(
    allocation, intent, now, open_epoch, two_batches, shard
):
    other = _second(allocation, open_epoch, shard)
    landed = two_batches(now, [intent("ann")], [intent("ann", key="2", shard=other)])
    assert sorted(_reasons(one for batch in landed for one in batch)) == ["", "over_limit"]
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("shard", "locks"),
    [
        (0, [_POOL_LOCK, _ALLOCATION_LOCK]),
        # Another allocation's lock is another one.
        (1, [_POOL_LOCK]),
    ],
)
def test_control_without_the_locks_a_shopper_in_two_batches_gets_two(
    allocation, intent, now, open_epoch, two_batches, without_lock, shard, locks
):
    for lock in locks:
        without_lock(lock)
    other = _second(allocation, open_epoch, shard)
    landed = two_batches(now, [intent("ann")], [intent("ann", key="2", shard=other)])
    assert _reasons(one for batch in landed for one in batch) == ["", ""]
    assert Order.objects.count() == 2


def _second(allocation, open_epoch, shard):
    """The shard of the second batch: the same one, or one of its own with units."""
    if shard:
        inventory.settle_reclaim(inventory.begin_reclaim(allocation.pk, 4, 0).pk, 4)
        open_epoch(shard=shard, units=4)
    return shard

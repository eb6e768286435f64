"""Shoppers' statuses come back by themselves after the work Redis has lost them. A real one."""

import dataclasses
import json
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from control_plane.orders import mending, projection, tasks
from control_plane.orders.models import Order
from control_plane.orders.services import end_order, land
from tests.gateway.plain_redis import PlainRedis
from tests.redis.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis that nobody else works with: it is emptied."""
    plain = PlainRedis(tmp_path_factory.mktemp("work") / "redis")
    with plain.running(appendonly="no"):
        yield f"redis://127.0.0.1:{plain.port}/0"


@pytest.fixture
def work_redis(server, monkeypatch, now):
    """Empty; all of the control plane works with it, and it is the time of the sale."""
    monkeypatch.setattr(settings, "ENV", dataclasses.replace(settings.ENV, work_redis_url=server))
    monkeypatch.setattr(timezone, "now", lambda: now)
    projection._work_redis.cache_clear()
    with projection.connect(server) as client:
        client.flushall()
        yield client
    projection._work_redis.cache_clear()


@pytest.fixture
def landed(allocation, intent, now):
    return land([intent(f"shopper-{n}") for n in range(11)], now)


def _states(work_redis, landed):
    stored = work_redis.mget([projection.KEY_PREFIX + one.reservation_id for one in landed])
    return [text and json.loads(text)["state"] for text in stored]


def test_what_was_lost_in_the_middle_of_a_sale_comes_back(work_redis, landed, now):
    projection.write(work_redis, landed)
    assert end_order(landed[0].order_id, "cancelled", now)
    Order.objects.filter(pk=landed[1].order_id).update(state="paid")
    work_redis.flushall()
    assert _states(work_redis, landed) == [None] * 11
    tasks.mend_statuses()
    assert _states(work_redis, landed) == ["cancelled", "paid", *["confirmed"] * 8, "rejected"]
    stored = work_redis.get(projection.KEY_PREFIX + landed[2].reservation_id)
    assert stored == projection.status(landed[2]).encode()


def test_what_is_whole_is_not_written_again(work_redis, landed):
    tasks.mend_statuses()
    work_redis.delete(projection.KEY_PREFIX + landed[0].reservation_id)
    tasks.mend_statuses()
    assert _states(work_redis, landed)[0] is None


def test_a_server_that_came_up_again_with_an_older_disk_is_not_believed(work_redis, landed):
    work_redis.set(projection.MARKER, f"{mending.WHOLE} {'0' * 40}")
    tasks.mend_statuses()
    assert _states(work_redis, landed)[0] == "confirmed"


def test_a_server_that_is_nearly_full_is_not_filled_with_old_ones(work_redis, landed, monkeypatch):
    monkeypatch.setattr(mending, "NEARLY_FULL", 0.01)
    work_redis.config_set("maxmemory", "50mb")
    try:
        tasks.mend_statuses()
        assert _states(work_redis, landed) == [None] * 11
        assert work_redis.get(projection.MARKER).startswith(b"whole"), "and it is not tried again"
    finally:
        work_redis.config_set("maxmemory", 0)


def test_a_step_takes_so_many_and_the_newest_first(work_redis, landed, now):
    assert not mending.mend_step(work_redis, now, 4)
    assert not mending.mend_step(work_redis, now, 4)
    assert _states(work_redis, landed[:10]) == [None] * 6 + ["confirmed"] * 4
    assert [mending.mend_step(work_redis, now, 4) for _ in range(3)] == [False, True, True]
    assert None not in _states(work_redis, landed)


def test_rejections_are_read_a_step_at_a_time_too(work_redis, landed, intent, now):
    rejected = land([intent(f"late-{n}", epoch=7) for n in range(8)], now) + landed[10:]
    steps = 0
    while not mending.mend_step(work_redis, now, 4):
        written = len([one for one in _states(work_redis, rejected) if one])
        # The mark, then four by four, the last of them with the first orders.
        assert written == [0, 4, 8, 9][min(steps, 3)]
        steps += 1
    assert _states(work_redis, rejected) == ["rejected"] * 9
    assert None not in _states(work_redis, landed)


def test_what_is_lost_while_it_is_mended_is_mended_too(work_redis, landed, now, monkeypatch):
    real_write = projection.write
    times = []

    def write_and_lose(client, outcomes):
        real_write(client, outcomes)
        times.append(1)
        if len(times) == 5:
            client.flushall()

    monkeypatch.setattr(projection, "write", write_and_lose)
    monkeypatch.setattr(tasks, "STATUSES_A_STEP", 4)
    tasks.mend_statuses()
    assert len(times) > 5
    assert None not in _states(work_redis, landed)


def test_what_would_be_forgotten_by_now_is_not_written(work_redis, landed, now):
    later = now + timedelta(seconds=projection.TTL_S + 1)
    while not mending.mend_step(work_redis, later, 4):
        pass
    # At most the step in which it saw that.
    assert _states(work_redis, landed) == [None] * 6 + ["confirmed"] * 4 + [None]


def test_a_newer_status_stays(work_redis, landed):
    paid = landed[0]._replace(state="paid")
    projection.write(work_redis, [paid])
    tasks.mend_statuses()
    assert _states(work_redis, landed)[0] == "paid"


def test_a_shopper_whose_order_was_replaced_sees_the_new_one(work_redis, landed, now):
    old, new = landed[0], landed[1]
    Order.objects.filter(pk=old.order_id).update(state="expired")
    Order.objects.filter(pk=new.order_id).update(state="paid", replaces_id=old.order_id)
    tasks.mend_statuses()
    assert _states(work_redis, [old, new]) == ["paid", "paid"]
    # The books of this test were not moved with it.
    Order.objects.filter(pk=old.order_id).update(state="unpaid")


def test_a_redis_that_is_away_is_waited_for(work_redis, landed, monkeypatch):
    away = dataclasses.replace(settings.ENV, work_redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with monkeypatch.context() as patched:
        patched.setattr(settings, "ENV", away)
        tasks.mend_statuses()
    tasks.mend_statuses()
    assert None not in _states(work_redis, landed)


def test_what_a_cut_kept_from_being_written_comes_back_without_a_restart(work_redis, landed):
    tasks.mend_statuses()
    unwritten, later = landed[:5], landed[5:]
    work_redis.delete(*(projection.KEY_PREFIX + one.reservation_id for one in unwritten))
    with projection.connect(f"redis://127.0.0.1:{free_port()}/0") as away:
        projection.write_or_log(away, unwritten)
        projection.write_or_log(away, unwritten)
    tasks.mend_statuses()
    assert None in _states(work_redis, landed)
    projection.write_or_log(work_redis, later)
    tasks.mend_statuses()
    assert None not in _states(work_redis, landed)
    # Once: what is whole is not written for ever.
    assert not projection.is_missed()


def test_a_cut_before_the_mark_is_taken_away_is_remembered(work_redis, landed):
    projection.note_missed()
    away = projection.connect(f"redis://127.0.0.1:{free_port()}/0")
    with away, pytest.raises(redis.ConnectionError):
        projection.mend_missed(away)
    assert projection.is_missed()
    projection.mend_missed(work_redis)
    assert not projection.is_missed()

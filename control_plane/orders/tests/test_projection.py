"""The newest status of a reservation stays, whoever writes last. On the stack's work Redis."""

import json
import uuid
from datetime import UTC, datetime

import pytest
import redis
from django.conf import settings

from control_plane.orders import projection
from control_plane.orders.landed import Landed

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def work_redis():
    return projection.connect(settings.ENV.work_redis_url)


@pytest.fixture
def landed(work_redis):
    name = f"test-{uuid.uuid4()}"
    yield Landed(name, 7, "ann", 2, 42, "unpaid", "", "TEA", 3998, "CNY", NOW, NOW, True, False)
    work_redis.delete(projection.KEY_PREFIX + name)


def _stored(work_redis, landed):
    return json.loads(work_redis.get(projection.KEY_PREFIX + landed.reservation_id))


def test_the_shopper_sees_his_order(work_redis, landed):
    projection.write(work_redis, [landed])
    assert _stored(work_redis, landed) == {
        "reservation_id": landed.reservation_id,
        "item": 7,
        "qty": 2,
        "shopper": "ann",
        "state": "confirmed",
        "order": "S0000000042",
        "pay_by_ms": round(NOW.timestamp() * 1000),
    }
    assert 0 < work_redis.ttl(projection.KEY_PREFIX + landed.reservation_id) <= projection.TTL_S


def test_a_rejection_has_its_reason_and_no_order(work_redis, landed):
    refused = landed._replace(order_id=None, pay_by=None, state="", reason="over_limit")
    projection.write(work_redis, [refused])
    stored = _stored(work_redis, landed)
    assert (stored["state"], stored["reason"]) == ("rejected", "over_limit")
    assert "order" not in stored


def test_a_batch_of_several_calls_is_written_whole(work_redis, landed, monkeypatch):
    monkeypatch.setattr(projection, "_STATUSES_A_CALL", 2)
    batch = [landed._replace(reservation_id=f"{landed.reservation_id}-{n}") for n in range(5)]
    try:
        projection.write(work_redis, (one for one in batch))
        assert [_stored(work_redis, one)["reservation_id"] for one in batch] == [
            one.reservation_id for one in batch
        ]
    finally:
        work_redis.delete(*(projection.KEY_PREFIX + one.reservation_id for one in batch))


@pytest.mark.parametrize(
    ("states", "stays"),
    [
        (("unpaid", "paid"), "paid"),
        (("paid", "unpaid"), "paid"),
        (("unpaid", "expired", "unpaid"), "expired"),
        (("expired", "paid"), "paid"),
        (("cancelled", "unpaid"), "cancelled"),
        (("paid", "expired"), "paid"),
        (("unpaid", "unpaid"), "confirmed"),
    ],
)
def test_the_newest_rank_stays_in_whatever_order_they_come(work_redis, landed, states, stays):
    for state in states:
        projection.write(work_redis, [landed._replace(state=state)])
    assert _stored(work_redis, landed)["state"] == stays


def test_what_cannot_be_read_is_written_over(work_redis, landed):
    work_redis.set(projection.KEY_PREFIX + landed.reservation_id, "spoilt")
    projection.write(work_redis, [landed])
    assert _stored(work_redis, landed)["state"] == "confirmed"


def test_a_large_batch_is_written_whole(work_redis, landed):
    many = [landed._replace(reservation_id=f"{landed.reservation_id}-{n}") for n in range(2300)]
    projection.write(work_redis, many)
    keys = [projection.KEY_PREFIX + one.reservation_id for one in many]
    assert work_redis.delete(*keys) == 2300


def test_a_redis_that_is_away_is_told():
    away = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    projection.write(away, [])
    with pytest.raises(redis.ConnectionError):
        projection.write(
            away, [Landed("r", 1, "a", 1, 1, "paid", "", "", 1, "", NOW, NOW, True, False)]
        )

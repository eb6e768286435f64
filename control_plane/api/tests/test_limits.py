"""How often a key may ask."""

import pytest
import redis
from django.conf import settings

from control_plane.api import throttling
from control_plane.api.tests.conftest import problem

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns/"
REAL_TAKE = throttling.take


@pytest.fixture
def limits(monkeypatch, without_redis):
    """The real ones, and small: three at once, then one in 1000 s, so that no clock matters."""
    monkeypatch.setattr(throttling, "take", lambda caller, _rate, _burst: _take(caller))
    work_redis = redis.Redis.from_url(settings.ENV.work_redis_url)
    yield
    for key in work_redis.scan_iter(f"{throttling.KEY_PREFIX}*"):
        work_redis.delete(key)


def _take(caller):
    return REAL_TAKE(caller, 0.001, 3)


def test_what_is_too_much_is_told_how_long_to_wait(call, limits):
    assert [call("get", URL).status_code for _ in range(3)] == [200] * 3
    answer = call("get", URL)
    assert problem(answer) == (429, "throttled")
    assert 900 < int(answer["Retry-After"]) <= 1000
    assert answer.json()["retry_after_ms"] == int(answer["Retry-After"]) * 1000


def test_another_key_has_a_bucket_of_its_own(call, call_with, limits):
    while call("get", URL).status_code == 200:
        pass
    assert call_with()("get", URL).status_code == 200


def test_of_many_at_once_no_more_get_through(at_once, limits):
    waits = at_once([lambda: _take("key:race")] * 8)
    assert sorted(wait == 0 for wait in waits) == [False] * 5 + [True] * 3


def test_without_the_work_redis_nobody_is_refused(call, monkeypatch):
    def away(*args):
        raise redis.ConnectionError

    monkeypatch.setattr(throttling, "take", away)
    assert call("get", URL).status_code == 200


def test_strangers_take_nothing_from_anybody(client, monkeypatch):
    monkeypatch.setattr(throttling, "take", lambda *args: pytest.fail("asked"))
    assert client.get(URL).status_code == 401

"""The internal endpoints of a real server process."""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders import internal
from control_plane.orders.models import DatabaseIntent

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

DEADLINE_S = 30


@pytest.fixture
def now():
    """The server reads the real clock."""
    return timezone.now()


@pytest.fixture
def epoch(item, open_epoch, now):
    """A database epoch of a sale that runs."""
    type(item.campaign).objects.update(starts_at=now, state="live")
    inventory.switch_source("database", reason="test", by=None)
    return open_epoch()


@pytest.fixture
def body(item, intent):
    def build(*shoppers, **changes):
        wishes = [intent(shopper) for shopper in shoppers]
        lines = [
            f"{one.shopper} {one.reservation_id}={one.qty} device regular {one.at_ms}"
            for one in wishes
        ]
        return {"item": item.pk, "shard": 0, "epoch": 1, "lines": lines} | changes

    return build


def _ask(url, content=None, token=None):
    """(status, headers, parsed body); a POST when there is something to send."""
    token = settings.ENV.internal_token if token is None else token
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, json.loads(answer.read())


def _reserve(server, content, **how):
    return _ask(f"{server}/internal/reserve", content, **how)


def test_it_reserves_and_knows_what_it_reserved(server, epoch, body, intent):
    status, headers, answer = _reserve(server, body("ann", "bob", "ann"))
    assert (status, answer) == (200, {"codes": "RRA", "again": "1"})
    assert headers["Cache-Control"] == "no-store"
    assert DatabaseIntent.objects.count() == 2
    status_of = f"{server}/internal/reservations/{intent('ann').reservation_id}"
    assert _ask(f"{status_of}?shopper=ann")[::2] == (200, {"qty": 1})
    assert _ask(f"{status_of}?shopper=bob")[0] == 404
    assert _ask(status_of)[0] == 400
    assert _ask(f"{status_of}?shopper=ann&shopper=bob")[0] == 400


def test_it_says_no_only_when_no_old_epoch_may_hold_the_reservation(server, item, epoch, intent):
    """What a shard of Redis reserved is in its outbox or in Kafka until that epoch is closed."""
    old = Allocation.objects.create(item=item, shard=0, epoch=99, state="draining")
    status_of = f"{server}/internal/reservations/{intent('ann').reservation_id}?shopper=ann"
    status, headers, _ = _ask(status_of)
    assert (status, headers["Retry-After"]) == (503, "1")
    for stranger in (f"{item.pk}-1-x", "x", "-", "9" * 30 + "-0-x"):
        assert _ask(f"{server}/internal/reservations/{stranger}?shopper=ann")[0] == 404
    Allocation.objects.filter(pk=old.pk).update(state="closed")
    assert _ask(status_of)[0] == 404


def test_it_refuses_what_is_no_selling_database_epoch(server, epoch, body):
    status, _, answer = _reserve(server, body("ann", epoch=2))
    assert (status, answer["code"]) == (409, "epoch_not_selling")
    Allocation.objects.update(state="draining")
    assert _reserve(server, body("ann"))[0] == 409
    assert Pool.objects.get().unallocated == 10


def test_it_names_what_is_malformed(server, epoch, body):
    status, headers, answer = _reserve(server, body("ann", epoch="one"))
    assert (status, answer["field"]) == (400, "epoch")
    assert headers["Content-Type"] == "application/problem+json"
    too_long = body("ann", padding="x" * internal.BODY_BYTES_MAX)
    assert _reserve(server, too_long)[2]["field"] == "body"


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_stranger_reserves_and_learns_nothing(server, epoch, body, token):
    assert _reserve(server, body("ann"), token=token)[0] == 401
    assert _ask(f"{server}/internal/reservations/x?shopper=ann", token=token)[0] == 401
    assert not DatabaseIntent.objects.exists()


def test_each_path_has_its_method(server):
    assert _ask(f"{server}/internal/reserve")[0] == 405
    assert _ask(f"{server}/internal/reservations/x?shopper=ann", {})[0] == 405


def test_more_than_four_at_once_are_sent_away_at_once(server, item, epoch, body):
    """Somebody holds the pool: four wait for it, the others hear 503 and took nothing."""
    _reserve(server, body("first"))
    callers = internal.RUNNING_MAX + 2
    with ThreadPoolExecutor(callers) as threads:
        with transaction.atomic():
            inventory.lock_pool(item.pk)
            calls = [threads.submit(_reserve, server, body(f"shopper-{n}")) for n in range(callers)]
            deadline = time.monotonic() + DEADLINE_S
            while sum(call.done() for call in calls) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            early = [call.result() for call in calls if call.done()]
        answers = [call.result(DEADLINE_S) for call in calls]
    assert [status for status, _, _ in early] == [503, 503]
    assert {headers["Retry-After"] for _, headers, _ in early} == {"1"}
    assert sorted(status for status, _, _ in answers) == [200] * internal.RUNNING_MAX + [503] * 2
    assert DatabaseIntent.objects.count() == 1 + internal.RUNNING_MAX

"""`GET /internal/snapshot` of a real server process."""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connections

from control_plane.snapshot import services
from control_plane.snapshot.models import Snapshot
from control_plane.snapshot.services import Audience

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

DEADLINE_S = 30


def _get(url, token=None, method="GET"):
    """(status, headers, body) of a request."""
    token = settings.ENV.internal_token if token is None else token
    request = urllib.request.Request(
        url, method=method, headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def _poll(server, after, wait_ms, audience="gateway"):
    query = urlencode({"audience": audience, "after": after, "wait_ms": wait_ms})
    return _get(f"{server}/internal/snapshot?{query}")


def _publish():
    try:
        services.rotate_entry_key()
        return Snapshot.objects.latest("version")
    finally:
        connections.close_all()


def test_it_answers_at_once_when_there_is_a_newer_version(server):
    snapshot = _publish()
    for audience in Audience:
        status, headers, body = _poll(server, after=0, wait_ms=0, audience=audience)
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert headers["Cache-Control"] == "no-store"
        assert json.loads(body) == services.envelope(snapshot, audience)


def test_it_waits_for_the_next_version(server):
    first = _publish()
    assert _poll(server, after=0, wait_ms=0)[0] == 200
    with ThreadPoolExecutor() as threads:
        polls = [
            threads.submit(_poll, server, first.version, wait_ms, audience)
            for wait_ms in (20_000, 25_000)
            for audience in Audience
        ]
        second = _publish()
        answers = [poll.result(DEADLINE_S) for poll in polls]
    assert {json.loads(body)["version"] for _, _, body in answers} == {second.version}


def test_without_a_newer_version_it_answers_304_after_the_wait_and_not_before(server):
    version = _publish().version
    _poll(server, after=0, wait_ms=0)
    asked = time.monotonic()
    status, headers, body = _poll(server, after=version, wait_ms=300)
    waited_ms = (time.monotonic() - asked) * 1000
    assert (status, body, headers["Cache-Control"]) == (304, b"", "no-store")
    assert waited_ms >= 300


@pytest.mark.parametrize("token", ["", "wrong", "wrong" * 20])
def test_a_stranger_learns_nothing(server, token):
    _publish()
    status, headers, body = _get(f"{server}/internal/snapshot?audience=edge", token)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    told = json.loads(body)
    assert len(told.pop("trace_id")) == 32
    assert told == {
        "type": "urn:sluice:problem:bad_token",
        "title": "The bearer token is missing or wrong.",
        "status": 401,
        "code": "bad_token",
    }


def test_a_wrong_parameter_is_named(server):
    status, headers, body = _poll(server, after="new", wait_ms=0)
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert json.loads(body)["field"] == "after"


def test_it_is_only_read(server):
    status, headers, _ = _get(f"{server}/internal/snapshot", method="POST")
    assert (status, headers["Allow"]) == (405, "GET")


def test_the_rest_of_the_control_plane_is_served_beside_it(server):
    assert _get(f"{server}/readyz")[0] == 200
    assert _get(f"{server}/static/campaigns/admin.css")[0] == 200

"""`POST /internal/heartbeat`, of a real server process and by its parts."""

import json
import urllib.error
import urllib.request

import pytest
from django.conf import settings
from django.utils import timezone

from control_plane.config.bare_asgi import BadBody
from control_plane.risk.services import Figure, figure_of
from control_plane.snapshot import heartbeat, services
from control_plane.snapshot.document import epoch_ms
from control_plane.snapshot.models import Heartbeat

DEADLINE_S = 30
WORKER = {"id": 0, "version": 1700000000, "applied_at_ms": 1700000000123}
BEAT = {"instance": "gw-1", "kind": "gateway", "workers": [WORKER], "at_ms": 1700000001000}
DATABASES = ["default", "inventory"]


def _ask(server, content, token=None, method="POST"):
    token = settings.ENV.internal_token if token is None else token
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(
        f"{server}/internal/heartbeat", data, {"Authorization": f"Bearer {token}"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.code, json.loads(answer.read())


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_the_newest_heartbeat_of_an_instance_is_kept(server):
    before = timezone.now()
    assert _ask(server, BEAT) == (204, b"")
    workers = [WORKER | {"version": 1700000005}, WORKER | {"id": 1}]
    assert _ask(server, BEAT | {"workers": workers})[0] == 204
    assert _ask(server, BEAT | {"instance": "edge", "kind": "edge"})[0] == 204
    edge, gateway = Heartbeat.objects.all()
    assert (edge.instance, edge.kind) == ("edge", "edge")
    assert (gateway.workers, gateway.lowest_version) == (workers, 1700000000)
    assert before <= gateway.at <= timezone.now()


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_it_names_what_it_refuses(server):
    status, problem = _ask(server, BEAT | {"kind": "robot"})
    assert (status, problem["code"], problem["field"]) == (400, "bad_request", "kind")
    assert _ask(server, b" " * (heartbeat.BODY_BYTES_MAX + 1))[1]["field"] == "body"
    for token in ("", "wrong"):
        assert _ask(server, BEAT, token=token)[0] == 401
    assert _ask(server, b"", method="GET")[0] == 405
    assert not Heartbeat.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"instance": ""}, "instance"),
        ({"instance": "a b"}, "instance"),
        ({"instance": "x" * 65}, "instance"),
        ({"instance": "gw\n"}, "instance"),
        ({"instance": 1}, "instance"),
        ({"kind": None}, "kind"),
        ({"kind": ["edge"]}, "kind"),
        ({"at_ms": -1}, "at_ms"),
        ({"at_ms": 1.5}, "at_ms"),
        ({"at_ms": True}, "at_ms"),
        ({"at_ms": 2**53}, "at_ms"),
        ({"workers": []}, "workers"),
        ({"workers": {}}, "workers"),
        ({"workers": [WORKER, WORKER]}, "workers"),
        ({"workers": [WORKER | {"id": n} for n in range(513)]}, "workers"),
        ({"workers": [1]}, "workers[0]"),
        ({"workers": [WORKER, {"id": 1}]}, "workers[1]"),
        ({"workers": [WORKER | {"more": 1}]}, "workers[0]"),
        ({"workers": [WORKER | {"id": -1}]}, "workers[0].id"),
        ({"workers": [WORKER | {"id": "a b"}]}, "workers[0].id"),
        ({"workers": [WORKER | {"id": [1]}]}, "workers[0].id"),
        ({"workers": [WORKER | {"version": "1"}]}, "workers[0].version"),
        ({"workers": [WORKER | {"applied_at_ms": None}]}, "workers[0].applied_at_ms"),
        ({"more": 1}, "body"),
    ],
)
def test_what_is_malformed_is_named(changes, field):
    with pytest.raises(BadBody) as refused:
        heartbeat.parse(json.dumps(BEAT | changes).encode())
    assert refused.value.field == field


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(BadBody) as refused:
        heartbeat.parse(body)
    assert refused.value.field == "body"


@pytest.mark.parametrize(
    ("risk", "field"),
    [
        ([], "risk"),
        ({}, "risk"),
        ({"compared": 1, "more": 2}, "risk"),
        ({"compared": -1}, "risk"),
        ({"compared": 1, "matches": {}}, "risk"),
        ({"compared": 1, "matches": [[1, "deny", "shadow", 1]] * 2001}, "risk"),
        ({"compared": 1, "matches": [[1, "deny", "shadow"]]}, "risk.matches[0]"),
        ({"compared": 1, "matches": [["1", "deny", "shadow", 1]]}, "risk.matches[0]"),
        ({"compared": 1, "matches": [[1, "kill", "shadow", 1]]}, "risk.matches[0]"),
        ({"compared": 1, "matches": [[1, "deny", "perhaps", 1]]}, "risk.matches[0]"),
        ({"compared": 1, "matches": [[1, "deny", "shadow", 1.5]]}, "risk.matches[0]"),
    ],
)
def test_what_rules_matched_is_whole_or_refused(risk, field):
    with pytest.raises(BadBody) as refused:
        heartbeat.parse(json.dumps(BEAT | {"risk": risk}).encode())
    assert refused.value.field == field


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_what_rules_matched_is_added_up(server):
    for count in (5, 9):
        risk = {"compared": 10 * count, "matches": [[3, "deny", "shadow", count]]}
        assert _ask(server, BEAT | {"risk": risk})[0] == 204
    assert figure_of(3, timezone.now()) == Figure(40, 4, 0)


@pytest.mark.parametrize("name", BEAT)
def test_nothing_may_be_missing(name):
    beat = {key: value for key, value in BEAT.items() if key != name}
    with pytest.raises(BadBody) as refused:
        heartbeat.parse(json.dumps(beat).encode())
    assert refused.value.field == "body"


def test_a_worker_has_a_number_or_a_name():
    workers = [WORKER, WORKER | {"id": "w-1"}]
    assert heartbeat.parse(json.dumps(BEAT | {"workers": workers}).encode()).workers == workers


@pytest.mark.django_db
def test_it_is_one_statement(now, django_assert_num_queries):
    beat = heartbeat.parse(json.dumps(BEAT | {"at_ms": epoch_ms(now) + 7}).encode())
    for _ in range(2):
        with django_assert_num_queries(1):
            services.record_heartbeat(beat, now)
    assert Heartbeat.objects.get().clock_ahead_ms == 7

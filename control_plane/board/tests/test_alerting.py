"""`POST /internal/alerts`: what Alertmanager says is kept, and nobody else is heard."""

import json
from datetime import timedelta

import pytest
from django.conf import settings

from control_plane.board import alerting, services
from control_plane.board.models import Alert
from control_plane.config.bare_asgi import BadBody

pytestmark = pytest.mark.django_db
SINCE = "2026-11-22T12:00:00.123456789Z"
UNTIL = "2026-11-22T12:05:00Z"


def _alert(**fields):
    return {
        "status": "firing",
        "labels": {"alertname": "Oversold", "severity": "P1", "item": "7"},
        "annotations": {"summary": "1 more", "action": "Stop it."},
        "startsAt": SINCE,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "ab12",
        **fields,
    }


def _body(*alerts):
    return json.dumps({"version": "4", "alerts": list(alerts)}).encode()


def _record(now, *alerts):
    return services.record_alerts(alerting.parse(_body(*alerts)), now)


def test_an_alert_is_kept_from_its_beginning_to_its_end(now):
    assert _record(now, _alert()) == 1
    row = Alert.objects.get()
    assert (row.name, row.severity, row.summary, row.ends_at) == ("Oversold", "P1", "1 more", None)
    assert _record(now, _alert()) == 0
    assert _record(now, _alert(status="resolved", endsAt=UNTIL)) == 1
    row.refresh_from_db()
    assert row.ends_at is not None
    assert row.ends_at - row.starts_at == timedelta(minutes=4, seconds=59, microseconds=876544)


def test_a_late_repeat_of_the_beginning_does_not_undo_the_end(now):
    _record(now, _alert(status="resolved", endsAt=UNTIL))
    _record(now, _alert())
    assert Alert.objects.get().ends_at is not None


def test_the_same_alert_that_fires_again_is_another_one(now):
    _record(now, _alert(status="resolved", endsAt=UNTIL))
    _record(now, _alert(startsAt="2026-11-22T13:00:00Z"))
    assert Alert.objects.count() == 2


def test_its_end_ends_whatever_of_it_is_open(now):
    """Of an alert without a beginning Alertmanager says that it began when it ended."""
    _record(now, _alert())
    _record(now, _alert(status="resolved", startsAt=UNTIL, endsAt=UNTIL))
    assert not Alert.objects.filter(ends_at=None).exists()


def test_a_later_beginning_ends_the_one_before(now):
    _record(now, _alert())
    _record(now, _alert(startsAt="2026-11-22T13:00:00Z"))
    _record(now, _alert())
    assert [row.starts_at.hour for row in Alert.objects.filter(ends_at=None)] == [13]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[" * 5000, "body"),
        (b"{}", "version"),
        (_body(), "alerts"),
        (_body(*[_alert()] * 201), "alerts"),
        (_body(1), "alerts[0].status"),
        (_body(_alert(status="odd")), "alerts[0].status"),
        (_body(_alert(labels={"severity": 1})), "alerts[0].labels"),
        (_body(_alert(labels={"severity": "P3"})), "alerts[0].labels.severity"),
        (_body(_alert(fingerprint="")), "alerts[0].fingerprint"),
        (_body(_alert(startsAt="now")), "alerts[0].startsAt"),
        (_body(_alert(startsAt="2026-11-22T12:00:00")), "alerts[0].startsAt"),
        (_body(_alert(), _alert(status="resolved", endsAt=5)), "alerts[1].endsAt"),
    ],
)
def test_it_names_what_it_refuses(body, field):
    with pytest.raises(BadBody) as refused:
        alerting.parse(body)
    assert refused.value.field == field


async def _post(body, token):
    sent = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {"method": "POST", "path": alerting.PATH, "headers": headers}
    await alerting.application(scope, receive, send)
    return sent[0]["status"]


async def test_the_internal_token_is_not_the_monitoring_token():
    assert await _post(_body(_alert()), settings.ENV.internal_token) == 401
    assert await _post(b"{", settings.ENV.monitoring_token) == 400

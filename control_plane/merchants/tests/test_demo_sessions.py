"""`POST /api/v1/demo/sessions`."""

from dataclasses import replace

import jwt
import pytest
from django.conf import settings as live_settings

pytestmark = pytest.mark.django_db

URL = "/api/v1/demo/sessions"


@pytest.fixture(autouse=True)
def demo(settings):
    settings.ENV = replace(live_settings.ENV, demo=True)


def _post(client, body):
    return client.post(URL, body, content_type="application/json")


def test_it_signs_a_session_for_the_shopper(client):
    answer = _post(client, {"shopper": "u-1"})
    assert answer.status_code == 200
    assert list(answer.json()) == ["session"]
    claims = jwt.decode(answer.json()["session"], options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == ("demo", "u-1")


def test_it_does_not_exist_where_the_demo_is_off(client, settings):
    settings.ENV = replace(settings.ENV, demo=False)
    answer = _post(client, {"shopper": "u-1"})
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:sluice:problem:not_found",
        "title": "There is no such thing here.",
        "status": 404,
        "code": "not_found",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "This field is required."),
        ({"shopper": ""}, "This field may not be blank."),
        ({"shopper": "a b"}, "Must be 1 to 64 characters of A-Z a-z 0-9 . _ : -"),
        ({"shopper": "a\n"}, "Must be 1 to 64 characters of A-Z a-z 0-9 . _ : -"),
        ({"shopper": ["a"]}, "Must be 1 to 64 characters of A-Z a-z 0-9 . _ : -"),
    ],
)
def test_it_names_the_field_it_refuses(client, body, reason):
    answer = _post(client, body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert answer.json()["errors"] == {"shopper": [reason]}


def test_it_refuses_what_is_not_json(client):
    answer = _post(client, "{")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_it_only_takes_post(client):
    answer = client.get(URL)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")

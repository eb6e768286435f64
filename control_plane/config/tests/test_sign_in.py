"""Wrong passwords are counted by name and address; nobody talks himself into another address."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User

from control_plane.config import sign_in

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def limits(settings):
    settings.AXES_FAILURE_LIMIT = 3


@pytest.fixture
def ann():
    return User.objects.create_user("ann", password="right-horse", is_staff=True)


def _sign_in(client, password, name="ann", **headers):
    return client.post(LOGIN, {"username": name, "password": password}, **headers)


def test_the_right_password_gets_in(client, ann):
    assert _sign_in(client, "right-horse").status_code == 302
    assert client.get("/admin/").status_code == 200


def test_after_too_many_wrong_ones_the_right_one_does_not_help(client, ann):
    for _time in range(3):
        answer = _sign_in(client, "wrong")
    assert answer.status_code == 429
    refused = _sign_in(client, "right-horse")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) == 15 * 60
    assert "Too many wrong passwords" in refused.content.decode()


def test_others_and_the_same_name_from_elsewhere_get_in(client, ann):
    User.objects.create_user("bob", password="right-horse", is_staff=True)
    for _time in range(4):
        _sign_in(client, "wrong")
    assert _sign_in(client, "right-horse", "bob").status_code == 302
    assert _sign_in(client, "right-horse", REMOTE_ADDR="198.51.100.7").status_code == 302


def test_who_does_not_exist_is_refused_alike(client, ann):
    answers = [_sign_in(client, "wrong", name).content for name in ("ann", "nobody")]
    assert [b"Please enter the correct" in answer for answer in answers] == [True, True]


def test_a_password_sent_along_is_counted_too(client, ann):
    from base64 import b64encode

    wrong = {"HTTP_AUTHORIZATION": "Basic " + b64encode(b"ann:wrong").decode()}
    for _time in range(4):
        assert client.get("/api/v1/campaigns/", **wrong).status_code in (401, 429)
    assert _sign_in(client, "right-horse").status_code == 429


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the left part is his own word
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("203.0.113.9", "6.6.6.6", "203.0.113.9"),  # not through a proxy of ours
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "not-an-address", "not-an-address"),
        ("", "6.6.6.6", None),
    ],
)
def test_whose_address_it_is(rf, settings, remote, forwarded, address):
    networks = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"))
    console = replace(settings.ENV.console, proxies=networks)
    settings.ENV = replace(settings.ENV, console=console)
    request = rf.get(LOGIN, REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert sign_in.client_address(request) == address


def test_no_password_is_written_down(client, ann):
    _sign_in(client, "almost-right-horse")
    (attempt,) = AccessAttempt.objects.values()
    assert attempt["username"] == "ann"
    assert "almost-right-horse" not in str(attempt)

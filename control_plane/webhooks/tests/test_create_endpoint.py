"""`python -m control_plane create_endpoint`."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from control_plane.webhooks.models import ORDER_TYPES, Endpoint

pytestmark = pytest.mark.django_db

URL = "https://shop.example/hooks"


@pytest.fixture(autouse=True)
def strict(settings):
    settings.ENV = replace(settings.ENV, webhooks_private=False)


def _run(*arguments):
    out = StringIO()
    call_command("create_endpoint", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_it_prints_the_secret(merchant):
    said = _run("shop", URL)
    made = Endpoint.objects.get()
    assert said == {"id": made.pk, "secret": made.secrets.get().secret}
    assert made.events == list(ORDER_TYPES)


def test_some_events(merchant):
    _run("shop", URL, "--events", "order.paid")
    assert Endpoint.objects.get().events == ["order.paid"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", URL), "there is no merchant 'nobody'"),
        (("shop", "http://shop.example/"), "must begin with https://"),
        (("shop", "https://10.0.0.1/"), "not in the internet"),
        (("shop", URL, "--events", "order.lost"), "invalid choice"),
    ],
)
def test_what_is_wrong_is_said(merchant, arguments, said):
    with pytest.raises(CommandError, match=said):
        _run(*arguments)
    assert not Endpoint.objects.exists()


def test_twice_is_refused(merchant):
    _run("shop", URL)
    with pytest.raises(CommandError, match="already"):
        _run("shop", URL)

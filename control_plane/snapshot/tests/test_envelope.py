"""The envelope: the document as a string and a MAC over exactly that string."""

import hashlib
import hmac
import json

import pytest
from django.conf import settings

from control_plane.merchants.services import create_session_key
from control_plane.snapshot import services
from control_plane.snapshot.models import Snapshot
from control_plane.snapshot.services import Audience

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot(approved, merchant):
    create_session_key(merchant)
    return Snapshot.objects.latest("version")


@pytest.mark.parametrize("audience", list(Audience))
def test_the_mac_is_over_the_bytes_of_the_body(snapshot, audience):
    envelope = services.envelope(snapshot, audience)
    key = settings.ENV.snapshot_key.encode()
    mac = hmac.new(key, envelope["body"].encode(), hashlib.sha256).hexdigest()
    assert list(envelope) == ["version", "mac", "body"]
    assert envelope["mac"] == mac
    assert json.loads(envelope["body"])["version"] == envelope["version"] == snapshot.version


def test_the_edge_gets_the_merchants_keys_and_a_gateway_those_of_tickets(snapshot):
    edge = json.loads(services.envelope(snapshot, Audience.EDGE)["body"])
    gateway = json.loads(services.envelope(snapshot, Audience.GATEWAY)["body"])
    assert list(edge.pop("merchants")) == ["shop"]
    assert len(gateway.pop("ticket_keys")) == 1
    assert edge == gateway


def test_building_an_envelope_leaves_the_snapshot_whole(snapshot):
    services.envelope(snapshot, Audience.GATEWAY)
    assert "merchants" in snapshot.document


def test_the_same_version_has_the_same_bytes(snapshot):
    again = Snapshot.objects.get(pk=snapshot.pk)
    assert services.envelope(again, Audience.EDGE) == services.envelope(snapshot, Audience.EDGE)

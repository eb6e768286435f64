"""Keys of entry tokens: one signs, the one before it still verifies."""

import json

import jwt
import pytest
from django.core.management import call_command

from control_plane.snapshot import services
from control_plane.snapshot.models import EntryKey, Snapshot

pytestmark = pytest.mark.django_db


def _published():
    keys = Snapshot.objects.latest("version").document["entry_keys"]
    return [(key["kid"], key["sign"]) for key in keys]


def test_the_first_key_is_made_once():
    first = services.ensure_entry_key()
    assert services.ensure_entry_key() == first
    assert EntryKey.objects.count() == 1
    assert len(jwt.utils.base64url_decode(first.secret)) == 32


@pytest.mark.django_db(transaction=True)
def test_the_first_key_is_made_once_when_many_ask_at_once(at_once):
    assert len({key.kid for key in at_once([services.ensure_entry_key] * 4)}) == 1


def test_after_a_rotation_the_new_key_signs_and_the_old_one_verifies():
    old = services.ensure_entry_key()
    new = services.rotate_entry_key()
    assert _published() == [(new.kid, True), (old.kid, False)]


def test_after_two_rotations_the_oldest_is_gone():
    oldest = services.ensure_entry_key()
    middle = services.rotate_entry_key()
    newest = services.rotate_entry_key()
    assert _published() == [(newest.kid, True), (middle.kid, False)]
    oldest.refresh_from_db()
    assert oldest.active is False


def test_the_command_prints_the_key_that_signs_now(capsys):
    call_command("rotate_entry_keys")
    assert _published()[0] == (json.loads(capsys.readouterr().out)["kid"], True)

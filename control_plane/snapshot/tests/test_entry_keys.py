"""Keys of entry tokens: one signs, the one before it still verifies."""

import json
from datetime import timedelta

import jwt
import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.snapshot import services
from control_plane.snapshot.document import KEY_SPREADS
from control_plane.snapshot.models import EntryKey, Snapshot

pytestmark = pytest.mark.django_db


def _published(section="entry_keys"):
    keys = Snapshot.objects.latest("version").document[section]
    return [(key["kid"], key["sign"]) for key in keys]


def _known_a_while():
    """All keys are old enough to sign; publish what follows from it."""
    EntryKey.objects.update(created_at=F("created_at") - KEY_SPREADS)
    services.sign_with_due_key(timezone.now())


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
    _known_a_while()
    assert _published() == [(new.kid, True), (old.kid, False)]


def test_a_new_key_does_not_sign_before_every_gateway_can_know_it():
    old = services.ensure_entry_key()
    new = services.rotate_entry_key()
    services.sign_with_due_key(timezone.now())
    assert _published() == [(new.kid, False), (old.kid, True)]
    assert _published("ticket_keys") == [(new.kid, False), (old.kid, True)]


def test_nothing_is_published_while_no_key_is_due():
    services.ensure_entry_key()
    services.rotate_entry_key()
    _known_a_while()
    version = Snapshot.objects.latest("version").version
    services.sign_with_due_key(timezone.now())
    assert Snapshot.objects.latest("version").version == version


def test_after_two_rotations_the_oldest_is_gone():
    oldest = services.ensure_entry_key()
    middle = services.rotate_entry_key()
    newest = services.rotate_entry_key()
    _known_a_while()
    assert _published() == [(newest.kid, True), (middle.kid, False)]
    oldest.refresh_from_db()
    assert oldest.active is False


def _opened(campaign, ago):
    """It has been on sale for so long."""
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(
        state=CampaignState.LIVE, starts_at=now - ago, ends_at=now + ago
    )


def test_tickets_outlive_the_keys_of_entry_tokens_as_long_as_the_sale_goes_on(approved):
    _known_a_while()
    oldest = EntryKey.objects.get()
    _opened(approved, timedelta(minutes=1))
    EntryKey.objects.update(created_at=timezone.now() - timedelta(hours=1))
    middle = services.rotate_entry_key()
    newest = services.rotate_entry_key()
    assert [kid for kid, _ in _published("entry_keys")] == [newest.kid, middle.kid]
    assert [kid for kid, _ in _published("ticket_keys")] == [newest.kid, middle.kid, oldest.kid]
    Campaign.objects.update(state=CampaignState.ENDED, ended_at=timezone.now())
    _known_a_while()
    services.publish("ended")
    assert _published("ticket_keys") == [(newest.kid, True)]


def test_a_key_from_before_the_first_queue_signed_no_ticket(approved):
    old = EntryKey.objects.get()
    EntryKey.objects.update(created_at=timezone.now() - timedelta(hours=2))
    new = services.rotate_entry_key()
    EntryKey.objects.filter(pk=new.pk).update(created_at=timezone.now() - timedelta(hours=1))
    _opened(approved, timedelta(minutes=1))
    services.publish("on sale")
    assert _published("entry_keys") == [(new.kid, True), (old.kid, False)]
    assert _published("ticket_keys") == [(new.kid, True)]


def test_what_leaked_keys_signed_is_refused_at_once(approved):
    _opened(approved, timedelta(minutes=1))
    services.rotate_entry_key()
    new = services.rotate_entry_key(reason="laptop stolen", leaked=True)
    assert _published("entry_keys") == _published("ticket_keys") == [(new.kid, True)]


def test_the_command_prints_the_key_that_signs_now(capsys):
    services.ensure_entry_key()
    call_command("rotate_entry_keys", "--leaked")
    assert _published() == [(json.loads(capsys.readouterr().out)["kid"], True)]

"""Versions and keys in the admin: which there are, not what is in them."""

import pytest

from control_plane.snapshot.models import EntryKey, Snapshot

pytestmark = pytest.mark.django_db


def test_no_secret_is_shown(admin_client, approved):
    key, version = EntryKey.objects.get(), Snapshot.objects.get()
    pages = [
        "/admin/snapshot/entrykey/",
        f"/admin/snapshot/entrykey/{key.pk}/change/",
        "/admin/snapshot/snapshot/",
        f"/admin/snapshot/snapshot/{version.pk}/change/",
    ]
    for page in pages:
        answer = admin_client.get(page)
        assert answer.status_code == 200
        assert key.secret not in answer.content.decode()


@pytest.mark.parametrize("model", ["entrykey", "snapshot"])
def test_nobody_can_write(admin_client, approved, model):
    assert admin_client.get(f"/admin/snapshot/{model}/add/").status_code == 403

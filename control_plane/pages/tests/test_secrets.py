"""Nothing that is secret is in any published file: real secrets of database and environment."""

import os

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db import models

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import QueueMode
from control_plane.merchants.services import ensure_demo_merchant
from control_plane.pages import services
from control_plane.pages.facts import campaigns_to_publish
from control_plane.pages.pictures import draw
from control_plane.pages.tests.conftest import upload, write
from control_plane.queues.models import Draw
from control_plane.snapshot.models import EntryKey

pytestmark = pytest.mark.django_db

SECRET_WORDS = ("secret", "seed", "path_key", "password", "token", "session_key", "mac")
# Shorter ones are counters, flags and times that a file may hold by chance.
SHORTEST = 8


def _secrets_of_the_database():
    """Every text in a column whose name says that it is secret, of every table there is."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            is_text = isinstance(field, (models.CharField, models.TextField))
            if is_text and any(word in field.attname for word in SECRET_WORDS):
                for value in model._base_manager.values_list(field.attname, flat=True):
                    yield f"{model._meta.label}.{field.attname}", str(value or "")


def _secrets_of_the_environment():
    marks = ("KEY", "TOKEN", "PASSWORD", "DSN", "SECRET", "URL")
    for name, value in os.environ.items():
        if name.startswith("SLUICE_") and any(mark in name for mark in marks):
            yield name, value
    for database in settings.DATABASES.values():
        yield "database", database["PASSWORD"]
    yield "SECRET_KEY", settings.SECRET_KEY
    for name in ("snapshot_key", "internal_token", "secret_key", "work_redis_url"):
        yield name, getattr(settings.ENV, name)


@pytest.fixture
def secrets(draft, now):
    """A campaign with a draw, new buy addresses, keys and people; all of their secrets."""
    ensure_demo_merchant()
    User.objects.create_superuser("admin", password="only-for-this-test")
    draft.items.update(queue_mode=QueueMode.DRAW)
    approved = campaigns.approve(draft, None, now)
    campaigns.rotate_path_keys(approved, None, now)
    write(approved, draw(upload(), 1), title_en="Spring tea")
    found = [
        (where, value)
        for where, value in (*_secrets_of_the_database(), *_secrets_of_the_environment())
        if len(value) >= SHORTEST
    ]
    places = {where for where, _ in found}
    assert places >= {
        "campaigns.Item.path_key",
        "campaigns.Item.path_key_before",
        "merchants.SessionKey.secret",
        "queues.Draw.seed",
        "snapshot.EntryKey.secret",
        "auth.User.password",
        "SLUICE_SNAPSHOT_KEY",
        "SLUICE_INTERNAL_TOKEN",
        "SLUICE_SECRET_KEY",
    }
    return found


def _leaks(published, secrets):
    files = {path.name: path.read_bytes() for path in published.iterdir()}
    assert len(files) >= 4
    return [
        (where, name)
        for where, value in secrets
        for name, body in files.items()
        if value.encode() in body
    ]


def test_no_secret_is_in_any_published_file(secrets, now, published):
    services.publish(now)
    assert _leaks(published, secrets) == []
    assert Draw.objects.get().commit in _text(published)


def test_the_search_finds_what_leaks(secrets, now, published):
    """The control: a page that holds the seed and a key."""
    leaking = f"{Draw.objects.get().seed} {EntryKey.objects.get().secret}"
    (campaign,) = campaigns_to_publish(now)
    write(campaign, text_en=leaking)
    services.publish(now)
    assert {where for where, _ in _leaks(published, secrets)} == {
        "queues.Draw.seed",
        "snapshot.EntryKey.secret",
    }


def _text(published):
    return "".join(path.read_text(errors="replace") for path in published.iterdir())

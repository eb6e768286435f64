"""Versions: one for each change, none without a change, in the order of the commits."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from control_plane.campaigns.models import Campaign
from control_plane.snapshot import document, services
from control_plane.snapshot.models import Snapshot
from tests.redis.waiting import until

pytestmark = pytest.mark.django_db

DEADLINE_S = 30


def _publish(reason, moment):
    snapshot = services.publish(reason, moment)
    assert snapshot is not None
    return snapshot


def test_a_change_makes_a_version(draft, now):
    first = _publish("first", now)
    Campaign.objects.update(state="approved")
    second = _publish("second", now)
    assert second.version > first.version
    assert list(second.document["campaigns"]) == ["spring"]
    assert second.reason == "second"


def test_without_a_change_there_is_no_version(approved, now):
    assert services.publish("again", now) is None
    assert services.publish("again later", now + timedelta(minutes=1)) is None
    assert Snapshot.objects.count() == 1


def test_a_version_carries_its_number_and_its_time(approved, now):
    document = Snapshot.objects.get().document
    assert document["version"] == Snapshot.objects.get().version
    assert document["built_at_ms"] == now.timestamp() * 1000


def test_versions_follow_the_clock_so_that_a_rebuilt_database_goes_on_above_them(merchant, now):
    before = _publish("before", now)
    Snapshot.objects.all().delete()
    after = _publish("after", now + timedelta(seconds=1))
    assert before.version == now.timestamp()
    assert after.version > before.version


def test_versions_go_on_at_the_clock_after_an_old_backup_was_restored(draft, now):
    _publish("first", now)
    Campaign.objects.update(state="approved")
    later = now + timedelta(hours=1)
    assert _publish("second", later).version == later.timestamp()


def test_a_clock_that_stands_or_goes_back_does_not_turn_versions_back(merchant, now):
    first = _publish("first", now)
    services.rotate_entry_key()
    Snapshot.objects.exclude(pk=first.pk).delete()
    second = _publish("second", now - timedelta(days=1))
    assert second.version == first.version + 1


def test_a_change_that_is_rolled_back_is_not_published(draft, now):
    services.publish("before", now)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Campaign.objects.update(state="approved")
        services.publish("never", now)
        raise ZeroDivisionError
    assert [snapshot.reason for snapshot in Snapshot.objects.all()] == ["before"]


def _approve_two_at_once(at_once, merchant, now):
    """The first has built its document when the second commits; who publishes last shows both."""
    for slug in ("first", "second"):
        Campaign.objects.create(
            merchant=merchant,
            slug=slug,
            title=slug,
            starts_at=now,
            ends_at=now + timedelta(hours=1),
        )

    def approve(slug):
        with transaction.atomic():
            Campaign.objects.filter(slug=slug).update(state="approved")
            services.publish(slug, now)

    at_once([lambda: approve("first"), lambda: approve("second")])
    newest = Snapshot.objects.latest("version")
    return sorted(newest.document["campaigns"])


@pytest.mark.django_db(transaction=True)
def test_of_two_who_publish_at_once_the_later_version_has_both_changes(at_once, merchant, now):
    services.ensure_entry_key()
    assert _approve_two_at_once(at_once, merchant, now) == ["first", "second"]


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_a_version_misses_a_change(at_once, merchant, now, monkeypatch):
    services.ensure_entry_key()
    both_have_built = threading.Barrier(2)
    build = document.build

    def build_when_both_do(moment):
        built = build(moment)
        both_have_built.wait(DEADLINE_S)
        return built

    monkeypatch.setattr(services, "_lock_publishing", lambda: None)
    monkeypatch.setattr(document, "build", build_when_both_do)
    assert len(_approve_two_at_once(at_once, merchant, now)) == 1


@pytest.mark.django_db(transaction=True)
def test_listeners_hear_of_a_version_when_it_commits_and_not_before(draft, now, at_once):
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {services.NOTIFY_CHANNEL}")
    listening = connection.connection
    (snapshot,) = at_once([lambda: services.publish("heard", now)])
    # The server sends it after the commit's answer.
    until(lambda: listening.poll() or listening.notifies, "a notification")
    assert [notice.payload for notice in listening.notifies] == [str(snapshot.version)]


def test_a_reason_is_cut_to_what_the_table_holds(approved, now):
    """Callers put words in front of what a person typed."""
    Snapshot.objects.all().delete()
    made = services.publish("r" * 300, now)
    assert made is not None
    made.refresh_from_db()
    assert made.reason == "r" * 200

"""Versions, keys and instances in the admin: which there are, not what is in the keys."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from control_plane.snapshot import services
from control_plane.snapshot.document import epoch_ms
from control_plane.snapshot.models import EntryKey, Heartbeat, Snapshot

pytestmark = pytest.mark.django_db

KEYS = "/admin/snapshot/entrykey/"
ROTATE = f"{KEYS}rotate/"
BEATS = "/admin/snapshot/heartbeat/"


@pytest.fixture
def log_in(client):
    """A client of a staff member who holds just these permissions."""

    def with_permissions(*codenames):
        user = User.objects.create_user("ann", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return with_permissions


def _text(answer):
    return answer.content.decode()


def test_no_secret_is_shown(admin_client, approved):
    key, version = EntryKey.objects.get(), Snapshot.objects.get()
    pages = [
        KEYS,
        f"{KEYS}{key.pk}/change/",
        ROTATE,
        "/admin/snapshot/snapshot/",
        f"/admin/snapshot/snapshot/{version.pk}/change/",
    ]
    for page in pages:
        answer = admin_client.get(page)
        assert answer.status_code == 200
        assert key.secret not in _text(answer)


@pytest.mark.parametrize("model", ["entrykey", "snapshot", "heartbeat"])
def test_nobody_can_write(admin_client, approved, model):
    assert admin_client.get(f"/admin/snapshot/{model}/add/").status_code == 403


# Keys


def test_an_operator_rotates_the_key_after_being_asked(log_in, approved):
    operator = log_in("view_entrykey", "rotate_entrykey")
    old = EntryKey.objects.get()
    EntryKey.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert ROTATE in _text(operator.get(KEYS))
    assert "signs entry tokens in five seconds" in _text(operator.get(ROTATE))
    assert operator.post(ROTATE, {"reason": ""}).status_code == 200
    assert EntryKey.objects.count() == 1
    done = _text(operator.post(ROTATE, {"reason": "laptop stolen"}, follow=True))
    new = EntryKey.objects.exclude(pk=old.pk).get()
    assert f"Key {new.kid} signs in five seconds." in done
    assert (str(new.by), new.reason) == ("ann", "laptop stolen")
    assert "laptop stolen" in done  # the list is the trail
    keys = Snapshot.objects.latest("version").document["entry_keys"]
    assert [(key["kid"], key["sign"]) for key in keys] == [(new.kid, False), (old.kid, True)]


def test_an_operator_withdraws_keys_that_leaked(log_in, approved):
    operator = log_in("view_entrykey", "rotate_entrykey")
    old = EntryKey.objects.get()
    done = _text(operator.post(ROTATE, {"reason": "laptop stolen", "leaked": "on"}, follow=True))
    new = EntryKey.objects.exclude(pk=old.pk).get()
    assert f"Key {new.kid} signs from now on; keys before it are good for nothing." in done
    keys = Snapshot.objects.latest("version").document["ticket_keys"]
    assert [(key["kid"], key["sign"]) for key in keys] == [(new.kid, True)]


def test_rotating_again_too_soon_is_warned_of(log_in, approved):
    operator = log_in("view_entrykey", "rotate_entrykey")
    assert "turns away shoppers" in _text(operator.get(ROTATE))


def test_seeing_keys_is_not_rotating_them(log_in, client, approved):
    assert client.get(ROTATE)["Location"].startswith("/admin/login/")
    viewer = log_in("view_entrykey", "change_entrykey", "add_entrykey")
    assert ROTATE not in _text(viewer.get(KEYS))
    assert viewer.get(ROTATE).status_code == 403
    assert viewer.post(ROTATE, {"reason": "x"}).status_code == 403
    assert EntryKey.objects.count() == 1


# Instances


@pytest.fixture
def beat():
    """A builder of heartbeats; `versions` are those of its workers."""

    def build(instance, *versions, at, clock_ms=0):
        workers = [{"id": n, "version": v, "applied_at_ms": 0} for n, v in enumerate(versions)]
        sent = services.Beat(instance, "gateway", workers, epoch_ms(at) + clock_ms)
        services.record_heartbeat(sent, at)

    return build


@pytest.fixture
def two_versions(approved):
    """(older, newer); the newer one was published a minute and a half ago."""
    older = Snapshot.objects.get()
    services.rotate_entry_key()
    newer = Snapshot.objects.latest("version")
    Snapshot.objects.filter(pk=newer.pk).update(created_at=timezone.now() - timedelta(seconds=90))
    return older.version, newer.version


def _row(page, instance):
    return page.split(f">{instance}</a>")[1].split("</tr>")[0]


def test_the_list_says_who_runs_what(log_in, beat, two_versions):
    older, newer = two_versions
    now = timezone.now()
    beat("fresh", newer, newer, at=now)
    beat("half", newer, older, newer, at=now, clock_ms=1500)
    beat("silent", newer, at=now - timedelta(minutes=3), clock_ms=-2000)
    page = _text(log_in("view_heartbeat").get(BEATS))
    fresh, half, silent = (_row(page, name) for name in ("fresh", "half", "silent"))
    assert f"2 on {newer}" in fresh
    assert "up to date" in fresh
    assert " s ago" in fresh
    assert ">right<" in fresh
    assert f"2 on {newer}, 1 on {older}" in half
    assert "behind for 1\xa0minute" in half
    assert "1.5 s fast" in half
    assert "silent for 3\xa0minutes" in silent
    assert "2.0 s slow" in silent


def test_what_was_published_after_its_last_word_is_not_its_fault(log_in, beat, two_versions):
    older, _newer = two_versions
    beat("gone", older, at=timezone.now() - timedelta(minutes=5))
    assert "after it was last seen" in _text(log_in("view_heartbeat").get(BEATS))


def test_one_that_was_taken_away_can_be_deleted_and_comes_back(log_in, beat, approved):
    version = Snapshot.objects.get().version
    beat("gw", version, at=timezone.now())
    operator = log_in("view_heartbeat", "delete_heartbeat")
    page = f"{BEATS}{Heartbeat.objects.get().pk}/change/"
    assert f"0: {version}" in _text(operator.get(page))
    operator.post(page.replace("change", "delete"), {"post": "yes"})
    assert not Heartbeat.objects.exists()
    beat("gw", version, at=timezone.now())
    assert Heartbeat.objects.count() == 1


def test_the_list_costs_the_same_however_many_there_are(
    log_in, beat, approved, django_assert_max_num_queries
):
    for number in range(20):
        beat(f"gw-{number}", 1, at=timezone.now())
    viewer = log_in("view_heartbeat")
    with django_assert_max_num_queries(7):
        viewer.get(BEATS)

"""Waiting in one process: woken by the notification, and without it by asking."""

import asyncio

import pytest
from django.db import DatabaseError, connection, connections, transaction

from control_plane.snapshot import feed as feed_module
from control_plane.snapshot import services
from control_plane.snapshot.feed import Feed, Stale
from control_plane.snapshot.models import Snapshot
from tests.redis.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 30
NEVER_S = 3600.0


@pytest.fixture
def no_fallback(monkeypatch):
    monkeypatch.setattr(feed_module, "FALLBACK_POLL_S", NEVER_S)


@pytest.fixture
async def feed():
    feed = Feed()
    yield feed
    await feed.close()


async def _in_thread(call):
    def and_disconnect():
        try:
            return call()
        finally:
            connections.close_all()

    return await asyncio.to_thread(and_disconnect)


def _publish():
    """A new version without any other table in it."""
    services.rotate_entry_key()
    return Snapshot.objects.latest("version").version


def _kill_listeners():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
        )
        return cursor.fetchone()[0]


async def test_the_first_poll_is_told_what_there_is(no_fallback, feed):
    version = await _in_thread(_publish)
    assert (await feed.newer_than(0, DEADLINE_S)).version == version


async def test_without_a_newer_version_it_gives_up_in_time(feed):
    version = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)
    assert await feed.newer_than(version, 0) is None
    assert await feed.newer_than(version, 0.05) is None


async def test_a_notification_wakes_everybody(no_fallback, feed):
    first = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)
    waiting = [asyncio.create_task(feed.newer_than(first, DEADLINE_S)) for _ in range(20)]
    second = await _in_thread(_publish)
    woken = await asyncio.gather(*waiting)
    assert {published.version for published in woken} == {second}
    assert len({id(published) for published in woken}) == 1, "read once for all"


async def test_control_without_notification_and_fallback_nobody_wakes(
    no_fallback, feed, monkeypatch
):
    first = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)
    monkeypatch.setattr(services, "NOTIFY_CHANNEL", "nobody_listens")
    await _in_thread(_publish)
    with pytest.raises(Stale):
        await feed.newer_than(first, 1)


async def test_a_lost_notification_is_made_up_for_by_asking(feed, monkeypatch):
    first = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)
    monkeypatch.setattr(services, "NOTIFY_CHANNEL", "nobody_listens")
    second = await _in_thread(_publish)
    assert (await feed.newer_than(first, DEADLINE_S)).version == second


async def test_a_broken_connection_is_replaced(no_fallback, feed):
    first = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)
    assert await _in_thread(_kill_listeners) == 1
    second = await _in_thread(_publish)
    assert (await feed.newer_than(first, DEADLINE_S)).version == second
    # The version above may have been found by the reading that follows the loss; this one is heard.
    third = await _in_thread(_publish)
    assert (await feed.newer_than(second, DEADLINE_S)).version == third


async def test_while_the_database_is_away_the_last_version_stands(feed, monkeypatch):
    first = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)

    def unreachable(**_):
        raise DatabaseError("gone")

    monkeypatch.setattr(Snapshot.objects, "filter", unreachable)
    monkeypatch.setattr(feed_module, "FALLBACK_POLL_S", 0.01)
    monkeypatch.setattr(feed_module, "FRESH_S", 0.1)
    await _in_thread(services.ensure_entry_key)
    assert (await feed.newer_than(0, 0)).version == first
    with pytest.raises(Stale):
        await feed.newer_than(first, 0.3)
    assert feed.alive
    monkeypatch.undo()
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                assert await feed.newer_than(first, 0.05) is None
                break
            except Stale:
                continue


@pytest.fixture
def locked_table(transactional_db):
    """Nobody can read snapshots while it is held: PostgreSQL lives and does not answer."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE snapshot_snapshot IN ACCESS EXCLUSIVE MODE")
        yield


async def test_a_reading_that_hangs_proves_nothing(locked_table, monkeypatch):
    """Neither does the first one, and a poll does not wait for its end."""
    monkeypatch.setattr(feed_module, "FRESH_S", 0.2)
    feed = Feed()
    try:
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(2):
                with pytest.raises(Stale):
                    await feed.newer_than(1, 0.3)
    finally:
        await feed.close()


async def test_a_reading_that_hangs_is_given_up(locked_table, monkeypatch, caplog):
    monkeypatch.setattr(feed_module, "STATEMENT_TIMEOUT_MS", 50)
    feed = Feed()
    try:
        await asyncio.to_thread(until, lambda: "statement timeout" in caplog.text, "it is said")
    finally:
        await feed.close()


async def test_polls_cost_no_reading_of_their_own(feed, monkeypatch):
    version = await _in_thread(_publish)
    await feed.newer_than(0, DEADLINE_S)
    readings, load = [], feed_module._load_newer
    monkeypatch.setattr(feed_module, "FALLBACK_POLL_S", 0.1)

    def count(known):
        readings.append(known)
        return load(known)

    monkeypatch.setattr(feed_module, "_load_newer", count)
    answers = await asyncio.gather(*(feed.newer_than(version, 0.5) for _ in range(50)))
    assert set(answers) == {None}
    assert 1 <= len(readings) <= 6

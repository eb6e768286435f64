"""Draws: committed to before, revealed once, public then, and never changed."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.test import Client

from control_plane.campaigns.models import Item
from control_plane.queues import record, services
from control_plane.queues.models import Draw, QueueState
from control_plane.queues.places import commit_of
from control_plane.snapshot.models import Snapshot

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NAMES = ["vip", "regular"]

pytestmark = pytest.mark.django_db


def told(item: Item) -> dict[str, Any] | None:
    """What the snapshot says now."""
    return services.draw_of(Item.objects.get(pk=item.pk))


@pytest.fixture
def draw(item: Item) -> Draw:
    """Of an item, not revealed."""
    return services.open_draw(item.pk)


def test_it_is_committed_to_with_a_seed_of_its_own(item: Item, draw: Draw) -> None:
    assert draw.commit == commit_of(bytes.fromhex(draw.seed))
    assert len(bytes.fromhex(draw.seed)) == 32
    assert services.open_draw(item.pk).seed == draw.seed


@pytest.mark.parametrize(("mode", "exists"), [("draw", True), ("fifo", False), ("off", False)])
def test_the_approval_makes_it_where_the_item_is_drawn(
    item: Item, mode: str, exists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item, "queue_mode", mode, raising=False)
    services.prepare(item)
    assert Draw.objects.filter(pk=item.pk).exists() == exists


def test_before_the_reveal_only_the_commitment_is_told(item: Item, draw: Draw) -> None:
    assert told(item) == {"commit": draw.commit, "sizes": None, "seed": None}


def test_an_item_without_a_draw_has_none(item: Item) -> None:
    assert told(item) is None


def test_the_reveal_tells_seed_and_sizes(item: Item, draw: Draw) -> None:
    assert services.reveal(item.pk, [3, 4], NAMES, NOW)
    assert told(item) == {"commit": draw.commit, "sizes": [3, 4], "seed": draw.seed}


def test_the_first_reveal_stands(item: Item, draw: Draw) -> None:
    services.reveal(item.pk, [3, 4], NAMES, NOW)
    assert not services.reveal(item.pk, [9, 9], NAMES, NOW)
    assert Draw.objects.get(pk=item.pk).sizes == [3, 4]


@pytest.mark.parametrize(
    "change", [{"seed": "ff" * 32}, {"commit": "0" * 64}, {"sizes": [1]}, {"closed_at": NOW}]
)
def test_a_revealed_draw_never_changes(item: Item, draw: Draw, change: dict[str, Any]) -> None:
    services.reveal(item.pk, [3, 4], NAMES, NOW)
    with pytest.raises(DatabaseError, match="revealed"), transaction.atomic():
        Draw.objects.filter(pk=item.pk).update(**change)
    with pytest.raises(DatabaseError, match="revealed"), transaction.atomic():
        Draw.objects.filter(pk=item.pk).delete()


@pytest.mark.parametrize("change", [{"seed": "ff" * 32}, {"commit": "0" * 64}])
def test_seed_and_commitment_never_change(draw: Draw, change: dict[str, str]) -> None:
    with pytest.raises(DatabaseError, match="keeps its seed"), transaction.atomic():
        Draw.objects.filter(pk=draw.pk).update(**change)


def test_a_draw_is_revealed_whole(draw: Draw) -> None:
    with pytest.raises(DatabaseError, match="draw_is_revealed_whole"), transaction.atomic():
        Draw.objects.filter(pk=draw.pk).update(revealed_at=NOW)


def test_a_late_draw_is_published(item: Item) -> None:
    before = Snapshot.objects.count()
    services.open_late(item.pk)
    assert Draw.objects.filter(pk=item.pk).exists()
    assert Snapshot.objects.count() >= before


@pytest.mark.parametrize("path", ["", "record.csv"])
def test_the_public_sees_nothing_before_the_reveal(client: Client, draw: Draw, path: str) -> None:
    response = client.get(f"/api/v1/draws/{draw.pk}/{path}")
    assert response.status_code == 404
    assert draw.seed not in response.content.decode()


def test_the_public_reads_the_record_after_it(client: Client, draw: Draw) -> None:
    services.reveal(draw.pk, [0, 3], NAMES, NOW)
    told = client.get(f"/api/v1/draws/{draw.pk}/").json()
    assert (told["seed"], told["commit"], told["sizes"]) == (draw.seed, draw.commit, [0, 3])
    assert told["algorithm"] == "feistel-hmac-sha256-10"
    assert told["buckets"] == NAMES
    assert told["closed_at"] == NOW.isoformat()


def test_the_rows_are_everybodys_places(client: Client, draw: Draw) -> None:
    services.reveal(draw.pk, [2, 3], NAMES, NOW)
    response = client.get(f"/api/v1/draws/{draw.pk}/record.csv")
    assert response["Content-Type"] == "text/csv"
    assert "immutable" in response["Cache-Control"]

    async def read() -> bytes:
        return b"".join([piece async for piece in record.pieces(revealed)])

    revealed = Draw.objects.get(pk=draw.pk)
    lines = asyncio.run(read()).decode().splitlines()
    assert lines[0] == "bucket,lobby_number,place"
    rows = [tuple(int(word) for word in line.split(",")) for line in lines[1:]]
    assert [row[:2] for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert sorted(place for bucket, _, place in rows if bucket == 1) == [0, 1, 2]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nobody_writes_there(client: Client, draw: Draw, method: str) -> None:
    assert getattr(client, method)(f"/api/v1/draws/{draw.pk}/").status_code == 405


def test_the_admin_shows_links_and_never_the_seed(client: Client, draw: Draw) -> None:
    client.force_login(User.objects.create_superuser("root"))
    url = f"/admin/queues/draw/{draw.pk}/change/"
    hidden = client.get(url).content.decode()
    assert draw.commit in hidden
    assert draw.seed not in hidden
    assert f"/api/v1/draws/{draw.pk}/" not in hidden
    services.reveal(draw.pk, [0, 3], NAMES, NOW)
    shown = client.get(url).content.decode()
    assert f"/api/v1/draws/{draw.pk}/record.csv" in shown
    assert client.get("/admin/queues/queuestate/").status_code == 200


def test_of_two_who_store_a_state_one_is_told_no(item: Item) -> None:
    first, second = services.state_of(item.pk), services.state_of(item.pk)
    stored = services.store_state(first)
    assert stored is not None
    assert stored.revision == 1
    assert services.store_state(second) is None
    assert services.store_state(stored) is not None
    assert QueueState.objects.get(item=item).revision == 2


def test_a_download_is_computed_while_it_is_read(draw: Draw) -> None:
    """A million rows take half a minute; the first comes at once."""
    services.reveal(draw.pk, [10**6], ["regular"], NOW)
    assert next(record.rows(Draw.objects.get(pk=draw.pk))).startswith("0,0,")

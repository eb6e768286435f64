"""Past sales: only those of which something is kept are offered, and what is missing is said."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.board import prometheus, replay
from control_plane.board.prometheus import Samples, Unanswered

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def asked(settings):
    settings.ENV = replace(settings.ENV, prometheus_url="http://127.0.0.1:1")


@pytest.fixture
def kept(monkeypatch):
    """A function: Prometheus keeps units of the item, as from so many seconds after `since`."""

    def build(item, after_s, of=600):
        def over(url, since, until, step_s, **_how):
            every = range(0, of, int(step_s))
            return {since + s: _samples(item) if s >= after_s else Samples({}) for s in every}

        monkeypatch.setattr(prometheus, "over", over)
        monkeypatch.setattr(prometheus, "instant", lambda *_: Samples({}))

    return build


def _samples(item):
    values = {
        tuple(sorted({"item": str(item.pk), "place": place}.items())): 1.0
        for place in ("total", "pool", "leased", "unpaid", "paid")
    }
    return Samples({"sluice_item_units": values})


def _replayed(campaign):
    return json.loads(replay.frames(campaign, campaign.ends_at + timedelta(minutes=5)))


def test_a_sale_that_nobody_remembers_is_not_offered(approved, item, monkeypatch):
    seen: dict[str, Any] = {}

    def values_of(url, label, match, since, until):
        seen.update(label=label, since=since)
        return known

    monkeypatch.setattr(prometheus, "values_of", values_of)
    known = {str(item.pk)}
    assert replay.offered([approved], approved.ends_at) == [approved]
    assert seen == {"label": "item", "since": (approved.starts_at - replay.BEFORE).timestamp()}
    known = {str(item.pk + 1)}
    assert replay.offered([approved], approved.ends_at) == []
    assert replay.offered([], approved.ends_at) == []


def test_while_prometheus_is_away_who_chooses_one_is_told(approved, admin_client):
    assert replay.offered([approved], approved.ends_at) == [approved]
    with pytest.raises(Unanswered):
        _replayed(approved)
    answer = admin_client.get(
        f"/board/replay/{approved.slug}.json", headers={"accept-language": "zh-hans"}
    )
    assert answer.status_code == 503
    assert "历史" in answer.json()["title"]


def test_what_is_kept_as_a_whole_misses_nothing(approved, item, kept):
    kept(item, 0)
    said = _replayed(approved)
    assert said["missing_ms"] == 0
    assert said["frames"]


def test_a_beginning_that_is_gone_is_said(approved, item, kept):
    kept(item, 300)
    assert 300_000 <= _replayed(approved)["missing_ms"] <= 330_000


def test_of_what_is_gone_altogether_there_are_no_frames(approved, item, kept):
    kept(item, 10**6)
    assert _replayed(approved) == {"frames": [], "missing_ms": None}


def test_a_sale_without_a_sensible_end_is_replayed_up_to_now(approved, item, kept):
    kept(item, 0)
    now = approved.ends_at
    approved.ends_at = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert json.loads(replay.frames(approved, now))["frames"]

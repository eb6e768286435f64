"""What services do to a campaign by an UPDATE stands in its history too: who, why, what."""

from datetime import timedelta

import pytest

from control_plane.campaigns import services, warming
from control_plane.config.audited import steps_of

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def live(draft, now, checker):
    services.approve(draft, None, now, comment="as agreed")
    services.open_due(draft.starts_at)
    draft.refresh_from_db()
    return draft


def _newest(campaign):
    row = campaign.history.first()
    return row, (row.history_user, row.history_change_reason)


def test_an_approval(draft, maker, checker, now):
    services.submit(draft, maker, now)
    services.approve(draft, checker, now, comment="as agreed")
    row, said = _newest(draft)
    assert row.state == "approved"
    assert said == (checker, "as agreed")
    assert ("state", "draft", "approved") in steps_of(draft)[0].changes


def test_the_clock_s_steps_are_nobody_s(live, checker):
    row, said = _newest(live)
    assert (row.state, said) == ("live", (None, None))
    services.end_due(live.ends_at)
    row, said = _newest(live)
    assert (row.state, said) == ("ended", (None, None))


def test_an_end_that_was_moved(live, checker):
    later = live.ends_at + HOUR
    services.extend(live, later, "more came", checker, live.starts_at)
    row, said = _newest(live)
    assert row.ends_at == later
    assert said == (checker, "more came")


def test_an_early_end(live, checker):
    services.end_now(live, checker, live.starts_at, "sold elsewhere")
    row, said = _newest(live)
    assert (row.state, row.ended_by_id) == ("ended", checker.pk)
    assert said == (checker, "sold elsewhere")


def test_a_pause_and_its_end_though_no_field_of_it_differs(live, checker):
    at, before = live.starts_at, live.history.count()
    services.pause(live, None, "robots", checker, at)
    assert _newest(live)[1] == (checker, "robots")
    services.resume(live, None, "they left", checker, at)
    assert _newest(live)[1] == (checker, "they left")
    services.pause(live, live.items.get(), "wrong picture", checker, at)
    assert _newest(live)[1] == (checker, "TEA: wrong picture")
    assert live.history.count() == before + 3


def test_a_refused_pause_is_no_history(live, checker):
    services.pause(live, None, "robots", checker, live.starts_at)
    before = live.history.count()
    with pytest.raises(services.AlreadyPaused):
        services.pause(live, None, "robots again", checker, live.starts_at)
    assert live.history.count() == before


def test_armed_shards_are_noted_by_the_clock_and_not_by_who_comes_next(approved, now, monkeypatch):
    monkeypatch.setattr(warming, "cold_shards", lambda campaign: [])
    services.warm_due(approved.starts_at, HOUR)
    row, said = _newest(approved)
    assert row.warmed_at == approved.starts_at
    assert said == (None, None)
    count = approved.history.count()
    services.warm_due(approved.starts_at, HOUR)
    assert approved.history.count() == count

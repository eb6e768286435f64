"""Changing the stock that sells: everything is fenced in one transaction, with one version."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Rearm, StockSource
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db


def _switch(source, **how):
    return services.switch_source(source, **({"reason": "test", "by": None} | how))


def test_nothing_was_changed_yet(db):
    assert services.current_source() == ("primary", 0)


def test_each_change_is_a_generation_with_its_reason(db):
    user = User.objects.create(username="operator")
    first = _switch("standby", reason=" rack moves ", by=user, mode="full")
    assert services.current_source() == ("standby", 1)
    assert (first.mode, first.forced, first.reason, first.by) == ("full", False, "rack moves", user)
    _switch("database")
    _switch("primary")
    assert services.current_source() == ("primary", 3)
    assert StockSource.objects.count() == 3


@pytest.mark.parametrize("source", ["primary", "standby", "database"])
def test_a_change_to_where_it_is_is_refused(item, open_epoch, source):
    if source != "primary":
        _switch(source)
    open_epoch()
    with pytest.raises(services.AlreadyThere):
        _switch(source)
    assert Allocation.objects.get().state == "selling"


def test_a_standby_that_is_not_there_is_refused(open_epoch, settings):
    settings.ENV = replace(settings.ENV, has_standby=False)
    open_epoch()
    with pytest.raises(services.StandbyNotConfigured):
        _switch("standby")
    assert Allocation.objects.get().state == "selling"
    _switch("database")
    assert services.current_source() == ("database", 1)


@pytest.mark.parametrize(
    "how", [{"source": "moon"}, {"mode": "slow"}, {"reason": ""}], ids=["source", "mode", "reason"]
)
def test_a_wrong_word_changes_nothing(open_epoch, how):
    open_epoch()
    with pytest.raises(ValueError, match=r"moon|slow|reason"):
        _switch(**({"source": "standby"} | how))
    assert services.current_source() == ("primary", 0)
    assert Allocation.objects.get().state == "selling"


def test_every_epoch_of_every_item_is_fenced_in_one_version(item, open_epoch, close):
    close(open_epoch())
    armed = [open_epoch(shard) for shard in range(3)]
    for allocation in armed:
        services.record_armed(allocation.pk, "a" * 40)
    versions = Snapshot.objects.count()
    _switch("standby", mode="full")
    assert Snapshot.objects.count() == versions + 1
    document = Snapshot.objects.latest("version").document
    assert document["items"][str(item.pk)]["shards"] == []
    assert document["stock"] == {"source": "standby", "generation": 1, "lease_ms": 2000}
    rearms = services.open_rearms()
    assert {rearm.allocation for rearm in rearms} == set(armed)
    assert {(rearm.mode, rearm.lease_until) for rearm in rearms} == {("full", None)}
    assert not Allocation.objects.filter(state="selling").exists()


def test_a_forced_change_waits_for_the_lease_and_a_second_more(open_epoch):
    open_epoch()
    before = timezone.now()
    _switch("standby", forced=True)
    after = timezone.now()
    lease_until = Rearm.objects.get().lease_until
    assert lease_until is not None
    assert before + timedelta(seconds=3) <= lease_until <= after + timedelta(seconds=3)


def test_a_change_touches_no_old_rearm(open_epoch, drain):
    old = drain(open_epoch())
    _switch("standby", forced=True)
    old.refresh_from_db()
    assert (old.stage, old.lease_until) == ("barrier_sent", None)

"""What an operator types: it does one thing, prints it, and a refusal is one sentence."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool, Rearm, StockChange, StockSource

pytestmark = pytest.mark.django_db


def _run(capsys, *arguments):
    call_command(*(str(argument) for argument in arguments))
    return capsys.readouterr().out.splitlines()


def test_rearm_ends_every_shard_of_the_item(capsys, item, open_epoch):
    for shard in range(2):
        open_epoch(shard)
    printed = _run(capsys, "rearm", item.pk, "--reason", "drill")
    rearms = Rearm.objects.order_by("allocation__shard")
    assert printed == [f"{rearm.pk} i{item.pk}:s{n:02d}:e1" for n, rearm in enumerate(rearms)]
    assert {(rearm.mode, rearm.reason, rearm.by) for rearm in rearms} == {("fast", "drill", None)}


def test_rearm_ends_the_shard_that_is_named(capsys, item, open_epoch):
    for shard in range(2):
        open_epoch(shard)
    _run(capsys, "rearm", item.pk, "--shard", 1, "--full", "--reason", "drill")
    rearm = Rearm.objects.get()
    assert (rearm.allocation.shard, rearm.mode) == (1, "full")


def test_rearm_says_when_there_is_nothing_to_end(item):
    with pytest.raises(CommandError, match="no such shard sells"):
        call_command("rearm", str(item.pk), "--reason", "drill")


def test_stock_source_tells_and_changes(capsys, item):
    assert _run(capsys, "stock_source") == ["primary 0"]
    arguments = ("standby", "--forced", "--full", "--reason", "drill")
    assert _run(capsys, "stock_source", *arguments) == ["standby 1"]
    change = StockSource.objects.get()
    assert (change.mode, change.forced, change.reason, change.by) == ("full", True, "drill", None)
    assert _run(capsys, "stock_source") == ["standby 1"]
    assert _run(capsys, "stock_source", "primary", "--reason", "over") == ["primary 2"]
    last = StockSource.objects.get(generation=2)
    assert (last.mode, last.forced) == ("fast", False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["primary", "--reason", "x"], "already in use"),
        (["standby"], "--reason is required"),
        (["moon", "--reason", "x"], "invalid choice"),
    ],
)
def test_stock_source_says_why_not(db, arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("stock_source", *arguments)


def test_units_are_added_and_withdrawn(capsys, item, open_epoch):
    assert _run(capsys, "top_up", item.pk, 5, "--reason", "truck") == ["5 of 5 done"]
    open_epoch(units=12)
    assert _run(capsys, "withdraw", item.pk, 4, "--reason", "damaged") == [
        "3 of 4 waiting",
        f"change {StockChange.objects.get(kind='withdraw').pk}",
    ]
    assert (Pool.objects.get().total, StockChange.objects.count()) == (12, 2)


def test_the_rest_of_a_withdrawal_is_cancelled(capsys, item, open_epoch):
    open_epoch(units=9)
    change = services.withdraw(item.pk, 4, "damaged", None)
    assert _run(capsys, "withdraw", "--cancel", change.pk) == ["1 of 4 partly"]
    with pytest.raises(CommandError, match="Nothing of this change"):
        call_command("withdraw", "--cancel", str(change.pk))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1", "2"], "are required"),
        (["1", "--reason", "x"], "are required"),
        (["1", "2", "--cancel", "3"], "stands alone"),
    ],
)
def test_withdraw_says_what_is_missing(db, arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("withdraw", *arguments)


@pytest.mark.parametrize("command", ["top_up", "withdraw"])
@pytest.mark.parametrize(
    ("item_id", "qty", "reason", "said"),
    [("0", "1", "x", "never approved"), (None, "0", "x", "one unit"), (None, "1", " ", "reason")],
)
def test_units_say_why_not(item, command, item_id, qty, reason, said):
    with pytest.raises(CommandError, match=said):
        call_command(command, item_id or str(item.pk), qty, "--reason", reason)


def test_give_up_goes_on_without_the_node(capsys, open_epoch):
    rearm = services.begin_rearm(open_epoch().pk, "fast", "node lost")
    assert _run(capsys, "give_up", rearm.pk, "--reason", "disk") == [f"{rearm.pk} given up"]
    rearm.refresh_from_db()
    assert (rearm.stage, rearm.given_up_reason, rearm.given_up_by) == ("drained", "disk", None)


def test_give_up_all_is_for_a_source_that_is_gone(capsys, open_epoch):
    """Not for one that sells, nor for what its node had no time to answer yet."""
    for shard in range(3):
        open_epoch(shard)
    old, of_now, fresh = (
        services.begin_rearm(one.pk, "fast", "test") for one in Allocation.objects.order_by("shard")
    )
    services.switch_source("standby", reason="primary is gone", by=None)
    long_ago = timezone.now() - timedelta(seconds=4)
    Rearm.objects.exclude(pk=fresh.pk).update(created_at=long_ago)
    Allocation.objects.filter(rearm=of_now).update(source="standby")
    assert _run(capsys, "give_up", "--all", "--reason", "fire") == ["1 re-arms given up"]
    assert Rearm.objects.get(stage="drained").pk == old.pk
    assert Rearm.objects.get(pk=old.pk).given_up_reason == "fire"
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("give_up", str(old.pk), "--all", "--reason", "fire")


def test_give_up_all_includes_what_waits_for_the_rest_of_its_outbox(capsys, open_epoch, drain):
    drain(open_epoch())
    services.switch_source("standby", reason="primary is gone", by=None)
    Rearm.objects.update(created_at=timezone.now() - timedelta(seconds=4))
    assert _run(capsys, "give_up", "--all", "--reason", "fire") == ["1 re-arms given up"]
    assert _run(capsys, "give_up", "--all", "--reason", "again") == ["0 re-arms given up"]
    rearm = Rearm.objects.get()
    assert (rearm.stage, rearm.given_up_reason) == ("barrier_sent", "fire")


def test_stock_source_refuses_a_standby_that_is_not_there(db, settings):
    settings.ENV = replace(settings.ENV, has_standby=False)
    with pytest.raises(CommandError, match="no standby cluster"):
        call_command("stock_source", "standby", "--reason", "drill")


def test_give_up_says_why_not(db):
    with pytest.raises(CommandError, match="can be given up"):
        call_command("give_up", str(uuid.uuid4()), "--reason", "disk")

"""`python -m control_plane switch`."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from control_plane.switches import durations
from control_plane.switches.models import SwitchThrow

pytestmark = pytest.mark.django_db


@pytest.fixture
def switch(capsys):
    """What the command prints, parsed."""

    def run(*argv):
        call_command("switch", *argv)
        return json.loads(capsys.readouterr().out)

    return run


def test_it_throws_lists_and_reverts(switch):
    printed = switch("sale_enabled", "off", "--reason", "robots", "--for", "10m")
    row = SwitchThrow.objects.get()
    assert row.until is not None
    assert (row.value, row.until - row.created_at) == (False, timedelta(minutes=10))
    assert printed == {
        "id": row.pk,
        "name": "sale_enabled",
        "value": False,
        "campaign": None,
        "item": None,
        "reason": "robots",
        "by": None,
        "until": row.until.isoformat(),
    }
    listed = switch("--list")
    assert listed["everywhere"]["sale_enabled"] is False
    assert listed["thrown"] == [printed]
    assert switch("--revert", str(row.pk), "--reason", "over") == printed
    assert switch("--list")["thrown"] == []
    with pytest.raises(CommandError, match="cannot be blank"):
        switch("--revert", str(row.pk))
    with pytest.raises(CommandError, match="not in force any more"):
        switch("--revert", str(row.pk), "--reason", "over")


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("human_check", "on", True),
        ("human_check", "false", False),
        ("queue_mode", "off", "off"),
        ("rate_limits", "2", 2),
        ("rate_limits", "0.5", 0.5),
    ],
)
def test_it_reads_each_kind_of_value(switch, name, value, stored):
    assert switch(name, value, "--reason", "x")["value"] == stored


def test_it_throws_for_one_campaign_or_item(switch, approved, item):
    of_campaign = switch("risk_mode", "off", "--reason", "x", "--campaign", "spring")
    assert of_campaign["campaign"] == "spring"
    assert switch("risk_mode", "off", "--reason", "x", "--item", str(item.pk))["item"] == item.pk


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["sale_enabled"], "NAME and VALUE are required"),
        (["sale_enabled", "maybe", "--reason", "x"], "Must be true or false."),
        (["sale_enabled", "off"], "reason"),
        (["nothing", "off", "--reason", "x"], "invalid choice"),
        (["sale_enabled", "off", "--reason", "x", "--for", "10"], "a number with s, m, h or d"),
        (["sale_enabled", "off", "--reason", "x", "--item", "0"], "there is no item 0"),
        (["sale_enabled", "off", "--reason", "x", "--campaign", "x"], "there is no campaign x"),
        (
            ["sale_enabled", "off", "--reason", "x", "--campaign", "x", "--item", "1"],
            "not allowed with",
        ),
    ],
)
def test_what_it_refuses_throws_nothing(switch, argv, reason):
    with pytest.raises(CommandError, match=reason):
        switch(*argv)
    assert not SwitchThrow.objects.exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)]
)
def test_durations_have_a_unit(text, seconds):
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0m", "-1m", "1.5h", "10", "m", "10 m", "1w", "123456s"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="as in 10m"):
        durations.parse(text)


def test_a_preset_is_thrown_and_taken_back(switch):
    printed = switch("--preset", "skip", "--reason", "risk is slow", "--for", "10m")
    assert [one["name"] for one in printed] == ["risk_mode", "human_check", "queue_mode"]
    assert {one["reason"] for one in printed} == {"risk is slow"}
    assert len(switch("--list")["thrown"]) == 3
    assert switch("--revert-preset", "skip", "--reason", "x") == {"reverted": "skip"}
    assert switch("--list")["thrown"] == []


def test_a_preset_changes_the_stock_source(switch):
    printed = switch("--preset", "database", "--reason", "Redis is gone")
    assert printed == {"source": "database", "generation": 1}
    with pytest.raises(CommandError, match="back by itself"):
        switch("--preset", "database", "--reason", "x", "--for", "10m")


@pytest.mark.parametrize(
    "argv",
    [
        ["--preset", "skip"],
        ["--preset", "skip", "--reason", "x", "--item", "1"],
        ["--revert-preset", "skip", "--reason", "x"],
    ],
)
def test_a_preset_that_means_nothing_is_refused(argv):
    with pytest.raises(CommandError):
        call_command("switch", *argv)
    assert not SwitchThrow.objects.exists()

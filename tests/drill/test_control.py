"""A control whose guard has moved is told apart from one that shows something."""

import pytest

from deploy.local.site import ROOT
from tests.drill import soak
from tests.drill.catalog import DRILLS
from tests.drill.control import Stale, without
from tests.drill.drill import AS_IT_MUST, Control, Drill, Result

GUARD = Control("once", "some.lua", "if known then return end", "", "twice")


def test_the_guard_is_taken_out() -> None:
    assert without("a\nif known then return end\nb\n", GUARD) == "a\n\nb\n"


@pytest.mark.parametrize("text", ["", "if known then return end\n" * 2])
def test_a_guard_that_does_not_stand_there_exactly_once_is_stale(text: str) -> None:
    with pytest.raises(Stale, match="control is stale"):
        without(text, GUARD)


@pytest.mark.parametrize(
    ("verdict", "controls", "green"),
    [
        ("pass", {"once": AS_IT_MUST}, True),
        ("pass", {}, True),
        ("pass", {"once": "pass although some.lua lacks the guard"}, False),
        ("pass", {"once": AS_IT_MUST, "twice": "control is stale"}, False),
        ("fail", {"once": AS_IT_MUST}, False),
        ("broken", {"once": AS_IT_MUST}, False),
    ],
)
def test_a_drill_is_green_only_with_its_controls(
    verdict: str, controls: dict[str, str], green: bool
) -> None:
    drill = Drill("some", "a fault", lambda ground, sale: {}, controls=(GUARD,))
    assert Result(drill, verdict, [], {}, 1.0, controls).green is green


def test_a_report_that_was_interrupted_before_its_controls_is_not_green() -> None:
    drill = Drill("some", "a fault", lambda ground, sale: {}, controls=(GUARD, GUARD))
    result = Result(drill, "pass", [], {}, 1.0, {}, with_controls=True)
    assert (result.control, result.green) == ("0 of 2 run", False)
    result.controls["once"] = AS_IT_MUST
    assert (result.control, result.green) == ("1 of 2 run", False)


def test_nobody_can_be_told_sold_out_where_that_is_a_complaint() -> None:
    # Each buys 1.25 units, and one in ten another one or two.
    a_shopper = 1.4
    for drill in (*DRILLS, *soak.drills(600.0, 7)):
        if not drill.promises.sells_out:
            plan = drill.plan
            assert plan.units > plan.rate_per_s * plan.most_s * a_shopper, drill.name


@pytest.mark.parametrize(
    "control",
    [control for drill in DRILLS for control in drill.controls],
    ids=lambda control: control.guard,
)
def test_no_control_is_stale(control: Control) -> None:
    assert without((ROOT / control.file).read_text(), control)


def test_every_drill_has_a_name_of_its_own() -> None:
    names = [drill.name for drill in DRILLS]
    assert len(set(names)) == len(names)

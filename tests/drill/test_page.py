"""The report as a page: every drill, every complaint, nothing from elsewhere, nothing unescaped."""

import json
from typing import Any

from tests.drill.drill import AS_IT_MUST, Drill, Result
from tests.drill.page import render
from tests.drill.report import figures, read, write

SOME = Drill("some", "a fault", lambda ground, sale: {})
RED = Drill("red", "another <fault>", lambda ground, sale: {})
TIMELINE = [
    {"fault": "kill relay", "began_s": 1.0, "ended_s": 1.2},
    {"fault": "gateway → redis-stock-1: hole", "began_s": 2.0, "ended_s": 4.0},
    {"fault": "down kafka", "began_s": 3.0, "ended_s": 3.0, "error": "DrillBroken: <no>"},
]


def told(tmp_path, *results: Result, seed: int | None = None) -> dict[str, Any]:
    """As a run would write it."""
    path = tmp_path / "report.json"
    write(results, path, seed)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_report_has_the_form_of_measures(tmp_path) -> None:
    [drill] = told(tmp_path, Result(SOME, "pass", [], {"reserved": 3}, 1.0))["drills"]
    assert drill.keys() >= {"name", "fault", "verdict", "control", "figures"}


def test_a_measure_is_told_in_words() -> None:
    p8 = {"value": 0.6, "unit": "s after promotion", "target": 1.0, "met": True}
    assert figures({"P8": p8, "others": [1, 2]}) == (
        "P8 0.6 s after promotion (target 1.0), others [1, 2]"
    )


def test_what_another_process_wrote_is_read_again(tmp_path) -> None:
    told(tmp_path, Result(SOME, "fail", ["I1"], {"reserved": 3}, 1.0))
    [found] = read(tmp_path / "report.json", [SOME, RED])
    assert (found.drill, found.verdict, found.complaints) == (SOME, "fail", ["I1"])


def test_the_page_names_every_drill_and_every_complaint(tmp_path) -> None:
    good = Result(SOME, "pass", [], {"reserved": 7, "rejected": {}}, 1.0, {"once": AS_IT_MUST})
    bad = Result(RED, "fail", ["2 units <b>oversold</b>"], {}, 1.0)
    page = render(told(tmp_path, good, bad))
    assert "1 of 2 green" in page
    assert "another &lt;fault&gt;" in page
    assert "2 units &lt;b&gt;oversold" in page
    assert "<b>oversold" not in page


def test_a_control_that_did_not_fail_is_not_green(tmp_path) -> None:
    found = Result(SOME, "pass", [], {}, 1.0, {"once": "pass although it lacks the guard"})
    said = told(tmp_path, found)
    said["drills"][0]["control"] = "once: pass although it lacks the guard"
    assert "0 of 1 green" in render(said)


def test_the_soak_shows_its_seed_and_each_fault_in_time(tmp_path) -> None:
    page = render(told(tmp_path, Result(SOME, "pass", [], {"timeline": TIMELINE}, 1.0), seed=7))
    assert "seed 7" in page
    for one in TIMELINE:
        assert str(one["fault"]) in page
    assert page.count("<rect") == len(TIMELINE)
    assert "did not happen: DrillBroken: &lt;no&gt;" in page


def test_the_page_needs_nothing_else(tmp_path) -> None:
    page = render(told(tmp_path, Result(SOME, "pass", [], {"timeline": TIMELINE}, 1.0)))
    for outside in ("http:", "https:", "src=", "<link", "<script", "@import", "url("):
        assert outside not in page

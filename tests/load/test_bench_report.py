"""One report out of many parts: what is merged, what goes, and what a missed target looks like."""

import json
import re

import pytest

from tests.load import bench_demo, bench_failover, bench_report
from tests.load.measures import MEASURES, distance
from tests.load.page.page import render

HERE = {"machine": "a machine", "commit": "abc1234"}


def measure(value, target, **more):
    seen = {"value": value, "unit": "ratio", "target": target, "met": False, "product": 3.0}
    return seen | {"limit": 4.0, "rounds": [value], "spread": 0.1} | more


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("REPORT", "CHAIN", "PAGE"):
        path = tmp_path / getattr(bench_report, name).name
        monkeypatch.setattr(bench_report, name, path)
    monkeypatch.setattr(bench_report, "about", lambda: dict(HERE))
    return tmp_path


def test_each_part_adds_its_measures_and_the_report_has_nothing_else(folder):
    bench_report.record({"P10": measure(1, 2)})
    bench_report.record({"P2": measure(3, 4), "P1 behind a queue": measure(5, 6)})
    bench_report.record({"P2": measure(7, 8)})
    report = json.loads((folder / "report.json").read_text())
    assert list(report) == ["machine", "commit", "date", "measures"]
    assert list(report["measures"]) == ["P1 behind a queue", "P2", "P10"]
    assert report["measures"]["P2"]["value"] == 7


@pytest.mark.parametrize("other", [{"commit": "fff0000"}, {"machine": "another"}])
def test_measures_of_another_tree_or_machine_go(other):
    known = HERE | other | {"measures": {"P1": measure(1, 2)}}
    assert list(bench_report.merged(known, HERE, {"P2": measure(3, 4)})["measures"]) == ["P2"]
    assert list(bench_report.merged(known, HERE | other, {"P2": measure(3, 4)})["measures"]) == [
        "P1",
        "P2",
    ]


@pytest.mark.parametrize("field", bench_report.FIELDS)
def test_a_measure_that_lacks_a_field_is_refused(folder, field):
    lacking = {name: value for name, value in measure(1, 2).items() if name != field}
    with pytest.raises(ValueError, match=f"P1 lacks {field}"):
        bench_report.record({"P1": lacking})
    assert not (folder / "report.json").exists()


@pytest.mark.parametrize(
    ("name", "value", "target", "said"),
    [
        ("P1", 0.45, 0.50, "missed by 10%"),
        ("P6", 1250, 1000, "missed by 25%"),
        ("P1 behind a queue", 0.4999, 0.50, "missed by < 1%"),
        ("P8", 0.5, 1.0, "missed by a condition"),
        ("P9 in the queue", 0.25, 0, "missed by 0.25"),
    ],
)
def test_a_missed_target_is_a_distance_in_the_table_and_on_the_page(
    folder, capsys, name, value, target, said
):
    assert distance(name, measure(value, target)) == said
    bench_report.record({name: measure(value, target)})
    page = (folder / "report.html").read_text()
    assert "badge bad" in page and "badge good" not in page
    if name not in MEASURES:
        bench_report.record({name.split(" ")[0]: measure(1, 1, met=True)})
    assert said in capsys.readouterr().out


def test_what_was_met_or_not_measured_is_said_of_every_measure(folder, capsys):
    bench_report.record({"P3": measure(400_000, 300_000, met=True, accepted=8, refused=0)})
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r"P\d", line)]
    assert [line.split()[0] for line in lines] == list(MEASURES)
    assert [line.split()[0] for line in lines if "not measured" not in line] == ["P3"]
    assert lines[2].rstrip().endswith("8 / 0 / –")


def test_the_page_has_everything_in_it_and_calls_nobody():
    ramp = {"bottleneck": None, "rungs": [rung()]}
    page = render(
        HERE | {"date": "now", "measures": {"P1": measure(1, 2, steps_us={"<b>": 1.0})}}, ramp
    )
    assert not re.search(r"(?:src|href)\s*=|@import|url\(|https?://", page)
    assert "<b>: 1.0" not in page and "&lt;b&gt;: 1.0" in page
    english, chinese = page.count('<span lang="en">'), page.count('<span lang="zh-CN">')
    assert english == chinese > 50


def test_the_chain_of_another_commit_is_not_shown_beside_these_measures(folder):
    chain = {"commit": "fff0000", "bottleneck": "relay", "rungs": [rung(broken=["x"])]}
    (folder / "chain.json").write_text(json.dumps(chain))
    bench_report.record({"P1": measure(1, 2)})
    assert 'class="verdict"' not in (folder / "report.html").read_text()
    (folder / "chain.json").write_text(json.dumps(chain | {"commit": HERE["commit"]}))
    bench_report.record({"P1": measure(1, 2)})
    assert 'class="verdict"' in (folder / "report.html").read_text()


def rung(**changes):
    figures = dict.fromkeys(
        ("gateway_p99_ms", "reserve_p99_ms", "confirm_p99_ms", "relay_lag_s", "consumer_lag_s"), 1.0
    )
    columns = dict.fromkeys(
        ("requests", "accepted", "repeated", "unknown", "landed", "rejected", "lost"), 3
    )
    return {
        "peak_per_s": 100,
        "refused": {"sold_out": 2},
        "figures": figures | {"busy": {"relay": 0.5}, "machine_busy": 0.5},
        "broken": [],
        "evidence": [],
        "seconds": {name: [0, 1] for name in ("second", "clicks", "accepted", "refused", "landed")},
        **columns,
        **changes,
    }


def failover(after_s, others=0):
    return {
        "name": "master-held-down",
        "verdict": "pass",
        "complaints": [],
        "figures": {
            "P8": {"value": after_s},
            "promoted_s": 3.5,
            "sells_again_s": 3.5 + after_s,
            "refused_meanwhile": 4,
            "others_refused": others,
            "others_p99_ms": [1, 2],
            "reserved": 10,
            "confirmed": 9,
            "lost_on_failover": 1,
        },
    }


def test_failover_is_met_only_when_other_shards_refused_nobody():
    met = bench_failover.measure([failover(0.4), failover(0.9), failover(0.5)])
    assert (met["value"], met["met"], met["limit"], met["product"]) == (0.5, True, 3.5, 4.0)
    assert (met["accepted"], met["refused"], met["landed"]) == (30, 12, 27)
    assert not bench_failover.measure([failover(0.4, others=1)])["met"]
    assert not bench_failover.measure([failover(1.2)])["met"]


def test_the_first_answer_of_a_demo_is_the_first_reservation_and_not_the_first_line():
    lines = ["up", "  -2.0 s  done 0/9  reserved     0  confirmed 0", "  +0.1 s  reserved     3 "]
    assert bench_demo.first_answer(enumerate([*lines, "reserved 5"])) == 2
    assert bench_demo.first_answer(enumerate(lines[:2])) is None


def test_a_slow_second_run_misses_the_demos_target():
    first, second = bench_demo.Run(200.0, 240.0), bench_demo.Run(20.0, 59.0)
    summary = {"reserved": 5, "confirmed": 5, "answers": {"buy sold_out": 7, "entry entered": 9}}
    measured = bench_demo.measure(first, second, summary)
    assert measured["met"] and measured["value"] == 200.0 and measured["refused"] == 7
    slow = bench_demo.measure(first, second._replace(whole_s=61.0), summary)
    assert not slow["met"] and distance("P10", slow) == "missed by a condition"


@pytest.mark.parametrize("fails", [False, True])
def test_make_demo_is_timed_to_its_first_answer_and_to_its_end(tmp_path, fails):
    recipe = "@echo reserved 0; echo reserved 3; echo ready"
    (tmp_path / "Makefile").write_text(f"demo:\n\t{recipe}{'; exit 1' if fails else ''}\n")
    if fails:
        with pytest.raises(SystemExit, match="make demo ended with 2"):
            bench_demo.demo(tmp_path)
    else:
        run = bench_demo.demo(tmp_path)
        assert 0 < run.first_answer_s < run.whole_s

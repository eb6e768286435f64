"""Rules name figures that there are, say what to do, and fire when they should: promtool's word."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.metrics.registry import BY_NAME
from deploy.local.site import ROOT
from tests.alerts.cases import AT_S, CASES, STEP_S, Case

RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))
PROMTOOL = shutil.which("promtool") or "promtool"
# Seldomer than in a stack, where it is each two seconds: alerts wait for minutes.
EVALUATED_S = 10


def _rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(path.read_text()) for path in RULES]
    return [rule for one in files for group in one["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in _rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in _rules() if "record" in rule}


def named(expression: str) -> set[str]:
    """Metrics an expression asks for; a histogram's series by its name."""
    found = re.findall(r"\bsluice_\w+", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_figures_of_the_registry(rule: dict[str, Any]) -> None:
    assert named(rule["expr"]) <= BY_NAME.keys()
    assert set(re.findall(r"\bsluice:[\w:]+", rule["expr"])) <= RECORDED


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"] in ({"severity": "P1"}, {"severity": "P2"})
    assert rule["annotations"].keys() == {"summary", "action"}
    # What a label names has to be left by the expression.
    for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
        assert label == "job" or re.search(rf"by \([\w, ]*\b{label}\b", rule["expr"]), label


def test_an_exception_order_wakes_somebody_at_once() -> None:
    rule = ALERTS["ExceptionOrders"]
    assert rule["labels"]["severity"] == "P1"
    assert "for" not in rule


def test_every_alert_is_tried() -> None:
    assert CASES.keys() == ALERTS.keys()


def look_at_s(name: str) -> int:
    """Behind the alert's `for`: within it the alert would be pending in both worlds."""
    wait = ALERTS[name].get("for", "0s")
    return max(AT_S, int(wait[:-1]) * {"s": 1, "m": 60}[wait[-1]] + 60)


def _test(name: str, case: Case, *, fires: bool) -> dict[str, Any]:
    series = case.fires if fires else case.silent
    return {
        "interval": f"{STEP_S}s",
        "name": f"{name} {'fires' if fires else 'is silent'}",
        "input_series": [{"series": key, "values": value} for key, value in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > 0',
                "eval_time": f"{look_at_s(name)}s",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def _promtool(tmp_path: Path, rules: list[Path], tests: list[dict[str, Any]]) -> str:
    """What promtool has to say; "" when every test passes."""
    for path in rules:
        shutil.copyfile(path, tmp_path / path.name)
    written = {
        "rule_files": [path.name for path in rules],
        "evaluation_interval": f"{EVALUATED_S}s",
        "tests": tests,
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(written))
    command = [PROMTOOL, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_alerts_fire_and_are_silent(tmp_path: Path, path: Path) -> None:
    loaded = yaml.safe_load(path.read_text())
    names = [
        rule["alert"] for group in loaded["groups"] for rule in group["rules"] if "alert" in rule
    ]
    tests = [_test(name, CASES[name], fires=fires) for name in names for fires in (True, False)]
    assert _promtool(tmp_path, [path], tests) == ""


def test_a_rule_that_never_fires_would_be_seen(tmp_path: Path) -> None:
    """The control: the same test, of a rule whose threshold is out of reach."""
    (source,) = [path for path in RULES if path.name == "sale.rules.yml"]
    broken = tmp_path / "broken" / source.name
    broken.parent.mkdir()
    before = "sluice_item_oversold_units) > 0"
    text = source.read_text()
    assert before in text
    broken.write_text(text.replace(before, "sluice_item_oversold_units) > 1e9"))
    said = _promtool(tmp_path, [broken], [_test("Oversold", CASES["Oversold"], fires=True)])
    assert "FAILED" in said


def test_figures_of_the_board_are_made_of_the_processes_figures(tmp_path: Path) -> None:
    test = {
        "interval": "1s",
        "input_series": [
            {"series": 'sluice_gateway_buys_total{outcome="reserved",job="a"}', "values": "0+3x60"},
            {"series": 'sluice_gateway_buys_total{outcome="sold_out",job="a"}', "values": "0+7x60"},
            {"series": "sluice_gateway_batches_total", "values": "0+2x60"},
            {"series": "sluice_gateway_batched_requests_total", "values": "0+20x60"},
            # Two control planes show the same money.
            {"series": 'sluice_item_units{place="paid",item="7",job="a"}', "values": "0+2x60"},
            {"series": 'sluice_item_units{place="paid",item="7",job="b"}', "values": "0+2x60"},
        ],
        "promql_expr_test": [
            _expected("sluice:buys:total", {'{__name__="sluice:buys:total", of="reserved"}': 150,
                                            '{__name__="sluice:buys:total", of="sold_out"}': 350}),
            _expected("sum(sluice:buys:rate)", {"{}": 10}),
            _expected("sluice:batch_size", {'{__name__="sluice:batch_size"}': 10}),
            _expected("sluice:paid:rate", {'{__name__="sluice:paid:rate"}': 2}),
        ],
    }  # fmt: skip
    (board,) = [path for path in RULES if path.name == "board.rules.yml"]
    assert _promtool(tmp_path, [board], [test]) == ""


def _expected(expression: str, values: dict[str, float]) -> dict[str, Any]:
    samples = [{"labels": labels, "value": value} for labels, value in values.items()]
    return {"expr": expression, "eval_time": "50s", "exp_samples": samples}

"""The alert rules name figures that there are, and say what to do."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from workers.runtime import metrics

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "orders.rules.yml"
assert metrics  # its import registers the figures


def _rules():
    """Name → text. Not parsed as YAML: that would be a dependency for this file alone."""
    first, *rules = re.split(r"^      - alert: ", RULES.read_text(), flags=re.MULTILINE)
    assert "groups:" in first and rules
    return {rule.split("\n", 1)[0]: rule for rule in rules}


def _figures():
    """As Prometheus sees them: counters end in _total."""
    found = set()
    for family in REGISTRY.collect():
        found.add(f"{family.name}_total" if family.type == "counter" else family.name)
    return found


@pytest.mark.parametrize("name", _rules())
def test_a_rule_watches_figures_that_there_are_and_says_what_to_do(name):
    rule = _rules()[name]
    (expression,) = re.findall(r"^        expr: (.+)$", rule, re.MULTILINE)
    named = set(re.findall(r"sluice_\w+", expression))
    assert named and named <= _figures()
    assert re.search(r"^        labels: \{ severity: P[12] \}$", rule, re.MULTILINE)
    assert re.search(r"^          summary: \S", rule, re.MULTILINE)
    assert re.search(r"^          action: \S", rule, re.MULTILINE)


def test_an_exception_order_wakes_somebody_at_once():
    rule = _rules()["ExceptionOrders"]
    assert "severity: P1" in rule and "for:" not in rule

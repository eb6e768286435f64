"""The alert rules name figures that there are, and say what to do."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from workers.runtime import metrics

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "orders.rules.yml"
assert metrics  # its import registers the figures


def _rules():
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return group["rules"]


def _figures():
    """As Prometheus sees them: counters end in _total."""
    found = set()
    for family in REGISTRY.collect():
        found.add(f"{family.name}_total" if family.type == "counter" else family.name)
    return found


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_a_rule_watches_figures_that_there_are_and_says_what_to_do(rule):
    named = set(re.findall(r"sluice_\w+", rule["expr"]))
    assert named and named <= _figures()
    assert rule["labels"]["severity"] in ("P1", "P2")
    assert rule["annotations"]["summary"] and rule["annotations"]["action"]


def test_an_exception_order_wakes_somebody_at_once():
    rule = {one["alert"]: one for one in _rules()}["ExceptionOrders"]
    assert (rule["labels"]["severity"], "for" in rule) == ("P1", False)

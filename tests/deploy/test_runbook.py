"""The runbook has a line for every alert, and no link of deploy/ leads nowhere."""

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.environment import ROOT

DEPLOY = ROOT / "deploy"
RUNBOOK = (DEPLOY / "runbook" / "alerts.md").read_text()
PAGES = sorted(DEPLOY.rglob("*.md"))


@pytest.mark.parametrize("rules", sorted((DEPLOY / "prometheus").glob("*.rules.yml")), ids=str)
def test_every_alert_has_a_line(rules: Path) -> None:
    groups = yaml.safe_load(rules.read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert [one for one in alerts if not re.search(rf"\b{one}\b", RUNBOOK)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DEPLOY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_switches_it_throws_are_there() -> None:
    thrown = {
        name for page in PAGES for name in re.findall(r"sluice switch ([a-z_]+)", page.read_text())
    }
    known = set(re.findall(r'"([a-z_]+)",', (ROOT / "control_plane/switches/known.py").read_text()))
    # Comes with tracing.
    assert thrown <= known | {"trace_sampling"}
    assert "sale_enabled" in thrown


def test_the_edge_runs_the_same_date_everywhere() -> None:
    dates = {
        name: set(re.findall(r"20\d\d-\d\d-\d\d", _line(name, word)))
        for name, word in (
            ("edge-workers/wrangler.jsonc", "compatibility_date"),
            ("edge-workers/workerd.capnp", "compatibilityDate"),
            ("deploy/terraform/worker.tf", "compatibility_date"),
        )
    }
    assert len({frozenset(found) for found in dates.values()}) == 1, dates


def test_cloudflare_is_told_what_the_worker_reads() -> None:
    told = set(re.findall(r"SLUICE_[A-Z_]+", (DEPLOY / "terraform" / "worker.tf").read_text()))
    told |= set(re.findall(r"SLUICE_[A-Z_]+", (DEPLOY / "terraform" / "variables.tf").read_text()))
    settings = (ROOT / "edge-workers/worker/env/settings.ts").read_text()
    needed = set(re.findall(r'(?<!optional_)(?:secret|origin)\(env, "(SLUICE_[A-Z_]+)"', settings))
    assert needed
    assert needed <= told


def _line(name: str, word: str) -> str:
    lines = (ROOT / name).read_text().splitlines()
    return next(line for line in lines if re.search(rf"\b{word}\b.*20\d\d", line))

"""Prometheus and Alertmanager understand what they are given; P1 goes another way than the rest."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.local import ports
from deploy.local.processes import processes
from deploy.local.servers import monitoring
from deploy.local.site import Site

HERE = monitoring.CONFIGURATION


def _ran(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def alertmanager(tmp_path: Path) -> Path:
    """Its configuration as the stack renders it."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(monitoring.alerting("http://127.0.0.1:8000", ""))
    (tmp_path / "monitoring-token").write_text("x")
    return path


def test_prometheus_reads_its_configuration_and_every_rule(tmp_path: Path) -> None:
    shutil.copyfile(HERE / "prometheus.yml", tmp_path / "prometheus.yml")
    (tmp_path / "rules").mkdir()
    for rules in HERE.glob("*.rules.yml"):
        shutil.copyfile(rules, tmp_path / "rules" / rules.name)
    (tmp_path / "monitoring-token").write_text("x")
    for name in ("open", "guarded", "quick", "alertmanagers"):
        (tmp_path / f"{name}.json").write_text(json.dumps([{"targets": ["127.0.0.1:1"]}]))
    said = _ran("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    assert said.count("rules found") == len(list(HERE.glob("*.rules.yml")))


@pytest.mark.parametrize(("severity", "receiver"), [("P1", "wake"), ("P2", "gather")])
def test_an_alert_goes_to_whom_it_concerns(
    alertmanager: Path, severity: str, receiver: str
) -> None:
    _ran("amtool", "check-config", str(alertmanager))
    to = _ran(
        *("amtool", "config", "routes", "test", f"--config.file={alertmanager}"),
        *("alertname=Oversold", f"severity={severity}"),
    )
    assert to.strip() == receiver


def test_p1_alone_goes_to_a_webhook_of_ones_own(alertmanager: Path) -> None:
    pager = "https://pager.example/sluice?key=a'b"
    alertmanager.write_text(monitoring.alerting("http://127.0.0.1:8000", pager))
    _ran("amtool", "check-config", str(alertmanager))
    told = {
        receiver["name"]: [one["url"] for one in receiver["webhook_configs"]]
        for receiver in yaml.safe_load(alertmanager.read_text())["receivers"]
    }
    board = "http://127.0.0.1:8000/internal/alerts"
    assert told == {"gather": [board], "wake": [board, pager]}


def test_every_process_with_figures_is_asked() -> None:
    """A process that is added to the stack and not to Prometheus would be missed by nobody."""
    asked = {*monitoring.OPEN, *monitoring.GUARDED, *monitoring.QUICK}
    silent = ("postgres", "redis", "kafka", "prometheus", "alertmanager")
    site = Site("test")
    ours = {one.name for one in processes(site) if not one.name.startswith(silent)}
    assert asked == ours
    assert {monitoring.QUICK.get(job, job) for job in asked} <= ports.BASE_PORTS.keys()

"""Prometheus and Alertmanager: what they are told, and what each is given a file of."""

import json
import os
import shutil
from pathlib import Path

from deploy.local import environment
from deploy.local.checks import http_answers
from deploy.local.process import CannotStart, Process
from deploy.local.servers.gateway import render
from deploy.local.site import ROOT, Site, write_private

CONFIGURATION = ROOT / "deploy" / "prometheus"
# By how they are asked (prometheus.yml): job → the name of its port.
QUICK = {"gateway": "gateway-internal"}
GUARDED = ("control-plane", "edge")
OPEN = (
    *("stock-agent", "relay", "order-consumer", "inventory-consumer", "order-courier"),
    *("compensator", "webhook-consumer", "queue-controller", "risk-scorer"),
    *("celery-worker", "celery-webhooks", "celery-beat"),
)
# A replay of the last days; the size bounds what a forgotten stack leaves on a laptop.
KEPT = ("--storage.tsdb.retention.time=3d", "--storage.tsdb.retention.size=256MB")
# One core's worth of threads: beside a sale it must not take the others. Collected early: 60 MB.
BOUNDED = ("env", "GOMAXPROCS=1", "GOGC=50", "GOMEMLIMIT=150MiB")


def _binary(*names: str) -> str:
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise CannotStart(f"{names[0]} is not installed: run `make setup`")


def prometheus_files(site: Site) -> Path:
    """Write everything Prometheus reads; its folder."""
    home = site.folder("prometheus")
    rules = site.folder("prometheus", "rules")
    for old in rules.iterdir():
        old.unlink()
    for rule in CONFIGURATION.glob("*.rules.yml"):
        shutil.copyfile(rule, rules / rule.name)
    shutil.copyfile(CONFIGURATION / "prometheus.yml", home / "prometheus.yml")
    write_private(home / "monitoring-token", site.secrets["monitoring_token"])
    _targets(home / "open.json", {job: site.port(job) for job in OPEN})
    _targets(home / "guarded.json", {job: site.port(job) for job in GUARDED})
    _targets(home / "quick.json", {job: site.port(port) for job, port in QUICK.items()})
    _targets(home / "alertmanagers.json", {"alertmanager": site.port("alertmanager")})
    return home


def _targets(path: Path, ports: dict[str, int]) -> None:
    entries = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"job": job}} for job, port in ports.items()
    ]
    path.write_text(json.dumps(entries, indent=1) + "\n")


def alerting(control_plane_url: str, webhook_url: str) -> str:
    """Alertmanager's configuration; "" for a webhook is none."""
    names = {"SLUICE_CONTROL_PLANE_URL": control_plane_url}
    text = render(CONFIGURATION / "alertmanager.yml.template", names)
    if webhook_url:
        text += f"      - {{ url: {json.dumps(webhook_url)}, send_resolved: true }}\n"
    return text


def alertmanager_files(site: Site) -> Path:
    """The same for Alertmanager."""
    home = site.folder("alertmanager")
    text = alerting(
        f"http://127.0.0.1:{site.port('control-plane')}",
        environment.tunables().get("SLUICE_ALERT_WEBHOOK_URL", ""),
    )
    write_private(home / "alertmanager.yml", text)
    write_private(home / "monitoring-token", site.secrets["monitoring_token"])
    return home


def _prometheus(site: Site) -> list[str]:
    home = site.state / "prometheus"
    return [
        *BOUNDED,
        _binary("prometheus"),
        f"--config.file={home}/prometheus.yml",
        f"--storage.tsdb.path={home}/data",
        *KEPT,
        f"--web.listen-address=127.0.0.1:{site.port('prometheus')}",
        "--log.level=warn",
    ]


def _alertmanager(site: Site) -> list[str]:
    home = site.state / "alertmanager"
    return [
        *BOUNDED,
        _binary("alertmanager", "prometheus-alertmanager"),
        f"--config.file={home}/alertmanager.yml",
        f"--storage.path={home}/data",
        f"--web.listen-address=127.0.0.1:{site.port('alertmanager')}",
        "--cluster.listen-address=",  # alone here; it would gossip on a port of its own
        "--log.level=warn",
    ]


def _prepare_prometheus(site: Site) -> None:
    prometheus_files(site)


def _prepare_alertmanager(site: Site) -> None:
    alertmanager_files(site)


PROMETHEUS = Process(
    name="prometheus",
    command=_prometheus,
    prepare=_prepare_prometheus,
    healthy=http_answers("prometheus", "/-/ready"),
    ports=("prometheus",),
    url_path="/alerts",
    sources=("deploy/prometheus",),
)
ALERTMANAGER = Process(
    name="alertmanager",
    command=_alertmanager,
    prepare=_prepare_alertmanager,
    healthy=http_answers("alertmanager", "/-/ready"),
    ports=("alertmanager",),
    url_path="/",
    sources=("deploy/prometheus",),
)

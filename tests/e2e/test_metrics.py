"""What every process of a running stack shows is what the registry says, and Prometheus has it."""

import re
import subprocess
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.metrics.registry import BY_JOB, of_job
from deploy.local.servers.monitoring import GUARDED, OPEN, QUICK
from deploy.local.site import Site

JOBS = (*OPEN, *GUARDED, *QUICK)
# What prometheus_client itself shows of a process.
OF_THE_LIBRARY = re.compile(r"python_|process_")
# Prometheus asks for lower-case words; ours are outcomes of DESIGN §2 and names of processes.
LABEL_VALUE = re.compile(r"[A-Za-z0-9_.:+ -]*")


def shown(site: Site, job: str) -> str:
    """The text a process shows to Prometheus."""
    port = site.port(QUICK.get(job, job))
    path = "/internal/metrics" if job in GUARDED else "/metrics"
    token = {"Authorization": f"Bearer {site.secrets['monitoring_token']}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=token)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


@pytest.mark.parametrize("job", JOBS)
def test_a_process_shows_what_is_declared_and_nothing_else(site: Site, job: str) -> None:
    declared = of_job(job)
    text = shown(site, job)
    families = [
        family
        for family in text_string_to_metric_families(text)
        if not OF_THE_LIBRARY.match(family.name)
    ]
    assert families
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        metric = declared[name]
        assert family.type == metric.kind, name
        # With several processes in one, prometheus_client has its own words.
        assert family.documentation in (metric.help, "Multiprocess metric"), name
        for sample in family.samples:
            labels = set(sample.labels) - {"le"}
            assert labels == set(metric.labels), sample
            assert all(LABEL_VALUE.fullmatch(value) for value in sample.labels.values()), sample


@pytest.mark.parametrize("job", ["gateway", "edge", "control-plane", "celery-beat", "relay"])
def test_promtool_finds_nothing_to_say(site: Site, job: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=shown(site, job),
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if line.startswith("sluice_")]
    assert ours == [], done.stderr


@pytest.mark.parametrize("job", sorted(BY_JOB.keys() - {"celery-webhooks", "edge"}))
def test_a_process_shows_all_that_it_has(site: Site, job: str) -> None:
    """Names that only stand in the registry would be dashboards of nothing."""
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(shown(site, job))
    }
    missing = of_job(job).keys() - names
    # Shown when somebody has looked at the board, or a purchase was followed through this process.
    later = {"sluice_board_prometheus_up", "sluice_board_look_seconds", "sluice_spans_total"}
    assert missing <= later, missing


@pytest.mark.parametrize("job", GUARDED)
def test_nobody_reads_figures_on_a_public_port_without_the_token(site: Site, job: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{site.port(job)}/internal/metrics", timeout=10)
    assert refused.value.code == 401

"""What the shipper of compose.yaml lets pass, and that it leads from a line to its trace."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.compose import checking
from tests.deploy.environment import ROOT

COMPOSE = ROOT / "deploy" / "compose"
SHIPPER = (ROOT / "deploy/logs/containers.alloy").read_text()
ON_A_HOST = (ROOT / "deploy/logs/alloy.config").read_text()
GATEWAY = (
    '{"at":"2026-11-26T07:42:33+00:00","level":"info","process":"gateway","message":"POST …/buy",'
    '"trace_id":"","item":"7","reservation_id":""}'
)
WORKER = '{"at": "2026-11-26T07:41:36.737Z", "level": "info", "process": "relay", "message": "up"}'
NGINX = (
    "2026/11/26 07:42:33 [error] 12#12: *7 upstream timed out, client: 203.0.113.9, "
    "server: _, request: …"
)
AUDIT = '{"transaction":{"client_ip":"203.0.113.9","request":{"uri":"/\\"process\\":\\"x"}}}'


def _selector() -> re.Pattern[str]:
    """The expression of what is not dropped, as Alloy reads the text: LogQL in a string."""
    found = re.search(r'!~ \\"(.*)\\""\n\s+action   = "drop"', SHIPPER)
    assert found, "nothing is dropped"
    return re.compile(found[1].replace(r"\\\"", '"'))


@pytest.mark.parametrize("line", [GATEWAY, WORKER, NGINX])
def test_lines_of_ours_are_shipped(line: str) -> None:
    assert _selector().search(line)


@pytest.mark.parametrize("line", [AUDIT, "Traceback (most recent call last):", "203.0.113.9 - -"])
def test_nothing_else_is(line: str) -> None:
    assert not _selector().search(line)


@pytest.mark.parametrize("stage", ["stage.json", "stage.replace", "stage.regex", "stage.labels"])
def test_both_alloys_read_lines_alike(stage: str) -> None:
    blocks = [
        re.search(rf"{re.escape(stage)} \{{\n(.*?)\n\s*\}}\n", text, re.DOTALL)
        for text in (SHIPPER, ON_A_HOST)
    ]
    assert blocks[0] and blocks[1]
    assert blocks[0][1] == blocks[1][1]


def test_the_visitor_is_cut_off() -> None:
    cut = re.search(r'expression = "([(], client: .*[$])"', SHIPPER)
    assert cut
    assert "203.0.113.9" not in re.sub(cut[1], "", NGINX)


def test_grafana_reaches_what_it_is_told() -> None:
    services = checking.of_size(COMPOSE, "small")["services"]
    told: dict[str, Any] = yaml.safe_load((COMPOSE / "grafana/logs-and-traces.yml").read_text())
    sources = {one["uid"]: one for one in told["datasources"]}
    assert {urlsplit(one["url"]).hostname for one in sources.values()} <= set(services)
    [derived] = sources["sluice-loki"]["jsonData"]["derivedFields"]
    assert derived["datasourceUid"] in sources
    assert f'{derived["matcherRegex"]} = "{derived["matcherRegex"]}"' in SHIPPER


@pytest.mark.parametrize("size", ["small", "full"])
def test_whoever_can_sends_traces_to_jaeger(size: str) -> None:
    """The others read no SLUICE_OTLP_URL (deploy/local/environment.py)."""
    services = checking.of_size(COMPOSE, size)["services"]
    [address] = [net["ipv4_address"] for net in services["jaeger"]["networks"].values()]
    ours = {
        name: one.get("environment", {}).get("SLUICE_OTLP_URL", "")
        for name, one in services.items()
        if one["image"].startswith("sluice-") and name != "configuration"
    }
    assert {urlsplit(url).hostname for url in ours.values()} == {"jaeger", address}
    assert {urlsplit(url).port for url in ours.values()} == {4318}

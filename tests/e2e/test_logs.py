"""What the processes of the test stack log: one schema, and nothing that tells who somebody is."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy.local.processes import processes
from deploy.local.site import ROOT, Site
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.test_payment import LIMIT_S, _sold, edge

__all__ = ["edge"]

LOGS = ROOT / "deploy" / "logs"
SCHEMA = json.loads((LOGS / "line.schema.json").read_text())
# Formats of their own, of other people's programs. nginx's error log is one of them.
OTHERS = re.compile(r"postgres|kafka|redis-.*|gateway")
# Of nobody: RFC 5737 and RFC 2606.
ADDRESS, AGENT = "203.0.113.77", "Personal/1.0 (ann.lee@example.org)"
# Celery says goodbye past every logger.
GOODBYE = re.compile(r"|worker: (Warm|Cold) shutdown \(MainProcess\)")
CLIENT = re.compile(r", client: .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def since() -> float:
    """What was written before may be of an older tree."""
    return time.time() - 1


def ours(site: Site) -> dict[str, Path]:
    """The logs that are to follow the schema, by process."""
    found = {
        one.name: site.state / "logs" / f"{one.name}.log"
        for one in processes(site)
        if not OTHERS.fullmatch(one.name)
    }
    own = site.state / "gateway" / "logs"
    return found | {"gateway": own / "access.log", "console": own / "console.log"}


def lines(path: Path, since: float) -> Iterator[dict[str, Any]]:
    """The lines of a log from its end back to that time."""
    for text in reversed(path.read_text().splitlines() if path.exists() else []):
        if GOODBYE.fullmatch(text):
            continue
        line = json.loads(text)
        if datetime.fromisoformat(line["at"]).timestamp() < since - 1:
            return
        yield line


def buy_at_the_gateway(site: Site, path: str, token: str) -> int:
    """As somebody with an address and a user agent of his own."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.port('gateway')}{path}",
        b'{"qty":1}',
        {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
            "X-Forwarded-For": ADDRESS,
            "User-Agent": AGENT,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_every_line_of_every_process_is_one_of_the_schema_and_names_nobody(
    since: float, site: Site, edge: str, create_campaign: Any
) -> None:
    item: JsonObject = create_campaign("logs", units=3, starts_in_s=3, lasts_s=600)["items"][0]
    ann = _sold(edge, item, "ann-of-the-logs")
    entry = ann._entry
    assert buy_at_the_gateway(site, entry["buy_url"], entry["entry_token"]) in (200, 409)
    assert buy_at_the_gateway(site, entry["buy_url"], entry["entry_token"] + "x") == 401
    assert buy_at_the_gateway(site, "/v1/items/x/y", "no-token-of-anybody") == 404
    urllib.request.urlopen(f"http://127.0.0.1:{site.port('gateway-console')}/admin/").read()
    wait_for(
        lambda: (
            any(
                line.get("reservation_id") == ann.reservation
                for line in lines(ours(site)["gateway"], since)
            )
            and any(lines(ours(site)["console"], since))
        ),
        "purchase and page are in the gateway's logs",
        LIMIT_S,
    )
    validator = jsonschema.Draft202012Validator(SCHEMA)
    heard: set[str] = set()
    for process, path in ours(site).items():
        for line in lines(path, since):
            faults = [error.message for error in validator.iter_errors(line)]
            assert faults == [], (process, line)
            assert line["process"] == process, line
            assert line.get("logger") != "uvicorn.access", "its lines have addresses"
            heard.add(process)
    assert {"gateway", "console", "stock-agent"} <= heard
    secrets = {
        "address": ADDRESS,
        "user agent": "Personal/1.0",
        "mail address": "example.org",
        "session": ann.session,
        "token": entry["entry_token"],
        "path_key": entry["path_key"],
        "device": "device-ann-of-the-logs",
        "another token": "no-token-of-anybody",
    }
    for path in [*ours(site).values(), site.state / "logs" / "gateway.log"]:
        text = CLIENT.sub("", path.read_text() if path.exists() else "")
        for name, secret in secrets.items():
            assert secret not in text, (name, path.name)


def test_the_schema_refuses_what_is_no_line_of_it() -> None:
    good = {
        "at": "2026-11-26T07:41:36.737+00:00",
        "level": "info",
        "process": "relay",
        "message": "x",
    }
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert validator.is_valid(good | {"item": 7, "trace_id": "", "reservation_id": ""})
    wrong: dict[str, list[Any]] = {
        "at": ["now", "2026-11-26 07:41:36", 1],
        "level": ["warn", "INFO", ""],
        "process": ["", "A", 7],
        "message": ["", None],
        "trace_id": ["abc", "A" * 32, None],
        "item": [0, -1, "07", "x", 1.5],
        "reservation_id": ["7", 7],
    }
    for name, values in wrong.items():
        for value in values:
            assert not validator.is_valid(good | {name: value}), (name, value)
        missing = {key: value for key, value in good.items() if key != name}
        assert validator.is_valid(missing) is (name not in good)


def test_the_shipping_configurations_read_the_same_fields() -> None:
    """What can be looked at without their programs: which fields of ours they name."""
    wanted = {"at", "level", "process", "trace_id"}
    alloy, filebeat = ((LOGS / name).read_text() for name in ("alloy.config", "filebeat.yml"))
    expressions = re.search(r"expressions = \{(.*)\}", alloy)
    assert expressions
    named = set(re.findall(r'= "(\w+)"', expressions[1]))
    assert wanted | {"item", "reservation_id"} == named <= {*SCHEMA["properties"]}
    named = set(re.findall(r"sluice\.(\w+)", filebeat))
    assert wanted <= named <= {*SCHEMA["properties"]}
    assert ", client: .*" in alloy
    assert ", client: .*" in filebeat

"""The firewall of deploy/waf, before a console that has none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process import CannotStart
from deploy.local.servers import firewall
from deploy.local.servers.gateway import binary
from deploy.local.site import ROOT
from deploy.waf.__main__ import render
from tests.gateway.client import get, send
from tests.gateway.conftest import Settings
from tests.gateway.console.attacks import FORM, LIST
from tests.gateway.console.conftest import Console
from tests.redis.ports import free_port
from tests.redis.waiting import until


@pytest.fixture(scope="module")
def settings() -> Settings:
    """As if this nginx had no module."""
    return {"SLUICE_CONSOLE_WAF": "off"}


@pytest.fixture
def in_front(console: Console, tmp_path: Path) -> Iterator[int]:
    """The port of a firewall before this console."""
    port = free_port()
    command = [sys.executable, "-m", "deploy.waf", "--into", str(tmp_path)]
    command += ["--listen", f"127.0.0.1:{port}", "--nginx", binary()]
    command += ["--console", f"127.0.0.1:{console.gateway.console_port}"]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    start = done.stdout.removeprefix("start it with: ").split()
    nginx = subprocess.Popen([*start, "-e", "stderr", "-g", "daemon off;"])
    until(lambda: _answers(port), "the firewall answers")
    console.blue.seen.clear()
    yield port
    nginx.terminate()
    nginx.wait()


def _answers(port: int) -> bool:
    try:
        return get(port, "/healthz").status == 200
    except OSError:
        return False


def test_it_refuses_attacks_and_passes_work(console: Console, in_front: int) -> None:
    assert get(in_front, "/admin/?q=<script>alert(1)</script>").status == 403
    assert get(in_front, "/admin/?q='+OR+1=1--+-").status == 403
    assert console.blue.seen == []
    body = b"title=%E5%8F%8C%E5%8D%81%E4%B8%80&_continue=%E4%BF%9D%E5%AD%98"
    assert send(in_front, "POST", f"{LIST}add/", FORM, body).answer().json == {"version": "blue"}
    assert [seen.body for seen in console.blue.seen] == [body]
    assert get(in_front, "/internal/snapshot").status == 404


def test_without_rules_nothing_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "CRS_RULES", ("/nowhere",))
    with pytest.raises(CannotStart, match="the core rule set is missing"):
        render(tmp_path, binary(), "127.0.0.1:1", "127.0.0.1:2", "block")
    assert list(tmp_path.iterdir()) == []

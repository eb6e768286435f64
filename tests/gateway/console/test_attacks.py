"""The corpus of attacks is refused in front of the control plane.

The control: with the engine off the same attacks get there.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.console.attacks import ALL, Attack
from tests.gateway.console.conftest import Console
from tests.gateway.gateway import Gateway
from tests.gateway.shop import Shop
from tests.redis.waiting import until

BY_RULES = [attack for attack in ALL if attack.by_rules]


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_an_attack_is_refused_and_reaches_nobody(console: Console, attack: Attack) -> None:
    answer = console.ask(attack.method, attack.path, attack.headers, attack.body)
    assert answer.status in attack.status
    assert console.blue.seen == []
    reference = _reference_of(answer.body, attack.path)
    assert len(reference) == 32


@pytest.fixture(scope="module")
def unguarded(
    module_console: Console, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """The same console with the engine off."""
    folder = tmp_path_factory.mktemp("unguarded")
    with _beside(module_console, folder, SLUICE_CONSOLE_WAF="off") as console:
        yield console


@contextmanager
def _beside(console: Console, folder: Path, **settings: str) -> Iterator[Console]:
    own = {**console.gateway.settings, "SLUICE_VAR_DIR": str(folder), **settings}
    gateway = Gateway(folder, own, has_console=True)
    gateway.start()
    try:
        yield Console(Shop(console.shop.plane, gateway, console.shop.stock))
    finally:
        gateway.stop()


@pytest.mark.parametrize("attack", BY_RULES, ids=lambda attack: attack.name)
def test_the_control_with_the_engine_off_the_same_attack_gets_through(
    console: Console, unguarded: Console, attack: Attack
) -> None:
    answer = unguarded.ask(attack.method, attack.path, attack.headers, attack.body)
    assert answer.status == 200
    assert len(console.blue.seen) == 1


def test_reporting_writes_down_what_it_lets_through(console: Console, tmp_path: Path) -> None:
    with _beside(console, tmp_path, SLUICE_CONSOLE_WAF="report") as reporting:
        answer = reporting.get("/admin/?q=<script>alert(1)</script>")
        assert answer.status == 200
        log = tmp_path / "logs/console-audit.log"
        until(lambda: log.exists() and "941110" in log.read_text(), "the rule is in the audit log")


def _reference_of(body: bytes, path: str) -> str:
    if path.startswith("/api/"):
        return str(json.loads(body)["reference"])
    return body.decode().partition("<code>")[2].partition("</code>")[0]

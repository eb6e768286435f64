"""compose.yaml names only what is there; each kind of fault is seen."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose import checking, configure, make_secrets
from deploy.local import environment as local
from tests.deploy import environment

FOLDER = environment.ROOT / "deploy" / "compose"
SIZES = ("small", "full")


def _parsed(size: str) -> dict[str, Any]:
    values = checking.read_env_file(FOLDER / f"{size}.env")
    text = checking.substituted((FOLDER / "compose.yaml").read_text(), values)
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


@pytest.mark.parametrize("size", SIZES)
def test_everything_it_names_is_there(size: str) -> None:
    assert checking.complaints(_parsed(size), FOLDER, environment.known()) == []


@pytest.mark.parametrize("size", SIZES)
def test_every_value_of_an_env_file_is_used(size: str) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    unused = [
        name
        for name in checking.read_env_file(FOLDER / f"{size}.env")
        if f"${{{name}}}" not in text and name != "COMPOSE_PROFILES"
    ]
    assert unused == []


def test_the_small_one_has_one_of_each() -> None:
    small, full = (set(checking.of_size(FOLDER, size)["services"]) for size in SIZES)
    assert full - small == {
        *(f"redis-stock-{number}" for number in range(2, 7)),
        *("kafka-2", "kafka-3", "gateway-2"),
    }


def test_every_process_of_the_local_stack_is_a_service() -> None:
    services = set(_parsed("full")["services"]) | {"gateway"}
    assert set(local.NEEDED) <= services


def _without_network(parsed: dict[str, Any]) -> None:
    parsed["services"]["relay"]["environment"]["SLUICE_STOCK_REDDIS"] = "x"


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a mistyped variable": (_without_network, "relay: nobody reads SLUICE_STOCK_REDDIS"),
    "a variable left out": (
        lambda parsed: parsed["services"]["relay"]["environment"].pop("SLUICE_KAFKA_BROKERS"),
        "relay: is not told SLUICE_KAFKA_BROKERS",
    ),
    "an image nobody builds": (
        lambda parsed: parsed["services"]["relay"].update(image="sluice-worker:dev"),
        "relay: no Containerfile builds sluice-worker",
    ),
    "an image that changes by itself": (
        lambda parsed: parsed["services"]["loki"].update(image="grafana/loki:latest"),
        "loki: grafana/loki:latest is not pinned",
    ),
    "a neighbour that is gone": (
        lambda parsed: parsed["services"].pop("control-plane"),
        "edge: depends on control-plane, which is not there",
    ),
    "a neighbour nobody checks": (
        lambda parsed: parsed["services"]["postgres"].pop("healthcheck"),
        "prepare: waits until postgres is healthy, which nobody checks",
    ),
    "a neighbour of one profile": (
        lambda parsed: parsed["services"]["control-plane"].update(profiles=["full"]),
        "edge: needs control-plane, which is in some profiles only",
    ),
    "a secret in the open": (
        lambda parsed: parsed["services"]["edge"]["environment"].update(SLUICE_CHECK_KEY="k"),
        "edge: SLUICE_CHECK_KEY stands in the open",
    ),
    "a secret of nowhere": (
        lambda parsed: parsed["secrets"].pop("SLUICE_CHECK_KEY"),
        "edge: secret SLUICE_CHECK_KEY is declared nowhere",
    ),
    "a log that nobody reads": (
        lambda parsed: parsed["services"]["alloy"].pop("ports"),
        "relay: nobody listens at udp://127.0.0.1:5514",
    ),
    "a log that is not sent": (
        lambda parsed: parsed["services"]["relay"].pop("logging"),
        "relay: its log is not shipped",
    ),
    "a file that is not there": (
        lambda parsed: parsed["services"]["edge"]["volumes"].append("./gone:/gone"),
        "edge: ./gone does not exist",
    ),
    "a volume of nowhere": (
        lambda parsed: parsed["volumes"].pop("loki"),
        "loki: volume loki is declared nowhere",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_it_names_what_is_wrong(fault: str) -> None:
    breaking, said = BROKEN[fault]
    parsed = copy.deepcopy(_parsed("full"))
    breaking(parsed)
    assert said in checking.complaints(parsed, FOLDER, environment.known())


def test_a_value_that_the_env_file_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="TAG"):
        checking.substituted("image: sluice-edge:${TAG}", {})


def test_secrets_are_made_once_and_fit_the_compose_file(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = make_secrets.make(folder, "postgres:5432", "redis-work:7100")
    assert {f"./secrets/{name}" for name in made} == {
        one["file"] for one in _parsed("full")["secrets"].values()
    }
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert make_secrets.make(folder, "postgres:5432", "redis-work:7100") == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert before["sale_password"] in before["SLUICE_SALE_DSN"]


def test_a_password_that_needs_quoting_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "sale_password").write_text("p@ss/word")
    with pytest.raises(SystemExit, match="sale_password"):
        make_secrets.make(folder, "postgres:5432", "redis-work:7100")


def test_stock_nodes_are_told_addresses_and_hashes_only(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets.make(folder, "postgres:5432", "redis-work:7100")
    found = configure.configurations("172.30.0", 6, "1gb", folder)
    assert set(found) == {
        *(f"redis-stock-{number}.conf" for number in range(1, 7)),
        *("redis-standby.conf", "redis-work.conf"),
    }
    node = found["redis-stock-2.conf"]
    assert "cluster-announce-ip 172.30.0.12\n" in node
    assert "min-replicas-to-write 1\n" in node
    assert "min-replicas-to-write" not in found["redis-standby.conf"]
    assert (folder / "stock_worker_password").read_text() not in node

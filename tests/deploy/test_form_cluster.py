"""What configure.py writes starts real servers, and form_cluster.sh makes them one cluster."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.compose import make_secrets
from deploy.images.stock_redis import stock
from tests.deploy.environment import ROOT

SCRIPT = ROOT / "deploy" / "compose" / "form_cluster.sh"
# Of nobody else's tests, and below the ports Linux gives to outgoing connections.
PORT = 31_840


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[list[str], str]]:
    """Six stock nodes as in Compose, on ports of one machine; their addresses and the password."""
    secrets = tmp_path / "secrets"
    make_secrets.make(secrets, "postgres:5432", "redis-work:7100")
    with ExitStack() as running:
        addresses = []
        for number in range(6):
            port, home = PORT + number, tmp_path / str(number)
            home.mkdir()
            text = stock(port, "127.0.0.1", "64mb", replicas=True, secrets=secrets)
            # Here a machine, there a container: where it listens and writes.
            text = text.replace('dir "/data"', f'dir "{home}"')
            text += f'bind 127.0.0.1\nlogfile "{home}/log"\n'
            (home / "redis.conf").write_text(text)
            server = subprocess.Popen(["redis-server", str(home / "redis.conf")])
            running.callback(server.wait, 20)
            running.callback(server.kill)
            addresses.append(f"127.0.0.1:{port}")
        yield addresses, (secrets / "stock_operator_password").read_text()


def _form(addresses: list[str], password: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *addresses],
        check=False,
        env={"PATH": os.environ["PATH"], "REDISCLI_AUTH": password},
        capture_output=True,
        text=True,
        timeout=180,
    )


def _ask(address: str, password: str, *words: str) -> str:
    host, port = address.split(":")
    command = ["redis-cli", "-h", host, "-p", port, "--user", "operator", *words]
    environ = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": password}
    return subprocess.run(command, check=True, env=environ, capture_output=True, text=True).stdout


def test_six_nodes_become_three_pairs_once(nodes: tuple[list[str], str]) -> None:
    addresses, password = nodes
    formed = _form(addresses, password)
    assert formed.returncode == 0, formed.stdout + formed.stderr
    told = _ask(addresses[0], password, "cluster", "nodes")
    assert (told.count("master"), told.count("slave")) == (3, 3)
    again = _form(addresses, password)
    assert (again.returncode, again.stdout) == (0, "form_cluster: whole\n")


def test_a_number_of_nodes_that_is_no_cluster_is_refused() -> None:
    done = _form(["127.0.0.1:1", "127.0.0.1:2"], "p")
    assert (done.returncode, done.stderr) == (2, "form_cluster: one address or six, not 2\n")

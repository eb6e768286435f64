"""What the images' entry points do, without building one: make images does that."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.images import gateway
from deploy.local.process import CannotStart
from deploy.local.servers.gateway import binary
from tests.deploy.environment import ROOT

IMAGES = ROOT / "deploy" / "images"
FAMILIES = ("gateway", "edge", "python")
RESOLV_CONF = "search sale.svc\nnameserver 10.96.0.10\nnameserver fd00::10\n"
GATEWAY = {
    "SLUICE_STOCK_REDIS": "stock:7001",
    "SLUICE_STOCK_REDIS_USER": "gateway",
    "SLUICE_STOCK_REDIS_PASSWORD": "p",
    "SLUICE_WORK_REDIS_URL": "redis://:p@work:7100/0",
    "SLUICE_CONTROL_PLANE_URL": "http://control-plane:8000",
    "SLUICE_SNAPSHOT_KEY": "k" * 32,
    "SLUICE_INTERNAL_TOKEN": "t" * 32,
    "SLUICE_RESERVATION_KEY": "r" * 32,
    "SLUICE_TRUSTED_PROXIES": "10.244.0.0/16",
}


def _start(environ: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IMAGES / "start.sh", *command],
        check=False,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
    )


def test_a_secrets_file_becomes_the_variable_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "SLUICE_CHECK_KEY").write_text("se cret'\"$x\n")
    (tmp_path / "stock_operator_password").write_text("nobody asks")
    said = _start({"SLUICE_SECRETS_DIR": str(tmp_path)}, "printenv")
    assert "SLUICE_CHECK_KEY=se cret'\"$x\n" in said.stdout
    assert "nobody asks" not in said.stdout


def test_a_variable_wins_over_its_file_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "SLUICE_CHECK_KEY").write_text("file")
    environ = {"SLUICE_SECRETS_DIR": str(tmp_path), "SLUICE_CHECK_KEY": "given"}
    said = _start(environ, "printenv", "SLUICE_CHECK_KEY")
    assert (said.stdout, said.stderr) == (
        "given\n",
        "start: SLUICE_CHECK_KEY is set, its file is not read\n",
    )


def test_a_file_of_another_name_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "SLUICE_KEY.bak").write_text("old")
    said = _start({"SLUICE_SECRETS_DIR": str(tmp_path)}, "true")
    assert said.returncode == 2
    assert "is no name of a variable" in said.stderr


def test_without_secrets_it_starts_and_hands_on_the_exit_code(tmp_path: Path) -> None:
    environ = {"SLUICE_SECRETS_DIR": str(tmp_path / "none")}
    assert _start(environ, "sh", "-c", "exit 7").returncode == 7


def test_the_control_planes_name_becomes_an_address() -> None:
    given = gateway.environment(GATEWAY | {"SLUICE_VAR_DIR": "/v"}, lambda host: "10.96.1.2")
    assert given["SLUICE_CONTROL_PLANE_URL"] == "http://10.96.1.2:8000"
    assert given["SLUICE_STOCK_REDIS"] == "stock:7001"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"SLUICE_CONTROL_PLANE_URL": "https://control-plane:8000"}, "must be http://host:port"),
        ({"SLUICE_CONTROL_PLANE_URL": "http://control-plane"}, "must be http://host:port"),
        ({"SLUICE_GATEWAY_WORKERS": "20000"}, "SLUICE_GATEWAY_WORKERS"),
        ({"SLUICE_VAR_DIR": ""}, "SLUICE_VAR_DIR is not set"),
    ],
)
def test_a_wrong_value_stops_the_start(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(CannotStart, match=said):
        gateway.environment(GATEWAY | {"SLUICE_VAR_DIR": "/v"} | wrong, lambda host: "10.0.0.1")


def test_a_name_nobody_knows_stops_the_start() -> None:
    with pytest.raises(CannotStart, match=r"sluice\.invalid"):
        gateway.ipv4_of("sluice.invalid")


def test_lua_is_given_the_containers_nameservers() -> None:
    assert gateway.resolver(RESOLV_CONF).startswith("resolver 10.96.0.10 [fd00::10] ipv6=off")
    assert gateway.resolver("search sale.svc\n") == ""


def test_nginx_takes_what_is_rendered_and_listens_to_everybody(tmp_path: Path) -> None:
    home = tmp_path / "var"
    given = GATEWAY | {"SLUICE_VAR_DIR": str(home), "SLUICE_GATEWAY_WORKERS": "1"}
    names = gateway.environment(given, lambda host: "127.0.0.1")
    # Without the console, whose rule set takes a second to read.
    del names["SLUICE_GATEWAY_CONSOLE_PORT"]
    gateway.render(home, names, RESOLV_CONF)
    assert "listen 0.0.0.0:8080 " in (home / "conf/sites/sale.conf").read_text()
    assert (
        "set_real_ip_from 10.244.0.0/16;" in (home / "conf/http.d/client_address.conf").read_text()
    )
    (home / "logs/access.log").unlink()  # this test's own standard output is no file
    tried = subprocess.run(
        [binary(), "-p", str(home), "-e", "stderr", "-c", "conf/nginx.conf", "-t"],
        check=False,
        env={"PATH": os.environ["PATH"], **names},
        capture_output=True,
        text=True,
    )
    assert tried.returncode == 0, tried.stderr


@pytest.mark.parametrize("family", FAMILIES)
def test_every_image_is_an_ordinary_users(family: str) -> None:
    lines = (IMAGES / f"{family}.Containerfile").read_text().splitlines()
    assert lines.count("USER 10001:10001") == 1
    assert "ARG BASE_IMAGE=debian:12-slim" in lines
    assert 'ENTRYPOINT ["/srv/sluice/deploy/images/start.sh"]' in lines


@pytest.mark.parametrize("family", FAMILIES)
def test_what_an_image_copies_is_there_and_is_not_ignored(family: str) -> None:
    allowed = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for line in (IMAGES / f"{family}.Containerfile").read_text().splitlines():
        if not line.startswith("COPY ") or "--from" in line:
            continue
        for source in line.split()[1:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == one or source.startswith(f"{one}/") for one in allowed), source

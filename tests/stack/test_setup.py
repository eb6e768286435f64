"""`make setup` looks for everything that some target of the Makefile calls."""

import subprocess
from pathlib import Path

import pytest

from deploy.local.site import ROOT


@pytest.fixture(scope="module")
def missing() -> list[str]:
    """The packages that would be installed on a system with nothing on its PATH."""
    nothing = "PATH=/nowhere; has() { false; }; any() { false; }"
    probe = f"source deploy/local/system_packages.sh; {nothing}; probe_all"
    done = subprocess.run(
        ["bash", "-c", probe], check=True, cwd=ROOT, capture_output=True, text=True
    )
    return [line.partition("|")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "package",
    [
        "nginx",
        "modsecurity-crs",
        "redis-server",
        "maven",
        "nodejs",
        "lua-busted",
        "util-linux",
        "wrk",
        "php-cli",
    ],
)
def test_a_program_that_is_missing_is_installed(missing: list[str], package: str) -> None:
    assert package in missing


@pytest.mark.parametrize(
    ("built_with", "says"),
    [("--add-dynamic-module=../ModSecurity-nginx", ""), ("--with-http_ssl_module", "runs without")],
)
def test_an_openresty_without_the_firewall_s_module_is_told_in_one_line(
    tmp_path: Path, built_with: str, says: str
) -> None:
    openresty = tmp_path / "openresty"
    openresty.write_text(f"#!/bin/sh\necho 'configure arguments: {built_with}' >&2\n")
    openresty.chmod(0o755)
    command = f"source deploy/local/system_packages.sh; PATH={tmp_path}:$PATH; without_firewall"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (says in done.stdout) if says else not done.stdout
    assert done.stdout.count("\n") == bool(says)

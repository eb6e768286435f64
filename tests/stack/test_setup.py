"""`make setup` looks for everything that some target of the Makefile calls."""

import subprocess

import pytest

from deploy.local.site import ROOT


@pytest.fixture(scope="module")
def missing() -> list[str]:
    """The packages that would be installed on a system with nothing on its PATH."""
    probe = "source deploy/local/system_packages.sh; PATH=/nowhere; has() { false; }; probe_all"
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
    ],
)
def test_a_program_that_is_missing_is_installed(missing: list[str], package: str) -> None:
    assert package in missing

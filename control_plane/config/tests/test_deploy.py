"""`check --deploy` has nothing to say of an installation behind https."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PRODUCTION = {
    "SLUICE_CONSOLE_SCHEME": "https",
    "SLUICE_ALLOWED_HOSTS": "console.shop.example",
    "SLUICE_DEBUG": "0",
    "SLUICE_DEMO": "0",
    "SLUICE_SECRET_KEY": "".join(chr(33 + number) for number in range(64)),
}


def _check(**environ: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "control_plane",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
    ]
    known = {**os.environ, "DJANGO_SETTINGS_MODULE": "control_plane.config.settings"}
    return subprocess.run(
        command, check=False, cwd=ROOT, env=known | environ, capture_output=True, text=True
    )


def test_check_deploy_is_clean_behind_https():
    done = _check(**PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_it_would_say_what_is_missing():
    done = _check(**PRODUCTION | {"SLUICE_HSTS_S": "0", "SLUICE_SSL_REDIRECT": "0"})
    assert done.returncode == 1
    assert "security.W004" in done.stderr
    assert "security.W008" in done.stderr

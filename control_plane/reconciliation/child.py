"""The process that compares: one of its own, whose memory is given back and whose end hurts nobody.

It is started as a program, since the control plane imports nothing of the workers.
"""

import logging
import os
import subprocess
import sys

# A campaign of ten million reservations takes minutes.
LIMIT_S = 1800
# A sale that runs on the same machine comes first: one took a core from `make bench ONLY=chain`.
NICE = ("nice", "-n", "10")

log = logging.getLogger(__name__)


def command(slug: str, *flags: str) -> list[str]:
    """What is started for a campaign."""
    return [sys.executable, "-m", "workers.reconcile", slug, *flags]


def compare(slug: str, kind: str, day: int | None) -> int | None:
    """Wait for a comparison of the clock's; its exit code, None when it took too long."""
    flags = ["--kind", kind, *(("--day", str(day)) if day is not None else ())]
    # What it counts is no part of this process' figures.
    environ = {
        name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"
    }
    try:
        done = subprocess.run(
            [*NICE, *command(slug, *flags)],
            env=environ,
            timeout=LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        log.error("sides not compared in time", extra={"kind": "sides_unknown", "campaign": slug})
        return None
    return done.returncode

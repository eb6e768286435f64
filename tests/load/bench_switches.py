"""Part of `make bench ONLY=gateway`: from a switch thrown to in force in every worker (P7).

    python -m tests.load.bench_switches [--changes 100] [--profile dev]

On a running stack, through the control plane's own services: the switch `rate_limits` is set to
twice the rates and reverted, again and again. The time runs from the call until the last worker of
the gateway has taken the version over, by its own word (`/workers` of the internal port); both are
of one machine's clock. Nothing fails on a time. The throws stay in the audit trail, all reverted.
"""

import argparse
import json
import os
import statistics
import sys
import time
import urllib.request
from datetime import UTC, datetime

import django

from deploy.local.ports import PROFILES, ports_of
from tests.load import bench_report
from tests.redis.waiting import until

TARGET_MS = 500
NAME, VALUE = "rate_limits", 2
REASON = "bench: how fast a switch is in force"


def main() -> int:
    """Measure, print, write the report."""
    arguments = _arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    url = f"http://127.0.0.1:{ports_of(arguments.profile)['gateway-internal']}/workers"
    took_ms = [one for _ in range(arguments.changes // 2) for one in _throw_and_revert(url)]
    cuts = statistics.quantiles(took_ms, n=100)
    workers = len(_workers(url))
    print(
        f"\n{len(took_ms)} changes of a switch, {workers} gateway workers\n"
        f"  saved → in force everywhere  median {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, "
        f"slowest {max(took_ms):.0f} ms (target for p99 {TARGET_MS} ms)"
    )
    measure = {
        "value": round(cuts[98]),
        "unit": "ms, p99",
        "target": TARGET_MS,
        "met": cuts[98] < TARGET_MS,
        "product": round(cuts[98]),
        "limit": None,
        "rounds": [round(one) for one in took_ms],
        "spread": round(max(took_ms) - min(took_ms)),
        "median": round(cuts[49]),
        "workers": workers,
    }
    bench_report.record({"P7": measure})
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_switches")
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--profile", choices=list(PROFILES), default="dev")
    return parser.parse_args()


def _throw_and_revert(url: str) -> list[float]:
    from control_plane.switches import services

    began = time.time()
    thrown = services.throw(NAME, VALUE, reason=REASON, by=None, now=datetime.now(UTC))
    took = [_in_force_ms(url, began)]
    began = time.time()
    services.revert(thrown.pk, reason="bench", by=None, now=datetime.now(UTC))
    return [*took, _in_force_ms(url, began)]


def _in_force_ms(url: str, began: float) -> float:
    """From `began` until the last worker took the newest snapshot over."""
    from control_plane.snapshot.models import Snapshot

    version = Snapshot.objects.latest("version").version

    def applied() -> list[float]:
        listed = _workers(url)
        current = all(int(one["version"]) >= version for one in listed)
        return [one["applied_at_ms"] for one in listed] if current else []

    return max(until(applied, f"version {version} runs in every worker")) - began * 1000


def _workers(url: str) -> list[dict[str, float]]:
    with urllib.request.urlopen(url, timeout=5) as response:
        listed: list[dict[str, float]] = json.load(response)
    return listed


if __name__ == "__main__":
    sys.exit(main())

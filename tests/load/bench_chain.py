"""`make bench ONLY=chain`: whole sales, each larger, until a stage breaks its objective.

    python -m tests.load.bench_chain [--profile dev] [--first-peak 100] [--factor 1.6] [--rungs 8]

Each rung is a sale of its own with the arrivals of a real one (`chain/curve.py`): calm, countdown,
spike, decay; shoppers, second clicks, robots, lookers and pollers, all with real signed tokens,
open loop. The first rung that breaks an objective ends the ramp, and the stage that is to blame is
named with its evidence (`chain/verdict.py`). Left in `var/bench/chain.json`.

Nothing fails on a time. The exit code is 1 when an accepted reservation was lost or more units were
landed than there were: then the figures are worth nothing.
"""

import argparse
import gc
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import django
import uvloop

from deploy.local.ports import PROFILES
from tests.load import bench_report, campaign
from tests.load.chain import columns, probe, stages, verdict
from tests.load.chain.crowd import Crowd, Heard
from tests.load.chain.curve import AFTER_S, BEFORE_S, arrivals
from tests.load.report import percentile
from tests.redis.waiting import until

CHAIN = bench_report.FOLDER / "chain.json"
# None ends during the ramp: its settlement and reconciliation would be some later one's load.
LASTS_S = 1800.0
# Between approval and start: to arm, to sign all tokens, and the calm before.
LEAD_S = 25.0
# Of those who want one; so most of the spike is sold to, and the decay hears that it is sold out.
UNITS_SHARE = 0.75
# A rung is no larger than that, whatever the ramp says.
PEAK_MOST_PER_S = 5_000.0
SETTLED_S, DEADLINE_S = 2.0, 120.0
# Beside P6's own shoppers and those of the benchmarks before.
FIRST_SHOPPER = 10_000_000
Json = dict[str, Any]


def main() -> int:
    """Ramp up, print, leave the report."""
    arguments = _arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    rungs: list[Json] = []
    peak, first = arguments.first_peak, FIRST_SHOPPER
    for number in range(arguments.rungs):
        rung = _rung(arguments.profile, min(peak, PEAK_MOST_PER_S), first, arguments.seed + number)
        rungs.append(rung)
        _print(rung)
        first += rung["arrivals"]
        if rung["broken"] or peak >= PEAK_MOST_PER_S:
            break
        peak *= arguments.factor
    document = bench_report.about() | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "bottleneck": rungs[-1]["bottleneck"],
        "rungs": rungs,
    }
    bench_report.write(CHAIN, document)
    return 1 if any(one["lost"] or one["landed"] > one["units"] for one in rungs) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_chain")
    parser.add_argument("--profile", choices=list(PROFILES), default="dev")
    parser.add_argument("--first-peak", type=float, default=100.0, help="arrivals a second")
    parser.add_argument("--factor", type=float, default=1.6)
    parser.add_argument("--rungs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _rung(profile: str, peak: float, first: int, seed: int) -> Json:
    """One sale."""
    coming = arrivals(peak, seed)
    units = max(1, int(UNITS_SHARE * sum(one.buys for one in coming)))
    item = campaign.create(units, LEAD_S, LASTS_S)
    crowd = Crowd(item, coming, first, seed)
    until(lambda: campaign.is_armed(item.id), f"item {item.id} to be armed", DEADLINE_S)
    # Its first look is before anybody comes: lags are counted from there.
    with probe.beside(profile, item.starts_at + AFTER_S + 8 - time.time()) as looks:
        calm_begins = item.starts_at - BEFORE_S
        if time.time() > calm_begins:
            # Late is late for every click; the client's lateness would hide what the stack does.
            late_s = time.time() - calm_begins
            raise SystemExit(f"bench: ready {late_s:.1f} s too late for its curve")
        gc.collect()
        gc.disable()  # a collection of all those requests is a pause of the client
        try:
            heard = uvloop.run(crowd.run())
        finally:
            gc.enable()
        samples = looks()
    orders, rejected, landed_at = _landed(item.id)
    seen = figures(heard, samples)
    judged = verdict.judge(seen)
    return {
        "peak_per_s": round(peak),
        "arrivals": len(coming),
        "units": units,
        **columns.columns(heard, orders, rejected),
        "figures": _plain(seen),
        "bottleneck": judged.stage,
        "broken": list(judged.broken),
        "evidence": list(judged.evidence),
        "seconds": columns.seconds(item.starts_at, heard, landed_at),
    }


def figures(heard: Heard, samples: list[Json]) -> stages.Figures:
    """What the clients felt beside what the stages say."""
    relay_lag_s, consumer_lag_s = stages.lags_s(samples, heard.reserved_at)
    return stages.Figures(
        late_p99_ms=percentile(heard.late_ms, 0.99),
        gateway_p99_ms=percentile(heard.other_ms, 0.99),
        reserve_p99_ms=percentile(heard.reserve_ms, 0.99),
        exchange_p99_ms=stages.exchange_p99_ms(samples),
        relay_lag_s=relay_lag_s,
        consumer_lag_s=consumer_lag_s,
        confirm_p99_ms=percentile(heard.confirm_ms, 0.99),
        busy=stages.busy_cores(samples),
        machine_busy=stages.machine_busy(samples),
    )


def _plain(seen: stages.Figures) -> Json:
    """For the report: nothing finer than it was measured."""
    shown = {name: getattr(seen, name) for name in stages.Figures.__dataclass_fields__}
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in shown.items()
    }


def _landed(item: int) -> tuple[dict[str, str], set[str], list[float]]:
    """Orders and rejections of the item, once no more are made."""
    from control_plane.orders.models import Order, Rejection

    orders = Order.objects.filter(item_id=item)
    rejected = Rejection.objects.filter(item_id=item)
    seen, since, ends = (-1, -1), time.monotonic(), time.monotonic() + DEADLINE_S
    while time.monotonic() < ends and time.monotonic() - since < SETTLED_S:
        now = (orders.count(), rejected.count())
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.2)
    return (
        dict(orders.values_list("reservation_id", "shopper")),
        set(rejected.values_list("reservation_id", flat=True)),
        sorted(at.timestamp() for at in orders.values_list("created_at", flat=True)),
    )


def _print(rung: Json) -> None:
    seen = rung["figures"]
    refused = ", ".join(f"{name} {times:,}" for name, times in rung["refused"].items()) or "none"
    print(
        f"\npeak {rung['peak_per_s']:,}/s, {rung['requests']:,} requests for {rung['units']:,} "
        f"units\n"
        f"  accepted {rung['accepted']:,}   repeated {rung['repeated']:,}   "
        f"unknown {rung['unknown']:,}   landed {rung['landed']:,}   "
        f"rejected {rung['rejected']:,}   lost {rung['lost']:,}\n"
        f"  refused: {refused}\n"
        f"  p99: gateway {seen['gateway_p99_ms']:,.0f} ms, reserve {seen['reserve_p99_ms']:,.0f} "
        f"ms, click → CONFIRMED {seen['confirm_p99_ms']:,.0f} ms; client late "
        f"{seen['late_p99_ms']:,.0f} ms\n"
        f"  lag: relay {seen['relay_lag_s']:.1f} s, order consumer {seen['consumer_lag_s']:.1f} s; "
        f"machine {seen['machine_busy']:.0%} busy",
        flush=True,
    )
    if rung["broken"]:
        told = "\n    ".join([*rung["broken"], *rung["evidence"]])
        print(f"  bottleneck: {rung['bottleneck']}\n    {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

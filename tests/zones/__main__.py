"""`make zones`: a sale over three zones, one of them cut off; see README.md.

    python -m tests.zones [--name zone-a]… [--list]

Has to be alone in its network and process namespaces, as `make zones` starts it. The exit code is 1
unless every cut passed.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import django
import django.db
import psycopg2
import redis
from confluent_kafka import KafkaException

from deploy.local.process import CannotStart
from deploy.local.site import ROOT
from tests.drill.drill import DrillBroken
from tests.drill.judge import judge
from tests.zones import layout
from tests.zones.cuts import CUTS, PLAN, PROMISES, Cut, act
from tests.zones.ground import ZonesGround
from tests.zones.network import Network, NotAlone, inside

REPORT = ROOT / "var" / "zones-report.json"
HEALTHY_S = 90.0
BROKEN = (
    *(DrillBroken, CannotStart, OSError, subprocess.SubprocessError),
    *(redis.RedisError, psycopg2.Error, django.db.Error, KafkaException),
)


def main() -> int:
    """Run the cuts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.zones", description=__doc__)
    parser.add_argument("--name", action="append", choices=[cut.name for cut in CUTS])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep-data", action="store_true", help="begin where a run ended")
    arguments = parser.parse_args()
    chosen = [cut for cut in CUTS if not arguments.name or cut.name in arguments.name]
    if arguments.list:
        for cut in chosen:
            print(f"{cut.name:<10} {cut.fault}")
        return 0
    os.environ["SLUICE_ALLOWED_HOSTS"] = f"{inside(layout.CENTRE)},127.0.0.1"
    os.environ["SLUICE_GATEWAY_WORKERS"] = "1"
    try:
        with Network().laid() as network:
            ground = ZonesGround(network)
            ground.up(arguments.keep_data)
            os.environ.update(ground.environment)
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
            django.setup()
            results = [_run(ground, cut) for cut in chosen]
    except (CannotStart, NotAlone) as error:
        print(f"zones: {error}", file=sys.stderr)
        return 2
    REPORT.write_text(json.dumps({"zones": results}, indent=2, default=str) + "\n")
    red = [result["name"] for result in results if result["verdict"] != "pass"]
    print(f"{len(results) - len(red)} of {len(results)} passed; {REPORT.relative_to(ROOT)}")
    return 1 if red else 0


def _run(ground: ZonesGround, cut: Cut) -> dict[str, object]:
    from tests.zones.street import Balancer, StreetSale

    print(f"── {cut.name}: {cut.fault}", flush=True)
    began, sale = time.monotonic(), None
    StreetSale.balancer = Balancer(layout.gateways())
    try:
        ground.wait_until_healthy(HEALTHY_S)
        sale = StreetSale(ground, cut.name, PLAN)
        # The cut before may have left two masters in one zone: without it nobody could be promoted.
        sale.nodes.go_home()
        sale.open()
        figures = act(ground, sale, cut)
        evidence, counted = sale.close(PROMISES)
        complaints = judge(evidence, PROMISES)
        verdict, figures = "fail" if complaints else "pass", figures | counted
    except BROKEN as error:
        verdict, complaints, figures = "broken", [f"{type(error).__name__}: {error}"], {}
        if sale is not None:
            complaints = [*sale.complaints, *complaints]
            figures = sale.abandon()
    finally:
        StreetSale.balancer.stop()
    print(f"   {verdict} in {time.monotonic() - began:.0f} s")
    for name, value in figures.items():
        print(f"     {name:<22} {value}")
    for complaint in complaints:
        print(f"   ! {complaint}")
    sys.stdout.flush()
    return {
        "name": cut.name,
        "fault": cut.fault,
        "verdict": verdict,
        "complaints": complaints,
        "figures": figures,
    }


if __name__ == "__main__":
    sys.exit(main())

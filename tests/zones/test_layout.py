"""What the zones promise before anything is started."""

import os
import subprocess
import sys

from deploy.local.processes import processes
from deploy.local.servers import stock_cluster
from deploy.local.site import ROOT, Site
from tests.zones import layout
from tests.zones.network import ZONES

# Shoppers of the drill bring their own tokens, and nobody scores them or sends webhooks.
LEFT_OUT = {"edge", "risk-scorer", "webhook-consumer", "celery-webhooks", "compensator"}


def test_no_zone_holds_a_master_and_its_replica() -> None:
    for master, replica in stock_cluster.pairs(Site(layout.PROFILE)):
        assert layout.STOCK[master] != layout.STOCK[replica]
    assert sorted(layout.STOCK.values()) == sorted([*ZONES] * 2)


def test_what_is_left_out_is_named() -> None:
    from tests.zones.ground import processes_of

    placed = {process.name for zone in ZONES for process in processes_of(zone)}
    assert {process.name for process in processes(Site(layout.PROFILE))} - placed == LEFT_OUT


def test_it_refuses_to_touch_a_network_that_is_others_too() -> None:
    """As started without `unshare`: a second device makes the network somebody else's, too."""
    unplugged = "ip link add zt-others type bridge && exec "
    command = f"{unplugged} {sys.executable} -m tests.zones --name zone-a"
    words = ["unshare", "--net", "--map-root-user", "sh", "-c", command]
    done = subprocess.run(
        words, check=False, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "make zones" in done.stderr

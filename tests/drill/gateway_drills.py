"""Faults of the gateway, and of the control plane that it takes its configuration from."""

import os
import signal
import time

from tests.drill.drill import PATIENT, Control, Drill, DrillBroken, Figures
from tests.drill.ground import Ground, children, wait_for
from tests.drill.sale import Sale

GATEWAY = "gateway"
WORKER = b"nginx: worker process"
LEASE_S = 2.0
GONE_S = 5.0


def gateway_killed(ground: Ground, sale: Sale) -> Figures:
    """Workers, then a reload, then the master, each with purchases under way; all click again."""
    began = time.monotonic()
    for _ in range(2):
        sale.run_for(0.8)
        kill_workers(ground)
        _wait_for_workers(ground)
    sale.run_for(0.8)
    before = set(_workers(ground))
    os.kill(ground.running(GATEWAY), signal.SIGHUP)
    wait_for(
        lambda: (now := set(_workers(ground))) and not now & before, "the reload's new workers"
    )
    sale.run_for(0.8)
    killed = ground.kill(GATEWAY)
    sold = max(sale.until_sells(shard, killed + 0.05) for shard in range(sale.shards))
    cut = [one for one in sale.crowd.recorder.heard(began) if one.outcome == "connection"]
    if not cut:
        raise DrillBroken("nobody was cut off")
    return {"cut_off": len(cut), "sells_again_s": round(sold - killed, 2)}


def control_plane_down(ground: Ground, sale: Sale) -> Figures:
    """For longer than the lease; then the gateway starts anew, with what it has on disk alone."""
    sale.run_for(1.0)
    with ground.held_down("control-plane") as died:
        sale.run_for(GONE_S)
        after_lease = [
            one
            for one in sale.crowd.recorder.reserved(range(sale.shards), died + LEASE_S + 1.0)
            if one.answered < died + GONE_S + 1.0
        ]
        if not after_lease:
            sale.complain("without a lease nothing was sold, although the gateway is to sell on")
            return {"sold_without_lease": 0}
        killed = ground.kill(GATEWAY)
        sold = max(sale.until_sells(shard, killed + 0.05) for shard in range(sale.shards))
        if ground.pid("control-plane"):
            raise DrillBroken("the control plane did not stay down")
    sale.run_for(1.0)
    return {
        "sold_without_lease": len(after_lease),
        "sells_from_disk_s": round(sold - killed, 2),
    }


def _workers(ground: Ground) -> list[int]:
    """nginx's workers, without its cache processes and those that are on their way out."""
    found = []
    for pid in children(ground.pid(GATEWAY)):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123  # of the kernel
                words = file.read()
        except OSError:
            continue
        if words.startswith(WORKER) and b"shutting down" not in words:
            found.append(pid)
    return found


def kill_workers(ground: Ground) -> None:
    """All at one moment, else another one takes the connection that is retried."""
    pids = _workers(ground)
    if not pids:
        raise DrillBroken("the gateway has no workers")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(_workers(ground)) & set(pids), "the workers' death")


def _wait_for_workers(ground: Ground) -> None:
    wait_for(lambda: _workers(ground), "nginx's master to start others")


SAME_AGAIN = Control(
    guard="a retry is the same reservation",
    file="lua/reserve.lua",
    old="""  if known then
    codes[i] = "A\"""",
    new="""  if false then
    codes[i] = "A\"""",
    told="told no after RESERVED",
)
SELLS_ON = Control(
    guard="without a lease it sells on",
    file="openresty/gateway/lease.lua",
    old='refuses_without = config.without_lease == "refuse"',
    new="refuses_without = true",
    told="without a lease nothing was sold",
)
DRILLS = (
    Drill(
        name="gateway-killed",
        fault="gateway's workers killed -9, reloaded, its master killed -9, all mid-sale",
        act=gateway_killed,
        plan=PATIENT,
        controls=(SAME_AGAIN,),
        group="gateway",
    ),
    Drill(
        name="control-plane-down",
        fault="control plane killed and kept down beyond the lease; the gateway starts anew",
        act=control_plane_down,
        plan=PATIENT,
        controls=(SELLS_ON,),
        group="gateway",
    ),
)

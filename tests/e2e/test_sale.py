"""A whole sale through every real part, and the same with parts dying in the middle of it."""

import os
import re
import signal

import pytest

from deploy.local.site import Site
from deploy.local.stack import Stack
from tests.e2e.conftest import wait_for

KEPT = {"rejected": 0, "lost": 0, "oversold": 0, "duplicates": 0, "drift": 0}


def kept(summary):
    return {name: summary[name] for name in KEPT}


def test_a_sale_sells_every_unit_once_and_nothing_else(start_sale):
    summary = start_sale(shoppers=600, units=100, seed=11).finish()

    assert kept(summary) == KEPT
    assert (summary["reserved"], summary["confirmed"]) == (100, 100)
    answers = summary["answers"]
    assert answers["buy sold_out"] > 0
    assert answers["buy bad_token"] > 0, "no forger was refused: the demo tests less than it says"
    assert answers["entry not_started"] > 0, "nobody was too early"


def test_a_sale_with_fewer_shoppers_than_units_sells_to_each_shopper_once(start_sale):
    summary = start_sale(shoppers=150, units=500, seed=12).finish()

    assert kept(summary) == KEPT
    assert (summary["reserved"], summary["confirmed"]) == (150, 150)
    assert "buy sold_out" not in summary["answers"]


def test_shards_sell_out_together_to_the_last_unit(start_sale):
    summary = start_sale(shoppers=600, units=100, seed=14, shards=3).finish()

    assert kept(summary) == KEPT
    assert (summary["reserved"], summary["confirmed"]) == (100, 100)
    assert summary["answers"]["buy sold_out"] > 0


@pytest.mark.parametrize("victim", ["relay", "order-consumer", "inventory-consumer", "stock-agent"])
def test_a_process_killed_in_the_middle_loses_and_doubles_nothing(start_sale, site: Site, victim):
    sale = start_sale(shoppers=1500, units=400, seed=13, spike_s=2.0, shards=3)
    wait_for(lambda: counted(sale, "reserved") > 20, "the first reservations")

    # Frozen first, so that work is in its hands and piles up before it when it dies.
    pid = pid_of(site, victim)
    os.kill(pid, signal.SIGSTOP)
    frozen_at = counted(sale, "reserved")
    wait_for(lambda: counted(sale, "reserved") > frozen_at + 50, "work to pile up")
    if victim in ("relay", "order-consumer"):
        assert counted(sale, "confirmed") < counted(sale, "reserved"), "nothing was under way"
    os.kill(pid, signal.SIGKILL)

    summary = sale.finish()
    assert kept(summary) == KEPT
    assert (summary["reserved"], summary["confirmed"]) == (400, 400)
    assert pid_of(site, victim) != pid, "the victim was not killed"


def counted(sale, name: str) -> int:
    """The newest figure the sale has printed under this name."""
    return int((re.findall(rf"{name} +(\d+)", sale.printed()) or ["0"])[-1])


def pid_of(site: Site, name: str) -> int:
    """The pid supervisord gives for a process, waiting while it is being restarted."""

    def running():
        for process, info, _ in Stack(site).state():
            if process.name == name and info.get("statename") == "RUNNING":
                return info["pid"]
        return None

    pid: int = wait_for(running, f"{name} to run")
    return pid

"""The same seed is the same plan; faults overlap, and none hits a target that another one holds."""

import argparse
import subprocess
import sys

import pytest

from deploy.local.ports import PROFILES, ports_of
from deploy.local.site import ROOT
from tests.drill import plan, soak
from tests.drill.plan import Fault, rounds
from tests.drill.wires.faults import UP, WireFault

SEEDS = range(40)
SOME_MINUTES_S = 200.0


@pytest.mark.parametrize("seed", [0, 7, 2**31])
def test_the_same_seed_is_the_same_plan(seed: int) -> None:
    assert rounds(seed, SOME_MINUTES_S) == rounds(seed, SOME_MINUTES_S)
    assert rounds(seed, SOME_MINUTES_S) != rounds(seed + 1, SOME_MINUTES_S)


def test_another_process_makes_the_same_plan_of_it() -> None:
    # Not of hash(), which is another one in each process.
    words = "from tests.drill.plan import rounds; print(rounds(7, 100.0))"
    done = subprocess.run(
        [sys.executable, "-c", words], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(rounds(7, 100.0))


def test_a_longer_soak_begins_as_the_shorter_one() -> None:
    assert rounds(7, 300.0)[:2] == rounds(7, 100.0)


def test_faults_lie_between_the_opening_and_the_end() -> None:
    for seed in SEEDS:
        for fault in rounds(seed, plan.ROUND_S)[0]:
            assert fault.at_s >= plan.CALM_S
            assert fault.at_s + fault.lasts_s <= plan.ROUND_S - plan.CALM_S + 0.02


def test_no_target_is_hit_while_another_fault_has_it() -> None:
    for seed in SEEDS:
        held: dict[str, float] = {}
        for fault in rounds(seed, plan.ROUND_S)[0]:
            if fault.wire is None:
                assert fault.at_s >= held.get(fault.target, 0.0), f"seed {seed}: {fault}"
                held[fault.target] = fault.at_s + fault.lasts_s


def test_faults_of_different_targets_overlap() -> None:
    overlapping = 0
    for seed in SEEDS:
        found = rounds(seed, plan.ROUND_S)[0]
        overlapping += sum(
            one.at_s <= other.at_s < one.at_s + one.lasts_s
            for one in found
            for other in found
            if other is not one
        )
    assert overlapping > len(SEEDS)


def test_every_kind_of_fault_comes_up() -> None:
    seen = {fault.what for seed in SEEDS for fault in rounds(seed, SOME_MINUTES_S)[0]}
    assert seen >= {plan.KILL, plan.FREEZE, plan.DOWN_FOR, plan.WIRE, "rearm-fast", "top-up"}


def test_every_wire_is_one_that_the_proxy_has() -> None:
    known = ports_of(soak.PROFILE)
    assert PROFILES[soak.PROFILE].is_proxied
    for seed in SEEDS:
        for fault in rounds(seed, plan.ROUND_S)[0]:
            assert fault.wire is None or f"{fault.target}-behind" in known


def test_a_fault_says_what_it_is() -> None:
    wire = WireFault(latency_ms=40, jitter_ms=20, way=UP, client=plan.GATEWAY)
    assert Fault(1, 2, plan.WIRE, "redis-stock-1", wire).told() == (
        "gateway → redis-stock-1: 40+20 ms"
    )
    assert Fault(1, 0, plan.KILL, "relay").told() == "kill relay"


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200)])
def test_a_time_is_read(text: str, seconds: int) -> None:
    assert soak.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "0m", "-1m", "m", "1.5m"])
def test_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        soak.duration(text)


def test_each_sale_of_a_soak_is_a_drill_that_names_its_seed() -> None:
    found = soak.drills(100.0, 7)
    assert [one.name for one in found] == ["soak-7-1", "soak-7-2"]
    assert all("seed 7" in one.fault and one.profile == soak.PROFILE for one in found)

"""The formulas, beside results that books have."""

import math

import numpy as np
import pytest

from deploy.capacity.crowd import TICK_S, Lines
from deploy.capacity.queueing import BatchServer, erlang_c, mgc_wait_s, mmc_wait_s


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9, 0.99])
def test_one_server_waits_as_in_m_m_1(load: float) -> None:
    assert mmc_wait_s(load, 1.0, 1) == pytest.approx(load / (1 - load))


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
def test_a_service_that_always_takes_the_same_halves_the_wait(load: float) -> None:
    assert mgc_wait_s(load, 1.0, 1, 0.0) == pytest.approx(load / (2 * (1 - load)))


@pytest.mark.parametrize(
    ("servers", "offered", "chance"),
    # Two servers: 2ρ²/(1+ρ). The others are of the usual tables.
    [
        (1, 0.3, 0.3),
        (2, 1.0, 1 / 3),
        (2, 1.6, 2 * 0.8**2 / 1.8),
        (10, 8.0, 0.4092),
        (5, 4.0, 0.5541),
    ],
)
def test_who_has_to_wait_is_erlangs_c(servers: int, offered: float, chance: float) -> None:
    assert erlang_c(servers, offered) == pytest.approx(chance, abs=1e-4)


def test_a_line_that_grows_for_ever_says_so() -> None:
    assert mmc_wait_s(2.0, 1.0, 2) == math.inf
    assert erlang_c(3, 3.0) == 1.0
    assert 0 < mmc_wait_s(3999.0, 1.0, 4000) < math.inf


def test_one_caller_without_a_cost_of_calls_is_a_gated_queue_with_a_fixed_part() -> None:
    # Vacation model, gated: mean turn = fixed part / (1 − ρ) (Takagi, Queueing Analysis 1).
    node = BatchServer(0.0002, 0.0, 2e-6, 0.0005, 10**9)
    for load in (0.1, 0.5, 0.9):
        assert node.steady_turn_s(load / 2e-6, 1) == pytest.approx(0.0007 / (1 - load), rel=1e-3)


def test_it_takes_more_in_larger_batches_and_from_more_callers() -> None:
    node = BatchServer(0.00013, 36e-6, 2.6e-6, 0.0005, 512)
    assert node.most_per_s(64) > node.most_per_s(2)
    assert node.most_per_s(8) < 1 / 2.6e-6
    assert node.steady_turn_s(node.most_per_s(8), 8) == math.inf
    assert node.steady_busy(1e9, 8) == 1.0


def test_a_turn_grows_with_the_load() -> None:
    node = BatchServer(0.00013, 36e-6, 2.6e-6, 0.0005, 512)
    turns = [node.steady_turn_s(rate, 16) for rate in range(1000, 300_000, 20_000)]
    assert turns == sorted(turns)


@pytest.mark.parametrize("load", [0.3, 0.7])
@pytest.mark.parametrize("service_s", [22e-6, 286e-6])
def test_the_lines_of_the_simulation_wait_as_theory_says(load: float, service_s: float) -> None:
    rng = np.random.default_rng(7)
    lines = Lines(64, rng)
    per_tick = load / service_s * TICK_S
    for number in range(1500):
        counts = rng.poisson(per_tick, 64)
        lines.tick(number * TICK_S, counts, np.full(64, service_s))
    waited_s = lines.waits.mean_s - service_s
    constant_s = mgc_wait_s(load / service_s, service_s, 1, 0.0)
    exponential_s = mgc_wait_s(load / service_s, service_s, 1, 1.0)
    # Between the service that never varies and the one that varies as an exponential.
    assert 0.8 * constant_s < waited_s < 1.5 * exponential_s
    assert lines.work.done == pytest.approx(load * 64 * 1.5, rel=0.03)

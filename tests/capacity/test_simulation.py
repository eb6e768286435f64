"""The simulation: nothing is lost, nothing oversold, and it agrees with theory and with itself."""

import dataclasses
import itertools
import statistics

import pytest

from deploy.capacity import arrivals, figures, line, plan, played, simulation, stages
from deploy.capacity.crowd import Front
from deploy.capacity.sale import Sale
from deploy.capacity.simulation import Outcome, Setup
from tests.capacity import every_request

FIGURES = figures.checked_in()
NODE = stages.stock_node(FIGURES)
PURCHASE_S = FIGURES.gateway_reserved_us / 1e6


def steady(per_s: float, **changes: object) -> Setup:
    """A constant rate for half a second, more units than it can sell."""
    setup = Setup(
        curve=arrivals.constant(per_s),
        begins_s=0.0,
        opens_s=0.0,
        ends_s=0.5,
        units=10**7,
        shards=8,
        simulated=8,
        front=Front(64, 4, 1e-5, PURCHASE_S, FIGURES.gateway_refused_us / 1e6),
        node=NODE,
        costs=played.costs(FIGURES),
        relays=2,
        consumers=2,
        seed=1,
    )
    return dataclasses.replace(setup, **changes)  # type: ignore[arg-type]


def seen(outcome: Outcome, name: str) -> simulation.Seen:
    return next(one for one in outcome.stages if one.name == name)


@pytest.fixture(scope="module")
def small() -> Outcome:
    return simulation.run(steady(20_000, units=4_000, ends_s=1.5))


@pytest.fixture(scope="module")
def million() -> Outcome:
    made = plan.make(Sale(target_qps=1_000_000, units=100_000, shards=64), FIGURES)
    shorter = dataclasses.replace(played.setup(made, seed=3), begins_s=-0.3, ends_s=0.7)
    return simulation.run(shorter)


@pytest.mark.parametrize("which", ["small", "million"])
def test_every_purchase_is_answered_once(which: str, request: pytest.FixtureRequest) -> None:
    outcome: Outcome = request.getfixturevalue(which)
    assert outcome.asked == sum(outcome.heard.values())
    assert outcome.on_the_way == 0


@pytest.mark.parametrize("which", ["small", "million"])
def test_every_unit_is_sold_once_and_becomes_an_order(
    which: str, request: pytest.FixtureRequest
) -> None:
    outcome: Outcome = request.getfixturevalue(which)
    assert outcome.heard["reserved"] == outcome.reserved == outcome.confirmed == outcome.units
    assert outcome.clicks.count == pytest.approx(outcome.units)


def test_a_slice_of_many_shards_leaves_out_less_than_a_unit_a_shard(million: Outcome) -> None:
    assert 100_000 - 64 < million.units <= 100_000


def test_sold_out_is_told_after_the_last_unit_went(small: Outcome) -> None:
    assert small.sold_out_at_s is not None and small.told_at_s is not None
    assert small.confirmed_at_s is not None
    assert small.sold_out_at_s <= small.told_at_s < small.sold_out_at_s + 0.2
    assert small.confirmed_at_s > small.sold_out_at_s
    assert small.heard["busy"] > 0 and small.heard["sold_out"] > 0


def test_before_the_opening_nobody_gets_anything() -> None:
    outcome = simulation.run(steady(5_000, opens_s=1.0))
    assert outcome.heard["not_started"] == outcome.asked
    assert outcome.reserved == 0
    assert outcome.confirmed_at_s == 0.0 or outcome.confirmed == 0


def test_a_million_a_second_names_its_bottlenecks(million: Outcome) -> None:
    assert million.asked > 600_000
    assert million.bottleneck == "edge"
    assert million.holds_up_orders == "orders"
    # Planned with the usual head-room, which the worst tenth of a second respects.
    assert seen(million, "edge").busiest == pytest.approx(0.7, abs=0.02)
    assert seen(million, "gateway").busiest == pytest.approx(0.68, abs=0.02)


def test_the_same_seed_gives_the_same_sale() -> None:
    def figures_of(seed: int) -> tuple[object, ...]:
        outcome = simulation.run(steady(20_000, units=2_000, seed=seed))
        times = [one.times.percentile_s(0.99) for one in outcome.stages]
        return (outcome.asked, outcome.heard, outcome.confirmed_at_s, *times)

    assert figures_of(5) == figures_of(5)
    assert figures_of(5) != figures_of(6)


def test_a_slice_of_the_shards_agrees_with_all_of_them() -> None:
    whole = simulation.run(steady(60_000))
    piece = simulation.run(steady(60_000, simulated=1))
    assert piece.asked == pytest.approx(whole.asked, rel=0.02)
    assert piece.reserved == pytest.approx(whole.reserved, rel=0.05)
    assert piece.batch == pytest.approx(whole.batch, rel=0.05)
    assert piece.node_busy == pytest.approx(whole.node_busy, rel=0.05)
    for name in ("gateway", "redis"):
        mean_s = seen(whole, name).times.mean_s
        assert seen(piece, name).times.mean_s == pytest.approx(mean_s, rel=0.1)


@pytest.mark.parametrize("per_s", [4_000, 60_000])
def test_it_agrees_with_every_request_simulated_by_itself(per_s: int) -> None:
    arrays = simulation.run(steady(per_s, shards=2, simulated=2))
    literal = every_request.Sale(NODE, 4, 2, 10**7, PURCHASE_S, seed=2).run(per_s, 0.5)
    assert arrays.reserved == pytest.approx(literal.heard["reserved"], rel=0.06)
    assert arrays.batch == pytest.approx(statistics.mean(literal.batches), rel=0.1)
    assert 2 * arrays.node_busy == pytest.approx(literal.busy_s, rel=0.1)
    redis_s = statistics.mean(literal.redis_s)
    assert seen(arrays, "redis").times.mean_s == pytest.approx(redis_s, rel=0.1)
    assert arrays.answers.mean_s == pytest.approx(statistics.mean(literal.answer_s), rel=0.1)


def test_a_sale_to_the_last_unit_agrees_with_every_request_simulated() -> None:
    arrays = simulation.run(steady(20_000, shards=2, simulated=2, units=4_000, ends_s=1.0))
    literal = every_request.Sale(NODE, 4, 2, 4_000, PURCHASE_S, seed=2).run(20_000, 1.0)
    assert arrays.heard["reserved"] == literal.heard["reserved"] == 4_000
    # Most hear it out of memory; who finds out anew each quarter of a second are few on both sides.
    assert arrays.heard["sold_out"] == pytest.approx(literal.heard["sold_out"], rel=0.1)


@pytest.mark.parametrize(
    ("setup", "full"),
    [
        # Two gateways before a Redis that could do more, and a Redis behind gateways that could.
        (steady(150_000, ends_s=0.3, front=Front(64, 2, 1e-6, PURCHASE_S, 1e-5)), 2 / PURCHASE_S),
        (
            steady(
                400_000, shards=1, simulated=1, ends_s=0.3, front=Front(64, 16, 1e-6, 2e-6, 1e-6)
            ),
            NODE.most_per_s(16),
        ),
    ],
)
def test_it_is_full_where_the_formula_says(setup: Setup, full: float) -> None:
    outcome = simulation.run(setup)
    name = "gateway" if setup.front.gateways == 2 else "redis"
    assert outcome.bottleneck == name
    work = {"gateway": 1 / PURCHASE_S * 2, "redis": full}[name]
    served = seen(outcome, name).busiest * work
    assert served == pytest.approx(full, rel=0.05)
    assert outcome.asked == sum(outcome.heard.values())


def test_more_shards_are_never_slower() -> None:
    times = [
        seen(
            simulation.run(steady(100_000, shards=n, simulated=1, ends_s=0.25)), "redis"
        ).times.mean_s
        for n in (1, 2, 4, 8, 16, 32)
    ]
    assert all(more <= fewer * 1.02 for fewer, more in itertools.pairwise(times)), times


def test_the_turn_of_the_formula_is_that_of_the_simulation() -> None:
    outcome = simulation.run(steady(60_000, shards=2, simulated=2))
    turn_s = NODE.steady_turn_s(30_000, 4)
    busy = outcome.node_busy / 0.5
    assert busy == pytest.approx(NODE.steady_busy(30_000, 4), rel=0.15)
    assert turn_s < seen(outcome, "redis").times.mean_s < 4 * turn_s


def test_a_lane_takes_no_more_than_its_limit_and_nobody_waits_past_the_time_out() -> None:
    outcome = simulation.run(
        steady(300_000, shards=1, simulated=1, front=Front(64, 2, 1e-6, 2e-6, 1e-6))
    )
    assert outcome.heard["busy"] > 0
    assert outcome.asked == sum(outcome.heard.values())
    assert seen(outcome, "redis").times.percentile_s(1.0) < 1.2
    assert outcome.batch <= NODE.batch_max


def test_orders_of_one_item_are_made_one_batch_after_the_other() -> None:
    costs = played.costs(FIGURES)
    last = [
        simulation.run(steady(100_000, units=40_000, consumers=n)).confirmed_at_s or 0.0
        for n in (1, 2, 8)
    ]
    # One holds the pool nearly all the time.
    assert last[1] == pytest.approx(last[0], rel=0.1)
    assert min(last) > 40_000 / costs.item_lands_per_s
    # Each batch costs its share however small it is, so more consumers make it slower.
    assert last[2] >= last[1] * 0.95


def test_a_queue_lets_everybody_in_at_its_pace_and_loses_nobody() -> None:
    number_s = FIGURES.queue_number_us / 1e6
    outcome = simulation.run(steady(8_000, units=2_500, ends_s=1.0, number_s=number_s))
    assert outcome.asked == sum(outcome.heard.values())
    assert outcome.on_the_way == 0
    assert outcome.heard["reserved"] == outcome.reserved == outcome.confirmed == 2_500
    assert outcome.heard["queued"] > 0 and outcome.heard["sold_out"] > 0
    assert seen(outcome, "queue").times.count > 2_500
    without = simulation.run(steady(8_000, units=2_500, ends_s=1.0))
    assert without.sold_out_at_s is not None and outcome.sold_out_at_s is not None
    assert outcome.sold_out_at_s > without.sold_out_at_s


def test_the_pace_of_the_queue_is_the_controllers() -> None:
    from workers.queue import pace, window
    from workers.queue_controller import TICK_S

    assert (line.CONTROLLER_TICK_S, line.HEADROOM_PART) == (TICK_S, window.HEADROOM_PART)
    ours, theirs = line.Pace(0.0), pace.Pace()
    theirs.budget(0.0, pace.Reading(0.0, 0, None))
    theirs.rate_per_s = ours.rate_per_s
    for tick in range(1, 400):
        now, lag = tick * TICK_S, 9_000 if tick % 90 > 60 else 10
        called = theirs.budget(now, pace.Reading(now, lag, None)) // 2
        assert ours.budget(now, lag) // 2 == called
        ours.use(called)
        theirs.use(called)
        assert ours.rate_per_s == theirs.rate_per_s

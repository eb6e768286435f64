"""A plan played as a sale: from its stages to a simulation, and from what came of it to a table."""

from deploy.capacity import arrivals, simulation
from deploy.capacity import stages as chain
from deploy.capacity.crowd import Front
from deploy.capacity.figures import Figures
from deploy.capacity.landing import Costs
from deploy.capacity.plan import Plan
from deploy.capacity.simulation import Outcome, Setup


def costs(figures: Figures) -> Costs:
    """What the orders' side of a simulation costs."""
    return Costs(
        relay_s=1 / figures.relay_per_s,
        batch_s=figures.landing_batch_us / 1e6,
        order_s=figures.landing_order_us / 1e6,
        between_s=figures.consumer_between_us / 1e6,
        kafka_ack_s=figures.kafka_ack_us / 1e6,
    )


def setup(plan: Plan, seed: int) -> Setup:
    """The sale of the plan, with as many of everything as it plans; one shard stands for all."""
    sale, figures = plan.sale, plan.figures
    count = {one.name: one.count for one in plan.stages}
    return Setup(
        curve=arrivals.sale(sale.target_qps),
        begins_s=arrivals.BEGINS_S,
        opens_s=0.0,
        ends_s=arrivals.ENDS_S,
        units=sale.units,
        shards=count["redis"],
        simulated=1,
        front=Front(
            edges=count["edge"],
            gateways=count["gateway"],
            entry_s=chain.entry_us(sale, figures) / 1e6,
            purchase_s=chain.purchase_us(sale, figures) / 1e6,
            refused_s=figures.gateway_refused_us / 1e6,
        ),
        node=chain.stock_node(figures),
        costs=costs(figures),
        relays=count["relay"],
        consumers=count["orders"],
        seed=seed,
        number_s=figures.queue_number_us / 1e6 if sale.queue == "fifo" else None,
    )


def play(plan: Plan, seed: int) -> Outcome:
    """Simulate the sale of a plan."""
    return simulation.run(setup(plan, seed))


def text(outcome: Outcome) -> str:
    """For a terminal."""
    lines = [f"{'stage':<14}{'busiest 0.1 s':>14}{'p50':>12}{'p99':>12}"]
    for one in outcome.stages:
        p50, p99 = (_ms(one.times.percentile_s(share)) for share in (0.5, 0.99))
        lines.append(f"{one.name:<14}{one.busiest:>14.0%}{p50:>12}{p99:>12}")
    whole = (("answer", outcome.answers), ("confirmed", outcome.clicks))
    for name, times in whole:
        p50, p99 = (_ms(times.percentile_s(share)) for share in (0.5, 0.99))
        lines.append(f"{name + ', in all':<28}{p50:>12}{p99:>12}")
    heard = ", ".join(f"{name} {count:,}" for name, count in sorted(outcome.heard.items()))
    units = f"{outcome.reserved:,} reserved, {outcome.confirmed:,} confirmed"
    return "\n".join(
        [
            *lines,
            "",
            f"{outcome.asked:,} purchases: {heard}, never answered {outcome.on_the_way:,}",
            f"{outcome.units:,} units: {units}; {outcome.batch:.1f} requests a call",
            f"after the opening: the last unit went {_at(outcome.sold_out_at_s)}",
            f"                   sold out was told from {_at(outcome.told_at_s)} on",
            f"                   the last order was made {_at(outcome.confirmed_at_s)}",
            f"bottleneck of the answers: {outcome.bottleneck}",
            f"bottleneck of the orders: {outcome.holds_up_orders}",
        ]
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.2f} ms"


def _at(seconds: float | None) -> str:
    return "never" if seconds is None else f"at {seconds:.2f} s"

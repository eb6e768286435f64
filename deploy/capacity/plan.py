"""The plan as a table and some lines, in text and in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.capacity import stages as chain
from deploy.capacity.figures import Figures
from deploy.capacity.sale import Sale
from deploy.capacity.stages import Stage

HEAD = (
    "stage",
    "at the worst moment",
    "one takes",
    "needed",
    "planned",
    "cores",
    "GB",
    "used",
    "full at",
)


@dataclass(frozen=True)
class Plan:
    """What a sale needs."""

    sale: Sale
    figures: Figures
    stages: list[Stage]

    @property
    def lacks(self) -> list[str]:
        """Every stage of which there are fewer than needed."""
        return [
            f"{one.name}: {one.count:,} planned, {one.needed:,} needed"
            for one in self.stages
            if one.count < one.needed
        ]

    def rows(self) -> list[tuple[str, ...]]:
        """A line a stage, and the sum."""
        lines = [_row(self.sale, one) for one in self.stages]
        cores = sum(one.cores for one in self.stages)
        memory = sum(one.memory_gb for one in self.stages)
        return [*lines, ("all", "", "", "", "", f"{cores:,.0f}", f"{memory:,.0f}", "", "")]

    def notes(self) -> list[str]:
        """What the table does not say."""
        sale, figures = self.sale, self.figures
        first = max((one for one in self.stages if one.answers), key=lambda one: one.used)
        behind = max((one for one in self.stages if not one.answers), key=lambda one: one.used)
        gbit = 8e-9 * sale.target_qps
        orders = sale.orders_per_s
        lands = min(one.takes_per_s for one in self.stages if one.name in ("relay", "orders"))
        full_at = sale.target_qps / first.used
        last_s = sale.units / min(lands, sale.target_qps)
        topics = f"{chain.partitions(sale, self.stages)} partitions, {chain.REPLICAS} replicas"
        bits = (figures.request_bytes * gbit, figures.answer_bytes * gbit)
        in_and_out = "{:,.1f} Gbit/s in, {:,.1f} out".format(*bits)
        log_mb = orders * figures.wal_bytes / 1e6
        disk_gb = sale.units * figures.order_row_bytes / 1e9
        asked = f"{orders:,.0f}/s would make {sale.units:,} in {sale.confirm_within_s:g} s"
        return [
            f"first to be full: {first.name}, at {full_at:,.0f} purchases/s",
            f"behind the answers: {behind.name}, at {behind.used:.0%} of what it takes",
            f"orders: {asked}; at {lands:,.0f}/s the last is confirmed after about {last_s:,.1f} s",
            f"network before the gateways: {in_and_out}",
            f"Kafka's topics: {topics}",
            f"PostgreSQL: {log_mb:,.1f} MB/s of log, {disk_gb:,.1f} GB of orders",
            f"a stock Redis: {_turn(self)}",
        ]


def make(sale: Sale, figures: Figures) -> Plan:
    """The plan for a sale; raises WrongInput when no number of machines would do."""
    return Plan(sale, figures, chain.of(sale, figures))


def text(plan: Plan) -> str:
    """For a terminal."""
    rows = [HEAD, *plan.rows()]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.insert(1, "─" * len(lines[0]))
    return "\n".join([*lines, "", *plan.notes()])


def markdown(plan: Plan) -> str:
    """For a README."""
    lines = [_line(HEAD), _line(["---"] + ["--:"] * (len(HEAD) - 1))]
    lines += [_line(row) for row in plan.rows()]
    return "\n".join([*lines, "", *(f"* {note}" for note in plan.notes())])


def _row(sale: Sale, one: Stage) -> tuple[str, ...]:
    full_at = f"{sale.target_qps / one.used:,.0f} qps" if one.answers else _rate(one.takes_per_s)
    return (
        one.name,
        f"{_rate(one.load_per_s)} {one.unit}",
        _rate(one.one_takes_per_s),
        f"{one.needed:,}",
        f"{one.count:,}",
        f"{one.cores:,.1f}",
        f"{one.memory_gb:,.1f}",
        f"{one.used:.0%}",
        full_at,
    )


def _rate(per_s: float) -> str:
    return f"{per_s / 1e6:,.0f}M/s" if per_s >= 10e6 else f"{per_s:,.0f}/s"


def _turn(plan: Plan) -> str:
    sale = plan.sale
    redis, gateway = (
        next(one for one in plan.stages if one.name == name) for name in ("redis", "gateway")
    )
    node = chain.stock_node(plan.figures)
    rate = sale.target_qps / redis.count
    busy = node.steady_busy(rate, gateway.count)
    return (
        f"{rate:,.0f} reservations/s from {gateway.count} callers, a turn every "
        f"{redis.wait_ms:.1f} ms, {busy:.0%} of a core; batches grow when more come"
    )


def _aligned(row: Sequence[str], widths: list[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

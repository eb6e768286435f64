"""From what was heard and counted to the summary, its table, and the verdict."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.load.shoppers import Heard

if TYPE_CHECKING:  # needs Django's settings, which this module does not
    from tests.load.books import Books

JsonObject = dict[str, Any]
Condition = Callable[[], bool]
SURPRISES_SHOWN = 5


def summarise(heard: Heard, books: "Books", shoppers: int, seconds: float) -> JsonObject:
    """The fields of DESIGN §9. Rates are what this client reached here, not the limit."""
    span = max(heard.reserved_at) - min(heard.reserved_at) if heard.reserved_at else 0.0
    return {
        "shoppers": shoppers,
        "units": books.units,
        "reserved": len(heard.reserved),
        "confirmed": len(books.orders),
        "rejected": len(books.rejections),
        "lost": len(books.lost(heard.reserved)),
        "oversold": books.oversold,
        "duplicates": books.duplicates,
        "drift": sum(abs(drift) for drift in books.drifts.values()),
        "reserve_per_s": round(len(heard.reserved) / span, 1) if span else 0.0,
        "confirm_per_s": round(len(books.orders) / books.landed_in_s, 1)
        if books.landed_in_s
        else 0.0,
        "p50_ms": round(percentile(heard.latencies_ms, 0.50), 1),
        "p99_ms": round(percentile(heard.latencies_ms, 0.99), 1),
        "confirm_p50_ms": round(percentile(heard.confirm_ms, 0.50), 1),
        "confirm_p99_ms": round(percentile(heard.confirm_ms, 0.99), 1),
        "seconds": round(seconds, 1),
        "answers": dict(sorted(heard.answers.items())),
    }


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank); 0 when there is none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def broken_promises(heard: Heard, books: "Books", shoppers: int) -> list[str]:
    """Everything that makes the sale a failure, one line each; empty when all is well.

    Every shopper wants one unit and keeps asking, so a sale without faults sells what it can.
    """
    broken = [f"answered wrongly: {line}" for line in heard.surprises[:SURPRISES_SHOWN]]
    if len(heard.surprises) > SURPRISES_SHOWN:
        broken.append(f"… and {len(heard.surprises) - SURPRISES_SHOWN} more wrong answers")
    failures = {name: n for name, n in heard.answers.items() if name.startswith("connection")}
    broken += [f"{times} requests failed, {name}" for name, times in failures.items()]
    expected = min(books.units, shoppers)
    if books.ordered_units != expected:
        broken.append(f"{books.ordered_units} units sold, not {expected}")
    if books.oversold:
        broken.append(f"{books.oversold} units oversold")
    if books.duplicates:
        broken.append(f"{books.duplicates} units beyond the shoppers' limit")
    if books.rejections:
        broken.append(f"{len(books.rejections)} reservations rejected by PostgreSQL")
    if lost := books.lost(heard.reserved):
        broken.append(f"{len(lost)} reservations lost, the first is {lost[0]}")
    if ghosts := heard.confirmed - books.orders.keys():
        broken.append(f"{len(ghosts)} were told confirmed and have no order")
    broken += [f"{name} = {drift}" for name, drift in books.drifts.items() if drift]
    return broken


def show(console: Console, heard: Heard, books: "Books", summary: JsonObject) -> None:
    """Print what the shoppers heard, the three sides, and the summary."""
    answers = Table("what the shoppers heard", "times", title="Answers", title_justify="left")
    for name, times in sorted(heard.answers.items()):
        answers.add_row(name, str(times))
    console.print(answers)

    sides = Table("side", "says", title="Books (differences must be 0)", title_justify="left")
    sides.add_row("answers", f"{len(heard.reserved)} reservations given")
    sides.add_row(
        "Redis",
        f"{books.redis_sold} units sold, {books.redis_avail} free, of {books.redis_granted} given",
    )
    sides.add_row("PostgreSQL sale", f"{len(books.orders)} orders, {books.ordered_units} units")
    sides.add_row("PostgreSQL inventory", f"{books.warehouse_units} units deducted")
    for name, drift in books.drifts.items():
        sides.add_row(name, f"[{'red' if drift else 'green'}]{drift}[/]")
    console.print(sides)

    table = Table("figure", "value", title="Summary", title_justify="left")
    for name, value in summary.items():
        if name != "answers":
            table.add_row(name, str(value))
    console.print(table)

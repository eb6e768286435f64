"""What the model says of the machine that was measured, beside what was measured on it.

No prediction uses the figure that it is compared with: each is made of the costs of parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.capacity.figures import Figures, Source
from deploy.capacity.sale import WrongInput

Measures = Mapping[str, Mapping[str, Any]]
# Of the machine of the checked-in figures.
CORES = 2


@dataclass(frozen=True)
class Compared:
    """One figure: predicted, measured, and how the prediction came about."""

    name: str
    unit: str
    predicted: float
    measured: float
    how: str

    @property
    def error(self) -> float:
        """Of the prediction, as a share of what was measured; positive: too hopeful."""
        return self.predicted / self.measured - 1


def compare(source: Source) -> list[Compared]:
    """Everything that the report measured and the model predicts."""
    measures, found = source.measures, []
    try:
        found += [_gateway(name, measures[name]) for name in _GATEWAY if name in measures]
        if "P3" in measures:
            found.append(_redis(source.checked_in, measures["P3"]))
        if "P4" in measures:
            found.append(_landed(source.figures, measures["P4"]))
        if "P6" in measures:
            found.append(_whole_stack(source.figures, measures["P6"]))
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise WrongInput("the report", f"lacks a figure or has a wrong one: {error}") from error
    if not found:
        raise WrongInput("the report", "has no measure that the model predicts (P1 to P4, P6)")
    return found


_GATEWAY = {
    "P1": "purchases of one worker",
    "P1 behind a queue": "… behind a queue",
    "P2": "refusals of one worker, sold out",
}


def _gateway(name: str, measure: Mapping[str, Any]) -> Compared:
    # Of its core the worker gets what hello got: the client and the neighbours have the rest.
    return Compared(
        f"{name}: {_GATEWAY[name]}",
        "/s",
        measure["limit"] * measure["by_processor_time"],
        measure["product"],
        "processor time beside hello's, in the share of the core that hello got",
    )


def _redis(figures: Figures, measure: Mapping[str, Any]) -> Compared:
    return Compared(
        "P3: reservations a core-second of Redis",
        "/s",
        1e6 / figures.redis_at_p3_us,
        measure["value"],
        "turn, calls and requests, from runs with other batches and connections",
    )


def _landed(figures: Figures, measure: Mapping[str, Any]) -> Compared:
    in_a_row = 1e6 / (figures.landing_us + figures.consumer_between_us)
    everything_us = (
        figures.postgres_us + figures.consumer_us + figures.kafka_us + figures.work_redis_us
    )
    return Compared(
        "P4: orders of one consumer",
        "/s",
        min(in_a_row, CORES * 1e6 / everything_us),
        measure["product"],
        "one transaction after the other, or both cores full",
    )


def _whole_stack(figures: Figures, measure: Mapping[str, Any]) -> Compared:
    each_us = figures.stack_us + figures.client_us
    return Compared(
        "P6: orders of the whole stack on two cores",
        "/s",
        (CORES - figures.idle_stack_cores) * 1e6 / each_us,
        measure["limit"],
        f"{each_us:.0f} µs of all processes in small batches, and of the client",
    )


def text(found: list[Compared], told: str) -> str:
    """For a terminal."""
    width = max(len(one.name) for one in found)
    lines = [f"{'':{width}}  {'predicted':>10}  {'measured':>10}  {'error':>6}"]
    lines += [
        f"{one.name:{width}}  {one.predicted:>8,.0f}{one.unit}  {one.measured:>8,.0f}{one.unit}  "
        f"{one.error:>+6.0%}  {one.how}"
        for one in found
    ]
    return "\n".join([*lines, "", f"measured: {told}"])

"""What the registry knows of a metric."""

from dataclasses import dataclass

# From one message to a full batch that waits for a slow database.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# From a tick that finds nothing due to one that is ended by its limit.
TASK_SECONDS = (0.01, 0.05, 0.25, 1.0, 5.0, 20.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: `name` as Prometheus reads it, so a counter's ends in `_total`.

    Labels are of small closed sets or item ids; never a shopper or a reservation. `unit` is what is
    counted, or `flag` for 0 and 1, `seconds`, `version`.
    """

    kind: str
    name: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse at import what Prometheus or a reader would stumble over."""
        problems = (
            (not self.name.startswith("sluice_"), "does not begin with sluice_"),
            ((self.kind == COUNTER) != self.name.endswith("_total"), "_total is a counter's"),
            ((self.kind == HISTOGRAM) != bool(self.buckets), "buckets are a histogram's"),
            (
                self.name.removesuffix("_total").endswith("_seconds") != (self.unit == "seconds"),
                "its unit is not its name's",
            ),
            (not self.help.endswith("."), "its help is no sentence"),
        )
        for is_wrong, problem in problems:
            if is_wrong:
                raise ValueError(f"{self.name}: {problem}")


def counter(name: str, unit: str, help: str, labels: tuple[str, ...] = ()) -> Metric:  # noqa: A002
    """A count that only grows, until its process restarts."""
    return Metric(COUNTER, name, unit, help, labels)


def gauge(name: str, unit: str, help: str, labels: tuple[str, ...] = ()) -> Metric:  # noqa: A002
    """A value of now."""
    return Metric(GAUGE, name, unit, help, labels)


def histogram(
    name: str,
    unit: str,
    help: str,  # noqa: A002
    labels: tuple[str, ...] = (),
    *,
    buckets: tuple[float, ...],
) -> Metric:
    """How often a value fell below each bound."""
    return Metric(HISTOGRAM, name, unit, help, labels, buckets)

"""What one purchase costs each part: the checked-in figures, and those of a report above them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from deploy.capacity.sale import WrongInput

MEASURED = Path(__file__).with_name("measured.json")
REPORT = Path("var", "bench", "report.json")
# P3's batch and connections, which its figure holds for.
P3_BATCH, P3_CONNECTIONS = 64, 8


@dataclass(frozen=True)
class Figures:
    """Every measured number of the model. `_us` is processor time of the part itself, one purchase.

    `measured.json` says of each when, where and by which command it was measured.
    """

    edge_entry_us: float
    edge_checked_entry_us: float
    hello_us: float
    gateway_reserved_us: float
    gateway_queued_us: float
    gateway_refused_us: float
    redis_cycle_us: float
    redis_call_us: float
    redis_request_us: float
    redis_fsync_us: float
    queue_number_us: float
    relay_per_s: float
    relay_us: float
    consumer_us: float
    consumer_between_us: float
    landing_batch_us: float
    landing_us: float
    postgres_us: float
    landed_per_s: float
    work_redis_us: float
    kafka_us: float
    kafka_ack_us: float
    inventory_us: float
    courier_us: float
    scorer_us: float
    webhook_us: float
    warehouse_postgres_us: float
    client_us: float
    stack_us: float
    idle_stack_cores: float
    request_bytes: float
    answer_bytes: float
    reservation_bytes: float
    order_event_bytes: float
    gateway_event_bytes: float
    wal_bytes: float
    winner_bytes: float
    order_row_bytes: float
    gateway_mb: float
    edge_mb: float
    worker_mb: float
    scorer_mb: float
    kafka_mb: float
    redis_mb: float
    postgres_mb: float

    def __post_init__(self) -> None:
        """Refuse what no measurement can have been."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise WrongInput(f"figure {one.name}", f"must be a number above 0, not {value!r}")
        if self.landing_batch_us >= self.landing_us * LANDING_BATCH:
            raise WrongInput("figure landing_batch_us", "is more than a whole batch takes")

    @property
    def landing_order_us(self) -> float:
        """How much longer a batch takes with one more order, beside what it takes at all."""
        return self.landing_us - self.landing_batch_us / LANDING_BATCH

    @property
    def redis_at_p3_us(self) -> float:
        """Processor time of Redis for one reservation, as the model has it, the way P3 asks."""
        calls = P3_CONNECTIONS * (self.redis_call_us + P3_BATCH * self.redis_request_us)
        return (self.redis_cycle_us + calls) / (P3_CONNECTIONS * P3_BATCH)


# BATCH_MAX of workers/order_consumer.py and SLUICE_BATCH_MAX of the gateway (a test compares).
LANDING_BATCH = 4000
RESERVE_BATCH = 512


@dataclass(frozen=True)
class Source:
    """Figures, and where those come from that a plan rests on."""

    figures: Figures
    checked_in: Figures
    told: str
    measures: Mapping[str, Mapping[str, Any]]


def read(report: Path | None = None) -> Source:
    """The checked-in figures; those of `report`, or of var/bench/report.json, stand above them.

    Raises WrongInput for a report that cannot be read, and for a named one that is not there.
    """
    known, figures = _json(MEASURED), checked_in()
    if report is None and not REPORT.exists():
        told = f"{known['machine']}, {known['date']}, commit {known['commit']}"
        return Source(figures, figures, told, known["measures"])
    path = report or REPORT
    report_read = _json(path)
    measures = report_read.get("measures")
    if not isinstance(measures, dict) or not all(isinstance(m, dict) for m in measures.values()):
        raise WrongInput(str(path), "has no measures: is it a report of `make bench`?")
    try:
        newer = above(figures, measures)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise WrongInput(
            str(path), f"a measure lacks a figure or has a wrong one: {error}"
        ) from error
    names = ", ".join(sorted(measures)) or "nothing"
    who = ", ".join(str(report_read.get(name)) for name in ("machine", "commit", "date"))
    return Source(newer, figures, f"{path} ({who}) for {names}; the rest as checked in", measures)


def checked_in() -> Figures:
    """Those of `measured.json`."""
    return Figures(**{name: one["value"] for name, one in _json(MEASURED)["figures"].items()})


def above(figures: Figures, measures: Mapping[str, Mapping[str, Any]]) -> Figures:
    """What a report measured, put in the place of what was known before."""
    found: dict[str, float] = {}
    gateway = {
        "P1": "gateway_reserved_us",
        "P1 behind a queue": "gateway_queued_us",
        "P2": "gateway_refused_us",
    }
    for measure, name in gateway.items():
        if measure in measures:
            # By processor time, beside hello: a rate would also say how busy the machine was.
            found[name] = figures.hello_us / measures[measure]["by_processor_time"]
    if "P4" in measures:
        found["landed_per_s"] = measures["P4"]["product"]
        found["consumer_us"] = measures["P4"]["client_us"]
        found["postgres_us"] = measures["P4"]["postgres_us"]
        # A batch's time is mostly PostgreSQL's; the rest is taken to be as much slower or faster.
        found["landing_us"] = figures.landing_us * found["postgres_us"] / figures.postgres_us
    if "P5" in measures:
        found["relay_per_s"] = measures["P5"]["product"]
    if "P9" in measures:
        found["winner_bytes"] = measures["P9"]["before_trim"]
    if "costs" in measures:
        found |= _of_processes(measures["costs"])
    if "P3" in measures:
        scale = 1e6 / measures["P3"]["value"] / figures.redis_at_p3_us
        for name in ("redis_cycle_us", "redis_call_us", "redis_request_us"):
            found[name] = getattr(figures, name) * scale
    return replace(figures, **found)


def _of_processes(costs: Mapping[str, Any]) -> dict[str, float]:
    """What tests/load/bench_costs.py says."""
    everything, alone = costs["of"], costs["alone"]
    inventory, courier = alone["inventory-consumer"], alone["order-courier"]
    return {
        "stack_us": costs["us"],
        "idle_stack_cores": sum(one["idle_cores"] for one in everything.values()),
        "wal_bytes": costs["wal_bytes"],
        # Each click of that flood was one event.
        "scorer_us": everything["risk-scorer"]["us"] * costs["orders"] / costs["clicks"],
        "inventory_us": inventory["us"],
        "courier_us": courier["us"],
        "webhook_us": alone["webhook-consumer"]["us"],
        "warehouse_postgres_us": inventory["postgres_us"] + courier["postgres_us"],
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except OSError as error:
        raise WrongInput(str(path), f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise WrongInput(str(path), f"is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise WrongInput(str(path), "is no JSON object")
    return read

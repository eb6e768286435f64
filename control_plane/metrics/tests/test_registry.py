"""Every name stands once, means what it says, and is the only way to a metric."""

import ast
from pathlib import Path

import pytest

from control_plane.metrics import registry
from control_plane.metrics.metric import Metric, counter, gauge, histogram

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: counter("sluice_things", "things", "Things."), "_total"),
        (lambda: gauge("sluice_things_total", "things", "Things."), "_total"),
        (lambda: gauge("things", "things", "Things."), "sluice_"),
        (lambda: gauge("sluice_age_seconds", "things", "Age."), "unit"),
        (lambda: gauge("sluice_age", "seconds", "Age."), "unit"),
        (lambda: gauge("sluice_things", "things", "Things"), "sentence"),
        (lambda: histogram("sluice_x", "things", "Things.", buckets=()), "buckets"),
    ],
)
def test_what_prometheus_or_a_reader_would_stumble_over_is_refused(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_a_name_that_is_not_declared_makes_no_metric():
    with pytest.raises(KeyError):
        registry.counter("sluice_undeclared_total")
    with pytest.raises(TypeError, match="is a gauge"):
        registry.counter("sluice_worker_ready")


def test_python_makes_no_metric_beside_the_registry():
    """`Counter(` and its like stand in the registry and nowhere else."""
    beside = []
    for folder in ("control_plane", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client":
                    names = {alias.name for alias in node.names}
                    if names & {"Counter", "Gauge", "Histogram", "Summary", "Info"}:
                        beside.append(str(path))
    assert beside == []


def test_every_metric_of_a_worker_is_one_that_the_code_knows():
    from workers.runtime import metrics

    made = {
        f"{value._name}_total" if value._type == "counter" else value._name
        for value in vars(metrics).values()
        if hasattr(value, "_type")
    }
    assert made == {metric.name for metric in registry.WORKERS}


def test_labels_are_few_and_never_a_person():
    for metric in registry.ALL:
        assert isinstance(metric, Metric)
        assert len(metric.labels) <= 3, metric.name
        assert not {"shopper", "device", "reservation", "ip"} & set(metric.labels), metric.name

"""A process is ready while each of its parts has succeeded lately."""

from prometheus_client import REGISTRY

from workers.runtime.clock import SystemClock
from workers.runtime.readiness import SILENT_AFTER_S, Readiness


class _Clock(SystemClock):
    at = 0.0

    def monotonic(self):
        return self.at


def test_it_is_not_ready_before_every_part_has_succeeded():
    readiness = Readiness(_Clock(), ["read", "write"])
    readiness.report("read")
    assert readiness.problem() == "write: it has not begun"
    readiness.report("write")
    assert readiness.problem() is None


def test_a_failure_lasts_until_the_next_success():
    readiness = Readiness(_Clock(), ["read"])
    readiness.report("read", "no database")
    assert readiness.problem() == "read: no database"
    readiness.report("read")
    assert readiness.problem() is None


def test_a_part_that_falls_silent_is_not_ready():
    clock = _Clock()
    readiness = Readiness(clock, ["read"])
    readiness.report("read")
    clock.at = SILENT_AFTER_S
    assert readiness.problem() is None
    clock.at += 1
    assert readiness.problem() == "read: nothing done for 16 s"


def test_the_gauge_says_the_same():
    readiness = Readiness(_Clock(), ["read"])
    assert REGISTRY.get_sample_value("sluice_worker_ready") == 0
    readiness.report("read")
    assert REGISTRY.get_sample_value("sluice_worker_ready") == 1

"""The workers as processes: start, refuse a wrong environment, serve metrics, stop cleanly."""

import signal
import urllib.error
import urllib.request

import pytest

from control_plane.orders import projection
from tests.gateway.plain_redis import PlainRedis
from tests.redis.waiting import until
from workers.tests import running

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

WORKERS = [
    "stock_agent",
    "relay",
    "order_consumer",
    "inventory_consumer",
    "order_courier",
    "compensator",
    "webhook_consumer",
    "queue_controller",
    "risk_scorer",
]
# A name of each worker's own, to see that it serves its figures.
METRICS = {
    "stock_agent": "sluice_agent_leads 1.0",
    "relay": "sluice_relay_outboxes",
    "order_consumer": "sluice_reservations_decided_total",
    "inventory_consumer": "sluice_stock_deductions_total",
    "order_courier": "sluice_order_events_sent_total",
    "compensator": "sluice_exception_orders 0.0",
    "webhook_consumer": "sluice_webhooks_noted_total",
    "risk_scorer": 'sluice_risk_remembered{kind="device"}',
    "queue_controller": "sluice_queue_leads 1.0",
}


@pytest.mark.parametrize("worker", WORKERS)
def test_a_wrong_environment_ends_it_with_2_and_the_variable(worker, broker):
    environ = running.environment(broker.names, SLUICE_INSTANCE="of many")
    process = running.start(f"workers.{worker}", environ)
    _, log = process.communicate(timeout=running.DEADLINE_S)
    assert process.returncode == 2
    assert log == (
        "sluice worker: SLUICE_INSTANCE must be up to 100 of A-Z a-z 0-9 . _ -, not 'of many'\n"
    )


@pytest.mark.parametrize("worker", WORKERS)
def test_it_serves_its_metrics_and_stops_on_sigterm(worker, broker):
    environ = running.environment(broker.names)
    url = f"http://127.0.0.1:{environ['SLUICE_METRICS_PORT']}/metrics"
    with running.as_process(f"workers.{worker}", environ):

        def figures():
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()

        until(lambda: METRICS[worker] in figures(), METRICS[worker], pause_s=0.1)
        assert "_created" not in figures()


def test_an_order_consumer_has_the_statuses_mended_that_died_with_the_one_before(broker, tmp_path):
    """What could not be written is in the memory of the process that could not."""
    plain = PlainRedis(tmp_path / "redis")
    with plain.running(appendonly="no"):
        own = f"redis://127.0.0.1:{plain.port}/0"
        environ = running.environment(
            broker.names, SLUICE_INSTANCE="dies", SLUICE_WORK_REDIS_URL=own
        )
        with projection.connect(own) as work_redis:
            _die_and_end(environ, work_redis)


def _die_and_end(environ, work_redis):
    def mark_it_whole():
        work_redis.set(projection.MARKER, "whole")

    def is_marked():
        return work_redis.get(projection.MARKER)

    mark_it_whole()
    first = running.start("workers.order_consumer", environ)
    try:
        until(lambda: not is_marked(), "the mark is taken away: it is the first of its name", 60)
    finally:
        first.kill()
        first.communicate()
    mark_it_whole()
    with running.as_process("workers.order_consumer", environ):
        until(lambda: not is_marked(), "and after one that was killed", 60)
    mark_it_whole()
    with running.as_process("workers.order_consumer", environ):
        until(lambda: _readiness(environ) == (200, "ready\n"), "the next one works", 60)
    assert is_marked() == b"whole", "one that has stopped as asked has left nothing"


def _readiness(environ):
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{environ['SLUICE_METRICS_PORT']}/readyz", timeout=5
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("worker", WORKERS)
def test_it_is_ready_when_it_works(worker, broker):
    environ = running.environment(broker.names)
    with running.as_process(f"workers.{worker}", environ):
        until(lambda: _readiness(environ) == (200, "ready\n"), "it is ready", pause_s=0.1)


AWAY = {
    "stock_agent": ("SLUICE_SALE_DSN", "round: "),
    "relay": ("SLUICE_KAFKA_BROKERS", "Kafka: "),
    "order_consumer": ("SLUICE_KAFKA_BROKERS", "turn: not a member"),
    "inventory_consumer": ("SLUICE_KAFKA_BROKERS", "turn: not a member"),
    "order_courier": ("SLUICE_KAFKA_BROKERS", "turn: not a member"),
    "compensator": ("SLUICE_SALE_DSN", "owed: database default: "),
    "webhook_consumer": ("SLUICE_KAFKA_BROKERS", "turn: not a member"),
    "risk_scorer": ("SLUICE_KAFKA_BROKERS", "turn: Kafka: "),
    "queue_controller": ("SLUICE_SALE_DSN", "tick: "),
}


@pytest.mark.parametrize("worker", WORKERS)
def test_without_what_it_needs_it_runs_on_and_says_why_it_is_not_ready(worker, broker):
    variable, reason = AWAY[worker]
    values = {"SLUICE_SALE_DSN": "postgresql://a:b@127.0.0.1:1/sale"}
    value = values.get(variable, "127.0.0.1:1")
    environ = running.environment(broker.names, **{variable: value})
    with running.as_process(f"workers.{worker}", environ) as process:

        def refused():
            status, why = _readiness(environ)
            return status == 503 and why.startswith(reason) and "not begun" not in why

        until(refused, "it says why", pause_s=0.1)
        assert process.poll() is None


def test_a_second_consumer_of_the_same_name_ends_the_first(broker):
    """Two processes with one static id would both work on all partitions: Kafka fences one."""
    environ = running.environment(broker.names)
    first = running.start("workers.order_consumer", environ)
    assert first.stderr is not None
    log = first.stderr
    try:
        until(lambda: "assigned partitions" in log.readline(), "the first has joined")
        other = environ | {"SLUICE_METRICS_PORT": str(running.free_port())}
        with running.as_process("workers.order_consumer", other):
            assert first.wait(running.DEADLINE_S) == 1
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()

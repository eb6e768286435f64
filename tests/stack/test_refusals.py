"""What `up` cannot do is said in one message, with a name in it."""

import os
import socket
import sys

import pytest

from deploy.local import linux
from deploy.local.process import CannotStart
from deploy.local.servers import gateway
from tests.stack.conftest import StackTool


def test_a_foreign_process_on_a_port_is_named_and_left_alone(stack: StackTool) -> None:
    port = stack.site.port("redis-work")
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind(("127.0.0.1", port))
        foreign.listen()
        done = stack.run("up", "redis-work,postgres")
        assert done.returncode == 1
        assert f"port {port} is taken by pid {os.getpid()} (" in done.stderr
        assert stack.pid("postgres") == 0
        assert [listener.pid for listener in linux.listeners({port})] == [os.getpid()]


@pytest.mark.parametrize(
    ("process", "variable", "value"),
    [
        ("control-plane", "SLUICE_LOG_LEVEL", "loud"),
        ("celery-beat", "SLUICE_DEBUG", "yes"),
        ("stock-agent", "SLUICE_ARM_LEAD_S", "soon"),
        ("relay", "SLUICE_LOG_LEVEL", "loud"),
        ("order-consumer", "SLUICE_TIME_ZONE", "Mars/Olympus"),
        ("inventory-consumer", "SLUICE_LOG_LEVEL", "loud"),
        ("compensator", "SLUICE_RETRY_MINUTES", "soon"),
        ("risk-scorer", "SLUICE_LOG_LEVEL", "loud"),
        ("gateway", "SLUICE_BATCH_MAX", "many"),
        ("gateway", "SLUICE_GATEWAY_WORKERS", "abc"),
        ("gateway", "SLUICE_GATEWAY_WORKERS", "0"),
        ("gateway", "SLUICE_GATEWAY_WORKERS", "257"),
        ("gateway", "SLUICE_GATEWAY_WORKERS", "2; env SLUICE_SALE_DSN"),
        ("gateway", "SLUICE_TRUSTED_PROXIES", "127.0.0.1/33"),
        ("gateway", "SLUICE_BREAKER_FAILURES", "0"),
        ("gateway", "SLUICE_INSTANCE", "two words"),
        ("edge", "SLUICE_DEMO", "perhaps"),
    ],
)
def test_a_wrong_value_stops_the_process_which_names_the_variable(
    stack: StackTool, process: str, variable: str, value: str
) -> None:
    done = stack.run("up", process, {variable: value})
    assert done.returncode == 1
    assert f"{process} did not start" in done.stderr
    assert variable in done.stderr
    assert stack.pid(process) == 0


def test_trusted_proxies_are_networks_and_nothing_that_nginx_would_read_otherwise() -> None:
    lines = gateway.set_real_ip_from("127.0.0.1, 10.0.0.0/8,2001:db8::/32,")
    assert lines.splitlines() == [
        "set_real_ip_from 127.0.0.1/32;",
        "set_real_ip_from 10.0.0.0/8;",
        "set_real_ip_from 2001:db8::/32;",
    ]
    assert gateway.set_real_ip_from("") == ""
    for wrong in ("unix:", "localhost", "10.0.0.1/8", "0.0.0.0/0; env X", "10.0.0.0/8 10.1.0.0/8"):
        with pytest.raises(CannotStart, match="SLUICE_TRUSTED_PROXIES"):
            gateway.set_real_ip_from(wrong)


@pytest.mark.parametrize("value", ["1", "2", "256", "auto"])
def test_a_number_of_workers_that_nginx_understands_is_accepted(value: str) -> None:
    gateway.check_workers(value)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "02", "1e2", "2\n", "٣", "Auto", "1000"])
def test_a_number_of_workers_that_it_does_not_is_refused(value: str) -> None:
    with pytest.raises(CannotStart, match="SLUICE_GATEWAY_WORKERS"):
        gateway.check_workers(value)


def test_a_misspelt_process_name_is_refused_with_the_known_ones(stack: StackTool) -> None:
    done = stack.run("up", "redis")
    assert done.returncode == 2
    assert "redis-stock" in done.stderr


def test_run_gives_a_command_the_environment_and_its_exit_code(stack: StackTool) -> None:
    show = "import os, sys; print(os.environ['SLUICE_EDGE_URL']); sys.exit(7)"
    done = stack.run("run", words=[sys.executable, "-c", show])
    assert done.returncode == 7
    assert done.stdout.strip() == f"http://127.0.0.1:{stack.site.port('edge')}"


def test_run_without_a_command_is_refused(stack: StackTool) -> None:
    assert stack.run("run").returncode == 2

"""What `up` cannot do is said in one message, with a name in it."""

import os
import socket
import sys

import pytest

from deploy.local import linux
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
        ("gateway", "SLUICE_BATCH_MAX", "many"),
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

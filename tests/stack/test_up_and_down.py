"""`up` and `down` may be repeated, and recover from whatever died meanwhile."""

import os
import signal

import psycopg2
import pytest
from redis import exceptions as redis_errors

from deploy.local import environment, linux, supervision
from deploy.local.processes import CLIENTS, named
from deploy.local.servers import redis
from tests.stack.conftest import StackTool, eventually


def test_a_second_up_starts_nothing_again(stack: StackTool) -> None:
    first = stack.up("redis-work,postgres")
    assert "redis-work" in first.stdout
    before = stack.pid("redis-work"), stack.pid("postgres"), stack.supervisord_pid()
    second = stack.up("redis-work,postgres")
    assert "redis-work" not in second.stdout
    assert (stack.pid("redis-work"), stack.pid("postgres"), stack.supervisord_pid()) == before


def test_a_killed_process_comes_back_by_itself(stack: StackTool) -> None:
    stack.up("redis-work")
    killed = stack.pid("redis-work")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: stack.pid("redis-work") not in (0, killed))
    eventually(lambda: stack.run("status").stdout.count(" ok") == 1)


def test_up_starts_what_was_stopped_while_supervisord_lived(stack: StackTool) -> None:
    stack.up("redis-work")
    stack.supervisor.rpc.stopProcess("redis-work")
    assert stack.pid("redis-work") == 0
    stack.up("redis-work")
    assert stack.pid("redis-work") != 0


def test_up_restarts_a_process_that_hangs(stack: StackTool) -> None:
    stack.up("redis-work")
    eventually(lambda: stack.supervisor.programs()["redis-work"]["statename"] == "RUNNING")
    hung = stack.pid("redis-work")
    os.kill(hung, signal.SIGSTOP)
    assert "is restarted" in stack.up("redis-work").stdout
    assert stack.pid("redis-work") not in (0, hung)


def test_programs_end_with_a_killed_supervisord_and_up_recovers(stack: StackTool) -> None:
    stack.up("redis-work,postgres")
    programs = [stack.pid("redis-work"), stack.pid("postgres")]
    os.kill(stack.supervisord_pid(), signal.SIGKILL)
    eventually(lambda: not any(linux.alive(pid) for pid in programs))
    recovered = stack.up("redis-work,postgres")
    assert "cleaned up after a supervisord that had died" in recovered.stdout
    assert stack.pid("postgres") not in (0, programs[1])


def test_up_ends_a_program_that_outlived_its_supervisord(
    stack: StackTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LEFTOVER_GRACE_S", 0.2)
    stack.up("redis-work")
    busy = stack.pid("redis-work")
    with redis.work_client(stack.site) as client, pytest.raises(redis_errors.TimeoutError):
        # A Redis inside of a script does not act on the signal that tells it to end. Stopping it
        # would not do: the kernel continues stopped processes when their session loses its leader.
        client.eval("while true do end", 0)
    os.kill(stack.supervisord_pid(), signal.SIGKILL)
    eventually(lambda: stack.supervisor.leftovers() == [busy])
    assert stack.supervisor.clean()
    assert not linux.alive(busy)


def test_down_leaves_no_process_and_keeps_the_data(stack: StackTool) -> None:
    stack.up("postgres")
    dsn = environment.values(stack.site)["SLUICE_SALE_DSN"]
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz)")
        cursor.execute("INSERT INTO kept VALUES (now())")
    session = stack.supervisord_pid()
    assert stack.run("down").returncode == 0
    assert linux.session_members(session) == []
    stack.up("postgres")
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE kept")


def test_down_of_a_part_stops_that_part_only(stack: StackTool) -> None:
    stack.up("redis-work,postgres")
    kept = stack.pid("postgres")
    done = stack.run("down", "redis-work")
    assert (done.returncode, "redis-work of stacktest is down" in done.stdout) == (0, True)
    assert (stack.pid("redis-work"), stack.pid("postgres")) == (0, kept)


def test_the_clients_are_all_that_comes_behind_the_servers(stack: StackTool) -> None:
    names = named(stack.site, CLIENTS)
    assert {"control-plane", "celery-beat", "stock-agent", "gateway", "edge"} < set(names)
    stack.up("redis-work")
    assert stack.run("down", CLIENTS).returncode == 0
    assert stack.pid("redis-work")


def test_down_of_a_stack_that_does_not_run_is_no_error(stack: StackTool) -> None:
    done = stack.run("down")
    assert (done.returncode, "was not running" in done.stdout) == (0, True)


def test_status_is_not_zero_while_a_process_is_missing(stack: StackTool) -> None:
    stack.up("redis-work")
    done = stack.run("status")
    assert done.returncode == 1
    assert [line.split()[-1] for line in done.stdout.splitlines() if "redis-work" in line] == ["ok"]


@pytest.mark.parametrize("node", ["redis-stock", "redis-standby"])
def test_a_stock_redis_serves_all_slots_and_its_users_only_what_they_need(
    stack: StackTool, node: str
) -> None:
    stack.up(node)
    with redis.stock_client(stack.site, node) as client:
        assert client.execute_command("CLUSTER INFO")["cluster_slots_ok"] == str(redis.SLOTS)

        def may(user: str, *command: str) -> bool:
            return str(client.execute_command("ACL", "DRYRUN", user, *command)) == "OK"

        key = "{i7:s00:e1}:avail"
        assert may("gateway", "EVALSHA", "0" * 40, "1", key)
        assert not may("gateway", "EVAL", "return 1", "0")
        assert not may("gateway", "SCRIPT", "LOAD", "return 1")
        assert not may("gateway", "GET", "somebody-elses-key")
        assert not may("gateway", "FLUSHALL")
        assert may("worker", "SCRIPT", "LOAD", "return 1")
        assert may("worker", "XREADGROUP", "GROUP", "relay", "a", "STREAMS", key, ">")
        assert not may("worker", "SCRIPT", "FLUSH")
        assert not may("worker", "CONFIG", "GET", "*")

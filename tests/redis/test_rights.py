"""What the gateway's Redis user may do: its calls, and nothing that would open a fence."""

import pytest
import redis

from tests.redis.armed_shard import Answer, Request
from tests.redis.conftest import Arm
from tests.redis.server import StockServer


def test_the_gateway_may_do_all_it_has_to(arm: Arm) -> None:
    shard = arm()
    gateway = shard.server.gateway
    assert shard.reserve(Request("ann"), client=gateway) == Answer("R")
    assert gateway.hget(shard.shard.buyers, "ann") == shard.reservation_id(Request("ann")) + "=1"
    assert gateway.execute_command("CLUSTER", "SLOTS")
    assert gateway.ping()


@pytest.mark.parametrize(
    "command",
    [
        ("EVAL", "return 1", 0),
        ("EVAL_RO", "return 1", 0),
        ("SCRIPT", "LOAD", "return 1"),
        ("SCRIPT", "FLUSH"),
        ("SCRIPT", "EXISTS", "0" * 40),
        ("FUNCTION", "LOAD", "#!lua name=x\n"),
        ("FCALL", "x", 0),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "maxmemory", "0"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "gateway", "+@all"),
        ("CLUSTER", "NODES"),
        ("CLUSTER", "RESET"),
        ("CLUSTER", "SETSLOT", 0, "STABLE"),
        ("SHUTDOWN", "NOSAVE"),
        ("KEYS", "*"),
        ("SCAN", 0),
        ("MONITOR",),
        ("CLIENT", "LIST"),
        ("INFO",),
        ("DEL", "{i1:s00:e1}:avail"),
        ("SET", "{i1:s00:e1}:avail", 5),
        ("HGETALL", "{i1:s00:e1}:buyers"),
        ("HDEL", "{i1:s00:e1}:ctl", "sold_out"),
        ("XRANGE", "{i1:s00:e1}:outbox", "-", "+"),
        ("XTRIM", "{i1:s00:e1}:outbox", "MAXLEN", 0),
        ("XACK", "{i1:s00:e1}:outbox", "relay", "0-1"),
        ("EXPIRE", "{i1:s00:e1}:avail", 1),
        ("RENAME", "{i1:s00:e1}:avail", "{i1:s00:e1}:x"),
    ],
)
def test_the_gateway_may_not(server: StockServer, command: tuple[str | int, ...]) -> None:
    with server.client("gateway") as gateway, pytest.raises(redis.exceptions.NoPermissionError):
        gateway.execute_command(*command)


@pytest.mark.parametrize("key", ["secret", "{q7}:counter", "i7", "{j7:s00:e1}:avail"])
def test_the_gateway_reads_and_writes_no_other_keys(server: StockServer, key: str) -> None:
    for command in (("GET", key), ("HSET", key, "a", 1), ("DECRBY", key, 1)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            server.gateway.execute_command(*command)


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("SCRIPT", "FLUSH"),
        ("CONFIG", "SET", "maxmemory", "0"),
        ("ACL", "LIST"),
        ("CLUSTER", "RESET"),
        ("CLUSTER", "SETSLOT", 0, "STABLE"),
        ("SHUTDOWN", "NOSAVE"),
        ("KEYS", "*"),
    ],
)
def test_the_agents_administer_nothing(server: StockServer, command: tuple[str | int, ...]) -> None:
    with server.client("worker") as worker, pytest.raises(redis.exceptions.NoPermissionError):
        worker.execute_command(*command)


@pytest.mark.parametrize("user", ["default", "gateway", "worker", "operator"])
def test_nobody_comes_in_without_his_password(server: StockServer, user: str) -> None:
    with server.client("gateway") as client:
        client.connection_pool.connection_kwargs.update(username=user, password="guess")
        with pytest.raises(redis.exceptions.AuthenticationError):
            client.ping()

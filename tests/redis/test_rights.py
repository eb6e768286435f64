"""What the gateway's Redis user may do: its calls, and nothing that would open a fence."""

import pytest
import redis

from tests.redis.armed_shard import Answer, Request
from tests.redis.conftest import Arm
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.scripts import Script


def test_the_gateway_may_do_all_it_has_to(arm: Arm) -> None:
    shard = arm(units=1)
    gateway = shard.server.gateway
    shard.mark_sold_out(left=1)
    asked = [Request("ann"), Request("bob"), Request("ann")]
    assert shard.reserve(*asked, client=gateway) == Answer("REA", (1,))
    shard.mark_sold_out()
    assert shard.reserve(Request("bob"), client=gateway) == Answer("S")
    shard.ban({"bob": shard.server.now_ms() + 60_000})
    assert shard.reserve(Request("bob"), client=gateway) == Answer("B")
    assert gateway.hget(shard.shard.buyers, "ann") == shard.reservation_id(Request("ann")) + "=1"
    assert gateway.execute_command("CLUSTER", "SLOTS")
    assert gateway.info("replication")["role"] == "master"
    assert gateway.execute_command("ASKING")
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
        ("CONFIG", "RESETSTAT"),
        ("CLUSTER", "MYID"),
        ("CLUSTER", "SHARDS"),
        ("CLUSTER", "FAILOVER"),
        ("REPLICAOF", "NO", "ONE"),
        ("MULTI",),
        ("WAIT", 1, 0),
        ("INCRBY", "{i1:s00:e1}:avail", 1),
        ("HINCRBY", "{i1:s00:e1}:ctl", "sold", 1),
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


@pytest.mark.parametrize(
    "key",
    [
        *("secret", "{q7}:counter", "i7", "{j7:s00:e1}:avail", "i7:s00:e1:avail"),
        *("{i7:s00:e1}:grants", "{i7:s00:e1}:reclaims", "{i7:s00:e1}"),
    ],
)
def test_the_gateway_reads_and_writes_no_other_keys(server: StockServer, key: str) -> None:
    for command in (("GET", key), ("HSET", key, "a", 1), ("DECRBY", key, 1)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            server.gateway.execute_command(*command)


def test_the_gateway_bans_nobody_and_lifts_no_ban(server: StockServer) -> None:
    bans = "{i7:s00:e1}:bans"
    assert server.gateway.hget(bans, "ann") is None
    for command in (("HSET", bans, "ann", 1), ("DECRBY", bans, 1), ("XADD", bans, "*", "a", 1)):
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


@pytest.mark.parametrize(
    ("script", "keys", "arguments"),
    [
        (scripts.GRANT, ("ctl", "avail", "grants"), (1, "g", 5)),
        (scripts.RECLAIM, ("ctl", "avail", "reclaims"), (1, "r", 5, 0)),
        (scripts.DISARM, ("ctl",), (1,)),
        (scripts.ARM, ("ctl", "avail", "outbox"), (1, "f" * 40, 9, 1)),
        (scripts.REBUILD, ("ctl", "avail", "buyers", "outbox"), (1, "f" * 40, "ann", "a", 0)),
        (scripts.TRIM, ("outbox",), ("1-0",)),
        (scripts.BAN, ("ctl", "avail", "bans"), (1, "ann", 1)),
        (scripts.FORGET, ("ctl", "avail", "buyers", "outbox", "grants", "reclaims", "bans"), (1,)),
    ],
)
def test_the_agents_scripts_do_nothing_for_the_gateway(
    arm: Arm, script: Script, keys: tuple[str, ...], arguments: tuple[str | int, ...]
) -> None:
    # Redis has them once an agent has called them, and their SHA-1 is no secret.
    shard = arm()
    shard.server.worker.script_load(script.text)
    names = [getattr(shard.shard, key) for key in keys]
    with shard.unchanged(), pytest.raises(redis.ResponseError):
        shard.server.gateway.evalsha(script.sha, len(names), *names, *arguments)

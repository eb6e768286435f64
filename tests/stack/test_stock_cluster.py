"""Six stock nodes: formed once, three masters with a replica each, and what a lost master does."""

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator

import pytest
import redis
from redis.crc import key_slot

from deploy.local.servers import stock_cluster, stock_node
from deploy.local.servers.redis import SLOTS, cluster_info, stock_client
from deploy.local.site import Site
from tests.stack.conftest import StackTool, eventually

SITE = Site("clustertest")
NODES = SITE.settings.stock_nodes
FORMATION = "redis-stock-cluster"
WHOLE = ",".join((*NODES, FORMATION))
MASTERS = [first for first, _ in stock_cluster.pairs(SITE)]
PAIRED = {
    **dict.fromkeys(MASTERS, "master"),
    "redis-stock-4": "replica of 1",
    "redis-stock-5": "replica of 2",
    "redis-stock-6": "replica of 3",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[StackTool]:
    """The six nodes, formed from nothing."""
    tool = _from_nothing()
    tool.up(WHOLE)
    yield tool
    tool.run("down")


def test_the_first_up_makes_three_masters_with_equal_shares_and_a_replica_each(
    cluster: StackTool,
) -> None:
    assert _roles() == PAIRED
    for node in NODES:
        with stock_client(SITE, node) as client:
            known = stock_node.known_nodes(client)
        shares = sorted(len(other.slots) for other in known.values())
        assert len(known) == len(NODES)
        assert (sum(shares), shares[:3], shares[-1] - shares[3] <= 1) == (SLOTS, [0, 0, 0], True)


def test_status_names_the_role_of_each_node(cluster: StackTool) -> None:
    lines = cluster.run("status").stdout.splitlines()
    for node, role in PAIRED.items():
        [line] = [line for line in lines if line.startswith(f"{node} ")]
        assert line.endswith(f"127.0.0.1:{SITE.port(node)} {role:<12} ok")


def test_a_second_up_starts_and_forms_nothing_again(cluster: StackTool) -> None:
    before = [cluster.pid(node) for node in NODES]
    assert "redis-stock" not in cluster.up(WHOLE).stdout
    assert [cluster.pid(node) for node in NODES] == before


def rules_of(line: str) -> frozenset[frozenset[str]]:
    """Those of a user and of each of his selectors; a node lists them in an order of its own."""
    return frozenset(frozenset(rules.split()) for rules in re.split(r"[()]", line))


def test_every_node_has_the_same_users_and_the_replicas_may_only_copy(cluster: StackTool) -> None:
    users = set()
    for node in NODES:
        with stock_client(SITE, node) as client:
            users.add(frozenset(rules_of(line) for line in client.acl_list()))
            rights = client.acl_getuser("replica")
            assert client.config_get("masteruser") == {"masteruser": "replica"}
        assert rights["categories"] == ["-@all"]
        assert set(rights["commands"]) == {"+psync", "+replconf", "+ping"}
        assert not rights["keys"] and not rights["channels"]
    assert len(users) == 1


def test_a_killed_node_comes_back_before_it_is_replaced_and_sells_again(
    cluster: StackTool,
) -> None:
    killed = cluster.pid("redis-stock-3")
    began = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: cluster.pid("redis-stock-3") not in (0, killed))
    eventually(lambda: _write("redis-stock-3") == "ok")
    print(f"killed master takes writes again after {time.monotonic() - began:.2f} s")
    eventually(lambda: stock_cluster.is_whole(SITE))
    assert _roles() == PAIRED


def test_a_lost_masters_replica_is_promoted_and_the_lost_one_comes_back_as_its_replica(
    cluster: StackTool,
) -> None:
    lost = cluster.pid("redis-stock-1")
    began = time.monotonic()
    os.kill(lost, signal.SIGSTOP)  # killed it would be back before the others miss it
    try:
        eventually(lambda: _others_sell() and stock_node.role(SITE, "redis-stock-4") == "master")
        promoted = time.monotonic()
        print(f"replica promoted {promoted - began:.2f} s after its master froze")
        assert _write("redis-stock-4", of="redis-stock-1") == "NOREPLICAS"
    finally:
        os.kill(lost, signal.SIGKILL)
    eventually(lambda: _write("redis-stock-4", of="redis-stock-1") == "ok")
    print(f"it takes writes {time.monotonic() - promoted:.2f} s later: the lost one copies it")
    swapped = PAIRED | {"redis-stock-4": "master", "redis-stock-1": "replica of 4"}
    eventually(lambda: stock_cluster.is_whole(SITE) and _roles() == swapped)
    before = [cluster.pid(node) for node in NODES]
    assert "redis-stock" not in cluster.up(WHOLE).stdout
    assert [cluster.pid(node) for node in NODES] == before

    cluster.run("down")
    assert f"{FORMATION} done" in cluster.up(WHOLE).stdout
    assert _roles() == swapped


def test_a_master_whose_data_is_gone_is_seen_although_redis_counts_its_slots(
    cluster: StackTool,
) -> None:
    # Last in this file: the cluster is of no use afterwards.
    cluster.run("down")
    shutil.rmtree(SITE.state / "redis-stock-2")
    cluster.up(",".join(NODES))
    with stock_client(SITE, "redis-stock-1") as client:
        whole = {"cluster_state": "ok", "cluster_slots_ok": str(SLOTS)}.items()
        eventually(lambda: whole <= cluster_info(client).items())
    assert "redis-stock-1: cluster state ok, 10923 of 16384 slots served" in (
        stock_cluster.complaints(SITE)
    )


def test_up_carries_on_what_an_interrupted_up_began() -> None:
    tool = _from_nothing()
    try:
        tool.up(",".join(NODES))
        with stock_client(SITE, NODES[0]) as first:
            stock_node.ask(first, "MEET", "127.0.0.1", SITE.port(NODES[1]), _bus(NODES[1]))
            stock_node.ask(first, "ADDSLOTSRANGE", 0, SLOTS // 3 - 1)
        tool.up(WHOLE)
        assert _roles() == PAIRED
    finally:
        tool.run("down")


def _from_nothing() -> StackTool:
    tool = StackTool(SITE.profile)
    tool.run("down")
    for node in NODES:
        shutil.rmtree(SITE.state / node, ignore_errors=True)
    return tool


def _bus(node: str) -> int:
    return SITE.port(f"{node}-bus")


def _roles() -> dict[str, str]:
    return {node: stock_node.role(SITE, node) for node in NODES}


def _others_sell() -> bool:
    """Asserted at every poll: a lost shard stops nobody else."""
    assert [_write(node) for node in MASTERS[1:]] == ["ok", "ok"]
    return True


def _write(node: str, of: str = "") -> str:
    """Write a key of the share that `of` (the node itself) began with; `ok` or the error's name."""
    number = MASTERS.index(of or node)
    begin, end = (SLOTS * n // len(MASTERS) for n in (number, number + 1))
    key = next(key for key in map(str, range(SLOTS)) if begin <= key_slot(key.encode()) < end)
    try:
        with stock_client(SITE, node) as client:
            client.set(key, "1")
    except redis.RedisError as error:
        return str(error).split()[0]
    return "ok"

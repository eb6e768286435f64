"""Every error reply of Redis that means "no", drawn out of a real one, and what a shopper hears.

The table is in openresty/README.md. Whatever is refused takes nothing, and nobody hears sold_out.
"""

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.gateway.fake_redis import FakeRedis
from tests.gateway.gateway import Gateway
from tests.gateway.plain_redis import PlainRedis
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.gateway.slots import slot_of
from tests.redis.armed_shard import Request
from tests.redis.ports import free_port
from tests.redis.server import PASSWORDS, StockServer
from tests.redis.waiting import until

Fault = Callable[[StockServer, Item], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """A Redis of this file alone, since all is done to it here."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "node")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def second(stock: StockServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """Another node of the same cluster, which owns nothing."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "two")
    node.start()
    stock.meet(node)
    until(node.is_whole, "the second node sees the whole cluster")
    yield node
    node.stop()


def said(port: int, item: Item) -> str:
    """What a node answers to the gateway's user who tries to reserve: the first line, as it is."""
    call = ["EVALSHA", item.shard.script.sha, "4", *item.shard.keys]
    call += [str(word) for word in item.shard.arguments(Request("zoe"))]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        lines = sock.makefile("rb")
        for words in (["AUTH", "gateway", PASSWORDS["gateway"]], call):
            parts = [f"*{len(words)}\r\n", *(f"${len(w)}\r\n{w}\r\n" for w in words)]
            sock.sendall("".join(parts).encode())
            line = lines.readline()
        return line.decode()


def says(server: PlainRedis, reply: str, item: Item) -> bool:
    """Whether it answers so."""
    return said(server.port, item).startswith(reply)


@contextmanager
def setting(stock: StockServer, **values: int | str) -> Iterator[None]:
    """Inside, Redis runs with other settings."""
    names = [name.replace("_", "-") for name in values]
    usual = {name: stock.operator.config_get(name)[name] for name in names}
    for name, value in zip(names, values.values(), strict=True):
        stock.operator.config_set(name, value)
    try:
        yield
    finally:
        for name, value in usual.items():
            stock.operator.config_set(name, value)


@contextmanager
def full(stock: StockServer, _item: Item) -> Iterator[None]:
    """OOM."""
    with setting(stock, maxmemory=1):
        yield


@contextmanager
def without_replicas(stock: StockServer, _item: Item) -> Iterator[None]:
    """NOREPLICAS."""
    with setting(stock, min_replicas_to_write=1):
        yield


@contextmanager
def unwritable_disk(stock: StockServer, _item: Item) -> Iterator[None]:
    """MISCONF: the last background save failed, because its file is a folder."""
    folder = Path(stock.operator.config_get("dir")["dir"])
    in_the_way = folder / "dump.rdb" / "x"
    in_the_way.mkdir(parents=True)
    with setting(stock, save="3600 1"):
        stock.operator.bgsave()
        until(
            lambda: stock.operator.info("persistence")["rdb_last_bgsave_status"] == "err",
            "the save has failed",
        )
        yield
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    stock.operator.bgsave()
    until(
        lambda: stock.operator.info("persistence")["rdb_last_bgsave_status"] == "ok",
        "a save has succeeded",
    )


@contextmanager
def long_script(stock: StockServer, _item: Item) -> Iterator[None]:
    """BUSY."""

    def run() -> None:
        with suppress(redis.RedisError):  # it is killed
            stock.client("operator").eval("while true do end", 0)

    with setting(stock, busy_reply_threshold=1):
        script = threading.Thread(target=run, daemon=True)
        script.start()
        try:
            until(lambda: _is_busy(stock), "the script has run for too long")
            yield
        finally:
            stock.operator.script_kill()
            script.join()


def _is_busy(stock: StockServer) -> bool:
    try:
        return not stock.operator.ping()
    except redis.ResponseError as error:
        return str(error).startswith("BUSY")


@contextmanager
def slot_of_nobody(stock: StockServer, item: Item) -> Iterator[None]:
    """CLUSTERDOWN."""
    slot = slot_of(item.shard.shard, stock)
    stock.operator.execute_command("CLUSTER", "DELSLOTS", slot)
    try:
        yield
    finally:
        stock.operator.execute_command("CLUSTER", "ADDSLOTS", slot)


@contextmanager
def script_forgotten(stock: StockServer, item: Item) -> Iterator[None]:
    """NOSCRIPT."""
    stock.operator.script_flush()
    try:
        yield
    finally:
        item.shard.load(item.shard.script)


@contextmanager
def another_life(stock: StockServer, item: Item) -> Iterator[None]:
    """FENCED."""
    ctl = item.shard.shard.ctl
    stock.operator.hset(ctl, "life", "f" * 40)
    try:
        yield
    finally:
        stock.operator.hset(ctl, "life", stock.life)


@contextmanager
def rights_taken(stock: StockServer, _item: Item) -> Iterator[None]:
    """NOPERM."""
    stock.operator.execute_command("ACL", "SETUSER", "gateway", "-evalsha")
    try:
        yield
    finally:
        stock.operator.execute_command("ACL", "SETUSER", "gateway", "+evalsha")


# The reply → how it is brought about, and the verdict that is counted.
FAULTS: dict[str, tuple[Fault, str]] = {
    "OOM": (full, "refused"),
    "NOREPLICAS": (without_replicas, "refused"),
    "MISCONF": (unwritable_disk, "refused"),
    "BUSY": (long_script, "refused"),
    "CLUSTERDOWN": (slot_of_nobody, "refused"),
    "NOSCRIPT": (script_forgotten, "fenced"),
    "FENCED": (another_life, "fenced"),
    "NOPERM": (rights_taken, "broken"),
}


def errors(gateway: Gateway, verdict: str) -> Callable[[float], bool]:
    """Whether so many more of a verdict are counted than now."""
    before = gateway.counted("redis_errors", verdict)
    return lambda more: gateway.counted("redis_errors", verdict) >= before + more


@pytest.mark.parametrize("reply", FAULTS)
def test_a_refusal_is_busy_takes_nothing_and_passes(
    shop: Shop, stock: StockServer, reply: str
) -> None:
    if reply == "NOPERM":
        shop.gateway.expected_errors.append("NOPERM")
    fault, verdict = FAULTS[reply]
    item = shop.put_up(units=5)
    assert item.buy("warm").outcome == "reserved"
    counted = errors(shop.gateway, verdict)
    before = item.shard.everything()
    with fault(stock, item):
        assert said(stock.port, item).startswith(f"-{reply} ")
        for shopper in ("ann", "bob"):
            assert_refused(item.buy(shopper), "busy")
        until(lambda: counted(2), "both refusals are counted")
    assert item.shard.everything() == before
    until(lambda: item.buy("ann").outcome == "reserved", "it sells again")
    assert item.shard.books().sold == 2


def test_a_server_that_reads_its_data_is_busy(
    shop: Shop, stock: StockServer, tmp_path: Path
) -> None:
    item = shop.put_up(units=5)
    # In cluster mode it says CLUSTERDOWN until all is read.
    plain = PlainRedis(tmp_path / "plain")
    with plain.running() as client:
        client.mset({f"ballast:{n}": secrets.token_hex(1000) for n in range(300)})
        client.save()
    slow = {"key-load-delay": "20000", "loading-process-events-interval-bytes": "1024"}
    with (
        FakeRedis(owner=plain.port).running() as seed,
        shop.before(tmp_path / "gateway", seed.address) as gateway,
        plain.running(**slow) as client,
    ):
        until(lambda: says(plain, "-LOADING", item), "it is loading")
        counted = errors(gateway, "refused")
        with item.untouched():
            assert_refused(item.buy("ann"), "busy")
            assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "busy")
        assert says(plain, "-LOADING", item)
        until(lambda: counted(1), "the refusal is counted")
        client.config_set("key-load-delay", 0)
        until(lambda: says(plain, "-NOSCRIPT", item), "all is read")
        assert_refused(item.buy("ann"), "busy")


def test_a_slot_that_is_moving_is_busy_where_its_keys_have_gone_and_where_half_have(
    shop: Shop, stock: StockServer, second: StockServer
) -> None:
    item = shop.put_up(units=5)
    reservation_id = item.buy("ann").json["reservation_id"]
    shard, slot = item.shard.shard, slot_of(item.shard.shard, stock)
    before = item.shard.everything()
    second.operator.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", stock.node_id)
    stock.operator.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", second.node_id)
    login = ("AUTH2", "operator", PASSWORDS["operator"])
    counted = errors(shop.gateway, "refused")
    for key, reply in ((shard.avail, "-TRYAGAIN"), ("", "-ASK")):
        for moving in [key] if key else [k for k in item.shard.keys if k != shard.avail]:
            stock.operator.execute_command(
                "MIGRATE", "127.0.0.1", second.port, moving, 0, 5000, *login
            )
        assert said(stock.port, item).startswith(reply)
        assert_refused(item.buy("bob"), "busy")
        # The buyers are here, and then there.
        assert item.status(reservation_id).json["state"] == "reserved"
        assert_refused(item.status(f"{item.id}-0-{'a' * 22}"), "not_found")
    until(lambda: counted(2), "both refusals are counted")
    stock.operator.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
    for key in item.shard.keys:
        second.operator.execute_command("MIGRATE", "127.0.0.1", stock.port, key, 0, 5000, *login)
    second.operator.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
    assert item.shard.everything() == before
    assert item.buy("bob").outcome == "reserved"


def _link(replica: Any) -> str:
    return str(replica.info("replication").get("master_link_status"))


def test_a_replica_is_busy_and_one_without_its_master_knows_nothing(
    shop: Shop, stock: StockServer, tmp_path: Path
) -> None:
    item = shop.put_up(units=5)
    bought = item.buy("ann").json["reservation_id"]
    replica = PlainRedis(tmp_path / "replica")
    stock.operator.execute_command("ACL", "SETUSER", "copier", "on", ">copier-pw", "+@all")
    following = {
        "masteruser": "copier",
        "masterauth": "copier-pw",
        "replicaof": f"127.0.0.1 {stock.port}",
        "replica-serve-stale-data": "no",
    }
    with (
        replica.running(**following) as client,
        FakeRedis(owner=replica.port).running() as seed,
        shop.before(tmp_path / "gateway", seed.address) as gateway,
    ):
        until(lambda: _link(client) == "up", "the replica is in step")
        client.script_load(item.shard.script.text)
        assert says(replica, "-READONLY", item)
        counted = errors(gateway, "refused")
        with item.untouched():
            assert_refused(item.buy("bob"), "busy")
        until(lambda: counted(1), "the refusal is counted")
        nobody = f"{item.id}-0-{'a' * 22}"
        assert item.status(bought).json["state"] == "reserved"
        assert_refused(item.status(nobody), "not_found")
        client.replicaof("127.0.0.1", free_port())
        until(lambda: _link(client) == "down", "it has lost its master")
        # MASTERDOWN, which a script that writes never hears.
        assert_refused(item.status(bought), "busy")
        assert_refused(item.status(nobody), "busy")
    stock.operator.execute_command("ACL", "DELUSER", "copier")

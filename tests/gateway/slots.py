"""Slots of a cluster and who owns them."""

from tests.redis.server import PASSWORDS, StockServer
from workers.stock.keys import Shard


def slot_of(shard: Shard, stock: StockServer) -> int:
    """The slot of all keys of a shard."""
    return int(stock.operator.execute_command("CLUSTER", "KEYSLOT", shard.ctl))


def give(slot: int, old: StockServer, new: StockServer) -> None:
    """Let `new` own the slot, with the keys that are in it, as redis-cli --cluster reshard does."""
    new.operator.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old.node_id)
    old.operator.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new.node_id)
    while keys := old.operator.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        login = ("AUTH2", "operator", PASSWORDS["operator"])
        for key in keys:
            old.operator.execute_command(*("MIGRATE", "127.0.0.1", new.port, key, 0, 5000, *login))
    for node in (new, old):
        node.operator.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new.node_id)

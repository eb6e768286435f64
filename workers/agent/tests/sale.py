"""An item's shoppers and the pipeline behind them, each turned by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, AllocationState, Rearm
from control_plane.orders import services as orders
from control_plane.orders.models import Order
from control_plane.orders.services import Intent
from tests.redis.waiting import until
from workers.agent.rounds import StockAgent
from workers.intent import message_of
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.stock.keys import RELAY_GROUP, Shard
from workers.stock.outbox import lines_of, request_of
from workers.stock.sale_items import shard_of
from workers.tests.broker import Broker
from workers.tests.messages import line


class Sale:
    """`buy` is a gateway that reads the newest snapshot, `relay` and `consume` the two workers."""

    def __init__(self, item: Item, clusters: StockClusters, broker: Broker | None) -> None:
        self.item = item
        self.clusters = clusters
        self._broker = broker
        self._consumed = 0

    def shopper_of(self, shard: int, number: int = 0) -> str:
        """The `number`-th shopper whose home is this shard."""
        homes = (f"shopper-{n}" for n in range(10_000))
        mine = [one for one in homes if crc32(one.encode()) % self.item.shards == shard]
        return mine[number]

    def selling(self, shard: int) -> Allocation:
        """The row of the epoch that sells."""
        rows = Allocation.objects.filter(item=self.item, shard=shard)
        return rows.get(state=AllocationState.SELLING)

    def epoch(self, shard: int) -> Shard:
        """Where its keys are."""
        return shard_of(self.selling(shard))

    def buy(self, shopper: str, qty: int = 1, key: str = "", epoch: Shard | None = None) -> str:
        """The code of `reserve.lua`; a gateway with an old snapshot names the epoch."""
        shard = epoch or self.epoch(crc32(shopper.encode()) % self.item.shards)
        wish = line(self.item.pk, shopper, shard=shard.shard, qty=qty, key=key)
        keys = [shard.ctl, shard.avail, shard.buyers, shard.outbox]
        sha, node = scripts.reserve_for(shard).sha, self.node(shard)
        reply: Any = node.evalsha(sha, len(keys), *keys, wish)
        return str(reply[0].decode())

    def sell_out(self, shard: int, leave: int = 0) -> None:
        """Everything that the shard has now but `leave`, one unit a shopper."""
        for number in range(self.avail(shard) - leave):
            assert self.buy(self.shopper_of(shard, 500 + number), key=str(number)) == "R"

    def node(self, shard: Shard) -> Any:
        """A client of its master."""
        return self.clusters.of(shard).node_of(shard)

    def avail(self, shard: int) -> int:
        """Units free in the epoch that sells."""
        epoch = self.epoch(shard)
        return int(self.node(epoch).get(epoch.avail) or 0)

    def avails(self) -> list[int]:
        """Of all shards."""
        return [self.avail(shard) for shard in range(self.item.shards)]

    def relay(self) -> None:
        """Bring every outbox into Kafka, and acknowledge."""
        assert self._broker
        for row in Allocation.objects.filter(item=self.item).exclude(script_sha=""):
            shard = shard_of(row)
            node = self.node(shard)
            if not node.exists(shard.outbox):
                continue
            node.xreadgroup(RELAY_GROUP, "test", {shard.outbox: ">"})
            entries = node.xrange(shard.outbox)
            wishes = [request_of(shard, one) for _, entry in entries for one in lines_of(entry)]
            if wishes:
                pairs = [(wish.shopper, wish.value.encode()) for wish in wishes]
                self._broker.put(self._broker.names.reservations, pairs)
                node.xack(shard.outbox, RELAY_GROUP, *(entry_id for entry_id, _ in entries))

    def relay_database(self) -> None:
        """The same for what PostgreSQL has reserved."""
        assert self._broker
        waiting = orders.database_intents(1000)
        pairs = [(one.shopper, one.value.encode()) for one in waiting]
        self._broker.put(self._broker.names.reservations, pairs)
        orders.mark_relayed([one.pk for one in waiting])

    def consume(self, *, but_partition: int | None = None, but_barrier: int | None = None) -> None:
        """Land all that is in Kafka, perhaps without a partition, or the barrier in one."""
        assert self._broker
        intents, seen = [], []
        for message in self._broker.read(self._broker.names.reservations):
            partition = message.partition()
            assert partition is not None
            if partition == but_partition:
                continue
            one = message_of(message.value(), partition)
            if isinstance(one, Intent):
                intents.append(one)
            elif partition != but_barrier:
                seen.append((one.rearm_id, one.partition))
        orders.land(intents, datetime.now(UTC), seen)

    def open(self, agent: StockAgent) -> None:
        """Rounds until every shard is published and nothing more is to be done."""

        def turn() -> bool:
            agent.round()
            armed = Allocation.objects.filter(item=self.item, state=AllocationState.SELLING)
            return armed.exclude(script_sha="").count() == self.item.shards and not agent.has_moved

        until(turn, "every shard sells")

    def rounds_until(self, agent: StockAgent, reached: Callable[[], Any], what: str) -> None:
        """As many as it takes, whatever each of them complains about."""

        def turn() -> bool:
            agent.round()
            return bool(reached())

        until(turn, what)

    def go_live(self) -> None:
        """The campaign starts."""
        began = datetime.now(UTC) - timedelta(minutes=1)
        Campaign.objects.update(state=CampaignState.LIVE, starts_at=began)

    def settle(self, agent: StockAgent) -> None:
        """Relay, consume and round until every old epoch is closed."""

        def turn() -> bool:
            self.relay()
            self.consume()
            agent.round()
            return not inventory.open_rearms()

        until(turn, "every old epoch is closed")

    def free(self) -> int:
        """Units that nobody has bought, wherever they are."""
        books = inventory.conservation(self.item.pk)
        return books.total - books.live_orders

    def rearm(self, shard: int, mode: str = "fast") -> Rearm:
        """Fence the epoch of now."""
        return inventory.begin_rearm(self.selling(shard).pk, mode, "test")

    def expire(self, shopper: str) -> None:
        """His order was not paid in time."""
        order = Order.objects.get(shopper=shopper)
        assert orders.end_order(order.pk, "cancelled", datetime.now(UTC))

    def books_balance(self) -> bool:
        """Of all shards that sell."""
        epochs = [self.epoch(shard) for shard in range(self.item.shards)]
        return all(shards.inspect(self.clusters.of(one), one).balanced for one in epochs)

"""What a queue controller works on in tests: an item's units, its shard, its queue, a clock."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Item
from control_plane.queues.draws import draw_of
from control_plane.queues.models import QueueState
from workers.queue import line
from workers.queue.control import QueueController
from workers.queue.line import Looked, QueueKeys
from workers.queue.pace import Reading
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import Node, StockCluster, StockClusters
from workers.stock.keys import Shard
from workers.tests.queue_crowd import Crowd, Published, Shopper, TurnedClock
from workers.tests.selling import sell

SELL_MAX = 500


@dataclass
class Stage:
    """One item with all its units in one shard, and what is published of its queue."""

    item: Item
    stock: Shard
    cluster: StockCluster
    clusters: StockClusters
    clock: TurnedClock
    published: Published

    def controller(self) -> QueueController:
        """One that knows nothing yet; the pipeline is well."""

        def well() -> Reading:
            return Reading(self.clock.monotonic(), 0, 0.1)

        return QueueController(self.clusters, self.clock, well, newest=self.published)

    @property
    def keys(self) -> QueueKeys:
        """With as many buckets as are published."""
        return QueueKeys(self.item.pk, len(self.published.queue["buckets"]))

    @property
    def node(self) -> Node:
        """Which has the keys."""
        return self.cluster.node_of(self.keys)

    @property
    def generation(self) -> int:
        """As it is stored."""
        return QueueState.objects.get(item=self.item).generation

    @property
    def free(self) -> int:
        """Units in the shard."""
        return shards.inspect(self.cluster, self.stock).avail

    def draw(self) -> dict[str, Any]:
        """What the snapshot says of it now."""
        return draw_of(Item.objects.get(pk=self.item.pk)) or {}

    def look(self) -> Looked:
        """The queue as it is in Redis."""
        return line.look(self.cluster, self.keys, self.generation)

    def neighbour(self) -> Item:
        """Another item on sale, with a queue like the first one's; its units stay in its pool."""
        campaign = self.item.campaign
        draft = campaigns.create_draft(
            campaign.merchant,
            slug="next-door",
            title="Next door",
            starts_at=campaign.starts_at,
            ends_at=campaign.ends_at,
            items=[
                {
                    "id": self.item.pk + 1,
                    "sku": "CUP",
                    "title": "Cup",
                    "units": 1000,
                    "price_minor": 1999,
                }
            ],
        )
        item = campaigns.approve(draft, by=None, now=datetime.now(UTC)).items.get()
        self.published.neighbours.append(item)
        return item

    def leave(self, units: int) -> None:
        """Sell all but so many."""
        names = [f"early-{n}" for n in range(self.free - units)]
        for at in range(0, len(names), SELL_MAX):
            assert set(sell(self.cluster, self.stock, names[at : at + SELL_MAX])) == {"R"}

    def crowd(
        self, size: int, *, bucket: int = 0, stay_away: float = 0.0, name: str = "shopper"
    ) -> Crowd:
        """So many shoppers of a bucket, of whom a part never comes when called."""
        rng = random.Random(size)
        comers = [
            Shopper(f"{name}-{n}", bucket, comes=rng.random() >= stay_away) for n in range(size)
        ]
        return Crowd(self.cluster, self.keys, self.stock, comers, rng)

    def join(self, bucket: int, count: int) -> list[str]:
        """So many join the lobby for the first time; their lobby numbers, as "L7"."""
        rng, keys = random.Random(count + bucket), self.keys
        lines = [
            f"{bucket} {' '.join(str(rng.randrange(2**26)) for _ in range(4))}"
            for _ in range(count)
        ]
        names = [keys.ctl, keys.lobby, keys.seen, keys.numbers]
        reply: Any = self.node.evalsha(scripts.JOIN_LOBBY.sha, 4, *names, *lines)
        answers = str(reply[1].decode()).split(",")
        assert all(answer[0] == "L" for answer in answers)
        return answers

    def memory(self) -> int:
        """Bytes of all keys but the filter, which is of a fixed size."""
        names = [self.keys.ctl, self.keys.numbers, self.keys.lobby, *self.keys.came]
        return sum(int(self.node.memory_usage(name) or 0) for name in names)

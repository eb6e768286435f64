"""One drill's sale: a campaign of its own, its crowd, its books, and how it comes to rest."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import jwt
import redis

from tests.drill.crowd import Counter, Crowd
from tests.drill.drill import DrillBroken, Figures, Plan
from tests.drill.ground import Ground, wait_for
from tests.drill.judge import Evidence, Promises, Span, account
from tests.drill.stock_nodes import StockNodes, tag
from tests.drill.truth import Books, Watch

T = TypeVar("T")

LASTS_S = 600.0
# Deadlines, not expectations: a machine with other work needs them, and polling ends early.
ARMED_S = 60.0
QUIET_S = 30.0
REST_S = 60.0
LANDED_S = 40.0
SELLS_S = 60.0
HOPELESS_S = 3.0
# Less than that share of the shoppers, or of so many, bought: the drill has shown nothing.
SOLD_AT_LEAST, OF_SO_MANY = 0.25, 2000
# An answer may have been on its way when its node died; looking at the clock takes time too.
ON_ITS_WAY_S = 0.5
LOCK_TIMEOUT = "SET lock_timeout = '15s'"


class Sale:
    """Begins with `open`, ends with `close`; in between the drill's fault."""

    crowd_of: Callable[..., Crowd] = Crowd
    armed_s = ARMED_S

    def __init__(self, ground: Ground, name: str, plan: Plan) -> None:
        self.ground, self.plan = ground, plan
        self.nodes = StockNodes(ground)
        self._seen: list[str] = []
        self._may_be_lost: list[Span] = []
        self._ended = self._hopeless = False
        # Shards of a node that lost state that nobody planned to lose: the soak's kills may end so.
        self.lost_shards: set[int] = set()
        self._campaign = self._create(name)
        item = self._campaign.items.get()
        self.item: int = item.pk
        self.shards: int = getattr(item, "shards", 1)
        names = ground.environment
        self.books = Books(names["SLUICE_SALE_DSN"], names["SLUICE_INVENTORY_DSN"], self.item)
        self._watch = Watch(names["SLUICE_SALE_DSN"], self.item)
        self.crowd = self.crowd_of(
            self._counter(item), plan.rate_per_s, plan.seconds, self.item, plan.most_s
        )
        self.opens = self._campaign.starts_at.timestamp()

    def open(self) -> None:
        """Wait until every shard has its units, and let the crowd come at the start."""
        self._watch.start()
        self.crowd.start(self.opens)
        self.wait_for(self._armed, "every shard to be armed and granted", self.armed_s)
        time.sleep(max(0.0, self.opens - time.time()))
        self.wait_for(self._sells_everywhere, "the first reservations of every shard", self.armed_s)

    def complain(self, what: str) -> None:
        """Something the drill has seen that must not be."""
        self._seen.append(what)

    def lost_in(self, shards: Iterable[int], since: float, until: float) -> None:
        """What these shards answered in this time, and nothing else, the fault may have taken."""
        self._may_be_lost.append(Span(frozenset(shards), since, until + ON_ITS_WAY_S))

    def run_for(self, seconds: float) -> None:
        """Let the sale go on."""
        time.sleep(seconds)

    def until_sells(self, shard: int, since: float, deadline_s: float = SELLS_S) -> float:
        """Until a purchase of this shard, clicked since then, is answered RESERVED; when it was."""
        found = self.wait_for(
            lambda: self.crowd.recorder.reserved([shard], since),
            f"shard {shard} to sell again",
            deadline_s,
        )
        return min(one.answered for one in found)

    def wait_for(self, look: Callable[[], T], what: str, deadline_s: float = SELLS_S) -> T:
        """As `ground.wait_for`, with the patience of a sale."""
        return wait_for(look, what, deadline_s)

    def until_sold_out(self) -> float:
        """Until the last unit is in an order; when it was."""
        self.wait_for(
            lambda: (truth := self.books.read()).live_units >= truth.total, "the last unit"
        )
        return time.monotonic()

    def sell_to_the_last(self) -> None:
        """Give shoppers the time for it; the judge has what is left over (`to_the_last`)."""
        with suppress(DrillBroken):
            self.until_sold_out()

    @property
    def complaints(self) -> list[str]:
        """What the drill has seen so far that must not be."""
        return list(self._seen)

    def master_of(self, shard: int) -> str:
        """The node that sells this shard now."""
        epoch = wait_for(
            lambda: self.books.selling().get(shard, (0, ""))[0], f"shard {shard} to be armed"
        )
        return self.nodes.master_of(tag(self.item, shard, epoch))

    def shards_on(self, node: str) -> list[int]:
        """The shards that this node sells now."""
        return [shard for shard in range(self.shards) if self.master_of(shard) == node]

    def close(self, allowed: Promises) -> tuple[Evidence, Figures]:
        """The crowd goes, everything comes to rest, the campaign ends, every epoch is closed."""
        self.crowd.join()
        if not allowed.by_hand:
            self._wait_for_the_shards_books()
        self._end()
        self._settle(self._closed)
        if not allowed.failover:
            promises = self.crowd.recorder.promises
            self._settle(lambda: not account(promises, self.books.read()).lost, LANDED_S)
        self._settle(self._deducted, LANDED_S)
        self._watch.stop()
        return self._evidence(), self._figures()

    def abandon(self) -> Figures:
        """After a drill that could not be carried out: leave nothing running, tell what came."""
        self.crowd.leave()
        self._end()
        self._settle(self._closed)
        self._watch.stop()
        return self._figures()

    def _create(self, name: str) -> Any:
        """A marketer's campaign; the services are the control plane's own."""
        fresh_session()
        from datetime import timedelta

        from django.utils import timezone

        from control_plane.campaigns import services
        from control_plane.merchants.services import ensure_demo_merchant
        from control_plane.warehouse.services import stock_in

        slug = f"drill-{name}-{time.time_ns() // 1_000_000:x}"[-50:].lstrip("-")
        starts_at = timezone.now() + timedelta(seconds=self.plan.lead_s)
        fields = {
            "sku": slug.upper(),
            "title": name,
            "units": self.plan.units,
            "price_minor": 1999,
            "limit_per_shopper": self.plan.limit,
            "queue_mode": self.plan.queue_mode,
        }
        draft = services.create_draft(
            ensure_demo_merchant(),
            slug=slug,
            title=name,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=LASTS_S),
            items=[fields],
            queue_k=self.plan.queue_k,
        )
        campaign = services.approve(draft, by=None, now=timezone.now())
        stock_in(slug.upper(), 2 * self.plan.units)
        return campaign

    def _counter(self, item: Any) -> Counter:
        from control_plane.snapshot.models import EntryKey

        key = EntryKey.objects.filter(active=True).latest("created_at")
        return Counter(
            gateway=self.ground.environment["SLUICE_GATEWAY_URL"],
            item=item.pk,
            path_key=item.path_key,
            kid=key.kid,
            secret=jwt.utils.base64url_decode(key.secret),
            shards=self.shards,
            limit=self.plan.limit,
        )

    def _armed(self) -> bool:
        granted = self.books.granted()
        return len(self.books.selling()) == self.shards and all(
            units > 0 for units, _ in granted.values()
        )

    def _sells_everywhere(self) -> bool:
        sold = {one.shard for one in self.crowd.recorder.reserved(range(self.shards), 0.0)}
        return len(sold) == self.shards

    def _end(self) -> None:
        from django.utils import timezone

        from control_plane.campaigns import services

        if not self._ended:
            self._ended = True
            fresh_session()
            services.end_now(self._campaign, by=None, now=timezone.now())

    def _settle(self, done: Callable[[], bool], deadline_s: float = REST_S) -> None:
        """Wait; what is not at rest then, the judge sees."""
        # Once something is wrong, all that is left is to say so.
        give_up = time.monotonic() + (HOPELESS_S if self._hopeless or self._seen else deadline_s)
        while not done():
            if time.monotonic() > give_up:
                self._hopeless = True
                return
            time.sleep(0.1)

    def _closed(self) -> bool:
        truth = self.books.read()
        return not truth.open_epochs and not truth.open_rearms

    def _deducted(self) -> bool:
        truth = self.books.read()
        return truth.deducted == sum(order.qty for order in truth.orders.values())

    def _wait_for_the_shards_books(self) -> None:
        wrong = self._shards_complaints()
        give_up = time.monotonic() + QUIET_S
        while wrong and time.monotonic() < give_up:
            time.sleep(0.2)
            wrong = self._shards_complaints()
        self._seen += wrong

    def _shards_complaints(self) -> list[str]:
        """Σ grants − Σ reclaims = avail + sold in each shard, and = granted in PostgreSQL."""
        wrong, granted = [], self.books.granted()
        selling = self.books.selling()
        if len(selling) < self.shards:
            return [f"only shards {sorted(selling)} of {self.shards} sell in the end"]
        for shard, (epoch, source) in selling.items():
            if source == "database":
                continue
            try:
                counted, avail, sold = self._shard_counts(tag(self.item, shard, epoch), source)
            except redis.RedisError as error:
                wrong.append(f"shard {shard}: {error}")
                continue
            if counted != avail + sold:
                wrong.append(f"shard {shard}: granted {counted} ≠ avail {avail} + sold {sold}")
            if counted != granted[shard][0]:
                wrong.append(f"shard {shard}: {counted} in Redis, {granted[shard][0]} granted")
        return wrong

    def _shard_counts(self, where: str, source: str) -> tuple[int, int, int]:
        node = self.nodes.master_of(where) if source == "primary" else "redis-standby"
        with self.nodes.client(node) as client:
            units = [
                sum(int(value) for value in client.hvals(f"{where}:{name}"))
                for name in ("grants", "reclaims")
            ]
            avail = client.get(f"{where}:avail")
            sold = client.hget(f"{where}:ctl", "sold")
            return units[0] - units[1], int(str(avail or 0)), int(str(sold or 0))

    def _evidence(self) -> Evidence:
        recorder = self.crowd.recorder
        promises = recorder.promises
        if len(promises) < SOLD_AT_LEAST * min(self.crowd.arrived, self.plan.units / 2, OF_SO_MANY):
            raise DrillBroken(f"only {len(promises)} reservations of {self.crowd.arrived} shoppers")
        return Evidence(
            promises=promises,
            told_confirmed=recorder.told_confirmed,
            outcomes=recorder.outcomes(),
            truth=self.books.read(),
            seen=[*self._watch.complaints, *recorder.complaints, *self._seen],
            may_be_lost=tuple(self._may_be_lost),
        )

    def _figures(self) -> Figures:
        recorder, truth = self.crowd.recorder, self.books.read()
        found = account(recorder.promises, truth)
        return {
            "shoppers": self.crowd.arrived,
            "reserved": len(recorder.promises),
            "confirmed": found.confirmed,
            "rejected": dict(found.rejected),
            "ended": found.ended,
            "lost_on_failover": len(found.lost),
            "lost": found.lost[:20],
            "late": sum(order.late for order in truth.orders.values()),
            "answers": dict(recorder.outcomes()),
            "rearms": len(truth.rearm_reasons),
            "looks_at_i1": self._watch.looks,
        }


def fresh_session() -> None:
    """Of the control plane's services: the one before may have died with its PostgreSQL.

    Whoever is frozen in a transaction must not hold up the drills for ever.
    """
    import django.db

    django.db.connections.close_all()
    with django.db.connection.cursor() as cursor:
        cursor.execute(LOCK_TIMEOUT)

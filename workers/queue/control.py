"""The controller's tick: every queue's window moved one step (DESIGN §6).

What must survive stands in PostgreSQL before Redis hears of it. A controller that dies leaves the
last window; the next one goes on from what it reads. Two at once do no harm: windows are places,
not steps, none ever goes back, and of two that store at once one stores nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import redis
from django.db import DatabaseError

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Source
from control_plane.queues import services as queues
from control_plane.queues.models import Draw
from control_plane.queues.services import State
from workers.queue import line, marks
from workers.queue.config import Newest, QueueConfig, of_document
from workers.queue.gauges import Gauges
from workers.queue.line import Opening
from workers.queue.pace import Pace, Reading
from workers.queue.seen import Seen, standings_of
from workers.queue.sharing import Turns
from workers.queue.stock_sight import Free, StockSight
from workers.queue.window import Window, missing
from workers.runtime import metrics
from workers.runtime.clock import Clock, to_ms
from workers.runtime.database import unavailable_when_down
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import ShardFenced, StockCluster, StockClusters

# The first places are called just before the start: who comes first need not wait for a tick.
EARLY_MS = 1000
# How long a queue's keys stay after its sale, and how often is looked for such.
KEYS_KEPT = timedelta(minutes=10)
FORGET_EVERY_S = 10.0

_log = logging.getLogger(__name__)


class QueueController:
    """One process. What it remembers only spares work, and keeps debts below one place."""

    def __init__(
        self,
        clusters: StockClusters,
        clock: Clock,
        pipeline: Callable[[], Reading | None],
        pace: Pace | None = None,
        newest: Newest | None = None,
    ) -> None:
        self._clusters = clusters
        self._clock = clock
        self._pipeline = pipeline
        self._pace = pace or Pace()
        self._newest = newest or Newest()
        self._stock = StockSight(clusters)
        self._turns = Turns()
        self._windows: dict[int, Window] = {}
        self._states: dict[int, State] = {}
        self._gauges = Gauges()
        self._forget_at = float("-inf")

    def tick(self) -> str | None:
        """Every queue one step; what kept one from it, None when nothing did.

        Raises Unavailable without PostgreSQL: all windows stand.
        """
        now_ms = to_ms(self._clock.now())
        with unavailable_when_down("default"):
            configs = of_document(self._newest.document(), now_ms)
            source, _ = inventory.current_source()
            free = self._stock.look([config.item for config in configs])
        problems: list[str] = []
        seen: dict[int, Seen] = {}
        for config in configs:
            with self._alone(config, problems):
                one = self._see(config, source, free.get(config.item.id), now_ms)
                if one:
                    seen[config.item.id] = one
        self._call(seen, problems)
        self._forget_ended()
        known = {config.item.id for config in configs}
        for gone in [item for item in self._windows if item not in known]:
            self._forget(gone)
        self._gauges.keep_only(known)
        metrics.QUEUE_RATE.set(self._pace.rate_per_s)
        return problems[-1] if problems else None

    @contextmanager
    def _alone(self, config: QueueConfig, problems: list[str]) -> Iterator[None]:
        """What keeps one queue from its step keeps no other."""
        try:
            yield
        except (Unavailable, ShardFenced, redis.ResponseError, DatabaseError) as error:
            _log.warning("queue of item %d: %s", config.item.id, error)
            self._forget(config.item.id)
            problems.append(f"item {config.item.id}: {error}")

    def _call(self, seen: dict[int, Seen], problems: list[str]) -> None:
        """Move the windows: all who wait share what the pipeline takes, then comes headroom."""
        budget = self._pace.budget(self._clock.monotonic(), self._pipeline())
        order = self._turns.order(list(seen))
        shares = self._turns.share(budget, {item: one.wanted for item, one in seen.items()})
        spare = budget - sum(shares.values())
        for item in order:
            with self._alone(seen[item].config, problems):
                used = self._move(seen[item], shares[item] + spare)
                self._pace.use(used)
                spare -= max(used - shares[item], 0)

    def _forget_ended(self) -> None:
        """Keys of sales that are over: nothing in a stock Redis is ever evicted."""
        now = self._clock.monotonic()
        if now < self._forget_at:
            return
        self._forget_at = now + FORGET_EVERY_S
        with unavailable_when_down("default"):
            over = queues.ended(self._clock.now() - KEYS_KEPT)
        for state in over:
            try:
                # It may have moved from one to another, and have left its keys there.
                for cluster in self._clusters.all():
                    line.forget(cluster, state.item)
            except Unavailable as error:
                _log.warning("keys of queues that are over stay: %s", error)
                return  # the next one would wait for the same
            queues.store_state(replace(state, source=""))

    def _forget(self, item: int) -> None:
        """Whatever was known of it is read again."""
        self._states.pop(item, None)
        self._windows.pop(item, None)

    def _see(self, config: QueueConfig, source: str, free: Free | None, now_ms: int) -> Seen | None:
        """One queue as it stands, opened where need be; None while its draw is being revealed."""
        item = config.item.id
        # While the database sells the queue stays where it was, see gateway/queue/line.lua.
        source = Source.PRIMARY if source == Source.DATABASE else source
        cluster = self._clusters[source]
        with unavailable_when_down("default"):
            state = self._states.get(item) or queues.state_of(item)
            sizes = self._sizes(config)
        in_lobby = config.is_draw and sizes is None
        if (state.generation, state.source, state.layout) != (
            max(state.generation, 1),
            source,
            config.layout,
        ):
            state = self._open(config, cluster, source, state, in_lobby)
        try:
            looked = line.look(cluster, config.keys, state.generation)
        except ShardFenced as fault:
            _log.warning("queue of item %d is opened anew: %s", item, fault)
            state = self._open(config, cluster, source, state, in_lobby)
            looked = line.look(cluster, config.keys, state.generation)
        self._states[item] = state
        if in_lobby and now_ms >= config.start_ms:
            self._reveal(config, cluster, state)
            return None
        return Seen(
            config=config,
            cluster=cluster,
            state=state,
            looked=looked,
            standings=standings_of(looked, sizes or [0] * len(config.buckets)),
            free=free,
            may_call=sizes is not None and now_ms >= config.start_ms - EARLY_MS,
        )

    def _sizes(self, config: QueueConfig) -> list[int] | None:
        """How many places were drawn in each bucket; None while the lobby is open."""
        if not config.is_draw:
            return [0] * len(config.buckets)
        draw = Draw.objects.filter(pk=config.item.id).first() or queues.open_late(config.item.id)
        sizes: list[int] | None = draw.sizes
        return sizes

    def _open(
        self,
        config: QueueConfig,
        cluster: StockCluster,
        source: str,
        state: State,
        in_lobby: bool,
    ) -> State:
        """The next generation, stored first; what may have been handed out is not again."""
        # Each try costs a gap: none for a node that does not answer.
        cluster.ping(config.keys)
        generation, oldest = state.generation + 1, state.oldest
        if state.generation == 0 or state.layout != config.layout:
            begun, oldest = marks.fresh(len(config.buckets)), generation
            self._windows.pop(config.item.id, None)
        else:
            lobby_ends = in_lobby and to_ms(self._clock.now()) >= config.start_ms
            begun = marks.of_next_generation(marks.of_json(state.marks), lobby_ends)
            metrics.QUEUE_REOPENED.labels(config.item.id).inc()
        state = self._store(
            replace(
                state,
                generation=generation,
                oldest=oldest,
                source=source,
                layout=config.layout,
                marks=begun.as_json(),
            )
        )
        opening = Opening(
            generation=generation,
            oldest=oldest,
            window=begun.window,
            numbers=begun.numbers,
            ceilings=begun.ceilings,
            lobby=begun.lobby,
            lobby_ceilings=begun.lobby_ceilings,
            lobby_is_open=in_lobby,
            gaps=begun.gaps,
        )
        line.open_queue(cluster, config.keys, opening)
        _log.info("queue of item %d open in generation %d", config.item.id, generation)
        return state

    def _reveal(self, config: QueueConfig, cluster: StockCluster, state: State) -> None:
        """The start of a draw: from here on its sizes stand, then its seed may be seen."""
        sizes = line.close_lobby(cluster, config.keys, state.generation)
        with unavailable_when_down("default"):
            if queues.reveal(config.item.id, sizes, config.names, self._clock.now()):
                _log.info("draw of item %d revealed, %s joined", config.item.id, sizes)

    def _move(self, seen: Seen, budget: int) -> int:
        """One window one step; how many places were called."""
        config, state, looked, standings = seen.config, seen.state, seen.looked, seen.standings
        before, window = marks.of_json(state.marks), looked.window
        if seen.may_call:
            planner = self._windows.setdefault(config.item.id, Window(len(config.buckets)))
            window = planner.next(
                standings,
                weights=config.weights,
                allowed=seen.allowed,
                budget=budget,
                rate_per_s=self._pace.rate_per_s,
                grace_s=config.grace_s,
                now=self._clock.monotonic(),
            )
        after = marks.of_look(before, looked, window)
        if after != before:
            state = self._store(replace(state, marks=after.as_json()))
        self._states[config.item.id] = state
        is_none = seen.free is not None and seen.free.is_none
        line.move(
            seen.cluster,
            config.keys,
            state.generation,
            window,
            after.ceilings,
            after.lobby_ceilings,
            looked.time_ms if is_none else 0,
        )
        self._gauges.show(config, standings, window, seen.free)
        return sum(
            called.served_until
            - one.served_until
            - missing(one.gaps, one.served_until, called.served_until)
            for called, one in zip(window, standings, strict=True)
        )

    def _store(self, state: State) -> State:
        """Before Redis hears of it; raises Unavailable when another controller was faster."""
        with unavailable_when_down("default"):
            stored = queues.store_state(state)
        if stored is None:
            raise Unavailable(f"another controller drives the queue of item {state.item}")
        return stored

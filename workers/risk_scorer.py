"""Topic `gateway-events` → sliding windows → temporary bans for every gateway (DESIGN §4.4).

    python -m workers.risk_scorer

Best effort: while it is away, nobody is newly banned and sales go on. Two of them see the same and
say the same.
"""

import logging
from collections import deque
from threading import Event as Stop

from workers.risk.event import decode
from workers.risk.feed import Feed, consumer_settings
from workers.risk.keeper import BANS, BanKeeper
from workers.risk.penalties import Ban, Penalties
from workers.risk.scoring import Scorer, Verdict
from workers.risk.settings import Thresholds
from workers.risk.shopper_bans import ShopperBans
from workers.risk.stream import BanStream
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock, to_ms
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import InvalidMessage, Unavailable
from workers.stock.cluster import StockClusters

GROUP = "risk-scorer"
TURN = "turn"
READ_WAIT_S = 0.2
STOP_WAIT_S = 5.0
# Clocks of gateways and scorer may differ by this much.
AHEAD_MAX_MS = 5000
# While the work Redis is away bans wait here; the oldest go first, they end first.
UNTOLD_MAX = 10_000
# A broken gateway must not fill the disk: one line for each so many.
INVALID_LOGGED_EVERY = 1000

_log = logging.getLogger("workers.risk_scorer")


class RiskScorer:
    """Reads, scores, tells. One thread, beside the keeper's."""

    def __init__(
        self, feed: Feed, stream: BanStream, keeper: BanKeeper, clock: Clock, limits: Thresholds
    ) -> None:
        self._feed = feed
        self._stream = stream
        self._keeper = keeper
        self._clock = clock
        self._oldest_s = max(limits.shoppers_within_s, limits.devices_within_s)
        self._scorer = Scorer(limits)
        self._penalties = Penalties()
        self._shadowed = Penalties()
        self._untold: deque[Ban] = deque(maxlen=UNTOLD_MAX)
        self._invalid = 0
        # Whom the keeper said to be banned.
        self._active: list[Ban] = []

    def turn(self) -> int:
        """Read once and score it; how many events. Raises Unavailable when bans wait."""
        self._hear_keeper()
        messages = self._feed.read(READ_WAIT_S)
        now_ms = to_ms(self._clock.now())
        for message in messages:
            self._look(message.value(), now_ms)
        for kind, size in self._scorer.sizes().items():
            metrics.RISK_REMEMBERED.labels(kind).set(size)
        self._tell()
        return len(messages)

    def _hear_keeper(self) -> None:
        """What it has read in PostgreSQL: the rules, and who is banned by others or was before."""
        configuration, active = self._keeper.configuration, self._keeper.active
        if configuration is not self._scorer.configuration:
            self._scorer.configure(configuration)
            _log.info("configuration %d, %s", configuration.version, configuration.mode)
        if active is not self._active:
            self._active = active
            for ban in active:
                self._penalties.remember(ban.kind, ban.value, ban.until_ms)

    def _look(self, value: bytes | str | None, now_ms: int) -> None:
        try:
            event = decode(value if isinstance(value, bytes) else None)
        except InvalidMessage as error:
            metrics.RISK_EVENTS.labels("invalid").inc()
            if self._invalid % INVALID_LOGGED_EVERY == 0:
                _log.warning("event not understood (%d before): %s", self._invalid, error)
            self._invalid += 1
            return
        behind_ms = now_ms - event.at_ms
        metrics.RISK_BEHIND_SECONDS.set(max(behind_ms, 0) / 1000)
        if behind_ms > self._oldest_s * 1000:
            metrics.RISK_EVENTS.labels("late").inc()
            return
        metrics.RISK_EVENTS.labels("scored").inc()
        if behind_ms < -AHEAD_MAX_MS:
            event = event._replace(at_ms=now_ms)
        for verdict in self._scorer.look(event):
            self._punish(verdict, now_ms)

    def _punish(self, verdict: Verdict, now_ms: int) -> None:
        is_real = verdict.mode == "enforce"
        ban = (self._penalties if is_real else self._shadowed).punish(verdict, now_ms)
        if ban is None:
            return
        metrics.RISK_VERDICTS.labels(verdict.kind, verdict.rule, verdict.mode).inc()
        _log.info(
            "%s %s %s: %s",
            "banned" if is_real else "would be banned:",
            ban.kind,
            ban.value,
            ban.reason,
            extra={"until_ms": ban.until_ms},
        )
        if is_real:
            self._untold.append(ban)

    def _tell(self) -> None:
        if not self._untold:
            return
        waiting = list(self._untold)
        self._stream.tell(waiting)
        self._untold.clear()
        metrics.RISK_BANS_TOLD.inc(len(waiting))
        for ban in waiting:
            self._keeper.record(ban)


def run(
    scorer: RiskScorer, keeper: BanKeeper, feed: Feed, stop: Stop, readiness: Readiness
) -> None:
    """Score until stopped; a failure of either thread ends the process."""
    keeper.start()
    try:
        while not stop.is_set():
            keeper.check()
            try:
                scorer.turn()
                readiness.report(TURN)
            except Unavailable as error:
                _log.warning("not told or not read: %s", error)
                readiness.report(TURN, str(error))
                stop.wait(READ_WAIT_S)
    finally:
        stop.set()
        feed.close()
        keeper.join(STOP_WAIT_S)


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(
        stock_redis=True, kafka=True, topics=["gateway_events"], work_redis=True, parts=[TURN, BANS]
    )
    env, clock, stop, readiness = started.env, started.clock, started.stop, started.readiness
    assert env.kafka_brokers and env.work_redis_url
    names, limits = kafka.Names(env.kafka_prefix), Thresholds()
    consumer = kafka.connect_consumer(consumer_settings(env.kafka_brokers, names.group(GROUP)))
    feed = Feed(consumer, names.gateway_events, clock, max(limits.shoppers_within_s, 1))
    # Each of the two threads has connections of its own.
    own, keepers = (BanStream.connect(env.work_redis_url) for _ in range(2))
    shopper_bans = ShopperBans(StockClusters.connect(env.stock_sources, "risk-scorer"))
    keeper = BanKeeper(keepers, shopper_bans, clock, stop, readiness=readiness)
    scorer = RiskScorer(feed, own, keeper, clock, limits)
    run(scorer, keeper, feed, stop, readiness)


if __name__ == "__main__":
    main()

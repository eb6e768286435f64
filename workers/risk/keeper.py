"""The scorer's second thread: everything that asks PostgreSQL or the stock Redis.

So that neither holds up a ban on its way to the gateways: the scorer tells them first, and what it
has told is written down here afterwards.
"""

import logging
from queue import Empty, Full, Queue
from threading import Event

from django.core.exceptions import ValidationError

from control_plane.snapshot.models import Snapshot
from workers.risk import ledger
from workers.risk.penalties import Ban
from workers.risk.settings import Configuration, configuration_of
from workers.risk.shopper_bans import ShopperBans
from workers.risk.stream import BanStream
from workers.runtime import metrics
from workers.runtime.clock import Clock, to_ms
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import Readiness
from workers.runtime.side_thread import SideThread
from workers.runtime.verdicts import Unavailable

TURN_S = 0.2
# Ten thousand bans take a tenth of a second to read; the scoring thread needs the interpreter too.
PAUSE_SHARE = 4
# A flood of bans that PostgreSQL does not take; more are told and not written down.
UNRECORDED_MAX = 10_000
RECORDED_A_TURN_MAX = 200
# The stream keeps its last 100,000 entries, and a gateway believes what it heard for a day: what it
# lost, or dropped for want of memory, it has again after this.
ALL_TOLD_EVERY_S = 3600
# Of a ban that ends now the scorer may be telling a longer one, and the last word counts.
ENDS_SOON_MS = 5000
BANS = "bans"

_log = logging.getLogger(__name__)


class BanKeeper(SideThread):
    """Records the scorer's bans, carries people's bans and liftings, keeps those of the shards."""

    def __init__(
        self,
        stream: BanStream,
        shopper_bans: ShopperBans,
        clock: Clock,
        stop: Event,
        *,
        readiness: Readiness,
    ) -> None:
        super().__init__("ban-keeper", stop)
        self._stream = stream
        self._shopper_bans = shopper_bans
        self._clock = clock
        self._readiness = readiness
        self._unrecorded: Queue[Ban] = Queue(UNRECORDED_MAX)
        # The last word that the gateways have of each (kind, value) in the ledger.
        self._told: dict[tuple[str, str], int] = {}
        self._all_told_s: float | None = None
        self._ever_told = 0
        # Both are replaced, never changed: the other thread reads them.
        self.active: list[Ban] = []
        self.configuration = Configuration()

    def record(self, ban: Ban) -> None:
        """Have a ban written down that the gateways have been told. Any thread; never blocks."""
        try:
            self._unrecorded.put_nowait(ban)
        except Full:
            metrics.RISK_UNRECORDED.inc()

    def turn(self) -> float:
        """One round, also when something is down; then the pause until the next."""
        started = self._clock.monotonic()
        problem = None
        try:
            with unavailable_when_down("default"):
                self._read_configuration()
                self._record_all()
                self.active = ledger.active(self._clock.now())
            problem = self._shopper_bans.sync(self.active, self.configuration)
            self._carry()
        except Unavailable as error:
            problem = str(error)
        if problem:
            _log.warning("bans not looked after: %s", problem)
        self._readiness.report(BANS, problem)
        return max(TURN_S, PAUSE_SHARE * (self._clock.monotonic() - started))

    def _read_configuration(self) -> None:
        newest = Snapshot.objects.order_by("-version").only("version").first()
        if newest is None or newest.version == self.configuration.version:
            return
        document = Snapshot.objects.get(pk=newest.pk).document
        self.configuration = configuration_of(document)

    def _record_all(self) -> None:
        for _ in range(RECORDED_A_TURN_MAX):
            try:
                ban = self._unrecorded.get_nowait()
            except Empty:
                return
            try:
                ledger.record(ban)
            except ValidationError as error:
                # A device or shopper that Django thinks impossible; the gateways were told.
                _log.error("ban not recorded: %s %s: %s", ban.kind, ban.value, error)
                metrics.RISK_UNRECORDED.inc()
                continue
            except BaseException:
                self.record(ban)
                raise
            self._told[ban.kind, ban.value] = ban.until_ms

    def _carry(self) -> None:
        """Tell the gateways what the ledger has and they have not: bans of people, liftings.

        First, every hour, and when the stream is not the one it was: all that is in force, and all
        that was lifted before its end, which a gateway may have missed.
        """
        now_ms, now_s = to_ms(self._clock.now()), self._clock.monotonic()
        ever_told = self._stream.ever_told()
        is_lost = ever_told < self._ever_told
        is_first = self._all_told_s is None
        is_time = is_lost or now_s - (self._all_told_s or now_s) >= ALL_TOLD_EVERY_S
        active = {(ban.kind, ban.value): ban for ban in self.active}
        news = [
            ban
            for key, ban in active.items()
            if self._told.get(key) != ban.until_ms
            or (is_time and (is_lost or ban.until_ms > now_ms + ENDS_SOON_MS))
        ]
        gone = {key for key, until_ms in self._told.items() if until_ms > now_ms}
        if is_time or is_first:
            with unavailable_when_down("default"):
                gone |= ledger.lifted(self._clock.now())
        lifted = [Ban(*key, 0, "lifted") for key in gone - active.keys()]
        if news or lifted:
            self._stream.tell([*news, *lifted])
            metrics.RISK_BANS_TOLD.inc(len(news) + len(lifted))
        if is_time or is_first:
            self._all_told_s = now_s
        self._ever_told = ever_told + len(news) + len(lifted)
        self._told = {key: ban.until_ms for key, ban in active.items()}
        metrics.RISK_BANS_ACTIVE.set(len(active))

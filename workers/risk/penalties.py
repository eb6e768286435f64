"""How long a ban lasts: longer each time the same one comes back, and who is banned now."""

from typing import NamedTuple

from workers.risk.counting import Kept
from workers.risk.scoring import Verdict

# A mistake costs a minute. Who goes on right after it was none; half an hour outlasts most sales.
DURATIONS_S = (60, 300, 1800)
# Who was quiet for this long begins anew.
FORGIVEN_AFTER_S = 3600
REMEMBERED_MAX = 100_000
assert max(DURATIONS_S) < FORGIVEN_AFTER_S


class Ban(NamedTuple):
    """What the gateways are told. `until_ms` 0 lifts it."""

    kind: str
    value: str
    until_ms: int
    reason: str


class _Record:
    __slots__ = ("strikes", "until_ms")

    def __init__(self) -> None:
        self.strikes = 0
        self.until_ms = 0


class Penalties:
    """The bans of this scorer, real and shadowed ones alike. One thread."""

    def __init__(self) -> None:
        self._records = Kept(REMEMBERED_MAX, _Record)

    def remember(self, kind: str, value: str, until_ms: int) -> None:
        """Somebody is banned already: by an earlier run of the scorer, or by a person."""
        record = self._records[f"{kind} {value}"]
        record.until_ms = max(record.until_ms, until_ms)
        record.strikes = max(record.strikes, 1)

    def punish(self, verdict: Verdict, now_ms: int) -> Ban | None:
        """The ban that follows, None for somebody who is banned at this moment."""
        record = self._records[f"{verdict.kind} {verdict.value}"]
        if now_ms < record.until_ms:
            return None
        if now_ms - record.until_ms > FORGIVEN_AFTER_S * 1000:
            record.strikes = 0
        duration_s = DURATIONS_S[min(record.strikes, len(DURATIONS_S) - 1)]
        record.strikes += 1
        record.until_ms = now_ms + duration_s * 1000
        return Ban(verdict.kind, verdict.value, record.until_ms, verdict.reason)

"""How long, how much longer the next time, and when it is forgiven."""

from workers.risk.penalties import DURATIONS_S, FORGIVEN_AFTER_S, Penalties
from workers.risk.scoring import Verdict

NOW_MS = 1_800_000_000_000
VERDICT = Verdict("device", "d", "shoppers_per_device", "why", "enforce")


def punish(penalties, now_ms):
    """The ban, where there must be one."""
    ban = penalties.punish(VERDICT, now_ms)
    assert ban is not None
    return ban


def test_who_comes_back_is_banned_for_longer():
    penalties, now_ms, lasted_s = Penalties(), NOW_MS, []
    for _ in range(5):
        ban = punish(penalties, now_ms)
        lasted_s.append((ban.until_ms - now_ms) // 1000)
        now_ms = ban.until_ms
    assert lasted_s == [60, 300, 1800, 1800, 1800]


def test_who_is_banned_is_not_banned_again():
    penalties = Penalties()
    assert penalties.punish(VERDICT, NOW_MS)
    assert penalties.punish(VERDICT, NOW_MS + 59_999) is None
    assert penalties.punish(VERDICT._replace(kind="address"), NOW_MS) is not None


def test_who_was_quiet_begins_anew():
    penalties = Penalties()
    ban = punish(penalties, NOW_MS)
    later_ms = ban.until_ms + FORGIVEN_AFTER_S * 1000 + 1
    assert punish(penalties, later_ms).until_ms == later_ms + DURATIONS_S[0] * 1000


def test_a_ban_of_an_earlier_run_counts():
    penalties = Penalties()
    penalties.remember("device", "d", NOW_MS + 1000)
    assert penalties.punish(VERDICT, NOW_MS) is None
    assert punish(penalties, NOW_MS + 1000).until_ms == NOW_MS + 301_000

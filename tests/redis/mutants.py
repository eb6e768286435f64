"""Scripts with one rule taken out: the controls that show that a check can fail."""

import hashlib
from typing import NamedTuple

from workers.stock.scripts import Script


def without(script: Script, guard: str) -> Script:
    """`script` with the condition `guard` never true. AssertionError when it is not there."""
    return replaced(script, guard, "false")


def replaced(script: Script, old: str, new: str) -> Script:
    """`script` with `old`, which must stand in it exactly once, replaced."""
    assert script.text.count(old) == 1, f"the script does not read {old!r} (once) any more"
    text = script.text.replace(old, new)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Rule(NamedTuple):
    """One line of a script that random calls must miss. The fence has `test_fence.py`."""

    script: str
    says: str
    text: str
    instead: str = "false"


RULES = [
    Rule("reserve", "no more than there are", "taken + qty > avail"),
    Rule("reserve", "no more than the limit", "qty + (mine and units_of(mine) or 0) > limit"),
    Rule(
        "reserve",
        "a repeat takes nothing",
        'mine and string.find("," .. mine, "," .. id, 1, true)',
    ),
    Rule("reserve", "its own batch counts", "bought[shopper] or held[i]", "held[i]"),
    Rule(
        "reserve",
        "earlier reservations stay",
        'mine and mine .. "," .. wishes[i] or wishes[i]',
        "wishes[i]",
    ),
    Rule("reserve", "who is banned buys nothing", "bans and (tonumber(bans[i]) or 0) > now_ms()"),
    Rule("reserve", "a ban ends", "(tonumber(bans[i]) or 0) > now_ms()", "bans[i]"),
    Rule("reserve", "bans are looked at", "latest_ms and now_ms() < latest_ms"),
    Rule("ban", "it is kept", 'redis.call("HSET", KEYS[3], unpack(banned))', ""),
    Rule("ban", "it is lifted", 'redis.call("HDEL", KEYS[3], unpack(lifted))', ""),
    Rule("ban", "reserve is told", 'redis.call("HSET", KEYS[1], "bans"', 'tostring("bans"'),
    Rule("ban", "of several the latest", "math.max(latest, until_ms)", "until_ms"),
    Rule("reserve", "a mark speaks", "qty <= left", "true"),
    Rule("reserve", "some are not none", 'left == 0 and "S" or "P"', '"S"'),
    Rule("reserve", "a mark ends", "age_ms < MARK_LIFE_MS", "true"),
    Rule("reserve", "no mark from the future", "age_ms >= 0", "true"),
    Rule("reserve", "lacking only grows", "lacking > (tonumber(ctl[6]) or 0)", "true"),
    Rule("reserve", "lacking is the largest", "math.max(lacking or 0, qty)", "qty"),
    Rule("reserve", "lacking is kept", 'redis.call("HSET", KEYS[1], "lacking", lacking)', ""),
    Rule("reserve", "the buyer is kept", 'redis.call("HSET", KEYS[3], unpack(buyers))', ""),
    Rule("reserve", "the unit goes", 'redis.call("DECRBY", KEYS[2], taken)', ""),
    Rule("reserve", "the sale counts", 'redis.call("HSET", KEYS[1], "sold", sold + taken)', ""),
    Rule(
        "reserve",
        "the intent is written",
        'redis.call("XADD", KEYS[4], "*", "v", "2", "n", won, "lines", table.concat(lines, "\\n"))',
        "",
    ),
    Rule("grant", "once", 'redis.call("HEXISTS", KEYS[3], grant_id) == 1'),
    Rule("grant", "it is remembered", 'redis.call("HSET", KEYS[3], grant_id, qty)', ""),
    Rule("grant", "the mark goes", '"sold_out", "left", "lacking")', '"lacking")'),
    Rule("grant", "nothing lacks", '"sold_out", "left", "lacking")', '"sold_out", "left")'),
    Rule("reclaim", "once", "if known then", "if false then"),
    Rule("reclaim", "it is remembered", 'redis.call("HSET", KEYS[3], reclaim_id, taken)', ""),
    Rule("reclaim", "the units go", 'redis.call("DECRBY", KEYS[2], taken)', ""),
    Rule("reclaim", "no more than there are", "math.min(want, avail - low_water)", "want"),
    Rule("reclaim", "the low water stays", "avail - low_water)", "avail)"),
    Rule(
        "reclaim",
        "never below nothing",
        "math.max(math.min(want, avail - low_water), 0)",
        "math.min(want, avail - low_water)",
    ),
    Rule("release", "it stays known", "others[#others + 1] = ended", ""),
    Rule(
        "release",
        "it counts no more",
        'string.sub(reservation, 1, #reservation_id + 1) ~= reservation_id .. "="',
        "true",
    ),
    Rule("release", "the others stay", "others[#others + 1] = reservation", ""),
    Rule("release", "a repeat does nothing", "reservation == ended"),
    Rule("mark_sold_out", "not over units that are here", "avail > left"),
    Rule("mark_sold_out", "only newer", "stored_ms and version_ms <= stored_ms"),
    Rule(
        "mark_sold_out",
        "what is left is kept",
        '"sold_out", version_ms, "left", left)',
        '"sold_out", version_ms, "left", 0)',
    ),
    Rule(
        "disarm", "it is kept", 'redis.call("HSET", KEYS[1], "epoch", epoch, "disarmed", "1")', ""
    ),
]

"""ban.lua and what reserve.lua makes of it: who may buy nothing, until when, and at what cost."""

import pytest

from tests.redis.armed_shard import Answer, ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import replaced, without
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock import scripts

MINUTE_MS = 60_000


def ban(shard: ArmedShard, *shoppers: str, ahead_ms: int = MINUTE_MS) -> int:
    """Ban them from now on."""
    end_ms = shard.server.now_ms() + ahead_ms
    return shard.ban(dict.fromkeys(shoppers, end_ms))


def calls(server: StockServer, command: str) -> int:
    """How often Redis has run a command."""
    return int(server.operator.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def test_a_banned_shopper_gets_nothing_and_his_neighbours_do(arm: Arm) -> None:
    shard = arm()
    assert ban(shard, "eve") == 1
    assert shard.reserve(Request("ann"), Request("eve"), Request("bob")) == Answer("RBR")
    assert shard.books().sold == 2


def test_his_refusal_changes_nothing(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve")
    with shard.unchanged():
        assert shard.reserve(Request("eve")) == Answer("B")


def test_a_winner_who_is_banned_afterwards_still_hears_that_it_is_his(arm: Arm) -> None:
    shard = arm(limit=3)
    shard.reserve(Request("eve", 2))
    ban(shard, "eve")
    assert shard.reserve(Request("eve", 2), Request("eve", key="more")) == Answer("AB", (2,))


def test_a_banned_shopper_hears_neither_limit_nor_sold_out(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    ban(shard, "eve")
    assert shard.reserve(Request("eve", 9)) == Answer("B")


def test_a_ban_ends_by_the_nodes_clock(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve", ahead_ms=100)
    ban(shard, "mallory")
    until(lambda: shard.reserve(Request("eve")) == Answer("R"), "his ban is over")
    assert shard.reserve(Request("mallory")) == Answer("B")


def test_a_lifted_ban_counts_no_more_and_leaves_no_trace(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve", "mallory")
    assert shard.ban({"eve": 0}) == 1
    assert shard.reserve(Request("eve"), Request("mallory")) == Answer("RB")
    assert shard.ban({"mallory": 0, "nobody": 0}) == 0
    assert "bans" not in shard.ctl()


def test_what_is_written_last_stands(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve")
    ban(shard, "eve", ahead_ms=-1)
    assert shard.reserve(Request("eve")) == Answer("R")


def test_a_repeat_changes_nothing(arm: Arm) -> None:
    shard = arm()
    end_ms = shard.server.now_ms() + MINUTE_MS
    shard.ban({"eve": end_ms})
    with shard.unchanged():
        assert shard.ban({"eve": end_ms}) == 1


def test_the_latest_end_is_what_reserve_looks_at(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve")
    latest = shard.ctl()["bans"]
    ban(shard, "mallory", ahead_ms=1)
    assert shard.ctl()["bans"] == latest
    shard.replace(scripts.BAN, replaced(scripts.BAN, "math.max(latest, until_ms)", "until_ms"))
    ban(shard, "mallory", ahead_ms=1)
    assert shard.ctl()["bans"] != latest


def test_a_sale_without_bans_reads_no_clock_and_no_other_key(arm: Arm) -> None:
    shard = arm()
    before = calls(shard.server, "time"), calls(shard.server, "hmget")
    shard.reserve(Request("ann"), Request("bob"))
    after = calls(shard.server, "time"), calls(shard.server, "hmget")
    assert (after[0] - before[0], after[1] - before[1]) == (0, 2), "ctl and buyers"
    ban(shard, "eve", ahead_ms=MINUTE_MS)
    before = calls(shard.server, "time"), calls(shard.server, "hmget")
    shard.reserve(Request("cem"), Request("dee"))
    after = calls(shard.server, "time"), calls(shard.server, "hmget")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 3)


def test_when_all_bans_are_over_the_hash_is_not_read(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve", ahead_ms=-1)
    before = calls(shard.server, "hmget")
    assert shard.reserve(Request("eve")) == Answer("R")
    assert calls(shard.server, "hmget") - before == 2


@pytest.mark.parametrize("end_ms", ["", "-1", "1.5", "soon", "1e3", " 1", "1" * 16])
def test_an_end_that_is_no_time_refuses_all_of_them(arm: Arm, end_ms: str) -> None:
    shard = arm()
    with shard.refuses("BADCALL ban 2"):
        shard.ban({"eve": 1, "mallory": end_ms})


def test_a_shopper_without_a_name_is_refused(arm: Arm) -> None:
    shard = arm()
    with shard.refuses("BADCALL ban 1"):
        shard.ban({"": 1})


@pytest.mark.parametrize("count", [0, 1001])
def test_nobody_and_too_many_are_refused(arm: Arm, count: int) -> None:
    shard = arm()
    with shard.refuses("BADCALL epoch, argument count"):
        shard.ban({f"shopper-{number}": 1 for number in range(count)})
    assert shard.ban({f"shopper-{number}": 1 for number in range(1000)}) == 1000


def test_half_a_ban_is_refused(arm: Arm) -> None:
    shard = arm()
    keys = [shard.shard.ctl, shard.shard.avail, shard.shard.bans]
    with shard.refuses("BADCALL epoch, argument count"):
        shard.call(scripts.BAN, keys, shard.shard.epoch, "eve", 1, "mallory")


def test_bans_of_one_epoch_are_not_those_of_another(arm: Arm) -> None:
    shard, other = arm(), arm()
    ban(shard, "eve")
    assert other.reserve(Request("eve")) == Answer("R")


def test_a_key_of_a_wrong_type_changes_nothing(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve")
    wrong = shard.replaced(shard.shard.bans, "RPUSH", shard.shard.bans, "not what it should be")
    with wrong, shard.refuses("WRONGTYPE"):
        shard.reserve(Request("ann"))


def test_without_its_check_a_banned_shopper_would_buy(arm: Arm) -> None:
    shard = arm()
    ban(shard, "eve")
    shard.replace(
        shard.script, without(shard.script, "bans and (tonumber(bans[i]) or 0) > now_ms()")
    )
    assert shard.reserve(Request("eve")) == Answer("R")


def test_without_the_clock_a_ban_would_never_end(arm: Arm) -> None:
    shard = arm()
    ban(shard, "mallory")
    ban(shard, "eve", ahead_ms=-1)
    check = "(tonumber(bans[i]) or 0) > now_ms()"
    shard.replace(shard.script, replaced(shard.script, check, "bans[i]"))
    assert shard.reserve(Request("eve")) == Answer("B")

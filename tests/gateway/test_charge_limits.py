"""lua/charge_limits.lua in a work Redis: one TAT a key over all gateways."""

from pathlib import Path

import pytest
import redis

from tests.gateway.work_redis import WorkRedis
from tests.redis.waiting import until

SCRIPT = (Path(__file__).parents[2] / "lua" / "charge_limits.lua").read_text()
# What may pass between two calls on a busy machine.
SLACK_US = 2_000_000


def charge(work: WorkRedis, charges: dict[str, object]) -> list[int]:
    """Charge ms to keys; how far ahead each is then, in µs."""
    leads: list[int] = work.client.eval(SCRIPT, len(charges), *charges, *charges.values())
    return leads


def test_charges_add_up_and_are_paid_off_by_time(work: WorkRedis) -> None:
    (first,) = charge(work, {"sluice:limits:shopper:adds": 60_000})
    assert first == 60_000_000
    (second,) = charge(work, {"sluice:limits:shopper:adds": 60_000})
    assert 120_000_000 - SLACK_US <= second < 120_000_000
    (third,) = charge(work, {"sluice:limits:shopper:adds": 0})
    assert third < second


def test_a_debt_beyond_any_burst_is_kept(work: WorkRedis) -> None:
    for _ in range(20):
        (ahead,) = charge(work, {"sluice:limits:shopper:debt": 10_000})
    assert ahead > 20 * 10_000_000 - SLACK_US


def test_keys_do_not_share_anything(work: WorkRedis) -> None:
    leads = charge(work, {"sluice:limits:a:x": 1000, "sluice:limits:b:x": 2000.125})
    assert leads == [1_000_000, 2_000_125]


def test_a_key_is_gone_when_its_bucket_is_full(work: WorkRedis) -> None:
    charge(work, {"sluice:limits:shopper:gone": 30})
    until(lambda: not work.client.exists("sluice:limits:shopper:gone"), "it is gone")


@pytest.mark.parametrize("wrong", ["-1", "nan", "1e10", "x", ""])
def test_a_wrong_charge_charges_nobody(work: WorkRedis, wrong: str) -> None:
    good, bad = "sluice:limits:shopper:good", "sluice:limits:shopper:bad"
    with pytest.raises(redis.ResponseError, match="BADCALL"):
        charge(work, {good: 1000, bad: wrong})
    assert not work.client.exists(good, bad)


def test_keys_and_charges_must_be_as_many(work: WorkRedis) -> None:
    for arguments in ([0], [1, "k"], [1, "k", 1, 2]):
        with pytest.raises(redis.ResponseError, match="BADCALL"):
            work.client.eval(SCRIPT, *arguments)

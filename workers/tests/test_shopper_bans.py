"""A banned shopper is refused by every shard that sells, in every epoch, until he is let in."""

from dataclasses import replace
from zlib import crc32

import pytest

from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from workers.risk.penalties import Ban
from workers.risk.settings import Configuration
from workers.risk.shopper_bans import ShopperBans
from workers.runtime.clock import to_ms
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.tests.running import free_port
from workers.tests.selling import arm, close, sell

pytestmark = pytest.mark.django_db(transaction=True)

ENFORCED = Configuration(1, "enforce")


@pytest.fixture
def bans(clusters):
    """As the scorer has them."""
    return ShopperBans(clusters)


@pytest.fixture
def selling(cluster, shard, allocation):
    """The item's shard, which PostgreSQL and the gateways know to be armed."""
    inventory.record_armed(allocation.pk, scripts.reserve_for(shard).sha)
    return shard


def ban(clock, shopper, seconds=60, kind="shopper"):
    return Ban(kind, shopper, to_ms(clock.now()) + seconds * 1000, "because")


def test_a_banned_shopper_is_refused_and_others_are_not(bans, cluster, selling, clock):
    assert bans.sync([ban(clock, "eve"), ban(clock, "device-1", kind="device")], ENFORCED) is None
    assert sell(cluster, selling, ["ann", "eve", "bob"]) == "RBR"
    assert shards.bans_of(cluster, selling).keys() == {"eve"}


def test_a_lifted_ban_is_taken_away_and_an_extended_one_is_written(bans, cluster, selling, clock):
    longer = ban(clock, "eve", 300)
    bans.sync([ban(clock, "eve"), ban(clock, "mallory")], ENFORCED)
    bans.sync([longer], ENFORCED)
    assert shards.bans_of(cluster, selling) == {"eve": longer.until_ms}
    assert sell(cluster, selling, ["eve", "mallory"]) == "BR"
    bans.sync([], ENFORCED)
    assert shards.inspect(cluster, selling).bans == 0


def test_nothing_is_written_when_nothing_has_changed(bans, cluster, selling, clock, monkeypatch):
    eve = ban(clock, "eve")
    bans.sync([eve], ENFORCED)
    monkeypatch.setattr(shards, "ban", None)
    assert bans.sync([eve], ENFORCED) is None


def test_a_restart_takes_away_what_was_lifted_meanwhile(bans, clusters, cluster, selling, clock):
    bans.sync([ban(clock, "eve")], ENFORCED)
    assert ShopperBans(clusters).sync([], ENFORCED) is None
    assert shards.bans_of(cluster, selling) == {}


def test_the_next_epoch_hears_of_it(bans, cluster, selling, allocation, clock):
    eve = ban(clock, "eve")
    bans.sync([eve], ENFORCED)
    shards.disarm(cluster, selling)
    close(allocation)
    after = inventory.open_epoch(selling.item, 0, after=1, epoch=2, source="primary")
    assert after
    second = replace(selling, epoch=2)
    arm(cluster, second)
    assert bans.sync([eve], ENFORCED) is None
    assert shards.bans_of(cluster, second) == {}, "nobody sells there yet"
    inventory.record_armed(after.pk, scripts.reserve_for(second).sha)
    bans.sync([eve], ENFORCED)
    assert sell(cluster, second, ["eve"]) == "B"
    inventory.begin_grant(after.pk, 1000)


def test_a_ban_goes_to_its_shoppers_home_and_nowhere_else(bans, cluster, selling, clock):
    Item.objects.filter(pk=selling.item).update(shards=3)
    names = [f"s{number}" for number in range(30)]
    bans.sync([ban(clock, name) for name in names], ENFORCED)
    at_home = {name for name in names if crc32(name.encode()) % 3 == selling.shard}
    assert shards.bans_of(cluster, selling).keys() == at_home
    assert 0 < len(at_home) < 30


def test_more_than_one_call_takes_are_several(bans, cluster, selling, clock):
    names = [f"s{number}" for number in range(2500)]
    bans.sync([ban(clock, name) for name in names], ENFORCED)
    assert shards.inspect(cluster, selling).bans == 2500


def test_a_shard_that_is_fenced_is_no_problem_of_ours(bans, cluster, selling, clock):
    shards.disarm(cluster, selling)
    assert bans.sync([ban(clock, "eve")], ENFORCED) is None


def test_a_node_that_does_not_answer_is_said_and_tried_again(
    env, clusters, cluster, selling, clock
):
    away = replace(env.stock_redis, seeds=(("127.0.0.1", free_port()),))
    lost = ShopperBans(StockClusters.connect({"primary": away}, "test"))
    assert "stock Redis" in (lost.sync([ban(clock, "eve")], ENFORCED) or "")
    lost._clusters = clusters
    assert lost.sync([ban(clock, "eve")], ENFORCED) is None
    assert sell(cluster, selling, ["eve"]) == "B"


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_while_an_item_does_not_enforce_nobody_is_banned_there(bans, cluster, selling, clock, mode):
    eve = ban(clock, "eve")
    bans.sync([eve], ENFORCED)
    assert bans.sync([eve], Configuration(2, "enforce", {selling.item: mode})) is None
    assert shards.bans_of(cluster, selling) == {}
    assert bans.sync([eve], Configuration(3, mode, {selling.item: "enforce"})) is None
    assert sell(cluster, selling, ["eve"]) == "B"
    assert bans.sync([eve], Configuration(4, mode)) is None, "not listed: as everywhere"
    assert sell(cluster, selling, ["eve"]) == "R"


def test_a_restart_while_nothing_is_enforced_takes_away_what_was_written_before(
    bans, clusters, cluster, selling, clock
):
    eve = ban(clock, "eve")
    bans.sync([eve], ENFORCED)
    assert ShopperBans(clusters).sync([eve], Configuration(2, "off")) is None
    assert shards.bans_of(cluster, selling) == {}

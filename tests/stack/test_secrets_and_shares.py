"""Secrets are private, ports are nobody else's, and a process knows only what it needs."""

from pathlib import Path

import pytest

from deploy.local import environment, ports
from deploy.local.process import CannotStart
from deploy.local.processes import processes
from deploy.local.servers import gateway
from deploy.local.site import ROOT, SECRET_NAMES, Site
from tests.redis import ports as private


def test_secrets_are_made_once_and_readable_by_their_owner_only() -> None:
    first = Site("stacktest").secrets
    path = Site("stacktest").state / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert Site("stacktest").secrets == first
    assert len(set(first.values())) == len(SECRET_NAMES)


def test_profiles_do_not_share_a_secret() -> None:
    assert set(Site("stacktest").secrets.values()).isdisjoint(Site("test").secrets.values())


@pytest.mark.parametrize("process", ["gateway", "edge"])
def test_what_shoppers_reach_knows_no_database(process: str) -> None:
    share = environment.of(Site("stacktest"), process)
    assert not {name for name in share if name.endswith("_DSN")}
    assert "SLUICE_SECRET_KEY" not in share
    # A gateway tells the risk scorer what happens, by Kafka.
    assert ("SLUICE_KAFKA_BROKERS" in share) == (process == "gateway")


def test_the_gateway_is_not_given_the_workers_password() -> None:
    site = Site("stacktest")
    share = environment.of(site, "gateway")
    assert share["SLUICE_STOCK_REDIS_USER"] == "gateway"
    assert site.secrets["stock_worker_password"] not in share.values()


def test_servers_are_given_no_variable_at_all() -> None:
    for name in (
        "postgres",
        "redis-stock",
        "redis-stock-1",
        "redis-standby",
        "redis-work",
        "kafka",
        "prometheus",
        "alertmanager",
    ):
        assert environment.of(Site("stacktest"), name) == {}


@pytest.mark.parametrize("profile", ports.PROFILES)
def test_every_port_of_a_process_is_in_the_table(profile: str) -> None:
    used = {port for process in processes(Site(profile)) for port in process.ports}
    watching = set() if ports.PROFILES[profile].is_watched else {"prometheus", "alertmanager"}
    assert used == set(ports.ports_of(profile)) - watching


def test_no_profile_has_a_port_of_the_tests_own_servers() -> None:
    ours = {port for profile in ports.PROFILES for port in ports.ports_of(profile).values()}
    assert ours.isdisjoint(range(private.FIRST, private.LAST + 1))


@pytest.mark.parametrize(("profile", "shards"), [("stacktest", "1"), ("clustertest", "3")])
def test_an_item_has_a_shard_for_each_master(profile: str, shards: str) -> None:
    share = environment.of(Site(profile), "control-plane")
    assert share["SLUICE_SHARDS_PER_ITEM"] == shards


@pytest.mark.parametrize("process", ["gateway", "stock-agent", "relay"])
def test_who_asks_the_stock_redis_knows_the_standby_too(process: str) -> None:
    site = Site("clustertest")
    standby = environment.of(site, process)["SLUICE_STOCK_STANDBY_REDIS"]
    assert standby == f"127.0.0.1:{site.port('redis-standby')}"


def test_clients_of_a_cluster_are_told_of_every_node() -> None:
    site = Site("clustertest")
    nodes = [f"127.0.0.1:{site.port(f'redis-stock-{number}')}" for number in range(1, 7)]
    for process in ("gateway", "stock-agent", "relay"):
        assert environment.of(site, process)["SLUICE_STOCK_REDIS"].split(",") == nodes


def test_a_misspelt_tunable_in_dotenv_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nSLUICE_BATCH_MAXX=4\n")
    with pytest.raises(SystemExit, match="line 2: 'SLUICE_BATCH_MAXX'"):
        environment.read_dotenv(tmp_path / ".env")


def test_the_example_names_every_tunable() -> None:
    assert set(environment.read_dotenv(ROOT / ".env.example")) == set(environment.TUNABLES)


def test_an_unknown_placeholder_in_a_template_is_refused() -> None:
    template = ROOT / "openresty" / "conf" / "nginx.conf.template"
    with pytest.raises(CannotStart, match=r"nothing is known of \$\{SLUICE_"):
        gateway.render(template, {})

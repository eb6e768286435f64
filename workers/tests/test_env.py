"""A wrong environment stops the start and says which variable is wrong."""

import pytest

from workers.runtime import env as environment
from workers.runtime.env import BadEnvironment, StockRedis

GOOD = {
    "SLUICE_METRICS_PORT": "9203",
    "SLUICE_STOCK_REDIS": "10.0.0.1:7001,redis-2:7002,[::1]:7003",
    "SLUICE_STOCK_REDIS_USER": "worker",
    "SLUICE_STOCK_REDIS_PASSWORD": "secret",
    "SLUICE_KAFKA_BROKERS": "127.0.0.1:9092",
    "SLUICE_WORK_REDIS_URL": "redis://:pw@127.0.0.1:7100/0",
}
ALL = {"stock_redis": True, "kafka": True, "work_redis": True}


def test_everything_is_read():
    env = environment.read(GOOD, **ALL)
    assert env.stock_redis is not None
    assert env.stock_redis.seeds == (("10.0.0.1", 7001), ("redis-2", 7002), ("::1", 7003))
    assert (env.metrics_port, env.metrics_address) == (9203, "127.0.0.1")
    assert (env.kafka_brokers, env.kafka_prefix) == ("127.0.0.1:9092", "")
    assert (env.profile, env.log_level, env.arm_lead_s) == ("dev", "INFO", 60)
    assert env.instance


def test_the_standby_is_optional_and_has_the_same_account():
    assert list(environment.read(GOOD, **ALL).stock_sources) == ["primary"]
    env = environment.read(GOOD | {"SLUICE_STOCK_STANDBY_REDIS": "10.0.0.9:7051"}, **ALL)
    assert env.stock_redis is not None
    standby = StockRedis((("10.0.0.9", 7051),), "worker", "secret")
    assert env.stock_sources == {"primary": env.stock_redis, "standby": standby}
    assert environment.read({"SLUICE_METRICS_PORT": "1"}).stock_sources == {}


def test_what_a_worker_does_not_need_may_be_missing():
    env = environment.read({"SLUICE_METRICS_PORT": "9203"})
    assert (env.stock_redis, env.kafka_brokers, env.work_redis_url) == (None, None, None)


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_is_named(name):
    without = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(BadEnvironment, match=f"{name} is not set"):
        environment.read(without, **ALL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SLUICE_METRICS_PORT", port) for port in ("0", "65536", "-1", "9e3", "٣", "http")),
        *(("SLUICE_STOCK_REDIS", seeds) for seeds in ("7001", "a:b", "a:1,", "a:1, b:2", "a:0")),
        *(("SLUICE_STOCK_STANDBY_REDIS", seeds) for seeds in ("7051", "", "a:1,redis-2:7002")),
        ("SLUICE_KAFKA_BROKERS", "127.0.0.1"),
        *(("SLUICE_WORK_REDIS_URL", url) for url in ("127.0.0.1:7100", "http://a/0", "redis://a")),
        ("SLUICE_LOG_LEVEL", "loud"),
        ("SLUICE_PROFILE", "Dev!"),
        *(("SLUICE_INSTANCE", name) for name in ("a b", "x" * 101)),
        *(("SLUICE_ARM_LEAD_S", lead) for lead in ("-1", "1.5", "86401", "soon")),
        *(("SLUICE_KAFKA_PREFIX", prefix) for prefix in ("a/b", "x" * 61)),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable(name, value):
    with pytest.raises(BadEnvironment, match=name) as caught:
        environment.read(GOOD | {name: value}, **ALL)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("name", [*GOOD, "SLUICE_INSTANCE", "SLUICE_KAFKA_PREFIX"])
def test_an_empty_value_is_refused(name):
    with pytest.raises(BadEnvironment, match=f"{name} is empty"):
        environment.read(GOOD | {name: ""}, **ALL)


def test_all_problems_are_told_at_once():
    with pytest.raises(BadEnvironment) as caught:
        environment.read({"SLUICE_LOG_LEVEL": "loud"}, **ALL)
    assert len(caught.value.problems) == len(GOOD) + 1


def test_a_secret_is_in_no_message_and_no_representation():
    bad = GOOD | {"SLUICE_WORK_REDIS_URL": "http://:hunter2@a/0"}
    with pytest.raises(BadEnvironment) as caught:
        environment.read(bad, **ALL)
    assert "hunter2" not in str(caught.value)
    shown = repr(environment.read(GOOD, **ALL))
    assert "secret" not in shown
    assert ":pw@" not in shown


def test_the_process_ends_with_2_and_a_line_for_each_problem(capsys):
    with pytest.raises(SystemExit) as caught:
        environment.read_or_exit({}, kafka=True)
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "SLUICE_METRICS_PORT" in lines[0]
    assert "SLUICE_KAFKA_BROKERS" in lines[1]

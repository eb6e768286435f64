"""Every variable is checked, every problem names its variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from control_plane.config import env

ROOT = Path(__file__).resolve().parents[3]
GOOD = {
    "SLUICE_SALE_DSN": "postgresql://sale:p%40ss@127.0.0.1:5433/sale?sslmode=disable",
    "SLUICE_INVENTORY_DSN": "postgresql://inventory:pw@127.0.0.1:5433/inventory",
    "SLUICE_WORK_REDIS_URL": "redis://127.0.0.1:7100/0",
    "SLUICE_SNAPSHOT_KEY": "s" * 32,
    "SLUICE_INTERNAL_TOKEN": "t" * 32,
    "SLUICE_SECRET_KEY": "k" * 32,
    "SLUICE_PUBLISH_DIR": "/srv/published",
    "SLUICE_DEMO_PAYMENT_KEYS": "d" * 32 + "," + "e" * 32,
}
REQUIRED = sorted(GOOD.keys() - {"SLUICE_DEMO_PAYMENT_KEYS"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"SLUICE_DEMO": "1"}, False),
        ({"SLUICE_DEMO": "1", "SLUICE_APPROVAL_BY_SECOND_PERSON": "1"}, True),
        ({"SLUICE_APPROVAL_BY_SECOND_PERSON": "0"}, False),
    ],
)
def test_a_second_person_approves_unless_somebody_says_otherwise(given, expected):
    assert env.read(GOOD | given).approval_by_second_person is expected


def test_it_reads_a_complete_environment():
    read = env.read(GOOD | {"SLUICE_DEMO": "1", "SLUICE_ALLOWED_HOSTS": "a.example,b.example"})
    assert read.sale == env.Database(
        "sale", "sale", "p@ss", "127.0.0.1", 5433, {"sslmode": "disable"}
    )
    assert read.demo is True
    assert read.demo_payment_keys == ("d" * 32, "e" * 32)
    assert env.read(GOOD).demo_payment_keys == (), "nobody signs where the demo is off"
    assert read.control_plane_url == "http://127.0.0.1:8000"
    assert read.shards_per_item == 1
    assert env.read(GOOD | {"SLUICE_SHARDS_PER_ITEM": "64"}).shards_per_item == 64
    assert read.has_standby is False
    assert env.read(GOOD | {"SLUICE_STOCK_STANDBY_REDIS": "h:7051"}).has_standby is True
    assert read.debug is False
    assert read.allowed_hosts == ["a.example", "b.example"]


@pytest.mark.parametrize("name", REQUIRED)
def test_it_names_a_missing_variable(name):
    environ = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(environ)
    assert refused.value.problems == [f"{name} is not set"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is not set"),
        ("d" * 31, "must have at least 32 bytes, it has 31"),
        ("d" * 32 + ",", "must have at least 32 bytes, it has 0"),
        (",".join(["d" * 32] * 3), "must be one key or two with a comma between, not 3"),
    ],
)
def test_the_demo_needs_one_or_two_payment_keys(value, reason):
    environ = {key: text for key, text in GOOD.items() if key != "SLUICE_DEMO_PAYMENT_KEYS"}
    environ |= {"SLUICE_DEMO": "1"} | ({} if value is None else {"SLUICE_DEMO_PAYMENT_KEYS": value})
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(environ)
    assert refused.value.problems == [f"SLUICE_DEMO_PAYMENT_KEYS {reason}"]


@pytest.mark.parametrize("name", [*REQUIRED, "SLUICE_DEBUG", "SLUICE_STOCK_STANDBY_REDIS"])
def test_it_does_not_take_an_empty_value_for_the_default(name):
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(GOOD | {name: ""})
    assert refused.value.problems == [f"{name} is empty"]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SLUICE_PROFILE", "prod", "must be one of dev, test, not 'prod'"),
        ("SLUICE_PUBLISH_DIR", "var/here", "must be an absolute path, not 'var/here'"),
        (
            "SLUICE_CONTROL_PLANE_URL",
            "http://127.0.0.1:8000/x",
            "must be an address without a path, as in http://127.0.0.1:8000",
        ),
        ("SLUICE_SALE_DSN", "mysql://u:p@h:1/sale", "must start with postgresql://"),
        ("SLUICE_SALE_DSN", "postgresql:///sale", "must name a host"),
        (
            "SLUICE_SALE_DSN",
            "postgresql://u:p@h:99999/sale",
            "must be a URL with a port between 0 and 65535",
        ),
        (
            "SLUICE_INVENTORY_DSN",
            "postgresql://u:p@h:5433/",
            "must end with one database name, as in postgresql://user:pw@host:5433/sale",
        ),
        ("SLUICE_WORK_REDIS_URL", "127.0.0.1:7100", "must start with redis://"),
        (
            "SLUICE_WORK_REDIS_URL",
            "redis://127.0.0.1:7100/first",
            "must end with a database number, as in redis://127.0.0.1:7100/0",
        ),
        ("SLUICE_SNAPSHOT_KEY", "short", "must have at least 32 bytes, it has 5"),
        ("SLUICE_INTERNAL_TOKEN", "short", "must have at least 32 bytes, it has 5"),
        ("SLUICE_SECRET_KEY", "short", "must have at least 32 bytes, it has 5"),
        ("SLUICE_DEBUG", "true", "must be one of 0, 1, not 'true'"),
        ("SLUICE_DEMO", "yes", "must be one of 0, 1, not 'yes'"),
        (
            "SLUICE_ALLOWED_HOSTS",
            "a, b",
            "must be host names separated by commas, without spaces",
        ),
        (
            "SLUICE_LOG_LEVEL",
            "INFO",
            "must be one of debug, info, warning, error, not 'INFO'",
        ),
        (
            "SLUICE_TIME_ZONE",
            "Shanghai",
            "must be an IANA time zone such as Asia/Shanghai, not 'Shanghai'",
        ),
        *(
            ("SLUICE_SHARDS_PER_ITEM", value, f"must be a number from 1 to 64, not {value!r}")
            for value in ("0", "65", "-1", "two", "²")
        ),
    ],
)
def test_it_says_what_is_wrong_with_a_value(name, value, reason):
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(GOOD | {name: value})
    assert refused.value.problems == [f"{name} {reason}"]


def test_it_never_repeats_a_password():
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(GOOD | {"SLUICE_SALE_DSN": "postgresql://sale:hunter2@127.0.0.1:5433"})
    assert "hunter2" not in str(refused.value)
    assert "p@ss" not in repr(env.read(GOOD))


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "control_plane", "check"],
        ["-m", "uvicorn", "control_plane.config.asgi:application", "--port", "0"],
        ["-m", "celery", "-A", "control_plane.config", "worker"],
        ["-m", "celery", "-A", "control_plane.config", "beat"],
    ],
    ids=["management", "asgi", "worker", "beat"],
)
def test_a_wrong_environment_stops_every_process_with_all_reasons_and_no_traceback(command):
    environ = {"PATH": os.environ["PATH"], **GOOD, "SLUICE_DEBUG": "maybe"}
    del environ["SLUICE_SNAPSHOT_KEY"]
    stopped = subprocess.run(
        [sys.executable, *command],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert stopped.returncode == env.EXIT_BAD_ENVIRONMENT
    assert stopped.stderr.splitlines() == [
        "sluice control plane: SLUICE_SNAPSHOT_KEY is not set",
        "sluice control plane: SLUICE_DEBUG must be one of 0, 1, not 'maybe'",
    ]


PROVIDERS = "SLUICE_PAYMENT_PROVIDERS"


def test_payment_providers_are_read_by_name():
    given = '{"acme":{"url":"https://pay.acme.example/v1/","keys":["%s","%s"]}}'
    read = env.read(GOOD | {PROVIDERS: given % ("k" * 32, "o" * 32)}).payment_providers
    assert read["acme"].url == "https://pay.acme.example/v1"
    assert read["acme"].keys == ("k" * 32, "o" * 32)
    assert "k" * 32 not in repr(read)
    assert env.read(GOOD).payment_providers == {}


@pytest.mark.parametrize(
    "given",
    [
        "[]",
        "{",
        '{"acme":[]}',
        '{"acme":{"url":"https://a.example"}}',
        '{"acme":{"url":7,"keys":["kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"]}}',
        '{"acme":{"url":"https://a.example","keys":["short"]}}',
        '{"acme":{"url":"https://a.example","keys":[]}}',
        '{"acme":{"url":"https://a.example","keys":"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"}}',
        '{"acme":{"url":"http://a.example","keys":["kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"]}}',
        '{"acme":{"url":"https://a.example/?x","keys":["kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"]}}',
        '{"demo":{"url":"https://a.example","keys":["kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"]}}',
        '{"ACME":{"url":"https://a.example","keys":["kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"]}}',
    ],
)
def test_a_wrong_payment_provider_stops_the_start_and_shows_no_key(given):
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(GOOD | {PROVIDERS: given})
    (problem,) = refused.value.problems
    assert problem.startswith(f"{PROVIDERS} ")
    assert "kkkk" not in problem


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("SLUICE_ARM_LEAD_S", "-1"),
        ("SLUICE_RECONCILE_AFTER_H", "0"),
        ("SLUICE_LATE_MONEY_GRACE_S", "601"),
        ("SLUICE_WEBHOOKS_OFF_AFTER_DAYS", "31"),
        ("SLUICE_WEBHOOKS_PRIVATE", "yes"),
        ("SLUICE_APPROVAL_BY_SECOND_PERSON", "on"),
    ],
)
def test_a_wrong_number_is_refused(name, wrong):
    with pytest.raises(env.BadEnvironment) as refused:
        env.read(GOOD | {name: wrong})
    assert refused.value.problems[0].startswith(f"{name} must be ")

"""The only place where the control plane reads its environment.

`read` reports every wrong variable at once, so that one start shows all that has to be mended.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from control_plane.config.console_env import Console, read_console

# 32 bytes is what RFC 7518 §3.2 asks of an HS256 key; the other secrets get the same floor.
SECRET_MIN_LENGTH = 32
EXIT_BAD_ENVIRONMENT = 2
SHARDS_MAX = 64
RETRIES_MAX = 10
PORT_MAX = 65_535
MINUTES_MAX = 24 * 60
DAYS_MAX = 30
DAY_S = 24 * 3600
RECONCILE_AFTER_H_MAX = 7 * 24
# Units that nobody pays for stand idle meanwhile.
GRACE_S_MAX = 600
API_RATE_MAX = 10_000

T = TypeVar("T")


class BadEnvironment(ValueError):
    """Some variables are missing or wrong; `problems` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Database:
    """A PostgreSQL address taken apart for Django; `options` are libpq's (sslmode, …)."""

    name: str
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    options: dict[str, str]


@dataclass(frozen=True)
class PaymentProvider:
    """Where a provider is asked, and what both sides sign with: the first key signs ours."""

    url: str
    keys: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Env:
    """The environment, checked."""

    profile: str
    sale: Database
    inventory: Database
    work_redis_url: str = field(repr=False)
    snapshot_key: str = field(repr=False)
    internal_token: str = field(repr=False)
    secret_key: str = field(repr=False)
    debug: bool
    demo: bool
    # Of the demo's payment provider: the first signs, a second one is being retired.
    demo_payment_keys: tuple[str, ...] = field(repr=False)
    # Real ones, by name: see payments/README.md.
    payment_providers: dict[str, "PaymentProvider"] = field(repr=False)
    # Where this control plane answers, for the demo's payment provider.
    control_plane_url: str
    allowed_hosts: list[str]
    # How browsers reach the console in front of this process: "http" or "https".
    console_scheme: str
    log_level: str
    # What this process is called in log lines and traces.
    process: str
    # For looking a message up (support/); "" where the console cannot reach Kafka.
    kafka_brokers: str
    # A receiver of OTLP/HTTP, without its path; "" for none.
    otlp_url: str
    time_zone: str
    shards_per_item: int
    # Whether a campaign is approved by somebody who did not make it.
    approval_by_second_person: bool
    # Where the pages of campaigns are published for the edge.
    publish_dir: Path
    # Before each attempt to land a dead letter; what is left after the last one a person looks at.
    retry_minutes: tuple[int, ...]
    # Whether there is a standby stock cluster; its address is the workers' business.
    has_standby: bool
    # How long before its start the stock agent arms a campaign.
    arm_lead_s: int
    # How long after its end a campaign's books are compared.
    reconcile_after_h: int
    # Where a comparison of all sides keeps its files.
    reconcile_dir: Path
    # "staging": drills may run beside this installation; "nowhere": never.
    drills_on: str
    # An order that was not paid in time ends so much later, for money that is on its way.
    late_money_grace_s: int
    # Whether webhooks may go over http and to addresses of our own network: demos and tests.
    webhooks_private: bool
    # An endpoint at which nothing arrived for so long is switched off.
    webhooks_off_after_days: int
    console: Console
    # What a key of the API may ask in a second, and at once after a pause.
    api_rate_per_s: int
    api_burst: int
    # What Prometheus and Alertmanager show at this process; without it neither is answered.
    monitoring_token: str | None = field(repr=False)
    # Whom the board asks; without it the board has the database's figures alone.
    prometheus_url: str | None
    # Where Celery's processes show their figures; 0: nowhere.
    metrics_port: int


def read(environ: Mapping[str, str]) -> Env:
    """Check every variable; raises BadEnvironment with all that is wrong."""
    reader = _Reader(environ)
    env = Env(
        profile=reader.take("SLUICE_PROFILE", _one_of("dev", "test"), "dev"),
        sale=reader.take("SLUICE_SALE_DSN", _database),
        inventory=reader.take("SLUICE_INVENTORY_DSN", _database),
        work_redis_url=reader.take("SLUICE_WORK_REDIS_URL", _redis_url),
        snapshot_key=reader.take("SLUICE_SNAPSHOT_KEY", _secret),
        internal_token=reader.take("SLUICE_INTERNAL_TOKEN", _secret),
        secret_key=reader.take("SLUICE_SECRET_KEY", _secret),
        debug=reader.take("SLUICE_DEBUG", _flag, "0"),
        demo=reader.take("SLUICE_DEMO", _flag, "0"),
        # Without the demo nobody is to sign with them.
        demo_payment_keys=(
            reader.take("SLUICE_DEMO_PAYMENT_KEYS", _secrets)
            if environ.get("SLUICE_DEMO", "0") == "1"
            else ()
        ),
        payment_providers=reader.take("SLUICE_PAYMENT_PROVIDERS", _providers, "{}"),
        control_plane_url=reader.take(
            "SLUICE_CONTROL_PLANE_URL", _http_url, "http://127.0.0.1:8000"
        ),
        allowed_hosts=reader.take("SLUICE_ALLOWED_HOSTS", _hosts, "127.0.0.1,localhost"),
        console_scheme=reader.take("SLUICE_CONSOLE_SCHEME", _one_of("http", "https"), "http"),
        log_level=reader.take(
            "SLUICE_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info"
        ),
        process=reader.take("SLUICE_PROCESS", _process, "control-plane"),
        kafka_brokers=environ.get("SLUICE_KAFKA_BROKERS", ""),
        otlp_url=(environ.get("SLUICE_OTLP_URL") and reader.take("SLUICE_OTLP_URL", _http_url))
        or "",
        time_zone=reader.take("SLUICE_TIME_ZONE", _time_zone, "UTC"),
        shards_per_item=reader.take("SLUICE_SHARDS_PER_ITEM", _shards, "1"),
        # The demo has one user.
        approval_by_second_person=reader.take(
            "SLUICE_APPROVAL_BY_SECOND_PERSON",
            _flag,
            "0" if environ.get("SLUICE_DEMO", "0") == "1" else "1",
        ),
        publish_dir=reader.take("SLUICE_PUBLISH_DIR", _directory),
        retry_minutes=reader.take("SLUICE_RETRY_MINUTES", _minutes, "1,5,30"),
        has_standby=reader.take_if_given("SLUICE_STOCK_STANDBY_REDIS", bool) or False,
        arm_lead_s=reader.take("SLUICE_ARM_LEAD_S", _number("seconds", 0, DAY_S), "60"),
        reconcile_after_h=reader.take(
            "SLUICE_RECONCILE_AFTER_H", _number("hours", 1, RECONCILE_AFTER_H_MAX), "24"
        ),
        reconcile_dir=reader.take("SLUICE_RECONCILE_DIR", _directory, "/var/tmp/sluice-reconcile"),
        drills_on=reader.take("SLUICE_DRILLS_ON", _one_of("nowhere", "staging"), "nowhere"),
        late_money_grace_s=reader.take(
            "SLUICE_LATE_MONEY_GRACE_S", _number("seconds", 0, GRACE_S_MAX), "0"
        ),
        webhooks_private=reader.take("SLUICE_WEBHOOKS_PRIVATE", _flag, "0"),
        webhooks_off_after_days=reader.take(
            "SLUICE_WEBHOOKS_OFF_AFTER_DAYS", _number("days", 1, DAYS_MAX), "5"
        ),
        console=read_console(
            reader.take, _number, _flag, environ.get("SLUICE_CONSOLE_SCHEME", "http")
        ),
        api_rate_per_s=reader.take(
            "SLUICE_API_RATE_PER_S", _number("requests", 1, API_RATE_MAX), "20"
        ),
        api_burst=reader.take("SLUICE_API_BURST", _number("requests", 1, API_RATE_MAX), "100"),
        monitoring_token=reader.take_if_given("SLUICE_MONITORING_TOKEN", _secret),
        prometheus_url=reader.take_if_given("SLUICE_PROMETHEUS_URL", _http_url),
        metrics_port=reader.take("SLUICE_METRICS_PORT", _port, "0"),
    )
    if reader.problems:
        raise BadEnvironment(reader.problems)
    return env


def read_or_exit(environ: Mapping[str, str]) -> Env:
    """Like `read`, but a wrong environment ends the process with a message and no traceback."""
    try:
        return read(environ)
    except BadEnvironment as error:
        for problem in error.problems:
            print(f"sluice control plane: {problem}", file=sys.stderr)
    raise SystemExit(EXIT_BAD_ENVIRONMENT)


class _Reader:
    """Reads one variable at a time and collects what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def take(self, name: str, parse: Callable[[str], T], default: str | None = None) -> T:
        """The parsed value. After a problem the return value is meaningless: `read` raises."""
        value = self._environ.get(name, default)
        if value is None:
            self.problems.append(f"{name} is not set")
        elif value == "":
            self.problems.append(f"{name} is empty")
        else:
            try:
                return parse(value)
            except ValueError as error:
                self.problems.append(f"{name} {error}")
        return cast(T, None)

    def take_if_given(self, name: str, parse: Callable[[str], T]) -> T | None:
        """As `take`; None for what is not set at all."""
        return self.take(name, parse) if name in self._environ else None


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    return parse


def _flag(value: str) -> bool:
    return _one_of("0", "1")(value) == "1"


def _secret(value: str) -> str:
    if len(value.encode()) < SECRET_MIN_LENGTH:
        raise ValueError(f"must have at least {SECRET_MIN_LENGTH} bytes, it has {len(value)}")
    return value


def _secrets(value: str) -> tuple[str, ...]:
    keys = tuple(_secret(key) for key in value.split(","))
    if len(keys) > 2:
        raise ValueError(f"must be one key or two with a comma between, not {len(keys)}")
    return keys


def _providers(value: str) -> dict[str, PaymentProvider]:
    """Messages never repeat the value: it carries keys."""
    try:
        given = json.loads(value)
        return {name: _provider(name, **fields) for name, fields in given.items()}
    except (TypeError, AttributeError, json.JSONDecodeError):
        raise ValueError(
            'must be JSON such as {"acme":{"url":"https://pay.acme.example","keys":["…"]}}'
        ) from None


def _provider(name: str, url: str, keys: list[str]) -> PaymentProvider:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name) or name == "demo":
        raise ValueError("must name providers in small letters, digits and -, and none demo")
    if type(url) is not str or type(keys) is not list:
        raise TypeError
    try:
        parts, _ = _split(url, ("https", "http"))
    except ValueError as error:
        raise ValueError(f"of {name}: its url {error}") from None
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"of {name}: its url must begin with https://")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"of {name}: its url must be a plain address with a path at most")
    try:
        return PaymentProvider(url.rstrip("/"), _secrets(",".join(keys)))
    except ValueError as error:
        raise ValueError(f"of {name}: its keys {error}") from None


def _http_url(value: str) -> str:
    url, _ = _split(value, ("http", "https"))
    if url.path or url.query or url.fragment:
        raise ValueError("must be an address without a path, as in http://127.0.0.1:8000")
    return value


def _process(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z-]{0,31}", value):
        raise ValueError(f"must be a name such as relay or control-plane, not {value!r}")
    return value


def _shards(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= SHARDS_MAX):
        raise ValueError(f"must be a number from 1 to {SHARDS_MAX}, not {value!r}")
    return int(value)


def _minutes(value: str) -> tuple[int, ...]:
    parts = value.split(",")
    if len(parts) > RETRIES_MAX or not all(
        part.isascii() and part.isdecimal() and 1 <= int(part) <= MINUTES_MAX for part in parts
    ):
        raise ValueError(
            f"must be up to {RETRIES_MAX} numbers of minutes from 1 to {MINUTES_MAX}, as in"
            f" 1,5,30, not {value!r}"
        )
    return tuple(map(int, parts))


def _number(of_what: str, least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and least <= int(value) <= most):
            raise ValueError(f"must be a number of {of_what} from {least} to {most}, not {value!r}")
        return int(value)

    return parse


def _port(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) <= PORT_MAX):
        raise ValueError(f"must be a port from 1 to {PORT_MAX}, or 0 for none, not {value!r}")
    return int(value)


def _directory(value: str) -> Path:
    """It need not exist yet. A relative one would be another for each process."""
    if not Path(value).is_absolute():
        raise ValueError(f"must be an absolute path, not {value!r}")
    return Path(value)


def _hosts(value: str) -> list[str]:
    hosts = value.split(",")
    if any(not host or host != host.strip() for host in hosts):
        raise ValueError("must be host names separated by commas, without spaces")
    return hosts


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"must be an IANA time zone such as Asia/Shanghai, not {value!r}"
        ) from None
    return value


def _database(value: str) -> Database:
    """Messages never repeat the value: it carries a password."""
    url, port = _split(value, ("postgresql", "postgres"))
    name = unquote(url.path.removeprefix("/"))
    if not name or "/" in name:
        raise ValueError(
            "must end with one database name, as in postgresql://user:pw@host:5433/sale"
        )
    return Database(
        name=name,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        host=url.hostname or "",
        port=port or 5432,
        options=dict(parse_qsl(url.query, strict_parsing=bool(url.query))),
    )


def _redis_url(value: str) -> str:
    url, _ = _split(value, ("redis", "rediss"))
    if not url.path.removeprefix("/").isdecimal():
        raise ValueError("must end with a database number, as in redis://127.0.0.1:7100/0")
    return value


def _split(value: str, schemes: tuple[str, ...]) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError("must be a URL with a port between 0 and 65535") from None
    if url.scheme not in schemes:
        raise ValueError(f"must start with {schemes[0]}://")
    if not url.hostname:
        raise ValueError("must name a host")
    return url, port

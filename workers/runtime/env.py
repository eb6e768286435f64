"""The only place where the workers read their environment.

The databases are read by Django's settings; everything else a worker needs is here. A wrong value
stops the start: every problem is printed with its variable, and the process exits with 2.
"""

import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast
from urllib.parse import urlsplit

EXIT_BAD_ENVIRONMENT = 2
PORT_MAX = 65_535
# An instance name becomes a Kafka group.instance.id and a Redis consumer name.
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})")

_PREFIX = "SLUICE_KAFKA_PREFIX"
_STANDBY = "SLUICE_STOCK_STANDBY_REDIS"

# Where units may be sold from, the third source being PostgreSQL itself (DESIGN §5).
PRIMARY, STANDBY = "primary", "standby"

T = TypeVar("T")


class BadEnvironment(ValueError):
    """Some variables are missing or wrong; `problems` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class StockRedis:
    """Seeds of the stock cluster and who we are there."""

    seeds: tuple[tuple[str, int], ...]
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Env:
    """The environment, checked. A field is None where the process did not ask for it."""

    profile: str
    log_level: str
    instance: str
    metrics_port: int
    metrics_address: str
    stock_redis: StockRedis | None
    # A second cluster that may take over the sale; None where there is none.
    stock_standby: StockRedis | None
    kafka_brokers: str | None
    kafka_prefix: str

    work_redis_url: str | None = field(repr=False)
    arm_lead_s: int

    @property
    def stock_sources(self) -> dict[str, StockRedis]:
        """The stock clusters there are, by source; empty where the process did not ask for them."""
        both = {PRIMARY: self.stock_redis, STANDBY: self.stock_standby}
        return {source: address for source, address in both.items() if address is not None}


def read(
    environ: Mapping[str, str],
    *,
    stock_redis: bool = False,
    kafka: bool = False,
    work_redis: bool = False,
) -> Env:
    """Check what this process needs; raises BadEnvironment with all that is wrong."""
    reader = _Reader(environ)
    take = reader.take
    stock = _stock_redis(reader) if stock_redis else None
    env = Env(
        profile=take("SLUICE_PROFILE", _profile, "dev"),
        log_level=take("SLUICE_LOG_LEVEL", _log_level, "info"),
        instance=take("SLUICE_INSTANCE", _instance, _INSTANCE_DEFAULT),
        metrics_port=take("SLUICE_METRICS_PORT", _port),
        metrics_address=take("SLUICE_METRICS_ADDRESS", str, "127.0.0.1"),
        stock_redis=stock,
        stock_standby=_standby(reader, stock) if stock and _STANDBY in environ else None,
        kafka_brokers=take("SLUICE_KAFKA_BROKERS", _brokers) if kafka else None,
        # Unset is the usual case; tests give each its own topics and groups.
        kafka_prefix=take(_PREFIX, _prefix) if _PREFIX in environ else "",
        work_redis_url=take("SLUICE_WORK_REDIS_URL", _redis_url) if work_redis else None,
        arm_lead_s=take("SLUICE_ARM_LEAD_S", _seconds, "60"),
    )
    if reader.problems:
        raise BadEnvironment(reader.problems)
    return env


def read_or_exit(environ: Mapping[str, str], **needs: bool) -> Env:
    """Like `read`, but a wrong environment ends the process with a message and no traceback."""
    try:
        return read(environ, **needs)
    except BadEnvironment as error:
        for problem in error.problems:
            print(f"sluice worker: {problem}", file=sys.stderr)
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


def _stock_redis(reader: _Reader) -> StockRedis:
    return StockRedis(
        seeds=reader.take("SLUICE_STOCK_REDIS", _addresses),
        user=reader.take("SLUICE_STOCK_REDIS_USER", str),
        password=reader.take("SLUICE_STOCK_REDIS_PASSWORD", str),
    )


def _standby(reader: _Reader, primary: StockRedis) -> StockRedis:
    """Both clusters know the same accounts: who may do what does not change with the source."""

    def others(value: str) -> tuple[tuple[str, int], ...]:
        seeds = _addresses(value)
        if set(seeds) & set(primary.seeds or ()):
            # A switch-over would change nothing, and nobody would see why.
            raise ValueError("must name another cluster than SLUICE_STOCK_REDIS")
        return seeds

    return replace(primary, seeds=reader.take(_STANDBY, others))


def _profile(value: str) -> str:
    if not re.fullmatch(r"[a-z]{1,20}", value):
        raise ValueError(f"must be a profile name such as dev or test, not {value!r}")
    return value


def _log_level(value: str) -> str:
    if value.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError(f"must be one of debug, info, warning, error, not {value!r}")
    return value.upper()


def _instance(value: str) -> str:
    if not _INSTANCE.fullmatch(value):
        raise ValueError(f"must be up to 100 of A-Z a-z 0-9 . _ -, not {value!r}")
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", value):
        raise ValueError(f"must be up to 60 of A-Z a-z 0-9 . _ -, not {value!r}")
    return value


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= PORT_MAX:
        raise ValueError(f"must be a port between 1 and {PORT_MAX}, not {value!r}")
    return int(value)


def _seconds(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 24 * 3600:
        raise ValueError(f"must be whole seconds, at most a day, not {value!r}")
    return int(value)


def _addresses(value: str) -> tuple[tuple[str, int], ...]:
    found = []
    for part in value.split(","):
        match = _ADDRESS.fullmatch(part)
        if not match:
            raise ValueError(f"must be host:port, comma separated; {part!r} is not")
        found.append((match[1].strip("[]"), _port(match[2])))
    return tuple(found)


def _brokers(value: str) -> str:
    _addresses(value)
    return value


def _redis_url(value: str) -> str:
    """The message never repeats the value: it may carry a password."""
    url = urlsplit(value)
    if url.scheme not in ("redis", "rediss") or not url.hostname:
        raise ValueError("must be a URL such as redis://127.0.0.1:7100/0")
    if not url.path.removeprefix("/").isdecimal():
        raise ValueError("must end with a database number, as in redis://127.0.0.1:7100/0")
    return value


# Stable across restarts, so that a restarted worker takes its own partitions and pending entries
# back. Several workers of a kind on one host must be given names.
_INSTANCE_DEFAULT = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:100] or "0"

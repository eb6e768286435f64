"""The one place where the values of SLUICE_* are made. Each process gets only what it needs.

`values` is everything (tests, demo, `python -m deploy.local env`); `of` is one process's share.
"""

import os
from pathlib import Path

from deploy.local.ports import STANDBY, TRACES_OF_TESTS
from deploy.local.site import KEYS, ROOT, Site

_SIGNING_IN = (
    "SLUICE_CONSOLE_PROXIES",
    "SLUICE_SIGN_IN_FAILURES",
    "SLUICE_SIGN_IN_LOCK_MINUTES",
    "SLUICE_ADMIN_REQUIRE_TOTP",
    "SLUICE_SSL_REDIRECT",
    "SLUICE_HSTS_S",
    "SLUICE_HSTS_SUBDOMAINS",
)

# What a person may set, in the environment or in `.env`, with the stack's own values where it has
# any; everything else is computed. None: the process that reads it has the default.
TUNABLES: dict[str, str | None] = {
    "SLUICE_LOG_LEVEL": "info",
    "SLUICE_TIME_ZONE": None,
    "SLUICE_OTLP_URL": None,
    "SLUICE_ALERT_WEBHOOK_URL": None,
    "SLUICE_DEBUG": None,
    "SLUICE_DEMO": "1",
    # The demo has one user; the test stack has it on.
    "SLUICE_APPROVAL_BY_SECOND_PERSON": None,
    "SLUICE_ALLOWED_HOSTS": None,
    "SLUICE_PAYMENT_PROVIDERS": None,
    # This stack is for demos and tests, whose merchants are on the same machine.
    "SLUICE_WEBHOOKS_PRIVATE": "1",
    "SLUICE_WEBHOOKS_OFF_AFTER_DAYS": None,
    "SLUICE_API_RATE_PER_S": None,
    "SLUICE_API_BURST": None,
    "SLUICE_ARM_LEAD_S": None,
    "SLUICE_RETRY_MINUTES": None,
    "SLUICE_RECONCILE_AFTER_H": None,
    "SLUICE_DRILLS_ON": None,
    "SLUICE_LATE_MONEY_GRACE_S": None,
    "SLUICE_GATEWAY_WORKERS": "2",
    "SLUICE_BATCH_MAX": None,
    "SLUICE_RESERVE_TIMEOUT_MS": None,
    "SLUICE_QUEUE_MAX": None,
    "SLUICE_WITHOUT_LEASE": None,
    "SLUICE_BREAKER_FAILURES": None,
    "SLUICE_REFUSALS_LOGGED_PER_S": None,
    "SLUICE_TRUSTED_PROXIES": "127.0.0.1/32",
    "SLUICE_INSTANCE": None,
    "SLUICE_CONSOLE_WAF": "block",
    "SLUICE_CONSOLE_SCHEME": "http",
    **dict.fromkeys(_SIGNING_IN),
    "SLUICE_CONTROL_PLANE_GREEN_URL": None,
    "SLUICE_GATEWAY_CANARY_URL": None,
    "SLUICE_TURNSTILE_SITE_KEY": None,
    "SLUICE_TURNSTILE_SECRET": None,
    "SLUICE_TURNSTILE_URL": None,
    "SLUICE_EDGE_INSTANCE": None,
}

_COMMON = ("SLUICE_PROFILE", "SLUICE_LOG_LEVEL", "SLUICE_OTLP_URL")
_DJANGO = (
    *_COMMON,
    "SLUICE_PROCESS",
    *_SIGNING_IN,
    "SLUICE_SALE_DSN",
    "SLUICE_INVENTORY_DSN",
    "SLUICE_WORK_REDIS_URL",
    "SLUICE_SNAPSHOT_KEY",
    "SLUICE_INTERNAL_TOKEN",
    "SLUICE_SECRET_KEY",
    "SLUICE_DEBUG",
    "SLUICE_DEMO",
    "SLUICE_APPROVAL_BY_SECOND_PERSON",
    "SLUICE_DEMO_PAYMENT_KEYS",
    "SLUICE_PAYMENT_PROVIDERS",
    "SLUICE_CONTROL_PLANE_URL",
    "SLUICE_ALLOWED_HOSTS",
    "SLUICE_TIME_ZONE",
    "SLUICE_SHARDS_PER_ITEM",
    "SLUICE_STOCK_STANDBY_REDIS",
    "SLUICE_CONSOLE_SCHEME",
    "SLUICE_PUBLISH_DIR",
    "SLUICE_RETRY_MINUTES",
    "SLUICE_ARM_LEAD_S",
    "SLUICE_RECONCILE_AFTER_H",
    "SLUICE_DRILLS_ON",
    "SLUICE_LATE_MONEY_GRACE_S",
    "SLUICE_WEBHOOKS_PRIVATE",
    "SLUICE_WEBHOOKS_OFF_AFTER_DAYS",
    "SLUICE_API_RATE_PER_S",
    "SLUICE_API_BURST",
    "SLUICE_MONITORING_TOKEN",
    "SLUICE_PROMETHEUS_URL",
)
_STOCK = (
    "SLUICE_STOCK_REDIS",
    "SLUICE_STOCK_STANDBY_REDIS",
    "SLUICE_STOCK_REDIS_USER",
    "SLUICE_STOCK_REDIS_PASSWORD",
)
_METRICS = ("SLUICE_METRICS_PORT",)
# Where a process and its forks keep what they counted: prometheus_client reads it when imported.
_FORKED = ("PROMETHEUS_MULTIPROC_DIR",)
_KAFKA = ("SLUICE_KAFKA_BROKERS",)
_SNAPSHOT_READER = (
    "SLUICE_CONTROL_PLANE_URL",
    "SLUICE_SNAPSHOT_KEY",
    "SLUICE_INTERNAL_TOKEN",
)

# A process that is not named here gets nothing but PATH and HOME.
NEEDED = {
    "control-plane": (*_DJANGO, *_KAFKA),
    "celery-worker": (*_DJANGO, *_METRICS, *_FORKED),
    # The comparison of all sides is one of its tasks.
    "celery-webhooks": (
        *_DJANGO,
        *_STOCK,
        *_KAFKA,
        *_METRICS,
        *_FORKED,
        "SLUICE_RECONCILE_DIR",
    ),
    "celery-beat": (*_DJANGO, *_METRICS),
    "stock-agent": (*_DJANGO, *_STOCK, *_KAFKA, *_METRICS),
    "queue-controller": (*_DJANGO, *_STOCK, *_KAFKA, *_METRICS),
    "relay": (*_DJANGO, *_STOCK, *_KAFKA, *_METRICS),
    "order-consumer": (*_DJANGO, *_KAFKA, *_METRICS),
    "inventory-consumer": (*_DJANGO, *_KAFKA, *_METRICS),
    "order-courier": (*_DJANGO, *_KAFKA, *_METRICS),
    "compensator": (*_DJANGO, *_KAFKA, *_METRICS),
    "webhook-consumer": (*_DJANGO, *_KAFKA, *_METRICS),
    "risk-scorer": (*_DJANGO, *_STOCK, *_KAFKA, *_METRICS),
    "gateway": (
        *_COMMON,
        *_STOCK,
        *_SNAPSHOT_READER,
        *_KAFKA,
        "SLUICE_WORK_REDIS_URL",
        "SLUICE_RESERVATION_KEY",
        "SLUICE_VAR_DIR",
        "SLUICE_GATEWAY_WORKERS",
        "SLUICE_BATCH_MAX",
        "SLUICE_RESERVE_TIMEOUT_MS",
        "SLUICE_QUEUE_MAX",
        "SLUICE_WITHOUT_LEASE",
        "SLUICE_BREAKER_FAILURES",
        "SLUICE_REFUSALS_LOGGED_PER_S",
        "SLUICE_TRUSTED_PROXIES",
        "SLUICE_INSTANCE",
        "SLUICE_CONSOLE_WAF",
        "SLUICE_CONSOLE_SCHEME",
        "SLUICE_CONTROL_PLANE_GREEN_URL",
    ),
    "edge": (
        *_SNAPSHOT_READER,
        "SLUICE_GATEWAY_URL",
        "SLUICE_GATEWAY_CANARY_URL",
        "SLUICE_CHECK_KEY",
        "SLUICE_TURNSTILE_SITE_KEY",
        "SLUICE_TURNSTILE_SECRET",
        "SLUICE_TURNSTILE_URL",
        "SLUICE_EDGE_INSTANCE",
        "SLUICE_DEMO",
        "SLUICE_OTLP_URL",
        "SLUICE_MONITORING_TOKEN",
    ),
}


def values(site: Site) -> dict[str, str]:
    """Every variable of a site, as the workers see it (user `worker` of the stock Redis)."""
    secret = site.secrets
    postgres = site.address("postgres")
    computed = {
        "SLUICE_PROFILE": "test" if site.settings.is_test else "dev",
        "SLUICE_SALE_DSN": f"postgresql://sale:{secret['sale_password']}@{postgres}/sale",
        "SLUICE_INVENTORY_DSN": (
            f"postgresql://inventory:{secret['inventory_password']}@{postgres}/inventory"
        ),
        "SLUICE_STOCK_REDIS": ",".join(site.address(node) for node in site.settings.stock_nodes),
        "SLUICE_STOCK_STANDBY_REDIS": site.address(STANDBY),
        "SLUICE_STOCK_REDIS_USER": "worker",
        "SLUICE_STOCK_REDIS_PASSWORD": secret["stock_worker_password"],
        "SLUICE_WORK_REDIS_URL": (
            f"redis://:{secret['work_redis_password']}@{site.address('redis-work')}/0"
        ),
        "SLUICE_KAFKA_BROKERS": site.address("kafka"),
        "SLUICE_CONTROL_PLANE_URL": f"http://{site.address('control-plane')}",
        "SLUICE_GATEWAY_URL": f"http://{site.address('gateway')}",
        "SLUICE_EDGE_URL": f"http://127.0.0.1:{site.port('edge')}",
        **{variable: secret[name] for name, variable in KEYS.items()},
        "SLUICE_PROMETHEUS_URL": f"http://127.0.0.1:{site.port('prometheus')}",
        "SLUICE_VAR_DIR": str(site.state / "gateway"),
        "SLUICE_PUBLISH_DIR": str(site.published),
        "SLUICE_RECONCILE_DIR": str(site.state / "reconcile"),
        "SLUICE_SHARDS_PER_ITEM": str(site.settings.shards_per_item),
        "SLUICE_APPROVAL_BY_SECOND_PERSON": "1" if site.settings.is_test else "0",
    }
    if site.profile == "test":
        # Nothing is sent while nothing is followed.
        computed["SLUICE_OTLP_URL"] = f"http://127.0.0.1:{TRACES_OF_TESTS}"
    return computed | tunables()


def of(site: Site, process: str) -> dict[str, str]:
    """What one process may know; KeyError when NEEDED names a variable nobody computes."""
    known = values(site) | {"SLUICE_PROCESS": process}
    if process == "gateway":
        known["SLUICE_STOCK_REDIS_USER"] = "gateway"
        known["SLUICE_STOCK_REDIS_PASSWORD"] = site.secrets["stock_gateway_password"]
    needed = NEEDED.get(process, ())
    if "SLUICE_METRICS_PORT" in needed:
        known["SLUICE_METRICS_PORT"] = str(site.port(process))
    if "PROMETHEUS_MULTIPROC_DIR" in needed:
        known["PROMETHEUS_MULTIPROC_DIR"] = str(site.folder("metrics", process))
    return {name: known[name] for name in needed if name in known or name not in TUNABLES}


def tunables() -> dict[str, str]:
    """The stack's values, overridden by `.env`, overridden by the environment."""
    chosen = TUNABLES | read_dotenv(ROOT / ".env")
    chosen |= {name: os.environ[name] for name in TUNABLES if name in os.environ}
    return {name: value for name, value in chosen.items() if value is not None}


def read_dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines; refuses a name that is not a tunable, so that a typing error is seen."""
    if not path.exists():
        return {}
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals or name not in TUNABLES:
            raise SystemExit(f".env line {number}: {name!r} is none of {', '.join(TUNABLES)}")
        found[name] = value
    return found

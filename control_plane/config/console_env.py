"""The part of the environment that is about the people who sign in: see `.env.example`."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

Take = Callable[..., Any]
Network = IPv4Network | IPv6Network

YEAR_S = 365 * 24 * 3600
EVERYBODY = "all"


@dataclass(frozen=True)
class Console:
    """Signing in, and what browsers are told about https."""

    # Whose X-Forwarded-For is believed.
    proxies: tuple[Network, ...]
    # So many wrong passwords of one name from one address, then nothing for so long.
    sign_in_failures: int
    sign_in_lock_minutes: int
    # Groups whose people need a second factor; "all" is everybody.
    require_totp: tuple[str, ...]
    # Under https: whether plain requests are sent there, and for how long browsers remember it.
    ssl_redirect: bool
    hsts_s: int
    hsts_subdomains: bool


def read_console(take: Take, number: Take, flag: Callable[[str], bool], scheme: str) -> Console:
    """By the reader of `env.py`, with its parsers."""
    is_https = scheme == "https"
    return Console(
        proxies=take("SLUICE_CONSOLE_PROXIES", _networks, "127.0.0.1/32,::1/128"),
        sign_in_failures=take("SLUICE_SIGN_IN_FAILURES", number("failures", 1, 100), "5"),
        sign_in_lock_minutes=take("SLUICE_SIGN_IN_LOCK_MINUTES", number("minutes", 1, 1440), "15"),
        require_totp=take("SLUICE_ADMIN_REQUIRE_TOTP", _groups, "none"),
        ssl_redirect=take("SLUICE_SSL_REDIRECT", flag, "1" if is_https else "0"),
        hsts_s=take(
            "SLUICE_HSTS_S", number("seconds", 0, 2 * YEAR_S), str(YEAR_S) if is_https else "0"
        ),
        hsts_subdomains=take("SLUICE_HSTS_SUBDOMAINS", flag, "0"),
    )


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part) for part in value.split(","))
    except ValueError:
        raise ValueError(
            f"must be networks with commas between, as in 10.0.0.0/8,::1/128, not {value!r}"
        ) from None


def _groups(value: str) -> tuple[str, ...]:
    if value == "none":
        return ()
    names = tuple(value.split(","))
    if any(not name or name != name.strip() for name in names):
        raise ValueError('must be "none", "all" or names of groups with commas between')
    return names

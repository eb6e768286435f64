"""Which addresses a request for somebody else may go to: in the internet, never one of ours.

A name is looked up once, every address it has is checked, and the connection is made to one of
those: a second look-up could answer otherwise (DNS rebinding).
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

HTTPS_PORTS = (443, 8443)
_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}")
# What an address with a path and a query is made of; a blank or a line's end would forge a request.
_WRITTEN = re.compile(r"[!-~]+")
# All unicast addresses that are handed out (RFC 4291), so that what wraps IPv4 addresses or is
# local (mapped, NAT64, unique local, link local, multicast) is outside of it.
_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_NOT_GLOBAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link local, with the clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved and broadcast
        "2001::/23",  # Teredo and others with an IPv4 address inside
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)

Resolve = Callable[[str, int], list[str]]


class BadAddress(ValueError):
    """Not to be called; `code` is for programs, the text for whoever wrote the address."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Target(NamedTuple):
    """An address taken apart; `path` begins with a slash and has the query."""

    is_https: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """As a browser would send it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_https else 80) else f"{host}:{self.port}"


def parse(url: str, *, private: bool) -> Target:
    """Take an address apart; raises BadAddress.

    `private` is for tests and demos: http, any port, and names and addresses of our own network.
    """
    if not _WRITTEN.fullmatch(url):
        raise BadAddress("bad_url", "must be written in ASCII, without blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress("bad_url", "is no address") from None
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise BadAddress("not_https", "must begin with https://")
    if "@" in parts.netloc:
        raise BadAddress("bad_url", "must carry no user name or password")
    if "#" in url:
        raise BadAddress("bad_url", "must have no fragment")
    host = (parts.hostname or "").removesuffix(".")
    is_https = parts.scheme == "https"
    port = (443 if is_https else 80) if port is None else port
    if not private and port not in HTTPS_PORTS:
        ports = " or ".join(str(one) for one in HTTPS_PORTS)
        raise BadAddress("bad_port", f"must be on port {ports}")
    _check_host(host, private)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_https, host, port, path)


def _check_host(host: str, private: bool) -> None:
    """A number that a resolver would read as an address (`0x7f.1`) is neither of the two."""
    try:
        check(host, private=private)
    except ValueError as error:
        if isinstance(error, BadAddress):
            raise
        if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit():
            raise BadAddress("bad_url", "has no host name that can be looked up") from None
        if "." not in host and not private:
            raise BadAddress("private_address", "names a host of the local network") from None


def check(address: str, *, private: bool) -> None:
    """Raises BadAddress for one that is not in the internet, ValueError for what is none."""
    ip = ipaddress.ip_address(address)
    if private:
        return
    inside = any(ip in network for network in _NOT_GLOBAL if network.version == ip.version)
    if inside or (ip.version == 6 and ip not in _GLOBAL_6):
        raise BadAddress("private_address", f"leads to {address}, which is not in the internet")


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, as the system knows them; raises OSError. Blocking."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def pinned(target: Target, look_up: Resolve, *, private: bool) -> list[str]:
    """The addresses to connect to, all of them checked; raises BadAddress, OSError.

    One bad one among them is enough: whoever mixes them tries something.
    """
    found = look_up(target.host, target.port)
    for address in found:
        # A scope (`fe80::1%eth0`) is of a link of ours.
        if "%" in address:
            raise BadAddress("private_address", f"leads to {address}, which is of our own link")
        check(address, private=private)
    if not found:
        raise BadAddress("no_address", "has no address")
    return found

"""The fault proxy in front of PostgreSQL, Kafka and the stock Redis; only in profile `faults`."""

import socket
import sys
from collections.abc import Iterable
from dataclasses import replace

from deploy.local.ports import BEHIND, PROXY, behind
from deploy.local.process import OneShot, Process, Unhealthy
from deploy.local.site import Site

TIMEOUT_S = 2.0


def links(site: Site) -> tuple[str, ...]:
    """Whom it stands in front of."""
    return (*BEHIND, *site.settings.stock_nodes)


def command(site: Site) -> list[str]:
    """It with its table: name, port of the clients, port of the server."""
    table = [f"{name}:{site.port(name)}:{site.server_port(name)}" for name in links(site)]
    return [sys.executable, "-m", "tests.drill.wires.proxy", str(site.port(PROXY)), *table]


def healthy(site: Site) -> None:
    """The control port listens, which it does last."""
    try:
        socket.create_connection(("127.0.0.1", site.port(PROXY)), TIMEOUT_S).close()
    except OSError as error:
        raise Unhealthy(str(error)) from error


def in_front_of(site: Site, servers: Iterable[Process | OneShot]) -> tuple[Process | OneShot, ...]:
    """Itself, then the servers, whose clients' ports are its own now."""
    names = links(site)
    proxy = Process(
        name=PROXY,
        command=command,
        healthy=healthy,
        ports=(PROXY, *names),
        sources=("tests/drill/wires",),
    )
    return (proxy, *(_behind(one, names) for one in servers))


def _behind(step: Process | OneShot, names: tuple[str, ...]) -> Process | OneShot:
    if isinstance(step, OneShot):
        return step
    ports = tuple(behind(name) if name in names else name for name in step.ports)
    return replace(step, ports=ports)

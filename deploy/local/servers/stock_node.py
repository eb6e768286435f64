"""One node of the stock Redis: its configuration, its checks, what it knows of the others."""

from dataclasses import dataclass
from typing import Any

import redis

from deploy.local.process import Unhealthy
from deploy.local.servers.redis import (
    SLOTS,
    STOCK_USERS,
    cluster_info,
    ping,
    replication_configuration,
    stock_client,
    stock_configuration,
)
from deploy.local.site import Site, write_private


@dataclass(frozen=True)
class Known:
    """A line of CLUSTER NODES: what one node knows of another, or of itself."""

    flags: frozenset[str]
    connected: bool
    slots: frozenset[int]

    @property
    def serves(self) -> bool:
        """A node whose address was lost never becomes `fail`, and CLUSTER INFO counts its slots."""
        return self.connected and self.flags.isdisjoint({"fail", "fail?", "noaddr"})


def prepare(site: Site, node: str) -> None:
    """Write redis.conf."""
    folder = site.folder(node)
    port, bus = site.port(node), site.port(f"{node}-bus")
    passwords = {user: site.secrets[f"stock_{user}_password"] for user in STOCK_USERS}
    text = stock_configuration(folder, site.server_port(node), bus, passwords)
    if _has_replicas(site, node):
        text += replication_configuration(port, bus, site.secrets["stock_replica_password"])
    write_private(folder / "redis.conf", text)


def alive(site: Site, node: str) -> None:
    """The server answers and has read its AOF."""
    ping(stock_client(site, node))


def healthy(site: Site, node: str) -> None:
    """It sees every slot served and takes or copies writes. Either role is good."""
    with stock_client(site, node) as client:
        try:
            info, role = cluster_info(client), role_of(client)
            served = sum(len(node.slots) for node in known_nodes(client).values() if node.serves)
        except redis.RedisError as error:
            raise Unhealthy(str(error)) from error
    if info["cluster_state"] != "ok" or served != SLOTS:
        raise Unhealthy(f"cluster state {info['cluster_state']}, {served} of {SLOTS} slots served")
    if role[0] == "slave" and role[3] != "connected":
        raise Unhealthy(f"the link to its master: {role[3]}")
    if role[0] == "master" and not role[2] and _has_replicas(site, node):
        raise Unhealthy("no replica copies it, so it takes no writes")


def role(site: Site, node: str) -> str:
    """`master` or `replica of 2`, as the node itself says; empty when it does not answer."""
    with stock_client(site, node) as client:
        try:
            told = role_of(client)
        except redis.RedisError:
            return ""
    if told[0] != "slave":
        return str(told[0])
    by_port = {site.port(name): name for name in site.settings.stock_nodes}
    return f"replica of {by_port[int(told[2])].rpartition('-')[2]}"


def role_of(client: redis.Redis) -> list[Any]:
    """ROLE: `master`, offset, replicas; or `slave`, its master's host, port, link, and offset."""
    answer: list[Any] = client.execute_command("ROLE")  # type: ignore[no-untyped-call]
    return answer


def known_nodes(client: redis.Redis) -> dict[str, Known]:
    """CLUSTER NODES by id."""
    return {line.split()[0]: _known(line.split()) for line in ask(client, "NODES").splitlines()}


def ask(client: redis.Redis, *words: str | int) -> str:
    """A CLUSTER command's answer as it stands."""
    return str(client.execute_command("CLUSTER", *words))  # type: ignore[no-untyped-call]


def _has_replicas(site: Site, node: str) -> bool:
    """Whether somebody is there to copy it; nobody copies a node that is a cluster alone."""
    return node in site.settings.stock_nodes and len(site.settings.stock_nodes) > 1


def _known(fields: list[str]) -> Known:
    slots: set[int] = set()
    for field in fields[8:]:  # `0-5460`, `7`, or `[7->-id]` while one moves
        first, _, last = field.partition("-")
        if first.isdigit():
            slots.update(range(int(first), int(last or first) + 1))
    return Known(frozenset(fields[2].split(",")), fields[7] == "connected", frozenset(slots))

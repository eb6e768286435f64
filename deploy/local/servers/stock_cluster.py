"""The stock Redis as a cluster: one node that has all slots, or three masters with a replica each.

Beside it stands the standby, another cluster of one node, which sells when stock_source says so.
Forming is done once; afterwards nodes.conf keeps slots and roles, and failovers swap the latter.
Every step of it does only what is missing, so what an interrupted `up` began the next carries on.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import redis

from deploy.local.ports import STANDBY
from deploy.local.process import CannotStart, OneShot, Process, Unhealthy
from deploy.local.servers import stock_node
from deploy.local.servers.redis import SLOTS, cluster_info, server, stock_client
from deploy.local.servers.stock_node import ask, known_nodes
from deploy.local.site import Site

DEADLINE_S = 30
POLL_S = 0.1

Clients = dict[str, redis.Redis]


def steps(site: Site) -> tuple[Process | OneShot, ...]:
    """The nodes of a profile, what makes a cluster of several, and the standby."""
    nodes = site.settings.stock_nodes
    if len(nodes) == 1:
        return (_alone(nodes[0]), _alone(STANDBY))
    together = (
        replace(_process(node), healthy_together=True, role=partial(stock_node.role, node=node))
        for node in nodes
    )
    formation = OneShot(name="redis-stock-cluster", run=form, done=is_whole)
    return (*together, formation, _alone(STANDBY))


def pairs(site: Site) -> list[tuple[str, str]]:
    """Who stands in for whom: the first three nodes begin as masters, the others as replicas."""
    nodes = site.settings.stock_nodes
    return list(zip(nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :], strict=True))


def take_all_slots(site: Site, node: str) -> None:
    """Give all slots to the single node, once; nodes.conf remembers them."""
    with stock_client(site, node) as client:
        try:
            if int(cluster_info(client)["cluster_slots_assigned"]) == 0:
                _add_slots(client, 0, SLOTS - 1)
        except redis.RedisError as error:
            raise Unhealthy(f"slots: {error}") from error


def form(site: Site) -> None:
    """Make one cluster of the nodes and wait until it is whole. Raises CannotStart."""
    with ExitStack() as stack:
        clients: Clients = {
            node: stack.enter_context(stock_client(site, node))
            for node in site.settings.stock_nodes
        }
        try:
            _wait(lambda: _strangers(site, clients))
            _assign_slots(site, clients)
            _pair(site, clients)
        except redis.RedisError as error:
            raise CannotStart(f"forming the stock Redis' cluster: {error}") from error
    _wait(lambda: complaints(site))


def is_whole(site: Site) -> bool:
    """Whether there is nothing to form or to wait for."""
    return not complaints(site)


def complaints(site: Site) -> list[str]:
    """What keeps it from taking and copying writes in every slot; empty when it is whole."""
    wrong = []
    for node in site.settings.stock_nodes:
        try:
            stock_node.healthy(site, node)
        except Unhealthy as error:
            wrong.append(f"{node}: {error}")
    return wrong


def _strangers(site: Site, clients: Clients) -> list[str]:
    """Let every node meet the first; who does not know everybody yet.

    Nodes are told apart by id: an address may still be known from one whose data was removed.
    """
    ids = {node: ask(client, "MYID") for node, client in clients.items()}
    first = clients[site.settings.stock_nodes[0]]
    for node in ids:
        if ids[node] not in known_nodes(first):
            ask(first, "MEET", site.host(node), site.port(node), site.port(f"{node}-bus"))
    wrong = []
    for node, client in clients.items():
        met = {name for name, known in known_nodes(client).items() if known.connected}
        if not met.issuperset(ids.values()):
            wrong.append(f"{node} is not connected to every other node")
    return wrong


def _assign_slots(site: Site, clients: Clients) -> None:
    """Give each first of a pair its share of the slots, unless it is or was somebody's."""
    taken: set[int] = set()
    for client in clients.values():
        taken.update(*(known.slots for known in known_nodes(client).values()))
    couples = pairs(site)
    for number, (first, _) in enumerate(couples):
        begin, end = (SLOTS * n // len(couples) for n in (number, number + 1))
        if taken.isdisjoint(range(begin, end)):
            _add_slots(clients[first], begin, end - 1)


def _pair(site: Site, clients: Clients) -> None:
    """Whoever of a pair is a master without slots becomes the other's replica."""
    for first, second in pairs(site):
        for node, other in ((first, second), (second, first)):
            role = stock_node.role_of(clients[node])[0]
            if role == "master" and not _own_slots(clients[node]) and _own_slots(clients[other]):
                ask(clients[node], "REPLICATE", ask(clients[other], "MYID"))


def _own_slots(client: redis.Redis) -> frozenset[int]:
    """The slots that a node says it serves itself."""
    return known_nodes(client)[ask(client, "MYID")].slots


def _add_slots(client: redis.Redis, first: int, last: int) -> None:
    ask(client, "ADDSLOTSRANGE", first, last)


def _wait(complain: Callable[[], list[str]]) -> None:
    """Poll until there is nothing to complain about; CannotStart when it does not come to that."""
    deadline = time.monotonic() + DEADLINE_S
    while wrong := complain():
        if time.monotonic() > deadline:
            lines = "\n".join(f"  {line}" for line in wrong)
            raise CannotStart(f"the stock Redis' cluster after {DEADLINE_S} s:\n{lines}")
        time.sleep(POLL_S)


def _alone(node: str) -> Process:
    return replace(_process(node), finish=partial(take_all_slots, node=node))


def _process(node: str) -> Process:
    return Process(
        name=node,
        command=lambda site: server(site, node),
        prepare=partial(stock_node.prepare, node=node),
        alive=partial(stock_node.alive, node=node),
        healthy=partial(stock_node.healthy, node=node),
        ports=(node, f"{node}-bus"),
    )

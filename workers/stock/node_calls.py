"""Calls to many stock nodes at once: one that hangs holds up its own shards and nobody else.

Each node has at most one call under way, a pipeline in a thread of its own. Whoever asks waits a
moment for the answers; what comes later is handed out by a later ask, and until then the node
is asked nothing. Where a shard's node is, is found out in a thread too: also that may take as long
as a node that hangs.
"""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

from workers.runtime.clock import Clock
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import Node, StockClusters, is_refusal
from workers.stock.keys import Shard

# Ten times what a write with an fsync usually takes. This long a silent node delays the others,
# once for each of its call timeouts.
ANSWER_WAIT_S = 0.02
# A node that could not be found is looked for this often; a shard that was refused is left alone.
SEARCH_EVERY_S = 0.1
REFUSED_REST_S = 0.5
# Also the most nodes that can hang before calls to others have to queue.
THREADS_MAX = 64
# One search ends after this long, so that what it found is not kept from use by what it seeks.
SEARCH_MAX_S = 1.0

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a shard's node said to one command; an exception when it failed or was refused."""

    purpose: str
    shard: Shard
    reply: Any
    # It came after the ask it belongs to.
    late: bool


@dataclass(eq=False)
class _Call:
    node: Node
    purpose: str
    shards: list[Shard]
    replies: "Future[list[Any]]"
    late: bool = False


class _Found(NamedTuple):
    """What came of a search; `left` were not looked for any more and come first in the next."""

    nodes: dict[Shard, Node]
    problem: str
    left: list[Shard]


class NodeCalls:
    """For one thread. Nothing but this object may use `clusters`: its thread does."""

    def __init__(self, clusters: StockClusters, clock: Clock) -> None:
        self._clusters = clusters
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="stock-node")
        self._calls: dict[Node, _Call] = {}
        self._nodes: dict[Shard, Node] = {}
        self._rest_until: dict[Shard, float] = {}
        self._failures: list[tuple[Shard, Node, redis.RedisError]] = []
        # Whose node is looked for, whoever asked: of several who ask by turns the same one might
        # always be in time for a search.
        self._lost: dict[Shard, None] = {}
        self._search: Future[_Found] | None = None
        self._problem = ""
        self._searched_at = float("-inf")

    def ask(
        self, purpose: str, shards: Iterable[Shard], command: Callable[[Shard], tuple[Any, ...]]
    ) -> list[Answer]:
        """Send each shard's command to its node and wait a moment; never raises for a node.

        Shards whose node is busy, unknown or resting are left out: ask again. Returns all answers
        that are here, also late ones of earlier asks.
        """
        answers = self._take_answers()
        sent = []
        for node, group in self._by_node(list(shards)).items():
            commands = [command(shard) for shard in group]
            call = _Call(node, purpose, group, self._threads.submit(_execute, node, commands))
            self._calls[node] = call
            sent.append(call)
        if sent:
            wait([call.replies for call in sent], ANSWER_WAIT_S)
            answers += self._take_answers()
            for call in sent:
                call.late = True
        return answers

    def unreachable(self, shards: Iterable[Shard]) -> int:
        """How many of these have a node that owes an answer or cannot be found."""
        return sum(
            1
            for shard in shards
            if (node := self._nodes.get(shard)) is None
            or ((call := self._calls.get(node)) is not None and call.late)
        )

    def close(self) -> None:
        """Wait for what is under way, at most a call's timeout."""
        self._threads.shutdown(cancel_futures=True)

    def _take_answers(self) -> list[Answer]:
        answers = []
        for call in [one for one in self._calls.values() if one.replies.done()]:
            del self._calls[call.node]
            for shard, reply in zip(call.shards, self._replies(call), strict=True):
                if isinstance(reply, redis.RedisError):
                    self._note_failure(shard, call.node, reply)
                answers.append(Answer(call.purpose, shard, reply, call.late))
        return answers

    def _replies(self, call: _Call) -> list[Any]:
        try:
            return call.replies.result()
        except redis.RedisError as error:
            _log.warning("%s of %d shards: %s", call.purpose, len(call.shards), error)
            # Whatever else is known to be there: the node itself has failed.
            self._nodes = {one: node for one, node in self._nodes.items() if node is not call.node}
            return [error] * len(call.shards)

    def _note_failure(self, shard: Shard, node: Node, error: redis.RedisError) -> None:
        if is_refusal(error):
            # No such stream: the agent has not armed the shard yet, or Redis has lost it.
            _log.debug("%s: %s", shard.tag, error)
            self._rest_until[shard] = self._clock.monotonic() + REFUSED_REST_S
            return
        self._nodes.pop(shard, None)
        if not any(node is one for _, one, _ in self._failures):
            self._failures.append((shard, node, error))

    def _by_node(self, shards: list[Shard]) -> dict[Node, list[Shard]]:
        now = self._clock.monotonic()
        shards = [one for one in shards if self._rest_until.get(one, now) <= now]
        self._find([one for one in shards if one not in self._nodes])
        groups: dict[Node, list[Shard]] = {}
        for shard in shards:
            node = self._nodes.get(shard)
            if node is not None and node not in self._calls:
                groups.setdefault(node, []).append(shard)
        return groups

    def _find(self, lost: list[Shard]) -> None:
        now = self._clock.monotonic()
        self._lost |= dict.fromkeys(lost)
        if self._search is None and self._lost and now - self._searched_at >= SEARCH_EVERY_S:
            self._searched_at = now
            failures, self._failures = self._failures, []
            wanted, self._lost = list(self._lost), {}
            self._search = self._threads.submit(self._locate, wanted, failures)
            wait([self._search], ANSWER_WAIT_S)
        if self._search is not None and self._search.done():
            found = self._search.result()
            self._search = None
            self._nodes |= found.nodes
            self._lost = dict.fromkeys(found.left) | self._lost
            if found.problem != self._problem:
                _log.warning("outboxes out of reach: %s", found.problem or "none")
            self._problem = found.problem

    def _locate(
        self, shards: list[Shard], failures: list[tuple[Shard, Node, redis.RedisError]]
    ) -> _Found:
        """In a thread, one search at a time: StockCluster is for one user, and it may block."""
        end = self._clock.monotonic() + SEARCH_MAX_S
        for shard, node, error in failures:
            self._clusters.of(shard).failed(error, node)
        nodes, problem, looked_at = {}, "", 0
        for shard in shards:
            looked_at += 1
            try:
                nodes[shard] = self._clusters.of(shard).node_of(shard)
            except Unavailable as error:
                problem = str(error)
            if self._clock.monotonic() > end:
                break
        return _Found(nodes, problem, shards[looked_at:])


def _execute(node: Node, commands: list[tuple[Any, ...]]) -> list[Any]:
    pipeline = node.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    return list(pipeline.execute(raise_on_error=False))

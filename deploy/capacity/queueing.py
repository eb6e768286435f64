"""Waiting in line, by formula. Times in seconds, rates a second; inf where a line grows for ever.

Sources: Erlang C, Pollaczek and Khinchine as in Gross, Shortle, Thompson, Harris, *Fundamentals of
Queueing Theory*; Allen and Cunneen's approximation of M/G/c as in Allen, *Probability, Statistics
and Queueing Theory*; service in batches that form while the last one is served after Bailey,
*On queueing processes with bulk service* (1954), here with several callers and a fixed part.
"""

import math
from dataclasses import dataclass


def erlang_c(servers: int, offered: float) -> float:
    """The chance that somebody has to wait in M/M/c with `offered` = rate × service time."""
    if offered >= servers:
        return 1.0
    # Erlang B by its recursion: no factorials, so no overflow with thousands of servers.
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def mmc_wait_s(rate: float, service_s: float, servers: int) -> float:
    """Mean wait before the service begins in M/M/c."""
    offered = rate * service_s
    if offered >= servers:
        return math.inf
    return erlang_c(servers, offered) * service_s / (servers - offered)


def mgc_wait_s(rate: float, service_s: float, servers: int, variation: float) -> float:
    """The same of M/G/c; `variation`: squared coefficient of the service time. Exact for one."""
    return mmc_wait_s(rate, service_s, servers) * (1 + variation) / 2


@dataclass(frozen=True)
class BatchServer:
    """A stock Redis: turns of its event loop, each ended by one fsync, with the calls that came.

    A caller (a gateway worker) has one call under way; who comes meanwhile goes with its next one,
    `batch_max` at most. With many callers, half of them have a call in a turn while the other half
    reads its answers, so each takes part in every second turn.
    """

    cycle_s: float
    call_s: float
    request_s: float
    fsync_s: float
    batch_max: int

    def turn_s(self, calls: float, requests: float) -> float:
        """How long a turn takes."""
        return self.fsync_s + self.busy_s(calls, requests)

    def busy_s(self, calls: float, requests: float) -> float:
        """Its processor time."""
        return self.cycle_s + calls * self.call_s + requests * self.request_s

    def most_per_s(self, callers: int) -> float:
        """Requests a second that it takes when every batch is full."""
        calls = max(callers / 2, 1.0)
        return calls * self.batch_max / self.turn_s(calls, calls * self.batch_max)

    def steady_turn_s(self, rate: float, callers: int) -> float:
        """The length of a turn at which as many are served as come: the fixed point, from below."""
        if rate >= self.most_per_s(callers):
            return math.inf
        half = max(callers / 2, 1.0)
        turn_s = self.turn_s(0, 0)
        for _ in range(10_000):
            # Callers to whom somebody came in the two turns since they were last answered.
            calls = half * -math.expm1(-rate * turn_s / half)
            longer_s = self.turn_s(calls, rate * turn_s)
            if longer_s - turn_s < 1e-9:
                break
            turn_s = longer_s
        return turn_s

    def steady_busy(self, rate: float, callers: int) -> float:
        """The share of a core that it then uses."""
        turn_s = self.steady_turn_s(rate, callers)
        return 1.0 if math.isinf(turn_s) else 1 - self.fsync_s / turn_s

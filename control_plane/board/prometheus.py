"""Prometheus' HTTP API, as much of it as the board asks. Blocking; call it in a thread."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 0.8
RANGE_TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
# Everything the board shows, by one question: what deploy/prometheus/board.rules.yml makes of the
# figures of all processes, and the few that need no making.
BOARD = (
    '{__name__=~"sluice:.+|up|sluice_worker_ready|sluice_queue_(waiting|outstanding|served_until)'
    '|sluice_shard_(avail|fenced|takes_writes)|sluice_item_(units|ended_units)"}'
)

Labels = tuple[tuple[str, str], ...]


class Unanswered(Exception):
    """Prometheus is away, late, or does not understand; the message says which."""


@dataclass(frozen=True)
class Samples:
    """The values of one moment, by name and labels."""

    values: dict[str, dict[Labels, float]]

    def one(self, name: str, **labels: str) -> float | None:
        """The value with exactly these labels; None where there is none."""
        return self.values.get(name, {}).get(tuple(sorted(labels.items())))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Values by one of their labels; of several the largest, as of several control planes."""
        found: dict[str, float] = {}
        for labels, value in self.values.get(name, {}).items():
            key = dict(labels).get(label, "")
            found[key] = max(value, found.get(key, value))
        return found

    def of(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """All values of a name with their labels."""
        for labels, value in self.values.get(name, {}).items():
            yield dict(labels), value


EMPTY = Samples({})


def instant(url: str, query: str = BOARD, at: float | None = None) -> Samples:
    """The values of now, or of a moment. Raises Unanswered."""
    asked = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
    result = _ask(f"{url}/api/v1/query", asked, TIMEOUT_S)["result"]
    samples = _Collected()
    for series in result:
        samples.add(series["metric"], series["value"][1])
    return Samples(samples.values)


def over(
    url: str, since: float, until: float, step_s: float, query: str = BOARD
) -> dict[float, Samples]:
    """The values of every step of a while, by its moment. Raises Unanswered."""
    asked = {"query": query, "start": since, "end": until, "step": step_s}
    collected: dict[float, _Collected] = {}
    for series in _ask(f"{url}/api/v1/query_range", asked, RANGE_TIMEOUT_S)["result"]:
        for at, value in series["values"]:
            collected.setdefault(float(at), _Collected()).add(series["metric"], value)
    return {at: Samples(collected[at].values) for at in sorted(collected)}


def values_of(url: str, label: str, match: str, since: float, until: float) -> set[str]:
    """What the label says in all series of a while that are still kept. Raises Unanswered."""
    asked = {"match[]": match, "start": f"{since:.3f}", "end": f"{until:.3f}"}
    return set(_ask(f"{url}/api/v1/label/{label}/values", asked, TIMEOUT_S, is_form=False))


class _Collected:
    def __init__(self) -> None:
        self.values: dict[str, dict[Labels, float]] = {}

    def add(self, metric: dict[str, str], value: str) -> None:
        number = float(value)
        if number != number:  # a quantile of nothing
            return
        kept = ((name, text) for name, text in metric.items() if name != "__name__")
        self.values.setdefault(metric["__name__"], {})[tuple(sorted(kept))] = number


def _ask(address: str, asked: dict[str, Any], timeout_s: float, is_form: bool = True) -> Any:
    query = urllib.parse.urlencode(asked)
    # As a form: the question is longer than some proxies take in an address.
    body = query.encode() if is_form else None
    try:
        url = address if is_form else f"{address}?{query}"
        with urllib.request.urlopen(url, body, timeout=timeout_s) as answer:
            said = json.loads(answer.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as error:
        raise Unanswered(f"Prometheus answered {error.code}") from error
    except (OSError, ValueError) as error:
        raise Unanswered(f"Prometheus: {error}") from error
    return said["data"]

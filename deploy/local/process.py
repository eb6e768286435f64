"""What the stack knows about one process, and the two words a check may say about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deploy.local.site import Site


class Unhealthy(Exception):
    """The check reached a verdict: not usable (yet). The text says why."""


class CannotStart(Exception):
    """Nothing will get better by waiting. The text says what a person has to do."""


def _nothing(site: Site) -> None:
    """The default of every optional step."""


@dataclass(frozen=True)
class Process:
    """A supervised program. Steps take the site; `alive` and `healthy` raise Unhealthy.

    `prepare` runs before the start, `finish` once it is alive (databases, slots, topics), and
    `healthy` is what the next process in the list may rely on. All of them may be repeated.
    """

    name: str
    command: Callable[[Site], Sequence[str]]
    healthy: Callable[[Site], None]
    prepare: Callable[[Site], None] = _nothing
    alive: Callable[[Site], None] | None = None
    finish: Callable[[Site], None] = _nothing
    ports: tuple[str, ...] = ()
    url_path: str | None = None
    sources: tuple[str, ...] = ()
    silent: bool = False  # answers nobody: healthy when it has run for supervisor's startsecs
    user: Callable[[], str | None] = field(default=lambda: None)
    stop_signal: str = "TERM"
    stop_wait_s: int = 10
    deadline_s: int = 60

    def is_alive(self, site: Site) -> None:
        """Raise Unhealthy unless `finish` can work."""
        (self.alive or self.healthy)(site)


@dataclass(frozen=True)
class OneShot:
    """A command that runs to its end between two processes when its `sources` changed."""

    name: str
    run: Callable[[Site], None]
    done: Callable[[Site], bool]

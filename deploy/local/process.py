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


def _no_role(site: Site) -> str:
    return ""


@dataclass(frozen=True)
class Process:
    """A supervised program. Steps take the site; `alive` and `healthy` raise Unhealthy.

    `prepare` runs before the start, `finish` once it is alive (databases, slots, topics), and
    `healthy` is what the next process in the list may rely on. All of them may be repeated.
    Where health depends on processes further down (`healthy_together`), `up` waits only until the
    process is alive, restarts it only when it is not, and leaves the health to a OneShot behind.
    """

    name: str
    command: Callable[[Site], Sequence[str]]
    healthy: Callable[[Site], None]
    prepare: Callable[[Site], None] = _nothing
    alive: Callable[[Site], None] | None = None
    healthy_together: bool = False
    role: Callable[[Site], str] = _no_role  # for `status`: what it is among its like
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

    def is_up(self, site: Site) -> None:
        """Raise Unhealthy while `up` has to wait for it, or has to restart it."""
        (self.is_alive if self.healthy_together else self.healthy)(site)


@dataclass(frozen=True)
class OneShot:
    """A command that runs to its end between two processes unless it is `done`."""

    name: str
    run: Callable[[Site], None]
    done: Callable[[Site], bool]

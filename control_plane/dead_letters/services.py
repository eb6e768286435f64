"""What may be done with dead letters. Nobody else writes the retry table."""

from control_plane.dead_letters.attempts import Result
from control_plane.dead_letters.by_hand import AlreadyOrdered, discard, retry_now
from control_plane.dead_letters.keeping import Backlog, Letter, backlog, keep, open_letters
from control_plane.dead_letters.models import ErrorKind, Source
from control_plane.dead_letters.reading import Unreadable
from control_plane.dead_letters.replaying import NotNow, Refused, replay_due
from control_plane.dead_letters.retrying import retry_due

__all__ = [
    "AlreadyOrdered",
    "Backlog",
    "ErrorKind",
    "Letter",
    "NotNow",
    "Refused",
    "Result",
    "Source",
    "Unreadable",
    "backlog",
    "discard",
    "keep",
    "open_letters",
    "replay_due",
    "retry_due",
    "retry_now",
]

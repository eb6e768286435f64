"""The Redis scripts of `lua/`, as text with their SHA-1."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from workers.stock.keys import Shard

_LUA = Path(__file__).resolve().parents[2] / "lua"


@dataclass(frozen=True)
class Script:
    """A script's text and the name Redis gives it."""

    text: str
    sha: str


def _script(text: str) -> Script:
    # A name, not a safeguard: it is what Redis computes.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def load(name: str) -> Script:
    """The script `lua/<name>.lua` as it is."""
    return _script((_LUA / f"{name}.lua").read_text())


ARM = load("arm")
REBUILD = load("rebuild")
GRANT = load("grant")
RECLAIM = load("reclaim")
DISARM = load("disarm")
RELEASE = load("release")
MARK_SOLD_OUT = load("mark_sold_out")
TRIM = load("trim")
BAN = load("ban")
FORGET = load("forget")
INSPECT = load("inspect")
OPEN_QUEUE = load("open_queue")
TAKE_NUMBERS = load("take_numbers")
LOOK_QUEUE = load("look_queue")
MOVE_WINDOW = load("move_window")
JOIN_LOBBY = load("join_lobby")
CLOSE_LOBBY = load("close_lobby")
_RESERVE_TEMPLATE = load("reserve").text


def reserve_for(shard: Shard) -> Script:
    """The reserve script of a shard and epoch; both are literals in it, so each has its own SHA."""
    text = _RESERVE_TEMPLATE.replace("@TAG@", shard.tag).replace("@EPOCH@", str(shard.epoch))
    # The header names the placeholders too; the code must have lost both.
    return _script(text)

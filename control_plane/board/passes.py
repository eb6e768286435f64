"""Who may look at the board: signed, expiring passes, checked without a session or a query.

The page gets one from Django, which has checked the permission, and shows it with every look. Staff
get theirs for a minute and renew it; a wall's is its link. Both name whom they are for, so that a
link can be withdrawn.
"""

import time
from dataclasses import dataclass

from django.core import signing

STAFF_LASTS_S = 60
STAFF, WALL = "staff", "wall"
# A "~" is in no base64.
_SEPARATOR = "~"
_SALT = "sluice.board.pass"


@dataclass(frozen=True)
class Pass:
    """`kind` is STAFF or WALL; `name` the user's number or the link's name."""

    kind: str
    name: str
    expires_at: int


class BadPass(Exception):
    """Forged, over, or not ours."""


def sign(kind: str, name: str, expires_at: float) -> str:
    """The pass as text; only letters, digits, `-`, `_`, `.` and `~`."""
    return _signer().sign(f"{kind}.{name}.{int(expires_at)}")


def read(text: str, now: float | None = None) -> Pass:
    """The pass behind the text. Raises BadPass."""
    try:
        kind, name, expires_at = _signer().unsign(text).split(".")
        found = Pass(kind, name, int(expires_at))
    except (signing.BadSignature, ValueError):
        raise BadPass from None
    if found.expires_at <= (time.time() if now is None else now):
        raise BadPass
    return found


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=_SEPARATOR)

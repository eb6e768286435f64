"""How long, as people type it."""

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse(text: str) -> timedelta:
    """`90s`, `10m`, `2h` or `1d`. Raises ValueError."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhd])", text)
    if not match:
        raise ValueError(f"a number with s, m, h or d, as in 10m, not {text!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})

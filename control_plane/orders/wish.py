"""Reads the body of `POST /internal/reserve`, strictly.

Its lines become messages of topic `reservations`: what is let through here, the order consumer
must be able to land, or the units it holds would belong to nobody.
"""

import json
from typing import Any, NamedTuple

from control_plane.orders.services import REQUESTS_MAX, BadLine, Request, read_line

KEYS = {"item", "shard", "epoch", "lines"}
BOUNDS = {"item": (1, 2**63 - 1), "shard": (0, 2**15 - 1), "epoch": (1, 2**31 - 1)}


class BadWish(ValueError):
    """`field` names what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Wish(NamedTuple):
    """A batch for one shard."""

    item: int
    shard: int
    epoch: int
    requests: list[Request]


def parse(body: bytes) -> Wish:
    """The batch; raises BadWish."""
    fields = _object(body)
    item, shard, epoch = (_integer(fields, name) for name in BOUNDS)
    lines = fields["lines"]
    if type(lines) is not list or not 1 <= len(lines) <= REQUESTS_MAX:
        raise BadWish("lines", f"Must be a list of 1 to {REQUESTS_MAX}.")
    return Wish(item, shard, epoch, [_request(line, item, shard, epoch) for line in lines])


def _request(line: Any, item: int, shard: int, epoch: int) -> Request:
    if type(line) is not str:
        raise BadWish("lines", "Each must be a string.")
    try:
        return read_line(line, item, shard, epoch)
    except BadLine as error:
        raise BadWish("lines", str(error)) from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadWish("body", "Not JSON.") from None
    if type(fields) is not dict or fields.keys() != KEYS:
        raise BadWish("body", f"Must be an object of {', '.join(sorted(KEYS))}.")
    return fields


def _integer(fields: dict[str, Any], name: str) -> int:
    least, most = BOUNDS[name]
    value = fields[name]
    # bool is an int in Python.
    if type(value) is not int or not least <= value <= most:
        raise BadWish(name, f"Must be an integer from {least} to {most}.")
    return value

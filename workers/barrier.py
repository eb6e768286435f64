"""The barrier of an old epoch: the other message of topic `reservations` (DESIGN §5).

The stock agent sends one to every partition once the epoch's outbox is drained. Behind it no
partition holds a reservation of that epoch that was not sent before; when all of them were seen,
what is left of the epoch's units is free.
"""

import json
import re
import uuid
from typing import Any, NamedTuple

from workers.runtime.verdicts import InvalidMessage

VERSION = 1
TYPE = "barrier"
BOUNDS = {"item": (1, 2**63 - 1), "shard": (0, 2**15 - 1), "epoch": (1, 2**31 - 1)}

# As `str(UUID)` writes it, and nothing else that UUID() would take.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Barrier(NamedTuple):
    """A re-arm's barrier as it was read, with the partition it stood in."""

    rearm_id: uuid.UUID
    partition: int


def encode(rearm_id: uuid.UUID, item: int, shard: int, epoch: int) -> bytes:
    """The message; the same bytes for every partition and every repeat."""
    names = {"v": VERSION, "type": TYPE, "rearm_id": str(rearm_id)}
    of_epoch = {"item": item, "shard": shard, "epoch": epoch}
    return json.dumps(names | of_epoch, separators=(",", ":")).encode()


def read(fields: dict[str, Any], partition: int) -> Barrier:
    """The barrier that these fields are; raises InvalidMessage with the field and the reason.

    Strict, fields we do not know included: a wrong barrier gives units away that are still sold.
    """
    if fields.get("type") != TYPE:
        raise InvalidMessage(f"type: unknown: {str(fields.get('type'))[:20]!r}")
    unknown = sorted(fields.keys() - {"v", "type", "rearm_id", *BOUNDS})
    if unknown:
        raise InvalidMessage(f"{unknown[0][:20]}: not a field of a barrier")
    for name, (least, most) in BOUNDS.items():
        value = fields.get(name)
        if type(value) is not int or not least <= value <= most:
            raise InvalidMessage(f"{name}: must be an integer from {least} to {most}")
    value = fields.get("rearm_id")
    if type(value) is not str or not _UUID.fullmatch(value):
        raise InvalidMessage("rearm_id: must be a UUID as it is usually written")
    return Barrier(uuid.UUID(value), partition)

"""What became of the entries of an outbox: decided, dead letters, or neither yet."""

from typing import Any

from control_plane.dead_letters.services import open_letters
from control_plane.orders.services import decided
from workers.runtime.database import unavailable_when_down
from workers.runtime.verdicts import InvalidMessage
from workers.stock.keys import Shard
from workers.stock.outbox import lines_of, request_of


def decided_prefix(
    shard: Shard, entries: list[tuple[bytes, Any]], oldest_pending: bytes | None
) -> list[bytes]:
    """Ids from the first entry up to the first that is pending or not wholly decided."""
    prefix: list[tuple[bytes, list[str]]] = []
    for entry_id, fields in entries:
        reservations = _reservation_ids(shard, lines_of(fields))
        if reservations is None or (oldest_pending and not _before(entry_id, oldest_pending)):
            break
        prefix.append((entry_id, reservations))
    with unavailable_when_down("default"):
        known = decided([one for _, reservations in prefix for one in reservations])
    ids = []
    for entry_id, reservations in prefix:
        if not known.issuperset(reservations):
            break
        ids.append(entry_id)
    return ids


def first_without_letter(
    shard: Shard, entries: list[tuple[bytes, Any]], oldest_pending: bytes | None
) -> bytes | None:
    """Id of the first entry that is pending, or not wholly decided or kept as dead letters.

    One that cannot be read is a dead letter too.
    """
    reservations = {entry: _reservation_ids(shard, lines_of(fields)) for entry, fields in entries}
    asked = [one for of_entry in reservations.values() for one in of_entry or ()]
    with unavailable_when_down("default"):
        explained = decided(asked) | open_letters(asked)
    for entry_id, of_entry in reservations.items():
        if oldest_pending and not _before(entry_id, oldest_pending):
            return entry_id
        if not explained.issuperset(of_entry or ()):
            return entry_id
    return None


def ms(entry_id: bytes) -> int:
    """When it was written."""
    return int(entry_id.split(b"-")[0])


def _reservation_ids(shard: Shard, lines: list[bytes]) -> list[str] | None:
    """None when one cannot be read: such an entry is evidence and stays."""
    try:
        return [request_of(shard, line).reservation_id for line in lines]
    except InvalidMessage:
        return None


def _before(entry_id: bytes, other: bytes) -> bool:
    return [int(part) for part in entry_id.split(b"-")] < [int(part) for part in other.split(b"-")]

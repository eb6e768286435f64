"""One request as a gateway writes it and an outbox keeps it: a line of text.

    ann 7-0-<22 characters>=1 <device> regular 1800000000000

shopper, reservation_id=qty, device, level, time of the click in ms. What is the same for a whole
batch, item, shard and epoch, its place says: the keys of an outbox, the body of a call. `message`
puts all of it together. A purchase that is followed has its trace and span behind a last blank,
`<32 digits>-<16 digits>`, and a field `trace` in its message.
"""

import re

from control_plane.orders.database import Request

# Four times the longest that a gateway writes.
BYTES_MAX = 1024
# Above smallint it cannot be within any item's limit.
QTY_MAX = 2**15 - 1
# 2001 to 2100: a time in seconds or in microseconds falls outside.
AT_MS_MIN, AT_MS_MAX = 10**12, 4_102_444_800_000

_LINE = re.compile(
    r"([A-Za-z0-9._:-]{1,64}) "
    r"((0|[1-9]\d{0,18})-(0|[1-9]\d{0,4})-[A-Za-z0-9_-]{22})=([1-9]\d{0,4}) "
    r"([A-Za-z0-9_-]{1,64}) ([a-z_]{1,32}) ([1-9]\d{12})(?: ([0-9a-f]{32}-[0-9a-f]{16}))?",
    re.ASCII,
)


class BadLine(ValueError):
    """It is none, or it stands in the wrong place."""


def read(line: str, item: int, shard: int, epoch: int) -> Request:
    """The request, with its message of topic `reservations`; raises BadLine."""
    match = _LINE.fullmatch(line) if len(line) <= BYTES_MAX else None
    if match is None:
        raise BadLine("a line is `shopper reservation_id=qty device level at_ms`")
    shopper, reservation_id, of_item, of_shard, qty, device, level, at_ms, trace = match.groups()
    if (int(of_item), int(of_shard)) != (item, shard):
        raise BadLine("reservation_id: must be <item>-<shard>-<22 characters>")
    if int(qty) > QTY_MAX:
        raise BadLine(f"qty: must be an integer from 1 to {QTY_MAX}")
    if not AT_MS_MIN <= int(at_ms) <= AT_MS_MAX:
        raise BadLine(f"at_ms: must be an integer from {AT_MS_MIN} to {AT_MS_MAX}")
    message = (
        f'{{"v":1,"reservation_id":"{reservation_id}","item":{item},"shard":{shard},'
        f'"epoch":{epoch},"shopper":"{shopper}","qty":{qty},"device":"{device}",'
        f'"level":"{level}","at_ms":{at_ms}}}'
    )
    if trace is None:
        return Request(shopper, reservation_id, int(qty), message)
    return Request(shopper, reservation_id, int(qty), f'{message[:-1]},"trace":"{trace}"}}', trace)

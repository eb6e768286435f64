"""A message nobody could use, on its way to the dead letters with its source and the reason."""

import logging
from collections.abc import Iterable

from confluent_kafka import Message

from workers.runtime.consumer import DeadLetter
from workers.runtime.kafka import Outgoing
from workers.runtime.membership import position_of

# Below the broker's message limit of 1 MB, with room for the headers.
VALUE_BYTES_MAX = 512 * 1024
ERROR_CHARACTERS_MAX = 500

_log = logging.getLogger(__name__)


def outgoing(dead: Iterable[DeadLetter], topic: str, group: str) -> list[Outgoing]:
    """A message of `topic` for each, and a line of the log; `group` is who could not use it."""
    messages = []
    for letter in dead:
        at = position_of(letter.message)
        source = f"{at.topic}/{at.partition}/{at.offset}"
        _log.error("dead letter: %s", letter.error, extra={"source": source, "group": group})
        messages.append(_outgoing(letter, topic, group))
    return messages


def _outgoing(dead_letter: DeadLetter, topic: str, group: str) -> Outgoing:
    """Original key, value and headers, error and source; an oversize value is cut and says so."""
    message = dead_letter.message
    source = position_of(message)
    value = _bytes(message.value())
    headers = [
        *_headers(message),
        ("error", dead_letter.error[:ERROR_CHARACTERS_MAX].encode()),
        ("error_kind", dead_letter.kind.encode()),
        ("consumer", group.encode()),
        ("source_topic", source.topic.encode()),
        ("source_partition", str(source.partition).encode()),
        ("source_offset", str(source.offset).encode()),
    ]
    if len(value) > VALUE_BYTES_MAX:
        headers.append(("value_bytes", str(len(value)).encode()))
    key = message.key()
    return Outgoing(topic, None if key is None else _bytes(key), value[:VALUE_BYTES_MAX], headers)


def _headers(message: Message) -> list[tuple[str, bytes]]:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name, _bytes(content)) for name, content in pairs]


def _bytes(content: str | bytes | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""

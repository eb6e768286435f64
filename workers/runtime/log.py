"""Log lines as JSON, one object a line, with every field given as `extra`."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

# What a LogRecord has of itself; all else came from `extra` and belongs into the line.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """at, level, logger, message, then the extra fields (`item`, `reservation_id`, …)."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; values that JSON does not know are written as text."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """Send everything to stderr as JSON; replaces what Django's settings had set up."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)

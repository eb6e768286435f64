"""Log lines as JSON, one object a line, with every field given as `extra`."""

import json
import logging

from django.conf import settings

from control_plane.config.json_log import head

# What a LogRecord has of itself; all else came from `extra` and belongs into the line.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """at, level, process, message, logger, then the extra fields (`item`, `reservation_id`, …)."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; values that JSON does not know are written as text."""
        line = head(record, settings.ENV.process)
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """Send everything to stderr as JSON; replaces what Django's settings had set up."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)

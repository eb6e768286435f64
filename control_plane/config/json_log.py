"""Log lines as JSON, one object a line."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

CONTEXT_FIELDS = ("trace_id", "item", "reservation_id")


class JsonFormatter(logging.Formatter):
    """`extra={"item": 7}` and the other context fields become fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in CONTEXT_FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def config(level: str) -> dict[str, Any]:
    """A `logging.config.dictConfig` that sends everything to stderr as JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "control_plane.config.json_log.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        # Django attaches its own handlers to this logger; the root's line is enough.
        "loggers": {
            "django": {"handlers": [], "propagate": True, "level": level.upper()},
            # Two lines a second for a task that runs every second; failures are still told.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # A line for every sign-in, with the name; its refusals are warnings.
            "axes": {"level": "WARNING"},
        },
    }

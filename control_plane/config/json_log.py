"""Log lines as JSON, one object a line, as deploy/logs/line.schema.json says."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from control_plane.config import tracing

CONTEXT_FIELDS = ("trace_id", "item", "reservation_id")


def head(record: logging.LogRecord, process: str) -> dict[str, Any]:
    """What every line begins with."""
    return {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "process": process,
        "message": record.getMessage(),
        "logger": record.name,
    }


class JsonFormatter(logging.Formatter):
    """`extra={"item": 7}` and the other context fields become fields of the line."""

    def __init__(self, process: str = "control-plane") -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = head(record, self._process)
        if trace_id := tracing.current_trace_id.get():
            line["trace_id"] = trace_id
        for name in CONTEXT_FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def config(level: str, process: str) -> dict[str, Any]:
    """A `logging.config.dictConfig` that sends everything to stderr as JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "control_plane.config.json_log.JsonFormatter", "process": process}
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        # Django attaches its own handlers to this logger; the root's line is enough.
        "loggers": {
            "django": {"handlers": [], "propagate": True, "level": level.upper()},
            # As for Django: uvicorn's own format is none of ours.
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.error": {"handlers": [], "propagate": True},
            # Off, as it was started: its lines have addresses, and the gateway has them all.
            "uvicorn.access": {"handlers": [], "propagate": False},
            # Two lines a second for a task that runs every second; failures are still told.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # A line for every sign-in, with the name; its refusals are warnings.
            "axes": {"level": "WARNING"},
        },
    }

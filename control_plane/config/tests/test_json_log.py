"""One JSON object a line."""

import json
import logging
import sys

from control_plane.config.json_log import JsonFormatter


def _line(**extra):
    record = logging.LogRecord("sluice", logging.INFO, __file__, 1, "took %s", ("茶",), None)
    record.__dict__.update(extra)
    return json.loads(JsonFormatter().format(record))


def test_a_line_has_level_logger_message_and_time():
    line = _line()
    assert (line["level"], line["logger"], line["message"]) == ("info", "sluice", "took 茶")
    assert line["at"].endswith("+00:00")


def test_context_fields_are_there_only_when_given():
    line = _line(item=7, trace_id="abc", unrelated=1)
    assert (line["item"], line["trace_id"]) == (7, "abc")
    assert "reservation_id" not in line
    assert "unrelated" not in line


def test_an_exception_stays_on_its_line():
    try:
        raise ValueError("no")
    except ValueError:
        line = _line(exc_info=sys.exc_info())
    assert line["exception"].endswith("ValueError: no")

"""Checks a value against the JSON Schemas of workers/schemas (draft 2020-12).

The part of the standard that they use, in fifty lines, instead of a dependency: a keyword that is
not known here is an error, so no schema can ask for something that is silently not checked.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "schemas"
NOTES = {"$schema", "title", "description"}
TYPES = {"object": dict, "string": str, "integer": int}


def load(name: str) -> dict[str, Any]:
    """The schema of a topic's version, e.g. `reservations.v1`."""
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return schema


def faults(value: Any, schema: dict[str, Any], at: str = "") -> list[str]:
    """What is wrong with it, each with its place; none when it is valid."""
    return [
        fault
        for keyword, wanted in schema.items()
        if keyword not in NOTES
        for fault in _check(keyword, wanted, value, schema, at)
    ]


def _check(keyword: str, wanted: Any, value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    if keyword == "oneOf":
        found = [faults(value, one, at) for one in wanted]
        if sum(not one for one in found) != 1:
            yield f"{at}: not exactly one of {len(wanted)}: {min(found, key=len)}"
    elif keyword == "type":
        # bool is an int in Python.
        if type(value) is not TYPES[wanted]:
            yield f"{at}: not of type {wanted}"
    elif keyword == "const":
        if (type(value), value) != (type(wanted), wanted):
            yield f"{at}: not {wanted!r}"
    elif keyword == "enum":
        if value not in wanted:
            yield f"{at}: none of {wanted}"
    elif keyword in ("properties", "required", "additionalProperties"):
        if type(value) is dict:
            yield from _check_object(keyword, wanted, value, schema, at)
    else:
        yield from _check_bound(keyword, wanted, value, at)


def _check_object(
    keyword: str, wanted: Any, value: dict[str, Any], schema: dict[str, Any], at: str
) -> Iterator[str]:
    if keyword == "properties":
        for name in wanted.keys() & value.keys():
            yield from faults(value[name], wanted[name], f"{at}/{name}")
    elif keyword == "required":
        yield from (f"{at}/{name}: missing" for name in wanted if name not in value)
    elif wanted is False:
        yield from (f"{at}/{name}: unknown" for name in value.keys() - schema["properties"].keys())


def _check_bound(keyword: str, wanted: Any, value: Any, at: str) -> Iterator[str]:
    is_number, is_text = type(value) is int, type(value) is str
    fits = {
        "minimum": lambda: not is_number or value >= wanted,
        "maximum": lambda: not is_number or value <= wanted,
        "minLength": lambda: not is_text or len(value) >= wanted,
        "maxLength": lambda: not is_text or len(value) <= wanted,
        "pattern": lambda: not is_text or re.search(wanted, value),
    }
    if not fits[keyword]():
        yield f"{at}: {keyword} {wanted}"

"""Checks a draw record: python -m control_plane.queues.verify draw.json [draw.csv] [--ticket T]

Standard library only: this file and `places.py` are all that is needed, on any machine.

draw.json is what `/api/v1/draws/{item}/` answers, the CSV file what its `record.csv` does. Exits
with 0 when the record is right, with 1 and one line that says what is wrong when it is not.
"""

import argparse
import base64
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from control_plane.queues.places import ALGORITHM, Places, commit_of, places

HEADER = "bucket,lobby_number,place"
_ROW = re.compile(r"(0|[1-9]\d*),(0|[1-9]\d*),(0|[1-9]\d*)", re.ASCII)


class Wrong(Exception):
    """What is wrong with a record."""


def check_summary(summary: dict[str, Any], commit: str | None = None) -> list[Places]:
    """The places that the record's seed gives; raises Wrong. `commit`: as published before."""
    try:
        seed, sizes, item = bytes.fromhex(summary["seed"]), summary["sizes"], int(summary["item"])
        stated = summary["commit"]
    except (KeyError, TypeError, ValueError) as error:
        raise Wrong(f"the record cannot be read: {error}") from None
    if summary.get("algorithm") != ALGORITHM:
        raise Wrong(f"the algorithm is {summary.get('algorithm')!r}, this checks {ALGORITHM}")
    if commit_of(seed) != stated:
        raise Wrong("the seed is not the one that was committed to")
    if commit is not None and commit != stated:
        raise Wrong("the commitment is not the one that was published before the draw")
    if not isinstance(sizes, list) or any(type(size) is not int or size < 0 for size in sizes):
        raise Wrong("the sizes of the lobby are not whole numbers")
    return places(seed, item, sizes)


def check_rows(lines: Iterator[str], of: Sequence[Places]) -> int:
    """How many rows are right, which must be all; raises Wrong at the first that is not."""
    if next(lines, "").rstrip("\n") != HEADER:
        raise Wrong(f"the first line is not {HEADER}")
    count = 0
    for bucket, drawn in enumerate(of):
        for number in range(drawn.size):
            line = next(lines, None)
            if line is None:
                raise Wrong(f"the row of bucket {bucket}, lobby number {number} is missing")
            match = _ROW.fullmatch(line.rstrip("\n"))
            expected = (bucket, number, drawn.place_of(number))
            if not match or tuple(int(one) for one in match.groups()) != expected:
                raise Wrong(
                    f"line {count + 2} is {line.rstrip()!r}, it must be"
                    f" {','.join(str(one) for one in expected)}"
                )
            count += 1
    if next(lines, None) is not None:
        raise Wrong(f"there are more rows than the {count} who joined")
    return count


def read_ticket(ticket: str, item: int) -> tuple[int, int]:
    """Bucket and lobby number of a lobby ticket. Its signature is the gateway's affair."""
    try:
        payload = ticket.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = int(claims["item"]), claims["kind"], int(claims["bucket"]), int(claims["number"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise Wrong("this is not a ticket") from None
    if found[0] != item:
        raise Wrong(f"the ticket is of item {found[0]}, the record of item {item}")
    if found[1] != "lobby":
        raise Wrong("the ticket is not of the lobby, so no place was drawn for it")
    return found[2], found[3]


def _place(of: Sequence[Places], bucket: int, number: int) -> str:
    if not 0 <= bucket < len(of):
        raise Wrong(f"there is no bucket {bucket}")
    if not 0 <= number < of[bucket].size:
        raise Wrong(f"lobby number {number} is not one of bucket {bucket}")
    place, size = of[bucket].place_of(number), of[bucket].size
    return f"bucket {bucket}, lobby number {number}: place {place} of 0 to {size - 1}"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verify", description="Checks a draw record.")
    parser.add_argument("record", type=Path, help="draw.json, of /api/v1/draws/{item}/")
    parser.add_argument("rows", type=Path, nargs="?", help="the CSV file with everybody's place")
    parser.add_argument("--commit", help="the commitment as you saw it before the draw")
    parser.add_argument("--ticket", help="a lobby ticket: what place is its?")
    parser.add_argument("--bucket", type=int, help="with --number: what place is drawn?")
    parser.add_argument("--number", type=int, help="a lobby number")
    chosen = parser.parse_args(words)
    if (chosen.bucket is None) != (chosen.number is None):
        parser.error("--bucket and --number belong together")
    return chosen


def main(words: Sequence[str] | None = None) -> int:
    """The exit code."""
    chosen = _arguments(words)
    try:
        summary = json.loads(chosen.record.read_text())
        of = check_summary(summary, chosen.commit)
        if chosen.rows is not None:
            with chosen.rows.open(newline="\n") as lines:
                count = check_rows(lines, of)
            print(f"right: {count} places of item {summary['item']}")
        else:
            print(
                f"right: seed and commitment of item {summary['item']}, {summary['sizes']} joined"
            )
        if chosen.ticket is not None:
            print(_place(of, *read_ticket(chosen.ticket, int(summary["item"]))))
        if chosen.number is not None:
            print(_place(of, chosen.bucket, chosen.number))
    except (Wrong, OSError, ValueError) as error:
        print(f"wrong: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

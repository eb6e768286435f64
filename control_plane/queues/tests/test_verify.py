"""The verifier: a good record is right, one that was changed anywhere is wrong in one line."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from control_plane.queues import verify
from control_plane.queues.places import ALGORITHM, Places, commit_of, places

SEED = bytes(range(32))
SIZES = [3, 40, 0, 1]


@pytest.fixture
def summary() -> dict[str, Any]:
    """What /api/v1/draws/7/ answers, as far as it is checked."""
    return {
        "item": 7,
        "algorithm": ALGORITHM,
        "commit": commit_of(SEED),
        "seed": SEED.hex(),
        "sizes": SIZES,
    }


@pytest.fixture
def lines() -> list[str]:
    """Its rows."""
    return [
        "bucket,lobby_number,place",
        *(
            f"{bucket},{number},{of.place_of(number)}"
            for bucket, of in enumerate(places(SEED, 7, SIZES))
            for number in range(of.size)
        ),
    ]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run it on these; the exit code and what it says."""

    def run(summary: dict[str, Any], lines: list[str] | None, *more: str) -> tuple[int, str]:
        record, rows = tmp_path / "draw.json", tmp_path / "draw.csv"
        record.write_text(json.dumps(summary))
        words = [str(record)]
        if lines is not None:
            rows.write_text("".join(f"{line}\n" for line in lines))
            words.append(str(rows))
        code = verify.main([*words, *more])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_a_good_record_is_right(check: Any, summary: dict[str, Any], lines: list[str]) -> None:
    assert check(summary, lines) == (0, "right: 44 places of item 7\n")
    assert check(summary, None)[0] == 0


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("seed", "ff" * 32, "not the one that was committed to"),
        ("seed", "xyz", "cannot be read"),
        ("commit", "0" * 64, "not the one that was committed to"),
        ("sizes", [3, 41, 0, 1], "line 5 is"),
        ("sizes", [3, 40, 0, 0], "line 46 is|more rows"),
        ("sizes", [3, 39, 0, 1], "line 5 is"),
        ("sizes", "3", "not whole numbers"),
        ("sizes", [-1], "not whole numbers"),
        ("item", 8, "line 2 is|line 3 is|line 4 is|line 5 is"),
        ("algorithm", "md5", "the algorithm is"),
    ],
)
def test_a_changed_summary_is_wrong(
    check: Any, summary: dict[str, Any], lines: list[str], field: str, value: Any, why: str
) -> None:
    code, told = check(summary | {field: value}, lines)
    assert code == 1
    assert told.startswith("wrong: ")
    assert told.count("\n") == 1
    assert any(one in told for one in why.split("|")), told


def test_every_changed_row_is_wrong(check: Any, summary: dict[str, Any], lines: list[str]) -> None:
    for at in range(1, len(lines)):
        bucket, number, place = lines[at].split(",")
        spoilt = [*lines[:at], f"{bucket},{number},{int(place) + 1}", *lines[at + 1 :]]
        assert check(summary, spoilt)[0] == 1


def test_two_rows_that_are_swapped_are_wrong(
    check: Any, summary: dict[str, Any], lines: list[str]
) -> None:
    first, second = (lines[at].rsplit(",", 1) for at in (4, 5))
    spoilt = [*lines[:4], f"{first[0]},{second[1]}", f"{second[0]},{first[1]}", *lines[6:]]
    assert check(summary, spoilt)[0] == 1


@pytest.mark.parametrize("cut", [1, 5, -1])
def test_a_missing_row_is_wrong(
    check: Any, summary: dict[str, Any], lines: list[str], cut: int
) -> None:
    spoilt = list(lines)
    del spoilt[cut]
    assert check(summary, spoilt)[0] == 1


@pytest.mark.parametrize("more", ["0,3,3", "", "rubbish"])
def test_a_row_too_many_is_wrong(
    check: Any, summary: dict[str, Any], lines: list[str], more: str
) -> None:
    assert check(summary, [*lines, more])[0] == 1


def test_another_commitment_than_the_published_one_is_wrong(
    check: Any, summary: dict[str, Any], lines: list[str]
) -> None:
    other = summary | {"seed": "ff" * 32, "commit": commit_of(b"\xff" * 32)}
    code, told = check(other, None, "--commit", summary["commit"])
    assert (code, "published before" in told) == (1, True)
    assert check(summary, lines, "--commit", summary["commit"])[0] == 0


def ticket(**changes: Any) -> str:
    claims = {"v": 1, "item": 7, "bucket": 1, "kind": "lobby", "number": 12} | changes
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e-1.{payload}.{'A' * 43}"


def test_anybody_can_look_up_his_place(check: Any, summary: dict[str, Any]) -> None:
    place = Places(SEED, 7, 1, 40).place_of(12)
    told = f"bucket 1, lobby number 12: place {place} of 0 to 39"
    assert told in check(summary, None, "--ticket", ticket())[1]
    assert told in check(summary, None, "--bucket", "1", "--number", "12")[1]


@pytest.mark.parametrize(
    "bad",
    [ticket(item=8), ticket(kind="fifo"), ticket(number=40), ticket(bucket=9), "x", "a.b.c"],
)
def test_a_ticket_that_was_not_drawn_is_said_so(
    check: Any, summary: dict[str, Any], bad: str
) -> None:
    assert check(summary, None, "--ticket", bad)[0] == 1


def test_it_needs_nothing_but_its_two_files(tmp_path: Path, summary: dict[str, Any]) -> None:
    """As anybody would run it: without Django, without our virtual environment."""
    package = tmp_path / "control_plane" / "queues"
    package.mkdir(parents=True)
    for name in ("places.py", "verify.py"):
        source = Path(verify.__file__).with_name(name)
        (package / name).write_text(source.read_text())
    record = tmp_path / "draw.json"
    record.write_text(json.dumps(summary))
    words = [sys.executable, "-I", "-S", "-c"]
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        " from control_plane.queues.verify import main; sys.exit(main(sys.argv[1:]))"
    )
    ran = subprocess.run([*words, program, str(record)], check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr

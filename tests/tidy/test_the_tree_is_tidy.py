"""Every rule holds for every tracked file, and every rule can fail."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tests.tidy import rules

ROOT = Path(__file__).resolve().parents[2]
Rule = Callable[[PurePosixPath, str], list[str]]


def tracked_files() -> list[PurePosixPath]:
    """What git has or would take: not what .gitignore names."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    return [PurePosixPath(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("rule", rules.RULES)
def test_it_holds_for_every_file(rule: Rule) -> None:
    files = tracked_files()
    assert PurePosixPath("Makefile") in files
    complaints = [
        complaint
        for path in files
        for complaint in rule(path, (ROOT / path).read_text(errors="replace"))
    ]
    assert complaints == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (rules.too_long, "workers/relay.py", "\n" * 401),
        (rules.empty_name, "workers/utils/clock.py", ""),
        (rules.empty_name, "tests/load/helpers/shopper.py", ""),
        (rules.address, "package-lock.json", '"resolved": "…"'),
        (rules.address, "deploy/README.md", "see https://" + "registry.example.org/simple"),
        (rules.address, "deploy/README.md", f"cd {'/home'}/someone/sluice"),
        (rules.long_function, "a.py", "def f():\n" + "    pass\n" * 70),
        (rules.large, "a.bin", "x" * 1_000_001),
    ],
)
def test_it_sees_what_it_forbids(rule: Rule, path: str, text: str) -> None:
    assert len(rule(PurePosixPath(path), text)) == 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (rules.too_long, "workers/relay.py", "\n" * 400),
        (rules.too_long, "control_plane/orders/migrations/0001_initial.py", "\n" * 401),
        (rules.address, "deploy/README.md", "GET http://127.0.0.1:8080/v1/time and var/dev/logs"),
        (rules.long_function, "a.py", "def f():\n" + "    pass\n" * 69),
    ],
)
def test_it_lets_the_limit_itself_pass(rule: Rule, path: str, text: str) -> None:
    assert rule(PurePosixPath(path), text) == []


def test_make_without_a_target_prints_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    # The parts of a bench are chosen by ONLY.
    targets = {target for target in targets if not target.startswith("bench-")}
    printed = subprocess.run(
        ["make", "--no-print-directory"], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert {line.split()[1] for line in printed.splitlines()} == targets
    assert {"setup", "up", "down", "status", "demo", "test", "check", "bench", "help"} <= targets


def test_a_translated_readme_has_the_sections_of_the_original() -> None:
    for path in tracked_files():
        if path.name == "README.zh-CN.md":
            original = (ROOT / path.with_name("README.md")).read_text()
            assert headings((ROOT / path).read_text()) == headings(original), path


def headings(markdown: str) -> list[int]:
    """The levels of the headings, outside of code blocks."""
    text = re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]

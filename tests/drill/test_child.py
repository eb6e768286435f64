"""Who interrupts the drills leaves no stack up: the child cleans up, and is waited for."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.site import ROOT
from tests.drill import child

# A stack in small: what is up is a file, and taking it down takes a moment.
STACK = """
import sys, time
from pathlib import Path
from tests.drill.child import leave_tidily, undisturbed
leave_tidily()
up = Path(sys.argv[1])
up.touch()
print("up", flush=True)
try:
    time.sleep(30)
finally:
    with undisturbed():
        time.sleep(3)
        up.unlink()
        print("down", flush=True)
"""
# Itself a parent, as `make drill` is of the drills of a profile.
PARENT = """
import sys
from pathlib import Path
from tests.drill import child
child.leave_tidily()
child.run("stack", sys.argv[1:], Path.cwd())
"""
BUSY = {
    "in the cleaning up": """
import os, signal
from tests.drill.child import leave_tidily, undisturbed
leave_tidily()
with undisturbed():
    os.kill(os.getpid(), signal.SIGTERM)
    print("cleaned up")
print("went on")
""",
    "hidden by another error": """
import os, signal
from tests.drill.child import leave_if_asked, leave_tidily
leave_tidily()
try:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("cleaned up")
        raise OSError
except OSError:
    leave_if_asked()
print("went on")
""",
}
PROMPT_S = 20.0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "stack.py").write_text(STACK)
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


@contextmanager
def running(tree: Path, module: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """It, once its stack is up, and what shows that."""
    up = tree / "up"
    process = subprocess.Popen([sys.executable, "-m", module, str(up)], cwd=tree)
    try:
        give_up = time.monotonic() + PROMPT_S
        while not up.exists():
            assert time.monotonic() < give_up
            time.sleep(0.02)
        yield process, up
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_the_parent_waits_for_the_childs_stack(tree: Path, number: int) -> None:
    with running(tree, "parent") as (parent, up):
        parent.send_signal(number)
        assert parent.wait(PROMPT_S) == 128 + number
        assert not up.exists()


def test_a_second_signal_does_not_interrupt_the_cleaning_up(tree: Path) -> None:
    with running(tree, "stack") as (stack, up):
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.send_signal(number)
            time.sleep(0.2)
        assert stack.wait(PROMPT_S) == 128 + signal.SIGINT
        assert not up.exists()


def test_the_third_signal_ends_it_at_once(tree: Path) -> None:
    with running(tree, "stack") as (stack, up):
        # On a busy machine two signals may be one to it.
        while stack.poll() is None:
            stack.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert stack.returncode == -signal.SIGTERM
        assert up.exists()


@pytest.mark.parametrize("way", ["in the cleaning up", "hidden by another error"])
def test_a_signal_is_obeyed_behind_what_must_not_be_disturbed(tree: Path, way: str) -> None:
    (tree / "busy.py").write_text(BUSY[way])
    busy = subprocess.run(
        [sys.executable, "-m", "busy"], cwd=tree, check=False, capture_output=True, text=True
    )
    assert (busy.returncode, busy.stdout) == (128 + signal.SIGTERM, "cleaned up\n")


def test_what_takes_too_long_cleans_up_too(tree: Path) -> None:
    up = tree / "up"
    with pytest.raises(subprocess.TimeoutExpired) as told:
        child.run("stack", [str(up)], tree, deadline_s=5.0, quiet=True)
    assert (told.value.output, up.exists()) == ("up\ndown\n", False)


def test_what_it_printed_is_kept_when_quiet(tree: Path) -> None:
    (tree / "says.py").write_text("import sys; print(*sys.argv[1:])")
    assert child.run("says", ["this", "and that"], tree, quiet=True) == "this and that\n"

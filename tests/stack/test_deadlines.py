"""Nothing waits for ever: what does not end is named, and so is what to look at."""

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local import __main__, linux, supervision
from deploy.local.process import CannotStart
from deploy.local.processes import processes
from deploy.local.site import ROOT, Site
from deploy.local.stack import Stack
from tests.stack.conftest import StackTool, eventually
from tests.stack.test_strangers import session_without_leader

RUN_ALL = Path("deploy", "local", "run_all.sh")


@pytest.fixture
def stuck(stack: StackTool, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackTool]:
    """A stack whose redis-work does not act on a signal, and nobody who has patience with it."""
    stack.up("redis-work")
    redis = stack.pid("redis-work")
    os.kill(redis, signal.SIGSTOP)
    monkeypatch.setattr(supervision, "STOP_DEADLINE_S", 0.3)
    yield stack
    with contextlib.suppress(ProcessLookupError):
        os.kill(redis, signal.SIGCONT)
    eventually(lambda: not linux.alive(redis))


def test_a_program_that_does_not_stop_is_named(stuck: StackTool) -> None:
    with pytest.raises(CannotStart, match=r"redis-work: .* see .*supervisord\.log"):
        stuck.supervisor.stop(["redis-work"])


def test_a_supervisord_that_does_not_end_is_named(stuck: StackTool) -> None:
    pid, redis = stuck.supervisord_pid(), stuck.pid("redis-work")
    with pytest.raises(CannotStart, match=rf"supervisord \(pid {pid}\).* see .*supervisord\.log"):
        stuck.supervisor.shutdown()
    os.kill(redis, signal.SIGCONT)  # `down` behind this test finds nothing half ended
    eventually(lambda: not linux.alive(pid))


def test_a_leftover_that_cannot_be_killed_is_named(
    stack: StackTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LEFTOVER_GRACE_S", 0.1)
    monkeypatch.setattr(supervision, "KILLED_DEADLINE_S", 0.1)
    monkeypatch.setattr(supervision, "_kill", lambda pid: None)
    with session_without_leader(stack.site.folder("run")) as (session, member):
        stack.supervisor.pidfile.write_text(f"{session}\n")
        with pytest.raises(CannotStart, match=rf"pid {member} \(sleep 300\)"):
            stack.supervisor.clean()


@pytest.mark.parametrize("profile", ["stacktest", "clustertest"])
def test_every_program_may_take_its_time_to_stop(profile: str) -> None:
    longest = max(process.stop_wait_s for process in processes(Site(profile)))
    assert longest < supervision.STOP_DEADLINE_S


def test_down_says_in_one_line_what_does_not_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(stack: Stack, only: Sequence[str]) -> bool:
        raise CannotStart("supervisord (pid 7) does not")

    monkeypatch.setattr(Stack, "down", fail)
    monkeypatch.setattr(sys, "argv", ["deploy.local", "down", "--profile", "stacktest"])
    assert __main__.main() == 1
    assert capsys.readouterr().err == "down: supervisord (pid 7) does not\n"


@pytest.fixture
def runners(tmp_path: Path) -> Path:
    """A tree with run_all.sh and nothing else real; its `timeout` waits three seconds."""
    log, programs = tmp_path / "limits", tmp_path / "programs"
    shorter = f'echo "$5" "$6" >>{log}\nshift 5\nexec {{timeout}} --kill-after 5 3 "$@"'
    fakes = {
        programs / "timeout": shorter.format(timeout="/usr/bin/timeout"),
        programs / "busted": "exec sleep 60",
        programs / "npm": "exit 0",
        tmp_path / ".venv/bin/python": "exit 0",
        tmp_path / ".venv/bin/pytest": "trap '' TERM\nexit 3",
        tmp_path / RUN_ALL: (ROOT / RUN_ALL).read_text().partition("\n")[2],
    }
    for path, text in fakes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def _test(runners: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [runners / RUN_ALL, "test"],
        check=False,
        env=dict(os.environ) | {"PATH": f"{runners / 'programs'}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_runner_that_hangs_is_ended_and_the_others_have_their_say(runners: Path) -> None:
    done = _test(runners)
    limits = [line.split() for line in (runners / "limits").read_text().splitlines()]
    # `env` runs pytest: beside the other lane in the stack, and after it.
    programs = sorted(Path(program).name for _, program in limits)
    assert programs == ["busted", "env", "env", "env", "npm"]
    assert all(int(seconds) > 0 for seconds, _ in limits)
    assert done.returncode == 1
    busted = next(seconds for seconds, program in limits if program == "busted")
    ended = f"busted (ended after {busted} s)"
    lanes = "pytest in-the-stack", ended, "pytest with-own-servers", "pytest in-databases"
    assert done.stderr == f"\nfailed: {','.join(lanes)}\n"


@pytest.mark.parametrize("ended", ["workers", "in-the-stack", "--ignore"])
def test_a_lane_that_was_ended_is_no_lane_with_few_failures(runners: Path, ended: str) -> None:
    """A test of it failed before that, and would pass: the others have not run at all."""
    (runners / "programs/busted").write_text("#!/bin/sh\nexit 0\n")
    (runners / ".venv/bin/pytest").write_text(
        f"#!/bin/sh\ncase $* in *--last-failed*) ;; *{ended}*) exec sleep 60 ;; *) exit 3 ;; esac\n"
    )
    (runners / ".venv/bin/python").write_text(
        '#!/bin/sh\n[ "$1" = -c ] || exit 0\necho tests/test_one.py::test\n'
    )
    done = _test(runners)
    assert done.returncode == 1
    assert re.search(r"\nfailed: pytest [a-z-]+ \(ended.*\)\n$", done.stderr), done.stderr


@pytest.mark.parametrize("named", [1, 6])
def test_few_that_failed_are_tried_again_and_named(runners: Path, named: int) -> None:
    """Of each lane so many; all that came to an end pass the second time."""
    (runners / "programs/busted").write_text("#!/bin/sh\nexit 0\n")
    (runners / ".venv/bin/pytest").write_text(
        '#!/bin/sh\ncase "$*" in *--last-failed*) ;; *) exit 3 ;; esac\n'
    )
    says = "\n".join(f"echo tests/test_{number}.py::test" for number in range(named))
    (runners / ".venv/bin/python").write_text(f'#!/bin/sh\n[ "$1" = -c ] || exit 0\n{says}\n')
    done = _test(runners)
    if 3 * named > 10:
        lanes = "pytest in-the-stack,pytest with-own-servers,pytest in-databases"
        assert done.stderr == f"\nfailed: {lanes}\n"
        return
    assert done.stderr.count("tests/test_0.py::test") == 3
    assert done.returncode == 0

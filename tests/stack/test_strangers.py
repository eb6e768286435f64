"""A pid file outlives a reboot: what has the number then is killed only when it is ours."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import linux, supervision
from deploy.local.site import ROOT
from tests.stack.conftest import StackTool, eventually

AFTER_ORPHANS = ROOT / "deploy" / "local" / "servers" / "after_orphans.sh"
SLEEP = ["sleep", "300"]


@pytest.fixture
def supervisor(stack: StackTool, monkeypatch: pytest.MonkeyPatch) -> supervision.Supervisor:
    """Of a stack that does not run; it gives what is left little time."""
    monkeypatch.setattr(supervision, "LEFTOVER_GRACE_S", 0.2)
    return stack.supervisor


@contextlib.contextmanager
def session_without_leader(folder: Path) -> Iterator[tuple[int, int]]:
    """The number of a session whose leader is gone, and the one process left in it."""
    leader = subprocess.run(
        ["sh", "-c", "sleep 300 >&- 2>&- & echo $$ $!"],
        check=True,
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    session, member = (int(word) for word in leader.stdout.split())
    try:
        assert linux.session_members(session) == [member]
        yield session, member
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def become(folder: Path, pidfile: Path) -> subprocess.CompletedProcess[str]:
    """after_orphans.sh in a working folder, with `echo` for nginx."""
    command = [str(AFTER_ORPHANS), str(pidfile), "echo", "became it"]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)


def test_up_leaves_a_strangers_session_alone(
    supervisor: supervision.Supervisor, tmp_path: Path
) -> None:
    with session_without_leader(tmp_path) as (session, member):
        supervisor.pidfile.write_text(f"{session}\n")
        assert supervisor.leftovers() == []
        assert supervisor.clean()
        assert linux.alive(member)


def test_up_leaves_the_programs_of_another_profile_alone(
    supervisor: supervision.Supervisor, tmp_path: Path
) -> None:
    beside = supervisor.site.state.with_name(f"{supervisor.site.profile}-other")
    beside.mkdir(exist_ok=True)
    with session_without_leader(beside) as (session, member):
        beside.rmdir()
        supervisor.pidfile.write_text(f"{session}\n")
        supervisor.clean()
        assert linux.alive(member)


def test_up_ends_what_works_in_our_folders(supervisor: supervision.Supervisor) -> None:
    with session_without_leader(supervisor.site.folder("run")) as (session, member):
        supervisor.pidfile.write_text(f"{session}\n")
        assert supervisor.leftovers() == [member]
        assert supervisor.clean()
        assert not linux.alive(member)


def test_postgres_is_ours_where_its_data_lies_outside(
    supervisor: supervision.Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, outside = tmp_path / "state", tmp_path / "outside"
    (outside / "data").mkdir(parents=True)
    state.mkdir()
    (state / "postgres").symlink_to(outside)
    monkeypatch.setattr(type(supervisor.site), "state", state)
    with session_without_leader(outside / "data") as (session, member):
        supervisor.pidfile = state / "supervisord.pid"
        supervisor.pidfile.write_text(f"{session}\n")
        assert supervisor.leftovers() == [member]


def test_only_our_own_supervisord_counts_as_running(supervisor: supervision.Supervisor) -> None:
    with subprocess.Popen(["tail", "-F", str(supervisor.config)], stderr=subprocess.DEVNULL) as one:
        try:
            supervisor.pidfile.write_text(f"{one.pid}\n")
            assert not supervisor.running()
        finally:
            one.kill()
            supervisor.pidfile.unlink()


def test_a_new_nginx_ends_the_old_ones_workers_and_no_stranger(tmp_path: Path) -> None:
    ours, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    ours.mkdir()
    elsewhere.mkdir()
    pidfile = tmp_path / "nginx.pid"
    with subprocess.Popen(SLEEP, cwd=ours, process_group=0) as master:
        pidfile.write_text(f"{master.pid}\n")
        worker = subprocess.Popen(SLEEP, cwd=ours, process_group=master.pid)
        stranger = subprocess.Popen(SLEEP, cwd=elsewhere, process_group=master.pid)
        bystander = subprocess.Popen(SLEEP, cwd=ours, process_group=0)
        try:
            assert become(ours, pidfile).stdout == "became it\n"
            assert worker.poll() is None, "its master lives"
            master.kill()
            master.wait()
            assert become(ours, pidfile).stdout == "became it\n"
            eventually(lambda: worker.poll() == -signal.SIGKILL)
        finally:
            for process in (master, worker, stranger, bystander):
                process.terminate()
    # SIGTERM came from here; had the script killed them before, it would say SIGKILL.
    assert [stranger.wait(), bystander.wait()] == [-signal.SIGTERM] * 2


@pytest.mark.parametrize("content", [None, "", "nonsense\n", "0\n", "-1\n"])
def test_a_pid_file_that_says_nothing_is_nothing(tmp_path: Path, content: str | None) -> None:
    pidfile = tmp_path / "nginx.pid"
    if content is not None:
        pidfile.write_text(content)
    done = become(tmp_path, pidfile)
    assert (done.returncode, done.stdout, done.stderr) == (0, "became it\n", "")

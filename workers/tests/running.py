"""Running workers for tests: a consumer loop in a thread, a whole worker as a process."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.db import connections

from tests.redis.waiting import until
from workers.runtime.kafka import Names

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
# Python and Django take a second to start, on a machine with a hundred others far longer.
START_S = 90.0


@contextmanager
def in_thread(run: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """Run until the block ends; an exception of `run` is raised here."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as failure:  # noqa: BLE001  (raised again below)
            failures.append(failure)
        finally:
            connections.close_all()

    thread = threading.Thread(target=guarded, name="worker under test")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the worker did not stop"
    if failures:
        raise failures[0]


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(names: Names, **variables: str) -> dict[str, str]:
    """The environment of a worker that works in the test's databases and topics."""
    return os.environ | {
        "SLUICE_SALE_DSN": _dsn("default"),
        "SLUICE_INVENTORY_DSN": _dsn("inventory"),
        "SLUICE_KAFKA_PREFIX": names.prefix,
        "SLUICE_INSTANCE": "test",
        "SLUICE_METRICS_PORT": str(free_port()),
        "DJANGO_SETTINGS_MODULE": "control_plane.config.settings",
        **variables,
    }


def start(module: str, environ: Mapping[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """`python -m module`; its log is kept for the failure message."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def as_process(module: str, environ: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A worker that is up for the time of the block; then SIGTERM, and it must end with 0."""
    process = start(module, environ)
    try:
        until(lambda: answers(environ) or process.poll() is not None, f"{module} is up", START_S)
        yield process
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, log
    finally:
        process.kill()
        process.wait()


def answers(environ: Mapping[str, str]) -> bool:
    """Whether it is up: its metrics come last of all at the start, after the signals."""
    try:
        with socket.create_connection(("127.0.0.1", int(environ["SLUICE_METRICS_PORT"])), 1):
            return True
    except OSError:
        return False


def _dsn(alias: str) -> str:
    settings = connections[alias].settings_dict
    account = f"{settings['USER']}:{settings['PASSWORD']}"
    return f"postgresql://{account}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"

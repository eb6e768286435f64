"""A task finds the connection of the one before it, unless it is too old, broken or left behind."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from celery.app.trace import build_tracer
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection

from control_plane.config.celery import app
from control_plane.conftest import dsn

pytestmark = pytest.mark.django_db(transaction=True)


LOCK = 4711

Run = Callable[..., Any]


def ask(statement: str) -> Any:
    """The only value it gives."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def ask_elsewhere(statement: str) -> Any:
    """The same, of a session of its own."""
    with closing(psycopg2.connect(dsn("default"))) as other, other.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()[0][0]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a task as a worker does: it asks one statement, and fails where it is told to."""
    fixup = DjangoWorkerFixup(app).install()

    def work(statement: str, fails: bool) -> Any:
        said = ask(statement)
        if fails:
            raise InterruptedError
        return said

    task = app.task(name="tests.ask")(work)
    trace = build_tracer(task.name, task, app=app)
    numbers = iter(range(100))

    def once(statement: str = "SELECT pg_backend_pid()", fails: bool = False) -> Any:
        return trace(f"task-{next(numbers)}", (statement, fails), {}, {"is_eager": False}).retval

    yield once
    app.tasks.pop(task.name)
    del fixup


def test_the_next_task_uses_the_connection_again(run: Run) -> None:
    assert run() == run() == run()


def test_an_old_connection_is_closed(run: Run) -> None:
    first = run()
    assert connection.close_at is not None
    connection.close_at = time.monotonic()
    assert run() != first


def test_a_connection_that_broke_is_not_used_again(run: Run) -> None:
    first = run()
    assert ask_elsewhere(f"SELECT pg_terminate_backend({first})")
    again = run()
    assert isinstance(again, int) and again != first


def test_a_task_that_failed_leaves_no_lock_behind(run: Run) -> None:
    assert run(f"SELECT pg_try_advisory_lock({LOCK})")
    assert not ask_elsewhere(f"SELECT pg_try_advisory_lock({LOCK})")
    run(f"SELECT pg_try_advisory_lock({LOCK})", fails=True)
    assert ask_elsewhere(f"SELECT pg_try_advisory_lock({LOCK})")

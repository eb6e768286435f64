"""A task finds the connection of the one before it, unless that is too old or broken."""

import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from celery.app.trace import build_tracer
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection

from control_plane.config.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run() -> Iterator[Callable[[], int]]:
    """Run a task as a worker does; the number of the backend that answered it."""
    fixup = DjangoWorkerFixup(app).install()

    def ask() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    task = app.task(name="tests.ask")(ask)
    trace = build_tracer(task.name, task, app=app)
    numbers = iter(range(100))

    def once() -> int:
        return int(trace(f"task-{next(numbers)}", (), {}, {"is_eager": False}).retval)

    yield once
    app.tasks.pop(task.name)
    del fixup


def test_the_next_task_uses_the_connection_again(run: Callable[[], int]) -> None:
    assert run() == run() == run()


def test_an_old_connection_is_closed(run: Callable[[], int]) -> None:
    first = run()
    assert connection.close_at is not None
    connection.close_at = time.monotonic()
    assert run() != first


def test_a_connection_that_broke_is_not_used_again(run: Callable[[], int]) -> None:
    first = run()
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    other = psycopg2.connect(**parameters)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [first])
    other.close()
    assert run() != first

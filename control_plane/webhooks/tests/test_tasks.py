"""How many runs deliver at a time: two, so that one slow merchant never stops all of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from django.db import connection

from control_plane.config.singleton import alone
from control_plane.webhooks import services, tasks

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def _busy(lock: int) -> Iterator[None]:
    """Another run of ours, in a session of its own."""
    begun, over = Event(), Event()

    def run() -> None:
        try:
            with alone(lock) as is_alone:
                assert is_alone
                begun.set()
                over.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        assert begun.wait(30)
        try:
            yield
        finally:
            over.set()
            running.result(30)


def test_a_second_run_delivers_beside_the_first_and_a_third_does_not(monkeypatch):
    runs: list[services.Way] = []
    monkeypatch.setattr(services, "deliver_due", runs.append)
    first, second = tasks.DELIVER_LOCKS
    tasks.deliver()
    with _busy(first):
        tasks.deliver()
        assert len(runs) == 2
        with _busy(second):
            tasks.deliver()
    assert len(runs) == 2

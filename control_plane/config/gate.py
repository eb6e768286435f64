"""Blocking calls of the bare ASGI applications: a few at a time, the next hears no at once."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")


class TooMany(Exception):
    """As many calls as may run at once are running."""


class Gate:
    """Runs blocking calls in threads that keep their database connection; never lets one wait."""

    def __init__(self, running_max: int, name: str) -> None:
        self._free = threading.BoundedSemaphore(running_max)
        self._threads = ThreadPoolExecutor(running_max, thread_name_prefix=name)

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """The call's result; raises TooMany at once. A call whose caller is gone runs on."""
        if not self._free.acquire(blocking=False):
            raise TooMany
        future: Future[T] = self._threads.submit(_with_a_sound_connection, call, *arguments)
        # When the thread has ended, and not when nobody waits for it any more.
        future.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(future)


def _with_a_sound_connection(call: Callable[..., T], *arguments: Any) -> T:
    """Keep the thread's connection, except after an error that it may not have survived."""
    try:
        return call(*arguments)
    finally:
        if connection.errors_occurred:
            connection.close()

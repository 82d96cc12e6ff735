"""Threads that run one function together; they sleep in between.

A program is compiled to one function ``run(table, index, count)``, which ``count`` threads execute
at once and in which they wait for each other. So all of them have to start, whatever happens to
the caller: a Ctrl-C reaches the main thread only, so it is one of the threads of the pool that
starts the others and takes part 0, and the caller waits for it.

Several Python threads may call at once. All the threads of a call count as busy while it lasts, and
the next call gets what is left of the limit, and at least the thread that it came on. Calls that
want no other thread are not counted: they are short.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from chainrule.engines.cpus import cpu_limit

__all__ = ["run_together"]

Function = Callable[[int, int, int], Any]


class _Crew:
    """The threads of this process, and how many of them are busy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0
        self._size = cpu_limit()
        self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="chainrule")

    @contextmanager
    def hired(self, wanted: int) -> Iterator[int]:
        """How many threads a call gets, while it lasts."""
        with self._lock:
            count = max(1, min(wanted, self._size - self._busy))
            self._busy += count
        try:
            yield count
        finally:
            with self._lock:
                self._busy -= count

    def run(self, function: Function, table: int, count: int) -> None:
        """All parts at once; returns or raises when all of them are done."""

        def lead() -> None:
            others = [self._pool.submit(function, table, i, count) for i in range(1, count)]
            function(table, 0, count)
            wait(others)

        try:
            leader = self._pool.submit(lead)
        except RuntimeError:  # the interpreter is shutting down, and starts no thread any more
            function(table, 0, 1)
            return
        try:
            leader.result()
        except BaseException:
            leader.cancel()
            _outlast(leader)
            raise


def _outlast(work: Future[None]) -> None:
    """Wait for work to end, however often the user interrupts."""
    while not work.done():
        with contextlib.suppress(KeyboardInterrupt):
            wait([work])


_opening = threading.Lock()
_crew: _Crew | None = None


def _the_crew() -> _Crew:
    global _crew
    with _opening:
        if _crew is None:
            _crew = _Crew()
        return _crew


def _start_afresh() -> None:
    """A child of ``fork`` has none of its parent's threads."""
    global _crew, _opening
    _crew, _opening = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


def run_together(function: Function, table: int, wanted: int) -> int:
    """Run ``function(table, index, count)`` for every ``index < count``, all at once.

    Parameters
    ----------
    function
        A function of C: ``void (void *, int64_t, int64_t)``. Its threads may wait for each other.
    table
        The address that it gets. What lies there has to stay until this returns or raises.
    wanted
        How many threads it should have.

    Returns
    -------
    int
        How many it had: at most ``wanted``, and what :func:`~chainrule.engines.cpus.cpu_limit`
        leaves beside the threads of other calls, but at least 1.
    """
    if wanted == 1:
        function(table, 0, 1)
        return 1
    crew = _the_crew()
    with crew.hired(wanted) as count:
        if count == 1:
            function(table, 0, 1)
        else:
            crew.run(function, table, count)
    return count

"""How many threads a loop runs on, decided by how fast it has been lately.

Two threads are slower than one where other programs use the second processor, or where the two
processors of a virtual machine are halves of one core at the moment. Nobody knows that beforehand,
and it changes while a training goes on. The number of threads does not change a bit of any result,
so here, and only here, a clock may decide.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["Pace"]

Result = TypeVar("Result")

#: After so many calls the other number of threads is tried, at first, and at the most. The longer
#: it has been the slower one, the more seldom: a try may take ten times as long.
FIRST, LAST = 3, 200
#: Of so many calls the fastest counts: a single slow one says little about the machine.
LATELY = 3
#: Seconds that a call must take for other threads to be worth waking: that costs a fifth of it.
WORTH = 1e-3


class Pace:
    """Chooses between all threads and one, call by call.

    Parameters
    ----------
    most
        All threads.
    clock
        Seconds from anywhere.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most, self._clock = most, clock
        self._lately: dict[int, deque[float]] = {}
        self._calls, self._patience, self._favourite = 0, FIRST, most
        self._first = 0.0

    def __call__(self, run: Callable[[int], Result], steps: int) -> Result:
        """``run(threads)``, which takes so many steps."""
        seconds = {threads: min(lately) for threads, lately in self._lately.items()}
        short = 0 < steps * max(seconds.values(), default=self._first) < WORTH
        threads = 1 if short else self._choice(seconds)
        began = self._clock()
        result = run(threads)
        took = (self._clock() - began) / max(1, steps)
        if self._first:  # that call has met memory which nobody had touched
            self._lately.setdefault(threads, deque(maxlen=LATELY)).append(took)
        self._first = self._first or took
        return result

    def _choice(self, seconds: Mapping[int, float]) -> int:
        faster = min(seconds, key=seconds.__getitem__, default=self._most)
        if faster != self._favourite:
            self._calls, self._patience, self._favourite = 0, FIRST, faster
        self._calls += 1
        if self._calls < self._patience:
            return faster
        self._calls, self._patience = 0, min(2 * self._patience, LAST)
        return 1 if faster == self._most else self._most

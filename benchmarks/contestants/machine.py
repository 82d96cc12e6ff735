"""The machine itself: what no contestant can surpass."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.native_gemm import fma_peak
from benchmarks.workloads import Problem

#: Far more than the caches hold.
COPIED = 2**27


class Job:
    """One function per thread, at the same time, ``calls`` times each.

    ``values()`` has the work of a run.
    """

    calls = 1

    def __init__(self, problem: Problem, threads: int) -> None:
        parts = [self._part(threads) for _ in range(threads)]
        self._functions = [function for function, _ in parts]
        self._work = float(self.calls * sum(work for _, work in parts))
        self._pool = ThreadPoolExecutor(threads)

    def reset(self) -> None:
        """Nothing to do."""

    def run(self) -> None:
        for _ in self._pool.map(self._repeat, self._functions):
            pass

    def values(self) -> list[float]:
        return [self._work]

    def _repeat(self, function: Callable[[], object]) -> None:
        for _ in range(self.calls):
            function()

    def _part(self, threads: int) -> tuple[Callable[[], object], int]:
        raise NotImplementedError


class Peak(Job):
    """Operations of fused multiply-adds in float32, on registers."""

    # A call takes a fraction of a millisecond, which is little more than to wake a thread.
    calls = 100

    def _part(self, threads: int) -> tuple[Callable[[], object], int]:
        return fma_peak("float32")


class Bandwidth(Job):
    """Bytes read and written by a copy in memory."""

    def _part(self, threads: int) -> tuple[Callable[[], object], int]:
        source = np.ones(COPIED // threads, np.uint8)
        target = np.zeros_like(source)
        return lambda: np.copyto(target, source), 2 * len(source)

"""How we time: contestants take turns, each turn runs for a while, the median turn counts.

Taking turns spreads a disturbance from outside over all contestants; the median forgets it.
"""

import os
import time
from collections.abc import Callable, Mapping
from statistics import median

#: Settings that slow NumPy down when they name another CPU than the one at hand.
CRIPPLING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

#: The share of the machine that others may use meanwhile, and how long we look to find it out.
TOLERATED, GLANCE = 0.08, 0.3


def check_environment() -> None:
    """Refuse to measure with a crippled BLAS, since the figures would flatter us."""
    found = [name for name in CRIPPLING if name in os.environ]
    if found:
        raise SystemExit(f"Unset {', '.join(found)} first: they slow the peers down.")


def interleaved(
    contestants: Mapping[str, Callable[[], object]], turns: int = 15, seconds: float = 0.2
) -> dict[str, float]:
    """Median seconds per call of each contestant."""
    calls = {name: _calls_in(run, seconds) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, run in contestants.items():
            began = time.perf_counter()
            for _ in range(calls[name]):
                run()
            times[name].append((time.perf_counter() - began) / calls[name])
    return {name: median(values) for name, values in times.items()}


def _calls_in(run: Callable[[], object], seconds: float) -> int:
    run()
    began = time.perf_counter()
    run()
    return max(1, int(seconds / (time.perf_counter() - began)))


class ForeignLoad:
    """Watches, for the length of a block, what the machine does apart from us.

    Time that the hypervisor took away counts as foreign, too.
    """

    def __enter__(self) -> "ForeignLoad":
        self._before = _clocks()
        return self

    def __exit__(self, *_: object) -> None:
        now = _clocks()
        self._wall, self._busy, self._own = (b - a for a, b in zip(self._before, now, strict=True))

    def share(self, children: float = 0.0) -> float:
        """The foreign share of the machine; children of ours used so many CPU seconds."""
        capacity = self._wall * (os.cpu_count() or 1)
        return max(0.0, self._busy - self._own - children) / capacity


class Patience:
    """Waits for a quiet machine, all in all not longer than so many seconds."""

    def __init__(self, seconds: float, tolerated: float = TOLERATED) -> None:
        self.left, self.tolerated = seconds, tolerated

    def wait(self) -> bool:
        """Wait; whether it has become quiet."""
        while self.left > 0:
            with ForeignLoad() as load:
                time.sleep(GLANCE)
            self.left -= GLANCE
            if load.share() <= self.tolerated:
                return True
        return False


def _clocks() -> tuple[float, float, float]:
    """Seconds: on the wall, of all busy CPUs together, and of this process."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, *rest = (int(x) for x in stat.readline().split()[1:9])
    busy = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), busy, time.process_time()

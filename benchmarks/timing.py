"""How we time: contestants take turns, each turn runs for a while, the median turn counts.

Taking turns spreads a disturbance from outside over all contestants; the median forgets it.
"""

import os
import time
from collections.abc import Callable, Mapping
from statistics import median

#: Settings that slow NumPy down when they name another CPU than the one at hand.
CRIPPLING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


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

"""What the benchmarks against other frameworks share: turns, comparison, options."""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants.client import Contestant, Process, Result
from benchmarks.timing import Patience
from benchmarks.workloads import TRAINING, Work

OURS = "ours"
#: Options of XLA. On one thread its pool only costs.
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
FAST_MATH = "--xla_cpu_enable_fast_math=true"
MACHINE = [Contestant("machine", "machine", threads) for threads in (1, 2)]
#: Seconds of a look at the cores, and what two of them do at least, in relation to one.
GLIMPSE, APART = 0.02, 1.6
#: Between the values of the contestants; rounding alone makes so much after many steps.
TOLERANCE = 0.01


class Race:
    """Turns of a number of processes, with so much patience for a quiet machine.

    Turn by turn, everybody takes one; so a slower machine is slower for all.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._turns, self._seconds = options.turns, options.seconds
        self._patience = Patience(options.patience)

    def __call__(self, processes: Iterable[Process], cores: "Cores | None" = None) -> None:
        """Take all turns; those on several threads while their CPUs are cores of their own."""
        whole = cores.apart if cores else _always
        for _ in range(self._turns):
            for process in processes:
                if not process.failed:
                    process.turn(self._seconds, self._patience, whole)


class Cores:
    """Watches whether two CPUs do twice the work of one.

    Those of a virtual machine may be the halves of one core for some seconds, at the whim of its
    host. Then nobody gains by a second thread, and nothing is learned about programs that use one.

    Parameters
    ----------
    one, two
        Processes whose job is the machine's peak, on one thread and on two.
    """

    def __init__(self, one: Process, two: Process) -> None:
        self._two = two
        self._alone = one.value / min(one.glance(GLIMPSE) for _ in range(5))

    def apart(self) -> bool:
        """Whether they do so now."""
        return self._two.value / self._two.glance(GLIMPSE) > APART * self._alone


def machine(stack: ExitStack, job: str) -> list[Process]:
    """The machine itself, on one thread and on two, with a job of its own."""
    processes = [stack.enter_context(Process(contestant)) for contestant in MACHINE]
    for process in processes:
        process.prepare(job, TRAINING["tiny"])
    return processes


def _always() -> bool:
    return True


def prepare(processes: Sequence[Process], job: str, workload: Work, steps: int = 1) -> None:
    """Give the same job to all. Who gets another value has not done the work."""
    for process in processes:
        process.prepare(job, workload, steps)
    values = [process.value for process in processes if not process.failed]
    usual = float(np.median(values)) if values else math.nan
    for process in processes:
        if not process.failed and not math.isclose(process.value, usual, rel_tol=TOLERANCE):
            process.failed = f"the value is {process.value:.6g}, that of others {usual:.6g}"


def fastest(results: Iterable[Result], ours: bool, threads: int) -> float:
    """The best median, of ours or of the others, with no more threads than these."""
    found = [
        result.median
        for result in results
        if result.contestant.module.startswith(OURS) is ours
        and result.contestant.threads <= threads
        and not result.failed
    ]
    return min(found, default=math.nan)


def ratio(results: Sequence[Result], threads: int) -> float:
    """The time of the fastest peer over that of ours: above 1 we are faster."""
    return fastest(results, False, threads) / fastest(results, True, threads)


def parser(name: str, turns: int, seconds: float) -> argparse.ArgumentParser:
    """The options that all of these benchmarks have."""
    parser = argparse.ArgumentParser(f"python -m benchmarks {name}")
    parser.add_argument("--turns", type=int, default=turns, help="of every contestant")
    parser.add_argument("--seconds", type=float, default=seconds, help="of a turn")
    parser.add_argument("--patience", type=float, default=600, help="seconds to wait for quiet")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser


def named(contestants: Sequence[Contestant], chosen: argparse.Namespace) -> list[Contestant]:
    """Those that were asked for."""
    return [c for c in contestants if chosen.only.lower() in str(c).lower()]


def write(file: Path | None, records: Sequence[tuple[Work, Sequence[Result]]]) -> None:
    """All figures as JSON, if there is a file."""
    if file:
        found: list[Any] = [
            {"workload": workload.numbers(), **asdict(result)}
            for workload, results in records
            for result in results
        ]
        file.write_text(json.dumps(found, indent=1))

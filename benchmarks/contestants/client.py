"""Contestants as seen from the benchmark: processes that are asked for turns."""

import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import numpy as np

from benchmarks.timing import TOLERATED, ForeignLoad, Patience
from benchmarks.workloads import Work

#: Everybody compiles, instead of finding what was compiled last time.
NO_CACHES = {
    "CHAINRULE_CACHE": "",
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
}
#: How often a turn is taken at most, when others use the machine meanwhile.
ATTEMPTS = 5


@dataclass(frozen=True)
class Contestant:
    """A framework in one configuration.

    ``options`` go to the job, ``environment`` is that of the process; ``limit`` is how many seconds
    it may take to answer, which is to compile, or to take a turn.
    """

    name: str
    module: str
    threads: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    limit: float = 900.0

    def __str__(self) -> str:
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True)
class Result:
    """What a contestant did, in seconds per step, seconds, and MB."""

    contestant: Contestant
    quartiles: list[float]
    first: float
    start: float
    peak: float
    rise: float
    disturbed: bool
    failed: str

    @property
    def median(self) -> float:
        """Seconds per step of the median turn."""
        return self.quartiles[1]


class Failed(Exception):
    """What a contestant died of."""


class Process(AbstractContextManager["Process"]):
    """A running contestant.

    Attributes
    ----------
    failed
        Why there are no results, or nothing.
    start, first
        Seconds from nothing to an imported framework; seconds of tracing and compiling.
    values
        What came out of the first run, for instance the error of every step.
    times, loads
        Seconds per step of every turn, and the foreign load in it.
    """

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self._start()

    def _start(self) -> None:
        contestant, threads = self.contestant, str(self.contestant.threads)
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contestants.server", contestant.module, threads],
            env=os.environ
            | NO_CACHES
            | {"OMP_NUM_THREADS": threads}
            | dict(contestant.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.failed = ""
        self._try("start")
        self.start = time.perf_counter() - began

    def prepare(self, job: str, workload: Work, steps: int = 1) -> None:
        """Begin with a job that takes ``steps`` steps in a run; one that died starts again."""
        if self._process.poll() is not None:
            self._start()
        self.failed, self._steps = "", steps
        self.times: list[float] = []
        self.loads: list[float] = []
        reply = self._try(
            "prepare",
            job=job,
            kind=f"{type(workload).__module__}:{type(workload).__name__}",
            workload=workload.numbers(),
            options=self.contestant.options,
        )
        self.first, self.values = reply.get("first", math.nan), reply.get("values", [])

    @property
    def value(self) -> float:
        """The mean of the values: by this all are compared.

        What rounding makes of a single error grows from step to step.
        """
        return fmean(self.values) if self.values else math.nan

    def turn(self, seconds: float, patience: Patience, whole: Callable[[], bool]) -> None:
        """Take a turn, again if others used the machine meanwhile; the quietest one counts.

        ``whole`` says whether all CPUs are there at the moment: others use the half of one if not.
        """
        found = []
        for _ in range(ATTEMPTS):
            with ForeignLoad() as load:
                reply = self._try("turn", seconds=seconds)
            if self.failed:
                return
            foreign = load.share(reply["cpu"])
            if self.contestant.threads > 1 and not whole():
                foreign = max(foreign, 0.5)
            found.append((foreign, reply["seconds"] / self._steps))
            if foreign <= TOLERATED or not patience.wait():
                break
        share, step = min(found)
        self.loads.append(share)
        self.times.append(step)

    def glance(self, seconds: float) -> float:
        """Seconds per step now, of a turn that does not count."""
        reply = self._try("turn", seconds=seconds)
        return float(reply.get("seconds", math.nan)) / self._steps

    def result(self) -> Result:
        """What has been measured since :meth:`prepare`."""
        memory = self._try("memory")
        return Result(
            self.contestant,
            np.quantile(self.times or [math.nan], [0.25, 0.5, 0.75]).tolist(),
            self.first,
            self.start,
            memory.get("peak", math.nan),
            memory.get("rise", math.nan),
            bool(self.loads) and median(self.loads) > TOLERATED,
            self.failed,
        )

    def _try(self, do: str, **request: Any) -> dict[str, Any]:
        """The reply, or nothing after a failure."""
        try:
            return self._ask(do, **request)
        except Failed as error:
            self.failed = self.failed or str(error)
            return {}

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Failed(f"the process ended with {self._process.wait()}") from None
        if not select.select([self._process.stdout], [], [], self.contestant.limit)[0]:
            self._process.kill()
            self._process.wait()
            raise Failed(f"it took longer than {self.contestant.limit:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"the process ended with {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if "failed" in reply:
            raise Failed(reply["failed"])
        return reply

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it may have died with a request unread
            self._process.stdin.close()
        self._process.wait()

"""The process of a contestant: it reads requests line by line and sleeps between them.

``python -m benchmarks.contestants.server MODULE THREADS``. Requests and replies are JSON. A process
for n threads stays on n CPUs, so that no library can use more; the module is imported after that.
"""

import importlib
import json
import os
import pkgutil
import resource
import sys
import time
from typing import Any

#: The share of a turn's length that runs before it, to warm up and to see how long a run takes.
WARM_UP = 0.1


class Server:
    """Holds one job at a time."""

    def __init__(self, module: str, threads: int) -> None:
        self._module = importlib.import_module(f"benchmarks.contestants.{module}")
        self._threads = threads
        self._baseline = peak_megabytes()
        self._job: Any = None
        self._run_seconds = 0.0

    def prepare(
        self, job: str, kind: str, workload: dict[str, Any], options: dict[str, Any]
    ) -> Any:
        """Make a job and run it once. ``kind`` is where the class of the workload is.

        ``first`` is the time of both, less that of the second run: tracing and compiling.
        """
        problem = pkgutil.resolve_name(kind)(**workload).problem()
        began = time.perf_counter()
        self._job = getattr(self._module, job)(problem, self._threads, **options)
        self._job.run()
        first = time.perf_counter() - began
        values = self._job.values()
        self._run_seconds = self._timed(1)
        return {"values": values, "first": max(0.0, first - self._run_seconds)}

    def turn(self, seconds: float) -> Any:
        """Run the job from its beginning for so many seconds; the time of one run."""
        before = cpu_seconds()
        self._job.reset()
        self._run_seconds = self._timed(1)
        # What takes as long as a turn has been warmed up by the first run.
        if warm := round(WARM_UP * seconds / self._run_seconds):
            self._run_seconds = self._timed(warm)
        self._run_seconds = self._timed(max(1, round(seconds / self._run_seconds)))
        return {"seconds": self._run_seconds, "cpu": cpu_seconds() - before}

    def memory(self) -> Any:
        """The most memory so far in MB, and how much of it came after the import."""
        peak = peak_megabytes()
        return {"peak": peak, "rise": peak - self._baseline}

    def _timed(self, runs: int) -> float:
        run = self._job.run
        began = time.perf_counter()
        for _ in range(runs):
            run()
        return (time.perf_counter() - began) / runs


def cpu_seconds() -> float:
    """CPU time of this process and of the compilers that it ran."""
    own, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_megabytes() -> float:
    """The most memory so far; unlike ``ru_maxrss``, without that of the process that forked."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Serve until the pipe is closed."""
    module, threads = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    # What the libraries print must not get between the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server: Server | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if server is None:
                server = Server(module, threads)
            do = request.pop("do")
            reply = {} if do == "start" else getattr(server, do)(**request)
        except Exception as error:  # a contestant that fails is reported, and others go on
            reply = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()

"""How many threads this process may use at once.

Threads that meet at barriers wait for the slowest: a thread without a core of its own makes the
others wait for as long as the scheduler keeps it off. So the limit counts what the process may
really use, and a process that is one of several workers takes no more than its share.
"""

import math
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from chainrule.errors import OptionError

__all__ = ["ENVIRONMENT_VARIABLE", "cpu_limit"]

ENVIRONMENT_VARIABLE = "CHAINRULE_THREADS"


@cache
def cpu_limit() -> int:
    """How many threads this process may use at once; at least 1.

    ``CHAINRULE_THREADS`` decides alone where it is set. Otherwise it is the smallest of

    - the CPUs that the scheduler may put the process on,
    - the quota of its container (cgroups 1 and 2), rounded down,
    - ``OMP_NUM_THREADS``, the convention of numerical libraries. Joblib's loky workers have it:
      the CPUs divided by the number of workers. Dask's and Ray's have it too.

    A process that :mod:`multiprocessing` started, and that has neither variable, gets 1: pools and
    ``ProcessPoolExecutor`` start one worker for each CPU and do not tell them how many they are.
    Python threads, as joblib's threading backend uses them, share the limit of their process:
    see :func:`~chainrule.engines.native.workers.run_together`.

    The answer is worked out once; a child made by ``fork`` works it out anew.

    Raises
    ------
    OptionError
        If ``CHAINRULE_THREADS`` is not a whole number of at least 1.

    Examples
    --------
    >>> from chainrule.engines.cpus import cpu_limit
    >>> cpu_limit() >= 1
    True
    """
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        if threads := positive(chosen):
            return threads
        raise OptionError("engines.threads", variable=ENVIRONMENT_VARIABLE, value=chosen)
    # OpenMP also knows a list, one number for each level of nesting: the first one is ours.
    conventional = positive(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0])
    if conventional is None and started_by_multiprocessing():
        return 1
    return max(1, math.floor(min(cpus(), quota(), conventional or math.inf)))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=cpu_limit.cache_clear)


def positive(text: str) -> int | None:
    """The whole number of at least 1 that a text says, if it says one."""
    text = text.strip()
    return int(text) or None if text.isdecimal() else None


def cpus() -> int:
    """CPUs that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):  # absent on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def started_by_multiprocessing() -> bool:
    """Whether this process is a child of :mod:`multiprocessing`, such as a worker of a pool."""
    module = sys.modules.get("multiprocessing")  # such a child has imported it; others need not
    return module is not None and module.parent_process() is not None


def quota(groups: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> float:
    """CPUs that Linux's control groups grant; infinite where there is no limit.

    Parameters
    ----------
    groups
        The file that names the groups of this process.
    mount
        Where the hierarchy of groups is mounted.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return math.inf
    return min(
        (granted(folder) for line in lines for folder in folders(line, mount)), default=math.inf
    )


def folders(line: str, mount: Path) -> Iterator[Path]:
    """The folders that may limit the group of a line ``number:controllers:path``: its and above.

    Inside a container the path may be the one that the host sees; its own limit is at the root.
    """
    _, controllers, path = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    top = mount / "cpu" if controllers else mount
    group = PurePosixPath(path)
    for place in (group, *group.parents):
        yield top / place.relative_to("/")


def granted(folder: Path) -> float:
    """CPUs that one group grants: its quota of time in a period; infinite if it has none."""
    try:
        if (limit := folder / "cpu.max").exists():  # cgroup 2: "150000 100000" or "max 100000"
            time, period = limit.read_text().split()
        else:  # cgroup 1: the quota is -1 where there is none
            time = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(time) / int(period) if int(time) > 0 else math.inf
    except (OSError, ValueError):
        return math.inf

"""How many threads a process may use: what the machine, the container and the user allow."""

import math
import os
import subprocess
import sys

import joblib
import pytest

from chainrule.engines import cpus
from chainrule.engines.cpus import cpu_limit, quota
from chainrule.errors import OptionError

THREADS, OPENMP = "CHAINRULE_THREADS", "OMP_NUM_THREADS"


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch):
    """A machine of four CPUs and no limits; what was worked out before is forgotten."""
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.delenv(OPENMP, raising=False)
    monkeypatch.setattr(cpus, "cpus", lambda: 4)
    monkeypatch.setattr(cpus, "quota", lambda: math.inf)
    cpu_limit.cache_clear()
    yield
    cpu_limit.cache_clear()


# ---------------------------------------------------------------------- what decides
def test_all_cpus_where_nothing_is_said():
    assert cpu_limit() == 4


@pytest.mark.parametrize("said, limit", [("1", 1), (" 3 ", 3), ("2,8", 2), ("64", 4)])
def test_the_convention_of_numerical_libraries(monkeypatch, said, limit):
    monkeypatch.setenv(OPENMP, said)
    assert cpu_limit() == limit


@pytest.mark.parametrize("said", ["", "0", "-2", "many", "1.5"])
def test_what_is_no_number_of_threads_is_no_convention(monkeypatch, said):
    monkeypatch.setenv(OPENMP, said)
    assert cpu_limit() == 4


@pytest.mark.parametrize("granted, limit", [(0.5, 1), (1.9, 1), (2.0, 2), (16.0, 4)])
def test_a_quota_is_rounded_down(monkeypatch, granted, limit):
    monkeypatch.setattr(cpus, "quota", lambda: granted)
    assert cpu_limit() == limit


@pytest.mark.parametrize("said, limit", [("1", 1), ("2", 2), ("64", 64)])
def test_our_own_variable_decides_alone(monkeypatch, said, limit):
    monkeypatch.setenv(THREADS, said)
    monkeypatch.setenv(OPENMP, "1")
    monkeypatch.setattr(cpus, "quota", lambda: 1.0)
    monkeypatch.setattr(cpus, "started_by_multiprocessing", lambda: True)
    assert cpu_limit() == limit


@pytest.mark.parametrize("said", ["0", "-2", "many", "1.5", "2,8"])
def test_our_own_variable_has_to_be_a_number_of_threads(monkeypatch, said):
    monkeypatch.setenv(THREADS, said)
    with pytest.raises(
        OptionError, match="CHAINRULE_THREADS expects a whole number >= 1"
    ) as caught:
        cpu_limit()
    assert repr(said) in str(caught.value)


def test_a_child_of_multiprocessing_takes_one_unless_told(monkeypatch):
    monkeypatch.setattr(cpus, "started_by_multiprocessing", lambda: True)
    assert cpu_limit() == 1
    cpu_limit.cache_clear()
    monkeypatch.setenv(OPENMP, "2")
    assert cpu_limit() == 2


# ---------------------------------------------------------------------- control groups
V2, V1 = "0::", "4:cpu,cpuacct:"
NO_LIMIT = math.inf


@pytest.mark.parametrize(
    "line, files, granted",
    [
        (V2 + "/", {"cpu.max": "150000 100000\n"}, 1.5),
        (V2 + "/", {"cpu.max": "max 100000\n"}, NO_LIMIT),
        (V2 + "/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3.0),
        (V2 + "/a/b", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "300000 100000"}, 0.5),
        (V2 + "/seen/by/host", {"cpu.max": "200000 100000"}, 2.0),
        (V2 + "/a", {"b/cpu.max": "100000 100000"}, NO_LIMIT),
        (V2 + "/", {"cpu.max": "nonsense"}, NO_LIMIT),
        (V2 + "/", {}, NO_LIMIT),
        (V1 + "/", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 2.5),
        (V1 + "/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, NO_LIMIT),
        (V1 + "/a", {"cpu/a/cpu.cfs_quota_us": "1000", "cpu/a/cpu.cfs_period_us": "500"}, 2.0),
        (V1 + "/", {"cpu/cpu.cfs_quota_us": "250000"}, NO_LIMIT),
        ("3:cpuset:/", {"cpu.max": "100000 100000"}, NO_LIMIT),
    ],
)
def test_the_quota_of_a_control_group(tmp_path, line, files, granted):
    groups, mount = tmp_path / "groups", tmp_path / "mount"
    groups.write_text(f"9:memory:/a\n{line}\n")
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    assert quota(groups, mount) == granted


def test_no_quota_where_there_are_no_control_groups(tmp_path):
    assert quota(tmp_path / "groups", tmp_path) == NO_LIMIT


# ---------------------------------------------------------------------- processes
def output(script, **environment):
    """What a fresh Python process prints."""
    inherited = {name: os.environ[name] for name in os.environ.keys() - {THREADS, OPENMP}}
    start = [sys.executable, "-W", "error", "-c", "from chainrule.engines.cpus import *\n" + script]
    done = subprocess.run(
        start, env={**inherited, **environment}, capture_output=True, text=True, timeout=120
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_a_process_on_one_cpu():
    one = min(os.sched_getaffinity(0))
    script = f"import os; os.sched_setaffinity(0, {{{one}}}); print(cpu_limit())"
    assert output(script) == ["1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_asks_anew():
    script = """
import os, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of any fork beside threads, as BLAS has them
os.environ["CHAINRULE_THREADS"] = "3"
print(cpu_limit())
os.environ["CHAINRULE_THREADS"] = "5"
print(cpu_limit(), flush=True)
if os.fork() == 0:
    print(cpu_limit(), flush=True)
    os._exit(0)
os.wait()
"""
    assert output(script) == ["3", "3", "5"]


WORKER = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

print(cpu_limit())
with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
    print(executor.submit(cpu_limit).result())
with multiprocessing.get_context("spawn").Pool(1) as pool:
    print(pool.apply(cpu_limit))
"""


def test_a_worker_of_a_pool_takes_one():
    parent, *workers = output(WORKER)
    assert int(parent) >= 1
    assert workers == ["1", "1"]


def test_a_worker_of_a_pool_takes_what_it_is_told():
    assert output(WORKER, CHAINRULE_THREADS="3") == ["3", "3", "3"]


def test_the_workers_of_joblib_share_the_cpus():
    """They are told so by the convention."""
    script = "import joblib; print(*joblib.Parallel(2)([joblib.delayed(cpu_limit)()] * 2))"
    assert output(script) == [str(max(1, joblib.cpu_count() // 2))] * 2

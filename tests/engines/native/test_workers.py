"""Threads that work together: all of them, never too many, through forks, crowds and Ctrl-C."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.native.program import NativeProgram
from chainrule.engines.native.workers import run_together


def parts(wanted, seconds=0.0):
    """Which parts were run, and how many threads the call had."""
    seen, lock = [], threading.Lock()

    def function(table, index, count):
        with lock:
            seen.append((table, index, count))
        time.sleep(seconds)

    return seen, run_together(function, 7, wanted)


@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_every_part_is_run_once(eight_threads, wanted):
    for _ in range(50):
        seen, count = parts(wanted)
        assert count == wanted
        assert sorted(seen) == [(7, index, wanted) for index in range(wanted)]


def test_parts_run_at_the_same_time(eight_threads):
    barrier = threading.Barrier(4, timeout=60)
    run_together(lambda *_: barrier.wait(), 0, 4)


def test_no_more_threads_than_the_process_may_use(eight_threads):
    assert parts(20)[1] == 8


def test_calls_share_the_threads(eight_threads):
    """Who comes while some are busy gets the others, and nobody waits for them."""
    inside, leave, counts = threading.Barrier(2, timeout=60), threading.Event(), []

    def slow(table, index, count):
        if index == 0:
            inside.wait()
            leave.wait(60)

    first = threading.Thread(target=lambda: counts.append(run_together(slow, 0, 3)))
    first.start()
    inside.wait()
    assert parts(7)[1] == 5
    leave.set()
    first.join()
    assert counts == [3] and parts(7)[1] == 7


PROGRAM = cr.make_graph(lambda x: cr.tanh(x @ x.T) @ x + x.sum(0), cr.Spec((64, 32)))
X = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)


def expected():
    return NativeProgram(PROGRAM)([X])[0]


def test_a_crowd_gets_the_same_answers(eight_threads):
    program, answer, wrong = NativeProgram(PROGRAM, threads=3), expected(), []

    def work():
        for _ in range(100):
            if program([X])[0].tobytes() != answer.tobytes():
                wrong.append(threading.get_ident())

    crowd = [threading.Thread(target=work) for _ in range(6)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_in_the_middle_of_use(eight_threads):
    program, answer = NativeProgram(PROGRAM, threads=3), expected()
    program([X])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of any fork beside threads
        child = os.fork()
    if child == 0:
        good = all(program([X])[0].tobytes() == answer.tobytes() for _ in range(20))
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert program([X])[0].tobytes() == answer.tobytes()


def _threads_and_answer(_):
    return parts(4)[1], NativeProgram(PROGRAM, threads=4)([X])[0]


def test_one_thread_in_the_processes_of_joblib():
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(_threads_and_answer)(i) for i in range(4))
    assert {count for count, _ in found} == {max(1, joblib.cpu_count() // 2)}
    for _, answer in found:
        assert answer.tobytes() == expected().tobytes()


def test_the_threads_of_joblib_share(eight_threads):
    with joblib.parallel_backend("threading"):
        found = joblib.Parallel(n_jobs=4)(joblib.delayed(_threads_and_answer)(i) for i in range(8))
    assert all(answer.tobytes() == expected().tobytes() for _, answer in found)


def run_script(text, **options):
    code = "import ctypes, threading, time\n" + text
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "CHAINRULE_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


IMPORT = "from chainrule.engines.native.workers import run_together\n"


def test_a_process_ends_without_ado():
    process = run_script(IMPORT + "run_together(lambda *_: None, 0, 2)\nprint('done')")
    out, error = process.communicate(timeout=60)
    assert (out, error, process.returncode) == ("done\n", "", 0)


def test_runs_at_exit_too():
    process = run_script(
        IMPORT
        + "import atexit\n"
        + "run = lambda: run_together(lambda table, index, count: print(index, count), 0, 2)\n"
        + "atexit.register(run)\n"
        + "run_together(lambda *_: None, 0, 2)\n"
    )
    out, error = process.communicate(timeout=60)
    assert (sorted(out.splitlines()), error) in ((["0 1"], ""), (["0 2", "1 2"], ""))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_waits_for_all_parts():
    process = run_script(
        IMPORT
        + "ended = []\n"
        + "def part(table, index, count):\n"
        + "    if index == 0: print('inside', flush=True)\n"
        + "    time.sleep(0.5)\n"
        + "    ended.append(index)\n"
        + "try:\n"
        + "    run_together(part, 0, 2)\n"
        + "except KeyboardInterrupt:\n"
        + "    print(sorted(ended), flush=True)\n"
    )
    assert process.stdout.readline() == "inside\n"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (out, error) == ("[0, 1]\n", "")


def test_the_interpreter_is_free_while_code_runs():
    """Machine code runs without the interpreter's lock."""
    pause = ctypes.CDLL(None).usleep
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    counted = 0

    def part(table, index, count):
        pause(200_000)

    call = threading.Thread(target=run_together, args=(function(part), 0, 1))
    call.start()
    while call.is_alive():
        counted += 1
    assert counted > 1000

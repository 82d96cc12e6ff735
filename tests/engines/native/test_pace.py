"""Threads are used where they pay."""

from chainrule.engines.native.pace import LAST, Pace


class Machine:
    """A clock, and steps that take as long as the machine needs with so many threads."""

    def __init__(self, **seconds: float) -> None:
        self.now, self.seconds, self.used, self.steps = 0.0, seconds, [], 10

    def clock(self) -> float:
        return self.now

    def run(self, threads: int) -> int:
        self.used.append(threads)
        self.now += self.seconds["one" if threads == 1 else "all"] * self.steps
        return threads


def test_all_threads_run_where_they_are_faster() -> None:
    machine = Machine(one=2.0, all=1.0)
    pace = Pace(4, machine.clock)
    for _ in range(1000):
        pace(machine.run, 10)
    assert set(machine.used) == {1, 4}
    assert machine.used.count(1) < 15


def test_one_thread_runs_where_others_disturb() -> None:
    machine = Machine(one=1.0, all=5.0)
    pace = Pace(2, machine.clock)
    for _ in range(1000):
        pace(machine.run, 10)
    assert machine.used.count(2) < 15


def test_all_threads_come_back_when_the_machine_is_free_again() -> None:
    machine = Machine(one=1.0, all=5.0)
    pace = Pace(2, machine.clock)
    for _ in range(1000):
        pace(machine.run, 10)
    machine.seconds["all"] = 0.5
    for _ in range(10 * LAST):
        pace(machine.run, 10)
    assert machine.used[-LAST:].count(2) > 0.95 * LAST


def test_a_single_thread_is_not_tried_against_itself() -> None:
    machine = Machine(one=1.0)
    pace = Pace(1, machine.clock)
    for _ in range(100):
        assert pace(machine.run, 10) == 1


def test_nobody_is_woken_for_a_moment() -> None:
    machine = Machine(one=2e-5, all=1e-5)
    pace = Pace(2, machine.clock)
    for _ in range(100):
        pace(machine.run, 10)
    assert machine.used.count(2) == 1
    machine.used.clear()
    machine.steps = 1000
    for _ in range(100):
        pace(machine.run, 1000)
    assert machine.used.count(2) > 90


def test_a_slow_first_call_does_not_speak_against_threads() -> None:
    machine = Machine(one=1.8, all=20.0)
    pace = Pace(2, machine.clock)
    pace(machine.run, 10)
    machine.seconds["all"] = 1.0
    for _ in range(20):
        pace(machine.run, 10)
    assert machine.used.count(1) <= 3

"""Engines run a graph. The interpreter is the specification; others are tested against it."""

from chainrule.engines.compile import Compiled, compile
from chainrule.engines.diagnosis import NonFinite, first_nonfinite
from chainrule.engines.interpret import Program
from chainrule.engines.repeat import Repeat, Running, repeat
from chainrule.engines.threads import one_thread, threads_that_pay

__all__ = [
    "Compiled",
    "NonFinite",
    "Program",
    "Repeat",
    "Running",
    "compile",
    "first_nonfinite",
    "one_thread",
    "repeat",
    "threads_that_pay",
]

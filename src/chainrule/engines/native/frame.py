"""What a thread knows while it runs, and what it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from chainrule.engines.native.emit import Value
from chainrule.engines.native.kernels import Schedule
from chainrule.engines.native.plan import Plan
from chainrule.graph.node import Node

__all__ = ["Body", "Frame", "Pointers"]

Pointers = Mapping[Node, Value]


@dataclass(frozen=True)
class Frame:
    """What a thread knows while it runs: its number, how many there are, and shared places.

    Attributes
    ----------
    index, count
        The thread's number, and the number of threads.
    rows
        How many rows the batch has, where only the run knows.
    scratch
        Memory of this thread.
    error
        A word that becomes 1 when an index is out of range.
    meeting
        Memory of the barrier.
    """

    index: Value
    count: Value
    rows: Value
    scratch: Value
    error: Value
    meeting: Value

    @property
    def values(self) -> tuple[Value, ...]:
        """All of it, as a function gets it."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Body:
    """A list of kernels that is run repeatedly: its schedule, its plan, its arena."""

    schedule: Schedule
    plan: Plan
    arena: Value

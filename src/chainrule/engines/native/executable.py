"""Compiled code, ready to be called: with memory for each run, on as many threads as are free."""

import copy
import ctypes
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from chainrule.engines.native.barrier import barrier_bytes
from chainrule.engines.native.machine import load
from chainrule.engines.native.workers import run_together
from chainrule.engines.panels import aligned

__all__ = ["Artifact", "Executable", "Memory"]


@dataclass(frozen=True)
class Artifact:
    """What remains of a graph when it is compiled; all of it can be kept in a file.

    Attributes
    ----------
    code
        An object file with the function ``run(table, index, count)``.
    constants
        Arrays that the code reads.
    facts
        Numbers, texts and lists of them. ``arena`` and ``scratch`` are bytes: of memory for a run,
        and for each of its threads. The arena's first ``counters`` bytes are 0 at first.
    """

    code: bytes
    constants: Sequence[np.ndarray]
    facts: Mapping[str, Any]


class Executable:
    """The function of an artifact.

    Parameters
    ----------
    artifact
        What was compiled.
    threads
        The most threads to run on.
    """

    def __init__(self, artifact: Artifact, threads: int) -> None:
        self._code, self._threads = load(artifact.code), threads
        self._run = self._code.function("run", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._sizes = artifact.facts["arena"], artifact.facts["scratch"] * threads
        self._counters: int = artifact.facts["counters"]
        self._free: list[Memory] = []
        self._lock = threading.Lock()

    def __call__(self, arrays: Sequence[np.ndarray], threads: int | None = None) -> bool:
        """Run on contiguous arrays; returns whether all indices were in range.

        ``threads`` are fewer than all, if they are given.
        """
        with self._lock:  # as much memory exists as runs go on at the same time
            memory = self._free.pop() if self._free else None
        memory = memory or self.memory(len(arrays))
        good = self.run(memory, memory.table_for(arrays), threads)
        with self._lock:  # where the run was interrupted, its memory is not used again
            self._free.append(memory)
        return good

    def renewed(self) -> Self:
        """The same code with memory of its own, which is given back when this goes."""
        other = copy.copy(self)
        other._free, other._lock = [], threading.Lock()
        return other

    def memory(self, count: int) -> "Memory":
        """Memory for runs on so many arrays, one at a time."""
        return Memory(count, *self._sizes, self._counters, self._threads)

    def run(self, memory: "Memory", table: int, threads: int | None = None) -> bool:
        """Run on the arrays of a table of that memory, as by a call."""
        run_together(self._run, table, threads or self._threads)
        return memory.all_in_range()


class Memory:
    """The table of a run, and what it needs besides arrays: arena, scratch, error word, barrier."""

    def __init__(self, count: int, arena: int, scratch: int, counters: int, threads: int) -> None:
        self._error = np.zeros(1, np.int64)
        meeting = aligned((barrier_bytes(threads),), np.uint8)
        meeting[:] = 0
        self._own = [*(aligned((n,), np.uint8) for n in (arena, scratch)), self._error, meeting]
        self._own[0][:counters] = 0
        addresses = [0] * count + [_address(array) for array in self._own]
        self._table = (ctypes.c_uint64 * len(addresses))(*addresses)
        self._at = ctypes.addressof(self._table)
        self._known: list[Any] = [_nothing] * count

    def table_for(self, arrays: Sequence[np.ndarray]) -> int:
        """The address of the table with these arrays; most are those of the run before."""
        for i, array in enumerate(arrays):
            if self._known[i]() is not array:
                self._known[i] = weakref.ref(array)
                self._table[i] = _address(array)
        return self._at

    def all_in_range(self) -> bool:
        """Whether no index was out of range; forgets it."""
        good = not self._error[0]
        self._error[0] = 0
        return good


def _nothing() -> None:
    """What a reference to an array that is gone gives."""


def _address(array: np.ndarray) -> int:
    """Where an array lies; ``array.ctypes.data`` takes twice as long."""
    address: int = array.__array_interface__["data"][0]
    return address

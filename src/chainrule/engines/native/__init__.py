"""The native engine: a graph as machine code, through LLVM.

The stages, each a module that prints what it decided: :mod:`fuse` puts the nodes of a graph into
kernels, :mod:`split` divides these among threads, :mod:`plan` gives every value its place in
memory, :mod:`region`, :mod:`product`, :mod:`row_sums` and :mod:`loops` write the kernels,
:mod:`writer` puts them together. :mod:`program` and :mod:`training` are called from Python.

Nothing here is imported before it is needed: LLVM takes a while, and may be missing. Graphs that do
the same share their code, but not the memory that it runs in: that goes with who asked for it.
"""

import importlib
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chainrule.graph.node import Graph

if TYPE_CHECKING:
    from chainrule.engines.native.training import NativeLoop

__all__ = ["Refused", "native_available", "native_loop", "native_program"]

Compiled = TypeVar("Compiled")
#: How many compiled graphs are kept, the latest used ones.
KEPT = 256


class Refused(Exception):
    """A graph holds an op without a native rule; its name is the message."""


@cache
def native_available() -> bool:
    """Whether LLVM is installed."""
    return importlib.util.find_spec("llvmlite") is not None


class _Cache:
    """What was compiled, by what it does. Two threads that ask for the same wait for one."""

    def __init__(self) -> None:
        self._known: OrderedDict[Any, Any] = OrderedDict()
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], Compiled]) -> Compiled:
        """What is known under the key, made if it is new."""
        with self._lock:
            own = self._locks.setdefault(key, threading.Lock())
        with own:
            with self._lock:
                if key in self._known:
                    self._known.move_to_end(key)
                    found: Compiled = self._known[key]
                    return found
            made = make()
            with self._lock:
                self._known[key] = made
                if len(self._known) > KEPT:
                    self._locks.pop(self._known.popitem(last=False)[0], None)
            return made


_compiled = _Cache()


def native_program(
    graph: Graph, threads: int = 1, last: Sequence[np.ndarray] = ()
) -> Callable[[Sequence[Any]], list[np.ndarray]]:
    """A graph compiled for this machine, to run on that many threads at most.

    Its ``last`` inputs may be given once and for all.

    Raises
    ------
    Refused
        If the graph holds an op without a native rule.
    """
    module = importlib.import_module("chainrule.engines.native.bound")
    program = _compiled.get((graph, threads), lambda: module.NativeProgram(graph, threads=threads))
    bound: Callable[[Sequence[Any]], list[np.ndarray]] = module.Bound(program.renewed(), last)
    return bound


def native_loop(
    graph: Graph, counts: Sequence[int], threads: int, shorter: Graph | None = None
) -> "NativeLoop":
    """A training step compiled together with the loop around it.

    Its inputs are so many states, arrays of a batch and values of its own (``counts``), then what
    is fixed. With the same step for a ``shorter`` batch, the code serves batches of any length up
    to the step's, if it can.

    Raises
    ------
    Refused
        If the graph holds an op without a native rule.
    """
    module = importlib.import_module("chainrule.engines.native.training")
    loop: NativeLoop = _compiled.get(
        (graph, *counts, threads, shorter),
        lambda: module.NativeLoop(graph, *counts, threads=threads, shorter=shorter),
    )
    return loop.renewed()

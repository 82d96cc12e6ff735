"""Which engine runs a graph, and on how many threads: a recorded cost model, never a clock.

Compiling costs tens to hundreds of milliseconds, and then a run costs less. Where the number of
runs is known, the cheaper total wins. Where it is not, a graph is interpreted until that has cost
as much as compiling would: the total is then at most about twice the best possible (renting before
buying; Karlin, Manasse, Rudolph & Sleator 1988, *Competitive snoopy caching*).

The numbers were fitted on a two-core x86-64 machine with AVX2; only their ratios matter.
"""

import math
import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache

from chainrule import words
from chainrule.engines.cpus import cpu_limit
from chainrule.engines.native import native_available
from chainrule.errors import EngineWarning, OptionError
from chainrule.graph.node import Graph, Node

__all__ = [
    "Work",
    "checked_engine",
    "chosen_engine",
    "runs_before_compiling",
    "threads_for",
    "work_of",
]

ENGINES = ("auto", "interpret", "native")
# Seconds: a NumPy call, a byte moved and a floating operation of a product in each engine.
CALL = 1.3e-6
INTERPRETED_BYTE, INTERPRETED_FLOP = 5e-11, 2e-11
NATIVE_BYTE, NATIVE_FLOP = 1.5e-11, 1.1e-11
# Seconds to compile: for a start, and for each node.
COMPILE_START, COMPILE_NODE = 0.22, 4e-4
#: Below this many seconds in one run a second thread does not pay for meeting.
SHARED_RUN = 15e-6
#: Below this many seconds in one call it does not pay for being woken.
SHARED_CALL = 1e-3


@dataclass(frozen=True)
class Work:
    """What one run of a graph does.

    Attributes
    ----------
    calls
        Operations, each one NumPy call in the interpreter.
    moved
        Bytes of their results.
    flops
        Multiplications and additions in matrix products.
    nodes
        Nodes, those of the bodies of loops once.
    """

    calls: float
    moved: float
    flops: float
    nodes: int

    @property
    def interpreted(self) -> float:
        """Seconds in the interpreter."""
        return CALL * self.calls + INTERPRETED_BYTE * self.moved + INTERPRETED_FLOP * self.flops

    @property
    def native(self) -> float:
        """Seconds as machine code, on one thread."""
        return NATIVE_BYTE * self.moved + NATIVE_FLOP * self.flops

    @property
    def compiling(self) -> float:
        """Seconds to compile."""
        return COMPILE_START + COMPILE_NODE * self.nodes


def work_of(graph: Graph) -> Work:
    """What one run of a graph does; a ``while`` counts as one round."""
    calls = moved = flops = 0.0
    nodes = 0
    for node in graph.nodes:
        bodies = [value for value in node.attributes.values() if isinstance(value, Graph)]
        rounds = node.attributes.get("length", 1)
        for inner in map(work_of, bodies):
            calls += rounds * inner.calls
            moved += rounds * inner.moved
            flops += rounds * inner.flops
            nodes += inner.nodes
        if not bodies:
            calls += 1
            moved += sum(spec.size * spec.dtype.itemsize for spec in node.specs)
            flops += 2 * node.spec.size * _contracted(node)
        nodes += 1
    return Work(calls, moved, flops, nodes)


def _contracted(node: Node) -> int:
    return node.inputs[0].spec.shape[-1] if node.op.name == "matmul" else 0


def checked_engine(engine: str) -> None:
    """Raise unless there is such an engine.

    Raises
    ------
    OptionError
        If there is no such engine, or LLVM is not installed.
    """
    if engine not in ENGINES:
        raise OptionError("engines.unknown", engine=engine, known=", ".join(ENGINES))
    if engine == "native" and not native_available():
        raise OptionError("engines.no_native")


def chosen_engine(engine: str, graph: Graph, runs: float) -> str:
    """``"native"`` or ``"interpret"`` for a graph that is run so many times.

    Runs of the same graph before count, too: of a thousand short trainings the first ones are
    interpreted, until compiling would have paid for them together.
    """
    checked_engine(engine)
    if engine != "auto":
        return engine
    pays = _ledger.would_have_saved(graph, runs) > work_of(graph).compiling
    return "native" if pays and _native_or_note() else "interpret"


class _Ledger:
    """What machine code would have saved so far, in seconds, for graphs that were asked about."""

    KEPT = 1024

    def __init__(self) -> None:
        self._saved: OrderedDict[Graph, float] = OrderedDict()
        self._lock = threading.Lock()

    def would_have_saved(self, graph: Graph, runs: float) -> float:
        """In all runs of such a graph, the coming ones among them."""
        work = work_of(graph)
        with self._lock:
            total = self._saved.pop(graph, 0.0) + runs * (work.interpreted - work.native)
            self._saved[graph] = total
            if len(self._saved) > self.KEPT:
                self._saved.popitem(last=False)
        return total


_ledger = _Ledger()


@cache
def _native_or_note() -> bool:
    """Whether there is a native engine; says once in a process what its lack costs."""
    if not native_available():
        warnings.warn(words.text("engines.slow"), EngineWarning, stacklevel=2)
    return native_available()


def runs_before_compiling(graph: Graph, overhead: float) -> float:
    """How often to interpret a graph before it is compiled, where nobody knows how often it runs.

    ``overhead`` are the seconds that a native run spends outside of its code. Infinite where the
    interpreter is no slower.
    """
    work = work_of(graph)
    saved = work.interpreted - work.native - overhead
    return work.compiling / saved if saved > 0 and native_available() else math.inf


def threads_for(graph: Graph, most: int | None, *, repeated: bool) -> int:
    """How many threads pay for a graph; ``repeated``: one call runs it many times."""
    if work_of(graph).native < (SHARED_RUN if repeated else SHARED_CALL):
        return 1
    return cpu_limit() if most is None else min(most, cpu_limit())

"""``compile``: trace a function once per shape, then run the prepared graph."""

import functools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.engines.choose import checked_engine, runs_before_compiling, threads_for
from chainrule.engines.diagnosis import NonFinite, first_nonfinite
from chainrule.engines.interpret import Program
from chainrule.engines.native import Refused, native_program
from chainrule.graph.node import Graph
from chainrule.graph.tensor import Tensor, asarray
from chainrule.graph.trace import is_array, merged, trace
from chainrule.trees import TreeDef, tree_flatten, tree_unflatten

__all__ = ["Compiled", "compile"]

#: Seconds that a native call spends around its code: memory for results, the table of pointers.
NATIVE_CALL = 20e-6

Run: TypeAlias = Callable[[Sequence[Any]], list[np.ndarray]]
#: Values from outside that a traced function used.
Captured: TypeAlias = Sequence[np.ndarray]


@dataclass(frozen=True)
class _Variant:
    """A function traced for one set of shapes."""

    graph: Graph
    run: Run
    captured: tuple[np.ndarray, ...]
    output: TreeDef
    single: bool


class _Latest:
    """The latest call of a function: most calls are like the one before, and quickly told to be."""

    def __init__(self, variant: _Variant, definition: TreeDef, leaves: Sequence[Any]) -> None:
        self.variant, self._definition = variant, definition
        self._flat = all(child.kind is None for child in definition.children)
        self._specs = [
            (leaf.shape, leaf.dtype) if type(leaf) is Tensor else ((-1,), None) for leaf in leaves
        ]

    def inputs(self, arguments: tuple[Any, ...]) -> list[Any] | None:
        """The arrays of the arguments, if they are tensors of the same specs as then."""
        leaves: Sequence[Any] = arguments
        if not self._flat:
            leaves, definition = tree_flatten(arguments)
            if definition != self._definition:
                return None
        if len(leaves) != len(self._specs):
            return None
        arrays: list[Any] = []
        for leaf, (shape, dtype) in zip(leaves, self._specs, strict=True):
            if type(leaf) is not Tensor:
                return None
            array = leaf._array
            if array is None or array.shape != shape or array.dtype != dtype:
                return None
            arrays.append(array)
        return arrays


class Compiled:
    """A function that is traced once per set of shapes, types and options; see :func:`compile`.

    Attributes
    ----------
    trace_count
        How many times the function was traced.
    """

    def __init__(
        self, function: Callable[..., Any], engine: str, threads: int | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self._function, self._engine, self._threads = function, engine, threads
        self._variants: dict[Any, _Variant] = {}
        self._latest: _Latest | None = None
        self._lock = threading.Lock()
        self.trace_count = 0

    def __call__(self, *arguments: Any) -> Any:
        """Run the function, traced if the shapes are new."""
        latest = self._latest
        inputs = latest.inputs(arguments) if latest is not None else None
        if latest is None or inputs is None:
            leaves, definition = tree_flatten(arguments)
            if any(isinstance(leaf, Tensor) and leaf.is_symbolic for leaf in leaves):
                return self._function(*arguments)  # inside another trace: become part of its graph
            variant, inputs = self._variant(leaves, definition)
            self._latest = _Latest(variant, definition, leaves)
        else:
            variant = latest.variant
        results = [Tensor(np.asarray(r)) for r in variant.run(inputs)]
        return results[0] if variant.single else tree_unflatten(variant.output, results)

    def graph(self, *arguments: Any) -> Graph:
        """The graph for such arguments, with the user's calls in it."""
        return self._variant(*tree_flatten(arguments))[0].graph

    def first_nonfinite(self, *arguments: Any) -> NonFinite | None:
        """Where the first NaN or infinity comes from with these arguments."""
        variant, inputs = self._variant(*tree_flatten(arguments))
        return first_nonfinite(variant.graph, [*inputs, *variant.captured])

    def _variant(self, leaves: Sequence[Any], definition: TreeDef) -> tuple[_Variant, list[Any]]:
        """The variant for such arguments, traced if it is new, and their arrays."""
        arrays = tuple(map(is_array, leaves))
        tensors = _as_tensors([x for x, a in zip(leaves, arrays, strict=True) if a])
        options = tuple(x for x, a in zip(leaves, arrays, strict=True) if not a)
        key = (definition, arrays, tuple((t.shape, t.dtype) for t in tensors), options)
        variant = self._variants.get(key)
        if variant is None:
            with self._lock:
                variant = self._variants.get(key)
                if variant is None:
                    variant = self._traced(leaves, definition, arrays, tensors)
                    self._variants[key] = variant
                    self.trace_count += 1
        return variant, [t._array for t in tensors]

    def _traced(
        self,
        leaves: Sequence[Any],
        definition: TreeDef,
        arrays: Sequence[bool],
        tensors: Sequence[Tensor],
    ) -> _Variant:
        def flat(*values: Tensor) -> Any:
            return self._function(*tree_unflatten(definition, merged(leaves, arrays, values)))

        names = [p for p, a in zip(definition.paths, arrays, strict=True) if a]
        traced = trace(flat, [t.spec for t in tensors], names)
        captured = tuple(np.ascontiguousarray(t.numpy()) for t in traced.captured)
        run = _prepared(traced.graph, captured, self._engine, self._threads)
        single = traced.output.kind is None
        return _Variant(traced.graph, run, captured, traced.output, single)


def _prepared(graph: Graph, captured: Captured, engine: str, threads: int | None) -> Run:
    """A graph prepared for an engine, to be run on all inputs but those that were captured."""
    if engine == "native":
        return _native(graph, captured, threads)
    if engine == "auto":
        limit = runs_before_compiling(graph, NATIVE_CALL)
        if limit < math.inf:
            return _Undecided(graph, captured, limit, threads)
    return _interpreted(graph, captured)


def _interpreted(graph: Graph, captured: Captured) -> Run:
    program = Program(graph)
    return (lambda arrays: program([*arrays, *captured])) if captured else program


def _native(graph: Graph, captured: Captured, threads: int | None) -> Run:
    """Machine code; the interpreter takes what the native engine refuses."""
    try:
        return native_program(graph, threads_for(graph, threads, repeated=False), captured)
    except Refused:
        return _interpreted(graph, captured)


class _Undecided:
    """Interprets a graph until that has cost as much as compiling it, and compiles it then."""

    def __init__(self, graph: Graph, captured: Captured, limit: float, threads: int | None) -> None:
        self._graph, self._captured, self._threads = graph, captured, threads
        self._limit, self._runs, self._lock = limit, 0, threading.Lock()
        self._run = _interpreted(graph, captured)

    def __call__(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        if self._runs <= self._limit:
            with self._lock:
                self._runs += 1
                if self._limit < self._runs:
                    self._run = _native(self._graph, self._captured, self._threads)
        return self._run(arrays)


def _as_tensors(values: Sequence[Any]) -> list[Tensor]:
    """Arrays as tensors; Python numbers take the floating type of the arrays beside them."""
    if not any(type(v) is float for v in values):
        return [asarray(v) for v in values]
    types = {asarray(v).dtype for v in values if not isinstance(v, float)}
    wide = np.dtype(np.float64) in types and np.dtype(np.float32) not in types
    number = np.float64 if wide else np.float32
    return [asarray(v, number) if type(v) is float else asarray(v) for v in values]


def compile(
    function: Callable[..., Any], *, engine: str = "auto", threads: int | None = None
) -> Compiled:
    """A faster version of ``function``: traced once, simplified, and run as a prepared graph.

    Parameters
    ----------
    function
        A function of trees of tensors without side effects. It is traced anew for every new
        combination of shapes, number types and options (leaves that are not arrays or floats).
        Floats are inputs: another learning rate is not another trace. What the function captures
        from outside is read once, when it is traced.
    engine
        ``"interpret"``: NumPy, op by op. ``"native"``: machine code made by LLVM, which takes tens
        to hundreds of milliseconds to compile and needs llvmlite; a graph
        that holds an op without a native rule is interpreted. ``"auto"``: interpreted until that
        has cost as much as compiling would, by a recorded cost model; then native. The two agree to
        rounding, so with ``"auto"`` the last digits of a result may depend on how often the
        function ran before.
    threads
        The most threads that native code runs on; by default as many as the process may use. Their
        number does not change a bit of the result.

    Raises
    ------
    OptionError
        If there is no such engine, or LLVM is not installed.

    Returns
    -------
    Compiled
        Takes the same arguments. Called with symbolic tensors it becomes part of their graph, so
        transformations apply to it.

    Examples
    --------
    >>> import chainrule as cr
    >>> step = cr.compile(lambda w, rate: w - rate * cr.grad(lambda w: (w * w).sum())(w))
    >>> step(cr.tensor([1.0, 2.0]), 0.25).tolist(), step(cr.tensor([1.0, 2.0]), 0.5).tolist()
    ([0.5, 1.0], [0.0, 0.0])
    >>> step.trace_count
    1
    """
    checked_engine(engine)
    return Compiled(function, engine, threads)

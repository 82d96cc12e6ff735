"""``compile``: trace a function once per shape, then run the prepared graph."""

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engines.interpret import Program
from chainrule.errors import OptionError
from chainrule.graph.node import Graph
from chainrule.graph.tensor import Tensor, asarray
from chainrule.graph.trace import is_array, merged, trace
from chainrule.trees import TreeDef, tree_flatten, tree_unflatten

__all__ = ["Compiled", "compile"]

ENGINES = ("auto", "interpret")


@dataclass(frozen=True)
class _Variant:
    """A function traced for one set of shapes."""

    program: Program
    captured: tuple[np.ndarray, ...]
    output: TreeDef


class Compiled:
    """A function that is traced once for each set of shapes, types and options; see :func:`compile`.

    Attributes
    ----------
    trace_count
        How many times the function was traced.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._variants: dict[Any, _Variant] = {}
        self._lock = threading.Lock()
        self.trace_count = 0

    def __call__(self, *arguments: Any) -> Any:
        leaves, definition = tree_flatten(arguments)
        if any(isinstance(leaf, Tensor) and leaf.is_symbolic for leaf in leaves):
            return self._function(*arguments)  # inside another trace: become part of its graph
        arrays = [is_array(leaf) for leaf in leaves]
        tensors = _as_tensors([x for x, a in zip(leaves, arrays, strict=True) if a])
        options = tuple(x for x, a in zip(leaves, arrays, strict=True) if not a)
        variant = self._variant(leaves, definition, arrays, tensors, options)
        values = [t._array for t in tensors]
        results = variant.program([*values, *variant.captured])
        return tree_unflatten(variant.output, (Tensor(np.asarray(r)) for r in results))

    def graph(self, *arguments: Any) -> Graph:
        """The prepared graph for such arguments."""
        leaves, definition = tree_flatten(arguments)
        arrays = [is_array(leaf) for leaf in leaves]
        tensors = _as_tensors([x for x, a in zip(leaves, arrays, strict=True) if a])
        options = tuple(x for x, a in zip(leaves, arrays, strict=True) if not a)
        return self._variant(leaves, definition, arrays, tensors, options).program.graph

    def _variant(
        self,
        leaves: Sequence[Any],
        definition: TreeDef,
        arrays: Sequence[bool],
        tensors: Sequence[Tensor],
        options: tuple[Any, ...],
    ) -> _Variant:
        key = (definition, tuple(arrays), tuple(t.spec for t in tensors), options)
        found = self._variants.get(key)
        if found is not None:
            return found
        with self._lock:
            if key not in self._variants:
                self._variants[key] = self._traced(leaves, definition, arrays, tensors)
                self.trace_count += 1
            return self._variants[key]

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
        captured = tuple(t.numpy() for t in traced.captured)
        return _Variant(Program(traced.graph), captured, traced.output)


def _as_tensors(values: Sequence[Any]) -> list[Tensor]:
    """Arrays as tensors; Python numbers take the floating type of the arrays beside them."""
    types = {asarray(v).dtype for v in values if not isinstance(v, float)}
    wide = np.dtype(np.float64) in types and np.dtype(np.float32) not in types
    number = np.float64 if wide else np.float32
    return [asarray(v, number) if type(v) is float else asarray(v) for v in values]


def compile(function: Callable[..., Any], *, engine: str = "auto") -> Compiled:
    """A faster version of ``function``: traced once, simplified, and run as a prepared graph.

    Parameters
    ----------
    function
        A function of trees of tensors without side effects. It is traced anew for every new
        combination of shapes, number types and options (leaves that are not arrays or floats).
        Floats are inputs: another learning rate is not another trace. What the function captures
        from outside is read once, when it is traced.
    engine
        ``"interpret"`` (NumPy), or ``"auto"``, the fastest that there is.

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
    if engine not in ENGINES:
        raise OptionError("engines.unknown", engine=engine, known=", ".join(ENGINES))
    return Compiled(function)

"""The interpreter: plain NumPy, op by op. What it computes is what a graph means.

A graph is prepared once as a list of instructions on numbered slots: calls are inlined, equal nodes
merged, and each slot is cleared after its last reader. Two things make it about as fast as NumPy
written by hand, and change no bit of a result:

- Elementwise functions broadcast by themselves: a ``broadcast_to`` that only they read is skipped.
- An elementwise function writes into an input's memory if nobody reads that input afterwards.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import WHERE
from chainrule.graph.ops.movement import BROADCAST
from chainrule.graph.simplify import inline_calls, simplify
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import CONSTANT

__all__ = ["Program"]

PICK = TABLE["pick"]
#: Rows whose result is memory of its own, so that a reader may overwrite it.
FRESH = {
    "matmul",
    "where",
    "sum",
    "concatenate",
    "pad",
    "gather",
    "scatter",
    "scatter_add",
    "cumsum",
}
#: Below this many elements a new array costs less than the decision to reuse one.
REUSE_SIZE = 512


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step: ``slots[target] = function(*slots[sources])``, then forget the ``dead`` slots.

    ``reused`` is the position among ``sources`` of the array that is overwritten, or -1.
    """

    function: Callable[..., Any]
    sources: tuple[int, ...]
    target: int
    dead: tuple[int, ...]
    reused: int
    node: Node


class Program:
    """A graph, prepared to be run many times.

    Parameters
    ----------
    graph
        What to run. Its sub-graphs are prepared too.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> program = cr.engines.Program(cr.make_graph(lambda x: x * x + 1, cr.Spec((2,))))
    >>> program([np.array([1, 2], np.float32)])
    [array([2., 5.], dtype=float32)]
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = simplify(inline_calls(graph))
        slot = {node: i for i, node in enumerate((*self.graph.inputs, *self.graph.nodes))}
        self._outputs = tuple(slot[node] for node in self.graph.outputs)
        self._constants = [
            (slot[node], node.attributes["value"].array)
            for node in self.graph.nodes
            if node.op is CONSTANT
        ]
        self._size = len(slot)
        self.instructions = _instructions(self.graph, slot)

    def __call__(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """Outputs for the given inputs, which are not changed."""
        with np.errstate(all="ignore"):  # domains are checked by those who ask, see ``diagnosis``
            return self._run(arrays)

    def _run(self, arrays: Sequence[Any]) -> list[Any]:
        slots: list[Any] = [None] * self._size
        slots[: len(arrays)] = arrays
        for place, array in self._constants:
            slots[place] = array
        for step in self.instructions:
            operands = [slots[i] for i in step.sources]
            if step.reused >= 0:
                slots[step.target] = step.function(*operands, out=operands[step.reused])
            else:
                slots[step.target] = step.function(*operands)
            for i in step.dead:
                slots[i] = None
        return [slots[i] for i in self._outputs]

    def __str__(self) -> str:
        lines = []
        for step in self.instructions:
            sources = ", ".join(f"s{i}" for i in step.sources)
            note = f"  into s{step.sources[step.reused]}" if step.reused >= 0 else ""
            lines.append(f"s{step.target} = {step.node.op.name}({sources}){note}")
        return "\n".join(lines)


def _instructions(graph: Graph, slot: dict[Node, int]) -> tuple[Instruction, ...]:
    source = _skipped_broadcasts(graph)
    run_nodes = [n for n in graph.nodes if n.op is not CONSTANT and n not in source]
    operands = {node: [source.get(child, child) for child in node.inputs] for node in run_nodes}
    readers: dict[Node, list[Node]] = {}
    for node in run_nodes:
        for child in operands[node]:
            readers.setdefault(child, []).append(node)
    kept = {*graph.inputs, *graph.outputs}
    steps = []
    for node in run_nodes:
        dead = [
            child
            for child in dict.fromkeys(operands[node])
            if readers[child][-1] is node and child not in kept and child.op is not CONSTANT
        ]
        steps.append(
            Instruction(
                function=_function(node),
                sources=tuple(slot[child] for child in operands[node]),
                target=slot[node],
                dead=tuple(slot[child] for child in dead),
                reused=_reusable(node, operands[node], dead, readers),
                node=node,
            )
        )
    return tuple(steps)


def _is_ufunc(node: Node) -> bool:
    return isinstance(node.op.value, np.ufunc) and node.op.family == "elementwise"


def _broadcasts(node: Node) -> bool:
    return _is_ufunc(node) or node.op is WHERE


def _skipped_broadcasts(graph: Graph) -> dict[Node, Node]:
    """Broadcasts → what they stretch, where all readers would broadcast that by themselves.

    A reader does so if another of its inputs has the full shape.
    """
    outputs = set(graph.outputs)
    candidates = {n for n in graph.nodes if n.op is BROADCAST and n not in outputs}
    for node in graph.nodes:
        stretched = [child for child in node.inputs if child in candidates]
        if stretched and not (_broadcasts(node) and len(set(stretched)) < len(set(node.inputs))):
            candidates.difference_update(stretched)
    return {node: node.inputs[0] for node in candidates}


def _reusable(
    node: Node, operands: Sequence[Node], dead: Sequence[Node], readers: dict[Node, list[Node]]
) -> int:
    """The position of an input whose memory the node may overwrite, or -1."""
    if not _is_ufunc(node) or node.spec.size < REUSE_SIZE:
        return -1
    for i, child in enumerate(operands):
        fresh = _is_ufunc(child) or child.op.name in FRESH
        # A reader that returns a view would keep the memory alive under another name.
        viewed = any(r.op.family in ("movement", "structure") for r in readers[child])
        if child in dead and fresh and not viewed and child.spec == node.spec:
            return i
    return -1


def _function(node: Node) -> Callable[..., Any]:
    """A node's NumPy value with its attributes filled in."""
    if node.op is PICK:
        return operator.itemgetter(node.attributes["index"])
    attributes = dict(node.attributes)
    subgraphs = [value for value in attributes.values() if isinstance(value, Graph)]
    if subgraphs:
        programs = {id(graph): Program(graph) for graph in subgraphs}

        def run(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
            return programs[id(graph)]._run(arrays)

        attributes["run"] = run
    return functools.partial(node.op.value, **attributes) if attributes else node.op.value

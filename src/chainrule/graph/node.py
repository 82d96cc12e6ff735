"""The graph: immutable nodes that refer to their inputs, and graphs that cut them out.

A :class:`Node` is one operation with its inputs; following the inputs gives everything that a value
was computed from. A :class:`Graph` says where that walk stops: any node may serve as an input. So a
sub-graph that captures a value of its surroundings simply lists that node among its inputs, and no
graph is ever copied to be closed.

All walks are iterative: a chain of 10,000 operations is an ordinary graph.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.graph.spec import Spec
from chainrule.graph.table import Op

__all__ = ["Graph", "Literal", "Node", "topological"]

_serial_numbers = itertools.count()


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One operation in a graph: an op, the nodes that it reads, and its attributes.

    Nodes are compared by identity. ``serial`` grows with creation, so a node can only depend on
    nodes of a smaller serial: that is how a trace tells its own nodes from its surroundings'.
    """

    op: Op
    inputs: tuple["Node", ...]
    attributes: Mapping[str, Any]
    specs: tuple[Spec, ...]
    serial: int = field(default_factory=_serial_numbers.__next__)

    @property
    def spec(self) -> Spec:
        """Shape and type of the (only) output."""
        return self.specs[0]

    def __repr__(self) -> str:
        return f"<{self.op.name} {', '.join(map(repr, self.specs))}>"


class Literal:
    """The array of a constant node, hashable: by content where it is small, else by identity."""

    __slots__ = ("_key", "array")
    SMALL = 4096  # bytes
    PRINTED = 16  # elements

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        content = array.tobytes() if array.nbytes <= self.SMALL else id(array)
        self._key = (array.dtype.str, array.shape, content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        if self.array.ndim == 0:
            return repr(self.array.item())
        if self.array.size > self.PRINTED:
            return f"<array {self.array.shape}>"
        return " ".join(np.array2string(self.array, precision=4).split())


def topological(outputs: Iterable[Node], inputs: Iterable[Node] = ()) -> tuple[Node, ...]:
    """Every node between ``inputs`` and ``outputs``, inputs excluded, each after those it reads."""
    done = set(inputs)
    order: list[Node] = []
    stack = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, expanded = stack.pop()
        if node in done:
            continue
        if expanded:
            done.add(node)
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.inputs) if child not in done)
    return tuple(order)


class Graph:
    """A function as a graph: inputs, outputs, and all nodes between them.

    Parameters
    ----------
    inputs
        The nodes whose values are given from outside.
    outputs
        The nodes whose values are asked for (a node may be asked for twice, or be an input).
    names
        A name for each input, such as ``hidden.0.weight``; used in print and in messages.

    Notes
    -----
    Two graphs are equal if they do the same: same operations, attributes, wiring, and input specs.
    """

    def __init__(
        self, inputs: Sequence[Node], outputs: Sequence[Node], names: Sequence[str] = ()
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.names = tuple(names) or tuple(f"in{i}" for i in range(len(self.inputs)))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes between inputs and outputs, each after those that it reads."""
        return topological(self.outputs, self.inputs)

    @property
    def input_specs(self) -> tuple[Spec, ...]:
        """Shapes and types of the inputs."""
        return tuple(node.spec for node in self.inputs)

    @property
    def output_specs(self) -> tuple[Spec, ...]:
        """Shapes and types of the outputs."""
        return tuple(node.spec for node in self.outputs)

    @cached_property
    def fingerprint(self) -> tuple[Any, ...]:
        """What the graph does, as a hashable value; equal for equal graphs."""
        number = {node: i for i, node in enumerate((*self.inputs, *self.nodes))}
        body = tuple(
            (
                node.op.name,
                tuple(number[child] for child in node.inputs),
                tuple(sorted(node.attributes.items())),
            )
            for node in self.nodes
        )
        return self.input_specs, body, tuple(number[node] for node in self.outputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        from_to = f"{len(self.inputs)} inputs → {len(self.outputs)} outputs"
        return f"<Graph {len(self.nodes)} nodes, {from_to}>"

    def __str__(self) -> str:
        return _listing(self, "")


def _listing(graph: Graph, indent: str) -> str:
    """The graph as text, one line a node; sub-graphs indented below theirs."""
    name = dict(zip(graph.inputs, graph.names, strict=True))
    head = ", ".join(f"{name[node]}: {node.spec!r}" for node in graph.inputs)
    lines = [f"{indent}({head}) ->"]
    for i, node in enumerate(graph.nodes):
        name[node] = f"%{i}"
        words = [node.op.name, *(name[child] for child in node.inputs)]
        plain = {k: v for k, v in node.attributes.items() if not isinstance(v, Graph)}
        words += [f"{key}={value!r}" for key, value in plain.items()]
        lines.append(f"{indent}  %{i} = {' '.join(words)} : {', '.join(map(repr, node.specs))}")
        for key, value in node.attributes.items():
            if isinstance(value, Graph):
                lines.append(f"{indent}    {key}:")
                lines.append(_listing(value, indent + "    "))
    lines.append(f"{indent}  return {', '.join(name[node] for node in graph.outputs)}")
    return "\n".join(lines)

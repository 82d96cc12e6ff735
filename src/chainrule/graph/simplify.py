"""Simplification: a pass that takes a graph and returns one that computes the same with less.

Constants are folded, equal nodes merged, and what does nothing removed (a transpose of a transpose, a
reshape to the same shape, ``x * 1``). Dead code needs no pass: a graph holds only what its outputs
reach. Rewrites keep every bit, NaN and infinity included, so ``x * 0`` stays.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Graph, Literal, Node
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import CONSTANT, Tensor, node_of

__all__ = ["inline_calls", "simplify"]

#: Constants are folded if the result has at most this many elements.
FOLD = 1024


def simplify(graph: Graph) -> Graph:
    """An equivalent graph with less to do; sub-graphs are simplified too.

    Examples
    --------
    >>> import chainrule as cr
    >>> def f(x):
    ...     return cr.exp(x) * 1 + cr.exp(x).T.T
    >>> print(cr.simplify(cr.make_graph(f, cr.Spec((2, 2)))))
    (in0: f32[2, 2]) ->
      %0 = exp in0 : f32[2, 2]
      %1 = add %0 %0 : f32[2, 2]
      return %1
    """
    return _rebuilt(graph, _Simplifier())


def inline_calls(graph: Graph) -> Graph:
    """The graph with every ``call`` replaced by its body, at any depth.

    Examples
    --------
    >>> import chainrule as cr
    >>> graph = cr.make_graph(cr.nn.relu, cr.Spec((2,)))
    >>> [node.op.name for node in cr.inline_calls(graph).nodes][-1]
    'where'
    """
    value: dict[Node, Node] = {node: node for node in graph.inputs}
    bodies: dict[Node, list[Node]] = {}
    _inline_into(graph, value, bodies)
    return Graph(graph.inputs, [value[node] for node in graph.outputs], graph.names)


def _inline_into(graph: Graph, value: dict[Node, Node], bodies: dict[Node, list[Node]]) -> None:
    for node in graph.nodes:
        if node.op is TABLE["call"]:
            body: Graph = node.attributes["body"]
            inner = dict(zip(body.inputs, (value[child] for child in node.inputs), strict=True))
            _inline_into(body, inner, {})
            bodies[node] = [inner[output] for output in body.outputs]
        elif node.op is TABLE["pick"] and node.inputs[0] in bodies:
            value[node] = bodies[node.inputs[0]][node.attributes["index"]]
        else:
            attributes = {
                key: inline_calls(item) if isinstance(item, Graph) else item
                for key, item in node.attributes.items()
            }
            value[node] = remade(node, [value[child] for child in node.inputs], attributes)


def remade(node: Node, inputs: Sequence[Node], attributes: Any) -> Node:
    """The node with other inputs and attributes; the same one if nothing changes."""
    same = len(inputs) == len(node.inputs) and all(map(_is, inputs, node.inputs))
    if same and all(attributes[key] is item for key, item in node.attributes.items()):
        return node
    return Node(node.op, tuple(inputs), attributes, node.specs)


def _is(a: object, b: object) -> bool:
    return a is b


def _rebuilt(graph: Graph, rewrite: "_Simplifier") -> Graph:
    value: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes:
        value[node] = rewrite(node, [value[child] for child in node.inputs])
    return Graph(graph.inputs, [value[node] for node in graph.outputs], graph.names)


class _Simplifier:
    """Rewrites one node after another; knows the nodes that it has already made."""

    def __init__(self) -> None:
        self._known: dict[Any, Node] = {}

    def __call__(self, node: Node, inputs: list[Node]) -> Node:
        attributes = {
            key: simplify(item) if isinstance(item, Graph) else item
            for key, item in node.attributes.items()
        }
        node = remade(node, inputs, attributes)
        rule = RULES.get(node.op.name)
        simpler = rule(node) if rule else None
        simpler = node if simpler is None else simpler
        return self._merged(_folded(simpler))

    def _merged(self, node: Node) -> Node:
        key = (node.op, node.inputs, tuple(sorted(node.attributes.items())))
        return self._known.setdefault(key, node)


def _folded(node: Node) -> Node:
    """A constant in place of a node that only reads constants."""
    if not node.inputs or any(child.op is not CONSTANT for child in node.inputs):
        return node
    if len(node.specs) != 1 or node.spec.size > FOLD or node.op is TABLE["broadcast_to"]:
        return node  # a broadcast scalar is kept: readers treat it better than an array
    arrays = [child.attributes["value"].array for child in node.inputs]
    with np.errstate(all="ignore"):
        result = np.asarray(node.op.value(*arrays, **node.attributes))
    return node_of(Tensor(result))


# ---------------------------------------------------------------------- rules: node → simpler node
Rule = Callable[[Node], Node | None]


def _constant_value(node: Node) -> float | None:
    """The number that every element of a node is, if it is a (broadcast) scalar constant."""
    while node.op is TABLE["broadcast_to"]:
        node = node.inputs[0]
    if node.op is not CONSTANT:
        return None
    literal: Literal = node.attributes["value"]
    return literal.array.item() if literal.array.size == 1 else None


def _multiply(node: Node) -> Node | None:
    a, b = node.inputs
    if _constant_value(b) == 1:
        return a
    return b if _constant_value(a) == 1 else None


def _divide(node: Node) -> Node | None:
    return node.inputs[0] if _constant_value(node.inputs[1]) == 1 else None


def _subtract(node: Node) -> Node | None:
    # x - 0 is x for every x; x + 0 is not (-0.0 + 0.0 is 0.0).
    return node.inputs[0] if _constant_value(node.inputs[1]) == 0 else None


def _negative(node: Node) -> Node | None:
    (x,) = node.inputs
    return x.inputs[0] if x.op is node.op else None


def _unchanged(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.spec == node.spec else None


def _twice(node: Node) -> Node | None:
    """``reshape(reshape(x))`` and ``broadcast(broadcast(x))`` are one."""
    (x,) = node.inputs
    if x.op is node.op:
        return _unchanged(once := Node(node.op, x.inputs, node.attributes, node.specs)) or once
    return _unchanged(node)


def _transpose(node: Node) -> Node | None:
    (x,) = node.inputs
    axes: tuple[int, ...] = node.attributes["axes"]
    if x.op is node.op:
        first: tuple[int, ...] = x.attributes["axes"]
        axes = tuple(first[a] for a in axes)
        x = x.inputs[0]
    if axes == tuple(range(len(axes))):
        return x
    return Node(node.op, (x,), {"axes": axes}, node.specs) if x is not node.inputs[0] else None


def _no_axes(node: Node) -> Node | None:
    return node.inputs[0] if node.attributes["axes"] == () else None


def _whole_slice(node: Node) -> Node | None:
    (x,) = node.inputs
    whole = node.spec == x.spec and all(step == 1 for step in node.attributes["step"])
    return x if whole else None


def _where(node: Node) -> Node | None:
    condition, x, y = node.inputs
    if x is y:
        return x
    known = _constant_value(condition)
    return None if known is None else (x if known else y)


RULES: dict[str, Rule] = {
    "multiply": _multiply,
    "divide": _divide,
    "subtract": _subtract,
    "negative": _negative,
    "reshape": _twice,
    "broadcast_to": _twice,
    "cast": _unchanged,
    "transpose": _transpose,
    "sum": _no_axes,
    "max": _no_axes,
    "min": _no_axes,
    "slice": _whole_slice,
    "where": _where,
}

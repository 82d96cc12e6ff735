"""Simplification: a pass that takes a graph and returns one that computes the same with less.

Constants are folded, equal nodes merged, and what does nothing removed (a transpose of a transpose,
a reshape to the same shape, ``x * 1``). Dead code needs no pass: a graph holds only what its
outputs reach. Rewrites keep every bit, NaN and infinity included, so ``x * 0`` stays, and so does
``x + 0`` (``-0.0 + 0.0`` is ``0.0``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.movement import BROADCAST
from chainrule.graph.ops.structure import CALL, PICK
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import CONSTANT, INPUT, Tensor, node_of, placeholder

__all__ = ["inline_calls", "remade", "simplify"]

#: Constants are folded if the result has at most this many elements.
FOLD = 1024


def remade(node: Node, inputs: Sequence[Node], attributes: Mapping[str, Any]) -> Node:
    """The node with other inputs and attributes; the same one if nothing changes."""
    same_inputs = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
    if same_inputs and all(attributes[key] is item for key, item in node.attributes.items()):
        return node
    return Node(node.op, tuple(inputs), attributes, node.specs)


def _changed(graph: Graph, inputs: Sequence[Node], outputs: Sequence[Node]) -> Graph:
    """The graph between other nodes; the same one if nothing changes."""
    before, after = (*graph.inputs, *graph.outputs), (*inputs, *outputs)
    if all(a is b for a, b in zip(before, after, strict=True)):
        return graph
    return Graph(inputs, outputs, graph.names)


def _with_subgraphs(node: Node, change: Callable[[Graph], Graph]) -> dict[str, Any]:
    """A node's attributes with its sub-graphs changed."""
    return {
        key: change(item) if isinstance(item, Graph) else item
        for key, item in node.attributes.items()
    }


# ---------------------------------------------------------------------- calls
def inline_calls(graph: Graph) -> Graph:
    """The graph with every ``call`` replaced by its body, at any depth.

    A call that is ``apart`` stays: what it computes again must not be merged with what was computed
    before.

    Examples
    --------
    >>> import chainrule as cr
    >>> twice = cr.named(lambda x: x + x)
    >>> graph = cr.make_graph(twice, cr.Spec((2,)))
    >>> [node.op.name for node in graph.nodes]
    ['call', 'pick']
    >>> [node.op.name for node in cr.inline_calls(graph).nodes]
    ['add']
    """
    return _changed(graph, graph.inputs, _inlined(graph, graph.inputs))


def _inlined(graph: Graph, inputs: Sequence[Node]) -> list[Node]:
    """The outputs of a graph for the given inputs; recurses into calls, never along nodes."""
    value: dict[Node, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        operands = [value[child] for child in node.inputs]
        if node.op is CALL and not node.attributes.get("apart"):
            value[node] = _inlined(node.attributes["body"], operands)
        elif node.op is PICK and isinstance(operands[0], list):
            value[node] = operands[0][node.attributes["index"]]
        else:
            value[node] = remade(node, operands, _with_subgraphs(node, inline_calls))
    return [value[node] for node in graph.outputs]


# ---------------------------------------------------------------------- simplification
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
    made: dict[Any, Node] = {}
    value = {node: _opaque(node) for node in graph.inputs}
    inputs = list(value.values())
    for node in graph.nodes:
        operands = [value[child] for child in node.inputs]
        simpler = _simpler(remade(node, operands, _with_subgraphs(node, simplify)))
        value[node] = _merged(simpler, made)
    return _changed(graph, inputs, [value[node] for node in graph.outputs])


def _opaque(node: Node) -> Node:
    """An input as a node that rules cannot look behind: what it was computed from lies outside."""
    return node if node.op is INPUT else node_of(placeholder(node.spec))


def _merged(node: Node, made: dict[Any, Node]) -> Node:
    """The node that computed the same before, if there is one; so for its constants."""
    if node.op is INPUT:
        return node  # two inputs of one spec are still two
    operands = [_merged(x, made) if x.op is CONSTANT else x for x in node.inputs]
    node = remade(node, operands, node.attributes)
    identity = (node.op, node.inputs, tuple(sorted(node.attributes.items())))
    return made.setdefault(identity, node)


def _simpler(node: Node) -> Node:
    """Apply rules until none says more."""
    while True:
        rule = RULES.get(node.op.name)
        found = (rule(node) if rule else None) or _folded(node)
        if found is None:
            return node
        node = found


def _folded(node: Node) -> Node | None:
    """A constant in place of a node that reads constants only."""
    if not node.inputs or node.op is BROADCAST or node.op.family == "structure":
        return None  # a broadcast number is kept: readers treat it better than an array
    if node.spec.size <= FOLD and all(child.op is CONSTANT for child in node.inputs):
        return _computed(node, [child.attributes["value"].array for child in node.inputs])
    if node.op.family == "elementwise":
        numbers = [array for child in node.inputs if (array := _number(child)) is not None]
        if len(numbers) == len(node.inputs):
            return _repeated(_computed(node, numbers), node.spec)
    return None


def _computed(node: Node, arrays: Sequence[np.ndarray]) -> Node | None:
    """The node's value as a constant."""
    try:
        with np.errstate(all="ignore"):
            result = node.op.value(*arrays, **node.attributes)
    except (ChainruleError, ValueError):
        return None  # it is refused; whoever runs the graph shall hear why
    return node_of(Tensor(np.asarray(result)))


def _number(node: Node) -> np.ndarray | None:
    """The number that every element of a node is, if it is a (broadcast) scalar constant."""
    scalar = _scalar(node)
    return None if scalar is None else scalar.attributes["value"].array


def _scalar(node: Node) -> Node | None:
    while node.op is BROADCAST:
        (node,) = node.inputs
    return node if node.op is CONSTANT and node.spec.shape == () else None


def _repeated(scalar: Node | None, spec: Spec) -> Node | None:
    """A scalar node in the wanted shape."""
    if scalar is None or spec.shape == ():
        return scalar
    return Node(BROADCAST, (scalar,), {"shape": spec.shape}, (spec,))


# ---------------------------------------------------------------------- rules: node → simpler node
Rule = Callable[[Node], Node | None]


def _is(node: Node, number: float) -> bool:
    """Whether every element is ``number``; zeros of different sign are different."""
    array = _number(node)
    if array is None or array != number:
        return False
    return array.dtype.kind != "f" or bool(np.signbit(array) == np.signbit(number))


def _add(node: Node) -> Node | None:
    a, b = node.inputs
    zero = -0.0 if node.spec.is_float else 0  # only -0.0 leaves -0.0 as it is
    if _is(b, zero):
        return a
    return b if _is(a, zero) else None


def _subtract(node: Node) -> Node | None:
    a, b = node.inputs
    return a if _is(b, 0.0) else None


def _multiply(node: Node) -> Node | None:
    a, b = node.inputs
    if _is(b, 1):
        return a
    return b if _is(a, 1) else None


def _divide(node: Node) -> Node | None:
    a, b = node.inputs
    return a if _is(b, 1) else None


def _inverse_of_itself(node: Node) -> Node | None:
    """``-(-x)``, and the same axes flipped twice."""
    (x,) = node.inputs
    twice = x.op is node.op and x.attributes == node.attributes
    return x.inputs[0] if twice else None


def _moved(node: Node) -> Node | None:
    """A movement of one number that is everywhere the same."""
    (x,) = node.inputs
    return _repeated(_scalar(x), node.spec)


def _reshape(node: Node) -> Node | None:
    """``reshape(reshape(x))`` is one, and to the same shape none. So for broadcasts."""
    (x,) = node.inputs
    if x.spec == node.spec:
        return x
    if x.op is node.op:
        return Node(node.op, x.inputs, node.attributes, node.specs)
    return None if node.op is BROADCAST else _moved(node)


def _transpose(node: Node) -> Node | None:
    (x,) = node.inputs
    axes: tuple[int, ...] = node.attributes["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.op is node.op:
        first: tuple[int, ...] = x.attributes["axes"]
        return Node(node.op, x.inputs, {"axes": tuple(first[a] for a in axes)}, node.specs)
    return _moved(node)


def _flip(node: Node) -> Node | None:
    return _inverse_of_itself(node) or _moved(node)


def _slice(node: Node) -> Node | None:
    (x,) = node.inputs
    whole = x.spec == node.spec and set(node.attributes["step"]) <= {1}
    return x if whole else _moved(node)


def _pad(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.spec == node.spec else None


def _cast(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.spec == node.spec else None


def _no_axes(node: Node) -> Node | None:
    return node.inputs[0] if node.attributes["axes"] == () else None


def _where(node: Node) -> Node | None:
    condition, x, y = node.inputs
    if x is y:
        return x
    known = _number(condition)
    return None if known is None else (x if known else y)


RULES: dict[str, Rule] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _inverse_of_itself,
    "where": _where,
    "cast": _cast,
    "reshape": _reshape,
    "broadcast_to": _reshape,
    "transpose": _transpose,
    "flip": _flip,
    "slice": _slice,
    "pad": _pad,
    "max": _no_axes,
    "min": _no_axes,
}

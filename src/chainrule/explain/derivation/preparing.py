"""A walkthrough made ready to be derived: opened where a name misleads, joined where ops are small.

- A call that does not do what its name says (a user's own class ``Linear``) is opened.
- Ops that a user wrote by hand are joined into formulas
  (:mod:`chainrule.explain.derivation.joining`).
- An output layer without activation is followed by the identity, so that every weighted sum is a
  ``z`` and has an error ``δ``, and the output is ``y``.
"""

from collections.abc import Callable
from typing import Any

from chainrule.explain.derivation.joining import joined
from chainrule.explain.derivation.symbols import Symbols
from chainrule.explain.formulas.tree import Symbol
from chainrule.explain.unfolding import unfolded
from chainrule.explain.walking.kinds import RECURRENT
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough, is_known
from chainrule.graph import Graph
from chainrule.graph.node import Node
from chainrule.graph.ops.structure import CALL, PICK
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of
from chainrule.nn import identity

__all__ = ["prepared"]

#: Steps that are not opened though nothing is said of them: a long sequence and its pieces, whose
#: numbers alone are shown.
NUMBERS = frozenset({*RECURRENT, "sequence"})


def prepared(function: Callable[..., Any], *arguments: Any) -> Symbols:
    """The symbols and steps of a function at one point, ready to be derived."""
    walk = _opened(function, *arguments)
    weights = sum(value.weight for value in walk.inputs)
    arrays = [value.array for value in walk.inputs]

    def again(graph: Graph) -> Symbols:
        return Symbols(Walkthrough(graph, arrays, weights, closed=lambda node: True))

    symbols = again(joined(walk.graph, weights))
    bare = _bare_output(symbols)
    return symbols if bare is None else again(_with_identity(symbols.walk, bare))


def _opened(function: Callable[..., Any], *arguments: Any) -> Walkthrough:
    """The walkthrough in which every named function does what its name says."""
    misnamed: set[Graph] = set()

    def closed(node: Node) -> bool:
        return is_known(node) and node.attributes["body"] not in misnamed

    while True:
        walk = Walkthrough.of(function, *arguments, closed=closed, unfold=unfolded)
        symbols = Symbols(walk)
        found = {s.node.attributes["body"] for s in walk.steps if _is_misnamed(s, symbols)}
        if not found:
            return walk
        misnamed |= found


def _is_misnamed(step: Step, symbols: Symbols) -> bool:
    """Whether a named function is not the library's: nothing that the library says of it fits."""
    if step.node.op is not CALL or step.kind is None or step.name in NUMBERS:
        return False
    return symbols.saying(step) is None


def _bare_output(symbols: Symbols) -> Value | None:
    """The output of the model, if it is a weighted sum without activation."""
    for value, symbol in symbols.names.items():
        if symbol == Symbol("y") and symbols.is_weighted_sum(value):
            return value
    return None


def _with_identity(walk: Walkthrough, output: Value) -> Graph:
    """The graph with the identity as the output's activation."""
    maker = walk.maker(output)
    assert maker is not None
    value: dict[Node, Node] = {node: node for node in walk.graph.inputs}
    for node in walk.graph.nodes:
        new = remade(node, [value[child] for child in node.inputs], node.attributes)
        is_output = node is maker.node or (node.op is PICK and node.inputs[0] is maker.node)
        if is_output and node.op is not CALL:
            new = node_of(identity(Tensor(None, new)))
        value[node] = new
    return Graph(walk.graph.inputs, [value[n] for n in walk.graph.outputs], walk.graph.names)

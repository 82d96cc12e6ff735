"""Activation functions on the way back: one number per element, the slope.

Backpropagation through ``φ`` needs ``φ'(z)`` at every element, and a function made of several steps
(GELU: ``z Φ(z)``) would save several values to make it from. Where a function takes elements one by
one, its forward half computes the slope, while everything is at hand, and saves that alone.
"""

from chainrule.autodiff.forward import forward
from chainrule.autodiff.structure import Halves
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import multiply
from chainrule.graph.ops.movement import BROADCAST, constant_like
from chainrule.graph.simplify import simplify
from chainrule.graph.tensor import CONSTANT, Tensor, node_of, placeholder
from chainrule.graph.trace import replay

__all__ = ["slope_halves"]


def slope_halves(graph: Graph) -> Halves | None:
    """The halves of a function of elements: forward puts out the slope, backward multiplies by it.

    None if the graph is not a function of one number, applied to every element of its only input.
    """
    if not _takes_elements(graph):
        return None
    (x,), (spec,) = map(_as_tensors, (graph.inputs, graph.outputs))
    both, moved = forward(graph, [True])
    if moved != (True,):
        return None
    y, slope = replay(both, [x, constant_like(1, x)])
    ahead = simplify(Graph(graph.inputs, [node_of(y), node_of(slope)], graph.names))
    saved, upstream = ahead.outputs[1], placeholder(spec.spec)
    if saved in ahead.inputs or saved.op in (CONSTANT, BROADCAST):
        return None  # there is nothing to save
    back = node_of(multiply(upstream, Tensor(None, saved)))
    backward = Graph([saved, node_of(upstream)], [back], ["slope", "upstream0"])
    return Halves(ahead, backward, (saved,), (True,))


def _as_tensors(nodes: tuple[Node, ...]) -> list[Tensor]:
    return [Tensor(None, node) for node in nodes]


def _takes_elements(graph: Graph) -> bool:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return False
    (x,), (y,) = graph.inputs, graph.outputs
    return x.spec == y.spec and x.spec.is_float and all(map(_is_by_element, graph.nodes))


def _is_by_element(node: Node) -> bool:
    """Elementwise, or a number that is repeated."""
    if node.op is BROADCAST:
        return node.inputs[0].op is CONSTANT and node.inputs[0].spec.size == 1
    return node.op is CONSTANT or node.op.family == "elementwise"

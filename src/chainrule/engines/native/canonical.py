"""Reductions in the two forms that regions know: along the rows or along the columns of a matrix.

A reduction over any axes is a transpose that brings these axes to the end (none if they are at the
end or at the beginning already), a reshape to a matrix, and a reduction of its columns or rows.
"""

import math

from chainrule.graph.apply import apply
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.movement import reshape, transpose
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of

__all__ = ["canonical"]

REDUCTIONS = ("sum", "max", "min")


def canonical(graph: Graph) -> Graph:
    """The graph with every reduction over a matrix; bodies of loops are left to their own turn."""
    value: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes:
        inputs = [value[child] for child in node.inputs]
        if node.op.name in REDUCTIONS and node.inputs[0].spec.ndim > 1:
            value[node] = _over_matrix(node, Tensor(None, inputs[0]))
        else:
            value[node] = remade(node, inputs, node.attributes)
    return Graph(graph.inputs, [value[node] for node in graph.outputs], graph.names)


def _over_matrix(node: Node, x: Tensor) -> Node:
    axes, n = node.attributes["axes"], x.ndim
    rest = [a for a in range(n) if a not in axes]
    kept, gone = (math.prod(x.shape[a] for a in part) for part in (rest, axes))
    if not rest:  # every row, then the column of their results
        if x.shape[-1] != 1:
            x = apply(node.op, reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])), axes=(1,))
        made = apply(node.op, reshape(x, (1, x.spec.size)), axes=(1,))
        return node_of(reshape(made, node.spec.shape))
    if list(axes) == list(range(len(axes))):  # leading axes: over the rows of a matrix
        made = apply(node.op, reshape(x, (gone, kept)), axes=(0,))
    else:
        made = apply(node.op, reshape(transpose(x, [*rest, *axes]), (kept, gone)), axes=(1,))
    return node_of(reshape(made, node.spec.shape))

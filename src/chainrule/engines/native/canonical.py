"""The forms of a graph that kernels do best; what it computes stays the same.

A reduction over any axes becomes one of the rows or of the columns of a matrix, the two that
regions know: a transpose brings these axes to the end (none if they are at the end or at the
beginning already), a reshape makes a matrix of it.

A product that is only read turned is made turned: ``(A B)ᵀ = Bᵀ Aᵀ``, whose rows lie side by side
for whoever reads or joins them.

What is the same for all elements of a row is computed once for the row: the quotient of two
broadcast numbers is the broadcast quotient.

Two results are in memory anyway, and backpropagation does not make the first pass store more:
where a ReLU was open its result says as well as its argument, and what a softmax divides by its sum
is the result times the sum.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from chainrule.graph.apply import apply
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import multiply, stop_gradient
from chainrule.graph.ops.movement import (
    BROADCAST,
    TRANSPOSE,
    broadcast_to,
    constant_like,
    reshape,
    transpose,
)
from chainrule.graph.ops.products import MATMUL
from chainrule.graph.simplify import remade
from chainrule.graph.spec import Shape
from chainrule.graph.tensor import CONSTANT, Tensor, node_of

__all__ = ["REDUCTIONS", "canonical", "with_own_outputs"]

REDUCTIONS = ("sum", "max", "min")


def canonical(graph: Graph) -> Graph:
    """The graph in these forms; bodies of loops are left to their own turn."""
    value: dict[Node, Node] = {node: node for node in graph.inputs}
    readers = Counter(child for node in graph.nodes for child in node.inputs)
    readers.update(graph.outputs)
    for node in graph.nodes:
        inputs = [value[child] for child in node.inputs]
        if _turns_product(node) and readers[node.inputs[0]] == 1:
            value[node] = _turned_product(node, inputs[0])
            continue
        if _is_relu(node):
            mask, zeros, _ = node.inputs
            result = remade(node, inputs, node.attributes)
            value[node] = result
            value[mask] = node_of(apply(mask.op, Tensor(None, result), Tensor(None, value[zeros])))
            continue
        if node.op.name == "sum" and node.inputs[0].spec.size == 0:
            value[node] = node_of(constant_like(0, Tensor(None, node)))  # of nothing
        elif node.op.name in REDUCTIONS and node.inputs[0].spec.size > 1:
            value[node] = _over_matrix(node, Tensor(None, inputs[0]))
        elif node.op.family == "elementwise" and _are_per_row(node.spec.shape, inputs):
            value[node] = _per_row(node, inputs)
        else:
            value[node] = remade(node, inputs, node.attributes)
        if _is_softmax(node):
            total = Tensor(None, value[node.inputs[1]])
            value[node.inputs[0]] = node_of(multiply(Tensor(None, value[node]), total))
    return Graph(graph.inputs, [value[node] for node in graph.outputs], graph.names)


def _are_per_row(shape: Shape, inputs: Sequence[Node]) -> bool:
    """Whether all operands are the same along the last axis, which is longer than that."""
    sources = [_source(x).spec for x in inputs]
    wide = any(spec.size > 1 for spec in sources) and bool(shape) and shape[-1] > 1
    return wide and all(not spec.shape or spec.shape[-1] == 1 for spec in sources)


def _per_row(node: Node, inputs: Sequence[Node]) -> Node:
    """An elementwise node of what operands are before they are spread over the rows."""
    sources = [Tensor(None, _source(x)) for x in inputs]
    shape = np.broadcast_shapes(*(source.shape for source in sources))
    made = apply(node.op, *(broadcast_to(x, shape) for x in sources), **node.attributes)
    return node_of(broadcast_to(made, node.spec.shape))


def _source(node: Node) -> Node:
    """What a node spreads, if it does."""
    while node.op is BROADCAST:
        (node,) = node.inputs
    return node


def _turns_product(node: Node) -> bool:
    """Whether a node makes the rows of floating products the last axis."""
    if node.op is not TRANSPOSE or node.inputs[0].op is not MATMUL or not node.spec.is_float:
        return False
    return bool(node.attributes["axes"][-1] == node.spec.ndim - 2)


def _turned_product(node: Node, product: Node) -> Node:
    """``(A B)ᵀ`` as ``Bᵀ Aᵀ``, and the other axes where they belong."""
    a, b = (_turned(x) for x in product.inputs)
    made, n = apply(MATMUL, b, a), node.spec.ndim
    swap = {n - 2: n - 1, n - 1: n - 2}
    axes = tuple(swap.get(axis, axis) for axis in node.attributes["axes"])
    return node_of(made if axes == tuple(range(n)) else apply(TRANSPOSE, made, axes=axes))


def _turned(x: Node) -> Tensor:
    """The last two axes of a node exchanged; a transpose of a transpose is none."""
    n = x.spec.ndim
    axes = (*range(n - 2), n - 1, n - 2)
    if x.op is TRANSPOSE:
        axes = tuple(x.attributes["axes"][axis] for axis in axes)
        (x,) = x.inputs
    same = axes == tuple(range(n))
    return Tensor(None, x) if same else apply(TRANSPOSE, Tensor(None, x), axes=axes)


def with_own_outputs(body: Graph, states: int) -> Graph:
    """The body of a scan with stacked outputs of its own: what it only hands through, it copies.

    Then a kernel writes it, by all threads, beside what else it does with it: the states that
    backpropagation asks for again.
    """
    given = set(body.inputs)
    outputs = [
        node_of(stop_gradient(Tensor(None, node))) if node in given else node
        for node in body.outputs[states:]
    ]
    return Graph(body.inputs, [*body.outputs[:states], *outputs], body.names)


def _is_relu(node: Node) -> bool:
    """Whether a node is ``where(z <= 0, 0, z)``."""
    if node.op.name != "where":
        return False
    mask, zeros, z = node.inputs
    if mask.op.name != "less_equal" or mask.inputs[0] is not z:
        return False
    return _is_zero(zeros) and _is_zero(mask.inputs[1])


def _is_softmax(node: Node) -> bool:
    """Whether a node is ``exp(z) / sum(exp(z))``."""
    if node.op.name != "divide" or node.inputs[0].op.name != "exp":
        return False
    total = _source(node.inputs[1])
    while total.op.name == "reshape":
        (total,) = total.inputs
    return total.op.name == "sum" and total.inputs[0] is node.inputs[0]


def _is_zero(node: Node) -> bool:
    """Whether all elements of a node are the constant 0."""
    node = _source(node)
    return node.op is CONSTANT and node.spec.size == 1 and not node.attributes["value"].array.any()


def _over_matrix(node: Node, x: Tensor) -> Node:
    axes, n = node.attributes["axes"], x.ndim
    rest = [a for a in range(n) if a not in axes]
    kept, gone = (math.prod(x.shape[a] for a in part) for part in (rest, axes))
    if not rest:  # every row, then the column of their results
        if n > 1 and x.shape[-1] != 1:
            x = apply(node.op, reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])), axes=(1,))
        made = apply(node.op, reshape(x, (x.spec.size, 1)), axes=(0,))
        return node_of(reshape(made, node.spec.shape))
    if list(axes) == list(range(len(axes))):  # leading axes: over the rows of a matrix
        made = apply(node.op, reshape(x, (gone, kept)), axes=(0,))
    else:
        made = apply(node.op, reshape(transpose(x, [*rest, *axes]), (kept, gone)), axes=(1,))
    return node_of(reshape(made, node.spec.shape))

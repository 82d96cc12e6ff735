"""Products with the rows of a table are products with the table.

Where a network begins by looking up rows of a table (an embedding) and more rows are looked up than
the table has, ``E[i] W = (E W)[i]``: the table is multiplied, and what is looked up is the result.
Backpropagation turns in the same way: with ``S`` the rows of the upstream derivative ``G``, added
up for each row of the table, the weight gets ``Eᵀ S`` in place of ``E[i]ᵀ G``, and the table
``S Wᵀ`` in place of the rows of ``G Wᵀ``, added up. For a language model of characters that saves
three of the six products of a recurrent layer.
"""

import math
from collections.abc import Mapping

from chainrule.graph.apply import apply
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import add
from chainrule.graph.ops.gather import gather, scatter_add
from chainrule.graph.ops.movement import TRANSPOSE, broadcast_to, reshape, transpose
from chainrule.graph.ops.products import MATMUL
from chainrule.graph.simplify import remade
from chainrule.graph.tensor import Tensor, node_of

__all__ = ["with_tables_first"]


def with_tables_first(graph: Graph) -> Graph:
    """The graph with products of tables in place of products of rows of tables."""
    readers: dict[Node, int] = {}
    for node in graph.nodes:
        for child in node.inputs:
            readers[child] = readers.get(child, 0) + 1
    for node in graph.outputs:
        readers[node] = readers.get(node, 0) + 1
    new: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes:
        made = remade(node, [new[child] for child in node.inputs], node.attributes)
        new[node] = _turned(node, made, readers)
    return Graph(graph.inputs, [new[node] for node in graph.outputs], graph.names)


def _turned(node: Node, made: Node, readers: Mapping[Node, int]) -> Node:
    """A node whose operands are turned already, itself turned if that is less work."""
    found: Tensor | None = None
    if node.op is MATMUL and node.spec.is_float and node.spec.ndim == 2:
        found = _product(made)
    elif node.op.name == "scatter_add" and readers.get(node.inputs[0]) == 1:
        found = _sum_of_products(made)
    elif node.op.name == "add":
        found = _shifted(made)
    return made if found is None else node_of(reshape(found, node.spec.shape))


def _lookup(node: Node) -> tuple[Tensor, Tensor] | None:
    """The table and the indices of a node that is rows of a table, more than it has.

    Whoever turns what is looked up (steps before examples) may as well turn the indices.
    """
    node = _without_reshape(node)
    axes: tuple[int, ...] | None = None
    if _turns_rows(node):
        axes = node.attributes["axes"]
        (node,) = node.inputs
    if node.op.name != "gather" or node.attributes["batch"] != 0:
        return None
    table, indices = node.inputs
    rows = math.prod(indices.spec.shape[:-1])
    if table.spec.ndim != 2 or indices.spec.shape[-1] != 1 or rows <= table.spec.shape[0]:
        return None
    places = Tensor(None, indices)
    return Tensor(None, table), places if axes is None else transpose(places, axes)


def _turns_rows(node: Node) -> bool:
    """Whether a node only changes the order of rows."""
    return node.op is TRANSPOSE and node.attributes["axes"][-1] == node.spec.ndim - 1


def _product(node: Node) -> Tensor | None:
    """``E[i] W`` or ``E[i]ᵀ G``."""
    left, right = node.inputs
    transposed = left.op.name == "transpose"
    source = left.inputs[0] if transposed else left
    found = _lookup(source)
    if found is None or source.spec.shape[-1] != found[0].shape[-1]:
        return None
    table, indices = found
    if transposed:
        summed = _added_up(Tensor(None, right), indices, table.shape[0])
        return apply(MATMUL, table.T, summed)
    return gather(apply(MATMUL, table, Tensor(None, right)), indices)


def _sum_of_products(node: Node) -> Tensor | None:
    """The rows of ``G V``, added up for each row of a table: ``S V``."""
    updates, indices = node.inputs[0], Tensor(None, node.inputs[1])
    if _turns_rows(updates):
        back = sorted(range(updates.spec.ndim), key=updates.attributes["axes"].__getitem__)
        (updates,), indices = updates.inputs, transpose(indices, back)
    product, shape = _without_reshape(updates), node.attributes["shape"]
    fits = product.op is MATMUL and product.spec.ndim == 2 and len(shape) == 2
    rows = math.prod(indices.shape[:-1])
    if not fits or node.attributes["batch"] != 0 or product.spec.shape != (rows, shape[1]):
        return None
    if indices.shape[-1] != 1 or rows <= shape[0]:
        return None
    left, right = (Tensor(None, x) for x in product.inputs)
    return apply(MATMUL, _added_up(left, indices, shape[0]), right)


def _shifted(node: Node) -> Tensor | None:
    """``E[i] + b`` with the same ``b`` for every row."""
    for rows, other in (node.inputs, node.inputs[::-1]):
        found = _lookup(rows)
        if found is None or other.op.name != "broadcast_to" or rows.op.name == "broadcast_to":
            continue
        table, indices = found
        (shift,) = other.inputs
        if rows.spec.shape[-1] == table.shape[-1] and math.prod(shift.spec.shape[:-1]) == 1:
            row = reshape(Tensor(None, shift), shift.spec.shape[-1:])
            return gather(add(table, broadcast_to(row, table.shape)), indices)
    return None


def _added_up(rows: Tensor, indices: Tensor, count: int) -> Tensor:
    """For each of so many rows of a table the sum of the rows that belong to it."""
    width = rows.shape[-1]
    return scatter_add(reshape(rows, (*indices.shape[:-1], width)), indices, (count, width))


def _without_reshape(node: Node) -> Node:
    while node.op.name == "reshape":
        (node,) = node.inputs
    return node

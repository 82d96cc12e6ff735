"""How regions read their operands."""

import math
from collections.abc import Iterable, Mapping

from chainrule.engines.native.kernels import Kind, Region
from chainrule.engines.native.nodes import collapsed
from chainrule.graph.node import Node
from chainrule.graph.spec import Shape

__all__ = ["Use", "operands_of", "outside_kind"]


class Use:
    """An operand as a region reads it: the node that holds the value, its shape at this use."""

    __slots__ = ("root", "shape")

    def __init__(self, node: Node, alias: Mapping[Node, Node]) -> None:
        self.shape: Shape = node.spec.shape
        while True:
            if node in alias:
                node = alias[node]
            elif node.op.name == "broadcast_to" and node.inputs[0].spec.size == 1:
                node, self.shape = node.inputs[0], ()
            else:
                break
        self.root = node


def outside_kind(region: Region, shape: Shape) -> Kind | None:
    """How a value from another kernel is seen, judged by its shape."""
    rows, columns, size = region.rows, region.columns, math.prod(shape)
    if collapsed(shape) == (rows, columns):
        return Kind.FULL
    if size == 1:
        return Kind.ONE
    if size == rows and (rows != columns or shape[-1] == 1):
        return Kind.ROW
    if size == columns and shape[-1] == columns:
        return Kind.COLUMN
    return None


def operands_of(nodes: Iterable[Node], alias: Mapping[Node, Node], own: set[Node]) -> list[Node]:
    """The nodes in memory that ``nodes`` read from outside of their ``own`` kernel, each once."""
    roots = (Use(operand, alias).root for node in nodes for operand in node.inputs)
    return list(dict.fromkeys(root for root in roots if root not in own))

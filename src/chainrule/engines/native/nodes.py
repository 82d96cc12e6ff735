"""What the stages ask of a node."""

import math

from chainrule.engines.native.canonical import REDUCTIONS
from chainrule.graph.node import Node
from chainrule.graph.spec import Shape

__all__ = [
    "collapsed",
    "domain_of",
    "is_float_product",
    "picks_one_per_row",
    "reduces_rows",
    "sources_of",
    "swaps_last_axes",
]


def collapsed(shape: Shape) -> tuple[int, int]:
    """A shape as rows and columns: the last axis is the columns."""
    return math.prod(shape[:-1]), shape[-1] if shape else 1


def swaps_last_axes(node: Node) -> bool:
    """Whether a node is the transpose of a matrix (or of a batch of them)."""
    if node.op.name != "transpose":
        return False
    axes = node.attributes["axes"]
    n = len(axes)
    return n >= 2 and tuple(axes) == (*range(n - 2), n - 1, n - 2)


def is_float_product(node: Node) -> bool:
    """Whether a node is a matrix product of floating numbers, which has kernels of its own."""
    return node.op.name == "matmul" and node.spec.is_float


def reduces_rows(node: Node) -> bool:
    """Whether a node combines the rows of a matrix into one."""
    return (
        node.op.name in REDUCTIONS
        and node.inputs[0].spec.ndim == 2
        and 0 in node.attributes["axes"]
    )


def sources_of(node: Node) -> list[Node]:
    """The nodes that a kernel reads for a node: a product looks through transposes."""
    if not is_float_product(node):
        return list(node.inputs)
    return [x.inputs[0] if swaps_last_axes(x) else x for x in node.inputs]


def picks_one_per_row(node: Node) -> bool:
    """Whether a gather takes, or a scatter fills, one element of every row (a one-hot mask)."""
    if node.op.name not in ("gather", "scatter_add"):
        return False
    whole = node.inputs[0].spec.shape if node.op.name == "gather" else node.spec.shape
    indices = node.inputs[1].spec.shape
    rows, _ = collapsed(whole)
    return len(whole) == node.attributes["batch"] + 1 and math.prod(indices) == rows > 0


def domain_of(node: Node) -> Shape:
    """The shape over which a node's loop runs."""
    return node.inputs[0].spec.shape if node.op.name in (*REDUCTIONS, "gather") else node.spec.shape

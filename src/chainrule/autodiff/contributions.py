"""The sum of what a value's readers contribute to its derivative."""

import functools
from collections.abc import Sequence

from chainrule.graph.apply import apply
from chainrule.graph.node import Node
from chainrule.graph.ops.elementwise import add
from chainrule.graph.ops.joining import CONCATENATE, PAD
from chainrule.graph.tensor import Tensor, node_of

__all__ = ["total"]


def total(parts: Sequence[Tensor]) -> Tensor | None:
    """The sum of contributions; None where there are none.

    The slices of a tensor give back their parts with zeros around them. Where these make up the
    whole, they are put side by side instead of added: the gates of an LSTM, queries, keys, values.
    """
    if not parts:
        return None
    whole = _side_by_side(parts)
    return functools.reduce(add, parts) if whole is None else whole


def _side_by_side(parts: Sequence[Tensor]) -> Tensor | None:
    """Tensors that are zero outside of a part of their own, as one ``concatenate``.

    None if the parts do not follow one another along an axis, or do not fill the whole.
    """
    nodes = [node_of(part) for part in parts]
    axis = _padded_axis(nodes[0])
    if axis is None or any(_padded_axis(node) != axis for node in nodes):
        return None
    nodes.sort(key=lambda node: node.attributes["low"][axis])
    end = 0
    for node in nodes:
        if node.attributes["low"][axis] != end:
            return None
        end += node.inputs[0].spec.shape[axis]
    if end != nodes[0].spec.shape[axis]:
        return None
    return apply(CONCATENATE, *(Tensor(None, node.inputs[0]) for node in nodes), axis=axis)


def _padded_axis(node: Node) -> int | None:
    """The only axis along which a node pads something, before and after, not in between."""
    if node.op is not PAD or any(node.attributes["interior"]):
        return None
    changed = [
        a
        for a, (n, m) in enumerate(zip(node.spec.shape, node.inputs[0].spec.shape, strict=True))
        if n != m
    ]
    return changed[0] if len(changed) == 1 else None

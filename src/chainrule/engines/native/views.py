"""Values that lie within the memory of others: what cuts, turns and joins need not copy.

A slice, a transpose, or a reshape of such, is a way to read what is in memory already, if all its
readers can follow steps from row to row: products (of batches, too), elementwise nodes, reductions.
Conversely what is joined, or turned before someone reads it in one piece, can be written where it
belongs by whoever computes it. So the gates of an LSTM are read from the one product that made them
and their derivatives are written side by side; heads of attention are read from the projection, and
write into the matrix that the next projection reads.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chainrule.engines.native.canonical import REDUCTIONS
from chainrule.engines.native.nodes import is_float_product, swaps_last_axes
from chainrule.graph.node import Graph, Node
from chainrule.graph.spec import Shape

__all__ = ["View", "dense", "views_of"]

Strides = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Where a value lies in the memory of another one.

    Attributes
    ----------
    base
        The node whose memory it is.
    offset
        Elements before the first one.
    strides
        Elements from one to the next along each axis.
    shape
        The value's shape.
    """

    base: Node
    offset: int
    strides: Strides
    shape: Shape

    @property
    def row(self) -> int | None:
        """Elements from row to row of the value as a matrix with its last axis as columns.

        None if rows are not equally far apart, or their elements do not lie side by side.
        """
        return row_stride(self.shape, self.strides)

    @property
    def is_dense(self) -> bool:
        """Whether the elements lie side by side, in order."""
        return self.row == (self.shape[-1] if self.shape else 1)

    @property
    def is_matrix(self) -> bool:
        """Whether products can read the last two axes: rows or columns lie side by side."""
        return len(self.shape) >= 2 and 1 in self.strides[-2:]


def dense(shape: Shape) -> Strides:
    """The strides of a value that has its memory for itself."""
    return tuple(math.prod(shape[a + 1 :]) for a in range(len(shape)))


def row_stride(shape: Shape, strides: Strides) -> int | None:
    """The constant step from row to row; the last axis is the columns, side by side."""
    if not shape or (strides[-1] != 1 and shape[-1] > 1):
        return None
    axes = [a for a in range(len(shape) - 1) if shape[a] > 1]
    if not axes:
        return shape[-1]
    steps = all(strides[a] == strides[b] * shape[b] for a, b in pairwise(axes))
    return strides[axes[-1]] if steps else None


def reshaped(shape: Shape, strides: Strides, new: Shape) -> Strides | None:
    """The strides of the same elements in another shape, if there are any."""
    found: list[int] = []
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    for n in reversed(new):
        if n == 1:
            found.append(0)
            continue
        size, step = old.pop() if old else (0, 0)
        while size and size < n:  # axes that follow one another without a gap are one
            outer, wide = old.pop() if old else (0, 0)
            if wide != step * size:
                return None
            size *= outer
        if not size or size % n:
            return None
        found.append(step)
        if size > n:
            old.append((size // n, step * n))
    return tuple(reversed(found))


def views_of(graph: Graph) -> tuple[dict[Node, View], dict[Node, View]]:
    """The nodes of a graph that are read, and that are written, in the memory of others."""
    readers: dict[Node, list[Node]] = {node: [] for node in (*graph.inputs, *graph.nodes)}
    for node in graph.nodes:
        for child in node.inputs:
            readers[child].append(node)
    outputs = set(graph.outputs)
    written = _Written(graph, readers, outputs).views
    refused = set(written) | outputs
    while True:  # what refuses to be a view has memory of its own: others may be views of that
        views = _read(graph, refused)
        bad = {node for node in views if not _all_follow(node, views, readers[node])}
        if not bad:
            return views, written
        refused |= bad


# ---------------------------------------------------------------------- how values are read
def _read(graph: Graph, refused: set[Node]) -> dict[Node, View]:
    """All slices and transposes, and reshapes of these, as views."""
    views: dict[Node, View] = {}
    base = {node: node for node in graph.inputs}
    for node in graph.nodes:
        base[node] = node
        if node.op.name not in ("slice", "transpose", "reshape"):
            continue
        (x,) = node.inputs
        at = views.get(x)
        if node.op.name == "reshape" and at is None:
            base[node] = base[x]  # the same memory
            continue
        if at is None:
            at = View(base[x], 0, dense(x.spec.shape), x.spec.shape)
        view = None if node in refused or at.base.op.name == "broadcast_to" else _through(node, at)
        if view is not None:
            views[node] = view
    return views


def _through(node: Node, at: View) -> View | None:
    """A slice, transpose or reshape of what lies ``at`` some place."""
    shape, strides, options = node.spec.shape, at.strides, node.attributes
    if node.op.name == "slice":
        pairs = list(zip(strides, options["start"], options["step"], strict=True))
        offset = at.offset + sum(stride * start for stride, start, _ in pairs)
        return View(at.base, offset, tuple(s * step for s, _, step in pairs), shape)
    if node.op.name == "transpose":
        return View(at.base, at.offset, tuple(strides[a] for a in options["axes"]), shape)
    new = reshaped(at.shape, strides, shape)
    return None if new is None else View(at.base, at.offset, new, shape)


def _all_follow(node: Node, views: Mapping[Node, View], readers: Sequence[Node]) -> bool:
    """Whether all readers of a view can read it where it is."""
    view = views[node]
    plain = swaps_last_axes(node) and node.inputs[0] not in views
    if not node.spec.size or (plain and all(map(is_float_product, readers))):
        return False  # products look through a transpose by themselves
    return all(_follows(reader, view, views) for reader in readers)


def _follows(reader: Node, view: View, views: Mapping[Node, View]) -> bool:
    if reader in views:
        return True
    if is_float_product(reader):
        return view.is_matrix
    by_rows = view.row is not None and view.shape[-1] > 1 and math.prod(view.shape[:-1]) > 1
    if reader.op.name in REDUCTIONS:
        return by_rows and len(view.shape) == 2
    return (by_rows or view.is_dense) and reader.op.family == "elementwise"


# ---------------------------------------------------------------------- where values are written
class _Written:
    """What joins and turns read, as views of these."""

    def __init__(
        self, graph: Graph, readers: Mapping[Node, Sequence[Node]], outputs: set[Node]
    ) -> None:
        self.views: dict[Node, View] = {}
        self.readers, self.outputs, self.inputs = readers, outputs, set(graph.inputs)
        for node in reversed(graph.nodes):
            if node in self.views or not self._is_joint(node):
                continue
            found: dict[Node, View] = {}
            if self._place_parts(
                node, View(node, 0, dense(node.spec.shape), node.spec.shape), found
            ):
                self.views.update(found)

    def _is_joint(self, node: Node) -> bool:
        """Whether a node would have to be copied together."""
        if node.op.name == "concatenate":
            return node.spec.size > 0
        return node.op.name == "transpose" and node.spec.ndim > 2 and self._is_read_as_a_whole(node)

    def _is_read_as_a_whole(self, node: Node) -> bool:
        """Whether someone reads a transpose in another shape, which needs it in memory."""
        strides = View(node, 0, dense(node.inputs[0].spec.shape), node.inputs[0].spec.shape)
        turned = _through(node, strides)
        assert turned is not None
        shapes = [r.spec.shape for r in self.readers[node] if r.op.name == "reshape"]
        return any(reshaped(turned.shape, turned.strides, shape) is None for shape in shapes)

    def _place(self, node: Node, view: View, found: dict[Node, View]) -> bool:
        """Write a node, or what it consists of, where a view says."""
        if len(self.readers[node]) != 1 or node in self.outputs or node in self.inputs:
            return False
        found[node] = view
        if node.op.name in ("concatenate", "reshape", "transpose"):
            return self._place_parts(node, view, found)
        if is_float_product(node) and node.spec.ndim > 2:
            return view.strides[-1] == 1
        rows, columns = math.prod(view.shape[:-1]), view.shape[-1] if view.shape else 1
        by_rows = view.row is not None and columns > 1 and rows > 1
        return by_rows and (is_float_product(node) or node.op.family == "elementwise")

    def _place_parts(self, node: Node, view: View, found: dict[Node, View]) -> bool:
        """The same for the operands of a node that joins, turns or reshapes."""
        if node.op.name == "concatenate":
            axis, offset = node.attributes["axis"], view.offset
            for part in node.inputs:
                here = View(view.base, offset, view.strides, part.spec.shape)
                if not self._place(part, here, found):
                    return False
                offset += part.spec.shape[axis] * view.strides[axis]
            return True
        (x,) = node.inputs
        strides: Strides | None
        if node.op.name == "transpose":
            back = sorted(range(x.spec.ndim), key=node.attributes["axes"].__getitem__)
            strides = tuple(view.strides[a] for a in back)
        else:
            strides = reshaped(view.shape, view.strides, x.spec.shape)
        if strides is None:
            return False
        return self._place(x, View(view.base, view.offset, strides, x.spec.shape), found)

"""Fusion: which nodes share one loop nest.

Nodes are placed one by one, in order. A node goes into the earliest region after everything that it
reads in which its values can be seen (one per element, row, column, or one for all); else it begins
a region. Two kinds of node are not placed when they are met:

- *Waiting* nodes compute from inputs and constants only, or compare, or are a light step from what
  is in memory (:mod:`~chainrule.engines.native.again`). They join the regions of their readers, so
  that ``β m`` of an optimizer is computed where the gradient is, and no mask is stored: to compare
  again costs less than to pack and unpack bits.
- *Broadcasts* are ways of reading, and cost nothing in a region.

A reader that needs such a node in memory has it placed then.
"""

import math
from collections.abc import Sequence, Set
from dataclasses import replace

from chainrule.engines.native.again import left_to_readers
from chainrule.engines.native.canonical import REDUCTIONS, canonical, with_own_outputs
from chainrule.engines.native.kernels import Kernel, Kind, Loop, Region, Schedule, Single
from chainrule.engines.native.nodes import (
    collapsed,
    domain_of,
    is_float_product,
    picks_one_per_row,
    reduces_rows,
    sources_of,
    swaps_last_axes,
)
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.engines.native.views import views_of
from chainrule.graph.apply import pick
from chainrule.graph.node import Graph, Node
from chainrule.graph.spec import Shape
from chainrule.graph.tensor import node_of

__all__ = ["fuse"]

#: How many regions after the first possible one are tried.
REACH = 12

COMPARISONS = ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")

Additions = dict[Node, Kind]
Bodies = dict[Node, dict[str, Schedule]]


def fuse(graph: Graph) -> Schedule:
    """The kernels of a graph that is simplified and has no calls."""
    graph = canonical(graph)
    bodies = _bodies(graph)
    schedule = _Fusion(graph, bodies).run()
    again = left_to_readers(schedule)
    return _Fusion(graph, bodies, again).run() if again else schedule


def _bodies(graph: Graph) -> Bodies:
    """The schedules of the bodies of loops, by the names of the loops' attributes."""
    found: Bodies = {}
    for node in graph.nodes:
        if node.op.name in ("scan", "while"):
            graphs = {k: v for k, v in node.attributes.items() if isinstance(v, Graph)}
            if node.op.name == "scan":
                graphs["body"] = with_own_outputs(graphs["body"], node.attributes["carried"])
            found[node] = {name: fuse(body) for name, body in graphs.items()}
    return found


class _Fusion:
    def __init__(self, graph: Graph, bodies: Bodies, again: Set[Node] = frozenset()) -> None:
        self.graph, self.bodies, self.again = graph, bodies, again
        self.kernels: list[Kernel] = []
        self.alias: dict[Node, Node] = {}
        self.place: dict[Node, int] = {}  # node → position of the kernel that computes it
        self.outside = set(graph.inputs)
        self.waiting: set[Node] = set()
        self.loops: dict[Node, list[Node]] = {}
        self.read, self.written = views_of(self.graph)
        self.parts: dict[Node, list[Node]] = {}  # what others are written into → what is written
        for node, view in self.written.items():
            self.parts.setdefault(view.base, []).append(node)
        self.virtual: set[Node] = set()  # broadcasts and transposes: ways of reading

    def run(self) -> Schedule:
        for node in self.graph.nodes:
            self._meet(node)
        for node in self.graph.outputs:
            self._in_memory(node)
        place = {node: self.kernels[i] for node, i in self.place.items()}
        views = self.read | self.written
        return Schedule(self.graph, self.kernels, self.alias, place, views=views)

    # ------------------------------------------------------------------ one node after the other
    def _meet(self, node: Node) -> None:
        name = node.op.name
        if node in self.read:
            self._look_into(node)
        elif node in self.parts:
            self._join(node)
        elif node in self.written and node.op.family == "movement":
            pass  # its operands are written where it would be
        elif name == "constant":
            self.outside.add(node)
        elif name == "reshape":
            self._in_memory_if_virtual(node.inputs[0])
            self.alias[node] = node.inputs[0]
        elif name == "pick":
            self._pick(node)
        elif name == "broadcast_to":
            self._meet_broadcast(node)
        elif swaps_last_axes(node):
            self.virtual.add(node)
        elif is_float_product(node) and node.spec.ndim == 2:
            self._begin(Region(*collapsed(node.spec.shape), anchor=node), node, Kind.FULL)
        elif node.op.family == "elementwise":
            self._meet_elementwise(node)
        elif reduces_rows(node):
            self._begin(Region(1, node.spec.size, anchor=node), node, Kind.FULL)
        elif name in REDUCTIONS:
            self._meet_reduction(node)
        elif picks_one_per_row(node):
            self._meet_pick(node)
        elif name in ("scan", "while"):
            self._loop(node)
        else:
            self._single(node)

    def _meet_broadcast(self, node: Node) -> None:
        source, shape = node.inputs[0].spec.shape, node.spec.shape
        if _stretch((1,) * (len(shape) - len(source)) + source, shape) is None:
            self._single(node)  # as early as it can be, or it would part its readers from others
        else:
            self.virtual.add(node)

    def _meet_elementwise(self, node: Node) -> None:
        roots = [Use(x, self.alias).root for x in node.inputs]
        early = all(self._is_early(root) for root in roots)
        left = node.op.name in COMPARISONS or node in self.again
        if node.spec.size > 1 and (early or left):
            self.waiting.add(node)
        else:
            self._join_or_begin(node)

    def _meet_reduction(self, node: Node) -> None:
        if Use(node.inputs[0], self.alias).root in self.waiting:
            self.waiting.add(node)
        else:
            self._join_or_begin(node)

    def _meet_pick(self, node: Node) -> None:
        if node.op.name == "gather":
            self._join_or_begin(node)
        elif all(self._is_early(Use(x, self.alias).root) for x in node.inputs):
            self.waiting.add(node)  # a one-hot row costs less than to read it
        else:
            self._join_or_begin(node)

    def _look_into(self, node: Node) -> None:
        """A view needs that in memory of which it is one."""
        base = Use(self.read[node].base, self.alias).root
        self._in_memory(base)
        self.read[node] = replace(self.read[node], base=base)

    def _join(self, node: Node) -> None:
        """A node whose parts are written into its memory: it is there when the last of them is."""
        parts = [part for part in self.parts[node] if part.op.family != "movement"]
        for part in parts:
            self._in_memory(part)
        self.place[node] = max(self.place[part] for part in parts)

    def _is_early(self, root: Node) -> bool:
        if root in self.read:
            return self.read[root].base in self.outside
        if root in self.virtual:
            return self._is_early(Use(root.inputs[0], self.alias).root)
        return root in self.outside or (root in self.waiting and root not in self.again)

    def _in_memory_if_virtual(self, node: Node) -> None:
        root = Use(node, self.alias).root if node.op.name != "broadcast_to" else node
        if root in self.virtual:
            self._in_memory(root)

    # ------------------------------------------------------------------ kernels of their own
    def _begin(self, region: Region, node: Node, kind: Kind) -> None:
        """A region that starts from a product, or from the sum of the rows of a matrix."""
        for source in sources_of(node):
            self._in_memory(source)
        region.kind[node] = kind
        self.kernels.append(region)
        self.place[node] = len(self.kernels) - 1

    def _single(self, node: Node) -> None:
        for source in sources_of(node):
            self._in_memory(source)
        self.kernels.append(Single(node))
        self.place[node] = len(self.kernels) - 1

    def _loop(self, node: Node) -> None:
        for operand in node.inputs:
            self._in_memory(operand)
        outputs = [node_of(pick(node, i)) for i in range(len(node.specs))]
        self.kernels.append(Loop(node, self.bodies[node], outputs))
        self.place.update(dict.fromkeys(outputs, len(self.kernels) - 1))
        self.loops[node] = outputs

    def _pick(self, node: Node) -> None:
        """All nodes that pick one output are one."""
        self.alias[node] = self.loops[node.inputs[0]][node.attributes["index"]]

    def _in_memory(self, node: Node) -> None:
        """Place a node that was left to its readers, since one of them reads memory."""
        while node in self.alias:
            node = self.alias[node]
        if node in self.place or node in self.outside or node in self.read:
            return
        if node in self.waiting:
            self.waiting.discard(node)
            self._join_or_begin(node)
        else:
            self.virtual.discard(node)
            self._single(node)

    # ------------------------------------------------------------------ joining a region
    def _join_or_begin(self, node: Node) -> None:
        first = self._first_possible(node)
        for position in range(first, min(first + REACH, len(self.kernels))):
            region = self.kernels[position]
            if isinstance(region, Region) and self._joined(region, position, node):
                return
        if self._began(node):
            return
        for operand in node.inputs:  # a transpose, or something else that no region looks through
            self._in_memory(operand)
            if self._began(node):
                return
        self._single(node)

    def _began(self, node: Node) -> bool:
        """Begin a region with a node."""
        region = Region(*collapsed(domain_of(node)))
        self.kernels.append(region)
        joined = self._joined(region, len(self.kernels) - 1, node)
        if not joined:
            self.kernels.pop()
        return joined

    def _first_possible(self, node: Node) -> int:
        """The earliest kernel in which everything that the node reads is there."""
        return max((self._available(x) for x in node.inputs), default=0)

    def _available(self, operand: Node) -> int:
        root = Use(operand, self.alias).root
        if root in self.outside:
            return 0
        if root in self.waiting or root in self.virtual:
            return self._first_possible(root)
        if root in self.read:
            return self._after(self.read[root].base)
        position = self.place[root]
        return position if isinstance(self.kernels[position], Region) else position + 1

    def _after(self, base: Node) -> int:
        """The first kernel that can read any element of a value."""
        return 0 if base in self.outside else self.place[base] + 1

    def _joined(self, region: Region, position: int, node: Node) -> bool:
        """Put a node (and what waits for it) into a region, if its values can be seen there."""
        added: Additions = {}
        if self._kind_of(region, position, node, added) is None:
            return False
        for new, kind in added.items():
            region.kind[new] = kind
            region.nodes.append(new)
            if new not in self.virtual and new not in self.waiting:
                self.place[new] = position
        return True

    def _kind_of(self, region: Region, position: int, node: Node, added: Additions) -> Kind | None:
        """How a node computed in this region is seen; it and what it pulls in go to ``added``."""
        if node.op.name == "broadcast_to":
            kind = self._kind_of_broadcast(region, position, node, added)
        elif node.op.name in REDUCTIONS:
            kind = self._kind_of_reduction(region, position, node, added)
        elif node.op.family == "movement":
            kind = self._kind_of_pick(region, position, node, added)
        else:
            kind = self._kind_of_elementwise(region, position, node, added)
        if kind is Kind.ONE and (region.rows > 1 or region.anchor is not None):
            return None  # threads share such a region; a number is computed by one of them
        if node in self.written and kind is not Kind.FULL:
            return None  # only values per element follow the steps from row to row
        if kind is not None:
            added[node] = kind
        return kind

    def _kind_of_operand(
        self, region: Region, position: int, operand: Node, added: Additions
    ) -> Kind | None:
        use = Use(operand, self.alias)
        root = use.root
        known = added.get(root) or region.kind.get(root)
        if known is not None:
            return known if _fits(region, known, use.shape) else None
        if root in self.waiting or (root in self.virtual and root.op.name == "broadcast_to"):
            kind = self._kind_of(region, position, root, added)
            return kind if kind is not None and _fits(region, kind, use.shape) else None
        if root in self.virtual:
            return None  # a transpose is read by products only
        if root in self.read:
            return self._kind_of_view(region, position, use)
        if root not in self.outside and self.place[root] >= position:
            return None
        return outside_kind(region, use.shape)

    def _kind_of_view(self, region: Region, position: int, use: Use) -> Kind | None:
        view = self.read[use.root]
        kind = outside_kind(region, use.shape)
        there = self._after(view.base) <= position
        return kind if there and (kind is Kind.FULL or view.is_dense) else None

    def _kind_of_elementwise(
        self, region: Region, position: int, node: Node, added: Additions
    ) -> Kind | None:
        kinds = [self._kind_of_operand(region, position, x, added) for x in node.inputs]
        if any(kind is None for kind in kinds):
            return None
        seen = {kind for kind in kinds if kind is not Kind.ONE}
        if len(seen) > 1:
            return None
        kind = next((kind for kind in seen if kind is not None), Kind.ONE)
        if kind is Kind.ONE and node.spec.size > 1:
            kind = Kind.FULL  # one number, repeated
        if region.anchor is not None and kind is not Kind.FULL:
            return None
        return kind if _fits(region, kind, node.spec.shape) else None

    def _kind_of_broadcast(
        self, region: Region, position: int, node: Node, added: Additions
    ) -> Kind | None:
        shape = node.spec.shape
        if collapsed(shape) != (region.rows, region.columns):
            return None
        source = (1,) * (len(shape) - node.inputs[0].spec.ndim) + node.inputs[0].spec.shape
        wanted = _stretch(source, shape)
        got = self._kind_of_operand(region, position, node.inputs[0], added)
        if wanted is None or got is None:
            return None
        if got is not wanted and {got, wanted} != {Kind.FULL, Kind.COLUMN}:
            return None
        if got is not wanted and region.rows != 1:
            return None
        return Kind.FULL

    def _kind_of_pick(
        self, region: Region, position: int, node: Node, added: Additions
    ) -> Kind | None:
        """A gather reads a full value, a scatter a value per row; both an index per row."""
        kinds = [self._kind_of_operand(region, position, x, added) for x in node.inputs]
        if node.op.name == "scatter_add":
            one_column = region.anchor is not None and region.columns == 1  # vectors run down it
            fits = collapsed(node.spec.shape) == (region.rows, region.columns) and not one_column
            picks = kinds[0] in (Kind.ROW, Kind.ONE) and kinds[1] is Kind.ROW
            return Kind.FULL if fits and picks else None
        fits = _fits(region, Kind.FULL, node.inputs[0].spec.shape) and region.anchor is None
        return Kind.ROW if fits and kinds == [Kind.FULL, Kind.ROW] else None

    def _kind_of_reduction(
        self, region: Region, position: int, node: Node, added: Additions
    ) -> Kind | None:
        if region.anchor is not None:
            return None
        (x,), axes = node.inputs, node.attributes["axes"]
        got = self._kind_of_operand(region, position, x, added)
        n = x.spec.ndim
        if got is Kind.ONE and x.spec.size > 1:
            got = Kind.FULL  # one number, repeated
        if got is None or not _fits(region, got, x.spec.shape):
            return None
        return Kind.ROW if got is Kind.FULL and axes == (n - 1,) else None


def _fits(region: Region, kind: Kind, shape: Shape) -> bool:
    """Whether a value of this kind, read in this shape, keeps its place in the domain."""
    size = math.prod(shape)
    if kind is Kind.FULL:
        return collapsed(shape) == (region.rows, region.columns)
    return size == {Kind.ROW: region.rows, Kind.COLUMN: region.columns, Kind.ONE: 1}[kind]


def _stretch(source: Sequence[int], shape: Sequence[int]) -> Kind | None:
    """Which kind a value of shape ``source`` is in the domain of ``shape``."""
    leading = list(zip(source[:-1], shape[:-1], strict=True))
    same_rows = all(a == b for a, b in leading)
    one_row = all(a == 1 for a, _ in leading)
    same_columns = source[-1] == shape[-1]
    if same_columns:
        return Kind.FULL if same_rows else (Kind.COLUMN if one_row else None)
    return Kind.ROW if same_rows else (Kind.ONE if one_row else None)

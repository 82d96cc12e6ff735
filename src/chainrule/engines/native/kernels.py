"""What a graph is compiled to: a list of kernels, each one loop nest over its nodes.

:class:`Region`
    Elementwise nodes and reductions over one domain of ``rows × columns``, in one pass over the
    rows. With an ``anchor`` it is the epilogue of a matrix product, or of the sum of a matrix's
    rows: what is in registers runs through the nodes before it is stored.
:class:`Single`
    One node that has a loop of its own: gather, cumulative sum, Cholesky, …
:class:`Pack`
    An operand of a product, copied to where the product reads it faster.
:class:`Loop`
    A ``scan`` or a ``while``: its body is a list of kernels again.

A value of a region is seen in one of four ways (:class:`Kind`): one number per element, per row,
per column, or for all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from chainrule.engines.native.nodes import is_float_product, sources_of, swaps_last_axes
from chainrule.engines.native.views import View, dense
from chainrule.graph.node import Graph, Node

__all__ = ["Kernel", "Kind", "Loop", "Pack", "Region", "Schedule", "Single"]


class Kind(Enum):
    """How many numbers a value has within a region."""

    FULL = "full"
    ROW = "row"
    COLUMN = "column"
    ONE = "one"


@dataclass(eq=False)
class Region:
    """Nodes over one domain.

    Attributes
    ----------
    rows, columns
        The domain; the last axis of the nodes' shape is the columns.
    anchor
        The matrix product, or the reduction of a matrix's rows, that the region starts from.
    nodes
        What is computed, in order.
    kind
        How each node and each input is seen.
    rows_scale, terms_scale
        Rows of the domain, and terms of the anchor's sums, for each row of a batch whose length
        only the run knows; ``rows`` is for the longest then. 0: their number is fixed.
    """

    rows: int
    columns: int
    anchor: Node | None = None
    nodes: list[Node] = field(default_factory=list)
    kind: dict[Node, Kind] = field(default_factory=dict)
    rows_scale: int = 0
    terms_scale: int = 0

    @property
    def sums_rows(self) -> bool:
        """Whether the region starts from a reduction of rows: its parts are columns then."""
        return self.anchor is not None and not is_float_product(self.anchor)

    @property
    def computed(self) -> list[Node]:
        """All nodes whose values the kernel makes."""
        return self.nodes if self.anchor is None else [self.anchor, *self.nodes]

    def __str__(self) -> str:
        anchor = f"{self.anchor.op.name} → " if self.anchor else ""
        names = " ".join(node.op.name for node in self.nodes)
        return f"{anchor}region {self.rows} × {self.columns}: {names or 'store'}"


@dataclass(eq=False)
class Single:
    """One node with a loop of its own."""

    node: Node

    @property
    def computed(self) -> list[Node]:
        """The node."""
        return [self.node]

    def __str__(self) -> str:
        return f"{self.node.op.name} {self.node.specs[0]!r}"


@dataclass(eq=False)
class Pack:
    """An operand of products is copied into panels.

    A large one is copied once for all threads, which share the work. Of a small one every thread
    makes a copy of its own (``private``) right before the product: that takes no longer than
    fetching what other cores have copied, and nobody waits.

    Attributes
    ----------
    operand
        The right-hand side as products see it: a matrix, or the transpose of one.
    source
        The node whose memory holds it.
    made
        Stands for the copy.
    width
        Columns of a panel.
    scale
        Rows for each row of a batch, as in :class:`Region`.
    private
        Whether every thread makes its own.
    """

    operand: Node
    source: Node
    made: Node
    width: int
    scale: int = 0
    private: bool = False

    @property
    def lines(self) -> int:
        """Rows of the matrix in memory, which threads share."""
        return self.operand.spec.shape[1 if swaps_last_axes(self.operand) else 0]

    @property
    def computed(self) -> list[Node]:
        """The copy."""
        return [self.made]

    def __str__(self) -> str:
        own = " by every thread" if self.private else ""
        return f"pack {self.operand!r} into panels of {self.width} columns{own}"


@dataclass(eq=False)
class Loop:
    """A scan or a while.

    Attributes
    ----------
    node
        The graph's node.
    bodies
        The schedules of its sub-graphs, by attribute name.
    outputs
        The nodes that stand for its outputs, by position.
    copies
        Copies of captured operands that the body's products read → where they are made, once for
        all steps.
    """

    node: Node
    bodies: dict[str, "Schedule"]
    outputs: list[Node]
    copies: dict[Node, Node] = field(default_factory=dict)

    @property
    def computed(self) -> list[Node]:
        """The nodes of its outputs."""
        return self.outputs

    def __str__(self) -> str:
        inner = "\n".join(
            "  " + line for body in self.bodies.values() for line in str(body).splitlines()
        )
        return f"{self.node.op.name}\n{inner}"


Kernel = Region | Single | Pack | Loop


@dataclass(eq=False)
class Schedule:
    """The kernels of a graph in the order in which they run.

    Attributes
    ----------
    graph
        The graph, simplified and without calls.
    kernels
        In order.
    alias
        Nodes that are the same memory as another node: reshaped, or picked twice.
    place
        Node → the kernel that stores it, if anyone needs it in memory.
    packed
        Product → the copy of its right-hand side that it reads.
    panels
        Nodes that lie in panels of so many columns, not row by row.
    views
        Nodes that lie within the memory of others.
    """

    graph: Graph
    kernels: list[Kernel]
    alias: dict[Node, Node]
    place: dict[Node, Kernel]
    packed: dict[Node, Pack] = field(default_factory=dict)
    panels: dict[Node, int] = field(default_factory=dict)
    views: dict[Node, View] = field(default_factory=dict)

    def sources(self, node: Node) -> list[Node]:
        """The nodes in memory that a kernel reads for a node."""
        found = [self.root(x) for x in sources_of(node)]
        if node in self.packed:
            found[1] = self.packed[node].made
        return found

    def root(self, node: Node) -> Node:
        """The node whose memory holds a node's value."""
        while node in self.alias:
            node = self.alias[node]
        return node

    def memory(self, node: Node) -> Node:
        """The node in whose memory a root lies: itself, or that of which it is a view."""
        return self.views[node].base if node in self.views else node

    def memories(self, nodes: Iterable[Node]) -> list[Node]:
        """The nodes in whose memory others lie, each once."""
        return list(dict.fromkeys(map(self.memory, nodes)))

    def strides(self, source: Node) -> tuple[int, ...]:
        """Elements from one to the next, along each axis, of a value in memory."""
        return self.views[source].strides if source in self.views else dense(source.spec.shape)

    def is_turned(self, operand: Node) -> bool:
        """Whether the rows of a product's operand are not side by side in memory."""
        return swaps_last_axes(operand) or self.strides(self.root(operand))[-1] != 1

    def __str__(self) -> str:
        return "\n".join(map(str, self.kernels))

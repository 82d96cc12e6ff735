"""How threads share the kernels, and where they wait for each other.

Every thread runs the same list of kernels, each on its own part: some rows of a region or of a
product, some columns of a sum over rows. What cannot be divided, the first thread does. Threads
meet only where one would read what another may still be writing, or write what another may still be
reading; between two such meetings lies a *segment*. In a network's forward pass, for example, every
thread follows its own rows of the batch through all layers without waiting.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.engines.native.kernels import Kernel, Kind, Loop, Pack, Region, Schedule, Single
from chainrule.engines.native.nodes import is_float_product, swaps_last_axes
from chainrule.engines.native.reads import values_of
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.engines.native.views import View
from chainrule.graph.node import Node

__all__ = ["MIXED", "Share", "follows_own_part", "overwrites", "segments", "share_of", "written_by"]


@dataclass(frozen=True)
class Share:
    """What threads divide: so many rows, columns or matrices of a kernel's domain.

    The axis ``"whole"`` is not divided: every thread does all of it, in memory of its own.
    With a ``scale`` there are so many units for each row of a batch whose length only the run
    knows; ``units`` is for the longest.
    """

    axis: str
    units: int
    scale: int = 0

    @property
    def grain(self) -> int:
        """Parts are multiples of it: no cut inside of a cache line, or of a vector."""
        return {"rows": 2, "matrices": 1}.get(self.axis, 16)


#: What is written in several parts, of which no thread can say that they are its own.
MIXED = Share("mixed", 0)


def share_of(kernel: Kernel) -> Share | None:
    """How a kernel is divided; None: the first thread does it."""
    if isinstance(kernel, Region):
        if kernel.sums_rows:
            share = Share("columns", kernel.columns)
            return share if share.units > share.grain else None
        return Share("rows", kernel.rows, kernel.rows_scale) if kernel.rows > 1 else None
    if isinstance(kernel, Pack):
        axis = "lines" if swaps_last_axes(kernel.operand) else "rows"
        return Share("whole" if kernel.private else axis, kernel.lines, kernel.scale)
    if isinstance(kernel, Single) and is_float_product(kernel.node):
        return Share("matrices", math.prod(kernel.node.spec.shape[:-2]))
    return None


def segments(
    schedule: Schedule,
    reads: Sequence[Sequence[Node]],
    stores: Sequence[set[Node]],
    replaced: Mapping[Node, Node],
    fetched: Mapping[Node, Share],
) -> list[int]:
    """The segment of each kernel; threads meet before the first kernel of each but the first.

    Parameters
    ----------
    schedule
        The kernels.
    reads, stores
        For each kernel what it reads from memory and what it writes.
    replaced
        New state → the old state whose memory it takes.
    fetched
        Inputs that threads write just before the first kernel, and how they share that.
    """
    current = _Segment(schedule)
    current.written.update(fetched)
    numbers, number = [], 0
    for kernel, read, stored in zip(schedule.kernels, reads, stores, strict=True):
        if current.clashes(kernel, read, stored, replaced):
            current, number = _Segment(schedule), number + 1
        current.add(kernel, read, stored)
        numbers.append(number)
    return numbers


def follows_own_part(
    schedule: Schedule,
    reads: Sequence[Sequence[Node]],
    stores: Sequence[set[Node]],
    new: Mapping[Node, Node],
) -> bool:
    """Whether every thread reads only its own part of what the kernels of a loop's body write.

    Then it may be any number of steps ahead of the others. ``new`` are states and what replaces
    them.
    """
    current = _Segment(schedule)
    for kernel, read, stored in zip(schedule.kernels, reads, stores, strict=True):
        current.add(kernel, read, stored)
    written = current.written
    for state, root in new.items():
        if schedule.memory(root) in written:
            written[state] = written[schedule.memory(root)]
    return not any(isinstance(kernel, Loop) for kernel in schedule.kernels) and all(
        current.owns(kernel, node, written[node])
        for kernel, read in zip(schedule.kernels, reads, strict=True)
        for node in read
        if node in written
    )


class _Segment:
    """What the kernels since the last meeting have read and written."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.kernels: list[Kernel] = []
        self.written: dict[Node, Share | None] = {}
        self.read: dict[Node, list[Kernel]] = {}

    def add(self, kernel: Kernel, read: Sequence[Node], stored: set[Node]) -> None:
        self.kernels.append(kernel)
        for node in stored:
            share, memory = written_by(kernel, node), self.schedule.memory(node)
            if memory is not node and not _keeps_rows(self.schedule.views[node]):
                share = MIXED
            if self.written.get(memory, share) != share:
                share = MIXED
            self.written[memory] = share
        for node in read:
            self.read.setdefault(node, []).append(kernel)

    def clashes(
        self,
        kernel: Kernel,
        read: Sequence[Node],
        stored: set[Node],
        replaced: Mapping[Node, Node],
    ) -> bool:
        """Whether threads have to meet before a kernel."""
        loop = isinstance(kernel, Loop) or any(isinstance(k, Loop) for k in self.kernels)
        if loop and (self.kernels or self.written):
            return True
        for node in read:
            if node in self.written and not self.owns(kernel, node, self.written[node]):
                return True
        for new in stored & replaced.keys():
            readers = self.read.get(replaced[new], ())
            if any(not self.owns(reader, replaced[new], share_of(kernel)) for reader in readers):
                return True
        return False

    def owns(self, reader: Kernel, node: Node, share: Share | None) -> bool:
        """Whether every thread reads just the part of a node that is its own by ``share``."""
        if share is not None and share.axis == "whole":
            return True
        if share == MIXED or share_of(reader) != share:
            return False
        return share is None or _reads_own_part(reader, node, self.schedule)


def _keeps_rows(view: View) -> bool:
    """Whether the rows of a view are parts of the rows of the value in whose memory it lies."""
    shape = view.base.spec.shape
    whole = shape[-1] if shape else 1
    return view.row == whole and view.offset + view.shape[-1] <= whole


def written_by(kernel: Kernel, node: Node) -> Share | None:
    """Who writes a node: each thread its part, or (None) the first thread all of it."""
    if node not in kernel.computed:
        return MIXED  # its parts are written by several kernels
    if isinstance(kernel, Region) and kernel.kind[node] not in (Kind.FULL, Kind.ROW):
        return None
    return share_of(kernel)


def _reads_own_part(kernel: Kernel, node: Node, schedule: Schedule) -> bool:
    """Whether a thread that computes some units of a kernel reads only these units of a node."""
    if isinstance(kernel, Pack):
        view = schedule.views.get(kernel.source)
        return not swaps_last_axes(kernel.operand) and (view is None or _keeps_rows(view))
    if not isinstance(kernel, Region):
        return False
    own = set(kernel.computed)
    uses = [Use(x, schedule.alias) for n in kernel.nodes for x in n.inputs]
    uses = [use for use in uses if use.root not in own and schedule.memory(use.root) is node]
    views = [schedule.views[root] for root in values_of(kernel, schedule) if root in schedule.views]
    if not all(_keeps_rows(view) for view in views if view.base is node):
        return False
    kinds = {outside_kind(kernel, use.shape) for use in uses}
    if kernel.anchor is None:
        return kinds <= {Kind.FULL, Kind.ROW}
    sources = schedule.sources(kernel.anchor)
    if kernel.sums_rows:
        return kinds <= {Kind.FULL} and node not in schedule.memories(sources)
    left, right = (schedule.memory(source) is node for source in sources)
    by_rows = not right and not (left and schedule.is_turned(kernel.anchor.inputs[0]))
    return kinds <= {Kind.FULL, Kind.ROW} and by_rows


def overwrites(in_place: Mapping[int, Node], states: Sequence[Node]) -> dict[Node, Node]:
    """New state → old state, for the states of a loop that are updated where they lie."""
    return {new: states[i] for i, new in in_place.items()}

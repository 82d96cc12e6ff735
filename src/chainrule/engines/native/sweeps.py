"""Which pass over the columns of a row computes what.

A value per row that a sweep produces (a maximum, a sum) can be read by the next sweep only; hence a
softmax takes three sweeps over a row that stays in the first-level cache.

A value per element that a later sweep reads as well waits in memory, or it is computed *again*: a
mean that is taken away again costs less than the writing and the reading.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chainrule.engines.native.canonical import REDUCTIONS
from chainrule.engines.native.kernels import Kind, Region
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.graph.node import Node

__all__ = ["EFFORT", "FOLDING", "LIGHT", "Sweeps", "effort", "sweeps_of"]

#: Nodes that make one number per row from a sweep.
FOLDING = (*REDUCTIONS, "gather")
#: Nodes that are done again instead of keeping their result, with what they cost in relation to
#: reading it, and how much a result may cost.
LIGHT = {
    "broadcast_to": 0,
    "negative": 0,
    "add": 1,
    "subtract": 1,
    "multiply": 1,
    "square": 1,
    "divide": 3,
}
EFFORT = 3


def effort(nodes: Iterable[Node]) -> int:
    """What light nodes cost."""
    return sum(LIGHT[node.op.name] for node in nodes)


@dataclass
class Sweeps:
    """The sweep in which each node of a region is computed.

    Attributes
    ----------
    of
        Node → sweep. A value per row counts as computed *after* that sweep; -1 is before the first.
    count
        Number of sweeps.
    crossing
        Values per element that a later sweep reads again: kept in memory unless rows are unrolled.
    again
        Values per element that every sweep that reads them computes for itself.
    """

    of: dict[Node, int] = field(default_factory=dict)
    count: int = 1
    crossing: set[Node] = field(default_factory=set)
    again: set[Node] = field(default_factory=set)


def sweeps_of(region: Region, alias: Mapping[Node, Node]) -> Sweeps:
    """Assign the nodes of a region to sweeps."""
    sweeps = Sweeps()
    for node in region.computed:
        earliest = -1
        for operand in node.inputs if node is not region.anchor else ():
            root = Use(operand, alias).root
            if root in sweeps.of:
                after = region.kind[root] is Kind.ROW and region.kind[node] is Kind.FULL
                earliest = max(earliest, sweeps.of[root] + after)
        if region.kind[node] is Kind.FULL or node.op.name in FOLDING:
            earliest = max(earliest, 0)
        sweeps.of[node] = earliest
        for operand in node.inputs:
            _cross(region, sweeps, alias, Use(operand, alias).root, earliest)
    sweeps.count = max(sweeps.of.values(), default=0) + 1
    return sweeps


def _cross(
    region: Region, sweeps: Sweeps, alias: Mapping[Node, Node], root: Node, sweep: int
) -> None:
    """Note how a value of the region comes to a sweep that reads it."""
    if region.kind.get(root) is not Kind.FULL or sweeps.of.get(root, sweep) >= sweep:
        return
    if not _is_light(region, alias, root):
        sweeps.crossing.add(root)
        return
    sweeps.again.add(root)
    for operand in root.inputs:
        _cross(region, sweeps, alias, Use(operand, alias).root, sweep)


def _is_light(region: Region, alias: Mapping[Node, Node], root: Node) -> bool:
    """Whether a value per element is made in a few steps of one such value, and those per row."""
    if root.op.name not in LIGHT:
        return False
    steps, read = [root], set()
    for node in steps:  # which grows
        for use in (Use(operand, alias) for operand in node.inputs):
            if region.kind.get(use.root, outside_kind(region, use.shape)) is not Kind.FULL:
                continue
            if use.root in region.kind and use.root.op.name in LIGHT:
                steps.append(use.root)
            else:
                read.add(use.root)
    return effort(steps) <= EFFORT and len(read) <= 1

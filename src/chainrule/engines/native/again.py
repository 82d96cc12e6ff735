"""Values that readers compute for themselves instead of reading them.

What backpropagation needs of the way there is often made in one or two light steps of what is kept
anyway: of the weights of a softmax their negatives over a sum, of normalised rows the same over
their deviation. To keep these as well would write and read a matrix for each of them.

Only the kernels of a finished schedule tell what is kept. So :func:`left_to_readers` looks at one,
and the graph is scheduled once more with its answer.
"""

from collections.abc import Sequence

from chainrule.engines.native.kernels import Kernel, Kind, Region, Schedule
from chainrule.engines.native.reads import values_of
from chainrule.engines.native.sweeps import EFFORT, LIGHT, effort
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.graph.node import Node

__all__ = ["left_to_readers"]


def left_to_readers(schedule: Schedule) -> set[Node]:
    """The nodes that need not be in memory, and the steps to them from what is."""
    readers: dict[Node, list[Kernel]] = {}
    for kernel in schedule.kernels:
        for node in values_of(kernel, schedule):
            readers.setdefault(node, []).append(kernel)
    kept = set(readers) | {schedule.root(node) for node in schedule.graph.outputs}
    found: set[Node] = set()
    for node in reversed(schedule.graph.nodes):
        if node in readers and _is_read_by_regions(schedule, node, readers[node]):
            steps = _steps(schedule, node, kept - {node} - found)
            found.update(steps)
    return found


def _is_read_by_regions(schedule: Schedule, node: Node, readers: Sequence[Kernel]) -> bool:
    """Whether every kernel that reads a value does so element by element, beside other work."""
    own = schedule.place.get(node)
    if not isinstance(own, Region) or own.kind.get(node) is not Kind.FULL or node is own.anchor:
        return False
    if node in map(schedule.root, schedule.graph.outputs) or not node.spec.is_float:
        return False
    if any(node in (view_of, view.base) for view_of, view in schedule.views.items()):
        return False
    for kernel in readers:
        if not isinstance(kernel, Region) or (kernel.rows, kernel.columns) != _domain(own):
            return False
        if kernel.anchor is not None and node in schedule.sources(kernel.anchor):
            return False
    return True


def _domain(region: Region) -> tuple[int, int]:
    return region.rows, region.columns


def _steps(schedule: Schedule, node: Node, kept: set[Node]) -> list[Node]:
    """The light steps to a node from at most one matrix that is kept; none, if it takes more."""
    inputs = set(schedule.graph.inputs)  # they may be overwritten
    own = schedule.place[node]
    assert isinstance(own, Region)
    steps, read = [node], set()
    for step in steps:  # which grows
        if step.op.name not in LIGHT:
            return []
        for use in (Use(operand, schedule.alias) for operand in step.inputs):
            kind = own.kind.get(use.root, outside_kind(own, use.shape))
            if kind is not Kind.FULL:
                continue
            if use.root in own.kind and use.root not in kept:
                steps.append(use.root)
            else:
                read.add(use.root)
    good = effort(steps) <= EFFORT and len(read) <= 1 and not read & inputs
    return steps if good else []

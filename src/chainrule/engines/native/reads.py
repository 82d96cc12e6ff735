"""What kernels read."""

from chainrule.engines.native.kernels import Kernel, Loop, Pack, Region, Schedule
from chainrule.engines.native.uses import operands_of
from chainrule.graph.node import Node

__all__ = ["reads_of", "values_of"]


def reads_of(kernel: Kernel, schedule: Schedule) -> list[Node]:
    """The nodes that a kernel reads from memory."""
    return schedule.memories(values_of(kernel, schedule))


def values_of(kernel: Kernel, schedule: Schedule) -> list[Node]:
    """The values that a kernel reads, some of which may be views."""
    if isinstance(kernel, Region):
        reads = operands_of(kernel.nodes, schedule.alias, set(kernel.computed))
        if kernel.anchor is not None:
            reads += schedule.sources(kernel.anchor)
        return list(dict.fromkeys(reads))
    if isinstance(kernel, Pack):
        return [kernel.source]
    copies = kernel.copies.values() if isinstance(kernel, Loop) else ()
    return list(dict.fromkeys([*schedule.sources(kernel.node), *copies]))

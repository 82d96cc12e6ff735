"""Which states of a loop are updated where they lie.

A step of a scan makes a new state from the old one. Where the old one is last read by the very loop
nest that makes the new one, and element by element, the new one is written over it: parameters and
the optimizer's moments are never copied, and of a cache only the new places are written. Nor is a
state copied that no step changes, such as a rate.
"""

from collections.abc import Sequence

from chainrule.engines.native.kernels import Kernel, Kind, Region, Schedule, Single
from chainrule.engines.native.sweeps import sweeps_of
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.graph.node import Node

__all__ = ["updated_in_place"]


def updated_in_place(
    body: Schedule, states: Sequence[Node], reads: Sequence[Sequence[Node]]
) -> dict[int, Node]:
    """Position of a state → the node of its new value, for states that may be overwritten.

    Parameters
    ----------
    body
        Schedule of the loop's body, whose first outputs are the new states.
    states
        The body's inputs that hold the old states.
    reads
        For each kernel of the body the nodes that it reads from memory.
    """
    outputs = [body.root(node) for node in body.graph.outputs]
    found: dict[int, Node] = {}
    for i, (old, new) in enumerate(zip(states, outputs, strict=False)):
        once = outputs.count(new) == 1 and old not in outputs
        changed = once and new in body.place and _may_overwrite(body, old, new, reads)
        if new is old or changed:
            found[i] = new
    return found


def _may_overwrite(body: Schedule, old: Node, new: Node, reads: Sequence[Sequence[Node]]) -> bool:
    writer = body.place[new]
    if new not in writer.computed or any(view.base is old for view in body.views.values()):
        return False
    position = body.kernels.index(writer)
    last = max((i for i, nodes in enumerate(reads) if old in nodes), default=-1)
    if last < position:
        return True
    return last == position and _element_by_element(writer, old, new, body)


def _element_by_element(kernel: Kernel, old: Node, new: Node, body: Schedule) -> bool:
    """Whether the kernel reads an element of ``old`` only to make the same element of ``new``."""
    if isinstance(kernel, Single) and kernel.node.op.name == "scatter":
        target, *others = body.sources(kernel.node)
        return target is old and old not in others
    if not isinstance(kernel, Region):
        return False
    if kernel.anchor is not None and old in body.sources(kernel.anchor):
        return False
    if kernel.anchor is None and sweeps_of(kernel, body.alias).count > 1:
        return False
    uses = (Use(x, body.alias) for node in kernel.nodes for x in node.inputs)
    kinds = {outside_kind(kernel, use.shape) for use in uses if use.root is old}
    return kinds <= {kernel.kind[new]} and kernel.kind[new] in (Kind.FULL, Kind.ONE)

"""Weights that stay in panels, the layout in which products read them fastest.

A state of a training loop stays there if every kernel can read it so: as the right-hand side of
products, and element by element where it is updated. The optimizer's moments, which are updated in
the same place, follow their weight.
"""

from collections.abc import Mapping, Sequence

from chainrule.engines.native.gemm import choose
from chainrule.engines.native.kernels import Kernel, Kind, Region, Schedule
from chainrule.engines.native.nodes import collapsed, is_float_product, sources_of, swaps_last_axes
from chainrule.engines.native.operands import spec_of
from chainrule.engines.native.target import Target
from chainrule.engines.native.uses import Use
from chainrule.graph.node import Node

__all__ = ["panelled"]


def panelled(
    schedule: Schedule,
    reads: Sequence[Sequence[Node]],
    replaced: Mapping[Node, Node],
    target: Target,
) -> dict[Node, int]:
    """Node → width of its panels, for old and new states that lie in panels.

    Parameters
    ----------
    schedule, target
        A training step, and where it runs.
    reads
        For each kernel what it reads from memory.
    replaced
        New state → the old state whose memory it takes.
    """
    able = {
        new: old
        for new, old in replaced.items()
        if new is not old and _can(schedule, reads, new, old)
    }
    widths: dict[Kernel, dict[tuple[int, ...], int]] = {}
    for new, old in able.items():
        width = _width_for_products(schedule, old, target)
        if width is not None:
            widths.setdefault(schedule.place[new], {})[old.spec.shape] = width
    found: dict[Node, int] = {}
    for new, old in able.items():
        width = widths.get(schedule.place[new], {}).get(old.spec.shape)
        if width is not None:
            found[new] = found[old] = width
    return found


def _can(schedule: Schedule, reads: Sequence[Sequence[Node]], new: Node, old: Node) -> bool:
    """Whether all kernels that touch a state can read and write it in panels."""
    writer = schedule.place[new]
    whole = isinstance(writer, Region) and writer.kind[new] is Kind.FULL and writer.rows > 1
    viewed = any(view.base in (old, new) for view in schedule.views.values())
    if old.spec.ndim != 2 or not old.spec.is_float or not whole or viewed:
        return False
    for kernel, read in zip(schedule.kernels, reads, strict=True):
        if any(x in read and not _reads_in_place(kernel, schedule, x) for x in (new, old)):
            return False
    return True


def _reads_in_place(kernel: Kernel, schedule: Schedule, state: Node) -> bool:
    if not isinstance(kernel, Region):
        return False
    for node in kernel.nodes:
        for use in (Use(x, schedule.alias) for x in node.inputs):
            domain = (kernel.rows, kernel.columns)
            if use.root is state and not collapsed(use.shape) == state.spec.shape == domain:
                return False
    if kernel.anchor is None or state not in schedule.sources(kernel.anchor):
        return True
    return _is_right_hand_side(kernel.anchor, schedule, state)


def _is_right_hand_side(product: Node, schedule: Schedule, state: Node) -> bool:
    """Whether a product reads a state, as it is or transposed, on its right-hand side only."""
    if not is_float_product(product):
        return False
    left, right = sources_of(product)
    own = schedule.root(right) is state and right.spec.shape == state.spec.shape
    return own and schedule.root(left) is not state


def _width_for_products(schedule: Schedule, state: Node, target: Target) -> int | None:
    """The width of panels that the first product wants that reads a state as it is."""
    for kernel in schedule.kernels:
        product = kernel.anchor if isinstance(kernel, Region) else None
        if product is None or not is_float_product(product):
            continue
        right = product.inputs[1]
        if schedule.root(right) is state and not swaps_last_axes(right):
            spec = spec_of(product, schedule)
            chosen, lanes = choose(spec, target), target.lanes(spec.item)
            if chosen.form == "columns" and spec.columns >= chosen.width * lanes:
                return chosen.width * lanes
            return None
    return None

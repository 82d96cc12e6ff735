"""How products read their operands, and the copies that some of them want first."""

import numpy as np

from chainrule.engines.native.emit import Emitter, Index, Value
from chainrule.engines.native.gemm import MatmulSpec, choose
from chainrule.engines.native.kernels import Kernel, Loop, Pack, Region, Schedule
from chainrule.engines.native.layout import Panels, Strided, copy, pack
from chainrule.engines.native.nodes import is_float_product, swaps_last_axes
from chainrule.engines.native.target import Target
from chainrule.engines.native.turns import LONG
from chainrule.graph.node import Node
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE

__all__ = ["emit_pack", "pack_operands", "spec_of", "strides_of"]

#: Bytes of an operand up to which every thread copies it for itself, for so many rows or more.
PRIVATE, ROWS = 1 << 16, 16


def strides_of(operand: Node, schedule: Schedule) -> Strided:
    """The steps in memory to the next row and to the next column of an operand."""
    if swaps_last_axes(operand):
        return strides_of(operand.inputs[0], schedule).transposed
    root = schedule.root(operand)
    if root in schedule.views:
        return Strided(*schedule.views[root].strides[-2:])
    return Strided(operand.spec.shape[-1], 1)


def spec_of(node: Node, schedule: Schedule) -> MatmulSpec:
    """What is known of one product of a (batched) matrix product."""
    kernel = schedule.place.get(node)
    terms_scale = kernel.terms_scale if isinstance(kernel, Region) else 0
    a, b = node.inputs
    inner = a.spec.shape[-1]
    width = schedule.panels.get(schedule.root(b))
    if node in schedule.packed:
        width = schedule.packed[node].width
    return MatmulSpec(
        dtype=node.spec.dtype,
        columns=node.spec.shape[-1],
        inner=inner,
        a_at=strides_of(a, schedule),
        b_at=strides_of(b, schedule) if width is None else Panels.packed(inner, width),
        rows=node.spec.shape[-2],
        open=terms_scale > 0,
    )


def pack_operands(schedule: Schedule, target: Target) -> None:
    """Add the kernels that copy right-hand sides, each as early as it can run."""
    copies: dict[tuple[Node, int], Pack] = {}
    for kernel in list(schedule.kernels):
        if isinstance(kernel, Loop):
            for body in kernel.bodies.values():
                pack_operands(body, target)
            _pack_before(kernel, schedule)
        if not (isinstance(kernel, Region) and kernel.anchor and is_float_product(kernel.anchor)):
            continue
        product = kernel.anchor
        width = _wanted_width(product, schedule, target)
        if width is None:
            continue
        key = product.inputs[1], width
        if _is_private(kernel):
            schedule.packed[product] = _pack(schedule, *key, kernel.terms_scale, kernel)
            continue
        if key not in copies:
            copies[key] = _pack(schedule, *key, kernel.terms_scale)
        schedule.packed[product] = copies[key]


def _pack_before(loop: Loop, schedule: Schedule) -> None:
    """Copy what is the same in all steps of a scan once, before its first step."""
    if loop.node.op.name != "scan":
        return
    body = loop.bodies["body"]
    captured = body.graph.inputs[: loop.node.attributes["captured"]]
    outside = dict(zip(captured, loop.node.inputs, strict=False))
    for inside in [k for k in body.kernels if isinstance(k, Pack) and k.source in outside]:
        operand, seen = outside[inside.source], inside.operand
        if swaps_last_axes(seen):
            operand = Node(seen.op, (operand,), seen.attributes, seen.specs)
        elif operand.spec != seen.spec:
            continue  # reshaped inside
        body.kernels.remove(inside)
        del body.place[inside.made]
        loop.copies[inside.made] = _pack(schedule, operand, inside.width, 0).made


def _wanted_width(product: Node, schedule: Schedule, target: Target) -> int | None:
    """The width of the panels into which a product wants its right-hand side copied, if it does."""
    spec, operand = spec_of(product, schedule), product.inputs[1]
    chosen = choose(spec, target)
    if chosen.form == "columns" and chosen.copy_b:
        return chosen.width * target.lanes(spec.item)
    if swaps_last_axes(operand) and schedule.root(operand.inputs[0]) in schedule.panels:
        return target.lanes(spec.item)  # the other forms read rows, and there are none in memory
    return None


def _is_private(kernel: Region) -> bool:
    """Whether every thread copies the operand of a product for itself."""
    assert kernel.anchor is not None
    operand = kernel.anchor.inputs[1].spec
    # The rows of a long batch are done in several turns, each of which would make a copy.
    few = ROWS <= kernel.rows < LONG
    return operand.size * operand.dtype.itemsize <= PRIVATE and few


def _pack(
    schedule: Schedule, operand: Node, width: int, scale: int, reader: Kernel | None = None
) -> Pack:
    """A kernel that copies an operand.

    It stands right before the only ``reader``, or else right after the kernel that makes the
    operand.
    """
    inner, columns = operand.spec.shape
    size = Panels.packed(inner, width).elements(columns)
    # No op makes this value: the node only stands for its memory.
    made = Node(TABLE["reshape"], (operand,), {}, (Spec((size,), operand.spec.dtype),))
    source = operand.inputs[0] if swaps_last_axes(operand) else operand
    kernel = Pack(operand, schedule.root(source), made, width, scale, reader is not None)
    writer: Kernel | None = schedule.place.get(kernel.source)
    if reader is not None:
        place = schedule.kernels.index(reader)
    else:
        place = 0 if writer is None else schedule.kernels.index(writer) + 1
    schedule.kernels.insert(place, kernel)
    schedule.place[made] = kernel
    return kernel


def emit_pack(
    e: Emitter,
    kernel: Pack,
    schedule: Schedule,
    source: Value,
    made: Value,
    first: Index,
    last: Index,
) -> None:
    """The rows of the matrix in memory from ``first`` to before ``last``."""
    dtype, (inner, columns) = kernel.operand.spec.dtype, kernel.operand.spec.shape
    panels, at = Panels.packed(inner, kernel.width), strides_of(kernel.operand, schedule)
    if not swaps_last_axes(kernel.operand):
        start = at.at(e, source, first, 0, dtype)
        end = e.at(made, e.times(first, kernel.width), dtype=dtype)
        rows = e.b.sub(e.i64(last), e.i64(first))
        pack(e, dtype, start, at, rows, columns, end, panels)
        return
    # Columns of the matrix that lie together, and from one such piece to the next below it.
    wide = schedule.panels.get(kernel.source, inner)
    down = at.col if wide == inner else wide
    heights = [wide, inner % wide] if inner % wide else [wide]
    for column, size in e.steps(first, last, [e.lanes(np.dtype(dtype)), 1], "column"):
        for row, height in e.steps(0, inner, heights, "row"):
            start = e.at(source, e.times(row, columns), e.times(column, down), dtype=dtype)
            end = e.at(panels.at(e, made, column, dtype), e.times(row, kernel.width), dtype=dtype)
            copy(e, dtype, start, Strided(1, down), height, size, end, kernel.width)

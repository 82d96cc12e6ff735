"""Calls of kernels: each is a function of pointers and of the units that a thread does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.engines.native.emit import I64, Emitter, Index, Value
from chainrule.engines.native.frame import Frame, Pointers
from chainrule.engines.native.kernels import Kernel, Region, Schedule
from chainrule.engines.native.layout import Panels
from chainrule.engines.native.nodes import is_float_product, swaps_last_axes
from chainrule.engines.native.operands import spec_of
from chainrule.graph.node import Node

__all__ = ["Call"]

#: Bytes of the largest operand that is asked for as a whole: it should not push out others.
FETCHED = 65536


@dataclass(frozen=True)
class Call:
    """A kernel with its code.

    Attributes
    ----------
    kernel, schedule
        What is computed.
    used
        What the function gets pointers to.
    function
        Its arguments: these pointers, scratch, the error word, the first unit, the one behind the
        last, and the rows of the batch.
    """

    kernel: Kernel
    schedule: Schedule
    used: Sequence[Node]
    function: Value

    def emit(self, e: Emitter, frame: Frame, pointers: Pointers, first: Value, last: Value) -> None:
        """Run the kernel for units from the first to before the last."""
        operands = [*(pointers[node] for node in self.used), frame.scratch, frame.error]
        e.b.call(self.function, [*operands, first, last, frame.rows])

    def fetch(
        self, e: Emitter, frame: Frame, pointers: Pointers, part: tuple[Value, Value]
    ) -> None:
        """Ask for the operands of a product that other threads have written.

        A line that another core has changed takes long to come; asked for one by one, as the
        product reads them, they would take as long as the product itself.
        """
        schedule = self.schedule
        product = self.kernel.anchor if isinstance(self.kernel, Region) else None
        if product is None or not is_float_product(product):
            return
        sources = schedule.sources(product)
        if any(source in schedule.views for source in sources):
            return  # what lies apart is not asked for as a whole
        spec, (left, right) = spec_of(product, schedule), (pointers[node] for node in sources)
        inner, columns = product.inputs[1].spec.shape
        if isinstance(spec.b_at, Panels):
            columns = -(-columns // spec.b_at.width) * spec.b_at.width
        size = inner * columns * spec.item
        with e.when(e.b.icmp_signed(">", frame.count, I64(1))):
            if swaps_last_axes(product.inputs[0]) and inner * spec.rows * spec.item <= FETCHED:
                first, last = (e.times(unit, spec.item) for unit in part)
                _ask_for(e, left, inner, spec.rows * spec.item, first, last)
            copied = schedule.packed.get(product)
            if size <= FETCHED and not (copied and copied.private):
                _ask_for(e, right, 1, 0, 0, size)


def _ask_for(e: Emitter, matrix: Value, rows: int, stride: int, first: Index, last: Index) -> None:
    """Ask for bytes ``first`` to ``last`` of so many rows, which lie ``stride`` bytes apart."""
    with e.loop(0, rows, name="fetch") as row:
        start = e.at(matrix, e.times(row, stride), dtype=np.int8)
        e.ask_for_bytes(start, first, last, near=False)

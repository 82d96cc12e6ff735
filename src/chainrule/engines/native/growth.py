"""Code for any number of rows in a batch: which kernels grow with it.

A training step is traced for a batch and for a shorter one. Where the two schedules differ in
nothing but the number of rows of some kernels, in the lengths of some sums, and in some constants
(``1 / rows``), one code serves both, and every other number of rows that compares as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.engines.native.kernels import Kernel, Loop, Region, Schedule, Single
from chainrule.engines.native.nodes import is_float_product, sources_of, swaps_last_axes
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.graph.node import Node

__all__ = ["Growth", "compared", "constants_of", "mark"]


@dataclass(frozen=True)
class Growth:
    """How a schedule grows.

    Attributes
    ----------
    scales
        For each kernel how many of its rows, and how many terms of its sums, there are for each row
        of the batch; 0: their number is fixed.
    constants
        The constants for the other number of rows.
    """

    scales: tuple[tuple[int, int], ...]
    constants: tuple[np.ndarray, ...]


def constants_of(schedule: Schedule) -> list[Node]:
    """The constants of a schedule and of the bodies of its loops."""
    found = [node for node in schedule.graph.nodes if node.op.name == "constant"]
    for kernel in schedule.kernels:
        for body in kernel.bodies.values() if isinstance(kernel, Loop) else ():
            found += constants_of(body)
    return list(dict.fromkeys(found))


def mark(schedule: Schedule, growth: Growth) -> None:
    """Write into kernels how they grow."""
    for kernel, (rows, terms) in zip(schedule.kernels, growth.scales, strict=True):
        if isinstance(kernel, Region):
            kernel.rows_scale, kernel.terms_scale = rows, terms


def compared(schedule: Schedule, other: Schedule, rows: int, other_rows: int) -> Growth | None:
    """How a schedule for ``rows`` rows grows, judged by another; None if they differ otherwise."""
    try:
        return _Comparison(schedule, other, rows, other_rows).growth()
    except _Differs:
        return None


class _Differs(Exception):
    """The schedules differ in more than a number of rows."""


def _expect(condition: bool) -> None:
    if not condition:
        raise _Differs


class _Comparison:
    def __init__(self, one: Schedule, other: Schedule, rows: int, other_rows: int) -> None:
        self.one, self.other, self.rows, self.other_rows = one, other, rows, other_rows
        self.same: dict[Node, Node] = {}  # node of the one → node of the other

    def growth(self) -> Growth:
        one, other = self.one, self.other
        self._pair(one.graph.inputs, other.graph.inputs)
        constants = constants_of(one), constants_of(other)
        self._pair(*constants)
        _expect(len(one.kernels) == len(other.kernels))
        scales = tuple(map(self._scales, one.kernels, other.kernels))
        for a, b in zip(one.graph.outputs, other.graph.outputs, strict=True):
            _expect(a.spec == b.spec and self._is_same(one.root(a), other.root(b)))
        arrays = [
            (a.attributes["value"].array, b.attributes["value"].array)
            for a, b in zip(*constants, strict=True)
        ]
        _expect(all(a.shape == b.shape and a.dtype == b.dtype for a, b in arrays))
        return Growth(scales, tuple(b for _, b in arrays))

    def _pair(self, ones: Sequence[Node], others: Sequence[Node]) -> None:
        _expect(len(ones) == len(others))
        self.same.update(zip(ones, others, strict=True))

    def _scales(self, one: Kernel, other: Kernel) -> tuple[int, int]:
        if isinstance(one, Region) and isinstance(other, Region):
            return self._region_scales(one, other)
        _expect(type(one) is type(other))
        if isinstance(one, (Single, Loop)) and isinstance(other, (Single, Loop)):
            self._equal(one.node, other.node)
            self._pair(one.computed, other.computed)
        return 0, 0

    def _equal(self, one: Node, other: Node) -> None:
        """Two nodes that do the same on operands of the same size."""
        _expect(one.op is other.op and one.specs == other.specs)
        _expect(dict(one.attributes) == dict(other.attributes))
        for a, b in zip(sources_of(one), sources_of(other), strict=True):
            _expect(a.spec == b.spec and self._is_same(self.one.root(a), self.other.root(b)))

    def _region_scales(self, one: Region, other: Region) -> tuple[int, int]:
        _expect(one.columns == other.columns and len(one.computed) == len(other.computed))
        terms = 0
        if one.anchor is not None and other.anchor is not None:
            terms = self._anchor_scale(one.anchor, other.anchor)
        _expect((one.anchor is None) == (other.anchor is None))
        for a, b in zip(one.nodes, other.nodes, strict=True):
            self._same_in_region(one, a, other, b)
        return self._scale(one.rows, other.rows), terms

    def _anchor_scale(self, one: Node, other: Node) -> int:
        _expect(one.op is other.op)
        for x, y, a, b in zip(
            one.inputs, other.inputs, sources_of(one), sources_of(other), strict=True
        ):
            _expect(swaps_last_axes(x) == swaps_last_axes(y))
            _expect(self._is_same(self.one.root(a), self.other.root(b)))
        self.same[one] = other
        axis = -1 if is_float_product(one) else 0
        return self._scale(one.inputs[0].spec.shape[axis], other.inputs[0].spec.shape[axis])

    def _same_in_region(self, region: Region, one: Node, other_region: Region, other: Node) -> None:
        _expect(one.op is other.op and region.kind[one] is other_region.kind[other])
        # Shapes are told by the region and by how a value is seen in it.
        options = ({k: v for k, v in n.attributes.items() if k != "shape"} for n in (one, other))
        _expect(next(options) == next(options))
        for x, y in zip(one.inputs, other.inputs, strict=True):
            a, b = Use(x, self.one.alias), Use(y, self.other.alias)
            _expect(self._is_same(a.root, b.root) and a.root.spec.dtype == b.root.spec.dtype)
            if a.root not in region.kind:
                seen = outside_kind(region, a.shape), outside_kind(other_region, b.shape)
                _expect(seen[0] is seen[1])
        self.same[one] = other

    def _is_same(self, one: Node, other: Node) -> bool:
        """Whether two values are the same, for as many rows as there are."""
        views = self.one.views, self.other.views
        if one not in views[0] or one in self.same:
            return self.same.get(one) is other
        if other not in views[1]:
            return False
        a, b = views[0][one], views[1][other]
        return (a.offset, a.strides) == (b.offset, b.strides) and self._is_same(a.base, b.base)

    def _scale(self, one: int, other: int) -> int:
        """How many units there are for each row of the batch; 0 if their number is fixed."""
        if one == other:
            return 0
        scale, rest = divmod(one, self.rows)
        _expect(rest == 0 and scale * self.other_rows == other)
        return scale

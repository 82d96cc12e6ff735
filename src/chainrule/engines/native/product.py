"""Code for a region that starts from a matrix product: its register tiles run through the nodes."""

import math
from collections.abc import Mapping
from typing import Any

from chainrule.engines.native.emit import Emitter, Index, Value, lanes_of
from chainrule.engines.native.fuse import swaps_last_axes
from chainrule.engines.native.gemm import MatmulSpec, emit_matmul, scratch_elements
from chainrule.engines.native.kernels import Region, Schedule
from chainrule.engines.native.layout import Strided
from chainrule.engines.native.region import Cell
from chainrule.engines.native.target import Target
from chainrule.graph.node import Node

__all__ = ["emit_batch", "emit_product", "matrix_source", "product_scratch"]


def matrix_source(operand: Node) -> Node:
    """The node that a product reads: a transpose is a way of reading."""
    return operand.inputs[0] if swaps_last_axes(operand) else operand


def _strides(operand: Node) -> Strided:
    """The steps in memory to the next row and to the next column of an operand."""
    columns = matrix_source(operand).spec.shape[-1]
    return Strided(1, columns) if swaps_last_axes(operand) else Strided(columns, 1)


def spec_of(node: Node) -> MatmulSpec:
    """What is known of one product of a (batched) matrix product."""
    a, b = node.inputs
    return MatmulSpec(
        dtype=node.spec.dtype,
        columns=node.spec.shape[-1],
        inner=a.spec.shape[-1],
        a_at=_strides(a),
        b_at=_strides(b),
        rows=node.spec.shape[-2],
    )


def product_scratch(node: Node, target: Target) -> int:
    """Bytes of scratch for packing and partial sums."""
    return scratch_elements(spec_of(node), target) * node.spec.dtype.itemsize


def emit_product(
    e: Emitter,
    region: Region,
    schedule: Schedule,
    pointers: Mapping[Node, Value],
    stored: set[Node],
    first: Index,
    last: Index,
    scratch: Value,
    error: Value,
) -> None:
    """The rows from ``first`` to before ``last`` of the product and of the nodes after it."""
    anchor = region.anchor
    assert anchor is not None
    cell = Cell(e, region, schedule.alias, pointers, 1, error)

    def finish(
        e: Emitter, tile: list[list[Value]], row: Index, column: Index, live: list[int | None]
    ) -> None:
        for r, vectors in enumerate(tile):
            cell.begin_row(_plus(e, row, r))
            offset = 0
            for value, count in zip(vectors, live, strict=True):
                cell.width = lanes_of(value)
                _store_chunk(cell, anchor, value, _plus(e, column, offset), count, stored)
                offset += cell.width

    a, b = (pointers[schedule.root(matrix_source(x))] for x in anchor.inputs)
    emit_matmul(e, spec_of(anchor), rows=(first, last), a=a, b=b, finish=finish, scratch=scratch)


def _store_chunk(
    cell: Cell,
    anchor: Node,
    value: Value,
    column: Index,
    live: int | None,
    stored: set[Node],
) -> None:
    """Run one vector of the product through the nodes of the region; store what is asked for."""
    known: dict[Node, Value] = {anchor: value}
    for node in cell.region.nodes:
        known[node] = cell.compute(node, known, column, live)
    for node in cell.region.computed:
        if node in stored:
            cell.store(node, known[node], column, live)


def emit_batch(e: Emitter, node: Node, a: Value, b: Value, out: Value, scratch: Value) -> None:
    """One product after the other, for a batch of matrices."""
    dtype, shape = node.spec.dtype, node.spec.shape
    rows, columns, inner = shape[-2], shape[-1], node.inputs[0].spec.shape[-1]
    with e.loop(0, math.prod(shape[:-2]), name="batch") as i:

        def finish(
            e: Emitter, tile: list[list[Value]], row: Index, column: Index, live: list[int | None]
        ) -> None:
            for r, vectors in enumerate(tile):
                start = e.at(whole, e.times(_plus(e, row, r), columns), column, dtype=dtype)
                offset = 0
                for value, count in zip(vectors, live, strict=True):
                    e.store(value, e.at(start, offset, dtype=dtype), dtype, count)
                    offset += lanes_of(value)

        whole = e.at(out, e.times(i, rows * columns), dtype=dtype)
        emit_matmul(
            e,
            spec_of(node),
            rows=(0, rows),
            a=e.at(a, e.times(i, rows * inner), dtype=dtype),
            b=e.at(b, e.times(i, inner * columns), dtype=dtype),
            finish=finish,
            scratch=scratch,
        )


def _plus(e: Emitter, index: Index, offset: int) -> Any:
    if isinstance(index, int):
        return index + offset
    return e.b.add(index, e.i64(offset)) if offset else index

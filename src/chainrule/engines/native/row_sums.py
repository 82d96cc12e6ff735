"""Code for a region that starts from a reduction over the rows of a matrix: a bias's gradient.

Some columns at a time, all rows are gone through with the results in registers; these run through
the nodes after the reduction before they are stored. A column is always reduced in the same order.
"""

from collections.abc import Callable, Iterator, Mapping

from llvmlite import ir

from chainrule.engines.native.emit import Emitter, Index, Value, element_type
from chainrule.engines.native.kernels import Region, Schedule
from chainrule.engines.native.layout import Piece
from chainrule.engines.native.operands import strides_of
from chainrule.engines.native.product import store_chunk
from chainrule.engines.native.region import Cell, combined, folded, neutral, width_of
from chainrule.engines.native.tiles import whole_steps
from chainrule.graph.node import Node

__all__ = ["emit_row_sums"]

#: Vectors whose results are kept in registers at the same time, and rows in one turn of the loop.
VECTORS, UNROLL = 4, 4


def emit_row_sums(
    e: Emitter,
    region: Region,
    schedule: Schedule,
    pointers: Mapping[Node, Value],
    stored: set[Node],
    first: Index,
    last: Index,
    rows: Value,
    error: Value,
) -> None:
    """The columns from ``first`` to before ``last``; both are multiples of a vector, or the end."""
    anchor = region.anchor
    assert anchor is not None
    width = width_of(region, e.target.lanes)
    cell = Cell(e, region, schedule, pointers, width, error)
    cell.begin_row(0)
    matrix = pointers[schedule.root(anchor.inputs[0])]
    step = strides_of(anchor.inputs[0], schedule).row
    length: Index = anchor.inputs[0].spec.shape[0]
    if region.terms_scale:
        length = e.times(rows, region.terms_scale)
    if region.columns == 1:
        cell.width = 1
        store_chunk(cell, anchor, _down(e, anchor, matrix, length), 0, None, stored)
        return
    for column, pieces in _groups(e, region.columns, width, first, last):
        results = _reduced(e, anchor, matrix, step, length, column, pieces, width)
        for piece, value in zip(pieces, results, strict=True):
            store_chunk(cell, anchor, value, e.plus(column, piece.first), piece.live, stored)


def _groups(
    e: Emitter, columns: int, width: int, first: Index, last: Index
) -> Iterator[tuple[Index, list[Piece]]]:
    """Some vectors at a time, then single ones, then what is left of the last."""
    whole = columns // width * width
    sizes = [VECTORS * width, width]
    for column, size in e.steps(first, e.least(last, whole), sizes, "column"):
        yield column, [Piece(i, width) for i in range(0, size, width)]
    if whole < columns:
        mine = e.b.icmp_signed("==", e.i64(last), e.i64(columns))
        some = e.b.icmp_signed("<", e.i64(first), e.i64(last))
        with e.when(e.b.and_(mine, some)):
            yield whole, [Piece(0, width, columns - whole)]


def _down(e: Emitter, anchor: Node, column: Value, rows: Index) -> Value:
    """The result for a single column, whose elements lie side by side."""
    name, dtype, lanes = anchor.op.name, anchor.spec.dtype, e.lanes(anchor.spec.dtype)

    def add(lanes: int) -> Callable[[Value, list[Value]], list[Value]]:
        def turn(row: Value, results: list[Value]) -> list[Value]:
            start = e.at(column, row, dtype=dtype)
            loaded = [
                e.load(e.at(start, i * lanes, dtype=dtype), dtype, lanes)
                for i in range(len(results))
            ]
            pairs = zip(results, loaded, strict=True)
            return [combined(e, name, dtype, x, y) for x, y in pairs]

        return turn

    start = e.constant(ir.VectorType(element_type(dtype), lanes), neutral(name, dtype))
    several, single = (whole_steps(e, 0, rows, size * lanes) for size in (VECTORS, 1))
    results = e.carry(0, several, VECTORS * lanes, [start] * VECTORS, add(lanes), name="row")
    while len(results) > 1:
        results = [
            combined(e, name, dtype, x, y) for x, y in zip(*[iter(results)] * 2, strict=True)
        ]
    results = e.carry(several, single, lanes, results, add(lanes), name="row")
    total = [folded(e, name, dtype, results[0])]
    return e.carry(single, rows, 1, total, add(1), name="row")[0]


def _reduced(
    e: Emitter,
    anchor: Node,
    matrix: Value,
    step: int,
    rows: Index,
    column: Index,
    pieces: list[Piece],
    width: int,
) -> list[Value]:
    """The results for some vectors of columns."""
    name, dtype = anchor.op.name, anchor.spec.dtype

    def add(row: Index, results: list[Value]) -> list[Value]:
        line = e.at(matrix, e.times(row, step), column, dtype=dtype)
        for i, piece in enumerate(pieces):
            loaded = e.load(e.at(line, piece.first, dtype=dtype), dtype, width, piece.live)
            results[i] = combined(e, name, dtype, results[i], loaded)
        return results

    def turn(row: Value, results: list[Value]) -> list[Value]:
        for r in range(UNROLL):
            results = add(e.plus(row, r), results)
        return results

    kind = ir.VectorType(element_type(dtype), width)
    start = [e.constant(kind, neutral(name, dtype)) for _ in pieces]
    whole = whole_steps(e, 0, rows, UNROLL)
    results = e.carry(0, whole, UNROLL, start, turn, name="row")
    return e.carry(whole, rows, 1, results, add, name="row")

"""Code for a region that starts from a matrix product: its register tiles run through the nodes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from chainrule.engines.native.emit import Emitter, Index, Value, lanes_of
from chainrule.engines.native.gemm import emit_matmul, scratch_elements
from chainrule.engines.native.kernels import Region, Schedule
from chainrule.engines.native.layout import zeros
from chainrule.engines.native.operands import spec_of
from chainrule.engines.native.region import Cell
from chainrule.engines.native.target import Target
from chainrule.engines.native.uses import operands_of
from chainrule.engines.native.views import dense
from chainrule.graph.node import Node
from chainrule.graph.spec import Shape

__all__ = ["emit_batch", "emit_product", "product_scratch", "store_chunk"]

#: Bytes that a second-level cache may hold.
CACHE = 1 << 18
#: From so many nodes after a product on, their code stands once and runs line by line.
LONG = 8


def _far(nodes: Iterable[Node], region: Region) -> list[Node]:
    """Of what a region reads or writes, the whole matrices, if a cache does not hold them all."""
    size = region.rows * region.columns
    whole = [node for node in nodes if node.spec.size == size]
    return whole if sum(size * node.spec.dtype.itemsize for node in whole) > CACHE else []


def product_scratch(node: Node, schedule: Schedule, target: Target) -> int:
    """Bytes of scratch for packing and partial sums."""
    return scratch_elements(spec_of(node, schedule), target) * node.spec.dtype.itemsize


def emit_product(
    e: Emitter,
    region: Region,
    schedule: Schedule,
    pointers: Mapping[Node, Value],
    stored: set[Node],
    first: Index,
    last: Index,
    rows: Value,
    scratch: Value,
    error: Value,
) -> None:
    """The rows from ``first`` to before ``last`` of the product and of the nodes after it.

    ``rows`` are those of the batch, where only the run knows them.
    """
    anchor = region.anchor
    assert anchor is not None
    cell = Cell(e, region, schedule, pointers, 1, error)
    read = _far(operands_of(region.nodes, schedule.alias, set(region.computed)), region)
    written = _far([node for node in region.computed if node in stored], region)

    def finish(
        e: Emitter, tile: list[list[Value]], row: Index, column: Index, live: list[int | None]
    ) -> None:
        if region.columns == 1 and lanes_of(tile[0][0]) > 1:
            _down(cell, anchor, tile[0][0], row, stored)
            return
        columns = list(_columns(e, column, tile[0]))

        def line(row: Index, vectors: list[Value]) -> None:
            cell.begin_row(row)
            for value, at, count in zip(vectors, columns, live, strict=True):
                cell.width = lanes_of(value)
                store_chunk(cell, anchor, value, at, count, stored)

        if len(region.nodes) < LONG:
            for r, vectors in enumerate(tile):
                line(_plus(e, row, r), vectors)
        else:
            _line_by_line(e, tile, row, line)

    def begin(
        e: Emitter,
        height: int,
        lanes: list[int],
        row: Index,
        column: Index,
        live: list[int | None],
    ) -> list[list[Value]]:
        for r in range(height):
            cell.begin_row(_plus(e, row, r))
            cell.ask_ahead(read, column)
            cell.ask_ahead(written, column, to_write=True)
        return [[zeros(anchor.spec.dtype, n) for n in lanes] for _ in range(height)]

    a, b = (pointers[x] for x in schedule.sources(anchor))
    emit_matmul(
        e,
        spec_of(anchor, schedule),
        rows=(first, last),
        a=a,
        b=b,
        finish=finish,
        begin=begin if read or written else None,
        scratch=scratch,
        down=True,
        even=region.rows % 2 == 0 and region.rows_scale % 2 == 0,  # parts of threads are
        inner=e.times(rows, region.terms_scale) if region.terms_scale else None,
    )


def _down(cell: Cell, anchor: Node, value: Value, row: Index, stored: set[Node]) -> None:
    """Rows of a single column through the nodes, as one vector: they lie side by side."""
    cell.begin_rows(row)
    cell.width = lanes_of(value)
    store_chunk(cell, anchor, value, 0, None, stored)


def _line_by_line(
    e: Emitter, tile: list[list[Value]], row: Index, line: Callable[[Index, list[Value]], None]
) -> None:
    """Run ``line`` on every row of a tile in a loop, by way of the stack: its code stands once."""
    places = []
    for first in tile[0]:
        with e.b.goto_entry_block():
            places.append(e.b.alloca(first.type, size=e.i64(len(tile))))
    for r, vectors in enumerate(tile):
        for place, value in zip(places, vectors, strict=True):
            e.b.store(value, e.b.gep(place, [e.i64(r)], source_etype=value.type))
    with e.loop(0, len(tile), name="line") as r:
        loaded = [
            e.b.load(e.b.gep(place, [r], source_etype=first.type), typ=first.type)
            for place, first in zip(places, tile[0], strict=True)
        ]
        line(e.plus(row, r), loaded)


def _columns(e: Emitter, first: Index, vectors: list[Value]) -> Iterator[Index]:
    """The first columns of vectors side by side."""
    for vector in vectors:
        yield first
        first = _plus(e, first, lanes_of(vector))


def store_chunk(
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


def emit_batch(
    e: Emitter,
    node: Node,
    schedule: Schedule,
    pointers: tuple[Value, Value, Value],
    first: Index,
    last: Index,
    scratch: Value,
) -> None:
    """The products from ``first`` to before ``last`` of a batch; pointers to A, B and C."""
    dtype, shape = node.spec.dtype, node.spec.shape
    rows, step, (a, b, c) = shape[-2], schedule.strides(node)[-2], pointers
    with e.loop(first, last, name="batch") as i:

        def finish(
            e: Emitter, tile: list[list[Value]], row: Index, column: Index, live: list[int | None]
        ) -> None:
            for r, vectors in enumerate(tile):
                start = e.at(whole, e.times(_plus(e, row, r), step), column, dtype=dtype)
                offset = 0
                for value, count in zip(vectors, live, strict=True):
                    e.store(value, e.at(start, offset, dtype=dtype), dtype, count)
                    offset += lanes_of(value)

        left, right, whole = (
            _matrix(e, pointer, _strides(schedule, operand, source), shape[:-2], i, dtype)
            for pointer, operand, source in zip(
                (a, b, c), (*node.inputs, node), (*schedule.sources(node), node), strict=True
            )
        )
        emit_matmul(
            e,
            spec_of(node, schedule),
            rows=(0, rows),
            a=left,
            b=right,
            finish=finish,
            scratch=scratch,
        )


def _strides(schedule: Schedule, operand: Node, source: Node) -> tuple[int, ...]:
    """The steps along the batch of an operand, which may be a source in another shape."""
    return schedule.strides(source) if source in schedule.views else dense(operand.spec.shape)


def _matrix(
    e: Emitter, base: Value, strides: Sequence[int], batch: Shape, i: Value, dtype: Any
) -> Value:
    """The first element of the ``i``-th matrix of a batch."""
    offset: Index = 0
    for n, step in zip(reversed(batch), reversed(strides[: len(batch)]), strict=True):
        here = e.b.srem(i, e.i64(n))
        i = e.b.sdiv(i, e.i64(n))
        offset = e.plus(e.times(here, step), offset)
    return e.at(base, offset, dtype=dtype)


def _plus(e: Emitter, index: Index, offset: int) -> Any:
    if isinstance(index, int):
        return index + offset
    return e.b.add(index, e.i64(offset)) if offset else index

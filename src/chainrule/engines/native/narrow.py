"""Matrix products with few columns or few rows, in the two forms that keep vectors full there.

``by_rows``
    Vectors run along the rows of C, elements of B are spread. Where A is contiguous down its
    columns: the gradient of a narrow layer's weight.
``by_dots``
    Vectors run along the contraction and are summed across at the end. Where A is contiguous along
    its rows and B down its columns: a narrow layer, or a few rows times a transposed weight.

Tiles are turned, so that the caller sees vectors along the columns as ever. One who can take
vectors down the single column of a C says so (``down``).
"""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.engines.native.emit import Emitter, Index, Value, lanes_of
from chainrule.engines.native.layout import Piece, pieces, sums_across, transposed, zeros
from chainrule.engines.native.tiles import Block, Place, added_product, contract, rowed

__all__ = ["by_dots", "by_rows"]


# ---------------------------------------------------------------------- along the rows
def by_rows(e: Emitter, block: Block, height: int, unroll: int) -> None:
    """All tiles of a block: ``height`` vectors of rows with all columns, then smaller ones."""
    lanes = e.lanes(block.dtype)
    smaller = (1 << bit for bit in range(9, -1, -1))
    sizes = [height * lanes] + [size for size in smaller if size < height * lanes]
    for row, size in e.steps(block.start, block.stop, sizes, "row"):
        down = pieces(size, lanes)
        for piece, columns in zip(down, rows_tile(e, block, row, down, unroll), strict=True):
            hand_over(e, block, e.plus(row, piece.first), columns)


def rows_tile(
    e: Emitter, block: Block, row: Index, down: list[Piece], unroll: int
) -> list[list[Value]]:
    """For each vector of rows, the columns of a tile."""
    dtype, columns = block.dtype, block.columns

    def step(pointers: list[Value], k: int, sums: list[Value]) -> list[Value]:
        a = e.at(pointers[0], k * block.a_step.col, dtype=dtype)
        b = e.at(pointers[1], k * block.b_row, dtype=dtype)
        loaded = [e.load(e.at(a, piece.first, dtype=dtype), dtype, piece.lanes) for piece in down]
        result = []
        for c, column in enumerate(rowed(sums, len(down))):
            scalar = e.load(e.at(b, block.b_column(e, c), dtype=dtype), dtype)
            for vector, added in zip(loaded, column, strict=True):
                spread = e.splat(scalar, lanes_of(vector))
                result.append(added_product(e, spread, vector, added))
        return result

    sums = [zeros(dtype, piece.lanes) for _ in range(columns) for piece in down]
    streams = [(block.a_row(e, row), block.a_step.col), (block.b, block.b_row)]
    sums = contract(e, dtype, block.inner, unroll, streams, sums, step)
    return [list(vectors) for vectors in zip(*rowed(sums, len(down)), strict=True)]


def hand_over(e: Emitter, block: Block, row: Index, columns: Sequence[Value]) -> None:
    """Finish a tile that is given as vectors down its columns."""
    height = lanes_of(columns[0])
    if block.down and len(columns) == 1:
        finish(e, block, Place(row, 0, 1, (Piece(0, height),)), columns)
        return
    cut = tuple(pieces(len(columns), e.lanes(block.dtype)))
    padded = [*columns, *[zeros(block.dtype, height)] * (cut[-1].lanes - 1)]
    parts = [transposed(e, padded[piece.first : piece.first + piece.lanes]) for piece in cut]
    rows = [value for row_values in zip(*parts, strict=True) for value in row_values]
    finish(e, block, Place(row, 0, height, cut), rows)


# ---------------------------------------------------------------------- along the contraction
def by_dots(e: Emitter, block: Block, height: int, width: int, unroll: int) -> None:
    """All tiles of a block: ``height`` rows with ``width`` columns, then smaller ones."""
    single, lanes = block.columns == 1, e.lanes(block.dtype)
    heights = [h for h in (8, 6, 4, 3, 2, 1) if h <= height and not (single and h in (6, 3))]
    widths = [width] + [rest for rest in [block.columns % width] if rest]
    for column, wide in e.steps(0, block.columns, widths, "column"):
        b = e.at(block.b, e.times(column, block.b_column(e, 1)), dtype=block.dtype)
        for row, tall in e.steps(block.start, block.stop, heights, "row"):
            sums = dots_tile(e, replace(block, b=b), row, tall, wide, unroll)
            if single:
                for first in range(0, tall, lanes):
                    total = sums_across(e, sums[first : first + lanes])
                    hand_over(e, block, e.plus(row, first), [total])
            else:
                cut = tuple(pieces(wide, lanes))
                rows = [total for part in rowed(sums, wide) for total in totals(e, part, cut)]
                finish(e, block, Place(row, column, tall, cut), rows)


def dots_tile(
    e: Emitter, block: Block, row: Index, height: int, width: int, unroll: int
) -> list[Value]:
    """Products of some rows of A and some columns of B, not yet summed across their lanes."""
    dtype, lanes = block.dtype, e.lanes(block.dtype)

    def step(
        pointers: list[Value], k: int, sums: list[Value], live: int | None = None
    ) -> list[Value]:
        a, b = (e.at(pointer, k * lanes, dtype=dtype) for pointer in pointers)
        rows = [e.at(a, r * block.a_step.row, dtype=dtype) for r in range(height)]
        columns = [e.at(b, block.b_column(e, c), dtype=dtype) for c in range(width)]
        xs = [e.load(pointer, dtype, lanes, live) for pointer in rows]
        ys = [e.load(pointer, dtype, lanes, live) for pointer in columns]
        pairs = [(x, y) for x in xs for y in ys]
        return [added_product(e, x, y, z) for (x, y), z in zip(pairs, sums, strict=True)]

    whole, rest = divmod(block.inner, lanes)
    streams = [(block.a_row(e, row), lanes), (block.b, lanes)]
    sums = [zeros(dtype, lanes)] * (height * width)
    sums = contract(e, dtype, whole, unroll, streams, sums, step)
    if rest:
        ends = [e.at(pointer, whole * lanes, dtype=dtype) for pointer, _ in streams]
        sums = step(ends, 0, sums, rest)
    return sums


def totals(e: Emitter, sums: Sequence[Value], cut: Sequence[Piece]) -> list[Value]:
    """Sums across the lanes, as the vectors of a row."""
    padded = [*sums, *[e.like(sums[0], 0.0)] * (cut[-1].lanes - 1)]
    return [sums_across(e, padded[piece.first : piece.first + piece.lanes]) for piece in cut]


def finish(e: Emitter, block: Block, place: Place, sums: Sequence[Value]) -> None:
    """Add what the caller starts from, and hand the tile over."""
    if block.begin is not None:
        pairs = zip(block.begun(e, place), sums, strict=True)
        sums = [e.b.fadd(start, added) for start, added in pairs]
    block.finished(e, place, sums)

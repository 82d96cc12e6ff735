"""Register tiles of a matrix product whose vectors run along the columns: the usual form.

For each ``k`` the elements of some rows of A are spread over a vector one by one, and multiplied
with the vectors of some columns of B; the sums stay in registers until the contraction is through.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule.engines.native.emit import Emitter, Index, Value, lanes_of
from chainrule.engines.native.layout import Panels, Piece, Strided, pieces, zeros

__all__ = [
    "Begin",
    "Block",
    "Finish",
    "Place",
    "Tile",
    "added_product",
    "by_columns",
    "contract",
    "partial_width",
    "rowed",
]

Tile = list[list[Value]]
#: ``finish(e, tile, row, column, live)``: what becomes of the tile whose first element is there.
Finish = Callable[[Emitter, Tile, Index, Index, list[int | None]], None]
#: ``begin(e, height, lanes, row, column, live)``: the values that such a tile starts from.
Begin = Callable[[Emitter, int, list[int], Index, Index, list[int | None]], Tile]


@dataclass(frozen=True)
class Place:
    """Where a register tile lies in C: its first row and column, its rows, the vectors of a row."""

    row: Index
    column: Index
    height: int
    pieces: tuple[Piece, ...]

    @property
    def lanes(self) -> list[int]:
        """Lanes of the vectors of a row."""
        return [piece.lanes for piece in self.pieces]

    @property
    def live(self) -> list[int | None]:
        """How many lanes of each are columns of C; None for all."""
        return [piece.live for piece in self.pieces]


@dataclass(frozen=True)
class Block:
    """Some rows of a product, and a piece of its contraction.

    Panels of A are those of the transposed A: a tile's rows lie in one of them.
    ``a`` points to row ``start`` and ``b`` to row 0 of the piece. ``first`` and ``last`` are bits
    that say whether it is the first and the last piece, None where there is just one. Until the
    last one, partial sums lie in ``partial``, a row-major matrix from row ``start`` on. ``even``
    says that there is an even number of rows.
    """

    dtype: Any
    start: Index
    stop: Index
    columns: int
    inner: Index
    a: Value
    a_at: Strided | Panels
    b: Value
    b_at: Strided | Panels
    finish: Finish
    begin: Begin | None
    down: bool = False
    even: bool = False
    partial: Value = None
    first: Value = None
    last: Value = None

    def a_row(self, e: Emitter, row: Index) -> Value:
        """A pointer to a row of A."""
        down = 0 if row is self.start else e.b.sub(e.i64(row), e.i64(self.start))
        if isinstance(self.a_at, Panels):
            return self.a_at.at(e, self.a, down, self.dtype)
        return self.a_at.at(e, self.a, down, 0, self.dtype)

    @property
    def a_step(self) -> Strided:
        """From one row and column of A to the next inside a tile."""
        return Strided(1, self.a_at.width) if isinstance(self.a_at, Panels) else self.a_at

    @property
    def b_row(self) -> int:
        """From one row of B to the next."""
        return self.b_at.width if isinstance(self.b_at, Panels) else self.b_at.row

    def b_column(self, e: Emitter, column: int) -> Index:
        """From the first column of B, or of one of its panels, to another one."""
        if isinstance(self.b_at, Panels):
            panel, within = divmod(column, self.b_at.width)
            return e.plus(e.times(panel, self.b_at.stride), within)
        return column * self.b_at.col

    def begun(self, e: Emitter, place: Place) -> list[Value]:
        """What the caller wants a tile to start from."""
        if self.begin is None:
            return [zeros(self.dtype, lanes) for lanes in place.lanes] * place.height
        rows = self.begin(e, place.height, place.lanes, place.row, place.column, place.live)
        return [value for row in rows for value in row]

    def finished(self, e: Emitter, place: Place, sums: Sequence[Value]) -> None:
        """Hand a tile to the caller."""
        tile = rowed(sums, len(place.pieces))
        self.finish(e, tile, place.row, place.column, place.live)


def rowed(flat: Sequence[Value], width: int) -> Tile:
    """A flat list as rows."""
    return [list(flat[first : first + width]) for first in range(0, len(flat), width)]


def added_product(e: Emitter, x: Value, y: Value, z: Value) -> Value:
    """``x * y + z``, rounded once where the CPU can."""
    return e.intrinsic("fmuladd", x, y, z)


Step = Callable[[list[Value], int, list[Value]], list[Value]]


def contract(
    e: Emitter,
    dtype: Any,
    count: Index,
    unroll: int,
    streams: Sequence[tuple[Value, int]],
    values: Sequence[Value],
    step: Step,
) -> list[Value]:
    """Take ``count`` steps along memory with values in registers, ``unroll`` steps at a time.

    A stream is a pointer and how far a step moves it. ``step(pointers, k, values)`` takes the
    ``k``-th step from where the pointers are.
    """

    def run(start: Index, stop: Index, size: int, carried: Sequence[Value]) -> list[Value]:
        def body(_: Value, carried: list[Value]) -> list[Value]:
            pointers, values = carried[: len(streams)], carried[len(streams) :]
            for k in range(size):
                values = step(pointers, k, values)
            moved = zip(pointers, streams, strict=True)
            return [e.at(pointer, size * far, dtype=dtype) for pointer, (_, far) in moved] + values

        return e.carry(start, stop, size, carried, body)

    carried = [pointer for pointer, _ in streams] + list(values)
    if isinstance(count, int):
        whole = count // unroll * unroll if count > 2 * unroll else 0
        if whole:
            carried = run(0, whole, unroll, carried)
        pointers, values = carried[: len(streams)], carried[len(streams) :]
        for k in range(count - whole):
            values = step(pointers, k, values)
        return list(values)
    several = whole_steps(e, 0, count, unroll) if unroll > 1 else count
    carried = run(0, several, unroll, carried)
    if unroll > 1:
        carried = run(several, count, 1, carried)
    return carried[len(streams) :]


def whole_steps(e: Emitter, start: Index, stop: Index, size: int) -> Index:
    """How far whole steps from ``start`` come."""
    if isinstance(start, int) and isinstance(stop, int):
        return start + (stop - start) // size * size
    count = e.b.sdiv(e.b.sub(e.i64(stop), e.i64(start)), e.i64(size))
    return e.plus(start, e.times(count, size))


# ---------------------------------------------------------------------- tiles
def by_columns(e: Emitter, block: Block, height: int, vectors: int, unroll: int) -> None:
    """All tiles of a block: panel by panel, and in a panel from the first row to the last.

    The last rows, too few for a whole tile, are taken two and one at a time with wider tiles: a sum
    can be added to only every few cycles, so that a tile needs about eight of them.
    """
    heights = [height] + [few for few in (8, 4) if few < height]
    rest = block.start
    for few in heights:
        rest = whole_steps(e, rest, block.stop, few)
    for column, b, cut in groups(e, block, vectors):
        here = replace(block, b=b)
        for row, few in e.steps(block.start, rest, heights, "row"):
            emit_tile(e, here, Place(row, column, few, cut), unroll if few == height else 1)
    even = block.even and height % 2 == 0  # whole tiles of an odd height leave any number
    for few in (few for few in ((2,) if even else (2, 1)) if few < height):
        stop, wide = whole_steps(e, rest, block.stop, few), max(1, 8 // (few * vectors))
        with e.loop(rest, stop, few, "row") as row:
            for column, b, cut in groups(e, block, vectors * wide):
                emit_tile(e, replace(block, b=b), Place(row, column, few, cut), unroll=1)
        rest = stop


def groups(
    e: Emitter, block: Block, vectors: int
) -> Iterator[tuple[Index, Value, tuple[Piece, ...]]]:
    """The columns, so many vectors at a time: first column, pointer to B there, vectors."""
    lanes = e.lanes(block.dtype)
    width = vectors * lanes
    whole, rest = divmod(block.columns, width)
    for group, _ in e.steps(0, whole, [1], "group"):
        b = e.at(block.b, e.times(group, block.b_column(e, width)), dtype=block.dtype)
        yield e.times(group, width), b, tuple(pieces(width, lanes))
    if rest:
        b = e.at(block.b, block.b_column(e, whole * width), dtype=block.dtype)
        yield whole * width, b, tuple(pieces(rest, lanes))


def emit_tile(e: Emitter, block: Block, place: Place, unroll: int) -> None:
    """One tile."""
    dtype, inside, panels = block.dtype, block.a_step, isinstance(block.b_at, Panels)
    columns = [block.b_column(e, piece.first) for piece in place.pieces]

    def step(pointers: list[Value], k: int, sums: list[Value]) -> list[Value]:
        a, b = pointers
        loaded = []
        for piece, column in zip(place.pieces, columns, strict=True):
            start = e.at(b, k * block.b_row, column, dtype=dtype)
            loaded.append(e.load(start, dtype, piece.lanes, None if panels else piece.live))
        result = []
        for r, row in enumerate(rowed(sums, len(loaded))):
            scalar = e.load(inside.at(e, a, r, k, dtype), dtype)
            for vector, added in zip(loaded, row, strict=True):
                spread = e.splat(scalar, lanes_of(vector))
                result.append(added_product(e, spread, vector, added))
        return result

    sums = started(e, block, place)
    streams = [(block.a_row(e, place.row), inside.col), (block.b, block.b_row)]
    sums = contract(e, dtype, block.inner, unroll, streams, sums, step)
    ended(e, block, place, sums)


def started(e: Emitter, block: Block, place: Place) -> list[Value]:
    """What a tile starts from: the caller's values, or the partial sums so far."""
    if block.first is None:
        return block.begun(e, place)

    def so_far() -> list[Value]:
        pointers, lanes = partial_sums(e, block, place), place.lanes * place.height
        return [e.load(p, block.dtype, n) for p, n in zip(pointers, lanes, strict=True)]

    return e.either(block.first, lambda: block.begun(e, place), so_far)


def ended(e: Emitter, block: Block, place: Place, sums: list[Value]) -> None:
    """Hand a tile to the caller, or put it aside if there is more to add."""
    if block.last is None:
        block.finished(e, place, sums)
        return

    def done() -> list[Value]:
        block.finished(e, place, sums)
        return []

    def aside() -> list[Value]:
        for value, pointer in zip(sums, partial_sums(e, block, place), strict=True):
            e.store(value, pointer, block.dtype)
        return []

    e.either(block.last, done, aside)


def partial_sums(e: Emitter, block: Block, place: Place) -> list[Value]:
    """Where the partial sums of a tile lie."""
    width = partial_width(block.columns, e.lanes(block.dtype))
    down = e.b.sub(e.i64(place.row), e.i64(block.start))
    start = e.at(block.partial, e.times(down, width), place.column, dtype=block.dtype)
    return [
        e.at(start, r * width + piece.first, dtype=block.dtype)
        for r in range(place.height)
        for piece in place.pieces
    ]


def partial_width(columns: int, lanes: int) -> int:
    """Elements in a row of partial sums."""
    return -(-columns // lanes) * lanes

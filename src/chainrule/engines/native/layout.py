"""Where matrices lie in memory, and moving them: copies, transposes, sums across lanes.

A matrix is addressed by its strides (:class:`Strided`) or lies in *panels* (:class:`Panels`): the
columns of one panel lie side by side, row after row, so that a register tile reads one stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from chainrule.engines.native.emit import I32, Emitter, Index, Value, element_type, lanes_of, zero

__all__ = [
    "Panels",
    "Piece",
    "Strided",
    "copy",
    "pack",
    "pieces",
    "sums_across",
    "transposed",
    "zeros",
]


@dataclass(frozen=True)
class Strided:
    """Element ``(r, c)`` of a matrix lies ``r * row + c * col`` elements after its first one."""

    row: int
    col: int

    def at(self, e: Emitter, base: Value, row: Index, column: Index, dtype: Any) -> Value:
        """A pointer to element ``(row, column)``."""
        return e.at(base, e.times(row, self.row), e.times(column, self.col), dtype=dtype)

    @property
    def transposed(self) -> "Strided":
        """The same memory, read as the transposed matrix."""
        return Strided(self.col, self.row)


@dataclass(frozen=True)
class Panels:
    """Columns in groups of ``width``, row after row; panel ``p`` begins at ``p * stride``.

    The last panel is as long as the others; what it holds beyond the last column does not matter.
    """

    width: int
    stride: Index

    @classmethod
    def packed(cls, rows: int, width: int) -> "Panels":
        """Panels that follow one another without a gap."""
        return cls(width, rows * width)

    def elements(self, columns: int) -> int:
        """How many elements the panels of a matrix take."""
        return -(-columns // self.width) * int(self.stride)

    def offset(self, e: Emitter, column: Index) -> tuple[Index, Index]:
        """From the first element to that of a column: to its panel, and in there."""
        if isinstance(column, int):
            panel, within = divmod(column, self.width)
        else:
            panel = e.b.udiv(column, e.i64(self.width))
            within = e.b.sub(column, e.b.mul(panel, e.i64(self.width)))
        return e.times(panel, self.stride), within

    def at(self, e: Emitter, base: Value, column: Index, dtype: Any) -> Value:
        """A pointer to the first element of a column."""
        return e.at(base, *self.offset(e, column), dtype=dtype)


@dataclass(frozen=True)
class Piece:
    """One vector of a row: its first column, its lanes, and how many are live (None: all)."""

    first: int
    lanes: int
    live: int | None = None


def pieces(columns: int, lanes: int) -> list[Piece]:
    """A row cut into vectors; the last has as few lanes (a power of two) as hold the rest.

    >>> pieces(11, 8)
    [Piece(first=0, lanes=8, live=None), Piece(first=8, lanes=4, live=3)]
    """
    whole = columns // lanes * lanes
    cut = [Piece(first, lanes) for first in range(0, whole, lanes)]
    if rest := columns - whole:
        fewest = 1 << (rest - 1).bit_length()
        cut.append(Piece(whole, fewest, rest if rest < fewest else None))
    return cut


# ---------------------------------------------------------------------- in registers
def zeros(dtype: Any, lanes: int) -> Value:
    """A vector of zeros; a scalar zero for one lane."""
    kind = element_type(dtype)
    return zero(ir.VectorType(kind, lanes) if lanes > 1 else kind)


def shuffled(e: Emitter, x: Value, y: Value, lanes: Sequence[int]) -> Value:
    """The chosen lanes of ``x`` and ``y``, which are numbered through."""
    if len(lanes) == 1:
        source, lane = (x, lanes[0]) if lanes[0] < lanes_of(x) else (y, lanes[0] - lanes_of(x))
        return e.b.extract_element(source, ir.Constant(I32, lane))
    return e.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))


def transposed(e: Emitter, vectors: Sequence[Value]) -> list[Value]:
    """``n`` vectors of ``m`` lanes as ``m`` vectors of ``n`` lanes (powers of two)."""
    count, lanes = len(vectors), lanes_of(vectors[0])
    if count < lanes:
        parts = [
            [shuffled(e, vector, vector, range(first, first + count)) for vector in vectors]
            for first in range(0, lanes, count)
        ]
        return [turned for part in parts for turned in transposed(e, part)]
    if lanes == 1:
        return list(vectors) if count == 1 else [_gathered(e, vectors)]
    if count > lanes:
        half = count // 2
        halves = zip(transposed(e, vectors[:half]), transposed(e, vectors[half:]), strict=True)
        return [shuffled(e, low, high, range(count)) for low, high in halves]
    return _turned_square(e, list(vectors))


def _turned_square(e: Emitter, current: list[Value]) -> list[Value]:
    """As many vectors as lanes, turned.

    Units of 16 bytes change places between vectors first; what is within a unit is then turned by
    interleaving, which is one instruction each on every CPU that we know.
    """
    lanes, h = len(current), len(current) // 2
    unit = min(lanes, 16 // _item_bytes(current[0]))
    while h >= unit:
        without = [lanes + j - h if j & h else j for j in range(lanes)]
        having = [lanes + j if j & h else j + h for j in range(lanes)]
        for i in (i for i in range(lanes) if not i & h):
            x, y = current[i], current[i + h]
            current[i], current[i + h] = shuffled(e, x, y, without), shuffled(e, x, y, having)
        h //= 2
    low = [
        j
        for start in range(0, lanes, unit)
        for k in range(start, start + unit // 2)
        for j in (k, lanes + k)
    ]
    high = [j + unit // 2 for j in low]
    for _ in range(unit.bit_length() - 1):
        for start in range(0, lanes, unit):
            before = current[start : start + unit]
            pairs = zip(before[: unit // 2], before[unit // 2 :], strict=True)
            current[start : start + unit] = [
                shuffled(e, x, y, half) for x, y in pairs for half in (low, high)
            ]
    return current


def _item_bytes(vector: Value) -> int:
    """Bytes of one lane."""
    return 4 if isinstance(vector.type.element, ir.FloatType) else 8


def _gathered(e: Emitter, scalars: Sequence[Value]) -> Value:
    """Scalars as one vector."""
    vector = zero(ir.VectorType(scalars[0].type, len(scalars)))
    for lane, scalar in enumerate(scalars):
        vector = e.b.insert_element(vector, scalar, ir.Constant(I32, lane))
    return vector


def sums_across(e: Emitter, vectors: Sequence[Value]) -> Value:
    """The sums of the lanes of ``n`` vectors, as one vector of ``n <= lanes`` (powers of two).

    Whatever ``n`` is, a vector's lanes are added in the same order (halves, quarters, ...): a sum
    does not depend on its neighbours.
    """
    # Each vector is made of groups of ``size`` lanes; ``owners`` says which sum a group belongs to.
    current = [(vector, [i]) for i, vector in enumerate(vectors)]
    size = lanes_of(vectors[0])
    while size > 1:
        if len(current) == 1:
            ((x, owners),) = current
            current = [(_folded(e, x, x, range(0, lanes_of(x), size), size), owners)]
        else:
            pairs = zip(current[::2], current[1::2], strict=True)
            current = [_folded_pair(e, x, y, size) for x, y in pairs]
        size //= 2
    ((result, owners),) = current
    order = [owners.index(i) for i in range(len(owners))]
    return result if order == sorted(order) else shuffled(e, result, result, order)


def _folded(e: Emitter, x: Value, y: Value, starts: Sequence[int], size: int) -> Value:
    """The first half of each group plus its second half."""
    half = size // 2
    first = [start + j for start in starts for j in range(half)]
    return e.b.fadd(shuffled(e, x, y, first), shuffled(e, x, y, [j + half for j in first]))


def _folded_pair(
    e: Emitter, x: tuple[Value, list[int]], y: tuple[Value, list[int]], size: int
) -> tuple[Value, list[int]]:
    """The folded groups of two vectors in one vector."""
    lanes = lanes_of(x[0])
    # Shuffles that stay within 16 bytes are cheap: take groups from both vectors unit by unit.
    unit = max(size, min(lanes, 16 // _item_bytes(x[0])))
    starts: list[int] = []
    owners: list[int] = []
    for begin in range(0, lanes, unit):
        for offset, (_, mine) in ((0, x), (lanes, y)):
            starts += range(offset + begin, offset + begin + unit, size)
            owners += mine[begin // size : (begin + unit) // size]
    return _folded(e, x[0], y[0], starts, size), owners


# ---------------------------------------------------------------------- in memory
def copy(
    e: Emitter,
    dtype: Any,
    source: Value,
    at: Strided,
    rows: Index,
    columns: Index,
    destination: Value,
    leading: int,
) -> None:
    """A ``rows x columns`` matrix as a row-major one whose rows are ``leading`` apart.

    A source whose columns are contiguous is turned in registers.
    """
    turned = at.row == 1 and at.col != 1
    sizes = [e.lanes(dtype), 1]
    tall = sizes if turned else [1]
    wide = sizes if turned or at.col == 1 else [1]
    # Down the contiguous columns of a source that is turned, else along its rows.
    outer, inner = ((columns, wide), (rows, tall)) if turned else ((rows, tall), (columns, wide))
    for i, outer_size in e.steps(0, *outer, "outer"):
        for j, inner_size in e.steps(0, *inner, "inner"):
            (row, column), (height, width) = (i, j), (outer_size, inner_size)
            if turned:
                (row, column), (height, width) = (j, i), (inner_size, outer_size)
            start = at.at(e, source, row, column, dtype)
            end = Strided(leading, 1).at(e, destination, row, column, dtype)
            if turned:
                down = [e.at(start, q * at.col, dtype=dtype) for q in range(width)]
                across = transposed(e, [e.load(pointer, dtype, height) for pointer in down])
            else:
                across = [e.load(start, dtype, width)]
            for p, vector in enumerate(across):
                e.store(vector, e.at(end, p * leading, dtype=dtype), dtype)


def pack(
    e: Emitter,
    dtype: Any,
    source: Value,
    at: Strided,
    rows: Index,
    columns: Index,
    destination: Value,
    panels: Panels,
) -> None:
    """A ``rows x columns`` matrix as panels."""
    if isinstance(columns, int):
        sizes = [panels.width] + [rest for rest in [columns % panels.width] if rest]
    else:
        sizes = [panels.width, 1]

    def parts() -> Iterator[tuple[Value, Value, int]]:
        """Whole panels, then what is left: source, destination and columns."""
        for column, size in e.steps(0, columns, sizes, "panel"):
            start = at.at(e, source, 0, column, dtype)
            yield start, panels.at(e, destination, column, dtype), size

    if at.col == 1:
        # A few rows at a time, so that reading follows them through all the panels.
        for row, height in e.steps(0, rows, [4, 1], "row"):
            for start, end, width in parts():
                _copy_rows(e, dtype, start, at, row, height, width, end, panels.width)
    else:
        for start, end, width in parts():
            copy(e, dtype, start, at, rows, width, end, panels.width)


def _copy_rows(
    e: Emitter,
    dtype: Any,
    source: Value,
    at: Strided,
    row: Index,
    height: int,
    columns: int,
    destination: Value,
    leading: int,
) -> None:
    """Some rows of a row-major matrix, by vectors of all sizes."""
    source = at.at(e, source, row, 0, dtype)
    destination = e.at(destination, e.times(row, leading), dtype=dtype)
    for r in range(height):
        first = 0
        while first < columns:
            lanes = min(e.lanes(dtype), 1 << ((columns - first).bit_length() - 1))
            vector = e.load(e.at(source, r * at.row, first, dtype=dtype), dtype, lanes)
            e.store(vector, e.at(destination, r * leading, first, dtype=dtype), dtype)
            first += lanes

"""Matrix products: C = A B for a run-time range of rows, with the caller's own beginning and end.

What a product starts from (zeros, a bias, an older C: ``begin``) and what becomes of it (store,
activate, update a weight: ``finish``) is the caller's, for one register tile at a time, so that
nothing has to be stored before it is used. :func:`choose` decides how a product of some shape is
computed, and :func:`describe` says so.

Around the register tiles lie at most three loops: over blocks of rows and pieces of a long
contraction (its partial sums wait in scratch), and over panels of columns (B's panel stays in the
cache). An element of C is always summed in the same order, whatever the range of rows and the tile
that it falls into: how rows are split over threads does not change a bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import I64, LINE, POINTER, Emitter, Index, Value, new_function
from chainrule.engines.native.layout import Panels, Strided, copy, pack
from chainrule.engines.native.narrow import by_dots, by_rows
from chainrule.engines.native.target import Target
from chainrule.engines.native.tiles import (
    Begin,
    Block,
    Finish,
    Tile,
    by_columns,
    partial_width,
)

__all__ = [
    "MatmulSpec",
    "Panels",
    "Plan",
    "Strided",
    "choose",
    "describe",
    "emit_matmul",
    "matmul_kernel",
    "scratch_elements",
]

WAYS, FIRST, SECOND = 8, 64, 1024  # sets of the smallest caches that we expect: 32 and 512 KiB
LONGEST = 4096  # a longer contraction is cut, so that a panel of B stays in the second-level cache
DOWN = 1024  # the same where A is read down its columns, a cache line for a few of its elements
PAGES = 768 << 10  # bytes of which the processor remembers where their pages lie
OPEN = 512  # length of the pieces where only the run knows the contraction
ROWS = 240  # rows of a block, where there are blocks: divisible by nearly all tile heights
DEEP = 512  # from here on a contraction down A's columns meets the same sets of a cache again
UNROLLED = 48  # multiplications in one turn of the loop over the contraction, roughly
FEW = 12  # columns from which on vectors along the columns are full enough


@dataclass(frozen=True)
class MatmulSpec:
    """What is known of a product when it is compiled: ``C = A[rows, inner] @ B[inner, columns]``.

    Attributes
    ----------
    dtype
        ``float32`` or ``float64``, of A, B and C.
    columns
        Columns of B and C.
    inner
        Length of the contraction; None if only the run knows it.
    a_at, b_at
        Where elements of A and B lie.
    rows
        How many rows a call has, roughly: it decides whether it pays to copy an operand first.
    open
        Only the run knows the length of the contraction; ``inner`` is the longest.
    """

    dtype: Any
    columns: int
    inner: int | None
    a_at: Strided
    b_at: Strided | Panels
    rows: int = 64
    open: bool = False

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return int(np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class Plan:
    """How a product is computed.

    Attributes
    ----------
    form
        Along what vectors run: ``"columns"`` or ``"rows"`` of C, or the contraction (``"dots"``).
    height, width
        Of a register tile: rows and vectors (by columns), vectors and columns (by rows), or rows
        and columns (by dots).
    unroll
        Steps of the contraction in one turn of its loop.
    piece
        The contraction is cut into pieces of this length; None: it is not cut.
    copy_a, copy_b
        Whether an operand is copied first, to where it can be read faster.
    """

    form: str
    height: int
    width: int
    unroll: int = 4
    piece: int | None = None
    copy_a: bool = False
    copy_b: bool = False


# ---------------------------------------------------------------------- decisions
@cache
def choose(spec: MatmulSpec, target: Target) -> Plan:
    """How to compute a product on a machine."""
    lanes = target.lanes(spec.item)
    vectors = -(-spec.columns // lanes)
    if spec.columns <= FEW and spec.columns < 0.65 * vectors * lanes:
        if spec.a_at.row == 1:
            return _rows_plan(spec.columns, target)
        if vectors == 1 and _dots_pay(spec, lanes, few=True):
            return _dots_plan(spec, target)
    elif spec.rows <= 4 and _dots_pay(spec, lanes, few=False):
        return _dots_plan(spec, target)
    return _columns_plan(spec, target, vectors)


def _columns_plan(spec: MatmulSpec, target: Target, vectors: int) -> Plan:
    if isinstance(spec.b_at, Panels):
        width = spec.b_at.width // target.lanes(spec.item)
    else:
        width = min(range(1, 5), key=lambda width: _cost(vectors, width, target))
    height = _height(width, target)
    # Read down its columns, A's lines come again for every panel of B.
    panels = vectors / width
    often = panels > 8 or (panels >= 4 and spec.inner is not None and spec.inner >= DEEP)
    copy_a = spec.a_at.row == 1 and spec.a_at.col != 1 and often
    copy_b = _copy_pays(spec, spec.rows / height)
    unroll = max(1, min(4, UNROLLED // (height * width)))
    return Plan("columns", height, width, unroll, _piece(spec), copy_a, copy_b)


def _copy_pays(spec: MatmulSpec, tiles: float) -> bool:
    """Whether to copy B, of which so many tiles, one below the other, read every panel."""
    if isinstance(spec.b_at, Panels):
        return False
    if spec.b_at.col != 1:
        return True
    spread = spec.inner is not None and spec.inner * spec.b_at.row * spec.item > PAGES
    return (tiles > 4 and _crowds(spec, SECOND)) or (
        tiles > 16 and (spread or _crowds(spec, FIRST))
    )


def _height(width: int, target: Target) -> int:
    """The most rows of a tile whose sums, a row of B and an element of A fit the registers."""
    return max(1, min(12, (target.registers - 1 - width) // width))


def _cost(vectors: int, width: int, target: Target) -> float:
    """Cycles for a row of C and a step of the contraction, with tiles of so many vectors.

    Two multiplications and two loads can start in a cycle; a sum can be added to every four cycles.
    Vectors of B come from farther away than elements of A.
    """
    height = _height(width, target)
    whole, rest = divmod(vectors, width)

    def tile(width: int) -> float:
        return max(height * width / 2, (height + width) / 2, 4) + 0.3 * width

    return (whole * tile(width) + (tile(rest) if rest else 0)) / height


def _piece(spec: MatmulSpec) -> int | None:
    """Into pieces of which length to cut a contraction: equal ones, but for the last."""
    if spec.inner is None:
        return OPEN
    longest = DOWN if spec.a_at.col > spec.a_at.row else LONGEST
    if spec.inner <= longest:
        return None
    pieces = -(-spec.inner // longest)
    return -(-spec.inner // (4 * pieces)) * 4


def _crowds(spec: MatmulSpec, sets: int) -> bool:
    """Whether the rows of B, as far apart as they are, fall into too few sets of a cache."""
    assert isinstance(spec.b_at, Strided)
    lines, rest = divmod(spec.b_at.row * spec.item, LINE)
    inner = OPEN if spec.inner is None else spec.inner
    return rest == 0 and inner > WAYS * sets // min(sets, lines & -lines)


def _rows_plan(columns: int, target: Target) -> Plan:
    # A single column uses each vector of A once, straight from memory.
    height = 8 if columns == 1 else (target.registers - 1) // (columns + 1)
    return Plan("rows", max(1, min(8, height)), columns, unroll=2)


def _dots_pay(spec: MatmulSpec, lanes: int, few: bool) -> bool:
    if spec.inner is None or spec.open or spec.inner < lanes or spec.a_at.col != 1:
        return False
    if isinstance(spec.b_at, Panels):
        return False
    return spec.b_at.row == 1 or (few and spec.rows >= 8)


def _dots_plan(spec: MatmulSpec, target: Target) -> Plan:
    if spec.columns <= 6:
        width = spec.columns
    elif spec.rows == 1:
        width = 8
    else:
        width = min((4, 3), key=lambda width: -spec.columns % width)
    fits = (h for h in (8, 6, 4, 3, 2, 1) if h * width + min(h, width) < target.registers)
    assert isinstance(spec.b_at, Strided)
    return Plan("dots", next(fits), width, unroll=2, copy_b=spec.b_at.row != 1)


def describe(spec: MatmulSpec, target: Target) -> str:
    """What :func:`choose` decided, as a sentence.

    >>> spec = MatmulSpec("float32", 128, 784, Strided(784, 1), Strided(128, 1))
    >>> print(describe(spec, Target(32, 16, "", "")))
    float32 C[n, 128] = A[n, 784] B: vectors of 8 along the columns, tiles of 6 rows x 2 vectors,
    784 steps at once, A in place, B in place, 0 bytes of scratch
    """
    plan = choose(spec, target)
    along = {"columns": "the columns", "rows": "the rows", "dots": "the contraction"}[plan.form]
    units = {
        "columns": ("rows", "vectors"),
        "rows": ("vectors", "columns"),
        "dots": ("rows", "columns"),
    }
    high, wide = units[plan.form]
    inner = "k" if spec.inner is None else spec.inner
    parts = [
        f"vectors of {target.lanes(spec.item)} along {along}",
        f"tiles of {plan.height} {high} x {plan.width} {wide}",
        f"{plan.piece or inner} steps at once",
        f"A {'copied' if plan.copy_a else 'in place'}",
        f"B {'copied' if plan.copy_b else 'in place'}",
        f"{scratch_elements(spec, target) * spec.item} bytes of scratch",
    ]
    return f"{np.dtype(spec.dtype)} C[n, {spec.columns}] = A[n, {inner}] B: {', '.join(parts)}"


# ---------------------------------------------------------------------- scratch
@dataclass(frozen=True)
class Areas:
    """Elements of scratch memory for partial sums, a copy of A and a copy of B, in this order."""

    partial: int
    a: int
    b: int


def _areas(spec: MatmulSpec, plan: Plan, lanes: int) -> Areas:
    inner = plan.piece or spec.inner or 0
    panels = Panels.packed(inner, plan.width * lanes).elements(spec.columns)
    columns = spec.columns * _leading(inner)
    return Areas(
        ROWS * partial_width(spec.columns, lanes) if plan.piece else 0,
        Panels.packed(inner, plan.height).elements(ROWS) if plan.copy_a else 0,
        (columns if plan.form == "dots" else panels) if plan.copy_b else 0,
    )


def _leading(columns: int) -> int:
    """From row to row of a copy: an odd number of cache lines, so that rows fall into all sets."""
    return (-(-columns // 16) | 1) * 16


def scratch_elements(spec: MatmulSpec, target: Target, plan: Plan | None = None) -> int:
    """How many elements of scratch memory a call needs, best aligned to 64 bytes.

    Calls that run at the same time must not share it.
    """
    areas = _areas(spec, plan or choose(spec, target), target.lanes(spec.item))
    return areas.partial + areas.a + areas.b


# ---------------------------------------------------------------------- emission
def emit_matmul(
    e: Emitter,
    spec: MatmulSpec,
    *,
    rows: tuple[Index, Index],
    a: Value,
    b: Value,
    finish: Finish,
    begin: Begin | None = None,
    inner: Value = None,
    scratch: Value = None,
    down: bool = False,
    even: bool = False,
    plan: Plan | None = None,
) -> None:
    """Write the loops of ``C[rows[0]:rows[1]] = A[rows[0]:rows[1]] @ B``.

    Parameters
    ----------
    spec
        What is known of the product.
    rows
        First row and the one behind the last; integers or i64 values.
    a, b
        Pointers to the first elements of the whole A and the whole B.
    finish
        ``finish(e, tile, row, column, live)`` gets every element of C just once. ``tile[r][v]`` is
        a vector of row ``row + r``; the vectors of a row lie side by side from ``column`` on, all
        full but the last, which may have fewer lanes (:func:`lanes_of`), of which the first
        ``live[v]`` count (None: all).
    begin
        ``begin(e, height, lanes, row, column, live)`` gives the values that a tile of so many rows
        of such vectors starts from; zeros by default.
    inner
        The length of the contraction as an i64 value, where only the run knows it.
    scratch
        A pointer to :func:`scratch_elements` elements, if there are any.
    down
        Whether vectors may run down C if it has just one column: a tile is then one vector, whose
        lanes are rows from ``row`` on.
    even
        Whether the number of rows is known to be even: then there is no code for a last one.
    plan
        How to compute; :func:`choose` by default.
    """
    plan, dtype = plan or choose(spec, e.target), spec.dtype
    length = inner if spec.inner is None or spec.open else spec.inner
    start = spec.a_at.at(e, a, rows[0], 0, dtype)
    block = Block(
        dtype,
        *rows,
        spec.columns,
        length,
        start,
        spec.a_at,
        b,
        spec.b_at,
        finish,
        begin,
        down,
        even,
    )
    areas = _areas(spec, plan, e.lanes(dtype))
    a_copy = e.at(scratch, areas.partial, dtype=dtype) if plan.copy_a else None
    b_copy = e.at(scratch, areas.partial + areas.a, dtype=dtype) if plan.copy_b else None
    if plan.form == "rows":
        by_rows(e, block, plan.height, plan.unroll)
    elif plan.form == "dots":
        block = _with_columns(e, block, b_copy) if plan.copy_b else block
        by_dots(e, block, plan.height, plan.width, plan.unroll)
    else:
        tall = spec.rows >= 2 * ROWS
        for part in _parts(e, block, plan, tall, scratch, b_copy):
            part = _with_a_panels(e, part, plan, a_copy) if plan.copy_a else part
            by_columns(e, part, plan.height, plan.width, plan.unroll)


def _parts(
    e: Emitter, block: Block, plan: Plan, tall: bool, partial: Value, b_copy: Value
) -> Iterator[Block]:
    """Blocks of rows and pieces of the contraction, with B in place or in panels.

    A ``tall`` product is done in blocks of rows even if its contraction is not cut: A and what the
    caller reads and writes beside it then stay near from one panel to the next.
    """
    if plan.piece is not None:
        for some_rows in _row_blocks(e, plan, replace(block, partial=partial)):
            for part in _pieces(e, some_rows, plan.piece):
                yield _with_b_panels(e, part, plan, b_copy) if plan.copy_b else part
        return
    if plan.copy_b:
        block = _with_b_panels(e, block, plan, b_copy)
    if plan.copy_a or tall:
        yield from _row_blocks(e, plan, block)
    else:
        yield block


def _row_blocks(e: Emitter, plan: Plan, block: Block) -> Iterator[Block]:
    size = ROWS // plan.height * plan.height
    with e.loop(block.start, block.stop, size, "block") as start:
        stop = e.least(block.stop, e.plus(start, size))
        even = block.even and size % 2 == 0
        yield replace(block, start=start, stop=stop, a=block.a_row(e, start), even=even)


def _pieces(e: Emitter, block: Block, size: int) -> Iterator[Block]:
    inner = block.inner
    # One turn at least: a contraction of length zero has a beginning and an end, too.
    stop = max(inner, 1) if isinstance(inner, int) else e.call("llvm.smax.i64", inner, e.i64(1))
    with e.loop(0, stop, size, "piece") as k:
        equal = isinstance(inner, int) and inner % size == 0
        yield replace(
            block,
            inner=size if equal else e.least(size, e.b.sub(e.i64(inner), k)),
            a=e.at(block.a, e.times(k, block.a_step.col), dtype=block.dtype),
            b=e.at(block.b, e.times(k, block.b_row), dtype=block.dtype),
            first=e.b.icmp_signed("==", k, e.i64(0)),
            last=e.b.icmp_signed(">=", e.plus(k, size), e.i64(inner)),
        )


def _with_b_panels(e: Emitter, block: Block, plan: Plan, scratch: Value) -> Block:
    """B copied into panels."""
    assert isinstance(block.b_at, Strided)
    width = plan.width * e.lanes(block.dtype)
    panels = Panels(width, e.times(block.inner, width))
    pack(e, block.dtype, block.b, block.b_at, block.inner, block.columns, scratch, panels)
    return replace(block, b=scratch, b_at=panels)


def _with_columns(e: Emitter, block: Block, scratch: Value) -> Block:
    """B copied so that its columns are contiguous."""
    assert isinstance(block.b_at, Strided)
    leading, turned = _leading(block.inner), block.b_at.transposed
    copy(e, block.dtype, block.b, turned, block.columns, block.inner, scratch, leading)
    return replace(block, b=scratch, b_at=Strided(1, leading))


def _with_a_panels(e: Emitter, block: Block, plan: Plan, scratch: Value) -> Block:
    """The transposed A copied into panels."""
    assert isinstance(block.a_at, Strided)
    panels = Panels(plan.height, e.times(block.inner, plan.height))
    rows = e.b.sub(e.i64(block.stop), e.i64(block.start))
    pack(e, block.dtype, block.a, block.a_at.transposed, block.inner, rows, scratch, panels)
    return replace(block, a=scratch, a_at=panels)


# ---------------------------------------------------------------------- the plain product
def matmul_kernel(
    module: ir.Module, target: Target, spec: MatmulSpec, plan: Plan | None = None
) -> ir.Function:
    """``C = A B`` as a function of a module, one for each spec.

    Its arguments: pointers to A, B, C (row-major, dense) and scratch memory; the first row, the one
    behind the last, and the length of the contraction, as i64 (ignored where the spec fixes it).
    """
    name = f"matmul {spec} {plan or choose(spec, target)}"
    if name in module.globals:
        return module.globals[name]
    arguments = [POINTER] * 4 + [I64] * 3
    function, e = new_function(module, name, arguments, target, internal=True)
    a, b, c, scratch, first, end, inner = function.args
    lanes = target.lanes(spec.item)

    def store(e: Emitter, tile: Tile, row: Index, column: Index, live: list[int | None]) -> None:
        start = e.at(c, e.times(row, spec.columns), column, dtype=spec.dtype)
        for r, vectors in enumerate(tile):
            for v, vector in enumerate(vectors):
                pointer = e.at(start, r * spec.columns + v * lanes, dtype=spec.dtype)
                e.store(vector, pointer, spec.dtype, live[v])

    emit_matmul(
        e,
        spec,
        rows=(first, end),
        a=a,
        b=b,
        finish=store,
        inner=inner,
        scratch=scratch,
        down=True,
        plan=plan,
    )
    e.b.ret_void()
    return function

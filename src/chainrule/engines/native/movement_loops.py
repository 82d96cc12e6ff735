"""Native loops that move elements: transposes, slices, padding, joining, gather and scatters.

All but the last two are one thing, an *affine copy*: in a nest of loops, a step of each loop moves
a fixed distance in the memory that is read and a fixed distance in the memory that is written
(:class:`Axis`). A rule only states these distances; :func:`copy` makes the loops.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import I1, I32, I64, Emitter, Value
from chainrule.engines.native.rule import Dtype, Options, Rule, Specs, Values, strides
from chainrule.graph.spec import Shape, Spec

__all__ = ["MOVEMENT_RULES"]

#: The largest side of the squares in which a matrix is transposed, in registers.
SIDE = 8


# ---------------------------------------------------------------------- affine copies
@dataclass(frozen=True)
class Axis:
    """One loop of a copy: its length, and how many elements a step moves in each memory."""

    length: int
    target: int
    source: int


@dataclass(frozen=True)
class Move:
    """An affine copy: its loops, outermost first, and where both memories are entered."""

    axes: tuple[Axis, ...]
    target: int = 0
    source: int = 0


def copy(e: Emitter, out: Value, x: Value, move: Move, dtype: Dtype) -> None:
    """``out[move.target + Σ i a.target] = x[move.source + Σ i a.source]`` for all steps ``i``."""
    bits = np.dtype(f"u{dtype.itemsize}")  # a copy does not look at what it moves
    target, source = e.at(out, move.target, dtype=bits), e.at(x, move.source, dtype=bits)
    *outer, inner = merged(move.axes)
    side = min(SIDE, e.target.lanes(bits.itemsize))
    for axis in outer if inner.source else ():
        if axis.source == inner.target == 1 and min(axis.length, inner.length) >= side:
            outer.remove(axis)
            with nest(e, target, source, outer, bits) as places:
                transpose(e, *places, axis, inner, side, bits)
            return
    copy_rows(e, target, source, outer, inner, bits)


def merged(axes: Iterable[Axis]) -> list[Axis]:
    """The same copy in as few loops as possible, but at least one."""
    result: list[Axis] = []
    for axis in axes:
        last = result[-1] if result else None
        span = axis.length * axis.target, axis.length * axis.source
        if last and (last.target, last.source) == span:
            result[-1] = replace(axis, length=last.length * axis.length)
        elif axis.length != 1:
            result.append(axis)
    return result or [Axis(1, 1, 1)]


@contextmanager
def nest(
    e: Emitter, target: Value, source: Value, axes: Iterable[Axis], dtype: Dtype
) -> Iterator[tuple[Value, Value]]:
    """Loops over ``axes``; gives the two places that a round is about."""
    with ExitStack() as loops:
        for axis in axes:
            i = loops.enter_context(e.loop(0, axis.length))
            target = e.at(target, e.times(i, axis.target), dtype=dtype)
            source = e.at(source, e.times(i, axis.source), dtype=dtype)
        yield target, source


def copy_rows(
    e: Emitter, target: Value, source: Value, outer: Iterable[Axis], inner: Axis, dtype: Dtype
) -> None:
    """Row by row: as a block of memory, as one element repeated, or element by element."""
    lanes = e.target.lanes(dtype.itemsize) if (inner.target, inner.source) == (1, 0) else 1
    with nest(e, target, source, outer, dtype) as (to, of):
        if inner.target == inner.source == 1:
            e.copy_bytes(to, of, inner.length * dtype.itemsize)
            return
        for i, count in e.steps(0, inner.length, (lanes, 1)):
            element = e.load(e.at(of, e.times(i, inner.source), dtype=dtype), dtype)
            place = e.at(to, e.times(i, inner.target), dtype=dtype)
            e.store(e.splat(element, count), place, dtype)


# ---------------------------------------------------------------------- transposes
def transpose(
    e: Emitter,
    target: Value,
    source: Value,
    rows: Axis,
    columns: Axis,
    side: int,
    dtype: Dtype,
) -> None:
    """A matrix of contiguous columns into one of contiguous rows, by squares; then the margins."""
    whole_rows = rows.length - rows.length % side
    whole_columns = columns.length - columns.length % side
    with e.loop(0, whole_rows, side) as i, e.loop(0, whole_columns, side) as j:
        to = e.at(target, e.times(i, rows.target), j, dtype=dtype)
        of = e.at(source, i, e.times(j, columns.source), dtype=dtype)
        square = [
            e.load(e.at(of, c * columns.source, dtype=dtype), dtype, side) for c in range(side)
        ]
        for r, row in enumerate(transposed(e, square)):
            e.store(row, e.at(to, r * rows.target, dtype=dtype), dtype)
    right = replace(columns, length=columns.length - whole_columns)
    below = replace(rows, length=rows.length - whole_rows)
    if right.length:
        to = e.at(target, whole_columns, dtype=dtype)
        of = e.at(source, whole_columns * columns.source, dtype=dtype)
        copy_rows(e, to, of, [rows], right, dtype)
    if below.length:
        to = e.at(target, whole_rows * rows.target, dtype=dtype)
        of = e.at(source, whole_rows, dtype=dtype)
        copy_rows(e, to, of, [below], replace(columns, length=whole_columns), dtype)


def transposed(e: Emitter, square: Sequence[Value]) -> list[Value]:
    """The transpose of a square of vectors, which has a power of two of rows.

    Each round swaps the off-diagonal quarters of all blocks, from one block down to blocks of 2 × 2
    (Eklundh 1972, "A fast computer method for matrix transposing").
    """
    rows, side = list(square), len(square)
    half = side // 2
    while half:
        # Lane j of a row, or (counted on from `side`) of the row `half` below it.
        upper = [side + j - half if j & half else j for j in range(side)]
        lower = [side + j if j & half else j + half for j in range(side)]
        for i in range(side):
            if not i & half:
                x, y = rows[i], rows[i + half]
                rows[i], rows[i + half] = shuffled(e, x, y, upper), shuffled(e, x, y, lower)
        half //= 2
    return rows


def shuffled(e: Emitter, x: Value, y: Value, lanes: Sequence[int]) -> Value:
    """The given lanes of ``x`` and, counted on, of ``y``."""
    return e.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))


# ---------------------------------------------------------------------- the copy that an op is
def axes_of(lengths: Shape, target: Iterable[int], source: Iterable[int]) -> tuple[Axis, ...]:
    """One loop per axis."""
    return tuple(map(Axis, lengths, target, source))


def _dot(x: Iterable[int], y: Iterable[int]) -> int:
    return sum(a * b for a, b in zip(x, y, strict=True))


def _transpose(x: Spec, y: Spec, axes: tuple[int, ...]) -> Move:
    source = strides(x.shape)
    return Move(axes_of(y.shape, strides(y.shape), [source[axis] for axis in axes]))


def _broadcast_to(x: Spec, y: Spec, shape: Shape) -> Move:
    new = [0] * (y.ndim - x.ndim)
    stretched = [0 if n == 1 else step for n, step in zip(x.shape, strides(x.shape), strict=True)]
    return Move(axes_of(y.shape, strides(y.shape), new + stretched))


def _slice(x: Spec, y: Spec, start: Shape, stop: Shape, step: Shape) -> Move:
    source = strides(x.shape)
    stepped = [a * b for a, b in zip(source, step, strict=True)]
    return Move(axes_of(y.shape, strides(y.shape), stepped), source=_dot(start, source))


def _flip(x: Spec, y: Spec, axes: tuple[int, ...]) -> Move:
    source = strides(x.shape)
    last = sum((x.shape[axis] - 1) * source[axis] for axis in axes)
    signed = [-step if axis in axes else step for axis, step in enumerate(source)]
    return Move(axes_of(y.shape, strides(y.shape), signed), source=last)


def _pad(x: Spec, y: Spec, low: Shape, high: Shape, interior: Shape) -> Move:
    target = strides(y.shape)
    apart = [a * (b + 1) for a, b in zip(target, interior, strict=True)]
    return Move(axes_of(x.shape, apart, strides(x.shape)), target=_dot(low, target))


def copying(describe: Callable[..., Move], into_zeros: bool = False) -> Rule:
    """The rule of an op that is one affine copy."""

    def rule(
        e: Emitter,
        out: Value,
        inputs: Values,
        specs: Specs,
        spec: Spec,
        attributes: Options,
        *_: Value,
    ) -> None:
        if into_zeros:
            e.zero_bytes(out, spec.size * spec.dtype.itemsize)
        copy(e, out, inputs[0], describe(specs[0], spec, **attributes), spec.dtype)

    return rule


def _concatenate(
    e: Emitter, out: Value, inputs: Values, specs: Specs, spec: Spec, attributes: Options, *_: Value
) -> None:
    axis, target, before = attributes["axis"], strides(spec.shape), 0
    for x, part in zip(inputs, specs, strict=True):
        loops = axes_of(part.shape, target, strides(part.shape))
        copy(e, out, x, Move(loops, target=before * target[axis]), spec.dtype)
        before += part.shape[axis]


# ---------------------------------------------------------------------- gather and scatter
def for_each_place(
    e: Emitter,
    indices: Value,
    spec: Spec,
    shape: Shape,
    batch: int,
    error: Value,
    body: Callable[[Value, Value], None],
) -> None:
    """``body(place, row)`` for every index: its number, and the number of the row that it names.

    ``shape`` is that of the addressed tensor, ``[*batch, n1 … nk, *rest]``; a row is what ``rest``
    leaves. As in NumPy, a negative index counts from the end. For an index that is out of range the
    error word is set, and the body does not run.
    """
    k, signed = spec.shape[-1], spec.dtype.kind == "i"
    batches, places = math.prod(shape[:batch]), math.prod(spec.shape[batch:-1])
    with e.loop(0, batches, name="batch") as i, e.loop(0, places, name="place") as j:
        place, row, valid = e.plus(e.times(i, places), j), i, I1(1)
        for column, length in enumerate(shape[batch : batch + k]):
            pointer = e.at(indices, e.times(place, k), column, dtype=spec.dtype)
            index = e.widened(e.load(pointer, spec.dtype), signed)
            if signed:
                from_end = e.b.add(index, e.i64(length))
                index = e.select(e.b.icmp_signed("<", index, I64(0)), from_end, index)
            valid = e.b.and_(valid, e.b.icmp_unsigned("<", index, e.i64(length)))
            row = e.b.add(e.b.mul(row, e.i64(length)), index)
        with e.b.if_else(valid) as (inside, outside):
            with inside:
                body(place, row)
            with outside:
                e.store(I32(1), error, np.int32)


def _gather(
    e: Emitter,
    out: Value,
    inputs: Values,
    specs: Specs,
    spec: Spec,
    attributes: Options,
    scratch: Value,
    error: Value,
) -> None:
    (x, indices), (table, places), batch = inputs, specs, attributes["batch"]
    width = math.prod(table.shape[batch + places.shape[-1] :])

    def body(place: Value, row: Value) -> None:
        to = e.at(out, e.times(place, width), dtype=spec.dtype)
        of = e.at(x, e.times(row, width), dtype=spec.dtype)
        e.copy_bytes(to, of, width * spec.dtype.itemsize)

    for_each_place(e, indices, places, table.shape, batch, error, body)


def _scatter_add(
    e: Emitter,
    out: Value,
    inputs: Values,
    specs: Specs,
    spec: Spec,
    attributes: Options,
    scratch: Value,
    error: Value,
) -> None:
    (updates, indices), places, batch = inputs, specs[1], attributes["batch"]
    dtype, width = spec.dtype, math.prod(spec.shape[batch + places.shape[-1] :])
    e.zero_bytes(out, spec.size * dtype.itemsize)

    def body(place: Value, row: Value) -> None:
        to = e.at(out, e.times(row, width), dtype=dtype)
        of = e.at(updates, e.times(place, width), dtype=dtype)
        for i, lanes in e.steps(0, width, (e.target.lanes(dtype.itemsize), 1)):
            total, update = (e.load(e.at(row, i, dtype=dtype), dtype, lanes) for row in (to, of))
            e.store(e.add(total, update), e.at(to, i, dtype=dtype), dtype)

    for_each_place(e, indices, places, spec.shape, batch, error, body)


def _scatter(
    e: Emitter,
    out: Value,
    inputs: Values,
    specs: Specs,
    spec: Spec,
    attributes: Options,
    scratch: Value,
    error: Value,
) -> None:
    (x, indices, values), places, batch = inputs, specs[1], attributes["batch"]
    item, width = spec.dtype.itemsize, math.prod(spec.shape[batch + places.shape[-1] :])
    with e.when(e.b.icmp_unsigned("!=", out, x)):  # in place, nothing has to be brought there
        e.copy_bytes(out, x, spec.size * item)

    def body(place: Value, row: Value) -> None:
        to = e.at(out, e.times(row, width), dtype=spec.dtype)
        e.copy_bytes(to, e.at(values, e.times(place, width), dtype=spec.dtype), width * item)

    for_each_place(e, indices, places, spec.shape, batch, error, body)


MOVEMENT_RULES: dict[str, Rule] = {
    "transpose": copying(_transpose),
    "broadcast_to": copying(_broadcast_to),
    "slice": copying(_slice),
    "flip": copying(_flip),
    "pad": copying(_pad, into_zeros=True),
    "concatenate": _concatenate,
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
}

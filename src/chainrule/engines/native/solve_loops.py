"""Native loops of small dense algebra: Cholesky factor, triangular solve, product of integers."""

import math
from collections.abc import Callable

import numpy as np

from chainrule.engines.native.emit import I1, Emitter, Index, Value, element_type
from chainrule.engines.native.rule import Dtype, Options, Rule, Specs, Values
from chainrule.graph.spec import Spec

__all__ = ["SOLVE_RULES"]


def _cholesky(
    e: Emitter, out: Value, inputs: Values, specs: Specs, spec: Spec, attributes: Options, *_: Value
) -> None:
    """Row by row: ``L[i, j] = (a[i, j] - L[i, :j] · L[j, :j]) / L[j, j]``."""
    dtype, n = spec.dtype, spec.shape[-1]
    with e.loop(0, math.prod(spec.shape[:-2]), name="matrix") as matrix:
        start = e.times(matrix, n * n)
        a, factor = e.at(inputs[0], start, dtype=dtype), e.at(out, start, dtype=dtype)
        with e.loop(0, n) as i:
            row = e.times(i, n)

            def rest(j: Value) -> Value:
                """What the columns before ``j`` leave of ``a[i, j]``."""
                other = e.at(factor, e.times(j, n), dtype=dtype)
                product = dot(e, e.at(factor, row, dtype=dtype), other, j, dtype)
                return e.b.fsub(e.load(e.at(a, row, j, dtype=dtype), dtype), product)

            with e.loop(0, i) as j:
                pivot = e.load(e.at(factor, e.times(j, n + 1), dtype=dtype), dtype)
                e.store(e.b.fdiv(rest(j), pivot), e.at(factor, row, j, dtype=dtype), dtype)
            diagonal = e.at(factor, row, i, dtype=dtype)
            e.store(e.intrinsic("sqrt", rest(i)), diagonal, dtype)
            above = e.times(e.b.sub(e.i64(n - 1), i), dtype.itemsize)
            e.zero_bytes(e.at(diagonal, 1, dtype=dtype), above)

        def is_not_positive(pivot: Value) -> Value:
            return e.b.fcmp_unordered("<=", pivot, e.like(pivot, 0.0))

        spoil(e, factor, n * n, is_not_positive, factor, n, dtype)


def _triangular_solve(
    e: Emitter, out: Value, inputs: Values, specs: Specs, spec: Spec, attributes: Options, *_: Value
) -> None:
    """Row by row: ``y[i] = (b[i] - L[i, :i] y[:i]) / L[i, i]``; upwards if transposed."""
    dtype, (n, m), transposed = spec.dtype, spec.shape[-2:], attributes["transposed"]
    with e.loop(0, math.prod(spec.shape[:-2]), name="matrix") as matrix:
        lower = e.at(inputs[0], e.times(matrix, n * n), dtype=dtype)
        start = e.times(matrix, n * m)
        b, y = e.at(inputs[1], start, dtype=dtype), e.at(out, start, dtype=dtype)

        def columns(i: Value, j: Index, lanes: int) -> None:
            def subtract(k: Value, kept: list[Value]) -> list[Value]:
                place = e.plus(e.times(k, n), i) if transposed else e.plus(e.times(i, n), k)
                weight = e.b.fneg(e.load(e.at(lower, place, dtype=dtype), dtype))
                known = e.load(e.at(y, e.times(k, m), j, dtype=dtype), dtype, lanes)
                return [e.fma(e.splat(weight, lanes), known, kept[0])]

            row = e.times(i, m)
            right = e.load(e.at(b, row, j, dtype=dtype), dtype, lanes)
            first, last = (e.plus(i, 1), n) if transposed else (0, i)
            (rest,) = e.carry(first, last, 1, [right], subtract)
            pivot = e.load(e.at(lower, e.times(i, n + 1), dtype=dtype), dtype)
            quotient = e.b.fdiv(rest, e.splat(pivot, lanes))
            e.store(quotient, e.at(y, row, j, dtype=dtype), dtype)

        with e.loop(0, n) as count:
            i = e.b.sub(e.i64(n - 1), count) if transposed else count
            for j, lanes in e.steps(0, m, (e.target.lanes(dtype.itemsize), 1)):
                columns(i, j, lanes)

        def is_zero(pivot: Value) -> Value:
            return e.b.fcmp_ordered("==", pivot, e.like(pivot, 0.0))

        spoil(e, y, n * m, is_zero, lower, n, dtype)


def _integer_matmul(
    e: Emitter, out: Value, inputs: Values, specs: Specs, spec: Spec, attributes: Options, *_: Value
) -> None:
    dtype, (n, inner), m = spec.dtype, specs[0].shape[-2:], spec.shape[-1]
    zero = e.constant(element_type(dtype), 0)

    def columns(a: Value, b: Value, lanes: int) -> Value:
        def step(k: Value, kept: list[Value]) -> list[Value]:
            weight = e.splat(e.load(e.at(a, k, dtype=dtype), dtype), lanes)
            factor = e.load(e.at(b, e.times(k, m), dtype=dtype), dtype, lanes)
            return [e.b.add(kept[0], e.b.mul(weight, factor))]

        return e.carry(0, inner, 1, [e.splat(zero, lanes)], step)[0]

    with e.loop(0, math.prod(spec.shape[:-2]), name="matrix") as matrix, e.loop(0, n) as i:
        row = e.plus(e.times(matrix, n), i)
        a = e.at(inputs[0], e.times(row, inner), dtype=dtype)
        b = e.at(inputs[1], e.times(matrix, inner * m), dtype=dtype)
        for j, lanes in e.steps(0, m, (e.target.lanes(dtype.itemsize), 1)):
            total = columns(a, e.at(b, j, dtype=dtype), lanes)
            e.store(total, e.at(out, e.times(row, m), j, dtype=dtype), dtype)


def dot(e: Emitter, x: Value, y: Value, count: Value, dtype: Dtype) -> Value:
    """The inner product of two contiguous vectors."""

    def part(start: Index, stop: Index, lanes: int) -> Value:
        def step(k: Value, kept: list[Value]) -> list[Value]:
            left, right = (e.load(e.at(v, k, dtype=dtype), dtype, lanes) for v in (x, y))
            return [e.fma(left, right, kept[0])]

        zeros = e.splat(e.constant(element_type(dtype), 0.0), lanes)
        return e.total(e.carry(start, stop, lanes, [zeros], step)[0])

    lanes = e.target.lanes(dtype.itemsize)
    whole = e.b.and_(count, e.i64(-lanes))
    return e.b.fadd(part(0, whole, lanes), part(whole, count, 1))


def spoil(
    e: Emitter,
    values: Value,
    count: int,
    test: Callable[[Value], Value],
    matrix: Value,
    n: int,
    dtype: Dtype,
) -> None:
    """NaN in all ``count`` values if the test holds for an element of the matrix's diagonal."""

    def step(i: Value, kept: list[Value]) -> list[Value]:
        place = e.at(matrix, e.times(i, n + 1), dtype=dtype)
        return [e.b.or_(kept[0], test(e.load(place, dtype)))]

    (spoilt,) = e.carry(0, n, 1, [I1(0)], step)
    nan = e.constant(element_type(dtype), np.nan)
    with e.when(spoilt):
        for i, lanes in e.steps(0, count, (e.target.lanes(dtype.itemsize), 1)):
            e.store(e.splat(nan, lanes), e.at(values, i, dtype=dtype), dtype)


SOLVE_RULES: dict[str, Rule] = {
    "cholesky": _cholesky,
    "triangular_solve": _triangular_solve,
    "matmul": _integer_matmul,
}

"""Native loops along one axis: positions of extrema, cumulative sums, and stable sorting.

An axis cuts a tensor into *lines*: ``[before, length, after]``. Where elements follow the axis
(``after > 1``), neighbouring lines are neighbours in memory, and vectors run across the lines.
"""

from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import (
    I64,
    POINTER,
    Emitter,
    Index,
    Value,
    element_type,
    lanes_of,
    mangled,
    new_function,
)
from chainrule.engines.native.rule import Dtype, Options, Rule, Scratch, Specs, Values, around
from chainrule.graph.spec import Spec

__all__ = ["SELECTION_RULES", "SELECTION_SCRATCH"]

INT64 = np.dtype(np.int64)
SMALLEST, LARGEST = -(2**63), 2**63 - 1
#: Stretches of this length are sorted by insertion before they are merged.
RUN = 8
#: Bytes of one entry that is sorted: key and position.
PAIR = 16


# ---------------------------------------------------------------------- order
def ordered_key(e: Emitter, x: Value, dtype: Dtype, descending: bool = False) -> Value:
    """An ``int64`` that compares as ``x`` does: both zeros are equal, and NaN is largest.

    ``descending`` turns the order around, but for NaN.
    """
    if dtype.kind == "f":
        return e.widened(float_key(e, x, dtype, descending), signed=True)
    key = e.widened(x, signed=dtype.kind == "i")
    if dtype == np.uint64:
        key = e.b.xor(key, e.like(key, SMALLEST))
    return e.b.not_(key) if descending else key


def float_key(e: Emitter, x: Value, dtype: Dtype, descending: bool) -> Value:
    """The key of a float, in as many bits.

    By integers: comparisons of floats become branches, and in some modes of the CPU take denormals
    for zeros.
    """
    bits, lanes = 8 * dtype.itemsize, lanes_of(x)
    kind = ir.VectorType(ir.IntType(bits), lanes) if lanes > 1 else ir.IntType(bits)
    x, largest = e.b.bitcast(x, kind), e.constant(kind, 2 ** (bits - 1) - 1)
    infinity = e.constant(kind, int(np.array(np.inf, dtype).view(f"i{dtype.itemsize}")))
    magnitude, sign = e.b.and_(x, largest), e.b.ashr(x, e.constant(kind, bits - 1))
    zero = e.constant(kind, 0)
    key = e.b.xor(x, e.b.and_(sign, largest))
    key = e.select(e.b.icmp_signed("==", magnitude, zero), zero, key)
    key = e.b.not_(key) if descending else key
    return e.select(e.b.icmp_signed(">", magnitude, infinity), largest, key)


# ---------------------------------------------------------------------- positions of extrema
@dataclass(frozen=True)
class Search:
    """Looks for the largest key on a line, or on as many lines as there are lanes.

    What is known so far is a pair: the largest keys, and where on the line each was first met.
    """

    e: Emitter
    dtype: Dtype
    descending: bool

    def nothing(self, lanes: int) -> list[Value]:
        """What is known at first. If no key is larger than this one, the first place is right."""
        return [self.e.splat(I64(number), lanes) for number in (SMALLEST, 0)]

    def among(
        self, line: Value, places: range, stride: int, known: list[Value], spread: Value
    ) -> list[Value]:
        """What is known after some places; lane ``i`` looks ``spread[i]`` places ahead."""
        e, lanes = self.e, lanes_of(known[0])

        def look(k: Value, known: list[Value]) -> list[Value]:
            x = e.load(e.at(line, e.times(k, stride), dtype=self.dtype), self.dtype, lanes)
            met = [
                ordered_key(e, x, self.dtype, self.descending),
                e.b.add(e.splat(k, lanes), spread),
            ]
            larger = e.b.icmp_signed(">", met[0], known[0])
            return [e.select(larger, new, old) for new, old in zip(met, known, strict=True)]

        return e.carry(places.start, places.stop, places.step, known, look)

    def across(self, lines: Value, length: int, stride: int, lanes: int) -> Value:
        """The places of the extrema of neighbouring lines."""
        known = self.nothing(lanes)
        return self.among(lines, range(length), stride, known, spread=known[1])[1]

    def along(self, line: Value, length: int, lanes: int) -> Value:
        """The place of the extremum of a contiguous line: by vectors, then the rest one by one."""
        e, known, whole = self.e, self.nothing(1), length - length % lanes
        if whole:
            spread = e.lane_numbers(lanes)
            start = [self.nothing(lanes)[0], spread]
            keys, places = self.among(line, range(0, whole, lanes), 1, start, spread)
            key = reduced(e, "smax", keys)
            is_largest = e.b.icmp_signed("==", keys, e.splat(key, lanes))
            known = [key, reduced(e, "smin", e.select(is_largest, places, e.like(places, LARGEST)))]
        return self.among(line, range(whole, length), 1, known, I64(0))[1]


def reduced(e: Emitter, how: str, vector: Value) -> Value:
    """One number from the lanes of an ``int64`` vector, by ``smax`` or ``smin``."""
    return e.call(f"llvm.vector.reduce.{how}.{mangled(vector.type)}", vector, result=I64)


def _position(descending: bool) -> Rule:
    """The rule of arg max, or with ``descending`` of arg min: both look for the largest key."""

    def rule(
        e: Emitter,
        out: Value,
        inputs: Values,
        specs: Specs,
        spec: Spec,
        attributes: Options,
        *_: Value,
    ) -> None:
        dtype, lanes = specs[0].dtype, e.target.lanes(8)
        before, length, after = around(specs[0].shape, attributes["axis"])
        search = Search(e, dtype, descending)
        with e.loop(0, before) as o:
            x = e.at(inputs[0], e.times(o, length * after), dtype=dtype)
            y = e.at(out, e.times(o, after), dtype=INT64)
            if after == 1:
                e.store(search.along(x, length, lanes), y, INT64)
            else:
                for j, count in e.steps(0, after, (lanes, 1)):
                    place = search.across(e.at(x, j, dtype=dtype), length, after, count)
                    e.store(place, e.at(y, j, dtype=INT64), INT64)

    return rule


# ---------------------------------------------------------------------- cumulative sums
def _cumsum(
    e: Emitter, out: Value, inputs: Values, specs: Specs, spec: Spec, attributes: Options, *_: Value
) -> None:
    dtype, reverse = spec.dtype, attributes["reverse"]
    before, length, after = around(spec.shape, attributes["axis"])
    # -0.0 is the number that changes nothing when it is added, not even the sign of a zero.
    nothing = e.constant(element_type(dtype), -0.0 if dtype.kind == "f" else 0)

    def lines(o: Value, j: Index, lanes: int) -> None:
        def step(k: Value, kept: list[Value]) -> list[Value]:
            row = e.b.sub(e.i64(length - 1), k) if reverse else k
            place = e.plus(e.times(o, length * after), e.plus(e.times(row, after), j))
            x = e.load(e.at(inputs[0], place, dtype=dtype), dtype, lanes)
            total = e.add(kept[0], x)
            e.store(total, e.at(out, place, dtype=dtype), dtype)
            return [total]

        e.carry(0, length, 1, [e.splat(nothing, lanes)], step)

    with e.loop(0, before) as o:
        for j, lanes in e.steps(0, after, (e.target.lanes(dtype.itemsize), 1)):
            lines(o, j, lanes)


# ---------------------------------------------------------------------- sorting
#
# What is sorted are pairs (key, position), 64 bits each. The keys are integers in the order of the
# elements, so that one sorting function serves all number types.


def _argsort(
    e: Emitter,
    out: Value,
    inputs: Values,
    specs: Specs,
    spec: Spec,
    attributes: Options,
    scratch: Value,
    error: Value,
) -> None:
    dtype = specs[0].dtype
    before, length, after = around(spec.shape, attributes["axis"])
    spare = e.at(scratch, 2 * (length + 1), dtype=INT64)
    with e.loop(0, before) as o, e.loop(0, after) as j:
        line = e.plus(e.times(o, length * after), j)
        with e.loop(0, length) as k:
            place = e.plus(line, e.times(k, after))
            key = ordered_key(e, e.load(e.at(inputs[0], place, dtype=dtype), dtype), dtype)
            pair = pair_at(e, scratch, k)
            e.store(key, pair, INT64)
            e.store(k, e.at(pair, 1, dtype=INT64), INT64)
        ordered = e.b.call(sort_function(e), [scratch, spare, e.i64(length)])
        with e.loop(0, length) as k:
            position = e.load(e.at(pair_at(e, ordered, k), 1, dtype=INT64), INT64)
            place = e.plus(line, e.times(k, after))
            e.store(position, e.at(out, place, dtype=INT64), INT64)


def _argsort_scratch(specs: Specs, spec: Spec, attributes: Options) -> int:
    # Two lists of pairs. Merging looks at the pair after the last, without using it.
    return 2 * PAIR * (spec.shape[attributes["axis"]] + 1)


def pair_at(e: Emitter, pairs: Value, i: Value) -> Value:
    """The place of pair ``i``; its key is first."""
    return e.at(pairs, e.times(i, 2), dtype=INT64)


def move_pair(e: Emitter, target: Value, i: Value, source: Value, j: Value) -> None:
    """``target[i] = source[j]``."""
    e.store(e.load(pair_at(e, source, j), INT64, 2), pair_at(e, target, i), INT64)


def sort_function(e: Emitter) -> Value:
    """``sorted = sort_pairs(pairs, spare, n)``, by a stable merge sort from below; made once.

    The result is in one of the two memories, each of which has room for ``n + 1`` pairs.
    """
    known = e.b.module.globals.get("sort_pairs")
    if known is not None:
        return known
    kinds = POINTER, POINTER, I64
    function, inside = new_function(
        e.b.module, "sort_pairs", kinds, e.target, result=POINTER, internal=True
    )
    pairs, spare, n = function.args
    with inside.loop(0, n, RUN) as low:
        high = inside.least(inside.plus(low, RUN), n)
        insertion_sort(inside, pairs, low, high)

    def merge_all(state: list[Value]) -> list[Value]:
        source, target, width = state
        double = inside.times(width, 2)
        with inside.loop(0, n, double) as low:
            middle = inside.least(inside.plus(low, width), n)
            high = inside.least(inside.plus(low, double), n)
            merge(inside, target, source, low, middle, high)
        return [target, source, double]

    def apart(state: list[Value]) -> Value:
        return inside.b.icmp_signed("<", state[2], n)

    result, _, _ = inside.repeat_while([pairs, spare, I64(RUN)], apart, merge_all)
    inside.b.ret(result)
    return function


def insertion_sort(e: Emitter, pairs: Value, low: Value, high: Value) -> None:
    """Sort ``pairs[low:high]`` in place."""
    with e.loop(e.b.add(low, I64(1)), high) as k:
        pair = e.load(pair_at(e, pairs, k), INT64, 2)
        key = e.load(pair_at(e, pairs, k), INT64)

        def previous(i: Value) -> Value:
            return e.intrinsic("smax", e.b.sub(i, I64(1)), low)

        def has_larger_before(state: list[Value]) -> Value:
            other = e.load(pair_at(e, pairs, previous(state[0])), INT64)
            inner = e.b.icmp_signed(">", state[0], low)
            return e.b.and_(inner, e.b.icmp_signed("<", key, other))

        def shift(state: list[Value]) -> list[Value]:
            (i,) = state
            move_pair(e, pairs, i, pairs, previous(i))
            return [previous(i)]

        (place,) = e.repeat_while([k], has_larger_before, shift)
        e.store(pair, pair_at(e, pairs, place), INT64)


def merge(e: Emitter, target: Value, source: Value, low: Value, middle: Value, high: Value) -> None:
    """``target[low:high]`` from the sorted ``source[low:middle]`` and ``source[middle:high]``.

    Without a branch on the keys, whose outcome no processor could predict.
    """

    def step(k: Value, state: list[Value]) -> list[Value]:
        i, j = state
        left, right = (e.load(pair_at(e, source, place), INT64) for place in state)
        smaller = e.b.or_(e.b.icmp_signed(">=", i, middle), e.b.icmp_signed("<", right, left))
        takes_right = e.b.and_(e.b.icmp_signed("<", j, high), smaller)
        move_pair(e, target, k, source, e.select(takes_right, j, i))
        one = e.b.zext(takes_right, I64)
        return [e.b.add(i, e.b.sub(I64(1), one)), e.b.add(j, one)]

    e.carry(low, high, 1, [low, middle], step)


SELECTION_RULES: dict[str, Rule] = {
    "argmax": _position(descending=False),
    "argmin": _position(descending=True),
    "cumsum": _cumsum,
    "argsort": _argsort,
}
SELECTION_SCRATCH: dict[str, Scratch] = {"argsort": _argsort_scratch}

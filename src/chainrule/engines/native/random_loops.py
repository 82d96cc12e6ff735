"""The native loop of random bits: Philox 4×32-10, one vector lane per counter."""

import math

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import I32, I64, Emitter, Value
from chainrule.engines.native.rule import Options, Rule, Scratch, Specs, Values
from chainrule.graph.ops.random import MULTIPLIERS, ROUNDS, WEYL
from chainrule.graph.spec import Spec

__all__ = ["RANDOM_RULES", "RANDOM_SCRATCH"]

U32 = np.dtype(np.uint32)
#: Words that the generator makes per counter.
WORDS = 4


def _random_bits(
    e: Emitter,
    out: Value,
    inputs: Values,
    specs: Specs,
    spec: Spec,
    attributes: Options,
    scratch: Value,
    error: Value,
) -> None:
    count = math.prod(attributes["shape"])
    group = WORDS * e.target.lanes(8)
    groups, rest = -(-count // group), count % group
    with e.loop(0, math.prod(specs[0].shape[:-1]), name="key") as key:
        words = e.at(inputs[0], e.times(key, 2), dtype=U32)
        pair = [e.widened(e.load(e.at(words, i, dtype=U32), U32), signed=False) for i in range(2)]
        start = e.at(out, e.times(key, count), dtype=U32)
        with e.loop(0, groups) as i:
            place = e.at(start, e.times(i, group), dtype=U32)
            if rest:  # the last group has more words than there is room for
                is_last = e.b.icmp_signed("==", i, e.i64(groups - 1))
                place = e.select(is_last, scratch, place)
            e.store(philox(e, i, pair), place, U32)
        e.copy_bytes(e.at(start, count - rest, dtype=U32), scratch, rest * U32.itemsize)


def _random_bits_scratch(specs: Specs, spec: Spec, attributes: Options) -> int:
    return WORDS * U32.itemsize * 8  # one group at the widest vectors that there are


def philox(e: Emitter, group: Value, key: Values) -> Value:
    """The words of a group of counters, in order; see :func:`chainrule.graph.ops.random.philox`.

    A word of the state is the low half of a lane of 64 bits; the high half is anything.
    """
    lanes = e.target.lanes(8)
    kind = ir.VectorType(I64, lanes)
    low, half = e.constant(kind, 0xFFFFFFFF), e.constant(kind, 32)
    multipliers, steps = ([e.constant(kind, int(n)) for n in row] for row in (MULTIPLIERS, WEYL))

    def step(r: Value, state: list[Value]) -> list[Value]:
        c0, c1, c2, c3, k0, k1 = state
        first, second = (
            e.b.mul(e.b.and_(word, low), multiplier)
            for word, multiplier in zip((c0, c2), multipliers, strict=True)
        )
        return [
            e.b.xor(e.b.xor(e.b.lshr(second, half), c1), k0),
            second,
            e.b.xor(e.b.xor(e.b.lshr(first, half), c3), k1),
            first,
            *(e.b.add(word, weyl) for word, weyl in zip((k0, k1), steps, strict=True)),
        ]

    number = e.b.add(e.splat(e.times(group, lanes), lanes), e.lane_numbers(lanes))
    zeros = e.constant(kind, 0)
    start = [number, zeros, zeros, zeros, *(e.splat(word, lanes) for word in key)]
    c0, c1, c2, c3, *_ = e.carry(0, ROUNDS, 1, start, step, name="round")
    # Little-endian: the first of two words is the low half.
    even, odd = (e.b.or_(e.b.and_(a, low), e.b.shl(b, half)) for a, b in ((c0, c1), (c2, c3)))
    order = [lane + lanes * side for lane in range(lanes) for side in range(2)]
    words = e.b.shuffle_vector(even, odd, ir.Constant(ir.VectorType(I32, 2 * lanes), order))
    return e.b.bitcast(words, ir.VectorType(I32, WORDS * lanes))


RANDOM_RULES: dict[str, Rule] = {"random_bits": _random_bits}
RANDOM_SCRATCH: dict[str, Scratch] = {"random_bits": _random_bits_scratch}

"""Run one native rule: a module with one function, called on guarded memory."""

import ctypes
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import POINTER, new_function
from chainrule.engines.native.loops import RULES, SCRATCH
from chainrule.engines.native.machine import Code, build
from chainrule.engines.native.target import Target, host
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE

#: Vectors of 16, 32 and 64 bytes; where the CPU has none so long, LLVM splits them.
TARGETS = {width: Target(width, 16, host().cpu, host().features) for width in (16, 32, 64)}
GUARD = 64
FILL = 0xA5


class Guarded:
    """Memory between two bands that nobody may write to; it begins filled with a known byte."""

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self._all = np.full(size + 2 * GUARD, FILL, np.uint8)
        self.array = self._all[GUARD : GUARD + size].view(dtype).reshape(shape)

    def check(self) -> None:
        assert (self._all[:GUARD] == FILL).all() and (self._all[-GUARD:] == FILL).all()

    @property
    def address(self) -> int:
        return self._all.ctypes.data + GUARD


def specs_of(arrays: Sequence[np.ndarray]) -> list[Spec]:
    return [Spec(array.shape, array.dtype) for array in arrays]


def scratch_bytes(name: str, specs: list[Spec], spec: Spec, attributes: Mapping[str, Any]) -> int:
    return SCRATCH[name](specs, spec, attributes) if name in SCRATCH else 0


def module_of(
    name: str, specs: list[Spec], attributes: Mapping[str, Any], target: Target
) -> tuple[ir.Module, Spec]:
    """A module with the function ``run(out, scratch, error, *inputs)``."""
    spec = TABLE[name].rule(*specs, **attributes)
    assert isinstance(spec, Spec)
    module = ir.Module(name)
    function, e = new_function(module, "run", [POINTER] * (3 + len(specs)), target)
    out, scratch, error, *inputs = function.args
    RULES[name](e, out, inputs, specs, spec, attributes, scratch, error)
    e.b.ret_void()
    return module, spec


def compiled(
    name: str, specs: list[Spec], attributes: Mapping[str, Any], target: Target
) -> tuple[Code, Spec]:
    """The machine code of a rule; the last ones are remembered."""
    return _compiled(name, tuple(specs), tuple(attributes.items()), target)


@functools.lru_cache(100)
def _compiled(
    name: str, specs: tuple[Spec, ...], attributes: tuple[tuple[str, Any], ...], target: Target
) -> tuple[Code, Spec]:
    module, spec = module_of(name, list(specs), dict(attributes), target)
    return build(module, target), spec


def run_rule_with_error(
    name: str,
    arrays: Sequence[np.ndarray],
    attributes: Mapping[str, Any] | None = None,
    target: Target | None = None,
) -> tuple[np.ndarray, int]:
    """What a native rule makes of ``arrays``, and the error word afterwards."""
    attributes, specs = attributes or {}, specs_of(arrays)
    code, spec = compiled(name, specs, attributes, target or host())
    out, error = Guarded(spec.shape, spec.dtype), Guarded((), np.int32)
    scratch = Guarded((scratch_bytes(name, specs, spec, attributes),), np.uint8)
    error.array[...] = 0
    inputs = []
    for array in arrays:
        inputs.append(Guarded(array.shape, array.dtype))
        inputs[-1].array[...] = array
    memory = [out, scratch, error, *inputs]
    run = code.function("run", *[ctypes.c_void_p] * len(memory))
    run(*(piece.address for piece in memory))
    for piece in memory:
        piece.check()
    for piece, array in zip(inputs, arrays, strict=True):
        assert piece.array.tobytes() == np.ascontiguousarray(array).tobytes()
    return out.array, int(error.array)


def run_rule(
    name: str,
    arrays: Sequence[np.ndarray],
    attributes: Mapping[str, Any] | None = None,
    target: Target | None = None,
) -> np.ndarray:
    """What a native rule makes of ``arrays``; no index may be out of range."""
    result, error = run_rule_with_error(name, arrays, attributes, target)
    assert error == 0
    return result


def expected(
    name: str, arrays: Sequence[np.ndarray], attributes: Mapping[str, Any] | None = None
) -> np.ndarray:
    """The row's NumPy value."""
    with np.errstate(all="ignore"):
        return np.asarray(TABLE[name].value(*arrays, **(attributes or {})))


def assert_same_bits(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal shapes, types and bits; one NaN is as good as another."""
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(got, wanted)
    if wanted.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got)[got == 0], np.signbit(wanted)[wanted == 0])


def assert_rule_is_exact(
    name: str,
    arrays: Sequence[np.ndarray],
    attributes: Mapping[str, Any] | None = None,
    target: Target | None = None,
) -> None:
    """The rule gives the row's NumPy value, bit for bit."""
    got = run_rule(name, arrays, attributes, target)
    assert_same_bits(got, expected(name, arrays, attributes))


# ---------------------------------------------------------------------- number types and numbers
FLOATS = tuple(map(np.dtype, ("f4", "f8")))
INTEGERS = tuple(map(np.dtype, ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")))
BOOL = np.dtype(bool)


def dtypes_of(name: str) -> tuple[np.dtype[Any], ...]:
    """The number types that a row takes."""
    kinds = {"f": FLOATS, "i": INTEGERS, "b": (BOOL,)}
    return tuple(dtype for kind in TABLE[name].check.kinds for dtype in kinds[kind])


def numbers(shape: Sequence[int], dtype: Any, seed: int = 0, special: bool = False) -> np.ndarray:
    """Random numbers of any type; ``special`` adds zeros, infinities, NaN and denormals."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind != "f":
        return rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0]
    values = rng.standard_normal(shape).astype(dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    extremes = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -3 * tiny], dtype)
    return (
        np.where(rng.random(shape) < 0.5, rng.choice(extremes, shape), values)
        if special
        else values
    )

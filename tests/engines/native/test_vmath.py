"""The elementary functions against exact values, over their whole range."""

import ctypes
import platform
from functools import cache

import mpmath
import numpy as np
import pytest
from llvmlite import ir

from chainrule.engines.native import vmath
from chainrule.engines.native.emit import I32, I64, POINTER, VOID, new_function
from chainrule.engines.native.machine import build
from chainrule.engines.native.target import host
from chainrule.engines.native.vmath import ACCURACY
from chainrule.graph.table import TABLE

from .loop_driver import TARGETS, assert_same_bits
from .value_driver import FORMS, Kernel

NAMES = sorted(ACCURACY)
TYPES = ["float32", "float64"]

#: Where a function does what is interesting; power has an interval for each operand.
INTERVALS = {
    "arctan2": [(-3, 3), (-3, 3)],
    "cos": [(-20, 20)],
    "erf": [(-4, 4)],
    "exp": [(-87, 88)],
    "expm1": [(-5, 5)],
    "log": [(0, 3)],
    "log1p": [(-1, 3)],
    "power": [(0, 3), (-60, 60)],
    "sigmoid": [(-30, 20)],
    "sin": [(-20, 20)],
    "tanh": [(-5, 5)],
}
#: Where a real value exists.
DOMAINS = {"log": (0, np.inf), "log1p": (-1, np.inf), "power": (0, np.inf)}
EXACT = {"arctan2": "atan2", "sigmoid": "sigmoid"}


@cache
def kernel(name: str, dtype: str, width: int | None = None) -> Kernel:
    target = None if width is None else TARGETS[width]
    return Kernel(name, [dtype] * len(INTERVALS[name]), target=target)


def inputs(name: str, dtype: str, count: int) -> list[np.ndarray]:
    """Any finite bit pattern of the domain, the interval, and the neighbourhood of 0 and 1."""
    rng = np.random.default_rng(0)
    low, high = DOMAINS.get(name, (-np.inf, np.inf))
    arrays = []
    for bounds in INTERVALS[name]:
        patterns = np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype)
        near = rng.standard_normal(count) * np.exp(rng.uniform(-35, 0, count))
        pieces = [patterns, rng.uniform(*bounds, count), near, 1 + near]
        arrays.append(np.concatenate([piece.astype(dtype) for piece in pieces]))
    x = arrays[0]
    inside = np.logical_and.reduce([np.isfinite(array) for array in arrays])
    return [array[inside & (x > low) & (x < high)] for array in arrays]


def ulps(got: np.ndarray, wanted: np.ndarray) -> float:
    """The largest error in units in the last place of the result's type."""
    rounded = wanted.astype(got.dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    error = np.abs(got[finite].astype(wanted.dtype) - wanted[finite])
    return float(np.max(error / np.spacing(np.abs(rounded[finite]))))


def exact_ulps(name: str, got: np.ndarray, arrays: list[np.ndarray]) -> float:
    """The largest error against 120 bits, in units in the last place of float64."""
    worst = 0.0
    with mpmath.workprec(120):
        function = getattr(mpmath, EXACT.get(name, name), None) or exact_sigmoid
        for value, *operands in zip(got.tolist(), *(a.tolist() for a in arrays), strict=True):
            wanted = function(*operands)
            rounded = float(wanted)
            if np.isinf(rounded):
                assert value == rounded
            else:
                error = abs(mpmath.mpf(value) - wanted) / float(np.spacing(abs(rounded)))
                worst = max(worst, float(error))
    return worst


def exact_sigmoid(x: float) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-x))


@pytest.mark.parametrize("name", NAMES)
def test_stated_accuracy_is_enough(name: str) -> None:
    assert sorted(ACCURACY[name]) == TYPES
    assert max(ACCURACY[name].values()) <= 4


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_as_accurate_as_stated(name: str) -> None:
    arrays = inputs(name, "float32", 50_000)
    with np.errstate(all="ignore"):
        wanted = TABLE[name].value(*(array.astype(np.float64) for array in arrays))
        assert ulps(kernel(name, "float32")("vector", *arrays), wanted) <= ACCURACY[name]["float32"]


@pytest.mark.parametrize("name", NAMES)
def test_float64_is_as_accurate_as_stated(name: str) -> None:
    arrays = inputs(name, "float64", 300)
    got = kernel(name, "float64")("vector", *arrays)
    assert exact_ulps(name, got, arrays) <= ACCURACY[name]["float64"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_multiples_of_a_quarter_turn(name: str, dtype: str) -> None:
    """Where the reduced argument is smallest, up to the limit of the vector code and beyond."""
    count = 2000
    limit = 2.0**18 if dtype == "float32" else 2.0**31
    n = np.random.default_rng(0).uniform(-limit, limit, count).round()
    x = (n * (np.pi / 2)).astype(dtype)
    got = kernel(name, dtype)("vector", x)
    if dtype == "float64":
        assert exact_ulps(name, got, [x]) <= ACCURACY[name][dtype]
    else:
        assert ulps(got, getattr(np, name)(x.astype(np.float64))) <= ACCURACY[name][dtype]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "sin", "tanh"])
def test_tiny_numbers_are_fixed_points(name: str, dtype: str) -> None:
    tiny = np.finfo(dtype).smallest_subnormal * np.float64(1)
    x = np.array([tiny, 3 * tiny, np.finfo(dtype).tiny, 1e-20, -1e-25, -tiny, 0.0, -0.0], dtype)
    for form in FORMS:
        computed = kernel(name, dtype).computed(form, len(x))
        assert_same_bits(kernel(name, dtype)(form, x)[computed], x[computed])


@pytest.mark.parametrize("dtype", TYPES)
def test_limits_are_reached_and_never_passed(dtype: str) -> None:
    x = np.concatenate([np.linspace(3, 40, 10_000), [1e10, np.inf]]).astype(dtype)
    for name in ("tanh", "erf", "sigmoid"):
        y = kernel(name, dtype)("vector", x)
        assert y.max() == y[-1] == 1
        assert kernel(name, dtype)("vector", -x).min() == (0 if name == "sigmoid" else -1)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_lanes_changes_no_bit(name: str, dtype: str) -> None:
    arrays = inputs(name, dtype, 500)
    alone = kernel(name, dtype)("scalar", *arrays)
    for width in TARGETS:
        assert_same_bits(kernel(name, dtype, width)("vector", *arrays), alone)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="sets an x86 register")
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_flushing_denormals_does_no_harm(name: str, dtype: str) -> None:
    """With denormals as zeros, every result is right for the inputs as they are or flushed."""
    limits = np.finfo(dtype)
    arrays = inputs(name, dtype, 1000)
    rng = np.random.default_rng(1)
    denormal = (rng.standard_normal((len(arrays), 1000)) * limits.tiny / 8).astype(dtype)
    arrays = [np.concatenate(pair) for pair in zip(arrays, denormal, strict=True)]
    arrays = [array[: len(array) // 16 * 16] for array in arrays]
    got = run_flushing(name, dtype, arrays)
    flushed = [np.where(np.abs(a) < limits.tiny, np.copysign(0, a), a) for a in arrays]
    right = np.zeros(len(got), bool)
    with np.errstate(all="ignore"):
        for operands in (arrays, flushed):
            wanted = TABLE[name].value(*operands).astype(dtype)
            close = np.abs(got - wanted) <= 4 * np.spacing(np.abs(wanted))
            gone = (np.abs(wanted) <= 1.001 * limits.tiny) & (np.abs(got) <= limits.tiny)
            right |= close | gone | (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    assert right.all()


def run_flushing(name: str, dtype: str, arrays: list[np.ndarray]) -> np.ndarray:
    """The function on vectors with flush-to-zero and denormals-are-zero."""
    target, module = host(), ir.Module(name)
    function, e = new_function(module, "run", [POINTER] * (1 + len(arrays)) + [I64], target)
    out, *pointers, count = function.args
    register = e.b.alloca(I32)

    def set_register(value: int) -> None:
        e.b.store(ir.Constant(I32, value), register)
        e.call("llvm.x86.sse.ldmxcsr", register, result=VOID)

    set_register(0x9FC0)
    lanes = target.lanes(np.dtype(dtype).itemsize)
    with e.loop(0, count, lanes) as i:
        operands = [e.load(e.at(pointer, i, dtype=dtype), dtype, lanes) for pointer in pointers]
        e.store(getattr(vmath, name)(e, *operands), e.at(out, i, dtype=dtype), dtype)
    set_register(0x1F80)
    e.b.ret_void()
    result, code = np.empty_like(arrays[0]), build(module, target)
    memory = [result.ctypes.data, *(array.ctypes.data for array in arrays)]
    call = code.function("run", *[ctypes.c_void_p] * len(memory), ctypes.c_int64)
    call(*memory, len(result))
    return result

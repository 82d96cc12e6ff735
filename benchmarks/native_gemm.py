"""Matrix products of the native engine against NumPy, on one thread, and against the FMA peak.

The shapes are those of the four training steps that we measure: a product forward, the gradient of
the input (B transposed) and of the weight (A transposed; its contraction, over the batch, is a
run-time number). Ours runs within a native loop, as it does in a training step, NumPy within a
Python loop. ``in panels`` is the same product with B already in the layout that we keep weights in.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from llvmlite import ir
from threadpoolctl import threadpool_limits

from benchmarks.timing import interleaved
from chainrule.engines.native.emit import I64, POINTER, new_function
from chainrule.engines.native.gemm import (
    MatmulSpec,
    Panels,
    Strided,
    choose,
    describe,
    matmul_kernel,
    scratch_elements,
)
from chainrule.engines.native.machine import Code, build
from chainrule.engines.native.target import Target, host

TURNS, SECONDS = 21, 0.03
PAGE = 4096
#: Columns from which on panels make sense.
NARROW = 16


@dataclass(frozen=True)
class Shape:
    """One product; ``layout`` says of A and B whether they are row-major (N) or transposed (T)."""

    workload: str
    rows: int
    inner: int
    columns: int
    layout: str = "NN"

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns

    def __str__(self) -> str:
        return f"{self.workload} ({self.rows},{self.inner},{self.columns}) {self.layout}"


SHAPES = [
    Shape("tiny", 32, 8, 32),
    Shape("tiny", 8, 32, 32, "TN"),
    Shape("tiny", 32, 32, 1),
    Shape("tiny", 32, 1, 32, "NT"),
    Shape("tiny", 32, 32, 1, "TN"),
    Shape("mlp", 64, 784, 128),
    Shape("mlp", 784, 64, 128, "TN"),
    Shape("mlp", 64, 128, 10),
    Shape("mlp", 64, 10, 128, "NT"),
    Shape("mlp", 128, 64, 10, "TN"),
    Shape("deep", 128, 100, 100),
    Shape("deep", 128, 100, 100, "NT"),
    Shape("deep", 100, 128, 100, "TN"),
    Shape("wide", 256, 1024, 1024),
    Shape("wide", 256, 1024, 1024, "NT"),
    Shape("wide", 1024, 256, 1024, "TN"),
    Shape("one row", 1, 784, 128),
    Shape("one row", 1, 1024, 1024),
]


def aligned(count: int, dtype: str) -> np.ndarray:
    """Random numbers from the beginning of a page on."""
    size = np.dtype(dtype).itemsize
    memory = np.zeros(count * size + PAGE, np.uint8)
    first = -memory.ctypes.data % PAGE
    array = memory[first : first + count * size].view(dtype)
    array[:] = np.random.default_rng(0).standard_normal(count)
    return array


def matrix(rows: int, columns: int, transposed: bool, dtype: str) -> np.ndarray:
    """A dense matrix."""
    memory = aligned(rows * columns, dtype)
    return memory.reshape(columns, rows).T if transposed else memory.reshape(rows, columns)


class Ours:
    """A product as a native loop of several calls."""

    def __init__(self, shape: Shape, dtype: str, panels: bool) -> None:
        self.shape, target = shape, host()
        self.a = matrix(shape.rows, shape.inner, shape.layout[0] == "T", dtype)
        self.b = matrix(shape.inner, shape.columns, shape.layout[1] == "T", dtype)
        a_at, b_at = (Strided(*(s // x.itemsize for s in x.strides)) for x in (self.a, self.b))
        # Over the batch the run knows the length of a contraction, not the compiler.
        inner = None if shape.layout[0] == "T" else shape.inner
        self.spec = MatmulSpec(dtype, shape.columns, inner, a_at, b_at, shape.rows)
        self._b = self.b
        if panels:
            self._b = self._in_panels(target)
        self.c = aligned(shape.rows * shape.columns, dtype).reshape(shape.rows, shape.columns)
        self._scratch = aligned(scratch_elements(self.spec, target), dtype)
        self._code = self._compile(target)
        kinds = [ctypes.c_int64, *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 3]
        self._run = self._code.function("run", *kinds)
        self.calls = max(1, 10**7 // shape.flops)

    def _in_panels(self, target: Target) -> np.ndarray:
        dense = replace(self.spec, b_at=Strided(self.shape.columns, 1))
        width = choose(dense, target).width * target.lanes(self.spec.item)
        panels = Panels.packed(self.shape.inner, width)
        self.spec = replace(self.spec, b_at=panels)
        count = -(-self.shape.columns // width)
        padded = np.zeros((self.shape.inner, count * width), self.b.dtype)
        padded[:, : self.shape.columns] = self.b
        packed = aligned(padded.size, self.spec.dtype)
        packed[:] = padded.reshape(-1, count, width).transpose(1, 0, 2).ravel()
        return packed

    def _compile(self, target: Target) -> Code:
        module = ir.Module("gemm")
        kernel = matmul_kernel(module, target, self.spec)
        kinds = [I64] + [POINTER] * 4 + [I64] * 3
        function, e = new_function(module, "run", kinds, target)
        with e.loop(0, function.args[0]):
            e.b.call(kernel, list(function.args[1:]))
        e.b.ret_void()
        return build(module, target)

    def __call__(self) -> None:
        """Compute C, several times over."""
        pointers = [x.ctypes.data for x in (self.a, self._b, self.c, self._scratch)]
        self._run(self.calls, *pointers, 0, self.shape.rows, self.shape.inner)


def fma_peak(dtype: str) -> tuple[Callable[[], None], int]:
    """Multiplications with an addition, as fast as the CPU can; and how many operations."""
    target, turns = host(), 100_000
    lanes, sums = target.lanes(np.dtype(dtype).itemsize), target.registers - 4
    module = ir.Module("peak")
    function, e = new_function(module, "run", [POINTER], target)
    places = [e.at(function.args[0], i * lanes, dtype=dtype) for i in range(sums)]
    values = [e.load(place, dtype, lanes) for place in places]
    factor = values[0]
    values = e.carry(0, turns, 1, values, lambda _, v: [e.fma(factor, factor, x) for x in v])
    for value, place in zip(values, places, strict=True):
        e.store(value, place, dtype)
    e.b.ret_void()
    code = build(module, target)
    run, memory = code.function("run", ctypes.c_void_p), np.zeros(sums * lanes, dtype)

    def peak(_: Code = code) -> None:
        run(memory.ctypes.data)

    return peak, 2 * turns * sums * lanes


def measure(shape: Shape, dtype: str) -> None:
    """Print one line of the table."""
    ours = Ours(shape, dtype, panels=False)
    peak, operations = fma_peak(dtype)
    out = np.empty_like(ours.c)
    contestants = {"peak": peak, "ours": ours, "numpy": lambda: np.matmul(ours.a, ours.b, out=out)}
    if shape.columns >= NARROW:
        contestants["panels"] = Ours(shape, dtype, panels=True)
    seconds = interleaved(contestants, TURNS, SECONDS)
    np.testing.assert_allclose(ours.c, out, rtol=1e-3, atol=1e-3)
    limit = operations / seconds["peak"] / 1e9

    def cell(name: str, calls: int) -> str:
        if name not in seconds:
            return f"{'-':>14}"
        speed = calls * shape.flops / seconds[name] / 1e9
        return f"{speed:8.1f} {speed / limit:5.0%}"

    ratio = seconds["numpy"] * ours.calls / seconds["ours"]
    cells = cell("ours", ours.calls) + cell("panels", ours.calls) + cell("numpy", 1)
    print(f"{shape!s:32}{cells}{ratio:8.2f}{limit:8.1f}", flush=True)


def main() -> None:
    """Print what was decided, and the table."""
    for dtype in ("float32", "float64"):
        print(f"\n{dtype}: GFLOP/s and share of the FMA peak")
        print(f"{'':32}{'ours':>14}{'in panels':>14}{'NumPy':>14}{'ratio':>8}{'peak':>8}")
        with threadpool_limits(1):
            for shape in SHAPES:
                measure(shape, dtype)
    print()
    for shape in SHAPES:
        print(f"{shape!s:32}{describe(Ours(shape, 'float32', panels=False).spec, host())}")

"""Matrix products on memory that ends, or begins, at a page that may not be touched."""

import ctypes
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import I64, POINTER, new_function
from chainrule.engines.native.gemm import (
    MatmulSpec,
    Panels,
    Plan,
    Strided,
    choose,
    matmul_kernel,
    scratch_elements,
)
from chainrule.engines.native.machine import build
from chainrule.engines.native.target import Target, host

LIBC = ctypes.CDLL(None, use_errno=True)
NOTHING = 0  # PROT_NONE
UNTOUCHED = -12345.0


class Fence:
    """Arrays of which the first or the last byte lies at a page that may not be touched."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end
        self._kept: list[mmap.mmap] = []

    def empty(self, count: int, dtype: Any) -> np.ndarray:
        """``count`` elements."""
        size = count * np.dtype(dtype).itemsize
        pages = -(-size // mmap.PAGESIZE) + 2
        memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
        self._kept.append(memory)
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for page in (0, pages - 1):
            place = ctypes.c_void_p(base + page * mmap.PAGESIZE)
            assert LIBC.mprotect(place, ctypes.c_size_t(mmap.PAGESIZE), NOTHING) == 0
        first = (pages - 1) * mmap.PAGESIZE - size if self.at_end else mmap.PAGESIZE
        return np.frombuffer(memory, dtype, count, first)

    def strided(self, values: np.ndarray, at: Strided) -> np.ndarray:
        """A matrix whose elements lie as ``at`` says; between them lie NaN."""
        rows, columns = values.shape
        reach = (rows - 1) * at.row + (columns - 1) * at.col + 1 if values.size else 0
        memory = self.empty(reach, values.dtype)
        memory[:] = np.nan
        steps = [step * values.itemsize for step in (at.row, at.col)]
        np.lib.stride_tricks.as_strided(memory, values.shape, steps)[:] = values
        return memory

    def panels(self, values: np.ndarray, at: Panels) -> np.ndarray:
        """A matrix in panels; what does not matter is NaN."""
        rows, columns = values.shape
        memory = self.empty(at.elements(columns), values.dtype)
        memory[:] = np.nan
        for column in range(columns):
            panel, within = divmod(column, at.width)
            memory[panel * at.stride + within + at.width * np.arange(rows)] = values[:, column]
        return memory


class Product:
    """The plain kernel of a spec."""

    def __init__(
        self, spec: MatmulSpec, target: Target | None = None, plan: Plan | None = None
    ) -> None:
        self.spec, self.target = spec, target or host()
        self.plan = plan or choose(spec, self.target)
        self.dtype = np.dtype(spec.dtype)
        module = ir.Module("product")
        kernel = matmul_kernel(module, self.target, spec, plan)
        kinds = [POINTER] * 4 + [I64] * 3
        function, e = new_function(module, "run", kinds, self.target)
        e.b.call(kernel, list(function.args))
        e.b.ret_void()
        self._code = build(module, self.target)
        self._run = self._code.function("run", *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 3)

    def __call__(
        self,
        a: np.ndarray,
        b: np.ndarray,
        ranges: Sequence[tuple[int, int]] | None = None,
        at_end: bool = True,
    ) -> np.ndarray:
        """C, of which the given ranges of rows are computed."""
        spec, fence = self.spec, Fence(at_end)
        (rows, inner), columns = a.shape, spec.columns
        memory_a = fence.strided(a, spec.a_at)
        if isinstance(spec.b_at, Panels):
            memory_b = fence.panels(b, spec.b_at)
        else:
            memory_b = fence.strided(b, spec.b_at)
        c = fence.empty(rows * columns, self.dtype)
        c[:] = UNTOUCHED
        scratch = fence.empty(scratch_elements(spec, self.target, self.plan), self.dtype)
        scratch[:] = np.nan
        pointers = [array.ctypes.data for array in (memory_a, memory_b, c, scratch)]
        for first, end in [(0, rows)] if ranges is None else ranges:
            self._run(*pointers, first, end, inner)
        return c.reshape(rows, columns).copy()


def whole_numbers(rng: np.random.Generator, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Small whole numbers: any order of summation gives the same, exact result."""
    return rng.integers(-4, 5, shape).astype(dtype)

"""Run the rule of an elementwise op over arrays: on scalars, on vectors, on a part of a vector."""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native.elementwise import RULES
from chainrule.engines.native.emit import I64, POINTER, new_function
from chainrule.engines.native.machine import build
from chainrule.engines.native.target import Target, host
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE

FORMS = ("scalar", "vector", "tail")
FILL = 0xA5


class Kernel:
    """One op on operands of given number types, as three functions of whole arrays.

    ``tail`` computes all lanes but the last of each vector, and must leave that one alone.
    """

    def __init__(
        self,
        name: str,
        dtypes: Sequence[Any],
        attributes: Mapping[str, Any] | None = None,
        target: Target | None = None,
    ) -> None:
        self.attributes, target = attributes or {}, target or host()
        self.dtypes = [np.dtype(dtype) for dtype in dtypes]
        spec = TABLE[name].rule(*(Spec((), dtype) for dtype in self.dtypes), **self.attributes)
        assert isinstance(spec, Spec)
        self.result = spec.dtype
        self.lanes = target.lanes(max(dtype.itemsize for dtype in (*self.dtypes, self.result)))
        module = ir.Module(name)
        for form in FORMS:
            self._emit(module, name, form, target)
        self._code = build(module, target)

    def _emit(self, module: ir.Module, name: str, form: str, target: Target) -> None:
        function, e = new_function(module, form, [POINTER] * (1 + len(self.dtypes)) + [I64], target)
        out, *inputs, count = function.args
        lanes = 1 if form == "scalar" else self.lanes
        live = lanes - 1 if form == "tail" else None
        with e.loop(0, count, lanes) as i:
            operands = [
                e.load(e.at(pointer, i, dtype=dtype), dtype, lanes, live)
                for pointer, dtype in zip(inputs, self.dtypes, strict=True)
            ]
            value = RULES[name](e, operands, self.dtypes, **self.attributes)
            e.store(value, e.at(out, i, dtype=self.result), self.result, live)
        e.b.ret_void()

    def __call__(self, form: str, *arrays: np.ndarray) -> np.ndarray:
        """The result on one-dimensional arrays of equal length."""
        count = len(arrays[0])
        rounded = -(-count // self.lanes) * self.lanes
        padded = [np.ascontiguousarray(np.resize(array, rounded)) for array in arrays]
        assert [array.dtype for array in padded] == self.dtypes
        raw = np.full(rounded * self.result.itemsize, FILL, np.uint8)
        memory = [raw.ctypes.data, *(array.ctypes.data for array in padded)]
        call = self._code.function(form, *[ctypes.c_void_p] * len(memory), ctypes.c_int64)
        call(*memory, rounded)
        if form == "tail":
            assert (raw.reshape(-1, self.lanes, self.result.itemsize)[:, -1] == FILL).all()
        return raw.view(self.result)[:count]

    def computed(self, form: str, count: int) -> np.ndarray:
        """Which elements of the result a form computes."""
        return np.arange(count) % self.lanes < (self.lanes - 1 if form == "tail" else self.lanes)

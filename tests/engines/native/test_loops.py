"""Every rule on its row's own examples, in every number type."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.engines.native.loops import RULES, SCRATCH
from chainrule.graph.spec import Spec
from chainrule.graph.table import TABLE, Example

from .loop_driver import (
    TARGETS,
    assert_same_bits,
    dtypes_of,
    expected,
    module_of,
    numbers,
    run_rule,
)

#: Rows that round in another order than NumPy's: by how many ulp of the largest element.
ULPS = {"cholesky": 8, "triangular_solve": 8}


def cases() -> Iterator[Any]:
    for name in RULES:
        dtypes = [np.dtype("u4")] if name == "random_bits" else dtypes_of(name)
        for i, example in enumerate(TABLE[name].check.examples):
            for dtype in dtypes:
                if name == "matmul" and dtype.kind == "f":
                    continue  # the products' own kernels
                # Every type at one width, and the first and the last type at every width.
                widths = TARGETS if dtype in (dtypes[0], dtypes[-1]) else [32]
                for width in widths:
                    label = f"{name}-{i}-{dtype}-{width}"
                    yield pytest.param(name, example, dtype, TARGETS[width], id=label)


def drawn(example: Example, dtype: np.dtype) -> list[np.ndarray]:
    arrays = []
    for i, spec in enumerate(example.specs):
        kind = example.kinds[i] if i < len(example.kinds) else ""
        array = numbers(spec.shape, dtype, seed=i)
        if kind.startswith("index:"):
            array = numbers(spec.shape, np.uint64) % int(kind[6:])
            array = array.astype(spec.dtype)
        elif kind == "spd":
            array = array @ array.swapaxes(-1, -2) + np.eye(spec.shape[-1], dtype=dtype)
        elif kind == "lower":
            array = np.tril(array) + 3 * np.eye(spec.shape[-1], dtype=dtype)
        arrays.append(array)
    return arrays


def test_every_op_with_a_loop_of_its_own_has_a_rule():
    families = {"movement", "reduction", "product", "random"}
    elsewhere = {"reshape", "sum", "max", "min"}
    wanted = {name for name, op in TABLE.items() if op.family in families} - elsewhere
    assert wanted == set(RULES)
    assert set(SCRATCH) <= wanted


@pytest.mark.parametrize(("name", "example", "dtype", "target"), list(cases()))
def test_rules_agree_with_numpy_on_the_examples_of_the_table(name, example, dtype, target):
    arrays = drawn(example, dtype)
    got = run_rule(name, arrays, example.attributes, target)
    wanted = expected(name, arrays, example.attributes)
    if name in ULPS:
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        tolerance = ULPS[name] * np.spacing(np.abs(wanted).max())
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance)
    else:
        assert_same_bits(got, wanted)


F32, I64 = np.dtype("f4"), np.dtype("i8")
BIG = {
    "transpose": ([Spec((1000, 1000), F32)], {"axes": (1, 0)}),
    "broadcast_to": ([Spec((1000, 1), F32)], {"shape": (50, 1000, 1000)}),
    "slice": ([Spec((999, 999), F32)], {"start": (1, 2), "stop": (999, 998), "step": (1, 2)}),
    "flip": ([Spec((999, 999), F32)], {"axes": (0, 1)}),
    "pad": ([Spec((999, 999), F32)], {"low": (1, 1), "high": (1, 1), "interior": (0, 0)}),
    "concatenate": ([Spec((999, 999), F32)] * 2, {"axis": 1}),
    "gather": ([Spec((999, 999), F32), Spec((99, 1), I64)], {"batch": 0}),
    "scatter": (
        [Spec((999, 999), F32), Spec((99, 1), I64), Spec((99, 999), F32)],
        {"batch": 0},
    ),
    "scatter_add": (
        [Spec((99, 999), F32), Spec((99, 1), I64)],
        {"batch": 0, "shape": (999, 999)},
    ),
    "cumsum": ([Spec((99, 99, 99), F32)], {"axis": 1, "reverse": False}),
    "argmax": ([Spec((99, 99, 99), F32)], {"axis": 1}),
    "argmin": ([Spec((99, 99, 99), F32)], {"axis": 1}),
    "argsort": ([Spec((99, 99, 99), F32)], {"axis": 1}),
    "random_bits": ([Spec((99, 2), np.dtype("u4"))], {"shape": (999,)}),
    "cholesky": ([Spec((99, 99, 99), F32)], {}),
    "triangular_solve": ([Spec((99, 99, 99), F32)] * 2, {"transposed": True}),
    "matmul": ([Spec((99, 99, 99), I64)] * 2, {}),
}


@pytest.mark.parametrize("name", RULES)
def test_code_for_large_shapes_is_short(name):
    specs, attributes = BIG[name]
    module, _ = module_of(name, specs, attributes, TARGETS[64])
    assert str(module).count("\n") < 300

"""Number types: eager is symbolic is NumPy, with the deviations that are stated in the design."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError
from chainrule.graph.table import TABLE

DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64",
]  # fmt: skip
NUMBERS = [True, 2, 0.5]
OPERANDS = [*DTYPES, *NUMBERS]
PAIRS = [p for p in itertools.product(OPERANDS, repeat=2) if any(isinstance(x, str) for x in p)]

BINARY = {
    op.name: op for op in TABLE.values() if op.family == "elementwise" and len(op.check.domain) == 2
}
UNARY = {
    op.name: op
    for op in TABLE.values()
    if op.family == "elementwise" and len(op.check.domain) == 1 and op.name != "cast"
}
COUNTS_BOOLEANS = {
    name
    for name, op in {**BINARY, **UNARY}.items()
    if "i" in op.check.kinds and "b" not in op.check.kinds
}
SMALL = ("int8", "int16", "uint8", "uint16", "bool")


def value(operand: Any) -> Any:
    return np.ones((2,), operand) if isinstance(operand, str) else operand


def three_ways(function: Callable[..., Any], *operands: Any) -> np.dtype[Any]:
    """The type of a result, which must be the same at once, in a graph, and in the graph's node."""
    values = [cr.asarray(value(x)) if isinstance(x, str) else x for x in operands]
    at_once = function(*values)
    arrays = [x for x in values if isinstance(x, cr.Tensor)]

    def rest(*tensors: Any) -> Any:
        given = iter(tensors)
        return function(*(next(given) if isinstance(x, cr.Tensor) else x for x in values))

    graph = cr.verify(cr.make_graph(rest, *arrays))
    assert graph.output_specs == (at_once.spec,)
    return at_once.dtype  # type: ignore[no-any-return]


def expected(name: str, op: Any, *operands: Any) -> np.dtype[Any] | None:
    """NumPy's type, or what the stated deviations make of it; ``None`` where the op refuses."""
    common = np.result_type(*(np.dtype(x) if isinstance(x, str) else x for x in operands))
    kind = "i" if common.kind == "u" else common.kind
    if op.check.kinds in ("ib", "i") and kind == "f":
        return None
    if kind == "b" and "b" not in op.check.kinds:
        common = np.dtype("int64")  # arithmetic on booleans counts
        kind = "i"
    if kind == "i" and "i" not in op.check.kinds:
        common = np.dtype("float64")  # a function that needs floats gives float64
    numpy = getattr(np, {"abs": "absolute", "bitwise_not": "invert"}.get(name, name), None)
    if not isinstance(numpy, np.ufunc):
        return common
    return numpy(*[np.ones(2, common)] * len(operands)).dtype  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", BINARY)
def test_two_operands(name: str) -> None:
    for pair in PAIRS:
        wanted = expected(name, BINARY[name], *pair)
        if wanted is None:
            with pytest.raises(DtypeError, match=name):
                three_ways(getattr(cr, name), *pair)
        else:
            assert three_ways(getattr(cr, name), *pair) == wanted, pair


@pytest.mark.parametrize("name", UNARY)
def test_one_operand(name: str) -> None:
    for operand in DTYPES:
        wanted = expected(name, UNARY[name], operand)
        if wanted is None:
            with pytest.raises(DtypeError, match=name):
                three_ways(getattr(cr, name), operand)
        else:
            assert three_ways(getattr(cr, name), operand) == wanted, operand


@pytest.mark.parametrize("operator", ["add", "multiply", "divide", "less", "maximum"])
def test_numpy_agrees_wherever_no_deviation_is_stated(operator: str) -> None:
    for a, b in PAIRS:
        both_boolean = {a, b} <= {"bool", True}
        if both_boolean and operator in ("add", "multiply"):
            continue  # counts
        numpy = getattr(np, operator)(value(a), value(b)).dtype
        if numpy == np.float16:
            continue  # small integers: NumPy's float16 is our float64
        if operator == "divide" and not any(x in ("float32", "float64", 0.5) for x in (a, b)):
            assert numpy == np.float64
        assert three_ways(getattr(cr, operator), a, b) == numpy, (a, b)


@pytest.mark.parametrize("name", ["where", "concatenate", "stack"])
def test_choice_and_joining_promote_as_numpy(name: str) -> None:
    for a, b in itertools.product(DTYPES, repeat=2):
        wanted = np.result_type(np.dtype(a), np.dtype(b))
        functions = {
            "where": lambda x, y: cr.where(cr.tensor([True, False]), x, y),
            "concatenate": lambda x, y: cr.concatenate([x, y]),
            "stack": lambda x, y: cr.stack([x, y]),
        }
        assert three_ways(functions[name], a, b) == wanted


def test_matrix_products_promote_and_count() -> None:
    for a, b in itertools.product(DTYPES, repeat=2):
        common = np.result_type(np.dtype(a), np.dtype(b))
        wanted = np.dtype("int64") if common == np.bool_ else common
        assert three_ways(cr.matmul, a, b) == wanted


def test_reductions_keep_the_type() -> None:
    for name in ("sum", "prod", "cumsum"):
        for dtype in DTYPES:
            wanted = "int64" if dtype == "bool" else dtype
            assert three_ways(getattr(cr, name), dtype) == wanted
    for name in ("max", "min", "sort"):
        for dtype in DTYPES:
            assert three_ways(getattr(cr, name), dtype) == dtype
    for name in ("mean", "var", "std", "logsumexp", "norm"):
        for dtype in DTYPES:
            wanted = dtype if dtype == "float32" else "float64"
            assert three_ways(getattr(cr, name), dtype) == wanted
    for name in ("argmax", "argmin", "argsort"):
        assert three_ways(getattr(cr, name), "float32") == "int64"


def test_python_numbers_alone_are_float32_or_int64() -> None:
    assert cr.asarray(1.0).dtype == cr.asarray([1, 2.0]).dtype == np.float32
    assert cr.asarray(1).dtype == np.int64 and cr.asarray(True).dtype == np.bool_
    assert cr.add(1, 2).dtype == np.int64
    assert cr.add(1, 2.0).dtype == cr.exp(1).dtype == cr.divide(1, 2).dtype == np.float32
    assert cr.add(True, True).item() == 2


def test_numpy_scalars_keep_their_type() -> None:
    x = cr.ones(2)
    assert cr.asarray(np.float64(1)).dtype == cr.exp(np.float64(1)).dtype == np.float64
    assert (x * np.float64(2)).dtype == (np.float64(2) * x).dtype == np.float64
    assert (x ** np.float64(2)).dtype == np.float64
    assert (x * 2.0).dtype == (x**2).dtype == np.float32


def test_booleans_count() -> None:
    yes = cr.tensor([True, True, False])
    assert (yes + yes).tolist() == [2, 2, 0]
    assert (yes - yes).tolist() == [0, 0, 0]
    assert (-yes).tolist() == [-1, -1, 0]
    assert yes.sum().item() == 2 and yes.mean().item() == pytest.approx(2 / 3)
    assert (yes @ yes).item() == 2
    assert (yes & ~yes).dtype == np.bool_


def test_a_number_that_does_not_fit_is_refused() -> None:
    small = cr.tensor(np.array([1], np.uint8))
    for wrong in (300, -1):
        with pytest.raises(DtypeError, match="uint8 cannot hold"):
            small + wrong


def test_a_float_that_does_not_fit_is_infinite_without_warning() -> None:
    assert (cr.ones(1) * 1e300).tolist() == [float("inf")]
    assert cr.asarray(1e300).item() == float("inf")
    assert cr.asarray(np.array([1e300]), "float32").item() == float("inf")


def test_mixed_lists() -> None:
    x = cr.ones(())
    assert cr.asarray([x, 1]).dtype == cr.asarray([[x, 0.5], [1, 2]]).dtype == np.float32
    assert cr.asarray([np.ones(2), np.ones(2)]).dtype == np.float64
    assert cr.asarray([np.float64(1), 2]).dtype == np.float64
    assert cr.asarray([1, 2], "float64").dtype == np.float64

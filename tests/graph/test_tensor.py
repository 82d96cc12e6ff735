"""The tensor as an object: operators, conversions, printing, immutability, and its refusals."""

import copy
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.errors import DtypeError, ShapeError, SymbolicError
from chainrule.graph.operators import Operators
from chainrule.graph.tensor import placeholder

A = np.array([[1.0, -2.5], [3.0, 0.5]])
B = np.array([[2.0, 4.0], [-1.5, 8.0]])
FLOATING = [
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "eq", "ne", "lt", "le",
    "gt", "ge",
]  # fmt: skip


# ---------------------------------------------------------------------- operators
@pytest.mark.parametrize("name", FLOATING)
@np.errstate(all="ignore")
def test_operators_with_tensors_arrays_and_numbers_on_either_side(name: str) -> None:
    function = getattr(operator, name)
    pairs = [
        (cr.tensor(A), cr.tensor(B), A, B),
        (cr.tensor(A), B, A, B),
        (A, cr.tensor(B), A, B),
    ]
    if name != "matmul":
        pairs += [(cr.tensor(A), 3, A, 3), (3, cr.tensor(A), 3, A), (0.5, cr.tensor(A), 0.5, A)]
        pairs += [(np.float64(3), cr.tensor(A), 3, A), (A.tolist(), cr.tensor(B), A, B)]
    for x, y, array, other in pairs:
        got = function(x, y)
        assert isinstance(got, cr.Tensor)
        np.testing.assert_array_equal(got.numpy(), function(array, other), strict=True)


@pytest.mark.parametrize("name", ["and_", "or_", "xor"])
def test_operators_on_bits(name: str) -> None:
    function = getattr(operator, name)
    x, y = np.array([6, 3]), np.array([3, 5])
    for a, b in ((cr.tensor(x), cr.tensor(y)), (x, cr.tensor(y)), (cr.tensor(x), y)):
        np.testing.assert_array_equal(function(a, b).numpy(), function(x, y), strict=True)
    np.testing.assert_array_equal(function(5, cr.tensor(y)).numpy(), function(5, y))
    truth = cr.tensor([True, False])
    np.testing.assert_array_equal(function(truth, True).numpy(), function(truth.numpy(), True))


def test_unary_operators() -> None:
    x = cr.tensor(A)
    np.testing.assert_array_equal((-x).numpy(), -A)
    np.testing.assert_array_equal(abs(x).numpy(), abs(A))
    assert +x is x
    np.testing.assert_array_equal((~cr.tensor([True, False])).numpy(), [False, True])


METHODS: dict[str, tuple[Any, ...]] = {
    "reshape": (4,), "transpose": (), "swapaxes": (0, 1), "ravel": (), "flatten": (),
    "squeeze": (), "take": ([1, 0], 1), "repeat": (2, 1), "astype": ("float32",), "sum": (0,),
    "prod": (0,), "mean": (1, True), "var": (0,), "std": (0,), "max": (0,), "min": (1,),
    "argmax": (0,), "argmin": (), "all": (0,), "any": (), "cumsum": (0,), "clip": (-1, 1),
    "round": (), "dot": (B,),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_numpys(name: str) -> None:
    options = {"keepdims": True} if name == "mean" else {}
    arguments = METHODS[name][:1] if name == "mean" else METHODS[name]
    got = getattr(cr.tensor(A), name)(*arguments, **options)
    wanted = np.asarray(getattr(A, name)(*arguments, **options))
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-15, strict=True)


def test_every_method_is_tested() -> None:
    public = {name for name in vars(Operators) if not name.startswith("_")}
    assert public - {"T", "mT"} == set(METHODS)


def test_shapes_may_be_given_as_numbers_or_as_a_tuple() -> None:
    x = cr.zeros((2, 3, 4))
    assert x.reshape(6, 4).shape == x.reshape((6, 4)).shape == x.reshape([-1, 4]).shape == (6, 4)
    assert x.transpose(2, 0, 1).shape == x.transpose((2, 0, 1)).shape == (4, 2, 3)
    assert x.transpose().shape == x.T.shape == (4, 3, 2)
    assert x.mT.shape == (2, 4, 3)


# ---------------------------------------------------------------------- to and from
def test_numpy_is_read_only_and_shares_memory() -> None:
    array = np.zeros(3)
    x = cr.asarray(array)
    view = x.numpy()
    assert np.shares_memory(view, array)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 5  # the owner of the array may still write to it
    assert x.tolist() == [5, 0, 0]


def test_tensor_copies() -> None:
    array = np.zeros(3)
    x = cr.tensor(array)
    array[0] = 5
    assert x.tolist() == [0, 0, 0]
    y = cr.tensor(x)
    assert y is not x and not np.shares_memory(x.numpy(), y.numpy())


def test_array_protocol() -> None:
    x = cr.tensor(A)
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert np.asarray(x, np.float32).dtype == np.float32
    copied = np.array(x)
    copied[0] = 9
    np.testing.assert_array_equal(x.numpy(), A)
    np.testing.assert_array_equal(np.concatenate([A, x]), np.concatenate([A, A]))
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.float32, copy=False)


def test_dlpack_both_ways() -> None:
    for dtype in ("float32", "float64", "int64", "uint8", "bool"):
        array = np.arange(6).reshape(2, 3).astype(dtype)
        x = cr.tensor(array)
        theirs = torch.from_dlpack(x)
        np.testing.assert_array_equal(theirs.numpy(), array, strict=True)
        ours = cr.from_dlpack(theirs)
        np.testing.assert_array_equal(ours.numpy(), array, strict=True)
        assert np.shares_memory(ours.numpy(), x.numpy())
        np.testing.assert_array_equal(np.from_dlpack(x), array, strict=True)
    assert cr.asarray(torch.ones(2)).spec == cr.Spec((2,))
    assert torch.from_dlpack(cr.zeros(2).sum() + cr.broadcast_to(1.0, (2, 2))).shape == (2, 2)
    assert torch.from_dlpack(cr.broadcast_to(1.0, (2, 2))).tolist() == [[1, 1], [1, 1]]


def test_python_numbers() -> None:
    assert float(cr.tensor(1.5)) == 1.5 and int(cr.tensor([2.9])) == 2
    assert cr.tensor([[7]]).item() == 7 and isinstance(cr.tensor(7).item(), int)
    assert bool(cr.tensor(0.0)) is False and bool(cr.tensor([3])) is True
    assert [10, 20, 30][cr.tensor(1)] == 20 and list(range(cr.tensor(2))) == [0, 1]
    assert cr.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert math.sqrt(cr.tensor(4.0)) == 2
    for wrong in (float, int, bool):
        with pytest.raises(ShapeError, match=r"\(2,\)"):
            wrong(cr.zeros(2))
    with pytest.raises(ShapeError, match="any"):
        bool(cr.zeros(0))
    with pytest.raises(DtypeError, match="integers"):
        operator.index(cr.tensor(1.0))


def test_pickle_and_deepcopy_carry_the_numbers() -> None:
    x = cr.tensor(A)
    cr.make_graph(lambda y: y + x, x)  # now x has a node
    for made in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        np.testing.assert_array_equal(made.numpy(), A, strict=True)


def test_length_and_iteration() -> None:
    x = cr.tensor(A)
    assert len(x) == 2
    assert [row.tolist() for row in x] == A.tolist()
    first, second = cr.zeros((2, 3))
    assert first.shape == second.shape == (3,)
    assert list(cr.zeros((0, 3))) == []
    with pytest.raises(ShapeError, match="len"):
        len(cr.tensor(1.0))
    with pytest.raises(ShapeError, match="len"):
        list(cr.tensor(1.0))


def test_what_cannot_be_done() -> None:
    x = cr.tensor(A)
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(TypeError):
        x[0, 0] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        x.shape = (4,)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        x.label = "x"  # type: ignore[attr-defined]


MISFITS: list[tuple[Any, Any]] = [
    ("text", None), (b"bytes", None), (None, None), (1j, None), ([1, None], "float32"),
    (["1"], "float32"), (object(), None), (np.array([1j]), None), (np.array(["a"]), None),
    (np.array([1], object), None), ({1, 2}, None), (np.float16(1), None), (1.0, "float16"),
    (1.0, "nonsense"), (1.0, complex),
]  # fmt: skip


@pytest.mark.parametrize("case", MISFITS, ids=lambda case: type(case[0]).__name__)
def test_what_is_no_number_is_refused(case: tuple[Any, Any]) -> None:
    data, dtype = case
    with pytest.raises(DtypeError, match="float32, float64"):
        cr.tensor(data, dtype)


def test_ragged_rows_are_refused() -> None:
    with pytest.raises(ShapeError, match="ragged"):
        cr.tensor([[1.0], [2.0, 3.0]])
    with pytest.raises(ShapeError, match="one shape"):
        cr.tensor([cr.zeros(2), cr.zeros(3)])


def test_what_others_hold_back_is_refused() -> None:
    with pytest.raises(DtypeError, match=r"1 are masked.*filled"):
        cr.asarray(np.ma.masked_array([1.0, 2.0], [True, False]))
    assert cr.asarray(np.ma.masked_array([1.0, 2.0], False)).shape == (2,)
    with pytest.raises(DtypeError, match="detach"):
        cr.asarray(torch.ones(2, requires_grad=True))


def test_foreign_byte_order_is_turned() -> None:
    x = cr.asarray(np.array([1, 2], ">f4"))
    assert x.dtype == np.float32 and x.dtype.isnative and x.tolist() == [1, 2]


# ---------------------------------------------------------------------- symbolic
def test_a_symbolic_tensor_knows_its_shape_but_no_number() -> None:
    x = placeholder(cr.Spec((2, 3), "float64"))
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
    assert x.dtype == np.float64 and x.is_symbolic
    assert repr(x) == "Tensor f64[2, 3] symbolic"
    assert [row.shape for row in x] == [(3,), (3,)]
    reads: list[Callable[[Any], Any]] = [
        float, int, np.asarray, torch.from_dlpack, cr.Tensor.numpy, cr.Tensor.tolist,
        cr.Tensor.item, pickle.dumps, "{:.2f}".format,
    ]  # fmt: skip
    for read in reads:
        with pytest.raises(SymbolicError, match="symbolic"):
            read(x)
    with pytest.raises(SymbolicError, match=r"cr\.where"):
        bool(x)
    with pytest.raises(SymbolicError, match=r"cr\.where"):
        cr.make_graph(lambda x: x if x > 0 else -x, cr.Spec(()))


# ---------------------------------------------------------------------- printing
REPRS = [
    (cr.tensor(2.5), "Tensor f32[] 2.5"),
    (cr.tensor([True, False]), "Tensor bool[2] [ True False]"),
    (cr.arange(3), "Tensor i64[3] [0 1 2]"),
    (cr.zeros((0, 3)), "Tensor f32[0, 3]\n[]"),
    (cr.zeros((1, 2), "uint8"), "Tensor u8[1, 2]\n[[0 0]]"),
    (cr.tensor([1e-8, 1.0]), "Tensor f32[2] [1.e-08 1.e+00]"),
    (cr.tensor([math.pi, -1.0]), "Tensor f32[2] [ 3.1416 -1.    ]"),
    (cr.tensor([math.nan, math.inf]), "Tensor f32[2] [nan inf]"),
]


@pytest.mark.parametrize("case", REPRS, ids=lambda case: str(case[0].spec))
def test_printing(case: tuple[cr.Tensor, str]) -> None:
    assert repr(case[0]) == str(case[0]) == f"{case[0]}" == case[1]


def test_a_long_tensor_prints_its_ends() -> None:
    text = repr(cr.zeros((100, 100)))
    assert "..." in text and len(text) < 500


def test_format() -> None:
    assert f"{cr.tensor(math.pi):.2f}" == "3.14"
    assert f"{cr.tensor([3]):04d}" == "0003"
    with pytest.raises(ShapeError):
        f"{cr.zeros(2):.2f}"

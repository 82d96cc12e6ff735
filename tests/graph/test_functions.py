"""Functions composed of rows, against NumPy, at ordinary and at extreme values."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.errors import DtypeError, OptionError, ShapeError
from chainrule.graph.trace import replay

INF, NAN = math.inf, math.nan
RNG = np.random.default_rng(3)
CUBE = RNG.standard_normal((2, 3, 4))
MATRIX = RNG.standard_normal((3, 4))
VECTOR = RNG.standard_normal(5)


def both_ways(function: Callable[..., Any], *arrays: Any) -> np.ndarray:
    """The function on concrete tensors; through a graph it must give the same bits."""
    at_once = function(*map(cr.tensor, arrays)).numpy()
    graph = cr.verify(cr.make_graph(function, *(cr.asarray(a).spec for a in arrays)))
    captured = graph.inputs[len(arrays) :]
    values = [*map(cr.asarray, arrays), *(n.attributes["value"].array for n in captured)]
    (replayed,) = replay(graph, [cr.asarray(v) for v in values])
    np.testing.assert_array_equal(at_once, replayed.numpy())
    assert replayed.dtype == at_once.dtype
    return at_once


# name, arguments, and how NumPy says it where it does so differently
ORDINARY: list[tuple[str, tuple[Any, ...], dict[str, Any], Callable[..., Any] | None]] = [
    ("tan", (CUBE,), {}, None),
    ("arctan", (CUBE,), {}, None),
    ("sinh", (CUBE,), {}, None),
    ("cosh", (CUBE,), {}, None),
    ("log2", (np.abs(CUBE),), {}, None),
    ("log10", (np.abs(CUBE),), {}, None),
    ("exp2", (CUBE,), {}, None),
    ("logaddexp", (CUBE, MATRIX), {}, None),
    ("greater", (CUBE, MATRIX), {}, None),
    ("greater_equal", (CUBE, MATRIX), {}, None),
    ("logical_and", (CUBE > 0, MATRIX > 0), {}, None),
    ("logical_or", (CUBE > 0, MATRIX > 0), {}, None),
    ("logical_not", (CUBE > 0,), {}, None),
    ("isnan", (np.array([1, NAN, INF]),), {}, None),
    ("isinf", (np.array([1, NAN, -INF]),), {}, None),
    ("isfinite", (np.array([1, NAN, -INF]),), {}, None),
    ("isfinite", (np.array([1, 2]),), {}, None),
    ("clip", (CUBE,), {"low": -0.5, "high": 0.5}, lambda x, low, high: np.clip(x, low, high)),
    ("clip", (CUBE,), {"low": -0.5}, lambda x, low: np.clip(x, low, None)),
    ("mean", (CUBE,), {}, None),
    ("mean", (CUBE,), {"axis": (0, -1), "keepdims": True}, None),
    ("mean", (np.arange(4),), {}, None),
    ("mean", (np.array([True, False]),), {}, None),
    ("var", (CUBE,), {"axis": 1}, None),
    ("var", (CUBE,), {"axis": 1, "correction": 1}, None),
    ("var", (CUBE + 1e8,), {"axis": 1}, None),
    ("std", (CUBE,), {"axis": (1, 2), "keepdims": True}, None),
    ("logsumexp", (CUBE,), {"axis": 1}, scipy.special.logsumexp),
    ("logsumexp", (CUBE,), {"keepdims": True}, scipy.special.logsumexp),
    ("all", (CUBE > -1,), {"axis": 1}, None),
    ("any", (CUBE > 1,), {"axis": (0, 1)}, None),
    ("all", (np.zeros((0, 2)),), {"axis": 0}, None),
    ("any", (np.zeros((0, 2)),), {"axis": 0}, None),
    ("prod", (CUBE,), {}, None),
    ("prod", (CUBE,), {"axis": (0, 2), "keepdims": True}, None),
    ("prod", (CUBE,), {"axis": 1}, None),
    ("prod", (np.zeros((0, 2)),), {"axis": 0}, None),
    ("prod", (np.arange(1, 8),), {}, None),
    ("norm", (CUBE,), {}, lambda x: np.linalg.norm(x)),
    ("norm", (MATRIX,), {"axis": 1}, lambda x, axis: np.linalg.norm(x, axis=axis)),
    ("norm", (VECTOR,), {"order": 1}, lambda x, order: np.linalg.norm(x, order)),
    ("norm", (VECTOR,), {"order": INF}, lambda x, order: np.linalg.norm(x, order)),
    ("cumsum", (CUBE,), {}, None),
    ("cumsum", (CUBE,), {"axis": 1}, None),
    ("argsort", (CUBE,), {"axis": 1}, None),
    ("argmax", (CUBE,), {}, None),
    ("sort", (CUBE,), {"axis": 1}, None),
    ("sort", (CUBE,), {"axis": None}, None),
    ("ravel", (CUBE,), {}, None),
    ("squeeze", (CUBE[:, :1],), {}, None),
    ("squeeze", (CUBE[:, :1, :1],), {"axis": -1}, None),
    ("expand_dims", (CUBE,), {"axis": -2}, None),
    ("repeat", (CUBE,), {"count": 2, "axis": 1}, lambda x, count, axis: np.repeat(x, count, axis)),
    ("repeat", (CUBE,), {"count": 3}, lambda x, count: np.repeat(x, count)),
    ("tile", (MATRIX,), {"counts": (2, 1, 3)}, lambda x, counts: np.tile(x, counts)),
    ("tile", (CUBE,), {"counts": 2}, lambda x, counts: np.tile(x, counts)),
    ("roll", (CUBE,), {"shift": 2, "axis": -1}, None),
    ("roll", (CUBE,), {"shift": -5}, None),
    ("roll", (CUBE,), {"shift": 3, "axis": 1}, None),
    ("diff", (CUBE,), {"axis": 1}, None),
    ("diff", (CUBE,), {}, None),
    ("tril", (CUBE,), {"k": 1}, None),
    ("triu", (CUBE,), {"k": -1}, None),
    ("diag", (MATRIX,), {}, None),
    ("diag", (MATRIX,), {"k": 2}, None),
    ("diag", (MATRIX,), {"k": -1}, None),
    ("diag", (MATRIX,), {"k": 9}, None),
    ("diag", (VECTOR,), {"k": -2}, None),
    ("outer", (VECTOR, VECTOR), {}, None),
    ("dot", (VECTOR, VECTOR), {}, None),
    ("dot", (CUBE, MATRIX.T), {}, None),
    ("dot", (CUBE, CUBE[0, 0]), {}, None),
    ("dot", (np.array(2.0), VECTOR), {}, None),
    ("matmul", (VECTOR, VECTOR), {}, None),
    ("matmul", (CUBE, MATRIX.T), {}, None),
    ("matmul", (MATRIX, CUBE.swapaxes(1, 2)), {}, None),
    ("matmul", (MATRIX[0], CUBE.swapaxes(1, 2)), {}, None),
    ("matmul", (CUBE, MATRIX[0]), {}, None),
    ("matmul", (CUBE[:, None], CUBE.swapaxes(1, 2)), {}, None),
    ("swapaxes", (CUBE, 0, -1), {}, None),
    ("moveaxis", (CUBE, 0, -1), {}, None),
    ("transpose", (CUBE,), {}, None),
    ("transpose", (CUBE, (0, -1, 1)), {}, None),
    ("flip", (CUBE,), {"axis": (0, -1)}, None),
    ("flip", (CUBE,), {}, None),
    ("take", (CUBE, np.array([[2, -3], [0, 1]])), {"axis": 1}, None),
    ("take", (CUBE, np.array([-1, 5])), {}, None),
    ("pad", (MATRIX, ((1, 0), (0, 2))), {}, None),
]


@pytest.mark.parametrize("case", ORDINARY, ids=lambda case: f"{case[0]}-{case[2]}")
def test_ordinary_values(case: Any) -> None:
    name, arguments, options, numpy = case
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    rest = [a for a in arguments if not isinstance(a, np.ndarray)]
    got = both_ways(lambda *xs: getattr(cr, name)(*xs, *rest, **options), *arrays)
    wanted = (numpy or getattr(np, name))(*arguments, **options)
    assert got.dtype == np.asarray(wanted).dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)


EXTREME = [0.0, -0.0, 1e-300, -1e-9, 1e-5, 30.0, -709.5, 710.0, 745.0, -INF, INF, NAN]


@pytest.mark.parametrize("name", ["sinh", "cosh", "arctan", "exp2", "tan"])
@np.errstate(all="ignore")
def test_extreme_values(name: str) -> None:
    x = np.array(EXTREME)
    np.testing.assert_allclose(both_ways(getattr(cr, name), x), getattr(np, name)(x), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sinh_keeps_its_digits_near_zero_and_far_out(dtype: str) -> None:
    x = np.array([1e-7, -1e-3, 0.1, 5, 80, -88], dtype)
    rounding = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(cr.sinh(x).numpy(), np.sinh(x.astype(float)), rtol=rounding)
    slope = cr.grad(lambda x: cr.sinh(x).sum())(cr.tensor(x))
    np.testing.assert_allclose(slope.numpy(), np.cosh(x.astype(float)), rtol=rounding)
    slope = cr.grad(lambda x: cr.cosh(x).sum())(cr.tensor(x))
    np.testing.assert_allclose(slope.numpy(), np.sinh(x.astype(float)), rtol=rounding)


@np.errstate(all="ignore")
def test_logaddexp_at_extreme_values() -> None:
    values = np.array([*EXTREME, -40.0, 0.5, 1000.0])
    x, y = map(np.ravel, np.meshgrid(values, values))
    np.testing.assert_allclose(both_ways(cr.logaddexp, x, y), np.logaddexp(x, y), rtol=1e-14)


def test_logaddexp_has_its_derivatives_at_ties_and_beside_minus_infinity() -> None:
    def softplus(x: Any) -> Any:
        return cr.logaddexp(x, 0.0)

    zero = cr.tensor(np.array(0.0))
    assert cr.grad(softplus)(zero).item() == 0.5
    assert cr.grad(cr.grad(softplus))(zero).item() == 0.25
    first = cr.grad(cr.logaddexp, argnums=(0, 1))(cr.tensor(-INF), cr.tensor(2.0))
    assert [g.item() for g in first] == [0.0, 1.0]


@np.errstate(all="ignore")
def test_logsumexp_at_extreme_values() -> None:
    x = np.array(
        [[1000, 1000], [-1000, -1001], [INF, 0], [-INF, 1], [-INF, -INF], [INF, -INF], [NAN, 0]]
    )
    got = both_ways(lambda x: cr.logsumexp(x, axis=1), x)
    np.testing.assert_allclose(got, scipy.special.logsumexp(x, axis=1), rtol=1e-15)
    probabilities = cr.grad(lambda x: cr.logsumexp(x[:4], axis=1).sum())(cr.tensor(x))
    np.testing.assert_allclose(probabilities.numpy()[0], [0.5, 0.5])
    np.testing.assert_allclose(probabilities.numpy()[3], [0, 1])


def test_derivative_of_a_product_is_exact_at_zeros() -> None:
    x = cr.tensor(np.array([[2.0, 0.0, 3.0], [0.0, 5.0, 0.0], [2.0, 3.0, 4.0]]))
    gradient = cr.grad(lambda x: cr.prod(x, axis=1).sum())(x)
    assert gradient.tolist() == [[0, 6, 0], [0, 0, 0], [12, 8, 6]]
    hessian = cr.hessian(cr.prod)(cr.tensor([0.0, 0.0, 3.0]))
    assert hessian.tolist() == [[0, 3, 0], [3, 0, 0], [0, 0, 0]]


def test_clip_lets_the_derivative_through_inside_and_at_the_bounds() -> None:
    x = cr.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    gradient = cr.grad(lambda x: cr.clip(x, -1, 1).sum())(x)
    assert gradient.tolist() == [0, 1, 1, 1, 0]
    at_bounds = cr.grad(lambda low: cr.clip(x, low, 9.0).sum())(cr.tensor(-1.0))
    assert at_bounds.item() == 1
    assert math.isnan(cr.clip(NAN, -1, 1).item())


def test_sort_puts_nan_last_and_its_derivative_follows_the_elements() -> None:
    x = np.array([3.0, NAN, -INF, 1.0, INF, 1.0])
    assert both_ways(cr.sort, x).tobytes() == np.sort(x, kind="stable").tobytes()
    weights = cr.tensor([1.0, 2.0, 3.0])
    gradient = cr.grad(lambda x: (cr.sort(x) * weights).sum())(cr.tensor([3.0, 1.0, 2.0]))
    assert gradient.tolist() == [3, 1, 2]


def test_length_and_spread_have_a_derivative_at_zero() -> None:
    zero = cr.zeros(3)
    assert cr.grad(cr.norm)(zero).tolist() == [0, 0, 0]
    assert cr.grad(cr.std)(cr.ones(3)).tolist() == [0, 0, 0]
    assert cr.grad(cr.norm)(cr.tensor([3.0, 4.0])).tolist() == pytest.approx([0.6, 0.8])


def test_ties_share_the_derivative() -> None:
    assert cr.grad(cr.max)(cr.tensor([1.0, 3.0, 3.0])).tolist() == [0, 0.5, 0.5]
    assert cr.grad(cr.maximum)(cr.tensor(2.0), cr.tensor(2.0)).item() == 0.5


def test_power_at_zero() -> None:
    def slope(n: float) -> float:
        return cr.grad(lambda x: x**n)(0.0).item()  # type: ignore[no-any-return]

    assert [slope(0), slope(1), slope(2), slope(3)] == [0, 1, 0, 0]
    assert cr.grad(cr.grad(lambda x: x**2.0))(0.0).item() == 2
    assert cr.grad(cr.grad(cr.grad(lambda x: x**3)))(0.0).item() == 6
    assert cr.grad(cr.power, argnums=1)(0.0, 2.0).item() == 0


def test_named_powers() -> None:
    def names(n: float) -> list[str]:
        return [node.op.name for node in cr.make_graph(lambda x: x**n, cr.Spec(())).nodes]

    assert (names(2), names(0.5), names(-1)) == (["square"], ["sqrt"], ["reciprocal"])
    assert "power" in names(3)
    assert (cr.arange(3) ** 2).tolist() == [0, 1, 4]


# ---------------------------------------------------------------------- einsum
EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 2)),
    ("ij,jk", (3, 4), (4, 2)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("i,i->", (4,), (4,)),
    ("i,j->ji", (4,), (3,)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ij->j", (3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij,ji->i", (3, 3, 2), (2, 3)),
    ("ij,ik,il->jkl", (5, 2), (5, 3), (5, 4)),
    ("ij,kl->ik", (2, 3), (4, 5)),
    ("ba", (3, 4)),
    ("i j , j -> i", (3, 4), (4,)),
    (",ij->ij", (), (2, 3)),
]


@pytest.mark.parametrize("case", EINSUMS, ids=lambda case: case[0])
def test_einsum(case: tuple[Any, ...]) -> None:
    subscripts, *shapes = case
    arrays = [RNG.standard_normal(shape) for shape in shapes]
    got = both_ways(lambda *xs: cr.einsum(subscripts, *xs), *arrays)
    np.testing.assert_allclose(got, np.einsum(subscripts, *arrays), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "case",
    [
        ("ij", (3,)),
        ("i,i", (3,)),
        ("i,i->i", (3,), (4,)),
        ("i->ii", (3,)),
        ("i->j", (3,)),
        ("...i", (3,)),
    ],
    ids=lambda case: case[0],
)
def test_einsum_refuses_what_does_not_fit(case: tuple[Any, ...]) -> None:
    subscripts, *shapes = case
    with pytest.raises(ShapeError, match="einsum"):
        cr.einsum(subscripts, *(cr.zeros(shape) for shape in shapes))


# ---------------------------------------------------------------------- making, splitting
def test_making() -> None:
    for name in ("zeros", "ones"):
        for shape in (3, (2, 3), ()):
            made, wanted = getattr(cr, name)(shape), getattr(np, name)(shape, np.float32)
            np.testing.assert_array_equal(made.numpy(), wanted)
            assert made.dtype == np.float32
    assert cr.full((2,), 7, "int8").spec == cr.Spec((2,), "int8")
    assert cr.arange(1, 7, 2).tolist() == [1, 3, 5]
    assert cr.arange(0.0, 1.0, 0.5).dtype == np.float32
    assert cr.arange(3, dtype="float64").dtype == np.float64
    assert cr.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert cr.eye(3, "float64").dtype == np.float64
    x = cr.zeros((2, 3), "float64")
    for like, value in ((cr.zeros_like(x), 0), (cr.ones_like(x), 1), (cr.full_like(x, 5), 5)):
        assert like.spec == x.spec
        assert set(like.numpy().ravel()) == {value}


def test_split() -> None:
    parts = cr.split(CUBE, 2, axis=-1)
    for got, wanted in zip(parts, np.split(CUBE, 2, axis=-1), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)


def test_a_key_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="key"):
        cr.random_bits(cr.zeros(2, "int64"), (3,))


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: cr.mean(cr.zeros((2, 0)), axis=1), ShapeError, "mean expects"),
    (lambda: cr.var(cr.zeros(1), correction=1), ShapeError, "correction=1"),
    (lambda: cr.norm(cr.zeros(2), order=3), OptionError, "order 1, 2 or infinity"),
    (lambda: cr.squeeze(cr.zeros((2, 1)), 0), ShapeError, "length 1"),
    (lambda: cr.split(cr.zeros(5), 2), ShapeError, "divisible"),
    (lambda: cr.tril(cr.zeros(5)), ShapeError, "matrix"),
    (lambda: cr.diag(cr.zeros((1, 1, 1))), ShapeError, "vector or a matrix"),
    (lambda: cr.dot(cr.zeros((2, 2)), cr.zeros((2, 2, 2))), ShapeError, "cr.matmul"),
    (lambda: cr.take_along_axis(cr.zeros((2, 2)), [0]), ShapeError, "ndim"),
    (lambda: cr.take(cr.zeros(3), [3]), ShapeError, "-3 <= i < 3"),
    (lambda: cr.concatenate([]), ShapeError, "at least one"),
    (lambda: cr.stack([cr.zeros(2), cr.zeros(3)]), ShapeError, "one shape"),
    (lambda: cr.concatenate([cr.zeros((2, 2)), cr.zeros((3, 3))]), ShapeError, "that axis only"),
    (lambda: cr.concatenate([cr.zeros(2)], axis=1), ShapeError, "axis"),
    (lambda: cr.reshape(cr.zeros(6), (4, -1)), ShapeError, "reshape"),
    (lambda: cr.reshape(cr.zeros(1), (-1, -1)), ShapeError, "reshape"),
    (lambda: cr.transpose(cr.zeros((2, 2)), (0, 0)), ShapeError, "transpose"),
    (lambda: cr.swapaxes(cr.zeros(2), 0, 1), ShapeError, "swapaxes"),
    (lambda: cr.moveaxis(cr.zeros(2), 1, 0), ShapeError, "moveaxis"),
    (lambda: cr.broadcast_to(cr.zeros(2), (3,)), ShapeError, "broadcast"),
    (lambda: cr.broadcast_to(cr.zeros((2, 2)), (2,)), ShapeError, "broadcast"),
    (lambda: cr.pad(cr.zeros(2), [(-1, 0)]), ShapeError, "non-negative"),
    (lambda: cr.pad(cr.zeros(2), [(1, 0), (1, 0)]), ShapeError, "1 axes"),
    (lambda: cr.sum(cr.zeros(2), axis=1), ShapeError, "-1 <= axis < 1"),
    (lambda: cr.sum(cr.zeros((2, 2)), axis=(0, -2)), ShapeError, "every axis once"),
    (lambda: cr.matmul(cr.zeros((2, 3)), cr.zeros((2, 3))), ShapeError, "a @ b"),
    (lambda: cr.matmul(cr.zeros((2, 1, 2)), cr.zeros((3, 2, 1))), ShapeError, "matmul"),
    (lambda: cr.matmul(cr.zeros(()), cr.zeros(2)), ShapeError, "a @ b"),
    (lambda: cr.cholesky(cr.zeros((2, 3))), ShapeError, "square"),
    (lambda: cr.triangular_solve(cr.eye(2), cr.zeros(2)), ShapeError, "triangular_solve"),
    (lambda: cr.gather(cr.zeros(3), [[0.5]]), DtypeError, "integers"),
    (lambda: cr.gather(cr.zeros(3), [[0, 0]]), ShapeError, "gather"),
    (lambda: cr.gather(cr.zeros((2, 3)), cr.zeros((1, 1, 1), "int64"), 1), ShapeError, "gather"),
    (lambda: cr.scatter_add(cr.zeros(2), [[0], [5]], (3,)), ShapeError, "-3 <= i < 3"),
    (lambda: cr.scatter_add(cr.zeros(1), [[0], [1]], (3,)), ShapeError, "gather"),
    (lambda: cr.scatter(cr.zeros(3), [[3]], [1.0]), ShapeError, "-3 <= i < 3"),
    (lambda: cr.scatter(cr.zeros(3), [[0]], [1.0, 2.0]), ShapeError, "gather"),
    (lambda: cr.scatter(cr.zeros((2, 3)), [[0]], [1.0, 2.0], 1), ShapeError, "gather"),
    (lambda: cr.scatter(cr.zeros(3), [[0.0]], [1.0]), DtypeError, "integers"),
    (lambda: cr.where(cr.zeros(2), 1.0, 2.0), DtypeError, "boolean condition"),
    (lambda: cr.add(cr.zeros(2), cr.zeros(3)), ShapeError, r"\(2,\) and \(3,\)"),
    (lambda: cr.bitwise_and(1.5, 1), DtypeError, "bitwise_and does not take f32"),
    (lambda: cr.power(cr.arange(3), -1), OptionError, "power cannot compute"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_refusals_teach(case: tuple[Callable[[], Any], type[Exception], str]) -> None:
    function, error, words = case
    with pytest.raises(error, match=words):
        function()


def test_a_matrix_outside_of_the_domain_gives_nan_and_spoils_no_other() -> None:
    good, bad = np.eye(2), -np.eye(2)
    factors = cr.cholesky(np.stack([good, bad])).numpy()
    np.testing.assert_array_equal(factors[0], good)
    assert np.isnan(factors[1]).all()
    solved = cr.triangular_solve(np.stack([good, np.zeros((2, 2))]), np.ones((2, 2, 1))).numpy()
    np.testing.assert_array_equal(solved[0], np.ones((2, 1)))
    assert np.isnan(solved[1]).all()

"""Every row of the op table, driven by the table itself, so that none escapes.

A :class:`Problem` is a row with inputs and attributes; rows with sub-graphs bring their own. Each
is tested for its value, its shape rule, its derivatives to order 2 in both modes, and its ``vmap``.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.vectorize import RULES as VECTORIZE_RULES
from chainrule.autodiff.vectorize import STRUCTURED as VECTORIZE_STRUCTURED
from chainrule.errors import GradientError, ShapeError
from chainrule.graph.apply import apply
from chainrule.graph.node import Graph
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.simplify import RULES as SIMPLIFY_RULES
from chainrule.graph.table import TABLE, Op
from chainrule.graph.tensor import node_of, placeholder
from chainrule.graph.trace import replay

Arrays = tuple[np.ndarray, ...]
Same = Callable[[np.ndarray, np.ndarray], bool]
DTYPES = {
    "f": ("float32", "float64"),
    "i": ("int64", "int32", "int8", "uint8"),
    "b": ("bool",),
}
ROWS = [op for op in TABLE.values() if op.family != "structure"]
STRUCTURED = {op.name for op in TABLE.values() if op.family == "structure"}


class Problem(NamedTuple):
    """A row, what it is applied to, and the NumPy function that says what comes out."""

    label: str
    function: Callable[..., Any]
    arrays: Arrays
    reference: Callable[..., Any]
    tolerance: float = 1e-6

    @property
    def floats(self) -> list[int]:
        return [i for i, array in enumerate(self.arrays) if array.dtype == np.float64]


# ---------------------------------------------------------------------- what NumPy says
def _loop_gather(x: np.ndarray, indices: np.ndarray, batch: int) -> np.ndarray:
    if batch:
        pairs = zip(x, indices, strict=True)
        return np.stack([_loop_gather(a, i, batch - 1) for a, i in pairs])
    k = indices.shape[-1]
    out = np.empty((*indices.shape[:-1], *x.shape[k:]), x.dtype)
    for place in np.ndindex(indices.shape[:-1]):
        out[place] = x[tuple(indices[place])]
    return out


def _loop_scatter(u: np.ndarray, indices: np.ndarray, shape: Any, batch: int) -> np.ndarray:
    if batch:
        pairs = zip(u, indices, strict=True)
        return np.stack([_loop_scatter(a, i, shape[1:], batch - 1) for a, i in pairs])
    out = np.zeros(shape, u.dtype)
    for place in np.ndindex(indices.shape[:-1]):
        out[tuple(indices[place])] += u[place]
    return out


def _loop_put(x: np.ndarray, indices: np.ndarray, values: np.ndarray, batch: int) -> np.ndarray:
    if batch:
        triples = zip(x, indices, values, strict=True)
        return np.stack([_loop_put(a, i, v, batch - 1) for a, i, v in triples])
    out = x.copy()
    for place in np.ndindex(indices.shape[:-1]):
        out[tuple(indices[place])] = values[place]
    return out


def _loop_pad(x: np.ndarray, low: Any, high: Any, interior: Any) -> np.ndarray:
    shape = [
        a + n + b + c * max(n - 1, 0)
        for n, a, b, c in zip(x.shape, low, high, interior, strict=True)
    ]
    out = np.zeros(shape, x.dtype)
    for place in np.ndindex(x.shape):
        out[tuple(a + i * (c + 1) for i, a, c in zip(place, low, interior, strict=True))] = x[place]
    return out


def _solve(lower: np.ndarray, b: np.ndarray, transposed: bool) -> np.ndarray:
    matrix = np.tril(lower)
    return np.linalg.solve(np.swapaxes(matrix, -1, -2) if transposed else matrix, b)


def _cumsum(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    y = np.flip(x, axis) if reverse else x
    y = np.cumsum(y, axis, dtype=x.dtype)
    return np.flip(y, axis) if reverse else y


def _philox(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Philox 4×32-10 in Python integers (NumPy's own is the 4×64 one)."""
    out = np.empty((*key.shape[:-1], math.prod(shape)), np.uint32)
    for place in np.ndindex(key.shape[:-1]):
        for i in range(math.prod(shape)):
            out[(*place, i)] = _philox_block(i // 4, *map(int, key[place]))[i % 4]
    return out.reshape(*key.shape[:-1], *shape)


def _philox_block(counter: int, k0: int, k1: int) -> list[int]:
    c0, c1, c2, c3 = counter, 0, 0, 0
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b % 2**32, (a >> 32) ^ c3 ^ k1, a % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]


REFERENCES: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in TABLE if isinstance(getattr(np, name, None), np.ufunc)},
    "abs": np.absolute,
    "bitwise_not": np.invert,
    "round": np.rint,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": lambda x: np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype),
    "where": np.where,
    "cast": lambda x, dtype: x.astype(dtype),
    "stop_gradient": lambda x: x,
    "reshape": np.reshape,
    "transpose": np.transpose,
    "broadcast_to": np.broadcast_to,
    "slice": lambda x, start, stop, step: x[tuple(map(slice, start, stop, step))],
    "pad": _loop_pad,
    "flip": lambda x, axes: np.flip(x, axes),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "gather": _loop_gather,
    "scatter": _loop_put,
    "scatter_add": _loop_scatter,
    "sum": lambda x, axes: np.sum(x, axes, dtype=x.dtype),
    "max": lambda x, axes: np.max(x, axes),
    "min": lambda x, axes: np.min(x, axes),
    "argmax": np.argmax,
    "argmin": np.argmin,
    "argsort": lambda x, axis: np.argsort(x, axis, kind="stable"),
    "cumsum": _cumsum,
    "matmul": lambda a, b: np.einsum("...ij,...jk->...ik", a, b),
    "cholesky": np.linalg.cholesky,
    "triangular_solve": _solve,
    "random_bits": _philox,
}
#: Rows whose value differs from the reference's by rounding.
ROUNDED = {"sigmoid", "erf", "sum", "cumsum", "matmul", "cholesky", "triangular_solve"}


# ---------------------------------------------------------------------- problems
def _drawn(kind: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    name, _, count = kind.partition(":")
    if name == "index":
        return rng.integers(-int(count), int(count), shape)
    if name == "key":
        return rng.integers(0, 2**32, shape, np.uint32)
    if name == "distinct":  # no ties, so that the largest element has a derivative
        return (rng.permutation(math.prod(shape)).reshape(shape) * 0.25 - 2).astype(dtype)
    if name == "spd":
        a = rng.standard_normal(shape)
        return (a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])).astype(dtype)
    if name == "lower":
        return (rng.standard_normal(shape) + 3 * np.eye(shape[-1])).astype(dtype)
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2 if dtype == "bool" else 6, shape).astype(dtype)


def _elementwise_inputs(op: Op, dtype: str, rng: np.random.Generator) -> Arrays:
    kind, shape = np.dtype(dtype).kind, (3, 4)
    arrays = []
    for low, high in op.check.domain:
        if kind == "f":
            arrays.append(rng.uniform(low, high, shape).astype(dtype))
        elif kind == "b":
            arrays.append(rng.integers(0, 2, shape).astype(bool))
        else:
            signed = kind == "i" and op.name not in ("power", "floor_divide", "remainder")
            arrays.append(rng.integers(-5 if signed else 1, 6, shape).astype(dtype))
    if op.name == "where":
        arrays[0] = rng.integers(0, 2, shape).astype(bool)
    return tuple(arrays)


def _bound(op: Op, attributes: dict[str, Any]) -> Callable[..., Any]:
    return lambda *tensors: apply(op, *tensors, **attributes)


def _problem(op: Op, label: str, arrays: Arrays, attributes: dict[str, Any]) -> Problem:
    def reference(*values: Any) -> Any:
        return REFERENCES[op.name](*values, **attributes)

    return Problem(label, _bound(op, attributes), arrays, reference, op.check.tolerance)


def problems_of(op: Op, dtype: str) -> list[Problem]:
    rng = np.random.default_rng(sum(map(ord, op.name + dtype)))
    if op.family == "elementwise":
        targets = (
            [np.dtype(t) for t in ("float32", "float64", "int64")] if op.name == "cast" else []
        )
        choices: list[dict[str, Any]] = [{"dtype": t} for t in targets] or [{}]
        return [
            _problem(op, f"{op.name}-{dtype}-{i}", _elementwise_inputs(op, dtype, rng), choice)
            for i, choice in enumerate(choices)
        ]
    found = []
    for i, example in enumerate(op.check.examples):
        kinds = (*example.kinds, *[""] * len(example.specs))
        arrays = tuple(
            _drawn(kind, spec.shape, dtype if spec.is_float else str(spec.dtype), rng)
            for spec, kind in zip(example.specs, kinds, strict=False)
        )
        found.append(_problem(op, f"{op.name}-{dtype}-{i}", arrays, example.attributes))
    return found


def _call(x: Any, y: Any) -> Any:
    both = cr.call("mix", "mix()", lambda a, b: {"p": cr.tanh(a) * b, "s": a + b}, x, y)
    return both["p"] * both["s"]


def _scan(w: Any, s: Any, xs: Any) -> Any:
    last, outputs = cr.scan(lambda s, x: (cr.tanh(s @ w + x), s * x), s, xs, reverse=True)
    return last + outputs.sum(0)


def _loop(w: np.ndarray, s: np.ndarray, xs: np.ndarray) -> np.ndarray:
    outputs = []
    for x in reversed(xs):
        outputs.append(s * x)
        s = np.tanh(s @ w + x)
    return s + sum(outputs)


def _while(x: Any) -> Any:
    def go_on(state: Any) -> Any:
        return (state["i"] < 3) & (state["x"] < 50.0).all()

    def step(state: Any) -> Any:
        return {"i": state["i"] + 1, "x": state["x"] * state["x"] + 1.0}

    return cr.while_loop(go_on, step, {"i": 0, "x": x})["x"]


def _while_in_python(x: np.ndarray) -> np.ndarray:
    i = 0
    while i < 3 and (x < 50).all():
        i, x = i + 1, x * x + 1
    return x


TWO = np.array([2.0, 3.0])
DRAW = np.random.default_rng(7).standard_normal
STRUCTURE_PROBLEMS = {
    "input": Problem("input", lambda x: x, (DRAW(2),), lambda x: x),
    "constant": Problem("constant", lambda x: x * cr.tensor(TWO), (DRAW(2),), lambda x: x * TWO),
    "call": Problem(
        "call", _call, (DRAW((2, 3)), DRAW((2, 3))), lambda x, y: np.tanh(x) * y * (x + y)
    ),
    "pick": Problem("pick", _call, (DRAW(()), DRAW(())), lambda x, y: np.tanh(x) * y * (x + y)),
    "scan": Problem("scan", _scan, (DRAW((2, 2)), DRAW(2), DRAW((4, 2))), _loop),
    "while": Problem("while", _while, (DRAW(2),), _while_in_python, 1e-5),
}

VALUE_PROBLEMS = [
    (op, problem)
    for op in ROWS
    for kind in op.check.kinds
    for dtype in (DTYPES[kind] if op.family != "random" else ["uint32"])
    for problem in problems_of(op, dtype)
]
SMOOTH_PROBLEMS = [
    *(p for op in ROWS if "f" in op.check.kinds for p in problems_of(op, "float64") if p.floats),
    *STRUCTURE_PROBLEMS.values(),
]
every_value = pytest.mark.parametrize(
    ("op", "problem"), VALUE_PROBLEMS, ids=[problem.label for _, problem in VALUE_PROBLEMS]
)
every_smooth = pytest.mark.parametrize(
    "problem", SMOOTH_PROBLEMS, ids=[problem.label for problem in SMOOTH_PROBLEMS]
)


def test_no_row_escapes() -> None:
    assert set(REFERENCES) == set(TABLE) - STRUCTURED
    assert set(STRUCTURE_PROBLEMS) == STRUCTURED
    assert {op.name for op, _ in VALUE_PROBLEMS} == set(REFERENCES)
    differentiable = {op.name for op in ROWS if op.derivative is not None}
    assert differentiable <= {problem.label.split("-")[0] for problem in SMOOTH_PROBLEMS}


def test_every_reader_speaks_of_rows_only() -> None:
    elementwise = {op.name for op in ROWS if op.family == "elementwise"}
    vectorized = {*VECTORIZE_RULES, *VECTORIZE_STRUCTURED, *elementwise}
    # Inputs are given, constants do not vary, and a pick takes over from its node.
    assert set(TABLE) == vectorized | {"input", "constant", "pick"}
    assert set(SIMPLIFY_RULES) <= set(TABLE)


# ---------------------------------------------------------------------- value and shape
def graph_of(op: Op, problem: Problem) -> Graph:
    inputs = [placeholder(cr.Spec(a.shape, a.dtype)) for a in problem.arrays]
    return Graph(list(map(node_of, inputs)), [node_of(problem.function(*inputs))])


@every_value
def test_value_through_the_graph(op: Op, problem: Problem, same: Same) -> None:
    graph = cr.verify(graph_of(op, problem))
    assert [node.op for node in graph.nodes] == [op]
    (got,) = replay(graph, [cr.tensor(a) for a in problem.arrays])
    (plain,) = evaluate(graph, problem.arrays)
    wanted = np.asarray(problem.reference(*problem.arrays))
    assert same(got.numpy(), plain)
    assert (got.shape, got.dtype) == (graph.outputs[0].spec.shape, graph.outputs[0].spec.dtype)
    assert got.shape == wanted.shape
    if op.name in ROUNDED and wanted.dtype.kind == "f":
        rounding = 20 * np.finfo(got.dtype).eps
        np.testing.assert_allclose(got.numpy(), wanted, rtol=rounding, atol=rounding)
    else:
        assert same(got.numpy(), wanted)


@pytest.mark.parametrize("name", STRUCTURE_PROBLEMS)
def test_value_of_rows_with_subgraphs(name: str) -> None:
    _, function, arrays, reference, _ = STRUCTURE_PROBLEMS[name]
    graph = cr.verify(cr.make_graph(function, *(cr.asarray(a) for a in arrays)))
    wanted = reference(*arrays)
    for made in (graph, cr.verify(cr.simplify(graph)), cr.verify(cr.inline_calls(graph))):
        (got,) = evaluate(made, arrays)
        np.testing.assert_allclose(got, wanted, rtol=1e-14)
    np.testing.assert_allclose(function(*map(cr.tensor, arrays)).numpy(), wanted, rtol=1e-14)
    used = {node.op.name for node in (*graph.inputs, *graph.nodes)}
    assert name in used


# ---------------------------------------------------------------------- special values
FLOATING_OTHERS = [
    (op, problem)
    for op in ROWS
    if op.family != "elementwise" and "f" in op.check.kinds
    for problem in problems_of(op, "float64")
    if problem.floats
]


@pytest.mark.parametrize(
    ("op", "problem"), FLOATING_OTHERS, ids=[p.label for _, p in FLOATING_OTHERS]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324])
@np.errstate(all="ignore")
def test_special_elements_in_rows_that_are_not_elementwise(
    op: Op, problem: Problem, value: float, same: Same
) -> None:
    arrays = [a.copy() for a in problem.arrays]
    for i in problem.floats:
        arrays[i].ravel()[::3] = value
    tensors = list(map(cr.tensor, arrays))
    got = problem.function(*tensors)
    if op.family != "product":  # LAPACK says what it likes about a matrix with a NaN
        wanted = problem.reference(*arrays)
        if op.name in ROUNDED:
            np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-14)
        else:
            assert same(got.numpy(), wanted)
    moving = [tensors[i] for i in problem.floats]
    _, tangent = cr.jvp(_of_floats(problem), moving, [cr.ones_like(x) for x in moving])
    assert tangent.shape == got.shape


def test_an_empty_axis_has_no_largest_element() -> None:
    for name in ("max", "min", "argmax", "argmin"):
        with pytest.raises(ShapeError, match="non-empty"):
            getattr(cr, name)(cr.zeros((2, 0)), axis=1)
        assert getattr(cr, name)(cr.zeros((0, 2)), axis=1).shape == (0,)
    assert cr.sum(cr.zeros((2, 0)), axis=1).tolist() == [0, 0]


# ---------------------------------------------------------------------- derivatives
def _of_floats(problem: Problem) -> Callable[..., Any]:
    """The problem as a function of its floats; a matrix that must be symmetric is made so."""

    def function(*floats: Any) -> Any:
        full: list[Any] = [cr.tensor(a) for a in problem.arrays]
        for i, x in zip(problem.floats, floats, strict=True):
            full[i] = (x + x.mT) * 0.5 if problem.label.startswith("cholesky") else x
        return problem.function(*full)

    return function


def _points(problem: Problem, seed: int) -> list[cr.Tensor]:
    """A random direction in the space of the floating inputs."""
    rng = np.random.default_rng(seed)
    return [cr.tensor(rng.standard_normal(problem.arrays[i].shape)) for i in problem.floats]


def _arguments(problem: Problem) -> list[cr.Tensor]:
    return [cr.tensor(problem.arrays[i]) for i in problem.floats]


def _measured(function: Callable[..., Any], at: list[Any], along: list[Any]) -> np.ndarray:
    """The derivative along a direction from central differences, extrapolated to order h⁴."""

    def slope(h: float) -> Any:
        ahead = function(*(x + v * h for x, v in zip(at, along, strict=True)))
        behind = function(*(x - v * h for x, v in zip(at, along, strict=True)))
        return (ahead - behind) / (2 * h)

    h = 1e-4
    return ((4 * slope(h / 2) - slope(h)) / 3).numpy()  # type: ignore[no-any-return]


def _pushed(function: Callable[..., Any], direction: list[Any]) -> Callable[..., Any]:
    return lambda *at: cr.jvp(function, at, direction)[1]


@every_smooth
def test_derivative_against_finite_differences_to_order_2(problem: Problem, same: Same) -> None:
    function, at = _of_floats(problem), _arguments(problem)
    if problem.label.startswith("stop_gradient") or not function(*at).spec.is_float:
        assert not cr.jvp(function, at, _points(problem, 1))[1].numpy().any()
        return
    if function(*at).dtype == np.float32:  # a cast: too coarse for finite differences
        (tangent,) = _points(problem, 1)
        assert same(cr.jvp(function, at, [tangent])[1].numpy(), tangent.numpy().astype("float32"))
        return
    for order in (1, 2):
        direction = _points(problem, order)
        derivative = _pushed(function, direction)
        got, wanted = derivative(*at).numpy(), _measured(function, at, direction)
        size = max(1.0, float(np.abs(wanted).max(initial=0)))
        assert np.abs(got - wanted).max(initial=0) <= problem.tolerance * size
        function = derivative


@every_smooth
def test_reverse_is_the_transpose_of_forward_to_order_2(problem: Problem) -> None:
    function, at = _of_floats(problem), _arguments(problem)
    if not function(*at).spec.is_float:
        return
    if problem.label == "while":
        with pytest.raises(GradientError, match="reverse-mode"):
            cr.vjp(function, *at)
        return
    for order in (1, 2):
        direction = _points(problem, order)
        y, tangent = cr.jvp(function, at, direction)
        weights = cr.tensor(np.random.default_rng(order).standard_normal(y.shape), y.dtype)
        pulled = cr.vjp(function, *at)[1](weights)
        left = float((tangent * weights).sum())
        right = math.fsum(float((a * b).sum()) for a, b in zip(direction, pulled, strict=True))
        rounding = 1e4 * float(np.finfo(y.dtype).eps)
        assert left == pytest.approx(right, rel=rounding, abs=rounding)
        function = _gradient_along(function, weights, direction)


def _gradient_along(function: Callable[..., Any], weights: Any, along: list[Any]) -> Any:
    """``x ↦ Jᵀ(x) weights · along``: its derivative is of second order."""

    def derivative(*at: Any) -> Any:
        pulled = cr.vjp(function, *at)[1](weights)
        return sum((g * v).sum() for g, v in zip(pulled, along, strict=True))

    return derivative


# ---------------------------------------------------------------------- vmap
VMAP_PROBLEMS = [*(p for op, p in VALUE_PROBLEMS if "64" in p.label or "uint32" in p.label)]
VMAP_PROBLEMS += STRUCTURE_PROBLEMS.values()


@pytest.mark.parametrize("problem", VMAP_PROBLEMS, ids=[p.label for p in VMAP_PROBLEMS])
def test_vmap_against_a_loop(problem: Problem) -> None:
    """For each combination of batched inputs."""
    count, size = len(problem.arrays), 3
    stacked = [np.stack([np.roll(a, i) for i in range(size)], axis=-1) for a in problem.arrays]
    if problem.label.startswith(("cholesky", "triangular_solve")):  # rolled, they lose their form
        stacked = [np.stack([a * (1 + i) for i in range(size)], axis=-1) for a in problem.arrays]
    for batched in itertools.product([True, False], repeat=count):
        if not any(batched):
            continue
        inputs = [s if b else a for a, s, b in zip(problem.arrays, stacked, batched, strict=True)]
        axes = [-1 if b else None for b in batched]
        got = cr.vmap(problem.function, in_axes=axes)(*map(cr.tensor, inputs))
        rows = [
            problem.function(
                *(cr.tensor(x[..., i] if b else x) for x, b in zip(inputs, batched, strict=True))
            )
            for i in range(size)
        ]
        wanted = np.stack([row.numpy() for row in rows])
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12, atol=1e-12)

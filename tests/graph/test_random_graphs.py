"""Random programs: passes keep every bit, and derivatives agree with finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.trace import replay

Program = list[tuple[str, tuple[int, ...]]]
Same = Callable[[np.ndarray, np.ndarray], bool]

SHAPES = [(2, 3), (3,), (2, 1), ()]
INPUTS = [np.random.default_rng(i).uniform(-1, 1, shape) for i, shape in enumerate(SHAPES)]

#: Smooth and bounded, so that a program of any length stays finite.
UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": cr.tanh,
    "sin": cr.sin,
    "sigmoid": cr.sigmoid,
    "negative": lambda x: -x,
    "twice": lambda x: cr.negative(-x),
    "scaled": lambda x: x * 0.5,
    "times one": lambda x: 1 * x,
    "plus zero": lambda x: x + 0.0,
    "less zero": lambda x: x - 0.0,
    "expm1 and back": lambda x: cr.log1p(cr.expm1(cr.tanh(x))),
    "transposed": lambda x: x.T,
    "turned": lambda x: x.T.T,
    "ravelled": lambda x: cr.reshape(cr.ravel(x), x.shape),
    "flipped": lambda x: cr.flip(x),
    "rolled": lambda x: cr.roll(x, 1),
    "first": lambda x: x[:1] if x.ndim else x,
    "every second": lambda x: x[..., ::-2] if x.ndim else x,
    "summed": lambda x: x.sum(-1) * 0.3 if x.ndim else x,
    "mean": lambda x: x.mean(),
    "cumulated": lambda x: cr.cumsum(x, -1) * 0.3 if x.ndim else x,
    "called": cr.named(lambda x: cr.tanh(x) * 1.0 + x * 0.1),
    "scanned": lambda x: cr.scan(
        lambda s, y: (cr.sin(s + y), s * y), 0.5 + x * 0, length=None, rows=cr.stack([x, -x])
    )[0],
    "stopped": lambda x: x + cr.stop_gradient(cr.floor(x * 3)) * 0.1,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: (x + y) * 0.5,
    "multiply": lambda x, y: cr.tanh(x * y),
    "subtract": lambda x, y: (x - y) * 0.5,
    "where": lambda x, y: cr.where(cr.stop_gradient(x) > 0.123456, x, y),
    "logaddexp": lambda x, y: cr.logaddexp(x, y) * 0.5,
}


def broadcasts(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(x, y)
    except ValueError:
        return False
    return True


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Operations on values that exist by then, whose shapes broadcast."""
    program: Program = []
    shapes = list(SHAPES)
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.integers(0, len(shapes) - 1))
        partners = [i for i, shape in enumerate(shapes) if broadcasts(shapes[x], shape)]
        step: tuple[str, tuple[int, ...]]
        if draw(st.booleans()):
            step = draw(st.sampled_from(sorted(UNARY))), (x,)
        else:
            step = draw(st.sampled_from(sorted(BINARY))), (x, draw(st.sampled_from(partners)))
        program.append(step)
        shapes.append(_applied(step, [cr.zeros(shape, "float64") for shape in shapes]).shape)
    return program


def _applied(step: tuple[str, tuple[int, ...]], values: list[Any]) -> Any:
    name, places = step
    return {**UNARY, **BINARY}[name](*(values[i] for i in places))


def run(program: Program, *inputs: Any) -> tuple[Any, ...]:
    """The last three values of a program."""
    values = list(inputs)
    for step in program:
        values.append(_applied(step, values))
    return tuple(values[-3:])


def scalar(program: Program) -> Callable[..., Any]:
    return lambda *inputs: sum(cr.sum(y) for y in run(program, *inputs))


@given(programs())
def test_passes_keep_every_bit(program: Program) -> None:
    graph = cr.verify(cr.make_graph(lambda *xs: run(program, *xs), *map(cr.asarray, INPUTS)))
    captured = [n.attributes["value"].array for n in graph.inputs[len(INPUTS) :]]
    arrays = [*INPUTS, *captured]
    wanted = evaluate(graph, arrays)
    for changed in (
        cr.simplify(graph),
        cr.inline_calls(graph),
        cr.simplify(cr.inline_calls(graph)),
    ):
        cr.verify(changed)
        for got, value in zip(evaluate(changed, arrays), wanted, strict=True):
            assert np.asarray(got).tobytes() == np.asarray(value).tobytes()
    again = replay(graph, [cr.asarray(a) for a in arrays])
    at_once = run(program, *map(cr.tensor, INPUTS))
    for got, other, value in zip(again, at_once, wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), value)
        np.testing.assert_array_equal(other.numpy(), value)


@given(programs(), st.integers(0, 2**32 - 1))
def test_derivatives_keep_their_meaning(program: Program, seed: int) -> None:
    function, at = scalar(program), [cr.tensor(x) for x in INPUTS]
    rng = np.random.default_rng(seed)
    along = [cr.tensor(rng.standard_normal(x.shape)) for x in INPUTS]

    def moved(h: float) -> float:
        return float(function(*(x + v * h for x, v in zip(at, along, strict=True))))

    h = 1e-5
    measured = (moved(h) - moved(-h)) / (2 * h)
    value, pushed = cr.jvp(function, at, along)
    assert abs(value.item() - moved(0.0)) < 1e-14 * max(1, abs(value.item()))
    gradient = cr.grad(function, argnums=tuple(range(len(at))))(*at)
    pulled = sum(float((g * v).sum()) for g, v in zip(gradient, along, strict=True))
    assert abs(pushed.item() - pulled) <= 1e-12 * max(1, abs(pulled))
    assert abs(pushed.item() - measured) <= 1e-6 * max(1, abs(measured))


@given(programs())
def test_vmap_does_what_a_loop_does(program: Program) -> None:
    stacked = [np.stack([x, -x, x * 0.5]) for x in INPUTS]
    together = cr.vmap(lambda *xs: run(program, *xs))(*map(cr.tensor, stacked))
    for i in range(3):
        alone = run(program, *(cr.tensor(x[i]) for x in stacked))
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many.numpy()[i], one.numpy(), rtol=1e-13, atol=1e-14)

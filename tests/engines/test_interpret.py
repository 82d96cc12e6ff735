"""The interpreter against the plain evaluation of the op table's NumPy values."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import Program
from chainrule.graph.ops.structure import evaluate

BIG = 1024  # large enough for memory to be reused


def program_of(function, *specs):
    graph = cr.make_graph(function, *specs)
    return graph, Program(graph)


def assert_same_bits(graph, program, arrays):
    kept = [array.copy() for array in arrays]
    expected = evaluate(graph, arrays)
    got = program(arrays)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)  # inputs are not overwritten


def chain(x):
    """A chain in which almost every array dies at once."""
    y = cr.exp(x * 0.1) + 1.0
    return cr.sqrt(y * y) - cr.tanh(y)


def used_later(x):
    """``y`` is read again after the elementwise ops that could overwrite it."""
    y = x + 1.0
    z = cr.tanh(y * 2.0)
    return z + y, y


def viewed(x):
    """A view of ``y`` lives on after the last direct reader of ``y``."""
    y = x * 3.0
    view = y.reshape(2, -1)
    z = y + 1.0
    return z.sum() + (view * view).sum(), view


def squared_in_place(x):
    y = x + 1.0
    return y * y


def constant_output(x):
    return cr.ones(3), x


def broadcast_is_asked_for(x):
    row = cr.broadcast_to(x[:1], (BIG,))
    return row, row + x


def only_broadcasts(x):
    """Nothing but stretched inputs: the result must still have the full shape."""
    return cr.broadcast_to(x[:1], (BIG,)) + cr.broadcast_to(x[1:2], (BIG,))


@pytest.mark.parametrize(
    "function",
    [
        chain,
        used_later,
        viewed,
        squared_in_place,
        constant_output,
        broadcast_is_asked_for,
        only_broadcasts,
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_every_bit(function, dtype):
    graph, program = program_of(function, cr.Spec((BIG,), dtype))
    x = np.random.default_rng(0).standard_normal(BIG).astype(dtype)
    assert_same_bits(graph, program, [x])
    assert_same_bits(graph, program, [x + 1])  # nothing is left over from the first run


def test_reuses_memory_and_says_so():
    _, program = program_of(chain, cr.Spec((BIG,)))
    assert sum(step.reused >= 0 for step in program.instructions) >= 4
    assert "into s" in str(program)


def test_does_not_reuse_small_arrays():
    _, program = program_of(chain, cr.Spec((4,)))
    assert all(step.reused == -1 for step in program.instructions)


def test_skips_broadcasts_that_numpy_does_by_itself():
    def function(x, b):
        z = x + b
        return cr.where(z <= 0, 0.0, z)

    _, program = program_of(function, cr.Spec((8, 4)), cr.Spec((4,)))
    assert [step.node.op.name for step in program.instructions] == ["add", "less_equal", "where"]


def test_inlines_calls_and_runs_scans():
    @cr.named
    def shifted(x):
        return x + 1.0

    def function(x):
        return cr.scan(lambda s, row: (shifted(s) * row, s.sum()), cr.zeros(3), x)

    graph, program = program_of(function, cr.Spec((5, 3)))
    assert "call" not in {step.node.op.name for step in program.instructions}
    assert_same_bits(graph, program, [np.random.default_rng(0).random((5, 3)).astype("f")])


def test_while_loops():
    graph, program = program_of(
        lambda x: cr.while_loop(lambda s: s.sum() < 100, lambda s: s * x, x), cr.Spec((3,))
    )
    assert_same_bits(graph, program, [np.array([1.5, 2.0, 3.0], np.float32)])


def test_raises_no_warning_outside_of_domains():
    _, program = program_of(lambda x: cr.log(x) / x, cr.Spec((2,)))
    (result,) = program([np.array([-1.0, 0.0], np.float32)])
    assert np.isnan(result[0])


def test_random_graph_steps_agree_with_evaluation_after_differentiation():
    def cost(w, x):
        return (cr.tanh(x @ w) ** 2).mean()

    def step(w, x):
        value, gradient = cr.value_and_grad(cost)(w, x)
        return w - 0.1 * gradient, value

    graph, program = program_of(step, cr.Spec((40, 30)), cr.Spec((25, 40)))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s.shape).astype("f") for s in graph.input_specs]
    assert_same_bits(graph, program, arrays)

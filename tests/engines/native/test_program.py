"""Whole graphs as machine code, against the interpreter: the oracle."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engines import Program, choose
from chainrule.engines.native.program import NativeProgram
from chainrule.graph.apply import apply
from chainrule.train.step import Cost, training_step

TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}


def drawn(spec, kind="", interval=None, seed=0):
    """An array for a spec, as the op table's examples ask for it."""
    rng = np.random.default_rng(seed)
    if kind == "spd":
        a = rng.standard_normal(spec.shape)
        return (a @ np.swapaxes(a, -1, -2) + 3 * np.eye(spec.shape[-1])).astype(spec.dtype)
    if kind == "lower":
        return (np.tril(rng.standard_normal(spec.shape)) + 3 * np.eye(spec.shape[-1])).astype(
            spec.dtype
        )
    if kind.startswith("index"):
        return rng.integers(0, int(kind.split(":")[1]), spec.shape).astype(spec.dtype)
    if spec.dtype.kind == "f":
        return rng.uniform(*(interval or (-2, 2)), spec.shape).astype(spec.dtype)
    if spec.dtype.kind == "b":
        return rng.integers(0, 2, spec.shape).astype(bool)
    return rng.integers(1, 100, spec.shape).astype(spec.dtype)


def assert_agree(graph, arrays):
    kept = [array.copy() for array in arrays]
    program, expected = NativeProgram(graph), Program(graph)(arrays)
    for _ in range(2):  # the second run finds what the first has left in the arena
        got = program(arrays)
        for a, b in zip(got, expected, strict=True):
            b = np.asarray(b)
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            scale = TOLERANCE.get(b.dtype, 0) * max(1.0, np.abs(b.astype(float)).max(initial=0))
            np.testing.assert_allclose(a, b, rtol=0, atol=scale)
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)
    return program


def check(function, *specs):
    graph = cr.make_graph(function, *specs)
    arrays = [drawn(spec, seed=i) for i, spec in enumerate(graph.input_specs)]
    return assert_agree(graph, arrays)


# ------------------------------------------------------------------ the op table
def table_cases():
    for op in cr.TABLE.values():
        if op.family == "structure":
            continue
        if op.family != "elementwise":
            for i, example in enumerate(op.check.examples):
                kinds = [*example.kinds, *[""] * (len(example.specs) - len(example.kinds))]
                inputs = [
                    drawn(s, k, seed=j)
                    for j, (s, k) in enumerate(zip(example.specs, kinds, strict=True))
                ]
                yield pytest.param(op, inputs, example.attributes, id=f"{op.name}-{i}")
            continue
        for dtype in ("float32", "float64", "int64", "bool"):
            if np.dtype(dtype).kind in op.check.kinds:
                specs = [cr.Spec((7, 13), dtype)] * len(op.check.domain)
                if op.name == "where":
                    specs[0] = cr.Spec((7, 13), "bool")
                inputs = [
                    drawn(s, interval=d, seed=j)
                    for j, (s, d) in enumerate(zip(specs, op.check.domain, strict=True))
                ]
                attributes = {"dtype": np.dtype("float32")} if op.name == "cast" else {}
                yield pytest.param(op, inputs, attributes, id=f"{op.name}-{dtype}")


@pytest.mark.parametrize(("op", "inputs", "attributes"), list(table_cases()))
def test_every_row_of_the_table(op, inputs, attributes):
    specs = [cr.Spec(x.shape, x.dtype) for x in inputs]
    graph = cr.make_graph(lambda *xs: apply(op, *xs, **attributes), *specs)
    assert_agree(graph, inputs)


# ------------------------------------------------------------------ fusion
def layer_norm(x, scale, shift):
    deviation = x - x.mean(-1, keepdims=True)
    variance = (deviation * deviation).mean(-1, keepdims=True)
    return deviation / cr.sqrt(variance + 1e-5) * scale + shift


NORM = cr.Spec((6, 50)), cr.Spec((50,)), cr.Spec((50,))


@pytest.mark.parametrize("columns", [1, 3, 8, 10, 32, 33, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_is_one_region(columns, dtype):
    program = check(nn.softmax, cr.Spec((5, columns), dtype))
    assert len(program.design.schedule.kernels) == 1 or columns == 1


@pytest.mark.parametrize("columns", [2, 10, 50])
def test_cross_entropy_and_its_gradient_are_one_region(columns):
    def cost(z, t):
        return nn.cross_entropy(z, t, reduction="sum")

    graph = cr.make_graph(cr.value_and_grad(cost), cr.Spec((6, columns)), cr.Spec((6,), "int64"))
    arrays = [drawn(graph.input_specs[0]), drawn(graph.input_specs[1], f"index:{columns}")]
    rows = [k for k in assert_agree(graph, arrays).design.schedule.kernels if "exp" in str(k)]
    assert len(rows) == 1 and "gather" in str(rows[0])


def test_layer_norm_is_one_region_forward_and_backward():
    assert len(check(layer_norm, *NORM).design.schedule.kernels) == 1
    gradient = cr.grad(lambda *xs: (layer_norm(*xs) ** 2).sum(), argnums=(0, 1, 2))
    over_rows = [k for k in check(gradient, *NORM).design.schedule.kernels if k.anchor is None]
    assert len(over_rows) == 1  # the others sum over the rows: gradients of scale and shift


def test_bias_and_activation_are_the_epilogue_of_the_product():
    program = check(
        lambda x, w, b: nn.relu(x @ w + b), cr.Spec((9, 20)), cr.Spec((20, 33)), cr.Spec((33,))
    )
    (region,) = program.design.schedule.kernels
    assert region.anchor.op.name == "matmul" and "where" in str(region)


def test_the_optimizer_is_the_epilogue_of_the_weight_gradient():
    model = nn.MLP(20, [33], 4, rng=0)
    optimizer = optim.adam(1e-3)

    def cost(model, x, t):
        return nn.cross_entropy(model(x), t)

    step = training_step(Cost.of(cost), optimizer)
    batch = cr.Spec((16, 20)), cr.Spec((16,), "int64")
    state = optimizer.init(nn.parameters(model))
    graph = cr.make_graph(lambda m, s, x, t: step(m, s, (x, t), None, None), model, state, *batch)
    text = str(NativeProgram(graph))
    updates = [line for line in text.splitlines() if "matmul" in line and "sqrt" in line]
    assert len(updates) == 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x.sum(0), x.sum(1), x.sum(), x.mean(), x.max(0), x.min(1), x.max()),
        lambda x: (x * 2.0).T @ x,
        lambda x: cr.broadcast_to(x[0], (9, 37)) + x,
        lambda x: (x.reshape(37, 9) + 1.0, x.reshape(-1).sum()),
        lambda x: (x, x, cr.ones(2), x + 0.0),
        lambda x: cr.sum(cr.ones_like(x) * 3.0, axis=0),
        lambda x: (x.sum() * 2.0, cr.sum(cr.ones_like(x), axis=0), cr.sum(cr.ones_like(x), axis=1)),
        lambda x: (x.sum() + 1.0, cr.ones_like(x) + cr.ones_like(x), x[0].sum() * cr.ones_like(x)),
        lambda x: x.sum(1)[:, None] * x.sum(0)[None, :],
        lambda x: (cr.tanh(x.T), cr.tanh(x.T + 1.0) @ x, (x + x.T[:9, :9].sum()).sum()),
        lambda x: cr.concatenate([x, x[::-1]], axis=1),
        lambda x: cr.take(x, cr.argmax(x, axis=0), axis=0),
        lambda x: cr.where(x > 0, cr.sqrt(cr.abs(x)), -x),
        lambda x: (x @ x.T) @ (x @ x.T) + cr.outer(x[:, 0], x[:, 1]),
    ],
)
def test_shapes_and_kinds_that_meet(function):
    check(function, cr.Spec((9, 37)))


def test_equal_layers_share_their_code():
    def cost(model, x):
        return (model(x) ** 2).mean()

    def count(layers):
        model = nn.MLP(16, [16] * layers, 16, rng=0)
        return NativeProgram(cr.make_graph(cr.grad(cost), model, cr.Spec((8, 16)))).function_count

    assert count(4) == count(9)


def test_batched_products_and_their_gradients():
    a, b = cr.Spec((3, 5, 7)), cr.Spec((3, 7, 4))
    check(cr.matmul, a, b)
    check(cr.grad(lambda a, b: (cr.tanh(a @ b) ** 2).sum(), argnums=(0, 1)), a, b)


# ------------------------------------------------------------------ loops
def test_scan_and_its_gradient():
    def cost(w, xs):
        def step(h, x):
            h = cr.tanh(h @ w + x)
            return h, h

        last, states = cr.scan(step, cr.zeros((4, 9)), xs)
        return (states * states).sum() + last.sum()

    check(cr.value_and_grad(cost, argnums=(0, 1)), cr.Spec((9, 9)), cr.Spec((6, 4, 9)))


def test_a_state_that_swaps_and_one_that_counts():
    def step(state, x):
        a, b, n = state
        return (b, a + x, n + 1), (a, n)

    start = cr.zeros(7), cr.ones(7), cr.tensor(0)
    for reverse in (False, True):
        check(lambda x, r=reverse: cr.scan(step, start, x, reverse=r), cr.Spec((5, 7)))


def test_while():
    check(
        lambda x: cr.while_loop(lambda s: s.sum() < 100, lambda s: s + s * s + 1, x), cr.Spec((5,))
    )


def test_a_training_loop_updates_its_state_in_place():
    def loop(w, xs):
        def step(state, x):
            w, m = state
            value, g = cr.value_and_grad(lambda w: (cr.tanh(x @ w) ** 2).mean())(w)
            m = 0.9 * m + g
            return (w - 1e-2 * m, m), value

        return cr.scan(step, (w, cr.zeros_like(w)), xs)

    program = check(loop, cr.Spec((8, 12)), cr.Spec((10, 16, 8)))
    (position,) = (i for i, k in enumerate(program.design.schedule.kernels) if "scan" in str(k))
    assert sorted(program.design.plan.bodies[position, "body"].in_place) == [0, 1]


# ------------------------------------------------------------------ compile
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fifty_training_steps_agree_with_the_interpreter(dtype):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((96, 20)), rng.integers(0, 5, 96)
    model = nn.MLP(20, [33, 17], 5, activation="tanh", rng=0, dtype=dtype)

    def cost(model, x, t):
        return nn.cross_entropy(model(x), t)

    runs = [
        cr.fit(model, cost, (x, t), optimizer=optim.adam(1e-2), epochs=17, batch_size=32, engine=e)
        for e in ("native", "interpret")
    ]
    losses = [history["loss"] for _, history in runs]
    np.testing.assert_allclose(*losses, rtol=1e-4 if dtype == "float32" else 1e-10)


def test_an_index_out_of_range_raises_as_the_interpreter_does():
    compiled = cr.compile(lambda x, i: cr.gather(x, i), engine="native")
    x = np.arange(5.0)
    assert compiled(x, np.array([[4], [0]])).tolist() == [4.0, 0.0]
    with pytest.raises(cr.errors.ShapeError):
        compiled(x, np.array([[5]]))


def test_says_where_llvm_is_missing(monkeypatch):
    monkeypatch.setattr(choose, "native_available", lambda: False)
    with pytest.raises(cr.errors.OptionError, match=r"pip install llvmlite"):
        cr.compile(lambda x: x, engine="native")


def test_backpropagation_through_relu_stores_no_mask():
    def cost(w, x):
        return (nn.relu(x @ w) @ w).sum()

    program = check(cr.grad(cost), cr.Spec((16, 16)), cr.Spec((12, 16)))
    stored = [node for nodes in program.design.plan.stores for node in nodes]
    assert stored and all(node.spec.is_float for node in stored)

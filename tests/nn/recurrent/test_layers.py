"""Recurrent layers: how they begin, what they put out, what they refuse, how they compile."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engines.native import native_program
from chainrule.errors import ChainruleError, DtypeError, OptionError, ShapeError
from chainrule.graph.trace import trace

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6, 3))

LAYERS = {
    "rnn": (nn.RNN, {}),
    "relu": (nn.RNN, {"activation": "relu"}),
    "lstm": (nn.LSTM, {}),
    "peepholes": (nn.LSTM, {"peepholes": True}),
    "gru": (nn.GRU, {}),
    "before": (nn.GRU, {"reset": "before"}),
}
every_layer = pytest.mark.parametrize("kind", LAYERS)


def made(kind, *sizes, dtype="float64", rng=0, **options):
    build, own = LAYERS[kind]
    return build(*(sizes or (3, 5)), dtype=dtype, rng=rng, **own, **options)


# ------------------------------------------------------------------ how they begin
@every_layer
def test_every_gate_begins_by_itself(kind):
    layer = made(kind, 3, 5, layers=2, bidirectional=True)
    assert [cell.inputs for cell in layer.cells] == [3, 3, 10, 10]
    for cell in layer.cells:
        gates = len(cell.blocks)
        assert cell.weight.shape == (cell.inputs, gates * 5)
        for i in range(gates):
            u = cell.recurrent.numpy()[:, 5 * i : 5 * (i + 1)]
            np.testing.assert_allclose(u.T @ u, np.eye(5), atol=1e-12)
            w = cell.weight.numpy()[:, 5 * i : 5 * (i + 1)]
            assert np.abs(w).max() <= np.sqrt(6 / (cell.inputs + 5))
    weights = {cell.weight.numpy().tobytes() for cell in layer.cells}
    assert len(weights) == 4


def test_biases_begin_at_zero_but_for_the_forget_gate():
    assert nn.LSTMCell(2, 2).bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert nn.LSTMCell(2, 2, forget_bias=0.5).bias.tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0]
    assert nn.GRUCell(2, 1).bias.tolist() == [0, 0, 0]
    assert nn.GRUCell(2, 1).recurrent_bias.tolist() == [0]
    assert nn.GRUCell(2, 1, reset="before").recurrent_bias is None
    assert nn.LSTMCell(2, 2, bias=False).bias is None


@every_layer
def test_one_seed_gives_one_layer_in_both_types(kind):
    single, double = made(kind, dtype="float32", rng=7), made(kind, rng=7)
    for a, b in zip(cr.tree_leaves(single), cr.tree_leaves(double), strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(a.numpy(), b.numpy().astype(np.float32))


def test_initialisers_are_options():
    cell = nn.RNNCell(2, 2, init="zeros", recurrent_init=lambda rng, shape, dtype: np.eye(*shape))
    assert cell.weight.tolist() == [[0, 0], [0, 0]] and cell.recurrent.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "text",
    [
        "RNN(3, 4)",
        'RNN(3, 4, activation="relu", bias=False)',
        "LSTM(3, 4, layers=2, bidirectional=True, dropout=0.1, peepholes=True)",
        'GRU(3, 4, truncate=5, recompute=7, reset="before")',
        "RNNCell(3, 4)",
        "LSTMCell(3, 4, bias=False)",
        'GRUCell(3, 4, reset="before")',
    ],
)
def test_they_print_like_the_code_that_made_them(text):
    assert repr(eval(text, vars(nn))) == text


# ------------------------------------------------------------------ cells and layers
@every_layer
def test_a_layer_is_its_cells_one_after_another(kind):
    layer = made(kind, layers=2)
    states = [cell.initial(4) for cell in layer.cells]
    for t in range(6):
        x = X[:, t]
        for i, cell in enumerate(layer.cells):
            gates = cell.gates(x, states[i])
            assert all(gate.shape == (4, 5) for gate in gates.values())
            states[i] = cell(x, states[i])
            x = cell.output(states[i])
    outputs, last = layer(X)
    np.testing.assert_allclose(outputs[:, -1].numpy(), x.numpy(), rtol=1e-12)
    for a, b in zip(cr.tree_leaves(last), cr.tree_leaves(tuple(states)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


@every_layer
def test_the_gates_of_a_layer_are_those_of_its_cells(kind):
    layer = made(kind)
    (seen,) = layer.gates(X)
    (cell,) = layer.cells
    state = cell.initial(4)
    for t in range(6):
        gates = cell.gates(X[:, t], state)
        assert gates.keys() == seen.keys()
        for name, gate in gates.items():
            np.testing.assert_allclose(seen[name][:, t].numpy(), gate.numpy(), rtol=1e-12)
        state = cell(X[:, t], state)


def test_the_gates_make_up_the_state():
    layer = made("lstm")
    (gates,) = layer.gates(X)
    outputs, (state,) = layer(X)
    c = np.zeros((4, 5))
    for t in range(6):
        i, f, g, o = (gates[name][:, t].numpy() for name in layer.cells[0].blocks)
        c = f * c + i * g
        np.testing.assert_allclose(outputs[:, t].numpy(), o * np.tanh(c), rtol=1e-12)
    np.testing.assert_allclose(state.c.numpy(), c, rtol=1e-12)


def test_a_walk_can_be_taken_up_where_it_ended():
    for kind in LAYERS:
        layer = made(kind, layers=2)
        whole, states = layer(X)
        first, between = layer(X[:, :2])
        second, last = layer(X[:, 2:], initial=between)
        joined = np.concatenate([first.numpy(), second.numpy()], axis=1)
        np.testing.assert_allclose(joined, whole.numpy(), rtol=1e-12)
        for a, b in zip(cr.tree_leaves(last), cr.tree_leaves(states), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_one_cell_takes_its_state_without_a_tuple():
    for kind, initial in (("lstm", nn.LSTMState(X[:, 0, :1] * np.ones(5), np.ones((4, 5)))),):
        layer = made(kind)
        assert layer(X, None, initial)[0].tolist() == layer(X, None, (initial,))[0].tolist()
    layer = made("gru")
    h = np.ones((4, 5))
    assert layer(X, initial=h)[0].tolist() == layer(X, initial=[cr.tensor(h)])[0].tolist()


@every_layer
@pytest.mark.parametrize("option", [{"truncate": 2}, {"bidirectional": True, "truncate": 4}])
def test_truncation_changes_no_value(kind, option):
    plain = made(kind, bidirectional=option.get("bidirectional", False))
    cut = made(kind, **option)
    assert cut(X)[0].tolist() == plain(X)[0].tolist()
    slope = cr.grad(lambda x: cut(x)[0][:, -1, :5].sum())(X).numpy()
    assert slope[:, 4:].any() and not slope[:, :4].any()


@every_layer
@pytest.mark.parametrize("lengths", [None, [6, 1, 4, 2]])
def test_recomputing_changes_nothing(kind, lengths):
    plain, again = (made(kind, bidirectional=True, recompute=steps) for steps in (None, 4))

    def cost(layer, x):
        outputs, states = layer(x, lengths)
        return cr.sin(outputs).sum() + sum(s.sum() for s in cr.tree_leaves(states))

    assert again(X, lengths)[0].tolist() == plain(X, lengths)[0].tolist()
    found, wanted = (cr.tree_leaves(cr.grad(cost, argnums=(0, 1))(m, X)) for m in (again, plain))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-13)


def test_recomputing_in_native_code():
    of_x = [cr.grad(lambda x, n=n: made("lstm", recompute=n)(x)[0].sum()) for n in (None, 4)]
    found = cr.compile(of_x[1], engine="native")(X).numpy()
    np.testing.assert_allclose(found, of_x[0](X).numpy(), rtol=1e-11, atol=1e-13)


# ------------------------------------------------------------------ how far a gradient goes
def test_a_step_of_the_rnn_multiplies_by_its_jacobian():
    """``∂h'/∂h = diag(1 - h'²) Uᵀ``, and over a sequence the product of these."""
    (cell,) = made("rnn").cells
    states, product = [RNG.normal(size=(1, 5))], np.eye(5)
    for row in X[0]:
        states.append(cell(row[None], states[-1]).numpy())
        product = np.diag(1 - states[-1][0] ** 2) @ cell.recurrent.numpy().T @ product

    def last(h):
        return nn.RNN(3, 5).replace(cells=(cell,))(X[:1], None, h[None])[1][0][0]

    found = cr.jacobian(last)(cr.tensor(states[0][0]))
    np.testing.assert_allclose(found.numpy(), product, rtol=1e-10)


@pytest.mark.parametrize("bias", [1.0, 40.0])
def test_the_forget_gate_decides_what_an_lstm_keeps(bias):
    """Without what the weights do, ``∂c_T/∂c_0 = σ(b)ᵀ``: all of it where the gate is open."""
    cell = made("lstm", 3, 1).cells[0].replace(weight=np.zeros((3, 4)), recurrent=np.zeros((1, 4)))
    cell = cell.replace(bias=[-40.0, bias, 0.0, 0.0])
    layer, x = nn.LSTM(3, 1).replace(cells=(cell,)), np.zeros((1, 200, 3))

    def last(c):
        return layer(x, None, nn.LSTMState(np.zeros((1, 1)), cr.reshape(c, (1, 1))))[1][0].c.sum()

    kept = (1 / (1 + np.exp(-bias))) ** 200
    assert cr.grad(last)(cr.tensor(np.float64(0.5))).item() == pytest.approx(kept, rel=1e-10)


# ------------------------------------------------------------------ dropout between layers
def test_dropout_between_layers_follows_its_law():
    """What the second layer reads is 0 with probability ``rate``, else grown by 1 / (1 - rate)."""
    rate, units = 0.3, 400
    layer = nn.RNN(1, units, layers=2, dropout=rate, activation="identity", rng=0)
    below, above = layer.cells
    above = above.replace(weight=np.eye(units), recurrent=np.zeros((units, units)))
    layer = layer.replace(cells=(below, above.replace(weight=cr.asarray(np.eye(units), "float32"))))
    x = np.ones((5, 7, 1), np.float32)
    plain = layer(x)[0].numpy()
    dropped = layer(x, key=cr.random.key(0))[0].numpy()
    kept = dropped != 0
    assert abs(kept.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / kept.size)
    np.testing.assert_allclose(dropped[kept], plain[kept] / (1 - rate), rtol=1e-5)
    # Every number of every step by itself.
    assert len({row.tobytes() for row in kept.reshape(35, units)}) == 35
    assert layer(x, key=cr.random.key(0))[0].tolist() == dropped.tolist()
    assert nn.has_random_layers(layer) and not nn.has_random_layers(nn.RNN(1, 2))


def test_every_layer_gets_a_key_of_its_own():
    layer = nn.RNN(1, 50, layers=3, dropout=0.5, bias=False, activation="identity", rng=0)
    eye, zero = cr.asarray(np.eye(50), "float32"), cr.zeros((50, 50))
    first, *others = layer.cells
    cells = (first, *(cell.replace(weight=eye, recurrent=zero) for cell in others))
    outputs = layer.replace(cells=cells)(np.ones((9, 5, 1), np.float32), key=cr.random.key(1))[0]
    assert abs((outputs.numpy() != 0).mean() - 0.25) < 0.04  # kept by both, not by one mask twice


# ------------------------------------------------------------------ what they refuse
MISTAKES = [
    (lambda: nn.LSTM(3, 0), OptionError, r"LSTM\(3, 0, layers=1\).*integers >= 1"),
    (lambda: nn.LSTM(3, 4, layers=0), OptionError, "integers >= 1"),
    (lambda: nn.LSTM(3, 4, truncate=0), OptionError, "integers >= 1"),
    (lambda: nn.LSTM(3, 4, recompute=0), OptionError, "integers >= 1"),
    (lambda: nn.GRUCell(3, 4.0), OptionError, r"GRUCell\(3, 4.0\)"),
    (lambda: nn.GRU(3, 4, dropout=0.5), OptionError, r"layers >= 2.*dropout=0.5.*nn.Dropout"),
    (lambda: nn.GRU(3, 4, layers=2, dropout=1.5), OptionError, "rate < 1"),
    (lambda: nn.GRU(3, 4, reset="never"), OptionError, r"GRUCell\(3, 4\).*'never'"),
    (lambda: nn.RNN(3, 4, activation="tan"), OptionError, "Did you mean 'tanh'"),
    (lambda: nn.RNN(3, 4, dtype="int32"), DtypeError, "float32 or float64"),
    (lambda: made("lstm")(X[0]), ShapeError, r"\(batch, time, 3\).*\(6, 3\).*x\[None\]"),
    (lambda: made("lstm")(X[:, :0]), ShapeError, r"time >= 1.*\(4, 0, 3\)"),
    (lambda: made("lstm")(X[:, :, :2]), ShapeError, r"LSTM\(3, 5\) expects x.shape\[-1\] == 3"),
    (lambda: made("lstm")(X.astype("float32")), DtypeError, "x.dtype == float64"),
    (lambda: made("lstm")(X, None, np.ones((4, 5))), ShapeError, r"LSTMCell\(3, 5\).*\(h, c\)"),
    (lambda: made("gru")(X, None, np.ones((3, 5))), ShapeError, r"f64\[4, 5\].*f64\[3, 5\]"),
    (lambda: made("gru")(X, None, np.ones((4, 5), "f")), ShapeError, r"f64\[4, 5\].*f32\[4, 5\]"),
    (lambda: made("gru", layers=2)(X, None, [np.ones((4, 5))]), ShapeError, "tuple of 2.*got 1"),
    (lambda: nn.LSTMCell(3, 5)(X[:, 0], 0.0), DtypeError, "x.dtype == float32"),
    (lambda: nn.GRUCell(3, 5)(np.ones((2, 3), "f"), np.ones(5, "f")), ShapeError, r"f32\[2, 5\]"),
]


@pytest.mark.parametrize(("function", "error", "words"), MISTAKES)
def test_mistakes_are_explained(function, error, words):
    with pytest.raises(error, match=words) as caught:
        function()
    assert isinstance(caught.value, ChainruleError)


def test_a_batch_without_sequences_is_a_batch():
    for kind in LAYERS:
        outputs, states = made(kind)(X[:0])
        assert outputs.shape == (0, 6, 5) and cr.tree_leaves(states)[0].shape == (0, 5)


# ------------------------------------------------------------------ graphs, engines, training
@every_layer
@pytest.mark.parametrize(("dtype", "lengths"), [("float32", [6, 1, 4, 2]), ("float64", None)])
def test_native_code_does_the_same(kind, dtype, lengths):
    layer = made(kind, bidirectional=True, dtype=dtype)
    initial = tuple(cr.tree_map(cr.cos, cell.initial(4)) for cell in layer.cells)

    def cost(layer, x, initial):
        outputs, states = layer(x, lengths, initial)
        return cr.sin(outputs).sum() + sum(cr.cos(s).sum() for s in cr.tree_leaves(states))

    given, shape = cr.tree_flatten((layer, cr.asarray(X, dtype), initial))

    def flat(*leaves):
        return cr.value_and_grad(cost, argnums=(0, 1, 2))(*cr.tree_unflatten(shape, leaves))

    traced = trace(flat, [leaf.spec for leaf in given])
    run = native_program(cr.verify(traced.graph))  # raises if an op has no native rule
    found = run([leaf.numpy() for leaf in (*given, *traced.captured)])
    expected = cr.tree_leaves(flat(*given))
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
    for got, wanted in zip(found, expected, strict=True):
        scale = np.abs(wanted.numpy()).max()
        np.testing.assert_allclose(got, wanted.numpy(), rtol=0, atol=tolerance * scale)


@every_layer
def test_a_graph_of_constant_size(kind):
    layer = made(kind)

    def nodes(time):
        def cost(layer, x):
            return layer(x)[0].sum()

        x = cr.Spec((2, time, 3), "float64")
        graph = cr.make_graph(cr.value_and_grad(cost), layer, x)
        return len(cr.inline_calls(graph).nodes)

    assert nodes(5) == nodes(1000)


@every_layer
def test_second_derivatives(kind):
    layer = made(kind, 3, 2)
    if kind == "relu":  # away from the kink
        layer = layer.replace(cells=(layer.cells[0].replace(bias=np.full(2, 10.0)),))
    x = X[:2, :3]
    vector = RNG.normal(size=x.shape)

    def cost(x):
        return cr.sin(layer(x, [3, 2])[0]).sum()

    product = cr.hvp(cost)(x, vector).numpy()
    step = 1e-6
    difference = cr.grad(cost)(x + step * vector).numpy() - cr.grad(cost)(x - step * vector).numpy()
    np.testing.assert_allclose(product, difference / (2 * step), rtol=1e-6, atol=1e-8)


@every_layer
def test_vmap_over_models(kind):
    layers = [made(kind, 3, 2, rng=seed) for seed in range(3)]
    stacked = cr.tree_map(lambda *leaves: cr.stack(list(leaves)), *layers)
    found = cr.vmap(lambda layer: layer(X)[0])(stacked)
    for row, layer in zip(found, layers, strict=True):
        np.testing.assert_allclose(row.numpy(), layer(X)[0].numpy(), rtol=1e-12)


class Counter(nn.Module):
    """Reads the sign of a sum off the last state."""

    layer: nn.LSTM
    head: nn.Linear

    def __call__(self, x, lengths):
        return self.head(self.layer.last(self.layer(x, lengths)[1]))


def test_training_with_lengths():
    rng = np.random.default_rng(0)
    sequences = [rng.choice([-1.0, 1.0], (n, 1)) for n in rng.integers(1, 8, 400)]
    t = np.array([[s.sum() > 0] for s in sequences], np.float32)
    x, lengths = nn.pad_sequences(sequences, value=99.0, dtype="float32")
    model = Counter(nn.LSTM(1, 8, rng=0), nn.Linear(8, 1, rng=1))

    def cost(model, x, lengths, t):
        return nn.binary_cross_entropy(model(x, lengths), t)

    def accuracy(model, x, lengths, t):
        return cr.mean((model(x, lengths) > 0) == (t > 0.5))

    data = (x, lengths, t)
    model, _ = cr.fit(model, cost, data, optimizer=optim.adam(0.02), epochs=15, rng=0)
    assert cr.evaluate(model, accuracy, data) > 0.97

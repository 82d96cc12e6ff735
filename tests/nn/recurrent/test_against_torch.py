"""Recurrent layers against PyTorch's: outputs, states, and the gradients of all that goes in."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import chainrule as cr
from chainrule import nn
from chainrule.nn import recurrent

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}

KINDS = {
    "rnn": (nn.RNN, {}, torch.nn.RNN, {}),
    "relu": (nn.RNN, {"activation": "relu"}, torch.nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}, torch.nn.LSTM, {}),
    "gru": (nn.GRU, {}, torch.nn.GRU, {}),
}


def agree(got, expected, dtype):
    scale = max(1e-30, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


def tensor(array):
    return torch.tensor(np.asarray(array), requires_grad=True)


def randomized(layer, rng):
    """The layer with other weights and biases, so that none is 0."""
    return cr.tree_map(lambda w: cr.asarray(rng.normal(0, 0.5, w.shape), w.dtype), layer)


def names_of(layer):
    """Each cell with the suffix of its weights' names in PyTorch."""
    for i, cell in enumerate(layer.cells):
        backward = layer.bidirectional and i % 2 == 1
        yield cell, f"_l{i // layer.directions}" + ("_reverse" if backward else "")


def hidden_bias(cell):
    """PyTorch has two biases, of which ours is the first; the second one matters in a GRU only."""
    bias = np.zeros(cell.weight.shape[1], cell.weight.dtype)
    if getattr(cell, "recurrent_bias", None) is not None:
        bias[-cell.units :] = cell.recurrent_bias.numpy()
    return bias


def as_torch(layer, theirs):
    """PyTorch's layer with the weights of ours."""
    state = {}
    for cell, suffix in names_of(layer):
        state[f"weight_ih{suffix}"] = torch.tensor(cell.weight.numpy().T.copy())
        state[f"weight_hh{suffix}"] = torch.tensor(cell.recurrent.numpy().T.copy())
        if cell.bias is not None:
            state[f"bias_ih{suffix}"] = torch.tensor(cell.bias.numpy())
            state[f"bias_hh{suffix}"] = torch.tensor(hidden_bias(cell))
    theirs.load_state_dict(state)
    return theirs


def run_torch(theirs, x, lengths, initial):
    time = x.shape[1]
    if lengths is not None:
        x = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    stacked = [torch.stack(part) for part in initial]
    outputs, states = theirs(x, tuple(stacked) if len(stacked) == 2 else stacked[0])
    if lengths is not None:
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=time)
    return outputs, list(states) if isinstance(states, tuple) else [states]


def compare(kind, dtype, seed, lengths=None, batch=3, time=4, inputs=2, units=3, **options):
    ours, own, torch_class, their_own = KINDS[kind]
    rng = np.random.default_rng(seed)
    layer = randomized(ours(inputs, units, dtype=dtype, **own, **options), rng)
    theirs = torch_class(
        inputs,
        units,
        num_layers=options.get("layers", 1),
        bidirectional=options.get("bidirectional", False),
        bias=options.get("bias", True),
        batch_first=True,
        dtype=getattr(torch, dtype),
        **their_own,
    )
    as_torch(layer, theirs)

    def drawn(*shape):
        return rng.normal(size=shape).astype(dtype)

    parts = 2 if kind == "lstm" else 1
    x = drawn(batch, time, inputs)
    initial = [[drawn(batch, units) for _ in layer.cells] for _ in range(parts)]
    upstream = drawn(batch, time, layer.directions * units)
    state_upstream = [drawn(len(layer.cells), batch, units) for _ in range(parts)]

    x_there, initial_there = tensor(x), [[tensor(h) for h in part] for part in initial]
    outputs, states = run_torch(theirs, x_there, lengths, initial_there)
    loss = (outputs * torch.tensor(upstream)).sum()
    loss = loss + sum(
        (s * torch.tensor(u)).sum() for s, u in zip(states, state_upstream, strict=True)
    )
    loss.backward()

    def call(layer, x, initial):
        per_cell = zip(*initial, strict=True)
        beginnings = tuple(nn.LSTMState(*s) if parts == 2 else s[0] for s in per_cell)
        outputs, states = layer(x, lengths, beginnings)
        parts_of = zip(*states, strict=True) if parts == 2 else [states]
        return outputs, [cr.stack(list(part)) for part in parts_of]

    def cost(layer, x, initial):
        outputs, states = call(layer, x, initial)
        pairs = zip(states, state_upstream, strict=True)
        return (outputs * upstream).sum() + sum((s * u).sum() for s, u in pairs)

    our_outputs, our_states = call(layer, x, initial)
    agree(our_outputs.numpy(), outputs.detach().numpy(), dtype)
    for mine, wanted in zip(our_states, states, strict=True):
        agree(mine.numpy(), wanted.detach().numpy(), dtype)
    of_layer, of_x, of_initial = cr.grad(cost, argnums=(0, 1, 2))(layer, x, initial)
    agree(of_x.numpy(), x_there.grad.numpy(), dtype)
    for mine, wanted in zip(cr.tree_leaves(of_initial), cr.tree_leaves(initial_there), strict=True):
        agree(mine.numpy(), wanted.grad.numpy(), dtype)
    grads = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    for cell, suffix in names_of(of_layer):
        agree(cell.weight.numpy().T, grads[f"weight_ih{suffix}"], dtype)
        agree(cell.recurrent.numpy().T, grads[f"weight_hh{suffix}"], dtype)
        if cell.bias is not None:
            agree(cell.bias.numpy(), grads[f"bias_ih{suffix}"], dtype)
        if getattr(cell, "recurrent_bias", None) is not None:
            agree(cell.recurrent_bias.numpy(), grads[f"bias_hh{suffix}"][-units:], dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_all_options_at_once(kind, dtype):
    compare(kind, dtype, 0, lengths=[5, 2, 1, 4], batch=4, time=5, layers=2, bidirectional=True)


@st.composite
def options(draw):
    batch, time = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    lengths = st.lists(st.integers(1, time), min_size=batch, max_size=batch)
    return {
        "batch": batch,
        "time": time,
        "inputs": draw(st.integers(1, 4)),
        "units": draw(st.integers(1, 4)),
        "layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "lengths": draw(st.none() | lengths),
        "seed": draw(st.integers(0, 1000)),
    }


@pytest.mark.parametrize("kind", KINDS)
@hypothesis.settings(max_examples=12)
@hypothesis.given(options=options())
def test_any_options(kind, options):
    compare(kind, "float64", **options)


@pytest.mark.parametrize("engine", ["interpret", "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_long_sequence(kind, engine):
    """No digits are lost on the way through 200 steps and back."""
    ours, own, torch_class, their_own = KINDS[kind]
    layer = ours(2, 4, rng=0, dtype="float64", **own)
    theirs = torch_class(2, 4, batch_first=True, dtype=torch.float64, **their_own)
    as_torch(layer, theirs)
    x = np.random.default_rng(0).normal(size=(2, 200, 2))
    x_there = tensor(x)
    theirs(x_there)[0][:, -1].sum().backward()
    gradient = cr.compile(cr.grad(lambda x: layer(x)[0][:, -1].sum()), engine=engine)(x)
    agree(gradient.numpy(), x_there.grad.numpy(), "float64")


# ------------------------------------------------------------------ what PyTorch has not
def torch_steps(step, state, x):
    outputs = []
    for t in range(x.shape[1]):
        state = step(state, x[:, t])
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def gru_before(w, u, b):
    units = u.shape[0]

    def step(state, x):
        (h,) = state
        z = x @ w + b
        r = torch.sigmoid(z[:, :units] + h @ u[:, :units])
        update = torch.sigmoid(z[:, units : 2 * units] + h @ u[:, units : 2 * units])
        n = torch.tanh(z[:, 2 * units :] + (r * h) @ u[:, 2 * units :])
        return ((1 - update) * n + update * h,)

    return step


def lstm_with_peepholes(w, u, b, p):
    def step(state, x):
        h, c = state
        i, f, g, o = torch.chunk(x @ w + b + h @ u, 4, dim=1)
        i, f = torch.sigmoid(i + p[0] * c), torch.sigmoid(f + p[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + p[2] * c) * torch.tanh(c), c

    return step


@pytest.mark.parametrize(
    ("layer", "reference", "states"),
    [
        (nn.GRU(2, 3, reset="before", dtype="float64"), gru_before, 1),
        (nn.LSTM(2, 3, peepholes=True, dtype="float64"), lstm_with_peepholes, 2),
    ],
)
def test_a_loop_in_pytorch(layer, reference, states):
    rng = np.random.default_rng(3)
    layer = randomized(layer, rng)
    x, upstream = rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 5, 3))
    weights = [tensor(leaf.numpy()) for leaf in cr.tree_leaves(layer)]
    x_there, state = tensor(x), [torch.zeros(4, 3, dtype=torch.float64)] * states
    outputs = torch_steps(reference(*weights), state, x_there)
    (outputs * torch.tensor(upstream)).sum().backward()

    agree(layer(x)[0].numpy(), outputs.detach().numpy(), "float64")
    cost = lambda layer, x: (layer(x)[0] * upstream).sum()  # noqa: E731
    of_layer, of_x = cr.grad(cost, argnums=(0, 1))(layer, x)
    for mine, wanted in zip(cr.tree_leaves((of_layer, of_x)), [*weights, x_there], strict=True):
        agree(mine.numpy(), wanted.grad.numpy(), "float64")


def test_every_layer_and_cell_is_compared():
    classes = {getattr(recurrent, name) for name in recurrent.__all__ if name[0].isupper()}
    compared = {kind[0] for kind in KINDS.values()}
    assert classes == compared | {kind.cell for kind in compared} | {
        recurrent.Cell,
        recurrent.LSTMState,
        recurrent.Recurrent,
    }

"""Sequences of different length: what stands after their end changes nothing."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, DtypeError, ShapeError

LAYERS = {
    "rnn": lambda **options: nn.RNN(2, 3, dtype="float64", rng=0, **options),
    "relu": lambda **options: nn.RNN(2, 3, activation="relu", dtype="float64", rng=0, **options),
    "lstm": lambda **options: nn.LSTM(2, 3, dtype="float64", rng=0, **options),
    "peepholes": lambda **options: nn.LSTM(2, 3, peepholes=True, dtype="float64", rng=0, **options),
    "gru": lambda **options: nn.GRU(2, 3, dtype="float64", rng=0, **options),
    "before": lambda **options: nn.GRU(2, 3, reset="before", dtype="float64", rng=0, **options),
}
LENGTHS = [5, 1, 3]
X = np.random.default_rng(0).normal(size=(3, 5, 2))

every_layer = pytest.mark.parametrize("kind", LAYERS)


def padded(value, time=5):
    """``X`` with ``value`` after the end of each sequence."""
    x = np.full((3, time, 2), value)
    for row, whole, length in zip(x, X, LENGTHS, strict=True):
        row[:length] = whole[:length]
    return x


def everything(layer, x, lengths):
    """Outputs, states, and the gradients for the weights and the input."""

    def cost(layer, x):
        outputs, states = layer(x, lengths)
        return cr.sin(outputs).sum() + sum(cr.cos(s).sum() for s in cr.tree_leaves(states))

    return layer(x, lengths), cr.grad(cost, argnums=(0, 1))(layer, x)


@every_layer
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_stands_in_the_padding_changes_nothing(kind, value):
    layer = LAYERS[kind](layers=2, bidirectional=True)
    clean, dirty = (everything(layer, padded(v), LENGTHS) for v in (0.0, value))
    for a, b in zip(cr.tree_leaves(clean), cr.tree_leaves(dirty), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@every_layer
def test_longer_padding_changes_nothing(kind):
    layer = LAYERS[kind](layers=2, bidirectional=True)
    (outputs, states), (of_layer, of_x) = everything(layer, padded(0.0), LENGTHS)
    (outputs2, states2), (of_layer2, of_x2) = everything(layer, padded(np.nan, 9), LENGTHS)
    for longer, shorter in ((outputs2, outputs), (of_x2, of_x)):
        np.testing.assert_allclose(longer.numpy()[:, :5], shorter.numpy(), rtol=1e-13, atol=1e-15)
        assert not longer.numpy()[:, 5:].any()
    longer, shorter = cr.tree_leaves((states2, of_layer2)), cr.tree_leaves((states, of_layer))
    for a, b in zip(longer, shorter, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


@every_layer
def test_a_padded_sequence_is_as_if_it_were_alone(kind):
    layer = LAYERS[kind](layers=2, bidirectional=True)
    outputs, states = layer(padded(np.nan), LENGTHS)
    for i, length in enumerate(LENGTHS):
        alone, states_alone = layer(X[i : i + 1, :length])
        np.testing.assert_allclose(outputs[i, :length].numpy(), alone[0].numpy(), rtol=1e-12)
        assert not outputs[i, length:].numpy().any()
        for a, b in zip(cr.tree_leaves(states), cr.tree_leaves(states_alone), strict=True):
            np.testing.assert_allclose(a[i].numpy(), b[0].numpy(), rtol=1e-12)


@every_layer
def test_gates_at_padded_places_are_zero(kind):
    for gates in LAYERS[kind](bidirectional=True).gates(padded(np.nan), LENGTHS):
        for gate in gates.values():
            assert gate.shape == (3, 5, 3) and np.isfinite(gate.numpy()).all()
            for row, length in zip(gate.numpy(), LENGTHS, strict=True):
                assert row[:length].all() and not row[length:].any()


def test_the_last_states_are_those_after_the_last_real_step():
    layer = LAYERS["lstm"](bidirectional=True)
    outputs, states = layer(padded(7.0), LENGTHS)
    ends = [outputs[i, n - 1, :3].tolist() for i, n in enumerate(LENGTHS)]
    assert states[0].h.tolist() == ends
    assert states[1].h.tolist() == outputs[:, 0, 3:].tolist()
    both = np.concatenate([states[0].h.numpy(), states[1].h.numpy()], axis=1)
    np.testing.assert_array_equal(layer.last(states).numpy(), both)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_any_integers_will_do(dtype):
    layer = LAYERS["gru"]()
    wanted = layer(X, LENGTHS)[0].tolist()
    assert layer(X, np.array(LENGTHS, dtype))[0].tolist() == wanted
    run = cr.compile(lambda lengths: layer(X, lengths)[0])
    assert run(np.array(LENGTHS, dtype)).tolist() == wanted


def test_lengths_that_are_only_known_later_never_leave_the_array():
    layer = LAYERS["lstm"]()
    outputs, states = cr.compile(lambda n: layer(X, n))(np.array([-3, 0, 99]))
    assert not outputs[:2].numpy().any() and not states[0].c[:2].numpy().any()
    np.testing.assert_allclose(outputs[2].numpy(), layer(X)[0][2].numpy(), rtol=1e-13)


MISTAKES = [
    ([5, 0, 3], DataError, r"1 <= lengths <= 5.*but got 0"),
    ([5, 6, 3], DataError, r"1 <= lengths <= 5.*but got 6"),
    ([5, 1, -2], DataError, r"got -2"),
    ([5, 1], ShapeError, r"lengths.shape == \(3,\).*got \(2,\)"),
    ([[5, 1, 3]], ShapeError, r"got \(1, 3\)"),
    (5, ShapeError, r"got \(\)"),
    ([5.0, 1.0, 3.0], DtypeError, "integer type"),
    ([True, True, True], DtypeError, "integer type"),
]


@pytest.mark.parametrize(("lengths", "error", "words"), MISTAKES)
def test_wrong_lengths_are_explained(lengths, error, words):
    with pytest.raises(error, match=words) as caught:
        LAYERS["lstm"]()(X, lengths)
    assert str(caught.value).startswith("LSTM(2, 3) expects")


# ------------------------------------------------------------------ masks and padding
def test_the_mask():
    assert nn.length_mask([2, 1], 2).tolist() == [[True, True], [True, False]]
    with pytest.raises(DataError, match=r"length_mask.*got 3"):
        nn.length_mask([2, 3], 2)
    with pytest.raises(ShapeError, match=r"\(batch,\)"):
        nn.length_mask(2, 3)


def test_padding():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 2)) for n in LENGTHS]
    x, lengths = nn.pad_sequences(sequences, value=-1.0)
    assert x.spec == cr.Spec((3, 5, 2), "float64") and lengths.tolist() == LENGTHS
    for row, sequence in zip(x.numpy(), sequences, strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence)
        assert (row[len(sequence) :] == -1).all()
    assert nn.pad_sequences(sequences, dtype="float32")[0].dtype == np.float32


def test_padding_ids_and_mixed_types():
    ids, lengths = nn.pad_sequences([np.array([3, 1], np.int32), [7]])
    assert ids.tolist() == [[3, 1], [7, 0]] and lengths.tolist() == [2, 1]
    mixed, _ = nn.pad_sequences([np.ones(1, np.float32), np.ones(2, np.float64)])
    assert mixed.dtype == np.float64


@pytest.mark.parametrize(
    ("sequences", "error", "words"),
    [
        ([], DataError, "at least one"),
        ([np.ones((2, 3)), np.ones((0, 3))], DataError, r"\(0, 3\)"),
        ([1.0, 2.0], DataError, "time >= 1"),
        ([np.ones((2, 3)), np.ones((2, 4))], ShapeError, r"\(3,\).*\(4,\)"),
        ([np.ones(2), np.ones((2, 4))], ShapeError, r"\(\).*\(4,\)"),
    ],
)
def test_what_cannot_be_padded(sequences, error, words):
    with pytest.raises(error, match=words):
        nn.pad_sequences(sequences)

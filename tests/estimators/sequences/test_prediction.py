"""Predictions: few shapes, bounded memory, and each sequence as if it were alone."""

import importlib

import numpy as np
import pytest

from chainrule.estimators import SequenceClassifier, SequenceRegressor
from chainrule.estimators.sequences import prediction
from chainrule.estimators.sequences.data import Steps
from chainrule.estimators.sequences.network import LAYERS, sequence_network

OPTIONS = {"bidirectional": True, "dropout": 0.0, "pooling": "auto", "rng": 0}
DOUBLE = np.dtype(np.float64)


def network(layer="gru", sizes=(8,), dtype=DOUBLE):
    return sequence_network(layer, 2, sizes, 3, dtype=dtype, **OPTIONS)


def steps(lengths, dtype=DOUBLE):
    values = np.random.default_rng(0).normal(size=(int(np.sum(lengths)), 2))
    return Steps(values.astype(dtype), np.array(lengths))


def alone(model, given):
    """What the network says to each sequence by itself, without padding."""
    parts = np.split(given.values, np.cumsum(given.lengths)[:-1])
    return np.concatenate([model(part[None]).numpy() for part in parts])


@pytest.fixture
def shapes(monkeypatch):
    """The shapes of the arrays that were predicted."""
    seen = []
    padded = prediction.padded

    def noted(*arguments):
        x = padded(*arguments)
        seen.append(x.shape[:2])
        return x

    monkeypatch.setattr(prediction, "padded", noted)
    return seen


@pytest.mark.parametrize(
    ("layer", "engine"), [*((layer, "interpret") for layer in LAYERS), ("lstm", "native")]
)
def test_each_sequence_is_answered_as_if_alone_and_in_order(layer, engine):
    model, given = network(layer), steps([5, 1, 12, 3, 12, 30, 2] * 11)
    found = prediction.predicted(model, given, engine, 1)
    np.testing.assert_allclose(found, alone(model, given), rtol=1e-10, atol=1e-12)


def test_rows_and_steps_are_of_few_sizes(shapes):
    rng, model = np.random.default_rng(0), network()
    for count in (1, 2, 3, 7, 20, 64, 65, 200):
        prediction.predicted(model, steps(rng.integers(1, 31, count)), "interpret")
    assert {rows for rows, _ in shapes} <= {1, 4, 16, 64}
    assert {time for _, time in shapes} <= {8, 10, 12, 14, 16, 20, 24, 28, 32}


def test_many_sequences_of_one_length_keep_it(shapes):
    prediction.predicted(network(), steps([17] * 65), "interpret")
    prediction.predicted(network(), steps([17] * 3), "interpret")
    assert shapes == [(64, 17), (64, 17), (4, 20)]


def test_one_long_sequence_makes_no_other_one_longer(shapes):
    prediction.predicted(network(), steps([2] * 200 + [300] + [2] * 20), "interpret")
    assert shapes[0] == (64, 320) and set(shapes[1:]) == {(64, 8)}


@pytest.mark.parametrize("layer", ["gru", "transformer"])
def test_long_sequences_are_taken_in_smaller_batches(shapes, monkeypatch, layer):
    """The transformer's limit is reached by the weights of its attention: one head, T² numbers."""
    model, given = network(layer), steps([100] * 12 + [10] * 4)
    whole = prediction.predicted(model, given, "interpret")
    monkeypatch.setattr(prediction, "LARGEST", 30_000)
    found = prediction.predicted(model, given, "interpret")
    np.testing.assert_allclose(found, whole, rtol=1e-10)
    smaller = (4, 112) if layer == "gru" else (1, 112)
    assert shapes[:2] == [(16, 112), smaller] and shapes[-1] == (16, 10)


def test_networks_of_one_structure_share_code():
    prediction._code.cache_clear()
    first, second = network(), network().replace(output=network(sizes=(8,)).output)
    given = steps([5] * 3)
    for model in (first, second):
        prediction.predicted(model, given, "interpret")
    assert prediction._code.cache_info().currsize == 1
    prediction.predicted(network(sizes=(4,)), given, "interpret")
    assert prediction._code.cache_info().currsize == 2


def test_what_is_often_predicted_becomes_machine_code(monkeypatch):
    compiling = importlib.import_module("chainrule.engines.compile")
    made, native = [], compiling.native_program
    monkeypatch.setattr(compiling, "runs_before_compiling", lambda *_: 2)
    monkeypatch.setattr(compiling, "native_program", lambda *a: made.append(a) or native(*a))
    prediction._code.cache_clear()
    model, given = network(), steps([5] * 3)
    found = [prediction.predicted(model, given, "auto", 1) for _ in range(5)]
    assert len(made) == 1
    np.testing.assert_allclose(found[0], found[-1], rtol=1e-10)
    prediction._code.cache_clear()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_predict_with_their_engine(walks, monkeypatch):
    x, y = walks
    asked = []
    compile = prediction.compile
    monkeypatch.setattr(
        prediction, "compile", lambda f, **options: asked.append(options) or compile(f, **options)
    )
    prediction._code.cache_clear()
    small = {"hidden_layer_sizes": (3,), "max_iter": 1, "engine": "interpret"}
    SequenceClassifier(**small).fit(x, y).predict(x)
    SequenceRegressor(**small, threads=1).fit(x, y == "up").predict(x)
    assert {(o["engine"], o["threads"]) for o in asked} == {("interpret", None), ("interpret", 1)}

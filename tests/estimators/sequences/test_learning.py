"""What sequence estimators learn; and that padding and the size of a batch change nothing."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import NonFiniteError
from chainrule.estimators import SequenceClassifier, SequenceRegressor
from chainrule.estimators.sequences.network import LAYERS, POOLINGS, sequence_network

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OPTIONS = {"bidirectional": False, "dropout": 0.0, "pooling": "last", "rng": 0}


def network(layer, sizes=(8, 8), **changed):
    options = {**OPTIONS, **changed}
    return sequence_network(layer, 3, sizes, 2, dtype=np.dtype(np.float64), **options)


every_layer = pytest.mark.parametrize("layer", LAYERS)
every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


# ------------------------------------------------------------------ padding
@every_layer
@every_pooling
def test_padding_changes_neither_outputs_nor_gradients(layer, pooling):
    """Whatever stands behind the end, NaN too."""
    rng = np.random.default_rng(0)
    model = network(layer, pooling=pooling, bidirectional=True)
    sequences = [rng.normal(size=(length, 3)) for length in (7, 1, 4)]
    padded = np.full((3, 9, 3), np.nan)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence

    def together(model):
        return cr.sum(model(padded, [7, 1, 4]) ** 2)

    def alone(model):
        return sum(cr.sum(model(sequence[None]) ** 2) for sequence in sequences)

    outputs = [model(sequence[None]).numpy()[0] for sequence in sequences]
    np.testing.assert_allclose(model(padded, [7, 1, 4]).numpy(), outputs, rtol=1e-12)
    pairs = (cr.tree_leaves(cr.grad(cost)(model)) for cost in (together, alone))
    for found, wanted in zip(*pairs, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-9, atol=1e-12)


@every_pooling
def test_pooling_is_what_it_says(pooling):
    rng = np.random.default_rng(0)
    model = network("gru", sizes=(4,), pooling=pooling, bidirectional=True)
    x = rng.normal(size=(1, 5, 3))
    outputs = model.layers[0](x)[0].numpy()[0]
    wanted = {
        "last": np.r_[outputs[-1, :4], outputs[0, 4:]],
        "max": outputs.max(axis=0),
        "mean": outputs.mean(axis=0),
    }
    np.testing.assert_allclose(model(x), model.output(wanted[pooling][None]), rtol=1e-12)


def test_the_pooling_that_suits_the_layer_is_chosen():
    found = {layer: network(layer, pooling="auto").pooling for layer in LAYERS}
    assert found == {"gru": "last", "lstm": "last", "rnn": "last", "transformer": "mean"}


@every_layer
def test_a_prediction_does_not_depend_on_the_others(walks, layer):
    x, y = walks
    model = SequenceClassifier(layer=layer, hidden_layer_sizes=(8,), max_iter=2, dtype="float64")
    model.set_params(random_state=0).fit(x, y)
    alone = np.concatenate([model.predict_proba([sequence]) for sequence in x])
    np.testing.assert_allclose(model.predict_proba(x), alone, rtol=1e-11)


def test_blocks_of_prediction_change_nothing(walks, monkeypatch):
    x, y = walks
    model = SequenceClassifier(hidden_layer_sizes=(8,), max_iter=2, dtype="float64").fit(x, y)
    whole = model.predict_proba(x)
    monkeypatch.setattr("chainrule.estimators.sequences.prediction.LARGEST", 1500)
    np.testing.assert_allclose(model.predict_proba(x), whole, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_fill_a_batch_do_not_count(walks, weighted):
    """70 rows in batches of 32: the last has 6, and is filled up; a user's loss is never filled."""
    x, y = walks
    weight = np.linspace(0.1, 2.0, 70) if weighted else None

    def own(z, t, sample_weight=None):
        options = {"sample_weight": sample_weight, "reduction": "batchmean"}
        return nn.binary_cross_entropy(z, t, **options)

    options = {"hidden_layer_sizes": (4,), "max_iter": 3, "dtype": "float64", "random_state": 0}
    curves = [
        SequenceClassifier(**options, loss=loss, engine=engine).fit(x, y, weight).loss_curve_
        for loss, engine in (("log_loss", "native"), ("log_loss", "interpret"), (own, "interpret"))
    ]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-9)
    np.testing.assert_allclose(curves[0], curves[2], rtol=1e-9)


def test_the_penalty_is_on_matrices_only(walks):
    x, y = walks
    options = {"hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0, "batch_size": 70}
    plain, decayed = (
        SequenceClassifier(**options, alpha=alpha, dtype="float64").fit(x, y) for alpha in (0, 0.7)
    )
    again = np.random.RandomState(0).randint(2**31)
    first = sequence_network("gru", 2, (4,), 1, dtype=np.dtype(float), **{**OPTIONS, "rng": again})
    cell = first.layers[0].cells[0]
    weights = (cell.weight, cell.recurrent, first.output.weight)
    squares = sum(np.square(weight.numpy()).sum() for weight in weights)
    assert decayed.loss_ - plain.loss_ == pytest.approx(0.35 * squares / 70, rel=1e-9)


# ------------------------------------------------------------------ learning
@every_layer
def test_every_layer_learns_to_classify(walks, layer):
    x, y = walks
    model = SequenceClassifier(layer=layer, hidden_layer_sizes=(16,), max_iter=150, random_state=0)
    assert model.fit(x, y).score(x, y) > 0.95
    p = model.predict_proba(x)
    assert (model.classes_[p.argmax(axis=1)] == model.predict(x)).all()
    np.testing.assert_allclose(p, np.exp(model.predict_log_proba(x)), rtol=1e-5)
    assert ((model.decision_function(x) > 0) == (model.predict(x) == "up")).all()


def test_the_frequency_of_a_sine_of_any_length(waves):
    x, y = waves
    model = SequenceRegressor(hidden_layer_sizes=(32,), max_iter=80, random_state=0)
    assert model.fit(x[:200], y[:200]).score(x[200:], y[200:]) > 0.95


def test_layers_may_differ_in_size_and_go_both_ways(walks):
    x, y = walks
    model = SequenceClassifier(layer="lstm", hidden_layer_sizes=(8, 4), bidirectional=True)
    model.set_params(max_iter=2, dropout=0.3, random_state=0).fit(x, y)
    layers = "(LSTM(2, 8, bidirectional=True), LSTM(16, 4, bidirectional=True))"
    assert repr(model.model_.layers) == layers and model.n_layers_ == 4
    assert model.model_.output.in_features == 8


@every_layer
def test_dropout_acts_in_training_only(walks, layer):
    x, y = walks
    options = {"layer": layer, "hidden_layer_sizes": (4, 4), "max_iter": 2, "random_state": 0}
    plain, dropped, again = (
        SequenceClassifier(**options, dropout=rate, engine="interpret").fit(x, y)
        for rate in (0.0, 0.5, 0.5)
    )
    assert plain.loss_curve_ != dropped.loss_curve_ == again.loss_curve_
    assert (dropped.predict_proba(x) == dropped.predict_proba(x)).all()


def test_many_classes_labels_and_targets(walks):
    x, _ = walks
    ends = np.array([sequence[-1] for sequence in x])
    options = {"hidden_layer_sizes": (8,), "max_iter": 40, "random_state": 0}
    quarters = (ends[:, 0] > 0) + 2 * (ends[:, 1] > 0)
    model = SequenceClassifier(**options).fit(x, quarters)
    assert model.predict_proba(x).shape == (70, 4) and model.score(x, quarters) > 0.8
    labels = (ends > 0).astype(int)
    assert SequenceClassifier(**options).fit(x, labels).predict(x).shape == (70, 2)
    assert SequenceRegressor(**options).fit(x, ends).score(x, ends) > 0.5


# ------------------------------------------------------------------ watching
def test_early_stopping_and_metrics(walks):
    x, y = walks
    model = SequenceClassifier(hidden_layer_sizes=(8,), early_stopping=True, n_iter_no_change=5)
    model.set_params(random_state=0, metrics=["accuracy", "neg_log_loss"], max_iter=40).fit(x, y)
    assert model.n_iter_ < 40 and model.history_.stopped
    assert model.history_["accuracy"] == model.validation_scores_
    assert max(model.validation_scores_) == model.best_validation_score_
    model.set_params(early_stopping=False, max_iter=3).fit(
        x[10:], y[10:], X_val=x[:10], y_val=y[:10]
    )
    assert model.validation_scores_[-1] == model.score(x[:10], y[:10])


def test_class_weights_are_row_weights(walks):
    x, y = walks
    options = {"hidden_layer_sizes": (4,), "random_state": 0, "max_iter": 3, "standardize": False}
    by_class = SequenceClassifier(**options, class_weight={"up": 3.0, "down": 1.0}).fit(x, y)
    by_row = SequenceClassifier(**options).fit(x, y, np.where(y == "up", 3.0, 1.0))
    assert by_class.loss_curve_ == by_row.loss_curve_


def test_long_gradients_are_shortened_by_default(walks):
    x, _ = walks
    options = {"hidden_layer_sizes": (4,), "solver": "sgd", "momentum": 0.0, "alpha": 0.0}
    model = SequenceRegressor(**options, batch_size=70, max_iter=1, random_state=0)
    target = np.full(70, 1e6)

    def bias(clip):
        model.set_params(clip_norm=clip).fit(x, target)
        return abs(model.model_.output.bias.item())

    assert model.clip_norm == 1.0
    assert bias(1.0) <= model.learning_rate_init < bias(None)


def test_a_rate_that_explodes_is_named(walks):
    x, y = walks
    model = SequenceRegressor(solver="sgd", learning_rate_init=1e30, clip_norm=None, layer="rnn")
    with pytest.raises(NonFiniteError, match=r"epoch \d+, step \d+"):
        model.set_params(hidden_layer_sizes=(4,), random_state=0).fit(x, (y == "up") * 1.0)

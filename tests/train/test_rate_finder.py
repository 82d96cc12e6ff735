"""The learning-rate range test."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import DataError, KeyNeeded, OptionError
from chainrule.train import find_learning_rate
from chainrule.train.rate_finder import _end, _middle_of_longest_fall, _result, _smoothed


def cost(model, x, t):
    return nn.mse(model(x), t)


@pytest.fixture
def line():
    """A linear model, whose loss has curvatures that we know."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype(np.float32)
    noise = rng.normal(size=(256, 1)).astype(np.float32)
    return nn.Linear(4, 1, rng=0), (x, x @ np.ones((4, 1), np.float32) + 3 + 0.1 * noise)


# ------------------------------------------------------------------ the law
def test_it_explodes_where_gradient_descent_must(line):
    """Gradient descent on a quadratic diverges above 2 / λ_max, not below."""
    model, (x, t) = line
    design = np.hstack([x, np.ones((len(x), 1))])
    limit = 2 / np.linalg.eigvalsh(2 * design.T @ design / len(x)).max()
    options = {"optimizer": optim.sgd(), "batch_size": None, "steps": 600, "smallest": 1e-4}
    found = find_learning_rate(model, cost, (x, t), **options)
    assert limit < found.diverges < 2 * limit
    assert found.suggestion < limit and found.lowest < found.diverges
    below = find_learning_rate(model, cost, (x, t), **options, largest=0.99 * limit)
    assert below.diverges is None and len(below.rates) == 600


def test_each_step_is_a_step_at_its_own_rate(line):
    model, (x, t) = line
    found = find_learning_rate(
        model, cost, (x, t), optimizer=optim.sgd(), batch_size=None, steps=40, largest=0.1
    )
    np.testing.assert_allclose(found.rates, np.geomspace(1e-7, 0.1, 40), rtol=1e-6)
    for rate, loss in zip(found.rates, found.losses, strict=True):
        value, gradient = cr.value_and_grad(cost)(model, x, t)
        assert loss == pytest.approx(value.item(), rel=1e-4)
        model = cr.tree_map(lambda w, g, rate=rate: w - float(rate) * g, model, gradient)


def test_the_suggestion_trains(data, model):
    found = find_learning_rate(model, cost, data, batch_size=16)
    _, history = cr.fit(model, cost, data, optimizer=optim.adam(found.suggestion), epochs=60)
    _, slow = cr.fit(model, cost, data, optimizer=optim.adam(found.suggestion / 30), epochs=60)
    assert history[-1]["loss"] < 0.1 * history[0]["loss"] < slow[-1]["loss"]


def test_the_model_stays_and_one_seed_gives_one_result(data, model, bits):
    before = bits(model)
    one, same, other = (find_learning_rate(model, cost, data, rng=seed) for seed in (1, 1, 2))
    assert bits(model) == before
    assert one.losses.tolist() == same.losses.tolist() != other.losses.tolist()
    assert one.suggestion == same.suggestion


def test_keys_and_states_arrive(data):
    def stateful(model, x, t, key=None, state=None):
        return nn.mse(model(x, key=key), t) + 0 * state, state + 1

    model = nn.MLP(3, [8], 1, dropout=0.2, rng=0)
    assert find_learning_rate(model, stateful, data, state=cr.tensor(0.0)).suggestion
    with pytest.raises(KeyNeeded):
        find_learning_rate(model, cost, data)


# ------------------------------------------------------------------ reading the curve
def test_smoothing_has_no_bias_at_the_beginning():
    losses = np.array([4.0, 2.0, 1.0])
    weights = 0.98 ** np.array([2.0, 1.0, 0.0])
    assert _smoothed(losses)[0] == pytest.approx(4.0)
    assert _smoothed(losses)[2] == pytest.approx((weights @ losses) / weights.sum())


def test_a_nan_ends_it():
    losses = np.array([1.0] * 15 + [math.nan] + [1.0] * 9)
    found = _result(np.geomspace(1e-3, 1, 25), losses)
    assert found.diverges == pytest.approx(np.geomspace(1e-3, 1, 25)[15])
    assert len(found.losses) == 15 and np.isfinite(found.smoothed).all()


def test_a_noisy_beginning_does_not_end_it_but_a_rise_does():
    assert _end(np.array([1.0, 9.0, *[1.0] * 30])) is None
    end = _end(np.array([1.0] * 30 + [1e3] * 5))
    assert end == 30


@pytest.mark.parametrize(
    ("values", "middle"),
    [([3, 2, 1, 0, 9], 1), ([0, 5, 4, 6, 3, 2, 1], 3), ([1, 2, 3], 0), ([9, 1, 8, 2, 7, 3, 0], 3)],
)
def test_the_longest_fall(values, middle):
    assert _middle_of_longest_fall(np.array(values, float)) == middle


@pytest.mark.parametrize("level", [5.0, 0.0, -3.0])
def test_no_fall_is_no_suggestion(level):
    found = _result(np.geomspace(1e-3, 1, 50), np.full(50, level))
    assert found.suggestion is None and "No learning rate" in str(found)
    assert "–" in found._repr_html_()


def test_an_error_that_is_nan_from_the_start():
    found = _result(np.geomspace(1e-3, 1, 50), np.full(10, math.nan))
    assert found.suggestion is None and found.diverges == pytest.approx(1e-3)
    assert str(found) and found._repr_html_()


def test_it_speaks_both_languages(line, monkeypatch):
    model, rows = line
    found = find_learning_rate(model, cost, rows, optimizer=optim.sgd())
    assert "Suggested learning rate: " in str(found)
    monkeypatch.setenv("CHAINRULE_LANG", "ko")
    assert "추천 학습률: " in str(found) and "하강의 절반" in found._repr_html_()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"smallest": 0.0}, OptionError, "0 < smallest < largest"),
        ({"smallest": 1.0, "largest": 0.1}, OptionError, "0 < smallest < largest"),
        ({"largest": math.inf}, OptionError, "0 < smallest < largest"),
        ({"steps": 3}, OptionError, "steps >= 20"),
        ({"batch_size": 0}, OptionError, "batch_size >= 1"),
        ({"optimizer": optim.scale_by_adam()}, OptionError, "learning rate"),
        ({"data": np.ones(3)}, DataError, r"\(x, t\)"),
    ],
)
def test_bad_input_is_refused_with_a_mend(model, data, change, error, words):
    with pytest.raises(error, match=words):
        find_learning_rate(model, cost, **{"data": data} | change)

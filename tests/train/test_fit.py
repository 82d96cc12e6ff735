"""The training loop: the four steps, reproducibility, what it refuses, and what it says."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import DataError, KeyNeeded, NonFiniteError, OptionError
from chainrule.train import Callback, EarlyStopping, ReduceLearningRate
from chainrule.train.step import Cost, training_step


def cost(model, x, t):
    return nn.mse(model(x), t)


def cost_with_key(model, x, t, key=None):
    return nn.mse(model(x, key=key), t)


def bits(model):
    return [np.asarray(leaf).tobytes() for leaf in cr.tree_leaves(model)]


# ------------------------------------------------------------------ the four steps
def test_one_step_is_the_four_steps_by_hand(model, data):
    x, t = (np.asarray(a, np.float32) for a in data)
    optimizer = optim.sgd(0.1)
    step = training_step(Cost.of(cost), optimizer)
    trained, _, _, error = step(model, optimizer.init(nn.parameters(model)), (x, t), None, None)
    value, gradient = cr.value_and_grad(cost)(model, x, t)
    by_hand = cr.tree_map(lambda w, g: w - 0.1 * g, model, gradient)
    assert error.item() == pytest.approx(value.item(), rel=1e-6)
    for a, b in zip(cr.tree_leaves(trained), cr.tree_leaves(by_hand), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


def test_fit_is_the_step_on_every_batch(model, data):
    """Without shuffling, fit is a plain loop over the compiled step."""
    optimizer = optim.adam(1e-2)
    trained, history = cr.fit(
        model, cost, data, optimizer=optimizer, epochs=3, batch_size=32, shuffle=False
    )
    x, t = (cr.asarray(a, np.float32) for a in data)
    step = cr.compile(training_step(Cost.of(cost), optimizer))
    expected, state = model, optimizer.init(nn.parameters(model))
    for _ in range(3):
        total = 0.0
        for start in (0, 32, 64):
            batch = x[start : start + 32], t[start : start + 32]
            expected, state, _, error = step(expected, state, batch, None, None)
            total += error.item() * batch[0].shape[0]
    assert bits(trained) == bits(expected)
    assert history["loss"][-1] == pytest.approx(total / 70, rel=1e-12)
    assert step.trace_count == 2  # whole batches, and the shorter last one


def test_learns_and_leaves_the_model_as_it_was(model, data):
    before = bits(model)
    trained, history = cr.fit(model, cost, data, optimizer=optim.adam(1e-2), epochs=60)
    assert bits(model) == before
    assert history["loss"][-1] < 0.05 * history["loss"][0]
    assert [record["epoch"] for record in history] == list(range(1, 61))
    assert type(trained) is type(model)


def test_one_seed_reproduces_everything(data):
    model = nn.MLP(3, [8], 1, dropout=0.2, rng=0)
    runs = [cr.fit(model, cost_with_key, data, epochs=4, rng=seed) for seed in (1, 1, 2)]
    assert bits(runs[0][0]) == bits(runs[1][0])
    assert runs[0][1]["loss"] == runs[1][1]["loss"]
    assert bits(runs[0][0]) != bits(runs[2][0])


def test_zero_epochs_return_the_model(model, data):
    trained, history = cr.fit(model, cost, data, epochs=0)
    assert bits(trained) == bits(model) and len(history) == 0


# ------------------------------------------------------------------ numbers and batches
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_are_cast_to_the_models_type(data, dtype):
    model = nn.MLP(3, [4], 1, rng=0, dtype=dtype)
    for given in (np.float32, np.float64):
        trained, _ = cr.fit(model, cost, tuple(a.astype(given) for a in data), epochs=1)
        assert {leaf.dtype for leaf in cr.tree_leaves(trained)} == {np.dtype(dtype)}


def test_batches_larger_than_the_data_and_none_are_the_whole_data(model, data):
    runs = [
        cr.fit(model, cost, data, epochs=2, batch_size=n, shuffle=False) for n in (None, 70, 999)
    ]
    assert bits(runs[0][0]) == bits(runs[1][0]) == bits(runs[2][0])


def test_every_row_counts_once_in_the_loss(model, data):
    """With a learning rate of 0 the loss of an epoch is the cost on all rows."""
    _, history = cr.fit(model, cost, data, optimizer=optim.sgd(0.0), epochs=1, batch_size=16)
    assert history["loss"][0] == pytest.approx(cr.evaluate(model, cost, data), rel=1e-5)


def test_data_may_be_trees(model, data):
    def tree_cost(model, batch):
        return nn.mse(model(batch["x"]), batch["t"])

    trained, _ = cr.fit(model, tree_cost, ({"x": data[0], "t": data[1]},), epochs=1)
    expected, _ = cr.fit(model, cost, data, epochs=1)
    assert bits(trained) == bits(expected)


def test_validation_and_metrics_are_measured_after_each_epoch(model, data):
    train, validation = tuple(a[:50] for a in data), tuple(a[50:] for a in data)
    metrics = {"error": lambda model, x, t: cr.abs(model(x) - t).mean()}
    trained, history = cr.fit(model, cost, train, validation=validation, metrics=metrics, epochs=3)
    assert history["validation_loss"][-1] == pytest.approx(
        cr.evaluate(trained, cost, validation), rel=1e-6
    )
    y = trained(np.asarray(validation[0], np.float32)).numpy()
    assert history["error"][-1] == pytest.approx(np.abs(y - validation[1]).mean(), rel=1e-4)
    _, history = cr.fit(model, cost, train, metrics=metrics, epochs=1)
    assert "validation_loss" not in history[-1] and history["error"][-1] > 0


# ------------------------------------------------------------------ frozen, random, state
def test_frozen_weights_do_not_move(model, data):
    frozen = nn.freeze(model, "hidden.0")
    trained, _ = cr.fit(frozen, cost, data, optimizer=optim.adamw(1e-2), epochs=2)
    for path in cr.tree_paths(model):
        same = np.array_equal(cr.tree_at(trained, path), cr.tree_at(model, path))
        assert same == path.startswith("hidden.0"), path


def test_random_layers_need_a_key(data):
    model = nn.MLP(3, [8], 1, dropout=0.5, rng=0)
    with pytest.raises(KeyNeeded, match=r"Dropout\(0\.5\).*key=None"):
        cr.fit(model, cost, data)


def test_validation_runs_without_dropout(data):
    model = nn.MLP(3, [8], 1, dropout=0.5, rng=0)
    trained, history = cr.fit(model, cost_with_key, data, validation=data, epochs=1)
    assert history[-1]["validation_loss"] == pytest.approx(
        cr.evaluate(trained, cost, data), rel=1e-6
    )


def test_state_goes_from_step_to_step(model, data):
    def counting(model, x, t, state):
        return nn.mse(model(x), t), {"steps": state["steps"] + 1}

    seen = []

    class Look(Callback):
        def on_epoch_end(self, run):
            seen.append(run.state["steps"].item())

    cr.fit(model, counting, data, state={"steps": 0}, epochs=2, batch_size=35, callbacks=[Look()])
    assert seen == [2, 4]


# ------------------------------------------------------------------ callbacks
def test_callbacks_see_the_run_as_it_is(model, data):
    calls = []

    class Record(Callback):
        def on_fit_begin(self, run):
            calls.append(("begin", run.epochs, run.steps_per_epoch, run.rows))

        def on_step_end(self, run, error):
            calls.append(("step", run.step, error > 0))

        def on_epoch_end(self, run):
            calls.append(("epoch", run.epoch, run.history[-1]["epoch"]))
            if run.epoch == 2:
                run.stop("Two are enough.")

        def on_fit_end(self, run):
            calls.append(("end", run.epoch))

    _, history = cr.fit(model, cost, data, epochs=5, batch_size=64, callbacks=[Record()])
    assert calls == [
        ("begin", 5, 2, 70),
        ("step", 1, True),
        ("step", 2, True),
        ("epoch", 1, 1),
        ("step", 3, True),
        ("step", 4, True),
        ("epoch", 2, 2),
        ("end", 2),
    ]
    assert history.stopped == "Two are enough." and "Two are enough." in repr(history)


def test_early_stopping_returns_the_best_model(data):
    model = nn.MLP(3, [8], 1, rng=0)
    few = tuple(a[:10] for a in data)
    rest = tuple(a[10:] for a in data)
    trained, history = cr.fit(
        model,
        cost,
        few,
        validation=rest,
        optimizer=optim.adam(5e-2),
        epochs=400,
        callbacks=[EarlyStopping(patience=8)],
    )
    best = min(history["validation_loss"])
    assert len(history) == history["validation_loss"].index(best) + 1 + 8 < 400
    assert cr.evaluate(trained, cost, rest) == pytest.approx(best, rel=1e-6)
    assert "8 epochs" in history.stopped


def test_reduce_learning_rate(model, data):
    rates = []

    class Look(Callback):
        def on_epoch_end(self, run):
            rates.append(float(optim.learning_rate(run.optimizer_state)))

    # No improvement passes this threshold: after the first epoch every second one halves the rate.
    rule = optim.reduce_on_plateau(0.5, patience=1, threshold=1e9, absolute=True, minimum=0.02)
    reduce = ReduceLearningRate(rule, "loss")
    _, history = cr.fit(
        model, cost, data, optimizer=optim.sgd(0.1), epochs=8, callbacks=[reduce, Look()]
    )
    expected = [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.02, 0.02]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    np.testing.assert_allclose(history["learning_rate"], [0.1, *expected[:-1]], rtol=1e-6)


def test_the_history_shows_what_a_schedule_does(model, data):
    optimizer = optim.chain(optim.sgd(0.1), optim.exponential(0.5))
    _, history = cr.fit(model, cost, data, optimizer=optimizer, epochs=3, batch_size=None)
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.025], rtol=1e-6)


def test_a_new_learning_rate_is_not_a_new_trace(model, data):
    x, t = (cr.asarray(a, np.float32) for a in data)
    optimizer = optim.sgd(0.1)
    step = cr.compile(training_step(Cost.of(cost), optimizer))
    state = optimizer.init(nn.parameters(model))
    for rate in (0.1, 0.2, 0.3):
        step(model, optim.set_learning_rate(state, rate), (x, t), None, None)
    assert step.trace_count == 1


# ------------------------------------------------------------------ refusals
def test_nan_stops_and_names_layer_and_op(data):
    class Root(nn.Module):
        def __call__(self, x):
            return cr.sqrt(x)

        def __repr__(self):
            return "Root()"

    model = nn.Sequential(nn.Linear(3, 1, rng=0), Root())
    with pytest.raises(NonFiniteError, match="sqrt") as caught:
        cr.fit(model, cost, data, epochs=3)
    message = str(caught.value)
    assert "epoch 1, step 1" in message and "Root()" in message
    assert bits(caught.value.model) == bits(model)  # the last good model
    assert len(caught.value.history) == 0


def test_a_learning_rate_that_explodes_is_named(model, data):
    model = nn.MLP(3, [8], 1, activation="relu", rng=0)
    with pytest.raises(NonFiniteError, match="learning rate") as caught:
        cr.fit(model, cost, data, optimizer=optim.sgd(1e8), epochs=50)
    assert all(np.isfinite(leaf.numpy()).all() for leaf in cr.tree_leaves(caught.value.model))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"data": np.ones(3)}, DataError, r"\(x, t\)"),
        ({"data": (np.ones((3, 3)), np.ones((4, 1)))}, DataError, r"\(3, 3\), \(4, 1\)"),
        ({"data": (np.ones((0, 3)), np.ones((0, 1)))}, DataError, "at least one"),
        ({"data": ()}, DataError, "nothing"),
        ({"data": (np.full((2, 3), np.nan), np.ones((2, 1)))}, DataError, "NaN"),
        ({"epochs": -1}, OptionError, "epochs >= 0"),
        ({"batch_size": 0}, OptionError, "batch_size >= 1"),
        ({"data": (np.ones((2, 4)), np.ones((2, 1)))}, ValueError, r"hidden\.0: Linear\(3, 8\)"),
    ],
)
def test_bad_input_is_refused_with_a_mend(model, data, change, error, words):
    arguments = {"data": data, "epochs": 1, **change}
    with pytest.raises(error, match=words):
        cr.fit(model, cost, **arguments)


def test_a_history_suggests_near_names(model, data):
    _, history = cr.fit(model, cost, data, epochs=1)
    with pytest.raises(OptionError, match="Did you mean 'loss'"):
        history["los"]


def test_progress_shows_loss_throughput_and_time(model, data, capsys):
    cr.fit(model, cost, data, validation=data, epochs=2, progress=True)
    shown = capsys.readouterr().out
    assert "loss" in shown and "validation" in shown and "rows/s" in shown and "2/2" in shown


# ------------------------------------------------------------------ a part of the rows
def test_a_part_of_the_rows_is_trained_on_as_if_there_were_no_others():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    rows = rng.permutation(50)[:33]

    def cost(model, x, t):
        return nn.mse(model(x), t)

    def metric(model, x, t):
        return (model(x) - t).mean()

    options = {"epochs": 3, "batch_size": 8, "metrics": {"bias": metric}, "rng": 5}
    model = nn.MLP(3, [4], 2, rng=0)
    part, history = cr.fit(model, cost, (x, t), rows=rows, **options)
    alone, same = cr.fit(model, cost, (x[rows], t[rows]), **options)
    for a, b in zip(cr.tree_leaves(part), cr.tree_leaves(alone), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()
    assert (history["loss"], history["bias"]) == (same["loss"], same["bias"])


@pytest.mark.parametrize("rows", [[], [0, 5], [-1], [1.5], [[0]], [True]])
def test_rows_that_are_not_there_are_refused(rows):
    x = np.zeros((5, 1))
    with pytest.raises(cr.errors.DataError, match=r"numbers of rows"):
        cr.fit(nn.Linear(1, 1, rng=0), lambda m, x: m(x).mean(), (x,), rows=rows)


def test_a_row_that_comes_twice_is_refused():
    x = np.zeros((5, 1))
    with pytest.raises(cr.errors.DataError, match="row 3 several times"):
        cr.fit(nn.Linear(1, 1, rng=0), lambda m, x: m(x).mean(), (x,), rows=[3, 1, 3])

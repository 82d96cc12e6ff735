"""Callbacks that come with the library, where they meet strange numbers."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import DivergedError, NonFiniteError, OptionError
from chainrule.train import EarlyStopping, Run, StopWhenDiverging
from chainrule.train.callbacks import is_better


def cost(model, x, t):
    return nn.mse(model(x), t)


def a_run(steps_per_epoch=10**6):
    return Run(
        model=cr.tensor(0.0),
        optimizer_state=None,
        state=None,
        epochs=9,
        steps_per_epoch=steps_per_epoch,
        rows=9,
    )


# ------------------------------------------------------------------ better
def test_nan_is_never_better():
    nan = math.nan
    assert is_better(1.0, nan) and is_better(math.inf, nan)
    assert not is_better(nan, 1.0) and not is_better(nan, nan)
    assert is_better(2.0, 1.0, largest=True) and not is_better(2.0, 1.0)
    assert not is_better(0.9, 1.0, threshold=0.1 + 1e-9)


def test_early_stopping_recovers_from_a_first_nan():
    run, early = a_run(), EarlyStopping("loss", patience=3)
    early.on_fit_begin(run)
    for loss in (math.nan, 3.0, 2.0, math.nan):
        run.record({"loss": loss})
        early.on_epoch_end(run)
    assert (early.best, early.best_epoch) == (2.0, 3) and not run.stopped


# ------------------------------------------------------------------ divergence
def told(callback, run, errors, block):
    """Tell a callback of steps, in blocks of some length; returns the error it raises."""
    callback.on_fit_begin(run)
    for start in range(0, len(errors), block):
        part = np.array(errors[start : start + block])
        run.step += len(part)
        try:
            callback.on_steps_end(run, part)
        except DivergedError as error:
            return error
    return None


@pytest.mark.parametrize("block", [1, 2, 3, 7, 100])
def test_the_step_that_is_named_does_not_depend_on_blocks(block):
    errors = [1.0] * 5 + [2.0] * 6 + [11.0] * 4 + [5.0] + [12.0] * 9
    error = told(StopWhenDiverging(factor=10, steps=5), a_run(), errors, block)
    assert error.values["step"] == 21 and error.values["error"] == 12.0
    assert told(StopWhenDiverging(factor=10, steps=10), a_run(), errors, block) is None


def test_a_negative_error_has_a_bound_above_it():
    calm = [-2.0] * 50
    assert told(StopWhenDiverging(factor=10, steps=5), a_run(), calm, 7) is None
    assert told(StopWhenDiverging(factor=10, steps=5), a_run(), [*calm, *[17.0] * 5], 7)


def test_one_spike_is_no_divergence():
    errors = ([1.0] * 19 + [1e9]) * 5
    assert told(StopWhenDiverging(steps=2), a_run(), errors, 8) is None


def test_a_diverging_training_stops_with_a_finite_error_and_the_last_good_model(data, bits):
    model = nn.Linear(3, 1, rng=0)
    with pytest.raises(NonFiniteError, match=r"diverges: in epoch .*learning rate") as caught:
        cr.fit(
            model,
            cost,
            data,
            optimizer=optim.sgd(2.0),
            epochs=200,
            batch_size=35,
            callbacks=[StopWhenDiverging(steps=4)],
        )
    error = caught.value
    assert isinstance(error, DivergedError) and np.isfinite(error.values["error"])
    assert len(error.history) == (error.values["step"] - 1) // 2
    assert cr.evaluate(error.model, cost, data) < error.values["error"]


@pytest.mark.parametrize("options", [{"factor": 1.0}, {"steps": 0}])
def test_options_are_checked(options):
    with pytest.raises(OptionError, match="factor > 1 and steps >= 1"):
        StopWhenDiverging(**options)

"""Ctrl-C: training ends between two steps, saves, and says how to go on."""

import signal
import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, train
from chainrule.train import Callback, Interrupted


def cost(model, x, t):
    return nn.mse(model(x), t)


class PressCtrlC(Callback):
    """Sends the signal during the callbacks of a step or an epoch."""

    def __init__(self, step=None, epoch=None, times=1):
        self.step, self.epoch, self.times = step, epoch, times

    def on_step_end(self, run, error):
        if run.step == self.step:
            self.press()

    def on_epoch_end(self, run):
        if run.epoch == self.epoch:
            self.press()

    def press(self):
        for _ in range(self.times):
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def fit(model, data):
    def fit(callbacks=(), **options):
        usual = {"epochs": 4, "batch_size": 16, "engine": "interpret", "validation": data}
        return cr.fit(model, cost, data, callbacks=callbacks, **usual | options)

    return fit


@pytest.mark.parametrize("press", [{"step": 7}, {"step": 10}, {"epoch": 1}])
def test_it_saves_and_can_be_resumed(fit, tmp_path, bits, timeless, press):
    path = tmp_path / "training.safetensors"
    model, history = fit()
    with pytest.raises(KeyboardInterrupt) as caught:
        fit([PressCtrlC(**press)], checkpoint=path)
    stop = caught.value
    assert isinstance(stop, Interrupted) and stop.checkpoint == path
    assert f"resume={str(path)!r}" in str(stop)
    assert bits(stop.model) == bits(train.load_model(path, model))
    assert timeless(stop.history) == timeless(history)[: len(stop.history)]
    again, whole = fit(resume=path)
    assert bits(again) == bits(model) and timeless(whole) == timeless(history)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_checkpoint_the_model_is_in_the_exception(fit, bits):
    with pytest.raises(Interrupted, match="epoch 2, after 2 of its steps") as caught:
        fit([PressCtrlC(step=7)])
    assert caught.value.checkpoint is None and "resume" not in str(caught.value)
    assert len(caught.value.history) == 1
    assert all(np.isfinite(leaf.numpy()).all() for leaf in cr.tree_leaves(caught.value.model))


def test_a_callback_is_never_interrupted_in_between(fit):
    done = []

    class Slow(PressCtrlC):
        def press(self):
            super().press()
            done.append("finished")

    with pytest.raises(Interrupted):
        fit([Slow(step=7)])
    assert done == ["finished"]


def test_a_second_one_is_obeyed_at_once(fit, tmp_path):
    path = tmp_path / "training.safetensors"
    with pytest.raises(KeyboardInterrupt) as caught:
        fit([PressCtrlC(step=7, times=2)], checkpoint=path)
    assert not isinstance(caught.value, Interrupted)
    assert fit(resume=path)[1][-1]["epoch"] == 4  # the one before is whole


def test_measuring_is_left_at_once_and_done_again(fit, tmp_path, bits, timeless):
    """The steps of the epoch are taken, but its record is not made yet."""
    path = tmp_path / "training.safetensors"
    pressed = []

    def metric(model, x, t):
        if not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError
        return cr.abs(model(x) - t).mean()

    options = {"metrics": {"mae": metric}}
    with pytest.raises(Interrupted) as caught:
        fit(checkpoint=path, **options)
    assert len(caught.value.history) == 0
    again, whole = fit(resume=path, **options)
    model, history = fit(**options)
    assert bits(again) == bits(model) and timeless(whole) == timeless(history)


def test_a_handler_of_the_program_stays(fit):
    seen = []
    old = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        _, history = fit([PressCtrlC(step=7)])
    finally:
        signal.signal(signal.SIGINT, old)
    assert seen == [signal.SIGINT] and len(history) == 4


def test_in_another_thread_nothing_is_installed(fit):
    found = []
    thread = threading.Thread(target=lambda: found.append(fit()[1]))
    thread.start()
    thread.join()
    assert len(found[0]) == 4


def test_one_that_comes_at_the_very_end_is_not_lost(fit):
    class Late(Callback):
        def on_fit_end(self, run):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit([Late()])


def test_before_the_first_steps_nothing_waits(fit):
    class Early(Callback):
        def on_fit_begin(self, run):
            signal.raise_signal(signal.SIGINT)
            raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        fit([Early()])


def test_it_is_a_keyboard_interrupt():
    assert not issubclass(Interrupted, Exception)

"""Progress: what it shows, and how it reckons the time that is left."""

import io

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule import nn
from chainrule.train import Run
from chainrule.train.progress import Pace, ProgressBar, _clock, _short


def test_the_pace_is_that_of_the_last_seconds():
    pace = Pace(epochs=1, steps_per_epoch=10_000)
    for second in range(20):  # slow at first, ten times as fast then
        pace.stepped(10 * second if second < 10 else 100 * (second - 9), now=float(second))
    assert pace.steps_per_second == pytest.approx(100)
    assert pace.seconds_left(1000) == pytest.approx(90)


def test_measuring_between_epochs_is_counted_once_an_epoch():
    pace = Pace(epochs=3, steps_per_epoch=10)
    pace.stepped(0, now=0.0)
    pace.stepped(10, now=1.0)
    pace.rested(now=5.0)
    assert pace.steps_per_second == pytest.approx(10)
    assert pace.seconds_left(10) == pytest.approx(2 * 1 + 2 * 4)
    pace.stepped(15, now=5.5)
    assert pace.seconds_left(15) == pytest.approx(1.5 + 2 * 4)


def test_nothing_is_known_before_the_first_steps():
    pace = Pace(epochs=3, steps_per_epoch=10)
    pace.stepped(0, now=0.0)
    assert pace.seconds_left(0) is None


def test_within_a_long_epoch_loss_speed_and_time_left_are_shown(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("chainrule.train.progress.time.perf_counter", lambda: now[0])
    run = Run(
        model=None, optimizer_state=None, state=None, epochs=2, steps_per_epoch=1000, rows=64_000
    )
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with ProgressBar(console) as bar:
        bar.on_fit_begin(run)
        now[0], run.step = 1.0, 10
        bar.on_steps_end(run, np.full(10, 0.5))
        bar._progress.refresh()
    shown = console.file.getvalue()
    assert "loss 0.5" in shown and "640 rows/s" in shown and "3:19 left" in shown
    assert "1/2" in shown


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (640.0, "640"),
        (1_250.0, "1.2 k"),
        (76_100.0, "76 k"),
        (330_000.0, "330 k"),
        (9.96e6, "10 M"),
    ],
)
def test_a_rate_is_written_without_an_exponent(rate, text):
    assert _short(rate) == text


def test_a_resumed_training_shows_what_is_done(tmp_path, data, model, capsys):
    path = tmp_path / "training.safetensors"

    def cost(model, x, t):
        return nn.mse(model(x), t)

    cr.fit(model, cost, data, epochs=2, checkpoint=path)
    cr.fit(model, cost, data, epochs=2, resume=path, progress=True)
    assert "2/2" in capsys.readouterr().out


def test_a_clock():
    assert [_clock(s) for s in (0, 59.6, 3723)] == ["0:00", "1:00", "1:02:03"]

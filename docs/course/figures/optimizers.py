"""Day 6: optimizers, schedules, the test for the learning rate, brakes."""

from typing import Any

import numpy as np
from ground import LEVELS, VALLEY, contours, steps, valley, walk
from sheets import BLUE, INK, MUTED, ORANGE, RED, WIDE, figure, gallery, label, panels

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.data import datasets
from chainrule.optim import schedules
from chainrule.report.figures import house_axes, log_axis


@figure(
    "optimizers",
    320,
    "Eight paths down the same valley; each optimizer has its own character.",
    WIDE,
)
def optimizers(axes: Any) -> None:
    """The same start, the same valley, forty steps each."""
    contestants = {
        "sgd": optim.sgd(0.04),
        "momentum": optim.momentum(0.02),
        "nesterov": optim.nesterov(0.02),
        "adagrad": optim.adagrad(1.0),
        "rmsprop": optim.rmsprop(0.1, decay=0.9),
        "adam": optim.adam(0.2),
        "adamw": optim.adamw(0.2, weight_decay=0.2),
    }
    paths = {name: steps(optimizer, 40) for name, optimizer in contestants.items()}
    paths["newton"] = np.array([[-4.0, 1.0], [0.0, 0.0]])
    for one, (name, path) in zip(panels(axes, 4, 2, labels=False), paths.items(), strict=True):
        contours(one, valley, VALLEY, LEVELS)
        walk(one, path, "validation" if name == "newton" else "network")
        house_axes(one, "", name)
        one.set(xticks=(-4, -2, 0), yticks=(-1, 0, 1))


@figure(
    "schedules", 400, "Factors of the learning rate over the steps, one curve per schedule.", WIDE
)
def every_schedule(axes: Any) -> None:
    """Every schedule of the library; the test of the course finds one that is missing."""
    made = {
        "constant": optim.constant(),
        "step_decay": optim.step_decay(25, 0.5),
        "piecewise": optim.piecewise([30, 70], [1.0, 0.4, 0.1]),
        "exponential": optim.exponential(0.05, every=100),
        "inverse_time": optim.inverse_time(0.05),
        "linear": optim.linear(100),
        "polynomial": optim.polynomial(100, power=2),
        "warmup": optim.warmup(30),
        "cosine": optim.cosine(100, warmup=10),
        "one_cycle": optim.one_cycle(100),
    }
    assert set(made) == set(schedules.__all__)
    step = np.arange(0, 101)
    for one, (name, plan) in zip(gallery(axes, len(made)), made.items(), strict=True):
        one.plot(step, np.asarray(plan(step)), color=BLUE)
        house_axes(one, "", name)
        one.set(ylim=(0, 1.08), xticks=(0, 50, 100), yticks=(0, 0.5, 1))


@figure("rate-test", 230, "The error over the learning rate: flat, falling, exploding.", WIDE)
def rate_test(axes: Any) -> None:
    """A learning-rate range test, with the suggested rate."""
    digits = datasets.load("digits")
    x = (digits.x / 16).astype("float32")

    def cost(model: Any, x: Any, t: Any) -> Any:
        return nn.cross_entropy(model(x), t)

    model = nn.MLP(64, [64], 10, activation="relu", rng=0)
    found = train.find_learning_rate(model, cost, (x, digits.t), optimizer=optim.adam())
    (one,) = panels(axes, 1)
    one.plot(found.rates, found.losses, color=BLUE, linewidth=0.8, alpha=0.4)
    one.plot(found.rates, found.smoothed, color=BLUE)
    one.axvline(found.suggestion, color=ORANGE, linewidth=1.2, linestyle=(0, (5, 2.5)))
    label(
        one, found.suggestion * 0.85, 0.3, f"α = {found.suggestion:.2g}", "validation", ha="right"
    )
    house_axes(one, "α", "J")
    log_axis(one, found.rates, "x")
    one.set_ylim(0, 3.2)


@figure(
    "brakes",
    300,
    "Five fits of twenty points: one bends to every point, the others are smoother.",
    WIDE,
)
def brakes(axes: Any) -> None:
    """No brake, and four of them."""
    rng = np.random.default_rng(1)

    def points() -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(-1, 1, (20, 1))
        return x, np.sin(3 * x) + rng.normal(0, 0.3, (20, 1))

    def cost(model: Any, x: Any, t: Any, key: Any = None) -> Any:
        return nn.mse(model(x, key=key), t)

    few, held = points(), points()
    x = np.linspace(-1, 1, 200)[:, None]
    stopping = {"validation": held, "callbacks": [train.EarlyStopping(patience=50)]}
    fits = {
        "adam": (optim.adam(0.01), 0.0, {}),
        "adam, weight_decay": (optim.adam(0.01, weight_decay=0.01), 0.0, {}),
        "adamw": (optim.adamw(0.01, weight_decay=1.0), 0.0, {}),
        "EarlyStopping": (optim.adam(0.01), 0.0, stopping),
        "Dropout(0.2)": (optim.adam(0.01), 0.2, {}),
    }
    places = panels(axes, 3, 2, labels=False)
    for one, (name, (optimizer, rate, options)) in zip(places[:5], fits.items(), strict=True):
        model = nn.MLP(1, [256], 1, dropout=rate, rng=0, dtype=np.float64)
        options = {"optimizer": optimizer, "batch_size": None, "epochs": 800, **options}
        model, _ = cr.fit(model, cost, few, **options)
        one.plot(x, np.sin(3 * x), color=INK, linewidth=1, linestyle=(0, (2, 2)))
        one.plot(*few, "o", color=MUTED, markersize=3)
        one.plot(x, model(x), color=RED if name == "adam" else BLUE)
        house_axes(one, "", name)
        one.set(ylim=(-1.9, 1.9), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    last = places[-1]
    last.set_axis_off()
    for row, (text, line) in enumerate((("sin 3x", "ink"), ("x, t", "muted"), ("y", "network"))):
        label(last, 0.25, 0.75 - 0.2 * row, text, line, va="center")
    last.plot([0.0, 0.18], [0.75, 0.75], color=INK, linewidth=1, linestyle=(0, (2, 2)))
    last.plot([0.09], [0.55], "o", color=MUTED, markersize=3)
    last.plot([0.0, 0.18], [0.35, 0.35], color=BLUE)
    last.set(xlim=(0, 1), ylim=(0, 1))

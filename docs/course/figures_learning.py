"""Draws the figures of days 5 to 7: ``python docs/course/figures_learning.py [folder]``.

Every curve and point is computed by chainrule. Labels are symbols, numbers and names of functions,
so that one picture serves pages in every language. The same library draws the same bytes.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figures_preparing  # noqa: F401  # draws day 7
import numpy as np
from wide_figures import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RED,
    beside,
    contours,
    figure,
    gallery,
    main,
    panels,
    walk,
)

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.data import datasets
from chainrule.optim import schedules
from chainrule.report.figures import COLOURS, LAYER_LINES, house_axes, line_style, log_axis


# ---------------------------------------------------------------------- 5 learning
def mean_error(model: Any, x: Any, t: Any) -> Any:
    """The cost of every network of these pages."""
    return cr.mean((t - model(x)) ** 2)


def waves() -> tuple[Any, Any]:
    """64 points of a sine."""
    x = cr.linspace(-1, 1, 64)[:, None]
    return x, cr.sin(3 * x)


@figure("learning", 230, "The error falls quickly, then slowly; the network bends into a sine.")
def learning(axes: Any) -> None:
    """The error over the steps, and what the network answers after some of them."""
    x, t = waves()

    @cr.compile
    def step(model: Any) -> Any:
        value, gradient = cr.value_and_grad(mean_error)(model, x, t)
        return value, cr.tree_map(lambda w, g: w - 0.1 * g, model, gradient)

    model = nn.MLP(1, [8], 1, activation="tanh", rng=0)
    errors, answers = [], {}
    for count in range(3001):
        if count in (0, 10, 100, 3000):
            answers[count] = np.asarray(model(x))
        value, model = step(model)
        errors.append(value.item())
    left, right = panels(axes, 2)
    steps = np.unique(np.geomspace(1, 3001, 200).astype(int))
    left.plot(steps, np.array(errors)[steps - 1], color=BLUE)
    house_axes(left, "n", "J")
    log_axis(left, steps, "x")
    log_axis(left, np.array(errors))
    right.plot(x, t, color=INK, linewidth=1, linestyle=(0, (2, 2)))
    ends = {0: (0.75, -0.55), 10: (0.55, 0.3), 100: (0.9, 1.0), 3000: (0.03, 0.92)}
    for index, (count, answer) in enumerate(answers.items()):
        line = LAYER_LINES[index]
        right.plot(x, answer, **line_style(line))
        beside(right, *ends[count], f"{count}", line)
    house_axes(right, "x", "y")


def noisy_rows() -> tuple[Any, Any]:
    """1,024 rows of a linear problem with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1024, 4)).astype("float32")
    weights = np.array([[1.0], [-2.0], [0.5], [3.0]])
    return x, (x @ weights + rng.normal(size=(1024, 1))).astype("float32")


@figure(
    "batches", 240, "The noise falls like the root of the batch size; small batches stay noisy."
)
def batches(axes: Any) -> None:
    """The noise of a gradient, and what it means for learning."""
    x, t = noisy_rows()
    start = nn.Linear(4, 1, rng=0)

    def of_row(model: Any, x: Any, t: Any) -> Any:
        return mean_error(model, x[None], t[None])

    rows = cr.vmap(cr.grad(of_row), in_axes=(None, 0, 0))(start, x, t)
    gradients = np.asarray(rows.weight)[:, :, 0]
    rng, sizes = np.random.default_rng(1), 2 ** np.arange(11)
    noise = []
    for size in sizes:
        picked = rng.integers(len(x), size=(1000, size))
        error = gradients[picked].mean(axis=1) - gradients.mean(axis=0)
        noise.append(np.sqrt((error**2).sum(axis=1).mean()))
    left, right = panels(axes, 2)
    spread = np.sqrt(((gradients - gradients.mean(axis=0)) ** 2).sum(axis=1).mean())
    left.plot(sizes, spread / np.sqrt(sizes), color=MUTED, linewidth=1)
    left.plot(sizes, noise, "o", color=BLUE, markersize=4)
    beside(left, 20, 5.5, "1/√B", "muted")
    house_axes(left, "B", "‖ĝ − g‖")
    log_axis(left, sizes, "x")
    log_axis(left, np.array(noise))
    labels = {1024: (4, 7), 64: (1.35, 1.3), 16: (1.02, 0.84), 4: (6, 1.2)}
    for index, size in enumerate((1024, 64, 16, 4)):
        watched = Watched((x, t))
        options = {"optimizer": optim.sgd(0.05), "batch_size": size, "epochs": 40}
        cr.fit(start, mean_error, (x, t), callbacks=[watched], **options)
        right.plot(np.arange(1, 41), watched.errors, **line_style(LAYER_LINES[index]))
        beside(right, *labels[size], f"B = {size}", LAYER_LINES[index])
    house_axes(right, "n / N", "J")
    log_axis(right, np.array([1, 40]), "x")
    log_axis(right, np.array([0.8, 14]))
    right.set(ylim=(0.8, 14), xticks=(1, 2, 5, 10, 20, 40))


class Watched(train.Callback):
    """The error on given rows after every epoch."""

    def __init__(self, data: Any) -> None:
        self.data, self.errors = data, []

    def on_epoch_end(self, run: Any) -> None:
        """Note it."""
        self.errors.append(mean_error(run.model, *self.data).item())


@figure("surfaces", 250, "A bowl; beside it two curved valleys with a saddle between them.")
def surfaces(axes: Any) -> None:
    """The error of a linear model, and that of the smallest network."""
    left, right = panels(axes, 2)
    x, t = noisy_rows()

    def linear_error(w: Any) -> Any:
        return cr.mean((t[:, 0] - x[:, 0] * w[0] - x[:, 1] * w[1]) ** 2)

    best = nn.least_squares_fit(x[:, :2], t, bias=False).weight.numpy()[:, 0]
    lowest = linear_error(best).item()
    levels = lowest + np.array([0.3, 1.5, 3.5, 6.5, 10.5, 15.5, 21.5])
    contours(left, linear_error, (-2.5, 4.5, -5.5, 1.5), levels)
    left.plot(*best, "o", color=BLUE, markersize=5)
    house_axes(left, "w₀", "w₁")
    contours(
        right,
        lambda w: (1 - w[0] * w[1]) ** 2,
        (-2.5, 2.5, -2.5, 2.5),
        (0.05, 0.3, 0.7, 0.999, 1.001, 1.6, 3, 6, 12, 20),
    )
    for side in (np.linspace(0.4, 2.5, 60), np.linspace(-2.5, -0.4, 60)):
        right.plot(side, 1 / side, color=BLUE)
    right.plot(0, 0, "x", color=RED, markersize=7, markeredgewidth=1.8)
    house_axes(right, "w₀", "w₁")


def hills(w: Any) -> Any:
    """A landscape with a local and a global minimum."""
    return w**4 - 4 * w**2 + w


@figure("minima", 240, "Balls roll into the valley in which they begin; a hill between equal nets.")
def minima(axes: Any) -> None:
    """Two minima of a function, and the hill between two networks that compute the same."""
    left, right = panels(axes, 2)
    w = np.linspace(-2.25, 2.15, 200)
    left.plot(w, hills(w), color=MUTED, linewidth=1.2)
    for start, line in (
        (-2.1, "network"),
        (0.1, "network"),
        (0.2, "validation"),
        (2.0, "validation"),
    ):
        path = [start]
        for _ in range(80):
            path.append(path[-1] - 0.02 * cr.grad(hills)(path[-1]).item())
        places = np.array(path)
        left.plot(places, hills(places), "o", color=COLOURS[line], markersize=2.4)
        left.plot(start, hills(start), "o", color=COLOURS[line], markersize=6, fillstyle="none")
    house_axes(left, "w", "f(w)")
    x = np.linspace(-1, 1, 64)[:, None]
    t = np.sin(3 * x)
    model, _ = cr.fit(
        nn.MLP(1, [3], 1, activation="tanh", rng=0, dtype=np.float64),
        mean_error,
        (x, t),
        optimizer=optim.adam(0.05),
        batch_size=None,
        epochs=300,
    )
    parts = np.linspace(0, 1, 41)
    for index, order in enumerate(([0, 2, 1], [2, 1, 0], [1, 0, 2])):
        twin = exchanged(model, np.array(order))
        errors = [mean_error(between(model, twin, part), x, t).item() for part in parts.tolist()]
        right.plot(parts, errors, **line_style(LAYER_LINES[index]))
        names = ("a₁ ↔ a₂", "a₀ ↔ a₂", "a₀ ↔ a₁")
        beside(
            right, 0.5, max(errors) - 0.06, names[index], LAYER_LINES[index], ha="center", va="top"
        )
    house_axes(right, "s", "J((1 − s) w + s w′)")


def exchanged(model: Any, order: np.ndarray) -> Any:
    """The same network with its hidden neurons in another order."""
    twin = cr.tree_replace(model, "hidden.0.weight", model.hidden[0].weight[:, order])
    twin = cr.tree_replace(twin, "hidden.0.bias", model.hidden[0].bias[order])
    return cr.tree_replace(twin, "output.weight", model.output.weight[order])


def between(model: Any, other: Any, part: float) -> Any:
    """A point on the straight line from one model to another."""
    return cr.tree_map(lambda a, b: (1 - part) * a + part * b, model, other)


def valley(w: Any) -> Any:
    """A long and narrow bowl."""
    return 0.5 * (w[0] ** 2 + 25 * w[1] ** 2)


VALLEY = (-4.6, 1.4, -1.45, 1.45)
LEVELS = np.array([0.15, 0.8, 2.5, 5.5, 10, 16, 24])


def steps(optimizer: Any, count: int, function: Callable[[Any], Any] = valley) -> np.ndarray:
    """Where an optimizer goes from the same place as all others."""
    w = cr.tensor([-4.0, 1.0])
    state, path = optimizer.init(w), [np.asarray(w)]
    for _ in range(count):
        updates, state = optimizer.update(cr.grad(function)(w), state, w)
        w = optim.apply_updates(w, updates)
        path.append(np.asarray(w))
    return np.array(path)


@figure("valley", 190, "A path that crawls, one that jumps from wall to wall, one that runs away.")
def valley_rates(axes: Any) -> None:
    """Three learning rates in one valley."""
    rates = {0.01: "network", 0.075: "network", 0.081: "wrong"}
    for one, (rate, line) in zip(panels(axes, 3), rates.items(), strict=True):
        contours(one, valley, VALLEY, LEVELS)
        walk(one, steps(optim.sgd(rate), 25), line)
        house_axes(one, "w₀", f"α = {rate}")
        one.set(xticks=(-4, -2, 0), yticks=(-1, 0, 1))


# ---------------------------------------------------------------------- 6 optimizers
@figure(
    "optimizers", 320, "Eight paths down the same valley; each optimizer has its own character."
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


@figure("schedules", 400, "Factors of the learning rate over the steps, one curve per schedule.")
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


@figure("rate-test", 230, "The error over the learning rate: flat, falling, exploding.")
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
    beside(
        one, found.suggestion * 0.85, 0.3, f"α = {found.suggestion:.2g}", "validation", ha="right"
    )
    house_axes(one, "α", "J")
    log_axis(one, found.rates, "x")
    one.set_ylim(0, 3.2)


@figure(
    "brakes", 300, "Five fits of twenty points: one bends to every point, the others are smoother."
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
        beside(last, 0.25, 0.75 - 0.2 * row, text, line, va="center")
    last.plot([0.0, 0.18], [0.75, 0.75], color=INK, linewidth=1, linestyle=(0, (2, 2)))
    last.plot([0.09], [0.55], "o", color=MUTED, markersize=3)
    last.plot([0.0, 0.18], [0.35, 0.35], color=BLUE)
    last.set(xlim=(0, 1), ylim=(0, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "images")

"""Day 5: learning curves, batches, landscapes, step lengths."""

from typing import Any

import numpy as np
from ground import LEVELS, VALLEY, contours, steps, valley, walk
from sheets import BLUE, INK, MUTED, RED, WIDE, figure, label, panels

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.report.figures import COLOURS, LAYER_LINES, house_axes, line_style, log_axis


def mean_error(model: Any, x: Any, t: Any) -> Any:
    """The cost of every network of these pages."""
    return cr.mean((t - model(x)) ** 2)


def waves() -> tuple[Any, Any]:
    """64 points of a sine."""
    x = cr.linspace(-1, 1, 64)[:, None]
    return x, cr.sin(3 * x)


@figure(
    "learning", 230, "The error falls quickly, then slowly; the network bends into a sine.", WIDE
)
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
        label(right, *ends[count], f"{count}", line)
    house_axes(right, "x", "y")


def noisy_rows() -> tuple[Any, Any]:
    """1,024 rows of a linear problem with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1024, 4)).astype("float32")
    weights = np.array([[1.0], [-2.0], [0.5], [3.0]])
    return x, (x @ weights + rng.normal(size=(1024, 1))).astype("float32")


@figure(
    "batches",
    240,
    "The noise falls like the root of the batch size; small batches stay noisy.",
    WIDE,
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
    label(left, 20, 5.5, "1/√B", "muted")
    house_axes(left, "B", "‖ĝ − g‖")
    log_axis(left, sizes, "x")
    log_axis(left, np.array(noise))
    labels = {1024: (4, 7), 64: (1.35, 1.3), 16: (1.02, 0.84), 4: (6, 1.2)}
    for index, size in enumerate((1024, 64, 16, 4)):
        watched = Watched((x, t))
        options = {"optimizer": optim.sgd(0.05), "batch_size": size, "epochs": 40}
        cr.fit(start, mean_error, (x, t), callbacks=[watched], **options)
        right.plot(np.arange(1, 41), watched.errors, **line_style(LAYER_LINES[index]))
        label(right, *labels[size], f"B = {size}", LAYER_LINES[index])
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


@figure("surfaces", 250, "A bowl; beside it two curved valleys with a saddle between them.", WIDE)
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


@figure(
    "minima",
    240,
    "Balls roll into the valley in which they begin; a hill between equal nets.",
    WIDE,
)
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
        label(
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


@figure(
    "valley", 190, "A path that crawls, one that jumps from wall to wall, one that runs away.", WIDE
)
def valley_rates(axes: Any) -> None:
    """Three learning rates in one valley."""
    rates = {0.01: "network", 0.075: "network", 0.081: "wrong"}
    for one, (rate, line) in zip(panels(axes, 3), rates.items(), strict=True):
        contours(one, valley, VALLEY, LEVELS)
        walk(one, steps(optim.sgd(rate), 25), line)
        house_axes(one, "w₀", f"α = {rate}")
        one.set(xticks=(-4, -2, 0), yticks=(-1, 0, 1))

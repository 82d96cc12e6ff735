"""Day 9: weights, why scores are scaled, positions, what a network learned to look at."""

from typing import Any

import numpy as np
from sheets import BLUE, MUTED, PAPER, RED, WIDE, figure, label, panels

import chainrule as cr
from chainrule import nn, optim
from chainrule.report.figures import LAYER_LINES, house_axes, line_style, log_axis


def tiles(axes: Any, array: np.ndarray, largest: float = 1.0) -> None:
    """A matrix as tiles, row 0 at the top: blue above 0, red below, the more the darker."""
    from matplotlib.patches import Rectangle

    for (row, column), value in np.ndenumerate(array):
        strength = min(abs(float(value)) / largest, 1.0)
        if strength > 0.01:
            colour = BLUE if value > 0 else RED
            place = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(place, 1, 1, facecolor=colour, alpha=strength, linewidth=0))
    rows, columns = array.shape
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.grid(False)


@figure("scaled", 240, "Unscaled scores make one weight 1 in wide keys; scaled ones do not.", WIDE)
def scaled(axes: Any) -> None:
    """The largest of eight weights, and the length of its gradient, by the width of the keys."""
    rng = np.random.default_rng(0)
    widths = 2 ** np.arange(0, 11)
    largest: dict[str, list[float]] = {"1": [], "1/√d": []}
    slopes: dict[str, list[float]] = {"1": [], "1/√d": []}
    for d in widths:
        q, k = rng.normal(size=(200, 1, d)), rng.normal(size=(200, 8, d))
        scores = (k @ q.swapaxes(1, 2))[:, :, 0]
        for name, scale in (("1", 1.0), ("1/√d", d**-0.5)):
            p = np.asarray(nn.softmax(cr.asarray(scale * scores)))
            largest[name].append(float(p.max(axis=1).mean()))
            slopes[name].append(float((p * (1 - p)).max(axis=1).mean()))
    left, right = panels(axes, 2)
    for one, values, places in (
        (left, largest, {"1": (14, 0.85), "1/√d": (40, 0.39)}),
        (right, slopes, {"1": (18, 0.10), "1/√d": (100, 0.23)}),
    ):
        for index, (name, line) in enumerate(values.items()):
            one.plot(widths, line, **line_style(LAYER_LINES[index]))
            label(one, *places[name], name, LAYER_LINES[index])
    house_axes(left, "d", "max p")
    house_axes(right, "d", "max p (1 − p)")
    for one in (left, right):
        log_axis(one, widths, "x")
        one.set(xticks=(1, 8, 64, 1024))
    left.set(ylim=(0.3, 1.02))
    right.set(ylim=(0, 0.26))


@figure("positions", 250, "Each position has a pattern of its own; near ones are alike.", WIDE)
def positions(axes: Any) -> None:
    """The sinusoidal positions, and how well they fit each other."""
    table = np.asarray(nn.sinusoidal_positions(16, 16))
    left, right = panels(axes, 2)
    tiles(left, table)
    house_axes(left, "i", "pos")
    left.grid(False)
    tiles(right, table @ table.T, 8.0)
    house_axes(right, "pos", "pos")
    right.grid(False)


class Finder(nn.Module):
    """Attention with one query, then a number."""

    attention: nn.MultiHeadAttention
    query: cr.Tensor
    output: nn.Linear

    def __call__(self, x: Any) -> Any:
        """What the query found in each sequence."""
        query = cr.broadcast_to(self.query, (x.shape[0], 1, 8))
        return self.output(self.attention(query, x)[:, 0])


def marked(rows: int, seed: int) -> tuple[Any, Any]:
    """Ten numbers each, one of which is marked; the answer is the marked one."""
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, 10, 8), dtype="float32")
    x[:, :, 0] = rng.uniform(-1, 1, (rows, 10))
    place = rng.integers(0, 10, rows)
    x[np.arange(rows), place, 1] = 1
    return x, x[np.arange(rows), place, :1]


@figure("marked", 260, "Before training a query looks everywhere, afterwards at the mark.", WIDE)
def looked_at(axes: Any) -> None:
    """The weights of 12 sequences, before and after."""
    x, t = marked(512, 0)

    def cost(model: Any, x: Any, t: Any) -> Any:
        return nn.mse(model(x), t)

    start = Finder(nn.MultiHeadAttention(8, 1, rng=0), cr.ones((1, 1, 8)), nn.Linear(8, 1, rng=1))
    model, _ = cr.fit(
        start, cost, (x, t), optimizer=optim.adam(1e-2), epochs=60, batch_size=32, rng=0
    )
    places = panels(axes, 3)
    rows, _ = marked(12, 1)
    tiles(places[0], rows[:, :, 1])
    for one, network in zip(places[1:], (start, model), strict=True):
        query = cr.broadcast_to(network.query, (12, 1, 8))
        _, weights = network.attention(query, rows, weights=True)
        tiles(one, np.asarray(weights)[:, 0, 0])
    for one, name in zip(places, ("x", "p, n = 0", "p, n = 960"), strict=True):
        house_axes(one, "t", name)
        one.grid(False)
        one.set(xticks=(0, 3, 6, 9), yticks=())


@figure("mask", 230, "Without a mask every row sees all; a causal mask leaves the past.", WIDE)
def mask(axes: Any) -> None:
    """Weights of the same scores: all, the past, the first four."""
    rng = np.random.default_rng(3)
    q, k, v = (rng.normal(size=(6, 4)) for _ in range(3))
    padding = np.arange(6) < 4
    kinds = {"∀": {}, "s ≤ t": {"causal": True}, "s < 4": {"mask": padding}}
    for one, (name, options) in zip(panels(axes, 3), kinds.items(), strict=True):
        _, weights = nn.attention(q, k, v, weights=True, **options)
        tiles(one, np.asarray(weights))
        for i, row in enumerate(np.asarray(weights)):
            for j, weight in enumerate(row):
                colour = PAPER if weight > 0.55 else MUTED
                shown = f"{weight:.2f}".lstrip("0") if weight else "0"
                one.text(j, i, shown, color=colour, ha="center", va="center", fontsize=8)
        house_axes(one, "s", f"p, {name}")
        one.grid(False)
        one.set(xticks=range(6), yticks=range(6))

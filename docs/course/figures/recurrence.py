"""Day 8: a network unrolled, what is left of a gradient after many steps, gates."""

from typing import Any

import numpy as np
from diagrams import diagram, node
from sheets import BLUE, ORANGE, WIDE, figure, label, panels

import chainrule as cr
from chainrule import nn, optim
from chainrule.explain import step_jacobians
from chainrule.report.figures import COLOURS, LAYER_LINES, house_axes, line_style, log_axis

#: The example of the page: one unit, weights that can be remembered.
PLAIN = nn.RNN(1, 1, bias=False, rng=0)
EXAMPLE = PLAIN.replace(cells=(PLAIN.cells[0].replace(weight=[[1.0]], recurrent=[[0.5]]),))
SEQUENCE = np.array([[[1.0], [0.0], [0.0]]], dtype="float32")


def short(number: float) -> str:
    """Three digits behind the point."""
    return f"{number:.3f}".replace("-", "−")


def example_errors() -> list[float]:
    """The error ``δ`` at every step: the derivative by a number that is added to ``z`` there."""

    def cost(offsets: Any) -> Any:
        h = cr.zeros((1, 1))
        cell = EXAMPLE.cells[0]
        for t in range(3):
            h = cell.step(cell.project(SEQUENCE[:, t]) + offsets[t], h)
        return nn.mse(h, cr.ones((1, 1)))

    return [part.item() for part in cr.grad(cost)([cr.zeros((1, 1)) for _ in range(3)])]


@figure("unrolled", 170, "One neuron at three steps; values run to the right, errors back.", WIDE)
def unrolled(axes: Any) -> None:
    """The same neuron three times, with what it knows and what it is to blame for."""
    diagram(axes, 170)
    axes.set(xlim=(0, WIDE))
    outputs = np.asarray(EXAMPLE(SEQUENCE)[0]).ravel()
    errors = example_errors()
    places = [(95 + 175 * t, 100) for t in range(3)]
    forwards = {"arrowstyle": "->", "color": BLUE, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    backwards = {**forwards, "color": ORANGE}
    for t, (x, y) in enumerate(places):
        node(axes, (x, y), f"{t + 1}")
        axes.annotate("", (x, y - 22), (x, y - 62), arrowprops=forwards)
        label(axes, x, y - 82, f"x = {SEQUENCE[0, t, 0]:.0f}", "network", ha="center")
        label(axes, x + 7, y - 48, "w = 1", "muted")
        label(axes, x, y + 34, f"δ = {short(errors[t])}", "validation", ha="center")
        axes.annotate("", (x + 153, y + 6), (x + 22, y + 6), arrowprops=forwards)
        label(axes, x + 88, y + 14, f"h = {short(outputs[t])}", "network", ha="center")
        if t < 2:
            axes.annotate("", (x + 22, y - 8), (x + 153, y - 8), arrowprops=backwards)
            label(axes, x + 88, y - 26, "u = 0.5", "muted", ha="center")


@figure(
    "through-time",
    250,
    "Of a gradient nearly nothing is left after 100 steps, unless a gate is open.",
    WIDE,
)
def through_time(axes: Any) -> None:
    """The largest singular value of the product of Jacobians, by the number of steps back."""
    x = np.random.default_rng(0).normal(size=(1, 100, 2)).astype("float32")
    layers = {
        "RNN": nn.RNN(2, 32, rng=0),
        "GRU": nn.GRU(2, 32, rng=0),
        "LSTM": nn.LSTM(2, 32, rng=0),
        "GRU, b = 5": opened(nn.GRU(2, 32, rng=0), 5.0),
    }
    places = {"RNN": (70, 1e-8), "GRU": (50, 1e-11), "LSTM": (72, 2e-2), "GRU, b = 5": (60, 6.0)}
    for index, (name, layer) in enumerate(layers.items()):
        remaining = step_jacobians(layer, x).remaining[::-1]
        axes.plot(np.arange(1, 101), remaining, **line_style(LAYER_LINES[index]))
        label(axes, *places[name], name, LAYER_LINES[index])
    house_axes(axes, "T − t", "σ(∂s⁽ᵀ⁾/∂s⁽ᵗ⁾)")
    log_axis(axes, np.array([1e-14, 1e2]))
    axes.set(xlim=(0, 101), ylim=(1e-14, 1e2), yticks=(1e-12, 1e-9, 1e-6, 1e-3, 1))
    axes.set_yticklabels(("10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1"))


def opened(layer: Any, start: float) -> Any:
    """A GRU whose update gate begins open: it keeps what it has."""
    cell = layer.cells[0]
    bias = np.zeros(3 * cell.units, dtype="float32")
    bias[cell.units : 2 * cell.units] = start
    return layer.replace(cells=(cell.replace(bias=cr.asarray(bias)),))


class Reader(nn.Module):
    """A recurrent layer, and an answer after the last step."""

    layer: nn.Module
    output: nn.Linear

    def __call__(self, x: Any) -> Any:
        """The logits of the two answers."""
        return self.output(self.layer.last(self.layer(x)[1]))


def first_sign(rows: int, time: int, seed: int) -> tuple[Any, Any]:
    """Sequences of small noise that begin with 1 or −1, and which it was."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.3, (rows, time, 1)).astype("float32")
    sign = rng.integers(0, 2, rows)
    x[:, 0, 0] = 2 * sign - 1
    return x, sign


@figure("gates", 250, "A trained LSTM: the gates and the cell state over twenty steps.", WIDE)
def gates(axes: Any) -> None:
    """The unit that remembers best, for both signs."""
    x, t = first_sign(512, 20, 0)

    def cost(model: Any, x: Any, t: Any) -> Any:
        return nn.cross_entropy(model(x), t)

    start = Reader(nn.LSTM(1, 4, rng=0), nn.Linear(4, 2, rng=1))
    model, _ = cr.fit(
        start, cost, (x, t), optimizer=optim.adam(1e-2), epochs=40, batch_size=32, rng=0
    )
    pair = np.concatenate([x[t == 1][:1], x[t == 0][:1]])
    (values,) = model.layer.gates(pair)
    found = {name: np.asarray(value) for name, value in values.items()}
    unit = int(found["forget"][0, 1:].mean(axis=0).argmax())
    cell = np.stack([states_of(model.layer, pair, n)[:, unit] for n in range(1, 21)], axis=1)
    left, right = panels(axes, 2)
    steps = np.arange(1, 21)
    for index, (name, letter) in enumerate((("forget", "f"), ("input", "i"))):
        line = found[name][0, :, unit]
        left.plot(steps, line, **line_style(LAYER_LINES[index]))
        label(left, 20.4, float(line[-1]), letter, LAYER_LINES[index], va="center")
    house_axes(left, "t", "σ", whole_x=True)
    left.set(ylim=(-0.05, 1.05), xlim=(1, 22))
    for row, (line, text) in enumerate((("network", "+1"), ("wrong", "−1"))):
        right.plot(steps, cell[row], color=COLOURS[line])
        label(right, 20.4, float(cell[row, -1]), text, line, va="center")
    house_axes(right, "t", "c", whole_x=True)
    right.set(xlim=(1, 23))


def states_of(layer: Any, x: Any, count: int) -> np.ndarray:
    """The cell state after so many steps."""
    return np.asarray(layer(x[:, :count])[1][0].c)

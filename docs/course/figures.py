"""Draws the figures of the first four days: ``python docs/course/figures.py [folder]``.

Every curve is computed by chainrule. Labels are symbols and numbers, so that one picture serves
pages in every language, and stand beside what they name. The same library draws the same bytes.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.explain import draw
from chainrule.nn.activations import ACTIVATIONS
from chainrule.report.figures import (
    COLOURS,
    LAYER_LINES,
    house_axes,
    line_style,
    log_axis,
    picture,
)

INK, RULE = COLOURS["ink"], COLOURS["rule"]
BLUE, ORANGE, RED = COLOURS["network"], COLOURS["validation"], COLOURS["wrong"]
PAPER = "#fdfcfa"
#: A unit is 1.4 pixels: letters of 11 units are about as large as the text of the page.
WIDTH, SCALE = 360, 1.4
FONTS = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Noto Sans, sans-serif"
COLOUR = re.compile(r"var\(--([\w-]+)\)")


#: How high each figure is, what is seen in it, and how it is drawn.
FIGURES: dict[str, tuple[int, str, Callable[[Any], None]]] = {}


def figure(name: str, height: int, description: str) -> Callable[..., Any]:
    """The decorated function draws the figure of this name on matplotlib's axes."""

    def register(plot: Callable[[Any], None]) -> Callable[[Any], None]:
        FIGURES[name] = height, description, plot
        return plot

    return register


def label(axes: Any, x: float, y: float, text: str, line: str = "ink", **options: Any) -> None:
    """A label in the colour of the line beside it."""
    axes.text(x, y, text, color=COLOURS[line], **options)


def key(axes: Any, row: int, text: str, line: str, left: float = 0.02) -> None:
    """A row of a legend: a piece of the line, and what it is."""
    height = axes.get_figure().get_size_inches()[1] * 72
    y = 0.94 - 17 * row / (height - 62)
    axes.plot([left, left + 0.07], [y, y], transform=axes.transAxes, **line_style(line))
    label(axes, left + 0.09, y, text, line, transform=axes.transAxes, va="center_baseline")


# ---------------------------------------------------------------------- 1 models
X, T = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[0.0], [2.0], [2.0], [4.0]])


@figure("line", 230, "Four points, the line of least squares, three lines of gradient descent.")
def line(axes: Any) -> None:
    """The closed form, and how gradient descent comes to it."""
    best, ends = nn.least_squares_fit(X, T), np.array([[-0.3], [3.3]])
    model = nn.Linear(1, 1, init="zeros", dtype=np.float64)
    for step in range(4):
        if step != 2:
            axes.plot(ends, model(ends), linewidth=1.2, color=ORANGE, linestyle=(0, (4, 2)))
            label(axes, 3.36, model(ends)[1, 0].item(), f"{step}", "validation", va="center")
        slope = cr.grad(lambda model: nn.mse(model(X), T))(model)
        model = cr.tree_map(lambda w, g: w - 0.05 * g, model, slope)
    axes.vlines(X, T, best(X), color=RED, linewidth=1.4)
    axes.plot(ends, best(ends), color=BLUE)
    axes.plot(X, T, "o", color=INK, markersize=5)
    label(axes, 0.9, 2.05, "t", ha="right")
    label(axes, 0.94, 1.55, "t − y", "wrong", ha="right")
    label(axes, 2.25, 3.3, "y = 1.2 x + 0.2", "network", ha="right")
    house_axes(axes, "x", "t, y")
    axes.set_xlim(-0.3, 3.6)


@figure("collapse", 200, "The same weights give a line without, a broken line with activations.")
def collapse(axes: Any) -> None:
    """What an activation between the layers changes."""
    hidden = nn.Linear.of([[1.0, 1.0, 1.0, 1.0]], [1.5, 0.5, -0.5, -1.2])
    output = nn.Linear.of([[1.0], [-2.0], [2.2], [-1.5]], [0.3])
    bent, x = nn.Sequential(hidden, nn.relu, output), np.linspace(-2, 2, 401, dtype="f")[:, None]
    straight = nn.collapse(nn.Sequential(hidden, nn.identity, output))
    axes.plot(x, straight(x), **line_style("validation"))
    axes.plot(x, bent(x), color=BLUE)
    key(axes, 0, "φ(z) = z", "validation", 0.7)
    key(axes, 1, "φ = ReLU", "network", 0.7)
    house_axes(axes, "x", "y")


@figure("classes", 270, "A plane in three regions, one for each class, with straight borders.")
def classes(axes: Any) -> None:
    """The arg max of three linear functions."""
    model = nn.Linear.of([[1.0, -1.0, 0.0], [-0.5, -0.5, 1.0]], [0.0, 0.0, 0.0])
    points = np.random.default_rng(0).uniform(-2, 2, (160, 2)).astype("float32")
    found = np.asarray(nn.predict_class(model(points)))
    places = [(1.1, -0.9), (-1.1, -0.9), (0.0, 1.3)]
    for c, (mark, place) in enumerate(zip("os^", places, strict=True)):
        axes.plot(*points[found == c].T, mark, color=COLOURS[LAYER_LINES[2 * c]], markersize=4)
        frame = {"facecolor": PAPER, "edgecolor": RULE, "pad": 3}
        label(axes, *place, f"arg max = {c}", ha="center", bbox=frame)
    for x, y in ((0, -2), (2, 4 / 3), (-2, 4 / 3)):
        axes.plot([0, x], [0, y], color=INK, linewidth=1.2)
    house_axes(axes, "x₀", "x₁")
    axes.set(xlim=(-2, 2), ylim=(-2, 2))


# ---------------------------------------------------------------------- 2 activations
def draw_activation(name: str) -> Callable[[Any], None]:
    """The value and the derivative of an activation."""
    phi = ACTIVATIONS[name]

    def plot(axes: Any) -> None:
        z = np.linspace(-4, 4, 400)  # 0 lies between two points
        axes.plot(z, phi(z), color=BLUE)
        axes.plot(z, cr.vmap(cr.grad(phi))(z), **line_style("validation"))
        key(axes, 0, "φ(z)", "network")
        key(axes, 1, "φ′(z)", "validation")
        house_axes(axes, "z")
        axes.set(xlim=(-4, 4), ylim=(-1.2, 2.4))
        axes.set_yticks([-1, 0, 1, 2])

    return plot


for _name in ACTIVATIONS:
    _text = f"Value and derivative of {_name} between -4 and 4."
    FIGURES[f"activation-{_name}"] = 190, _text, draw_activation(_name)


def draw_row_function(function: Callable[..., Any], axes: Any) -> Any:
    """A function of three logits, of which the first one moves."""
    first = np.linspace(-6, 8, 300)
    z = np.stack([first, np.full_like(first, 1.0), np.zeros_like(first)], axis=-1)
    found = np.asarray(function(z))
    for c, name in enumerate(("network", "validation", "layer-3")):
        axes.plot(first, found[:, c], **line_style(name))
    house_axes(axes, "z₀        (z₁ = 1, z₂ = 0)")
    axes.set_xlim(-6, 8)
    return found


@figure("activation-softmax", 190, "Three probabilities while the first logit grows.")
def softmax(axes: Any) -> None:
    """One probability grows, the others fall."""
    draw_row_function(nn.softmax, axes)
    label(axes, 4.6, 0.87, "p₀", "network")
    label(axes, -4.0, 0.77, "p₁", "validation")
    label(axes, -4.0, 0.31, "p₂", "layer-3")


@figure("activation-log_softmax", 190, "Three log-probabilities while the first logit grows.")
def log_softmax(axes: Any) -> None:
    """Straight far out: no digits are lost."""
    draw_row_function(nn.log_softmax, axes)
    label(axes, -5.6, -4.3, "log p₀", "network")
    label(axes, 6.1, -4.3, "log p₁", "validation", ha="left")
    label(axes, 3.0, -5.6, "log p₂", "layer-3")


@figure(
    "vanishing", 250, "The gradient of ten layers: level for ReLU and tanh, falling for sigmoid."
)
def vanishing(axes: Any) -> None:
    """How large the gradient is in each of ten hidden layers."""
    x = np.random.default_rng(0).normal(size=(64, 32))
    layers = np.arange(1, 11)
    shown = {"tanh": "layer-3", "relu": "network", "softplus": "layer-0", "sigmoid": "validation"}
    for name, line_name in shown.items():
        model = nn.MLP(32, [32] * 10, 1, activation=name, rng=0, dtype=np.float64)
        slope = cr.grad(lambda model: nn.mse(model(x), np.ones((64, 1))))(model)
        sizes = np.array([np.linalg.norm(layer.weight) for layer in slope.hidden])
        sizes /= sizes[-1]
        axes.plot(layers, sizes, marker="o", markersize=3, **line_style(line_name))
        if name in ("softplus", "sigmoid"):
            label(axes, 3.1, sizes[2] * 0.12, name, line_name)
    key(axes, 0, "tanh", "layer-3", 0.05)
    key(axes, 0, "relu", "network", 0.3)
    house_axes(axes, "l", "‖∂J/∂Wˡ‖ / ‖∂J/∂W¹⁰‖")
    axes.set_xticks(layers)
    log_axis(axes, np.array([1e-7, 1.0]))
    axes.set_ylim(5e-8, 60)


@figure("zigzag", 260, "Two ways to the same weights: a long zigzag, and a short way.")
def zigzag(axes: Any) -> None:
    """Row by row: inputs that are all positive, and inputs around 0."""
    z, target = np.random.default_rng(2).normal(0, 2, (60, 2)), np.array([1.0, -1.0])

    def way(phi: Callable[..., Any]) -> np.ndarray:
        w, seen = np.zeros(2), [np.zeros(2)]
        for x in np.asarray(phi(z)):
            slope = cr.grad(lambda w, x=x: (x @ target - cr.sum(x * w)) ** 2)(w)
            w = w - 0.25 * np.asarray(slope)
            seen.append(w)
        return np.array(seen)

    dots = {"marker": "o", "markersize": 2.5}
    axes.plot(*way(nn.sigmoid).T, **dots, **line_style("validation"))
    axes.plot(*way(lambda z: 2 * nn.sigmoid(z) - 1).T, **dots, **line_style("network"))
    axes.plot(*target, "*", color=INK, markersize=11)
    key(axes, 0, "x = σ(z) > 0", "validation", 0.55)
    key(axes, 1, "x = 2 σ(z) − 1", "network", 0.55)
    house_axes(axes, "w₀", "w₁")


# ---------------------------------------------------------------------- 3 losses
ERRORS = np.linspace(-3, 3, 300)
REGRESSION = (("mse", "network"), ("mae", "validation"), ("huber", "layer-3"))


def draw_regression(axes: Any, of: Callable[[Callable[..., Any]], Any]) -> None:
    """A line for each of the losses of regression, by the error ``y - t``."""
    for row, (name, line_name) in enumerate(REGRESSION):
        axes.plot(ERRORS, of(getattr(nn, name)), **line_style(line_name))
        key(axes, row, name, line_name, 0.42)


@figure("losses", 230, "Squared, absolute and Huber's error.")
def losses(axes: Any) -> None:
    """What each loss says of an error."""
    zero = np.zeros_like(ERRORS)
    draw_regression(axes, lambda loss: loss(ERRORS, zero, reduction="none"))
    house_axes(axes, "y − t", "e")
    axes.set_ylim(-0.2, 6)


@figure("loss-slopes", 230, "The slopes: growing without end for mse, bounded for mae and huber.")
def loss_slopes(axes: Any) -> None:
    """How hard each loss pulls."""
    draw_regression(axes, lambda loss: cr.vmap(cr.grad(lambda y: loss(y, 0.0)))(ERRORS))
    house_axes(axes, "y − t", "∂e/∂y")
    axes.set_ylim(-4, 4)


@figure(
    "outlier", 230, "Five points on a line and one far away: mse turns towards it, mae does not."
)
def outlier(axes: Any) -> None:
    """Lines fitted by three losses to data with one outlier."""
    x = np.arange(6.0)[:, None]
    t = 0.5 * x + 1
    t[5] = 9
    ends = np.array([[-0.3], [5.3]])
    for row, (name, line_name) in enumerate(REGRESSION):
        loss, model = getattr(nn, name), nn.Linear(1, 1, init="zeros", dtype=np.float64)

        @cr.compile
        def step(model: Any, rate: Any, loss: Any = loss) -> Any:
            slope = cr.grad(lambda model: loss(model(x), t))(model)
            return cr.tree_map(lambda w, g: w - rate * g, model, slope)

        for k in range(1500):
            model = step(model, 0.1 / (1 + k / 50))
        axes.plot(ends, model(ends), **line_style(line_name))
        key(axes, row, name, line_name)
    axes.plot(x, t, "o", color=INK, markersize=5)
    house_axes(axes, "x", "t, y")


@figure("cross-entropy", 210, "Minus the logarithm of p: 0 at 1, without bound towards 0.")
def cross_entropy(axes: Any) -> None:
    """The surprise of seeing what one thought had the probability p."""
    p = np.linspace(0.004, 1, 300)
    axes.plot(p, -np.log(p), color=BLUE)
    label(axes, 0.1, 3.2, "e = −log p", "network")
    for at in (0.1, 0.5, 0.9):
        axes.plot(at, -np.log(at), "o", color=INK, markersize=4)
        label(axes, at + 0.02, -np.log(at) + 0.2, f"{-np.log(at):.2f}")
    house_axes(axes, "p", "e")


@figure(
    "stable", 220, "From logits the loss stays exact; from probabilities it breaks at about 17."
)
def stable(axes: Any) -> None:
    """Float32: the loss from logits, and from rounded probabilities."""
    z = np.linspace(10, 22, 601).astype("float32")
    axes.plot(z, nn.binary_cross_entropy(z, np.zeros_like(z), reduction="none"), color=BLUE)
    naive = np.asarray(-cr.log(1 - nn.sigmoid(z)))
    finite = np.isfinite(naive)
    axes.plot(z[finite], naive[finite], **line_style("validation"))
    axes.vlines(z[finite][-1], 9.5, naive[finite][-1], color=ORANGE, linewidth=1.2)
    label(axes, z[finite][-1] + 0.2, 11, "−log(1 − σ(z)) = ∞", "validation")
    key(axes, 0, "binary_cross_entropy(z, 0)", "network")
    key(axes, 1, "−log(1 − σ(z))", "validation")
    house_axes(axes, "z", "e")
    axes.set_ylim(9.5, 24)


@figure(
    "confident", 220, "For a confident mistake mse on the sigmoid is flat, cross-entropy is not."
)
def confident(axes: Any) -> None:
    """The slope for a logit whose target is 1."""
    z = np.linspace(-8, 8, 300)
    slopes = cr.vmap(cr.grad(lambda z: nn.binary_cross_entropy(z, 1.0)))(z)
    axes.plot(z, slopes, **line_style("network"))
    key(axes, 0, "binary_cross_entropy(z, 1)", "network", 0.05)
    slopes = cr.vmap(cr.grad(lambda z: nn.mse(nn.sigmoid(z), 1.0)))(z)
    axes.plot(z, slopes, **line_style("validation"))
    key(axes, 1, "mse(σ(z), 1)", "validation", 0.05)
    house_axes(axes, "z", "∂e/∂z")
    axes.set_ylim(-1.1, 0.6)


# ---------------------------------------------------------------------- 4 backpropagation
INPUTS, HIDDEN, OUTPUT = ((30, 155), (30, 65)), ((170, 190), (170, 110), (170, 30)), (285, 110)
RADIUS = 21


def diagram(axes: Any, height: int) -> None:
    """Axes that are a sheet of paper with a point for each unit."""
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(0, height), position=(0, 0, 1, 1))
    axes.get_figure().subplots_adjust = lambda **margins: axes.set_position((0, 0, 1, 1))


def node(axes: Any, place: tuple[float, float], text: str, line_name: str = "ink") -> None:
    """A circle with a text."""
    from matplotlib.patches import Circle

    outline = {"facecolor": PAPER, "edgecolor": COLOURS[line_name], "linewidth": 1.4, "zorder": 3}
    axes.add_patch(Circle(place, RADIUS, **outline))
    label(axes, *place, text, line_name, ha="center", va="center", zorder=4, linespacing=1.15)


def edge(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    text: str,
    line_name: str = "muted",
    at: float = 0.5,
    width: float = 1.2,
) -> None:
    """A line between two nodes with a text on it."""
    (x, y), (u, v) = start, end
    axes.plot([x, u], [y, v], color=COLOURS[line_name], linewidth=width, zorder=1)
    frame = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    place = (x + at * (u - x), y + at * (v - y))
    label(axes, *place, text, line_name, ha="center", va="center", zorder=2, bbox=frame)


def draw_network(
    axes: Any,
    nodes: Sequence[str],
    first: Sequence[Sequence[str]],
    second: Sequence[str],
    error: str,
    line_name: str = "ink",
    live: Iterable[bool] = (True, True, True),
) -> None:
    """Two inputs, three hidden neurons and one output, with texts on nodes and edges."""
    diagram(axes, 220)
    for j, alive in enumerate(live):
        colour = line_name if alive else "muted"
        for i, place in enumerate(INPUTS):
            edge(axes, place, HIDDEN[j], first[i][j], colour, 0.68)
        edge(axes, HIDDEN[j], OUTPUT, second[j], colour, 0.5)
        node(axes, HIDDEN[j], nodes[2 + j], colour)
    for place, text in zip(INPUTS, nodes[:2], strict=True):
        node(axes, place, text)
    edge(axes, OUTPUT, (345, 110), "", line_name)
    node(axes, OUTPUT, nodes[5], line_name)
    label(axes, 352, 135, error, line_name, ha="right")


@figure("network", 220, "Two inputs, three hidden neurons and one output, with their symbols.")
def network(axes: Any) -> None:
    """The names of everything in the example."""
    draw_network(
        axes,
        ["x₀", "x₁", "z¹₀\na¹₀", "z¹₁\na¹₁", "z¹₂\na¹₂", "z²\ny"],
        [["w¹₀₀", "w¹₀₁", "w¹₀₂"], ["w¹₁₀", "w¹₁₁", "w¹₁₂"]],
        ["w²₀", "w²₁", "w²₂"],
        "J",
    )


W1, W2 = np.array([[1.0, 1.0, -1.0], [0.5, -1.0, 1.0]]), np.array([[1.5], [2.0], [-1.0]])
ROW, TARGET = np.array([[1.0, 2.0]]), np.array([[1.0]])
EXAMPLE = nn.MLP(2, [3], 1, rng=0).replace(hidden=(nn.Linear.of(W1),), output=nn.Linear.of(W2))


def example_cost(model: Any, x: Any, t: Any) -> Any:
    """The error of the example."""
    return nn.mse(model(x), t)


def short(number: Any) -> str:
    """A number without what says nothing: ``-1``, ``0.5``."""
    return f"{float(number):g}".replace("-", "−")


@figure("forward", 220, "The example with its numbers, from the inputs to the error.")
def forward(axes: Any) -> None:
    """The values of the row, and the weights."""
    z = np.asarray(EXAMPLE.hidden[0](ROW))[0]
    y = EXAMPLE(ROW).item()
    texts = [f"z {short(v)}\na {short(nn.relu(v))}" for v in z]
    draw_network(
        axes,
        [*map(short, ROW[0]), *texts, f"y {short(y)}"],
        [[short(w) for w in row] for row in W1],
        [short(w) for w in W2[:, 0]],
        f"J = {short(example_cost(EXAMPLE, ROW, TARGET))}",
        "network",
        z > 0,
    )


@figure(
    "backward", 220, "The example with its gradients: errors on the nodes, derivatives on edges."
)
def backward(axes: Any) -> None:
    """The errors of the neurons, and the derivative by each weight."""
    slope = cr.grad(example_cost)(EXAMPLE, ROW, TARGET)
    of_hidden = cr.grad(lambda z: nn.mse(nn.relu(z) @ W2, TARGET))(EXAMPLE.hidden[0](ROW))
    of_output = cr.grad(lambda y: nn.mse(y, TARGET))(EXAMPLE(ROW))
    errors = [f"δ\n{short(d)}" for d in np.asarray(of_hidden)[0]]
    draw_network(
        axes,
        [*map(short, ROW[0]), *errors, f"δ\n{short(of_output.item())}"],
        [[short(w) for w in row] for row in np.asarray(slope.hidden[0].weight)],
        [short(w) for w in np.asarray(slope.output.weight)[:, 0]],
        "∂J/∂w",
        "validation",
        np.asarray(of_hidden)[0] != 0,
    )


@figure("node", 124, "A node gets an upstream derivative and passes on its product with its own.")
def local_times_upstream(axes: Any) -> None:
    """What every node does on the way back."""
    diagram(axes, 124)
    node(axes, (180, 60), "f")
    forwards = {"arrowstyle": "->", "color": BLUE, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    backwards = {**forwards, "color": ORANGE}
    for start, end, style in (
        ((30, 70), (158, 70), forwards),
        ((202, 70), (330, 70), forwards),
        ((330, 50), (202, 50), backwards),
        ((158, 50), (30, 50), backwards),
    ):
        axes.annotate("", end, start, arrowprops=style)
    label(axes, 90, 80, "x", "network", ha="center")
    label(axes, 270, 80, "z = f(x)", "network", ha="center")
    label(axes, 270, 29, "∂J/∂z", "validation", ha="center")
    label(axes, 90, 29, "∂J/∂z · ∂z/∂x", "validation", ha="center")
    label(axes, 180, 97, "∂z/∂x", "ink", ha="center")


# ---------------------------------------------------------------------- files
def drawn(name: str) -> str:
    """The SVG of a figure: on light paper, so that it can be read on a dark page too."""
    height, description, plot = FIGURES[name]
    pixels = {"width": f"{SCALE * WIDTH:.0f}", "height": f"{SCALE * height:.0f}"}
    style = f"background: {PAPER}; font-family: {FONTS}"
    root = {"xmlns": "http://www.w3.org/2000/svg", **pixels, "style": style}
    written = " ".join(f'{key}="{value}"' for key, value in root.items())
    svg = picture(name, name, description, plot, size=(WIDTH, height)).svg
    return COLOUR.sub(_value, svg.replace("<svg ", f"<svg {written} ", 1)) + "\n"


def _value(found: re.Match[str]) -> str:
    """The value of a colour of the page: few programs but browsers know CSS variables."""
    css = resources.files("chainrule.report").joinpath("style.css").read_text(encoding="utf-8")
    value = re.search(rf"--{found[1]}:\s*([^;]+);", css)
    assert value is not None
    return value[1]


def main(folder: Path) -> None:
    """Draw all figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        (folder / f"{name}.svg").write_text(drawn(name), encoding="utf-8")
    for name, lang in (("drawing", "en"), ("drawing.ko", "ko")):
        drawing = draw(example_cost, EXAMPLE, ROW, TARGET, title="", lang=lang)
        drawing.save(folder / f"{name}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "images")

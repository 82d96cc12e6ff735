"""Day 1: the line, the bend, the classes, the network."""

from typing import Any

import numpy as np
from diagrams import draw_network
from sheets import BLUE, INK, ORANGE, PAPER, RED, RULE, figure, key, label

import chainrule as cr
from chainrule import nn
from chainrule.report.figures import COLOURS, LAYER_LINES, house_axes, line_style

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

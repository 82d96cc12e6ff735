"""Day 4: the example with its numbers, forwards and backwards."""

from collections.abc import Callable
from typing import Any

import numpy as np
from diagrams import diagram, draw_network, node
from sheets import BLUE, FIGURES, ORANGE, figure, label

import chainrule as cr
from chainrule import nn
from chainrule.explain import draw

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


def by_the_library(lang: str) -> Callable[[], str]:
    """The same example, drawn by ``draw``."""
    return lambda: draw(example_cost, EXAMPLE, ROW, TARGET, title="", lang=lang).svg


FIGURES["drawing"], FIGURES["drawing.ko"] = by_the_library("en"), by_the_library("ko")

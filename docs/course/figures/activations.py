"""Day 2: every activation, and what becomes of a gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sheets import BLUE, INK, figure, key, label

import chainrule as cr
from chainrule import nn
from chainrule.nn.activations import ACTIVATIONS
from chainrule.report.figures import house_axes, line_style, log_axis


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
    figure(f"activation-{_name}", 190, _text)(draw_activation(_name))


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

"""Day 3: values and slopes of the losses."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sheets import BLUE, INK, ORANGE, figure, key, label

import chainrule as cr
from chainrule import nn
from chainrule.report.figures import house_axes, line_style

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

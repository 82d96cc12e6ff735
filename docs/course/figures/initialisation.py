"""Day 7: how signals and gradients spread through ten layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sheets import BLUE, WIDE, figure, gallery, label, panels

import chainrule as cr
from chainrule import nn
from chainrule.report.figures import COLOURS, LAYER_LINES, house_axes, line_style, log_axis

ROWS = np.random.default_rng(0).normal(size=(500, 256)).astype("float32")
INITIALISERS = ("small_normal", "large_normal", "xavier_normal", "he_normal")
ACTIVATIONS = {"tanh": nn.tanh, "ReLU": nn.relu}


def stack(init: str, depth: int = 10) -> list[nn.Linear]:
    """Ten layers of 256 neurons."""
    generator = np.random.default_rng(0)
    return [nn.Linear(256, 256, init=init, rng=generator) for _ in range(depth)]


def activations(init: str, phi: Callable[..., Any]) -> list[np.ndarray]:
    """What comes out of each of ten layers."""
    found, a = [], ROWS
    for layer in stack(init):
        a = phi(layer(a))
        found.append(np.asarray(a))
    return found


def arriving(init: str, phi: Callable[..., Any]) -> list[np.ndarray]:
    """The gradient of the output of each of ten layers."""
    layers = stack(init)
    weighting = np.random.default_rng(1).normal(size=(500, 256)).astype("float32")

    def output(offsets: Any) -> Any:
        a = ROWS
        for layer, offset in zip(layers, offsets, strict=True):
            a = phi(layer(a)) + offset
        return cr.sum(a * weighting)

    return [np.asarray(g) for g in cr.grad(output)([cr.zeros((500, 256)) for _ in layers])]


def draw_spread(measure: Callable[[str, Any], list[np.ndarray]], labels: Any, sign: str) -> Any:
    """Standard deviations over the layers, for two activations."""

    def plot(axes: Any) -> None:
        for one, (name, phi) in zip(panels(axes, 2), ACTIVATIONS.items(), strict=True):
            for index, init in enumerate(INITIALISERS):
                spread = [layer.std() for layer in measure(init, phi)]
                one.plot(np.arange(1, 11), spread, "o-", markersize=3, **_line(index))
                label(one, *labels[name][index], init, LAYER_LINES[index])
            house_axes(one, "l", f"{sign}, {name}", whole_x=True)
            log_axis(one, np.array([1e-12, 1e9]))
            one.set(ylim=(1e-11, 1e10), xticks=(1, 4, 7, 10), yticks=(1e-8, 1e-4, 1, 1e4, 1e8))
            one.set_yticklabels(("10⁻⁸", "10⁻⁴", "1", "10⁴", "10⁸"))

    return plot


def _line(index: int) -> dict[str, Any]:
    style = line_style(LAYER_LINES[index])
    return {**style, "linewidth": 1.4}


SPREAD = {
    "tanh": ((3.2, 1e-8), (2, 6e1), (5, 1e-3), (7.2, 6e1)),
    "ReLU": ((3.0, 1e-9), (1.6, 1e6), (5.4, 2e-4), (7.4, 2e1)),
}
GRADIENT = {
    "tanh": ((4.4, 1e-8), (3.6, 1e3), (1.2, 3e-3), (1.2, 5.0)),
    "ReLU": ((4.6, 1e-9), (4.2, 1e5), (1.2, 2e-4), (1.2, 5.0)),
}

figure(
    "spread", 260, "The spread of activations dies out, explodes, or stays, by initialiser.", WIDE
)(draw_spread(activations, SPREAD, "σ(a)"))
figure(
    "gradients", 260, "The spread of gradients vanishes, explodes, or stays, by initialiser.", WIDE
)(draw_spread(arriving, GRADIENT, "σ(∂J/∂a)"))


@figure(
    "histograms",
    400,
    "Histograms of tanh activations in layers 1, 4, 7, 10 for four initialisers.",
    WIDE,
)
def histograms(axes: Any) -> None:
    """What the activations are like, layer by layer."""
    places = iter(panels(axes, 4, 4, labels=False))
    for index, init in enumerate(INITIALISERS):
        found = activations(init, nn.tanh)
        for layer in (1, 4, 7, 10):
            one = next(places)
            bars(one, found[layer - 1].ravel(), (-1, 1), COLOURS[LAYER_LINES[index]])
            house_axes(one, "", init if layer == 1 else f"l = {layer}")
            one.set(xticks=(-1, 0, 1), yticks=())


def bars(axes: Any, values: np.ndarray, limits: tuple[float, float], colour: str) -> None:
    """A histogram as an outline: one path, however many bars."""
    counts, edges = np.histogram(values, bins=41, range=limits)
    axes.fill_between(edges, np.append(counts, counts[-1]), step="post", color=colour, linewidth=0)
    axes.set(ylim=(0, None))


@figure("initialisers", 400, "Histograms of the weights that every initialiser draws.", WIDE)
def initialisers(axes: Any) -> None:
    """Every initialiser, found by asking the library; a layer from 300 to 100."""
    found = dict.fromkeys(nn.init.INITIALIZERS.values())
    for one, init in zip(gallery(axes, len(found)), found, strict=True):
        weights = np.asarray(init(0, (300, 100))).ravel()
        edge = 1.5 if init is nn.init.large_normal else 0.3
        bars(one, weights, (-edge, edge), BLUE)
        house_axes(one, "", init.__name__)
        one.set(xticks=(-edge, 0, edge), yticks=())

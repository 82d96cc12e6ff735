"""The ground that optimizers walk on, and their paths."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sheets import MUTED

import chainrule as cr
from chainrule import optim
from chainrule.report.figures import COLOURS


def contours(axes: Any, function: Callable[[Any], Any], box: Any, levels: Any) -> None:
    """Lines of equal height of a function of two weights."""
    low, high, bottom, top = box
    grid = np.meshgrid(np.linspace(low, high, 81), np.linspace(bottom, top, 81))
    points = np.stack([side.ravel() for side in grid], axis=1)
    heights = np.asarray(cr.vmap(function)(points)).reshape(grid[0].shape)
    axes.contour(*grid, heights, levels=levels, colors=MUTED, linewidths=0.6, alpha=0.55)
    axes.grid(False)
    axes.set(xlim=(low, high), ylim=(bottom, top))


def walk(axes: Any, points: Any, line: str = "network") -> None:
    """A path of steps, with a dot for each and a ring where it begins."""
    points, colour = np.asarray(points), COLOURS[line]
    axes.plot(*points.T, "o-", color=colour, markersize=2.2, linewidth=1.1)
    axes.plot(*points[0], "o", color=colour, markersize=6, fillstyle="none")


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

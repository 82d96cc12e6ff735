"""Day 7, second half: clouds of data, and digits from few numbers."""

from typing import Any

import numpy as np
from sheets import MUTED, RULE, WIDE, figure, label, panels

from chainrule import data
from chainrule.data import datasets
from chainrule.report.figures import COLOURS, house_axes


@figure(
    "clouds",
    380,
    "A slanted cloud, then centred, scaled, turned, and made round in two ways.",
    WIDE,
)
def clouds(axes: Any) -> None:
    """The same points under every map."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2)) @ np.array([[2.0, 1.2], [0.0, 0.5]]) + 3
    maps = {
        "x": lambda x: x,
        "Scaling.centred": data.Scaling.centred(x),
        "Scaling.standard": data.Scaling.standard(x),
        "Projection.pca": data.Projection.pca(x),
        "Projection.whitening": data.Projection.whitening(x),
        "ZCA.whitening": data.ZCA.whitening(x),
    }
    right = x[:, 0] > np.median(x[:, 0])
    for one, (name, prepare) in zip(panels(axes, 3, 2, labels=False), maps.items(), strict=True):
        z = prepare(x)
        for chosen, line in ((~right, "network"), (right, "validation")):
            one.plot(*z[chosen].T, "o", color=COLOURS[line], markersize=1.8, alpha=0.7)
        for draw in (one.axhline, one.axvline):
            draw(0, color=RULE, linewidth=1)
        house_axes(one, "", name)
        one.grid(False)
        one.set(xlim=(-6, 9), ylim=(-4, 6.2), xticks=(-5, 0, 5), yticks=(-3, 0, 3, 6))
        if z.std() < 1.2:
            one.set(xlim=(-4.2, 4.2), ylim=(-2.86, 2.86), xticks=(-3, 0, 3), yticks=(-2, 0, 2))


@figure(
    "digits", 300, "Seven digits: raw, from 5, 10 and 20 components, whitened in two ways.", WIDE
)
def digits(axes: Any) -> None:
    """What principal components keep, and what whitening does to a picture."""
    x = datasets.load("digits").x
    pca = {count: data.Projection.pca(x, count) for count in (5, 10, 20)}
    white = data.Projection.whitening(x, epsilon=10.0)(x)
    rows = {
        "x": x,
        **{f"k = {count}": map.inverse(map(x)) for count, map in pca.items()},
        "ZCA": data.ZCA.whitening(x, epsilon=10.0)(x),
        "PCA": np.pad(white, ((0, 0), (0, 64 - white.shape[1]))),
    }
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[], xlim=(-9, 80), ylim=(54.5, -1.5))
    for row, (name, pictures) in enumerate(rows.items()):
        label(axes, -1, 9 * row + 3.5, name, ha="right", va="center")
        for column in range(7):
            squares(axes, pictures[column].reshape(8, 8), 11 * column, 9 * row)


def squares(axes: Any, picture: np.ndarray, left: float, top: float) -> None:
    """A picture in six shades; neighbours of one shade are one rectangle."""
    low, high = picture.min(), picture.max()
    shade = np.round((picture - low) / (high - low) * 5).astype(int)
    for level in range(1, 6):
        corners: list[tuple[float, float]] = []
        for y, line in enumerate(shade):
            edges = np.flatnonzero(np.diff(np.r_[0, line == level, 0]))
            for start, end in edges.reshape(-1, 2):
                x0, x1, y0, y1 = left + start, left + end, top + y, top + y + 1
                corners += [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        if corners:
            axes.add_patch(_rectangles(corners, level / 5))


def _rectangles(corners: list[tuple[float, float]], opacity: float) -> Any:
    """One path of many rectangles, of five corners each."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY] * (len(corners) // 5)
    return PathPatch(Path(corners, codes), facecolor=MUTED, alpha=opacity, linewidth=0)

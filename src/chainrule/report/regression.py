"""How far predictions are from the truth, and whether the errors have a pattern."""

from typing import Any

import numpy as np

from chainrule import words
from chainrule.compare import r_squared
from chainrule.report.answer import model_label
from chainrule.report.blocks import Block, Cell, Column, Grid, Picture, Prose, Section, Table
from chainrule.report.facts import NETWORK, Facts
from chainrule.report.figures import COLOURS, house_axes, picture
from chainrule.report.text import number, percent, score

__all__ = ["regression"]

#: Targets that get figures: those that are predicted worst.
TARGETS = 4
#: Points of a scatter plot.
POINTS = 500
#: Fewer rows get no distribution.
FEWEST_ROWS = 10
SIZE = (280, 230)


def regression(facts: Facts) -> Section | None:
    """The section, or ``None`` without test rows."""
    if facts.outcomes is None or not len(facts.outcomes.t) or facts.is_classification:
        return None
    t, predicted = _columns(facts.outcomes.t), _columns(facts.outcomes.predicted)
    blocks: list[Block] = [_by_target(facts)]
    shown = _worst_targets(t, predicted)
    if len(shown) < t.shape[1]:
        said = words.text("report.targets_shown", facts.lang, shown=len(shown), all=t.shape[1])
        blocks.append(Prose(said))
    for k in shown:
        title = facts.target_name(k) if t.shape[1] > 1 else ""
        blocks.append(Grid(_pictures(facts, k, t[:, k], predicted[:, k]), small=True, title=title))
    blocks.append(Prose(words.text("report.residual_note", facts.lang), small=True))
    return Section("residuals", words.text("report.residuals", facts.lang), blocks)


def _columns(values: Any) -> np.ndarray:
    array = np.asarray(values, float)
    return array.reshape(len(array), -1)


def _worst_targets(t: np.ndarray, predicted: np.ndarray) -> list[int]:
    """All targets in their order; where they are many, those with the smallest R²."""
    if t.shape[1] <= TARGETS:
        return list(range(t.shape[1]))
    found = [r_squared(predicted[:, k], t[:, k]) for k in range(t.shape[1])]
    order = np.argsort(np.nan_to_num(found, nan=np.inf), kind="stable")
    return [int(k) for k in order[:TARGETS]]


def _by_target(facts: Facts) -> Table:
    """R², root mean squared and mean absolute error of each target, and R² of other models."""
    assert facts.outcomes is not None
    lang, t = facts.lang, _columns(facts.outcomes.t)
    predictions = {NETWORK: facts.outcomes.predicted, **facts.outcomes.baselines}
    others = {name: _columns(predicted) for name, predicted in predictions.items()}
    predicted = others.pop(NETWORK)
    columns = [
        Column(words.text("report.column_target", lang), numeric=False),
        Column(words.text("report.r_squared", lang)),
        Column(words.text("report.rmse", lang)),
        Column(words.text("report.mae", lang)),
        *(
            Column(words.text("report.r_squared_of", lang, model=model_label(facts, name)))
            for name in others
        ),
    ]

    def row(k: int) -> list[Cell]:
        error = t[:, k] - predicted[:, k]
        entries = [
            facts.target_name(k),
            score(r_squared(predicted[:, k], t[:, k])),
            number(float(np.sqrt((error**2).mean()))),
            number(float(np.abs(error).mean())),
            *(score(r_squared(other[:, k], t[:, k])) for other in others.values()),
        ]
        return [Cell(entry) for entry in entries]

    rows = [row(k) for k in range(t.shape[1])]
    return Table(words.text("report.by_target", lang), columns, rows)


# ---------------------------------------------------------------------- figures
def _pictures(facts: Facts, k: int, t: np.ndarray, predicted: np.ndarray) -> list[Picture]:
    name = facts.target_name(k)
    scatter = _scatter(facts, k, name, t, predicted)
    if len(t) < FEWEST_ROWS:  # a few numbers have no distribution
        return [scatter]
    return [
        scatter,
        _histogram(facts, k, name, t - predicted),
        _quantiles(facts, k, name, t - predicted),
    ]


def _scatter(facts: Facts, k: int, name: str, t: np.ndarray, predicted: np.ndarray) -> Picture:
    lang, error = facts.lang, t - predicted
    chosen = _sample(error)

    def plot(axes: Any) -> None:
        house_axes(
            axes, words.text("report.predicted_value", lang), words.text("report.error_of", lang)
        )
        axes.axhline(0, color=COLOURS["muted"], linewidth=1)
        axes.scatter(
            predicted[chosen],
            error[chosen],
            s=14,
            color=COLOURS["network"],
            alpha=0.55,
            linewidths=0,
        )

    high = float(np.abs(error).max())
    described = words.text(
        "report.scatter_described", lang, target=name, rows=len(t), largest=number(high)
    )
    caption = ""
    if len(chosen) < len(t):
        caption = words.text("report.sampled", lang, shown=len(chosen), rows=len(t))
    title = words.text("report.scatter", lang)
    return picture(f"residuals-{k}", title, described, plot, size=SIZE, caption=caption)


def _sample(error: np.ndarray) -> np.ndarray:
    """The rows that are drawn: the largest errors, and others at even distances."""
    if len(error) <= POINTS:
        return np.arange(len(error))
    largest = np.argsort(-np.abs(error), kind="stable")[: POINTS // 10]
    others = np.linspace(0, len(error) - 1, POINTS - len(largest)).astype(int)
    return np.union1d(largest, others)


def _histogram(facts: Facts, k: int, name: str, error: np.ndarray) -> Picture:
    lang = facts.lang
    counts, edges = np.histogram(error, bins=int(np.clip(np.sqrt(len(error)), 5, 30)))

    def plot(axes: Any) -> None:
        house_axes(
            axes,
            words.text("report.error_of", lang),
            words.text("report.column_rows", lang),
            whole_y=True,
        )
        width = np.diff(edges)
        axes.bar(edges[:-1], counts, width=0.94 * width, align="edge", color=COLOURS["network"])
        axes.axvline(0, color=COLOURS["muted"], linewidth=1)

    described = words.text(
        "report.histogram_described",
        lang,
        target=name,
        mean=number(float(error.mean())),
        spread=number(float(error.std())),
    )
    title = words.text("report.histogram", lang)
    return picture(f"histogram-{k}", title, described, plot, size=SIZE)


def _quantiles(facts: Facts, k: int, name: str, error: np.ndarray) -> Picture:
    """Errors in order against what normal ones would be."""
    from scipy import stats

    lang = facts.lang
    ordered = np.sort(error)
    # Blom's positions: the expected order statistics of the normal distribution, nearly.
    expected = stats.norm.ppf((np.arange(1, len(error) + 1) - 0.375) / (len(error) + 0.25))
    chosen = np.unique(np.linspace(0, len(error) - 1, min(len(error), POINTS // 2)).astype(int))

    def plot(axes: Any) -> None:
        house_axes(
            axes, words.text("report.normal_quantile", lang), words.text("report.error_of", lang)
        )
        line = error.mean() + error.std() * expected[[0, -1]]
        axes.plot(expected[[0, -1]], line, color=COLOURS["muted"], linewidth=1)
        axes.scatter(
            expected[chosen],
            ordered[chosen],
            s=14,
            color=COLOURS["network"],
            alpha=0.7,
            linewidths=0,
        )

    beyond = float((np.abs(error - error.mean()) > 2 * error.std()).mean())
    described = words.text("report.quantiles_described", lang, target=name, share=percent(beyond))
    title = words.text("report.quantiles", lang)
    return picture(f"quantiles-{k}", title, described, plot, size=SIZE)

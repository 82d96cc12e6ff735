"""Which classes are found, which are taken for which, and whether probabilities can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import words
from chainrule.report.blocks import Block, Cell, Column, Grid, Picture, Prose, Section, Side, Table
from chainrule.report.facts import Facts, Outcomes
from chainrule.report.figures import COLOURS, HEIGHT, WIDTH, house_axes, picture
from chainrule.report.text import clean, number, percent, score, shortened

__all__ = ["Calibration", "calibration", "classification", "confusion"]

#: Up to so many classes the confusion matrix is a table of numbers; with more it is a map.
TABLE_CLASSES, MAP_CLASSES = 12, 200
#: With more classes than this nobody reads a table of them.
LISTED_CLASSES = 1000
#: Squares of a map.
SQUARES = 1500
#: Pairs of classes that are taken for each other.
PAIRS = 10
BINS = 10
#: A gap between probabilities and shares that need not be told.
SLIGHT = 0.02


def classification(facts: Facts) -> Section | None:
    """The section, or ``None`` without test rows."""
    outcomes = facts.outcomes
    if outcomes is None or not len(outcomes.t) or not facts.is_classification:
        return None
    blocks: list[Block] = []
    if _class_count(facts) <= LISTED_CLASSES:
        blocks.extend(_counted(facts, confusion(facts)))
    if outcomes.probabilities is not None:
        blocks.extend(_calibrated(facts, calibration(outcomes)))
    if not blocks:
        return None
    return Section("classes", words.text("report.classes", facts.lang), blocks)


def _counted(facts: Facts, counts: np.ndarray) -> list[Block]:
    """The confusion matrix in a form that can be read, and a table of the classes."""
    by_class = _by_class(facts, counts)
    if len(counts) <= TABLE_CLASSES:
        return [Side([_matrix(facts, counts), by_class])]
    drawn = [_map(facts, counts)] if len(counts) <= MAP_CLASSES else []
    return [Side([*drawn, *_confused(facts, counts)]), by_class]


def _class_count(facts: Facts) -> int:
    """The classes that have a name, and any beyond them that turn up."""
    assert facts.outcomes is not None
    highest = max(int(np.max(x)) for x in (facts.outcomes.t, facts.outcomes.predicted))
    return max(len(facts.class_names), 1 + highest)


def confusion(facts: Facts) -> np.ndarray:
    """How many rows of class ``i`` were taken for class ``j``, ``[classes, classes]``."""
    assert facts.outcomes is not None
    t, predicted = (np.asarray(x, np.int64) for x in (facts.outcomes.t, facts.outcomes.predicted))
    count = _class_count(facts)
    flat = np.bincount(t * count + predicted, minlength=count * count)
    return flat.reshape(count, count)


# ---------------------------------------------------------------------- confusion
def _matrix(facts: Facts, counts: np.ndarray) -> Table:
    """Numbers; coloured by their share of the row, and mistakes by the largest of them."""
    lang = facts.lang
    mistakes = counts - np.diag(np.diag(counts))
    found, worst = np.maximum(counts.sum(axis=1), 1), max(1, mistakes.max())

    def cell(i: int, j: int) -> Cell:
        is_wrong = i != j
        heat = counts[i, j] / (worst if is_wrong else found[i])
        return Cell(number(counts[i, j]) if counts[i, j] else "·", float(heat), is_wrong)

    classes = range(len(counts))
    names = [clean(facts.class_name(k)) for k in classes]
    columns = [Column(words.text("report.column_truth", lang), numeric=False)]
    columns += [Column(shortened(name, 24)) for name in names]
    rows = [[Cell(names[i]), *(cell(i, j) for j in classes)] for i in classes]
    return Table(words.text("report.confusion", lang), columns, rows, matrix=True)


def _confused(facts: Facts, counts: np.ndarray) -> list[Table]:
    """The pairs of classes that are confused most, if any are."""
    lang = facts.lang
    mistakes = counts - np.diag(np.diag(counts))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS]
    pairs = [(int(k // len(counts)), int(k % len(counts))) for k in order if mistakes.flat[k]]
    if not pairs:
        return []
    columns = [
        Column(words.text("report.column_truth", lang), numeric=False),
        Column(words.text("report.column_taken_for", lang), numeric=False),
        Column(words.text("report.column_rows", lang)),
        Column(words.text("report.column_of_class", lang)),
    ]
    rows = [
        [
            Cell(facts.class_name(i)),
            Cell(facts.class_name(j)),
            Cell(number(counts[i, j])),
            Cell(percent(counts[i, j] / counts[i].sum())),
        ]
        for i, j in pairs
    ]
    return [Table(words.text("report.confused", lang), columns, rows)]


def _map(facts: Facts, counts: np.ndarray) -> Picture:
    lang, total = facts.lang, len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    used = np.argwhere(counts)
    shown = used[np.argsort(-counts[tuple(used.T)], kind="stable")[:SQUARES]]
    caption = words.text("report.map_note", lang)
    if len(shown) < len(used):
        caption += " " + words.text("report.map_cut", lang, shown=len(shown), all=len(used))

    def plot(axes: Any) -> None:
        house_axes(
            axes,
            words.text("report.predicted_class", lang),
            words.text("report.true_class", lang),
            whole_x=True,
            whole_y=True,
        )
        axes.grid(False)
        side = 0.86
        for i, j in shown:
            colour = COLOURS["network" if i == j else "wrong"]
            # Even a single mistake is to be seen.
            opacity = float(max(0.35, share[i, j] ** 0.5))
            axes.add_patch(_square(int(j), int(i), side, colour, opacity))
        axes.set_xlim(-0.7, total - 0.3)
        axes.set_ylim(total - 0.3, -0.7)
        axes.set_aspect("equal")

    right = percent(float(np.trace(counts) / counts.sum()))
    description = words.text("report.map_described", lang, classes=total, right=right)
    return picture(
        "confusion",
        words.text("report.confusion", lang),
        description,
        plot,
        size=(WIDTH, WIDTH),
        caption=caption,
    )


def _square(x: int, y: int, side: float, colour: str, opacity: float) -> Any:
    from matplotlib.patches import Rectangle

    corner = (x - side / 2, y - side / 2)
    return Rectangle(corner, side, side, facecolor=colour, alpha=round(opacity, 2), linewidth=0)


# ---------------------------------------------------------------------- by class
def _by_class(facts: Facts, counts: np.ndarray) -> Table:
    """Precision, recall and F1 of every class; ``–`` where there is nothing to divide by."""
    lang = facts.lang
    right, truth, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    columns = [
        Column(words.text("report.column_class", lang), numeric=False),
        Column(words.text("report.precision", lang)),
        Column(words.text("report.recall", lang)),
        Column(words.text("report.f1", lang)),
        Column(words.text("report.support", lang)),
    ]
    rows = [
        [
            Cell(facts.class_name(k)),
            Cell(score(_ratio(right[k], answered[k]))),
            Cell(score(_ratio(right[k], truth[k]))),
            Cell(score(_ratio(2 * right[k], truth[k] + answered[k]))),
            Cell(number(truth[k])),
        ]
        for k in range(len(counts))
    ]
    return Table(words.text("report.by_class", lang), columns, rows)


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


# ---------------------------------------------------------------------- calibration
@dataclass(frozen=True)
class Calibration:
    """How often the network is right when it says that it is sure.

    Attributes
    ----------
    confidence, accuracy, rows
        Per bin that has rows: the mean probability of the predicted class, the share of rows that
        are right, how many rows.
    error
        The expected calibration error, ``Σ rows / all · |accuracy − confidence|``
        (Guo et al. 2017, *On calibration of modern neural networks*, eq. 3).
    """

    confidence: Sequence[float]
    accuracy: Sequence[float]
    rows: Sequence[int]

    @property
    def error(self) -> float:
        """The expected calibration error."""
        gaps = np.abs(np.subtract(self.accuracy, self.confidence))
        return float(np.average(gaps, weights=self.rows))

    @property
    def lead(self) -> float:
        """How much more sure the network is than right, over all rows."""
        gaps = np.subtract(self.confidence, self.accuracy)
        return float(np.average(gaps, weights=self.rows))


def calibration(outcomes: Outcomes) -> Calibration:
    """Test rows in ten bins of equal width, by the probability of the class that is predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.report import Outcomes
    >>> from chainrule.report.classification import calibration
    >>> t, sure = np.array([0, 0, 1, 1]), np.array([[0.75, 0.25]] * 4)
    >>> found = calibration(Outcomes(t, np.zeros(4, int), sure))
    >>> found.confidence, found.accuracy, found.error
    ([0.75], [0.5], 0.25)
    """
    probabilities, predicted = np.asarray(outcomes.probabilities), np.asarray(outcomes.predicted)
    sure = np.clip(probabilities[np.arange(len(predicted)), predicted].astype(float), 0, 1)
    right = (predicted == np.asarray(outcomes.t)).astype(float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(rows)
    return Calibration(
        confidence=(np.bincount(bins, sure, BINS)[used] / rows[used]).tolist(),
        accuracy=(np.bincount(bins, right, BINS)[used] / rows[used]).tolist(),
        rows=rows[used].tolist(),
    )


def _calibrated(facts: Facts, found: Calibration) -> list[Block]:
    lang = facts.lang
    if found.lead > SLIGHT:
        course = words.text("report.too_sure", lang, by=_points(found.lead))
    elif found.lead < -SLIGHT:
        course = words.text("report.too_shy", lang, by=_points(-found.lead))
    elif found.error > 2 * SLIGHT:
        course = words.text("report.mixed_sure", lang)
    else:
        course = words.text("report.just_sure", lang)
    said = words.text("report.calibration", lang, error=score(found.error), course=course)
    return [Prose(said), Grid([_reliability(facts, found), _confidences(facts, found)])]


def _points(share: float) -> str:
    """A difference of shares, in percentage points."""
    return f"{100 * share:.1f}"


def _reliability(facts: Facts, found: Calibration) -> Picture:
    lang = facts.lang

    def plot(axes: Any) -> None:
        house_axes(
            axes, words.text("report.confidence", lang), words.text("report.share_right", lang)
        )
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linewidth=1, linestyle=(0, (4, 3)))
        for x, y in zip(found.confidence, found.accuracy, strict=True):
            axes.plot([x, x], [x, y], color=COLOURS["wrong"], linewidth=1.5)
        sizes = [20 + 160 * rows / max(found.rows) for rows in found.rows]
        axes.scatter(found.confidence, found.accuracy, sizes, COLOURS["network"], linewidths=0)
        axes.set_xlim(0, 1.03)
        axes.set_ylim(-0.03, 1.05)

    description = words.text("report.reliability_described", lang, error=score(found.error))
    return picture(
        "reliability",
        words.text("report.reliability", lang),
        description,
        plot,
        size=(WIDTH, HEIGHT + 40),
        caption=words.text("report.reliability_note", lang),
    )


def _confidences(facts: Facts, found: Calibration) -> Picture:
    lang = facts.lang

    def plot(axes: Any) -> None:
        house_axes(
            axes,
            words.text("report.confidence", lang),
            words.text("report.column_rows", lang),
            whole_y=True,
        )
        places = [min(int(x * BINS), BINS - 1) / BINS + 0.5 / BINS for x in found.confidence]
        axes.bar(places, found.rows, width=0.085, color=COLOURS["network"])
        axes.set_xlim(0, 1.03)

    title = words.text("report.confidences", lang)
    surest = percent(found.rows[-1] / sum(found.rows))
    described = words.text(
        "report.confidences_described", lang, share=surest, at=percent(found.confidence[-1])
    )
    return picture("confidences", title, described, plot, size=(WIDTH, HEIGHT + 40))

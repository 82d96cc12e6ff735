"""How training went: the error of every epoch, and what its course says."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import words
from chainrule.report.blocks import Block, Grid, Key, Picture, Prose, Section, Sentences
from chainrule.report.facts import Facts
from chainrule.report.figures import (
    COLOURS,
    decimated,
    house_axes,
    line_style,
    log_axis,
    picture,
)
from chainrule.report.text import clean, number, score

__all__ = ["learning"]

#: Numbers of a record that are no measure of quality.
NO_METRICS = frozenset({"epoch", "step", "loss", "validation_loss", "learning_rate", "rows"})
NO_METRICS |= {"seconds", "rows_per_second", "gradient_norm"}
#: An error that shrinks by more than this factor is drawn on a logarithmic axis.
LOG_FACTOR = 10.0
#: How much worse than its best the validation error must end to be called overfitting.
RISE = 0.05
#: What a tenth of the epochs must still gain for "more epochs would help".
GAIN = 0.01
#: A validation error so many times the training error says that rows were learned by heart.
GAP = 3.0
#: Curves of further measures, at most.
METRICS = 3


def learning(facts: Facts) -> Section | None:
    """The section, or ``None`` without a history."""
    epochs = Curves(facts.history)
    if not epochs.count or not np.isfinite(epochs.of("loss")).any():
        return None
    blocks: list[Block] = [Sentences(_sentences(facts, epochs))]
    if epochs.count > 1:
        blocks.append(Grid(_pictures(facts, epochs)))
        if epochs.has("validation_loss"):
            blocks.append(Prose(words.text("report.loss_note", facts.lang), small=True))
    return Section("learning", words.text("report.learning", facts.lang), blocks)


class Curves:
    """One quantity over all epochs at a time; NaN where a record lacks it."""

    def __init__(self, history: Sequence[Any]) -> None:
        self.history = history
        self.count = len(history)
        numbered = [record.get("epoch", place) for place, record in enumerate(history, 1)]
        self.epochs = np.array(numbered, float)

    def of(self, name: str) -> np.ndarray:
        """The values of a quantity, float64 ``[epochs]``."""
        return np.array([_number(record.get(name)) for record in self.history])

    def has(self, name: str) -> bool:
        """Whether a quantity was recorded at all."""
        return bool(np.isfinite(self.of(name)).any())

    @property
    def best(self) -> int:
        """The place of the epoch with the smallest validation error, or else the smallest error."""
        name = "validation_loss" if self.has("validation_loss") else "loss"
        return int(np.nanargmin(_finite(self.of(name))))

    @property
    def metrics(self) -> list[str]:
        """Further quantities, in the order they were recorded."""
        names = {name: None for record in self.history for name in record}
        return [str(name) for name in names if name not in NO_METRICS and self.has(name)]


def _number(x: Any) -> float:
    return float(x) if isinstance(x, int | float | np.number) else math.nan


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


# ---------------------------------------------------------------------- in words
def _sentences(facts: Facts, epochs: Curves) -> list[str]:
    lang = facts.lang
    loss, seconds = epochs.of("loss"), np.nansum(epochs.of("seconds"))
    finite = loss[np.isfinite(loss)]
    last = number(finite[-1])
    if epochs.count > 1:
        found = [words.text("report.trained", lang, epochs=epochs.count, loss=last)]
    else:
        found = [words.text("report.trained_once", lang, loss=last)]
    if lost := epochs.count - finite.size:
        found.append(words.text("report.blew_up", lang, epochs=lost))
    if seconds > 0:
        found.append(words.text("report.took", lang, seconds=number(float(f"{seconds:.3g}"))))
    if not epochs.has("validation_loss"):
        return found
    if epochs.count == 1:
        after = number(epochs.of("validation_loss")[0])
        found.append(words.text("report.validated_once", lang, loss=after))
    else:
        best = epochs.best
        lowest = number(epochs.of("validation_loss")[best])
        epoch = number(epochs.epochs[best])
        found.append(words.text("report.best_epoch", lang, epoch=epoch, loss=lowest))
        found += _course(facts, epochs)
    return found


def _course(facts: Facts, epochs: Curves) -> list[str]:
    """Overfitting, or an error that was still falling."""
    lang, best = facts.lang, epochs.best
    loss, validation = _finite(epochs.of("loss")), _finite(epochs.of("validation_loss"))
    ends = (loss[best], loss[-1], validation[best], validation[-1])
    if not np.isfinite(ends).all():
        return []
    loss_then, loss_now, lowest, now = map(float, ends)
    if now > lowest * (1 + RISE) and loss_now < loss_then:
        return [
            words.text(
                "report.overfitting",
                lang,
                epoch=number(epochs.epochs[best]),
                lowest=number(lowest),
                now=number(now),
                loss_then=number(loss_then),
                loss_now=number(loss_now),
            )
        ]
    tenth = max(1, epochs.count // 10)
    before = float(np.nanmin(validation[:-tenth]))
    if lowest < before * (1 - GAIN):
        return [words.text("report.still_falling", lang)]
    if now > GAP * loss_now > 0:
        return [words.text("report.gap", lang, now=number(now), loss=number(loss_now))]
    return [words.text("report.settled", lang)]


# ---------------------------------------------------------------------- figures
def _pictures(facts: Facts, epochs: Curves) -> list[Picture]:
    pictures = [_loss_picture(facts, epochs)]
    for place, name in enumerate(epochs.metrics[:METRICS]):
        pictures.append(_curve(facts, epochs, f"metric-{place}", name, _metric_label(facts, name)))
    rates = epochs.of("learning_rate")
    if np.isfinite(rates).any() and np.nanmax(rates) > np.nanmin(rates):
        label = words.text("report.learning_rate", facts.lang)
        pictures.append(_curve(facts, epochs, "learning-rate", "learning_rate", label))
    return pictures


def _metric_label(facts: Facts, name: str) -> str:
    return words.text("report.accuracy", facts.lang) if name == "accuracy" else name


def _loss_picture(facts: Facts, epochs: Curves) -> Picture:
    lang = facts.lang
    curves = {"network": "loss", "validation": "validation_loss"}
    curves = {line: name for line, name in curves.items() if epochs.has(name)}
    labels = {
        "network": words.text("report.training_loss", lang),
        "validation": words.text("report.validation_loss", lang),
    }
    values = np.concatenate([_finite(epochs.of(name)) for name in curves.values()])
    values = values[np.isfinite(values)]
    is_steep = bool(values.min() > 0 and values.max() > LOG_FACTOR * values.min())

    def plot(axes: Any) -> None:
        label = words.text("report.log_loss" if is_steep else "report.loss", lang)
        house_axes(axes, words.text("report.epoch", lang), label, whole_x=True)
        for line, name in curves.items():
            x, y = decimated(epochs.epochs, _finite(epochs.of(name)))
            axes.plot(x, y, **line_style(line))
        if is_steep:
            log_axis(axes, values)
        if "validation" in curves:
            _mark_best(facts, axes, epochs)

    keys = [Key(labels[line], line) for line in curves]
    description = words.text(
        "report.loss_described", lang, first=number(values[0]), last=number(epochs.of("loss")[-1])
    )
    return picture("loss", words.text("report.loss_title", lang), description, plot, keys=keys)


def _mark_best(facts: Facts, axes: Any, epochs: Curves) -> None:
    """A line down the best epoch; its label where the curves are not."""
    x = epochs.epochs[epochs.best]
    y = epochs.of("validation_loss")[epochs.best]
    axes.axvline(x, color=COLOURS["muted"], linewidth=1, linestyle=(0, (1.5, 2)))
    axes.plot([x], [y], "o", color=COLOURS["validation"], markersize=6)
    is_left = x < (epochs.epochs[0] + epochs.epochs[-1]) / 2
    axes.annotate(
        words.text("report.best", facts.lang, epoch=number(x)),
        (x, 0 if is_left else 1),
        (5, 3) if is_left else (-5, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="bottom" if is_left else "top",
        color=COLOURS["muted"],
    )


def _curve(facts: Facts, epochs: Curves, name: str, quantity: str, label: str) -> Picture:
    lang, values = facts.lang, _finite(epochs.of(quantity))
    finite = values[np.isfinite(values)]

    def plot(axes: Any) -> None:
        house_axes(axes, words.text("report.epoch", lang), whole_x=True)
        x, y = decimated(epochs.epochs, values)
        axes.plot(x, y, **line_style("network" if quantity == "learning_rate" else "validation"))
        if quantity == "accuracy":
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -0.02), min(high, 1.02))

    title = words.text("report.metric_title", lang, name=clean(label))
    description = words.text(
        "report.metric_described", lang, first=score(finite[0]), last=score(finite[-1])
    )
    return picture(name, title, description, plot)

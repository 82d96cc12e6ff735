"""The layers: what they are, and how their weights, activations and gradients went."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule import words
from chainrule.report.blocks import (
    Block,
    Cell,
    Column,
    Grid,
    Key,
    Picture,
    Prose,
    Section,
    Sentences,
    Table,
)
from chainrule.report.facts import Facts, Layer
from chainrule.report.figures import (
    COLOURS,
    LAYER_LINES,
    SMALL,
    decimated,
    house_axes,
    line_style,
    log_axis,
    picture,
)
from chainrule.report.text import clean, number, percent, shortened

__all__ = ["layers"]

#: Above these shares of units something is wrong enough to be said.
DEAD, SATURATED = 0.1, 0.3
#: Statistics that stretch over powers of ten, and are drawn so.
LOGARITHMIC = frozenset({"gradient_norm", "update_ratio"})
SHARES = frozenset({"dead", "saturated"})
LOG_FACTOR = 5.0


def layers(facts: Facts) -> Section | None:
    """The section, or ``None`` where neither layers nor statistics are known."""
    series = Series(facts)
    if not facts.layers and not series.layers:
        return None
    blocks: list[Block] = [_table(facts, series)]
    if said := _findings(facts, series):
        blocks.append(Sentences(said))
    if len(series.steps) > 1 and (pictures := _pictures(facts, series)):
        if len(series.layers) > len(LAYER_LINES):
            shown, total = len(LAYER_LINES), len(series.layers)
            blocks.append(
                Prose(words.text("report.layers_shown", facts.lang, shown=shown, all=total))
            )
        keys = [Key(shortened(name, 24), line) for name, line in _shown(series.layers).items()]
        blocks.append(Grid(pictures, small=True, keys=keys))
        blocks.append(Prose(words.text("report.statistics_note", facts.lang), small=True))
    return Section("layers", words.text("report.layers", facts.lang), blocks)


def labels(facts: Facts) -> dict[str, str]:
    """What each statistic is called, in the order of the page."""
    lang = facts.lang
    return {
        "weight_norm": words.text("report.weight_norm", lang),
        "gradient_norm": words.text("report.gradient_norm", lang),
        "update_ratio": words.text("report.update_ratio", lang),
        "activation_mean": words.text("report.activation_mean", lang),
        "activation_std": words.text("report.activation_std", lang),
        "slope": words.text("report.slope", lang),
        "dead": words.text("report.dead", lang),
        "saturated": words.text("report.saturated", lang),
    }


class Series:
    """Statistics of layers over steps."""

    def __init__(self, facts: Facts) -> None:
        self.records = facts.statistics
        self.steps = np.array([float(record["step"]) for record in self.records])
        known = [layer.name for layer in facts.layers]
        measured = {str(name): None for record in self.records for name in record["layers"]}
        # In the order of the model; what the table does not list comes last.
        ordered = dict.fromkeys([*(name for name in known if name in measured), *measured])
        self.layers = list(ordered)
        kinds = labels(facts)
        self.names = [name for name in kinds if any(self.has(layer, name) for layer in self.layers)]

    def of(self, layer: str, name: str) -> np.ndarray:
        """A statistic of a layer at every step; NaN where it is missing."""
        found = [_number(record["layers"].get(layer, {}).get(name)) for record in self.records]
        return np.array(found, float)

    def has(self, layer: str, name: str) -> bool:
        """Whether a statistic of a layer is known at any step."""
        return bool(np.isfinite(self.of(layer, name)).any())

    def last(self, layer: str, name: str) -> float:
        """The latest value that is known, or NaN."""
        values = self.of(layer, name)
        values = values[np.isfinite(values)]
        return float(values[-1]) if values.size else math.nan


def _number(x: Any) -> float:
    return float(x) if isinstance(x, int | float | np.number) and math.isfinite(x) else math.nan


# ---------------------------------------------------------------------- table
def _table(facts: Facts, series: Series) -> Table:
    """What a layer is, and its latest statistics."""
    lang, kinds = facts.lang, labels(facts)
    known = {layer.name: layer for layer in facts.layers}
    listed = [*facts.layers, *(Layer(name) for name in series.layers if name not in known)]
    columns = [
        Column(words.text("report.column_layer", lang), numeric=False),
        Column(words.text("report.column_kind", lang), numeric=False),
        Column(words.text("report.column_shape", lang), numeric=False),
        Column(words.text("report.column_parameters", lang)),
        *(Column(kinds[name]) for name in series.names),
    ]

    def row(layer: Layer) -> list[Cell]:
        fixed = [layer.name, layer.kind, str(layer.shape), number(layer.parameters)]
        latest = (_printed(name, series.last(layer.name, name)) for name in series.names)
        return [Cell(entry) for entry in (*fixed, *latest)]

    total = sum(layer.parameters for layer in facts.layers)
    caption = words.text("report.layers_table", lang, layers=len(listed), parameters=number(total))
    return Table(caption, columns, [row(layer) for layer in listed])


def _printed(name: str, x: float) -> str:
    return percent(x) if name in SHARES else number(float(f"{x:.3g}"))


def _findings(facts: Facts, series: Series) -> list[str]:
    """Layers of which a good part does not learn."""
    lang, found = facts.lang, []
    for layer in series.layers:
        dead, saturated = series.last(layer, "dead"), series.last(layer, "saturated")
        name = clean(layer)
        if dead > DEAD:
            found.append(words.text("report.dead_units", lang, layer=name, share=percent(dead)))
        if saturated > SATURATED:
            share = percent(saturated)
            found.append(words.text("report.saturated_units", lang, layer=name, share=share))
    return found


# ---------------------------------------------------------------------- small multiples
def _pictures(facts: Facts, series: Series) -> list[Picture]:
    """One small figure per statistic that is ever anything but nought."""
    shown = _shown(series.layers)
    pictures = []
    for name in series.names:
        curves = {layer: series.of(layer, name) for layer in shown if series.has(layer, name)}
        if any(np.nanmax(np.abs(values)) > 0 for values in curves.values()):
            pictures.append(_picture(facts, series.steps, name, curves, shown))
    return pictures


def _shown(names: Sequence[str]) -> Mapping[str, str]:
    """Layer → line: all of them, or the first, the last and some between."""
    count = min(len(names), len(LAYER_LINES))
    places = np.linspace(0, len(names) - 1, count).round().astype(int)
    lines = np.linspace(0, len(LAYER_LINES) - 1, count).round().astype(int)
    pairs = zip(places, lines, strict=True)
    return {names[place]: LAYER_LINES[line] for place, line in pairs}


def _picture(
    facts: Facts,
    steps: np.ndarray,
    name: str,
    curves: Mapping[str, np.ndarray],
    lines: Mapping[str, str],
) -> Picture:
    lang = facts.lang
    title = labels(facts)[name]
    values = np.concatenate(list(curves.values()))
    values = values[np.isfinite(values)]

    def plot(axes: Any) -> None:
        house_axes(axes, words.text("report.step", lang), whole_x=True)
        for layer, y in curves.items():
            known = np.isfinite(y)
            style = line_style(lines[layer])
            axes.plot(*decimated(steps[known], y[known]), **style)
        positive = values.min() > 0
        if name in LOGARITHMIC and positive and values.max() > LOG_FACTOR * values.min():
            log_axis(axes, values)
        if name == "activation_mean":
            axes.axhline(0, color=COLOURS["muted"], linewidth=1)
        if name in SHARES:
            axes.set_ylim(0, max(0.1, 1.1 * values.max()))

    ends = "; ".join(
        f"{clean(layer)}: {number(float(f'{y[np.isfinite(y)][-1]:.3g}'))}"
        for layer, y in curves.items()
    )
    described = words.text("report.statistic_described", lang, ends=ends)
    return picture(f"statistic-{name}", title, described, plot, size=SMALL)

"""The answer first: how good the network is, and whether it was worth it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import words
from chainrule.compare import accuracy, r_squared
from chainrule.report.blocks import Block, Cell, Column, Prose, Section, Sentences, Table, Verdict
from chainrule.report.difference import FEWEST_ROWS, Difference, paired_difference
from chainrule.report.facts import NETWORK, Facts
from chainrule.report.figures import COLOURS, WIDTH, house_axes, picture
from chainrule.report.text import number, percent, score, shortened, signed

__all__ = ["answer"]

LINEAR, TREES = "linear_model", "boosted_trees"
#: With fewer test rows, one row more or less moves the score by more than three points.
FEW_ROWS = 30


@dataclass(frozen=True)
class Judged:
    """Scores, and the network's differences from the other models where they are known."""

    scores: Mapping[str, float]
    differences: Mapping[str, Difference]

    @property
    def others(self) -> list[str]:
        """The other models, in the order they were given."""
        return [name for name in self.scores if name != NETWORK]

    def among(self, verdict: int) -> list[str]:
        """The models with this verdict, the best first."""
        found = [name for name, one in self.differences.items() if one.verdict == verdict]
        return sorted(found, key=lambda name: -self.scores[name])


def answer(facts: Facts) -> Section | None:
    """The section, or ``None`` where nobody knows a score."""
    judged = _judged(facts)
    if NETWORK not in judged.scores:
        return None
    blocks: list[Block] = [_verdict(facts, judged)]
    if judged.others:
        blocks.append(_scores_table(facts, judged))
    if judged.differences:
        blocks.append(_forest(facts, judged))
        blocks.append(Prose(words.text("report.interval_note", facts.lang), small=True))
    if cautions := _cautions(facts, judged):
        blocks.append(Sentences(cautions))
    return Section("answer", words.text("report.answer", facts.lang), blocks)


# ---------------------------------------------------------------------- judging
def _judged(facts: Facts) -> Judged:
    """The facts' own scores, the missing ones from outcomes; differences from outcomes."""
    outcomes = facts.outcomes
    if outcomes is None or not len(outcomes.t):
        return Judged(facts.scores, {})
    predictions = {NETWORK: outcomes.predicted, **outcomes.baselines}
    t = np.asarray(outcomes.t)
    scores = dict(facts.scores)
    differences = {}
    if facts.score_name in ("", _own_score(facts)):
        rate = accuracy if facts.is_classification else r_squared
        for name, predicted in predictions.items():
            scores.setdefault(name, rate(np.asarray(predicted), t))
        for name, predicted in outcomes.baselines.items():
            ours, theirs = np.asarray(outcomes.predicted), np.asarray(predicted)
            if found := paired_difference(facts.task, t, ours, theirs):
                differences[name] = found
    return Judged(scores, differences)


def _own_score(facts: Facts) -> str:
    return "accuracy" if facts.is_classification else "r_squared"


def score_label(facts: Facts) -> str:
    """What the score is called."""
    labels = {
        "accuracy": words.text("report.accuracy", facts.lang),
        "r_squared": words.text("report.r_squared", facts.lang),
    }
    name = facts.score_name or _own_score(facts)
    return labels.get(name, name)


def model_label(facts: Facts, name: str) -> str:
    """What a model is called."""
    labels = {
        NETWORK: words.text("report.network", facts.lang),
        LINEAR: words.text("report.linear_model", facts.lang),
        TREES: words.text("report.boosted_trees", facts.lang),
    }
    return labels.get(name, name)


# ---------------------------------------------------------------------- in words
def _verdict(facts: Facts, judged: Judged) -> Verdict:
    rows = _test_rows(facts)
    measure = score_label(facts)
    if rows:
        measure = words.text("report.measure", facts.lang, score=measure, rows=rows)
    headline, tone = _headline(facts, judged)
    sentences = [*_plain_words(facts), *_advice(facts, judged)]
    return Verdict(score(judged.scores[NETWORK]), measure, headline, sentences, tone)


def _headline(facts: Facts, judged: Judged) -> tuple[str, Any]:
    """The judgement in one line, and whether it is good news."""
    lang = facts.lang
    if _is_no_better_than_guessing(facts, judged):
        return words.text("report.headline_guessing", lang), "bad"
    if judged.among(-1):
        return words.text("report.headline_worse", lang), "bad"
    if LINEAR in judged.among(0):
        return words.text("report.headline_linear", lang), "bad"
    if judged.among(0):
        return words.text("report.headline_even", lang), "plain"
    if judged.differences:
        return words.text("report.headline_better", lang), "good"
    return words.text("report.headline_alone", lang), "plain"


def _advice(facts: Facts, judged: Judged) -> list[str]:
    """What to make of the comparison; plainly, where the network is the wrong tool."""
    lang = facts.lang
    if better := judged.among(-1):
        name, lead = model_label(facts, better[0]), judged.differences[better[0]]
        by, low, high = score(-lead.value), score(-lead.high), score(-lead.low)
        return [words.text("report.advice_worse", lang, model=name, by=by, low=low, high=high)]
    if judged.differences and _is_no_better_than_guessing(facts, judged):
        return [words.text("report.advice_guessing", lang)]
    if LINEAR in judged.among(0):
        return [words.text("report.advice_linear", lang)]
    if even := judged.among(0):
        names = ", ".join(model_label(facts, name) for name in even)
        return [words.text("report.advice_even", lang, models=names)]
    if judged.differences:
        nearest = min(judged.differences.values(), key=lambda one: one.value)
        return [words.text("report.advice_better", lang, by=score(nearest.value))]
    return []


def _plain_words(facts: Facts) -> list[str]:
    """What the score means in rows or in the units of the target."""
    outcomes, lang = facts.outcomes, facts.lang
    if outcomes is None or not len(outcomes.t):
        return []
    t, predicted = np.asarray(outcomes.t), np.asarray(outcomes.predicted)
    if facts.is_classification:
        label, most = _commonest(t)
        return [
            words.text(
                "report.right",
                lang,
                right=int((predicted == t).sum()),
                rows=len(t),
                label=shortened(facts.class_name(label), 60),
                most=most,
            )
        ]
    if t.ndim == 2 and t.shape[1] > 1:
        explained = r_squared(predicted, t)
        if not explained > 0:
            return []
        count = t.shape[1]
        return [words.text("report.explained", lang, share=percent(explained), targets=count)]
    target = shortened(facts.target_name(0), 60)
    error, spread = math.sqrt(float(((t - predicted) ** 2).mean())), float(t.std())
    return [
        words.text("report.off_by", lang, target=target, error=number(error), spread=number(spread))
    ]


def _commonest(t: np.ndarray) -> tuple[int, int]:
    """The most frequent class, and its rows."""
    classes, counts = np.unique(t, return_counts=True)
    return int(classes[counts.argmax()]), int(counts.max())


def _is_no_better_than_guessing(facts: Facts, judged: Judged) -> bool:
    """No more rows right than with one class for all; no more variance explained than none."""
    if facts.is_classification:
        outcomes = facts.outcomes
        if outcomes is None or not len(outcomes.t):
            return False
        t = np.asarray(outcomes.t)
        most = _commonest(t)[1]
        return most < len(t) and int((np.asarray(outcomes.predicted) == t).sum()) <= most
    return score_is_own(facts) and judged.scores[NETWORK] <= 0


def score_is_own(facts: Facts) -> bool:
    """Whether the score is accuracy for classes, R² for values."""
    return facts.score_name in ("", _own_score(facts))


def _test_rows(facts: Facts) -> int:
    return facts.rows.get("test", 0) or (0 if facts.outcomes is None else len(facts.outcomes.t))


def _cautions(facts: Facts, judged: Judged) -> list[str]:
    """What makes the figures above uncertain."""
    lang, rows = facts.lang, _test_rows(facts)
    found = []
    if 0 < rows < FEW_ROWS:
        found.append(words.text("report.few_test_rows", lang, rows=rows))
    kept = 0 if facts.outcomes is None else len(facts.outcomes.t)
    if 0 < kept < rows:
        found.append(words.text("report.kept_rows", lang, kept=kept, rows=rows))
    missing = bool(judged.others) and not judged.differences
    if missing and 0 < kept < FEWEST_ROWS:
        found.append(words.text("report.no_interval", lang, rows=FEWEST_ROWS))
    return found


# ---------------------------------------------------------------------- table and figure
def _scores_table(facts: Facts, judged: Judged) -> Table:
    lang = facts.lang
    columns = [
        Column(words.text("report.column_model", lang), numeric=False),
        Column(score_label(facts)),
    ]
    if judged.differences:
        columns += [
            Column(words.text("report.column_difference", lang)),
            Column(words.text("report.column_interval", lang)),
            Column(words.text("report.column_meaning", lang), numeric=False),
        ]
    rows = [_score_row(facts, judged, name) for name in (NETWORK, *judged.others)]
    return Table(words.text("report.scores_table", lang), columns, rows)


def _score_row(facts: Facts, judged: Judged, name: str) -> Sequence[Cell]:
    entries = [model_label(facts, name), score(judged.scores[name])]
    if judged.differences:
        one = judged.differences.get(name)
        entries += [signed(one.value), _between(one), _meaning(facts, one)] if one else ["", "", ""]
    return [Cell(entry) for entry in entries]


def _meaning(facts: Facts, one: Difference) -> str:
    lang = facts.lang
    meanings = {
        1: words.text("report.network_better", lang),
        0: words.text("report.no_difference", lang),
        -1: words.text("report.network_worse", lang),
    }
    return meanings[one.verdict]


def _forest(facts: Facts, judged: Judged) -> Any:
    """Differences and intervals against a line at nought."""
    lang, differences = facts.lang, judged.differences
    title = words.text("report.forest", lang)
    names = list(differences)

    def plot(axes: Any) -> None:
        house_axes(axes, words.text("report.forest_axis", lang, score=score_label(facts)))
        for place, name in enumerate(names):
            one = differences[name]
            colour = COLOURS["wrong" if one.verdict < 0 else "network"]
            # Beside the interval only: a line through all would cross the labels.
            axes.plot([0, 0], [place - 0.2, place + 0.2], color=COLOURS["muted"], linewidth=1)
            axes.plot([one.low, one.high], [place, place], color=colour, linewidth=3)
            axes.plot([one.value], [place], "o", color=colour, markersize=9)
            label = shortened(model_label(facts, name), 32)
            axes.annotate(
                label,
                (0, place),
                (0, 14),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
            )
        axes.set_yticks([])
        axes.set_ylim(len(names) - 0.5, -0.75)
        axes.spines["bottom"].set_visible(True)

    described = "; ".join(
        f"{model_label(facts, name)} {signed(one.value)} {_between(one)}"
        for name, one in differences.items()
    )
    size = (WIDTH, 56 + 46 * len(names))
    return picture("differences", title, described, plot, size=size)


def _between(one: Difference) -> str:
    return f"[{signed(one.low)}, {signed(one.high)}]"

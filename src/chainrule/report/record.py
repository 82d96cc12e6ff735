"""What was done, so that somebody else can do it again; and the rows that went worst."""

from typing import Any

import numpy as np

from chainrule import words
from chainrule.report.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Pairs,
    Prose,
    Section,
    Sentences,
    Table,
)
from chainrule.report.facts import Facts, Outcomes
from chainrule.report.text import number, percent, shortened, value

__all__ = ["record", "worst_rows"]

#: Rows of the table of the worst predictions, and columns of the data beside them.
ROWS, INPUTS = 8, 6
#: Letters of feature names that are listed before "and so many more".
LISTED = 400


# ---------------------------------------------------------------------- what was done
def record(facts: Facts) -> Section | None:
    """The section, or ``None`` where nothing but a name is known."""
    lang = facts.lang
    blocks: list[Block] = []
    if said := [*_data_sentences(facts), *facts.notes]:
        blocks.append(Sentences(said))
    if facts.settings:
        items = list(facts.settings.items())
        blocks.append(Pairs(words.text("report.settings", lang), items))
    if facts.versions or facts.started:
        items = list(facts.versions.items())
        if facts.started:
            items.insert(0, (words.text("report.started", lang), facts.started))
        blocks.append(Pairs(words.text("report.versions", lang), items))
    if facts.command:
        blocks.append(Code(words.text("report.command", lang), facts.command))
    return Section("record", words.text("report.record", lang), blocks) if blocks else None


def _data_sentences(facts: Facts) -> list[str]:
    lang, found = facts.lang, []
    parts = {
        "train": words.text("report.part_train", lang),
        "validation": words.text("report.part_validation", lang),
        "test": words.text("report.part_test", lang),
    }
    if facts.rows:
        counts = ", ".join(
            words.text("report.part", lang, rows=count, part=parts.get(part, part))
            for part, count in facts.rows.items()
        )
        total = sum(facts.rows.values())
        found.append(words.text("report.rows", lang, total=total, parts=counts))
    if facts.feature_names:
        names = ", ".join(_listed(facts))
        found.append(
            words.text("report.features", lang, count=len(facts.feature_names), names=names)
        )
    return found


def _listed(facts: Facts) -> list[str]:
    names = [shortened(str(name), 40) for name in facts.feature_names]
    lengths = np.cumsum([len(name) for name in names])
    shown = max(1, int(np.searchsorted(lengths, LISTED, side="right")))
    if shown >= len(names):
        return names
    more = words.text("report.more_names", facts.lang, count=len(names) - shown)
    return [*names[:shown], more]


# ---------------------------------------------------------------------- the worst rows
def worst_rows(facts: Facts) -> Section | None:
    """The section, or ``None`` without test rows."""
    outcomes = facts.outcomes
    if outcomes is None or not len(outcomes.t):
        return None
    found = _worst_classes if facts.is_classification else _worst_values
    title, lead, columns, rows = found(facts, outcomes)
    if not rows:
        return None
    return Section("worst", title, [Prose(lead), Table(title, columns, rows)])


def _worst_classes(facts: Facts, outcomes: Outcomes) -> tuple[str, str, list[Column], list[Any]]:
    """Mistakes that the network was surest of; without any, the rows it was least sure of."""
    lang = facts.lang
    t, predicted = np.asarray(outcomes.t), np.asarray(outcomes.predicted)
    everyone = np.arange(len(t))
    sure = None if outcomes.probabilities is None else np.asarray(outcomes.probabilities)
    wrong = np.flatnonzero(t != predicted)
    columns = [
        Column(words.text("report.column_row", lang)),
        Column(words.text("report.column_truth", lang), numeric=False),
        Column(words.text("report.column_predicted", lang), numeric=False),
    ]
    chosen = wrong if wrong.size or sure is None else everyone
    if sure is not None:
        columns += [
            Column(words.text("report.column_its_probability", lang)),
            Column(words.text("report.column_true_probability", lang)),
        ]
        order = np.argsort(sure[chosen, t[chosen]], kind="stable")
        chosen = chosen[order]
    columns += _input_columns(outcomes)

    def row(i: int) -> list[Cell]:
        entries = [
            _row_number(outcomes, i),
            facts.class_name(int(t[i])),
            facts.class_name(int(predicted[i])),
        ]
        if sure is not None:
            entries += [percent(float(sure[i, predicted[i]])), percent(float(sure[i, t[i]]))]
        return [Cell(entry) for entry in (*entries, *_inputs(outcomes, i))]

    if wrong.size:
        title = words.text("report.worst", lang)
        counts = {"wrong": len(wrong), "rows": len(t)}
        lead = words.text(
            "report.wrong_classes" if sure is None else "report.worst_classes", lang, **counts
        )
    else:
        title = words.text("report.least_sure", lang)
        lead = words.text("report.none_wrong", lang, rows=len(t))
    return title, lead, columns, [row(int(i)) for i in chosen[:ROWS]]


def _worst_values(facts: Facts, outcomes: Outcomes) -> tuple[str, str, list[Column], list[Any]]:
    """The largest errors, each measured by the spread of its target."""
    lang = facts.lang
    t = np.asarray(outcomes.t, float).reshape(len(outcomes.t), -1)
    predicted = np.asarray(outcomes.predicted, float).reshape(t.shape)
    spread = t.std(axis=0)
    relative = np.abs(predicted - t) / np.where(spread > 0, spread, 1)
    worst_target = relative.argmax(axis=1)
    chosen = np.argsort(-relative.max(axis=1), kind="stable")[:ROWS]
    many = t.shape[1] > 1
    columns = [Column(words.text("report.column_row", lang))]
    if many:
        columns.append(Column(words.text("report.column_target", lang), numeric=False))
    columns += [
        Column(words.text("report.column_truth", lang)),
        Column(words.text("report.column_predicted", lang)),
        Column(words.text("report.error_of", lang)),
        *_input_columns(outcomes),
    ]

    def row(i: int) -> list[Cell]:
        k = int(worst_target[i])
        truth, guess = float(t[i, k]), float(predicted[i, k])
        entries = [_row_number(outcomes, i), *([facts.target_name(k)] if many else [])]
        entries += [number(truth), number(guess), number(truth - guess), *_inputs(outcomes, i)]
        return [Cell(entry) for entry in entries]

    lead = words.text("report.worst_values", lang)
    return words.text("report.worst", lang), lead, columns, [row(int(i)) for i in chosen]


def _row_number(outcomes: Outcomes, i: int) -> str:
    numbers = outcomes.row_numbers
    return str(i if numbers is None else int(numbers[i]))


def _input_columns(outcomes: Outcomes) -> list[Column]:
    columns = list(outcomes.inputs.items())[:INPUTS]
    return [Column(shortened(str(name), 32), _is_number(entries[0])) for name, entries in columns]


def _is_number(entry: Any) -> bool:
    return isinstance(entry, int | float | np.integer | np.floating)


def _inputs(outcomes: Outcomes, i: int) -> list[str]:
    """The first columns of the data in a row."""
    columns = list(outcomes.inputs.values())[:INPUTS]
    return [shortened(value(column[i]), 60) for column in columns]

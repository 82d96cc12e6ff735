"""What is learned of each column from the training rows, a chunk at a time.

Means and deviations are merged from chunk to chunk (Chan, Golub & LeVeque 1983, eq. 1.5), so that
they do not suffer where the mean is large beside the deviation.
"""

from collections import Counter
from typing import TypeAlias

import numpy as np

from chainrule.data.tables.columns import Categories, Column, Dropped, Measured, Part
from chainrule.data.tables.dates import date_parts
from chainrule.data.tables.values import (
    Form,
    Labels,
    Numbers,
    Values,
    labels_of_numbers,
    missing,
    mostly_different,
)

__all__ = ["Learner", "learner"]

#: More categories than this are not counted: the column is an identifier or free text.
MOST_CATEGORIES = 100_000


class _Moments:
    """Count, mean, sum of squared deviations, least and greatest of numbers that come in chunks."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.least, self.most = np.inf, -np.inf

    def add(self, numbers: Numbers) -> None:
        count = len(numbers)
        if not count:
            return
        mean = float(numbers.mean())
        deviations = numbers - mean
        squares = float(np.square(deviations, out=deviations).sum())
        total = self.count + count
        shift = mean - self.mean
        self.squares += squares + shift * shift * self.count * count / total
        self.mean += shift * count / total
        self.count = total
        self.least = min(self.least, float(numbers.min()))
        self.most = max(self.most, float(numbers.max()))

    def part(self, name: str) -> Part | None:
        """The part with these moments; ``None`` if the numbers do not vary."""
        scale = float(np.sqrt(self.squares / max(self.count, 1)))
        # Equal numbers can have a deviation of rounding errors, and tiny ones one of 0.
        return Part(name, self.mean, scale) if self.least < self.most and scale > 0 else None


class _MeasuredLearner:
    """Learns of numbers, booleans and dates."""

    def __init__(self, name: str, form: Form) -> None:
        self.name, self.form = name, form
        self.moments: dict[str, _Moments] = {}
        self.rows = self.missing = 0

    def add(self, values: Values) -> None:
        assert not isinstance(values, Labels)
        present = values[~missing(values)]
        self.rows += len(values)
        self.missing += len(values) - len(present)
        parts = date_parts(present) if self.form.kind == "date" else {"value": present}
        for name, numbers in parts.items():
            self.moments.setdefault(name, _Moments()).add(numbers)

    def learned(self) -> Column | Dropped:
        if self.missing == self.rows:
            return Dropped(self.name, "empty")
        parts = tuple(
            part for name, moments in self.moments.items() if (part := moments.part(name))
        )
        if not parts and not self.missing:
            return Dropped(self.name, "constant")
        return Measured(self.name, self.form, parts, self.missing > 0)


class _CategoriesLearner:
    """Learns of categories: how often each comes."""

    def __init__(self, name: str, form: Form, most: int) -> None:
        self.name, self.form, self.most = name, form, most
        self.counts: Counter[str] = Counter()
        self.rows = self.missing = 0
        self.too_many = False

    def add(self, values: Values) -> None:
        labels = values if isinstance(values, Labels) else labels_of_numbers(values)
        self.rows += len(labels)
        self.missing += int(missing(labels).sum())
        if not self.too_many:
            counts = np.bincount(labels.codes + 1, minlength=len(labels.names) + 1)[1:].tolist()
            met = zip(labels.names, counts, strict=True)  # or only other rows have this name
            self.counts.update({name: count for name, count in met if count})
            self.too_many = len(self.counts) > MOST_CATEGORIES
        if self.too_many:
            self.counts.clear()

    def learned(self) -> Column | Dropped:
        present = self.rows - self.missing
        counts = self.counts
        if not present:
            return Dropped(self.name, "empty")
        if len(counts) == 1 and not self.missing:
            return Dropped(self.name, "constant")
        if self.too_many or (len(counts) > 1 and mostly_different(len(counts), present)):
            return Dropped(self.name, "distinct")
        # The commonest; among equally common ones the first by name, in whatever order they came.
        common = sorted(counts, key=lambda name: (-counts[name], name))[: self.most]
        rare = len(common) < len(counts)
        return Categories(self.name, self.form, tuple(sorted(common)), self.missing > 0, rare)


Learner: TypeAlias = _MeasuredLearner | _CategoriesLearner


def learner(name: str, form: Form, as_categories: bool, most: int) -> Learner:
    """Something that learns of a column: ``add`` chunks, then ask for what was ``learned``."""
    if form.kind == "text" or as_categories:
        # Dates as categories are taken as they are written.
        text = Form("text") if form.kind == "date" else form
        return _CategoriesLearner(name, text, most)
    return _MeasuredLearner(name, form)

"""What a report is made from: plain data about one training run.

Nothing here knows a model, a file or a run directory: whoever has the facts can have the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from chainrule import words
from chainrule.errors import DataError, OptionError
from chainrule.explain.document import Document
from chainrule.train import RateTest

__all__ = ["Facts", "Layer", "Outcomes", "as_rate_test"]

#: The name of the trained network among the models that have a score.
NETWORK = "network"
#: The arrays and the rates of a range test.
CURVES = ("rates", "losses", "smoothed")
MARKS = ("halfway", "steepest", "valley", "lowest", "diverges")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What happened in each test row.

    Attributes
    ----------
    t
        The truth: class numbers ``[rows]``, or values ``[rows]`` or ``[rows, targets]`` in the
        units of the data.
    predicted
        What the network predicts; the same shape.
    probabilities
        The network's probability of each class, ``[rows, classes]``.
    baselines
        What other models predict, by name; the same shape as ``t``.
    row_numbers
        The number of each test row in the data.
    inputs
        Columns as the user knows them: a name, and one value per test row.
    """

    t: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict)
    row_numbers: Sequence[int] | None = None
    inputs: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """One row of the table of layers.

    Attributes
    ----------
    name
        The path in the model: ``"hidden.0"``; statistics are found by it.
    kind
        ``"Linear"``, ``"Dropout"``, …
    shape
        The shape of the weight or of the output, as text: ``"64 → 32"``.
    parameters
        How many numbers are trained in it.
    """

    name: str
    kind: str = ""
    shape: str = ""
    parameters: int = 0


@dataclass(frozen=True, eq=False)
class Facts:
    """All that is known about a run. Only a name and a task are needed; the rest may be missing.

    Attributes
    ----------
    name
        What the page is headed by.
    task
        ``"classification"`` or ``"regression"``.
    lang
        ``"en"`` or ``"ko"``.
    rows
        How many rows each part has: ``{"train": 1258, "validation": 180, "test": 359}``.
    feature_names, target_names, class_names
        As in the data; ``class_names[k]`` names class number ``k``.
    score_name
        ``"accuracy"`` or ``"r_squared"``; empty stands for the one that belongs to the task. Any
        other name is shown as it is.
    scores
        On the test rows, larger is better: ``"network"``, ``"linear_model"``,
        ``"boosted_trees"`` or any other name. What is missing is taken from ``outcomes``.
    outcomes
        See :class:`Outcomes`.
    history
        One mapping per epoch: ``epoch``, ``loss``, ``validation_loss``, ``accuracy``,
        ``learning_rate``, ``seconds`` and any other number.
    rate_test
        What a learning-rate range test found: the attributes of
        :class:`chainrule.train.RateTest` by their names; ``vars(found)``, or the same from JSON.
    layers
        See :class:`Layer`.
    statistics
        ``{"step": 100, "epoch": 2, "layers": {"hidden.0": {"weight_norm": 7.9, …}}}`` with any of
        ``weight_norm``, ``gradient_norm``, ``update_ratio`` (the length of an update ÷ that of the
        weights), ``activation_mean``, ``activation_std``, ``slope`` (of the activation function,
        on average), ``dead`` (a share of the units) and ``saturated`` (a share of the values).
    derivation
        How the derivative of the cost for one weight comes about:
        ``chainrule.explain.explain(…).document(lang)``.
    notes
        Sentences about the data: what was dropped, filled or encoded.
    settings
        What was chosen, by its name.
    command
        The command that makes this run again.
    versions
        Of the software, by its name.
    started
        When training began, as text.

    Examples
    --------
    >>> from chainrule import report
    >>> report.Facts("digits", "classification", scores={"network": 0.975}).lang
    'en'
    """

    name: str
    task: Literal["classification", "regression"]
    lang: str = "en"
    rows: Mapping[str, int] = field(default_factory=dict)
    feature_names: Sequence[str] = ()
    target_names: Sequence[str] = ()
    class_names: Sequence[str] = ()
    score_name: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    outcomes: Outcomes | None = None
    history: Sequence[Mapping[str, Any]] = ()
    rate_test: Mapping[str, Any] | None = None
    layers: Sequence[Layer] = ()
    statistics: Sequence[Mapping[str, Any]] = ()
    derivation: Document | None = None
    notes: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    started: str = ""

    def __post_init__(self) -> None:
        if self.lang not in words.LANGUAGES:
            raise OptionError("report.lang", lang=self.lang, known=", ".join(words.LANGUAGES))
        if self.task not in ("classification", "regression"):
            raise OptionError("report.task", task=self.task)
        if self.outcomes is not None:
            _check(self.outcomes, self.task, len(self.class_names))
        if self.rate_test is not None:
            as_rate_test(self.rate_test)

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted."""
        return self.task == "classification"

    def class_name(self, number: int) -> str:
        """The name of a class, or its number where it has none."""
        names = self.class_names
        return str(names[number]) if number < len(names) else str(number)

    def target_name(self, number: int) -> str:
        """The name of a target, or its number where it has none."""
        names = self.target_names
        return str(names[number]) if number < len(names) else f"y{number}"


def _check(outcomes: Outcomes, task: str, classes: int) -> None:
    """Refuse outcomes that contradict each other, before a page is half made."""
    t = np.asarray(outcomes.t)
    is_classes = task == "classification"
    if t.ndim not in ((1,) if is_classes else (1, 2)):
        raise DataError("report.targets", task=task, shape=t.shape)
    for name, predicted in {NETWORK: outcomes.predicted, **outcomes.baselines}.items():
        _check_predictions(name, np.asarray(predicted), t)
    if is_classes:
        _check_classes(outcomes, t, classes)
    columns = {"row_numbers": outcomes.row_numbers, **outcomes.inputs}
    for name, values in columns.items():
        if values is not None and len(values) != len(t):
            raise DataError("report.column", name=name, got=len(values), rows=len(t))


def _check_predictions(name: str, predicted: np.ndarray, t: np.ndarray) -> None:
    if predicted.shape != t.shape:
        raise DataError("report.shape", name=name, got=predicted.shape, wanted=t.shape)
    for values in (predicted, t):
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise DataError("report.numbers", name=name)


def _check_classes(outcomes: Outcomes, t: np.ndarray, classes: int) -> None:
    every = [np.asarray(x) for x in (t, outcomes.predicted, *outcomes.baselines.values())]
    numbers = np.concatenate(every)
    if numbers.size and (numbers.dtype.kind not in "iu" or numbers.min() < 0):
        raise DataError("report.class_numbers")
    count = 1 + int(numbers.max(initial=-1))
    if classes and count > classes:
        raise DataError("report.class_names", names=classes, number=count - 1)
    if outcomes.probabilities is None:
        return
    probabilities = np.asarray(outcomes.probabilities)
    wanted = max(classes, count)
    good = probabilities.ndim == 2 and probabilities.shape[0] == len(t)
    if not good or probabilities.shape[1] < wanted or not np.isfinite(probabilities).all():
        raise DataError(
            "report.probabilities", got=probabilities.shape, rows=len(t), classes=wanted
        )


def as_rate_test(found: Mapping[str, Any]) -> RateTest:
    """The range test with these attributes, of which those may be missing that may be ``None``.

    Raises
    ------
    DataError
        If they are no numbers, or do not fit together.
    """
    try:
        rates, losses, smoothed = (np.asarray(found[name], float) for name in CURVES)
        given = {name: found.get(name) for name in MARKS}
        marks = {name: None if rate is None else float(rate) for name, rate in given.items()}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError("report.rate_numbers", names=", ".join(CURVES)) from None
    steps = losses.size
    if not losses.shape == smoothed.shape == (steps,) or rates.shape != (max(steps, 1),):
        shapes = ", ".join(str(x.shape) for x in (rates, losses, smoothed))
        raise DataError("report.rate_shapes", shapes=shapes)
    positive = np.append(rates, [rate for rate in marks.values() if rate is not None])
    if not (np.isfinite(np.concatenate([positive, losses, smoothed])).all() and min(positive) > 0):
        raise DataError("report.rate_limits")
    return RateTest(rates, losses, smoothed, **marks)

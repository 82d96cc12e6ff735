"""What is predicted: which task it makes, and its values as numbers and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from chainrule.data.scaling import Scaling
from chainrule.data.tables.columns import form_from_record
from chainrule.data.tables.records import Record
from chainrule.data.tables.values import (
    Form,
    Labels,
    Numbers,
    Values,
    labels_of_numbers,
    mostly_different,
    number_in,
)
from chainrule.errors import DataError, OptionError, suggest

__all__ = ["TASKS", "Target", "Task", "class_labels", "infer_task", "make_target"]

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)

VERSION = 1
#: Whole numbers are classes if they are no more than so many, and each comes so often on average.
MOST_NUMBERED_CLASSES = 20
ROWS_PER_NUMBERED_CLASS = 5


@dataclass(frozen=True, eq=False)
class Target:
    """One column that names classes, or columns of numbers.

    Attributes
    ----------
    names
        The columns.
    forms
        How each is read.
    class_names
        The name of each class number; empty for regression.
    scaling
        How numbers are standardized; ``None`` for classes.

    Examples
    --------
    >>> from chainrule.data.tables import load_table
    >>> target = load_table({"x": [1, 2, 3, 4], "kind": ["b", "a", "b", "a"]}).target
    >>> target.task, target.class_names
    ('classification', ('a', 'b'))
    """

    names: tuple[str, ...]
    forms: tuple[Form, ...]
    class_names: tuple[str, ...]
    scaling: Scaling | None

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "classification" if self.scaling is None else "regression"

    @property
    def outputs(self) -> int:
        """How many numbers a model puts out: one per class, or one per column."""
        return len(self.class_names) or len(self.names)

    def encode(self, columns: Sequence[Values], rows: npt.NDArray[np.intp]) -> np.ndarray:
        """``t`` for values without missing ones.

        Parameters
        ----------
        columns
            The values of each column.
        rows
            The row number of each value in its table, for messages.

        Returns
        -------
        Class numbers, int64 ``[rows]``, or standardized values, float32 ``[rows, targets]``.

        Raises
        ------
        DataError
            If there is a class that training did not have.
        """
        if self.scaling is not None:
            return self.scaling(_stacked(columns)).astype(np.float32)
        labels = class_labels(columns[0], self.forms[0])
        number = {name: place for place, name in enumerate(self.class_names)}
        code_of = np.array([number.get(name, -1) for name in labels.names], np.int64)
        t: np.ndarray = code_of[labels.codes]
        if (t < 0).any():
            index = int((t < 0).argmax())
            name = labels.names[labels.codes[index]]
            raise DataError(
                "tables.unseen_class",
                column=self.names[0],
                value=name,
                row=rows[index] + 1,
                hint=suggest(name, self.class_names),
                known=", ".join(map(repr, self.class_names[:20])),
            )
        return t

    def decode(self, t: Any) -> np.ndarray:
        """The names of class numbers, or the values that standardize to ``t``.

        Raises
        ------
        DataError
            If there is no class of such a number, or ``t`` has another number of columns.
        """
        if self.scaling is not None:
            numbers: np.ndarray = self.scaling.inverse(t)
            return numbers
        numbers = np.asarray(t)
        if (
            numbers.dtype.kind not in "iu"
            or not ((numbers >= 0) & (numbers < len(self.class_names))).all()
        ):
            raise DataError("tables.class_number", classes=len(self.class_names))
        names: np.ndarray = np.array(self.class_names, object)[numbers]
        return names

    # ------------------------------------------------------------------ plain data
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, which keeps every digit; :meth:`from_dict` is the way back."""
        scaling = None
        if self.scaling is not None:
            scaling = {
                name: value if isinstance(value, str) else value.tolist()
                for name, value in self.scaling.to_dict().items()
            }
        return {
            "version": VERSION,
            "columns": [
                {"name": name, **vars(form)}
                for name, form in zip(self.names, self.forms, strict=True)
            ],
            "class_names": list(self.class_names),
            "scaling": scaling,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The target that :meth:`to_dict` wrote.

        Raises
        ------
        DataError
            If the data are damaged, or come from a newer version.
        """
        record = Record(values, cls.__name__)
        record.expect_version(VERSION)
        columns = record.parts("columns")
        names = tuple(column.entry("name", str) for column in columns)
        forms = tuple(map(form_from_record, columns))
        class_names = record.names("class_names")
        scaling = _read_scaling(record)
        if scaling is None:
            fits = len(names) == 1 and len(class_names) > 1
        else:
            fits = len(names) == len(scaling.offset) and not class_names
        if len({*names}) < len(names) or not fits:
            raise record.refused("columns")
        return cls(names, forms, class_names, scaling)


def _read_scaling(record: Record) -> Scaling | None:
    if record.values.get("scaling") is None:
        return None
    entries = Record(record.values["scaling"], record.who)
    entries.choice("kind", (Scaling.__name__,))
    offset = np.array(entries.numbers("offset"))
    return Scaling(offset, np.array(entries.numbers("scale", positive=True)))


# ---------------------------------------------------------------------- making one
def infer_task(
    names: Sequence[str], forms: Sequence[Form], columns: Sequence[Values], task: Task | None
) -> Task:
    """The task that the values make, or the one that is asked for if they allow it.

    Classes are text, booleans, or few different whole numbers: no more than 2, or no more than 20
    of which each comes five times on average. All else is numbers to predict.

    Raises
    ------
    DataError
        If the values allow no task, or not the one that is asked for.
    OptionError
        If ``task`` is no task.
    """
    if task is not None and task not in TASKS:
        raise OptionError("tables.task", task=task, known=", ".join(TASKS))
    for name, form in zip(names, forms, strict=True):
        if form.kind == "date":
            raise DataError("tables.target_is_date", column=name)
    if len(names) > 1:
        if task == "classification":
            raise OptionError("tables.one_class_column", columns=", ".join(names))
        return "regression"
    return task or ("classification" if _are_classes(columns[0], forms[0]) else "regression")


def _are_classes(values: Values, form: Form) -> bool:
    if isinstance(values, Labels) or form.kind == "boolean":
        return True
    different = np.unique(values)
    if (different != np.floor(different)).any():
        return False
    return len(different) <= 2 or (
        len(different) <= MOST_NUMBERED_CLASSES
        and ROWS_PER_NUMBERED_CLASS * len(different) <= len(values)
    )


def class_labels(values: Values, form: Form) -> Labels:
    """Classes by name: ``3.0`` is named ``3``, and a boolean ``False`` or ``True``."""
    if isinstance(values, Labels):
        return values
    if form.kind == "boolean":
        codes = np.where(np.isnan(values), -1, values).astype(np.intp)
        return Labels(codes, ("False", "True"))
    return labels_of_numbers(values)


def make_target(
    names: Sequence[str],
    forms: Sequence[Form],
    columns: Sequence[Values],
    train: npt.NDArray[Any],
    task: Task,
) -> Target:
    """The target that some columns make; values are standardized by the rows in ``train``.

    Classes are those of all rows, in numerical or else alphabetical order.

    Raises
    ------
    DataError
        If there is one class only, as many as rows, or numbers that do not vary.
    """
    if task == "classification":
        class_names = _class_names(names[0], columns[0], forms[0])
        return Target(tuple(names), tuple(forms), class_names, None)
    t = _stacked(columns)[train]
    still = np.ptp(t, axis=0) == 0
    if still.any():
        place = int(still.argmax())
        raise DataError("tables.constant_target", column=names[place], value=t[0, place])
    return Target(tuple(names), tuple(forms), (), Scaling.standard(t))


def _class_names(column: str, values: Values, form: Form) -> tuple[str, ...]:
    labels = class_labels(values, form)
    seen = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.names)) > 0
    found = [name for name, met in zip(labels.names, seen, strict=True) if met]
    if len(found) == 1:
        raise DataError("tables.one_class", column=column, value=found[0])
    if len(found) > 2 and mostly_different(len(found), len(labels)):
        raise DataError(
            "tables.too_many_classes",
            column=column,
            classes=len(found),
            rows=len(labels),
            value=next((name for name in found if number_in(name) is None), found[0]),
        )
    return tuple(sorted(found) if isinstance(values, Labels) else found)


def _stacked(columns: Sequence[Values]) -> Numbers:
    """Columns of numbers side by side, ``[rows, targets]``."""
    return np.stack([np.asarray(values, np.float64) for values in columns], axis=1)

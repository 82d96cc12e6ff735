"""The real data sets that ship with scikit-learn: small, complete, and there without a download."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from chainrule.errors import DataError, suggest

__all__ = ["Dataset", "load", "names"]

Task = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of features and what is to be predicted from them.

    Attributes
    ----------
    name
        What :func:`load` knows it by.
    task
        ``"classification"`` or ``"regression"``.
    x
        The features, float64 ``[rows, features]``, as they were measured.
    t
        The targets: class numbers, int64 ``[rows]``, or values, float64 ``[rows, targets]``.
    feature_names
        One name per column of ``x``.
    target_names
        What is predicted: the name of the label, or of each column of ``t``.
    class_names
        The name of each class number; empty for regression.
    source
        Where the data come from.
    """

    name: str
    task: Task
    x: np.ndarray
    t: np.ndarray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.x.shape[0])

    @property
    def features(self) -> int:
        """How many features a row has."""
        return int(self.x.shape[1])

    @property
    def outputs(self) -> int:
        """How many numbers a model puts out: one per class, or one per target."""
        return len(self.class_names) or len(self.target_names)

    def __repr__(self) -> str:
        return f"Dataset({self.name}: {self.task}, x {self.x.shape}, t {self.t.shape})"


class _Entry(NamedTuple):
    """What the function ``sklearn.datasets.load_<name>`` leaves open."""

    task: Task
    target_names: tuple[str, ...]
    source: str
    options: dict[str, Any] = {}  # noqa: RUF012  # never written to


ENTRIES = {
    "breast_cancer": _Entry("classification", ("diagnosis",), "Street et al. 1993"),
    # As measured: scikit-learn's scaling has seen all rows, also those that will test.
    "diabetes": _Entry("regression", ("progression",), "Efron et al. 2004", {"scaled": False}),
    "digits": _Entry("classification", ("digit",), "Alpaydin & Kaynak 1998"),
    "iris": _Entry("classification", ("species",), "Fisher 1936"),
    "linnerud": _Entry("regression", ("weight", "waist", "pulse"), "Tenenhaus 1998"),
    "wine": _Entry("classification", ("cultivar",), "Aeberhard & Forina 1991"),
}


def names() -> tuple[str, ...]:
    """The names that :func:`load` knows.

    Examples
    --------
    >>> from chainrule.data import datasets
    >>> datasets.names()
    ('breast_cancer', 'diabetes', 'digits', 'iris', 'linnerud', 'wine')
    """
    return tuple(ENTRIES)


def load(name: str) -> Dataset:
    """A data set by name.

    Parameters
    ----------
    name
        One of :func:`names`.

    Raises
    ------
    DataError
        If there is no such data set; the message suggests near names.

    Examples
    --------
    >>> from chainrule.data import datasets
    >>> datasets.load("iris")
    Dataset(iris: classification, x (150, 4), t (150,))
    """
    if name not in ENTRIES:
        hint, known = suggest(name, ENTRIES), ", ".join(ENTRIES)
        raise DataError("data.unknown", name=name, hint=hint, known=known)
    from sklearn import datasets as sources

    entry = ENTRIES[name]
    bunch = getattr(sources, f"load_{name}")(**entry.options)
    x = np.array(bunch.data, np.float64)
    t: np.ndarray = np.array(bunch.target)
    class_names: tuple[str, ...] = ()
    if entry.task == "classification":
        t, class_names = t.astype(np.int64), tuple(map(str, bunch.target_names))
    else:
        t = t.astype(np.float64).reshape(len(x), -1)
    x.flags.writeable = t.flags.writeable = False
    feature_names = tuple(map(str, bunch.feature_names))
    return Dataset(
        name, entry.task, x, t, feature_names, entry.target_names, class_names, entry.source
    )

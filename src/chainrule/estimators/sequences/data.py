"""Sequences of different length: checked, and put side by side in one array."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from chainrule.errors import DataError, DtypeError, ShapeError
from chainrule.estimators.loops import rounded_up

__all__ = [
    "Sequences",
    "Steps",
    "check_targets",
    "checked_steps",
    "named_sequence",
    "padded",
    "side_by_side",
    "standardized",
    "standardizer",
]


class Steps(NamedTuple):
    """The steps of all sequences one after another, ``[Σ T, F]``, and their lengths, ``[N]``."""

    values: np.ndarray
    lengths: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """How many sequences, and how many features."""
        return len(self.lengths), self.values.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its number type."""
        return self.values.dtype


class Sequences(NamedTuple):
    """Sequences side by side, each padded with zeros behind its end.

    Attributes
    ----------
    values
        ``[N, T, F]``.
    lengths
        How many steps of each are real, ``[N]``; ``None`` where all are.
    """

    values: Any
    lengths: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        found: tuple[int, ...] = self.values.shape
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its number type."""
        found: np.dtype[Any] = self.values.dtype
        return found

    @property
    def steps(self) -> Steps:
        """The real steps."""
        count, time, features = self.shape
        if self.lengths is None:
            return Steps(self.values.reshape(-1, features), np.full(count, time))
        return Steps(self.values[_real(self.lengths, time)], self.lengths)


def checked_steps(who: str, X: Any) -> Steps:
    """The steps of sequences as users hand them over.

    Parameters
    ----------
    who
        The estimator, for messages.
    X
        A list or an array of objects, of sequences ``[T, F]`` or ``[T]`` (one feature); or an array
        or a table ``[N, T, F]`` or ``[N, T]``.

    Raises
    ------
    DataError
        If there is no sequence, one has no step, or a number is not finite.
    ShapeError
        If a sequence has another shape, or the numbers of features differ.
    DtypeError
        If a sequence does not hold numbers, or ``X`` is neither a list nor an array.
    TypeError, ValueError
        From scikit-learn, for an array that holds no numbers, or has one axis only.

    Examples
    --------
    >>> from chainrule.estimators.sequences.data import checked_steps
    >>> checked_steps("Example", [[1.0, 2.0, 3.0], [4.0]])
    Steps(values=array([[1.], [2.], [3.], [4.]]), lengths=array([3, 1]))
    """
    steps = _of_list(who, X) if _is_list(X) else _of_array(who, X)
    _check_finite(who, steps)
    return steps


def named_sequence(who: str, X: Any) -> Any:
    """A sequence of ``X`` with the names of the features of all, or an array, which has none.

    Raises
    ------
    DataError
        If tables name their columns otherwise, or in another order.

    Examples
    --------
    >>> import pandas as pd
    >>> from chainrule.estimators.sequences.data import named_sequence
    >>> list(named_sequence("Example", [pd.DataFrame({"t": [1.0, 2.0]})]).columns)
    ['t']
    """
    tables = [(i, s) for i, s in enumerate(X) if hasattr(s, "columns")] if _is_list(X) else []
    names = [list(table.columns) for _, table in tables]
    for (i, _), own in zip(tables, names, strict=True):
        if own != names[0]:
            raise DataError("estimators.columns_differ", who=who, i=i, first=names[0], got=own)
    return tables[0][1] if tables else np.empty((0, 0))


def _is_list(X: Any) -> bool:
    """Whether ``X`` holds sequences one by one."""
    if isinstance(X, (list, tuple)) or not hasattr(X, "__array__"):
        return isinstance(X, (list, tuple))
    # Of a dataframe's column its array tells: its own types of lists have many names.
    array = np.asarray(X)
    return array.ndim == 1 and array.dtype == np.dtype(object)


def _of_array(who: str, X: Any) -> Steps:
    """Sequences of one length."""
    if not (hasattr(X, "__array__") or hasattr(X, "toarray")):
        raise DtypeError("estimators.sequences_kind", who=who, got=type(X).__name__)
    _check_cells(who, X)
    x = check_array(X, allow_nd=True, ensure_all_finite=False, estimator=who, input_name="X")
    if x.ndim > 3:
        raise ShapeError("estimators.sequences_shape", who=who, got=x.shape)
    if x.ndim == 3 and 0 in x.shape:
        raise DataError("estimators.no_sequences", who=who, got=x.shape)
    features = x.shape[2] if x.ndim == 3 else 1
    return Steps(x.reshape(-1, features), np.full(len(x), x.shape[1]))


def _check_cells(who: str, X: Any) -> None:
    """Raise if a table holds a sequence in a cell, as a dataframe with a column of arrays does."""
    cells = np.asarray(X)
    if cells.ndim != 2 or cells.dtype != np.dtype(object):
        return
    for column, cell in enumerate(cells[0] if len(cells) else ()):
        if np.ndim(cell) > 0:
            name = list(getattr(X, "columns", range(cells.shape[1])))[column]
            raise DtypeError("estimators.sequence_cells", who=who, name=name)


def _of_list(who: str, X: Iterable[Any]) -> Steps:
    arrays = [_sequence(who, i, sequence) for i, sequence in enumerate(X)]
    if not arrays:
        raise DataError("estimators.no_sequences", who=who, got="[]")
    counts = [array.shape[1] for array in arrays]
    for i, count in enumerate(counts):
        if count != counts[0]:
            raise ShapeError("estimators.features_differ", who=who, i=i, first=counts[0], got=count)
    return Steps(np.concatenate(arrays), np.array([len(array) for array in arrays]))


def _sequence(who: str, i: int, sequence: Any) -> np.ndarray:
    """One sequence as ``[T, F]``."""
    try:
        array = np.asarray(sequence)
        if array.dtype.kind not in "biuf":
            array = np.asarray(sequence, object).astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DtypeError("estimators.sequence_numbers", who=who, i=i, reason=error) from None
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise ShapeError("estimators.sequence_shape", who=who, i=i, got=array.shape)
    if len(array) == 0:
        raise DataError("estimators.no_steps", who=who, i=i)
    return array.reshape(len(array), -1)


def _check_finite(who: str, steps: Steps) -> None:
    good = np.isfinite(steps.values)
    if good.all():
        return
    row, feature = (int(i) for i in np.argwhere(~good)[0])
    ends = np.cumsum(steps.lengths)
    i = int(np.searchsorted(ends, row, side="right"))
    value = "NaN" if np.isnan(steps.values[row, feature]) else "inf"
    step = row - int(ends[i] - steps.lengths[i])
    raise DataError(
        "estimators.step_nonfinite", who=who, i=i, step=step, feature=feature, got=value
    )


def check_targets(who: str, y: Any) -> None:
    """Raise if ``y`` has a target for each step.

    Raises
    ------
    ShapeError
        If there are arrays of different length, or more than two axes.
    """
    try:
        targets = np.asarray(y)
    except ValueError:  # of different length
        targets = np.empty((0, 0, 0))
    nested = targets.ndim == 1 and targets.dtype == object and any(np.ndim(t) for t in targets)
    if nested or targets.ndim > 2:
        raise ShapeError("estimators.sequence_targets", who=who, got=np.shape(next(iter(y))))


def standardizer(who: str, steps: Steps, weight: np.ndarray | None) -> StandardScaler:
    """What gives every feature the mean 0 and the variance 1 over all steps.

    The steps count with the weights of their sequences, ``[N]``.

    Raises
    ------
    DataError
        If the numbers are so large that their variance is not finite.
    """
    repeated = None if weight is None else np.repeat(weight, steps.lengths)
    with np.errstate(all="ignore"):
        found = StandardScaler().fit(steps.values, sample_weight=repeated)
    if not np.isfinite(found.scale_).all():
        raise DataError("estimators.steps_large", who=who, got=np.abs(steps.values).max())
    return found


def standardized(
    who: str, steps: Steps, scaler: StandardScaler | None, dtype: np.dtype[Any]
) -> Steps:
    """The steps in the network's number type, standardized if there is a ``scaler``.

    Raises
    ------
    DataError
        If a number is too large for the type.
    """
    values = steps.values if scaler is None else scaler.transform(steps.values)
    with np.errstate(over="ignore"):
        values = values.astype(dtype, copy=False)
    if not np.isfinite(values).all():
        raise DataError("estimators.steps_large", who=who, got=np.abs(steps.values).max())
    return Steps(values, steps.lengths)


def side_by_side(steps: Steps) -> Sequences:
    """All sequences in one array.

    Those of different length get one of few common lengths, so that code serves many data sets; if
    all have one length, it stays as it is.

    Examples
    --------
    >>> from chainrule.estimators.sequences.data import checked_steps, side_by_side
    >>> values, lengths = side_by_side(checked_steps("Example", [[1.0, 2.0, 3.0], [4.0]]))
    >>> values[:, :, 0].tolist(), lengths.tolist()
    ([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]], [3, 1])
    """
    (count, features), lengths = steps.shape, steps.lengths
    longest = int(lengths.max())
    if (lengths == longest).all():
        return Sequences(steps.values.reshape(count, longest, features), None)
    values = np.zeros((count, rounded_up(longest), features), steps.dtype)
    values[_real(lengths, values.shape[1])] = steps.values
    return Sequences(values, lengths)


def padded(
    values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, rows: int, time: int
) -> Sequences:
    """Some sequences in an array ``[rows, time, F]``; what is missing are sequences of one 0.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.sequences.data import padded
    >>> steps = np.array([[1.0], [2.0], [3.0]])
    >>> values, lengths = padded(steps, np.array([1]), np.array([2]), rows=2, time=3)
    >>> values[:, :, 0].tolist(), lengths.tolist()
    ([[2.0, 3.0, 0.0], [0.0, 0.0, 0.0]], [2, 1])
    """
    places, real = starts[:, None] + np.arange(time), _real(lengths, time)
    array = np.zeros((rows, time, values.shape[1]), values.dtype)
    array[: len(lengths)][real] = values[places[real]]
    return Sequences(array, np.append(lengths, np.ones(rows - len(lengths), lengths.dtype)))


def _real(lengths: np.ndarray, time: int) -> np.ndarray:
    """Which places of an array ``[N, time]`` are real steps."""
    found: np.ndarray = np.arange(time) < lengths[:, None]
    return found

"""Sequences of different length: checked, and put side by side in one array."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from chainrule.errors import DataError, DtypeError, ShapeError
from chainrule.estimators.loops import rounded_up

__all__ = ["Sequences", "Steps", "checked_steps", "side_by_side", "standardizer"]


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


class Steps(NamedTuple):
    """The steps of all sequences one after another, ``[Σ T, F]``, and their lengths, ``[N]``."""

    values: np.ndarray
    lengths: np.ndarray


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
        If a sequence does not hold numbers.
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


def _is_list(X: Any) -> bool:
    """Whether ``X`` holds sequences one by one."""
    if isinstance(X, (list, tuple)):
        return True
    return getattr(X, "dtype", None) == np.dtype(object) and np.ndim(X) == 1


def _of_array(who: str, X: Any) -> Steps:
    """Sequences of one length."""
    x = check_array(X, allow_nd=True, ensure_all_finite=False, estimator=who, input_name="X")
    if x.ndim > 3:
        raise ShapeError("estimators.sequences_shape", who=who, got=x.shape)
    if x.ndim == 3 and 0 in x.shape:
        raise DataError("estimators.no_sequences", who=who, got=x.shape)
    features = x.shape[2] if x.ndim == 3 else 1
    return Steps(x.reshape(-1, features), np.full(len(x), x.shape[1]))


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
    except (TypeError, ValueError) as error:
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


def side_by_side(
    who: str, steps: Steps, scaler: StandardScaler | None, dtype: np.dtype[Any]
) -> Sequences:
    """The steps as arrays of one shape, standardized and in the network's number type.

    Sequences of different length get one of few common lengths, so that code serves many data sets;
    if all have one length, it stays as it is.

    Raises
    ------
    DataError
        If a number is too large for the type.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.sequences.data import checked_steps, side_by_side
    >>> steps = checked_steps("Example", [[1.0, 2.0, 3.0], [4.0]])
    >>> values, lengths = side_by_side("Example", steps, None, np.dtype(np.float32))
    >>> values[:, :, 0].tolist(), lengths.tolist()
    ([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]], [3, 1])
    """
    flat, lengths = steps if scaler is None else (scaler.transform(steps.values), steps.lengths)
    with np.errstate(over="ignore"):
        flat = flat.astype(dtype, copy=False)
    if not np.isfinite(flat).all():
        raise DataError("estimators.steps_large", who=who, got=np.abs(steps.values).max())
    longest, features = int(lengths.max()), flat.shape[1]
    if (lengths == longest).all():
        return Sequences(flat.reshape(len(lengths), longest, features), None)
    values = np.zeros((len(lengths), rounded_up(longest), features), dtype)
    values[np.arange(values.shape[1]) < lengths[:, None]] = flat
    return Sequences(values, lengths)

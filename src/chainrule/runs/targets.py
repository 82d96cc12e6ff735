"""What the outputs of a model mean: classes, labels or values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from chainrule.data import Map
from chainrule.data.tables import Target
from chainrule.errors import DataError, OptionError
from chainrule.graph import Spec
from chainrule.nn import predict_class, predict_probability
from chainrule.runs.parts import Part, register

__all__ = ["Classes", "Labels", "Meaning", "Values", "meaning_of"]


class Meaning(Part, Protocol):
    """From the outputs of a model, ``[rows, …]``, to what a user asks for."""

    def check(self, output: Spec) -> None:
        """Raise unless the output of one row fits."""

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """What is predicted for each row."""

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """How probable each class or label is."""


def meaning_of(target: Any) -> Meaning:
    """What the outputs mean for a target, also for one that was learned from a table.

    Raises
    ------
    OptionError
        If it is no target.
    """
    if isinstance(target, Target):
        if target.scaling is None:
            return Classes(target.class_names)
        return Values(target.names, target.scaling, flat=len(target.names) == 1)
    if isinstance(target, Classes | Labels | Values):
        return target
    raise OptionError("runs.no_target", got=type(target).__name__)


def _wants(who: str, shapes: Sequence[tuple[int, ...]], output: Spec) -> None:
    if output.shape not in shapes or not output.is_float:
        raise OptionError("runs.target", who=who, wanted=shapes[-1], got=output)


def _names(who: str, names: Any, least: int) -> tuple[Any, ...]:
    """Distinct names: text or numbers, as Python has them."""
    found = tuple(n.item() if isinstance(n, np.generic) else n for n in names)
    plain = all(isinstance(name, (str, int, float)) for name in found)
    if not plain or len(set(found)) != len(found) or len(found) < least:
        raise DataError("runs.names", who=who, least=least, got=list(found)[:8])
    return found


@dataclass(frozen=True)
class _Named:
    """An answer that is known by its names alone."""

    names: Sequence[Any]

    def to_dict(self) -> dict[str, Any]:
        """The names."""
        return {"names": list(self.names)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        return cls(values["names"])


@register
@dataclass(frozen=True)
class Classes(_Named):
    """One of several classes: a logit for each, or for two classes one logit for the second.

    Parameters
    ----------
    names
        Text or numbers, at least two.

    Raises
    ------
    DataError
        If names are missing or not distinct.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.runs import Classes
    >>> answer = Classes(["no", "yes"])
    >>> answer.predictions(np.array([[2.0, 0.0], [0.0, 2.0]])).tolist()
    ['no', 'yes']
    >>> answer.probabilities(np.array([0.0])).tolist()
    [[0.5, 0.5]]
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _names("Classes", self.names, 2))

    def check(self, output: Spec) -> None:
        """Raise an :class:`OptionError` unless there is a logit per class, or one for two."""
        single: list[tuple[int, ...]] = [(), (1,)] if len(self.names) == 2 else []
        _wants(repr(self), [*single, (len(self.names),)], output)

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The name of the most probable class for each row."""
        if _is_single(outputs):
            chosen = predict_class(outputs.reshape(len(outputs)), binary=True)
        else:
            chosen = predict_class(outputs)
        found: np.ndarray = np.array(self.names)[chosen.numpy()]
        return found

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """``[rows, classes]``; each row adds up to 1."""
        if not _is_single(outputs):
            return np.asarray(predict_probability(outputs))
        logits = outputs.reshape(len(outputs), 1)
        return np.asarray(predict_probability(np.hstack([-logits, logits]), binary=True))

    def __repr__(self) -> str:
        return f"{len(self.names)} classes"


def _is_single(outputs: np.ndarray) -> bool:
    return outputs.ndim == 1 or outputs.shape[1] == 1


@register
@dataclass(frozen=True)
class Labels(_Named):
    """Several questions with the answers yes and no: a logit for each.

    Parameters
    ----------
    names
        What is asked: text or numbers.

    Raises
    ------
    DataError
        If names are missing or not distinct.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.runs import Labels
    >>> Labels(["tall", "red"]).predictions(np.array([[0.5, -2.0]])).tolist()
    [[1, 0]]
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _names("Labels", self.names, 1))

    def check(self, output: Spec) -> None:
        """Raise an :class:`OptionError` unless there is a logit per label."""
        _wants(repr(self), [(len(self.names),)], output)

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """1 for yes and 0 for no, ``[rows, labels]``."""
        return np.asarray(predict_class(outputs, binary=True))

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """How probable each yes is, ``[rows, labels]``."""
        return np.asarray(predict_probability(outputs, binary=True))

    def __repr__(self) -> str:
        return f"{len(self.names)} labels"


@register
@dataclass(frozen=True)
class Values:
    """Numbers: what regression predicts.

    Parameters
    ----------
    names
        What each number is.
    scaling
        The map that the targets went through in training; predictions go back through it.
    flat
        Give one number per row instead of a row with one number.

    Raises
    ------
    DataError
        If names are missing or not distinct, or the scaling is for another number of values.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import data
    >>> from chainrule.runs import Values
    >>> price = Values(["price"], data.Scaling(np.array([100.0]), np.array([10.0])), flat=True)
    >>> price.predictions(np.array([[0.5]]))
    array([105.])
    """

    names: Sequence[Any]
    scaling: Map | None = None
    flat: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _names("Values", self.names, 1))
        count = len(self.names)
        if self.scaling is not None and self.scaling.shape != (count, count):
            raise DataError("runs.scaling", count=count, got=repr(self.scaling))
        if self.flat and count > 1:
            raise DataError("runs.flat", count=count)

    def check(self, output: Spec) -> None:
        """Raise an :class:`OptionError` unless there is a number per name."""
        count = len(self.names)
        _wants(repr(self), [*([()] if count == 1 else []), (count,)], output)

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """In the units of the targets: float64 ``[rows, values]``, or ``[rows]`` if flat."""
        outputs = outputs.reshape(len(outputs), len(self.names)).astype(np.float64)
        values = outputs if self.scaling is None else self.scaling.inverse(outputs)
        return values[:, 0] if self.flat else values

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """There are none: raises an :class:`OptionError`."""
        raise OptionError("runs.no_probabilities", who=repr(self))

    def to_dict(self) -> dict[str, Any]:
        """Names, scaling and form."""
        scaling = None if self.scaling is None else self.scaling.to_dict()
        return {"names": list(self.names), "scaling": scaling, "flat": self.flat}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        scaling = values["scaling"]
        made = None if scaling is None else Map.from_dict(scaling)
        return cls(values["names"], made, bool(values["flat"]))

    def __repr__(self) -> str:
        return f"{len(self.names)} values"

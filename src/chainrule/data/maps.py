"""Preprocessing as it is carried beside a model: maps of rows to rows, with inverses.

What preprocessing learns from the training rows is a mean, a scale, some directions. A map holds
these numbers and nothing else. It is fitted by a class method, called like a function, undone with
``inverse``, and written as plain data with ``to_dict``:

======================================  ==================================================
map                                     ``z``
======================================  ==================================================
``Scaling.centred(x)``                  ``x − mean``
``Scaling.standard(x)``                 ``(x − mean) / deviation``
``Scaling.min_max(x, low, high)``       ``low + (high − low) (x − min) / (max − min)``
``UnitNorm(features)``                  ``x / ‖x‖``
``Projection.pca(x)``                   ``(x − mean) Vᵀ``
``Projection.whitening(x)``             ``(x − mean) Vᵀ / √(λ + ε)``
``ZCA.whitening(x)``                    ``(x − mean) Vᵀ / √(λ + ε) V``
======================================  ==================================================

``V`` holds the eigenvectors of the covariance matrix as rows, ``λ`` its eigenvalues. Whitening
divides by the *square root* of ``λ``, which is a variance: then the covariance of ``z`` is the
identity.

Fit on training rows only: what a map learns from other rows leaks into the model. Maps need NumPy
alone, so a saved model predicts without scikit-learn; :mod:`chainrule.data.transformers` wraps them
for its pipelines.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from chainrule.data.moments import Floats, Numbers, as_numbers, not_finite, row_slices
from chainrule.errors import DataError

__all__ = ["Map", "along"]


def along(*axes: str, positive: bool = False) -> dict[str, Any]:
    """What a field of finite float64 numbers says: its axes by name; a name has one length."""
    return {"axes": axes, "positive": positive}


@dataclass(frozen=True, eq=False, repr=False)
class Map(ABC):
    """A map of rows to rows.

    Called with ``x``, of shape ``[..., features]``, it gives ``z``, of shape ``[..., outputs]``.
    Numbers are computed in float64; the result is float32 if ``x`` is, and otherwise float64.

    Raises
    ------
    DataError
        On making a map: its numbers do not fit together. On calling it: ``x`` has another number
        of features, is not finite, or is mapped to numbers that its type cannot hold.
    """

    kinds: ClassVar[dict[str, type["Map"]]] = {}

    def __init_subclass__(cls) -> None:
        Map.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        lengths: dict[str, int] = {}
        for entry in fields(self):
            axes = entry.metadata["axes"]
            values = self._checked(entry.name, axes, entry.metadata["positive"])
            for axis, length in zip(axes, values.shape, strict=True):
                if lengths.setdefault(axis, length) != length:
                    raise self._misfit(entry.name, axes, values.shape)
            object.__setattr__(self, entry.name, values)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """``(features, outputs)``: the lengths of a row before and after."""

    @abstractmethod
    def _forward(self, x: Numbers) -> Numbers:
        """``z`` for ``[rows, features]``."""

    def _backward(self, z: Numbers) -> Numbers:
        """``x`` for ``[rows, outputs]``."""
        raise DataError("preprocessing.no_inverse", who=repr(self))

    def __call__(self, x: Any) -> Floats:
        """``z`` for ``x``."""
        return self._applied(self._forward, x, repr(self), *self.shape)

    def inverse(self, z: Any) -> Floats:
        """The ``x`` that is mapped to ``z``."""
        return self._applied(self._backward, z, f"{self!r}.inverse", *reversed(self.shape))

    def to_dict(self) -> dict[str, Any]:
        """The kind of map and its arrays; :meth:`from_dict` makes the map again.

        :func:`chainrule.storage.write_json` takes this as it is, and keeps every digit.
        """
        return {
            "kind": type(self).__name__,
            **{entry.name: getattr(self, entry.name) for entry in fields(self)},
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Map":
        """The map that :meth:`to_dict` wrote; its numbers may be arrays or lists.

        Raises
        ------
        DataError
            If there is no map of this kind, a number is missing or there is one too many, or they
            do not fit together.

        Examples
        --------
        >>> import numpy as np
        >>> from chainrule import data
        >>> written = data.Scaling.standard(np.eye(3)).to_dict()
        >>> data.Map.from_dict(written)
        Scaling(3 → 3)
        """
        arrays = dict(values) if isinstance(values, Mapping) else {}
        kind = arrays.pop("kind", None)
        if not isinstance(kind, str) or kind not in Map.kinds:
            raise DataError("preprocessing.kind", kind=kind, known=", ".join(Map.kinds))
        wanted = [entry.name for entry in fields(Map.kinds[kind])]
        if set(arrays) != set(wanted):
            got = ", ".join(map(str, arrays))
            raise DataError("preprocessing.entries", kind=kind, wanted=", ".join(wanted), got=got)
        return Map.kinds[kind](**arrays)

    def __repr__(self) -> str:
        features, outputs = self.shape
        return f"{type(self).__name__}({features} → {outputs})"

    def _applied(
        self, function: Callable[[Numbers], Numbers], x: Any, who: str, width: int, outputs: int
    ) -> Floats:
        """``function`` of all rows, in blocks."""
        array = as_numbers(who, x)
        if array.shape[-1:] != (width,):
            raise DataError("preprocessing.features", who=who, features=width, shape=array.shape)
        rows = array.reshape(-1, width)
        result = np.empty((len(rows), outputs), array.dtype)
        for part in row_slices(rows):
            with np.errstate(all="ignore"):  # what is not finite is looked for below
                result[part] = function(rows[part].astype(np.float64))
            if not np.isfinite(result[part]).all():
                if not np.isfinite(rows[part]).all():
                    raise not_finite(who, rows)
                raise DataError("preprocessing.overflow", who=who, dtype=array.dtype)
        return result.reshape(*array.shape[:-1], outputs)

    def _checked(self, name: str, axes: tuple[str, ...], positive: bool) -> Numbers:
        """A field as an array of its own that cannot be written to."""
        values = getattr(self, name)
        try:
            array = np.array(values, np.float64)
        except (TypeError, ValueError):  # text, or rows of unequal length
            raise self._misfit(name, axes, type(values).__name__) from None
        except OverflowError:  # an integer beyond every float
            raise self._not_finite(name, positive) from None
        if array.ndim != len(axes) or 0 in array.shape:
            raise self._misfit(name, axes, array.shape)
        if not np.isfinite(array).all() or (positive and not (array > 0).all()):
            raise self._not_finite(name, positive)
        array.flags.writeable = False
        return array

    def _misfit(self, name: str, axes: tuple[str, ...], got: object) -> DataError:
        wanted, kind = ", ".join(axes), type(self).__name__
        return DataError("preprocessing.field", kind=kind, name=name, wanted=wanted, got=got)

    def _not_finite(self, name: str, positive: bool) -> DataError:
        return DataError(
            "preprocessing.field_not_positive" if positive else "preprocessing.field_not_finite",
            kind=type(self).__name__,
            name=name,
        )

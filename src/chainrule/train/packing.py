"""Nested values with arrays in them, as JSON and named arrays beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.errors import StorageError
from chainrule.graph import Tensor

__all__ = ["packed", "unpacked"]

#: The one name in a mapping that stands for an array.
ARRAY = "$array"


def packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` as JSON has it; the arrays in it go to ``arrays``, under ``name`` and below.

    A tuple becomes a list, a tensor an array.

    Raises
    ------
    StorageError
        If something has no form in JSON.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.train.packing import packed
    >>> arrays = {}
    >>> packed({"best": 0.5, "weights": np.ones(2)}, "early", arrays), arrays
    ({'best': 0.5, 'weights': {'$array': 'early/weights'}}, {'early/weights': array([1., 1.])})
    """
    match value:
        case Tensor() | np.ndarray():
            arrays[name] = np.asarray(value)
            return {ARRAY: name}
        case np.generic():
            return value.item()
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): packed(x, f"{name}/{key}", arrays) for key, x in value.items()}
        case list() | tuple():
            return [packed(x, f"{name}/{i}", arrays) for i, x in enumerate(value)]
    raise StorageError("storage.no_json", path=name, kind=type(value).__name__)


def unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What :func:`packed` was given, with lists for tuples and arrays for tensors.

    Raises
    ------
    KeyError
        If an array is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.train.packing import unpacked
    >>> unpacked([{"$array": "rate"}, None], {"rate": np.array(0.5)})
    [array(0.5), None]
    """
    if isinstance(value, list):
        return [unpacked(x, arrays) for x in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {ARRAY}:
        return arrays[value[ARRAY]]
    return {key: unpacked(x, arrays) for key, x in value.items()}

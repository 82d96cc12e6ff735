"""What several tests of the graph share."""

from collections.abc import Callable

import numpy as np
import pytest


def _same(got: np.ndarray, wanted: np.ndarray) -> bool:
    got, wanted = np.asarray(got), np.asarray(wanted)
    if (got.shape, got.dtype) != (wanted.shape, wanted.dtype):
        return False
    if got.dtype.kind != "f":
        return bool(np.array_equal(got, wanted))
    nan = np.isnan(wanted)
    signs = np.signbit(got[~nan]) == np.signbit(wanted[~nan])
    return np.array_equal(got, wanted, equal_nan=True) and bool(signs.all())


@pytest.fixture
def same() -> Callable[[np.ndarray, np.ndarray], bool]:
    """Equal in shape, type and every bit, but for the sign and payload of NaN."""
    return _same

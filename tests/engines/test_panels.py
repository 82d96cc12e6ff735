"""Matrices in panels: the same numbers there and back, in memory of their own."""

import numpy as np
import pytest

from chainrule.engines.panels import from_panels, to_panels


@pytest.mark.parametrize("width", [0, 1, 2, 16, 32])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 16), (7, 30), (7, 32), (5, 33), (2, 64)])
def test_there_and_back_is_a_copy(shape, width):
    matrix = np.random.default_rng(0).standard_normal(shape)
    panels = to_panels(matrix, width)
    back = from_panels(panels, shape)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, matrix)
    for one, other in [(matrix, panels), (panels, back), (matrix, back)]:
        assert not np.shares_memory(one, other)

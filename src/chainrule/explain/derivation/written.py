"""Arrays in derivations: a row of data is written out a little longer than a matrix."""

import numpy as np

from chainrule.explain.formulas.arrays import as_formula, as_matrix
from chainrule.explain.formulas.numbers import number_text
from chainrule.explain.formulas.tree import Expression, Matrix, Number

__all__ = ["written_array"]

#: A vector of so many elements is written out if its numbers take no more characters.
LENGTH, CHARACTERS = 16, 64


def written_array(array: np.ndarray) -> Expression:
    """An array as a formula: a number, a vector, a matrix; of a large one the first elements.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.formulas import to_text
    >>> from chainrule.explain.derivation.written import written_array
    >>> to_text(written_array(np.arange(10.0)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]'
    """
    array = as_matrix(array)
    is_vector = array.ndim == 1 or (array.ndim == 2 and array.shape[0] == 1)
    if not is_vector or not 1 < array.size <= LENGTH:
        return as_formula(array)
    numbers = array.reshape(-1).tolist()
    if sum(len(number_text(number)) for number in numbers) > CHARACTERS:
        return as_formula(array)
    return Matrix((tuple(map(Number, numbers)),))

r"""Formulas as users write them, in Python, in text and in LaTeX, as trees.

:func:`read` makes one tree of what means the same, whatever the syntax:

>>> from chainrule.explain.claims.reading import read
>>> a = read("-2/n Σ_i (y_i − ŷ_i) w_j")
>>> b = read(r"-\frac{2}{n}\sum_i (y_i-\hat y_i) w_j")
>>> a == b
True

**What helper code has to know about the trees**

* Indices count from one in every tree: ``w[0]`` in Python is ``Symbol("w", indices=(Number(1),))``;
  :func:`counted_from_zero` is the way back. ``Dots()`` as an index stands for the whole axis
  (``x[:, j]``). Fewer indices than axes leave an array.
* What is written without an index on ``Σ`` has ``index=None``: it runs over all free indices of its
  body. ``sum(x_i)`` of numbers with indices is the same.
* ``softmax(z)_i`` is ``Apply("element", (softmax(z), i))``.
* ``δ_ij`` and ``1[i = j]`` are ``Compare("==", i, j)``, which counts 1 or 0.
* ``Symbol("I")`` without indices is the unit matrix where nobody declared it, ``Symbol("pi")`` is
  π. ``e^x`` is ``Apply("exp", (x,))``. ``Apply("ones", ())`` is a bold 1, as long as it must be.
* ``MatMul`` of vectors is their product, a number; of a vector and a transposed one, the outer
  product; see :mod:`~chainrule.explain.claims.reading.products`. The same module says how products
  without a sign are decided, :mod:`~chainrule.explain.claims.reading.names` what is an index, a
  label, a layer, and :mod:`~chainrule.explain.claims.reading.parser` what binds how tightly.
* A derivative is a :class:`Partial`; a second one, a ``Partial`` of a ``Partial``.
"""

from chainrule.explain.claims.reading.counting import counted_from_zero
from chainrule.explain.claims.reading.declarations import (
    read_definitions,
    read_mapping,
    read_random,
    read_shape,
    read_shapes,
    read_symbol,
)
from chainrule.explain.claims.reading.names import Known, Names
from chainrule.explain.claims.reading.reader import detect, mentioned, read, shape_of

__all__ = [
    "Known",
    "Names",
    "counted_from_zero",
    "detect",
    "mentioned",
    "read",
    "read_definitions",
    "read_mapping",
    "read_random",
    "read_shape",
    "read_shapes",
    "read_symbol",
    "shape_of",
]

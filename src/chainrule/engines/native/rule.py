"""What a native rule is: a function that emits the loop of one op into the current function.

``rule(e, out, inputs, specs, spec, attributes, scratch, error)``:

``e``
    Where the code goes.
``out``, ``inputs``
    Pointers to the result and the operands: C-contiguous, and the result overlaps no operand.
``specs``, ``spec``
    Shapes and number types of the operands and of the result.
``attributes``
    The attributes of the node.
``scratch``
    A pointer to as many bytes as the op's entry in ``SCRATCH`` says, aligned as an ``int64``.
``error``
    A pointer to an ``int32``, which becomes 1 if an operand's value is out of range (an index).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.engines.native.emit import Emitter, Value
from chainrule.graph.spec import Shape, Spec

__all__ = ["Dtype", "Options", "Rule", "Scratch", "Specs", "Values", "around", "strides"]

Dtype = np.dtype[Any]
Values = list[Value]
Specs = list[Spec]
Options = Mapping[str, Any]
Rule = Callable[[Emitter, Value, Values, Specs, Spec, Options, Value, Value], None]
#: How many bytes of scratch memory a rule needs.
Scratch = Callable[[Specs, Spec, Options], int]


def strides(shape: Shape) -> list[int]:
    """How many elements a step along each axis moves, in C order."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def around(shape: Shape, axis: int) -> tuple[int, int, int]:
    """The number of elements before an axis, along it, and after it."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])

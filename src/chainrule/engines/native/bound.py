"""A program with its last inputs given once and for all: what a call costs besides its code.

The weights of a model that predicts stay the same from call to call; what comes and goes is a row
and its outputs. Where these are small, a call copies the row to a place that the code knows, runs,
and copies the outputs from there: to look up where a new array lies takes longer than to copy it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.engines.native.executable import Memory
from chainrule.engines.native.program import NativeProgram
from chainrule.engines.panels import aligned, lined_up

__all__ = ["Bound"]

#: Bytes of inputs and outputs up to which they are copied.
SMALL = 1 << 14


@dataclass(frozen=True)
class _Place:
    """Memory of a run at a time: what the code needs, and where inputs and outputs lie."""

    memory: Memory
    table: int
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


class Bound:
    """A program that takes only its first inputs.

    Parameters
    ----------
    program
        What runs.
    last
        Its last inputs, contiguous; they must not change.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> from chainrule.engines.native.bound import Bound
    >>> from chainrule.engines.native.program import NativeProgram
    >>> graph = cr.make_graph(lambda x, w: x * w, cr.Spec((2,)), cr.Spec((2,)))
    >>> double = Bound(NativeProgram(graph), [np.full(2, 2, np.float32)])
    >>> double([np.array([3, 4], np.float32)])
    [array([6., 8.], dtype=float32)]
    """

    def __init__(self, program: NativeProgram, last: Sequence[np.ndarray]) -> None:
        self._program, self._last = program, [lined_up(array) for array in last]
        specs = program.graph.input_specs
        self._specs = specs[: len(specs) - len(self._last)]
        sizes = [s.size * s.dtype.itemsize for s in (*self._specs, *program.graph.output_specs)]
        self._small = sum(sizes) <= SMALL
        self._free: list[_Place] = []

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs for the given first inputs, which are not changed."""
        if not self._small:
            return self._program([*arrays, *self._last])
        try:
            place = self._free.pop()
        except IndexError:
            place = self._place()
        assert len(arrays) == len(place.inputs), "an input of the call before would stand there"
        for i, array in enumerate(arrays):  # a strict zip takes a fifth of a microsecond longer
            place.inputs[i][...] = array
        if not self._program.executable.run(place.memory, place.table):
            self._program.explain_failure([*arrays, *self._last])
        results = [array.copy() for array in place.outputs]
        self._free.append(place)  # a run that was interrupted does not give its memory back
        return results

    def _place(self) -> _Place:
        inputs = [aligned(spec.shape, spec.dtype) for spec in self._specs]
        held = self._program.held([*inputs, *self._last])
        memory = self._program.executable.memory(len(held))
        return _Place(memory, memory.table_for(held), inputs, self._program.views(held))

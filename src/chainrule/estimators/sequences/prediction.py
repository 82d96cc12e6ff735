"""Outputs for sequences of any length, from code for few shapes.

The longest sequences come first, a batch at a time. The rows of a batch and its steps are rounded
up to a few sizes, so that few graphs are traced and compiled; what fills them up changes no result.
Only one batch is padded at a time, so one long sequence makes no other one longer.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines import Compiled, compile
from chainrule.estimators.network import called
from chainrule.estimators.sequences.data import Steps, padded
from chainrule.estimators.sequences.network import SequenceNetwork
from chainrule.trees import TreeDef, tree_flatten

__all__ = ["predicted"]

#: Rows of a batch; machine code is not faster with more of them.
SIZES = (1, 4, 16, 64)
#: Numbers of the largest array in a batch: at most 64 MB in float32, if not for one sequence.
LARGEST = 2**24
#: Shapes that are remembered, the latest used ones.
KEPT = 64


class Part(NamedTuple):
    """Which sequences are predicted together, and the shape that they are filled up to."""

    chosen: np.ndarray
    rows: int
    time: int


def predicted(
    network: SequenceNetwork, steps: Steps, engine: str = "auto", threads: int | None = None
) -> np.ndarray:
    """What the network puts out for each sequence, ``[N, K]``, in the order of the sequences.

    Parameters
    ----------
    network
        The network.
    steps
        Sequences, standardized and in the network's number type.
    engine, threads
        See :func:`chainrule.compile`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.estimators.sequences.data import Steps
    >>> from chainrule.estimators.sequences.network import sequence_network
    >>> from chainrule.estimators.sequences.prediction import predicted
    >>> options = {"bidirectional": False, "dropout": 0.0, "pooling": "last", "rng": 0}
    >>> network = sequence_network("gru", 3, [8], 2, dtype=np.dtype("float32"), **options)
    >>> predicted(network, Steps(np.ones((10, 3), np.float32), np.array([2, 7, 1]))).shape
    (3, 2)
    """
    starts = np.cumsum(steps.lengths) - steps.lengths
    answers = np.empty((len(starts), network.output.out_features), steps.dtype)
    for chosen, rows, time in _parts(network, steps.lengths):
        x = padded(steps.values, starts[chosen], steps.lengths[chosen], rows, time)
        leaves, definition = tree_flatten((network, x))
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        run = _code(definition, shapes, engine, threads)
        answers[chosen] = run(network, x).numpy()[: len(chosen)]
    return answers


def _parts(network: SequenceNetwork, lengths: np.ndarray) -> Iterator[Part]:
    """The sequences in batches, the longest ones first."""
    order = np.argsort(-lengths, kind="stable")
    # Many sequences of one length are worth code of their own.
    alike = len(order) > SIZES[-1] and lengths.min() == lengths.max()
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        time = longest if alike else steps_for(longest)
        rows = _rows_for(len(order), LARGEST // network.numbers(time))
        yield Part(order[start : start + rows], rows, time)
        start += rows


def steps_for(length: int) -> int:
    """The least of few sizes that holds so many steps: four from one power of 2 to the next.

    Examples
    --------
    >>> from chainrule.estimators.sequences.prediction import steps_for
    >>> [steps_for(length) for length in (1, 9, 50, 80, 100)]
    [8, 10, 56, 80, 112]
    """
    step = 1 << max((length - 1).bit_length() - 3, 1)
    return max(-(-length // step) * step, 8)


def _rows_for(count: int, limit: int) -> int:
    """The rows of a batch: enough for ``count``, if there may be so many."""
    enough = next((size for size in SIZES if size >= count), SIZES[-1])
    return max((size for size in SIZES if size <= min(enough, limit)), default=SIZES[0])


@lru_cache(maxsize=KEPT)
def _code(definition: TreeDef, shapes: Any, engine: str, threads: int | None) -> Compiled:
    """What computes the outputs of all networks of one structure, for arrays of one shape each."""
    return compile(called, engine=engine, threads=threads)

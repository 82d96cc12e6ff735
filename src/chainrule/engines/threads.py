"""How many threads NumPy's matrix products use.

For a small product a second thread costs more than it gives: both are woken and wait for each
other, and on a busy machine they wait long. So a training of small products runs on one.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from chainrule.graph.node import Graph

__all__ = ["one_thread", "threads_that_pay"]

#: Below this many operations in its largest product a graph runs faster on one thread.
LARGE_PRODUCT = 2**27


def one_thread() -> AbstractContextManager[Any]:
    """A block in which BLAS and OpenMP use one thread.

    Examples
    --------
    >>> import chainrule as cr
    >>> with cr.engines.one_thread():
    ...     product = cr.ones((2, 2)) @ cr.ones((2, 2))
    """
    limits: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limits


@cache
def _controller() -> ThreadpoolController:
    """The libraries that are loaded now; to look for them takes milliseconds."""
    return ThreadpoolController()


def threads_that_pay(graph: Graph) -> AbstractContextManager[Any]:
    """:func:`one_thread`, or nothing where the graph has a product that is worth more."""
    return nullcontext() if largest_product(graph) >= LARGE_PRODUCT else one_thread()


def largest_product(graph: Graph) -> int:
    """Multiplications and additions in the largest matrix product of a graph."""
    largest = 0
    for node in graph.nodes:
        if node.op.name == "matmul":
            rows, columns = node.spec.shape[-2:]
            largest = max(largest, 2 * rows * columns * node.inputs[0].spec.shape[-1])
        for value in node.attributes.values():
            if isinstance(value, Graph):
                largest = max(largest, largest_product(value))
    return largest

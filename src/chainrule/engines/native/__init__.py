"""The native engine: a graph as machine code, through LLVM.

The stages, each a module that prints what it decided: :mod:`fuse` puts the nodes of a graph into
kernels, :mod:`plan` gives every value its place in memory, :mod:`region`, :mod:`product` and
:mod:`loops` write the kernels, :mod:`program` puts them together and calls the result.

Nothing here is imported before it is needed: LLVM is the extra ``chainrule[native]``.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule.graph.node import Graph

__all__ = ["Refused", "native_available", "native_program"]


class Refused(Exception):
    """A graph holds an op without a native rule; its name is the message."""


@cache
def native_available() -> bool:
    """Whether LLVM is installed."""
    return importlib.util.find_spec("llvmlite") is not None


def native_program(graph: Graph) -> Callable[[Sequence[Any]], list[np.ndarray]]:
    """A graph compiled for this machine.

    Raises
    ------
    Refused
        If the graph holds an op without a native rule.
    """
    program = importlib.import_module("chainrule.engines.native.program")
    compiled: Callable[[Sequence[Any]], list[np.ndarray]] = program.NativeProgram(graph)
    return compiled

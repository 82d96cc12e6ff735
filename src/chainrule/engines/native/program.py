"""A graph as machine code, called from Python."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

import numpy as np
from llvmlite import ir

from chainrule.engines.interpret import Program
from chainrule.engines.native import Refused, loops
from chainrule.engines.native.apart import calls_as_loops
from chainrule.engines.native.disk import kept
from chainrule.engines.native.emit import I64, POINTER, Emitter, Value, new_function
from chainrule.engines.native.executable import Artifact, Executable
from chainrule.engines.native.frame import Body, Frame
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.growth import constants_of
from chainrule.engines.native.kernels import Loop, Schedule, Single
from chainrule.engines.native.machine import object_code
from chainrule.engines.native.operands import pack_operands
from chainrule.engines.native.plan import plan
from chainrule.engines.native.tables import with_tables_first
from chainrule.engines.native.target import Target, host
from chainrule.engines.native.writer import Writer, shares_of
from chainrule.engines.panels import lined_up
from chainrule.graph.node import Graph
from chainrule.graph.simplify import inline_calls, simplify

__all__ = ["Design", "NativeProgram", "checked_schedule", "entry"]


def checked_schedule(graph: Graph) -> Schedule:
    """The kernels of a graph.

    Raises
    ------
    Refused
        If an op has no native rule.
    """
    simple = simplify(calls_as_loops(inline_calls(graph)))
    schedule = fuse(simplify(with_tables_first(simple)))
    if reason := _without_rule(schedule):
        raise Refused(reason)
    return schedule


def _without_rule(schedule: Schedule) -> str:
    for kernel in schedule.kernels:
        if isinstance(kernel, Single) and kernel.node.op.name not in loops.RULES:
            return kernel.node.op.name
        for body in kernel.bodies.values() if isinstance(kernel, Loop) else ():
            if inner := _without_rule(body):
                return inner
    return ""


class Design:
    """What was decided about a graph: its kernels, their memory, their code.

    Parameters
    ----------
    graph
        What to compile.
    target
        The CPU.

    Attributes
    ----------
    schedule, plan
        What was decided; both print.
    """

    def __init__(self, graph: Graph, target: Target) -> None:
        self.target, self.schedule = target, checked_schedule(graph)
        pack_operands(self.schedule, target)
        self.constants = constants_of(self.schedule)
        self._outputs = self.schedule.graph.outputs
        self._roots = [self.schedule.root(node) for node in self._outputs]
        #: Outputs that kernels write; the others are inputs, constants, or written twice.
        self._written = list(dict.fromkeys(r for r in self._roots if r in self.schedule.place))
        self.plan = plan(self.schedule, target, set(self._written))

    def artifact(self) -> Artifact:
        """The code, and what a call has to know."""
        inputs, module = self.schedule.graph.inputs, ir.Module("program")
        order = [*inputs, *self.constants, *self._written]
        with entry(module, self.target, len(order), self.plan.scratch) as (e, values, arena, frame):
            writer = Writer(e, frame, shares_of(self.schedule))
            pointers = dict(zip(order, values, strict=True))
            writer.schedule(Body(self.schedule, self.plan, arena), pointers)
            writer.meet()  # the caller may go on when the first thread is done
        place = {node: i for i, node in enumerate(order)}
        first = len(inputs) + len(self.constants)
        facts = {
            "arena": self.plan.size,
            "counters": self.plan.counters,
            "scratch": self.plan.scratch,
            "functions": len(writer.functions),
            "written": [[list(n.spec.shape), n.spec.dtype.str] for n in order[first:]],
            "results": [place[root] for root in self._roots],
        }
        constants = [node.attributes["value"].array for node in self.constants]
        return Artifact(object_code(module, self.target), constants, facts)


class NativeProgram:
    """A graph compiled for this machine; called like :class:`~chainrule.engines.Program`.

    Parameters
    ----------
    graph
        What to run.
    target
        The CPU; by default this one.
    threads
        The most threads to run on.

    Attributes
    ----------
    design
        What was decided; made anew for those who ask.
    executable
        The code with its memory.
    function_count
        How many functions the kernels share.
    """

    def __init__(self, graph: Graph, target: Target | None = None, threads: int = 1) -> None:
        self._target = target or host()
        self.graph = graph
        artifact = kept(graph, ("program",), self._target, lambda: self.design.artifact())
        self._constants = [lined_up(array) for array in artifact.constants]
        self._written = [(tuple(s), np.dtype(d)) for s, d in artifact.facts["written"]]
        self._results: list[int] = artifact.facts["results"]
        self.function_count: int = artifact.facts["functions"]
        self.executable = Executable(artifact, threads)

    @cached_property
    def design(self) -> Design:
        """What was decided."""
        return Design(self.graph, self._target)

    def renewed(self) -> Self:
        """The same code with memory of its own, which is given back when this goes."""
        other = copy.copy(self)
        other.executable = self.executable.renewed()
        return other

    def __call__(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """Outputs for the given inputs, which are not changed."""
        held = self.held(arrays)
        if not self.executable(held):
            self.explain_failure(arrays)
        return self.outputs(held)

    def held(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """The arrays that the code reads and writes, for the given inputs."""
        given = [np.ascontiguousarray(array) for array in arrays]
        assert len(given) == len(self.graph.inputs), "the code would read foreign memory"
        written = [np.empty(shape, dtype) for shape, dtype in self._written]
        return [*given, *self._constants, *written]

    def outputs(self, held: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs among those arrays; what is an input, or there twice, is copied."""
        own = len(held) - len(self._written)
        handed_out: set[int] = set()
        results = self.views(held)
        for position, i in enumerate(self._results):
            if i < own or i in handed_out:
                results[position] = results[position].copy()
            handed_out.add(i)
        return results

    def views(self, held: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs where they lie among those arrays."""
        shapes = [spec.shape for spec in self.graph.output_specs]
        return [held[i].reshape(shape) for i, shape in zip(self._results, shapes, strict=True)]

    def explain_failure(self, arrays: Sequence[Any]) -> None:
        """Raise, and say which index was out of range: the interpreter finds it again."""
        Program(self.graph)(arrays)

    def __str__(self) -> str:
        return f"{self.design.schedule}\narena of {self.design.plan.size} bytes"


@contextmanager
def entry(
    module: ir.Module, target: Target, pointers: int, scratch_each: int
) -> Iterator[tuple[Emitter, list[Value], Value, Frame]]:
    """The function ``run(table, index, count)``; gives what stands in the table.

    The table holds the given number of pointers, then the memory of a run
    (:class:`~chainrule.engines.native.executable.Executable`).
    """
    function, e = new_function(module, "run", [POINTER, I64, I64], target)
    table, index, count = function.args
    values = [
        e.b.load(e.at(table, i, dtype=np.int64), typ=POINTER, align=8) for i in range(pointers + 4)
    ]
    arena, scratch, error, meeting = values[pointers:]
    own = e.at(scratch, e.b.mul(index, e.i64(scratch_each)), dtype=np.int8)
    yield e, values[:pointers], arena, Frame(index, count, e.i64(0), own, error, meeting)
    e.b.ret_void()

"""A training loop as machine code: gather a mini-batch, run the step, as often as asked for."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Self

import numpy as np
from llvmlite import ir

from chainrule.engines.native.disk import described, kept
from chainrule.engines.native.emit import Emitter, Value, flushed_denormals
from chainrule.engines.native.executable import Artifact, Executable
from chainrule.engines.native.frame import Body
from chainrule.engines.native.growth import Growth, compared, constants_of, mark
from chainrule.engines.native.inplace import updated_in_place
from chainrule.engines.native.machine import object_code
from chainrule.engines.native.operands import pack_operands
from chainrule.engines.native.pace import Pace
from chainrule.engines.native.plan import bytes_of, plan, whole_lines
from chainrule.engines.native.program import checked_schedule, entry
from chainrule.engines.native.reads import reads_of
from chainrule.engines.native.repetition import finish_step, row_at
from chainrule.engines.native.resident import panelled
from chainrule.engines.native.split import Share, overwrites
from chainrule.engines.native.target import Target, host
from chainrule.engines.native.writer import Writer, shares_of
from chainrule.engines.panels import lined_up
from chainrule.graph.node import Graph, Node

__all__ = ["LoopDesign", "NativeLoop"]


class LoopDesign:
    """What was decided about a training step and the loop around it.

    Parameters
    ----------
    step
        Its inputs: the states, the arrays of a batch, what every step has of its own, what is the
        same in all steps. Its outputs: the new states, and what is kept of every step.
    states, batch, rows
        How many inputs of the first three kinds there are.
    target
        The CPU.
    shorter
        The step for a shorter batch: the code then serves any number of rows up to the step's, if
        the two differ in nothing else.

    Attributes
    ----------
    growth
        How the kernels grow with the batch, if the code serves any number of rows.
    schedule, plan
        What was decided; both print.
    layout
        For each state the width of the panels in which it lies; 0: row by row.
    """

    def __init__(
        self,
        step: Graph,
        states: int,
        batch: int,
        rows: int,
        target: Target,
        shorter: Graph | None = None,
    ) -> None:
        self.target, self.schedule = target, checked_schedule(step)
        inputs = self.schedule.graph.inputs
        self._states, self._batch = inputs[:states], inputs[states : states + batch]
        self._rows = inputs[states + batch : states + batch + rows]
        self._fixed = inputs[states + batch + rows :]
        self._constants = constants_of(self.schedule)
        self._outputs = self.schedule.graph.output_specs[states:]
        size = self._batch[0].spec.shape[0] if batch else 0
        self.growth = self._growth(size, states, shorter)
        self._share = Share("rows", size, 1 if self.growth else 0)
        self.layout = self._place_states()
        fetched = dict.fromkeys(self._batch, self._share)
        self.plan = plan(self.schedule, target, states=self._states, fetched=fetched)

    def _growth(self, size: int, states: int, shorter: Graph | None) -> Growth | None:
        if shorter is None:
            return None
        other = checked_schedule(shorter)
        growth = compared(self.schedule, other, size, other.graph.inputs[states].spec.shape[0])
        if growth is not None:
            mark(self.schedule, growth)
        return growth

    def _place_states(self) -> tuple[int, ...]:
        """Decide which states lie in panels, and which operands are copied there."""
        schedule = self.schedule
        reads = [reads_of(kernel, schedule) for kernel in schedule.kernels]
        replaced = overwrites(updated_in_place(schedule, self._states, reads), self._states)
        schedule.panels.update(panelled(schedule, reads, replaced, self.target))
        pack_operands(schedule, self.target)
        return tuple(schedule.panels.get(state, 0) for state in self._states)

    def artifact(self) -> Artifact:
        """The code, and what a call has to know."""
        module = ir.Module("training")
        nodes = [*self._states, *self._batch, *self._rows, *self._fixed, *self._constants]
        count = len(nodes) + len(self._shorter_constants) + len(self._outputs) + 4
        with entry(module, self.target, count, self.plan.scratch) as (e, values, arena, frame):
            pointers, rest = dict(zip(nodes, values, strict=False)), values[len(nodes) :]
            shorter, rest = (
                rest[: len(self._shorter_constants)],
                rest[len(self._shorter_constants) :],
            )
            *outputs, order, sizes, counts, moves = rest
            length, wide, usual = (
                e.load(e.at(counts, i, dtype=np.int64), np.int64) for i in range(3)
            )
            shares = list(dict.fromkeys([*shares_of(self.schedule), self._share]))
            # Where all steps see as many rows, each thread's part is found once.
            writer = None if self.growth else Writer(e, replace(frame, rows=wide), shares)
            body = Body(self.schedule, self.plan, arena)
            with flushed_denormals(e), e.loop(0, length, name="step") as step:
                if writer is None:
                    size = e.load(e.at(sizes, step, dtype=np.int64), np.int64)
                    writer = Writer(e, replace(frame, rows=size), shares)
                    same = e.b.icmp_signed("==", size, usual)
                    for node, other in zip(self._constants, shorter, strict=True):
                        pointers[node] = e.b.select(same, pointers[node], other)
                chosen = e.at(order, e.times(step, wide), dtype=np.int64)
                self._step(e, writer, body, pointers, outputs, chosen, moves, step)
        facts = {
            "arena": self.plan.size,
            "counters": self.plan.counters,
            "scratch": self.plan.scratch,
            "functions": len(writer.functions),
            "layout": list(self.layout),
            "grows": self.growth is not None,
            "moves": sum(whole_lines(bytes_of(state.spec)) for state in self._states),
        }
        constants = [node.attributes["value"].array for node in self._constants]
        return Artifact(object_code(module, self.target), constants, facts)

    @property
    def _shorter_constants(self) -> list[Node]:
        """Those that have another value on shorter batches; the table has a place for both."""
        return self._constants if self.growth else []

    def _step(
        self,
        e: Emitter,
        writer: Writer,
        body: Body,
        pointers: dict[Node, Value],
        outputs: Sequence[Value],
        chosen: Value,
        moves: Value,
        step: Value,
    ) -> None:
        given = {**pointers, **{n: row_at(e, pointers[n], step, n.spec) for n in self._rows}}
        for node in self._batch:
            given[node] = e.at(body.arena, self.plan.offset[node], dtype=np.int8)
            self._gather(e, node, given[node], pointers[node], chosen, writer.parts[self._share])
        state = [pointers[node] for node in self._states]
        given.update({node: state[i] for i, node in self.plan.in_place.items()})
        known = writer.schedule(body, given)
        made = [known[self.schedule.root(node)] for node in self.schedule.graph.outputs]
        places = [
            row_at(e, out, step, spec) for out, spec in zip(outputs, self._outputs, strict=True)
        ]
        finish_step(writer, body, state, made, places, moves)

    def _gather(
        self,
        e: Emitter,
        node: Node,
        to: Value,
        data: Value,
        chosen: Value,
        part: tuple[Value, Value],
    ) -> None:
        """The rows of a batch that are this thread's.

        While one is copied, the next one is asked for: other threads have read where it goes, and
        it may come from far away.
        """
        size, (first, last) = bytes_of(node.spec.with_shape(node.spec.shape[1:])), part

        def places(row: Value) -> tuple[Value, Value]:
            index = e.load(e.at(chosen, row, dtype=np.int64), np.int64)
            source = e.at(data, e.times(index, size), dtype=np.int8)
            return e.at(to, e.times(row, size), dtype=np.int8), source

        with e.loop(first, last, name="gather") as row:
            next_to, next_source = places(e.least(e.plus(row, 1), e.b.sub(last, e.i64(1))))
            e.ask_for_bytes(next_to, 0, size, near=True, to_write=True)
            e.ask_for_bytes(next_source, 0, size, near=True)
            e.copy_bytes(*places(row), size)

    def __str__(self) -> str:
        return f"{self.schedule}\narena of {self.plan.size} bytes"


class NativeLoop:
    """A step, compiled together with the loop around it; the parameters are :class:`LoopDesign`'s.

    Parameters
    ----------
    target
        The CPU; by default this one.
    threads
        The most threads to run on.

    Attributes
    ----------
    design
        What was decided; made anew for those who ask.
    layout
        For each state the width of the panels in which it has to lie; 0: row by row.
    """

    def __init__(
        self,
        step: Graph,
        states: int,
        batch: int,
        rows: int,
        target: Target | None = None,
        threads: int = 1,
        shorter: Graph | None = None,
    ) -> None:
        self._target, self._step, self._counts = target or host(), step, (states, batch, rows)
        self._shorter = shorter
        key = ("loop", *self._counts, *described(shorter))
        artifact = kept(step, key, self._target, lambda: self.design.artifact())
        self._kept = step.output_specs[states:]
        self._constants = [lined_up(array) for array in artifact.constants]
        self.layout: tuple[int, ...] = tuple(artifact.facts["layout"])
        self._moves: int = artifact.facts["moves"]
        self._grows: bool = artifact.facts["grows"]
        self._run, self._pace = Executable(artifact, threads), Pace(threads)

    @cached_property
    def design(self) -> LoopDesign:
        """What was decided."""
        return LoopDesign(self._step, *self._counts, self._target, self._shorter)

    def renewed(self) -> Self:
        """The same code with memory of its own, which is given back when this goes."""
        other = copy.copy(self)
        other._run = self._run.renewed()
        return other

    def constants_for(self, step: Graph) -> list[np.ndarray] | None:
        """The constants with which the code does a step on a shorter batch; None if it cannot."""
        states, batch, _ = self._counts
        if not self._grows or batch == 0:
            return None
        sizes = [graph.inputs[states].spec.shape[0] for graph in (self._step, step)]
        growth = compared(checked_schedule(self._step), checked_schedule(step), *sizes)
        known = self.design.growth
        if sizes[1] > sizes[0] or growth is None or known is None:
            return None
        if growth.scales != known.scales:
            return None
        return [lined_up(array) for array in growth.constants]

    def advance(
        self,
        states: Sequence[np.ndarray],
        data: Sequence[np.ndarray],
        order: np.ndarray,
        rows: Sequence[np.ndarray],
        fixed: Sequence[np.ndarray],
        constants: Sequence[np.ndarray] | None = None,
        sizes: np.ndarray | None = None,
        shorter: Sequence[np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """Take as many steps as ``order`` has rows: ``states`` are overwritten.

        Parameters
        ----------
        states, data, rows, fixed
            Contiguous arrays. Batches are made of rows of ``data``; ``rows`` have a first axis as
            long as ``order``.
        order
            int64 ``[steps, rows of a batch]``: which rows each step sees, all of them valid.
        constants
            For batches that are shorter than those that the code was made for: what
            :meth:`constants_for` gave.
        sizes, shorter
            Where batches have two sizes: how many rows each step sees, the first ones of its row of
            ``order``; and the constants for the shorter ones.

        Returns
        -------
        list of numpy.ndarray
            What is kept of the steps, stacked.

        Raises
        ------
        IndexError
            If a step reads or writes at an index out of range: it was left out.
        """
        usual = order.shape[1] if sizes is None else int(sizes.max(initial=0))
        counts = np.array([*order.shape, usual], np.int64)
        outputs = [np.empty((order.shape[0], *spec.shape), spec.dtype) for spec in self._kept]
        moves = np.empty(self._moves, np.uint8)
        sizes = np.full(order.shape[0], order.shape[1], np.int64) if sizes is None else sizes
        known = self._constants if constants is None else constants
        both = [*known, *(shorter or known)] if self._grows else known
        held = [*states, *data, *rows, *fixed, *both, *outputs, order, sizes, counts, moves]
        if not self._pace(lambda threads: self._run(held, threads), len(order)):
            raise IndexError
        return outputs

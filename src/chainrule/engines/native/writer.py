"""Emission of schedules: kernels in their order, loops around them, meetings between them.

The code is written once and run by every thread with its own number. Each kernel is a function of
pointers and of the part that the thread does; equal kernels share one, so that depth adds no code.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.engines.native import loops
from chainrule.engines.native.barrier import emit_barrier_function
from chainrule.engines.native.calls import Call
from chainrule.engines.native.emit import I64, POINTER, Emitter, Index, Value, new_function
from chainrule.engines.native.frame import Body, Frame, Pointers
from chainrule.engines.native.kernels import Loop, Pack, Region, Schedule, Single
from chainrule.engines.native.nodes import is_float_product, swaps_last_axes
from chainrule.engines.native.operands import emit_pack
from chainrule.engines.native.product import emit_batch, emit_product
from chainrule.engines.native.reads import reads_of, values_of
from chainrule.engines.native.region import emit_region
from chainrule.engines.native.repetition import emit_loop
from chainrule.engines.native.row_sums import emit_row_sums
from chainrule.engines.native.split import Share, share_of
from chainrule.engines.native.turns import Turns, emit_turns
from chainrule.engines.native.uses import Use
from chainrule.graph.node import Node

__all__ = ["Writer", "shares_of"]


def shares_of(schedule: Schedule) -> list[Share]:
    """All ways in which the kernels of a schedule and of its loops are divided."""
    found: list[Share] = []
    for kernel in schedule.kernels:
        share = share_of(kernel)
        found += [share] if share is not None else []
        for body in kernel.bodies.values() if isinstance(kernel, Loop) else ():
            found += shares_of(body)
    return list(dict.fromkeys(found))


class Writer:
    """Writes schedules into one function of a module.

    Parameters
    ----------
    e
        At the beginning of the function, which has to end by itself.
    frame
        What the thread knows.
    shares
        All ways in which kernels will be divided.

    Attributes
    ----------
    functions
        What a kernel's code depends on → its function.
    """

    def __init__(self, e: Emitter, frame: Frame, shares: Sequence[Share]) -> None:
        self.e, self.frame = e, frame
        self.module = e.b.module
        self.functions: dict[Any, Value] = {}
        self._barrier = emit_barrier_function(self.module, e.target)
        self.parts = {share: self._part(share) for share in shares}

    def _part(self, share: Share) -> tuple[Value, Value]:
        """The units of this thread: from the first to before the last."""
        e, b, count = self.e, self.e.b, self.frame.count
        units = e.times(self.frame.rows, share.scale) if share.scale else e.i64(share.units)
        if share.axis == "whole":
            return e.i64(0), units
        # Each part has ceil(units / (grain · count)) grains.
        all_parts = b.mul(count, e.i64(share.grain))
        each = b.sdiv(b.sub(b.add(units, all_parts), e.i64(1)), all_parts)
        size = b.mul(each, e.i64(share.grain))
        first = e.least(b.mul(self.frame.index, size), units)
        return first, e.least(b.add(first, size), units)

    # ------------------------------------------------------------------ threads
    def meet(self) -> None:
        """Wait until all threads are here."""
        e, frame = self.e, self.frame
        with e.when(e.b.icmp_signed(">", frame.count, e.i64(1))):
            e.b.call(self._barrier, [frame.meeting, frame.index, frame.count])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Code for the first thread only."""
        with self.e.when(self.e.b.icmp_signed("==", self.frame.index, self.e.i64(0))):
            yield

    # ------------------------------------------------------------------ kernels
    def schedule(self, body: Body, given: Pointers) -> dict[Node, Value]:
        """All kernels in order; returns where every value lies."""
        pointers = dict(given)
        own = self.e.at(self.frame.scratch, body.plan.private_at, dtype=np.int8)
        pointers.update(dict.fromkeys(body.plan.private, own))
        for node, offset in body.plan.offset.items():
            if node not in pointers:
                pointers[node] = self.e.at(body.arena, offset, dtype=np.int8)
        in_turns = {turns.positions[0]: turns for turns in body.plan.turns}
        taken: range = range(0)
        for position, kernel in enumerate(body.schedule.kernels):
            if position and body.plan.segment[position] != body.plan.segment[position - 1]:
                self.meet()
            if isinstance(kernel, Loop):
                emit_loop(self, kernel, body, position, pointers)
            elif position in in_turns:
                self._in_turns(in_turns[position], body, pointers)
                taken = in_turns[position].positions
            elif position not in taken:
                self._kernel(kernel, body, position, pointers)
        return pointers

    def _kernel(
        self,
        kernel: Region | Single | Pack,
        body: Body,
        position: int,
        pointers: Pointers,
    ) -> None:
        share, call = share_of(kernel), self._call(kernel, body, position)
        if share is None:
            with self.alone():
                call.emit(self.e, self.frame, pointers, I64(0), I64(0))
            return
        call.fetch(self.e, self.frame, pointers, self.parts[share])
        call.emit(self.e, self.frame, pointers, *self.parts[share])

    def _in_turns(self, turns: Turns, body: Body, pointers: Pointers) -> None:
        """Kernels whose rows threads take in turns: a function of a table of pointers.

        Layers that are alike share it.
        """
        e, frame = self.e, self.frame
        calls = []
        for position in turns.positions:
            kernel = body.schedule.kernels[position]
            assert isinstance(kernel, (Region, Pack))
            calls.append(self._call(kernel, body, position))
        nodes = list(dict.fromkeys(node for call in calls for node in call.used))
        places = [(call.function.name, *map(nodes.index, call.used)) for call in calls]
        key = turns.rows, turns.size, *places
        if key not in self.functions:
            self.functions[key] = self._turns_function(turns, calls, nodes)
        with e.b.goto_entry_block():
            table = e.b.alloca(POINTER, size=I64(len(nodes)))
        for i, node in enumerate(nodes):
            e.b.store(pointers[node], e.at(table, i, dtype=np.int64))
        counter = e.at(body.arena, body.plan.counter[turns.positions[0]], dtype=np.int8)
        part = self.parts[Share("rows", turns.rows)]
        e.b.call(self.functions[key], [table, counter, *part, *frame.values])

    def _turns_function(self, turns: Turns, calls: Sequence[Call], nodes: Sequence[Node]) -> Value:
        """Its arguments: the table, the counter of turns, the thread's part, and its frame."""
        kinds = [POINTER, POINTER, I64, I64, *(value.type for value in self.frame.values)]
        name = f"turns{len(self.functions) + 1}"
        function, e = new_function(self.module, name, kinds, self.e.target, internal=True)
        table, counter, first, last, *own = function.args
        frame, part = Frame(*own), (first, last)

        def held(call: Call) -> dict[Node, Value]:
            at = {node: e.at(table, nodes.index(node), dtype=np.int64) for node in call.used}
            return {node: e.b.load(place, typ=POINTER) for node, place in at.items()}

        def run(first: Value, last: Value) -> None:
            for call in calls:
                call.emit(e, frame, held(call), first, last)

        for call in calls:
            call.fetch(e, frame, held(call), part)
        emit_turns(e, counter, frame.index, frame.count, part, turns, run)
        e.b.ret_void()
        return function

    def _call(self, kernel: Region | Single | Pack, body: Body, position: int) -> Call:
        """A kernel with its code, which is written once for all that are alike."""
        schedule, stored = body.schedule, body.plan.stores[position]
        used = schedule.memories([*reads_of(kernel, schedule), *_ordered(stored)])
        key = signature(kernel, schedule, used, stored)
        if key not in self.functions:
            self.functions[key] = self._function(kernel, schedule, used, stored)
        return Call(kernel, schedule, used, self.functions[key])

    def _function(
        self,
        kernel: Region | Single | Pack,
        schedule: Schedule,
        used: list[Node],
        stored: set[Node],
    ) -> Value:
        """A kernel as a function: pointers, scratch, the error word, the thread's part."""
        kinds = [POINTER] * (len(used) + 2) + [I64] * 3
        name = f"kernel{len(self.functions) + 1}"
        function, e = new_function(self.module, name, kinds, self.e.target, internal=True)
        own = dict(zip(used, function.args, strict=False))
        for node in [*values_of(kernel, schedule), *stored]:
            if view := schedule.views.get(node):
                own[node] = e.at(own[view.base], view.offset, dtype=node.spec.dtype)
        scratch, error, *part, rows = function.args[-5:]
        first, last = part
        if isinstance(kernel, Region) and share_of(kernel) is None:
            first, last = 0, kernel.columns if kernel.sums_rows else kernel.rows
        if isinstance(kernel, Pack):
            emit_pack(e, kernel, schedule, own[kernel.source], own[kernel.made], first, last)
        elif isinstance(kernel, Single):
            _emit_single(e, kernel.node, schedule, own, first, last, scratch, error)
        elif kernel.anchor is None:
            emit_region(e, kernel, schedule, own, stored, first, last, error)
        elif is_float_product(kernel.anchor):
            emit_product(e, kernel, schedule, own, stored, first, last, rows, scratch, error)
        else:
            emit_row_sums(e, kernel, schedule, own, stored, first, last, rows, error)
        e.b.ret_void()
        return function


def _emit_single(
    e: Emitter,
    node: Node,
    schedule: Schedule,
    own: Pointers,
    first: Index,
    last: Index,
    scratch: Value,
    error: Value,
) -> None:
    inputs = [own[x] for x in schedule.sources(node)]
    if is_float_product(node):
        emit_batch(e, node, schedule, (*inputs, own[node]), first, last, scratch)
        return
    specs = [x.spec for x in node.inputs]
    rule = loops.RULES[node.op.name]
    rule(e, own[node], inputs, specs, node.spec, node.attributes, scratch, error)


def signature(
    kernel: Region | Single | Pack, schedule: Schedule, used: Sequence[Node], stored: set[Node]
) -> Any:
    """All that a kernel's code depends on: two kernels with equal signatures have the same code."""
    if isinstance(kernel, Pack):
        panels, view = schedule.panels.get(kernel.source), schedule.views.get(kernel.source)
        at = view and (view.offset, view.strides)
        return kernel.operand.spec, swaps_last_axes(kernel.operand), kernel.width, panels, at
    place = {node: i for i, node in enumerate(used)}

    def lies(root: Node) -> Any:
        """Where a value in memory is, and how it lies there."""
        view = schedule.views.get(root)
        at = view and (view.offset, view.strides)
        return place.get(schedule.memory(root)), schedule.panels.get(root), at

    own = {node: i for i, node in enumerate(kernel.computed)}

    def operand(x: Node, source: Node) -> Any:
        use = Use(source, schedule.alias)
        root = use.root
        return own.get(root), root.spec, *lies(root), use.shape, swaps_last_axes(x), x.spec

    def line(node: Node) -> Any:
        attributes = tuple(sorted(node.attributes.items()))
        target = lies(node) if node in stored else None
        operands = tuple(map(operand, node.inputs, schedule.sources(node)))
        return node.op.name, node.specs, attributes, operands, target

    code = tuple(map(line, kernel.computed))
    if isinstance(kernel, Single):
        return code
    kinds = tuple(kernel.kind[node] for node in kernel.computed)
    scales = kernel.rows_scale, kernel.terms_scale
    return kernel.rows, kernel.columns, *scales, kernel.anchor is not None, kinds, code


def _ordered(nodes: set[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.serial)

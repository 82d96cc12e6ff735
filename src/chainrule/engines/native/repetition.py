"""Emission of loops: what a step reads and writes, and how its state comes to the next one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from llvmlite import ir

from chainrule.engines.native.emit import I64, POINTER, Emitter, Index, Value
from chainrule.engines.native.frame import Body, Pointers
from chainrule.engines.native.growth import constants_of
from chainrule.engines.native.handing import Way
from chainrule.engines.native.kernels import Loop
from chainrule.engines.native.plan import bytes_of, whole_lines
from chainrule.engines.native.split import written_by
from chainrule.graph.spec import Spec

if TYPE_CHECKING:
    from chainrule.engines.native.writer import Writer

__all__ = ["emit_loop", "finish_step", "row_at"]


def emit_loop(
    writer: "Writer", kernel: Loop, outer: Body, position: int, pointers: Pointers
) -> None:
    """A loop and all that is in it."""
    e = writer.e
    operands = [pointers[outer.schedule.root(x)] for x in kernel.node.inputs]
    results = [pointers[node] for node in kernel.outputs]
    bodies = {
        name: Body(
            body,
            outer.plan.bodies[position, name],
            e.at(outer.arena, outer.plan.body_offset[position, name], dtype=np.int8),
        )
        for name, body in kernel.bodies.items()
    }
    spare = e.at(outer.arena, outer.plan.moves_offset[position], dtype=np.int8)
    if kernel.node.op.name == "scan":
        fixed = {inside: pointers[outside] for inside, outside in kernel.copies.items()}
        _Scan(writer, kernel, bodies["body"], {**pointers, **fixed}, spare).emit(operands, results)
    else:
        _emit_while(writer, kernel, bodies, pointers, operands, results, spare)


class _Scan:
    """A loop of as many steps as its rows have.

    Parameters
    ----------
    writer, kernel, body
        What is written, and where.
    pointers
        Where constants lie, and copies of captured operands.
    spare
        Memory for one more of every state.
    """

    def __init__(
        self, writer: "Writer", kernel: Loop, body: Body, pointers: Pointers, spare: Value
    ) -> None:
        self.writer, self.e, self.body = writer, writer.e, body
        options, graph = kernel.node.attributes, body.schedule.graph
        self.captured, self.carried = options["captured"], options["carried"]
        self.length, self.reverse = options["length"], options["reverse"]
        self.input_specs, self.output_specs = graph.input_specs, graph.output_specs
        assert body.plan.handing is not None
        self.handing = body.plan.handing
        self.given = {node: pointers[node] for node in constants_of(body.schedule)}
        self.given.update({inside: pointers[inside] for inside in kernel.copies})
        self.spare: list[Value] = []
        offset = 0
        for spec in self.output_specs[: self.carried]:
            self.spare.append(self.e.at(spare, offset, dtype=np.int8))
            offset += whole_lines(bytes_of(spec))

    def emit(self, operands: Sequence[Value], results: Sequence[Value]) -> None:
        """All steps."""
        fixed, first = operands[: self.captured], operands[self.captured :][: self.carried]
        rows, stacked = operands[self.captured + self.carried :], results[self.carried :]
        states = self._begin(first, results[: self.carried])

        def step(i: Value, places: list[Value]) -> list[Value]:
            at = self.e.b.sub(self.e.i64(self.length - 1), i) if self.reverse else i
            row_specs = self.input_specs[self.captured + self.carried :]
            own_rows = [
                row_at(self.e, pointer, at, spec)
                for pointer, spec in zip(rows, row_specs, strict=True)
            ]
            outputs = [
                row_at(self.e, pointer, at, spec)
                for pointer, spec in zip(stacked, self.output_specs[self.carried :], strict=True)
            ]
            return self._step(places, [*fixed, *places[: self.carried], *own_rows], outputs)

        last = self.e.carry(0, self.length, 1, states, step, name="step")
        self._finish(last, results)

    def _begin(self, first: Sequence[Value], results: Sequence[Value]) -> list[Value]:
        """Where the states are before the first step, then the other places of those that have two.

        Of two places the one that is written last is the result's.
        """
        now, other, copies = [], [], []
        for way, start, result, spare, spec in zip(
            self.handing.ways, first, results, self.spare, self.output_specs, strict=False
        ):
            if way is Way.OUTPUT:
                now.append(start)
                continue
            turned = way is Way.TURNS and self.length % 2 == 1
            now.append(spare if turned else result)
            other += [result if turned else spare] if way is Way.TURNS else []
            copies.append((now[-1], start, spec))
        if copies:
            with self.writer.alone():
                for to, source, spec in copies:
                    copy(self.e, to, source, bytes_of(spec))
            self.writer.meet()
        return [*now, *other]

    def _step(
        self, places: list[Value], inputs: Sequence[Value], outputs: Sequence[Value]
    ) -> list[Value]:
        """One step; returns the places for the next one."""
        handing, schedule, states = self.handing, self.body.schedule, places[: self.carried]
        given = {**self.given, **dict(zip(schedule.graph.inputs, inputs, strict=True))}
        given.update({node: outputs[i] for node, i in handing.direct.items()})
        other = iter(places[self.carried :])
        after, before = [], []
        for way, node, place in zip(handing.ways, handing.new, states, strict=True):
            if way is Way.OUTPUT:
                after.append(given[node])
                continue
            if way is Way.TURNS:
                given[node] = next(other)
                before.append(place)
            elif way is Way.IN_PLACE:
                given[node] = place
            after.append(given[node] if way is Way.TURNS else place)
        known = self.writer.schedule(self.body, given)
        made = [known[schedule.root(node)] for node in schedule.graph.outputs]
        if not self.body.plan.closed:
            self._copy_rest(states, made, outputs)
        return [*after, *before]

    def _copy_rest(
        self, states: Sequence[Value], made: Sequence[Value], outputs: Sequence[Value]
    ) -> None:
        """Copy what no kernel has written where it belongs."""
        moved = [i for i, way in enumerate(self.handing.ways) if way is Way.COPY]
        if moved or self.handing.copied:
            self.writer.meet()
            with self.writer.alone():
                for i in self.handing.copied:
                    spec = self.output_specs[self.carried + i]
                    copy(self.e, outputs[i], made[self.carried + i], bytes_of(spec))
                for i in moved:
                    copy(self.e, self.spare[i], made[i], bytes_of(self.output_specs[i]))
                for i in moved:
                    copy(self.e, states[i], self.spare[i], bytes_of(self.output_specs[i]))
        self.writer.meet()

    def _finish(self, last: Sequence[Value], results: Sequence[Value]) -> None:
        """Last states that were read where they were put out are results, too."""
        there = [i for i, way in enumerate(self.handing.ways) if way is Way.OUTPUT]
        if there:
            self.writer.meet()
            with self.writer.alone():
                for i in there:
                    copy(self.e, results[i], last[i], bytes_of(self.output_specs[i]))


def _emit_while(
    writer: "Writer",
    kernel: Loop,
    bodies: Mapping[str, Body],
    pointers: Pointers,
    operands: Sequence[Value],
    results: Sequence[Value],
    spare: Value,
) -> None:
    e, b = writer.e, writer.e.b
    ask = kernel.node.attributes["condition_captured"]
    fixed = kernel.node.attributes["body_captured"]
    state = list(results)
    with writer.alone():
        for to, source, spec in zip(state, operands[ask + fixed :], kernel.node.specs, strict=True):
            copy(e, to, source, bytes_of(spec))
    writer.meet()
    head, inside, done = (b.append_basic_block(f"while.{n}") for n in ("head", "body", "end"))
    b.branch(head)
    b.position_at_end(head)
    given = [*operands[:ask], *state]
    (answer,) = _once(writer, bodies["condition"], pointers, given, state)
    writer.meet()
    b.cbranch(e.load(answer, np.bool_), inside, done)
    b.position_at_end(inside)
    given = [*operands[ask : ask + fixed], *state]
    made = _once(writer, bodies["body"], pointers, given, state)
    finish_step(writer, bodies["body"], state, made, [], spare)
    b.branch(head)
    b.position_at_end(done)


def _once(
    writer: "Writer",
    body: Body,
    pointers: Pointers,
    inputs: Sequence[Value],
    state: Sequence[Value],
) -> list[Value]:
    """The kernels of a body, once; returns pointers to its outputs."""
    given = {node: pointers[node] for node in constants_of(body.schedule)}
    given.update(zip(body.schedule.graph.inputs, inputs, strict=True))
    given.update({node: state[i] for i, node in body.plan.in_place.items()})
    known = writer.schedule(body, given)
    return [known[body.schedule.root(node)] for node in body.schedule.graph.outputs]


def finish_step(
    writer: "Writer",
    body: Body,
    state: Sequence[Value],
    made: Sequence[Value],
    outputs: Sequence[Value],
    spare: Value,
) -> None:
    """Put new states in the place of old ones, and outputs where they belong."""
    specs = body.schedule.graph.output_specs
    if len(body.plan.in_place) < len(state) or not _made_alone(body, len(state)):
        writer.meet()
    with writer.alone():
        for to, source, spec in zip(outputs, made[len(state) :], specs[len(state) :], strict=True):
            copy(writer.e, to, source, bytes_of(spec))
        _move_state(writer.e, body, state, made, specs, spare)
    writer.meet()


def _made_alone(body: Body, states: int) -> bool:
    """Whether the first thread alone has written the outputs that are not states."""
    place, graph = body.schedule.place, body.schedule.graph
    roots = [body.schedule.root(node) for node in graph.outputs[states:]]
    return all(root not in place or written_by(place[root], root) is None for root in roots)


def _move_state(
    e: Emitter,
    body: Body,
    state: Sequence[Value],
    made: Sequence[Value],
    specs: Sequence[Spec],
    scratch: Value,
) -> None:
    """Put the new state in place of the old one, through scratch: it may be read from that."""
    moves, offset = [], 0
    for i, (place, source, spec) in enumerate(zip(state, made, specs, strict=False)):
        if i not in body.plan.in_place:
            moves.append((place, source, e.at(scratch, offset, dtype=np.int8), bytes_of(spec)))
            offset += whole_lines(bytes_of(spec))
    for _, source, between, size in moves:
        copy(e, between, source, size)
    for place, _, between, size in moves:
        copy(e, place, between, size)


def row_at(e: Emitter, pointer: Value, row: Index, spec: Spec) -> Value:
    """A pointer to one of the values that lie one after the other."""
    return e.at(pointer, e.times(row, bytes_of(spec)), dtype=np.int8)


def copy(e: Emitter, to: Value, source: Value, size: int) -> None:
    """``size`` bytes from one place to another, which may overlap it."""
    signature = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
    move = e.declare("llvm.memmove.p0.p0.i64", signature)
    e.b.call(move, [to, source, e.i64(size), ir.Constant(ir.IntType(1), 0)])

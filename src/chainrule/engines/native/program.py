"""A graph as machine code: emission of its kernels in order, and calling the result from Python."""

import ctypes
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.interpret import Program
from chainrule.engines.native import Refused, loops
from chainrule.engines.native.emit import (
    I64,
    POINTER,
    Emitter,
    Value,
    build,
    new_function,
)
from chainrule.engines.native.fuse import Use, fuse, is_float_product, swaps_last_axes
from chainrule.engines.native.kernels import Loop, Region, Schedule, Single
from chainrule.engines.native.plan import (
    LINE,
    Plan,
    bytes_of,
    plan,
    reads_of,
    stores_of,
    whole_lines,
)
from chainrule.engines.native.product import emit_batch, emit_product, matrix_source
from chainrule.engines.native.region import emit_region
from chainrule.engines.native.target import Target, host
from chainrule.graph.node import Graph, Node
from chainrule.graph.simplify import inline_calls, simplify
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import CONSTANT

__all__ = ["NativeProgram"]

Pointers = Mapping[Node, Value]


def refusal(schedule: Schedule) -> str:
    """Why a schedule cannot be compiled; empty if it can."""
    for kernel in schedule.kernels:
        if isinstance(kernel, Single) and kernel.node.op.name not in loops.RULES:
            return kernel.node.op.name
        for body in kernel.bodies.values() if isinstance(kernel, Loop) else ():
            if inner := refusal(body):
                return inner
    return ""


def constants_of(schedule: Schedule) -> list[Node]:
    """The constants of a schedule and of the bodies of its loops."""
    found = [node for node in schedule.graph.nodes if node.op is CONSTANT]
    for kernel in schedule.kernels:
        for body in kernel.bodies.values() if isinstance(kernel, Loop) else ():
            found += constants_of(body)
    return list(dict.fromkeys(found))


class NativeProgram:
    """A graph compiled for this machine; called like :class:`~chainrule.engines.Program`.

    Parameters
    ----------
    graph
        What to run.
    target
        The CPU; by default this one.

    Attributes
    ----------
    schedule, plan
        What was decided; both print.
    function_count
        How many functions the kernels share.
    """

    def __init__(self, graph: Graph, target: Target | None = None) -> None:
        target = target or host()
        self.schedule = fuse(simplify(inline_calls(graph)))
        if reason := refusal(self.schedule):
            raise Refused(reason)
        self.graph = self.schedule.graph
        self._constants = constants_of(self.schedule)
        self._roots = [self.schedule.root(node) for node in self.graph.outputs]
        #: Outputs that kernels write; the others are inputs, constants, or written twice.
        self._written = list(dict.fromkeys(r for r in self._roots if r in self.schedule.place))
        self.plan = plan(self.schedule, target, set(self._written))
        writer = _Writer(self, target)
        self.function_count = len(writer.functions)
        self._code = build(writer.module, target)
        self._run = self._code.function("run", ctypes.c_void_p)
        self._arenas: list[np.ndarray] = []
        self._lock = threading.Lock()

    def __call__(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """Outputs for the given inputs, which are not changed."""
        given = [np.ascontiguousarray(array) for array in arrays]
        fixed = [node.attributes["value"].array for node in self._constants]
        written = {root: np.empty(root.spec.shape, root.spec.dtype) for root in self._written}
        arena, error = self._take_arena(), np.zeros(1, np.int64)
        held = [*given, *map(np.ascontiguousarray, fixed), *written.values(), arena, error]
        table = np.array([array.ctypes.data for array in held], np.uint64)
        self._run(table.ctypes.data)
        self._give_arena(arena)
        if error[0]:
            Program(self.graph)(arrays)  # raises, and says what is wrong
        known = {**dict(zip(self.graph.inputs, given, strict=True)), **written}
        known.update(zip(self._constants, fixed, strict=True))
        return self._results(known)

    def _results(self, known: Mapping[Node, np.ndarray]) -> list[np.ndarray]:
        results, handed_out = [], set()
        for node, root in zip(self.graph.outputs, self._roots, strict=True):
            array = known[root].reshape(node.spec.shape)
            own = root in self._written and root not in handed_out
            handed_out.add(root)
            results.append(array if own else array.copy())
        return results

    def _take_arena(self) -> np.ndarray:
        """Memory for one run; as many exist as runs go on at the same time."""
        with self._lock:
            if self._arenas:
                return self._arenas.pop()
        return np.empty(self.plan.size + LINE, np.uint8)

    def _give_arena(self, arena: np.ndarray) -> None:
        with self._lock:
            self._arenas.append(arena)

    def pointer_order(self) -> list[Node]:
        """The nodes whose pointers stand in the table, in order."""
        return [*self.graph.inputs, *self._constants, *self._written]

    def __str__(self) -> str:
        return f"{self.schedule}\narena of {self.plan.size} bytes"


class _Writer:
    """Writes the module of a program: ``run(table)`` and one function per kernel."""

    def __init__(self, program: NativeProgram, target: Target) -> None:
        self.module, self.target = ir.Module("program"), target
        self.functions: dict[Any, Value] = {}
        function, e = new_function(self.module, "run", [POINTER], target)
        (table,) = function.args
        order = program.pointer_order()
        pointers = {node: self._entry(e, table, i) for i, node in enumerate(order)}
        arena = self._aligned(e, self._entry(e, table, len(order)))
        self.error = self._entry(e, table, len(order) + 1)
        self._schedule(e, program.schedule, program.plan, pointers, arena, self.error)
        e.b.ret_void()

    @staticmethod
    def _entry(e: Emitter, table: Value, i: int) -> Value:
        return e.b.load(e.at(table, i, dtype=np.int64), typ=POINTER, align=8)

    @staticmethod
    def _aligned(e: Emitter, pointer: Value) -> Value:
        address = e.b.add(e.b.ptrtoint(pointer, I64), e.i64(LINE - 1))
        return e.b.inttoptr(e.b.and_(address, e.i64(-LINE)), POINTER)

    def _schedule(
        self,
        e: Emitter,
        schedule: Schedule,
        made: Plan,
        given: Pointers,
        arena: Value,
        error: Value,
    ) -> dict[Node, Value]:
        """All kernels in order; returns where every value lies."""
        pointers = dict(given)
        for node, offset in made.offset.items():
            if node not in pointers:
                pointers[node] = e.at(arena, offset, dtype=np.int8)
        stores = stores_of(schedule, self.target)
        for position, kernel in enumerate(schedule.kernels):
            scratch = e.at(arena, made.scratch.get(position, 0), dtype=np.int8)
            if isinstance(kernel, Loop):
                self._loop(e, kernel, schedule, made, position, pointers, arena, scratch, error)
            else:
                self._kernel(e, kernel, schedule, stores[position], pointers, scratch, error)
        return pointers

    def _kernel(
        self,
        e: Emitter,
        kernel: Region | Single,
        schedule: Schedule,
        stored: set[Node],
        pointers: Pointers,
        scratch: Value,
        error: Value,
    ) -> None:
        """A call of the kernel's function; equal kernels share one, so that depth adds no code."""
        used = list(dict.fromkeys([*reads_of(kernel, schedule), *_ordered(stored)]))
        key = signature(kernel, schedule, used, stored)
        if key not in self.functions:
            self.functions[key] = self._function(kernel, schedule, used, stored)
        e.b.call(self.functions[key], [*(pointers[node] for node in used), scratch, error])

    def _function(
        self, kernel: Region | Single, schedule: Schedule, used: list[Node], stored: set[Node]
    ) -> Value:
        """A kernel as a function of pointers: those that it uses, its scratch, the error word."""
        kinds = [POINTER] * (len(used) + 2)
        name = f"kernel{len(self.functions) + 1}"
        function, inner = new_function(self.module, name, kinds, self.target, internal=True)
        own = dict(zip(used, function.args, strict=False))
        scratch, error = function.args[-2:]
        if isinstance(kernel, Single):
            _emit_single(inner, kernel.node, schedule, own, scratch, error)
        elif kernel.anchor is not None:
            emit_product(inner, kernel, schedule, own, stored, 0, kernel.rows, scratch, error)
        else:
            emit_region(inner, kernel, schedule.alias, own, stored, 0, kernel.rows, error)
        inner.b.ret_void()
        return function

    # ------------------------------------------------------------------ loops
    def _loop(
        self,
        e: Emitter,
        kernel: Loop,
        schedule: Schedule,
        made: Plan,
        position: int,
        pointers: Pointers,
        arena: Value,
        scratch: Value,
        error: Value,
    ) -> None:
        operands = [pointers[schedule.root(x)] for x in kernel.node.inputs]
        results = [pointers[node] for node in kernel.outputs]
        bodies = {
            name: _Body(
                body,
                made.bodies[position, name],
                e.at(arena, made.body_scratch[position, name], dtype=np.int8),
                made.in_place[position] if name == "body" else {},
            )
            for name, body in kernel.bodies.items()
        }
        write = self._scan if kernel.node.op.name == "scan" else self._while
        write(e, kernel, bodies, pointers, operands, results, scratch, error)

    def _body(
        self,
        e: Emitter,
        body: "_Body",
        pointers: Pointers,
        inputs: Sequence[Value],
        state: Sequence[Value],
        error: Value,
    ) -> list[Value]:
        """The kernels of a body; returns pointers to its outputs."""
        given = {node: pointers[node] for node in constants_of(body.schedule)}
        given.update(zip(body.schedule.graph.inputs, inputs, strict=True))
        given.update({node: state[i] for i, node in body.in_place.items()})
        known = self._schedule(e, body.schedule, body.plan, given, body.arena, error)
        return [known[body.schedule.root(node)] for node in body.schedule.graph.outputs]

    def _scan(
        self,
        e: Emitter,
        kernel: Loop,
        bodies: Mapping[str, "_Body"],
        pointers: Pointers,
        operands: Sequence[Value],
        results: Sequence[Value],
        scratch: Value,
        error: Value,
    ) -> None:
        node, body = kernel.node, bodies["body"]
        captured, carried = node.attributes["captured"], node.attributes["carried"]
        length, reverse = node.attributes["length"], node.attributes["reverse"]
        specs, inputs = body.schedule.graph.output_specs, body.schedule.graph.input_specs
        state = list(results[:carried])
        for place, first, spec in zip(
            state, operands[captured : captured + carried], specs, strict=False
        ):
            _copy(e, place, first, bytes_of(spec))
        with e.loop(0, length, name="step") as i:
            step = e.b.sub(e.i64(length - 1), i) if reverse else i
            rows = [
                e.at(pointer, e.b.mul(step, e.i64(bytes_of(spec))), dtype=np.int8)
                for pointer, spec in zip(
                    operands[captured + carried :], inputs[captured + carried :], strict=True
                )
            ]
            made = self._body(
                e, body, pointers, [*operands[:captured], *state, *rows], state, error
            )
            for out, source, spec in zip(
                results[carried:], made[carried:], specs[carried:], strict=True
            ):
                at = e.at(out, e.b.mul(step, e.i64(bytes_of(spec))), dtype=np.int8)
                _copy(e, at, source, bytes_of(spec))
            _move_state(e, body, state, made[:carried], specs[:carried], scratch)

    def _while(
        self,
        e: Emitter,
        kernel: Loop,
        bodies: Mapping[str, "_Body"],
        pointers: Pointers,
        operands: Sequence[Value],
        results: Sequence[Value],
        scratch: Value,
        error: Value,
    ) -> None:
        ask = kernel.node.attributes["condition_captured"]
        fixed = kernel.node.attributes["body_captured"]
        specs, state = kernel.node.specs, list(results)
        for place, first, spec in zip(state, operands[ask + fixed :], specs, strict=True):
            _copy(e, place, first, bytes_of(spec))
        b = e.b
        head, inside, done = (b.append_basic_block(f"while.{n}") for n in ("head", "body", "end"))
        b.branch(head)
        b.position_at_end(head)
        (answer,) = self._body(
            e, bodies["condition"], pointers, [*operands[:ask], *state], state, error
        )
        b.cbranch(e.load(answer, np.bool_), inside, done)
        b.position_at_end(inside)
        inputs = [*operands[ask : ask + fixed], *state]
        made = self._body(e, bodies["body"], pointers, inputs, state, error)
        _move_state(e, bodies["body"], state, made, specs, scratch)
        b.branch(head)
        b.position_at_end(done)


def _emit_single(
    e: Emitter, node: Node, schedule: Schedule, own: Pointers, scratch: Value, error: Value
) -> None:
    if is_float_product(node):
        a, b = (own[schedule.root(matrix_source(x))] for x in node.inputs)
        emit_batch(e, node, a, b, own[node], scratch)
        return
    inputs = [own[schedule.root(x)] for x in node.inputs]
    specs = [x.spec for x in node.inputs]
    rule = loops.RULES[node.op.name]
    rule(e, own[node], inputs, specs, node.spec, node.attributes, scratch, error)


def signature(
    kernel: Region | Single, schedule: Schedule, used: Sequence[Node], stored: set[Node]
) -> Any:
    """All that a kernel's code depends on: two kernels with equal signatures have the same code."""
    place = {node: i for i, node in enumerate(used)}
    own = {node: i for i, node in enumerate(kernel.computed)}

    def operand(x: Node) -> Any:
        use = Use(matrix_source(x), schedule.alias)
        source = own.get(use.root), place.get(use.root)
        return *source, use.root.spec, use.shape, swaps_last_axes(x), x.spec

    def line(node: Node) -> Any:
        attributes = tuple(sorted(node.attributes.items()))
        target = place[node] if node in stored else None
        return node.op.name, node.specs, attributes, tuple(map(operand, node.inputs)), target

    code = tuple(map(line, kernel.computed))
    if isinstance(kernel, Single):
        return code
    kinds = tuple((kernel.kind[node], node in kernel.late) for node in kernel.computed)
    return kernel.rows, kernel.columns, kernel.anchor is not None, kinds, code


@dataclass(frozen=True)
class _Body:
    """A body of a loop: its schedule, its plan, its arena, and the states that it overwrites."""

    schedule: Schedule
    plan: Plan
    arena: Value
    in_place: Mapping[int, Node]


def _move_state(
    e: Emitter,
    body: _Body,
    state: Sequence[Value],
    made: Sequence[Value],
    specs: Sequence[Spec],
    scratch: Value,
) -> None:
    """Put the new state in place of the old one, through scratch: it may be read from that."""
    moves, offset = [], 0
    for i, (place, source, spec) in enumerate(zip(state, made, specs, strict=True)):
        if i not in body.in_place:
            moves.append((place, source, e.at(scratch, offset, dtype=np.int8), bytes_of(spec)))
            offset += whole_lines(bytes_of(spec))
    for _, source, between, size in moves:
        _copy(e, between, source, size)
    for place, _, between, size in moves:
        _copy(e, place, between, size)


def _copy(e: Emitter, to: Value, source: Value, size: int) -> None:
    signature = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
    copy = e.declare("llvm.memmove.p0.p0.i64", signature)
    e.b.call(copy, [to, source, e.i64(size), ir.Constant(ir.IntType(1), 0)])


def _ordered(nodes: set[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.serial)

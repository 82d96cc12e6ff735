"""A vocabulary over LLVM's IR builder: loops, vectors, arithmetic.

Nothing in here knows about graphs. A *value* is a vector ``<lanes x T>`` or a scalar ``T``; the
same functions serve both, so that one rule for an op gives vector code and the scalar code of a
remainder. Types are written as NumPy's: booleans are one byte in memory and one bit in registers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native.target import Target

__all__ = [
    "I1",
    "I8",
    "I32",
    "I64",
    "LINE",
    "POINTER",
    "VOID",
    "Emitter",
    "flushed_denormals",
    "new_function",
]

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER, VOID = ir.PointerType(), ir.VoidType()
FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()

#: Bytes of a cache line.
LINE = 64

Value = Any  # llvmlite's values have no common typed base
Index = Any  # an int, or an i64 value


class Literal(ir.Constant):  # type: ignore[misc]
    """A constant in LLVM's own spelling: ``splat (float 1.0)`` is far shorter than eight lanes."""

    def __init__(self, kind: ir.Type, text: str) -> None:
        super().__init__(kind, None)
        self.text = text

    def get_reference(self) -> str:
        """The text that stands for the constant."""
        return self.text

    def _to_string(self) -> str:
        return f"{self.type} {self.text}"


def element_type(dtype: np.dtype[Any]) -> ir.Type:
    """The LLVM type of one element in a register."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return I1
    if dtype.kind == "f":
        return FLOAT if dtype.itemsize == 4 else DOUBLE
    return ir.IntType(8 * dtype.itemsize)


def memory_type(dtype: np.dtype[Any]) -> ir.Type:
    """The LLVM type of one element in memory."""
    return I8 if np.dtype(dtype).kind == "b" else element_type(dtype)


@dataclass
class Emitter:
    """An IR builder with a vector vocabulary, positioned in one function."""

    b: ir.IRBuilder
    target: Target

    def lanes(self, dtype: Any) -> int:
        """How many elements of a dtype fit one vector register."""
        return self.target.lanes(np.dtype(dtype).itemsize)

    # ------------------------------------------------------------------ constants
    def i64(self, value: Index) -> Value:
        """An i64 constant, or the value as it is."""
        return ir.Constant(I64, value) if isinstance(value, int) else value

    def constant(self, kind: ir.Type, number: float | int | bool) -> Value:
        """``number`` as a scalar or in every lane, as ``kind`` says."""
        element = kind.element if isinstance(kind, ir.VectorType) else kind
        if isinstance(element, ir.IntType):
            number = int(number)
            if element.width > 1 and number >= 1 << (element.width - 1):
                number -= 1 << element.width
        scalar = ir.Constant(element, number)
        if element is kind:
            return scalar
        return Literal(kind, f"splat ({element} {scalar.get_reference().strip()})")

    def like(self, x: Value, number: float | int) -> Value:
        """``number`` in the type of ``x``."""
        return self.constant(x.type, number)

    def lane_numbers(self, lanes: int) -> Value:
        """0, 1, 2, … in the lanes of an i64 vector; 0 for one lane."""
        return ir.Constant(ir.VectorType(I64, lanes), list(range(lanes))) if lanes > 1 else I64(0)

    def splat(self, scalar: Value, lanes: int) -> Value:
        """A scalar in every lane; the scalar itself for one lane."""
        if lanes == 1:
            return scalar
        kind = ir.VectorType(scalar.type, lanes)
        if isinstance(scalar, ir.Constant):
            return Literal(kind, f"splat ({scalar.type} {scalar.get_reference().strip()})")
        poison = Literal(kind, "poison")
        zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        first = self.b.insert_element(poison, scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(first, poison, zeros)

    # ------------------------------------------------------------------ memory
    def at(self, base: Value, *offsets: Index, dtype: Any) -> Value:
        """A pointer to element ``base[sum(offsets)]``; constant offsets make one address."""
        kind, fixed = memory_type(dtype), 0
        for offset in offsets:
            if isinstance(offset, int):
                fixed += offset
            else:
                base = self.b.gep(base, [offset], inbounds=True, source_etype=kind)
        if fixed:
            base = self.b.gep(base, [self.i64(fixed)], inbounds=True, source_etype=kind)
        return base

    def load(self, pointer: Value, dtype: Any, lanes: int = 1, live: int | None = None) -> Value:
        """``lanes`` elements; only the first ``live`` are read, the others are zero."""
        kind = memory_type(dtype)
        if lanes > 1:
            kind = ir.VectorType(kind, lanes)
        align = np.dtype(dtype).itemsize
        if live is not None and live < lanes:
            name = f"llvm.masked.load.{mangled(kind)}.p0"
            operands = [pointer, ir.Constant(I32, align), self.mask(lanes, live), zero(kind)]
            loaded = self.call(name, *operands, result=kind)
        else:
            loaded = self.b.load(pointer, align=align, typ=kind)
        if np.dtype(dtype).kind == "b":
            return self.b.icmp_unsigned("!=", loaded, zero(kind))
        return loaded

    def store(self, value: Value, pointer: Value, dtype: Any, live: int | None = None) -> None:
        """Write an element or a vector; of a vector only the first ``live`` lanes."""
        lanes = lanes_of(value)
        if np.dtype(dtype).kind == "b":
            wide = ir.VectorType(I8, lanes) if lanes > 1 else I8
            value = self.b.zext(value, wide)
        align = np.dtype(dtype).itemsize
        if live is not None and live < lanes:
            name = f"llvm.masked.store.{mangled(value.type)}.p0"
            operands = [value, pointer, ir.Constant(I32, align), self.mask(lanes, live)]
            self.call(name, *operands, result=VOID)
        else:
            self.b.store(value, pointer, align=align)

    def copy_bytes(self, target: Value, source: Value, count: Index) -> None:
        """``count`` bytes from one place to another that does not overlap it."""
        operands = target, source, self.i64(count), I1(0)
        self.call("llvm.memcpy.p0.p0.i64", *operands, result=VOID)

    def zero_bytes(self, target: Value, count: Index) -> None:
        """``count`` zero bytes: zeros of every number type."""
        self.call("llvm.memset.p0.i64", target, I8(0), self.i64(count), I1(0), result=VOID)

    def ask_for(self, pointer: Value, near: bool, to_write: bool = False) -> None:
        """Ask for the cache line at a pointer: into the first-level cache, or the second-level."""
        how = (
            ir.Constant(I32, int(to_write)),
            ir.Constant(I32, 3 if near else 2),
            ir.Constant(I32, 1),
        )
        self.call("llvm.prefetch.p0", pointer, *how, result=VOID)

    def ask_for_bytes(
        self, pointer: Value, first: Index, last: Index, near: bool, to_write: bool = False
    ) -> None:
        """Ask for all cache lines from byte ``first`` to before ``last`` after a pointer."""
        with self.loop(first, last, LINE, name="line") as byte:
            self.ask_for(self.at(pointer, byte, dtype=np.int8), near, to_write)

    def mask(self, lanes: int, live: int) -> Value:
        """True in the first ``live`` lanes."""
        return ir.Constant(ir.VectorType(I1, lanes), [int(i < live) for i in range(lanes)])

    # ------------------------------------------------------------------ arithmetic
    def declare(self, name: str, signature: ir.FunctionType) -> ir.Function:
        """A function of the module, declared once."""
        known = self.b.module.globals.get(name)
        return known if known is not None else ir.Function(self.b.module, signature, name)

    def call(self, name: str, *operands: Value, result: ir.Type | None = None) -> Value:
        """Call a function or an intrinsic by its full name."""
        kinds = [operand.type for operand in operands]
        signature = ir.FunctionType(kinds[0] if result is None else result, kinds)
        return self.b.call(self.declare(name, signature), list(operands))

    def intrinsic(self, name: str, *operands: Value) -> Value:
        """An intrinsic whose name ends in its operand type, such as ``sqrt`` or ``fma``."""
        return self.call(f"llvm.{name}.{mangled(operands[0].type)}", *operands)

    def times(self, index: Index, factor: Index) -> Index:
        """The product of two indices; constants are multiplied here."""
        if isinstance(index, int) and isinstance(factor, int):
            return index * factor
        if factor == 1 or index == 0:
            return index
        if index == 1 or factor == 0:
            return factor
        return self.b.mul(self.i64(index), self.i64(factor), flags=("nsw",))

    def plus(self, index: Index, other: Index) -> Index:
        """The sum of two indices; constants are added here."""
        if isinstance(index, int) and isinstance(other, int):
            return index + other
        if index == 0:
            return other
        if other == 0:
            return index
        return self.b.add(self.i64(index), self.i64(other), flags=("nsw",))

    def least(self, index: Index, other: Index) -> Index:
        """The smaller of two indices."""
        if isinstance(index, int) and isinstance(other, int):
            return min(index, other)
        return self.call("llvm.smin.i64", self.i64(index), self.i64(other))

    def add(self, x: Value, y: Value) -> Value:
        """``x + y`` of floats, or of integers that wrap around."""
        integral = isinstance(getattr(x.type, "element", x.type), ir.IntType)
        return self.b.add(x, y) if integral else self.b.fadd(x, y)

    def widened(self, x: Value, signed: bool) -> Value:
        """An integer (a boolean is one of one bit) in 64 bits."""
        lanes = lanes_of(x)
        kind = ir.VectorType(I64, lanes) if lanes > 1 else I64
        if x.type == kind:
            return x
        return self.b.sext(x, kind) if signed else self.b.zext(x, kind)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """``x * y + z``, rounded once."""
        return self.intrinsic("fma", x, y, z)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """``x`` where the condition holds."""
        return self.b.select(condition, x, y)

    def total(self, vector: Value) -> Value:
        """The sum of all lanes."""
        if lanes_of(vector) == 1:
            return vector
        element = vector.type.element
        if isinstance(element, ir.IntType):
            return self.call(
                f"llvm.vector.reduce.add.{mangled(vector.type)}", vector, result=element
            )
        name = f"llvm.vector.reduce.fadd.{mangled(vector.type)}"
        function = self.declare(name, ir.FunctionType(element, [element, vector.type]))
        return self.b.call(function, [ir.Constant(element, -0.0), vector], fastmath=("reassoc",))

    # ------------------------------------------------------------------ control flow
    @contextmanager
    def loop(self, start: Index, stop: Index, step: Index = 1, name: str = "i") -> Iterator[Value]:
        """``for i in range(start, stop, step)``, step positive; ``i`` is an i64 value."""
        b = self.b
        head, body, done = (
            b.append_basic_block(f"{name}.{part}") for part in ("head", "body", "end")
        )
        before = b.block
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64, name)
        i.add_incoming(self.i64(start), before)
        b.cbranch(b.icmp_signed("<", i, self.i64(stop)), body, done)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, self.i64(step), flags=("nsw",)), b.block)
        b.branch(head)
        b.position_at_end(done)

    def carry(
        self,
        start: Index,
        stop: Index,
        step: int,
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
        name: str = "k",
    ) -> list[Value]:
        """A loop that keeps values in registers; it may run zero times. Returns the last values."""
        b = self.b
        head, inside, done = (
            b.append_basic_block(f"{name}.{part}") for part in ("head", "body", "end")
        )
        before = b.block
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64, name)
        i.add_incoming(self.i64(start), before)
        kept = []
        for value in carried:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            kept.append(phi)
        b.cbranch(b.icmp_signed("<", i, self.i64(stop)), inside, done)
        b.position_at_end(inside)
        results = list(body(i, list(kept)))
        i.add_incoming(b.add(i, self.i64(step), flags=("nsw",)), b.block)
        for phi, value in zip(kept, results, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(done)
        return kept

    def repeat_while(
        self,
        carried: Sequence[Value],
        condition: Callable[[list[Value]], Value],
        body: Callable[[list[Value]], Sequence[Value]],
    ) -> list[Value]:
        """Replace the carried values by ``body`` of them while ``condition`` of them holds."""
        b = self.b
        head, inside, done = (
            b.append_basic_block(f"while.{part}") for part in ("head", "body", "end")
        )
        before = b.block
        b.branch(head)
        b.position_at_end(head)
        kept = [b.phi(value.type) for value in carried]
        for phi, value in zip(kept, carried, strict=True):
            phi.add_incoming(value, before)
        b.cbranch(condition(list(kept)), inside, done)
        b.position_at_end(inside)
        for phi, value in zip(kept, body(list(kept)), strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(done)
        return kept

    def steps(
        self, start: Index, stop: Index, sizes: Sequence[int], name: str = "i"
    ) -> Iterator[tuple[Index, int]]:
        """Cover ``range(start, stop)`` by steps of the first size, the rest by the next size, ...

        The body of the ``for`` is emitted once for each size that is needed; it gets the index and
        the size. The last size has to be 1 unless the others are known to leave nothing.
        """
        for size in sizes:
            if isinstance(start, int) and isinstance(stop, int):
                end: Index = start + (stop - start) // size * size
                if end - start == size:
                    yield start, size
                elif end > start:
                    with self.loop(start, end, size, name) as i:
                        yield i, size
            else:
                end = stop
                if size > 1:
                    count = self.b.sdiv(self.b.sub(self.i64(stop), self.i64(start)), self.i64(size))
                    end = self.plus(start, self.times(count, size))
                with self.loop(start, end, size, name) as i:
                    yield i, size
            start = end

    def either(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value]],
        otherwise: Callable[[], Sequence[Value]],
    ) -> list[Value]:
        """The values of ``then`` if the condition (one bit) holds, else those of ``otherwise``."""
        b = self.b
        blocks = [b.append_basic_block(name) for name in ("then", "else", "endif")]
        b.cbranch(condition, blocks[0], blocks[1])
        results, ends = [], []
        for block, branch in zip(blocks, (then, otherwise), strict=False):
            b.position_at_end(block)
            results.append(list(branch()))
            ends.append(b.block)
            b.branch(blocks[2])
        b.position_at_end(blocks[2])
        chosen = []
        for values in zip(*results, strict=True):
            phi = b.phi(values[0].type)
            for value, end in zip(values, ends, strict=True):
                phi.add_incoming(value, end)
            chosen.append(phi)
        return chosen

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Code that runs only if the condition (one bit) holds."""
        b = self.b
        then, done = b.append_basic_block("then"), b.append_basic_block("endif")
        b.cbranch(condition, then, done)
        b.position_at_end(then)
        yield
        b.branch(done)
        b.position_at_end(done)


def lanes_of(value: Value) -> int:
    """How many lanes a value has; 1 for a scalar."""
    return value.type.count if isinstance(value.type, ir.VectorType) else 1


def zero(kind: ir.Type) -> Value:
    """Zero of any type."""
    return Literal(kind, "zeroinitializer") if isinstance(kind, ir.VectorType) else kind(0)


def mangled(kind: ir.Type) -> str:
    """A type as it stands in the name of an intrinsic: ``v8f32``."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{mangled(kind.element)}"
    if isinstance(kind, ir.IntType):
        return f"i{kind.width}"
    return "f32" if isinstance(kind, ir.FloatType) else "f64"


# ---------------------------------------------------------------------- functions and modules
def new_function(
    module: ir.Module,
    name: str,
    arguments: Sequence[ir.Type],
    target: Target,
    *,
    result: ir.Type = VOID,
    internal: bool = False,
) -> tuple[ir.Function, Emitter]:
    """A function in a module, and an emitter at its entry."""
    function = ir.Function(module, ir.FunctionType(result, list(arguments)), name)
    function.attributes.add("nounwind")
    if internal:
        function.linkage = "internal"
        function.attributes.add("noinline")
    return function, Emitter(ir.IRBuilder(function.append_basic_block("entry")), target)


@contextmanager
def flushed_denormals(e: Emitter) -> Iterator[None]:
    """Code in which results too small to be normal become zero: they cost a hundred times as much.

    Only for code that is straight from here to the end of the block, where the mode is put back.
    Processors other than x86 and ARM keep their mode.
    """
    if e.target.architecture == "x86_64":
        place, before = e.b.alloca(I32), e.b.alloca(I32)
        e.call("llvm.x86.sse.stmxcsr", before, result=VOID)
        both = ir.Constant(I32, 0x8040)  # results that are not normal, and operands that are not
        e.b.store(e.b.or_(e.b.load(before, typ=I32), both), place)
        e.call("llvm.x86.sse.ldmxcsr", place, result=VOID)
        yield
        e.call("llvm.x86.sse.ldmxcsr", before, result=VOID)
    elif e.target.architecture == "aarch64":
        old = e.call("llvm.aarch64.get.fpcr", result=I64)
        e.call("llvm.aarch64.set.fpcr", e.b.or_(old, e.i64(1 << 24)), result=VOID)
        yield
        e.call("llvm.aarch64.set.fpcr", old, result=VOID)
    else:
        yield

"""What a formula means: its value at points, with NumPy or with tensors that can be differentiated.

:class:`Meaning` evaluates a formula from its leaves to its root; :meth:`Meaning.combine` says what
each kind of node makes of the values of its parts, and is used by the search as well, which knows
the values of all parts but one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule import graph
from chainrule.autodiff import vmap
from chainrule.explain.claims.applied import applied
from chainrule.explain.claims.derivatives import chained, linked_axes, partial_derivative
from chainrule.explain.claims.elementwise import Backend
from chainrule.explain.claims.placing import gathered, placed
from chainrule.explain.claims.products import matrix_product, transposed
from chainrule.explain.claims.values import FRONT, POINTS, Layout, Misfit, Value
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Dots,
    Expression,
    MatMul,
    Matrix,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["Definition", "Known", "Meaning", "Program", "Situation", "UnknownSymbolError", "parts"]

CONSTANTS = {"pi": np.pi, "e": np.e}


@dataclass(frozen=True)
class Definition:
    """What a symbol stands for: ``ŷ_i = Σ_j x_ij w_j + b``.

    Attributes
    ----------
    letters
        The indices on its left side, in order.
    body
        Its right side.
    """

    letters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True)
class Situation:
    """Sizes, points, and everything else that a formula must know to have a value.

    Attributes
    ----------
    layout, extents
        The index letters, and how many values each one has.
    inputs
        By the key of a symbol: an array (points, axes of its own).
    definitions
        By the key of a symbol: what it stands for.
    counts
        The sizes as numbers: ``n``.
    functions, calls
        Unknown functions; and for each what it was applied to, for ``∂f/∂x``.
    wanted
        The index letters that the answer has; a sum without an index runs over the others.
    first
        The first index: 1 in mathematics, 0 in Python.
    rows
        Whether the transpose of a vector is a row (mathematics), or nothing at all (Python).
    """

    layout: Layout
    extents: Mapping[str, int]
    inputs: Mapping[str, Any]
    definitions: Mapping[str, Definition]
    counts: Mapping[str, float]
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    calls: Mapping[str, Apply] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()
    first: int = 1
    rows: bool = True

    @property
    def points(self) -> int:
        """How many points there are."""
        return next((array.shape[0] for array in self.inputs.values()), 1)


class UnknownSymbolError(Exception):
    """A symbol that stands for nothing; ``symbol`` is it."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        super().__init__(symbol.key)


@dataclass(frozen=True, slots=True, eq=False)
class Known(Expression):
    """A part of a formula whose value is given."""

    value: Value

    @property
    def children(self) -> tuple[Expression, ...]:
        """It has no parts."""
        return ()


@dataclass(frozen=True, slots=True, eq=False)
class Program(Expression):
    """A Python function of tensors in the place of a formula; its parameters are symbols."""

    function: Callable[..., Any]
    parameters: tuple[str, ...]

    @property
    def children(self) -> tuple[Expression, ...]:
        """It has no parts that are formulas."""
        return ()


class Meaning:
    """Evaluates formulas in a situation; values of parts are kept for the next formula.

    Parameters
    ----------
    situation
        Where.
    backend
        NumPy, or :mod:`chainrule.graph` for what shall be differentiated.
    replaced
        Arrays that take the place of symbols, whatever these stand for.
    """

    def __init__(
        self,
        situation: Situation,
        backend: Backend = np,
        replaced: Mapping[str, Any] | None = None,
    ) -> None:
        self.situation = situation
        self.layout = situation.layout
        self.backend = backend
        self.replaced = dict(replaced or {})
        self._whole: dict[str, Any] = {}
        self._kept: dict[int, tuple[Expression, Value]] = {}

    def value(self, expression: Expression) -> Value:
        """The value of a formula, kept for its next use.

        Raises
        ------
        Misfit
            (or another ``ValueError``) If shapes do not fit.
        UnknownSymbolError
            If a symbol stands for nothing.
        """
        kept = self._kept.get(id(expression))
        if kept is not None:
            return kept[1]
        found = self.fresh(expression)
        self._kept[id(expression)] = (expression, found)
        return found

    def fresh(self, expression: Expression) -> Value:
        """The value of a formula that nobody will ask for again; those of its parts are kept."""
        leaf = LEAVES.get(type(expression))
        if leaf is not None:
            return leaf(self, expression)
        return self.combine(expression, [self.value(part) for part in parts(expression)])

    def combine(self, node: Expression, values: Sequence[Value]) -> Value:
        """The value of a node from the values of its :func:`parts`."""
        return INNER[type(node)](self, node, values)

    def whole(self, key: str) -> Any:
        """A symbol without indices, as an array: points, and axes of its own."""
        found = self._whole.get(key)
        if found is None:
            found = self._whole[key] = self._made_whole(key)
        return found

    def number(self, value: float) -> Value:
        """A number as a value."""
        return Value(self.backend_tensor(np.full((1,) * self.layout.lead, float(value))))

    def elementwise(self, operation: Callable[..., Any], *values: Value) -> Value:
        """An operation element by element."""
        rank = max(value.rank for value in values)
        still_open = False
        if any(value.open for value in values):
            values, still_open = self._met(values, rank)
        arrays = [self.layout.lifted(value, rank) for value in values]
        row = rank == 1 and all(value.row for value in values if value.rank == 1)
        return Value(operation(*arrays), rank, row, still_open)

    def _met(self, values: Sequence[Value], rank: int) -> tuple[tuple[Value, ...], bool]:
        """Open values in the size of the others, and whether all stay open."""
        sized = [value for value in values if value.rank and not value.open]
        if not sized:
            return tuple(values), True
        largest = max(sized, key=lambda value: value.rank)
        shape = tuple(largest.array.shape)[self.layout.lead :]
        return tuple(value.grown(shape) for value in values), False

    def with_replaced(self, backend: Backend, replaced: Mapping[str, Any]) -> "Meaning":
        """A meaning in the same situation, with other arrays in the place of symbols."""
        return Meaning(self.situation, backend, {**self.replaced, **replaced})

    def positions(self, index: Expression) -> Any:
        """What an index picks, as :func:`~chainrule.explain.claims.placing.placed` wants it."""
        first = self.situation.first
        if isinstance(index, Dots):
            return None
        if isinstance(index, Number) and float(index.value).is_integer():
            return int(index.value) - first
        if isinstance(index, Symbol) and not index.indices and index.key in self.layout.letters:
            return index.key
        value = self.with_replaced(np, {}).value(index)
        if value.rank:
            raise Misfit
        return np.rint(value.array).astype(int) - first

    def check_extents(self, picks: Sequence[Any], sizes: Sequence[int]) -> None:
        """Raise if a letter runs over an axis that has not as many elements as it has values."""
        for pick, size in zip(picks, sizes, strict=False):
            if isinstance(pick, str) and self.situation.extents[pick] != size:
                raise Misfit

    # ---------------------------------------------------------------------- leaves

    def _made_whole(self, key: str) -> Any:
        if key in self.replaced:
            return self.replaced[key]
        if key in self.situation.inputs:
            return self.backend_tensor(self.situation.inputs[key])
        if key not in self.situation.definitions:
            raise UnknownSymbolError(Symbol(key))
        definition = self.situation.definitions[key]
        letters = definition.letters
        situation = replace(self.situation, wanted=frozenset(letters))
        inner = Meaning(situation, self.backend, self.replaced)
        inner._whole = self._whole
        value = inner.value(definition.body)
        array = gathered(self.backend, self.layout, self._extended(value, letters), letters)
        return array.reshape(tuple(array.shape)[POINTS:])

    def _extended(self, value: Value, letters: Sequence[str]) -> Value:
        """The same with the whole length along the axes of some letters."""
        shape = list(value.array.shape)
        for letter in letters:
            shape[self.layout.axis(letter)] = self.situation.extents[letter]
        if tuple(shape) == tuple(value.array.shape):
            return value
        return replace(value, array=self.backend.broadcast_to(value.array, tuple(shape)))

    def _symbol(self, node: Symbol) -> Value:
        situation, key = self.situation, node.key
        is_array = key in self.replaced or key in situation.inputs or key in situation.definitions
        if not is_array:
            return self._other_symbol(node)
        array = self.whole(key)
        shape = tuple(array.shape)
        picks = [self.positions(index) for index in node.indices]
        self.check_extents(picks, shape[1:])
        front = self.backend.reshape(array, (1,) * (FRONT - 1) + shape)
        return placed(self.backend, self.layout, front, FRONT, picks, len(shape) - 1)

    def _other_symbol(self, node: Symbol) -> Value:
        """A size, an index as a number, a constant, Kronecker's δ, or an unknown function."""
        situation, key = self.situation, node.key
        if key in situation.counts and not node.indices:
            return self.number(situation.counts[key])
        if key in self.layout.letters and not node.indices:
            extent = situation.extents[key]
            running = np.arange(extent) + float(situation.first)
            array = self.backend_tensor(running.reshape(*(1,) * FRONT, extent))
            return placed(self.backend, self.layout, array, FRONT, [key], 1)
        if key in situation.calls and not node.indices:
            return self.value(situation.calls[key])
        if key == "I" and not node.indices:
            return replace(self.number(1.0), array=self._ones(2), rank=2, open=True)
        if key == "delta" and len(node.indices) == 2:
            return self.value(Compare("==", *node.indices))
        if key in CONSTANTS and not node.indices:
            return self.number(CONSTANTS[key])
        raise UnknownSymbolError(node)

    def _ones(self, rank: int) -> Any:
        return self.backend_tensor(np.ones((1,) * (self.layout.lead + rank)))

    def _number(self, node: Number) -> Value:
        return self.number(float(node.value))

    def _known(self, node: Known) -> Value:
        return node.value

    def _partial(self, node: Partial) -> Value:
        return partial_derivative(self, node)

    def _program(self, node: Program) -> Value:
        """A Python function at all points; it is written for one."""
        count = self.situation.points
        tensors = [graph.asarray(self.whole(name)) for name in node.parameters]
        spread = [graph.broadcast_to(one, (count, *one.shape[1:])) for one in tensors]
        results = vmap(node.function)(*spread)
        shape = tuple(results.shape)
        lead = (1,) * (FRONT - 1) + shape[:1] + (1,) * len(self.layout.letters)
        array = results.numpy() if self.backend is np else results
        return Value(self.backend.reshape(array, lead + shape[1:]), len(shape) - 1)

    # ---------------------------------------------------------------------- inner nodes

    def _negative(self, node: Negative, values: Sequence[Value]) -> Value:
        return replace(values[0], array=-values[0].array)

    def _add(self, node: Add, values: Sequence[Value]) -> Value:
        return self.elementwise(lambda *terms: sum(terms[1:], terms[0]), *values)

    def _multiply(self, node: Multiply, values: Sequence[Value]) -> Value:
        total, before = values[0], node.factors[0]
        for factor, value in zip(node.factors[1:], values[1:], strict=True):
            axes = linked_axes(self, before, factor)
            if axes is None:
                total = self.elementwise(lambda a, b: a * b, total, value)
            else:
                total = chained(self, total, value, axes)
            before = factor
        return total

    def _matmul(self, node: MatMul, values: Sequence[Value]) -> Value:
        axes = linked_axes(self, node.left, node.right)
        if axes is not None:
            return chained(self, values[0], values[1], axes)
        return matrix_product(self, *values)

    def _divide(self, node: Divide, values: Sequence[Value]) -> Value:
        return self.elementwise(lambda a, b: a / b, *values)

    def _power(self, node: Power, values: Sequence[Value]) -> Value:
        exponent = node.exponent
        if isinstance(exponent, Number) and exponent.value == 2:
            return self.elementwise(lambda base: base * base, values[0])
        return self.elementwise(self.backend.power, *values)

    def _transpose(self, node: Transpose, values: Sequence[Value]) -> Value:
        return transposed(self, values[0])

    def _apply(self, node: Apply, values: Sequence[Value]) -> Value:
        return applied(self, node, values)

    def _big(self, node: Big, values: Sequence[Value]) -> Value:
        return applied(self, node, values)

    def _compare(self, node: Compare, values: Sequence[Value]) -> Value:
        relation = RELATIONS[node.relation]
        return self.elementwise(lambda a, b: self.backend.where(relation(a, b), 1.0, 0.0), *values)

    def _cases(self, node: Cases, values: Sequence[Value]) -> Value:
        count = len(node.conditions)
        conditions, cases = values[:count], values[count:]
        total = cases[-1]
        for condition, case in reversed(list(zip(conditions, cases, strict=False))):
            total = self.elementwise(
                lambda c, a, b: self.backend.where(c != 0, a, b), condition, case, total
            )
        return total

    def _matrix(self, node: Matrix, values: Sequence[Value]) -> Value:
        if any(value.rank for value in values):
            raise Misfit
        arrays = np.broadcast_arrays if self.backend is np else self._broadcast
        flat = self._stack(list(arrays(*(value.array for value in values))), -1)
        rows, columns = len(node.rows), len(node.rows[0])
        front = tuple(flat.shape)[:-1]
        if columns == 1 or rows == 1:
            return Value(self.backend.reshape(flat, (*front, rows * columns)), 1, rows == 1)
        return Value(self.backend.reshape(flat, (*front, rows, columns)), 2)

    # ---------------------------------------------------------------------- help

    def backend_tensor(self, x: Any) -> Any:
        """An array or tensor as this backend has it."""
        return np.asarray(x) if self.backend is np else self.backend.asarray(x)

    def _stack(self, arrays: list[Any], axis: int = 0) -> Any:
        return self.backend.stack(arrays, axis=axis)

    def _broadcast(self, *arrays: Any) -> list[Any]:
        shape = np.broadcast_shapes(*(tuple(array.shape) for array in arrays))
        return [self.backend.broadcast_to(array, shape) for array in arrays]


RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}

LEAVES: dict[type, Callable[[Meaning, Any], Value]] = {
    Symbol: Meaning._symbol,
    Number: Meaning._number,
    Known: Meaning._known,
    Partial: Meaning._partial,
    Program: Meaning._program,
}

INNER: dict[type, Callable[[Meaning, Any, Sequence[Value]], Value]] = {
    Negative: Meaning._negative,
    Add: Meaning._add,
    Multiply: Meaning._multiply,
    MatMul: Meaning._matmul,
    Divide: Meaning._divide,
    Power: Meaning._power,
    Transpose: Meaning._transpose,
    Apply: Meaning._apply,
    Big: Meaning._big,
    Compare: Meaning._compare,
    Cases: Meaning._cases,
    Matrix: Meaning._matrix,
}


def parts(node: Expression) -> tuple[Expression, ...]:
    """The parts that have values of their own; an index that runs has none."""
    take = PARTS.get(type(node))
    return node.children if take is None else take(node)


PARTS: dict[type, Callable[[Any], tuple[Expression, ...]]] = {
    Symbol: lambda node: (),
    Partial: lambda node: (),
    Number: lambda node: (),
    Known: lambda node: (),
    Program: lambda node: (),
    Negative: lambda node: (node.operand,),
    Transpose: lambda node: (node.operand,),
    Add: lambda node: node.terms,
    Multiply: lambda node: node.factors,
    MatMul: lambda node: (node.left, node.right),
    Divide: lambda node: (node.numerator, node.denominator),
    Power: lambda node: (node.base, node.exponent),
    Compare: lambda node: (node.left, node.right),
    Apply: lambda node: node.arguments[:1] if node.function == "element" else node.arguments,
    Big: lambda node: (node.body, *(end for end in (node.lower, node.upper) if end is not None)),
    Cases: lambda node: (*node.conditions, *node.values),
}

"""Which product two things side by side are: of numbers, of matrices, or entry by entry.

``W x`` is a product of matrices where both have axes and their sizes fit, and so is ``a · b``: of
two vectors it is a number. ``a * b`` and ``a ⊙ b`` are entry by entry. What has no declared shape
counts as a number. Two more rules make formulas mean what their writers mean:

* Two arrays of one shape that do not fit as matrices (``X Y`` of n × d each) are multiplied entry
  by entry.
* Inside ``sum(…)``, ``mean(…)`` or a ``Σ`` without an index two vectors side by side are multiplied
  entry by entry: ``mean((t − y) x)`` would be the mean of one number otherwise.

The transpose of a vector is a row, ``1 × n``: ``xᵀ y`` is a number, ``x yᵀ`` is the outer product;
both are a ``MatMul``. Numbers are drawn out of products of arrays, ``(2 X) w`` is read as
``2 (X w)``, and so is a minus. So a formula makes one tree in every syntax.
"""

from collections.abc import Sequence

from chainrule.explain.claims.reading.functions import FUNCTIONS
from chainrule.explain.claims.reading.names import Names, Shape
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Compare,
    Divide,
    Equation,
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

__all__ = ["Products", "added"]


def added(terms: Sequence[Expression]) -> Expression:
    """The sum of the terms; a sum that comes first is continued."""
    if len(terms) == 1:
        return terms[0]
    head = terms[0].terms if isinstance(terms[0], Add) else terms[:1]
    return Add((*head, *terms[1:]))


class Products:
    """Builds products, as far as the shapes of their factors are known."""

    def __init__(self, names: Names) -> None:
        self.names = names
        # Trees are kept beside their shapes, so that no two of them ever share an id.
        self._shapes: dict[int, tuple[Expression, Shape | None]] = {}

    def beside(self, left: Expression, right: Expression, pooled: bool) -> Expression:
        """``a b`` and ``a · b``; ``pooled`` inside of a reduction."""
        first, second = self.shape(left), self.shape(right)
        if not first or not second:
            return self.by_entry(left, right)
        vectors = len(first) == len(second) == 1
        alike = first == second and None not in first
        if (pooled and vectors) or (alike and not vectors and not _fit(first, second)):
            return self.by_entry(left, right)
        return self.matrices(left, right)

    def by_entry(self, left: Expression, right: Expression, arrays: bool = False) -> Expression:
        """``a * b``, and ``a ⊙ b`` of ``arrays``."""
        if isinstance(left, Negative):
            return Negative(self.by_entry(left.operand, right, arrays))
        first, second = self.shape(left), self.shape(right)
        together = arrays or bool(first and second)
        if together:
            *numbers, last = self._numbers_before(left)
            if numbers:
                rest = self._grown((last, right), True)
                return self._kept(Multiply((*numbers, rest)), _broadcast(first, second))
        whole = self._grown((left, right), together)
        return self._kept(whole, _broadcast(first, second))

    def matrices(self, left: Expression, right: Expression) -> Expression:
        """``A B``."""
        if isinstance(left, Negative):
            return Negative(self.matrices(left.operand, right))
        shape = _product(self.shape(left), self.shape(right))
        *numbers, last = self._numbers_before(left)
        inner = self._kept(MatMul(last, right), shape)
        return self._kept(Multiply((*numbers, inner)), shape) if numbers else inner

    def over(self, left: Expression, right: Expression) -> Expression:
        """``a / b``."""
        if isinstance(left, Negative):
            return Negative(self.over(left.operand, right))
        shape = _broadcast(self.shape(left), self.shape(right))
        return self._kept(Divide(left, right), shape)

    def shape(self, tree: Expression) -> Shape | None:
        """The sizes of the axes of a formula; ``None`` where they cannot be known."""
        if id(tree) not in self._shapes:
            self._kept(tree, self._found(tree))
        return self._shapes[id(tree)][1]

    def _kept(self, tree: Expression, shape: Shape | None) -> Expression:
        self._shapes[id(tree)] = (tree, shape)
        return tree

    def _grown(self, factors: tuple[Expression, Expression], arrays: bool) -> Multiply:
        left, right = factors
        if isinstance(left, Multiply) and left.arrays == arrays:
            self._shapes.pop(id(left), None)  # a long product would be kept at every length
            return Multiply((*left.factors, right), arrays)
        return Multiply(factors, arrays)

    def _numbers_before(self, tree: Expression) -> tuple[Expression, ...]:
        """The factors of a product whose last one alone may be an array; else the whole."""
        if not isinstance(tree, Multiply) or tree.arrays:
            return (tree,)
        numbers = tree.factors[:-1]
        return tree.factors if all(self.shape(each) == () for each in numbers) else (tree,)

    def _found(self, tree: Expression) -> Shape | None:
        shapes = [self.shape(part) for part in tree.children]
        match tree:
            case Number():
                return ()
            case Symbol():
                return self.names.shape(tree)
            case Negative() | Add() | Multiply() | Divide() | Power() | Compare() | Cases():
                return _broadcast(*shapes)
            case MatMul():
                return _product(*shapes)
            case Transpose():
                return _turned(shapes[0])
            case Apply():
                return _applied(tree, shapes)
            case Big():
                return shapes[0]
            case Partial():
                return None if None in shapes else (*(shapes[0] or ()), *(shapes[1] or ()))
            case Matrix(rows=rows):
                return (
                    (len(rows),)
                    if all(len(row) == 1 for row in rows)
                    else (len(rows), len(rows[0]))
                )
            case Equation():
                return shapes[0]
        return ()


def _broadcast(*shapes: Shape | None) -> Shape | None:
    """The shape of what is computed entry by entry."""
    if None in shapes:
        return None
    return max((shape for shape in shapes if shape is not None), key=len, default=())


def _fit(left: Shape, right: Shape) -> bool:
    """Whether the last axis of one runs along the axis of the other that is summed."""
    inner = right[0] if len(right) == 1 else right[-2]
    outer = 1 if len(left) == 1 and right[:-1] == (1,) else left[-1]
    return outer == inner or None in (outer, inner)


def _product(left: Shape | None, right: Shape | None) -> Shape | None:
    """The shape of a product of matrices."""
    if left is None or right is None:
        return None
    if not left or not right:
        return left or right
    if len(left) == 1 and right[:-1] == (1,):  # a column times a row
        return (*left, right[-1])
    rows = left[:-1] if left[:-1] != (1,) or len(right) > 1 else ()
    columns = right[-1:] if len(right) > 1 else ()
    return (*rows, *columns)


def _turned(shape: Shape | None) -> Shape | None:
    if shape is None or not shape:
        return shape
    if len(shape) == 1:
        return (1, *shape)
    return (*shape[:-2], shape[-1], shape[-2])


def _applied(tree: Apply, shapes: list[Shape | None]) -> Shape | None:
    """The shape of a function's value."""
    row = FUNCTIONS.get(tree.function)
    result = row.result if row else "same"
    if result == "number":
        return ()
    if result == "sizes":
        return _sizes(tree)
    if None in shapes:
        return None
    first = shapes[0] if shapes else ()
    assert first is not None
    if tree.function == "element":
        return first[len(tree.arguments) - 1 :]
    if result == "reduced":
        return (
            () if tree.axis is None else first[: tree.axis] + first[tree.axis + 1 or len(first) :]
        )
    if result == "diag":
        return first * 2 if len(first) == 1 else first[:1]
    if result == "outer":
        return (*first, *(shapes[1] or ()))
    return _broadcast(*shapes)


def _sizes(tree: Apply) -> Shape | None:
    """The shape of ``ones(n, d)``, ``eye(n)``, ``uniform(a, b, n)``."""
    sizes = [_size(part) for part in tree.arguments]
    if tree.function == "shape":
        return (None,)
    if tree.function == "eye":
        return (sizes[0], sizes[-1]) if sizes else None
    if tree.function == "uniform":
        return tuple(sizes[2:])
    return tuple(sizes) if sizes or tree.function in ("randn", "rand") else None


def _size(tree: Expression) -> str | int | None:
    match tree:
        case Number(value=int(value)):
            return value
        case Symbol(indices=()):
            return tree.key
    return None

"""Formulas as trees: one language for derivations that are printed and for claims that are read.

A formula is a small immutable tree. Printers (:mod:`~chainrule.explain.formulas.text`,
:mod:`~chainrule.explain.formulas.latex`) turn it into text and LaTeX; the reader turns what a user
wrote into it; evaluation turns it into tensors; the search for a mend edits it. A node says what is
*meant*, never how it looks: ``Divide`` is a fraction in LaTeX and a slash on the terminal.

Every node lists its parts in :attr:`Expression.children` and is made anew with others by
:meth:`Expression.with_children`; walks need nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

__all__ = [
    "Add",
    "Apply",
    "Big",
    "Cases",
    "Compare",
    "Divide",
    "Dots",
    "Equation",
    "Expression",
    "MatMul",
    "Matrix",
    "Multiply",
    "Negative",
    "Number",
    "Partial",
    "Power",
    "Symbol",
    "Transpose",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """A formula or a part of one; equal if it says the same in the same form."""

    @property
    def children(self) -> tuple[Expression, ...]:
        """The parts, in the order in which they are read."""
        found: list[Expression] = []
        for name in self._names():
            value = getattr(self, name)
            found += _parts(value)
        return tuple(found)

    def with_children(self, children: Sequence[Expression]) -> Self:
        """The same with other parts, as many as before."""
        rest = iter(children)
        new = {name: _refilled(getattr(self, name), rest) for name in self._names()}
        assert next(rest, None) is None, "more parts than the formula has"
        return replace(self, **new)

    def _names(self) -> list[str]:
        return list(self.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Number(Expression):
    """A number: whole and rational ones exactly, measured ones as floats."""

    value: int | float | Fraction


@dataclass(frozen=True, slots=True)
class Symbol(Expression):
    """A variable: ``w``, ``w_j``, ``x_ij``, ``ŷ``, ``z²`` (the layer's number), ``w¹₃₁``.

    Attributes
    ----------
    name
        Letters without marks; Greek ones by their English name: ``x``, ``alpha``, ``score``.
    accent
        ``""``, ``"hat"``, ``"bar"`` or ``"tilde"``.
    layer
        What stands above as a label and is no power: the number of a layer, ``"(t)"``.
    label
        What stands below as part of the name: ``hh`` of ``W_hh``, ``in`` of ``n_in``.
    indices
        What picks an element: ``(i, j)`` of ``x_ij``.
    """

    name: str
    accent: str = ""
    layer: str = ""
    label: str = ""
    indices: tuple[Expression, ...] = ()

    @property
    def key(self) -> str:
        """What the symbol is called without its indices: ``y_hat``, ``z^2``, ``W_hh``."""
        accent = f"_{self.accent}" if self.accent else ""
        label = f"_{self.label}" if self.label else ""
        layer = f"^{self.layer}" if self.layer else ""
        return f"{self.name}{accent}{label}{layer}"


@dataclass(frozen=True, slots=True)
class Negative(Expression):
    """``-x``."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Add(Expression):
    """A sum of two or more terms; ``a - b`` is ``Add((a, Negative(b)))``."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Multiply(Expression):
    """A product of two or more factors, element by element.

    ``arrays`` where all factors are arrays and that should be seen: ``δ ⊙ a`` and not ``δ · a``.
    """

    factors: tuple[Expression, ...]
    arrays: bool = False


@dataclass(frozen=True, slots=True)
class MatMul(Expression):
    """The product of matrices or of a matrix and a vector; ``x @ w`` of two vectors is a number."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Divide(Expression):
    """A fraction, element by element."""

    numerator: Expression
    denominator: Expression


@dataclass(frozen=True, slots=True)
class Power(Expression):
    """``base ** exponent``, element by element; ``A**-1`` of a matrix is ``Apply("inverse")``."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True, slots=True)
class Transpose(Expression):
    """``A`` with its last two axes exchanged; of a vector, the row."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Apply(Expression):
    """A function of arguments: ``tanh(z)``, ``sum(x, axis=1)``, ``relu'(z)``.

    Attributes
    ----------
    function
        Its name in NumPy's and this library's words: ``exp``, ``log``, ``sigmoid``, ``softmax``,
        ``sum``, ``mean``, ``max``, ``norm``, ``diag``, ``trace``, ``inverse``, ``randn``, …
    arguments
        What it is applied to.
    axis
        The axis that a reduction runs over, where one was given.
    primes
        How often it is differentiated: 1 for ``f'``.
    """

    function: str
    arguments: tuple[Expression, ...]
    axis: int | None = None
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Big(Expression):
    """``Σ_{i=1}^{n} body``, ``Π_i body``, ``max_i body``.

    Attributes
    ----------
    kind
        ``"sum"``, ``"product"``, ``"max"`` or ``"mean"``.
    body
        What is summed.
    index
        The symbol that runs; ``None`` if none was written.
    lower, upper
        The first and the last value, where they were written; else all of the axis.
    """

    kind: str
    body: Expression
    index: Symbol | None = None
    lower: Expression | None = None
    upper: Expression | None = None


@dataclass(frozen=True, slots=True)
class Partial(Expression):
    """``∂ of / ∂ by``; ``total`` where it is written with an upright ``d``."""

    of: Expression
    by: Expression
    total: bool = False


@dataclass(frozen=True, slots=True)
class Compare(Expression):
    """A condition such as ``z > 0``; as a factor it counts 1 or 0 (``1[z > 0]``).

    ``relation`` is one of ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``.
    """

    relation: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Cases(Expression):
    """The first value whose condition holds: ``values[i]`` where ``conditions[i]``, else the last.

    There is one value more than conditions.
    """

    conditions: tuple[Expression, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Matrix(Expression):
    """A matrix or (one column) a vector that is written out; a ``Dots`` stands for what is not."""

    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Dots(Expression):
    """``…``: terms, rows or columns that are not written out."""


@dataclass(frozen=True, slots=True)
class Equation(Expression):
    """``a = b = c``: formula, numbers put in, result."""

    sides: tuple[Expression, ...]


def walk(expression: Expression) -> Iterator[Expression]:
    """The formula and all its parts, outermost first, in reading order.

    Examples
    --------
    >>> from chainrule.explain.formulas.tree import Add, Number, Symbol, walk
    >>> [type(part).__name__ for part in walk(Add((Symbol("x"), Number(1))))]
    ['Add', 'Symbol', 'Number']
    """
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(reversed(part.children))


def _parts(value: object) -> list[Expression]:
    """The formulas in a field, which holds one, a tuple of them, or something else."""
    if isinstance(value, Expression):
        return [value]
    if isinstance(value, tuple):
        return [part for item in value for part in _parts(item)]
    return []


def _refilled(value: object, rest: Iterator[Expression]) -> object:
    if isinstance(value, Expression):
        return next(rest)
    if isinstance(value, tuple):
        return tuple(_refilled(item, rest) for item in value)
    return value

"""Formulas as Python, in the words of NumPy and of this library."""

from collections.abc import Sequence
from types import MappingProxyType

from chainrule.explain.formulas.names import identifier
from chainrule.explain.formulas.numbers import rounded, written
from chainrule.explain.formulas.printer import Level, Piece, Printer
from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Big,
    Cases,
    Divide,
    Equation,
    Expression,
    MatMul,
    Matrix,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)

__all__ = ["PythonPrinter", "to_python"]

BIG = MappingProxyType({"sum": "sum", "product": "prod", "max": "max", "mean": "mean"})


def to_python(expression: Expression, digits: int | None = None) -> str:
    """A formula as valid Python.

    A layer's number is written behind the name (``z2``), indices stand in square brackets, a sum
    over an index is a generator, ``∂J/∂w`` is ``derivative(J, w)``. An equation is an assignment if
    only names stand on its left, else a comparison.

    Parameters
    ----------
    expression
        The formula.
    digits
        How many digits of a measured number count; by default all.

    Examples
    --------
    >>> from chainrule.explain.formulas import Add, Apply, Multiply, Negative, Number, Symbol
    >>> from chainrule.explain.formulas import to_python
    >>> t, y, x = Symbol("t"), Symbol("y", accent="hat"), Symbol("x")
    >>> error = Multiply((Add((t, Negative(y))), x))
    >>> to_python(Multiply((Number(-2), Apply("mean", (error,)))))
    '-2 * mean((t - y_hat) * x)'
    """
    return PythonPrinter(expression, digits, "en").print()


class PythonPrinter(Printer):
    """Python; see :func:`to_python`."""

    sign, minus = "-", " - "
    times = times_arrays = " * "
    # Grouped as the formula is: floating sums depend on the order.
    next_term, next_factor = Level.SIGN, Level.POWER

    def wrapped(self, text: str) -> str:
        """In parentheses."""
        return f"({text})"

    def indicator(self, condition: str) -> str:
        """1 where the condition holds, else 0."""
        return f"({condition})"

    def relation(self, name: str) -> str:
        """The sign of a comparison."""
        return f" {name} "

    def magnitude(self, node: Number) -> tuple[str, Level, bool]:
        """A number without its sign, how tightly that binds, and whether there is a minus."""
        parts = written(node.value, self.digits)
        if parts.denominator:
            return f"{parts.digits} / {parts.denominator}", Level.PRODUCT, parts.negative
        if parts.power is None:
            return parts.digits, Level.ATOM, parts.negative
        return str(abs(rounded(node.value, self.digits))), Level.ATOM, parts.negative

    def label(self, text: str) -> str:
        """What stands below a symbol and picks nothing."""
        return text

    def symbol(self, node: Symbol) -> Piece:
        """``W_hh[i, j]``, ``y_hat``, ``z2``."""
        parts = filter(None, (node.name, node.accent, node.label))
        name = identifier("_".join(parts) + node.layer.replace("\N{PRIME}", "_"))
        indices = ", ".join(map(self.inner, node.indices))
        return Piece(f"{name}[{indices}]" if indices else name)

    def matmul(self, node: MatMul) -> Piece:
        """``A @ B``."""
        left, right = self.first(node.left, Level.PRODUCT), self.next(node.right, Level.POWER)
        return Piece(f"{left.text} @ {right.text}", Level.PRODUCT)

    def divide(self, node: Divide) -> Piece:
        """``a / b``."""
        above, below = (
            self.first(node.numerator, Level.SIGN),
            self.next(node.denominator, Level.POWER),
        )
        return self.following(above, f" / {below.text}", Level.PRODUCT)

    def power(self, node: Power) -> Piece:
        """``x**2``."""
        base, exponent = self.next(node.base, Level.ATOM), self.next(node.exponent, Level.ATOM)
        return Piece(f"{base.text}**{exponent.text}", Level.POWER)

    def transpose(self, node: Transpose) -> Piece:
        """``A.T``."""
        return Piece(f"{self._object(node.operand)}.T")

    def _object(self, part: Expression) -> str:
        """A part that a dot may follow: a number would take it for its point."""
        text = self.next(part, Level.ATOM).text
        return self.wrapped(text) if isinstance(part, Number) else text

    def special(self, function: str, argument: Expression) -> Piece | None:
        """Every function has a name in Python; a condition is a number there."""
        return Piece(f"({self.text(argument)})") if function == "indicator" else None

    def element(self, base: Expression, picked: Symbol) -> Piece:
        """``softmax(z)[i]``."""
        indices = ", ".join(map(self.inner, picked.indices))
        return Piece(f"{self.next(base, Level.ATOM).text}[{indices}]")

    def function(self, node: Apply, arguments: Sequence[str]) -> Piece:
        """``tanh(z)``, ``grad(relu)(z)``, ``sum(x, axis=1)``."""
        name = identifier(node.function)
        for _ in range(node.primes):
            name = f"grad({name})"
        axis = [] if node.axis is None else [f"axis={node.axis}"]
        return Piece(f"{name}({', '.join([*arguments, *axis])})")

    def big(self, node: Big) -> Piece:
        """``sum(body for i in range(1, n + 1))``."""
        name, body = BIG.get(node.kind, identifier(node.kind)), self.inner(node.body)
        if node.index is None:
            return Piece(f"{name}({body})")
        index = self.text(node.index)
        return Piece(f"{name}({body} for {index} in {self._range(node, index)})")

    def _range(self, node: Big, index: str) -> str:
        upper = self._after(node.upper) if node.upper else f"size_{index}"
        if node.lower is None or node.lower == Number(0):
            return f"range({upper})"
        return f"range({self.inner(node.lower)}, {upper})"

    def _after(self, last: Expression) -> str:
        """The end of a range, which Python leaves out."""
        match last:
            case Number(value=int(value)):
                return str(value + 1)
            case Add(terms=(first, Negative(operand=Number(value=1)))):
                return self.inner(first)
        return f"{self.inner(last)} + 1"

    def big_sign(self, node: Big) -> str:
        """The sign is a function; see :meth:`big`."""
        return BIG.get(node.kind, identifier(node.kind))

    def partial(self, node: Partial) -> Piece:
        """``derivative(J, w)``."""
        return Piece(f"derivative({self.inner(node.of)}, {self.inner(node.by)})")

    def cases(self, node: Cases) -> Piece:
        """``where(z > 0, z, 0)``."""
        branches = self.branches(node)
        start = "".join(f"where({condition}, {value}, " for value, condition in branches)
        return Piece(start + self.inner(node.values[-1]) + ")" * len(branches))

    def matrix(self, node: Matrix) -> Piece:
        """``array([[1, 2], [3, 4]])``."""
        rows = (f"[{', '.join(map(self.inner, row))}]" for row in node.rows)
        return Piece(f"array([{', '.join(rows)}])")

    def equation(self, node: Equation) -> Piece:
        """``J = …``, or a comparison where more than names stands on the left."""
        *names, _ = node.sides
        assigns = node is self.expression and all(isinstance(side, Symbol) for side in names)
        sign = " = " if assigns else " == "
        return Piece(sign.join(map(self.inner, node.sides)), Level.EQUATION)

    def dots(self) -> Piece:
        """What is not written out."""
        return Piece("...")

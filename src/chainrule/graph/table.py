"""The closed op table: what an op is, and the ways in which a row states its derivative.

A row says once what an operation means. Everything that needs a derivative (reverse mode, forward
mode, the printed derivation) reads the same entry, which is one of three:

:class:`Local`
    elementwise: the derivative of the output for each input, *as an expression* in the inputs and
    the output ``y``. ``tanh``: ``1 - y * y``.
:class:`Linear`
    the op is linear in some inputs: forward mode applies the op to the tangent, reverse mode
    applies the transpose. ``sum`` ↔ ``broadcast``.
:class:`Tangent`
    anything else: how a tangent passes through, written with linear ops; reverse mode transposes.

All three build graph: they are called with tensors, symbolic or concrete, and use the ops
themselves. Hence derivatives of any order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from chainrule.graph.spec import Spec

__all__ = ["TABLE", "Check", "Example", "Linear", "Local", "Op", "Tangent", "add_row"]


@dataclass(frozen=True)
class Local:
    """Local derivatives of an elementwise op, one expression ``(*inputs, y) -> tensor`` per input.

    A number stands for a constant derivative; ``None`` for an input that has none (a condition).
    """

    expressions: tuple[Callable[..., Any] | float | None, ...]


@dataclass(frozen=True)
class Tangent:
    """``rule(tangents, *inputs, y, **attributes)`` → the output's tangent.

    ``tangents`` has one entry per input, ``None`` where it is zero (at least one is not).
    """

    rule: Callable[..., Any]


@dataclass(frozen=True)
class Linear:
    """The op is linear in the inputs ``inputs`` (``None``: in all).

    Attributes
    ----------
    transpose
        ``(i, g, *inputs, **attributes)`` → the cotangent of input ``i`` for the output's ``g``.
    inputs
        Positions of the inputs in which the op is linear.
    jointly
        True where the op is linear in all of them together (concatenate), False where it is linear
        in each alone (matrix product).
    rest
        The tangent rule for the other inputs, where these have a derivative too.
    """

    transpose: Callable[..., Any]
    inputs: tuple[int, ...] | None = (0,)
    jointly: bool = False
    rest: Tangent | None = None

    def covers(self, i: int) -> bool:
        """Whether the op is linear in input ``i``."""
        return self.inputs is None or i in self.inputs


@dataclass(frozen=True)
class Example:
    """Inputs on which the tests run a row that is not elementwise.

    ``kinds`` says, per input, how to draw it: ``float``, ``spd`` (symmetric positive definite),
    ``lower`` (lower triangular), ``distinct`` (no ties), ``key``, or ``index:n`` (integers from
    ``-n`` to ``n - 1``).
    """

    specs: tuple[Spec, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """How tests exercise a row.

    Attributes
    ----------
    domain
        For elementwise rows: an interval per input.
    kinks
        Inputs (or differences of two inputs) at which the derivative jumps; kept away from.
    kinds
        Number types that the row takes: any of ``f`` float, ``i`` integer, ``b`` bool.
    examples
        For other rows: inputs and attributes.
    tolerance
        Relative error allowed against finite differences.
    """

    domain: tuple[tuple[float, float], ...] = ()
    kinks: tuple[float, ...] = ()
    kinds: str = "f"
    examples: tuple[Example, ...] = ()
    tolerance: float = 1e-6


@dataclass(frozen=True, eq=False)
class Op:
    """One row: everything that an operation means.

    Attributes
    ----------
    name
        The op's name, unique in the table.
    family
        ``elementwise``, ``reduction``, ``movement``, ``product``, ``random`` or ``structure``.
    rule
        Shape rule: specs of the inputs and the attributes → spec of the output (a tuple for an op
        with several outputs). Raises the error that a user sees.
    value
        The NumPy value: arrays and attributes → array (a tuple for several outputs). A row with
        sub-graphs receives the reader that evaluates them as ``run``.
    derivative
        Local derivatives, transpose or tangent rule; ``None`` where the derivative is zero.
    check
        Inputs on which tests exercise the row, and how exact it is.
    """

    name: str
    family: str
    rule: Callable[..., Spec | tuple[Spec, ...]]
    value: Callable[..., Any]
    derivative: Local | Linear | Tangent | None = None
    check: Check = Check()

    def __repr__(self) -> str:
        return self.name


_rows: dict[str, Op] = {}

#: All rows by name; filled when :mod:`chainrule.graph.ops` is imported, and then closed.
TABLE: Mapping[str, Op] = MappingProxyType(_rows)


def add_row(op: Op) -> Op:
    """Enter a row in the table; two rows of one name are a mistake."""
    assert op.name not in _rows, op.name
    _rows[op.name] = op
    return op

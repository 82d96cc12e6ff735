"""The closed op table, and the ways in which a row states its derivative.

A row says once what an operation means. Everything that needs a derivative (reverse mode, forward
mode, the printed derivation) reads the same entry, which is one of three:

:class:`Local`
    elementwise: the derivative of the output for each input, *as an expression* in the inputs and
    the output ``y``. ``tanh``: ``1 - y * y``.
:class:`Linear`
    the op is linear in some inputs: forward mode applies the op to the tangent, reverse mode applies
    the transpose. ``sum`` ↔ ``broadcast``.
:class:`Tangent`
    anything else: how a tangent passes through, written with linear ops; reverse mode transposes it.

All three build graph: they are called with tensors, symbolic or concrete, and use the ops
themselves. Hence derivatives of any order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chainrule.graph.node import Op
from chainrule.graph.spec import Spec

__all__ = ["TABLE", "Check", "Example", "Linear", "Local", "Tangent", "add_row"]

TABLE: dict[str, Op] = {}


@dataclass(frozen=True)
class Local:
    """Local derivatives of an elementwise op, one expression ``(*inputs, y) -> tensor`` per input.

    A number stands for a constant derivative; ``None`` for an input that has none (a condition).
    """

    expressions: tuple[Callable[..., Any] | float | None, ...]


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
    rest: "Tangent | None" = None

    def covers(self, i: int) -> bool:
        """Whether the op is linear in input ``i``."""
        return self.inputs is None or i in self.inputs


@dataclass(frozen=True)
class Tangent:
    """``rule(tangents, *inputs, y, **attributes)`` → the output's tangent.

    ``tangents`` has one entry per input, ``None`` where it is zero (at least one is not).
    """

    rule: Callable[..., Any]


@dataclass(frozen=True)
class Example:
    """Inputs on which the tests run a row that is not elementwise.

    ``kinds`` says, per input, how to draw it: ``float``, ``spd`` (symmetric positive definite),
    ``lower`` (lower triangular), ``distinct`` (no ties), ``key``, or ``index:n`` (integers below n).
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


def add_row(op: Op) -> Op:
    """Enter a row in the table; two rows of one name are a mistake."""
    assert op.name not in TABLE, op.name
    TABLE[op.name] = op
    return op

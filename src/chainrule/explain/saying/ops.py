"""How each op of the table is said: its formula, and its derivative read from the table's own row.

An elementwise row states its derivatives as expressions on tensors; here they are traced and the
small graph is said in its turn, so no derivative is written twice.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from chainrule.explain.formulas.tree import (
    Apply,
    Divide,
    Expression,
    Negative,
    Number,
    Symbol,
)
from chainrule.explain.saying.algebra import (
    ONE,
    ZERO,
    cases,
    compared,
    divided,
    negated,
    number,
    powered,
    product,
    total,
)
from chainrule.graph import Graph, Spec
from chainrule.graph.node import Node
from chainrule.graph.table import TABLE, Local
from chainrule.graph.trace import trace

__all__ = ["ELEMENTWISE", "MOVED", "REFUSED", "local_derivatives", "said"]

Said = Callable[..., Expression]


def _function(name: str) -> Said:
    return lambda *parts: Apply(name, parts)


#: The formula of each elementwise op from the formulas of its inputs.
ELEMENTWISE: Mapping[str, Said] = MappingProxyType(
    {
        "add": total,
        "subtract": lambda a, b: total(a, negated(b)),
        "multiply": product,
        "divide": divided,
        "power": powered,
        "negative": negated,
        "reciprocal": lambda x: divided(ONE, x),
        "square": lambda x: powered(x, Number(2)),
        "sqrt": _function("sqrt"),
        "abs": _function("abs"),
        "sign": _function("sign"),
        "floor_divide": lambda a, b: Apply("floor", (divided(a, b),)),
        "remainder": _function("remainder"),
        "floor": _function("floor"),
        "ceil": _function("ceil"),
        "trunc": _function("trunc"),
        "round": _function("round"),
        "exp": _function("exp"),
        "expm1": lambda x: total(Apply("exp", (x,)), Negative(ONE)),
        "log": _function("log"),
        "log1p": lambda x: Apply("log", (total(ONE, x),)),
        "sin": _function("sin"),
        "cos": _function("cos"),
        "tanh": _function("tanh"),
        "arctan2": _function("arctan2"),
        "sigmoid": _function("sigmoid"),
        "erf": _function("erf"),
        "maximum": _function("maximum"),
        "minimum": _function("minimum"),
        "less": lambda a, b: compared("<", a, b),
        "less_equal": lambda a, b: compared("<=", a, b),
        "equal": lambda a, b: compared("==", a, b),
        "not_equal": lambda a, b: compared("!=", a, b),
        "bitwise_and": product,  # of conditions, which count 1 or 0
        "where": cases,
        "cast": lambda x: x,
        "stop_gradient": lambda x: x,
    }
)

#: Ops that only say which element stands where, and sums: the reader follows the places.
MOVED = frozenset(
    {
        "input", "constant", "pick", "call", "broadcast_to", "reshape", "transpose", "slice",
        "sum", "matmul",
    }
)  # fmt: skip

#: Ops that are said by their numbers alone: the local Jacobian, computed by automatic
#: differentiation. Each with the reason.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "bitwise_or": "of bits or conditions; it has no derivative",
        "bitwise_xor": "of bits or conditions; it has no derivative",
        "bitwise_not": "of bits or conditions; it has no derivative",
        "gather": "which element stands where depends on data",
        "scatter": "which element stands where depends on data",
        "scatter_add": "which element stands where depends on data",
        "flip": "elements change places; the derivative is 1 at the element's new place",
        "pad": "elements change places; the derivative is 1 at the element's new place",
        "concatenate": "elements change places; the derivative is 1 at the element's new place",
        "max": "the derivative goes to the largest element, which depends on data",
        "min": "the derivative goes to the smallest element, which depends on data",
        "argmax": "a place; it has no derivative",
        "argmin": "a place; it has no derivative",
        "argsort": "places; it has no derivative",
        "cumsum": "every element is a sum of another length",
        "cholesky": "a factorisation has no formula for one element",
        "triangular_solve": "a solution has no formula for one element",
        "random_bits": "random; it has no derivative",
        "scan": "a loop: its body is said where it is opened",
        "while": "a loop whose length depends on data",
    }
)


def local_derivatives(
    node: Node, inputs: Sequence[Expression], output: Expression
) -> list[Expression]:
    """The derivative of an elementwise node by each of its inputs, as formulas.

    Parameters
    ----------
    node
        The node.
    inputs
        The formulas of its inputs.
    output
        What its result is called, for rows that state their derivative in it (``1 − a²``).
    """
    if not isinstance(node.op.derivative, Local):
        through = 1 if node.op.name == "cast" and node.inputs[0].spec.dtype.kind == "f" else 0
        return [Number(through) for _ in inputs]
    found = []
    for position in range(len(inputs)):
        stated = node.op.derivative.expressions[position]
        if stated is None or isinstance(stated, (int, float)):
            found.append(_number(stated))
        else:
            graph = _traced(node.op.name, position, len(inputs))
            found.append(said(graph, [*inputs, output]))
    return found


def _number(stated: float | None) -> Expression:
    return ZERO if stated is None else Number(int(stated) if stated == int(stated) else stated)


@cache
def _traced(name: str, position: int, count: int) -> Graph:
    """A row's derivative by one input as a graph of numbers."""
    derivative = TABLE[name].derivative
    assert isinstance(derivative, Local)
    expression: Any = derivative.expressions[position]
    return trace(lambda *parts: expression(*parts), [Spec((), np.float64)] * (count + 1)).graph


def said(graph: Graph, inputs: Sequence[Expression]) -> Expression:
    """The formula of a graph of elementwise ops on numbers."""
    found: dict[Node, Expression] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        if node.op.name == "constant":
            found[node] = _constant(node)
        elif node.op.name in ("broadcast_to", "reshape"):
            found[node] = found[node.inputs[0]]
        else:
            found[node] = ELEMENTWISE[node.op.name](*(found[child] for child in node.inputs))
    return found[graph.outputs[0]]


def _constant(node: Node) -> Expression:
    value = node.attributes["value"].array.reshape(-1)[0]
    if value == 2 / math.sqrt(math.pi):  # the only constant of the table that has a name
        return Divide(Number(2), Apply("sqrt", (Symbol("pi"),)))
    return number(value)

"""Derivatives of functions, written out."""

from dataclasses import replace

from chainrule.explain.formulas.tree import (
    Add,
    Apply,
    Cases,
    Compare,
    Divide,
    Expression,
    Multiply,
    Negative,
    Number,
    Power,
)

__all__ = ["written_slope"]

ONE = Number(1)


def written_slope(node: Apply) -> Expression | None:
    """The derivative of ``f(z)`` by ``z`` as a formula without a prime; ``None`` if none is kept.

    Examples
    --------
    >>> from chainrule.explain.claims.search.slopes import written_slope
    >>> from chainrule.explain.formulas import Apply, Symbol, to_text
    >>> to_text(written_slope(Apply("tanh", (Symbol("z"),))))
    '1 − tanh(z)²'
    """
    if node.primes or len(node.arguments) != 1:
        return None
    (z,) = node.arguments
    positive = Compare(">", z, Number(0))
    sigmoid = Apply("sigmoid", (z,))
    rest = Add((ONE, Negative(sigmoid)))
    match node.function:
        case "identity":
            return ONE
        case "sigmoid":
            return Multiply((sigmoid, rest))
        case "tanh":
            return Add((ONE, Negative(Power(node, Number(2)))))
        case "relu":
            return positive
        case "leaky_relu":
            return Cases((positive,), (ONE, Number(0.01)))
        case "elu":
            return Cases((positive,), (ONE, Apply("exp", (z,))))
        case "softplus":
            return sigmoid
        case "silu":
            return Multiply((sigmoid, Add((ONE, Multiply((z, rest))))))
        case "sin" | "cos":
            return replace(node, function="cos" if node.function == "sin" else "sin")
        case "log":
            return Divide(ONE, z)
        case "abs":
            return replace(node, function="sign")
        case "exp":
            return node
    return None

"""Steps and what they pass back as formulas, in symbols and with the numbers put in."""

from dataclasses import replace

import numpy as np

from chainrule.explain.formulas import (
    Add,
    Apply,
    Big,
    Divide,
    Equation,
    Expression,
    MatMul,
    Multiply,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)
from chainrule.explain.formulas.arrays import as_formula, as_matrix, is_small
from chainrule.explain.formulas.names import subscript
from chainrule.explain.walking.forms import Naming, whole_form
from chainrule.explain.walking.passing import Passed, is_linear, role
from chainrule.explain.walking.walkthrough import Step

__all__ = ["COST", "derivative", "forward_equations", "passed_equation", "with_numbers"]

#: The cost, as all derivatives name it.
COST = Symbol("J")
ROW = Symbol("i")


def derivative(of: Expression) -> Partial:
    """``∂J/∂of``."""
    return Partial(COST, of)


def forward_equations(step: Step, name: Naming) -> list[Equation]:
    """``z¹ = x w¹ + b¹ = [...]``: what a step computes, and the results that are short."""
    formula = _forward(step, name)
    formulas = [formula]
    if len(step.outputs) > 1:  # scan₁(…), scan₂(…)
        formulas = [
            Apply(f"{step.name}{subscript(str(i + 1))}", formula.children) for i in step.picks
        ]
    return [
        Equation((name(output), made, *with_numbers(output.array)))
        for output, made in zip(step.outputs, formulas, strict=True)
    ]


def passed_equation(piece: Passed, name: Naming, *, whole: bool) -> Equation:
    """``∂J/∂x = ∂J/∂z wᵀ = [...] [...] = [...]``: formula, numbers put in, result.

    ``whole`` if this is all that the value receives; a part of it has no name of its own.
    """
    sides: list[Expression] = [derivative(name(piece.value))] if whole else []
    symbols = _symbols(piece, name)
    if symbols not in sides:
        sides.append(symbols)
    return Equation((*sides, *_numbers(piece), *with_numbers(piece.product)))


def with_numbers(array: np.ndarray) -> tuple[Expression, ...]:
    """The array as a further side of an equation, if it is small."""
    return (as_formula(array),) if is_small(array) else ()


# ---------------------------------------------------------------------- forward
def _forward(step: Step, name: Naming) -> Expression:
    known = whole_form(step, name)
    if known is not None:
        return known
    parts = [name(value) for value in step.inputs]
    match step.name, parts:
        case "Linear", _ if is_linear(step):
            by_role = {role(step, i): part for i, part in enumerate(parts)}
            product = MatMul(by_role["x"], by_role["weight"])
            return Add((product, by_role["bias"])) if "bias" in by_role else product
        case "add", [a, b]:
            return Add((a, b))
        case "subtract", [a, b]:
            return Add((a, Negative(b)))
        case "multiply", [a, b]:
            return Multiply((a, b), arrays=step.output.shape != ())
        case "divide", [a, b]:
            return Divide(a, b)
        case "power", [a, b]:
            return Power(a, b)
        case "square", [a]:
            return Power(a, Number(2))
        case "negative", [a]:
            return Negative(a)
        case "matmul", [a, b]:
            return MatMul(a, b)
        case "Embedding", [Symbol() as table, ids]:
            return replace(table, indices=(ids,))
        case "transpose", [a] if step.output.array.ndim == 2:
            return Transpose(a)
    if step.kind is not None and step.kind.family == "norm":
        parts = sorted(parts, key=lambda part: getattr(part, "name", "") in ("gamma", "beta"))
    if step.kind is not None and step.kind.family == "loss":
        parts = sorted(parts, key=lambda part: part == Symbol("t"))
    return Apply(step.name, tuple(parts))


# ---------------------------------------------------------------------- backward
def _symbols(piece: Passed, name: Naming) -> Expression:
    """Local times upstream derivative."""
    step, upstream = piece.step, derivative(name(piece.step.output))
    match piece.form:
        case "left":
            return MatMul(upstream, Transpose(name(step.inputs[piece.partner])))
        case "right":
            return MatMul(Transpose(name(step.inputs[piece.partner])), upstream)
        case "repeat":
            return upstream if piece.upstream.size == piece.product.size else _sum_of(upstream)
        case "each" | "scale":
            local = _local(piece, name)
            if name(step.output) == COST:
                return local
            return Multiply((upstream, local), arrays=piece.form == "each")
    terms = [
        MatMul(derivative(name(output)), Partial(name(output), name(piece.value)))
        for output in step.outputs
        if output.gradient is not None
    ]
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


def _local(piece: Passed, name: Naming) -> Expression:
    """``φ'(z)`` of an activation, else ``∂y/∂x``."""
    step = piece.step
    is_activation = step.kind is not None and step.kind.family == "activation"
    if is_activation and len(step.inputs) == 1 and step.name != "attention_weights":
        return Apply(step.name, (name(piece.value),), primes=1)
    return Partial(name(step.output), name(piece.value))


def _sum_of(upstream: Partial) -> Expression:
    """``Σᵢ ∂J/∂zᵢ``: over the rows."""
    of = upstream.by
    return Big(
        "sum", derivative(replace(of, indices=(ROW,)) if isinstance(of, Symbol) else of), ROW
    )


def _numbers(piece: Passed) -> tuple[Expression, ...]:
    """The numbers put in, where all of them are short."""
    if not (is_small(piece.upstream) and is_small(piece.product)):
        return ()
    upstream = as_formula(piece.upstream)
    match piece.form:
        case "left" if is_small(piece.local):
            return (MatMul(upstream, as_formula(_transposed(piece.local))),)
        case "right" if is_small(piece.local):
            return (MatMul(as_formula(_transposed(piece.local)), upstream),)
        case "each" | "scale" if is_small(piece.local):
            if piece.step.output.gradient is piece.upstream and _is_one(piece.upstream):
                return ()
            return (Multiply((upstream, as_formula(piece.local)), arrays=piece.form == "each"),)
    return ()


def _transposed(array: np.ndarray) -> np.ndarray:
    return as_matrix(array).T if as_matrix(array).ndim <= 2 else array


def _is_one(array: np.ndarray) -> bool:
    return array.size == 1 and bool(array.reshape(-1)[0] == 1)

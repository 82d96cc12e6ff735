"""Derivatives inside formulas: ``∂L/∂a · ∂a/∂W``, each by automatic differentiation.

``∂y/∂x`` treats ``x`` as a variable, whether it is an input or has a definition, and follows the
definitions of ``y`` until they reach ``x``. Its axes are those of ``y``, then those of ``x``. In a
chain ``∂L/∂a · ∂a/∂W`` the product sums over all elements of ``a``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import graph
from chainrule.autodiff import jacobian
from chainrule.explain.claims.placing import placed
from chainrule.explain.claims.values import FRONT, POINTS, Misfit, Value
from chainrule.explain.formulas.tree import Expression, MatMul, Multiply, Partial, Symbol, walk

if TYPE_CHECKING:
    from chainrule.explain.claims.meaning import Meaning, Situation

__all__ = ["chained", "depends_on", "linked_axes", "partial_derivative"]


def partial_derivative(meaning: Meaning, node: Partial) -> Value:
    """The value of ``∂ of / ∂ by`` where everything has its value of ``meaning``.

    Raises
    ------
    Misfit
        If ``by`` is no symbol.
    """
    by = node.by
    if not isinstance(by, Symbol):
        raise Misfit
    point = meaning.whole(by.key)
    of = meaning.value(node.of)
    if depends_on(meaning.situation, node.of, by.key):
        slopes = _jacobian(meaning, node.of, by.key, point, of)
    else:
        shape = (*of.array.shape, *point.shape[1:])
        slopes = meaning.backend_tensor(np.zeros(shape))
    return _placed_by(meaning, slopes, of, by, len(point.shape) - 1)


def depends_on(situation: Situation, formula: Expression, key: str) -> bool:
    """Whether a symbol occurs in a formula or in what its symbols stand for."""
    seen: set[str] = set()
    waiting = [formula]
    while waiting:
        for part in walk(waiting.pop()):
            names = (
                [part.key] if isinstance(part, Symbol) else list(getattr(part, "parameters", ()))
            )
            for name in names:
                if name == key:
                    return True
                if name in seen:
                    continue
                seen.add(name)
                if name in situation.definitions:
                    waiting.append(situation.definitions[name].body)
                if name in situation.calls:
                    waiting.append(situation.calls[name])
    return False


def linked_axes(meaning: Meaning, left: Expression, right: Expression) -> int | None:
    """How many axes two derivatives share: of ``a`` in ``∂L/∂a · ∂a/∂W``; else ``None``."""
    before, after = _last_partial(left), _first_partial(right)
    if before is None or after is None:
        return None
    middle = before.by
    if not isinstance(middle, Symbol) or middle != after.of or middle.indices:
        return None
    return len(meaning.whole(middle.key).shape) - 1


def chained(meaning: Meaning, left: Value, right: Value, axes: int) -> Value:
    """The product of two derivatives, summed over their ``axes`` common ones."""
    if axes == 0:
        lead = meaning.layout.lead
        a = left.array.reshape((*left.array.shape, *(1,) * right.rank))
        shape = tuple(right.array.shape)
        b = right.array.reshape(shape[:lead] + (1,) * left.rank + shape[lead:])
        return Value(a * b, left.rank + right.rank)
    lead = meaning.layout.lead
    front, last = tuple(left.array.shape), tuple(right.array.shape)
    if left.rank < axes or front[len(front) - axes :] != last[lead : lead + axes]:
        raise Misfit
    inner = int(np.prod(front[len(front) - axes :]))
    outer = front[lead : len(front) - axes]
    rest = last[lead + axes :]
    a = left.array.reshape((*front[:lead], -1, inner))
    b = right.array.reshape((*last[:lead], inner, -1))
    product = a @ b
    return Value(
        product.reshape((*tuple(product.shape)[:lead], *outer, *rest)), len(outer) + len(rest)
    )


def _jacobian(meaning: Meaning, formula: Expression, key: str, point: Any, of: Value) -> Any:
    """The derivative: the axes of ``of``, then those of the symbol."""
    if hasattr(meaning.backend, "derivative"):
        return _by_algebra(meaning, formula, key, point)

    def total(x: Any) -> Any:
        # Points do not influence each other: the derivative of their sum holds all derivatives.
        inner = meaning.with_replaced(graph, {key: x})
        return graph.sum(inner.value(formula).array, axis=POINTS)

    slopes = jacobian(total)(graph.asarray(point))
    if meaning.backend is np:
        slopes = slopes.numpy()
    outputs = of.array.ndim - 1
    order = [*range(POINTS), outputs, *range(POINTS, outputs)]
    order += range(outputs + 1, len(slopes.shape))
    return meaning.backend.transpose(slopes, order)


def _by_algebra(meaning: Meaning, formula: Expression, key: str, point: Any) -> Any:
    """The derivative of symbols by symbols."""
    backend = meaning.backend
    variable = backend.symbols(f"{key}!", tuple(point.shape)[1:])
    inner = meaning.with_replaced(backend, {key: variable})
    slopes = backend.derivative(inner.value(formula).array, variable.reshape(variable.shape[1:]))
    values = dict(zip(variable.reshape(-1), point.reshape(-1), strict=True))
    return backend.substituted(slopes, values)


def _placed_by(meaning: Meaning, slopes: Any, of: Value, by: Symbol, rank: int) -> Value:
    """The axes of the symbol go where its indices are, and those without one to the end."""
    lead = meaning.layout.lead
    picks = [meaning.positions(index) for index in by.indices]
    if not picks:
        return Value(slopes, of.rank + rank)
    if not of.rank:
        return placed(meaning.backend, meaning.layout, slopes, lead, picks, rank)
    own = list(range(lead, lead + of.rank))
    others = list(range(lead + of.rank, lead + of.rank + rank))
    array = meaning.backend.transpose(slopes, [*range(lead), *others, *own])
    value = placed(meaning.backend, meaning.layout, array, lead, picks, rank)
    if value.rank:  # some axes of the symbol stayed before those of what is differentiated
        array, axes = value.array, list(range(lead + value.rank))
        order = [*range(lead), *range(lead + value.rank, lead + value.rank + of.rank)]
        return Value(meaning.backend.transpose(array, [*order, *axes[lead:]]), of.rank + value.rank)
    return replace(value, rank=of.rank)


def _last_partial(node: Expression) -> Partial | None:
    while isinstance(node, Multiply | MatMul):
        node = node.factors[-1] if isinstance(node, Multiply) else node.right
    return node if isinstance(node, Partial) else None


def _first_partial(node: Expression) -> Partial | None:
    while isinstance(node, Multiply | MatMul):
        node = node.factors[0] if isinstance(node, Multiply) else node.left
    return node if isinstance(node, Partial) else None


assert FRONT == POINTS + 1

"""Whole matrices of derivatives, and products with them: ``jacobian``, ``hessian``, ``hvp``."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.autodiff.transforms import (
    checked_function,
    floating_leaves,
    grad,
    positions,
    push_forward,
    vjp,
    vmap,
)
from chainrule.errors import GradientError
from chainrule.graph.ops.movement import reshape
from chainrule.graph.tensor import Tensor, asarray
from chainrule.trees import tree_flatten, tree_map, tree_unflatten

__all__ = ["hessian", "hvp", "jacobian"]

Function = Callable[..., Any]


def jacobian(
    function: Function, argnums: int | Sequence[int] = 0, mode: str = "reverse"
) -> Function:
    """A function that returns the Jacobian ``∂ output / ∂ input`` of ``function``.

    Parameters
    ----------
    function
        Returns a tree of tensors.
    argnums
        Which argument(s) to differentiate by.
    mode
        ``"reverse"``: one pullback per output element; ``"forward"``: one push per input element.
        Choose reverse for few outputs, forward for few inputs; both are one batched call.

    Returns
    -------
    callable
        For every output leaf of shape ``s`` a tree like the argument, with leaves of shape
        ``s + leaf.shape``; for a sequence ``argnums`` a tuple of such trees.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.jacobian(lambda x: x * x)(cr.tensor([1.0, 2.0]))
    Tensor f32[2, 2]
    [[2. 0.]
     [0. 4.]]
    """
    checked_function("jacobian", function)
    by_mode = {"reverse": _by_rows, "forward": _by_columns}
    if mode not in by_mode:
        raise GradientError("autodiff.mode", mode=mode)

    @functools.wraps(function)
    def transformed(*arguments: Any, **keywords: Any) -> Any:
        chosen = positions("jacobian", argnums, len(arguments))
        one = isinstance(argnums, int)

        def of_chosen(tree: Any) -> Any:
            full = list(arguments)
            for i, argument in zip(chosen, [tree] if one else tree, strict=True):
                full[i] = argument
            return function(*full, **keywords)

        argument = arguments[chosen[0]] if one else tuple(arguments[i] for i in chosen)
        return by_mode[mode](of_chosen, argument)

    return transformed


def _by_rows(function: Function, argument: Any) -> Any:
    value, pullback = vjp(function, argument)
    outputs, definition = tree_flatten(value)
    if not outputs:
        return value

    def row(*unit: Tensor) -> Any:
        return pullback(tree_unflatten(definition, unit))[0]

    rows = vmap(row)(*_basis(outputs))  # leaves [outputs, *input shape]
    blocks = [
        tree_map(lambda r, at=at, y=y: reshape(r[at], (*y.shape, *r.shape[1:])), rows)
        for at, y in zip(_ranges(outputs), outputs, strict=True)
    ]
    return tree_unflatten(definition, blocks)


def _by_columns(function: Function, argument: Any) -> Any:
    inputs, definition = floating_leaves("jacobian", argument, 0)
    if not inputs:
        return tree_map(lambda _: argument, function(argument))

    def column(*unit: Tensor) -> Any:
        direction = tree_unflatten(definition, unit)
        return push_forward("jacobian", function, (argument,), (direction,))[1]

    columns = vmap(column, out_axes=-1)(*_basis(inputs))  # leaves [*output shape, inputs]

    def block(c: Tensor) -> Any:
        parts = [
            reshape(c[..., at], (*c.shape[:-1], *x.shape))
            for at, x in zip(_ranges(inputs), inputs, strict=True)
        ]
        return tree_unflatten(definition, parts)

    return tree_map(block, columns)


def _basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The unit vectors of the space that the tensors span together, stacked along a first axis."""
    total = sum(t.size for t in tensors)
    stacked = []
    for at, t in zip(_ranges(tensors), tensors, strict=True):
        block = np.zeros((total, t.size), t.dtype)
        block[at] = np.eye(t.size, dtype=t.dtype)
        stacked.append(asarray(block.reshape(total, *t.shape)))
    return stacked


def _ranges(tensors: Sequence[Tensor]) -> list[slice]:
    """Where the elements of each tensor stand when all are laid end to end."""
    ends = np.cumsum([t.size for t in tensors], dtype=int).tolist()
    return [slice(end - t.size, end) for end, t in zip(ends, tensors, strict=True)]


def hessian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns the matrix of second derivatives, forward over reverse.

    For a tree argument the result is a tree of trees, one block per pair of leaves.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.hessian(lambda x: (x**3).sum())(cr.tensor([1.0, 2.0]))
    Tensor f32[2, 2]
    [[ 6.  0.]
     [ 0. 12.]]
    """
    return jacobian(grad(function, argnums), argnums, mode="forward")


def hvp(function: Function) -> Function:
    """A function that returns the Hessian of ``function`` times a vector, without the Hessian.

    It is the derivative of the gradient in the direction of the vector, forward over reverse
    (Pearlmutter 1994, "Fast exact multiplication by the Hessian").

    Returns
    -------
    callable
        ``(argument, vector, *rest)`` → a tree like ``argument``, where
        ``function(argument, *rest)`` returns one number.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.hvp(lambda x: (x**3).sum())(cr.tensor([1.0, 2.0]), cr.tensor([1.0, 1.0])).tolist()
    [6.0, 12.0]
    """
    gradient = grad(function)

    @functools.wraps(function)
    def transformed(argument: Any, vector: Any, *rest: Any, **keywords: Any) -> Any:
        def at(point: Any) -> Any:
            return gradient(point, *rest, **keywords)

        return push_forward("hvp", at, (argument,), (vector,))[1]

    return transformed

"""Transformations of functions of trees: ``grad``, ``jvp``, ``vjp``, ``vmap``, ``jacobian``, …

Each takes a function and returns a function; they nest in any order and to any depth. A call traces
the function on fresh placeholders, transforms the graph, and replays it on the arguments. Only the
arguments that are transformed become placeholders; the others keep their numbers.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.autodiff.forward import forward
from chainrule.autodiff.reverse import halves, reverse
from chainrule.autodiff.vectorize import vectorize
from chainrule.errors import GradientError, ShapeError
from chainrule.graph.functions import zeros_like
from chainrule.graph.ops.movement import moveaxis, reshape
from chainrule.graph.tensor import Tensor, asarray
from chainrule.graph.trace import Trace, is_array, replay, trace
from chainrule.trees import TreeDef, tree_flatten, tree_map, tree_unflatten

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp", "vmap"]

Function = Callable[..., Any]


def _floating(tree: Any, who: str) -> tuple[list[Tensor], TreeDef]:
    """The leaves of an argument as tensors that have derivatives."""
    leaves, definition = tree_flatten(tree)
    tensors = []
    for path, leaf in zip(definition.paths, leaves, strict=True):
        if not is_array(leaf) and not isinstance(leaf, int):
            raise GradientError("autodiff.not_array", who=who, path=path or "0", got=type(leaf).__name__)
        value = asarray(leaf)
        if not value.spec.is_float:
            raise GradientError("autodiff.not_float", who=who, path=path or "0", spec=value.spec)
        tensors.append(value)
    return tensors, definition


def _traced(
    function: Function, who: str, arguments: Sequence[Any], moving: Sequence[int]
) -> tuple[Trace, list[Tensor], list[TreeDef]]:
    """Trace ``function`` with the ``moving`` arguments as placeholders.

    Returns the trace, the moving leaves followed by the captured values, and the moving arguments'
    tree shapes.
    """
    for i in moving:
        if not -len(arguments) <= i < len(arguments):
            raise GradientError("autodiff.argnums", who=who, argnums=tuple(moving), count=len(arguments))
    opened = [_floating(arguments[i], who) for i in moving]
    tensors = [t for leaves, _ in opened for t in leaves]
    definitions = [definition for _, definition in opened]

    def flat(*values: Tensor) -> Any:
        rest = iter(values)
        full = list(arguments)
        for i, definition in zip(moving, definitions, strict=True):
            full[i] = tree_unflatten(definition, rest)
        return function(*full)

    names = [path or f"in{k}" for k, d in enumerate(definitions) for path in d.paths]
    traced = trace(flat, [t.spec for t in tensors], names)
    return traced, [*tensors, *traced.captured], definitions


def _positions(argnums: int | Sequence[int]) -> tuple[int, ...]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)


def value_and_grad(
    function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """A function that returns the value of ``function`` and its gradient, by reverse mode.

    Parameters
    ----------
    function
        Returns one floating number (shape ``()``).
    argnums
        Which argument(s) to differentiate by: trees of floating tensors.
    has_aux
        ``function`` returns ``(value, anything)``; then so does the new one in place of the value.

    Returns
    -------
    callable
        Same arguments → ``(value, gradient)``; the gradient has the tree shape of the argument.

    Raises
    ------
    GradientError
        If the value is not one floating number, or the argument has leaves that are not floating.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, gradient = cr.value_and_grad(lambda w: (w * w).sum())(cr.tensor([1.0, 2.0]))
    >>> value.item(), gradient.tolist()
    (5.0, [2.0, 4.0])
    """
    moving = _positions(argnums)

    @functools.wraps(function)
    def transformed(*arguments: Any) -> Any:
        traced, inputs, definitions = _traced(function, "grad", arguments, moving)
        graph = traced.graph
        count = sum(d.leaf_count for d in definitions)
        _check_scalar(traced, has_aux)
        wanted = [i < count for i in range(len(graph.inputs))]
        specs = [spec for spec in graph.output_specs if spec.is_float]
        seeds = [asarray(np.ones((), specs[0].dtype)), *(asarray(np.zeros(s.shape, s.dtype)) for s in specs[1:])]
        results = replay(reverse(graph, wanted), [*inputs, *seeds])
        outputs, gradients = results[: len(graph.outputs)], iter(results[len(graph.outputs) :])
        trees = [tree_unflatten(d, gradients) for d in definitions]
        value = tree_unflatten(traced.output, outputs)
        return value, trees[0] if isinstance(argnums, int) else tuple(trees)

    return transformed


def _check_scalar(traced: Trace, has_aux: bool) -> None:
    specs = traced.graph.output_specs
    if has_aux and (traced.output.kind is not tuple or len(traced.output.children) != 2):
        raise GradientError("autodiff.aux")
    single = traced.output.children[0] if has_aux else traced.output
    if single.leaf_count != 1 or specs[0].shape != () or not specs[0].is_float:
        raise GradientError("autodiff.not_scalar", specs=", ".join(map(repr, specs)))


def grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``function``; see :func:`value_and_grad`.

    With ``has_aux`` it returns ``(gradient, aux)``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(cr.tanh)(0.0).item()
    1.0
    >>> cr.grad(cr.grad(lambda x: x**3))(2.0).item()
    12.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def transformed(*arguments: Any) -> Any:
        value, gradient = both(*arguments)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def vjp(function: Function, *arguments: Any) -> tuple[Any, Function]:
    """The value at ``arguments``, and a function that pulls cotangents back (reverse mode).

    Returns
    -------
    value, pullback
        ``pullback(cotangents)`` takes a tree like ``value`` and returns one cotangent tree per
        argument: the cotangent times the Jacobian.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, pullback = cr.vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> [g.item() for g in pullback(1.0)]
    [3.0, 2.0]
    """
    moving = range(len(arguments))
    traced, inputs, definitions = _traced(function, "vjp", arguments, moving)
    graph = traced.graph
    count = sum(d.leaf_count for d in definitions)
    split = halves(graph, [i < count for i in range(len(graph.inputs))])
    results = replay(split.forward, inputs)
    outputs, saved = results[: len(graph.outputs)], results[len(graph.outputs) :]

    def pullback(cotangents: Any) -> tuple[Any, ...]:
        leaves = _like(traced.output, graph.output_specs, cotangents, "vjp")
        upstream = [g for g, s in zip(leaves, graph.output_specs, strict=True) if s.is_float]
        gradients = iter(replay(split.backward, [*inputs, *saved, *upstream]))
        return tuple(tree_unflatten(d, gradients) for d in definitions)

    return tree_unflatten(traced.output, outputs), pullback


def _like(definition: TreeDef, specs: Sequence[Any], tree: Any, who: str) -> list[Tensor]:
    """The leaves of ``tree``, which must have the given tree shape, shapes and types."""
    leaves, own = tree_flatten(tree)
    if own != definition:
        raise ShapeError("autodiff.tree", who=who, wanted=definition.paths, got=own.paths)
    tensors = []
    for leaf, spec in zip(leaves, specs, strict=True):
        value = asarray(leaf, spec.dtype) if isinstance(leaf, (int, float)) else asarray(leaf)
        if value.shape != spec.shape or (spec.is_float and value.dtype != spec.dtype):
            raise ShapeError("autodiff.spec", who=who, wanted=spec, got=value.spec)
        tensors.append(value)
    return tensors


def jvp(function: Function, arguments: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value at ``arguments``, and its derivative in the direction ``tangents`` (forward mode).

    Parameters
    ----------
    function
        Takes and returns trees of tensors.
    arguments, tangents
        Sequences of the arguments and of trees of the same shapes.

    Returns
    -------
    value, tangent
        Trees of the same shape; the tangent is the Jacobian times the direction.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, tangent = cr.jvp(lambda x: x * x, (3.0,), (1.0,))
    >>> value.item(), tangent.item()
    (9.0, 6.0)
    """
    moving = range(len(arguments))
    traced, inputs, definitions = _traced(function, "jvp", arguments, moving)
    count = sum(d.leaf_count for d in definitions)
    whole = TreeDef(tuple, tuple(moving), tuple(definitions))
    directions = _like(whole, [t.spec for t in inputs[:count]], tuple(tangents), "jvp")
    wanted = [i < count for i in range(len(inputs))]
    graph, moved = forward(traced.graph, wanted)
    results = replay(graph, [*inputs, *directions])
    outputs, rest = results[: len(moved)], iter(results[len(moved) :])
    filled = [next(rest) if m else zeros_like(y) for y, m in zip(outputs, moved, strict=True)]
    return tree_unflatten(traced.output, outputs), tree_unflatten(traced.output, filled)


def vmap(function: Function, in_axes: Any = 0, out_axes: int = 0) -> Function:
    """A function that maps ``function`` over an axis of its arguments, in one graph.

    Parameters
    ----------
    function
        A function of one example.
    in_axes
        The axis to map over, for all arguments or one per argument; ``None`` for an argument that is
        the same for all examples.
    out_axes
        Where the axis of examples stands in the results.

    Raises
    ------
    ShapeError
        If the mapped axes differ in length, or nothing is mapped.

    Examples
    --------
    >>> import chainrule as cr
    >>> per_sample = cr.vmap(cr.grad(lambda w, x: (w * x) ** 2), in_axes=(None, 0))
    >>> per_sample(3.0, cr.tensor([1.0, 2.0])).tolist()
    [6.0, 24.0]
    """

    @functools.wraps(function)
    def transformed(*arguments: Any) -> Any:
        axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(arguments)
        if len(axes) != len(arguments):
            raise ShapeError("autodiff.in_axes", in_axes=in_axes, count=len(arguments))
        opened = [tree_flatten(argument) for argument in arguments]
        leaves = [leaf for values, _ in opened for leaf in values]
        leaf_axes = [a for (values, _), a in zip(opened, axes, strict=True) for _ in values]
        mapped = [a is not None and is_array(x) for x, a in zip(leaves, leaf_axes, strict=True)]
        front = [
            moveaxis(asarray(x), a, 0) if m else x
            for x, a, m in zip(leaves, leaf_axes, mapped, strict=True)
        ]
        lengths = {x.shape[0] for x, m in zip(front, mapped, strict=True) if m}
        if len(lengths) != 1:
            raise ShapeError("autodiff.mapped", lengths=sorted(lengths))
        tensors = [x for x, m in zip(front, mapped, strict=True) if m]

        def flat(*values: Tensor) -> Any:
            given = iter(values)
            rest = iter([next(given) if m else x for x, m in zip(front, mapped, strict=True)])
            return function(*(tree_unflatten(d, rest) for _, d in opened))

        traced = trace(flat, [t.spec.with_shape(t.shape[1:]) for t in tensors])
        flags = [i < len(tensors) for i in range(len(traced.graph.inputs))]
        (size,) = lengths
        graph, batched = vectorize(traced.graph, flags, size)
        results = replay(graph, [*tensors, *traced.captured])
        outputs = [
            moveaxis(y if b else _repeated(y, size), 0, out_axes)
            for y, b in zip(results, batched, strict=True)
        ]
        return tree_unflatten(traced.output, outputs)

    return transformed


def _repeated(y: Tensor, size: int) -> Tensor:
    from chainrule.graph.ops.movement import broadcast_to

    return broadcast_to(y, (size, *y.shape))


def jacobian(function: Function, argnums: int = 0, mode: str = "reverse") -> Function:
    """A function that returns the Jacobian ``∂ output / ∂ input`` of ``function``.

    Parameters
    ----------
    function
        Returns a tree of tensors.
    argnums
        Which argument to differentiate by.
    mode
        ``"reverse"``: one pullback per output element; ``"forward"``: one push per input element.
        Choose reverse for few outputs, forward for few inputs; both are one batched call.

    Returns
    -------
    callable
        For every output leaf of shape ``s`` a tree like the argument, with leaves of shape
        ``s + leaf.shape``.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.jacobian(lambda x: x * x)(cr.tensor([1.0, 2.0]))
    Tensor f32[2, 2]
    [[2. 0.]
     [0. 4.]]
    """
    by_mode = {"reverse": _jacobian_reverse, "forward": _jacobian_forward}
    if mode not in by_mode:
        raise GradientError("autodiff.mode", mode=mode)

    @functools.wraps(function)
    def transformed(*arguments: Any) -> Any:
        def of_one(argument: Any) -> Any:
            return function(*arguments[:argnums], argument, *arguments[argnums + 1 :])

        return by_mode[mode](of_one, arguments[argnums])

    return transformed


def _basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The unit vectors of the space that the tensors span together, stacked along a first axis."""
    total = sum(t.size for t in tensors)
    stacked, before = [], 0
    for t in tensors:
        block = np.zeros((total, t.size), t.dtype)
        block[before : before + t.size] = np.eye(t.size, dtype=t.dtype)
        stacked.append(asarray(block.reshape(total, *t.shape)))
        before += t.size
    return stacked


def _jacobian_reverse(function: Function, argument: Any) -> Any:
    value, pullback = vjp(function, argument)
    leaves, definition = tree_flatten(value)
    basis = _basis(leaves)
    if not basis or basis[0].shape[0] == 0:
        rows = tree_map(lambda x: reshape(zeros_like(asarray(x)), (1, *asarray(x).shape))[:0], argument)
    else:
        rows = vmap(lambda *g: pullback(tree_unflatten(definition, g))[0])(*basis)
    blocks, before = [], 0
    for y in leaves:
        after = before + y.size
        blocks.append(_cut(rows, before, after, y.shape))
        before = after
    return tree_unflatten(definition, blocks)


def _cut(rows: Any, before: int, after: int, shape: tuple[int, ...]) -> Any:
    return tree_map(lambda r: reshape(r[before:after], (*shape, *r.shape[1:])), rows)


def _jacobian_forward(function: Function, argument: Any) -> Any:
    leaves, definition = _floating(argument, "jacobian")
    basis = _basis(leaves)

    def pushed(*directions: Tensor) -> Any:
        at = tree_unflatten(definition, leaves)
        return jvp(function, (at,), (tree_unflatten(definition, directions),))[1]

    columns = vmap(pushed, out_axes=-1)(*basis)  # leaves [*output shape, inputs]

    def split(column: Tensor) -> Any:
        parts, before = [], 0
        for x in leaves:
            part = column[..., before : before + x.size]
            parts.append(reshape(part, (*column.shape[:-1], *x.shape)))
            before += x.size
        return tree_unflatten(definition, parts)

    return tree_map(split, columns)


def hessian(function: Function, argnums: int = 0) -> Function:
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

    Returns
    -------
    callable
        ``(argument, vector, *rest)`` → a tree like ``argument``, where ``function(argument, *rest)``
        returns one number.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.hvp(lambda x: (x**3).sum())(cr.tensor([1.0, 2.0]), cr.tensor([1.0, 1.0])).tolist()
    [6.0, 12.0]
    """

    def transformed(argument: Any, vector: Any, *rest: Any) -> Any:
        return jvp(lambda at: grad(function)(at, *rest), (argument,), (vector,))[1]

    return transformed



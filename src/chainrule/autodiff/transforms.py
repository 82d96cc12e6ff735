"""Transformations of functions of trees: ``grad``, ``value_and_grad``, ``vjp``, ``jvp``, ``vmap``.

Each takes a function and returns a function (``vjp`` and ``jvp`` work at one point); they nest in
any order and to any depth. A call traces the function on fresh placeholders, transforms the graph,
and replays it on the arguments. Only what is transformed becomes a placeholder.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.autodiff.forward import forward
from chainrule.autodiff.reverse import halves, reverse
from chainrule.autodiff.vectorize import vectorize
from chainrule.errors import GradientError, ShapeError
from chainrule.graph.functions import zeros_like
from chainrule.graph.node import Graph
from chainrule.graph.ops.movement import broadcast_to, moveaxis
from chainrule.graph.spec import Spec, normalize_axes
from chainrule.graph.tensor import Tensor, asarray, node_of
from chainrule.graph.trace import Trace, is_array, merged, replay, trace
from chainrule.trees import TreeDef, tree_flatten, tree_unflatten

__all__ = ["grad", "jvp", "value_and_grad", "vjp", "vmap"]

Function = Callable[..., Any]


# ---------------------------------------------------------------------- opening the arguments
def checked_function(who: str, function: Function) -> None:
    """Refuse a value in a function's place, as in ``grad(f(x))``."""
    if not callable(function):
        raise GradientError("autodiff.function", who=who, got=type(function).__name__)


def positions(who: str, argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    """``argnums`` as positions from 0 on, among ``count`` arguments."""
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    inside = all(-count <= i < count for i in chosen)
    if not chosen or not inside or len({i % count for i in chosen}) != len(chosen):
        raise GradientError("autodiff.argnums", who=who, argnums=argnums, count=count)
    return tuple(i % count for i in chosen)


def floating_leaves(who: str, tree: Any, index: int) -> tuple[list[Tensor], TreeDef]:
    """The leaves of argument ``index`` as tensors that have derivatives."""
    leaves, definition = tree_flatten(tree)
    tensors = []
    for path, leaf in zip(definition.paths, leaves, strict=True):
        place = place_of(index, path)
        if not is_array(leaf) and not isinstance(leaf, int):
            got = type(leaf).__name__
            raise GradientError("autodiff.not_array", who=who, place=place, got=got)
        value = asarray(leaf)
        if not value.spec.is_float:
            raise GradientError("autodiff.not_float", who=who, place=place, spec=value.spec)
        tensors.append(value)
    return tensors, definition


def place_of(index: int | str, path: str) -> str:
    """A leaf of an argument in words: ``arguments[0].hidden.weight``."""
    return f"arguments[{index}].{path}" if path else f"arguments[{index}]"


@dataclass(frozen=True)
class _Opened:
    """A traced function, and the arguments that it is differentiated by.

    Attributes
    ----------
    trace
        Inputs of its graph: the leaves of those arguments, then what the function captured.
    inputs
        The values of these.
    definitions
        The tree shapes of those arguments.
    """

    trace: Trace
    inputs: list[Tensor]
    definitions: list[TreeDef]

    @property
    def graph(self) -> Graph:
        return self.trace.graph

    @property
    def count(self) -> int:
        return sum(definition.leaf_count for definition in self.definitions)

    @property
    def wanted(self) -> list[bool]:
        return [i < self.count for i in range(len(self.inputs))]

    def result(self, leaves: Sequence[Tensor]) -> Any:
        """The leaves of a result of the function, as the tree that it returns."""
        return tree_unflatten(self.trace.output, leaves)

    def arguments(self, leaves: Sequence[Tensor]) -> tuple[Any, ...]:
        """One leaf per differentiated leaf, as trees like the arguments."""
        rest = iter(leaves)
        return tuple(tree_unflatten(definition, rest) for definition in self.definitions)


def _opened(
    who: str,
    function: Function,
    chosen: Sequence[int],
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> _Opened:
    """Trace ``function`` with the ``chosen`` arguments as placeholders."""
    opened = [floating_leaves(who, arguments[i], i) for i in chosen]
    tensors = [leaf for leaves, _ in opened for leaf in leaves]
    definitions = [definition for _, definition in opened]

    def flat(*values: Tensor) -> Any:
        rest, full = iter(values), list(arguments)
        for i, definition in zip(chosen, definitions, strict=True):
            full[i] = tree_unflatten(definition, rest)
        return function(*full, **keywords)

    names = [path or f"in{i}" for i, d in zip(chosen, definitions, strict=True) for path in d.paths]
    traced = trace(flat, [t.spec for t in tensors], names)
    return _Opened(traced, [*tensors, *traced.captured], definitions)


# ---------------------------------------------------------------------- reverse mode
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
        Same arguments → ``(value, gradient)``; the gradient has the tree shape of the argument, for
        a sequence ``argnums`` it is a tuple of such trees.

    Raises
    ------
    GradientError
        If the value is not one floating number, if the argument has leaves that are not floating,
        or if there is no such argument.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, gradient = cr.value_and_grad(lambda w: (w * w).sum())(cr.tensor([1.0, 2.0]))
    >>> value.item(), gradient.tolist()
    (5.0, [2.0, 4.0])
    """
    checked_function("grad", function)

    @functools.wraps(function)
    def transformed(*arguments: Any, **keywords: Any) -> Any:
        chosen = positions("grad", argnums, len(arguments))
        opened = _opened("grad", function, chosen, arguments, keywords)
        graph, inputs = opened.graph, opened.inputs
        _check_scalar(opened.trace, has_aux)
        seeded = [i == 0 for i in range(len(graph.outputs))]  # auxiliary results have no cotangent
        seed = _constant(np.ones((), graph.outputs[0].spec.dtype), like=inputs)
        results = replay(reverse(graph, opened.wanted, seeded), [*inputs, seed])
        value = opened.result(results[: len(seeded)])
        gradients = opened.arguments(results[len(seeded) :])
        return value, gradients[0] if isinstance(argnums, int) else gradients

    return transformed


def _constant(array: np.ndarray, like: Sequence[Tensor]) -> Tensor:
    """A constant; in a graph where the others are, so that what is made of it stays there too."""
    constant = asarray(array)
    return Tensor(None, node_of(constant)) if any(t.is_symbolic for t in like) else constant


def _check_scalar(traced: Trace, has_aux: bool) -> None:
    specs, output = traced.graph.output_specs, traced.output
    if has_aux:
        if output.kind is not tuple or len(output.children) != 2:
            raise GradientError("autodiff.aux", got=_described(output, specs))
        output = output.children[0]
    if output.leaf_count != 1 or specs[0].shape != () or not specs[0].is_float:
        got = _described(output, specs[: output.leaf_count])
        raise GradientError("autodiff.not_scalar", got=got)


def _described(output: TreeDef, specs: Sequence[Spec]) -> str:
    """What a function returned: ``f32[3]``, or ``dict of f32[3], i64[]``."""
    leaves = ", ".join(map(repr, specs))
    if output.kind is None:
        return leaves
    kind = "None" if output.kind is type(None) else output.kind.__name__
    return f"{kind} of {leaves}" if leaves else kind


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
    def transformed(*arguments: Any, **keywords: Any) -> Any:
        value, gradient = both(*arguments, **keywords)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def vjp(function: Function, *arguments: Any) -> tuple[Any, Function]:
    """The value at ``arguments``, and a function that pulls cotangents back (reverse mode).

    Returns
    -------
    value, pullback
        ``pullback(cotangents)`` takes a tree like ``value`` and returns one cotangent tree per
        argument: the cotangent times the Jacobian.

    Raises
    ------
    GradientError
        If an argument has leaves that are not floating.
    ShapeError
        If ``pullback`` gets a tree that is not like ``value``.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, pullback = cr.vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> [g.item() for g in pullback(1.0)]
    [3.0, 2.0]
    """
    checked_function("vjp", function)
    opened = _opened("vjp", function, range(len(arguments)), arguments, {})
    split = halves(opened.graph, opened.wanted)
    results = replay(split.forward, opened.inputs)
    value = dict(zip(split.forward.outputs, results, strict=True))
    value |= zip(opened.graph.inputs, opened.inputs, strict=True)
    specs = opened.graph.output_specs

    def pullback(cotangents: Any) -> tuple[Any, ...]:
        leaves = _like("vjp", opened.trace.output, specs, cotangents)
        upstream = [g for g in leaves if g.spec.is_float]
        found = iter(replay(split.backward, [*(value[node] for node in split.reads), *upstream]))
        gradients = [
            next(found) if given else zeros_like(x)
            for given, x in zip(split.given, opened.inputs[: opened.count], strict=False)
        ]
        return opened.arguments(gradients)

    return opened.result(results[: len(specs)]), pullback


def _like(who: str, definition: TreeDef, specs: Sequence[Spec], tree: Any) -> list[Tensor]:
    """The leaves of ``tree``, which must have the given tree shape, shapes and types."""
    leaves, own = tree_flatten(tree)
    if own != definition:
        raise ShapeError("autodiff.tree", who=who, wanted=definition.paths, got=own.paths)
    tensors = []
    for path, leaf, spec in zip(definition.paths, leaves, specs, strict=True):
        value = asarray(leaf, spec.dtype if isinstance(leaf, (int, float)) else None)
        if value.spec != spec:
            raise ShapeError("autodiff.spec", who=who, path=path, wanted=spec, got=value.spec)
        tensors.append(value)
    return tensors


# ---------------------------------------------------------------------- forward mode
def jvp(function: Function, arguments: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value at ``arguments``, and its derivative in the direction ``tangents`` (forward mode).

    Parameters
    ----------
    function
        Takes and returns trees of tensors.
    arguments, tangents
        Tuples of the arguments and of trees of the same shapes.

    Returns
    -------
    value, tangent
        Trees of the same shape; the tangent is the Jacobian times the direction.

    Raises
    ------
    GradientError
        If an argument has leaves that are not floating.
    ShapeError
        If the tangents are not like the arguments.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, tangent = cr.jvp(lambda x: x * x, (3.0,), (1.0,))
    >>> value.item(), tangent.item()
    (9.0, 6.0)
    """
    checked_function("jvp", function)
    for given in (arguments, tangents):
        if not isinstance(given, (tuple, list)):
            raise GradientError("autodiff.sequence", got=type(given).__name__)
    return push_forward("jvp", function, tuple(arguments), tuple(tangents))


def push_forward(
    who: str, function: Function, arguments: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[Any, Any]:
    """What :func:`jvp` returns, asked for by ``who``."""
    opened = _opened(who, function, range(len(arguments)), arguments, {})
    graph, moved = forward(opened.graph, opened.wanted)
    whole = tree_flatten(arguments)[1]
    directions = _like(who, whole, graph.input_specs[: opened.count], tangents)
    results = replay(graph, [*opened.inputs, *directions])
    outputs, rest = results[: len(moved)], iter(results[len(moved) :])
    filled = [next(rest) if m else zeros_like(y) for y, m in zip(outputs, moved, strict=True)]
    return opened.result(outputs), opened.result(filled)


# ---------------------------------------------------------------------- batches
def vmap(
    function: Function, in_axes: int | Sequence[int | None] | None = 0, out_axes: int = 0
) -> Function:
    """A function that maps ``function`` over an axis of its arguments, in one graph.

    Parameters
    ----------
    function
        A function of one example.
    in_axes
        The axis to map over, for all arguments or one per argument; ``None`` for an argument that
        is the same for all examples. Numbers, strings and keyword arguments are the same for all.
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
    checked_function("vmap", function)

    @functools.wraps(function)
    def transformed(*arguments: Any, **keywords: Any) -> Any:
        leaves, definition = tree_flatten(arguments)
        axes = _axis_per_leaf(in_axes, definition)
        mapped = [a is not None and _is_mappable(x) for x, a in zip(leaves, axes, strict=True)]
        rows = zip(_places(definition), leaves, axes, mapped, strict=True)
        front = {place: _in_front(place, asarray(x), axis) for place, x, axis, m in rows if m}
        size = _common_length(in_axes, {place: x.shape[0] for place, x in front.items()})

        def flat(*values: Tensor) -> Any:
            return function(*tree_unflatten(definition, merged(leaves, mapped, values)), **keywords)

        traced = trace(flat, [x.spec.with_shape(x.shape[1:]) for x in front.values()])
        flags = [i < len(front) for i in range(len(traced.graph.inputs))]
        graph, batched = vectorize(traced.graph, flags, size)
        results = replay(graph, [*front.values(), *traced.captured])
        full = [
            y if b else broadcast_to(y, (size, *y.shape))
            for y, b in zip(results, batched, strict=True)
        ]
        return tree_unflatten(traced.output, [_at_axis(y, out_axes) for y in full])

    return transformed


def _axis_per_leaf(
    in_axes: int | Sequence[int | None] | None, definition: TreeDef
) -> list[int | None]:
    children = definition.children
    axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(children)
    if len(axes) != len(children):
        raise ShapeError("autodiff.in_axes", in_axes=in_axes, count=len(children))
    return [a for a, child in zip(axes, children, strict=True) for _ in range(child.leaf_count)]


def _is_mappable(leaf: Any) -> bool:
    return is_array(leaf) and not isinstance(leaf, (float, np.generic))


def _in_front(place: str, x: Tensor, axis: int | None) -> Tensor:
    assert axis is not None
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError("autodiff.in_axis", axis=axis, place=place, spec=x.spec)
    return moveaxis(x, axis, 0)


def _places(arguments: TreeDef) -> list[str]:
    """The leaves of all arguments in words."""
    return [
        place_of(index, path)
        for index, argument in enumerate(arguments.children)
        for path in argument.paths
    ]


def _common_length(in_axes: Any, lengths: dict[str, int]) -> int:
    if not lengths:
        raise ShapeError("autodiff.nothing_mapped", in_axes=in_axes)
    if len(set(lengths.values())) > 1:
        pairs = ", ".join(f"{place}: {length}" for place, length in lengths.items())
        raise ShapeError("autodiff.mapped", lengths=pairs)
    return next(iter(lengths.values()))


def _at_axis(y: Tensor, axis: int) -> Tensor:
    (axis,) = normalize_axes(f"vmap(…, out_axes={axis})", axis, y.ndim)
    return moveaxis(y, 0, axis)

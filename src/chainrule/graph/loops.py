"""Loops in graphs: :func:`scan` along the first axis of its rows, and :func:`while_loop`.

The graph holds the body of a loop once, whatever the number of steps; what the body captures from
its surroundings becomes an input of the loop.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import OptionError, ShapeError
from chainrule.graph.apply import apply_many
from chainrule.graph.node import Graph
from chainrule.graph.ops.elementwise import stop_gradient, where
from chainrule.graph.ops.joining import concatenate
from chainrule.graph.ops.movement import reshape
from chainrule.graph.ops.structure import SCAN, WHILE
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import Tensor, asarray
from chainrule.graph.trace import Trace, trace
from chainrule.graph.trace import recompute as recomputed
from chainrule.trees import TreeDef, tree_flatten, tree_leaves, tree_map, tree_unflatten

__all__ = ["scan", "while_loop"]

Step: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    function: Step,
    initial: Any,
    rows: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
    truncate: int | None = None,
    recompute: int | None = None,
) -> tuple[Any, Any]:
    """A loop that carries a state along the first axis of ``rows``.

    In plain Python::

        state, outputs = initial, []
        for row in rows:
            state, output = function(state, row)
            outputs.append(output)
        return state, stack(outputs)

    The graph holds the body once, whatever the length; all transformations go through it.

    Parameters
    ----------
    function
        ``(state, row) -> (new state, output)``, on trees. The new state has the shapes and types of
        the old one.
    initial
        The first state.
    rows
        A tree of tensors with the same first axis, or ``None``.
    length
        Number of steps, needed where ``rows`` is ``None``.
    reverse
        Go from the last row to the first; outputs keep the order of the rows.
    truncate
        Cut the gradient: the loop falls into segments of so many steps, and no gradient goes back
        from one into the one before (truncated backpropagation through time). Values stay the same.
    recompute
        Save the state at the beginning of every segment of so many steps only, and compute what
        else backward reads again, segment by segment. It takes the time of one more forward pass;
        of memory, instead of all steps', that of one segment and of the states between segments
        (least for segments of about ``sqrt(length)`` steps). Values and gradients stay the same.

    Returns
    -------
    state, outputs
        The last state, and the outputs of all steps stacked along a new first axis.

    Raises
    ------
    ShapeError
        If the lengths differ, or the state changes its shape or type.
    OptionError
        If ``truncate`` or ``recompute`` is no integer from 1 on.

    References
    ----------
    Williams & Peng (1990), "An efficient gradient-based algorithm for on-line training of recurrent
    network trajectories": truncated backpropagation.

    Chen, Xu, Zhang & Guestrin (2016), "Training deep nets with sublinear memory cost": segments.

    Examples
    --------
    >>> import chainrule as cr
    >>> total, partial = cr.scan(lambda s, x: (s + x, s + x), 0.0, cr.tensor([1.0, 2.0, 3.0]))
    >>> total.item(), partial.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    initial, rows = tree_map(asarray, initial), tree_map(asarray, rows)
    length = _scan_length([row.shape for row in tree_leaves(rows)], length)
    if truncate is not None:
        size = _segment("truncate", truncate)
        walk = range(length)[::-1] if reverse else range(length)
        begins = [step > 0 and step % size == 0 for step in walk]
        function, rows = _cut(function), (asarray(np.array(begins, bool)), rows)
    if recompute is not None:
        size = _segment("recompute", recompute)
        return _in_segments(function, initial, rows, length, reverse, size)
    return _loop(function, initial, rows, length, reverse)


def _segment(name: str, steps: int) -> int:
    """The steps of a segment; raises if it has none."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise OptionError("graph.segment", name=name, got=repr(steps))
    return int(steps)


def _cut(function: Step) -> Step:
    """The step, but where a segment begins the state that it gets is a constant to derivatives."""

    def step(state: Any, row: Any) -> tuple[Any, Any]:
        begins, row = row
        return function(tree_map(lambda x: where(begins, stop_gradient(x), x), state), row)

    return step


def _in_segments(
    function: Step, initial: Any, rows: Any, length: int, reverse: bool, size: int
) -> tuple[Any, Any]:
    """A loop over segments of ``size`` steps, and the rest: the segment that is walked last."""
    size = max(1, min(size, length))
    count, rest = divmod(length, size)
    whole = slice(rest, None) if reverse else slice(count * size)
    remaining = slice(rest) if reverse else slice(count * size, None)

    def walk(steps: int) -> Step:
        def segment(state: Any, rows: Any) -> tuple[Any, Any]:
            return _loop(function, state, rows, steps, reverse)

        return recomputed(segment)

    split = tree_map(lambda x: reshape(x[whole], (count, size, *x.shape[1:])), rows)
    state, outputs = _loop(walk(size), initial, split, count, reverse)
    outputs = tree_map(lambda y: reshape(y, (count * size, *y.shape[2:])), outputs)
    if not rest:
        return state, outputs
    state, others = walk(rest)(state, tree_map(lambda x: x[remaining], rows))
    parts = (others, outputs) if reverse else (outputs, others)
    return state, tree_map(lambda *pair: concatenate(pair), *parts)


def _loop(function: Step, initial: Any, rows: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    """One node for the whole loop."""
    state_leaves, state_definition = tree_flatten(initial)
    row_leaves, row_definition = tree_flatten(rows)
    carried = len(state_leaves)

    def flat(*tensors: Tensor) -> Any:
        state = tree_unflatten(state_definition, tensors[:carried])
        row = tree_unflatten(row_definition, tensors[carried:])
        new_state, output = function(state, row)
        return _same_state("scan", initial, new_state), output

    row_specs = [row.spec.with_shape(row.shape[1:]) for row in row_leaves]
    names = [*_labels("state", state_definition), *_labels("row", row_definition)]
    traced = trace(flat, [*(leaf.spec for leaf in state_leaves), *row_specs], names)
    body, captured = _captured_first(traced)
    outputs = apply_many(
        SCAN,
        *traced.captured,
        *state_leaves,
        *row_leaves,
        body=body,
        captured=captured,
        carried=carried,
        length=length,
        reverse=reverse,
    )
    state, stacked = tree_unflatten(traced.output, outputs)
    return state, stacked


def _scan_length(shapes: Sequence[tuple[int, ...]], length: int | None) -> int:
    lengths = {shape[0] if shape else -1 for shape in shapes}
    if length is not None:
        lengths.add(int(length))
    if len(lengths) != 1 or min(lengths) < 0:
        raise ShapeError("graph.scan_rows", shapes=list(shapes), length=length)
    return lengths.pop()


def _labels(what: str, definition: TreeDef) -> list[str]:
    return [f"{what}.{path}" if path else what for path in definition.paths]


def _captured_first(traced: Trace) -> tuple[Graph, int]:
    """The body of a loop with its captured inputs in front, and their number."""
    captured = len(traced.captured)
    own = len(traced.graph.inputs) - captured
    graph = traced.graph

    def rotated(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*items[own:], *items[:own])

    return Graph(rotated(graph.inputs), graph.outputs, rotated(graph.names)), captured


def _same_state(who: str, old: Any, new: Any) -> Any:
    """The new state as tensors; raises unless it has the old one's shapes and types."""
    new = tree_map(asarray, new)
    before, after = _specs_of_leaves(old), _specs_of_leaves(new)
    if before != after:
        raise ShapeError("graph.state", who=who, before=before, after=after)
    return new


def _specs_of_leaves(tree: Any) -> str:
    leaves, definition = tree_flatten(tree)
    labels = _labels("state", definition)
    return ", ".join(f"{k}: {leaf.spec!r}" for k, leaf in zip(labels, leaves, strict=True))


def while_loop(condition: Callable[[Any], Any], body: Callable[[Any], Any], initial: Any) -> Any:
    """Repeat ``state = body(state)`` while ``condition(state)`` holds; return the last state.

    The number of steps is not known beforehand, so there is no reverse-mode derivative (use
    :func:`scan`); ``jvp`` and ``vmap`` go through.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.while_loop(lambda x: x < 100, lambda x: x * 2, 3).item()
    192
    """
    initial = tree_map(asarray, initial)
    leaves, definition = tree_flatten(initial)
    specs, names = [leaf.spec for leaf in leaves], _labels("state", definition)

    def ask(*tensors: Tensor) -> Any:
        return asarray(condition(tree_unflatten(definition, tensors)))

    def step(*tensors: Tensor) -> Any:
        return _same_state("while_loop", initial, body(tree_unflatten(definition, tensors)))

    asked, stepped = trace(ask, specs, names), trace(step, specs, names)
    condition_graph, condition_captured = _captured_first(asked)
    body_graph, body_captured = _captured_first(stepped)
    if condition_graph.output_specs != (Spec((), np.dtype(np.bool_)),):
        raise ShapeError("graph.while_condition", specs=condition_graph.output_specs)
    outputs = apply_many(
        WHILE,
        *asked.captured,
        *stepped.captured,
        *leaves,
        condition=condition_graph,
        body=body_graph,
        condition_captured=condition_captured,
        body_captured=body_captured,
    )
    return tree_unflatten(definition, outputs)

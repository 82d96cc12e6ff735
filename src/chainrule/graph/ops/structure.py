"""Rows with sub-graphs: ``call`` (a named function), ``scan`` (a loop over an axis), ``while``.

A sub-graph takes everything that it reads as an input. The NumPy value of such a row needs someone
who evaluates the sub-graph: :func:`evaluate` is the plain reader that the rows use by default, and
an engine hands in its own as ``run``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import GraphError
from chainrule.graph.node import Graph
from chainrule.graph.spec import Spec
from chainrule.graph.table import Op, add_row

__all__ = ["CALL", "PICK", "SCAN", "WHILE", "evaluate"]

Run = Callable[[Graph, Sequence[Any]], Sequence[Any]]


def evaluate(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """The outputs of a graph for the given inputs: every node's NumPy value, in order."""
    value = dict(zip(graph.inputs, arrays, strict=True))
    for node in graph.nodes:
        value[node] = node.op.value(*(value[child] for child in node.inputs), **node.attributes)
    return [value[node] for node in graph.outputs]


# ------------------------------------------------------------------ pick and call
PICK = add_row(
    Op(
        "pick",
        "structure",
        # Made together with its node, whose specs it takes over (see ``graph.apply.pick``).
        lambda *specs, index: specs[index],
        lambda values, index: values[index],
    )
)


def _call_rule(
    *inputs: Spec,
    body: Graph,
    name: str,
    label: str,
    recompute: bool = False,
    apart: bool = False,
) -> tuple[Spec, ...]:
    # ``recompute``: backpropagation keeps none of its values. ``apart``: they shall not be merged
    # with those that were computed before, or they would have to be kept after all.
    _same("call", inputs, body.input_specs)
    return body.output_specs


def _call_value(
    *inputs: Any,
    body: Graph,
    name: str,
    label: str,
    recompute: bool = False,
    apart: bool = False,
    run: Run = evaluate,
) -> tuple[Any, ...]:
    return tuple(run(body, inputs))


CALL = add_row(Op("call", "structure", _call_rule, _call_value))


# ------------------------------------------------------------------ scan
def _scan_rule(
    *inputs: Spec, body: Graph, captured: int, carried: int, length: int, reverse: bool
) -> tuple[Spec, ...]:
    rows = inputs[captured + carried :]
    for row in rows:
        if not row.shape or row.shape[0] != length:
            raise GraphError("graph.scan_length", spec=row, length=length)
    seen = (*inputs[: captured + carried], *(row.with_shape(row.shape[1:]) for row in rows))
    _same("scan", seen, body.input_specs)
    _same("scan", inputs[captured : captured + carried], body.output_specs[:carried])
    stacked = (spec.with_shape((length, *spec.shape)) for spec in body.output_specs[carried:])
    return (*body.output_specs[:carried], *stacked)


def _scan_value(
    *inputs: Any,
    body: Graph,
    captured: int,
    carried: int,
    length: int,
    reverse: bool,
    run: Run = evaluate,
) -> tuple[Any, ...]:
    fixed, carry = inputs[:captured], list(inputs[captured : captured + carried])
    rows = inputs[captured + carried :]
    stacked = [np.empty((length, *spec.shape), spec.dtype) for spec in body.output_specs[carried:]]
    for step in reversed(range(length)) if reverse else range(length):
        outputs = run(body, [*fixed, *carry, *(row[step, ...] for row in rows)])
        carry = list(outputs[:carried])
        for whole, part in zip(stacked, outputs[carried:], strict=True):
            whole[step] = part
    return (*carry, *stacked)


SCAN = add_row(Op("scan", "structure", _scan_rule, _scan_value))


# ------------------------------------------------------------------ while
def _while_rule(
    *inputs: Spec, condition: Graph, body: Graph, condition_captured: int, body_captured: int
) -> tuple[Spec, ...]:
    carry = inputs[condition_captured + body_captured :]
    _same("while", (*inputs[:condition_captured], *carry), condition.input_specs)
    body_inputs = (*inputs[condition_captured : condition_captured + body_captured], *carry)
    _same("while", body_inputs, body.input_specs)
    _same("while", carry, body.output_specs)
    _same("while", condition.output_specs, (Spec((), np.dtype(np.bool_)),))
    return carry


def _while_value(
    *inputs: Any,
    condition: Graph,
    body: Graph,
    condition_captured: int,
    body_captured: int,
    run: Run = evaluate,
) -> tuple[Any, ...]:
    ask = inputs[:condition_captured]
    fixed = inputs[condition_captured : condition_captured + body_captured]
    carry = list(inputs[condition_captured + body_captured :])
    while run(condition, [*ask, *carry])[0]:
        carry = list(run(body, [*fixed, *carry]))
    return tuple(carry)


WHILE = add_row(Op("while", "structure", _while_rule, _while_value))


def _same(who: str, got: Sequence[Spec], wanted: Sequence[Spec]) -> None:
    if tuple(got) != tuple(wanted):
        raise GraphError("graph.specs", who=who, got=tuple(got), wanted=tuple(wanted))

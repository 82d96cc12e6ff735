"""Backpropagation through a scan: a forward scan that saves, a backward one that reads.

The backward scan walks the steps the other way and carries the cotangent of the state. What every
step contributes to the cotangent of a captured value is summed up. A contribution that is a product
``Aᵀ G``, or the sum of the rows of ``G``, is not summed step by step: the rows of all steps are put
out, and one product (or one sum) of them all follows the loop. For a recurrent weight that is one
product with as many terms as the sequence has rows, in place of one small product per step.
"""

import functools
from collections.abc import Sequence

from chainrule.autodiff.forward import zero_like
from chainrule.autodiff.structure import Halves, cut, states_of, whole
from chainrule.graph.apply import apply, apply_many
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.elementwise import add
from chainrule.graph.ops.movement import TRANSPOSE, reshape, swapaxes
from chainrule.graph.ops.products import MATMUL, matmul
from chainrule.graph.ops.reductions import SUM
from chainrule.graph.ops.structure import SCAN
from chainrule.graph.tensor import Tensor, node_of, placeholder
from chainrule.graph.trace import replay

__all__ = ["backward_scan", "saving_scan"]


def saving_scan(
    scan: Node, inputs: Sequence[Tensor], split: Halves
) -> tuple[Node, dict[Node, Tensor], dict[Node, Tensor]]:
    """The forward scan, and what backward reads: the same at every step, or one row per step."""
    body, captured = scan.attributes["body"], scan.attributes["captured"]
    carried = scan.attributes["carried"]
    fixed = _hoisted(split, dict(zip(body.inputs[:captured], inputs[:captured], strict=True)))
    rows = dict(zip(body.inputs[captured + carried :], inputs[captured + carried :], strict=True))
    outputs = split.forward.outputs[: len(body.outputs)]
    there = {*fixed, *rows, *outputs[carried:]}
    saved = [node for node in split.reads if node not in there]  # states before a step among them
    saving = Graph(body.inputs, [*outputs, *saved], body.names)
    results = apply_many(SCAN, *inputs, **{**scan.attributes, "body": saving})
    stacked = dict(zip(saving.outputs[carried:], results[carried:], strict=True))
    return whole(results), fixed, stacked | rows


def _hoisted(split: Halves, fixed: dict[Node, Tensor]) -> dict[Node, Tensor]:
    """Captured values, and with them what backward reads that is the same at every step.

    That is computed once more, outside of the loop, rather than stacked once per step.
    """
    constant = set(fixed)
    for node in split.forward.nodes:
        if all(child in constant for child in node.inputs):
            constant.add(node)
    shared = [node for node in split.reads if node in constant and node not in fixed]
    values = replay(Graph(list(fixed), shared), list(fixed.values()))
    return fixed | dict(zip(shared, values, strict=True))


def backward_scan(
    scan: Node,
    inputs: Sequence[Tensor],
    received: Sequence[Tensor | None],
    split: Halves,
    moving: Sequence[int],
    fixed: dict[Node, Tensor],
    rows: dict[Node, Tensor],
) -> list[Tensor | None]:
    """The cotangents of a scan's inputs.

    Parameters
    ----------
    scan, inputs, received
        The row, its inputs, and what its outputs received.
    split, moving
        The halves of a step, and the positions of the states whose cotangent is carried.
    fixed, rows
        What backward reads: the same at every step, or one row per step.
    """
    body, carried = scan.attributes["body"], scan.attributes["carried"]
    captured, state_nodes, row_nodes = cut(body.inputs, scan.attributes["captured"], carried)
    takers = [node for node, has in zip(body.inputs, split.given, strict=True) if has]
    given = dict(zip(takers, split.backward.outputs, strict=True))
    states = [state_nodes[i] for i in moving]
    sums = _Sums([node for node in captured if node in given], given)
    row_takers = [node for node in row_nodes if node in given]
    fixed_reads = [node for node in split.reads if node in fixed]
    row_reads = [node for node in split.reads if node not in fixed]
    of_states, of_rows = cut(split.backward.inputs[len(split.reads) :], len(moving))
    row_inputs = [*row_reads, *of_rows]
    row_values = [
        *(rows[node] for node in row_reads),
        *(g for g in received[carried:] if g is not None),
    ]
    put_out = [given[node] for node in row_takers]
    put_out += [node for node in sums.of_rows if node not in (*row_inputs, *put_out)]
    inputs_of_step = [*fixed_reads, *of_states, *map(node_of, sums.totals), *row_inputs]
    name = dict(zip(split.backward.inputs, split.backward.names, strict=True))
    step = Graph(
        inputs_of_step,
        [
            # A state that a step does not read gets nothing from that step.
            *(given[n] if n in given else node_of(zero_like(Tensor(None, n))) for n in states),
            *sums.grown,
            *put_out,
        ],
        [name.get(node, "sum") for node in inputs_of_step],
    )
    state_inputs = inputs[states_of(scan)]
    last = [(state_inputs[i], received[i]) for i in moving]
    results = apply_many(
        SCAN,
        *(fixed[node] for node in fixed_reads),
        *(zero_like(x) if g is None else g for x, g in last),
        *(zero_like(fixed[node]) for node in sums.in_loop),
        *row_values,
        body=step,
        captured=len(fixed_reads),
        carried=len(states) + len(sums.in_loop),
        length=scan.attributes["length"],
        reverse=not scan.attributes["reverse"],
    )
    cotangents = dict(zip([*states, *sums.in_loop, *row_takers], results, strict=False))
    stacked = dict(zip(row_inputs, row_values, strict=True))
    stacked |= zip(put_out, results[len(states) + len(sums.in_loop) :], strict=True)
    cotangents |= {node: sums.after_loop(node, stacked) for node in sums.lifted}
    return [cotangents.get(node) for node in body.inputs]


class _Sums:
    """What the steps contribute to captured values: summed in the loop, or after it.

    Parameters
    ----------
    captured
        The captured values that get something.
    given
        Their contributions by a step.

    Attributes
    ----------
    lifted, in_loop
        Those whose contributions are added up after the loop, and the others.
    totals, grown
        For each of ``in_loop`` the sum before a step, and after it.
    of_rows
        The values of a step that the sums after the loop are made of.
    """

    def __init__(self, captured: Sequence[Node], given: dict[Node, Node]) -> None:
        self.lifted = {node: terms for node in captured if (terms := _terms(given[node]))}
        self.in_loop = [node for node in captured if node not in self.lifted]
        self.totals = [placeholder(node.spec) for node in self.in_loop]
        self.grown = [
            node_of(add(total, Tensor(None, given[node])))
            for node, total in zip(self.in_loop, self.totals, strict=True)
        ]
        of_rows = (node for terms in self.lifted.values() for term in terms for node in term)
        self.of_rows = list(dict.fromkeys(of_rows))

    def after_loop(self, captured: Node, stacked: dict[Node, Tensor]) -> Tensor:
        """The sum of the contributions of all steps, from what these have put out."""
        parts = [
            _product_of_all(*(stacked[node] for node in term))
            if len(term) > 1
            else _sum_of_all(stacked[term[0]], captured.spec.ndim)
            for term in self.lifted[captured]
        ]
        return functools.reduce(add, parts)


#: A product ``Aᵀ G`` as (A, G), or a sum of rows of G as (G,).
Term = tuple[Node, ...]


def _terms(contribution: Node) -> list[Term] | None:
    """A contribution as a sum of products ``Aᵀ G`` and sums of rows; None if it is no such sum."""
    found: list[Term] = []
    waiting = [contribution]
    while waiting:
        node = waiting.pop()
        if node.op.name == "add":
            waiting.extend(reversed(node.inputs))
        elif _is_product_of_rows(node):
            left, right = node.inputs
            found.append((left.inputs[0], right))
        elif _is_sum_of_rows(node):
            found.append(node.inputs)
        else:
            return None
    return found


def _is_product_of_rows(node: Node) -> bool:
    """Whether a node is ``Aᵀ G`` for matrices A and G with the same rows."""
    if node.op is not MATMUL or node.spec.ndim != 2:
        return False
    left, right = node.inputs
    return left.op is TRANSPOSE and right.spec.ndim == 2


def _is_sum_of_rows(node: Node) -> bool:
    """Whether a node is a sum over leading axes."""
    axes = node.attributes.get("axes", ())
    return node.op is SUM and axes == tuple(range(len(axes)))


def _product_of_all(a: Tensor, g: Tensor) -> Tensor:
    """``Aᵀ G`` with the rows of all steps, which stand along the first axis."""
    steps, rows = a.shape[:2]
    a, g = (reshape(x, (steps * rows, x.shape[2])) for x in (a, g))
    return matmul(swapaxes(a, 0, 1), g)


def _sum_of_all(g: Tensor, rank: int) -> Tensor:
    """The sum over all but the last ``rank`` axes: over the steps, and over the rows of each."""
    return apply(SUM, g, axes=tuple(range(g.ndim - rank)))

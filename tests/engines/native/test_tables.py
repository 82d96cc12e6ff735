"""Products of looked-up rows: the table is multiplied first, and gets the same derivatives."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import Program
from chainrule.engines.native.program import NativeProgram
from chainrule.engines.native.tables import with_tables_first
from chainrule.errors import ChainruleError

COUNT, WIDTH, OUT = 5, 4, 3


def cost(table, weight, bias, indices):
    z = table[indices] @ weight + bias
    return cr.sum(cr.tanh(z) ** 2)


def graph_of(function, *shape, count=COUNT):
    specs = [cr.Spec(s, np.float64) for s in ((count, WIDTH), (WIDTH, OUT), (OUT,))]
    return cr.simplify(cr.inline_calls(cr.make_graph(function, *specs, cr.Spec(shape, np.int64))))


def products(graph):
    """Rows, columns and terms of all products."""
    found = [node for node in graph.nodes if node.op.name == "matmul"]
    return sorted((*node.spec.shape, node.inputs[0].spec.shape[1]) for node in found)


def run_both(graph, indices):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s.shape) for s in graph.input_specs[:3]] + [indices]
    turned = cr.simplify(with_tables_first(graph))
    for a, b in zip(Program(turned)(arrays), Program(graph)(arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    for a, b in zip(NativeProgram(graph)(arrays), Program(graph)(arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    return turned


@pytest.mark.parametrize("shape", [(7, 6), (40,), (2, 3, 7)])
def test_no_product_has_more_rows_than_the_table(shape) -> None:
    graph = graph_of(cr.value_and_grad(cost, argnums=(0, 1, 2)), *shape)
    turned = run_both(graph, np.random.default_rng(1).integers(-COUNT, COUNT, shape))
    rows = int(np.prod(shape))
    assert products(graph) == sorted([(rows, OUT, WIDTH), (WIDTH, OUT, rows), (rows, WIDTH, OUT)])
    assert products(turned) == sorted(
        [(COUNT, OUT, WIDTH), (WIDTH, OUT, COUNT), (COUNT, WIDTH, OUT)]
    )


def test_steps_before_examples() -> None:
    def f(table, weight, bias, indices):
        z = cr.swapaxes(table[indices], 0, 1) @ weight + bias
        return cr.sum(cr.cumsum(cr.tanh(z), 0) ** 2)

    graph = graph_of(cr.value_and_grad(f, argnums=(0, 1, 2)), 7, 6)
    turned = run_both(graph, np.random.default_rng(1).integers(-COUNT, COUNT, (7, 6)))
    assert {rows for rows, _, _ in products(turned)} == {COUNT, WIDTH}
    assert {terms for _, _, terms in products(turned)} == {COUNT, WIDTH, OUT}


def test_few_rows_of_a_large_table_are_looked_up_first() -> None:
    graph = graph_of(cr.value_and_grad(cost, argnums=(0, 1, 2)), 6, count=50)
    turned = run_both(graph, np.arange(6))
    assert products(turned) == products(graph)


def test_rows_that_others_read_too_are_right() -> None:
    def f(table, weight, bias, indices):
        rows = table[indices]
        return cr.sum((rows @ weight) ** 2) + cr.sum(cr.sin(rows)) + cr.sum(bias)

    graph = graph_of(cr.value_and_grad(f, argnums=(0, 1, 2)), 30)
    run_both(graph, np.random.default_rng(2).integers(0, COUNT, 30))


def test_an_index_out_of_range_is_still_an_error() -> None:
    graph = graph_of(cost, 20)
    arrays = [np.ones(s.shape) for s in graph.input_specs[:3]]
    with pytest.raises(ChainruleError, match="index"):
        NativeProgram(graph)([*arrays, np.full(20, COUNT)])

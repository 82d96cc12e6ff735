"""What the tests of derivatives share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import chainrule as cr


def floats(*shape: int, seed: int = 0) -> cr.Tensor:
    """Standard normal numbers in float64."""
    return cr.asarray(np.random.default_rng(seed).standard_normal(shape))


def assert_trees_close(got: Any, wanted: Any, rtol: float = 1e-9, atol: float = 1e-11) -> None:
    """Same tree shape, same numbers, same number types."""
    got_leaves, got_definition = cr.tree_flatten(got)
    wanted_leaves, wanted_definition = cr.tree_flatten(wanted)
    assert got_definition == wanted_definition
    for path, a, b in zip(got_definition.paths, got_leaves, wanted_leaves, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), path
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=path)


def all_graphs(graph: cr.Graph) -> list[cr.Graph]:
    """A graph and all its sub-graphs."""
    found = [graph]
    for node in graph.nodes:
        for value in node.attributes.values():
            if isinstance(value, cr.Graph):
                found += all_graphs(value)
    return found


def ops_of(graph: cr.Graph) -> list[str]:
    """The names of all ops in a graph and its sub-graphs."""
    return [node.op.name for one in all_graphs(graph) for node in one.nodes]


def nodes_of(graph: cr.Graph, op: str) -> list[cr.Node]:
    """All nodes of one op in a graph and its sub-graphs."""
    return [node for one in all_graphs(graph) for node in one.nodes if node.op.name == op]


def assert_derivatives_are_well_formed(function: Callable[..., Any], *arguments: Any) -> None:
    """The verifier accepts the graph of a function, and every graph that is made of it."""
    graph = cr.verify(cr.make_graph(function, *arguments))
    everything = [spec.is_float for spec in graph.input_specs]
    backward = cr.verify(cr.reverse(graph, everything))
    both, moved = cr.forward(graph, everything)
    assert len(both.outputs) == len(graph.outputs) + sum(moved)
    batch, batched = cr.vectorize(graph, everything, 3)
    assert len(batch.outputs) == len(batched)
    for made in (both, batch, cr.simplify(backward), cr.inline_calls(backward)):
        cr.verify(made)
    cr.verify(cr.vectorize(backward, [True] * len(backward.inputs), 2)[0])
    cr.verify(cr.forward(backward, [s.is_float for s in backward.input_specs])[0])
    cr.verify(cr.reverse(backward, [s.is_float for s in backward.input_specs]))


@pytest.fixture
def draw() -> Callable[..., cr.Tensor]:
    return floats


@pytest.fixture
def assert_close() -> Callable[..., None]:
    return assert_trees_close


@pytest.fixture
def assert_well_formed() -> Callable[..., None]:
    return assert_derivatives_are_well_formed


@pytest.fixture
def ops() -> Callable[[cr.Graph], Sequence[str]]:
    return ops_of


@pytest.fixture
def nodes() -> Callable[[cr.Graph, str], Sequence[cr.Node]]:
    return nodes_of

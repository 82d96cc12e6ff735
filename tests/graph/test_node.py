"""Graphs as values: order, print, equality, and chains that no recursion would survive."""

import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff import forward, reverse, vectorize
from chainrule.graph.node import Graph, Literal, Node, topological
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import node_of, placeholder
from chainrule.graph.trace import replay

LENGTH = 10_000
F32 = cr.Spec((3,))


def chain(x: Any) -> Any:
    for i in range(LENGTH):
        x = cr.sin(x) if i % 2 else x + 0.001
    return x


@pytest.fixture(scope="module")
def long_graph() -> Graph:
    return cr.make_graph(chain, cr.Spec((), "float64"))


@pytest.fixture(scope="module")
def answer() -> tuple[float, float]:
    x, slope = 0.7, 1.0
    for i in range(LENGTH):
        if i % 2:
            slope *= np.cos(x)
            x = np.sin(x)
        else:
            x += 0.001
    return x, slope


class TestALongChain:
    """Longer than Python's recursion limit by an order of magnitude."""

    def test_is_traced_verified_and_run(self, long_graph: Graph, answer: Any) -> None:
        assert len(long_graph.nodes) > LENGTH > sys.getrecursionlimit()
        cr.verify(long_graph)
        assert evaluate(long_graph, [np.float64(0.7)])[0] == pytest.approx(answer[0], rel=1e-12)
        (replayed,) = replay(long_graph, [cr.tensor(np.float64(0.7))])
        assert replayed.item() == pytest.approx(answer[0], rel=1e-12)

    def test_prints(self, long_graph: Graph) -> None:
        assert len(str(long_graph).splitlines()) == len(long_graph.nodes) + 2

    def test_is_hashed_and_compared(self, long_graph: Graph) -> None:
        again = cr.make_graph(chain, cr.Spec((), "float64"))
        assert again == long_graph and hash(again) == hash(long_graph)

    def test_is_simplified_and_inlined(self, long_graph: Graph) -> None:
        # Each constant 0.001 is the same node afterwards.
        assert len(cr.verify(cr.simplify(long_graph)).nodes) == LENGTH + 1
        assert cr.inline_calls(long_graph) is long_graph

    def test_is_differentiated(self, long_graph: Graph, answer: Any) -> None:
        backward = cr.verify(reverse(long_graph, [True]))
        _, slope = evaluate(backward, [np.float64(0.7), np.float64(1)])
        assert slope == pytest.approx(answer[1], rel=1e-9)
        pushed, _ = forward(long_graph, [True])
        _, slope = evaluate(cr.verify(pushed), [np.float64(0.7), np.float64(1)])
        assert slope == pytest.approx(answer[1], rel=1e-9)

    def test_is_vectorized(self, long_graph: Graph, answer: Any) -> None:
        graph, batched = vectorize(long_graph, [True], 2)
        assert batched == (True,)
        (values,) = evaluate(cr.verify(graph), [np.array([0.7, 0.7])])
        np.testing.assert_allclose(values, answer[0], rtol=1e-12)

    def test_of_calls_is_inlined(self) -> None:
        step = cr.named(lambda x: x + 1.0)

        def calls(x: Any) -> Any:
            for _ in range(2000):
                x = step(x)
            return x

        inlined = cr.verify(cr.inline_calls(cr.make_graph(calls, cr.Spec(()))))
        assert {node.op.name for node in inlined.nodes} == {"add", "constant"}

    def test_is_forgotten(self) -> None:
        graph = cr.make_graph(chain, cr.Spec(()))
        del graph  # freeing it may not overflow the stack either


# ---------------------------------------------------------------------- order
def test_every_node_stands_after_those_that_it_reads() -> None:
    rng = np.random.default_rng(0)
    values = [placeholder(F32) for _ in range(3)]
    for _ in range(200):
        a, b = rng.integers(len(values), size=2)
        values.append(values[a] * values[b])
    outputs = [node_of(v) for v in values[-20:]]
    order = topological(outputs)
    place = {node: i for i, node in enumerate(order)}
    assert all(place[child] < place[node] for node in order for child in node.inputs)
    assert set(outputs) <= set(order)


def test_an_inner_node_may_serve_as_an_input() -> None:
    x = placeholder(F32)
    y = cr.exp(x)
    graph = cr.verify(Graph([node_of(y)], [node_of(y * y)]))
    assert [node.op.name for node in graph.nodes] == ["multiply"]


def test_an_input_may_be_an_output() -> None:
    x = placeholder(F32)
    graph = cr.verify(Graph([node_of(x)], [node_of(x), node_of(x)]))
    assert graph.nodes == ()
    assert evaluate(graph, [7]) == [7, 7]


# ---------------------------------------------------------------------- equality
def test_graphs_are_equal_if_they_do_the_same() -> None:
    def f(x: Any, y: Any) -> Any:
        return cr.tanh(x) * 2.0 + y

    graph = cr.make_graph(f, F32, F32)
    assert graph == cr.make_graph(f, F32, F32)
    assert hash(graph) == hash(cr.make_graph(f, F32, F32))
    others = [
        cr.make_graph(lambda x, y: f(y, x), F32, F32),
        cr.make_graph(f, cr.Spec((3,), "float64"), cr.Spec((3,), "float64")),
        cr.make_graph(lambda x, y: cr.tanh(x) * 3.0 + y, F32, F32),
        cr.make_graph(lambda x, y: cr.sin(x) * 2.0 + y, F32, F32),
        cr.make_graph(lambda x, y: (f(x, y), y), F32, F32),
        cr.make_graph(lambda x, y: f(x, y).sum(0), F32, F32),
    ]
    assert all(other != graph for other in others)
    assert graph != "graph"
    assert len({graph, cr.make_graph(f, F32, F32), *others}) == len(others) + 1


def test_constants_are_compared_by_content() -> None:
    zero, minus = Literal(np.array(0.0)), Literal(np.array(-0.0))
    assert zero == Literal(np.array(0.0)) and hash(zero) == hash(Literal(np.array(0.0)))
    assert zero != minus and zero != Literal(np.array(0, np.float32))
    assert Literal(np.array(np.nan)) == Literal(np.array(np.nan))
    large = np.zeros(10_000)
    assert Literal(large) == Literal(large) and Literal(large) != Literal(large.copy())
    assert zero != 0.0


# ---------------------------------------------------------------------- print
def test_the_print_is_readable() -> None:
    def cell(state: Any, x: Any) -> Any:
        return cr.tanh(state + x), state

    def model(parameters: Any, rows: Any) -> Any:
        last, _ = cr.scan(cell, parameters["start"], rows)
        return last * cr.tensor([1.0, 2.0, 3.0])

    graph = cr.make_graph(model, {"start": F32}, cr.Spec((5, 3)))
    assert str(graph) == (
        "(start: f32[3], in1: f32[5, 3]) ->\n"
        "  %0 = scan start in1 captured=0 carried=1 length=5 reverse=False : f32[3], f32[5, 3]\n"
        "    body:\n"
        "    (state: f32[3], row: f32[3]) ->\n"
        "      %0 = add state row : f32[3]\n"
        "      %1 = tanh %0 : f32[3]\n"
        "      return %1, state\n"
        "  %1 = pick %0 index=0 : f32[3]\n"
        "  %2 = constant value=[1. 2. 3.] : f32[3]\n"
        "  %3 = multiply %1 %2 : f32[3]\n"
        "  return %3"
    )
    assert repr(graph) == "<Graph 4 nodes, 2 inputs → 1 outputs>"
    assert repr(graph.nodes[-1]) == "<multiply f32[3]>"
    assert repr(graph.input_specs) == "(f32[3], f32[5, 3])"
    assert repr(Literal(np.zeros((100, 2)))) == "<array (100, 2)>"


def test_names_of_inputs() -> None:
    graph = cr.make_graph(lambda x, p: x + p["w"], F32, {"w": F32, "mode": "fast"})
    assert graph.names == ("in0", "w")
    assert Graph(graph.inputs, graph.outputs).names == ("in0", "in1")


# ---------------------------------------------------------------------- nodes and the table
def test_nodes_are_immutable_and_compared_by_identity() -> None:
    node = node_of(placeholder(F32))
    with pytest.raises(AttributeError):
        node.specs = ()  # type: ignore[misc]
    twin = Node(node.op, node.inputs, node.attributes, node.specs)
    assert twin != node and twin.serial > node.serial


def test_the_table_is_closed() -> None:
    with pytest.raises(TypeError):
        TABLE["mine"] = TABLE["add"]  # type: ignore[index]
    assert all(name == op.name for name, op in TABLE.items())


def test_spec() -> None:
    assert repr(cr.Spec((2, 3), "int8")) == "i8[2, 3]" and repr(cr.Spec((), bool)) == "bool[]"
    assert cr.Spec([np.int64(2)], float) == cr.Spec((2,), np.float64)
    assert cr.Spec((2, 3)).size == 6 and cr.Spec(()).size == 1
    with pytest.raises(TypeError, match="float32, float64"):
        cr.Spec((), "complex64")

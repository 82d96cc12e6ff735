"""The verifier finds each way in which a graph can be broken."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GraphError
from chainrule.graph.node import Graph, Node
from chainrule.graph.table import TABLE, Op
from chainrule.graph.tensor import node_of, placeholder

F32, F64 = cr.Spec((3,)), cr.Spec((3,), "float64")
X, Y, WIDE = (node_of(placeholder(spec)) for spec in (F32, F32, F64))


def node(name: str, /, *inputs: Node, spec: cr.Spec = F32, **attributes: Any) -> Node:
    return Node(TABLE[name], inputs, attributes, (spec,))


def forged() -> Op:
    tanh = TABLE["tanh"]
    return Op("tanh", tanh.family, tanh.rule, tanh.value)


def body_that_reaches_out() -> Graph:
    inner = node_of(placeholder(F32))
    return Graph([inner], [node("add", inner, X)])


def call(body: Graph, *inputs: Node) -> Node:
    attributes = {"body": body, "name": "f", "label": "f()"}
    return Node(TABLE["call"], inputs, attributes, body.output_specs)


def scan(**changes: Any) -> Node:
    state, row = (node_of(placeholder(F32)) for _ in range(2))
    body = Graph([state, row], [node("add", state, row)])
    rows = node_of(placeholder(cr.Spec((5, 3))))
    attributes = {"captured": 0, "carried": 1, "length": 5, "reverse": False, "body": body}
    return node("scan", X, rows, **{**attributes, **changes})


def while_with_condition(spec: cr.Spec) -> Node:
    state = node_of(placeholder(F32))
    asks = Graph([state], [node("less", state, state, spec=spec)])
    same = Graph([state], [state])
    return node("while", X, condition=asks, body=same, condition_captured=0, body_captured=0)


def graph_of(node: Node) -> Graph:
    return Graph(node.inputs, [node])


WHOLE, SQUARE = (node_of(placeholder(cr.Spec(*s))) for s in [((3,), "int64"), ((3, 3), "float64")])
NARROW = Graph([WIDE], [WIDE])
BROKEN = {
    "a placeholder that is no input": (Graph([X], [node("add", X, Y)]), "among its inputs"),
    "an input twice": (Graph([X, X], [X]), "every input once"),
    "a missing name": (Graph([X, Y], [X], ["x"]), "one name per input"),
    "a forged op": (Graph([X], [Node(forged(), (X,), {}, (F32,))]), "from the op table"),
    "a wrong shape": (Graph([X], [node("tanh", X, spec=cr.Spec((4,)))]), "tanh expects"),
    "a wrong type": (Graph([X], [node("tanh", X, spec=F64)]), "tanh expects"),
    "too many specs": (Graph([X], [Node(TABLE["tanh"], (X,), {}, (F32, F32))]), "tanh expects"),
    "inputs of mixed type": (Graph([X, WIDE], [node("add", X, WIDE)]), "one number type"),
    "inputs of mixed shape": (
        Graph([X, Y], [node("add", X, node("reshape", Y, shape=(3, 1), spec=cr.Spec((3, 1))))]),
        "one number type",
    ),
    "too few inputs": (Graph([X], [node("add", X)]), "takes 2 inputs"),
    "no input at all": (Graph([X], [node("concatenate", axis=0)]), "shape rule refuses"),
    "a missing attribute": (Graph([X], [node("reshape", X)]), "shape rule refuses"),
    "an attribute too many": (Graph([X], [node("tanh", X, axis=0)]), "shape rule refuses"),
    "an attribute out of range": (
        Graph([X], [node("argmax", X, axis=1, spec=cr.Spec((), "int64"))]),
        "shape rule refuses",
    ),
    "an attribute that cannot be hashed": (
        Graph([X], [node("reshape", X, shape=[3])]),
        r"shape=\[3\]",
    ),
    "an input in an attribute's place": (Graph([X, Y], [node("cast", X, Y)]), "shape rule refuses"),
    "an input too many": (
        Graph([SQUARE], [node("triangular_solve", *[SQUARE] * 3, spec=SQUARE.spec)]),
        "shape rule refuses",
    ),
    "numbers that the row does not take": (
        Graph([WHOLE], [node("tanh", WHOLE, spec=WHOLE.spec)]),
        "tanh does not take i64",
    ),
    "a slice of the wrong rank": (
        Graph([X], [node("slice", X, start=(0, 0), stop=(1, 1), step=(1, 1))]),
        "shape rule refuses",
    ),
    "a pick beyond the outputs": (
        Graph([WIDE], [node("pick", call(NARROW, WIDE), index=1)]),
        "rule",
    ),
    "a pick of nothing": (Graph([], [node("pick", index=0)]), "rule"),
    "a pick of one value": (Graph([X], [node("pick", X, index=0)]), "for pick alone"),
    "a tuple that is read": (
        Graph([WIDE], [node("tanh", call(NARROW, WIDE), spec=F64)]),
        "for pick alone",
    ),
    "a tuple that is put out": (Graph([WIDE], [call(NARROW, WIDE)]), "for pick alone"),
    "a body that reaches out": (Graph([X], [call(body_that_reaches_out(), X)]), "its inputs"),
    "a body of another type": (Graph([X], [call(Graph([WIDE], [WIDE]), X)]), "call expects"),
    "a broken body": (
        Graph([X], [call(Graph([Y], [node("tanh", Y, spec=F64)]), X)]),
        "tanh expects",
    ),
    "a scan over too few rows": (graph_of(scan(length=4)), "length 4"),
    "a scan whose state changes": (graph_of(scan(carried=0)), "length 5"),
    "a while that asks no question": (Graph([X], [while_with_condition(F32)]), "less expects"),
    "a while that asks many": (
        Graph([X], [while_with_condition(cr.Spec((3,), "bool"))]),
        "while expects",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_graph_is_found(name: str) -> None:
    graph, words = BROKEN[name]
    with pytest.raises(GraphError, match=words):
        cr.verify(graph)


def test_a_sound_graph_is_returned() -> None:
    graph = cr.make_graph(
        lambda x, xs: cr.scan(lambda s, y: (s + y, y), x, xs), F32, cr.Spec((5, 3))
    )
    assert cr.verify(graph) is graph
    constant = Graph([], [node_of(cr.tensor(np.arange(3)))])
    assert cr.verify(constant) is constant

"""Graphs to plain data and back: every op, random programs, and whatever a file may hold."""

import copy
import importlib.util
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import chainrule as cr
from chainrule.errors import ChainruleError, GraphError
from chainrule.graph import serial
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import evaluate
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import node_of, placeholder

Document = dict[str, Any]


def neighbour(name: str) -> ModuleType:
    """Another file of tests, for the problems that it knows."""
    spec = importlib.util.spec_from_file_location(
        f"_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


op_table, random_graphs = neighbour("test_op_table"), neighbour("test_random_graphs")


def there_and_back(graph: Graph) -> Graph:
    """Through the text of a file."""
    return cr.graph_from_dict(json.loads(json.dumps(cr.graph_to_dict(graph))))


def assert_same_bits(graph: Graph, arrays: Sequence[np.ndarray]) -> None:
    again = there_and_back(graph)
    assert again == graph and again.names == graph.names
    assert again.input_specs == graph.input_specs and again.output_specs == graph.output_specs
    assert str(again) == str(graph)
    assert json.dumps(cr.graph_to_dict(again)) == json.dumps(cr.graph_to_dict(graph))
    for got, wanted in zip(evaluate(again, arrays), evaluate(graph, arrays), strict=True):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        assert got.tobytes() == wanted.tobytes()


# ---------------------------------------------------------------------- every op of the table
PROBLEMS = [
    *((op_table.graph_of(op, problem), problem) for op, problem in op_table.VALUE_PROBLEMS),
    *(
        (cr.make_graph(problem.function, *map(cr.asarray, problem.arrays)), problem)
        for problem in op_table.STRUCTURE_PROBLEMS.values()
    ),
]


def ops_of(graph: Graph) -> set[str]:
    bodies = [v for n in graph.nodes for v in n.attributes.values() if isinstance(v, Graph)]
    own = {node.op.name for node in (*graph.inputs, *graph.nodes)}
    return own.union(*map(ops_of, bodies))


def test_no_op_escapes() -> None:
    assert set().union(*(ops_of(graph) for graph, _ in PROBLEMS)) == set(TABLE)


@pytest.mark.parametrize(("graph", "problem"), PROBLEMS, ids=[p.label for _, p in PROBLEMS])
def test_every_op_comes_back(graph: Graph, problem: Any) -> None:
    assert_same_bits(graph, problem.arrays)


@given(random_graphs.programs())
def test_a_random_program_and_its_gradient_come_back(program: Any) -> None:
    def value(*inputs: Any) -> Any:
        return random_graphs.run(program, *inputs)

    inputs = list(map(cr.asarray, random_graphs.INPUTS))
    for function in (value, cr.grad(random_graphs.scalar(program), argnums=(0, 1))):
        graph = cr.make_graph(function, *inputs)
        captured = [n.attributes["value"].array for n in graph.inputs[len(inputs) :]]
        assert_same_bits(graph, [*random_graphs.INPUTS, *captured])


# ---------------------------------------------------------------------- constants, names, sharing
@pytest.mark.parametrize(
    "array",
    [
        np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324]),
        np.array([0x7FC00001, 0xFFFFFFFF], np.uint32).view(np.float32),  # payloads of NaN
        np.array(1, np.int8),
        np.array([[True, False]]),
        np.zeros((0, 3), np.float32),
        np.arange(12.0).reshape(3, 4).T[::-1],  # no layout of its own
        np.broadcast_to(np.float32(2), (3, 3)),
        np.array([2**64 - 1], np.uint64),
    ],
)
def test_a_constant_keeps_every_bit(array: np.ndarray) -> None:
    graph = Graph([], [node_of(cr.Tensor(array))])
    (got,) = evaluate(there_and_back(graph), [])
    assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_names_and_labels_are_any_text() -> None:
    names = ["은닉층.0 \U0001f600", 'a "b"\n\\', "\ud800"]
    inputs = [node_of(placeholder(cr.Spec((2,)))) for _ in names]
    graph = Graph(inputs, inputs[::-1], names)
    assert there_and_back(graph).names == tuple(names)


def test_what_is_shared_is_written_once() -> None:
    @cr.named
    def layer(x: Any) -> Any:
        return cr.tanh(x) * 2.0

    def f(x: Any) -> Any:
        for _ in range(5):
            x = layer(x)
        return x

    graph = cr.make_graph(f, cr.Spec((3,)))
    document = cr.graph_to_dict(graph)
    assert len(document["graphs"]) == 2
    again = cr.graph_from_dict(document)
    bodies = {id(n.attributes["body"]) for n in again.nodes if n.op.name == "call"}
    assert len(bodies) == 1
    assert_same_bits(graph, [np.ones(3, np.float32)])


def test_a_chain_of_ten_thousand_nodes() -> None:
    def chain(x: Any) -> Any:
        for _ in range(10_000):
            x = cr.tanh(x)
        return x

    graph = cr.make_graph(chain, cr.Spec((2,)))
    again = there_and_back(graph)
    assert len(again.nodes) == 10_000 and again == graph


def nested(levels: int) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = cr.tanh
    for _ in range(levels):
        function = cr.named(lambda x, inner=function: inner(x) + 1.0)
    return function


def test_levels_of_calls_have_a_limit() -> None:
    x = cr.Spec((2,))
    graph = cr.make_graph(nested(serial.MOST_LEVELS), x)
    assert_same_bits(graph, [np.ones(2, np.float32)])
    with pytest.raises(GraphError, match="at most 100 levels"):
        cr.graph_to_dict(cr.make_graph(nested(serial.MOST_LEVELS + 1), x))


def test_a_broken_graph_is_not_written() -> None:
    x, y = (node_of(placeholder(cr.Spec((3,)))) for _ in range(2))
    with pytest.raises(GraphError, match="input"):
        cr.graph_to_dict(Graph([x], [Node(TABLE["add"], (x, y), {}, (cr.Spec((3,)),))]))
    with pytest.raises(GraphError, match="tanh expects"):
        cr.graph_to_dict(Graph([x], [Node(TABLE["tanh"], (x,), {}, (cr.Spec((4,)),))]))
    with pytest.raises(GraphError, match="0 <= n"):
        cr.graph_to_dict(Graph([x], [Node(TABLE["sum"], (x,), {"axes": (-1,)}, (cr.Spec(()),))]))
    with pytest.raises(GraphError, match="no form for the attribute 'depth' of tanh"):
        cr.graph_to_dict(Graph([x], [Node(TABLE["tanh"], (x,), {"depth": 1}, (cr.Spec((3,)),))]))


# ---------------------------------------------------------------------- damaged and hostile files
X = ["x", "f32", [3]]


def document(*graphs: Any, version: Any = 1) -> Document:
    return {"format": "chainrule.graph", "version": version, "graphs": list(graphs)}


def one(*nodes: Any, inputs: Any = (X,), outputs: Any = (1,)) -> Document:
    """A document of one graph; its nodes come after the input 0."""
    return document({"inputs": list(inputs), "nodes": list(nodes), "outputs": list(outputs)})


TANH = ["tanh", [0], {}]
IDENTITY = {"inputs": [X], "nodes": [], "outputs": [0]}


def constant(*value: Any) -> Document:
    return one(["constant", [], {"value": list(value)}])


def call(body: Any, *inputs: int) -> list[Any]:
    return ["call", list(inputs or (0,)), {"body": body, "name": "f", "label": "f"}]


def tower(levels: int, width: int) -> Document:
    """Graphs that call the one before, each several times: small in a file, huge when inlined."""
    graphs: list[Any] = [{"inputs": [X], "nodes": [TANH], "outputs": [1]}]
    for level in range(levels):
        nodes: list[Any] = []
        for i in range(width):
            nodes += [call(level, 2 * i), ["pick", [2 * i + 1], {"index": 0}]]
        graphs.append({"inputs": [X], "nodes": nodes, "outputs": [2 * width]})
    return document(*graphs)


BAD: dict[str, tuple[Any, str]] = {
    "nothing": (None, "got None"),
    "a list": ([], "list"),
    "another format": ({"format": "onnx", "version": 1, "graphs": [IDENTITY]}, "chainrule.graph"),
    "no graph": (document(), "here"),
    "a newer version": (document(version=2), "format 2, but .* up to 1. Upgrade"),
    "an older version": (document(IDENTITY, version=0), "here"),
    "text as version": (document(IDENTITY, version="1"), "here"),
    "no nodes": (document({"inputs": [X], "outputs": [0]}), r"graphs\[0\]: .*nodes"),
    "a graph that is none": (document(3), r"graphs\[0\]"),
    "an unknown op": (one(["tank", [0], {}]), r"graphs\[0\].nodes\[0\]: .*'tank'.*'tanh'"),
    "an input as a node": (one(["input", [], {"spec": 1}]), "'input'"),
    "a node that is none": (one("tanh"), "tanh"),
    "an op that is no text": (one([1, [0], {}]), "here"),
    "a cycle": (one(["add", [0, 2], {}], ["tanh", [1], {}]), "expects < 1 here, but got 2"),
    "itself": (one(["tanh", [1], {}]), "expects < 1 here, but got 1"),
    "a negative number": (one(["tanh", [-1], {}]), "got -1"),
    "a fraction": (one(["tanh", [0.0], {}]), "got 0.0"),
    "a flag as a number": (one(["tanh", [False], {}]), "got False"),
    "an output beyond": (one(TANH, outputs=[2]), "outputs: .* got 2"),
    "an output that is text": (one(TANH, outputs=["1"]), "outputs: .* got 1"),
    "too few inputs": (one(["add", [0], {}]), "takes 2 inputs"),
    "an attribute too many": (one(["tanh", [0], {"axis": 0}]), "shape rule refuses"),
    "an attribute too few": (one(["reshape", [0], {}]), "shape rule refuses"),
    "an unknown attribute": (one(["tanh", [0], {"code": "rm"}]), "'code' of tanh"),
    "a wrong shape": (one(["reshape", [0], {"shape": [4]}]), "shape rule refuses"),
    "a shape that is a number": (one(["reshape", [0], {"shape": 3}]), "got 3"),
    "a negative length": (one(["reshape", [0], {"shape": [-1, -3]}]), "got -1"),
    "a length of a fraction": (one(["reshape", [0], {"shape": [3.0]}]), "got 3.0"),
    "a length beyond 64 bits": (one(["broadcast_to", [0], {"shape": [2**63, 3]}]), "2\\*\\*63"),
    "a huge value": (one(["broadcast_to", [0], {"shape": [2**40, 3]}]), "at most .* bytes"),
    "a huge value of no elements": (one(TANH, inputs=[["x", "f32", [0, 2**62]]]), "at most"),
    "a huge input": (one(TANH, inputs=[["x", "f64", [2**62]]]), "at most"),
    "many axes": (one(TANH, inputs=[["x", "f32", [1] * 64]]), "32 axes"),
    "a huge pad": (one(["pad", [0], {"low": [2**60], "high": [0], "interior": [0]}]), "at most"),
    "an unknown type": (one(TANH, inputs=[["x", "f16", [3]]]), "f32 / f64"),
    "a type of objects": (one(["cast", [0], {"dtype": "object"}]), "f32 / f64"),
    "an input without a name": (one(TANH, inputs=[["f32", [3]]]), r"inputs\[0\]"),
    "an input whose name is a number": (one(TANH, inputs=[[1, "f32", [3]]]), r"inputs\[0\]"),
    "numbers that an op does not take": (
        one(["tanh", [0], {}], inputs=[["x", "i64", [3]]]),
        "tanh does not take i64",
    ),
    "booleans that are added": (
        one(["add", [0, 0], {}], inputs=[["x", "bool", [3]]]),
        "add does not take bool",
    ),
    "a truncated constant": (constant("f32", [2], "AAAAAA=="), "expects 8 bytes here, but got 4"),
    "a constant that is no base64": (constant("f32", [1], "****"), "base64"),
    "a constant that is no ASCII": (constant("f32", [1], "가나다라"), "base64"),
    "a constant without bytes": (constant("f32", [1]), "here"),
    "a constant larger than its bytes": (constant("f32", [2**30], ""), "bytes"),
    "a sub-graph beyond": (document(IDENTITY, one(call(1))["graphs"][0]), "expects < 1 here"),
    "a sub-graph of itself": (one(call(0)), "expects < 0 here"),
    "a sub-graph of other inputs": (
        document(IDENTITY, one(call(0, 0, 0), outputs=[0])["graphs"][0]),
        "call expects",
    ),
    "a call that nobody picks": (document(IDENTITY, one(call(0))["graphs"][0]), "for pick alone"),
    "a call that tanh reads": (
        document(IDENTITY, one(call(0), ["tanh", [1], {}], outputs=[2])["graphs"][0]),
        "for pick alone",
    ),
    "a pick of no call": (one(["pick", [0], {"index": 0}]), "for pick alone"),
    "a pick of nothing": (one(["pick", [], {"index": 0}]), "rule"),
    "a pick beyond": (
        document(IDENTITY, one(call(0), ["pick", [1], {"index": 1}], outputs=[2])["graphs"][0]),
        "rule",
    ),
    "a call of a number": (one(["call", [0], {"body": "f", "name": "f", "label": "f"}]), "got f"),
    "a name that is no text": (
        document(IDENTITY, one(["call", [0], {"body": 0, "name": 1, "label": "f"}])["graphs"][0]),
        "got 1",
    ),
    "a tower of calls": (tower(40, 2), "at most 1000000 nodes"),
    "deep calls": (tower(101, 1), "at most 100 levels"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_refused(name: str) -> None:
    content, words = BAD[name]
    with pytest.raises(GraphError, match=words) as caught:
        cr.graph_from_dict(content)
    assert len(str(caught.value)) < 1000


def test_the_deepest_calls_are_read() -> None:
    graph = cr.graph_from_dict(tower(100, 1))
    (got,) = evaluate(graph, [np.ones(3)])
    np.testing.assert_array_equal(got, np.tanh(np.ones(3)))


# ---------------------------------------------------------------------- anything at all
STRANGE = [0, 1, 2, 3, -1, 2**31, 2**63, None, True, 1.5, "", "f32", "i64", "bool", "tanh", "pick"]
STRANGE += ["call", "where", [], [0], [0, 0], [2, 3], {}, {"axis": 0}, "AAAA"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a document."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def damaged(whole: Document, chance: random.Random) -> Document:
    """The document with one part replaced, taken out or doubled."""
    copied = copy.deepcopy(whole)
    *path, last = chance.choice(list(places(copied)))
    part: Any = copied
    for key in path:
        part = part[key]
    action = chance.random()
    if action < 0.7:
        part[last] = copy.deepcopy(chance.choice(STRANGE))
    elif action < 0.85 and isinstance(part, list):
        part.insert(last, copy.deepcopy(part[last]))
    else:
        del part[last]
    return copied


def test_whatever_stands_in_a_document_is_refused_or_runs() -> None:
    chance = random.Random(0)
    whole = [cr.graph_to_dict(graph) for graph, _ in PROBLEMS]
    read = 0
    for _ in range(1500):
        document = damaged(chance.choice(whole), chance)
        try:
            graph = cr.graph_from_dict(document)
        except GraphError:
            continue
        read += 1
        small = all(spec.size < 10**4 for n in graph.nodes for spec in n.specs)
        if small and ops_of(graph).isdisjoint({"while", "scan"}):
            run_or_say_why(graph)
    assert read > 50  # else nothing was tried


def run_or_say_why(graph: Graph) -> None:
    arrays = [cr.asarray(np.ones(spec.shape, spec.dtype)) for spec in graph.input_specs]
    try:
        outputs = cr.graph.trace.replay(graph, arrays)
    except ChainruleError:  # an index out of range is known only now
        return
    assert tuple(y.spec for y in outputs) == graph.output_specs

"""Graphs as plain data, so that a model can be stored and run without the code that traced it.

A document is made of what JSON has. Sub-graphs stand in front of the graphs that use them, each
once; the graph itself is the last::

    {"format": "chainrule.graph", "version": 1, "graphs": [...]}

    {"inputs": [["x", "f32", [3]]], "nodes": [["tanh", [0], {}]], "outputs": [1]}

The values of a graph are numbered, inputs first. A node is an op, the numbers of the values that it
reads, and its attributes. It reads earlier values only, so there can be no cycle. Shapes and number
types of nodes are not written: the shape rules say them anew, and no document can lie about them.
Nothing in a document is executed; it names rows of a closed table.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import GraphError, suggest
from chainrule.graph.node import Graph, Literal, Node
from chainrule.graph.spec import SHORT_NAMES, Spec, checked_dtype
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import INPUT, node_of, placeholder
from chainrule.graph.verify import verify, wanted_specs

__all__ = ["graph_from_dict", "graph_to_dict"]

VERSION = 1

#: What no honest graph exceeds; beyond, a small file could cost its reader any time and memory.
MOST_NODES = 1_000_000  # a sub-graph counts as often as it is used
MOST_LEVELS = 100  # of graphs in graphs
MOST_AXES = 32
MOST_BYTES = 2**40  # of one value

DTYPES: dict[str, Any] = {name: dtype for dtype, name in SHORT_NAMES.items()}


def graph_to_dict(graph: Graph) -> dict[str, Any]:
    """A graph as nested dicts and lists of text and integers: what JSON has.

    Equal graphs with equal names give equal documents. Sub-graphs that are alike are written once.

    Parameters
    ----------
    graph
        Any graph, of any size; its constants are written in full.

    Raises
    ------
    GraphError
        If the graph breaks a rule (:func:`chainrule.verify`), or exceeds what can be read again: a
        million nodes, or a hundred levels of sub-graphs.

    Examples
    --------
    >>> import chainrule as cr
    >>> document = cr.graph_to_dict(cr.make_graph(cr.tanh, cr.Spec((3,))))
    >>> document["graphs"]
    [{'inputs': [['in0', 'f32', [3]]], 'nodes': [['tanh', [0], {}]], 'outputs': [1]}]
    """
    writer = _Writer()
    writer.add(graph, MOST_LEVELS)
    document = {"format": "chainrule.graph", "version": VERSION, "graphs": writer.entries}
    graph_from_dict(document)  # what cannot be read is not written
    verify(graph)
    return document


def graph_from_dict(document: Any) -> Graph:
    """The graph that :func:`graph_to_dict` wrote.

    A document may come from anywhere: each part of it is checked, and the graph verified. Reading
    takes time and memory in proportion to the document. (Running the graph takes what it says.)

    Raises
    ------
    GraphError
        If the document is damaged, breaks a rule of graphs, or is of a newer version.

    Examples
    --------
    >>> import chainrule as cr
    >>> graph = cr.make_graph(lambda x: cr.tanh(x) * 2, cr.Spec((3,)))
    >>> cr.graph_from_dict(cr.graph_to_dict(graph)) == graph
    True
    """
    match document:
        case {"format": "chainrule.graph", "version": int(version)} if version > VERSION:
            raise GraphError("graph.newer", version=version, known=VERSION)
        case {"format": "chainrule.graph", "version": 1, "graphs": [_, *_] as entries}:
            return verify(_read_all(entries))
    raise _damaged('{"format": "chainrule.graph", "version": 1, "graphs": […]}', document)


# ---------------------------------------------------------------------- attributes
class _Kind(NamedTuple):
    """How attributes of one kind are written, and read if they are sound."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise _damaged("0 <= n < 2**63", value)
    return int(value)


def _below(limit: int, value: Any) -> int:
    if _natural(value) >= limit:
        raise _damaged(f"< {limit}", value)
    return int(value)


def _naturals(value: Any) -> tuple[int, ...]:
    return tuple(map(_natural, _list(value)))


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _damaged("true / false", value)
    return bool(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _damaged('"…"', value)
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _damaged("[…]", value)
    return value


def _dtype_name(dtype: Any) -> str:
    return SHORT_NAMES[np.dtype(dtype)]


def _dtype(value: Any) -> np.dtype[Any]:
    if _text(value) not in DTYPES:
        raise _damaged(" / ".join(DTYPES), value)
    return checked_dtype(DTYPES[value])


def _spec_data(spec: Spec) -> list[Any]:
    return [_dtype_name(spec.dtype), list(spec.shape)]


def _spec(dtype: Any, shape: Any) -> Spec:
    return _bounded(Spec(_naturals(shape), _dtype(dtype)))


def _bounded(spec: Spec) -> Spec:
    # As if no axis were empty: engines multiply lengths of some axes only.
    size = math.prod(max(n, 1) for n in spec.shape) * spec.dtype.itemsize
    if spec.ndim > MOST_AXES or size > MOST_BYTES:
        raise GraphError("graph.too_large", spec=spec, bytes=MOST_BYTES, axes=MOST_AXES)
    return spec


def _literal_data(literal: Literal) -> list[Any]:
    array = np.ascontiguousarray(literal.array)
    content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return [*_spec_data(Spec(literal.array.shape, array.dtype)), base64.b64encode(content).decode()]


def _literal(value: Any) -> Literal:
    match value:
        case [dtype, shape, str(text)]:
            spec = _spec(dtype, shape)
            try:
                content = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise _damaged("base64", error) from None
            if len(content) != spec.size * spec.dtype.itemsize:
                raise _damaged(f"{spec.size * spec.dtype.itemsize} bytes", f"{len(content)} bytes")
            array = np.frombuffer(content, spec.dtype.newbyteorder("<")).astype(spec.dtype)
            return Literal(array.reshape(spec.shape))
    raise _damaged('["f32", [3], "…"]', value)


NATURAL, NATURALS = _Kind(int, _natural), _Kind(lambda n: list(map(int, n)), _naturals)
FLAG, TEXT = _Kind(bool, _flag), _Kind(str, _text)

#: Every attribute of the table by its name, which means the same in all rows. (Sub-graphs are
#: written as their number, and an ``input`` is no node of a document.)
KINDS = {
    **dict.fromkeys(("axis", "batch", "index", "length"), NATURAL),
    **dict.fromkeys(("captured", "carried", "condition_captured", "body_captured"), NATURAL),
    **dict.fromkeys(("axes", "shape", "start", "stop", "step", "low", "high"), NATURALS),
    "interior": NATURALS,
    **dict.fromkeys(("reverse", "transposed", "recompute", "apart"), FLAG),
    **dict.fromkeys(("name", "label"), TEXT),
    "dtype": _Kind(_dtype_name, _dtype),
    "value": _Kind(_literal_data, _literal),
}
SUBGRAPHS = ("body", "condition")


# ---------------------------------------------------------------------- writing
class _Writer:
    """Graphs as entries of a document, those that others use first."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}  # text of an entry → its number
        self._met: dict[int, tuple[Graph, int]] = {}  # the graph is kept, so that its id is its own

    def add(self, graph: Graph, levels: int) -> int:
        """The number of the graph's entry, which is made unless there is one."""
        if id(graph) in self._met:
            return self._met[id(graph)][1]
        if levels < 0:
            raise GraphError("graph.too_deep", most=MOST_LEVELS)
        entry = self._entry(graph, levels)
        number = self._numbers.setdefault(json.dumps(entry), len(self.entries))
        if number == len(self.entries):
            self.entries.append(entry)
        self._met[id(graph)] = graph, number
        return number

    def _entry(self, graph: Graph, levels: int) -> dict[str, Any]:
        place = {node: i for i, node in enumerate((*graph.inputs, *graph.nodes))}
        pairs = zip(graph.names, graph.inputs, strict=False)  # verified when all is written
        return {
            "inputs": [[str(name), *_spec_data(node.spec)] for name, node in pairs],
            "nodes": [
                [
                    node.op.name,
                    [place[child] for child in node.inputs],
                    {key: self._attribute(key, node, levels) for key in node.attributes},
                ]
                for node in graph.nodes
            ],
            "outputs": [place[node] for node in graph.outputs],
        }

    def _attribute(self, key: str, node: Node, levels: int) -> Any:
        value = node.attributes[key]
        if isinstance(value, Graph):
            return self.add(value, levels - 1)
        if key not in KINDS:
            raise GraphError("graph.no_form", op=node.op.name, name=key)
        return KINDS[key].write(value)


# ---------------------------------------------------------------------- reading
def _read_all(entries: Sequence[Any]) -> Graph:
    read: list[_Read] = []
    for number, entry in enumerate(entries):
        with _told(f"graphs[{number}]"):
            read.append(_read(entry, read))
    return read[-1].graph


class _Read(NamedTuple):
    """A graph that was read, how many nodes it has with all sub-graphs, and how deep these go."""

    graph: Graph
    size: int
    levels: int


def _read(entry: Any, earlier: Sequence[_Read]) -> _Read:
    match entry:
        case {"inputs": [*inputs], "nodes": [*nodes], "outputs": [*outputs]}:
            reader = _Reader(earlier)
            for number, item in enumerate(inputs):
                with _told(f"inputs[{number}]"):
                    reader.read_input(item)
            for number, item in enumerate(nodes):
                with _told(f"nodes[{number}]"):
                    reader.read_node(item)
            with _told("outputs"):
                return reader.finished(outputs)
    raise _damaged('{"inputs": […], "nodes": […], "outputs": […]}', entry)


class _Reader:
    """Reads one graph; ``earlier`` are those that it may contain."""

    def __init__(self, earlier: Sequence[_Read]) -> None:
        self.earlier = earlier
        self.names: list[str] = []
        self.values: list[Node] = []
        self.size, self.levels = 0, 0

    def read_input(self, item: Any) -> None:
        match item:
            case [str(name), dtype, shape]:
                self.names.append(name)
                self._append(node_of(placeholder(_spec(dtype, shape))))
            case _:
                raise _damaged('["x", "f32", [3]]', item)

    def read_node(self, item: Any) -> None:
        match item:
            case [str(name), [*inputs], dict(attributes)]:
                self._append(self._node(name, inputs, attributes))
            case _:
                raise _damaged('["tanh", [0], {}]', item)

    def finished(self, outputs: list[Any]) -> _Read:
        self._count(len(outputs))
        nodes = [self._value(number) for number in outputs]
        graph = Graph(self.values[: len(self.names)], nodes, self.names)
        return _Read(graph, self.size, self.levels)

    def _node(self, name: str, inputs: list[Any], attributes: dict[str, Any]) -> Node:
        op = TABLE.get(name)
        if op is None or op is INPUT:
            raise GraphError("graph.unknown_op", op=name, hint=suggest(name, TABLE))
        operands = tuple(self._value(number) for number in inputs)
        kept = {key: self._attribute(name, key, value) for key, value in attributes.items()}
        specs = wanted_specs(Node(op, operands, kept, ()))
        return Node(op, operands, kept, tuple(map(_bounded, specs)))

    def _attribute(self, op: str, key: str, value: Any) -> Any:
        if key in SUBGRAPHS:
            return self._subgraph(value)
        if key not in KINDS:
            raise GraphError("graph.no_form", op=op, name=key)
        return KINDS[key].read(value)

    def _subgraph(self, number: Any) -> Graph:
        graph, size, levels = self.earlier[_below(len(self.earlier), number)]
        self._count(size)
        self.levels = max(self.levels, levels + 1)
        if self.levels > MOST_LEVELS:
            raise GraphError("graph.too_deep", most=MOST_LEVELS)
        return graph

    def _value(self, number: Any) -> Node:
        return self.values[_below(len(self.values), number)]

    def _append(self, node: Node) -> None:
        self.values.append(node)
        self._count(1)

    def _count(self, more: int) -> None:
        self.size += more
        if self.size > MOST_NODES:
            raise GraphError("graph.too_many", most=MOST_NODES)


#: Characters of a damaged part that a message shows.
SHOWN = 60


def _damaged(wanted: str, got: Any) -> GraphError:
    text = str(got) if isinstance(got, (str, Exception)) else _shown(got)
    return GraphError("graph.damaged", wanted=wanted, got=text[:SHOWN])


def _shown(value: Any) -> str:
    """A value as text; of a container, which may be of any size, its kind."""
    return repr(value) if isinstance(value, (int, float, type(None))) else type(value).__name__


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Say in which part of a document an error was found."""
    try:
        yield
    except GraphError as error:
        error.path = (place, *error.path)
        raise

"""A function at one point, taken apart: every step with its value and the gradient that arrives.

Explanation, trace and drawing all read a :class:`Walkthrough`. The function is traced; named
functions that the reader knows (``Linear``, ``relu``, ``cross_entropy``) stay one step, containers
are opened; everything is computed in float64. The gradient of each value comes from
backpropagation through the graph, at once for all: each value is moved by an extra input that is 0.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from chainrule.autodiff import reverse
from chainrule.engines import Program
from chainrule.errors import GradientError
from chainrule.explain.walking.kinds import KINDS, Kind
from chainrule.explain.walking.widen import widened, widened_array
from chainrule.graph import Graph, Spec
from chainrule.graph.node import Node
from chainrule.graph.ops.structure import CALL, PICK
from chainrule.graph.simplify import remade
from chainrule.graph.table import TABLE
from chainrule.graph.tensor import CONSTANT, INPUT, node_of, placeholder
from chainrule.graph.trace import is_array, merged, trace
from chainrule.trees import tree_flatten, tree_unflatten

__all__ = ["Step", "Value", "Walkthrough"]

#: For each node its value and, where it has one, the derivative of the cost for it.
Measured: TypeAlias = dict[Node, tuple[np.ndarray, np.ndarray | None]]
#: How exact an unfolded graph must be: a root in it may have been rounded to float32.
TOLERANCE = 1e-6
#: From a call to the graph that it is unfolded into.
Unfold: TypeAlias = Callable[[Node], Graph | None]
#: For each node the calls of the containers around it, outermost first.
Around: TypeAlias = dict[Node, tuple[Node, ...]]


@dataclass(frozen=True, eq=False)
class Value:
    """A number or an array that the function takes or computes.

    Attributes
    ----------
    array
        Its value; floating numbers in float64.
    gradient
        The derivative of the cost for each of its elements, of the same shape; ``None`` where there
        is none (integers, conditions).
    path
        Of an input: ``hidden.0.weight``, ``x``; else empty.
    weight
        Whether it is a leaf of the first argument.
    constant
        Whether it was written into the function.
    source
        The number of the step that made it; 0 for inputs and constants.
    """

    array: np.ndarray
    gradient: np.ndarray | None
    path: str = ""
    weight: bool = False
    constant: bool = False
    source: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape


@dataclass(frozen=True, eq=False)
class Step:
    """One operation or one named function.

    Attributes
    ----------
    number
        Its place in the order of evaluation, from 1.
    name, label
        ``"Linear"`` and ``"Linear(8, 5)"``, ``"relu"``, or the name of an op.
    path
        Where in the model it stands, ``hidden.0``, if it has weights.
    around
        The calls of the containers that it stands in, outermost first; of two that are alike each
        has its own.
    kind
        What the field calls it, where it is known by name.
    node
        The operation, for those who differentiate it alone.
    inputs, outputs
        What it reads and makes; of several outputs those that are read.
    picks
        Which of the operation's outputs these are.
    time
        Which step of an unfolded recurrent layer it belongs to, ``"1"`` the first; else empty.
    """

    number: int
    name: str
    label: str
    path: str
    around: tuple[Node, ...]
    kind: Kind | None
    node: Node
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    picks: tuple[int, ...]
    time: str = ""

    @property
    def within(self) -> tuple[str, ...]:
        """The containers that it stands in, outermost first: ``("MLP(8, [5, 4], 3)",)``."""
        return tuple(call.attributes["label"] for call in self.around)

    @property
    def title(self) -> str:
        """The label; of an unfolded layer with the time: ``"cell state, t = 2"``."""
        return f"{self.label}, t = {self.time}" if self.time else self.label

    @property
    def output(self) -> Value:
        """The (first) output."""
        return self.outputs[0]

    @cached_property
    def graph(self) -> Graph:
        """The step alone, as a function of fresh inputs."""
        inputs = [node_of(placeholder(node.spec)) for node in self.node.inputs]
        whole = Node(self.node.op, tuple(inputs), self.node.attributes, self.node.specs)
        if self.node.op.family == "structure":
            outputs = [
                Node(PICK, (whole,), {"index": i}, (self.node.specs[i],)) for i in self.picks
            ]
            return Graph(inputs, outputs)
        return Graph(inputs, [whole])


class Walkthrough:
    """A function of given arguments, step by step.

    Attributes
    ----------
    graph
        The function in float64, containers opened.
    inputs
        The arguments' arrays, and what the function captured.
    steps
        In the order of evaluation.
    cost
        The result.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> from chainrule.explain.walking.walkthrough import Walkthrough
    >>> model = nn.MLP(2, [3], 1, rng=0)
    >>> cost = lambda model, x, t: nn.mse(model(x), t)
    >>> walk = Walkthrough.of(cost, model, np.ones((1, 2), "f"), np.zeros((1, 1), "f"))
    >>> for step in walk.steps:
    ...     print(step.number, step.label, step.path)
    1 Linear(2, 3) hidden.0
    2 relu
    3 Linear(3, 1) output
    4 mse
    >>> walk["hidden.0.weight"].gradient.shape
    (2, 3)
    """

    def __init__(
        self,
        graph: Graph,
        arrays: Sequence[np.ndarray],
        weights: int = 0,
        closed: Callable[[Node], bool] | None = None,
        unfold: Unfold | None = None,
    ) -> None:
        self.graph, around = opened(widened(graph), closed or is_known, unfold)
        if len(self.graph.outputs) != 1 or self.graph.outputs[0].spec.shape != ():
            raise GradientError("explain.not_scalar", got=", ".join(map(repr, graph.output_specs)))
        arrays = [widened_array(np.asarray(array)) for array in arrays]
        self._values: dict[Node, Value] = {}
        measured = _measured(self.graph, arrays)
        for i, (node, path) in enumerate(zip(self.graph.inputs, self.graph.names, strict=True)):
            self._values[node] = Value(*measured[node], path=path, weight=i < weights)
        self.inputs = tuple(self._values.values())
        self.steps = tuple(self._taken(measured, around))
        self.cost = self._values[self.graph.outputs[0]]

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *arguments: Any,
        closed: Callable[[Node], bool] | None = None,
        unfold: Unfold | None = None,
    ) -> "Walkthrough":
        """Trace a function at these arguments; the leaves of the first are its weights.

        Parameters
        ----------
        function
            Takes trees of tensors, returns a number.
        *arguments
            Its arguments.
        closed
            Which calls stay one step; by default those in :data:`~chainrule.explain.walking.KINDS`.
        unfold
            From a call to a graph that stands for it and is opened, or to ``None``.

        Raises
        ------
        GradientError
            If the result is not one number.
        """
        leaves, definition = tree_flatten(arguments)
        chosen = [is_array(leaf) for leaf in leaves]
        arrays = [np.asarray(leaf) for leaf, is_one in zip(leaves, chosen, strict=True) if is_one]

        def flat(*tensors: Any) -> Any:
            return function(*tree_unflatten(definition, merged(leaves, chosen, tensors)))

        names = _names(function, definition.paths, chosen)
        traced = trace(flat, [Spec(a.shape, a.dtype) for a in arrays], names)
        captured = [tensor.numpy() for tensor in traced.captured]
        first = tree_flatten(arguments[:1])[0] if arguments else []
        weights = sum(map(is_array, first))
        given = (traced.graph, [*arrays, *captured], weights, closed)
        whole = cls(*given)
        if unfold is None:
            return whole
        unfolded = cls(*given, unfold)
        return unfolded if unfolded._agrees_with(whole) else whole

    def _agrees_with(self, other: "Walkthrough") -> bool:
        """Whether cost and derivatives are the same, as far as rounding allows."""
        values, wanted = (self.cost, *self.inputs), (other.cost, *other.inputs)
        return all(
            a.gradient is None
            or b.gradient is None
            or (_alike(a.array, b.array) and _alike(a.gradient, b.gradient))
            for a, b in zip(values, wanted, strict=True)
        )

    def __getitem__(self, path: str) -> Value:
        return next(value for value in self.inputs if value.path == path)

    @cached_property
    def readers(self) -> dict[Value, tuple[Step, ...]]:
        """The steps that read each value."""
        found: dict[Value, list[Step]] = {value: [] for value in self.values}
        for step in self.steps:
            for value in dict.fromkeys(step.inputs):
                found.setdefault(value, []).append(step)
        return {value: tuple(steps) for value, steps in found.items()}

    @property
    def values(self) -> Iterator[Value]:
        """Inputs, then what each step makes."""
        yield from self.inputs
        for step in self.steps:
            yield from step.outputs

    def node(self, value: Value) -> Node:
        """The node of the graph that a value was computed by."""
        return next(node for node, known in self._values.items() if known is value)

    def maker(self, value: Value) -> Step | None:
        """The step that made a value; ``None`` for inputs and constants."""
        return self.steps[value.source - 1] if value.source else None

    def _taken(self, measured: Measured, around: Around) -> Iterator[Step]:
        picks = _picks(self.graph)
        number = 0
        for node in self.graph.nodes:
            if node.op is CONSTANT:
                self._values[node] = Value(*measured[node], constant=True)
            elif node.op is not PICK:
                number += 1
                outputs = picks.get(node, [node])
                for output in outputs:
                    self._values[output] = Value(*measured[output], source=number)
                yield self._step(number, node, outputs, around.get(node, ()))

    def _step(
        self, number: int, node: Node, outputs: Sequence[Node], around: tuple[Node, ...]
    ) -> Step:
        inputs = tuple(self._values[child] for child in node.inputs)
        made = tuple(self._values[output] for output in outputs)
        name, time = called(node)
        label = node.attributes["label"] if node.op is CALL else name
        path = _path_of_layer([value.path for value in inputs if value.weight])
        picks = tuple(output.attributes.get("index", 0) for output in outputs)
        kind = KINDS.get(name)
        return Step(number, name, label, path, around, kind, node, inputs, made, picks, time)


# ---------------------------------------------------------------------- opening containers
def is_known(node: Node) -> bool:
    """Whether a call is one of those that are explained as one step."""
    return called(node)[0] in KINDS


def called(node: Node) -> tuple[str, str]:
    """What a step is called, and the time of ``forget_gate(3)``."""
    if node.op is not CALL:
        return node.op.name, ""
    name, _, time = node.attributes["name"].partition("(")
    return name, time.removesuffix(")")


def opened(
    graph: Graph, closed: Callable[[Node], bool], unfold: Unfold | None = None
) -> tuple[Graph, Around]:
    """The graph with all calls replaced by their bodies but those that stay closed.

    Also says for each node the calls of the containers that it stood in.
    """
    around: Around = {}
    outputs = _opened(graph, graph.inputs, (closed, unfold), (), around)
    return Graph(graph.inputs, outputs, graph.names), around


def _opened(
    graph: Graph,
    inputs: Sequence[Node],
    options: tuple[Callable[[Node], bool], Unfold | None],
    calls: tuple[Node, ...],
    around: Around,
) -> list[Node]:
    """The outputs for these inputs; recurses into calls, never along nodes."""
    closed, unfold = options
    value: dict[Node, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        operands = [value[child] for child in node.inputs]
        body = unfold(node) if node.op is CALL and unfold is not None else None
        if body is None and node.op is CALL and not closed(node):
            body = node.attributes["body"]
        if body is not None:
            value[node] = _opened(body, operands, options, (*calls, node), around)
        elif node.op is PICK and isinstance(operands[0], list):
            value[node] = operands[0][node.attributes["index"]]
        else:
            value[node] = remade(node, operands, node.attributes)
            around[value[node]] = calls
    return [value[node] for node in graph.outputs]


# ---------------------------------------------------------------------- values and gradients
def _measured(graph: Graph, arrays: Sequence[np.ndarray]) -> Measured:
    """Every value of the graph, and the derivative of its only output for it."""
    moves: dict[Node, Node] = {}
    value: dict[Node, Node] = dict(zip(graph.inputs, graph.inputs, strict=True))
    for node in graph.nodes:
        copy = remade(node, [value[child] for child in node.inputs], node.attributes)
        if _has_gradient(node) and node.op is not CONSTANT:
            moves[node] = node_of(placeholder(node.spec))
            copy = Node(TABLE["add"], (copy, moves[node]), {}, node.specs)
        value[node] = copy
    shown = [node for node in graph.nodes if not _is_bundle(node)]
    inputs = [*graph.inputs, *moves.values()]
    moved = Graph(inputs, [value[node] for node in (*graph.outputs, *shown)])
    wanted = [_has_gradient(node) for node in inputs]
    seeded = [True] + [False] * len(shown)
    zeros = [np.zeros(node.spec.shape, node.spec.dtype) for node in moves.values()]
    found = iter(Program(reverse(moved, wanted, seeded))([*arrays, *zeros, np.ones(())])[1:])
    values = dict(zip(graph.inputs, arrays, strict=True)) | {node: next(found) for node in shown}
    gradients = {node: next(found) for node, want in zip(inputs, wanted, strict=True) if want}
    return {node: (array, gradients.get(moves.get(node, node))) for node, array in values.items()}


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    scale = np.abs(other[np.isfinite(other)]).max(initial=0.0)
    return np.allclose(one, other, TOLERANCE, TOLERANCE * scale, equal_nan=True)


def _has_gradient(node: Node) -> bool:
    return not _is_bundle(node) and node.spec.dtype.kind == "f"


def _is_bundle(node: Node) -> bool:
    """Whether a node has several outputs, which are picked from it."""
    return node.op.family == "structure" and node.op not in (PICK, CONSTANT, INPUT)


def _picks(graph: Graph) -> dict[Node, list[Node]]:
    """For each node with several outputs, those that are read, in their order."""
    found: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if node.op is PICK:
            found.setdefault(node.inputs[0], []).append(node)
    return {n: sorted(picks, key=lambda p: p.attributes["index"]) for n, picks in found.items()}


# ---------------------------------------------------------------------- names
def _names(function: Callable[..., Any], paths: Sequence[str], chosen: Sequence[bool]) -> list[str]:
    """A name for each leaf: its path in the first argument, or behind the parameter's name."""
    parameters = _parameters(function)
    found = []
    for path, is_one in zip(paths, chosen, strict=True):
        number, _, inner = path.partition(".")
        place = int(number)
        name = parameters[place] if place < len(parameters) else f"in{place}"
        if is_one:
            found.append(f"{name}.{inner}" if inner and place else inner or name)
    return found


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The names of a function's positional parameters, as far as they can be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in parameters if parameter.kind in positional]


def _path_of_layer(paths: Sequence[str]) -> str:
    """What stands before the weights of a layer: ``hidden.0`` of ``hidden.0.weight``.

    Of a layer of layers what they have in common: ``attention`` of ``attention.output.bias``.
    """
    names = [path.split(".")[:-1] for path in paths]
    same = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*names, strict=False))
    return ".".join(level[0] for level in same)

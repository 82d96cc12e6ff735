"""From Python functions to graphs and back.

:func:`trace` runs a function on placeholders and cuts the resulting nodes out as a :class:`Graph`;
what the function captured from its surroundings becomes an input too. :func:`replay` runs a graph
on tensors: concrete ones give numbers, symbolic ones give new nodes. Together they make every
transformation a graph-to-graph function that nests without levels: an inner trace has fresh inputs,
so it cannot confuse its variables with those of an outer one.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from chainrule.errors import SymbolicError
from chainrule.graph.apply import apply, apply_many
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import CALL, PICK
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import CONSTANT, INPUT, Tensor, asarray, node_of, placeholder, spec_of
from chainrule.trees import TreeDef, tree_flatten, tree_unflatten

__all__ = [
    "Trace",
    "call",
    "is_array",
    "make_graph",
    "named",
    "recompute",
    "replay",
    "trace",
]

Function = TypeVar("Function", bound=Callable[..., Any])

#: A constant of up to this many elements stays inside the graph; a larger one becomes an input.
INLINE_CONSTANT = 16


@dataclass(frozen=True)
class Trace:
    """A traced function.

    Attributes
    ----------
    graph
        Inputs: one per leaf of the arguments, then ``captured``. Outputs: the leaves of the result.
    captured
        Values from outside that the function used: handles of outer nodes, or large constants.
    output
        The tree shape of the result.
    """

    graph: Graph
    captured: tuple[Tensor, ...]
    output: TreeDef


def is_array(value: Any) -> bool:
    """Whether a leaf of an argument is a value to compute with (and not an option)."""
    return isinstance(value, (Tensor, np.ndarray, np.generic, float, Spec)) or (
        hasattr(value, "__dlpack__") and not isinstance(value, type)
    )


def trace(function: Callable[..., Any], specs: Sequence[Spec], names: Sequence[str] = ()) -> Trace:
    """Run ``function`` on one placeholder per spec, and cut out what it did.

    ``function`` takes flat tensors and returns a tree of tensors.
    """
    start = node_of(placeholder(Spec(()))).serial
    inputs = [node_of(placeholder(spec)) for spec in specs]
    leaves, definition = tree_flatten(function(*map(_as_tensor, inputs)))
    outputs = [node_of(asarray(leaf)) for leaf in leaves]
    captured = _captured(outputs, inputs, start)
    labels = [*(names or (f"in{i}" for i in range(len(inputs))))]
    labels += [f"captured{i}" for i in range(len(captured))]
    graph = Graph([*inputs, *captured], outputs, labels)
    return Trace(graph, tuple(map(_as_tensor, captured)), definition)


def _captured(outputs: Sequence[Node], inputs: Sequence[Node], start: int) -> list[Node]:
    """The nodes from outside that the trace's own nodes read, each once, in order of discovery.

    A node made before the trace began cannot depend on the trace's inputs.
    """
    found: dict[Node, None] = {}
    seen = set(inputs)
    stack = list(reversed(outputs))
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if _is_outside(node, start):
            found[node] = None
        elif node.op is INPUT:
            raise SymbolicError("graph.leaked", spec=node.spec)
        else:
            stack.extend(reversed(node.inputs))
    return list(found)


def _is_outside(node: Node, start: int) -> bool:
    if node.op is CONSTANT:
        return node.spec.size > INLINE_CONSTANT
    return node.serial < start


def _as_tensor(node: Node) -> Tensor:
    """A node as the tensor that it came from."""
    if node.op is CONSTANT:
        return Tensor(node.attributes["value"].array, node)
    return Tensor(None, node)


def replay(graph: Graph, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Run a graph on tensors: at once where they are concrete, as new nodes where not."""
    value: dict[Node, Any] = dict(zip(graph.inputs, tensors, strict=True))
    remaining = _reader_counts(graph)
    symbolic = any(tensor.is_symbolic for tensor in tensors)
    for node in graph.nodes:
        value[node] = repeat(node, [value[child] for child in node.inputs], symbolic)
        for child in node.inputs:  # forget what nobody will read, so that memory is freed early
            remaining[child] -= 1
            if remaining[child] == 0:
                del value[child]
    return [value[node] for node in graph.outputs]


def _reader_counts(graph: Graph) -> dict[Node, int]:
    counts = dict.fromkeys(itertools.chain(graph.inputs, graph.nodes), 0)
    for node in graph.nodes:
        for child in node.inputs:
            counts[child] += 1
    for node in graph.outputs:
        counts[node] += 1
    return counts


def repeat(node: Node, inputs: Sequence[Any], symbolic: bool = False) -> Any:
    """Apply a node's op to other inputs; a row with sub-graphs gives a tuple.

    In a ``symbolic`` graph a constant stays a node: what is broadcast there is not written out.
    """
    if node.op is CONSTANT:
        return Tensor(None, node) if symbolic else _as_tensor(node)
    if node.op is PICK:
        return inputs[0][node.attributes["index"]]
    if node.op.family == "structure":
        return apply_many(node.op, *inputs, **node.attributes)
    return apply(node.op, *inputs, **node.attributes)


def make_graph(function: Callable[..., Any], *specs: Any) -> Graph:
    """The graph of a function of trees.

    Parameters
    ----------
    function
        Takes trees of tensors, returns a tree of tensors.
    *specs
        One per argument: a tree with :class:`Spec` objects or arrays as leaves (a model stands for
        its own shapes). Other leaves, such as strings, are passed on as they are.

    Returns
    -------
    Graph
        Its inputs are named after the arguments' paths; values that the function captured follow.

    Examples
    --------
    >>> import chainrule as cr
    >>> print(cr.make_graph(lambda x: cr.tanh(x) * 2, cr.Spec((3,))))
    (in0: f32[3]) ->
      %0 = tanh in0 : f32[3]
      %1 = constant value=2.0 : f32[]
      %2 = broadcast_to %1 shape=(3,) : f32[3]
      %3 = multiply %0 %2 : f32[3]
      return %3
    """
    leaves, definition = tree_flatten(specs)
    arrays = [is_array(leaf) for leaf in leaves]

    def flat(*tensors: Tensor) -> Any:
        return function(*tree_unflatten(definition, merged(leaves, arrays, tensors)))

    chosen = [spec_of(leaf) for leaf, is_one in zip(leaves, arrays, strict=True) if is_one]
    return trace(flat, chosen, _argument_names(definition, arrays)).graph


def _argument_names(arguments: TreeDef, chosen: Sequence[bool]) -> list[str]:
    """A name for each chosen leaf: its path in its argument, or the argument's number."""
    return [
        path.partition(".")[2] or f"in{path}"
        for path, is_one in zip(arguments.paths, chosen, strict=True)
        if is_one
    ]


def merged(leaves: Sequence[Any], chosen: Sequence[bool], new: Sequence[Any]) -> Iterator[Any]:
    """``leaves`` with the chosen ones replaced by ``new``, in order."""
    replacement = iter(new)
    return (
        next(replacement) if is_one else leaf for leaf, is_one in zip(leaves, chosen, strict=True)
    )


# ---------------------------------------------------------------------- named functions
def call(
    name: str, label: str, function: Callable[..., Any], *arguments: Any, **attributes: bool
) -> Any:
    """Call ``function`` so that a graph remembers the call by name.

    On concrete arguments this is an ordinary call. If a symbolic tensor is among them, the function
    is traced into a sub-graph, and the graph gets one ``call`` node.

    Parameters
    ----------
    name
        The function's or the class's name, ``relu`` or ``Linear``.
    label
        How a user would write it: ``Linear(784, 128)``.
    function
        Takes and returns trees of tensors.
    *arguments
        Its arguments; leaves that are not arrays are passed on as they are.
    **attributes
        Further attributes of the node (``recompute``).

    Examples
    --------
    >>> import chainrule as cr
    >>> def half(x):
    ...     return cr.call("half", "half of it", lambda y: y / 2, x)
    >>> half(cr.tensor(3.0)).item()
    1.5
    >>> [node.op.name for node in cr.make_graph(half, cr.Spec(())).nodes]
    ['call', 'pick']
    """
    leaves, definition = tree_flatten(arguments)
    leaves = [asarray(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
    chosen = [isinstance(leaf, Tensor) for leaf in leaves]
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if not any(t.is_symbolic for t in tensors):
        return function(*arguments)

    def flat(*inner: Tensor) -> Any:
        return function(*tree_unflatten(definition, merged(leaves, chosen, inner)))

    traced = trace(flat, [t.spec for t in tensors], _argument_names(definition, chosen))
    node = {"body": traced.graph, "name": name, "label": label, **attributes}
    outputs = apply_many(CALL, *tensors, *traced.captured, **node)
    return tree_unflatten(traced.output, outputs)


def named(function: Function) -> Function:
    """Make a function of trees one named step in graphs: ``@named def relu(x): …``.

    Derivations, drawings and messages then say ``relu``; compiled code sees through the name.
    Keyword arguments are options, not tensors.

    Examples
    --------
    >>> import chainrule as cr
    >>> @cr.named
    ... def twice(x):
    ...     return x + x
    >>> [node.op.name for node in cr.make_graph(twice, cr.Spec((2,))).nodes]
    ['call', 'pick']
    """
    name = function.__name__

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        return call(name, name, functools.partial(function, **options), *arguments)

    return wrapper  # type: ignore[return-value]


def recompute(function: Function) -> Function:
    """A function of trees whose backpropagation computes it again instead of keeping its values.

    Backpropagation needs values of the forward pass. A function that is wrapped so keeps none but
    its arguments; the others are computed a second time when they are needed. That costs one more
    forward pass of the function and saves its memory (gradient checkpointing).

    Parameters
    ----------
    function
        A function of trees, or a model. What it captures counts as an argument. Keyword arguments
        are options, not tensors.

    References
    ----------
    Chen, Xu, Zhang & Guestrin (2016), "Training deep nets with sublinear memory cost".

    Examples
    --------
    >>> import chainrule as cr
    >>> def f(x):
    ...     return cr.sum(cr.sin(cr.exp(x)))
    >>> cr.grad(cr.recompute(f))(0.5).item() == cr.grad(f)(0.5).item()
    True
    """
    name = getattr(function, "__name__", type(function).__name__)

    def wrapper(*arguments: Any, **options: Any) -> Any:
        chosen = functools.partial(function, **options)
        return call(name, name, chosen, *arguments, recompute=True)

    updated = wrapper if not hasattr(function, "__name__") else functools.wraps(function)(wrapper)
    return updated  # type: ignore[return-value]

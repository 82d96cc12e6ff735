"""Layer by layer, how large weights, gradients, updates and activations are while a model learns.

They are part of a training step of their own, which the training loop takes now and then in the
place of the plain one: on the batch of that step, with its gradient and its update. Nothing is
computed where nobody asks.

A layer is a module whose parameters no inner module holds, such as a ``Linear``. What an
activation function makes of its output belongs to it: ``slope`` is the mean of the local derivative
``|φ'(z)|`` over the batch, one of the factors by which the gradient shrinks or grows on its way
back.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.autodiff import jvp, value_and_grad
from chainrule.graph import Tensor, ones_like, sqrt
from chainrule.graph.node import Graph, Node
from chainrule.graph.ops.structure import CALL
from chainrule.graph.trace import repeat, replay, trace
from chainrule.nn import partition
from chainrule.nn.activations import ACTIVATIONS
from chainrule.optim import Optimizer, apply_updates
from chainrule.train.step import Cost
from chainrule.trees import tree_flatten, tree_leaves, tree_unflatten

__all__ = ["Statistics", "spacing", "watched_step"]

#: Layer → quantity → value.
Layers = dict[str, dict[str, Any]]
#: Activations that level off on both sides, and their steepest slope.
LEVELLING = {"sigmoid": 0.25, "tanh": 1.0}
#: A unit is saturated where its slope is below this share of the steepest.
FLAT = 0.05
# What a call of compiled code costs besides its steps; a step (two multiplications and additions
# for each weight and row, on the way there and twice on the way back); and the share of the time
# that watching may take.
SECONDS_PER_CALL, SECONDS_PER_WEIGHT_AND_ROW, SHARE = 1e-4, 6e-11, 0.05


@dataclass(frozen=True)
class Statistics:
    """What a watched step saw.

    Attributes
    ----------
    step, epoch
        Finished steps and finished epochs before it.
    layers
        Layer → quantity → value: ``weight_norm`` after the step, ``gradient_norm``,
        ``update_ratio`` (the norm of the update over that of the weights), ``activation_mean``,
        ``activation_std``, and for layers with an activation function ``slope``, ``dead`` (the
        share of units with slope 0 on the whole batch) and, where it levels off on both sides,
        ``saturated`` (the share of values with a slope below 5 % of the steepest).
    """

    step: int
    epoch: int
    layers: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"step": self.step, "epoch": self.epoch, "layers": self.layers}


def watched_step(cost: Cost, optimizer: Optimizer) -> Callable[..., Any]:
    """As :func:`~chainrule.train.step.training_step`, with the statistics of the step besides.

    Returns
    -------
    callable
        ``(model, optimizer_state, batch, key, state)`` →
        ``(model, optimizer_state, state, error, layers)``.
    """

    def step(model: Any, optimizer_state: Any, batch: Any, key: Any, state: Any) -> Any:
        weights, rebuild = partition(model)

        def error_of(weights: Any) -> tuple[Any, Any]:
            return cost(rebuild(weights), batch, key, state)

        (error, new_state), gradient = value_and_grad(error_of, has_aux=True)(weights)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, weights)
        new_weights = apply_updates(weights, updates)
        layers = _sizes(new_weights, gradient, updates)
        for path, found in _activations(lambda w: error_of(w)[0], weights).items():
            layers[path] |= found
        return rebuild(new_weights), optimizer_state, new_state, error, layers

    return step


def spacing(every: int, weights: Any, rows: int) -> int:
    """How many steps apart watched steps are: ``every``, or more where steps are very short.

    A watched step costs a call of its own beside its work. So that all of them take no more than
    five percent of the time, they are farther apart where a step, estimated from the number of
    weights and of rows, takes but microseconds.
    """
    step = SECONDS_PER_WEIGHT_AND_ROW * rows * sum(leaf.size for leaf in tree_leaves(weights))
    return max(every, round(SECONDS_PER_CALL / (SHARE * step))) if every else 0


# ---------------------------------------------------------------------- weights
def _sizes(weights: Any, gradient: Any, updates: Any) -> Layers:
    """Norms, summed over all parameters of each layer."""
    leaves, definition = tree_flatten(weights)
    rows = zip(definition.paths, leaves, tree_leaves(gradient), tree_leaves(updates), strict=True)
    squares: dict[str, list[Any]] = {}
    for path, *tensors in rows:
        sums = squares.setdefault(_layer(path), [0.0, 0.0, 0.0])
        for i, tensor in enumerate(tensors):
            sums[i] = sums[i] + _squared(tensor)
    found: Layers = {}
    for path, sums in squares.items():
        weight, gradient_norm, update = (sqrt(value) for value in sums)
        found[path] = {
            "weight_norm": weight,
            "gradient_norm": gradient_norm,
            "update_ratio": update / (weight + np.finfo(np.float32).tiny),
        }
    return found


def _squared(tensor: Tensor) -> Tensor:
    # Row by row: so the native engine can read a weight in the layout that its products want.
    rows = (tensor * tensor).sum(axis=-1) if tensor.ndim else tensor * tensor
    return rows.sum()


def _layer(path: str) -> str:
    """The layer that holds a parameter."""
    return path.rpartition(".")[0]


# ---------------------------------------------------------------------- activations
class _Call(NamedTuple):
    """A module or a function in a graph, on given values."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Tensor, ...]
    output: Tensor


def _activations(error_of: Callable[[Any], Any], weights: Any) -> Layers:
    """What comes out of each layer; equal values of the step itself are computed once."""
    leaves, definition = tree_flatten(weights)
    traced = trace(
        lambda *given: error_of(tree_unflatten(definition, given)), [leaf.spec for leaf in leaves]
    )
    calls: list[_Call] = []
    _replay(traced.graph, [*leaves, *traced.captured], calls)
    layer_of = {id(leaf): _layer(path) for leaf, path in zip(leaves, definition.paths, strict=True)}
    outputs = {}
    for call in calls:  # inner calls come first
        for path in {layer_of.pop(id(x)) for x in call.inputs if id(x) in layer_of}:
            outputs[path] = call.output
    after = {id(call.inputs[0]): call for call in calls if _is_activation(call)}
    found: Layers = {}
    for path, output in outputs.items():
        activation = after.get(id(output))
        made = output if activation is None else activation.output
        mean = made.mean()
        found[path] = {"activation_mean": mean, "activation_std": _deviation(made, mean)}
        if activation is not None:
            found[path] |= _slopes(activation)
    return found


def _replay(graph: Graph, tensors: Sequence[Tensor], calls: list[_Call]) -> tuple[Tensor, ...]:
    """Run a graph on tensors with its calls opened, and note every call when it is done."""
    value: dict[Node, Any] = dict(zip(graph.inputs, tensors, strict=True))
    for node in graph.nodes:
        inputs = tuple(value[child] for child in node.inputs)
        if node.op is CALL:
            body = node.attributes["body"]
            value[node] = _replay(body, inputs, calls)
            again = functools.partial(_first_output, body)
            calls.append(_Call(node.attributes["name"], again, inputs, value[node][0]))
            continue
        value[node] = repeat(node, inputs, symbolic=True)
        if node.op.name in ACTIVATIONS:
            again = functools.partial(repeat, node)
            calls.append(_Call(node.op.name, again, inputs, value[node]))
    return tuple(value[node] for node in graph.outputs)


def _first_output(graph: Graph, inputs: Sequence[Tensor]) -> Tensor:
    return replay(graph, inputs)[0]


def _is_activation(call: _Call) -> bool:
    """Whether a call is a function of each element alone."""
    return call.name in ACTIVATIONS and call.name != "identity"


def _deviation(values: Tensor, mean: Tensor) -> Tensor:
    spread = values - mean
    return sqrt((spread * spread).mean())


def _slopes(activation: _Call) -> dict[str, Any]:
    """What the local derivative is like over the batch."""
    z, *others = activation.inputs
    slope = abs(jvp(lambda z: activation.function([z, *others]), (z,), (ones_like(z),))[1])
    steepest = slope.reshape((-1, slope.shape[-1])).max(axis=0)  # of each unit
    found = {
        "slope": slope.mean(),
        "dead": (steepest == 0).astype(slope.dtype).mean(),
    }
    if activation.name in LEVELLING:
        flat = slope < FLAT * LEVELLING[activation.name]
        found["saturated"] = flat.astype(slope.dtype).mean()
    return found

r"""What a step passes back to each of its inputs: local derivative times upstream derivative.

A step :math:`y = f(x, …)` receives :math:`∂J/∂y` (*upstream*), knows :math:`∂y/∂x` (*local*), and
passes their product :math:`∂J/∂x` on. For arrays the local derivative is a Jacobian with one row
per element of ``y``; it is nearly always sparse, and what is written is the form that it takes:

=============  ==========================  =====================================================
form           local derivative            product
=============  ==========================  =====================================================
``"scale"``    of a number ``y``: an       ``upstream · local``
               array like ``x``
``"each"``     element by element: an      ``upstream ⊙ local``
               array like ``x``
``"left"``     of ``y = x W`` for ``x``:   ``upstream Wᵀ``
               ``W``
``"right"``    of ``y = x W`` for ``W``:   ``xᵀ upstream``
               ``x``
``"repeat"``   of a bias or a broadcast    the upstream elements of all its copies added up
               number: 1
``"general"``  the Jacobian, ``[y, x]``    ``upstream`` (as a row) times the Jacobian
=============  ==========================  =====================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from chainrule.autodiff import reverse, vectorize
from chainrule.engines import Program
from chainrule.explain.walking.walkthrough import Step, Value
from chainrule.graph import Graph

__all__ = ["Passed", "is_linear", "jacobian_rows", "passed", "role"]

#: Activations whose outputs depend on a whole row.
OVER_ROWS = frozenset({"softmax", "log_softmax", "attention_weights"})
#: Steps that are products of their two inputs.
PRODUCTS = frozenset({"matmul", "weighted_values"})
#: Which input of a layer is multiplied with which.
PARTNERS = MappingProxyType({"weight": "x", "x": "weight", "recurrent": "h", "h": "recurrent"})


@dataclass(frozen=True, eq=False)
class Passed:
    """What a step passes back to one of its inputs.

    Attributes
    ----------
    step
        Who passes it.
    place
        Which of the step's inputs.
    form
        How local and upstream derivative are multiplied, one of those above.
    """

    step: Step
    place: int
    form: str

    @property
    def value(self) -> Value:
        """To what it is passed."""
        return self.step.inputs[self.place]

    @property
    def partner(self) -> int:
        """The place of the other factor where the step is a product ``x W``."""
        return _partner(self.step, self.place)

    @cached_property
    def upstream(self) -> np.ndarray:
        """The derivative of the cost for the step's output; of several outputs end to end."""
        if len(self.step.outputs) == 1:
            return _gradient(self.step.output)
        return np.concatenate([_gradient(output).ravel() for output in _floating(self.step)])

    @cached_property
    def local(self) -> np.ndarray:
        """The derivative of the step's output for this input, in the form that is written."""
        match self.form:
            case "left" | "right":
                return self.step.inputs[self.partner].array
            case "repeat":
                return np.ones(())
            case "each" | "scale":
                return self._pulled([np.ones(self.upstream.shape)])
        return self.jacobian

    @cached_property
    def product(self) -> np.ndarray:
        """What is passed: the part of the cost's derivative for this input that comes this way."""
        return self._pulled([_gradient(output) for output in _floating(self.step)])

    @property
    def multiplied(self) -> np.ndarray:
        """Local and upstream derivative multiplied as the form says: the product."""
        match self.form:
            case "scale" | "each":
                return np.asarray(self.local * self.upstream)
            case "left":
                return np.asarray(self.upstream @ _transposed(self.local))
            case "right":
                if self.value.array.ndim > 2:
                    return np.asarray(_transposed(self.local) @ self.upstream)
                return np.asarray(_rows(self.local).T @ _rows(self.upstream))
            case "repeat":
                return _summed(self.upstream, self.value.shape)
        return np.asarray(self.upstream.reshape(-1) @ self.local).reshape(self.value.shape)

    @cached_property
    def jacobian(self) -> np.ndarray:
        """The whole Jacobian, a row for each element of the output; large for large arrays."""
        return jacobian_rows(self._graph, self._arrays, self.place)

    @property
    def _graph(self) -> Graph:
        """The step's outputs that have a derivative, as a function of its inputs."""
        graph = self.step.graph
        pairs = zip(graph.outputs, self.step.outputs, strict=True)
        return Graph(graph.inputs, [node for node, v in pairs if v.gradient is not None])

    @property
    def _arrays(self) -> list[np.ndarray]:
        return [value.array for value in self.step.inputs]

    def _pulled(self, upstream: Sequence[np.ndarray]) -> np.ndarray:
        """The upstream derivatives of the outputs pulled back to the input, without a Jacobian."""
        wanted = [i == self.place for i in range(len(self.step.inputs))]
        return Program(reverse(self._graph, wanted))([*self._arrays, *upstream])[-1]


def passed(step: Step) -> tuple[Passed, ...]:
    """What a step passes back, for each input that has a derivative.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.explain.walking.passing import passed
    >>> from chainrule.explain.walking.walkthrough import Walkthrough
    >>> walk = Walkthrough.of(lambda w, x: (w * x) ** 2, np.array(3.0), np.array(2.0))
    >>> multiply, square = walk.steps
    >>> for piece in (*passed(square), *passed(multiply)):
    ...     print(piece.local, piece.upstream, piece.product)
    12.0 1.0 12.0
    2.0 12.0 24.0
    3.0 12.0 36.0
    """
    if not _floating(step):
        return ()
    return tuple(
        _passed(step, place)
        for place, value in enumerate(step.inputs)
        if value.gradient is not None and not value.constant
    )


def _passed(step: Step, place: int) -> Passed:
    """In the form that the step's name suggests, if that is what it does: names are the user's."""
    piece = Passed(step, place, _form(step, place))
    if piece.form == "general" or _alike(piece.multiplied, piece.product):
        return piece
    return Passed(step, place, "general")


def is_linear(step: Step) -> bool:
    """Whether a step is what its name ``Linear`` says: ``x W`` or ``x W + b``."""
    roles = {role(step, i): value.array for i, value in enumerate(step.inputs)}
    if step.name != "Linear" or roles.keys() - {"bias"} != {"x", "weight"}:
        return False
    x, weight = roles["x"], roles["weight"]
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != len(weight):
        return False
    return _alike(x @ weight + roles.get("bias", 0.0), step.output.array)


def role(step: Step, place: int) -> str:
    """What a named function calls an input of its own: ``"weight"``, ``"bias"``, ``"x"``."""
    body = step.node.attributes.get("body")
    return body.names[place] if isinstance(body, Graph) and step.node.op.name == "call" else ""


def jacobian_rows(graph: Graph, arrays: Sequence[np.ndarray], place: int) -> np.ndarray:
    """The matrix ``∂ outputs / ∂ input``: rows are the outputs' elements, end to end.

    All rows come from one backward pass that is run on the unit vectors at once.
    """
    wanted = [i == place for i in range(len(graph.inputs))]
    count = sum(spec.size for spec in graph.output_specs)
    seeds = np.split(np.eye(count), np.cumsum([s.size for s in graph.output_specs])[:-1], axis=1)
    pulled = reverse(graph, wanted)
    pulled = Graph(pulled.inputs, pulled.outputs[-1:], pulled.names)
    flags = [False] * len(graph.inputs) + [True] * len(graph.outputs)
    rows, _ = vectorize(pulled, flags, count)
    shaped = [
        seed.reshape(count, *spec.shape)
        for seed, spec in zip(seeds, graph.output_specs, strict=True)
    ]
    found = Program(rows)([*arrays, *shaped])[0]
    size = graph.inputs[place].spec.size
    return np.broadcast_to(found, (count, *found.shape[found.ndim - arrays[place].ndim :])).reshape(
        count, size
    )


# ---------------------------------------------------------------------- forms
def _form(step: Step, place: int) -> str:
    if len(step.outputs) != 1:
        return "general"
    output, value = step.output, step.inputs[place]
    if _partner(step, place) >= 0:
        own = role(step, place)
        is_right = own in ("weight", "recurrent") or (step.name in PRODUCTS and place == 1)
        return "right" if is_right else "left"
    if output.shape == ():
        return "scale"
    family = step.kind.family if step.kind is not None else ""
    elementwise = step.node.op.family == "elementwise" or family == "gate"
    elementwise = elementwise or (family == "activation" and step.name not in OVER_ROWS)
    if elementwise and value.shape == output.shape:
        return "each"
    is_bias = role(step, place) == "bias" and _broadcasts(value.shape, output.shape)
    if is_bias or step.node.op.name == "broadcast_to":
        return "repeat"
    return "general"


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether all of an array, and not a block of it, is added to another."""
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(size in (1, other) for size, other in pairs)


def _partner(step: Step, place: int) -> int:
    """The other factor where the step is a product ``x W`` with a matrix ``W``, else -1."""
    if is_linear(step) or step.name in ("recurrent_sum", "recurrent_product"):
        roles = [role(step, i) for i in range(len(step.inputs))]
        other = PARTNERS.get(roles[place], "")
        return roles.index(other) if other in roles else -1
    if step.name == "weighted_values" and len(step.inputs) == 2:
        return 1 - place
    if step.name == "matmul" and all(value.array.ndim >= 1 for value in step.inputs):
        left, right = step.inputs
        if right.array.ndim == 2 and left.array.ndim >= 2:
            return 1 - place
    return -1


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays differ by no more than rounding does."""
    if one.shape != other.shape:
        return False
    finite = np.abs(other[np.isfinite(other)])
    return np.allclose(one, other, 0.0, 1e-9 * finite.max(initial=0.0), equal_nan=True)


def _transposed(array: np.ndarray) -> np.ndarray:
    """With its last two axes exchanged."""
    return np.swapaxes(array, -1, -2) if array.ndim > 1 else array


def _rows(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1])


def _summed(upstream: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The elements added up that stand for one element of ``shape`` by broadcasting."""
    ahead = upstream.ndim - len(shape)
    ones = [ahead + i for i, size in enumerate(shape) if size != upstream.shape[ahead + i]]
    return np.asarray(upstream.sum((*range(ahead), *ones), keepdims=True)).reshape(shape)


def _gradient(value: Value) -> np.ndarray:
    return np.zeros(value.shape) if value.gradient is None else value.gradient


def _floating(step: Step) -> list[Value]:
    return [output for output in step.outputs if output.gradient is not None]

"""Layers that have a formula of their own: rows looked up, normalisation, attention weights.

What a layer was made with (``ε``, a mask) is found by asking its graph, as with losses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from chainrule.engines import Program
from chainrule.explain.formulas.tree import Apply, Equation, Expression, Number, Symbol
from chainrule.explain.saying.algebra import (
    ONE,
    compared,
    divided,
    negated,
    number,
    powered,
    product,
    summed,
    total,
)
from chainrule.explain.saying.saying import Elements, Occurrence, Place, Saying
from chainrule.graph import Graph

__all__ = ["LAYERS", "Layer"]

#: The letters of a place that is summed over, and of one beside that of the output.
INNER, OTHER = Symbol("i"), Symbol("m")


@dataclass(frozen=True)
class Layer:
    """A step that is a layer: its inputs by name, its graph, and the symbols it is said in."""

    names: Sequence[str]
    graph: Graph
    place: Place
    arrays: Sequence[np.ndarray]

    def at(self, name: str) -> int:
        """Which input has this name."""
        return list(self.names).index(name)

    def input(self, name: str) -> Elements:
        """The symbols of an input."""
        return self.place.inputs[self.at(name)]

    def array(self, name: str) -> np.ndarray:
        """The values of an input."""
        return self.arrays[self.at(name)]

    def with_arrays(self, **arrays: np.ndarray) -> np.ndarray:
        """The step's value where some inputs are others."""
        chosen = [arrays.get(n, a) for n, a in zip(self.names, self.arrays, strict=True)]
        return Program(self.graph)(chosen)[0]

    @property
    def last(self) -> Symbol:
        """The letter of the last axis."""
        letter = self.place.letters[-1]
        if not isinstance(letter, Symbol):
            raise ValueError("the last axis has length 1")
        return letter

    @property
    def sizes(self) -> dict[Symbol, int]:
        """How many values the letters of the output take."""
        pairs = zip(self.place.letters, self.place.shape, strict=True)
        return {letter: size for letter, size in pairs if isinstance(letter, Symbol)}

    def said(
        self,
        value: Expression,
        occurrences: Mapping[str, Occurrence],
        derived: Mapping[Symbol, np.ndarray] | None = None,
        before: tuple[Equation, ...] = (),
    ) -> Saying:
        """The saying: for each named input one place; of the others nothing is said."""
        found = tuple((occurrences[n],) if n in occurrences else None for n in self.names)
        own = dict(derived or {})
        width = self.place.shape[-1]
        sizes = {**self.sizes, INNER: width, OTHER: width}
        return Saying(self.place.letters, value, found, sizes, lambda arrays: own, before)


# ---------------------------------------------------------------------- rows of a table
def _embedding(layer: Layer) -> Saying:
    """``e = E[id]``: the derivative goes to the row that was looked up."""
    *places, last = layer.place.letters
    which, row = layer.input("ids")(tuple(places)), Symbol("r")
    chosen = compared("==", which, row)
    occurrence = Occurrence((row, last), chosen)
    count = layer.array("weight").shape[0]
    said = layer.said(layer.input("weight")((which, last)), {"weight": occurrence})
    return replace(said, sizes={**said.sizes, row: count})


# ---------------------------------------------------------------------- normalisation
def _layer_norm(layer: Layer) -> Saying:
    """``γ x̂ + β`` with ``x̂ = (x − μ) / σ``."""
    x, d = layer.array("x"), layer.place.shape[-1]
    places = layer.place.letters[:-1]
    share = divided(ONE, Number(d))

    def element(letter: Expression) -> Expression:
        return layer.input("x")((*places, letter))

    mean, size = (Symbol(name, indices=_running(places)) for name in ("mu", "sigma"))
    difference = total(element(INNER), negated(mean))
    squares = product(share, summed(powered(difference, Number(2)), (INNER,)))
    epsilon = _epsilon(layer, centred=True)
    before = (
        Equation((mean, product(share, summed(element(INNER), (INNER,))))),
        Equation((size, Apply("sqrt", (total(squares, number(epsilon)),)))),
    )
    centred = x - x.mean(-1, keepdims=True)
    size_of = np.sqrt((centred**2).mean(-1) + epsilon)
    derived = {_bare(mean): x.mean(-1), _bare(size): size_of}
    normal = total(element(layer.last), negated(mean))
    return _normalised(layer, normal, size, centred / size_of[..., None], derived, before, share)


def _rms_norm(layer: Layer) -> Saying:
    """``γ x̂`` with ``x̂ = x / r``."""
    x, d = layer.array("x"), layer.place.shape[-1]
    places = layer.place.letters[:-1]

    def element(letter: Expression) -> Expression:
        return layer.input("x")((*places, letter))

    size = Symbol("rho", indices=_running(places))
    squares = product(divided(ONE, Number(d)), summed(powered(element(INNER), Number(2)), (INNER,)))
    epsilon = _epsilon(layer, centred=False)
    before = (Equation((size, Apply("sqrt", (total(squares, number(epsilon)),)))),)
    size_of = np.sqrt((x**2).mean(-1) + epsilon)
    derived = {_bare(size): size_of}
    return _normalised(
        layer, element(layer.last), size, x / size_of[..., None], derived, before, None
    )


def _normalised(
    layer: Layer,
    normal: Expression,
    size: Symbol,
    array: np.ndarray,
    derived: Mapping[Symbol, np.ndarray],
    before: tuple[Equation, ...],
    share: Expression | None,
) -> Saying:
    """``γ x̂ + β`` of a normalised ``x̂``; ``share``: what the mean takes away."""
    letters, j, d = layer.place.letters, layer.last, Number(layer.place.shape[-1])
    hat = Symbol("x", accent="hat")

    def normalised(letter: Expression) -> Symbol:
        return replace(hat, indices=_running((*letters[:-1], letter)))

    scale = layer.input("weight")((j,))
    value = product(scale, normalised(j))
    occurrences = {"weight": Occurrence((j,), normalised(j))}
    if "bias" in layer.names:
        value = total(value, layer.input("bias")((j,)))
        occurrences["bias"] = Occurrence((j,), ONE)
    mixed = divided(product(normalised(j), normalised(OTHER)), d)
    means = () if share is None else (negated(share),)
    slope = total(compared("==", j, OTHER), *means, negated(mixed))
    occurrences["x"] = Occurrence((*letters[:-1], OTHER), product(divided(scale, size), slope))
    before = (*before, Equation((normalised(j), divided(normal, size))))
    return layer.said(value, occurrences, {**derived, hat: array}, before)


def _epsilon(layer: Layer, centred: bool) -> float:
    """``ε``, from what becomes of small numbers: ``δ / √(δ² + ε)`` is known for one ``δ``."""
    small = 1e-3
    x = np.zeros(layer.array("x").shape)
    x[..., 0] = small
    known: dict[str, np.ndarray] = {"x": x, "weight": np.ones(layer.array("weight").shape)}
    if "bias" in layer.names:
        known["bias"] = np.zeros(layer.array("bias").shape)
    d = layer.place.shape[-1]
    first = small * (1 - 1 / d) if centred else small
    squares = small**2 / d * (1 - 1 / d if centred else 1)
    normalised = float(layer.with_arrays(**known).ravel()[0])
    return float(f"{(first / normalised) ** 2 - squares:.9g}")


# ---------------------------------------------------------------------- attention
def _attention_weights(layer: Layer) -> Saying:
    """The softmax of scores, of those that may be looked at: ``m = 1``."""
    letters, j = layer.place.letters, layer.last
    scores = layer.place.inputs[0]
    weights = Program(layer.graph)(layer.arrays)[0]
    seen = (weights != 0).astype(int)
    mask = Symbol("m")

    def part(letter: Expression) -> Expression:
        place = (*letters[:-1], letter)
        exponential = Apply("exp", (scores(place),))
        if seen.all():
            return exponential
        return product(replace(mask, indices=_running(place)), exponential)

    value = divided(part(j), summed(part(INNER), (INNER,)))
    p, other = (layer.place.output((*letters[:-1], x)) for x in (j, OTHER))
    slope = product(p, total(compared("==", j, OTHER), negated(other)))
    said = layer.said(value, {}, {} if seen.all() else {mask: seen})
    others: tuple[tuple[Occurrence, ...] | None, ...] = (None,) * (len(layer.names) - 1)
    return replace(said, occurrences=((Occurrence((*letters[:-1], OTHER), slope),), *others))


def _running(places: Sequence[Expression]) -> tuple[Expression, ...]:
    """The letters of a place, without the axes of length 1."""
    return tuple(letter for letter in places if isinstance(letter, Symbol))


def _bare(symbol: Symbol) -> Symbol:
    return replace(symbol, indices=())


#: What is said of each layer.
LAYERS: Mapping[str, Callable[[Layer], Saying]] = MappingProxyType(
    {
        "Embedding": _embedding,
        "LayerNorm": _layer_norm,
        "RMSNorm": _rms_norm,
        "attention_weights": _attention_weights,
    }
)

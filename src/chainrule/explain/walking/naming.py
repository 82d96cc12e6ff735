"""What the field calls each value: ``x``, ``w¹``, ``z¹``, ``a¹``, ``y``, ``J``.

The layers with weights are counted from 1 in the order of evaluation; what follows a layer (its
activation, a normalisation, dropout) has its number. The last layer's result is the output ``y``,
unless the loss makes the outputs itself: then its weighted sums stay ``z``. Arguments keep the
user's names, and so do weights that no known layer reads. Values that have no name in the field
are ``u₁``, ``u₂``, ….
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from chainrule.explain.formulas.tree import Number, Symbol
from chainrule.explain.walking.kinds import WEIGHTED
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough

__all__ = ["element_of", "names_of"]

#: The letters of a layer's weights.
LETTERS: Mapping[str, str] = MappingProxyType(
    {"weight": "w", "bias": "b", "recurrent": "u", "recurrent_bias": "b", "peepholes": "p"}
)
#: Of those that the field calls differently.
OWN: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("Embedding", "weight"): "E",
        ("PositionTable", "weight"): "P",
        ("LayerNorm", "weight"): "gamma",
        ("LayerNorm", "bias"): "beta",
        ("RMSNorm", "weight"): "gamma",
    }
)

ACCENTS = ("hat", "bar", "tilde")


def names_of(walk: Walkthrough) -> dict[Value, Symbol]:
    """A symbol for every value of a walkthrough; no two values share one.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> from chainrule.explain.walking.naming import names_of
    >>> from chainrule.explain.walking.walkthrough import Walkthrough
    >>> model = nn.MLP(2, [3], 1, rng=0)
    >>> cost = lambda model, x, t: nn.mse(model(x), t)
    >>> walk = Walkthrough.of(cost, model, np.ones((1, 2), "f"), np.zeros((1, 1), "f"))
    >>> [symbol.key for symbol in names_of(walk).values()]
    ['w^1', 'b^1', 'w^2', 'b^2', 'x', 't', 'z^1', 'a^1', 'y', 'J']
    """
    layers = _layers(walk)
    found: dict[Value, Symbol] = {}
    for value in walk.inputs:
        found[value] = _of_input(walk, value, layers)
    unnamed = 0
    for step in walk.steps:
        for value in step.outputs:
            if value is walk.cost:
                found[value] = Symbol("J")
            elif step.kind is None or step.kind.family == "loss":
                unnamed += 1
                found[value] = Symbol("u", label=str(unnamed))
            else:
                found[value] = Symbol(_letter(step), layer=_above(layers[step], step.time))
    if (output := _output(walk)) is not None:
        found[output] = Symbol("y")
    return _distinct(found)


def element_of(symbol: Symbol, place: tuple[int, ...]) -> Symbol:
    """The symbol of one element: ``w¹₃₁`` of ``w¹`` at ``(3, 1)``."""
    return replace(symbol, indices=tuple(map(Number, place)))


def _layers(walk: Walkthrough) -> dict[Step, int]:
    """The number of the layer that each step belongs to; 0 before the first.

    The steps of an unfolded layer have one number: they stand in the same call, on the same path.
    """
    found: dict[Step, int] = {}
    numbers: dict[object, int] = {}
    for step in walk.steps:
        if step.kind is not None and step.kind.family in WEIGHTED:
            is_part = step.time or step.kind.family == "projection"
            whole = (step.around, step.path) if is_part else step
            found[step] = numbers.setdefault(whole, len(numbers) + 1)
        else:
            makers = [walk.maker(value) for value in step.inputs]
            found[step] = max((found[maker] for maker in makers if maker), default=0)
    return found


def _of_input(walk: Walkthrough, value: Value, layers: dict[Step, int]) -> Symbol:
    """A weight by its letter and layer, everything else by its own name."""
    own = value.path.rpartition(".")[2]
    readers = walk.readers[value]
    if value.weight and readers and readers[0].kind and own in LETTERS:
        letter = OWN.get((readers[0].name, own), LETTERS[own])
        return Symbol(letter, layer=_above(layers[readers[0]]))
    return _symbol(own if value.weight and own else value.path)


def _letter(step: Step) -> str:
    """``h`` for the activation of a recurrent layer."""
    assert step.kind is not None
    return "h" if step.time and step.kind.family == "activation" else step.kind.letter


def _above(layer: int, time: str = "") -> str:
    """The number of a layer, and in brackets the step of time."""
    return (str(layer) if layer else "") + (f"({time})" if time else "")


def _output(walk: Walkthrough) -> Value | None:
    """The model's output: what the last layer or activation made, if the loss reads that."""
    for step in reversed(walk.steps):
        if step.kind is None or (step.kind.family == "loss" and not step.kind.logits):
            continue
        return None if step.kind.logits or step.output is walk.cost else step.output
    return None


def _symbol(path: str) -> Symbol:
    """A user's name as a symbol: ``y_hat``, ``w1``, ``W_hh``, ``encoder.scale``."""
    name, _, label = path.replace(".", "_").partition("_")
    if label in ACCENTS:
        return Symbol(name, accent=label)
    letters = name.rstrip("0123456789")
    if letters and letters != name and not label:
        return Symbol(letters, label=name[len(letters) :])
    return Symbol(name, label=label)


def _distinct(symbols: dict[Value, Symbol]) -> dict[Value, Symbol]:
    """The same with primes where two values would be called alike."""
    seen: Counter[Symbol] = Counter()
    found = {}
    for value, symbol in symbols.items():
        found[value] = replace(symbol, layer=symbol.layer + "\N{PRIME}" * seen[symbol])
        seen[symbol] += 1
    return found

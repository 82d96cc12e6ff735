"""Dropout in training: ``d = m a / (1 − rate)`` with the mask ``m`` that was drawn."""

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.autodiff import reverse
from chainrule.engines import Program
from chainrule.explain.formulas.tree import Symbol
from chainrule.explain.saying.algebra import ONE, divided, negated, product, total
from chainrule.explain.saying.saying import Occurrence, Place, Saying
from chainrule.graph import Graph

__all__ = ["dropout"]


def dropout(names: Sequence[str], graph: Graph, place: Place) -> Saying:
    """What is said of dropout with a key."""
    x, rate = names.index("x"), names.index("rate")
    letters = place.letters
    running = tuple(letter for letter in letters if isinstance(letter, Symbol))
    mask = Symbol("m", indices=running)
    kept = total(ONE, negated(place.inputs[rate](())))
    backward = Program(reverse(graph, [i == x for i in range(len(names))]))

    def derived(arrays: Sequence[np.ndarray]) -> Mapping[Symbol, np.ndarray]:
        slope = backward([*arrays, np.ones(place.shape)])[-1]
        return {Symbol("m"): (slope != 0).astype(int)}

    occurrences: list[tuple[Occurrence, ...]] = [()] * len(names)
    occurrences[x] = (Occurrence(letters, divided(mask, kept)),)
    value = divided(product(mask, place.inputs[x](letters)), kept)
    sizes = {
        letter: size
        for letter, size in zip(letters, place.shape, strict=True)
        if isinstance(letter, Symbol)
    }
    return Saying(letters, value, tuple(occurrences), sizes, derived)

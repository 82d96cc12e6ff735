"""Which way of saying a step fits: the textbook's where it is measured, else the graph's."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from chainrule.autodiff import forward, reverse
from chainrule.engines import Program
from chainrule.explain.formulas.tree import Expression
from chainrule.explain.saying.algebra import replaced
from chainrule.explain.saying.dropout import dropout
from chainrule.explain.saying.layers import LAYERS, Layer
from chainrule.explain.saying.losses import LOSSES, Loss
from chainrule.explain.saying.numbers import Numbers, Unwritten
from chainrule.explain.saying.places import matched
from chainrule.explain.saying.reading import Unreadable, read
from chainrule.explain.saying.saying import Occurrence, Place, Saying
from chainrule.explain.saying.textbook import TEXTBOOK
from chainrule.graph import Graph

__all__ = ["binding", "bound", "saying_of", "tangents"]

#: How exact a formula must be, and at how many elements it is measured.
TOLERANCE, ELEMENTS = 1e-6, 4


def saying_of(name: str, graph: Graph, place: Place, arrays: Sequence[np.ndarray]) -> Saying | None:
    """What is said of a step, or ``None`` where only its numbers can be said.

    Parameters
    ----------
    name
        What the step is called.
    graph
        The step as a function of its inputs.
    place
        The symbols it is said in.
    arrays
        The values of its inputs.
    """
    if len(graph.outputs) != 1 or not graph.outputs[0].spec.is_float:
        return None
    for at in (arrays, _elsewhere(name, _names(graph), arrays)):
        said = _textbook(name, graph, place, at)
        if said is None or not _is_right(said, graph, place, at):
            return _read(graph, place)
    return _textbook(name, graph, place, arrays)


def _read(graph: Graph, place: Place) -> Saying | None:
    try:
        return read(graph, place)
    except Unreadable:
        return None


def _textbook(name: str, graph: Graph, place: Place, arrays: Sequence[np.ndarray]) -> Saying | None:
    names = _names(graph)
    try:
        if name in TEXTBOOK and len(arrays) == 1:
            return TEXTBOOK[name](place)
        if name in LAYERS:
            return LAYERS[name](Layer(names, graph, place, arrays))
        if name == "Dropout" and "key" in names:
            return dropout(names, graph, place)
        if name in LOSSES and place.shape == () and "t" in names:
            return LOSSES[name](_loss(names, graph, place, arrays))
    except (ValueError, LookupError, ArithmeticError):
        pass  # it is called so, but does not take what the library's function takes
    return None


def _names(graph: Graph) -> tuple[str, ...]:
    """What a named function calls its inputs."""
    body = graph.outputs[0].inputs[0].attributes.get("body") if graph.outputs[0].inputs else None
    return body.names if isinstance(body, Graph) else graph.names


def _loss(names: Sequence[str], graph: Graph, place: Place, arrays: Sequence[np.ndarray]) -> Loss:
    output = list(names).index("y" if "y" in names else "logits")
    backward = Program(reverse(graph, [i == output for i in range(len(names))]))

    def slope(outputs: np.ndarray) -> np.ndarray:
        changed = [*arrays[:output], outputs, *arrays[output + 1 :]]
        return backward([*changed, np.ones(())])[-1]

    return Loss(names, arrays, place, slope)


# ---------------------------------------------------------------------- measuring
def _elsewhere(name: str, names: Sequence[str], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Other inputs of the same shapes: where a function is piecewise, the other pieces too.

    Of losses and dropout only the outputs move: targets, weights and keys are not any numbers.
    """
    rng = np.random.default_rng(0)
    only = {"y", "logits"} if name in LOSSES else {"x"} if name == "Dropout" else set(names)
    return [
        2 * rng.normal(size=array.shape) if called in only and array.dtype.kind == "f" else array
        for called, array in zip(names, arrays, strict=True)
    ]


def _is_right(said: Saying, graph: Graph, place: Place, arrays: Sequence[np.ndarray]) -> bool:
    """Whether the formula and its derivatives give the step's own numbers, at a few elements."""
    rng = np.random.default_rng(0)
    (value,) = Program(graph)(arrays)
    numbers = place.numbers(arrays, value).with_more(said.derived(arrays), said.sizes)
    outputs = _places(value.shape, rng)
    try:
        for o in outputs:
            if not _same(numbers.evaluate(bound(said, o)), value[o]):
                return False
        for i, occurrences in enumerate(said.occurrences):
            for s in _places(arrays[i].shape, rng) if occurrences is not None else ():
                (slope,) = tangents(graph, i, arrays, s)
                for o in outputs:
                    if not _same(local(said, i, o, s, numbers), slope[o]):
                        return False
    except Unwritten:
        return False
    return True


def _places(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    size = int(np.prod(shape))
    flat = rng.permutation(size)[:ELEMENTS]
    return [tuple(map(int, np.unravel_index(k, shape))) for k in flat]


def _same(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


def local(
    said: Saying, i: int, output: tuple[int, ...], element: tuple[int, ...], numbers: Numbers
) -> float:
    """The derivative of one element of the output by one of input ``i``, from the formula."""
    total = 0.0
    for occurrence in said.occurrences[i] or ():
        letters = binding(said, occurrence, element)
        if letters is None:
            continue
        own = matched(said.letters, output, said.sizes)
        assert own is not None
        if all(own.get(letter, place) == place for letter, place in letters.items()):
            total += numbers.evaluate(replaced(occurrence.factor, {**own, **letters}))
    return total


def binding(
    said: Saying, occurrence: Occurrence, element: tuple[int, ...]
) -> dict[Expression, Expression] | None:
    """What the letters are where this occurrence is this element; ``None`` if it never is."""
    return matched(occurrence.index, element, said.sizes)


def bound(said: Saying, element: Sequence[int]) -> Expression:
    """The formula of one element of the output."""
    return replaced(said.value, matched(said.letters, element, said.sizes) or {})


@lru_cache(maxsize=256)
def _forward(graph: Graph, i: int) -> tuple[Program, tuple[bool, ...]]:
    pushed, moved = forward(graph, [k == i for k in range(len(graph.inputs))])
    return Program(pushed), moved


def tangents(
    graph: Graph, i: int, arrays: Sequence[np.ndarray], element: tuple[int, ...]
) -> list[np.ndarray]:
    """The derivative of each output, all of it, by one element of input ``i``."""
    unit = np.zeros(arrays[i].shape)
    unit[element] = 1
    program, moved = _forward(graph, i)
    found = iter(program([*arrays, unit])[len(moved) :])
    return [
        next(found) if moves else np.zeros(spec.shape)
        for moves, spec in zip(moved, graph.output_specs, strict=True)
    ]

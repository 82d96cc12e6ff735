"""``draw``: a network or a graph as a drawing."""

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage, words
from chainrule.errors import GradientError, OptionError
from chainrule.explain.document import Document, Documented, Picture
from chainrule.explain.drawing.circuit import circuit
from chainrule.explain.drawing.facts import Facts
from chainrule.explain.drawing.layers import layers
from chainrule.explain.drawing.network import network
from chainrule.explain.drawing.stages import Stages, stages_of
from chainrule.explain.drawing.svg import Canvas
from chainrule.explain.walking.kinds import WEIGHTED
from chainrule.explain.walking.walkthrough import Walkthrough, is_known
from chainrule.graph import Node, Spec, Tensor, call
from chainrule.graph import sum as total_of
from chainrule.nn import Linear, Module, submodules
from chainrule.trees import tree_leaves, tree_map

__all__ = ["Drawing", "draw"]

VIEWS = ("auto", "neurons", "layers", "graph")
#: The call that stands for the sum of a model's results, which is not drawn.
RESULT = "\N{GREEK CAPITAL LETTER SIGMA} results"


class Drawing(Documented):
    """A drawing; shows itself in a notebook.

    Attributes
    ----------
    svg
        The drawing as markup: no scripts, light or dark as its surroundings.
    title
        What it shows.
    view
        ``"neurons"``, ``"layers"`` or ``"graph"``.

    Examples
    --------
    >>> from chainrule import nn
    >>> from chainrule.explain import draw
    >>> drawing = draw(nn.MLP(2, [3], 1, rng=0))
    >>> drawing.view, drawing.svg[:30]
    ('neurons', '<svg xmlns="http://www.w3.org/')
    """

    def __init__(self, svg: str, title: str, view: str, lang: str) -> None:
        self.svg, self.title, self.view = svg, title, view
        self._lang = lang

    def __repr__(self) -> str:
        return f"<Drawing {self.title!r}, {self.view}>"

    def to_svg(self) -> str:
        """The drawing as SVG markup."""
        return self.svg

    def document(self, lang: str | None = None) -> Document:
        """The drawing as a document with one picture; its words stay in its own language."""
        return Document([Picture(self.svg, "", self.title)], lang=self._lang)

    def save(self, path: str | Path, lang: str | None = None) -> None:
        """Write it to a file, whole or not at all: ``.svg``, or what a document can be.

        Raises
        ------
        OptionError
            If the file's name ends in something else.
        StorageError
            If the file cannot be written.
        """
        if Path(path).suffix.lower() != ".svg":
            return super().save(path, lang)
        storage.write_bytes(path, self.svg.encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x: auto">{self.svg}</div>'


def draw(
    function: Callable[..., Any],
    *arguments: Any,
    view: str = "auto",
    detail: str = "layer",
    row: int = 0,
    title: str | None = None,
    lang: str | None = None,
) -> Drawing:
    """A network or the graph of a function as a drawing.

    With a cost and its arguments, values are drawn as they run forward, derivatives as they run
    back; with a model and its input, values; with a model alone, its structure.

    Parameters
    ----------
    function
        A cost (a function of trees of tensors that returns a number), or a model.
    *arguments
        The arguments of the function. :class:`chainrule.Spec` in place of an array draws the
        structure for inputs of this shape.
    view
        ``"neurons"``: every neuron a circle, every weight an edge; ``"layers"``: every layer a box;
        ``"graph"``: every step a node, every value a wire. ``"auto"`` draws neurons up to three
        layers of eight, layers for larger networks, and the graph of what is no network.
    detail
        Of the graph: ``"layer"``, or ``"op"`` for every single operation.
    row
        Which row of a batch the neurons show.
    title
        Stands above the drawing.
    lang
        ``"en"`` or ``"ko"``; by default :func:`chainrule.words.language`.

    Raises
    ------
    OptionError
        If there is nothing to draw, an option has a value that it cannot have, or the drawing would
        be too large to be read.

    Examples
    --------
    >>> from chainrule import nn
    >>> from chainrule.explain import draw
    >>> draw(lambda w, x, t: (t - w * x) ** 2, 3.0, 2.0, 7.0)
    <Drawing 'J', graph>
    """
    lang = lang or words.language()
    if view not in VIEWS or detail not in ("layer", "op"):
        got, known = (view, VIEWS) if view not in VIEWS else (detail, ("layer", "op"))
        raise OptionError("explain.draw_option", got=got, known=", ".join(known))
    facts = _facts(function, arguments, detail, row, lang)
    stages = stages_of(facts) if view in ("auto", "neurons") and detail == "layer" else None
    chosen = _chosen(view, facts, stages)
    title = _title(function) if title is None else title
    canvas: Canvas
    if chosen == "neurons" and stages is not None:
        canvas = network(facts, stages, title)
    else:
        canvas = (layers if chosen == "layers" else circuit)(facts, title)
    return Drawing(canvas.markup(), title, chosen, lang)


def _chosen(view: str, facts: Facts, stages: Stages | None) -> str:
    """The view that is drawn."""
    if view == "neurons" and stages is None:
        raise OptionError("explain.draw_no_network")
    if view != "auto":
        return view
    if stages is not None and stages.is_small:
        return "neurons"
    has_layers = any(step.kind and step.kind.family in WEIGHTED for step in facts.steps)
    return "layers" if has_layers else "graph"


# ---------------------------------------------------------------------- what is drawn
def _facts(
    function: Callable[..., Any], arguments: Sequence[Any], detail: str, row: int, lang: str
) -> Facts:
    """The function taken apart; one that returns no number without derivatives."""
    if not callable(function):
        raise OptionError("explain.draw_what", got=type(function).__name__)
    if isinstance(function, Module):
        function, arguments = _applied(function), (function, *arguments)
        if len(arguments) == 1:
            arguments = (*arguments, _input_of(arguments[0]))
    _check_arguments(function, arguments)
    has_values = not any(isinstance(leaf, Spec) for leaf in tree_leaves(arguments))
    arguments = tree_map(_filled, tuple(arguments))
    closed = is_known if detail == "layer" else _is_result
    try:
        walk = Walkthrough.of(function, *arguments, closed=closed)
    except GradientError as error:
        if error.key != "explain.not_scalar":
            raise
        walk = Walkthrough.of(
            _summed(function), *arguments, closed=lambda node: _is_result(node) or closed(node)
        )
        last = walk.steps[-1]
        outputs = tuple(value for value in last.inputs if not value.constant)
        return Facts(walk, walk.steps[:-1], outputs, has_values, False, row, lang)
    return Facts(walk, walk.steps, (walk.cost,), has_values, has_values, row, lang)


def _check_arguments(function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Raise if the function cannot be called with these."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        who = getattr(function, "__name__", "f").replace("<lambda>", "f")
        raise OptionError("explain.draw_arguments", who=who) from error
    except ValueError:
        pass  # a function without a signature that could be read


def _applied(model: Module) -> Callable[..., Any]:
    """The model's call as a function whose first argument is the model."""

    def function(model: Module, *inputs: Any) -> Any:
        return model(*inputs)

    own = inspect.signature(type(model).__call__)
    function.__signature__ = own  # type: ignore[attr-defined]
    return function


def _input_of(model: Module) -> Spec:
    """One row of what the first linear layer of a model reads."""
    first = next((part for _, part in submodules(model) if isinstance(part, Linear)), None)
    if first is None:
        raise OptionError("explain.draw_input", who=type(model).__name__)
    return Spec((1, first.in_features), first.weight.dtype)


def _filled(leaf: Any) -> Any:
    """An array for a shape: of ones, of zeros where these are places in something."""
    if not isinstance(leaf, Spec):
        return leaf
    return np.ones(leaf.shape, leaf.dtype) if leaf.is_float else np.zeros(leaf.shape, leaf.dtype)


def _summed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one step more, which makes a number of all results."""

    @functools.wraps(function)
    def whole(*arguments: Any) -> Any:
        return call(RESULT, RESULT, _total, tree_leaves(function(*arguments)))

    return whole


def _total(leaves: list[Tensor]) -> Tensor:
    return functools.reduce(operator.add, (total_of(leaf * 1.0) for leaf in leaves))


def _is_result(node: Node) -> bool:
    return bool(node.attributes["name"] == RESULT)


def _title(function: Callable[..., Any]) -> str:
    if isinstance(function, Module):
        return repr(function)
    name = getattr(function, "__name__", type(function).__name__)
    return "J" if name == "<lambda>" else name

r"""``layer_jacobian``: by what factor a layer shrinks or grows a gradient.

A layer ``y = f(x)`` passes the gradient back by its Jacobian :math:`\mathbf{J} = ∂y/∂x`:

.. math:: ∂J/∂x = \mathbf{J}^⊤ \; ∂J/∂y

Its singular values say what can happen to a gradient's length: none is multiplied by more than the
largest one, and one of a random direction is multiplied by about :math:`‖\mathbf{J}‖_F / \sqrt m`,
where ``m`` is the number of outputs (the root mean square of the singular values, zeros counted).
Over layers the factors multiply: ten times 0.2 is a ten-millionth.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, overload

import numpy as np

from chainrule import words
from chainrule.autodiff import jacobian
from chainrule.autodiff.transforms import checked_function
from chainrule.errors import OptionError, PathError, suggest
from chainrule.explain.derivation.flow import chained
from chainrule.explain.document import Block, Cell, Document, Documented, Formula, Grid, Prose
from chainrule.explain.formulas import (
    Apply,
    Expression,
    MatMul,
    Number,
    Partial,
    Symbol,
    Transpose,
)
from chainrule.explain.formulas.arrays import as_formula, shape_text
from chainrule.explain.walking.kinds import WEIGHTED
from chainrule.explain.walking.naming import names_of
from chainrule.explain.walking.passing import is_linear, passed, role
from chainrule.explain.walking.walkthrough import Step, Value, Walkthrough
from chainrule.graph import Graph, Tensor, asarray, concatenate
from chainrule.graph.trace import replay

__all__ = ["LayerJacobian", "LayerJacobians", "layer_jacobian"]

#: What follows a layer and belongs to it.
ATTACHED = frozenset({"activation", "random", "norm"})
#: The columns of a table.
HEADS = (
    "explain.jacobian_layer",
    "explain.jacobian_shape",
    "explain.jacobian_largest",
    "explain.jacobian_typical",
    "explain.jacobian_smallest",
    "explain.jacobian_factor",
)


@dataclass(frozen=True, eq=False)
class LayerJacobian(Documented):
    """The Jacobian of a layer, or of several together, at one row.

    Attributes
    ----------
    label
        The layer: ``"hidden.0: Linear(2, 3), relu"``.
    start, end
        The names of what goes in and of what comes out.
    matrix
        ``∂ end / ∂ start``: a row for each output, a column for each input.
    factor
        By what the length of this cost's gradient is multiplied: ``‖∂J/∂start‖ / ‖∂J/∂end‖``;
        NaN if no gradient arrives.
    formula
        The Jacobian in symbols, where it is known.
    """

    label: str
    start: Symbol
    end: Symbol
    matrix: np.ndarray
    factor: float
    formula: Expression | None = None

    @cached_property
    def singular_values(self) -> np.ndarray:
        """The largest first."""
        return np.linalg.svd(self.matrix, compute_uv=False)

    @property
    def largest(self) -> float:
        """No gradient is multiplied by more."""
        return float(self.singular_values[0])

    @property
    def smallest(self) -> float:
        """The last of the singular values; a layer with more outputs than inputs can do less."""
        return float(self.singular_values[-1])

    @property
    def typical(self) -> float:
        """By what a gradient of a random direction is multiplied: ``‖J‖_F / √m``."""
        return float(np.linalg.norm(self.matrix) / math.sqrt(len(self.matrix)))

    def document(self, lang: str | None = None) -> Document:
        """The matrix, its singular values, and what they mean."""
        return Document(self._blocks(lang), self.label, lang=lang)

    def _blocks(self, lang: str | None) -> Iterator[Block]:
        known = [] if self.formula is None else [self.formula]
        rows, columns = self.matrix.shape
        said = {"start": self.start, "end": self.end, "rows": rows, "columns": columns}
        yield Prose.say("explain.jacobian_is", lang, **said)
        yield Formula(chained(Partial(self.end, self.start), *known, as_formula(self.matrix)))
        values = as_formula(self.singular_values)
        yield Prose.say("explain.jacobian_values", lang, values=values)
        yield Grid(heads(lang)[1:], [cells(self)])
        yield _said(self, lang)


class LayerJacobians(Documented):
    """The Jacobians of all layers, from the cost back to the input.

    ``found[0]`` is the last layer's; ``len`` and ``for`` work.

    Attributes
    ----------
    layers
        One for each layer; layers that a connection passes by are taken together.
    whole
        The product of all: from the input to the output.
    """

    def __init__(self, layers: Sequence[LayerJacobian], whole: LayerJacobian) -> None:
        self.layers, self.whole = tuple(layers), whole

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerJacobian]:
        return iter(self.layers)

    def __getitem__(self, i: int) -> LayerJacobian:
        return self.layers[i]

    @property
    def bound(self) -> float:
        """The product of the largest singular values: no gradient grows by more."""
        return math.prod(layer.largest for layer in self.layers)

    def document(self, lang: str | None = None) -> Document:
        """A table, and what the factors multiply to."""
        rows: list[list[Cell]] = [[layer.label, *cells(layer)] for layer in self.layers]
        if len(self.layers) > 1:
            rows.append([words.text("explain.jacobian_whole", lang), *cells(self.whole)])
        blocks: list[Block] = [
            Prose.say("explain.jacobian_table", lang),
            Grid(heads(lang), rows),
            _said(self.whole, lang),
        ]
        if len(self.layers) > 1:
            blocks.append(Prose.say("explain.jacobian_bound", lang, bound=self.bound))
        return Document(blocks, words.text("explain.jacobian_title", lang), lang=lang)


def heads(lang: str | None) -> list[str]:
    """The heads of the columns."""
    return [words.text(head, lang) for head in HEADS]


def cells(layer: LayerJacobian) -> list[Cell]:
    """A layer's row without its name."""
    numbers = (layer.largest, layer.typical, layer.smallest, layer.factor)
    return [shape_text(layer.matrix.shape), *map(Number, numbers)]


def _said(layer: LayerJacobian, lang: str | None) -> Prose:
    """Whether this cost's gradient shrinks."""
    if math.isnan(layer.factor):
        return Prose.say("explain.jacobian_none", lang, end=layer.end)
    key = "explain.jacobian_shrinks" if layer.factor < 1 else "explain.jacobian_grows"
    return Prose.say(key, lang, start=layer.start, end=layer.end, factor=layer.factor)


@overload
def layer_jacobian(
    function: Callable[..., Any],
    *arguments: Any,
    of: str | int | tuple[str, str],
    row: int = 0,
) -> LayerJacobian: ...
@overload
def layer_jacobian(
    function: Callable[..., Any], *arguments: Any, of: None = None, row: int = 0
) -> LayerJacobians: ...
def layer_jacobian(
    function: Callable[..., Any],
    *arguments: Any,
    of: str | int | tuple[str, str] | None = None,
    row: int = 0,
) -> LayerJacobian | LayerJacobians:
    """The Jacobian of a layer, or of each layer, and by what factor it changes a gradient.

    Parameters
    ----------
    function
        A cost: takes trees of tensors, returns a number.
    *arguments
        Its arguments; the leaves of the first are the weights.
    of
        A layer, by its path in the model (``"hidden.0"``) or by its number, from 1; what follows it
        (activation, normalisation) belongs to it. Or two values, from which to which:
        ``("x", "a^1")``. By default all layers, from the cost to the input.
    row
        Which row of the batch; the Jacobian is that of one row.

    Raises
    ------
    PathError
        If there is no such layer or value; the message suggests near ones.
    OptionError
        If there is no such row, or the function has no layers and ``of`` does not say between which
        values.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> from chainrule.explain import layer_jacobian
    >>> model = nn.MLP(4, [3, 3], 2, activation="sigmoid", rng=0)
    >>> cost = lambda model, x, t: nn.mse(model(x), t)
    >>> found = layer_jacobian(cost, model, np.ones((1, 4), "f"), np.zeros((1, 2), "f"))
    >>> [layer.label for layer in found]
    ['output: Linear(3, 2)', 'hidden.1: Linear(3, 3), sigmoid', 'hidden.0: Linear(4, 3), sigmoid']
    >>> bool(found[1].largest < 1)
    True
    """
    checked_function("layer_jacobian", function)
    finder = _Finder(Walkthrough.of(function, *arguments), row)
    if of is None:
        return finder.all()
    if isinstance(of, tuple):
        return finder.between(*map(finder.value, of))
    return finder.layer(of)


class _Finder:
    """Finds layers in a walkthrough, and their Jacobians."""

    def __init__(self, walk: Walkthrough, row: int) -> None:
        self.walk, self.row = walk, row
        self.names = names_of(walk)
        self.steps = [step for step in walk.steps if step.kind and step.kind.family in WEIGHTED]

    # ------------------------------------------------------------------ what is asked for
    def all(self) -> LayerJacobians:
        """Every part between values that everything passes through."""
        if not self.steps:
            raise OptionError("explain.jacobian_no_layers", known=", ".join(self._known()))
        start, end = self._read(self.steps[0]), self._end(self.steps[-1])
        crossed = self._crossed(start, end)
        inner = [v for v in map(self._read, self.steps[1:]) if v in crossed and v is not start]
        ends = [*dict.fromkeys([start, *inner, end])]
        parts = [self.between(a, b) for a, b in pairwise(ends)]
        return LayerJacobians(parts[::-1], self.between(start, end))

    def layer(self, of: str | int) -> LayerJacobian:
        """One layer, by path or number."""
        paths = [step.path for step in self.steps]
        if isinstance(of, int):
            if not 1 <= of <= len(self.steps):
                raise PathError("explain.jacobian_number", got=of, count=len(self.steps))
            step = self.steps[of - 1]
        elif of in paths:
            step = self.steps[paths.index(of)]
        else:
            known = dict.fromkeys(paths)
            hint, listed = suggest(of, known), ", ".join(known)
            raise PathError("explain.jacobian_path", got=of, hint=hint, known=listed)
        return self.between(self._read(step), self._end(step))

    def value(self, name: str) -> Value:
        """A value by its symbol or its path; a layer stands for its result."""
        known = self._known()
        if name not in known:
            hint, listed = suggest(name, known), ", ".join(known)
            raise PathError("explain.jacobian_value", got=name, hint=hint, known=listed)
        return known[name]

    def _known(self) -> dict[str, Value]:
        by_symbol = {symbol.key: value for value, symbol in self.names.items()}
        by_path = {value.path: value for value in self.walk.inputs}
        return by_symbol | by_path | {step.path: self._end(step) for step in self.steps}

    # ------------------------------------------------------------------ where a layer ends
    def _read(self, step: Step) -> Value:
        """What a layer reads that is no weight."""
        return next(
            (v for i, v in enumerate(step.inputs) if role(step, i) == "x"),
            next(value for value in step.inputs if not value.weight),
        )

    def _end(self, step: Step) -> Value:
        """The result of a layer with what belongs to it."""
        value = step.output
        while len(readers := self.walk.readers[value]) == 1:
            (reader,) = readers
            if reader.kind is None or reader.kind.family not in ATTACHED:
                break
            value = reader.output
        return value

    def _crossed(self, start: Value, end: Value) -> set[Value]:
        """The values that every way from start to end passes through, by counting ways."""
        onward, back = {start: 1}, {end: 1}
        for step in self.walk.steps:
            ways = sum(onward.get(value, 0) for value in step.inputs)
            onward |= {output: ways for output in step.outputs if output is not start}
        for step in reversed(self.walk.steps):
            ways = sum(back.get(output, 0) for output in step.outputs)
            for value in step.inputs:
                if value is not end:
                    back[value] = back.get(value, 0) + ways
        total = onward.get(end, 0)
        return {v for v, ways in onward.items() if total and ways * back.get(v, 0) == total}

    # ------------------------------------------------------------------ one Jacobian
    def between(self, start: Value, end: Value) -> LayerJacobian:
        """The Jacobian of one value for another, along all ways."""
        if start.gradient is None or end.gradient is None or not self._crossed(start, end):
            raise OptionError("explain.jacobian_apart", start=self._key(start), end=self._key(end))
        matrix = self._matrix(start, end)
        going, coming = (np.linalg.norm(self._of_row(v, v.gradient)) for v in (start, end))
        factor = float(going / coming) if coming else math.nan
        steps = self._steps(start, end)
        formula = _formula(steps, self.names, matrix)
        label = _label(steps)
        return LayerJacobian(label, self.names[start], self.names[end], matrix, factor, formula)

    def _matrix(self, start: Value, end: Value) -> np.ndarray:
        first = self.walk.node(start)
        inputs = [node for node in self.walk.graph.inputs if node is not first]
        graph = Graph([first, *inputs], [self.walk.node(end)])
        arrays = {self.walk.node(value): value.array for value in self.walk.inputs}
        rest = [asarray(arrays[node]) for node in inputs]
        rows = self._rows(start)

        def of_row(part: Tensor) -> Tensor:
            """The end's row as a function of the start's; the other rows are as they are."""
            whole = part
            if rows:
                before, after = start.array[: self.row], start.array[self.row + 1 :]
                whole = concatenate([asarray(before), part[None], asarray(after)])
            made = replay(graph, [whole, *rest])[0]
            return made[self.row] if self._rows(end) else made

        at = start.array[self.row] if rows else start.array
        size = end.array[self.row].size if self._rows(end) else end.array.size
        mode = "reverse" if size <= at.size else "forward"
        found = jacobian(of_row, mode=mode)(asarray(at))
        return np.asarray(found).reshape(size, at.size)

    def _rows(self, value: Value) -> int:
        """How many rows there are, if this value has one for each; else 0."""
        data = next((v for v in self.walk.inputs if not v.weight and v.array.ndim > 1), None)
        if data is None or value.array.ndim < 2 or len(value.array) != len(data.array):
            return 0
        if not 0 <= self.row < len(data.array):
            raise OptionError("explain.jacobian_row", got=self.row, count=len(data.array))
        return len(data.array)

    def _of_row(self, value: Value, array: np.ndarray | None) -> np.ndarray:
        assert array is not None
        return (array[self.row] if self._rows(value) else array).reshape(-1)

    def _steps(self, start: Value, end: Value) -> list[Step]:
        """The steps on the ways from start to end."""
        reached, needed = {start}, {end}
        for step in self.walk.steps:
            if any(value in reached for value in step.inputs):
                reached.update(step.outputs)
        for step in reversed(self.walk.steps):
            if any(output in needed for output in step.outputs) and start not in step.outputs:
                needed.update(step.inputs)
        return [
            step
            for step in self.walk.steps
            if any(value in reached and value in needed for value in step.outputs)
            and start not in step.outputs
        ]

    def _key(self, value: Value) -> str:
        return self.names[value].key if value in self.names else "?"


def _label(steps: Sequence[Step]) -> str:
    """``"hidden.0: Linear(2, 3), relu"``."""
    path = ", ".join(dict.fromkeys(step.path for step in steps if step.path))
    labels = ", ".join(step.label for step in steps)
    return f"{path}: {labels}" if path else labels


def _formula(
    steps: Sequence[Step], names: Mapping[Value, Symbol], matrix: np.ndarray
) -> Expression | None:
    """``diag(φ'(z)) wᵀ`` of a linear layer with an activation, element by element."""
    if not steps or not is_linear(steps[0]) or len(steps) > 2:
        return None
    weight = next(v for i, v in enumerate(steps[0].inputs) if role(steps[0], i) == "weight")
    if weight not in names or weight.array.T.shape != matrix.shape:
        return None
    transposed = Transpose(names[weight])
    if len(steps) == 1:
        return transposed
    slopes = passed(steps[1])
    if len(slopes) != 1 or slopes[0].form not in ("each", "scale") or steps[1].kind is None:
        return None
    slope = Apply(steps[1].name, (names[steps[0].output],), primes=1)
    return MatMul(Apply("diag", (slope,)), transposed)

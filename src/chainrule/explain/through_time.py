r"""``step_jacobians``: what is left of a gradient on its way back through time.

A recurrent layer passes a gradient back from step to step by the Jacobian of its state,
:math:`∂s_t/∂s_{t-1}`, and over many steps by the product of them:

.. math:: \frac{∂s_T}{∂s_t} = \frac{∂s_T}{∂s_{T-1}} ⋯ \frac{∂s_{t+1}}{∂s_t}

Of a plain network with ``tanh`` a factor is :math:`\mathrm{diag}(1 - h_t²)\, U^⊤`: if its singular
values stay below 1, the product vanishes with the number of steps. The state of an LSTM is ``h``
and ``c``; along ``c`` alone the factor is :math:`\mathrm{diag}(f_t)`, and a forget gate may stay
near 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule import words
from chainrule.autodiff import jacobian, vmap
from chainrule.errors import OptionError, PathError
from chainrule.explain.document import Block, Cell, Document, Documented, Formula, Grid, Prose
from chainrule.explain.formulas import (
    Add,
    Apply,
    Equation,
    Expression,
    MatMul,
    Negative,
    Number,
    Partial,
    Power,
    Symbol,
    Transpose,
)
from chainrule.graph import Tensor, asarray, concatenate, scan
from chainrule.graph.tensor import ArrayLike
from chainrule.nn.recurrent import Cell as RecurrentCell
from chainrule.nn.recurrent import Recurrent, RNNCell
from chainrule.trees import tree_leaves, tree_map

__all__ = ["StepJacobians", "step_jacobians"]

#: How many steps back a row of the table may be.
BACK = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)


@dataclass(frozen=True, eq=False)
class StepJacobians(Documented):
    """The Jacobians of a recurrent layer's state, step by step, for one row of the batch.

    Attributes
    ----------
    label
        The layer and its cell: ``"LSTM(1, 2), cells.0"``.
    matrices
        ``(T, m, m)``: ``∂s_t/∂s_{t-1}`` for ``t`` from 1 to ``T``, a row for each number of
        ``s_t``. The state ``s`` is ``h``; of an LSTM ``h`` and behind it ``c``.
    units
        How many numbers ``h`` has.
    gates
        The gates' values by name, each ``(T, units)``.
    formula
        The factor in symbols, where it is known; it has agreed with ``matrices``.
    """

    label: str
    matrices: np.ndarray
    units: int
    gates: dict[str, np.ndarray]
    formula: Equation | None = None

    def __len__(self) -> int:
        return len(self.matrices)

    @cached_property
    def products(self) -> np.ndarray:
        """``(T, m, m)``: ``∂s_T/∂s_t`` for ``t`` from 0 to ``T - 1``, the way from there on."""
        found = np.empty_like(self.matrices)
        product = np.eye(self.matrices.shape[-1])
        for t in reversed(range(len(self))):
            found[t] = product = product @ self.matrices[t]
        return found

    @cached_property
    def largest(self) -> np.ndarray:
        """``(T,)``: the largest singular value of each step's Jacobian."""
        return _largest(self.matrices)

    @cached_property
    def remaining(self) -> np.ndarray:
        """``(T,)``: the largest singular value of each product: no gradient keeps more."""
        return _largest(self.products)

    @cached_property
    def typical(self) -> np.ndarray:
        """``(T,)``: by what a product multiplies a gradient of a random direction, ``‖P‖_F/√m``."""
        found = np.linalg.norm(self.products, axis=(1, 2)) / np.sqrt(self.products.shape[-1])
        return np.asarray(found)

    @cached_property
    def cell_state(self) -> np.ndarray | None:
        """``(T,)``, of an LSTM: the largest singular value of ``∂c_T/∂c_t``, along all ways."""
        if self.products.shape[-1] == self.units:
            return None
        return _largest(self.products[:, self.units :, self.units :])

    @cached_property
    def kept(self) -> np.ndarray | None:
        """``(T, units)``, of an LSTM: the product of the forget gates after each step."""
        if "forget" not in self.gates:
            return None
        return np.cumprod(self.gates["forget"][::-1], axis=0)[::-1]

    def document(self, lang: str | None = None) -> Document:
        """A table by the number of steps back, and what it says."""
        return Document(self._blocks(lang), words.text("explain.steps_title", lang), lang=lang)

    def _blocks(self, lang: str | None) -> Iterator[Block]:
        yield Prose.say("explain.steps_table", lang, label=self.label)
        if self.kept is not None and self.formula is not None:
            yield Prose.say("explain.steps_along", lang)
        if self.formula is not None:
            yield Formula(self.formula)
        yield Grid([words.text(head, lang) for head in self._heads], self._rows())
        count, factor = len(self), float(self.remaining[0])
        if factor < 1:
            yield Prose.say("explain.steps_vanishes", lang, count=count, factor=factor)
        else:
            yield Prose.say("explain.steps_remains", lang, count=count, factor=factor)

    @property
    def _heads(self) -> list[str]:
        """The keys of the columns' heads."""
        heads = [
            "explain.steps_back",
            "explain.steps_step",
            "explain.steps_remaining",
            "explain.steps_typical",
        ]
        return (
            heads
            if self.kept is None
            else [*heads, "explain.steps_cell_state", "explain.steps_kept"]
        )

    def _rows(self) -> list[list[Cell]]:
        """One for each of some numbers of steps, from the last step back."""
        rows: list[list[Cell]] = []
        for back in sorted({*(b for b in BACK if b < len(self)), len(self)}):
            t = len(self) - back
            numbers = [self.largest[t], self.remaining[t], self.typical[t]]
            if self.kept is not None and self.cell_state is not None:
                numbers += [self.cell_state[t], self.kept[t].max()]
            rows.append([Number(back), *(Number(float(number)) for number in numbers)])
        return rows


def _largest(matrices: np.ndarray) -> np.ndarray:
    """The largest singular value of each matrix."""
    return np.asarray(np.linalg.norm(matrices, 2, axis=(1, 2)))


def step_jacobians(
    layer: Recurrent, x: ArrayLike, *, cell: int = 0, row: int = 0, initial: Any = None
) -> StepJacobians:
    """How much of a gradient a recurrent layer passes back from step to step, and to the beginning.

    Parameters
    ----------
    layer
        An ``RNN``, ``LSTM`` or ``GRU``.
    x
        Sequences ``(batch, time, inputs)``, all of their steps real.
    cell
        Which cell of a layer that has several (``layer.cells``). Of one that goes backwards in time
        the first step is that at the end of the sequence.
    row
        Which sequence.
    initial
        As for the layer's call.

    Returns
    -------
    StepJacobians
        Prints itself as a table; computed in double precision.

    Raises
    ------
    OptionError
        If ``layer`` is no recurrent layer, or there is no such row.
    PathError
        If there is no such cell.

    References
    ----------
    Bengio, Simard & Frasconi (1994), "Learning long-term dependencies with gradient descent is
    difficult"; Pascanu, Mikolov & Bengio (2013), "On the difficulty of training recurrent neural
    networks".

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import nn
    >>> from chainrule.explain import step_jacobians
    >>> x = np.random.default_rng(0).normal(size=(1, 50, 3)).astype("float32")
    >>> found = step_jacobians(nn.RNN(3, 4, rng=0), x)
    >>> found.matrices.shape, bool(found.remaining[0] < 1e-3)
    ((50, 4, 4), True)
    """
    if not isinstance(layer, Recurrent):
        raise OptionError("explain.steps_layer", got=type(layer).__name__)
    if not 0 <= cell < len(layer.cells):
        raise PathError("explain.steps_cell", got=cell, count=len(layer.cells))
    layer(x, initial=initial)  # says what is wrong with them
    layer = tree_map(_wide, layer)
    sequences: Tensor = _wide(asarray(x))
    count = sequences.shape[0]
    if not 0 <= row < count:
        raise OptionError("explain.steps_row", got=row, count=count)
    beginnings = [one.initial(count) for one in layer.cells]
    if initial is not None:
        given = initial if type(initial) in (tuple, list) else [initial]
        beginnings = [tree_map(lambda leaf: _wide(asarray(leaf)), state) for state in given]
    z, before = _walked(layer, sequences, beginnings, cell)
    chosen = layer.cells[cell]
    zs, states = z[:, row], before[:, row]
    matrices = np.asarray(vmap(jacobian(_stepping(chosen), argnums=1))(zs, states))
    opened = chosen.opened(zs, _state(chosen, states))
    gates = {name: np.asarray(values) for name, values in opened.items()}
    after = np.asarray(_joined(chosen.step(zs, _state(chosen, states))))
    formula = _formula(chosen, matrices, after, gates)
    label = f"{layer}, cells.{cell}" if len(layer.cells) > 1 else repr(layer)
    return StepJacobians(label, matrices, chosen.units, gates, formula)


# ---------------------------------------------------------------------- walking
def _wide(leaf: Any) -> Any:
    is_float = isinstance(leaf, Tensor) and leaf.dtype.kind == "f"
    return leaf.astype(np.float64) if is_float else leaf


def _walked(
    layer: Recurrent, x: Tensor, beginnings: list[Any], wanted: int
) -> tuple[Tensor, Tensor]:
    """Of one cell ``z`` and the state before each step, in the order of its steps."""
    rows = x.transpose(1, 0, 2)
    index = 0
    while True:
        made = []
        for _ in range(layer.directions):
            cell, reverse = layer.cells[index], layer.bidirectional and index % 2 == 1
            z = cell.project(rows)
            outputs, before = _along(cell, z, beginnings[index], reverse)
            if index == wanted:
                return (z[::-1], before[::-1]) if reverse else (z, before)
            made.append(outputs)
            index += 1
        rows = made[0] if len(made) == 1 else concatenate(made, axis=-1)


def _along(cell: RecurrentCell, z: Tensor, state: Any, reverse: bool) -> tuple[Tensor, Tensor]:
    """A cell's outputs, and its states before each step."""

    def step(state: Any, row: Tensor) -> tuple[Any, Any]:
        after = cell.step(row, state)
        return after, (cell.output(after), _joined(state))

    _, (outputs, before) = scan(step, state, z, reverse=reverse)
    return outputs, before


def _joined(state: Any) -> Tensor:
    """A state as one array: ``h``, and behind it ``c``."""
    leaves = tree_leaves(state)
    return leaves[0] if len(leaves) == 1 else concatenate(leaves, axis=-1)


def _state(cell: RecurrentCell, joined: Tensor) -> Any:
    """The state of an array."""
    units = cell.units
    if joined.shape[-1] == units:
        return joined
    return type(cell.initial(1))(joined[..., :units], joined[..., units:])


def _stepping(cell: RecurrentCell) -> Any:
    """The state after a step as a function of ``z`` and of the state before it, of one row."""

    def step(z: Tensor, before: Tensor) -> Tensor:
        return _joined(cell.step(z[None], _state(cell, before[None])))[0]

    return step


# ---------------------------------------------------------------------- the factor in symbols
def _formula(
    cell: RecurrentCell, matrices: np.ndarray, after: np.ndarray, gates: dict[str, np.ndarray]
) -> Equation | None:
    """``diag(1 − h_t²) Uᵀ`` or ``diag(f_t)``, if that is what the Jacobians are."""
    if isinstance(cell, RNNCell):
        recurrent = np.asarray(cell.recurrent)
        stated = (1 - after**2)[:, :, None] * recurrent.T
        slope = Add((Number(1), Negative(Power(_at("h"), Number(2)))))
        factor: Expression = MatMul(Apply("diag", (slope,)), Transpose(Symbol("U")))
        return _equation("h", factor, np.allclose(matrices, stated))
    if "forget" in gates:
        stated = gates["forget"][:, :, None] * np.eye(cell.units)
        block = matrices[:, cell.units :, cell.units :]
        return _equation("c", Apply("diag", (_at("f"),)), np.allclose(block, stated))
    return None


def _equation(name: str, factor: Expression, agrees: bool) -> Equation | None:
    return Equation((Partial(_at(name), _at(name, "t − 1")), factor)) if agrees else None


def _at(name: str, time: str = "t") -> Symbol:
    return Symbol(name, layer=f"({time})")

"""Recurrent layers: cells that walk along a batch of sequences.

Inside, time comes first, so that a step reads one block of memory; what the inputs have to do with
the gates is one product for all steps, outside of the loop.

Padding changes nothing: padded inputs become 0 before any product (NaN times 0 would be NaN on the
way back), and a state stays as it is where a sequence has ended. Backwards in time a state stays at
its beginning until the first real step, which is the last one of the sequence.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from chainrule import words
from chainrule.errors import OptionError, ShapeError
from chainrule.graph import keys as random
from chainrule.graph.loops import scan
from chainrule.graph.ops.elementwise import where
from chainrule.graph.ops.joining import concatenate
from chainrule.graph.ops.movement import swapaxes
from chainrule.graph.rng import checked_rng
from chainrule.graph.tensor import ArrayLike, Tensor, asarray
from chainrule.nn.checks import adapted, check_sizes, checked_rows
from chainrule.nn.dropout import Dropout
from chainrule.nn.module import Module
from chainrule.nn.recurrent.cells import Cell, GRUCell, LSTMCell, RNNCell
from chainrule.nn.recurrent.lengths import checked_lengths, length_mask
from chainrule.nn.recurrent.options import check_options
from chainrule.nn.text import constructor_form, number
from chainrule.trees import tree_leaves, tree_map

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]

#: What to put out at every step beside ``h``: a function of the cell, of ``z`` and of the state.
Look = Callable[[Cell, Tensor, Any], Any]


class Recurrent(Module):
    """Base class of recurrent layers: :class:`RNN`, :class:`LSTM`, :class:`GRU`.

    Parameters
    ----------
    inputs, units
        How many numbers come in at every step, and how many a cell puts out.
    layers
        How many cells stand on top of each other, each reading what the one below puts out.
    bidirectional
        Whether each layer has a second cell that goes backwards in time; their outputs stand side
        by side, so the layer above reads, and the last one puts out, ``2 · units`` numbers.
    dropout
        Rate of the :class:`chainrule.nn.Dropout` between layers, for each number of each step by
        itself. There is none after the last layer, so one layer takes no rate.
    truncate
        Cut the gradient every so many steps (:func:`chainrule.scan`).
    recompute
        Keep the states of every so many steps only, and compute the others again on the way back
        (:func:`chainrule.scan`): time for memory.
    rng
        Seed or generator, as SPEC 7.
    **options
        Those of the cell.

    Attributes
    ----------
    cells
        Layer 0 forward, layer 0 backward (if bidirectional), layer 1 forward …

    Raises
    ------
    OptionError
        If a size is below 1, there is dropout in one layer, or there is no such option.
    """

    cell: ClassVar[type[Cell]]

    cells: tuple[Cell, ...]
    bidirectional: bool
    dropout: Dropout | None
    truncate: int | None
    recompute: int | None

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        truncate: int | None = None,
        recompute: int | None = None,
        rng: Any = None,
        **options: Any,
    ) -> None:
        who = f"{type(self).__name__}({inputs}, {units}, layers={layers})"
        check_sizes(who, inputs, units, layers, *_given(truncate), *_given(recompute))
        check_options(who, options, Recurrent.__init__, self.cell.__init__, Cell.__init__)
        between = Dropout(dropout) if dropout else None
        if between is not None and layers == 1:
            raise OptionError("nn.between_layers", who=who, got=dropout)
        directions, generator = 2 if bidirectional else 1, checked_rng(rng)
        sizes = [inputs, *[directions * units] * (layers - 1)]
        self.cells = tuple(
            self.cell(size, units, rng=generator, **options)
            for size in sizes
            for _ in range(directions)
        )
        self.bidirectional = bool(bidirectional)
        self.dropout = between
        self.truncate, self.recompute = truncate, recompute

    @property
    def inputs(self) -> int:
        """How many numbers come in at every step."""
        return self.cells[0].inputs

    @property
    def units(self) -> int:
        """How many numbers each cell puts out at every step."""
        return self.cells[0].units

    @property
    def directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def layers(self) -> int:
        """How many layers stand on top of each other."""
        return len(self.cells) // self.directions

    def __call__(
        self,
        x: ArrayLike,
        lengths: ArrayLike | None = None,
        initial: Any = None,
        key: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Walk along the sequences.

        Parameters
        ----------
        x
            ``(batch, time, inputs)``.
        lengths
            Integers ``(batch,)``, how many steps of each sequence are real; by default all.
        initial
            A state per cell, in the order of ``cells``, to begin with; by default zeros.
        key
            For the dropout between layers; without one there is none.

        Returns
        -------
        outputs, states
            What the last layer puts out at every step, ``(batch, time, directions · units)`` and 0
            at padded places; and the state of each cell after its last real step. Backwards in time
            the last step is that at time 0.

        Raises
        ------
        ShapeError, DtypeError, DataError
            If ``x``, ``lengths`` or ``initial`` does not fit.
        """
        outputs, states, _ = self._walk(x, lengths, initial, key, lambda cell, z, state: None)
        return outputs, states

    def gates(
        self, x: ArrayLike, lengths: ArrayLike | None = None, initial: Any = None
    ) -> tuple[dict[str, Tensor], ...]:
        """The values of the gates of each cell at every step, by name.

        Each is ``(batch, time, units)``, and 0 at padded places. The arguments are those of the
        layer's call.

        Examples
        --------
        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> (gates,) = nn.LSTM(3, 4, rng=0).gates(cr.ones((2, 5, 3)))
        >>> gates["forget"].shape
        (2, 5, 4)
        """
        return self._walk(x, lengths, initial, None, type(self).cell.opened)[2]

    def last(self, states: Sequence[Any]) -> Tensor:
        """What the last layer puts out after its last steps, to go on with many-to-one.

        Parameters
        ----------
        states
            As the layer's call returned them.

        Returns
        -------
        Tensor
            ``(batch, directions · units)``: forward's output after the end of a sequence, and
            beside it backward's after its beginning, so each has seen the whole sequence.

        Raises
        ------
        ShapeError
            If these are not the states of this layer's cells.

        Examples
        --------
        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> layer = nn.GRU(3, 4, bidirectional=True, rng=0)
        >>> outputs, states = layer(cr.ones((2, 5, 3)))
        >>> layer.last(states).shape
        (2, 8)
        """
        if type(states) not in (tuple, list) or len(states) != len(self.cells):
            kind = type(states).__name__
            got = f"len({kind}) == {len(states)}" if type(states) in (tuple, list) else kind
            raise ShapeError("nn.last_states", who=self, wanted=len(self.cells), got=got)
        top = list(zip(self.cells, states, strict=True))[-self.directions :]
        return _joined([cell.output(cell.checked_state(s, _rows(s))) for cell, s in top])

    # ------------------------------------------------------------------ walking
    def _walk(
        self, x: ArrayLike, lengths: ArrayLike | None, initial: Any, key: Tensor | None, look: Look
    ) -> tuple[Tensor, tuple[Any, ...], tuple[Any, ...]]:
        """The outputs, each cell's last state, and what each cell was seen to do at every step."""
        x = self._checked(x)
        real = self._real(x, lengths)
        beginnings = self._beginnings(initial, x.shape[0])
        rows = swapaxes(x, 0, 1)
        if real is not None:
            rows = where(real, rows, 0)
        found = []
        for layer, layer_key in enumerate(self._keys(key)):
            if layer and self.dropout is not None:
                rows = self.dropout(rows, key=layer_key)
            chosen = range(layer * self.directions, (layer + 1) * self.directions)
            found += [self._along(i, rows, real, beginnings[i], look) for i in chosen]
            rows = _joined([found[i][1] for i in chosen])
        states = tuple(state for state, _, _ in found)
        seen = tuple(tree_map(lambda part: swapaxes(part, 0, 1), part) for *_, part in found)
        return swapaxes(rows, 0, 1), states, seen

    def _along(
        self, index: int, rows: Tensor, real: Tensor | None, state: Any, look: Look
    ) -> tuple[Any, Tensor, Any]:
        """One cell along all steps: its last state, its outputs, and what it was seen to do."""
        cell = self.cells[index]

        def step(state: Any, z: Tensor) -> tuple[Any, Any]:
            after = cell.step(z, state)
            return after, (cell.output(after), look(cell, z, state))

        def step_if_real(state: Any, row: Any) -> tuple[Any, Any]:
            z, is_real = row
            after, outputs = step(state, z)
            return tree_map(lambda new, old: where(is_real, new, old), after, state), outputs

        z = cell.project(rows)
        state, outputs = scan(
            step if real is None else step_if_real,
            state,
            z if real is None else (z, real),
            reverse=self.bidirectional and index % 2 == 1,
            truncate=self.truncate,
            recompute=self.recompute,
        )
        if real is not None:
            outputs = tree_map(lambda part: where(real, part, 0), outputs)
        return state, *outputs

    def _keys(self, key: Tensor | None) -> Iterable[Tensor | None]:
        """A key for each layer; the first one's is not used."""
        if key is None or self.dropout is None:
            return [None] * self.layers
        return [None, *random.split(key, self.layers - 1)]

    # ------------------------------------------------------------------ checks
    def _checked(self, x: ArrayLike) -> Tensor:
        """``x`` as ``(batch, time, inputs)``; raises if it is not."""
        x = adapted(x, self.cells[0].weight.dtype)
        middle = x.ndim == 3 and x.shape[1] == self.inputs != x.shape[2]
        if x.ndim != 3 or x.shape[1] == 0 or middle:
            mend = " " + words.text("nn.one_sequence") if x.ndim == 2 else ""
            mend = " " + words.text("nn.features_last") if middle else mend
            raise ShapeError("nn.sequences", who=self, inputs=self.inputs, got=x.shape, mend=mend)
        return checked_rows(self, x, self.cells[0].weight)

    def _real(self, x: Tensor, lengths: ArrayLike | None) -> Tensor | None:
        """Which steps are real, ``(time, batch, 1)``."""
        if lengths is None:
            return None
        batch, time, _ = x.shape
        lengths = checked_lengths(self, lengths, (batch,), time)
        return swapaxes(length_mask(lengths, time), 0, 1)[:, :, None]

    def _beginnings(self, initial: Any, batch: int) -> Sequence[Any]:
        """The state of each cell before the first step."""
        if initial is None:
            return [cell.initial(batch) for cell in self.cells]
        states = initial if type(initial) in (tuple, list) else [initial]
        if len(states) != len(self.cells):
            raise ShapeError("nn.initial_states", who=self, wanted=len(self.cells), got=len(states))
        pairs = zip(self.cells, states, strict=True)
        return [cell.checked_state(state, (batch,)) for cell, state in pairs]

    def __repr__(self) -> str:
        if not all(isinstance(cell, Cell) and hasattr(cell.weight, "shape") for cell in self.cells):
            return super().__repr__()
        parts = [str(self.inputs), str(self.units)]
        if self.layers > 1:
            parts.append(f"layers={self.layers}")
        if self.bidirectional:
            parts.append("bidirectional=True")
        if self.dropout is not None:
            parts.append(f"dropout={number(self.dropout.rate, 'rate')}")
        for name in ("truncate", "recompute"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name)}")
        return constructor_form(type(self).__name__, [*parts, *self.cells[0].options()])


def _rows(state: Any) -> Sequence[int]:
    """For how many rows a state seems to be."""
    leaves = tree_leaves(state)
    return asarray(leaves[0]).shape[:-1] if leaves else ()


def _given(size: int | None) -> list[int]:
    return [] if size is None else [size]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Both directions side by side, or the one that there is."""
    return parts[0] if len(parts) == 1 else concatenate(parts, axis=-1)


class RNN(Recurrent):
    """A plain recurrent network: :class:`RNNCell` along sequences.

    Parameters
    ----------
    inputs, units, layers, bidirectional, dropout, truncate, recompute, rng
        See :class:`Recurrent`.
    activation, bias, init, recurrent_init, dtype
        See :class:`RNNCell`.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.RNN(3, 4, activation="relu", rng=0)
    >>> outputs, (h,) = layer(cr.ones((2, 5, 3)))
    >>> layer, outputs.shape, h.shape
    (RNN(3, 4, activation="relu"), (2, 5, 4), (2, 4))
    """

    cell = RNNCell


class LSTM(Recurrent):
    """Long short-term memory: :class:`LSTMCell` along sequences.

    Parameters
    ----------
    inputs, units, layers, bidirectional, dropout, truncate, recompute, rng
        See :class:`Recurrent`.
    forget_bias, peepholes, bias, init, recurrent_init, dtype
        See :class:`LSTMCell`.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.LSTM(3, 4, layers=2, bidirectional=True, rng=0)
    >>> x, lengths = nn.pad_sequences([cr.ones((5, 3)), cr.ones((2, 3))])
    >>> outputs, states = layer(x, lengths)
    >>> outputs.shape, len(states), states[0].c.shape
    ((2, 5, 8), 4, (2, 4))
    """

    cell = LSTMCell


class GRU(Recurrent):
    """The gated recurrent unit: :class:`GRUCell` along sequences.

    Parameters
    ----------
    inputs, units, layers, bidirectional, dropout, truncate, recompute, rng
        See :class:`Recurrent`.
    reset, bias, init, recurrent_init, dtype
        See :class:`GRUCell`.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> layer = nn.GRU(3, 4, rng=0)
    >>> outputs, states = layer(cr.ones((2, 5, 3)))
    >>> layer, layer.last(states).shape
    (GRU(3, 4), (2, 4))
    """

    cell = GRUCell

"""``repeat``: a step, run many times on mini-batches; a training loop.

The state stays where the engine wants it while the loop runs. Python comes back between two calls
of :meth:`Running.advance`, each of as many steps as it is asked for.
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chainrule.engines.choose import checked_engine, chosen_engine, threads_for
from chainrule.engines.diagnosis import NonFinite, first_nonfinite
from chainrule.engines.interpret import Program
from chainrule.engines.native import Refused, native_loop
from chainrule.engines.panels import from_panels, lined_up, to_panels
from chainrule.engines.threads import threads_that_pay
from chainrule.errors import ShapeError
from chainrule.graph.node import Graph
from chainrule.graph.spec import Spec
from chainrule.graph.tensor import Tensor, asarray
from chainrule.graph.trace import Trace, trace
from chainrule.trees import TreeDef, tree_flatten, tree_unflatten

if TYPE_CHECKING:
    from chainrule.engines.native.training import NativeLoop

__all__ = ["Repeat", "Running", "repeat"]

Step = Callable[[Any, Any, Any], tuple[Any, Any]]
Arrays = list[np.ndarray]


class _Engine(Protocol):
    """Takes steps. ``states`` holds the new states afterwards; returns what is kept, stacked.

    ``layout`` says for each state how it wants it (:mod:`panels`), in memory of its own; None: as
    it is, and it is not changed.
    """

    @property
    def layout(self) -> tuple[int, ...] | None: ...

    def advance(
        self, states: Arrays, data: Arrays, order: np.ndarray, rows: Arrays, fixed: Arrays
    ) -> Arrays: ...


@dataclass(frozen=True)
class _Layout:
    """The trees of state, data and rows, and the specs of a step's arguments."""

    definitions: tuple[TreeDef, TreeDef, TreeDef]
    specs: tuple[tuple[Spec, ...], tuple[Spec, ...], tuple[Spec, ...]]

    @property
    def size(self) -> int:
        """Rows of a batch."""
        return self.specs[1][0].shape[0]

    def with_size(self, size: int) -> "_Layout":
        """The same with another number of rows."""
        state, batch, own = self.specs
        resized = tuple(spec.with_shape((size, *spec.shape[1:])) for spec in batch)
        return _Layout(self.definitions, (state, resized, own))


@dataclass(frozen=True)
class _Variant:
    """A step, traced for one size of a batch. Inputs: states, batch, rows, captured values."""

    graph: Graph
    fixed: Arrays
    kept: TreeDef
    engine: _Engine


@dataclass(frozen=True)
class Checkpoint:
    """The states of a loop at some time, in the layout of the engine that ran then."""

    layout: tuple[int, ...] | None
    states: tuple[np.ndarray, ...]


class _Interpreted:
    """A prepared step, repeated by Python."""

    layout: tuple[int, ...] | None = None

    def __init__(self, graph: Graph, states: int) -> None:
        self._program, self._states, self._graph = Program(graph), states, graph

    def advance(
        self, states: Arrays, data: Arrays, order: np.ndarray, rows: Arrays, fixed: Arrays
    ) -> Arrays:
        kept = []
        with threads_that_pay(self._graph):
            for i, chosen in enumerate(order):
                batch = [array[chosen] for array in data]
                results = self._program([*states, *batch, *(row[i] for row in rows), *fixed])
                states[:] = results[: self._states]
                kept.append(results[self._states :])
        return [np.stack(column) for column in zip(*kept, strict=True)]


class _Adapted:
    """A native loop on batches that are shorter than those it was made for."""

    def __init__(self, loop: "NativeLoop", constants: Arrays) -> None:
        self.loop, self.constants = loop, constants
        self.layout: tuple[int, ...] | None = loop.layout

    def advance(
        self, states: Arrays, data: Arrays, order: np.ndarray, rows: Arrays, fixed: Arrays
    ) -> Arrays:
        return self.loop.advance(states, data, order, rows, fixed, self.constants)


@dataclass(frozen=True)
class _Both:
    """A native loop that takes steps of two sizes in one call, with the constants for each."""

    loop: "NativeLoop"
    constants: Arrays | None
    shorter: Arrays

    @classmethod
    def of(cls, whole: _Variant, shorter: _Variant) -> "_Both | None":
        """For two variants that share their code; None where they do not."""
        if not isinstance(shorter.engine, _Adapted):
            return None
        code: Any = whole.engine
        constants = None
        if isinstance(whole.engine, _Adapted):
            code, constants = whole.engine.loop, whole.engine.constants
        if code is not shorter.engine.loop:
            return None
        return cls(shorter.engine.loop, constants, shorter.engine.constants)

    def advance(
        self,
        states: Arrays,
        data: Arrays,
        order: np.ndarray,
        rows: Arrays,
        fixed: Arrays,
        sizes: np.ndarray,
    ) -> Arrays:
        """Take the steps."""
        given = (states, data, order, rows, fixed)
        return self.loop.advance(*given, self.constants, sizes, self.shorter)


class Repeat:
    """A loop over a step; see :func:`repeat`."""

    def __init__(
        self,
        step: Step,
        watched: Step | None,
        engine: str,
        expected: Mapping[int, int],
        threads: int | None,
    ) -> None:
        self._step, self._watched, self._engine = step, watched or step, engine
        self._expected, self._threads = dict(expected), threads
        self._variants: dict[Any, _Variant] = {}
        self._loops: list[tuple[_Layout, NativeLoop]] = []
        self._lock = threading.Lock()

    def start(self, state: Any, data: Any) -> "Running":
        """Begin with a state, on data whose arrays all have the same number of rows."""
        return Running(self, state, data)

    def variant(self, layout: _Layout, watched: bool) -> _Variant:
        """The step for such arguments."""
        with self._lock:
            if (layout, False) not in self._variants:
                self._variants[layout, False] = self._traced(layout)
            if (layout, watched) not in self._variants:
                self._variants[layout, True] = self._traced_watched(layout)
            return self._variants[layout, watched]

    def _traced(self, layout: _Layout) -> _Variant:
        traced, kept = self._trace(self._step, layout)
        engine: _Engine = (
            self._adapted(layout, traced.graph)
            or self._native(layout, traced.graph)
            or _Interpreted(traced.graph, len(layout.specs[0]))
        )
        return _Variant(traced.graph, _fixed(traced), kept, engine)

    def _traced_watched(self, layout: _Layout) -> _Variant:
        """The watched step, in the engine of the other one: the states need not move."""
        traced, kept = self._trace(self._watched, layout)
        engine: _Engine | None = None
        if self._variants[layout, False].engine.layout is not None:
            engine = self._compiled(layout, traced.graph, None)
        engine = engine or _Interpreted(traced.graph, len(layout.specs[0]))
        return _Variant(traced.graph, _fixed(traced), kept, engine)

    def _trace(self, step: Step, layout: _Layout) -> tuple[Trace, TreeDef]:
        """A step as a graph, and the tree of what it gives besides the state."""
        kept: list[TreeDef] = []

        def flat(*tensors: Tensor) -> Any:
            rest = iter(tensors)
            state, output = step(*(tree_unflatten(d, rest) for d in layout.definitions))
            leaves, definition = tree_flatten(output)
            kept.append(definition)
            return tree_flatten(state)[0] + leaves

        names = [path for d in layout.definitions for path in d.paths]
        specs = [spec for group in layout.specs for spec in group]
        return trace(flat, specs, names), kept[0]

    def _native(self, layout: _Layout, graph: Graph) -> "NativeLoop | None":
        """Machine code, if that pays, and can be had."""
        if chosen_engine(self._engine, graph, self._expected.get(layout.size, 1)) != "native":
            return None
        shorter = max((n for n in self._expected if n < layout.size), default=None)
        other = None
        if shorter is not None:
            other = self._trace(self._step, layout.with_size(shorter))[0].graph
        loop = self._compiled(layout, graph, other)
        if loop is not None:
            self._loops.append((layout, loop))
        return loop

    def _compiled(
        self, layout: _Layout, graph: Graph, shorter: Graph | None
    ) -> "NativeLoop | None":
        threads = threads_for(graph, self._threads, repeated=True)
        try:
            return native_loop(graph, [len(group) for group in layout.specs], threads, shorter)
        except Refused:
            return None  # the interpreter takes the whole graph

    def _adapted(self, layout: _Layout, graph: Graph) -> "_Adapted | None":
        """Machine code that was made for longer batches, if it serves this size, too."""
        for known, loop in self._loops:
            if known.with_size(layout.size) == layout:
                constants = loop.constants_for(graph)
                if constants is not None:
                    return _Adapted(loop, constants)
        return None


def _runs_of(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where equal sizes that follow each other begin and end."""
    starts = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    return itertools.pairwise(starts)


def _fixed(traced: Trace) -> Arrays:
    return [lined_up(x.numpy()) for x in traced.captured]


class Running:
    """A loop under way.

    Attributes
    ----------
    state
        The state as it is now, as a tree of tensors of its own; may be set.
    """

    def __init__(self, loop: Repeat, state: Any, data: Any) -> None:
        self._loop = loop
        leaves, self._data_tree = tree_flatten(data)
        self._data = [np.ascontiguousarray(asarray(leaf).numpy()) for leaf in leaves]
        self._rows_in_data = self._data[0].shape[0]
        self._layout: tuple[int, ...] | None = None
        self.state = state

    @property
    def state(self) -> Any:
        """The state as it is now."""
        plain = self._states if self._layout is None else self._plain()
        return tree_unflatten(self._state_tree, (Tensor(np.asarray(x)) for x in plain))

    @state.setter
    def state(self, state: Any) -> None:
        leaves, self._state_tree = tree_flatten(state)
        values = [asarray(leaf) for leaf in leaves]
        self._state_specs = tuple(value.spec for value in values)
        self._variants: dict[Any, _Variant] = {}
        self._states, self._layout = [value.numpy() for value in values], None

    def _plain(self) -> Arrays:
        """Copies of the states, as they are for everyone else."""
        pairs = zip(self._states, self._state_specs, strict=True)
        return [from_panels(array, spec.shape) for array, spec in pairs]

    def _bring(self, layout: tuple[int, ...] | None) -> None:
        """Bring the states into the layout of an engine, in memory of their own."""
        if layout == self._layout:
            return
        plain = self._states if self._layout is None else self._plain()
        self._states, self._layout = plain, layout
        if layout is not None:
            self._states = [to_panels(x, width) for x, width in zip(plain, layout, strict=True)]

    def advance(
        self,
        order: np.ndarray,
        rows: Any = None,
        *,
        watched: bool = False,
        sizes: np.ndarray | None = None,
    ) -> Any:
        """Take as many steps as ``order`` has rows; ``watched`` ones if asked for.

        Parameters
        ----------
        order
            int64 ``[steps, size]``: the rows of the data that each step sees.
        rows
            What every step has of its own: a tree of arrays with one entry per step.
        watched
            Take the watched steps of :func:`repeat`.
        sizes
            How many rows each step sees, the first ones of its row of ``order``; by default all.

        Returns
        -------
        tree of Tensor
            What the steps gave besides the state, stacked.

        Raises
        ------
        ShapeError
            If a step uses an index that is out of range, or ``order`` names rows that the data do
            not have.
        """
        order = np.ascontiguousarray(order, np.int64)
        if order.size and not (order.min() >= 0 and order.max() < self._rows_in_data):
            raise ShapeError("engines.order", rows=self._rows_in_data)
        leaves, definition = tree_flatten(rows)
        arrays = [np.ascontiguousarray(asarray(leaf).numpy()) for leaf in leaves]
        if sizes is not None:
            return self._advance_mixed(order, definition, arrays, np.ascontiguousarray(sizes))
        variant = self._variant(order.shape[1], definition, arrays, watched)
        kept = self._take(variant, order, arrays)
        return tree_unflatten(variant.kept, map(Tensor, kept))

    def _take(self, variant: _Variant, order: np.ndarray, rows: Arrays) -> Arrays:
        """Steps on batches of one size."""
        self._bring(variant.engine.layout)
        try:
            return variant.engine.advance(self._states, self._data, order, rows, variant.fixed)
        except IndexError:
            self._say_which_index(variant, order, rows)
            raise

    def _advance_mixed(
        self, order: np.ndarray, rows_tree: TreeDef, rows: Arrays, sizes: np.ndarray
    ) -> Any:
        """Steps on batches of several sizes: in one call if code serves all of them."""
        longest_first = sorted({*sizes.tolist()}, reverse=True)
        variants = {size: self._variant(size, rows_tree, rows) for size in longest_first}
        parts = [
            (
                variants[int(sizes[start])],
                np.ascontiguousarray(order[start:stop, : sizes[start]]),
                [array[start:stop] for array in rows],
            )
            for start, stop in _runs_of(sizes)
        ]
        whole, *others = variants.values()
        both = _Both.of(whole, others[0]) if len(others) == 1 else None
        if both is None:
            found = [self._take(*part) for part in parts]
            kept = [np.concatenate(column) for column in zip(*found, strict=True)]
        else:
            self._bring(both.loop.layout)
            try:
                kept = both.advance(self._states, self._data, order, rows, whole.fixed, sizes)
            except IndexError:
                for part in parts:
                    self._say_which_index(*part)
                raise
        return tree_unflatten(whole.kept, map(Tensor, kept))

    def _say_which_index(self, variant: _Variant, order: np.ndarray, rows: Arrays) -> None:
        """Take the steps in the interpreter, which says what is wrong with an index."""
        self._bring(None)
        _Interpreted(variant.graph, len(self._states)).advance(
            self._states, self._data, order, rows, variant.fixed
        )

    def checkpoint(self) -> Checkpoint:
        """What :meth:`restore` needs to come back to the present state."""
        states = self._states if self._layout is None else [a.copy() for a in self._states]
        return Checkpoint(self._layout, tuple(states))

    def restore(self, kept: Checkpoint) -> None:
        """Back to where :meth:`checkpoint` was called."""
        self._layout = kept.layout
        self._states = list(kept.states)
        if kept.layout is not None:
            self._states = [to_panels(array, 0) for array in kept.states]

    def first_nonfinite(self, chosen: np.ndarray, row: Any = None) -> NonFinite | None:
        """Where the first NaN or infinity comes from in a step on the chosen rows."""
        leaves, definition = tree_flatten(row)
        arrays = [asarray(leaf).numpy() for leaf in leaves]
        variant = self._variant(len(chosen), definition, [array[None] for array in arrays])
        batch = [array[chosen] for array in self._data]
        self._bring(None)
        return first_nonfinite(variant.graph, [*self._states, *batch, *arrays, *variant.fixed])

    def _variant(
        self, size: int, rows_tree: TreeDef, rows: Sequence[np.ndarray], watched: bool = False
    ) -> _Variant:
        key = size, watched, rows_tree, tuple((array.shape[1:], array.dtype) for array in rows)
        if key not in self._variants:
            batch = tuple(Spec((size, *array.shape[1:]), array.dtype) for array in self._data)
            own = tuple(Spec(array.shape[1:], array.dtype) for array in rows)
            trees = (self._state_tree, self._data_tree, rows_tree)
            layout = _Layout(trees, (self._state_specs, batch, own))
            self._variants[key] = self._loop.variant(layout, watched)
        return self._variants[key]


def repeat(
    step: Step,
    *,
    watched: Step | None = None,
    engine: str = "auto",
    expected: Mapping[int, int] | None = None,
    threads: int | None = None,
) -> Repeat:
    """A loop over ``step``, on mini-batches.

    Parameters
    ----------
    step
        ``step(state, batch, row) -> (new state, kept)`` on trees of tensors, without side effects.
        The new state has the shapes and types of the old one. ``batch`` are rows of the data,
        ``row`` is what this step has of its own.
    watched
        The same step, but for what it keeps: it may look at more. Taken where
        :meth:`Running.advance` is asked for it, and compiled only then.
    engine
        See :func:`chainrule.compile`.
    expected
        Rows of a batch → how many steps of that size are expected in all: ``"auto"`` compiles what
        is run often enough. By default every size is run once.
    threads
        The most threads to run on; by default as many as the process may use.

    Returns
    -------
    Repeat
        ``repeat(step).start(state, data)`` gives a :class:`Running`.

    Examples
    --------
    >>> import chainrule as cr, numpy as np
    >>> def step(w, batch, row):
    ...     return w - 0.5 * (w - batch.mean()), w
    >>> running = cr.engines.repeat(step).start(cr.tensor(0.0), np.array([1.0, 3.0], np.float32))
    >>> running.advance(np.array([[0, 1], [0, 1]])).tolist(), running.state.item()
    ([0.0, 1.0], 1.5)
    """
    checked_engine(engine)
    return Repeat(step, watched, engine, expected or {}, threads)

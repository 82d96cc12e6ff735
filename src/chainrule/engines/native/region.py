"""Code for a region: one pass over the rows, each row in one or more sweeps over its columns.

Rows that fit a few registers are kept there from sweep to sweep
(:mod:`~chainrule.engines.native.sweeps`).
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.engines.native.elementwise import RULES
from chainrule.engines.native.emit import I64, Emitter, Index, Value, element_type, lanes_of
from chainrule.engines.native.kernels import Kind, Region, Schedule
from chainrule.engines.native.layout import Panels
from chainrule.engines.native.sweeps import FOLDING, Sweeps, sweeps_of
from chainrule.engines.native.uses import Use, outside_kind
from chainrule.graph.node import Node

__all__ = ["Cell", "emit_region", "keeps_rows", "width_of"]

#: A row of up to this many vectors is kept in registers.
UNROLLED = 4
COMBINE = {"sum": "add", "gather": "add", "max": "maximum", "min": "minimum"}


def width_of(region: Region, lanes: Callable[[int], int]) -> int:
    """Lanes of a region's vectors: as many as its widest floating number allows."""
    sizes = [n.spec.dtype.itemsize for n in region.computed if n.spec.is_float]
    return lanes(max(sizes, default=4))


def keeps_rows(region: Region, width: int) -> bool:
    """Whether a row stays in registers from sweep to sweep."""
    return region.columns <= UNROLLED * width


# ---------------------------------------------------------------------- emission
class Cell:
    """Evaluates the nodes of a region at one place of its domain.

    Parameters
    ----------
    e
        Where to emit.
    region, schedule, pointers
        What is computed, and where values from outside lie.
    width
        Lanes of a vector.
    error
        Where an index out of range is reported.

    Attributes
    ----------
    again
        Values per element that are computed wherever they are read.
    """

    def __init__(
        self,
        e: Emitter,
        region: Region,
        schedule: Schedule,
        pointers: Mapping[Node, Value],
        width: int,
        error: Value,
    ) -> None:
        self.error = error
        self.panels, self.views = schedule.panels, schedule.views
        self.indices: dict[Node, Value] = {}
        self.e, self.region, self.alias, self.pointers = e, region, schedule.alias, pointers
        self.width = width
        self.own = set(region.computed)
        self.again: set[Node] = set()
        self.ones: dict[Node, Value] = {}
        self.spread_ones: dict[tuple[Node, int], Value] = {}
        self.offsets: dict[Any, Index] = {}
        self.rows: dict[Node, Value] = {}
        self.row: Index = 0
        self.down = False
        self._load_ones()

    def _load_ones(self) -> None:
        """Numbers that are the same for all elements are loaded before the first row."""
        for node in self.region.nodes:
            for operand in node.inputs:
                use = Use(operand, self.alias)
                if use.root not in self.own and self._outside_kind(use) is Kind.ONE:
                    self.ones[use.root] = self.e.load(self.pointers[use.root], use.root.spec.dtype)
            if self.region.kind[node] is Kind.ONE:
                self.ones[node] = self._apply(node, [self.scalar(x) for x in node.inputs])

    def _outside_kind(self, use: Use) -> Kind:
        kind = outside_kind(self.region, use.shape)
        assert kind is not None, (self.region, use.root, use.shape)
        return kind

    def kind_of(self, operand: Node) -> tuple[Node, Kind]:
        """The node that holds an operand's value, and how it is seen."""
        use = Use(operand, self.alias)
        if use.root in self.own:
            return use.root, self.region.kind[use.root]
        return use.root, self._outside_kind(use)

    # ------------------------------------------------------------------ values
    def begin_row(self, row: Index) -> None:
        """Forget the values of the row before."""
        self.row, self.rows, self.indices, self.down = row, {}, {}, False
        self.offsets = {}

    def begin_rows(self, row: Index) -> None:
        """Vectors run down a single column from this row on."""
        self.begin_row(row)
        self.down = True

    def scalar(self, operand: Node) -> Value:
        """An operand that is one number: for all, or for this row."""
        root, kind = self.kind_of(operand)
        if kind is Kind.ONE:
            return self.ones[root]
        if root not in self.rows:
            pointer = self.e.at(self.pointers[root], self.row, dtype=root.spec.dtype)
            self.rows[root] = self.e.load(pointer, root.spec.dtype)
        return self.rows[root]

    def vector(
        self, operand: Node, known: dict[Node, Value], column: Index, live: int | None
    ) -> Value:
        """An operand at ``width`` columns of this row, from ``known`` values or from memory."""
        root, kind = self.kind_of(operand)
        if root in known:
            return known[root]
        if kind is Kind.ONE or (kind is Kind.ROW and not self.down):
            return self.spread(operand)
        if kind is Kind.COLUMN and self.down:
            return self.e.splat(self.first_column(root), self.width)
        if root in self.own and (kind is Kind.COLUMN or root in self.again):
            known[root] = self.compute(root, known, column, live)
            return known[root]
        known[root] = self.load(root, kind, column, live)
        return known[root]

    def spread(self, operand: Node) -> Value:
        """An operand that is one number, in all lanes; what is the same for all rows just once."""
        root, kind = self.kind_of(operand)
        if kind is not Kind.ONE or self.width == 1:
            return self.e.splat(self.scalar(operand), self.width)
        key = root, self.width
        if key not in self.spread_ones:
            with self.e.b.goto_entry_block():
                self.spread_ones[key] = self.e.splat(self.ones[root], self.width)
        return self.spread_ones[key]

    def first_column(self, root: Node) -> Value:
        """A value per column, where there is one column."""
        return self.e.load(self.pointers[root], root.spec.dtype)

    def load(self, root: Node, kind: Kind, column: Index, live: int | None) -> Value:
        """A vector from memory."""
        return self.e.load(self._place(root, kind, column), root.spec.dtype, self.width, live)

    def ask_ahead(self, nodes: Iterable[Node], column: Index, to_write: bool = False) -> None:
        """Ask for matrices of which this row will read, or write, the element at a column."""
        for node in nodes:
            self.e.ask_for(self._place(node, Kind.FULL, column), near=True, to_write=to_write)

    def store(self, node: Node, value: Value, column: Index, live: int | None) -> None:
        """A vector to memory."""
        kind = self.region.kind[node]
        self.e.store(value, self._place(node, kind, column), node.spec.dtype, live)

    def _place(self, node: Node, kind: Kind, column: Index) -> Value:
        """Where the vector at a column of this row lies."""
        offset = column if kind is Kind.COLUMN else self._offset(node, column)
        return self.e.at(self.pointers[node], offset, dtype=node.spec.dtype)

    def _offset(self, node: Node, column: Index) -> Index:
        """From the first element to that at a column of this row; found once for equal layouts."""
        e, panel = self.e, self.panels.get(node, 0)
        row = self.views[node].row if node in self.views else self.region.columns
        key = panel or row, bool(panel), column
        if key not in self.offsets:
            if panel:
                panels = Panels.packed(self.region.rows, panel)
                before, within = panels.offset(e, column)
                start = e.plus(before, e.times(self.row, panel))
            else:
                start, within = e.times(self.row, row), column
            self.offsets[key] = e.plus(start, within)
        return self.offsets[key]

    def compute(
        self, node: Node, known: dict[Node, Value], column: Index, live: int | None
    ) -> Value:
        """One node at ``width`` columns of this row."""
        if node.op.name == "scatter_add":
            value = self.e.splat(self.scalar(node.inputs[0]), self.width)
            return self.where_index(node, value, column)
        operands = [self.vector(x, known, column, live) for x in node.inputs]
        return operands[0] if node.op.name == "broadcast_to" else self._apply(node, operands)

    def where_index(self, node: Node, value: Value, column: Index) -> Value:
        """``value`` in the column that the row's index names, 0 elsewhere."""
        index = self.checked_index(node.inputs[1])
        places = self.e.splat(self.e.i64(column), self.width)
        if self.width > 1:
            kind = ir.VectorType(I64, self.width)
            places = self.e.b.add(places, ir.Constant(kind, list(range(self.width))))
        here = self.e.b.icmp_signed("==", places, self.e.splat(index, self.width))
        return self.e.select(here, value, self.e.like(value, 0))

    def checked_index(self, operand: Node) -> Value:
        """The row's index; one that is out of range sets the error word."""
        root = Use(operand, self.alias).root
        if root not in self.indices:
            index = self.scalar(operand)
            signed = root.spec.dtype.kind == "i"
            if root.spec.dtype.itemsize < 8:
                index = self.e.b.sext(index, I64) if signed else self.e.b.zext(index, I64)
            bad = self.e.b.icmp_unsigned(">=", index, self.e.i64(self.region.columns))
            with self.e.when(bad):
                self.e.b.store(self.e.i64(1), self.error)
            self.indices[root] = index
        return self.indices[root]

    def compute_scalar(self, node: Node) -> Value:
        """One node that has one number per row."""
        operands = [self.scalar(x) for x in node.inputs]
        return operands[0] if node.op.name == "broadcast_to" else self._apply(node, operands)

    def _apply(self, node: Node, operands: list[Value]) -> Value:
        dtypes = [Use(x, self.alias).root.spec.dtype for x in node.inputs]
        return RULES[node.op.name](self.e, operands, dtypes, **node.attributes)


def combined(e: Emitter, name: str, dtype: np.dtype[Any], x: Value, y: Value) -> Value:
    """Two partial results of a reduction as one."""
    return RULES[COMBINE[name]](e, [x, y], [dtype, dtype])


def neutral(name: str, dtype: np.dtype[Any]) -> float | int | bool:
    """What changes nothing in a reduction."""
    if name in ("sum", "gather"):
        return 0
    low = name == "max"
    if dtype.kind == "f":
        return -np.inf if low else np.inf
    if dtype.kind == "b":
        return not low
    limits = np.iinfo(dtype)
    return int(limits.min if low else limits.max)


def folded(e: Emitter, name: str, dtype: np.dtype[Any], vector: Value) -> Value:
    """All lanes of a vector reduced to one, by halves."""
    while (lanes := lanes_of(vector)) > 1:
        half = lanes // 2
        poison = ir.Constant(vector.type, ir.Undefined)
        parts = [
            e.b.shuffle_vector(
                vector, poison, ir.Constant(ir.VectorType(ir.IntType(32), half), list(places))
            )
            for places in (range(half), range(half, lanes))
        ]
        vector = combined(e, name, dtype, *parts)
    return e.b.extract_element(vector, ir.Constant(ir.IntType(32), 0))


class _Rows:
    """Emits the loop over rows of a region without a product."""

    def __init__(self, cell: Cell, sweeps: Sweeps, stored: set[Node]) -> None:
        self.cell, self.e, self.region = cell, cell.e, cell.region
        self.sweeps, self.stored = sweeps, stored
        cell.again = sweeps.again
        self.unrolled = keeps_rows(cell.region, cell.width)

    def emit(self, first: Index, last: Index) -> None:
        """All rows from ``first`` to before ``last``."""
        self._columns(first)
        with self.e.loop(first, last, name="row") as row:
            self.cell.begin_row(row)
            self._load_scalars()
            self._scalars(-1)
            chunks: dict[int, dict[Node, Value]] = {}
            for sweep in range(self.sweeps.count):
                self._sweep(sweep, chunks)
                self._scalars(sweep)

    def _nodes(self, sweep: int, *kinds: Kind) -> list[Node]:
        return [
            node
            for node in self.region.nodes
            if self.sweeps.of[node] == sweep and self.region.kind[node] in kinds
        ]

    def _columns(self, first: Index) -> None:
        """Values per column that someone else reads; this region makes them anew for every row.

        The thread that has the first row stores them.
        """
        nodes = [
            node
            for node in self.region.nodes
            if self.region.kind[node] is Kind.COLUMN and node in self.stored
        ]
        if not nodes:
            return
        with self.e.when(self.e.b.icmp_signed("==", self.e.i64(first), self.e.i64(0))):
            for loop in _chunks(self.e, self.region.columns, self.cell.width):
                with loop as (column, live):
                    known: dict[Node, Value] = {}
                    for node in nodes:
                        value = self.cell.vector(node, known, column, live)
                        self.cell.store(node, value, column, live)

    # ------------------------------------------------------------------ values per row
    def _load_scalars(self) -> None:
        """Numbers of this row from memory, before the sweeps: every one of them may read them."""
        for node in self.region.nodes:
            for operand in node.inputs:
                root, kind = self.cell.kind_of(operand)
                if kind is Kind.ROW and root not in self.cell.own:
                    self.cell.scalar(operand)

    def _scalars(self, sweep: int) -> None:
        """What is computed per row once a sweep is over."""
        for node in self._nodes(sweep, Kind.ROW):
            if node.op.name not in FOLDING or self._reads_row(node):
                self.cell.rows[node] = self.cell.compute_scalar(node)
            if node in self.stored:
                pointer = self.e.at(self.cell.pointers[node], self.cell.row, dtype=node.spec.dtype)
                self.e.store(self.cell.rows[node], pointer, node.spec.dtype)
        for node in self.region.nodes:
            if node.op.name in ("gather", "scatter_add"):
                index, _ = self.cell.kind_of(node.inputs[1])
                if self.sweeps.of.get(index, -1) == sweep:
                    self.cell.checked_index(node.inputs[1])

    def _reads_row(self, node: Node) -> bool:
        return self.cell.kind_of(node.inputs[0])[1] is Kind.ROW

    # ------------------------------------------------------------------ one sweep over the columns
    def _sweep(self, sweep: int, chunks: dict[int, dict[Node, Value]]) -> None:
        width, columns = self.cell.width, self.region.columns
        sums = [
            n for n in self._nodes(sweep, Kind.ROW)
            if n.op.name in FOLDING and not self._reads_row(n)
        ]  # fmt: skip
        if not (sums or self._nodes(sweep, Kind.FULL)):
            return
        start = [self._neutral(node) for node in sums]
        if self.unrolled:
            for i, column in enumerate(range(0, columns, width)):
                live = min(width, columns - column)
                known = chunks.setdefault(i, {})
                start = self._chunk(sweep, sums, start, known, column, live)
        else:
            whole = columns // width * width
            start = self.e.carry(
                0, whole, width, start,
                lambda c, acc: self._chunk(sweep, sums, acc, {}, c, None), name="column",
            )  # fmt: skip
            if columns > whole:
                start = self._chunk(sweep, sums, start, {}, whole, columns - whole)
        for node, value in zip(sums, start, strict=True):
            dtype = node.spec.dtype
            self.cell.rows[node] = folded(self.e, node.op.name, dtype, value)

    def _chunk(
        self,
        sweep: int,
        sums: list[Node],
        accumulated: list[Value],
        known: dict[Node, Value],
        column: Index,
        live: int | None,
    ) -> list[Value]:
        """The nodes of one sweep at one vector of columns."""
        live = None if live == self.cell.width else live
        nodes = self._nodes(sweep, Kind.FULL)
        for node in nodes:
            known[node] = self.cell.compute(node, known, column, live)
        results = []
        for node, before in zip(sums, accumulated, strict=True):
            x = self.cell.vector(node.inputs[0], known, column, live)
            if node.op.name == "gather":
                x = self.cell.where_index(node, x, column)
            x = self._masked(node, x, live)
            results.append(combined(self.e, node.op.name, node.spec.dtype, before, x))
        for node in nodes:  # last, since an output may lie where an input was
            if node in self.stored:
                self.cell.store(node, known[node], column, live)
        return results

    def _neutral(self, node: Node) -> Value:
        kind = ir.VectorType(element_type(node.spec.dtype), self.cell.width)
        return self.e.constant(kind, neutral(node.op.name, node.spec.dtype))

    def _masked(self, node: Node, x: Value, live: int | None) -> Value:
        """Lanes beyond the last column must not count."""
        if live is None:
            return x
        return self.e.select(self.e.mask(self.cell.width, live), x, self._neutral(node))


def _chunks(e: Emitter, columns: int, width: int) -> list[Any]:
    """Context managers that loop over whole vectors, then emit the last, shorter one."""

    @contextmanager
    def whole() -> Any:
        with e.loop(0, columns // width * width, width, name="column") as c:
            yield c, None

    @contextmanager
    def rest() -> Any:
        yield columns // width * width, columns % width

    return [whole()] * bool(columns >= width) + [rest()] * bool(columns % width)


def emit_region(
    e: Emitter,
    region: Region,
    schedule: Schedule,
    pointers: Mapping[Node, Value],
    stored: set[Node],
    first: Index,
    last: Index,
    error: Value,
) -> None:
    """The rows from ``first`` to before ``last`` of a region without a product."""
    width = width_of(region, e.target.lanes)
    cell = Cell(e, region, schedule, pointers, width, error)
    for node in region.nodes:
        if region.kind[node] is Kind.ONE and node in stored:
            e.store(cell.ones[node], pointers[node], node.spec.dtype)
    if any(region.kind[node] is not Kind.ONE for node in region.nodes):
        _Rows(cell, sweeps_of(region, schedule.alias), stored).emit(first, last)

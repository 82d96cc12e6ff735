"""Tables in memory: dataframes of every kind, and mappings from names to columns."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.data.tables.source import Table, checked_names
from chainrule.errors import DataError, OptionError

if TYPE_CHECKING:
    import narwhals as nw
    import pandas as pd

__all__ = ["Frame", "open_frame"]


class Frame(Table):
    """A dataframe that narwhals knows."""

    def __init__(self, frame: "nw.DataFrame[Any]", name: str) -> None:
        self.name, self._frame = name, frame
        self.columns = checked_names(name, frame.columns)
        self.rows = len(frame)
        if not self.rows:
            raise DataError("tables.no_rows", name=name)

    def frames(
        self, columns: Sequence[str], text: Container[str], rows: int
    ) -> "Iterator[nw.DataFrame[Any]]":
        """Slices of ``rows`` rows or fewer."""
        chosen = self._frame.select(*columns)
        for start in range(0, self.rows, rows):
            yield chosen[start : start + rows]


def open_frame(source: Any) -> Frame:
    """A table that lies in memory.

    Raises
    ------
    DataError
        If it has no rows or columns, or columns of unequal length or of one name.
    OptionError
        If it is no table.
    """
    import narwhals as nw
    import pandas as pd

    name = type(source).__name__
    if isinstance(source, Mapping):
        source = _from_columns(source, name)
    if isinstance(source, pd.DataFrame):
        # Names may be numbers in pandas, and the same twice.
        source = source.set_axis(checked_names(name, list(map(str, source.columns))), axis=1)
    try:
        frame = nw.from_native(source)
    except TypeError:
        raise OptionError("tables.source", kind=type(source).__name__) from None
    return Frame(frame.collect() if isinstance(frame, nw.LazyFrame) else frame, name)


def _from_columns(columns: Mapping[Any, Any], name: str) -> "pd.DataFrame":
    import pandas as pd

    lengths = {}
    series = {}
    for column, values in columns.items():
        try:
            # Without its index: pandas would match rows by label, and fill what has no partner.
            series[column] = pd.Series(values).reset_index(drop=True)
            lengths[str(column)] = len(values)
        except (TypeError, ValueError):  # a number, a set, a matrix
            kind = type(values).__name__
            raise DataError("tables.not_a_column", column=column, kind=kind) from None
    if len(set(lengths.values())) > 1:
        raise DataError("tables.lengths", lengths=lengths)
    return pd.DataFrame(series)

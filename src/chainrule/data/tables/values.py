"""The values of a column, in one of two forms, wherever they come from.

Numbers, booleans and dates become float64 with NaN where a value is missing (booleans 0 and 1,
dates seconds since 1970 UTC); text becomes :class:`Labels`. All that follows sees these two only,
so a CSV, a Parquet file and every kind of dataframe give the same numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from chainrule.data.tables.dates import first_format, parse_dates
from chainrule.errors import DataError

if TYPE_CHECKING:
    import narwhals as nw

__all__ = [
    "KINDS",
    "MISSING",
    "Form",
    "Kind",
    "Labels",
    "Numbers",
    "Place",
    "Values",
    "concatenated",
    "distinct",
    "labels_of_numbers",
    "missing",
    "mostly_different",
    "number_in",
    "taken",
    "values_of",
]

Numbers: TypeAlias = npt.NDArray[np.float64]
Kind = Literal["number", "boolean", "date", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Text that stands for a missing value: what pandas takes for one, and UCI's question mark.
MISSING = frozenset(
    {"", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"}
    | {"<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null"}
)

#: Categories that a small table may well have in few rows.
FEW = 20

#: float32 holds nothing larger, and squares of it still fit into float64.
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Form:
    """How a column is to be read; ``date_format`` for text that holds dates."""

    kind: Kind
    date_format: str = ""


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of text: ``names[codes[i]]`` is the value of row ``i``, missing where it is -1."""

    codes: npt.NDArray[np.intp]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)


Values: TypeAlias = Numbers | Labels


@dataclass(frozen=True)
class Place:
    """Where values come from, for messages: the column, and how many rows came before."""

    column: str
    start: int = 0
    decimal: str = "."

    def complain(self, key: str, index: int, value: object, **more: object) -> DataError:
        """The error about the value at ``index``; rows are counted from 1, as people do."""
        return DataError(key, column=self.column, row=self.start + index + 1, value=value, **more)


# ---------------------------------------------------------------------- from dataframes
def values_of(series: "nw.Series[Any]", form: Form, place: Place) -> Values:
    """The values of a series in the given form.

    Raises
    ------
    DataError
        If a value does not fit the form, is infinite or too large for float32.
    """
    if form.kind == "text":
        return _labels(series, place)
    if form.kind == "date":
        return _dates(series, form.date_format, place)
    return _numbers(series, form.kind, place)


def distinct(series: "nw.Series[Any]", column: str) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """Codes and different values of a column of text or of Python objects; -1 where missing."""
    import pandas as pd

    native = series.to_native()
    if isinstance(getattr(native, "dtype", None), pd.CategoricalDtype):
        codes = native.cat.codes.to_numpy().astype(np.intp)
        seen = np.bincount(codes + 1, minlength=len(native.cat.categories) + 1)[1:] > 0
        place = np.where(seen, np.cumsum(seen) - 1, -1)
        return np.append(place, -1)[codes], native.cat.categories[seen].tolist()
    if not isinstance(native, pd.Series):
        native = np.fromiter(series.to_list(), dtype=object, count=len(series))
    try:
        codes, found = pd.factorize(native)
    except TypeError:  # lists, dicts
        raise _odd_type(series, column) from None
    return codes, list(found)


def _labels(series: "nw.Series[Any]", place: Place) -> Labels:
    if series.dtype.is_temporal():
        import narwhals as nw

        series = series.cast(nw.String())
    elif series.dtype.is_numeric():
        return labels_of_numbers(_numbers(series, "number", place))
    codes, values = distinct(series, place.column)
    return _named(codes, [_name(value, series, place.column) for value in values])


def _name(value: Any, series: "nw.Series[Any]", column: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool | date | Decimal):
        return str(value)
    if isinstance(value, Real):
        return _number_name(_float(value))
    raise _odd_type(series, column)


def _named(codes: npt.NDArray[np.intp], names: Sequence[str]) -> Labels:
    """Labels with different names, none of which stands for a missing value."""
    numbers: dict[str, int] = {}
    code_of = [-1 if name in MISSING else numbers.setdefault(name, len(numbers)) for name in names]
    return Labels(np.array([*code_of, -1], np.intp)[codes], tuple(numbers))


def _numbers(series: "nw.Series[Any]", kind: Kind, place: Place) -> Numbers:
    import narwhals as nw

    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        found: Numbers = series.cast(nw.Float64()).to_numpy().astype(np.float64, copy=False)
    else:
        codes, values = distinct(series, place.column)
        read = boolean_in if kind == "boolean" else number_in
        numbers = [read(value, place.decimal) for value in values]
        if None in numbers:
            index = _first_row(codes, numbers.index(None))
            key = "tables.not_boolean" if kind == "boolean" else "tables.not_a_number"
            raise place.complain(key, index, values[numbers.index(None)])
        found = np.array([*numbers, math.nan], np.float64)[codes]
    large = np.abs(found) > LARGEST
    if large.any():
        index = int(large.argmax())
        raise place.complain("tables.infinite", index, found[index])
    if kind == "boolean":
        odd = ~(np.isnan(found) | (found == 0) | (found == 1))
        if odd.any():
            index = int(odd.argmax())
            raise place.complain("tables.not_boolean", index, found[index])
    return found


def number_in(value: Any, decimal: str = ".") -> float | None:
    """The number that a value stands for, NaN for a missing one, ``None`` for text.

    Examples
    --------
    >>> from chainrule.data.tables.values import number_in
    >>> number_in("1.5"), number_in("1,5", ","), number_in("?"), number_in("many")
    (1.5, 1.5, nan, None)
    """
    if isinstance(value, str):
        text = value.strip()
        if text in MISSING:
            return math.nan
        text = text.replace(decimal, ".") if decimal != "." else text
        try:
            return None if "_" in text else float(text)
        except ValueError:
            return None
    return _float(value) if isinstance(value, Real | Decimal | np.bool) else None


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf if value > 0 else -math.inf


def boolean_in(value: Any, decimal: str = ".") -> float | None:
    """0 or 1 for what says false or true, NaN for a missing value, ``None`` for anything else."""
    if isinstance(value, str):
        text = value.strip()
        words = {"false": 0.0, "true": 1.0, "0": 0.0, "1": 1.0}
        return math.nan if text in MISSING else words.get(text.lower())
    number = number_in(value, decimal)
    return number if number in (0.0, 1.0) else None


def _dates(series: "nw.Series[Any]", date_format: str, place: Place) -> Numbers:
    import narwhals as nw

    if series.dtype in (nw.Datetime, nw.Date):
        stamps = series.dt.timestamp("us").cast(nw.Float64()).to_numpy()
        seconds: Numbers = stamps.astype(np.float64) / 1e6
        return seconds
    if series.is_null().all():
        return np.full(len(series), math.nan)
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        index = int((~series.is_null()).to_numpy().argmax())
        raise place.complain("tables.not_a_date", index, series[index], example="2024-12-31")
    codes, values = distinct(series, place.column)
    texts = [value.isoformat() if isinstance(value, date) else value for value in values]
    labels = _named(codes, [_name(text, series, place.column) for text in texts])
    if all(isinstance(value, date) for value in values):
        date_format = "ISO8601"
    parsed = parse_dates(labels.names, date_format)
    bad = np.isnan(parsed)
    if bad.any():
        name = labels.names[int(bad.argmax())]
        index = _first_row(labels.codes, int(bad.argmax()))
        example = datetime(2024, 12, 31).strftime(first_format(date_format))
        raise place.complain("tables.not_a_date", index, name, example=example)
    return np.append(parsed, math.nan)[labels.codes]


def _first_row(codes: npt.NDArray[np.intp], code: int) -> int:
    return int((codes == code).argmax())


def _odd_type(series: "nw.Series[Any]", column: str) -> DataError:
    return DataError("tables.column_type", column=column, kind=series.dtype)


# ---------------------------------------------------------------------- among themselves
def labels_of_numbers(numbers: Numbers) -> Labels:
    """Numbers as categories: ``3.0`` is named ``3``, however it was written."""
    different, codes = np.unique(numbers, return_inverse=True)
    known = ~np.isnan(different)  # NaN comes last, once
    names = tuple(_number_name(value) for value in different[known].tolist())
    return Labels(np.where(np.isnan(numbers), -1, codes), names)


def _number_name(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() else repr(value)  # infinity is no integer


def missing(values: Values) -> npt.NDArray[np.bool]:
    """Which rows have no value."""
    found: npt.NDArray[np.bool] = (
        values.codes < 0 if isinstance(values, Labels) else np.isnan(values)
    )
    return found


def mostly_different(categories: int, rows: int) -> bool:
    """Whether so many categories in so many rows are names rather than kinds.

    Either no two rows are alike, or there are many categories and most come once: nothing can be
    learned from a category that is seen less than twice on average.
    """
    return categories == rows or (categories > FEW and 2 * categories > rows)


def taken(values: Values, rows: npt.NDArray[Any]) -> Values:
    """The values of some rows, given by number or by mask."""
    if isinstance(values, Labels):
        return Labels(values.codes[rows], values.names)
    chosen: Numbers = values[rows]
    return chosen


def concatenated(parts: Sequence[Values]) -> Values:
    """The values of one column from several chunks, at least one."""
    numbers: dict[str, int] = {}
    codes = []
    for part in parts:
        if not isinstance(part, Labels):
            return np.concatenate(parts)  # type: ignore[arg-type]  # all parts have one form
        code_of = [numbers.setdefault(name, len(numbers)) for name in part.names]
        codes.append(np.array([*code_of, -1], np.intp)[part.codes])
    return Labels(np.concatenate(codes), tuple(numbers))

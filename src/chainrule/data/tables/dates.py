"""Dates: which format a column of text is written in, and the numbers that a date is made of.

A network cannot read a date. It gets the time that has passed, the year, and the places in the
year, the week and the day as points on a circle, so that December is next to January.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["DATE_FORMATS", "date_parts", "first_format", "fitting_formats", "parse_dates"]

ISO = "ISO8601"
_DAYS = (
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y. %m. %d.",
    "%Y년 %m월 %d일",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
)
#: The formats that are tried, in this order: where day and month could be swapped, month first.
DATE_FORMATS = (ISO, *(day + time for day in _DAYS for time in ("", " %H:%M", " %H:%M:%S")))

DAY = 86400.0


def parse_dates(texts: Sequence[str], date_format: str) -> npt.NDArray[np.float64]:
    """Seconds since 1970 UTC; NaN for what is no date in this format.

    A time without a zone is taken for UTC.

    Examples
    --------
    >>> from chainrule.data.tables.dates import parse_dates
    >>> parse_dates(["1970-01-02", "soon"], "ISO8601")
    array([86400.,    nan])
    """
    import pandas as pd

    # pandas knows "now" and "today", too: a column would have another meaning every day.
    plain = [text if text[:1].isdigit() else None for text in texts]
    found = pd.to_datetime(
        pd.Series(plain, dtype=object), format=date_format, errors="coerce", utc=True
    )
    stamps = found.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(stamps), math.nan, stamps.astype(np.int64) / 1e6)


def fitting_formats(texts: Sequence[str], formats: Sequence[str]) -> tuple[str, ...]:
    """Those formats in which every text is a date.

    Examples
    --------
    >>> from chainrule.data.tables.dates import DATE_FORMATS, fitting_formats
    >>> fitting_formats(["01/31/2024", "02/01/2024"], DATE_FORMATS)
    ('%m/%d/%Y',)
    """
    # One text rules out nearly all formats, and most columns of text hold no dates at all.
    for sample in (texts[:1], texts):
        formats = [one for one in formats if not np.isnan(parse_dates(sample, one)).any()]
    return tuple(formats)


def first_format(date_format: str) -> str:
    """A format for :meth:`datetime.strftime`."""
    return "%Y-%m-%d" if date_format in (ISO, "") else date_format


def date_parts(seconds: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """The numbers that a network gets for each date; NaN where the date is missing.

    ``elapsed`` counts days since 1970. The others are the year, and sine and cosine of the month
    in the year, the day in the week and the time in the day.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.data.tables.dates import date_parts
    >>> parts = date_parts(np.array([86400.0 * 59]))  # the 1st of March 1970, a Sunday
    >>> parts["elapsed"].item(), parts["year"].item(), parts["month_sin"].round(3).item()
    (59.0, 1970.0, 0.866)
    """
    absent = np.isnan(seconds)
    known = np.where(absent, 0.0, seconds)
    days = known / DAY
    months = known.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    parts = {"elapsed": days, "year": 1970.0 + months // 12}
    turns = {
        "month": (months % 12) / 12,
        "weekday": (np.floor(days) + 3) % 7 / 7,  # 1970 began on a Thursday
        "time": days % 1,
    }
    for name, turn in turns.items():
        parts[f"{name}_sin"] = np.sin(2 * np.pi * turn)
        parts[f"{name}_cos"] = np.cos(2 * np.pi * turn)
    return {name: np.where(absent, math.nan, part) for name, part in parts.items()}


@cache
def part_names() -> tuple[str, ...]:
    """The names that :func:`date_parts` gives."""
    return tuple(date_parts(np.zeros(1)))

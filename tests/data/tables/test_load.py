"""The same arrays from every source, in any chunks; nothing learned from test rows."""

import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import data
from chainrule.data import Split
from chainrule.data.tables import Rows, encode_table, fit_encoder, load_table, open_table, source
from chainrule.errors import DataError, OptionError

ROWS = 3000


def mixed(rows: int = ROWS, seed: int = 0) -> dict[str, list[Any]]:
    """A table with columns of every kind, with missing values, that begins harmlessly."""
    rng = np.random.default_rng(seed)
    holes = rng.random(rows) < 0.1
    member = rng.random(rows) < 0.5
    days = [date.fromordinal(737000 + int(day)) for day in rng.integers(0, 900, rows)]
    width = rng.normal(100, 5, rows)
    return {
        "width": [None if hole else float(w) for hole, w in zip(holes, width, strict=True)],
        "count": rng.integers(0, 50, rows).tolist(),
        "member": [bool(m) for m in member],
        "day": days,
        "도시": [["서울", "부산", "대구", None][i] for i in rng.integers(0, 4, rows)],
        "note": [f"text {i}" for i in range(rows)],
        "still": [1.0] * rows,
        "pay": (width + 10 * member + rng.normal(0, 1, rows)).tolist(),
    }


def split(rows: Rows) -> Split:
    return data.split(rows.count, labels=rows.labels, rng=1)


def written(columns: dict[str, list[Any]], path: Path, **options: Any) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False, **options)
    return path


def nullable(columns: dict[str, list[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(columns).convert_dtypes()
    return frame.astype({"도시": "category", "member": "boolean"})


SOURCES = {
    "csv": lambda columns, path: written(columns, path / "t.csv"),
    "tsv, cp949, gzip": lambda columns, path: written(
        columns, path / "t.tsv.gz", sep="\t", encoding="cp949"
    ),
    "parquet": lambda columns, path: _parquet(columns, path / "t.parquet"),
    "dict": lambda columns, path: columns,
    "pandas": lambda columns, path: pd.DataFrame(columns),
    "pandas with nullable types": lambda columns, path: nullable(columns),
    "pandas on arrow": lambda columns, path: pa.table(columns).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "polars": lambda columns, path: pl.DataFrame(columns),
    "polars, lazy, categorical": lambda columns, path: pl.LazyFrame(columns).with_columns(
        pl.col("도시").cast(pl.Categorical)
    ),
    "pyarrow": lambda columns, path: pa.table(columns),
    "pyarrow, dictionary": lambda columns, path: pa.table(
        {**columns, "도시": pa.array(columns["도시"]).dictionary_encode()}
    ),
}


def _parquet(columns: dict[str, list[Any]], path: Path) -> Path:
    pl.DataFrame(columns).write_parquet(path, row_group_size=700)
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_arrays(kind: str, tmp_path: Path) -> None:
    columns = mixed()
    wanted = load_table(columns, "pay", split=split)
    loaded = load_table(SOURCES[kind](columns, tmp_path), "pay", split=split)
    np.testing.assert_array_equal(loaded.x, wanted.x)
    np.testing.assert_array_equal(loaded.t, wanted.t)
    assert loaded.encoder == wanted.encoder
    assert loaded.encoder.describe() == wanted.encoder.describe()
    assert loaded.x.dtype == np.float32
    again = encode_table(SOURCES[kind](columns, tmp_path), wanted.encoder, wanted.target)
    np.testing.assert_array_equal(again.x, wanted.x)
    np.testing.assert_array_equal(again.t, wanted.t)


@pytest.mark.parametrize("kind", SOURCES)
def test_chunks_change_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = load_table(mixed(), "pay", split=split)
    monkeypatch.setattr(source, "CELLS", 1)  # 1024 rows a chunk
    loaded = load_table(SOURCES[kind](mixed(), tmp_path), "pay", split=split)
    assert loaded.encoder.feature_names == wanted.encoder.feature_names
    np.testing.assert_allclose(loaded.x, wanted.x, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(loaded.t, wanted.t)


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [
        ("1", "x", "text"),
        ("01", "x", "text"),
        ("True", "1", "text"),
        ("True", "", "boolean"),
        ("1", "2.5", "number"),
        ("", "3", "number"),
        ("20240131", "2024-01-31", "text"),
        ("2024-01-31", "2024-02-30", "text"),
        ("2024-01-31", "?", "date"),
        ("13/01/2024", "01/02/2024", "date"),
    ],
)
def test_the_last_row_can_change_what_a_column_is(
    first: str, last: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + f"{first},1\n" * 4000 + f"{last},2\n", encoding="utf-8")
    whole = _scan_of(path)
    monkeypatch.setattr(source, "CELLS", 1)
    assert _scan_of(path) == whole
    assert whole["a"].kind == kind
    if kind == "text":  # as it was written, not as a chunk of numbers would have it
        loaded = load_table(path, "b")
        assert set(loaded.encoder.feature_names) == {f"a={first}", f"a={last}"}


def _scan_of(path: Path) -> Any:
    from chainrule.data.tables import scan

    return scan(open_table(path)).forms


def test_nothing_is_learned_from_rows_that_are_not_for_training() -> None:
    columns = mixed(400)
    loaded = load_table(columns, "pay", split=split)
    strange = {name: list(values) for name, values in columns.items()}
    for row in (*loaded.split.test, *loaded.split.validation):
        strange["width"][row], strange["count"][row] = 1e6, -7e5
        strange["도시"][row], strange["day"][row] = "화성", date(1900, 1, 1)
        strange["pay"][row], strange["still"][row] = 1e9, 5.0
    other = load_table(strange, "pay", split=split)
    assert other.encoder == loaded.encoder
    assert other.target.to_dict() == loaded.target.to_dict()
    train = loaded.split.train
    np.testing.assert_array_equal(other.x[train], loaded.x[train])
    np.testing.assert_array_equal(other.t[train], loaded.t[train])


def test_training_rows_are_standardized() -> None:
    loaded = load_table(mixed(), "pay", split=split)
    names = loaded.encoder.feature_names
    measured = [i for i, name in enumerate(names) if "=" not in name and name != "width"]
    x = loaded.x[loaded.split.train].astype(np.float64)
    np.testing.assert_allclose(x[:, measured].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x[:, measured].std(axis=0), 1, atol=1e-5)
    width, gone = x[:, names.index("width")], x[:, names.index("width=?")]
    assert set(gone) == {0.0, 1.0} and (width[gone == 1] == 0).all()
    np.testing.assert_allclose(width[gone == 0].std(), 1, atol=1e-5)


def test_a_large_mean_costs_no_digits() -> None:
    values = 1e9 + np.arange(1000.0) % 7
    loaded = load_table({"a": values, "b": np.arange(1000.0) / 3}, "b")
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(loaded.x[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_dates_become_numbers_that_go_round() -> None:
    days = pd.date_range("2023-12-01", periods=730, freq="13h")
    loaded = load_table({"at": days, "b": np.arange(730.0) / 3}, "b")
    names = loaded.encoder.feature_names
    circles = [
        f"at.{turn}_{part}" for turn in ("month", "weekday", "time") for part in ("sin", "cos")
    ]
    assert names == ("at.elapsed", "at.year", *circles)
    december = encode_table({"at": ["2024-12-16"]}, loaded.encoder).x[0]
    january = encode_table({"at": [datetime(2024, 1, 16)]}, loaded.encoder).x[0]
    july = encode_table({"at": [date(2024, 7, 16)]}, loaded.encoder).x[0]
    month = [names.index("at.month_sin"), names.index("at.month_cos")]
    assert (
        np.linalg.norm((december - january)[month]) < np.linalg.norm((december - july)[month]) / 3
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-31", "2024-02-01T12:30:00Z"],
        ["2024/01/31", "2024/02/01"],
        ["2024.01.31 09:30", "2024.02.01 10:00"],
        ["2024년 1월 31일", "2024년 2월 1일"],
        ["31.01.2024", "01.02.2024"],
        ["01/31/2024", "02/01/2024"],
        ["31/01/2024 10:11:12", "01/02/2024 10:11:12"],
    ],
)
def test_dates_are_known_however_they_are_written(texts: list[str]) -> None:
    encoder = fit_encoder({"day": texts * 3})
    x = encode_table({"day": [date(2024, 1, 31), date(2024, 2, 1)]}, encoder).x
    assert encoder.feature_names[0] == "day.elapsed"
    assert 0.5 < abs(x[1, 0] - x[0, 0]) < 4


def test_swappable_dates_are_read_month_first_and_said_so() -> None:
    loaded = load_table({"day": ["01/02/2024", "03/04/2024"] * 2, "b": [1.5, 2, 3, 4]}, "b")
    assert any("month first" in note for note in loaded.notes)


def test_text_that_is_now_or_today_is_no_date() -> None:
    encoder = fit_encoder({"when": ["now", "today"] * 3})
    assert encoder.feature_names == ("when=now", "when=today")


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    columns = {"a": [1.0, 2.0, 4.0, 8.0, 9.0], "b": ["x", None, "y", "", "x"]}
    loaded = load_table(columns, "b")
    assert loaded.table_rows.tolist() == [0, 2, 4]
    assert loaded.t.tolist() == [0, 1, 0]
    assert any("Left out 2 row(s) without a value in b" in note for note in loaded.notes)
    encoded = encode_table(columns, loaded.encoder, loaded.target)
    np.testing.assert_array_equal(encoded.x, loaded.x)
    assert encoded.table_rows.tolist() == [0, 2, 4]
    assert encode_table(columns, loaded.encoder).x.shape == (5, 1)


def test_the_split_sees_classes_and_the_column_it_goes_by() -> None:
    seen: list[Rows] = []

    def by_patient(rows: Rows) -> Split:
        seen.append(rows)
        assert rows.by is not None
        old = np.flatnonzero(rows.by == "old")
        return Split(np.flatnonzero(rows.by != "old"), old[:0], old)

    columns = {
        "a": [1, 2, 3, 4, 5, 6],
        "who": ["new", "old", "new", "old", None, "new"],
        "b": ["x", "y", "y", None, "x", "x"],
    }
    loaded = load_table(columns, "b", split=by_patient, by="who", drop=["who"])
    assert seen[0].count == 5 and seen[0].by is not None
    assert seen[0].by.tolist() == ["new", "old", "new", None, "new"]
    assert loaded.split.test.tolist() == [1]
    assert loaded.encoder.columns == ("a",)


@pytest.mark.parametrize("bad", [[0, 9], [-1], [], [0.5]])
def test_a_split_beyond_the_rows_is_refused(bad: list[Any]) -> None:
    none = np.empty(0, int)
    with pytest.raises(DataError, match="row numbers 0 <= row < 4"):
        load_table(
            {"a": [1, 2, 3, 4], "b": [1, 0, 1, 0]}, split=lambda rows: Split(bad, none, none)
        )
    if bad:
        with pytest.raises(DataError, match="row numbers"):
            fit_encoder({"a": [1, 2, 3, 4]}, train=bad)


def test_misspelt_columns_get_suggestions() -> None:
    columns = {"price": [1.0, 2.0, 3.0], "town": ["a", "a", "a"], "b": [1, 2, 3]}
    for options in ({"target": "prise"}, {"drop": ["prise"]}, {"categorical": ["prise"]}):
        with pytest.raises(DataError, match=r"no column 'prise'\. Did you mean 'price'\?"):
            load_table(columns, **{"target": "b", **options})  # type: ignore[arg-type]
    encoder = load_table(columns, "b").encoder
    with pytest.raises(DataError, match=r"no column 'price'\. Did you mean 'Price'\?"):
        encode_table({"Price": [1.0], "town": ["a"], "other": [3]}, encoder)
    x = encode_table({"other": [3], "town": ["a"], "price": [2.0]}, encoder).x
    assert x.tolist() == [[0]]


def test_the_last_column_is_the_target_and_that_is_said() -> None:
    loaded = load_table({"a": [1, 2, 3], "b": [1.5, 2.5, 9]})
    assert loaded.target.names == ("b",)
    assert any("the last column, 'b'" in note for note in loaded.notes)


def test_without_features_there_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match=r"no column left to learn from.*one value only"):
        load_table({"a": [1, 1, 1], "b": [1, 2, 3]}, "b")
    with pytest.raises(DataError, match="no column left"):
        load_table({"b": [1, 2, 3]}, "b")
    with pytest.raises(OptionError, match="max_categories >= 1"):
        load_table({"a": [1, 2, 3], "b": [1, 2, 3]}, "b", max_categories=0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "is empty"),
        ({"a": [], "b": []}, "no rows"),
        ({"a": [1, 2], "b": [1]}, "one length"),
        ({"a": 3}, "int for 'a'"),
        ({"a": np.ones((2, 2))}, "ndarray for 'a'"),
        ({"a": [[1], [2]], "b": [1, 2]}, "Column 'a' expects numbers"),
        ({"a": [1j, 2j], "b": [1, 2]}, "Column 'a' expects numbers"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column called 'a'"),
        (pl.DataFrame({"a": [[1], [2]], "b": [1, 2]}), "Column 'a' expects numbers"),
        (pd.DataFrame({"a": pd.to_timedelta([1, 2]), "b": [1, 2]}), "Column 'a' expects numbers"),
    ],
)
def test_odd_tables_are_refused(columns: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_table(columns)


def test_series_with_other_indexes_are_not_matched_by_label() -> None:
    table = {"a": pd.Series([1, 2, 4], index=[5, 6, 7]), "b": pd.Series([1.5, 2.5, 9])}
    assert load_table(table, "b").x.shape == (3, 1)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_infinite_values_are_found(bad: float, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(source, "CELLS", 1)
    columns = {"a": [1.0, 2.0] * 1000, "b": [1.0, 3.5] * 1000}
    columns["a"][1500] = bad
    for table in (columns, written(columns, tmp_path / "t.csv")):
        with pytest.raises(DataError, match=r"'a' expects finite numbers, but row 1501 "):
            load_table(table, "b")
    encoder = fit_encoder({"a": [1.0, 1.0 + 1e-12]})
    with pytest.raises(DataError, match=r"'a': the value in row 2 .* far outside"):
        encode_table({"a": [1.0, 1e30]}, encoder)


@pytest.mark.parametrize("bad", [10**400, -(10**400), "1e400", "-inf"])
def test_numbers_beyond_all_bounds_are_infinite(bad: Any) -> None:
    encoder = fit_encoder({"a": [1, 2, 3]})
    with pytest.raises(DataError, match=r"'a' expects finite numbers, but row 2 "):
        encode_table({"a": [1, bad]}, encoder)
    mixed_up = fit_encoder({"a": [1, 2, 3], "b": [bad, "x", "x"]})
    assert np.isfinite(encode_table({"a": [1], "b": [bad]}, mixed_up).x).all()


def test_times_in_zones_and_decimal_numbers() -> None:
    utc = pd.to_datetime(["2024-01-31 00:30", "2024-02-01 12:00"]).tz_localize("UTC")
    encoder = fit_encoder({"at": utc})
    expected = encode_table({"at": utc}, encoder).x
    seoul = utc.tz_convert("Asia/Seoul")
    for times in (seoul, pl.Series(seoul), [str(time) for time in seoul], seoul.to_pydatetime()):
        np.testing.assert_array_equal(encode_table({"at": times}, encoder).x, expected)
    prices = fit_encoder({"price": [Decimal("1.5"), Decimal("2.5")]})
    frame = pl.DataFrame({"price": ["2.00"]}).cast(pl.Decimal(10, 2))
    assert encode_table(frame, prices).x.tolist() == [[0.0]]


def test_prediction_meets_text_where_numbers_were(tmp_path: Path) -> None:
    encoder = fit_encoder(mixed(50))
    other = mixed(50, seed=1)
    for column, value, message in (
        ("count", "many", "'count' expects numbers, but row 8 .* holds 'many'"),
        ("member", "maybe", "'member' expects true or false.*row 8 .* 'maybe'"),
        ("day", "soon", "'day' expects dates such as 2024-12-31, but row 8 .* 'soon'"),
        ("day", 7, "'day' expects dates"),
        ("member", 7, "'member' expects true or false"),
    ):
        broken = {name: list(values) for name, values in other.items()}
        broken[column][7] = value
        for table in (broken, written(broken, tmp_path / "t.csv")):
            with pytest.raises(DataError, match=message):
                encode_table(table, encoder)


VALUE = st.one_of(
    st.none(),
    st.integers(-5, 5),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.text(max_size=3),
    st.dates(),
)


@settings(max_examples=50)
@given(st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=1, max_size=15))
def test_no_values_give_nan(rows: list[tuple[Any, Any, Any]]) -> None:
    columns = {
        name: list(values) for name, values in zip("abc", zip(*rows, strict=True), strict=True)
    }
    try:
        loaded = load_table(columns)
    except DataError as error:
        assert str(error)
    else:
        assert np.isfinite(loaded.x).all() and np.isfinite(loaded.t).all()


def test_pandas_and_narwhals_are_imported_when_a_table_is_opened() -> None:
    code = """if True:
        import sys
        import chainrule, chainrule.data.tables
        heavy = {"pandas", "narwhals", "pyarrow", "sklearn"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        chainrule.data.tables.open_table({"a": [1]})
        assert {"pandas", "narwhals"} <= set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)

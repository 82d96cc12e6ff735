"""Tables in files: encodings, separators, and everything that can be wrong with a file."""

import gzip
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data.tables import Progress, load_table, open_table, source
from chainrule.errors import ChainruleError, DataError, OptionError, StorageError

KOREAN = "도시,나이,합격\n서울,31,예\n부산,45,아니오\n서울,38,예\n부산,27,아니오\n"


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "euc-kr"])
def test_korean_files_are_read_in_whatever_encoding_is_common_in_korea(
    csv: Any, encoding: str
) -> None:
    path = csv(KOREAN.encode(encoding), "표.csv")
    loaded = load_table(path, "합격")
    assert loaded.encoder.feature_names == ("도시=부산", "도시=서울", "나이")
    assert loaded.target.class_names == ("아니오", "예")
    assert loaded.t.tolist() == [1, 0, 1, 0]
    assert any("cp949" in note for note in loaded.notes) == (encoding in ("cp949", "euc-kr"))


def test_a_letter_in_the_last_line_decides_the_encoding(csv: Any) -> None:
    lines = ["city,age", *["Seoul,30"] * 50_000, "뷁,31"]  # in cp949, but not in EUC-KR
    table = open_table(csv("\n".join(lines).encode("cp949")))
    loaded = load_table(table, "age")
    assert loaded.encoder.feature_names == ("city=Seoul", "city=뷁")


def test_another_encoding_is_asked_for_and_can_be_given(csv: Any) -> None:
    path = csv("name,age\nJosé,3\nZoë,4\nZoë,4\nJosé,3".encode("latin-1"))
    with pytest.raises(DataError, match=r"no text in utf-8 / cp949: line 2 .*\\xe9.*encoding="):
        open_table(path)
    loaded = load_table(open_table(path, encoding="latin-1"), "age")
    assert loaded.encoder.feature_names == ("name=José", "name=Zoë")
    utf_16 = csv(KOREAN.encode("utf-16"))
    assert open_table(utf_16, encoding="utf-16").columns == ("도시", "나이", "합격")
    with pytest.raises(OptionError, match="'utf-99'"):
        open_table(path, encoding="utf-99")
    with pytest.raises(OptionError, match="'base64'"):
        open_table(path, encoding="base64")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(csv: Any, separator: str) -> None:
    text = KOREAN.replace(",", separator)
    assert open_table(csv(text)).columns == ("도시", "나이", "합격")
    assert open_table(csv(text), separator=separator).columns == ("도시", "나이", "합격")


def test_decimal_commas_between_semicolons(csv: Any) -> None:
    path = csv("a;b\n1,5;2\n2,5;4\n4,5;8\n")
    loaded = load_table(open_table(path, decimal=","), "b")
    expected = load_table({"a": [1.5, 2.5, 4.5], "b": [2, 4, 8]}, "b")
    np.testing.assert_array_equal(loaded.x, expected.x)
    with pytest.raises(OptionError, match="separator=';'"):
        open_table(csv("a,b\n1,2\n"), decimal=",")


def test_a_separator_in_quotes_separates_nothing(csv: Any) -> None:
    path = csv('a,b,c\n"x, y",1,"two\nlines"\n"say ""hi""",2,z\n')
    table = open_table(path)
    (chunk,) = table.chunks({"a": _form("text"), "c": _form("text")}, "fill")
    assert set(chunk.columns["a"].names) == {'say "hi"', "x, y"}  # type: ignore[union-attr]
    assert set(chunk.columns["c"].names) == {"two\nlines", "z"}  # type: ignore[union-attr]


def test_blank_lines_and_blanks_after_separators_are_no_data(csv: Any) -> None:
    path = csv("\na, b, c\n\n1, x, 2\n   \n3, NA, 4\n ?, x, 5\n7, x, 6\n")
    table = open_table(path)
    assert table.rows == 4
    (chunk,) = table.chunks({"a": _form("number"), "b": _form("text")}, "fill")
    np.testing.assert_array_equal(chunk.columns["a"], [1, 3, np.nan, 7])
    assert chunk.columns["b"].codes.tolist() == [0, -1, 0, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n1,2,3\n4,5\n", "line 3: expected 3 fields.*found 2"),
        ("a,b,c\n1,2,3\n4,5,6,7\n", "line 3: expected 3 fields.*found 4"),
        ("a,b,c\n1,2,3,4\n5,6,7,8\n", "line 2: expected 3 fields.*found 4"),
        ('a,b,c\n1,"two\nlines",3\n\n"4,5",6\n', "line 5: expected 3 fields.*found 2"),
        ('a,b\n1,2\n3,"4\n5,6\n', "a quote is opened in line 3"),
        ("a,b\n1,2\n3,\0\n", "line 3 holds a zero byte"),
        ("", "is empty"),
        ("\n \n\n", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b,a\n1,2,3\n", r"more than one column called 'a'.*header=False"),
        ("a, a\n1,2\n", "more than one column called 'a'"),
    ],
)
def test_a_broken_file_gets_one_clear_message(csv: Any, text: str, message: str) -> None:
    path = csv(text)
    with pytest.raises(DataError, match=f"(?s)table.csv.*{message}"):
        load_table(path)


def test_a_short_row_at_the_end_of_a_long_file_is_found(csv: Any) -> None:
    path = csv("a,b,c\n" + "1,2,3\n" * 100_000 + "1,2\n")
    with pytest.raises(DataError, match="line 100002: expected 3 fields"):
        open_table(path)


@pytest.mark.parametrize(
    "content",
    [
        random.Random(0).randbytes(100_000),
        b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + random.Random(1).randbytes(999),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    ],
    ids=["noise", "spreadsheet", "picture"],
)
def test_what_is_no_text_is_refused(csv: Any, content: bytes) -> None:
    with pytest.raises(DataError, match=r"table.csv.*(no text|no plain text)"):
        open_table(csv(content))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"Cannot read .*missing.csv: No such file"):
        open_table(tmp_path / "missing.csv")
    with pytest.raises(StorageError, match="regular file"):
        open_table(tmp_path)
    with pytest.raises(StorageError, match="Cannot read"):
        open_table("zero\0byte.csv")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(csv: Any) -> None:
    path = csv(KOREAN)
    path.chmod(0)
    with pytest.raises(StorageError, match="Permission denied"):
        open_table(path)


def test_compressed_files_are_read_and_damaged_ones_refused(csv: Any) -> None:
    packed = gzip.compress((KOREAN * 1).encode("cp949"))
    for name in ("table.csv.gz", "table.csv"):  # the content counts, not the name
        loaded = load_table(csv(packed, name), "합격")
        assert loaded.x.shape == (4, 3)
    for broken in (packed[:-10], packed[:20], packed[:30] + b"\0\0\0" + packed[33:]):
        with pytest.raises(StorageError, match="Cannot read"):
            load_table(csv(broken, "broken.csv.gz"))


def test_columns_without_a_name_are_left_out_and_said(csv: Any) -> None:
    path = csv(",a,b\n0,1,x\n1,2,y\n2,4,x\n3,4,y\n")  # as pandas writes its index
    loaded = load_table(path)
    assert loaded.encoder.columns == ("a",)
    assert "without a name (number 1)" in loaded.notes[0]


def test_a_file_without_a_header(csv: Any) -> None:
    path = csv("5.1,3.5,setosa\n4.9,3.0,setosa\n6.3,3.3,virginica\n5.8,2.7,virginica\n")
    table = open_table(path, header=False)
    assert (table.columns, table.rows) == (("column_1", "column_2", "column_3"), 4)
    assert load_table(table).x.shape == (4, 2)


def test_senseless_options_are_refused(csv: Any) -> None:
    path = csv(KOREAN)
    for options in ({"separator": ",,"}, {"separator": '"'}, {"decimal": "'"}):
        with pytest.raises(OptionError):
            open_table(path, **options)
    with pytest.raises(OptionError, match="int"):
        open_table(3)


def test_a_file_that_changes_while_it_is_read_is_noticed(csv: Any) -> None:
    path = csv(KOREAN)
    table = open_table(path)
    for text in (KOREAN + "제주,5,예\n", KOREAN[: KOREAN.index("부산,27")], "a\n", ""):
        csv(text)
        with pytest.raises(ChainruleError, match=r"has changed while it was read"):
            load_table(table)


def test_progress_reaches_the_end_of_every_stage(csv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CELLS", 1)
    path = csv("a,b\n" + "".join(f"{i},{i % 7 / 3}\n" for i in range(5000)))
    seen: list[Progress] = []
    load_table(open_table(path, progress=seen.append), progress=seen.append)
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["check", "scan", "target", "fit", "fill"]
    for stage in stages:
        shares = [progress.share for progress in seen if progress.stage == stage]
        last = [progress for progress in seen if progress.stage == stage][-1]
        assert shares == sorted(shares)
        assert (last.share, last.bytes) == (1.0, path.stat().st_size)
        assert last.rows == (5001 if stage == "check" else 5000)
        assert str(last)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(content)
    try:
        loaded = load_table(path)
    except ChainruleError as error:
        assert str(error)
    else:
        assert np.isfinite(loaded.x).all()


CELL = st.sampled_from(["1", "-2.5", "", "x", "NA", "2024-01-31", "True", "1e300", "7 ", '"a,b"'])


@settings(max_examples=40)
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=12))
def test_any_cells_are_a_table_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    path.write_text("\n".join(map(",".join, [["a", "b", "c"], *cells])), encoding="utf-8")
    try:
        loaded = load_table(path)
    except ChainruleError as error:
        assert str(error)
    else:
        assert np.isfinite(loaded.x).all() and np.isfinite(loaded.t).all()


def test_parquet_without_its_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_parquet(path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(OptionError, match=r"chainrule\[parquet\]"):
        open_table(path)


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": range(1000), "b": range(1000)}).to_parquet(path)
    content = path.read_bytes()
    for broken in (
        content[:-20],
        content[:100],
        b"PAR1",
        content[:50] + bytes(500) + content[550:],
    ):
        path.write_bytes(broken)
        with pytest.raises(ChainruleError):
            load_table(path)


def _form(kind: Any) -> Any:
    from chainrule.data.tables.values import Form

    return Form(kind)

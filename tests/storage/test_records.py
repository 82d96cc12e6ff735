"""JSON documents and JSON lines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import storage
from chainrule.errors import StorageError


def test_what_json_lacks_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    value = {
        "array": np.arange(3),
        "infinite": np.array([1.0, np.inf]),
        "path": tmp_path,
        "scalar": np.float32(0.5),
        "truth": np.bool_(True),
        "tuple": (1, None),
        "언어": "한국어",
    }
    storage.write_json(path, value)
    assert storage.read_json(path) == {
        "array": [0, 1, 2],
        "infinite": [1.0, None],
        "path": str(tmp_path),
        "scalar": 0.5,
        "truth": True,
        "tuple": [1, None],
        "언어": "한국어",
    }
    assert "한국어" in path.read_text(encoding="utf-8")


def test_a_document_is_laid_out_for_people(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    storage.write_json(path, {"model": {"hidden": [64, 32]}, "empty": {}, "rows": [{"a": 1}]})
    assert path.read_text().splitlines() == [
        "{",
        '  "model": {',
        '    "hidden": [64, 32]',
        "  },",
        '  "empty": {},',
        '  "rows": [{"a": 1}]',
        "}",
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.mktemp("json")
    storage.write_json(folder / "config.json", value)
    storage.append_json_line(folder / "metrics.jsonl", value)
    assert storage.read_json(folder / "config.json") == value
    assert storage.read_json_lines(folder / "metrics.jsonl") == [value]


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, b"bytes"])
def test_what_has_no_form_in_json_is_refused_before_the_file_is_touched(
    tmp_path: Path, value: Any
) -> None:
    path = tmp_path / "config.json"
    path.write_text("1\n")
    with pytest.raises(StorageError, match=type(value).__name__):
        storage.write_json(path, [value])
    with pytest.raises(StorageError, match=type(value).__name__):
        storage.append_json_line(path, [value])
    assert path.read_text() == "1\n"


def test_a_file_name_that_is_no_text_survives(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "config.json", "runs\udcff")
    assert storage.read_json(tmp_path / "config.json") == "runs\udcff"


@pytest.mark.parametrize("content", [b"", b"{", b"\x89PNG\r\n", b"\xff\xfe1", b"[" * 1_000_000])
def test_no_json_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"Expected JSON in .*config\.json"):
        storage.read_json(path)


def test_lines_are_there_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for epoch in range(3):
        storage.append_json_line(path, {"epoch": epoch})
        assert storage.read_json_lines(path)[-1] == {"epoch": epoch}
    assert path.read_text() == '{"epoch": 0}\n{"epoch": 1}\n{"epoch": 2}\n'


@given(cut=st.integers(0, 30))
def test_a_torn_last_line_is_ignored_and_replaced(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("runs") / "metrics.jsonl"
    records = [{"epoch": 0}, {"epoch": 1, "loss": 0.25}]
    whole = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(whole[:cut])
    kept = records[: whole[:cut].count(b"\n")]
    assert storage.read_json_lines(path) == kept
    storage.append_json_line(path, "next")
    assert storage.read_json_lines(path) == [*kept, "next"]


def test_a_damaged_line_that_is_finished_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 0}\n{"epo\n{"epoch": 2}\n')
    with pytest.raises(StorageError, match="line 2"):
        storage.read_json_lines(path)


def test_appending_to_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Cannot write"):
        storage.append_json_line(tmp_path / "missing" / "metrics.jsonl", 1)

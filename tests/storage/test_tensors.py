"""safetensors: exact round trips, and one clear error for whatever is wrong with a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from chainrule import storage
from chainrule.errors import StorageError

DTYPES = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2"]

ARRAYS: dict[str, np.ndarray] = {
    "hidden.0.weight": np.arange(12, dtype=np.float32).reshape(4, 3),
    "hidden.0.bias": np.array([np.nan, -0.0, np.inf], np.float32),
    "empty": np.zeros((0, 3)),
    "key": np.array([7, 2**32 - 1], np.uint32),
    "rate": np.array(0.1),
}


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.shape == other.shape
        and one.dtype == other.dtype.newbyteorder("=")
        and one.tobytes() == other.astype(one.dtype).tobytes()
    )


@given(
    arrays=st.dictionaries(
        st.text(),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
        ),
        max_size=4,
    ),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4),
)
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, str],
) -> None:
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    storage.save_safetensors(path, arrays, metadata)
    got, text = storage.load_safetensors(path)
    assert text == metadata
    assert set(got) == set(arrays)
    assert all(is_same(got[name], arrays[name]) for name in arrays)


def test_memory_layout_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    array = np.arange(24.0).reshape(4, 6)
    views = {"transposed": array.T, "strided": array[::2, ::-1], "one": array[1]}
    storage.save_safetensors(path, views)
    got, _ = storage.load_safetensors(path)
    for name, view in views.items():
        np.testing.assert_array_equal(got[name], view)


def test_the_package_itself_reads_our_files(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    storage.save_safetensors(path, ARRAYS, {"made by": "chainrule"})
    got = load_file(path)
    assert all(is_same(got[name], ARRAYS[name]) for name in ARRAYS)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    """Whichever order names come in; the package's own order of metadata is random."""
    metadata = {f"name {i}": str(i) for i in range(9)}
    storage.save_safetensors(tmp_path / "a", ARRAYS, metadata)
    backwards = dict(reversed(ARRAYS.items())), dict(reversed(metadata.items()))
    storage.save_safetensors(tmp_path / "b", *backwards)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "arrays",
    [{"x": np.array(["text"])}, {"x": np.array([object()])}, {"__metadata__": np.zeros(1)}],
    ids=["text", "object", "reserved name"],
)
def test_what_the_format_lacks_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(StorageError, match="names and arrays of numbers"):
        storage.save_safetensors(tmp_path / "model.safetensors", arrays)
    assert list(tmp_path.iterdir()) == []


def built(header: Any, body: bytes = b"1234", length: int | None = None) -> bytes:
    """A file with this header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def entry(shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


HOSTILE = {
    "empty": b"",
    "seven bytes": b"1234567",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "a pickle": b"cos\nsystem\n(S'touch hacked'\ntR.",
    "a zip file": b"PK\x03\x04" + bytes(64),
    "header longer than the file": built({}, length=2**20),
    "header of 2^63 bytes": built({}, length=2**63),
    "header is no JSON": built(b"{'a': 1}"),
    "header is a list": built([]),
    "header nests deeply": built(b'{"a":' * 100_000),
    "header is no UTF-8": built(b'{"\xff": 1}'),
    "negative offset": built({"a": entry([1], [-4, 0])}),
    "offset past the end": built({"a": entry([2], [0, 8])}),
    "end before begin": built({"a": entry([1], [4, 0])}),
    "overlap": built({"a": entry([1], [0, 4]), "b": entry([1], [0, 4])}),
    "gap": built({"a": entry([1], [4, 8])}, b"12345678"),
    "bytes that belong to nobody": built({"a": entry([1], [0, 4])}, b"12345678"),
    "shape does not fit": built({"a": entry([3], [0, 4])}),
    "negative shape": built({"a": entry([-1], [0, 4])}),
    "shape overflows": built({"a": entry([2**62, 2**62, 0], [0, 0])}, b""),
    "a hundred axes": built({"a": entry([1] * 100, [0, 4])}),
    "unknown type": built({"a": entry([1], [0, 4], "F99")}),
    "type that NumPy lacks": built({"a": entry([2], [0, 4], "BF16")}),
    "metadata is no text": built({"__metadata__": {"a": 1}}, b""),
    "metadata is a list": built({"__metadata__": [1]}, b""),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        storage.load_safetensors(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "model.safetensors"
    storage.save_safetensors(path, ARRAYS, {"made by": "chainrule"})
    return path.read_bytes()


def loaded(folder: pytest.TempPathFactory, content: bytes) -> dict[str, np.ndarray]:
    path = folder.getbasetemp() / "damaged.safetensors"
    path.write_bytes(content)
    return storage.load_safetensors(path)[0]


def flipped(content: bytes, bits: list[int]) -> bytes:
    damaged = bytearray(content)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def end_of_header(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


@given(data=st.data())
def test_a_truncated_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    with pytest.raises(StorageError):
        loaded(tmp_path_factory, whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(data=st.data())
@settings(max_examples=300)
def test_flipped_bits_of_the_header_never_change_how_much_is_read(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    bits = st.integers(0, 8 * end_of_header(whole) - 1)
    damaged = flipped(whole, data.draw(st.lists(bits, min_size=1, max_size=4)))
    try:
        arrays = loaded(tmp_path_factory, damaged)
    except StorageError:
        return
    stored = sum(array.nbytes for array in ARRAYS.values())
    assert sum(array.nbytes for array in arrays.values()) == stored


@given(data=st.data())
def test_flipped_bits_of_the_numbers_are_refused(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    bits = st.integers(8 * end_of_header(whole), 8 * len(whole) - 1)
    chosen = data.draw(st.lists(bits, min_size=1, unique=True))
    with pytest.raises(StorageError, match="checksum"):
        loaded(tmp_path_factory, flipped(whole, chosen))


def test_files_without_our_checksum_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(ARRAYS, path, {"chainrule": "not ours"})
    got, metadata = storage.load_safetensors(path)
    assert all(is_same(got[name], ARRAYS[name]) for name in ARRAYS)
    assert metadata == {"chainrule": "not ours"}


def test_a_checksum_that_is_not_where_it_belongs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    header = b'{"__metadata__":{"chainrule.checksum" : "00000000"}}'
    path.write_bytes(built(header, b""))
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        storage.load_safetensors(path)

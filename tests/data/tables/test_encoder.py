"""What is remembered of columns: features, surprises at prediction, plain data and back."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import storage
from chainrule.data.tables import TableEncoder, encode_table, fit_encoder
from chainrule.errors import DataError

PEOPLE: dict[str, list[Any]] = {
    "age": [31, 45, None, 38],
    "member": [True, False, None, True],
    "since": ["2020-01-31", "2021-05-01", None, "2024-02-29"],
    "city": ["Seoul", None, "Seoul", "Busan"],
    "plan": ["a", "b", "a", "b"],
}


def test_features_have_names_that_say_what_they_are() -> None:
    names = fit_encoder(PEOPLE).feature_names
    assert names[:4] == ("age", "age=?", "member", "member=?")
    assert names[4:6] == ("since.elapsed", "since.year") and "since=?" in names
    assert names[-5:] == ("city=Busan", "city=Seoul", "city=?", "plan=a", "plan=b")


def test_a_row_without_any_value_is_all_means_and_says_so() -> None:
    encoder = fit_encoder(PEOPLE)
    x = encode_table({name: [None] for name in PEOPLE}, encoder).x[0]
    lit = {name for name, value in zip(encoder.feature_names, x, strict=True) if value}
    assert lit == {"age=?", "member=?", "since=?", "city=?"}


def test_what_training_never_saw_lights_no_feature_and_is_reported() -> None:
    encoder = fit_encoder({"a": [1.0, 2.0, 3.0, 4.0], "plan": ["a", "b", "a", "b"]})
    encoded = encode_table({"a": [2.5, None, None], "plan": ["c", None, "a"]}, encoder)
    assert encoded.x.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert len(encoded.notes) == 3
    assert "'a': 2 row(s) have no value" in encoded.notes[0]
    assert "'plan': 1 row(s) have no value" in encoded.notes[1]
    assert "'plan': 1 row(s) hold categories without a feature (1, such as 'c')" in encoded.notes[2]


def test_unseen_categories_join_rare_or_else_missing_ones() -> None:
    common = ["a"] * 9 + ["b"] * 5 + ["c"] * 2 + ["d", "d"]
    rare = fit_encoder({"plan": common}, max_categories=2)
    assert rare.feature_names == ("plan=a", "plan=b", "plan=…")
    assert encode_table({"plan": ["c", "zzz", None]}, rare).x.tolist() == [[0, 0, 1]] * 3
    gaps = fit_encoder({"plan": [*common, None]})
    assert gaps.feature_names[-1] == "plan=?"
    assert encode_table({"plan": ["zzz"]}, gaps).x.tolist() == [[0, 0, 0, 0, 1]]
    both = fit_encoder({"plan": [*common, None]}, max_categories=1)
    assert both.feature_names == ("plan=a", "plan=?", "plan=…")
    x = encode_table({"plan": ["zzz", None, "d"]}, both).x
    assert x.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_equally_common_categories_are_chosen_by_name() -> None:
    one = fit_encoder({"p": ["b", "b", "c", "c", "a", "a"]}, max_categories=2)
    other = fit_encoder({"p": ["c", "c", "a", "a", "b", "b"]}, max_categories=2)
    assert one == other
    assert one.feature_names == ("p=a", "p=b", "p=…")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([f"name {i}" for i in range(20)], "nearly always different"),
        ([f"name {i if i < 40 else 0}" for i in range(60)], "nearly always different"),
        ([7.5] * 20, "one value only"),
        (["same"] * 20, "one value only"),
        ([True] * 20, "one value only"),
        (["2024-01-31"] * 20, "one value only"),
        ([None] * 20, "no value"),
        ([1e-320, 2e-320] * 10, "one value only"),
    ],
)
def test_columns_that_teach_nothing_are_left_out_and_said(values: list[Any], reason: str) -> None:
    encoder = fit_encoder({"a": range(len(values)), "odd": values})
    assert encoder.columns == ("a",)
    assert [note for note in encoder.describe() if "odd" in note and reason in note]
    assert encode_table({"a": [3.0]}, encoder).x.shape == (1, 1)  # and not asked for again


def test_a_column_that_is_there_or_not_keeps_that() -> None:
    encoder = fit_encoder({"a": [5.0, None, 5.0, None], "b": [None, "x", None, "x"]})
    assert encoder.feature_names == ("a=?", "b=x", "b=?")


def test_numbers_are_categories_if_asked() -> None:
    encoder = fit_encoder({"floor": [1, 2, 2.0, 1, None, 10]}, categorical=["floor"])
    assert encoder.feature_names == ("floor=1", "floor=10", "floor=2", "floor=?")
    x = encode_table({"floor": ["2", 1, None]}, encoder).x
    names = encoder.feature_names
    assert [names[place] for place in x.argmax(axis=1)] == ["floor=2", "floor=1", "floor=?"]


def test_columns_are_dropped_if_asked_and_that_is_said() -> None:
    encoder = fit_encoder(PEOPLE, drop=["age", "city"])
    assert encoder.columns == ("member", "since", "plan")
    assert sum("as asked" in note for note in encoder.describe()) == 2


def test_a_description_names_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = fit_encoder({**PEOPLE, "still": [1] * 4})
    for language, word in (("en", "standardized"), ("ko", "표준화")):
        monkeypatch.setenv("CHAINRULE_LANG", language)
        text = " ".join(encoder.describe())
        assert word in text
        assert all(name in text for name in (*PEOPLE, "still"))


CELLS = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-3, 3))
WORDS = st.sampled_from(["a", "b", "도시", "", "True", "1", None])


@settings(max_examples=40)
@given(
    numbers=st.lists(CELLS, min_size=1, max_size=20),
    words=st.lists(WORDS, min_size=20, max_size=20),
    days=st.lists(st.none() | st.datetimes(), min_size=20, max_size=20),
    most=st.integers(1, 3),
)
def test_plain_data_and_back_is_the_same_map(
    numbers: list[Any], words: list[Any], days: list[Any], most: int
) -> None:
    rows = len(numbers)
    columns = {"n": numbers, "w": words[:rows], "d": days[:rows], "s": [1.0, *[0.0] * (rows - 1)]}
    try:
        encoder = fit_encoder(columns, max_categories=most)
    except DataError as error:
        assert error.key == "tables.no_features"
        return
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    x, y = (encode_table(columns, one).x for one in (encoder, again))
    np.testing.assert_array_equal(x, y)
    assert x.shape == (rows, len(encoder.feature_names)) and np.isfinite(x).all()


def test_plain_data_survive_a_file(tmp_path: Any) -> None:
    encoder = fit_encoder(PEOPLE)
    storage.write_json(tmp_path / "encoder.json", encoder.to_dict())
    assert TableEncoder.from_dict(storage.read_json(tmp_path / "encoder.json")) == encoder


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += paths(item, (*path, key))
    return found


PLAIN = fit_encoder(PEOPLE, drop=["plan"]).to_dict()
JUNK = [None, -1, 0, 1e400, float("nan"), "", "x", [], {}, True, ["a", "a"], [[1]], 10**400]


@pytest.mark.parametrize("path", paths(PLAIN), ids=str)
def test_damaged_data_are_refused_or_still_make_finite_numbers(path: tuple[Any, ...]) -> None:
    for junk in JUNK:
        damaged = copy.deepcopy(PLAIN)
        place = damaged
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = junk
        try:
            encoder = TableEncoder.from_dict(damaged)
            x = encode_table(PEOPLE, encoder).x
        except DataError as error:
            assert str(error)
        else:
            assert np.isfinite(x).all()


@pytest.mark.parametrize("path", paths(PLAIN), ids=str)
def test_nothing_may_be_missing(path: tuple[Any, ...]) -> None:
    damaged = copy.deepcopy(PLAIN)
    place = damaged
    for key in path[:-1]:
        place = place[key]
    if isinstance(place, list):
        return  # fewer columns are a smaller encoder
    del place[path[-1]]
    with pytest.raises(DataError, match=r"TableEncoder expects the plain data"):
        TableEncoder.from_dict(damaged)


@pytest.mark.parametrize(
    "values", [None, [], "x", {}, {"version": 2, "encoded": [], "dropped": []}]
)
def test_other_data_are_refused(values: Any) -> None:
    with pytest.raises(DataError, match="TableEncoder expects the plain data"):
        TableEncoder.from_dict(values)


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(DataError, match=r"version = 2.*newer version"):
        TableEncoder.from_dict({**PLAIN, "version": 2})

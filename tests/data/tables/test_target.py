"""What is predicted: the task, classes, standardized values, and what cannot be predicted."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import Split
from chainrule.data.tables import LoadedTable, Target, encode_table, load_table
from chainrule.errors import DataError, OptionError


def loaded(values: Any, **options: Any) -> LoadedTable:
    columns = values if isinstance(values, dict) else {"t": values}
    rows = len(next(iter(columns.values())))
    return load_table({"x": np.arange(rows), **columns}, list(columns), **options)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a", "b", "a"], "classification", ("a", "b")),
        ([True, False, True], "classification", ("False", "True")),
        (["TRUE", "false", None], "classification", ("False", "True")),
        ([0, 1, 1], "classification", ("0", "1")),
        ([0.0, 1.0, None], "classification", ("0", "1")),
        ([-1, 1], "classification", ("-1", "1")),
        ([3, 10, 2] * 5, "classification", ("2", "3", "10")),
        ([1, 2, 3], "regression", ()),
        (list(range(21)) * 10, "regression", ()),
        ([0.5, 1.5] * 10, "regression", ()),
        (["1", "2", "10"] * 3, "classification", ("1", "10", "2")),  # text, as the dataframe says
    ],
)
def test_the_task_is_what_the_target_looks_like(
    values: list[Any], task: str, classes: tuple[str, ...]
) -> None:
    found = loaded(values)
    assert (found.task, found.target.class_names) == (task, classes)
    assert found.target.outputs == (len(classes) or 1)
    assert found.t.dtype == (np.int64 if classes else np.float32)
    assert found.t.shape == ((found.rows,) if classes else (found.rows, 1))


def test_the_task_can_be_asked_for() -> None:
    assert loaded([0, 1, 1, 0], task="regression").task == "regression"
    assert loaded([1.5, 2.5] * 3, task="classification").target.class_names == ("1.5", "2.5")
    assert loaded(["1", "2.5", "4"], task="regression").t.shape == (3, 1)
    with pytest.raises(OptionError, match="no task 'clustering'"):
        loaded([0, 1], task="clustering")


def test_several_columns_are_several_outputs() -> None:
    columns = {"a": [1.0, 2.0, 4.0, 9.0], "b": [0, 1, 1, None]}
    found = loaded(columns)
    assert (found.task, found.target.outputs, found.t.shape) == ("regression", 2, (3, 2))
    np.testing.assert_allclose(found.target.decode(found.t), [[1, 0], [2, 1], [4, 1]], atol=1e-6)
    with pytest.raises(OptionError, match="one target column, but got a, b"):
        loaded(columns, task="classification")
    with pytest.raises(DataError, match=r"'b' expects numbers, but row 2 .* 'x'"):
        loaded({"a": [1.0, 2.0], "b": [1, "x"]})
    with pytest.raises(OptionError, match="at least one column"):
        load_table({"x": [1, 2]}, [])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (["a"] * 5, {}, "at least two classes, but every row is 'a'"),
        ([1] * 5, {}, "at least two classes, but every row is '1'"),
        ([True, None, True], {}, "at least two classes, but every row is 'True'"),
        ([None] * 5, {}, "none of 5 rows has a value"),
        ([1.5] * 5, {}, "is 1.5 in every training row"),
        ([1.5, 2.5, "abc", 3], {"task": "regression"}, "'t' expects numbers.*row 3 .* 'abc'"),
        ([1.5, 2.5, "abc", 3], {}, "4 different values such as 'abc' in 4 rows"),
        ([f"name {i}" for i in range(9)], {}, "too many for classes"),
        (["2024-01-31", "2024-02-01"], {}, "'t' holds dates"),
        ([1.0, float("inf")], {}, "'t' expects finite numbers, but row 2"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    values: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        loaded(values, **options)


def test_values_are_standardized_by_the_training_rows_and_come_back() -> None:
    values = np.array([10.0, 20.0, 60.0, 1000.0])
    train, test = np.arange(3), np.array([3])
    found = loaded(values, split=lambda rows: Split(train, test[:0], test))
    t = (values - 30) / values[:3].std()
    np.testing.assert_allclose(found.t[:, 0], t, rtol=1e-6)
    np.testing.assert_allclose(found.target.decode(found.t)[:, 0], values, rtol=1e-6)


def test_classes_by_number_and_back() -> None:
    found = loaded(["b", "a", "c", "a", "b", "c"])
    assert found.t.tolist() == [1, 0, 2, 0, 1, 2]
    assert found.target.decode(found.t).tolist() == ["b", "a", "c", "a", "b", "c"]
    for bad in ([3], [-1], [0.0]):
        with pytest.raises(DataError, match="class numbers from 0 to 3 - 1"):
            found.target.decode(bad)


def test_a_class_that_training_did_not_have_is_refused() -> None:
    found = loaded(["setosa", "virginica"] * 3)
    table = {"x": [1, 2], "t": ["setosa", "setsa"]}
    message = r"row 2 .* class 'setsa'.* Did you mean 'setosa'\? Known: 'setosa', 'virginica'"
    with pytest.raises(DataError, match=message):
        encode_table(table, found.encoder, found.target)
    with pytest.raises(DataError, match=r"no column 't'"):
        encode_table({"x": [1]}, found.encoder, found.target)


@settings(max_examples=50)
@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=20)
    | st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20)
    | st.lists(st.sampled_from(["가", "나", "a"]), min_size=2, max_size=20)
    | st.lists(st.booleans(), min_size=2, max_size=20)
)
def test_plain_data_and_back_is_the_same_target(values: list[Any]) -> None:
    try:
        found = loaded(values)
    except DataError as error:
        assert error.key in {
            "tables.one_class",
            "tables.constant_target",
            "tables.too_many_classes",
        }
        return
    again = Target.from_dict(json.loads(json.dumps(found.target.to_dict())))
    assert (again.names, again.forms) == (found.target.names, found.target.forms)
    assert (again.task, again.class_names) == (found.task, found.target.class_names)
    t = encode_table({"x": np.arange(len(values)), "t": values}, found.encoder, again).t
    np.testing.assert_array_equal(t, found.t)


CLASSES = loaded(["b", "a"] * 3).target.to_dict()
NUMBERS = loaded([1.5, 2.5, 4.0]).target.to_dict()


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"columns": []},
        {"columns": [{"name": 3, "kind": "text", "date_format": ""}]},
        {"columns": [{"name": "t", "kind": "tea", "date_format": ""}]},
        {"columns": CLASSES["columns"] * 2},
        {"class_names": ["a"]},
        {"class_names": ["a", "a"]},
        {"class_names": "ab"},
        {"scaling": NUMBERS["scaling"]},
        {"scaling": 3},
    ],
)
def test_damaged_data_are_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="Target expects the plain data"):
        Target.from_dict({**CLASSES, **damage})


@pytest.mark.parametrize(
    "scaling",
    [
        None,
        {"kind": "Scaling"},
        {"kind": "UnitNorm", "features": 1},
        {"kind": "Scaling", "offset": [0.0], "scale": [0.0]},
        {"kind": "Scaling", "offset": [0.0], "scale": [float("nan")]},
        {"kind": "Scaling", "offset": [0.0, 1.0], "scale": [1.0, 1.0]},
        {"kind": "Scaling", "offset": "x", "scale": [1.0]},
        {"kind": "Scaling", "offset": [10**400], "scale": [1.0]},
    ],
)
def test_a_damaged_scaling_is_refused(scaling: Any) -> None:
    assert Target.from_dict(NUMBERS).task == "regression"
    with pytest.raises(DataError):
        Target.from_dict({**NUMBERS, "scaling": scaling})

"""What all maps have in common: calls, plain data, refusals."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import data, storage
from chainrule.errors import DataError

X = np.random.default_rng(0).normal(1e3, 7, (50, 4)) @ np.diag([1, 2, 3, 4])

MAPS = [
    data.Scaling.centred(X),
    data.Scaling.standard(X),
    data.Scaling.min_max(X, -1, 1),
    data.UnitNorm(4),
    data.Projection.pca(X, 2),
    data.Projection.whitening(X, epsilon=0.1),
    data.ZCA.whitening(X),
]

every_map = pytest.mark.parametrize("fitted", MAPS, ids=repr)


def test_every_kind_is_tested() -> None:
    assert {type(fitted).__name__ for fitted in MAPS} == set(data.Map.kinds)


@every_map
def test_a_file_keeps_every_digit(fitted: data.Map, tmp_path: Path) -> None:
    storage.write_json(tmp_path / "map.json", fitted.to_dict())
    again = data.Map.from_dict(storage.read_json(tmp_path / "map.json"))
    assert type(again) is type(fitted) and again.shape == fitted.shape
    assert np.array_equal(again(X), fitted(X))


@every_map
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type_and_leading_axes_their_shape(fitted: data.Map, dtype: type) -> None:
    x = X[:6].astype(dtype)
    z = fitted(x)
    assert z.dtype == dtype
    sequence = fitted(x.reshape(2, 3, 4))
    assert np.array_equal(sequence, z.reshape(2, 3, -1))
    np.testing.assert_allclose(fitted(x[0]), z[0], rtol=1e-5)
    assert fitted(x[:0]).shape == (0, fitted.shape[1])


@every_map
def test_integers_become_float64_and_x_is_not_written_to(fitted: data.Map) -> None:
    x = X.astype(np.int64)
    before = x.copy()
    assert fitted(x).dtype == np.float64
    assert np.array_equal(x, before)


@every_map
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_numbers_that_are_not_finite_never_pass(fitted: data.Map, bad: float) -> None:
    x = X.copy()
    x[7, 3] = bad
    with pytest.raises(DataError, match=f"{type(fitted).__name__}.* {bad} in row 7, column 3"):
        fitted(x)


@every_map
def test_another_number_of_features_is_refused(fitted: data.Map) -> None:
    with pytest.raises(DataError, match=r"x.shape\[-1\] == 4, but got shape \(3, 5\)"):
        fitted(np.ones((3, 5)))
    with pytest.raises(DataError, match=r"inverse expects x.shape\[-1\] == \d, but got shape \(\)"):
        fitted.inverse(np.float64(1))


def test_results_that_overflow_are_refused() -> None:
    tiny = data.Scaling([0.0], [1e-30])
    with pytest.raises(DataError, match="float32 cannot hold"):
        tiny(np.array([[1e20]], np.float32))
    assert tiny(np.array([[1e20]])).item() == pytest.approx(1e50)


def test_a_map_cannot_be_changed_and_keeps_its_own_numbers() -> None:
    offset = np.zeros(2)
    scaling = data.Scaling(offset, np.ones(2))
    offset[:] = 7
    assert np.array_equal(scaling.offset, [0, 0])
    with pytest.raises(ValueError, match="read-only"):
        scaling.scale[0] = 0
    with pytest.raises(AttributeError):
        scaling.scale = offset  # type: ignore[misc]


WRITTEN = json.loads(json.dumps(MAPS[4].to_dict(), default=np.ndarray.tolist))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"kind": "Projektion"}, "'Projektion'"),
        ({"kind": None}, "plain data of one of .*Scaling"),
        ({"kind": ["Scaling"]}, "plain data of one of .*Scaling"),
        ({"kind": "Scaling"}, "Scaling hold offset, scale, but got mean"),
        ({"more": [1.0]}, "but got .*more"),
        ({"mean": None}, r"mean to be numbers of shape \[features\]"),
        ({"mean": "text"}, "but got str"),
        ({"mean": [[1.0, 2.0], [3.0]]}, "but got list"),
        ({"mean": [1.0, 2.0, 3.0]}, r"axes to be .*\[components, features\], but got \(2, 4\)"),
        ({"mean": []}, r"but got \(0,\)"),
        ({"axes": [1.0, 2.0]}, r"but got \(2,\)"),
        ({"mean": [1.0, None, 3.0, 4.0]}, "finite numbers in mean"),  # what JSON makes of NaN
        ({"mean": [1.0, -(10**400), 3.0, 4.0]}, "finite numbers in mean"),  # JSON has such integers
        ({"scale": [1.0, 0.0]}, "above 0 in scale"),
        ({"scale": [1.0, 10**400]}, "above 0 in scale"),
        ({"scale": [1.0, float("nan")]}, "above 0 in scale"),
    ],
)
def test_damaged_data_are_refused(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.Map.from_dict({**WRITTEN, **damage})


@pytest.mark.parametrize("values", [None, [], "Scaling", {}])
def test_what_is_no_map_is_refused(values: Any) -> None:
    with pytest.raises(DataError, match=r"plain data of one of .*Scaling"):
        data.Map.from_dict(values)


def test_a_missing_entry_is_refused() -> None:
    with pytest.raises(DataError, match="hold mean, axes, scale"):
        data.Map.from_dict({name: WRITTEN[name] for name in ("kind", "mean")})


def test_a_saved_map_needs_numpy_alone(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    storage.write_json(path, MAPS[6].to_dict())
    code = f"""if True:
        import sys
        import numpy as np
        from chainrule import data, storage
        fitted = data.Map.from_dict(storage.read_json({str(path)!r}))
        fitted.inverse(fitted(np.ones((2, 4))))
        assert not {{"pandas", "scipy", "sklearn"}} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)

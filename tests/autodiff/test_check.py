"""``check_gradient`` finds what is wrong, and says so in a sentence."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError, ShapeError


def cubes(tree: Any) -> Any:
    return (tree["w"] ** 3).sum() + 2.0 * tree["b"][0]


TREE = {"w": np.arange(1.0, 7.0).reshape(2, 3), "b": (np.float64(4.0),)}


def right(tree: Any) -> Any:
    return {"w": 3 * tree["w"] ** 2, "b": (np.float64(2.0),)}


def wrong_at(row: int, column: int, by: float) -> Any:
    def gradient(tree: Any) -> Any:
        error = np.zeros((2, 3))
        error[row, column] = by
        return {**right(tree), "w": 3 * tree["w"] ** 2 + error}

    return gradient


def test_a_right_gradient() -> None:
    check = cr.check_gradient(cubes, TREE)
    assert check
    assert check.error < 1e-9
    assert check.worst is None
    assert repr(check).startswith("The gradient is right: along 5 random directions it differs")
    assert cr.check_gradient(cubes, TREE, gradient=right)


@pytest.mark.parametrize("by", [1.0, 1e-3, -100.0])
def test_a_wrong_entry_is_named(by: float) -> None:
    check = cr.check_gradient(cubes, TREE, gradient=wrong_at(1, 2, by))
    assert not check
    assert check.verdict == "wrong"
    assert (check.worst.path, check.worst.index) == ("w", (1, 2))
    np.testing.assert_allclose(check.worst.claimed, 108.0 + by)
    np.testing.assert_allclose(check.worst.measured.value, 108.0, rtol=1e-9)
    wanted = f"The gradient is wrong at arguments[0].w[1, 2]: it is {108 + by:.6g}, but finite"
    assert repr(check).startswith(wanted)


def test_a_wrong_scalar_has_no_index() -> None:
    check = cr.check_gradient(cubes, TREE, gradient=lambda t: {**right(t), "b": (2.1,)})
    assert "at arguments[0].b.0: it is 2.1, but finite differences give 2." in repr(check)
    check = cr.check_gradient(lambda x: x**2, 3.0, gradient=lambda x: x)
    assert repr(check).startswith("The gradient is wrong at arguments[0]: it is 3, but")


def test_one_wrong_entry_among_many() -> None:
    def gradient(w: Any) -> Any:
        error = np.zeros((60, 50))
        error[37, 11] = 0.01
        return cr.cos(w) + error

    w = np.random.default_rng(0).standard_normal((60, 50))
    check = cr.check_gradient(lambda w: cr.sin(w).sum(), w, gradient=gradient)
    assert check.worst.index == (37, 11)


def test_the_scale_of_the_function_does_not_matter() -> None:
    for scale in (1e-12, 1.0, 1e12):
        assert cr.check_gradient(lambda x, s=scale: (cr.sin(x) * s).sum(), TREE["w"])
        assert not cr.check_gradient(
            lambda x, s=scale: (cr.sin(x) * s).sum(),
            TREE["w"],
            gradient=lambda x, s=scale: cr.cos(x) * s * 1.001,
        )


def test_a_gradient_of_zero() -> None:
    assert cr.check_gradient(lambda x: (x**2).sum(), np.zeros(3))
    assert cr.check_gradient(lambda x: (x * 0.0).sum(), np.ones(3))
    assert cr.check_gradient(lambda x: (cr.cos(x) + 1e6).sum(), np.zeros(3))
    assert not cr.check_gradient(lambda x: (x * 0.0).sum(), np.ones(3), gradient=lambda x: x)


def test_single_precision_arguments_are_converted() -> None:
    single = cr.tree_map(lambda x: x.astype("float32"), {"w": TREE["w"], "b": (TREE["w"],)})
    seen = []

    def cost(tree: Any, x: Any, n: Any) -> Any:
        seen.append((tree["w"].dtype, x.dtype, n.dtype))
        return (cr.exp(-tree["w"]) * x * n.astype("float64")).sum()

    assert cr.check_gradient(cost, single, np.ones(3, np.float32), np.arange(3))
    assert set(seen) == {(np.dtype("float64"), np.dtype("float64"), np.dtype("int64"))}


def test_keyword_arguments_and_other_options() -> None:
    def cost(x: Any, *, power: int) -> Any:
        return (x**power).sum()

    assert cr.check_gradient(cost, TREE["w"], power=3)
    loose = cr.check_gradient(
        cost, TREE["w"], power=3, gradient=lambda x, power: 3.003 * x**2, tolerance=1e-2
    )
    assert loose
    assert loose.error > 1e-6
    one = cr.check_gradient(cost, TREE["w"], power=2, directions=1, rng=np.random.default_rng(3))
    assert "along 1 random directions" in repr(one)


def test_a_kink_has_no_derivative() -> None:
    at = {"x": np.array([1.0, 0.0, -2.0])}
    for f in (lambda t: cr.abs(t["x"]).sum(), lambda t: cr.maximum(t["x"], 0.0).sum()):
        check = cr.check_gradient(f, at)
        assert not check
        assert check.verdict == "kink"
        assert check.worst.place == "arguments[0].x[1]"
    assert "its slope is 0 on the left and 1 on the right" in repr(check)
    assert cr.check_gradient(lambda t: cr.abs(t["x"]).sum(), {"x": np.array([1.0, 0.1, -2.0])})


def test_strong_curvature_is_no_kink() -> None:
    assert cr.check_gradient(lambda x: cr.sqrt(x**2 + 1e-3).sum(), np.array([0.0, 1.0]))
    assert cr.check_gradient(lambda x: (1e4 * x**2).sum(), np.array([0.0, 1.0]))


def test_a_gradient_that_is_not_finite() -> None:
    check = cr.check_gradient(lambda x: cr.sqrt(x).sum(), np.array([1.0, 0.0]))
    assert (check.verdict, check.worst.index) == ("not finite", (1,))
    assert "not finite at arguments[0][1]: it is inf" in repr(check)

    def masked_too_late(x: Any) -> Any:
        return cr.where(x > 0, cr.log(x), 0.0).sum()

    check = cr.check_gradient(masked_too_late, np.array([1.0, -3.0, 0.0]))
    assert check.verdict == "not finite"
    assert np.isnan(check.worst.claimed)


def test_a_function_that_is_not_finite() -> None:
    with pytest.raises(GradientError, match="its value there is nan"):
        cr.check_gradient(lambda x: cr.log(x).sum(), np.array([-1.0]))


@pytest.mark.parametrize("at", [[1.0, 0.3], [0.3, 1.7], [2.0, -5.0]])
def test_differences_that_do_not_settle_decide_nothing(at: list[float]) -> None:
    """Computed in float32, the values are too coarse for any difference."""
    check = cr.check_gradient(lambda x: (x.astype("float32") ** 2).sum(), np.array(at))
    assert (bool(check), check.verdict) == (False, "unsure")
    assert repr(check).startswith("The gradient could not be checked: finite differences do not")


def test_a_gradient_of_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"shape \(2, 3\) at arguments\[0\].w, but got \(3,\)"):
        cr.check_gradient(cubes, TREE, gradient=lambda t: {**right(t), "w": np.zeros(3)})
    with pytest.raises(ShapeError, match="check_gradient expects a tree with the leaves"):
        cr.check_gradient(cubes, TREE, gradient=lambda t: t["w"])
    with pytest.raises(GradientError, match="check_gradient expects floating leaves"):
        cr.check_gradient(cubes, {"w": np.arange(6), "b": (1.0,)})


def test_korean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_LANG", "ko")
    assert repr(cr.check_gradient(cubes, TREE)).startswith("기울기가 맞습니다. 무작위 방향 5개")
    wrong = repr(cr.check_gradient(cubes, TREE, gradient=wrong_at(0, 1, 2.0)))
    assert wrong.startswith("arguments[0].w[0, 1]의 기울기가 틀렸습니다. 기울기는 14인데")
    assert "꺾입니다" in repr(cr.check_gradient(lambda x: cr.abs(x), np.float64(0.0)))

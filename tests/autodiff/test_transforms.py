"""``grad``, ``vjp``, ``jvp``, ``vmap``, ``jacobian`` as functions of trees."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError


class Pair(NamedTuple):
    left: Any
    right: Any


X = np.array([1.0, 2.0, 3.0])
TREE = {"a": [X, None, (X * 2,)], "b": Pair(np.float64(3.0), {"c": X[:2]})}


def of_tree(tree: Any) -> Any:
    x, _, (y,) = tree["a"]
    return (x * y).sum() * tree["b"].left + (tree["b"].right["c"] ** 2).sum()


# ---------------------------------------------------------------------- trees
def test_a_gradient_has_the_shape_of_the_argument(assert_close: Any) -> None:
    wanted = {
        "a": [cr.asarray(6 * X), None, (cr.asarray(3 * X),)],
        "b": Pair(cr.asarray(np.float64(28.0)), {"c": cr.asarray(2 * X[:2])}),
    }
    value, gradient = cr.value_and_grad(of_tree)(TREE)
    assert value.item() == 84.0 + 5.0
    assert_close(gradient, wanted)
    assert type(gradient["b"]) is Pair


def test_forward_and_reverse_agree_on_trees(assert_close: Any) -> None:
    direction = cr.tree_map(lambda x: np.cos(x), TREE)
    value, slope = cr.jvp(of_tree, (TREE,), (direction,))
    gradient = cr.grad(of_tree)(TREE)
    products = cr.tree_map(lambda g, v: (g * v).sum(), gradient, direction)
    assert_close(slope, sum(cr.tree_leaves(products)))
    assert_close(value, of_tree(cr.tree_map(cr.asarray, TREE)))


def test_the_same_leaf_used_twice_gets_both_contributions() -> None:
    def tied(tree: Any) -> Any:
        return (tree["encode"] * tree["decode"]).sum()

    shared = cr.asarray(X)
    gradient = cr.grad(lambda w: tied({"encode": w, "decode": w}))(shared)
    assert gradient.tolist() == [2.0, 4.0, 6.0]
    apart = cr.grad(tied)({"encode": shared, "decode": shared})
    assert [apart[k].tolist() for k in ("encode", "decode")] == [[1.0, 2.0, 3.0]] * 2


def test_empty_trees_have_empty_gradients() -> None:
    gradient = cr.grad(lambda t, x: x.sum(), argnums=(0, 1))({"a": None, "b": ()}, X)
    assert gradient[0] == {"a": None, "b": ()}
    assert cr.jvp(lambda t: cr.tensor(1.0), (None,), (None,))[1].item() == 0.0
    assert cr.jacobian(lambda t: {"y": cr.tensor(X)}, mode="forward")([]) == {"y": []}
    assert cr.jacobian(lambda x: ())(X) == ()


def test_models_are_trees(assert_close: Any) -> None:
    @dataclass(frozen=True)
    class Line:
        slope: Any
        offset: Any

        def tree_flatten(self) -> Any:
            return ("slope", "offset"), (self.slope, self.offset), None

        @classmethod
        def tree_unflatten(cls, aux: Any, names: Any, children: Any) -> "Line":
            return cls(*children)

        def __call__(self, x: Any) -> Any:
            return x * self.slope + self.offset

    model = Line(np.float64(2.0), np.float64(1.0))
    gradient = cr.grad(lambda m, x: (m(x) ** 2).sum())(model, X)
    assert type(gradient) is Line
    wanted = Line(cr.asarray((2 * (2 * X + 1) * X).sum()), cr.asarray((2 * (2 * X + 1)).sum()))
    assert_close(gradient, wanted)


# ---------------------------------------------------------------------- what does not move
def test_a_constant_function_has_gradient_zero(assert_close: Any) -> None:
    zeros = cr.zeros(3, np.float64)
    assert_close(cr.grad(lambda x: cr.tensor(2.0))(X), zeros)
    assert_close(cr.grad(lambda x: 2.0)(X), zeros)
    assert_close(cr.grad(lambda x: cr.stop_gradient(x).sum())(X), zeros)
    assert_close(cr.grad(lambda x: cr.floor(x).sum() + cr.argmax(x) * 1.0)(X), zeros)
    assert_close(
        cr.jvp(lambda x: (x > 0, x * 0 + 1), (X,), (X,))[1], (cr.asarray([False] * 3), zeros)
    )
    assert_close(cr.jacobian(lambda x: cr.ones(2, np.float64))(X), cr.zeros((2, 3), np.float64))
    assert_close(cr.hessian(lambda x: x.sum())(X), cr.zeros((3, 3), np.float64))


def test_an_argument_that_is_not_used(assert_close: Any) -> None:
    first, second = cr.grad(lambda x, y: (x**2).sum(), (0, 1))(X, X)
    assert_close((first, second), (cr.asarray(2 * X), cr.zeros(3, np.float64)))
    _, pullback = cr.vjp(lambda x, y: x * 2.0, X, X)
    assert_close(pullback(X), (cr.asarray(2 * X), cr.zeros(3, np.float64)))


def test_integers_and_booleans_pass_through() -> None:
    def f(x: Any) -> Any:
        return {"order": cr.argsort(x), "positive": x > 0, "twice": x * 2.0}

    value, tangent = cr.jvp(f, (X,), (X,))
    assert value["order"].tolist() == [0, 1, 2]
    assert tangent["twice"].tolist() == [2.0, 4.0, 6.0]
    assert tangent["order"].tolist() == [0, 0, 0]
    value, pullback = cr.vjp(f, X)
    (cotangent,) = pullback({"order": value["order"], "positive": value["positive"], "twice": X})
    assert cotangent.tolist() == [2.0, 4.0, 6.0]


def test_number_types_are_kept() -> None:
    single, double = np.float32([1.0, 2.0]), np.float64([3.0, 4.0])
    gradients = cr.grad(lambda x, y: (x * y).sum(), (0, 1))(single, double)
    assert [g.dtype for g in gradients] == [np.float32, np.float64]
    assert cr.grad(lambda x: x**2)(3.0).dtype == np.float32
    value, slope = cr.jvp(lambda x: x.astype("float64"), (single,), (single,))
    assert value.dtype == slope.dtype == np.float64


# ---------------------------------------------------------------------- argnums, aux, keywords
def test_argnums() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y**2 * z**3

    at = (2.0, 3.0, 5.0)
    assert cr.grad(f, 1)(*at).item() == cr.grad(f, -2)(*at).item() == 1500.0
    pair = cr.grad(f, (2, 0))(*at)
    assert [g.item() for g in pair] == [1350.0, 1125.0]
    assert [g.item() for g in cr.grad(f, [-1, 0])(*at)] == [1350.0, 1125.0]
    assert type(cr.grad(f, (1,))(*at)) is tuple
    assert cr.jacobian(f, -1)(*at).item() == 1350.0
    assert cr.hessian(f, -2)(*at).item() == 500.0
    assert [g.item() for g in cr.jacobian(f, (2, -3))(*at)] == [1350.0, 1125.0]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_several_arguments(mode: str, assert_close: Any) -> None:
    def f(x: Any, tree: Any) -> Any:
        return {"outer": cr.outer(x, tree["y"]), "sum": x.sum() + tree["y"].sum()}

    x, tree = X, {"y": X[:2]}
    got = cr.jacobian(f, (0, 1), mode=mode)(x, tree)
    outer = np.einsum("ik,j->ijk", np.eye(3), X[:2]), np.einsum("i,jk->ijk", X, np.eye(2))
    assert_close(got["outer"], (cr.asarray(outer[0]), {"y": cr.asarray(outer[1])}))
    assert_close(got["sum"], (cr.ones(3, np.float64), {"y": cr.ones(2, np.float64)}))


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        return (x**2).sum(), {"x": x, "half": x.sum() / 2, "n": x.size}

    (value, aux), gradient = cr.value_and_grad(f, has_aux=True)(X)
    assert (value.item(), gradient.tolist()) == (14.0, [2.0, 4.0, 6.0])
    assert (aux["half"].item(), aux["n"].item(), aux["x"].tolist()) == (3.0, 3, [1.0, 2.0, 3.0])
    gradient, aux = cr.grad(f, has_aux=True)(X)
    assert gradient.tolist() == [2.0, 4.0, 6.0]
    assert not aux["half"].is_symbolic


def test_an_auxiliary_result_brings_no_nan() -> None:
    def f(x: Any) -> Any:
        return x.sum(), cr.log(x)

    gradient, aux = cr.grad(f, has_aux=True)(np.zeros(2))
    assert gradient.tolist() == [1.0, 1.0]
    assert aux.tolist() == [-np.inf, -np.inf]


def test_keyword_arguments_are_passed_on(assert_close: Any) -> None:
    def f(x: Any, *, power: Any = 1, key: Any = None) -> Any:
        noise = 0.0 if key is None else cr.random.uniform(key, (3,), np.float64)
        return ((x + noise) ** power).sum()

    assert cr.grad(f)(X, power=2).tolist() == [2.0, 4.0, 6.0]
    assert cr.hvp(f)(X, X, power=3).tolist() == (6 * X * X).tolist()
    assert cr.jacobian(f)(X, power=2).tolist() == [2.0, 4.0, 6.0]
    assert cr.vmap(lambda x, power: x**power)(X, power=2).tolist() == [1.0, 4.0, 9.0]
    key = cr.random.key(1)
    noise = cr.random.uniform(key, (3,), np.float64)
    assert_close(cr.grad(f)(X, power=2, key=key), 2 * (cr.asarray(X) + noise))


def test_a_transformed_function_keeps_its_name() -> None:
    def cost(x: Any) -> Any:
        """What it costs."""
        return x**2

    for transformed in (cr.grad(cost), cr.vmap(cost), cr.jacobian(cost), cr.hvp(cost)):
        assert (transformed.__name__, transformed.__doc__) == ("cost", "What it costs.")


def test_arguments_keep_their_numbers_unless_they_move() -> None:
    """Python may look at what is not differentiated."""

    def f(x: Any, n: int, flag: bool, name: str) -> Any:
        return (x**n).sum() if flag and name == "power" else x.sum()

    assert cr.grad(f)(X, 2, True, "power").tolist() == [2.0, 4.0, 6.0]
    assert cr.grad(f)(X, 2, False, "power").tolist() == [1.0, 1.0, 1.0]
    assert cr.grad(lambda x, y: x * (2.0 if y > 1 else 3.0))(1.0, cr.tensor(2.0)).item() == 2.0


# ---------------------------------------------------------------------- vjp and jvp
def test_a_pullback_can_be_used_many_times(assert_close: Any) -> None:
    value, pullback = cr.vjp(lambda x: cr.sin(x), X)
    assert_close(value, cr.asarray(np.sin(X)))
    assert_close(pullback(X)[0], cr.asarray(np.cos(X) * X))
    assert_close(pullback(-X)[0], cr.asarray(-np.cos(X) * X))
    rows = cr.vmap(lambda g: pullback(g)[0])(np.eye(3))
    assert_close(rows, cr.asarray(np.diag(np.cos(X))))


def test_vjp_of_several_results(assert_close: Any) -> None:
    value, pullback = cr.vjp(lambda x, y: (x * y, {"s": x.sum()}), X, X * 2)
    x_bar, y_bar = pullback((X, {"s": 10.0}))
    assert_close((x_bar, y_bar), (cr.asarray(X * X * 2 + 10.0), cr.asarray(X * X)))
    assert value[1]["s"].item() == 6.0


# ---------------------------------------------------------------------- vmap
def test_in_axes_and_out_axes(assert_close: Any) -> None:
    x, y = cr.asarray(np.arange(6.0).reshape(2, 3)), cr.asarray(np.arange(12.0).reshape(3, 4))
    assert_close(cr.vmap(lambda r: r.sum())(x), x.sum(axis=1))
    assert_close(cr.vmap(lambda c: c.sum(), in_axes=1)(x), x.sum(axis=0))
    assert_close(cr.vmap(lambda c: c.sum(), in_axes=-1)(x), x.sum(axis=0))
    table = cr.vmap(lambda c, y: c[0] * y, in_axes=(1, None), out_axes=-1)(x, y)
    assert_close(table, cr.stack([x[0, i] * y for i in range(3)], axis=-1))
    assert_close(
        cr.vmap(lambda c, r: c[1] * r, in_axes=(1, 0), out_axes=1)(x, y), (x[1][:, None] * y).T
    )


def test_vmap_of_trees(assert_close: Any) -> None:
    batch = {"x": cr.asarray(np.arange(6.0).reshape(2, 3)), "none": None}
    result = cr.vmap(lambda t, s: {"y": t["x"] * s, "s": s}, in_axes=(0, None))(batch, X)
    assert_close(result, {"y": batch["x"] * X, "s": cr.stack([X, X])})


def test_options_are_the_same_for_every_example(assert_close: Any) -> None:
    x = cr.asarray(np.arange(6.0).reshape(2, 3))
    assert_close(cr.vmap(lambda x, n, name, c: x**n * c)(x, 2, "square", 3.0), x**2 * 3.0)


def test_a_result_that_is_the_same_for_every_example_is_repeated() -> None:
    same, mapped = cr.vmap(lambda x: (cr.tensor(7.0), x))(X)
    assert same.tolist() == [7.0, 7.0, 7.0]
    assert mapped.tolist() == X.tolist()


def test_vmap_over_no_examples() -> None:
    f = cr.vmap(cr.grad(lambda x: (cr.sin(x) ** 2).sum()))
    assert f(np.zeros((0, 3))).shape == (0, 3)


def test_per_sample_gradients_add_up(assert_close: Any) -> None:
    rng = np.random.default_rng(0)
    model = {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
    xs, ts = rng.standard_normal((5, 3)), np.array([0, 1, 1, 0, 1])

    def cost(model: Any, x: Any, t: Any) -> Any:
        logits = x @ model["w"] + model["b"]
        return cr.logsumexp(logits) - logits[t]

    each = cr.vmap(cr.grad(cost), in_axes=(None, 0, 0))(model, xs, ts)
    whole = cr.grad(lambda m: cr.vmap(cost, in_axes=(None, 0, 0))(m, xs, ts).sum())(model)
    assert_close(cr.tree_map(lambda g: g.sum(axis=0), each), whole)


def test_random_numbers_in_a_batch_come_from_each_examples_key(assert_close: Any) -> None:
    keys = cr.random.split(cr.random.key(0), 4)
    batch = cr.vmap(lambda k: cr.random.normal(k, (3,)))(keys)
    assert_close(batch, cr.stack([cr.random.normal(k, (3,)) for k in keys]))
    shared = cr.vmap(lambda x: x + cr.random.uniform(keys[0], ()))(np.zeros(3, np.float32))
    assert len(set(shared.tolist())) == 1


# ---------------------------------------------------------------------- jacobians
def test_jacobian_of_trees(assert_close: Any) -> None:
    def f(tree: Any) -> Any:
        return tree["x"] * tree["s"], (tree["s"] ** 2,)

    tree = {"x": X, "s": np.float64(4.0)}
    for mode in ("forward", "reverse"):
        product, (square,) = cr.jacobian(f, mode=mode)(tree)
        assert_close(product, {"x": cr.asarray(np.eye(3) * 4.0), "s": cr.asarray(X)})
        assert_close(square, {"x": cr.zeros(3, np.float64), "s": cr.asarray(np.float64(8.0))})


def test_hessian_of_a_tree_has_a_block_per_pair_of_leaves(assert_close: Any) -> None:
    tree = {"x": X, "s": np.float64(4.0)}
    blocks = cr.hessian(lambda t: (t["x"] ** 2).sum() * t["s"])(tree)
    assert_close(blocks["x"]["x"], cr.asarray(np.eye(3) * 8.0))
    assert_close(blocks["x"]["s"], cr.asarray(2 * X))
    assert_close(blocks["s"]["x"], cr.asarray(2 * X))
    assert_close(blocks["s"]["s"], cr.asarray(np.float64(0.0)))


def test_empty_jacobians() -> None:
    for mode in ("forward", "reverse"):
        assert cr.jacobian(lambda x: x[:0], mode=mode)(X).shape == (0, 3)
        assert cr.jacobian(lambda x: X * 2.0, mode=mode)(np.zeros((0, 2))).shape == (3, 0, 2)


# ---------------------------------------------------------------------- errors that teach
def square(x: Any) -> Any:
    return x**2


MISTAKES = {
    "vector": (
        lambda: cr.grad(square)(X),
        "expects the function to return one floating number of shape (), but it returned f64[3]",
        "함수가 형상 ()인 실수 하나를 반환",
    ),
    "integer_result": (
        lambda: cr.grad(lambda x: cr.argmax(x))(X),
        "but it returned i64[]",
        "i64[]을(를) 반환",
    ),
    "two_results": (
        lambda: cr.grad(lambda x: (x.sum(), x))(X),
        "but it returned tuple of f64[], f64[3]. Reduce it (y.mean(), y.sum())",
        "has_aux=True로 (값, aux)를",
    ),
    "nothing": (lambda: cr.grad(lambda x: None)(X), "but it returned None", "None을(를) 반환"),
    "aux": (
        lambda: cr.grad(lambda x: x.sum(), has_aux=True)(X),
        "With has_aux=True the function is expected to return (value, aux), but it returned f64[]",
        "(값, aux)를 반환해야 하는데 f64[]",
    ),
    "integer_leaf": (
        lambda: cr.grad(lambda t: t["n"] * 1.0)({"n": np.arange(3), "w": X}),
        "grad expects floating leaves, but got i64[3] at arguments[0].n. Convert it",
        "arguments[0].n에 i64[3]",
    ),
    "python_integer": (
        lambda: cr.grad(square)(3),
        "but got i64[] at arguments[0]. Convert it (x.astype('float32'), 3.0 instead of 3)",
        "3 대신 3.0",
    ),
    "string_leaf": (
        lambda: cr.grad(lambda w, t: t["w"].sum(), 1)(X, {"w": X, "name": "layer"}),
        "grad expects tensors at the leaves of the argument, but got str at arguments[1].name",
        "arguments[1].name에 str",
    ),
    "argnums": (
        lambda: cr.grad(square, 1)(X),
        "-1 <= argnum < 1, the number of positional arguments, but got argnums=1",
        "서로 다르고 -1 <= argnum < 1",
    ),
    "argnums_twice": (
        lambda: cr.grad(lambda x, y: x * y, (0, -2))(1.0, 2.0),
        "grad expects different argnums",
        "서로 다르고",
    ),
    "jacobian_argnums": (
        lambda: cr.jacobian(square, -2)(X),
        "jacobian expects different argnums, each with -1 <= argnum < 1",
        "argnums=-2",
    ),
    "no_function": (
        lambda: cr.grad(cr.tensor(1.0)),
        "grad expects a function, but got Tensor. Write grad(f)(x), not grad(f(x))",
        "grad(f(x))가 아니라 grad(f)(x)",
    ),
    "vmap_lengths": (
        lambda: cr.vmap(lambda x, y: x * y["w"])(X, {"w": X[:2]}),
        "mapped axes of one length, but got arguments[0]: 3, arguments[1].w: 2",
        "길이가 모두 같아야",
    ),
    "vmap_nothing": (
        lambda: cr.vmap(square, in_axes=None)(X),
        "vmap expects at least one tensor to map over, but got none with in_axes=None",
        "대응할 텐서가 하나는 있어야",
    ),
    "vmap_numbers_only": (lambda: cr.vmap(square)(3.0), "but got none with in_axes=0", "in_axes=0"),
    "vmap_axis": (
        lambda: cr.vmap(lambda x, y: x * y, in_axes=(0, 1))(X, X),
        "vmap(in_axes=1) expects that axis in every mapped leaf, but got f64[3] at arguments[1]",
        "arguments[1]의 f64[3]",
    ),
    "vmap_count": (
        lambda: cr.vmap(square, in_axes=(0, 0))(X),
        "vmap expects one entry of in_axes per argument (1), but got in_axes=(0, 0)",
        "인수(1개)마다 하나씩",
    ),
    "vmap_out_axis": (
        lambda: cr.vmap(square, out_axes=2)(X),
        "vmap(…, out_axes=2) expects -1 <= axis < 1, but got axis=2",
        "axis=2",
    ),
    "tangent_shape": (
        lambda: cr.jvp(lambda t: t["w"].sum(), ({"w": X},), ({"w": X[:2]},)),
        "jvp expects f64[3] at '0.w', but got f64[2]",
        "'0.w'에는 f64[3]",
    ),
    "tangent_type": (
        lambda: cr.jvp(square, (X,), (X.astype("float32"),)),
        "jvp expects f64[3] at '0', but got f32[3]",
        "f32[3]을(를) 받았습니다",
    ),
    "tangent_tree": (
        lambda: cr.jvp(square, (X,), ({"x": X},)),
        "jvp expects a tree with the leaves ['0'], but got ['0.x']",
        "잎이 ['0']인 트리",
    ),
    "tangent_sequence": (
        lambda: cr.jvp(square, X, X),
        "jvp expects a tuple of arguments and a tuple of tangents, but got ndarray",
        "jvp(f, (x,), (v,))로 쓰세요",
    ),
    "hvp_vector": (
        lambda: cr.hvp(lambda x: square(x).sum())(X, X[:2]),
        "hvp expects f64[3] at '0', but got f64[2]",
        "hvp: '0'에는",
    ),
    "cotangent_shape": (
        lambda: cr.vjp(square, X)[1](X[:2]),
        "vjp expects f64[3] at '', but got f64[2]",
        "vjp: ''에는",
    ),
    "mode": (
        lambda: cr.jacobian(square, mode="backward"),
        "jacobian expects mode 'reverse' or 'forward', but got 'backward'",
        "'reverse' 또는 'forward'",
    ),
    "while": (
        lambda: cr.grad(lambda x: cr.while_loop(lambda s: s < 9.0, lambda s: s * 2, x))(1.0),
        "no reverse-mode derivative, since the number of its steps is not known beforehand",
        "반복 횟수를 미리 알 수 없어",
    ),
    "if": (
        lambda: cr.grad(lambda x: x if x > 0 else -x)(1.0),
        "Choose by value with cr.where",
        "cr.where(조건, x, y)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_taught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, english, korean = MISTAKES[mistake]
    with pytest.raises(ChainruleError) as caught:
        make()
    monkeypatch.setenv("CHAINRULE_LANG", "en")
    assert english in str(caught.value)
    monkeypatch.setenv("CHAINRULE_LANG", "ko")
    assert korean in str(caught.value)

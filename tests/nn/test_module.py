"""Modules: dataclasses that are trees, that do not change, and whose errors name the layer."""

import copy
import dataclasses
import functools
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError, OptionError, ShapeError


class Scale(nn.Module):
    factor: cr.Tensor

    def __call__(self, x):
        return x * self.factor


class Affine(Scale):
    """Inherits a field, adds one with a default, and an option."""

    shift: cr.Tensor | None = None
    power: int = 1

    def __call__(self, x):
        y = super().__call__(x) ** self.power
        return y if self.shift is None else y + self.shift


class OwnInit(nn.Module):
    weight: cr.Tensor
    size: int

    def __init__(self, size):
        self.size = size
        self.weight = cr.ones(size)

    @property
    def twice(self):
        return self.size * 2

    @functools.cached_property
    def total(self):
        return self.weight.sum().item()

    def __call__(self, x):
        return x @ self.weight


class Inherits(OwnInit):
    """No field of its own, so the constructor of the base class has to do."""

    def __call__(self, x):
        return -super().__call__(x)


class Pair(NamedTuple):
    first: object
    second: object


class Holder(nn.Module):
    parts: object

    def __call__(self, x):
        for part in self.parts.values() if isinstance(self.parts, dict) else self.parts:
            x = part(x)
        return x


def leaves(tree):
    return [leaf.tolist() for leaf in cr.tree_leaves(tree)]


# ------------------------------------------------------------------ fields
def test_a_generated_constructor_takes_every_field():
    layer = Affine(cr.tensor(2.0), shift=cr.tensor(1.0), power=2)
    assert layer(3.0).item() == 37.0
    assert cr.tree_paths(layer) == ["factor", "shift"]
    assert cr.tree_paths(Affine(cr.tensor(2.0))) == ["factor"]
    with pytest.raises(TypeError, match="factor"):
        Affine()


def test_a_constructor_written_by_hand_is_kept_and_inherited():
    for cls, sign in ((OwnInit, 1), (Inherits, -1)):
        layer = cls(3)
        assert (layer.size, layer.twice, layer.total) == (3, 6, 3.0)
        assert layer(cr.ones(3)).item() == 3.0 * sign
    extended = Inherits(3).replace(weight=cr.zeros(3))
    assert extended.total == 0.0  # what was cached belonged to the other module


def test_numbers_and_arrays_become_tensors_where_a_tensor_is_declared():
    for given in (2.0, np.float64(2.0), np.array([2.0]), [2.0], 2):
        assert cr.tree_paths(Scale(given)) == ["factor"]
    assert Scale(2.0).factor.dtype == np.float32
    assert Scale(np.float64(2.0)).factor.dtype == np.float64
    assert Affine(1.0).shift is None
    assert cr.tree_paths(Affine(1.0).replace(shift=3.0)) == ["factor", "shift"]
    with pytest.raises(DtypeError, match="Tensors hold"):
        Scale("two")


def test_string_annotations_count_too():
    made = {"__annotations__": {"factor": "cr.Tensor", "rest": "cr.Tensor | None", "n": "int"}}
    late = type("Late", (nn.Module,), made)
    assert cr.tree_paths(late(1.0, 2.0, 3)) == ["factor", "rest"]


def test_fields_without_tensors_are_options():
    layer = Affine(1.0, power=3)
    _, definition = cr.tree_flatten(layer)
    assert definition != cr.tree_flatten(Affine(1.0, power=2))[1]
    assert definition == cr.tree_flatten(Affine(2.0, power=3))[1]
    assert cr.tree_map(lambda leaf: leaf * 2, layer).power == 3


@pytest.mark.parametrize("option", [{"a": 1}, {1, 2}, np.zeros(2)])
def test_an_option_that_cannot_be_compared_is_refused(option):
    with pytest.raises(OptionError, match=r"Holder expects options.*'parts'.*cr\.tensor"):
        Holder(option)


def test_lists_become_tuples():
    sizes = [8, [4, 2]]
    assert Holder(sizes).parts == (8, (4, 2))
    layers = [Scale(1.0), Scale(2.0)]
    holder = Holder(layers)
    layers.clear()
    assert len(holder.parts) == 2 and cr.tree_paths(holder) == ["parts.0.factor", "parts.1.factor"]


def test_fields_whose_names_begin_with_an_underscore_are_fields():
    class Private(nn.Module):
        _weight: cr.Tensor

    assert cr.tree_paths(Private(1.0)) == ["_weight"]
    assert cr.tree_map(lambda leaf: leaf + 1, Private(1.0))._weight.item() == 2.0


def test_field_specifiers_and_post_init():
    class Made(nn.Module):
        width: int = dataclasses.field(default=3, kw_only=True)
        weight: cr.Tensor = dataclasses.field(default_factory=lambda: cr.zeros(2))
        double: int = dataclasses.field(init=False)

        def __post_init__(self):
            self.double = 2 * self.width

    assert (Made(width=5).double, Made().width, cr.tree_paths(Made())) == (10, 3, ["weight"])


def test_a_default_serves_a_constructor_that_sets_nothing():
    class Quiet(nn.Module):
        rate: float = 0.25

        def __init__(self):
            pass

    assert Quiet().rate == 0.25
    assert cr.tree_map(lambda leaf: leaf, Quiet()).rate == 0.25


def test_undeclared_and_missing_values_are_named():
    class Undeclared(nn.Module):
        def __init__(self):
            self.weight = cr.zeros(2)

    class Unset(nn.Module):
        weight: cr.Tensor
        bias: cr.Tensor

        def __init__(self):
            self.weight = cr.zeros(2)

    with pytest.raises(OptionError, match=r"Undeclared expects.*'weight'.*weight: cr\.Tensor"):
        Undeclared()
    with pytest.raises(OptionError, match=r"Unset expects.*'bias'"):
        Unset()


def test_names_of_fixed_fields_are_checked_and_inherited():
    with pytest.raises(OptionError, match=r"Wrong has no field 'rat'\. Did you mean 'rate'"):
        type("Wrong", (nn.Dropout,), {"fixed": ("rat",)})

    class More(nn.Dropout):
        fixed = ("other",)
        other: cr.Tensor

        def __init__(self):
            super().__init__(0.5)
            self.other = cr.zeros(1)

    assert set(More.fixed) == {"rate", "other"}
    assert nn.parameters(More()) == {}


# ------------------------------------------------------------------ containers
def test_containers_of_tensors_modules_and_functions():
    parts = {"b": Scale(2.0), "a": Pair(nn.relu, [Scale(3.0)])}
    holder = Holder(parts)
    assert cr.tree_paths(holder) == ["parts.a.second.0.factor", "parts.b.factor"]
    doubled = cr.tree_map(lambda leaf: leaf * 2, holder)
    assert doubled.parts["a"].first is holder.parts["a"].first
    assert type(doubled.parts["a"]) is Pair and doubled.parts["a"].second[0].factor.item() == 6.0


def test_functions_beside_modules_belong_to_the_shape():
    one, other = (Holder((Scale(1.0), f)) for f in (nn.relu, nn.tanh))
    assert cr.tree_flatten(one)[1] != cr.tree_flatten(other)[1]
    assert cr.tree_flatten(one)[1] == cr.tree_flatten(Holder((Scale(2.0), nn.relu)))[1]
    compiled = cr.compile(lambda model, x: model(x))
    assert compiled(one, cr.tensor(-1.0)).item() == 0.0
    assert compiled(other, cr.tensor(-1.0)).item() == pytest.approx(np.tanh(-1.0))
    assert compiled.trace_count == 2


def test_modules_without_tensors_are_found():
    class Draw(nn.Module):
        random = True

        def __call__(self, x, key=None):
            return x

    assert nn.has_random_layers(Holder((Draw(),)))
    assert [path for path, _ in nn.submodules(Holder({"d": Draw()}))] == ["", "parts.d"]


@pytest.mark.parametrize("stray", [0.5, "name", np.zeros(2)])
def test_a_stray_value_beside_tensors_is_refused(stray):
    with pytest.raises(OptionError, match=r"Holder expects tensors, modules and functions"):
        Holder((cr.zeros(2), stray))


def test_the_same_layer_at_two_places_is_refused():
    """Its weights would be two leaves, and training would make them differ."""
    layer = nn.Linear(3, 3, rng=0)
    with pytest.raises(
        OptionError, match=r"Linear\(3, 3\) at 'layers\.0' and 'layers\.2'.*nn\.tie"
    ):
        nn.Sequential(layer, nn.relu, layer)
    with pytest.raises(OptionError, match=r"'parts\.0\.layers\.0' and 'parts\.1'"):
        Holder((nn.Sequential(layer), layer))
    assert len(cr.tree_leaves(nn.Sequential(layer, nn.relu, copy.copy(layer)))) == 4
    drop = nn.Dropout(0.5)
    assert nn.Sequential(drop, nn.relu, drop).layers[2] is drop


# ------------------------------------------------------------------ they do not change
def test_instances_do_not_change():
    layer = Scale(1.0)
    with pytest.raises(OptionError, match=r"module\.replace\(factor=\.\.\.\)"):
        layer.factor = cr.zeros(1)
    with pytest.raises(OptionError, match="'other'"):
        layer.other = 1
    with pytest.raises(OptionError, match="'factor'"):
        del layer.factor


def test_replace_returns_a_changed_copy():
    layer = nn.freeze(Affine(1.0, power=2), "factor")
    changed = layer.replace(power=3, factor=4.0)
    assert (layer.power, changed.power, changed.factor.item()) == (2, 3, 4.0)
    assert nn.parameters(changed) == {}  # what is frozen stays frozen
    with pytest.raises(OptionError, match=r"Affine has no field 'powr'\. Did you mean 'power'"):
        layer.replace(powr=1)
    with pytest.raises(OptionError, match="options"):
        layer.replace(power={})


def test_a_child_may_be_given_up_and_taken_back():
    layer = nn.Linear(2, 1, rng=0)
    without = layer.replace(bias=None)
    assert cr.tree_paths(without) == ["weight"]
    assert cr.tree_paths(without.replace(bias=cr.zeros(1))) == ["weight", "bias"]


def test_compared_by_identity():
    one, other = Scale(1.0), Scale(1.0)
    assert one == one and one != other and len({one, other}) == 2


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies_and_pickles(clone):
    model = nn.freeze(nn.MLP(3, [4], 2, activation="tanh", dropout=0.5, rng=0), "hidden")
    model(cr.zeros((1, 3)))
    cr.make_graph(lambda m: m(np.zeros((1, 3), np.float32)), model)
    twin = clone(model)
    assert twin is not model and type(twin) is nn.MLP
    assert leaves(twin) == leaves(model)
    assert cr.tree_flatten(twin)[1] == cr.tree_flatten(model)[1]
    assert nn.parameters(twin).keys() == nn.parameters(model).keys()
    x = cr.ones((2, 3))
    assert twin(x).tolist() == model(x).tolist()
    gradient = cr.grad(lambda m: m(x).sum())(twin)
    assert leaves(gradient) == leaves(cr.grad(lambda m: m(x).sum())(model))


# ------------------------------------------------------------------ trees
def test_a_gradient_has_the_shape_of_the_model():
    model = nn.MLP(3, [4], 2, rng=0)
    gradient = cr.grad(lambda m: m(cr.ones((2, 3))).sum())(model)
    assert type(gradient) is nn.MLP and cr.tree_paths(gradient) == cr.tree_paths(model)
    stepped = cr.tree_map(lambda w, g: w - 0.1 * g, model, gradient)
    assert stepped(cr.ones((1, 3))).shape == (1, 2)


def test_vmap_over_models():
    models = [nn.Linear(3, 2, rng=seed, dtype=np.float64) for seed in range(4)]
    stacked = cr.tree_map(lambda *leaves: cr.stack(leaves), *models)
    x = np.random.default_rng(0).normal(size=(5, 3))
    together = cr.vmap(lambda model: model(x))(stacked)
    apart = np.stack([model(x).numpy() for model in models])
    np.testing.assert_allclose(together.numpy(), apart, rtol=1e-14)


# ------------------------------------------------------------------ calls
def test_a_call_is_one_named_step():
    graph = cr.make_graph(lambda m, x: m(x), nn.MLP(3, [4], 2, rng=0), cr.Spec((5, 3)))
    call = graph.nodes[0]
    assert call.attributes["label"] == 'MLP(3, [4], 2, activation="relu")'
    body = call.attributes["body"]
    assert body.names == ("hidden.0.weight", "hidden.0.bias", "output.weight", "output.bias", "x")
    inner = [n.attributes["label"] for n in body.nodes if n.op.name == "call"]
    assert inner == ["Linear(3, 4)", "relu", "Linear(4, 2)"]


def test_a_long_label_is_cut():
    model = nn.Sequential(*(nn.Linear(n, n + 1, rng=0) for n in range(10, 30)))
    graph = cr.make_graph(lambda m, x: m(x), model, cr.Spec((5, 10)))
    assert graph.nodes[0].attributes["label"] == "Sequential(…)"


def test_arguments_by_position_and_by_name():
    class Takes(nn.Module):
        w: cr.Tensor

        def __call__(self, x, /, y, *rest, scale=1.0):
            return (x + y + sum(rest)) * scale * self.w

    layer = Takes(1.0)
    for wrap in (lambda f: f, cr.compile):
        assert wrap(lambda m, x: m(x, 2.0))(layer, cr.tensor(1.0)).item() == 3.0
        assert wrap(lambda m, x: m(x, y=2.0, scale=2.0))(layer, cr.tensor(1.0)).item() == 6.0
        assert wrap(lambda m, x: m(x, x, x, x, scale=x))(layer, cr.tensor(2.0)).item() == 16.0
    with pytest.raises(TypeError, match="multiple values"):
        layer(1.0, 2.0, y=3.0)
    with pytest.raises(TypeError, match="multiple values"):
        nn.Linear(1, 1, rng=0)(cr.zeros((1, 1)), x=cr.zeros((1, 1)))
    with pytest.raises(TypeError, match="positional"):
        nn.Linear(1, 1, rng=0)(cr.zeros((1, 1)), 1, 2)


def test_a_module_without_call_says_so():
    class Silent(nn.Module):
        pass

    with pytest.raises(OptionError, match=r"Silent cannot be called.*def __call__"):
        Silent()(1.0)


# ------------------------------------------------------------------ errors name the layer
class Autoencoder(nn.Module):
    encoder: nn.MLP
    decoder: nn.Module

    def encode(self, x):
        return self.encoder(x)

    def __call__(self, x):
        return self.decoder(self.encode(x))


def run_eagerly(model, x):
    return model(x)


def run_traced(model, x):
    return cr.make_graph(lambda m, x: m(x), model, x)


def run_in_grad(model, x):
    return cr.grad(lambda m: m(x).sum())(model)


every_run = pytest.mark.parametrize("run", [run_eagerly, run_traced, run_in_grad])


@every_run
def test_the_error_names_the_layer(run):
    model = nn.MLP(64, [64], 10, rng=0)
    with pytest.raises(ShapeError) as caught:
        run(model, np.zeros((8, 10), np.float32))
    assert str(caught.value) == (
        "hidden.0: Linear(64, 64) expects x.shape[-1] == 64, but got x of shape (8, 10)."
    )


@every_run
def test_the_error_names_a_layer_deep_inside(run):
    broken = nn.MLP(4, [3, 5], 2, rng=0)
    broken = cr.tree_replace(broken, "hidden.1", nn.Linear(7, 5, rng=0))
    for model, place in (
        (Autoencoder(broken, nn.Linear(2, 4, rng=0)), "encoder.hidden.1"),
        (nn.Sequential(nn.relu, Autoencoder(broken, nn.relu)), "layers.1.encoder.hidden.1"),
        (Holder({"a": broken}), "parts.a.hidden.1"),
    ):
        with pytest.raises(ShapeError) as caught:
            run(model, np.zeros((2, 4), np.float32))
        assert str(caught.value) == (
            f"{place}: Linear(7, 5) expects x.shape[-1] == 7, but got x of shape (2, 3)."
        )


@every_run
def test_an_error_of_an_op_names_the_layer_too(run):
    model = nn.Sequential(nn.Linear(2, 3, rng=0), Scale(cr.zeros(4)))
    with pytest.raises(ShapeError, match=r"^layers\.1: multiply expects.*\(2, 3\) and \(4,\)"):
        run(model, np.zeros((2, 2), np.float32))


def test_the_error_speaks_korean(monkeypatch):
    monkeypatch.setenv("CHAINRULE_LANG", "ko")
    with pytest.raises(
        ShapeError, match=r"^hidden\.0: Linear\(64, 64\): x\.shape\[-1\] == 64이어야"
    ):
        nn.MLP(64, [64], 10, rng=0)(np.zeros((8, 10), np.float32))


# ------------------------------------------------------------------ how they print
def test_short_ones_on_one_line_and_long_ones_on_several():
    assert repr(Affine(1.0, power=2)) == "Affine(factor=f32[], shift=None, power=2)"
    model = Autoencoder(nn.MLP(64, [32, 16], 8, rng=0), nn.MLP(8, [16, 32], 64, rng=0))
    assert repr(model) == (
        "Autoencoder(\n"
        '    encoder=MLP(64, [32, 16], 8, activation="relu"),\n'
        '    decoder=MLP(8, [16, 32], 64, activation="relu"),\n'
        ")"
    )
    assert repr(Holder((model,))).splitlines()[2] == "        Autoencoder("
    assert (
        repr(Holder({"a": nn.relu, "b": cr.zeros(2)})) == "Holder(parts={'a': relu, 'b': f32[2]})"
    )


def test_a_hundred_layers_alike_are_one_line():
    layers = [nn.Linear(8, 8, rng=0) for _ in range(100)]
    assert repr(Holder(layers)) == "Holder(parts=(100 × Linear(8, 8)))"
    assert repr(Holder([cr.zeros(2), cr.zeros(2)])) == "Holder(parts=(f32[2], f32[2]))"


def test_a_model_of_other_things_prints_too():
    model = nn.MLP(3, [4], 2, rng=0)
    for function in (lambda leaf: leaf.shape, lambda leaf: None, lambda leaf: "w"):
        assert repr(cr.tree_map(function, model)).startswith("MLP(")

"""What is stored comes back without the code that made it, and damage is said in a sentence."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, runs, storage
from chainrule.errors import ChainruleError, GraphError, OptionError, StorageError
from chainrule.runs import document

Saved = Callable[..., runs.TrainedRun]
X = np.random.default_rng(0).standard_normal((12, 4))


# ---------------------------------------------------------------------- there and back
def test_all_of_it_comes_back(iris: Any) -> None:
    run = cr.load(iris.path.parent)
    assert run.path == iris.path == iris.path.parent / "model.safetensors"
    assert run.columns == data.datasets.load("iris").feature_names
    assert [type(part).__name__ for part in run.preprocessing] == ["Scaling"]
    np.testing.assert_array_equal(run.preprocessing[0].offset, iris.scaling.offset)
    assert run.target == runs.Classes(("setosa", "versicolor", "virginica"))
    assert len(run.history) == 3 and run.history["epoch"] == [1, 2, 3]
    assert run.facts["task"] == "classification" and run.facts["score"] == {"accuracy": 0.5}
    assert run.facts["versions"]["numpy"] == np.__version__
    assert run.status == "finished" and run.saved.endswith("+00:00")
    assert cr.verify(run.graph) is run.graph


def test_the_weights_can_be_read_into_the_model(iris: Any) -> None:
    again = cr.load_model(iris.path, nn.MLP(4, [8], 3, dropout=0.5, rng=9))
    for path in cr.tree_paths(again):
        np.testing.assert_array_equal(cr.tree_at(again, path), cr.tree_at(iris.model, path))


def test_the_same_run_gives_the_same_bytes(iris: Any) -> None:
    run = cr.load(iris.path)
    arrays, metadata = document.encoded(run)
    again = document.encoded(document.decoded(arrays, metadata, iris.path))
    assert again[1] == metadata
    assert {k: v.tobytes() for k, v in again[0].items()} == {
        k: v.tobytes() for k, v in arrays.items()
    }


def test_preprocessing_may_have_several_parts(saved: Saved) -> None:
    parts = [data.Scaling.standard(X), data.Projection.pca(X, 3), data.UnitNorm(np.float64(3))]
    model = nn.MLP(3, [5], 2, rng=0, dtype=np.float64)
    run = saved(model, X, preprocessing=parts)
    x = X
    for part in parts:
        x = part(x)
    np.testing.assert_array_equal(run.predict(X), np.asarray(model(x)))


def test_a_transformer_is_stored_as_its_map(saved: Saved) -> None:
    from chainrule.data.transformers import PCA

    pca = PCA(n_components=2).fit(X)
    run = saved(nn.Linear(2, 1, rng=0), X, preprocessing=[pca])
    assert [type(part).__name__ for part in run.preprocessing] == ["Projection"]


@runs.register
class Logarithm:
    """A user's own preprocessing."""

    def __init__(self, shift: np.ndarray) -> None:
        self.shift = shift

    def __call__(self, rows: Any) -> np.ndarray:
        return np.log(np.asarray(rows["size"], float)[:, None] + self.shift)

    def to_dict(self) -> dict[str, Any]:
        return {"shift": self.shift}

    @classmethod
    def from_dict(cls, values: Any) -> "Logarithm":
        return cls(values["shift"])


class Forgetful(Logarithm):
    """Does not write what it needs."""

    def to_dict(self) -> dict[str, Any]:
        return {"shift": np.zeros(1)}


def test_preprocessing_of_ones_own(saved: Saved) -> None:
    rows = {"size": [1.0, 2.0, 3.0], "name": ["a", "b", "c"]}
    run = saved(nn.Linear(1, 1, rng=0), rows, preprocessing=Logarithm(np.array([1 / 3])))
    assert run.columns is None
    wanted = run.preprocessing[0](rows).astype("f4") @ run.weights["weight"]
    np.testing.assert_allclose(run.predict(rows), wanted, rtol=1e-6)


def test_what_does_not_come_back_is_not_written(tmp_path: Path) -> None:
    rows = {"size": [1.0, 2.0, 3.0]}
    with pytest.raises(StorageError, match="would not predict what it predicts now"):
        runs.save(tmp_path, nn.Linear(1, 1, rng=0), rows, preprocessing=Forgetful(np.ones(1)))
    assert list(tmp_path.iterdir()) == []


def test_classes_must_be_registered(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot store a function.*runs.register\(function\)"):
        runs.save(tmp_path, nn.Linear(4, 1, rng=0), X, preprocessing=lambda x: x)
    with pytest.raises(OptionError, match="to_dict and from_dict, but int"):
        runs.register(int)
    with pytest.raises(OptionError, match="Logarithm is the name of a class in"):
        runs.register(type("Logarithm", (Logarithm,), {"__module__": "elsewhere"}))


@pytest.mark.parametrize(
    ("facts", "words"),
    [({"x": np.ones(3)}, "ndarray"), ({"x": object()}, "object"), ({"x": {1, 2}}, "set")],
)
def test_facts_are_plain(facts: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=words):
        runs.save(tmp_path, nn.Linear(4, 1, rng=0), X, facts=facts)


def test_an_example_is_needed(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least one, but got an array of shape"):
        runs.save(tmp_path, nn.Linear(4, 1, rng=0), X[:0])


# ---------------------------------------------------------------------- without the code
TRAINS = """
import sys, numpy as np, chainrule as cr
from chainrule import data, nn, runs

class Bent(nn.Module):
    layer: nn.Linear
    power: cr.Tensor

    def __call__(self, x):
        return cr.abs(self.layer(x)) ** self.power

x = np.linspace(-1, 1, 40).reshape(10, 4)
model = Bent(nn.Linear(4, 3, rng=0), 1.5)
scaling = data.Scaling.standard(x)
runs.save(sys.argv[1], model, x, preprocessing=scaling, target=runs.Classes("abc"))
np.save(sys.argv[2], np.asarray(model(scaling(x).astype("f4"))))
"""
PREDICTS = """
import sys, numpy as np, chainrule as cr

run = cr.load(sys.argv[1])
x = np.linspace(-1, 1, 40).reshape(10, 4)
outputs = np.load(sys.argv[2])
assert np.array_equal(run.predict(x), np.array(list("abc"))[outputs.argmax(1)])
(inputs,) = run.inputs(x)
assert np.array_equal(np.asarray(run.model(inputs)), outputs)
assert run.model(inputs).spec.is_float
unwanted = {"sklearn", "pandas", "pickle5", "torch", "matplotlib"} & set(sys.modules)
assert not unwanted, unwanted
"""


def test_another_process_needs_no_code(tmp_path: Path) -> None:
    for program in (TRAINS, PREDICTS):
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "run"), str(tmp_path / "y.npy")],
            check=True,
            timeout=120,
        )


# ---------------------------------------------------------------------- killed while it is written
def test_a_full_disk_leaves_the_old_run(
    iris: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.save(tmp_path, nn.Linear(4, 1, rng=0), X)
    before = (tmp_path / "model.safetensors").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            runs.save(tmp_path, nn.Linear(4, 1, rng=1), X)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_no_write_permission(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Cannot write"):
        runs.save(tmp_path / "file", nn.Linear(4, 1, rng=0), X)


# ---------------------------------------------------------------------- damaged and hostile files
def test_every_truncation_is_told(iris: Any, tmp_path: Path) -> None:
    whole = iris.path.read_bytes()
    path = tmp_path / "model.safetensors"
    for length in {*range(0, 200), *range(200, len(whole), 97), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(StorageError, match=r"model\.safetensors"):
            cr.load(path)


def test_every_changed_bit_is_told(iris: Any, tmp_path: Path) -> None:
    whole, chance = iris.path.read_bytes(), random.Random(0)
    path = tmp_path / "model.safetensors"
    for _ in range(400):
        changed = bytearray(whole)
        changed[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(StorageError, match=r"model\.safetensors"):
            cr.load(path)


def rewritten(iris: Any, path: Path, change: Callable[[Any, Any], None]) -> None:
    """The run with its document changed by somebody who knows how to write one."""
    arrays, metadata = storage.load_safetensors(iris.path)
    content = json.loads(metadata["document"])
    change(content, arrays)
    storage.save_safetensors(path, arrays, {**metadata, "document": json.dumps(content)})


def setting(*place: Any, to: Any) -> Callable[[Any, Any], None]:
    def change(content: Any, arrays: Any) -> None:
        *path, last = place
        for key in path:
            content = content[key]
        content[last] = to

    return change


def without(name: str) -> Callable[[Any, Any], None]:
    return lambda content, arrays: arrays.pop(name)


def drop_weights(arrays: Any) -> None:
    for name in [name for name in arrays if name.startswith("model/")]:
        del arrays[name]


def huge(content: Any, arrays: Any) -> None:
    """One row of it takes a terabyte."""
    nodes = [
        ["broadcast_to", [0], {"shape": [2**35, 4]}],
        ["exp", [1], {}],
        ["sum", [2], {"axes": [0]}],
    ]
    graph = {"inputs": [["x", "f32", [4]]], "nodes": nodes, "outputs": [3]}
    content["graph"]["graphs"] = [graph]
    drop_weights(arrays)


def endless(content: Any, arrays: Any) -> None:
    """One row of it takes a year."""
    state = ["x", "f32", [4]]
    body = {"inputs": [state], "nodes": [["tanh", [0], {}]], "outputs": [1]}
    attributes = {"body": 0, "captured": 0, "carried": 1, "length": 10**15, "reverse": False}
    nodes = [["scan", [0], attributes], ["pick", [1], {"index": 0}]]
    content["graph"]["graphs"] = [body, {"inputs": [state], "nodes": nodes, "outputs": [2]}]
    drop_weights(arrays)


WEIGHT = "model/hidden.0.weight"
HOSTILE: dict[str, tuple[Callable[[Any, Any], None], str]] = {
    "no graph": (lambda content, arrays: content.pop("graph"), "KeyError"),
    "a graph that is none": (setting("graph", to=[]), "damaged"),
    "another op": (setting("graph", "graphs", -1, "nodes", 0, 0, to="system"), "'system'"),
    "a newer graph": (setting("graph", "version", to=7), "format 7"),
    "a weight less": (without(WEIGHT), "hidden.0.weight"),
    "a weight more": (lambda content, arrays: arrays.update({"model/x": np.ones(2)}), "weights"),
    "a weight of another shape": (
        lambda content, arrays: arrays.update({WEIGHT: np.ones((2, 2), "f4")}),
        "weights",
    ),
    "a weight of another type": (
        lambda content, arrays: arrays.update({WEIGHT: arrays[WEIGHT].astype("f8")}),
        "weights",
    ),
    "two outputs": (
        lambda content, arrays: content["graph"]["graphs"][-1]["outputs"].append(0),
        "weights",
    ),
    "a terabyte for a row": (huge, "bytes"),
    "a year for a row": (endless, "steps"),
    "unknown preprocessing": (setting("preprocessing", 0, "kind", to="os.system"), "register"),
    "preprocessing that is none": (setting("preprocessing", to=3), "TypeError"),
    "a map that is none": (setting("preprocessing", 0, "values", "kind", to="Nothing"), "Nothing"),
    "a map of NaN": (
        setting("preprocessing", 0, "values", "scale", to=[float("nan")] * 4),
        "scale",
    ),
    "a missing array": (without("preprocessing/0/values/scale"), "KeyError"),
    "classes that do not fit": (setting("target", "values", "names", to=["a", "b"]), "classes"),
    "a target that is a map": (setting("target", "kind", to="Map"), "damaged"),
    "a history that is none": (setting("history", to=None), "TypeError"),
    "records that are none": (setting("history", "records", to=[1]), "history"),
    "columns that are none": (setting("columns", to=5), "TypeError"),
    "frozen weights that are not there": (setting("frozen", to=["hidden.7"]), "hidden.7"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused(name: str, iris: Any, tmp_path: Path) -> None:
    change, words = HOSTILE[name]
    path = tmp_path / "model.safetensors"
    rewritten(iris, path, change)
    with pytest.raises(StorageError, match=words) as caught:
        cr.load(path)
    assert len(str(caught.value)) < 1000


METADATA: dict[str, tuple[dict[str, str], str]] = {
    "another kind": ({"chainrule": "checkpoint 1"}, "another kind of file"),
    "no kind": ({"chainrule": ""}, "another kind of file"),
    "a newer run": ({"chainrule": "run 2"}, "format 2, but this chainrule reads format 1"),
    "a number as long as a book": ({"chainrule": "run " + "9" * 10_000}, "format 999999999,"),
    "no number": ({"chainrule": "run one"}, "another kind"),
    "a document that is no JSON": ({"document": "{"}, "damaged"),
    "a document of brackets": ({"document": "[" * 100_000}, "damaged"),
    "a document that is a list": ({"document": "[]"}, "damaged"),
    "a summary that is none": ({"summary": "{}"}, "damaged"),
    "a status that nobody knows": (
        {"summary": '{"status": "great", "saved": "", "facts": {}}'},
        "damaged",
    ),
}


@pytest.mark.parametrize("name", METADATA)
def test_hostile_metadata_is_refused(name: str, iris: Any, tmp_path: Path) -> None:
    changes, words = METADATA[name]
    arrays, metadata = storage.load_safetensors(iris.path)
    path = tmp_path / "model.safetensors"
    storage.save_safetensors(path, arrays, {**metadata, **changes})
    with pytest.raises(StorageError, match=words):
        cr.load(path)


def test_weights_alone_are_no_run(tmp_path: Path) -> None:
    cr.save_model(tmp_path / "weights.safetensors", nn.Linear(2, 1, rng=0))
    with pytest.raises(StorageError, match=r"another kind of file\. load_model reads"):
        cr.load(tmp_path / "weights.safetensors")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    return found + [place for key, item in inner for place in places(item, (*path, key))]


def test_whatever_stands_in_a_document_is_refused_or_predicts(iris: Any, tmp_path: Path) -> None:
    """What somebody writes on purpose: the checksum is right."""
    chance = random.Random(0)
    arrays, metadata = storage.load_safetensors(iris.path)
    content = json.loads(metadata["document"])
    everywhere = places(content)
    strange = [None, True, 0, -1, 2**70, 0.5, "", "Map", "x", [], [1], {}, {"$array": "none"}]
    read = 0
    for _ in range(300):
        changed = json.loads(metadata["document"])
        setting(*chance.choice(everywhere), to=chance.choice(strange))(changed, arrays)
        text = {**metadata, "document": json.dumps(changed)}
        try:
            run = document.decoded(arrays, text, tmp_path)
            read += 1
            run.predict(iris.x[:5])
        except ChainruleError as error:
            assert isinstance(error, (StorageError, GraphError, ChainruleError)) and str(error)
    assert read > 5  # else nothing was tried


# ---------------------------------------------------------------------- in words
def test_a_run_says_what_it_is(iris: Any) -> None:
    run = cr.load(iris.path)
    said = repr(run)
    for words in ("iris-001", "classification", "3 classes", "68 weights", "3 epochs", "0.500"):
        assert words in said, said
    assert all(words in run._repr_html_() for words in ("<table>", "iris-001", "3 classes"))


def test_html_is_escaped(saved: Saved) -> None:
    run = saved(nn.Linear(4, 1, rng=0), X, facts={"task": "<script>", "score": {"<b>": 1.0}})
    page = run._repr_html_()
    assert "<script>" not in page and "<b>1" not in page and "&lt;script&gt;" in page


def test_facts_of_the_wrong_kind_do_no_harm(saved: Saved) -> None:
    run = saved(nn.Linear(4, 1, rng=0), X, facts={"task": None, "score": "good"})
    assert "None" in repr(run)

"""Checkpoints: what they keep, what they refuse, and what happens when they cannot be written."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim, storage, train
from chainrule.errors import NonFiniteError, OptionError, StorageError
from chainrule.train import Callback, Checkpoint, EarlyStopping, ReduceLearningRate
from chainrule.train.saving import CHECKPOINT


def cost(model, x, t, key=None):
    return nn.mse(model(x, key=key), t)


class Killed(BaseException):
    """Nobody catches it."""


class KillAfter(Callback):
    """Ends training after a step, counted over all epochs."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, run, error):
        if run.step > self.step:
            raise Killed


@pytest.fixture(autouse=True)
def no_bound(monkeypatch):
    """Checkpoints may cost what they cost, so that every step can be saved."""
    monkeypatch.setattr("chainrule.train.checkpoint.SHARE", math.inf)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.safetensors"


@pytest.fixture
def model():
    return nn.MLP(3, [8], 1, dropout=0.2, rng=0)


@pytest.fixture
def fit(model, data):
    """Training on 50 rows in batches of 16: three whole ones and one of two rows."""
    rows, rest = tuple(a[:50] for a in data), tuple(a[50:] for a in data)

    def fit(callbacks=(), **options):
        usual = {"epochs": 3, "batch_size": 16, "validation": rest, "engine": "interpret"}
        return cr.fit(model, cost, rows, callbacks=callbacks, **usual | options)

    return fit


def killed(fit, step, path, **options):
    """Train until after a step; every step is saved."""
    with pytest.raises(Killed):
        fit([KillAfter(step)], checkpoint=Checkpoint(path, seconds=1e-9), **options)


def document(path):
    arrays, _ = storage.load_safetensors(path)
    return json.loads(arrays["rest"].tobytes())


def forge(path, change):
    """Change what a checkpoint says, with a valid checksum."""
    arrays, metadata = storage.load_safetensors(path)
    said = json.loads(arrays["rest"].tobytes())
    change(said, arrays)
    arrays["rest"] = np.frombuffer(json.dumps(said).encode(), np.uint8)
    storage.save_safetensors(path, arrays, metadata)


# ------------------------------------------------------------------ going on
@pytest.mark.parametrize("engine", ["interpret", "native"])
def test_resumed_after_any_step_it_gives_the_same_bits(fit, path, bits, timeless, engine):
    if engine == "native":
        pytest.importorskip("llvmlite")
    model, history = fit(engine=engine)
    for step in range(12):
        killed(fit, step, path, engine=engine)
        assert document(path)["step"] == step
        again, whole = fit(resume=path, engine=engine)
        assert bits(again) == bits(model), step
        assert timeless(whole) == timeless(history), step
        assert list(whole[-1]) == list(history[-1])


def test_killed_again_before_the_first_new_step(fit, path, bits, timeless):
    model, history = fit()
    killed(fit, 5, path)
    with pytest.raises(Killed):
        fit([KillAfter(0)], checkpoint=path, resume=path)
    again, whole = fit(resume=path)
    assert bits(again) == bits(model) and timeless(whole) == timeless(history)


def test_a_finished_training_gives_what_it_gave(fit, path, bits):
    model, history = fit(checkpoint=path)
    again, whole = fit(resume=path)
    assert bits(again) == bits(model) and list(whole) == list(history)


def test_more_epochs_may_follow(fit, path, bits, timeless):
    fit(checkpoint=path)
    model, history = fit(epochs=5)
    again, whole = fit(epochs=5, resume=path)
    assert bits(again) == bits(model) and timeless(whole) == timeless(history)


def test_callbacks_go_on_where_they_were(fit, path, bits, timeless):
    def callbacks():
        rule = optim.reduce_on_plateau(0.5, patience=1, threshold=1e9, absolute=True)
        return [ReduceLearningRate(rule), EarlyStopping(patience=3, threshold=0.05)]

    options = {"epochs": 30, "optimizer": optim.adam(3e-2)}
    model, history = fit(callbacks(), **options)
    assert history.stopped and history["learning_rate"][-1] < 3e-2
    for step in (2, 9, 4 * len(history) - 1):
        with pytest.raises(Killed):
            every = Checkpoint(path, seconds=1e-9)
            fit([*callbacks(), KillAfter(step)], checkpoint=every, **options)
        again, whole = fit(callbacks(), resume=path, **options)
        assert bits(again) == bits(model) and timeless(whole) == timeless(history)
        assert whole.stopped == history.stopped


def test_a_callback_keeps_arrays_and_what_it_asks_for_while_an_epoch_runs(fit, path):
    class Asks(Callback):
        def __init__(self):
            self.seen = np.zeros(2)

        def on_steps_end(self, run, errors):
            self.seen = self.seen + np.array([len(errors), 1])
            run.stop("Asked.")

        def state(self):
            return {"seen": self.seen, "more": {"nested": (1, None, float("inf"))}}

        def restore(self, state):
            assert state["more"] == {"nested": [1, None, float("inf")]}
            self.seen = state["seen"]

    with pytest.raises(Killed):
        fit([Asks(), KillAfter(1)], checkpoint=Checkpoint(path, seconds=1e-9))
    asks = Asks()
    _, history = fit([asks], resume=path)
    assert asks.seen[0] == 4  # the epoch is finished first
    assert len(history) == 1 and history.stopped == "Asked."


def test_the_users_generator_goes_on(fit, path, bits):
    model, _ = fit(rng=np.random.Generator(np.random.MT19937(5)))
    with pytest.raises(Killed):
        every = Checkpoint(path, seconds=1e-9)
        fit([KillAfter(6)], checkpoint=every, rng=np.random.Generator(np.random.MT19937(5)))
    again, _ = fit(resume=path, rng=np.random.Generator(np.random.MT19937(8)))
    assert bits(again) == bits(model)


# ------------------------------------------------------------------ when
def test_one_is_written_before_the_first_step_and_one_at_the_end(fit, path):
    steps = []

    class Look(Callback):
        def on_steps_end(self, run, errors):
            steps.append(document(path)["step"])

    fit([Look()], checkpoint=path)
    assert set(steps) == {0} and document(path)["epoch"] == 3


def test_by_epochs(fit, path):
    seen = []

    class Look(Callback):
        def on_epoch_end(self, run):
            seen.append(document(path)["epoch"])

    fit([Look()], epochs=5, checkpoint=Checkpoint(path, epochs=2))
    assert seen == [0, 0, 2, 2, 4]


def test_the_best_model_lies_beside(fit, path, tmp_path, model, bits):
    best = tmp_path / "best.safetensors"
    options = Checkpoint(path, best=best, quantity="validation_loss")
    models = []

    class Look(Callback):
        def on_epoch_end(self, run):
            models.append(run.model)

    _, history = fit([Look()], optimizer=optim.sgd(0.3), epochs=5, checkpoint=options)
    losses = history["validation_loss"]
    assert losses.index(min(losses)) < 4
    assert bits(train.load_model(best, model)) == bits(models[losses.index(min(losses))])
    before = best.read_bytes()
    fit(optimizer=optim.sgd(0.3), epochs=5, checkpoint=options, resume=path)
    assert best.read_bytes() == before  # it knows that this one was better


@pytest.mark.parametrize(
    ("options", "words"), [({"seconds": 0.0}, "seconds > 0"), ({"epochs": 0}, "epochs >= 1")]
)
def test_options_are_checked(options, words):
    with pytest.raises(OptionError, match=words):
        Checkpoint("training.safetensors", **options)


# ------------------------------------------------------------------ another training
def test_what_differs_is_named(fit, path, model, data):
    fit(checkpoint=path)
    x, t = data
    changes = {
        "optimizer": ({"optimizer": optim.adam(2e-3)}, r"learning_rate=0\.002"),
        "batch_size": ({"batch_size": 8}, "was 16, but is 8"),
        "shuffle": ({"shuffle": False}, "was True, but is False"),
        "validation": ({"validation": (x[50:] + 1e-6, t[50:])}, "checksum"),
        "metrics": ({"metrics": {"mae": cost}}, "was None, but is mae"),
        "callbacks": ({"callbacks": [EarlyStopping()]}, "EarlyStopping"),
        "rng": ({"rng": np.random.Generator(np.random.MT19937(0))}, "was PCG64, but is MT19937"),
    }
    for name, (change, words) in changes.items():
        with pytest.raises(OptionError, match=rf"another training: {name} .*{words}"):
            fit(resume=path, **change)
    options = {"epochs": 3, "batch_size": 16, "validation": (x[50:], t[50:]), "resume": path}
    with pytest.raises(OptionError, match=r"data was f32\[50, 3\].* but is f32\[49, 3\]"):
        cr.fit(model, cost, (x[:49], t[:49]), **options)
    with pytest.raises(OptionError, match=r"model was MLP.*8.*but is MLP.*9"):
        cr.fit(nn.MLP(3, [9], 1, dropout=0.2, rng=0), cost, (x[:50], t[:50]), **options)


def test_the_model_of_a_checkpoint_can_be_loaded(fit, path, model, bits):
    trained, _ = fit(checkpoint=path)
    assert bits(train.load_model(path, model)) == bits(trained)


def test_a_model_alone_is_no_checkpoint(fit, path, model):
    train.save_model(path, model)
    with pytest.raises(StorageError, match="resume to be a checkpoint"):
        fit(resume=path)


# ------------------------------------------------------------------ damage
def test_a_torn_or_changed_file_is_one_clear_error(fit, path, tmp_path):
    killed(fit, 6, path)
    content = path.read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    rng = np.random.default_rng(0)
    ends = [content[:n] for n in rng.integers(0, len(content), 30)]
    places = rng.integers(0, 8 * len(content), 100)
    flips = [bytearray(content) for _ in places]
    for flipped, place in zip(flips, places, strict=True):
        flipped[place // 8] ^= 1 << place % 8
    for version in [*ends, *flips, b"", b"\x80\x04pickle"]:
        damaged.write_bytes(version)
        with pytest.raises(StorageError, match=r"damaged\.safetensors"):
            fit(resume=damaged)
    assert path.read_bytes() == content


def huge(said, arrays):
    said["step"] = said["epoch"] = 10**30


HOSTILE = {
    "no numbers": lambda said, arrays: said.update(step=None),
    "text for a number": lambda said, arrays: said.update(seconds="1; import os"),
    "not an object": lambda said, arrays: [said.pop(name) for name in list(said)],
    "a step of another epoch": lambda said, arrays: said.update(step=-3),
    "a huge step": huge,
    "NaN for a time": lambda said, arrays: said.update(seconds=float("nan")),
    "errors of other steps": lambda said, arrays: arrays.update(errors=np.ones(99, np.float32)),
    "errors that are none": lambda said, arrays: arrays.update(errors=np.full(2, np.nan)),
    "no errors": lambda said, arrays: arrays.pop("errors"),
    "records that are none": lambda said, arrays: said.update(records=[1]),
    "a generator of another kind": lambda said, arrays: said["generator"].update(
        bit_generator="MT19937"
    ),
    "a generator without state": lambda said, arrays: said.update(generator={}),
    "an array that is not there": lambda said, arrays: said.update(best={"$array": "nowhere"}),
    "callbacks that are not there": lambda said, arrays: said.update(callbacks=[{}]),
    "a model of other shapes": lambda said, arrays: arrays.update(
        {"model/output.bias": np.ones(7, np.float32)}
    ),
    "a model with more": lambda said, arrays: arrays.update({"model/more": np.ones(7)}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_forged_checkpoint_is_one_clear_error(fit, path, change):
    killed(fit, 6, path)
    forge(path, change)
    with pytest.raises(StorageError, match=r"training\.safetensors"):
        fit(resume=path)


def test_a_document_that_is_no_document(fit, path):
    for text in (b"", b"[" * 100_000, b"null", b"[1]", b"\xff\xfe"):
        arrays = {"rest": np.frombuffer(text, np.uint8)}
        storage.save_safetensors(path, arrays, CHECKPOINT)
        with pytest.raises(StorageError, match=r"training\.safetensors"):
            fit(resume=path)


# ------------------------------------------------------------------ a disk that does not do
def test_a_place_that_cannot_be_written_is_an_error_at_once(fit, tmp_path):
    class Look(Callback):
        def on_steps_end(self, run, errors):
            raise AssertionError

    with pytest.raises(StorageError, match="Cannot write"):
        fit([Look()], checkpoint=tmp_path / "missing" / "training.safetensors")


FULL = """
import resource, sys, warnings
import numpy as np
import chainrule as cr
from chainrule import nn, train
from chainrule.errors import NonFiniteError

class Fill(train.Callback):
    def on_epoch_end(self, run):
        if run.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, resource.RLIM_INFINITY))

x = np.ones((8, 3))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model, history = cr.fit(
        nn.MLP(3, [64], 1, rng=0), lambda m, x, t: nn.mse(m(x), t), (x, x[:, :1]), epochs=5,
        engine="interpret", callbacks=[Fill()], checkpoint=train.Checkpoint(sys.argv[1], epochs=1),
    )
print(len(history), len(caught), caught[0].category.__name__, caught[0].message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_training_goes_on_when_the_disk_is_full(tmp_path: Path):
    path = tmp_path / "training.safetensors"
    told = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("5 1 CheckpointWarning Cannot write")
    assert "File too large" in told.stdout and "goes on" in told.stdout
    assert document(path)["epoch"] == 1  # the one before the disk was full
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------ explosions
def test_the_checkpoint_keeps_the_last_good_state(model, data, path):
    every = Checkpoint(path, seconds=1e-9, epochs=1)
    with pytest.raises(NonFiniteError, match="keeps the last good state") as caught:
        cr.fit(model, cost, data, optimizer=optim.sgd(1e8), epochs=50, checkpoint=every)
    assert str(path) in str(caught.value) and "learning rate 1e+08" in str(caught.value)
    good = train.load_model(path, model)
    assert all(np.isfinite(leaf.numpy()).all() for leaf in cr.tree_leaves(good))


def test_weights_that_the_last_step_spoils_are_noticed(model, data, bits):
    """The error before that step is finite, and no step follows."""
    x, t = data
    with pytest.raises(NonFiniteError, match="epoch 1, step 1") as caught:
        cr.fit(model, cost, (x, 1e4 * t), optimizer=optim.sgd(3e38), epochs=1, batch_size=None)
    assert bits(caught.value.model) == bits(model)

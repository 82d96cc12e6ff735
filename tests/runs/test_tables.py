"""From a file to predictions for another one, and a training that goes on after a kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, runs, train
from chainrule.data.tables import LoadedTable, encode_table, load_table, open_table
from chainrule.errors import DataError

CITIES = ("Seoul", "Busan", "부산", "Jeju")


def people(rows: int, seed: int = 0) -> dict[str, Any]:
    """A table with numbers, categories, dates, gaps, and two things to predict."""
    rng = np.random.default_rng(seed)
    age, city = rng.integers(20, 70, rows), rng.integers(0, len(CITIES), rows)
    day = np.datetime64("2020-01-01") + rng.integers(0, 2000, rows)
    size = np.where(rng.random(rows) < 0.1, np.nan, rng.standard_normal(rows).round(3))
    member = age + 10 * city > 55
    return {
        "age": age,
        "city": [CITIES[i] for i in city],
        "day": day.astype(str).tolist(),
        "size": size,
        "pay": (100 * age + 500 * city).astype(float),
        "member": np.where(member, "yes", "no").tolist(),
    }


def write_csv(path: Path, columns: dict[str, Any], encoding: str = "utf-8") -> Path:
    import pandas as pd

    pd.DataFrame(columns).to_csv(path, index=False, encoding=encoding)
    return path


def split(rows: Any) -> data.Split:
    return data.split(rows.count, test=0.25, validation=0.0, labels=rows.labels)


def trained(loaded: LoadedTable) -> Any:
    classes = loaded.task == "classification"
    loss = nn.cross_entropy if classes else nn.mse

    def cost(model: Any, x: Any, t: Any) -> Any:
        return loss(model(x), t)

    model = nn.MLP(loaded.features, [16], loaded.target.outputs, rng=0)
    rows = loaded.split.train
    return cr.fit(model, cost, (loaded.x[rows], loaded.t[rows]), epochs=5)


@pytest.mark.parametrize("target", ["member", "pay"])
def test_from_file_to_file(target: str, tmp_path: Path) -> None:
    table = open_table(write_csv(tmp_path / "train.csv", people(300)))
    loaded = load_table(
        table, target, drop=["pay" if target == "member" else "member"], split=split
    )
    model, history = trained(loaded)
    facts = {"task": loaded.task}
    parts = {"preprocessing": loaded.encoder, "target": loaded.target}
    runs.save(tmp_path / "run", model, table, history=history, facts=facts, **parts)
    run = cr.load(tmp_path / "run")
    assert isinstance(run.target, data.tables.Target)

    fresh = people(100, seed=1)
    x = encode_table(fresh, loaded.encoder).x
    outputs = np.asarray(model(x))
    if target == "member":
        wanted = loaded.target.decode(outputs.argmax(1))
        np.testing.assert_allclose(run.predict_proba(fresh).sum(1), 1, rtol=1e-6)
    else:
        wanted = loaded.target.decode(outputs.astype(np.float64))[:, 0]
    np.testing.assert_array_equal(run.predict(fresh), wanted)
    del fresh[target]  # it is not known when one predicts
    for encoding in ("utf-8", "utf-8-sig", "cp949"):
        path = write_csv(tmp_path / f"{encoding}.csv", fresh, encoding)
        np.testing.assert_array_equal(run.predict(path), wanted)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.TrainedRun:
    loaded = load_table(people(200), "member", drop=["pay"])
    folder = tmp_path_factory.mktemp("members")
    model, _ = trained(loaded)
    runs.save(folder, model, people(20), preprocessing=loaded.encoder, target=loaded.target)
    return cr.load(folder)


def test_a_table_is_read_in_chunks(run: runs.TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    many = people(5000, seed=2)
    wanted, heard = run.predict(many), []
    monkeypatch.setattr("chainrule.data.tables.source.CELLS", 1024 * len(many))
    np.testing.assert_array_equal(run.predict(many, progress=heard.append), wanted)
    assert [p.rows for p in heard] == [1024, 2048, 3072, 4096, 5000]
    blocks = list(run.inputs(many))
    assert sum(map(len, blocks)) == 5000
    assert max(map(len, blocks)) <= 1024


def test_what_training_did_not_see_is_said(run: runs.TrainedRun) -> None:
    strange = {**people(5), "city": ["Daegu", *CITIES]}
    with pytest.warns(runs.UnseenWarning, match="'city'.*'Daegu'"):
        assert run.predict(strange).shape == (5,)


def test_a_missing_column_is_suggested(run: runs.TrainedRun) -> None:
    renamed = {"Size" if name == "size" else name: v for name, v in people(5).items()}
    with pytest.raises(DataError, match=r"'size'.*mean 'Size'"):
        run.predict(renamed)


# ---------------------------------------------------------------------- a kill, and on
TRAINS = """
import sys, numpy as np, chainrule as cr
from chainrule import data, nn, runs

folder, epochs = sys.argv[1], int(sys.argv[2])
x = np.random.default_rng(0).standard_normal((512, 8))
t = np.sin(x).sum(1, keepdims=True)
scaling = data.Scaling.standard(x)

def cost(model, x, t):
    return nn.mse(model(x), t)

class Tell(cr.train.Callback):
    def on_epoch_end(self, run):
        print(run.epoch, flush=True)

with runs.training(folder, {"task": "regression"}):
    checkpoint = cr.train.Checkpoint(f"{folder}/checkpoint.safetensors", epochs=1)
    resume = checkpoint.path if "resume" in sys.argv else None
    model, history = cr.fit(
        nn.MLP(8, [32], 1, rng=0), cost, (scaling(x), t), epochs=epochs, batch_size=16,
        checkpoint=checkpoint, resume=resume, callbacks=[Tell()],
    )
    runs.save(folder, model, x, preprocessing=scaling, history=history)
"""


def train_in(folder: Path, epochs: int, *more: str, kill_after: int = 0) -> None:
    arguments = [sys.executable, "-c", TRAINS, str(folder), str(epochs), *more]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if kill_after and int(line) >= kill_after:
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == (-signal.SIGKILL if kill_after else 0)


def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_in(whole, 12)
    train_in(cut, 12, kill_after=3)
    states = {run.name: run.status for run in runs.list_runs(tmp_path)}
    assert states == {"whole": "finished", "cut": "interrupted"}
    train_in(cut, 12, "resume")
    one, other = cr.load(whole), cr.load(cut)
    assert one.history["loss"] == other.history["loss"] and len(other.history) == 12
    for name, weight in one.weights.items():
        np.testing.assert_array_equal(other.weights[name], weight)
    assert train.load_model(cut / "checkpoint.safetensors", nn.MLP(8, [32], 1, rng=1)) is not None

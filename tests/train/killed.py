"""A training in a process of its own, which others kill: ``killed.py KIND CHECKPOINT RESULT``.

Goes on from the checkpoint where there is one. The result is a JSON file with a checksum of the
model and the history without its times.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import nn, optim, train

TIMES = {"seconds", "rows_per_second"}


def smoothed(model, x, t, key=None, state=None):
    """A cost with a state of its own, a running mean of itself."""
    error = nn.mse(model(x, key=key), t)
    return error, 0.9 * state + 0.1 * error


def mse(model, x, t):
    return nn.mse(model(x), t)


def data(rows):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (rows, 16)).astype(np.float32)
    return x, np.sin(x.sum(axis=1, keepdims=True))


def small(**options):
    """All that can have a state has one, and the last batch is shorter."""
    x, t = data(9003)
    return cr.fit(
        nn.MLP(16, [32], 1, dropout=0.1, rng=0),
        smoothed,
        (x[:8003], t[:8003]),
        optimizer=optim.chain(optim.clip_by_global_norm(1.0), optim.adam(1e-2)),
        epochs=40,
        batch_size=4,
        validation=(x[8003:], t[8003:]),
        metrics={"mae": lambda model, x, t: cr.abs(model(x) - t).mean()},
        callbacks=[
            train.ReduceLearningRate(optim.reduce_on_plateau(0.5, patience=2)),
            train.EarlyStopping(patience=25, threshold=1.0),
            train.StopWhenDiverging(),
        ],
        state=cr.tensor(0.0),
        statistics=300,
        **options,
    )


def large(**options):
    """A model of 16 MB, with an optimizer's state of 33 MB."""
    model = nn.MLP(16, [2000, 2000], 1, rng=0)
    assert sum(leaf.numpy().nbytes for leaf in cr.tree_leaves(model)) > 16e6
    optimizer = optim.adam(1e-4)
    return cr.fit(model, mse, data(70), optimizer=optimizer, epochs=3, batch_size=32, **options)


def summary(model, history):
    """What has to be the same, whatever happened on the way."""
    bits = hashlib.sha256(b"".join(leaf.numpy().tobytes() for leaf in cr.tree_leaves(model)))
    records = [
        {name: value for name, value in record.items() if name not in TIMES} for record in history
    ]
    return {
        "model": bits.hexdigest(),
        "records": records,
        "statistics": [found.to_dict() for found in history.statistics],
        "stopped": history.stopped,
    }


if __name__ == "__main__":
    kind, path, result = sys.argv[1:]
    every = train.Checkpoint(path, seconds=0.02, epochs=1 if kind == "large" else None)
    resume = path if Path(path).exists() else None
    print("ready", flush=True)
    found = {"small": small, "large": large}[kind](checkpoint=every, resume=resume)
    Path(result).write_text(json.dumps(summary(*found)))

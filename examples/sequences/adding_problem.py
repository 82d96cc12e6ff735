"""The adding problem: remember two numbers among a hundred.

Every step brings a random number and a mark; two steps are marked, one in each half, and the sum of
their numbers is asked for at the end (Hochreiter & Schmidhuber 1997, section 5.4, as in Le, Jaitly
& Hinton 2015). Who answers 1 to everything has the mean squared error 1/6.

An error at the end reaches a number at the beginning through a product of one Jacobian per step.
For the plain RNN that is ``diag(1 - h_t²) Wᵀ``, and the product dies out; for the state ``c`` of
the LSTM it is ``diag(f_t)`` and what goes round through the gates, and training learns to keep it.

Run: ``python examples/sequences/adding_problem.py``
"""

import argparse

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.train import Callback

TIME, UNITS, SOLVED = 100, 64, 0.01
LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


def examples(count, rng, time=TIME):
    """Sequences ``(count, time, 2)`` of numbers and marks, and the sums ``(count, 1)``."""
    numbers = rng.uniform(0, 1, (count, time))
    marks = np.zeros((count, time))
    rows = np.arange(count)
    marks[rows, rng.integers(0, time // 2, count)] = 1
    marks[rows, rng.integers(time // 2, time, count)] = 1
    x = np.stack([numbers, marks], axis=2)
    return x.astype(np.float32), (numbers * marks).sum(1, keepdims=True).astype(np.float32)


class Adder(nn.Module):
    """A recurrent layer, and a linear one that reads its last state."""

    layer: nn.Module
    head: nn.Linear

    def __call__(self, x):
        _, states = self.layer(x)
        return self.head(self.layer.last(states))


class StopWhenSolved(Callback):
    """Ends the training after an epoch whose validation error is low enough."""

    def on_epoch_end(self, run):
        if run.history[-1]["validation_loss"] < SOLVED / 2:
            run.stop("Solved.")


def cost(model, x, t):
    return nn.mse(model(x), t)


def trained(name, seed, epochs):
    """A trained model and its error on sequences that it has not seen."""
    rng = np.random.default_rng(seed)
    data, unseen, test = examples(20_000, rng), examples(1_000, rng), examples(5_000, rng)
    model = Adder(LAYERS[name](2, UNITS, rng=rng), nn.Linear(UNITS, 1, rng=rng))
    optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(5e-3))
    model, history = cr.fit(
        model,
        cost,
        data,
        optimizer=optimizer,
        epochs=epochs,
        validation=unseen,
        callbacks=[StopWhenSolved()],
        engine="native",
        rng=rng,
    )
    return model, cr.evaluate(model, cost, test), len(history)


def shrinking(model, x, steps=(1, 5, 10, 25, 50, 100)):
    """The norm of ``∂ state after a sequence / ∂ state k steps before its end``, for some k.

    The state is ``h``, for the LSTM ``h`` and ``c`` side by side. Of one sequence ``x`` (time, 2).
    """
    (cell,) = model.layer.cells
    states = [cell.initial(1)]
    for row in x:
        states.append(cell(row[None], states[-1]))
    flat = [np.concatenate([leaf.numpy()[0] for leaf in cr.tree_leaves(s)]) for s in states]
    definition = cr.tree_flatten(states[0])[1]

    def step(state, row):
        parts = cr.split(state, len(flat[0]) // UNITS)
        state = cr.tree_unflatten(definition, [part[None] for part in parts])
        after = cr.tree_leaves(cell(row[None], state))
        return cr.concatenate([leaf[0] for leaf in after])

    local = cr.compile(cr.jacobian(step), engine="interpret")
    product, norms = np.eye(len(flat[0])), {}
    for back, (state, row) in enumerate(zip(flat[-2::-1], x[::-1], strict=True), 1):
        product = product @ local(cr.tensor(state), cr.tensor(row)).numpy()
        if back in steps:
            norms[back] = np.linalg.norm(product, 2)
    return norms


def main():
    parser = argparse.ArgumentParser(description="The adding problem, with 100 steps.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15)
    chosen = parser.parse_args()
    x, _ = examples(1, np.random.default_rng(99))
    for name in LAYERS:
        errors = []
        for seed in range(chosen.seeds):
            model, error, epochs = trained(name, seed, chosen.epochs)
            errors.append(error)
            print(f"{name:4}  seed {seed}: MSE {error:.5f} after {epochs} epochs", flush=True)
        solved = sum(error < SOLVED for error in errors)
        print(f"{name:4}  below {SOLVED} on {solved} of {chosen.seeds} seeds")
        norms = ", ".join(f"{k}: {norm:.2g}" for k, norm in shrinking(model, x[0]).items())
        print(f"{name:4}  norm of the product of the last k Jacobians  {norms}", flush=True)


if __name__ == "__main__":
    main()

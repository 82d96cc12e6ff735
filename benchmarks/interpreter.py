"""One training step of the MLP 784-128-10 through the interpreter, against NumPy by hand.

Both do the same: ReLU, cross-entropy, Adam, batch 64, float32; the hand-written step writes into
buffers of its own, as a careful NumPy programmer would.
"""

import numpy as np

import chainrule as cr
from benchmarks.timing import interleaved
from chainrule import nn, optim
from chainrule.train.step import Cost, training_step

ROWS, INPUTS, HIDDEN, CLASSES = 64, 784, 128, 10
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


class HandWritten:
    """The step in NumPy, with Adam in place."""

    def __init__(self, weights: list[np.ndarray]) -> None:
        self.weights = [w.copy() for w in weights]
        self.first = [np.zeros_like(w) for w in weights]
        self.second = [np.zeros_like(w) for w in weights]
        self.scratch = [np.empty_like(w) for w in weights]
        self.count = 0

    def __call__(self, x: np.ndarray, t: np.ndarray) -> float:
        w1, b1, w2, b2 = self.weights
        z1 = x @ w1
        z1 += b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ w2
        z2 += b2
        z2 -= z2.max(axis=1, keepdims=True)
        p = np.exp(z2)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        rows = np.arange(len(t))
        loss = float((np.log(total[:, 0]) - z2[rows, t]).mean())
        p[rows, t] -= 1
        p /= len(t)
        g1 = p @ w2.T
        g1 *= z1 > 0
        self._adam([x.T @ g1, g1.sum(axis=0), a1.T @ p, p.sum(axis=0)])
        return loss

    def _adam(self, gradients: list[np.ndarray]) -> None:
        self.count += 1
        rate = np.float32(RATE / (1 - BETA1**self.count))
        correction = np.float32(1 / np.sqrt(1 - BETA2**self.count))
        for w, m, v, s, g in zip(
            self.weights, self.first, self.second, self.scratch, gradients, strict=True
        ):
            m *= np.float32(BETA1)
            np.multiply(g, np.float32(1 - BETA1), out=s)
            m += s
            v *= np.float32(BETA2)
            np.multiply(g, g, out=s)
            s *= np.float32(1 - BETA2)
            v += s
            np.sqrt(v, out=s)
            s *= correction
            s += np.float32(EPSILON)
            np.divide(m, s, out=s)
            s *= rate
            w -= s


class Interpreted:
    """The same step as :func:`chainrule.fit` runs it."""

    def __init__(self, model: nn.MLP) -> None:
        def cost(model: nn.MLP, x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
            return nn.cross_entropy(model(x), t)

        optimizer = optim.adam(RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
        self.step = cr.compile(training_step(Cost.of(cost), optimizer), engine="interpret")
        self.model, self.state = model, optimizer.init(nn.partition(model)[0])

    def __call__(self, x: cr.Tensor, t: cr.Tensor) -> float:
        self.model, self.state, _, error = self.step(self.model, self.state, (x, t), None, None)
        return error.item()


def main() -> None:
    """Check that both learn the same, then time them."""
    rng = np.random.default_rng(0)
    # More rows than a batch, so that the loss stays away from zero while we time.
    data = rng.standard_normal((50, ROWS, INPUTS)).astype(np.float32)
    targets = rng.integers(0, CLASSES, (50, ROWS))
    model = nn.MLP(INPUTS, [HIDDEN], CLASSES, rng=0)
    by_hand = HandWritten([np.asarray(leaf) for leaf in cr.tree_leaves(model)])
    interpreted = Interpreted(model)
    tensors = [(cr.asarray(x), cr.asarray(t)) for x, t in zip(data, targets, strict=True)]
    for i in range(50):
        a, b = by_hand(data[i], targets[i]), interpreted(*tensors[i])
        assert abs(a - b) < 1e-4 * max(1.0, abs(a)), (i, a, b)
    turn = {"hand": 0, "interpreter": 0}

    def next_hand() -> None:
        turn["hand"] += 1
        by_hand(data[turn["hand"] % 50], targets[turn["hand"] % 50])

    def next_interpreted() -> None:
        turn["interpreter"] += 1
        interpreted(*tensors[turn["interpreter"] % 50])

    times = interleaved({"NumPy by hand": next_hand, "interpreter": next_interpreted})
    for name, seconds in times.items():
        print(f"{name:15} {seconds * 1e6:8.0f} µs a step")
    print(f"ratio           {times['interpreter'] / times['NumPy by hand']:8.2f}")

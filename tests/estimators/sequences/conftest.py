"""Small data of sequences."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def walks():
    """Random walks of 3 to 12 steps in two features, and whether the first one ends above 0."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(length, 2)).cumsum(axis=0) for length in rng.integers(3, 13, 70)]
    return x, np.array(["up" if sequence[-1, 0] > 0 else "down" for sequence in x])


@pytest.fixture(scope="session")
def waves():
    """Noisy sines of 20 to 40 steps with a random phase, and their frequencies."""
    rng = np.random.default_rng(0)
    frequency = rng.uniform(0.2, 1.0, 300)
    lengths, phases = rng.integers(20, 41, 300), rng.uniform(0, 2 * np.pi, 300)
    pairs = zip(frequency, lengths, phases, strict=True)
    x = [np.sin(f * np.arange(length) + phase) for f, length, phase in pairs]
    return [sequence + 0.1 * rng.normal(size=len(sequence)) for sequence in x], frequency

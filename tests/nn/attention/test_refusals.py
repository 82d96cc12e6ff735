"""Mistakes with attention: who refuses, the failed condition, what came, and the mend."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.attention import angles, rotate

X = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
LAYER = nn.MultiHeadAttention(8, 2, rng=0)
DOUBLE = nn.MultiHeadAttention(8, 2, rng=0, dtype="float64")


def attend(**options):
    return nn.attention(X, X, X, **options)


def filled(value):
    return np.full((5, 5), value, "float32")


MISTAKES = {
    "heads": (lambda: nn.MultiHeadAttention(8, 3), r"width % heads.*8 % 3 == 2.*1, 2, 4, 8"),
    "shared heads": (
        lambda: nn.MultiHeadAttention(8, 4, key_value_heads=3),
        r"heads % key_value_heads.*4 % 3 == 1.*1, 2, 4",
    ),
    "narrow context": (
        lambda: LAYER(X, X[..., :3]),
        r"MultiHeadAttention\(8, 2\).*context.*\(2, S, 8\).*\(2, 5, 3\)",
    ),
    "one context": (lambda: LAYER(X, X[0]), r"context.*\(2, S, 8\).*\(5, 8\)"),
    "empty context": (lambda: LAYER(X, X[:, :0]), r"context.*S >= 1.*\(2, 0, 8\)"),
    "other context": (lambda: LAYER(X, X[:1]), r"context.*\(2, S, 8\).*\(1, 5, 8\)"),
    "wide context": (
        lambda: LAYER(X, X.astype("float64")),
        r"context\.dtype == float32.*float64.*context\.astype\(\"float32\"\)",
    ),
    "a mask of integers": (lambda: LAYER(X, mask=np.eye(5, dtype=int)), r"mask.*int64.*mask != 0"),
    "a mask of NaN": (lambda: attend(mask=filled(np.nan)), r"attention.*mask < inf.*nan"),
    "a mask of inf": (lambda: LAYER(X, mask=filled(np.inf)), r"mask < inf.*inf.*-inf"),
    "causal as a mask": (
        lambda: attend(causal=np.eye(5) > 0),
        r"causal.*True or False.*ndarray\[5, 5\].*mask=",
    ),
    "causal in words": (lambda: attend(causal="yes"), r"causal.*'yes'"),
    "many scales": (lambda: attend(scale=np.ones(3)), r"scale.*ndarray\[3\]"),
    "scale of list": (lambda: attend(scale=[1.0]), r"scale.*\[1\.0\]"),
    "softcap of text": (lambda: attend(softcap="a"), r"softcap > 0.*'a'"),
    "half a block": (lambda: attend(block=2.5), r"block.*integer >= 1.*2\.5"),
    "rate without a key": (lambda: attend(dropout=2), r"0 <= rate < 1.*2"),
    "cache of another type": (
        lambda: LAYER(X, cache=DOUBLE.cache(2, 10)),
        r"MultiHeadAttention\(8, 2\).*cache.*float32.*float64",
    ),
    "no cache": (lambda: LAYER(X, cache=3), r"cache.*\(2, 2, time, 4\).*int"),
    "types": (lambda: nn.attention(X, X, X.astype("float64")), r"one floating type.*astype"),
    "rotated integers": (lambda: nn.rotary([[1, 2], [3, 4]]), r"rotary.*floating.*int64.*astype"),
    "positions": (lambda: nn.rotary(X, [0, 1, 2]), r"rotary.*positions.*\(2, 5\).*\(3,\)"),
    "positions of NaN": (lambda: nn.rotary(X, [np.nan] * 5), r"finite positions.*nan"),
    "base 0": (lambda: nn.rotary(X, base=0), r"base > 0.*got 0"),
    "base below 0": (lambda: nn.rotary(X, base=-1), r"base > 0.*-1"),
    "base of text": (lambda: nn.rotary(X, base="a"), r"base > 0.*'a'"),
    "base of NaN": (lambda: angles([0, 1], 4, base=np.nan), r"base > 0.*nan"),
    "a layer's base": (
        lambda: nn.MultiHeadAttention(8, 2, rotary=True, rotary_base=0),
        r"base > 0.*got 0",
    ),
    "fraction of text": (lambda: nn.rotary(X, fraction="a"), r"fraction.*'a'"),
    "no width": (lambda: angles([0, 1], 0), r"angles\(positions, width\).*>= 1.*0"),
    "numbers to turn by": (lambda: rotate(X, 1.0, 2.0), r"rotate.*\(\)"),
    "angles of other places": (
        lambda: rotate(X, filled(1.0)[:3, :4], filled(1.0)[:3, :4]),
        r"rotate.*\(3, 4\).*\(2, 5, 8\)",
    ),
}


@pytest.mark.parametrize(("mistake", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_explained(mistake, words, explained):
    explained(mistake, words)


def test_positions_between_places_turn_by_angles_between():
    turned = nn.rotary([[1.0, 0.0]], [0.5]).numpy()[0]
    np.testing.assert_allclose(turned, [np.cos(0.5), np.sin(0.5)], rtol=1e-6)


def test_options_may_be_of_numpy():
    options = {"causal": np.True_, "scale": np.float32(0.5), "softcap": np.float64(2.0)}
    wanted = attend(causal=True, scale=0.5, softcap=2.0)
    np.testing.assert_array_equal(attend(**options), cr.asarray(wanted))

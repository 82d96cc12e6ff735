"""What does not fit is said in our words: who, what was expected, what arrived, and the mend."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DataError, DtypeError, OptionError, ShapeError
from chainrule.nn.attention import rotate

LAYER = nn.MultiHeadAttention(8, 2, rng=0)
BLOCK = nn.TransformerBlock(8, 2, rng=0)
CROSS = nn.TransformerBlock(8, 2, cross=True, rng=0)
MODEL = nn.LanguageModel(11, 8, 2, 1, time=6, rng=0)
TABLE = nn.PositionTable(6, 8, rng=0)
X = np.ones((2, 5, 8), np.float32)
Q = np.ones((2, 3, 5, 4), np.float32)


def attend(k=Q, v=Q, q=Q, **options):
    return nn.attention(q, k, v, **options)


CASES = {
    # masks
    "a mask of keys": (
        lambda: attend(mask=np.ones((2, 5), bool)),
        ShapeError,
        r"\(2, 3, 5, 5\).*but got \(2, 5\).*mask\[:, None, None, :\]",
    ),
    "a mask with too many axes": (
        lambda: attend(mask=np.ones((1, 2, 3, 5, 5), bool)),
        ShapeError,
        r"attention expects mask.shape to broadcast to",
    ),
    "a mask of integers": (
        lambda: attend(mask=np.ones((5, 5), int)),
        DtypeError,
        "mask of booleans.*but got int64.*mask != 0",
    ),
    "a layer's mask with lengths": (
        lambda: LAYER(X, lengths=[5, 3], mask=np.ones((4, 5), bool)),
        ShapeError,
        r"MultiHeadAttention\(8, 2\) expects mask.shape to broadcast to \(2, 2, 5, 5\)",
    ),
    # the function
    "no keys": (
        lambda: attend(k=Q[:, :, :0], v=Q[:, :, :0]),
        ShapeError,
        r"T, S >= 1, but got q of shape \(2, 3, 5, 4\), k of shape \(2, 3, 0, 4\)",
    ),
    "no queries": (lambda: attend(q=Q[:, :, :0]), ShapeError, "T, S >= 1"),
    "keys of another width": (lambda: attend(k=Q[..., :3]), ShapeError, r"attention expects q"),
    "fewer values than keys": (lambda: attend(v=Q[:, :, :4]), ShapeError, "attention expects q"),
    "vectors": (lambda: attend(Q[0, 0, 0], Q[0, 0, 0], Q[0, 0, 0]), ShapeError, "expects q"),
    "heads that cannot share": (
        lambda: attend(k=Q[:, :2], v=Q[:, :2]),
        ShapeError,
        r"multiple of k.shape\[-3\].*\(2, 3, 5, 4\) and k of shape \(2, 2, 5, 4\)",
    ),
    "batches that differ": (lambda: attend(k=Q[:1, :1], v=Q[:1, :1]), ShapeError, "to agree"),
    "two types": (
        lambda: attend(k=Q.astype("float64")),
        DtypeError,
        r"one floating type, but got f32\[2, 3, 5, 4\], f64\[2, 3, 5, 4\]",
    ),
    "integers": (lambda: attend(*[Q.astype(int)] * 3), DtypeError, "one floating type"),
    "a scale of 0": (lambda: attend(scale=0.0), OptionError, "a number > 0, but got 0.0"),
    "a scale in words": (lambda: attend(scale="sqrt"), OptionError, "but got 'sqrt'"),
    "a softcap of 0": (lambda: attend(softcap=0.0), OptionError, "softcap > 0, but got 0.0"),
    "blocks of 0": (lambda: attend(block=0), OptionError, "block to be .* but got 0"),
    "a rate of 1": (lambda: attend(dropout=1.0, key=cr.random.key(0)), OptionError, "rate"),
    # layers
    "heads that do not divide": (
        lambda: nn.MultiHeadAttention(8, 3),
        OptionError,
        r"MultiHeadAttention\(8, 3\) expects width % heads == 0, but got 8 % 3 == 2",
    ),
    "in a model, too": (
        lambda: nn.LanguageModel(11, 8, 3, 1, time=6),
        OptionError,
        "expects width % heads == 0",
    ),
    "heads of keys that do not divide": (
        lambda: nn.MultiHeadAttention(8, 4, key_value_heads=3),
        OptionError,
        "but got 4 % 3 == 1",
    ),
    "an odd head to rotate": (
        lambda: nn.MultiHeadAttention(6, 2, rotary=True),
        OptionError,
        "width / heads to be even.*but got 3",
    ),
    "no head": (lambda: nn.MultiHeadAttention(8, 0), OptionError, "integers >= 1, but got 0"),
    "half a head": (lambda: nn.MultiHeadAttention(8, 2.0), OptionError, "but got 2.0"),
    "a sequence of length 0": (
        lambda: LAYER(X[:, :0]),
        ShapeError,
        r"\(batch, time, 8\) with time >= 1, but got x of shape \(2, 0, 8\)",
    ),
    "one sequence": (lambda: LAYER(X[0]), ShapeError, r"a batch of one: x\[None\]"),
    "another width": (lambda: LAYER(X[..., :7]), ShapeError, r"x.shape\[-1\] == 8"),
    "another type": (lambda: LAYER(X.astype("float64")), DtypeError, "x.dtype == float32"),
    "a length of 0": (lambda: LAYER(X, lengths=[5, 0]), DataError, "1 <= lengths <= 5.*got 0"),
    "a length beyond": (lambda: LAYER(X, lengths=[5, 6]), DataError, "1 <= lengths <= 5.*got 6"),
    "lengths for others": (lambda: LAYER(X, lengths=[5]), ShapeError, r"== \(2,\).*\(1,\)"),
    "a length of a half": (lambda: LAYER(X, lengths=[5, 2.5]), DtypeError, "integer type"),
    "a length of the context beyond": (
        lambda: LAYER(X, X[:, :3], lengths=[3, 4]),
        DataError,
        "1 <= lengths <= 3",
    ),
    "a block's length": (lambda: BLOCK(X, lengths=[5, 9]), DataError, "TransformerBlock.*got 9"),
    "contexts of another batch": (
        lambda: LAYER(X, X[:1]),
        ShapeError,
        r"a context of shape \(2, S, 8\).*\(1, 5, 8\)",
    ),
    "a cache for cross-attention": (
        lambda: LAYER(X, X, cache=LAYER.cache(2, 9)),
        OptionError,
        "rotary=False and no cache",
    ),
    "a full cache": (
        lambda: LAYER(X, cache=LAYER.cache(2, 4)),
        ShapeError,
        "at most 4 places, but got 5",
    ),
    "a cache without places": (lambda: LAYER.cache(2, 0), OptionError, "integers >= 1, but got 0"),
    "a missing context": (lambda: CROSS(X), OptionError, "here cross=True"),
    "a needless context": (lambda: BLOCK(X, X), OptionError, "here cross=False"),
    "an unknown norm": (
        lambda: nn.TransformerBlock(8, 2, norm="layr"),
        OptionError,
        "layer, rms.*'layr'.*Did you mean 'layer'",
    ),
    "an unknown activation": (
        lambda: nn.FeedForward(8, 16, "swish"),
        OptionError,
        "the name 'swish'",
    ),
    "no blocks": (lambda: nn.Encoder(8, 2, 0), OptionError, "integers >= 1, but got 0"),
    "eps of 0": (lambda: nn.LayerNorm(8, eps=0.0), OptionError, r"LayerNorm\(8\) expects eps > 0"),
    "another width to normalise": (
        lambda: nn.RMSNorm(8)(X[..., :7]),
        ShapeError,
        r"RMSNorm\(8\) expects x.shape\[-1\] == 8, but got x of shape \(2, 5, 7\)",
    ),
    "another type to normalise": (
        lambda: nn.LayerNorm(8)(X.astype("float64")),
        DtypeError,
        "x.dtype == float32",
    ),
    # positions
    "beyond the table": (
        lambda: TABLE(np.ones((1, 7, 8), np.float32)),
        ShapeError,
        r"PositionTable\(6, 8\) expects positions < 6.*7 places.*positions=\"rotary\"",
    ),
    "a place beyond the table": (lambda: TABLE(X, [[0, 1, 2, 3, 6]]), DataError, "positions < 6"),
    "a place before the table": (lambda: TABLE(X, [[0, 1, 2, 3, -1]]), DataError, "positions < 6"),
    "places that are no integers": (
        lambda: TABLE(X, [[0.0, 1.0, 2.0, 3.0, 4.0]]),
        DtypeError,
        "integer",
    ),
    "a model's table": (lambda: MODEL(np.zeros((1, 7), int)), ShapeError, "expects positions < 6"),
    "unknown positions": (
        lambda: nn.LanguageModel(11, 8, 2, 1, time=6, positions="rotory"),
        OptionError,
        "'rotory'. Did you mean 'rotary'",
    ),
    "an odd rotation": (lambda: nn.rotary(X[..., :7]), OptionError, r"is even and >= 2.*5, 7\)"),
    "a rotation of a third": (lambda: nn.rotary(X, fraction=0.3), OptionError, "fraction=0.3"),
    "more angles than pairs": (
        lambda: rotate(X, cr.ones((5, 5)), cr.ones((5, 5))),
        ShapeError,
        r"2 \* pairs <= x.shape\[-1\]",
    ),
    "no position": (lambda: nn.sinusoidal_positions(0, 4), OptionError, "integers >= 1"),
    # ids
    "an id beyond": (lambda: MODEL([[1, 11]]), DataError, "0 <= ids < 11.*but got 11"),
    "an id below 0": (lambda: MODEL([[1, -1]]), DataError, "but got -1"),
    "ids of floats": (lambda: MODEL([[1.0]]), DtypeError, "ids of an integer type"),
    "one row of ids": (lambda: MODEL([1, 2]), ShapeError, r"a batch of one: ids\[None\]"),
    "no ids": (lambda: MODEL(np.zeros((1, 0), int)), ShapeError, "time >= 1"),
    "a batch of another size than the cache": (
        lambda: MODEL([[1], [2]], cache=MODEL.cache(3)),
        ShapeError,
        r"2 sequences and 1 blocks.*model.cache\(2\)",
    ),
    "a cache for another layer": (
        lambda: LAYER(X, cache=nn.MultiHeadAttention(8, 4, rng=0).cache(2, 9)),
        ShapeError,
        r"\(2, 2, time, 4\).*but got float32 \(2, 4, 9, 2\)",
    ),
    "a model's cache for a layer": (
        lambda: LAYER(X, cache=MODEL.cache(2)),
        ShapeError,
        "but got tuple",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused(name):
    call, error, message = CASES[name]
    with pytest.raises(error, match=message):
        call()


def test_an_error_names_the_layer_of_the_model():
    with pytest.raises(ShapeError) as caught:
        MODEL(np.zeros((1, 7), int))
    assert str(caught.value).startswith("position_table: ")
    model = nn.Encoder(8, 2, 2, rng=0)
    with pytest.raises(ShapeError) as caught:
        model(X, mask=np.ones((4, 4), bool))
    assert str(caught.value).startswith("blocks.0.attention: ")


def test_symbolic_lengths_below_1_leave_a_row_without_keys():
    """A graph cannot look at its inputs' numbers: such a sequence has no place, and gives 0."""
    run = cr.compile(lambda x, lengths: LAYER(x, lengths=lengths), engine="interpret")
    y = run(X, np.array([5, 0])).numpy()
    assert np.isfinite(y).all() and (y[1] == 0).all() and (y[0] != 0).any()

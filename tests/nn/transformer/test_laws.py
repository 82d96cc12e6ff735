"""What holds exactly for blocks, stacks, positions and the language model."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

F64 = {"rng": 0, "dtype": "float64"}
LENGTHS, TIME = np.array([5, 3, 1]), 5
REAL = (np.arange(TIME) < LENGTHS[:, None])[:, :, None]
X = np.random.default_rng(0).normal(size=(3, TIME, 8))
OTHER = np.random.default_rng(1).normal(size=(3, TIME, 8))


def equal(got, expected):
    for a, b in zip(cr.tree_leaves(got), cr.tree_leaves(expected), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# ---------------------------------------------------------------------- padding
def attention(**options):
    return nn.MultiHeadAttention(8, 2, **options, **F64)


#: Layers, and how they are called with a sequence of which a part is padding.
PADDED = {
    "self-attention": (attention(), lambda layer, x: layer(x, lengths=LENGTHS)),
    "causal": (attention(rotary=True), lambda layer, x: layer(x, lengths=LENGTHS, causal=True)),
    "cross": (attention(), lambda layer, x: layer(OTHER, x, lengths=LENGTHS)),
    "a block": (
        nn.TransformerBlock(8, 2, **F64),
        lambda layer, x: cr.where(REAL, layer(x, lengths=LENGTHS), 0),
    ),
    "encoder": (nn.Encoder(8, 2, 1, **F64), lambda layer, x: layer(x, LENGTHS)),
    "post-norm": (
        nn.Encoder(8, 2, 1, pre_norm=False, norm="rms", **F64),
        lambda layer, x: layer(x, LENGTHS),
    ),
    "decoder": (nn.Decoder(8, 2, 1, **F64), lambda layer, x: layer(x, OTHER, LENGTHS)),
    "its context": (nn.Decoder(8, 2, 1, **F64), lambda layer, x: layer(OTHER, x, None, LENGTHS)),
    "what it read": (
        nn.Decoder(8, 2, 1, **F64),
        lambda layer, x: layer(OTHER, layer.read(x, LENGTHS)),
    ),
    "source": (nn.Transformer(8, 2, 1, **F64), lambda layer, x: layer(x, OTHER, LENGTHS)),
    "target": (nn.Transformer(8, 2, 1, **F64), lambda layer, x: layer(OTHER, x, None, LENGTHS)),
}


@pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, "interpret") for name in PADDED), ("cross", "native"), ("encoder", "native")],
)
def test_padding_changes_no_result_and_no_gradient(name, engine):
    layer, call = PADDED[name]

    def everything(layer, x):
        cost = lambda layer, x: (call(layer, x) ** 3).sum()  # noqa: E731
        return call(layer, x), cr.grad(cost, argnums=(0, 1))(layer, x)

    run = cr.compile(everything, engine=engine)
    y, (of_layer, of_x) = run(layer, np.where(REAL, X, 0.0))
    assert all(np.isfinite(leaf.numpy()).all() for leaf in cr.tree_leaves((y, of_layer)))
    assert (of_x.numpy()[~REAL[:, :, 0]] == 0).all()
    for rubbish in (7.0, np.nan, np.inf):
        equal(run(layer, np.where(REAL, X, rubbish)), (y, (of_layer, of_x)))


@pytest.mark.parametrize("name", ["self-attention", "encoder", "decoder", "target"])
def test_the_output_is_0_at_padded_places(name):
    layer, call = PADDED[name]
    assert (call(layer, X).numpy()[~REAL[:, :, 0]] == 0).all()


def test_a_sequence_is_as_good_alone_as_in_a_batch():
    model = nn.Encoder(8, 2, 2, **F64)
    together = model(X, LENGTHS).numpy()
    for row, length in enumerate(LENGTHS):
        alone = model(X[row : row + 1, :length]).numpy()[0]
        np.testing.assert_allclose(together[row, :length], alone, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------------- the future
@pytest.mark.parametrize(
    ("positions", "engine"),
    [*((name, "interpret") for name in ("learned", "sinusoidal", "none")), ("rotary", "native")],
)
def test_a_later_symbol_changes_nothing_before_it(positions, engine):
    model = nn.LanguageModel(11, 8, 2, 2, time=6, positions=positions, **F64)
    ids = np.array([[1, 2, 3, 4, 5, 6]])
    run = cr.compile(lambda model, ids: model(ids), engine=engine)
    before, after = run(model, ids).numpy(), run(model, np.array([[1, 2, 3, 9, 9, 9]])).numpy()
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] != after[:, 3:]).all()


def test_no_gradient_comes_from_the_future():
    block = nn.TransformerBlock(8, 2, causal=True, **F64)
    for t in range(TIME):
        g = cr.grad(lambda x, t=t: block(x)[:, t].sum() ** 2)(X).numpy()
        assert (g[:, t + 1 :] == 0).all() and (g[:, : t + 1] != 0).any(axis=(0, 2)).all()


def test_a_decoder_sees_all_of_its_context_and_none_of_its_future():
    decoder = nn.Decoder(8, 2, 1, **F64)
    cost = lambda x, c: (decoder(x, c)[:, 1] ** 3).sum()  # noqa: E731
    of_x, of_context = cr.grad(cost, argnums=(0, 1))(X, OTHER)
    assert (of_x.numpy()[:, 2:] == 0).all() and (of_x.numpy()[:, :2] != 0).any()
    assert (of_context.numpy() != 0).any(axis=(0, 2)).all()


# ---------------------------------------------------------------------- positions
def test_sinusoidal_positions_turn_by_a_fixed_angle():
    """``PE(p + k) = R_k PE(p)``: the same rotation of the pairs for every ``p``."""
    table = nn.sinusoidal_positions(300, 16, dtype="float64").numpy()
    points = table[:, 1::2] + 1j * table[:, 0::2]  # cosine and sine of the angle
    frequency = 10000.0 ** (-np.arange(0, 16, 2) / 16)
    for k in (1, 17, 200):
        np.testing.assert_allclose(points[k:], points[:-k] * np.exp(1j * k * frequency), atol=1e-12)
    products = table @ table.T
    for k in (1, 17, 200):
        assert np.ptp(np.diagonal(products, k)) < 1e-12


def test_sinusoidal_positions_by_the_papers_formula():
    table = nn.sinusoidal_positions(50, 7, dtype="float64").numpy()
    for p in (0, 1, 49):
        for i in range(7):
            angle = p / 10000 ** (2 * (i // 2) / 7)
            assert abs(table[p, i] - (np.cos if i % 2 else np.sin)(angle)) < 1e-14
    at = nn.sinusoidal_positions([[3, 49]], 7, dtype="float64").numpy()
    np.testing.assert_array_equal(at, table[None, [3, 49]])


def test_without_positions_order_shows_by_the_causal_mask_alone():
    encoder = nn.Encoder(8, 2, 2, **F64)
    order = np.random.default_rng(2).permutation(TIME)
    np.testing.assert_allclose(
        encoder(X[:, order]).numpy(), encoder(X).numpy()[:, order], rtol=1e-10
    )


def test_a_table_of_positions_adds_its_rows():
    table = nn.PositionTable(6, 8, **F64)
    np.testing.assert_array_equal(table(X).numpy(), X + table.weight.numpy()[:TIME])
    places = np.array([[5, 0, 1, 1, 2]] * 3)
    np.testing.assert_array_equal(table(X, places).numpy(), X + table.weight.numpy()[places])


# ---------------------------------------------------------------------- parameters
def test_weights_begin_as_in_gpt2():
    model = nn.LanguageModel(500, 64, 4, 8, time=100, rng=0)
    deviation = {path: value.numpy().std() for path, value in nn.parameters(model).items()}
    for path, wanted in {
        "embedding.weight": 0.02,
        "position_table.weight": 0.02,
        "blocks.3.attention.input.weight": 0.02,
        "blocks.3.attention.output.weight": 0.005,
        "blocks.3.feed_forward.up.weight": 0.02,
        "blocks.3.feed_forward.down.weight": 0.005,
        "blocks.3.attention.input.bias": 0,
        "output.weight": 0.02,
    }.items():
        assert abs(deviation[path] - wanted) < 0.05 * wanted + 1e-9, path


def test_attention_begins_with_each_projection_by_its_own_size():
    weight = nn.MultiHeadAttention(60, 6, key_value_heads=2, rng=0).input.weight.numpy()
    for part, n in zip(np.split(weight, [60, 80], axis=1), (60, 20, 20), strict=True):
        bound = np.sqrt(6 / (60 + n))
        assert 0.95 * bound < np.abs(part).max() <= bound


def test_a_tied_output_is_the_embedding():
    model = nn.LanguageModel(11, 8, 2, 1, time=6, tied=True, **F64)
    assert model.output is None
    assert (
        nn.parameter_count(model)
        == nn.parameter_count(model.replace(output=nn.Linear(8, 11, bias=False, **F64))) - 88
    )
    ids = [[1, 2, 3]]
    by_hand = model.replace(output=nn.Linear.of(model.embedding.weight.T))
    equal(model(ids), by_hand(ids))


def test_the_number_of_parameters():
    d, symbols, time = 16, 64, 32
    block = 4 * d * d + 4 * d + 8 * d * d + 5 * d + 4 * d
    model = nn.LanguageModel(symbols, d, 4, 3, time=time, rng=0)
    assert nn.parameter_count(model) == 2 * symbols * d + time * d + 3 * block + 2 * d


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.FeedForward(8, rng=0), 'FeedForward(8, 32, "gelu")'),
        (nn.FeedForward(8, 12, "swiglu", dropout=0.5), 'FeedForward(8, 12, "swiglu", dropout=0.5)'),
        (
            nn.TransformerBlock(8, 2, pre_norm=False, norm="rms", hidden=12, bias=False),
            'TransformerBlock(8, 2, hidden=12, pre_norm=False, norm="rms", bias=False)',
        ),
        (nn.Encoder(8, 2, 3, activation="relu"), 'Encoder(8, 2, 3, activation="relu")'),
        (nn.Decoder(8, 2, 3, final_norm=False), "Decoder(8, 2, 3, final_norm=False)"),
        (
            nn.LanguageModel(11, 8, 2, 3, time=4, positions="rotary", tied=True, dropout=0.1),
            'LanguageModel(11, 8, 2, 3, time=4, positions="rotary", tied=True, dropout=0.1)',
        ),
        (
            nn.MultiHeadAttention(8, 4, key_value_heads=2, rotary=True, scaled=False),
            "MultiHeadAttention(8, 4, key_value_heads=2, rotary=True, scaled=False)",
        ),
        (nn.RMSNorm(8), "RMSNorm(8)"),
        (nn.LayerNorm(8, eps=1e-3, bias=False), "LayerNorm(8, eps=0.001, bias=False)"),
    ],
)
def test_how_layers_print(layer, text):
    assert repr(layer) == text


# ---------------------------------------------------------------------- dropout
def test_dropout_needs_a_key_and_draws_anew_in_every_layer():
    model = nn.LanguageModel(11, 8, 2, 2, time=6, dropout=0.5, **F64)
    ids = [[1, 2, 3]]
    assert nn.has_random_layers(model)
    quiet = nn.LanguageModel(11, 8, 2, 2, time=6, **F64)
    np.testing.assert_array_equal(model(ids).numpy(), quiet(ids).numpy())
    one, two = (model(ids, key=cr.random.key(i)).numpy() for i in (0, 1))
    assert (one != two).any() and (one != model(ids).numpy()).any()
    np.testing.assert_array_equal(one, model(ids, key=cr.random.key(0)).numpy())


def test_it_learns_to_count():
    """A few steps of training: the next symbol is this one plus 1."""
    model = nn.LanguageModel(8, 16, 2, 1, time=8, rng=0)
    x = np.arange(8)[:, None] + np.arange(8)
    x, t = (x % 8).astype(np.int64), ((x + 1) % 8).astype(np.int64)

    def cost(model, x, t):
        return nn.cross_entropy(model(x).reshape(-1, 8), t.reshape(-1))

    trained, _ = cr.fit(model, cost, (x, t), optimizer=cr.optim.adam(3e-2), epochs=30, rng=0)
    assert cost(trained, x, t).item() < 0.05 < cost(model, x, t).item()
    assert nn.generate(trained, [3], 6, greedy=True).tolist() == [4, 5, 6, 7, 0, 1]

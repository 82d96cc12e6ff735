"""Writing on: the cache, greedy and drawn symbols, stops, batches of prompts."""

import functools

import numpy as np
import pytest
import torch
from scipy import stats

import chainrule as cr
from chainrule import nn
from chainrule.engines.native.bound import Bound
from chainrule.errors import DataError, OptionError, ShapeError
from chainrule.nn.transformer import generation
from chainrule.nn.transformer.generation import next_probabilities

LLAMA = {"positions": "rotary", "norm": "rms", "activation": "swiglu", "bias": False}
KINDS = {
    "learned": {},
    "sinusoidal and tied": {"positions": "sinusoidal", "tied": True},
    "rotary and grouped": {**LLAMA, "key_value_heads": 1},
}


def model_of(kind="learned", time=40, dtype="float64", scale=8.0):
    """A model whose logits are far apart, so that what it writes is not by chance."""
    model = nn.LanguageModel(13, 16, 4, 2, time=time, rng=0, dtype=dtype, **KINDS[kind])
    return cr.tree_map(lambda w: w * scale if w.ndim == 2 else w, model)


def without_cache(model, prompt, steps):
    """The most likely symbols, each by the whole sequence so far."""
    ids = list(prompt)
    for _ in range(steps):
        ids.append(int(model([ids]).numpy()[0, -1].argmax()))
    return ids[len(prompt) :]


# ---------------------------------------------------------------------- the cache
@pytest.mark.parametrize("kind", KINDS)
def test_logits_with_a_cache_are_those_without(kind):
    model, ids = model_of(kind), np.random.default_rng(0).integers(0, 13, (2, 12))
    whole, cache, parts = model(ids).numpy(), model.cache(2, 16), []
    for chunk in np.split(ids, [5, 6, 7, 11], axis=1):
        logits, cache = model(chunk, cache=cache)
        parts.append(logits.numpy())
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=1e-11)
    assert cache[0].length.tolist() == [12, 12]


def test_a_batch_of_sequences_of_different_length_in_one_cache():
    model, lengths = model_of("rotary and grouped"), np.array([5, 2])
    ids = np.random.default_rng(0).integers(0, 13, (2, 7))
    _, cache = model(ids[:, :5], lengths, cache=model.cache(2, 8))
    logits, cache = model(ids[:, 5:], cache=cache)
    assert cache[0].length.tolist() == [7, 4]
    for row, length in enumerate(lengths):
        alone = model(np.concatenate([ids[row, :length], ids[row, 5:]])[None]).numpy()
        np.testing.assert_allclose(logits.numpy()[row], alone[0, -2:], rtol=0, atol=1e-11)


@pytest.mark.parametrize("count", [1, 2])
def test_what_stands_behind_the_length_counts_for_nothing(count):
    layer = nn.MultiHeadAttention(8, 2, rng=0)
    x = cr.asarray(np.random.default_rng(0).normal(size=(2, 6, 8)), "float32")
    y, _ = layer(x[:, : 3 + count], causal=True, cache=layer.cache(2, 6))
    _, cache = layer(x, causal=True, cache=layer.cache(2, 6))
    back = cache._replace(length=cache.length - 3)
    again, cache = layer(x[:, 3 : 3 + count], causal=True, cache=back)
    np.testing.assert_allclose(again.numpy(), y[:, 3:].numpy(), rtol=1e-5, atol=1e-6)
    assert cache.length.tolist() == [3 + count] * 2


def test_a_layer_with_a_cache_and_a_mask():
    layer = nn.MultiHeadAttention(8, 2, rng=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 6, 8))
    near = np.abs(np.subtract.outer(np.arange(6), np.arange(6))) < 3
    whole = layer(x, mask=near, causal=True).numpy()
    _, cache = layer(x[:, :4], cache=layer.cache(2, 6), mask=near[:4])
    y, weights, cache = layer(x[:, 4:], cache=cache, mask=near[4:], weights=True)
    np.testing.assert_allclose(y.numpy(), whole[:, 4:], rtol=0, atol=1e-12)
    assert (weights.numpy()[:, :, 0, :2] == 0).all() and cache.length.tolist() == [6, 6]


# ---------------------------------------------------------------------- greedy
@pytest.mark.parametrize("engine", ["interpret", "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_the_arg_max_of_the_whole_sequence(kind, engine):
    model, prompt = model_of(kind), [1, 5, 2]
    wanted = without_cache(model, prompt, 20)
    assert len(set(wanted)) > 1
    assert nn.generate(model, prompt, 20, greedy=True, engine=engine).tolist() == wanted


def test_greedy_by_pytorchs_logits():
    """The same weights in PyTorch's layers."""
    model = model_of()
    w = {path: torch.tensor(value.numpy()) for path, value in nn.parameters(model).items()}
    block = torch.nn.TransformerEncoderLayer(
        16, 4, 64, 0.0, "gelu", norm_first=True, batch_first=True, dtype=torch.float64
    )
    places = {
        "attention.input.weight": "self_attn.in_proj_weight",
        "attention.input.bias": "self_attn.in_proj_bias",
        "attention.output.weight": "self_attn.out_proj.weight",
        "attention.output.bias": "self_attn.out_proj.bias",
        "feed_forward.up.weight": "linear1.weight",
        "feed_forward.up.bias": "linear1.bias",
        "feed_forward.down.weight": "linear2.weight",
        "feed_forward.down.bias": "linear2.bias",
        "attention_norm.weight": "norm1.weight",
        "attention_norm.bias": "norm1.bias",
        "feed_forward_norm.weight": "norm2.weight",
        "feed_forward_norm.bias": "norm2.bias",
    }

    def logits(ids):
        x = w["embedding.weight"][ids] + w["position_table.weight"][: len(ids)]
        forbidden = torch.triu(torch.ones(len(ids), len(ids), dtype=torch.bool), 1)
        for i in range(2):
            here = {there: w[f"blocks.{i}.{ours}"] for ours, there in places.items()}
            block.load_state_dict({k: v.mT if v.ndim == 2 else v for k, v in here.items()})
            x = block(x[None], src_mask=forbidden)[0]
        x = torch.nn.functional.layer_norm(x, (16,), w["norm.weight"], w["norm.bias"])
        return x @ w["output.weight"]

    ids = [1, 5, 2]
    with torch.no_grad():
        for _ in range(15):
            ids.append(int(logits(torch.tensor(ids))[-1].argmax()))
    assert nn.generate(model, [1, 5, 2], 15, greedy=True).tolist() == ids[3:]


def test_prompts_of_different_length():
    model, prompts = model_of("rotary and grouped"), [[1, 5, 2, 7], [3], [9, 9]]
    together = nn.generate(model, prompts, 10, greedy=True)
    alone = [nn.generate(model, prompt, 10, greedy=True).tolist() for prompt in prompts]
    assert together.tolist() == alone and together.dtype == np.int64


OPTIONS = {
    "greedy": {"greedy": True},
    "drawn": {"temperature": 0.7},
    "narrowed": {"temperature": 1.5, "top_k": 6, "top_p": 0.9},
}


@pytest.fixture
def compiled(monkeypatch):
    """A function that continues prompts, not traced yet."""
    fresh = functools.cache(lambda engine: cr.compile(generation._continued, engine=engine))
    monkeypatch.setattr(generation, "_compiled", fresh)
    monkeypatch.setattr(generation, "_pays", set())
    return fresh


def test_models_prompts_steps_and_options_share_one_trace(compiled):
    twin = cr.tree_map(lambda w: -w, model_of())
    for model, prompt, steps, options in [
        (model_of(), [1], 10, {"top_k": 3}),
        (twin, [1, 2, 3, 4], 20, {"top_k": 4, "temperature": 0.5, "rng": 3}),
        (twin, [1, 2], 7, {"top_p": 0.3, "stop": {1, 2}}),
    ]:
        nn.generate(model, prompt, steps, engine="interpret", **options)
    assert compiled("interpret").trace_count == 1


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_engines_write_the_same_and_native_code_does_all_of_it(options, compiled):
    model, prompts = model_of(scale=2.0), [[1, 5, 2], [7]]
    one, two = (
        nn.generate(model, prompts, 20, rng=3, engine=engine, **options)
        for engine in ("interpret", "native")
    )
    assert one.tolist() == two.tolist()
    (variant,) = compiled("native")._variants.values()
    assert isinstance(variant.run, Bound)  # not the interpreter, which takes what is refused


def test_a_model_that_writes_much_is_compiled(compiled, monkeypatch):
    model, asked = model_of(), []
    monkeypatch.setattr(
        generation,
        "chosen_engine",
        lambda engine, step, runs: asked.append(runs) or ("interpret", "native")[len(asked) // 2],
    )
    written = [nn.generate(model, [1, 5], n, greedy=True).tolist() for n in (20, 19, 18)]
    assert asked == [20, 19]  # the third call knows
    assert compiled("native").trace_count == 1
    assert written == [written[0][:n] for n in (20, 19, 18)]


def test_a_sequence_ends_at_a_stop():
    model = model_of()
    free = nn.generate(model, [1, 5, 2], 20, greedy=True).tolist()
    stop = free[6]
    first = free.index(stop)
    assert nn.generate(model, [1, 5, 2], 20, greedy=True, stop=stop).tolist() == free[: first + 1]
    other = nn.generate(model, [[1, 5, 2], [2, 2, 2]], 20, greedy=True, stop={stop}).numpy()
    row = other[0].tolist()
    assert row[: first + 1] == free[: first + 1] and set(row[first:]) == {stop}


# ---------------------------------------------------------------------- drawing
def test_the_same_seed_gives_the_same_symbols():
    model = model_of(scale=1.0)
    one, two, other = (nn.generate(model, [[1], [1]], 20, rng=seed) for seed in (3, 3, 4))
    assert one.tolist() == two.tolist() != other.tolist()
    assert one.tolist()[0] != one.tolist()[1]


LOGITS = np.array([[2.0, 0.0, 1.0, -1.0, 1.5]])
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum()


def test_probabilities_by_hand():
    np.testing.assert_allclose(next_probabilities(LOGITS), SOFTMAX)
    halved = np.exp(LOGITS / 2)
    np.testing.assert_allclose(next_probabilities(LOGITS, temperature=2.0), halved / halved.sum())
    two = np.where([[True, False, False, False, True]], SOFTMAX, 0)
    np.testing.assert_allclose(next_probabilities(LOGITS, top_k=2), two / two.sum())
    # 0.47 and 0.28 are not 0.8 yet; with 0.17 they are.
    three = np.where([[True, False, True, False, True]], SOFTMAX, 0)
    np.testing.assert_allclose(next_probabilities(LOGITS, top_p=0.8), three / three.sum())


@pytest.mark.parametrize("seed", range(20))
def test_the_laws_of_top_k_and_top_p(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, size=(4, 50))
    full, k, p = next_probabilities(logits), int(rng.integers(1, 60)), rng.uniform(0.05, 1)
    for row, by_k, by_p in zip(
        full, next_probabilities(logits, top_k=k), next_probabilities(logits, top_p=p), strict=True
    ):
        for kept in (by_k, by_p):
            assert abs(kept.sum() - 1) < 1e-12
            assert row[kept > 0].min() >= row[kept == 0].max(initial=0)
            inside = kept > 0
            np.testing.assert_allclose(kept[inside], row[inside] / row[inside].sum())
        assert (by_k > 0).sum() == min(k, 50)
        inside = row[by_p > 0]
        assert inside.sum() >= p - 1e-12 and inside.sum() - inside.min() < p
    np.testing.assert_array_equal(next_probabilities(logits, top_k=50), full)
    assert (next_probabilities(logits, top_k=1).argmax(-1) == logits.argmax(-1)).all()
    assert (next_probabilities(logits, top_p=1e-9) > 0).sum() == 4


def test_fewer_steps_write_the_beginning():
    model = model_of(scale=1.0)
    long, short = (nn.generate(model, [1], n, rng=3, temperature=2.0).tolist() for n in (20, 7))
    assert long[:7] == short


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.7, "top_k": 6}, {"top_p": 0.7}, {"top_k": 4, "top_p": 0.9}],
)
def test_symbols_are_drawn_by_their_probabilities(options):
    model = model_of(scale=2.0)
    drawn = nn.generate(model, [[1, 5]] * 4000, 1, rng=0, engine="interpret", **options).numpy()
    p = next_probabilities(model([[1, 5]]).numpy()[0, -1], **options)
    counts = np.bincount(drawn[:, 0], minlength=13)
    assert (counts[p == 0] == 0).all()
    assert stats.chisquare(counts[p > 0], 4000 * p[p > 0]).pvalue > 0.001


def test_a_low_temperature_is_greedy():
    model = model_of()
    cold = nn.generate(model, [1, 5, 2], 10, temperature=1e-6, rng=0)
    assert cold.tolist() == nn.generate(model, [1, 5, 2], 10, greedy=True).tolist()
    assert next_probabilities([700.0, 701.0, 0.0], temperature=5e-324).tolist() == [0, 1, 0]


# ---------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"temperature": 0.0}, OptionError, "temperature > 0, but got 0.0.*greedy=True"),
        ({"temperature": np.nan}, OptionError, "temperature > 0"),
        ({"temperature": "a"}, OptionError, "temperature > 0"),
        ({"top_p": "a"}, OptionError, "top_p"),
        ({"top_k": "a"}, OptionError, "top_k"),
        ({"stop": 99}, OptionError, "0 <= stop < 13, but got 99"),
        ({"stop": [1, 1.5]}, OptionError, "but got 1.5"),
        ({"stop": "a"}, OptionError, "but got 'a'"),
        ({"top_k": 0}, OptionError, "top_k to be an integer >= 1, but got 0"),
        ({"top_k": 2.5}, OptionError, "top_k to be an integer"),
        ({"top_p": 0.0}, OptionError, "0 < top_p <= 1, but got 0.0"),
        ({"top_p": 1.1}, OptionError, "0 < top_p <= 1"),
        ({"steps": 0}, OptionError, "integers >= 1, but got 0"),
        ({"prompt": []}, ShapeError, r"prompt of ids .* but got one of shape \(0,\)"),
        ({"prompt": [[1], []]}, DataError, "at least one sequence"),
        ({"prompt": np.zeros((1, 2, 3), int)}, ShapeError, "prompt of ids"),
        ({"prompt": [1, 13]}, DataError, "0 <= ids < 13.* but got 13"),
        ({"prompt": [1, -1]}, DataError, "but got -1"),
        ({"steps": 39}, ShapeError, "positions < 40.* 41 places"),
    ],
)
def test_what_is_refused(options, error, message):
    given = {"prompt": [1, 2], "steps": 5, **options}
    with pytest.raises(error, match=message):
        nn.generate(model_of(), given.pop("prompt"), given.pop("steps"), **given)


def test_a_model_that_gives_nan():
    broken = cr.tree_map(lambda w: w * np.nan, model_of())
    for greedy in (True, False):
        with pytest.raises(DataError, match="finite logits"):
            nn.generate(broken, [1], 5, greedy=greedy)

"""The sequence-to-sequence model: what it is made of, what it writes by a source, and padding."""

import functools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.native.bound import Bound
from chainrule.errors import DataError, DtypeError, OptionError, ShapeError
from chainrule.nn.transformer import generation

F64 = {"rng": 0, "dtype": "float64"}
KINDS = {
    "learned": {},
    "sinusoidal, tied, post-norm": {"positions": "sinusoidal", "tied": True, "pre_norm": False},
    "rotary and grouped": {
        "positions": "rotary",
        "norm": "rms",
        "activation": "swiglu",
        "bias": False,
        "key_value_heads": 1,
    },
}
SOURCES = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3]]
PADDED, LENGTHS = np.array([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0], [6, 5, 3, 0, 0]]), [5, 2, 3]
REAL = np.arange(5) < np.array(LENGTHS)[:, None]


def model_of(kind="learned", scale=6.0):
    """A model whose logits are far apart, so that what it writes is not by chance."""
    model = nn.Seq2Seq((11, 13), 16, 4, (1, 2), time=24, **KINDS[kind], **F64)
    return cr.tree_map(lambda w: w * scale if w.ndim == 2 else w, model)


def from_the_beginning(model, prompt, source, steps):
    """The most likely symbols, each by the source and the whole target so far."""
    ids = list(prompt)
    for _ in range(steps):
        ids.append(int(model([source], [ids]).numpy()[0, -1].argmax()))
    return ids[len(prompt) :]


# ---------------------------------------------------------------------- the model
def test_it_is_embeddings_a_transformer_and_an_output():
    model, source, target = model_of(), PADDED, np.array([[1, 2], [3, 4], [5, 12]])
    read = model.source_position_table(model.source_embedding(source))
    written = model.position_table(model.embedding(target))
    by_hand = model.output(model.transformer(read, written, LENGTHS, [2, 1, 2]))
    got = model(source, target, LENGTHS, [2, 1, 2])
    np.testing.assert_array_equal(got.numpy(), by_hand.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_logits_with_a_source_read_before_and_a_cache_are_those_of_the_whole(kind):
    model, ids = model_of(kind), np.random.default_rng(0).integers(0, 13, (3, 9))
    whole = model(PADDED, ids, LENGTHS).numpy()
    source, cache, parts = model.read(PADDED, LENGTHS), model.cache(3, 10), []
    for chunk in np.split(ids, [4, 5, 6], axis=1):
        logits, cache = model(source, chunk, cache=cache)
        parts.append(logits.numpy())
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=1e-11)
    assert cache[0].length.tolist() == [9, 9, 9]


@pytest.mark.parametrize("rubbish", [7, -1, 10**6])
def test_padding_changes_no_logit_and_no_gradient(rubbish):
    model, ids = model_of(), np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])

    def everything(source, target):
        def cost(model):
            return (model(source, target, LENGTHS, [3, 1, 2]) ** 2).sum()

        return model(source, target, LENGTHS, [3, 1, 2]), cr.grad(cost)(model)

    real = np.arange(3) < np.array([3, 1, 2])[:, None]
    clean = everything(np.where(REAL, PADDED, 0), np.where(real, ids, 0))
    other = everything(np.where(REAL, PADDED, rubbish), np.where(real, ids, rubbish))
    for a, b in zip(cr.tree_leaves(clean), cr.tree_leaves(other), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_dropout_is_drawn_in_encoder_and_decoder():
    model = nn.Seq2Seq(11, 8, 2, 1, time=6, dropout=0.5, **F64)
    quiet = nn.Seq2Seq(11, 8, 2, 1, time=6, **F64)
    ids, key = [[1, 2, 3]], cr.random.key(0)
    assert nn.has_random_layers(model)
    np.testing.assert_array_equal(model(ids, ids).numpy(), quiet(ids, ids).numpy())
    assert (model(ids, ids, key=key).numpy() != model(ids, ids).numpy()).any()
    assert (model.read(ids, key=key)[0].k.numpy() != model.read(ids)[0].k.numpy()).any()


def test_how_it_prints():
    model = nn.Seq2Seq((11, 13), 8, 2, (1, 2), time=6, positions="rotary", tied=True, dropout=0.1)
    assert repr(model) == (
        'Seq2Seq((11, 13), 8, 2, (1, 2), time=6, positions="rotary", tied=True, dropout=0.1)'
    )


def test_it_learns_to_reverse():
    digits = np.random.default_rng(0).integers(0, 10, (800, 4))
    target = np.concatenate([np.full((800, 1), 10), digits[:, ::-1]], axis=1)
    model = nn.Seq2Seq(11, 32, 2, 1, time=8, rng=0)

    def cost(model, source, target):
        logits = model(source, target[:, :-1])
        return nn.cross_entropy(logits.reshape(-1, 11), target[:, 1:].reshape(-1))

    data = digits[:700], target[:700]
    adam = cr.optim.adam(5e-3)
    model, _ = cr.fit(model, cost, data, optimizer=adam, epochs=30, batch_size=50, rng=0)
    written = nn.generate(model, [10], 4, source=digits[700:], greedy=True)
    assert written.tolist() == digits[700:, ::-1].tolist()


# ---------------------------------------------------------------------- writing
@pytest.mark.parametrize(
    ("kind", "engine"), [*((kind, "interpret") for kind in KINDS), ("learned", "native")]
)
def test_greedy_is_the_arg_max_of_the_whole_sequence(kind, engine):
    model, prompts = model_of(kind), [[1, 5, 2], [7], [12, 12]]
    wanted = [from_the_beginning(model, *pair, 12) for pair in zip(prompts, SOURCES, strict=True)]
    assert len({tuple(row) for row in wanted}) == 3 and np.unique(wanted).size > 2
    written = nn.generate(model, prompts, 12, source=SOURCES, greedy=True, engine=engine)
    assert written.tolist() == wanted


def test_sources_are_lists_or_padded_arrays_and_one_goes_with_many():
    model = model_of()
    write = functools.partial(nn.generate, model, steps=10, greedy=True, engine="interpret")
    alone = [write([1, 5], source=source) for source in SOURCES]
    assert [row.shape for row in alone] == [(10,)] * 3
    together = write([1, 5], source=SOURCES).tolist()
    assert together == [row.tolist() for row in alone] and together[0] != together[1]
    for rubbish in (7, -1, 10**6):
        padded = np.where(REAL, PADDED, rubbish)
        assert write([1, 5], source=padded, source_lengths=LENGTHS).tolist() == together
    for prompts in ([[1, 5], [3]], [[1, 5]]):
        one_by_one = [write(prompt, source=SOURCES[0]).tolist() for prompt in prompts]
        assert write(prompts, source=SOURCES[0]).tolist() == one_by_one


OPTIONS = {
    "greedy": {"greedy": True},
    "narrowed": {"temperature": 1.5, "top_k": 6, "top_p": 0.9},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_engines_write_the_same_and_native_code_does_all_of_it(options, monkeypatch):
    compiled = functools.cache(lambda engine: cr.compile(generation._continued, engine=engine))
    monkeypatch.setattr(generation, "_compiled", compiled)
    model = model_of(scale=2.0)
    one, two = (
        nn.generate(model, [1], 15, source=SOURCES, rng=3, engine=engine, **options).tolist()
        for engine in ("interpret", "native")
    )
    assert one == two and len(set(one[0])) > 1
    (variant,) = compiled("native")._variants.values()
    assert isinstance(variant.run, Bound)  # not the interpreter, which takes what is refused


def test_the_source_is_read_once(monkeypatch):
    """Outside of the loop, whose body is traced more often than what comes before."""
    compiled = functools.cache(lambda engine: cr.compile(generation._continued, engine=engine))
    monkeypatch.setattr(generation, "_compiled", compiled)
    calls = []

    def counted(owner, name):
        inner = getattr(owner, name)

        def call(*args, **options):
            calls.append(owner.__name__)
            return inner(*args, **options)

        monkeypatch.setattr(owner, name, call)

    counted(nn.Encoder, "__call__")
    counted(nn.MultiHeadAttention, "keys_and_values")
    counted(nn.Decoder, "__call__")
    nn.generate(model_of(), [1], 5, source=SOURCES, greedy=True, engine="interpret")
    layer = "MultiHeadAttention"  # once for each of the two blocks of the decoder
    assert calls[:4] == ["Encoder", layer, layer, "Decoder"]
    assert set(calls[3:]) == {"Decoder"} and len(calls) > 4


def test_a_target_ends_at_a_stop():
    model = model_of()
    free = nn.generate(model, [1], 12, source=SOURCES[0], greedy=True).tolist()
    first = free.index(free[4])
    stopped = nn.generate(model, [1], 12, source=SOURCES[0], greedy=True, stop=free[4])
    assert stopped.tolist() == free[: first + 1]


def test_the_same_seed_gives_the_same_symbols():
    model = model_of(scale=1.0)
    one, two, other = (
        nn.generate(model, [1], 15, source=[[1], [1]], rng=seed).tolist() for seed in (3, 3, 4)
    )
    assert one == two != other and one[0] != one[1]


# ---------------------------------------------------------------------- what is refused
MODEL = nn.Seq2Seq((11, 13), 8, 2, 1, time=6, rng=0)
LANGUAGE_MODEL = nn.LanguageModel(11, 8, 2, 1, time=6, rng=0)


def write(model=MODEL, prompt=(1,), steps=2, **options):
    return nn.generate(model, prompt, steps, **{"source": [1, 2], **options})


CASES = {
    "no source": (
        lambda: write(source=None),
        OptionError,
        r"source exactly for a Seq2Seq.*is Seq2Seq\(.*generate\(model, prompt, steps, source=",
    ),
    "a needless source": (
        lambda: write(LANGUAGE_MODEL),
        OptionError,
        r"is LanguageModel\(.*is called as generate\(model, prompt, steps\)",
    ),
    "needless lengths": (
        lambda: write(LANGUAGE_MODEL, source=None, source_lengths=[1]),
        OptionError,
        "source exactly for a Seq2Seq",
    ),
    "vectors": (
        lambda: write(nn.Transformer(8, 2, 1)),
        OptionError,
        r"LanguageModel or a Seq2Seq, but got Transformer\(.*nn.Seq2Seq adds embeddings",
    ),
    "more prompts than sources": (
        lambda: write(prompt=[[1], [2], [3]], source=[[1], [2]]),
        ShapeError,
        "but got 3 prompts and 2 sources",
    ),
    "a source's id": (lambda: write(source=[11]), DataError, "0 <= ids < 11.* but got 11"),
    "a prompt's id": (lambda: write(prompt=[13]), DataError, "0 <= ids < 13.* but got 13"),
    "a source of floats": (lambda: write(source=[1.0]), DtypeError, "ids of an integer type"),
    "a source that is too long": (lambda: write(source=[1] * 7), ShapeError, "positions < 6"),
    "a target that is too long": (lambda: write(steps=6), ShapeError, "positions < 6"),
    "no symbol": (lambda: write(source=[]), ShapeError, r"prompt of ids .* shape \(0,\)"),
    "a length beyond": (
        lambda: write(source=[[1, 2]], source_lengths=[3]),
        DataError,
        "1 <= lengths <= 2.*got 3",
    ),
    "lengths for others": (
        lambda: write(source=[[1, 2]], source_lengths=[2, 1]),
        ShapeError,
        r"== \(1,\).*\(2,\)",
    ),
    "one row of ids": (lambda: MODEL([1, 2], [[1]]), ShapeError, r"a batch of one: ids\[None\]"),
    "keys of another batch": (
        lambda: MODEL(MODEL.read([[1, 2]]), [[1], [2]]),
        ShapeError,
        "2 sequences and 1 blocks",
    ),
    "unknown positions": (
        lambda: nn.Seq2Seq(11, 8, 2, 1, time=6, positions="rotory"),
        OptionError,
        "Did you mean 'rotary'",
    ),
    "no symbols": (lambda: nn.Seq2Seq((11, 0), 8, 2, 1, time=6), OptionError, "integers >= 1"),
    "keys of another layer": (
        lambda: nn.MultiHeadAttention(8, 4)(
            np.ones((1, 2, 8), "float32"),
            nn.MultiHeadAttention(8, 2).keys_and_values(np.ones((1, 2, 8), "float32")),
        ),
        ShapeError,
        r"\(1, 4, time, 2\).*but got float32 \(1, 2, 2, 4\)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused(name):
    call, error, message = CASES[name]
    with pytest.raises(error, match=message):
        call()

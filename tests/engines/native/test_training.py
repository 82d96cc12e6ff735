"""The training loop as machine code: the same as single steps, in place, on any threads."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engines import native, repeat
from chainrule.engines.native import training as native_training
from chainrule.engines.native.training import LoopDesign
from chainrule.train.step import Cost, training_step

ROWS = 96


def mlp(dtype=np.float32, sizes=(20, 48, 33, 5)):
    model = nn.MLP(sizes[0], list(sizes[1:-1]), sizes[-1], rng=0, dtype=dtype)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((ROWS, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], ROWS)
    return model, data


def loop(engine, optimizer, threads=1):
    def cost(model, x, t):
        return nn.cross_entropy(model(x), t)

    one = training_step(Cost.of(cost), optimizer)

    def step(state, batch, row):
        model, memory, _, error = one(*state, batch, None, None)
        return (model, memory), error

    return repeat(step, engine=engine, threads=threads)


def started(engine, dtype=np.float32, threads=1, optimizer=None):
    model, data = mlp(dtype)
    optimizer = optimizer or optim.adam(1e-2)
    state = model, optimizer.init(nn.parameters(model))
    return loop(engine, optimizer, threads).start(state, data)


def order(steps, size, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(ROWS)[:size] for _ in range(steps)])


def leaves(running):
    return [np.asarray(leaf) for leaf in cr.tree_leaves(running.state)]


OPTIMIZERS = {
    "sgd": optim.sgd(0.1),
    "momentum": optim.sgd(0.1, momentum=0.9),
    "adam": optim.adam(1e-2),
    "clipped": optim.chain(optim.clip_by_global_norm(0.1), optim.adamw(1e-2)),
    "scheduled": optim.chain(optim.rmsprop(1e-3), optim.cosine(20)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-4), (np.float64, 1e-11)])
def test_fifty_steps_are_those_of_the_interpreter(name, dtype, tolerance):
    runs = [
        started(engine, dtype, optimizer=OPTIMIZERS[name]) for engine in ("native", "interpret")
    ]
    for block in np.array_split(order(50, 32), 3):
        errors = [running.advance(block).numpy() for running in runs]
        np.testing.assert_allclose(*errors, rtol=tolerance, atol=tolerance)
    for a, b in zip(*map(leaves, runs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


def test_batches_of_several_sizes_share_one_state():
    runs = [started(engine, np.float64) for engine in ("native", "interpret")]
    for size in (32, 7, 32, 1, 7):
        errors = [running.advance(order(3, size)).numpy() for running in runs]
        np.testing.assert_allclose(*errors, rtol=1e-10)


def test_blocks_do_not_matter():
    whole, parts = started("native"), started("native")
    steps = order(12, 32)
    errors = whole.advance(steps).numpy()
    pieces = [parts.advance(block).numpy() for block in np.array_split(steps, 5)]
    assert np.concatenate(pieces).tobytes() == errors.tobytes()
    for a, b in zip(leaves(whole), leaves(parts), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(threads, monkeypatch, eight_threads):
    monkeypatch.setattr("chainrule.engines.choose.SHARED_RUN", 0.0)
    alone, together = started("native"), started("native", threads=threads)
    steps = order(200, 32)
    assert together.advance(steps).numpy().tobytes() == alone.advance(steps).numpy().tobytes()
    for a, b in zip(leaves(alone), leaves(together), strict=True):
        assert a.tobytes() == b.tobytes()


def test_state_can_be_read_set_and_brought_back():
    running = started("native")
    running.advance(order(3, 32))
    kept, before = running.checkpoint(), leaves(running)
    first = running.advance(order(4, 32, seed=1)).numpy()
    running.restore(kept)
    for a, b in zip(before, leaves(running), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(running.advance(order(4, 32, seed=1)).numpy(), first)
    running.state = cr.tree_map(lambda leaf: leaf * 0, running.state)
    assert running.advance(order(1, 32)).numpy() == pytest.approx(np.log(5), rel=1e-6)


def test_what_the_state_was_made_of_is_not_changed():
    model, data = mlp()
    optimizer = optim.adam(1e-2)
    before = [np.asarray(leaf).copy() for leaf in cr.tree_leaves(model)]
    running = loop("native", optimizer).start((model, optimizer.init(nn.parameters(model))), data)
    running.advance(order(3, 32))
    for a, b in zip(cr.tree_leaves(model), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_every_step_has_of_its_own():
    def step(w, batch, key):
        return w + cr.random.normal(key, (3,)) + batch.mean(), w.sum()

    keys = cr.random.split(cr.random.key(0), 6)
    runs = [
        repeat(step, engine=e).start(cr.zeros(3), np.ones(4, "f4")) for e in ("native", "interpret")
    ]
    kept = [running.advance(np.zeros((6, 2), int), keys).numpy() for running in runs]
    np.testing.assert_allclose(*kept, rtol=1e-5)
    np.testing.assert_allclose(runs[0].state, runs[1].state, rtol=1e-5)


def test_rows_that_are_not_there_are_refused():
    for engine in ("native", "interpret"):
        running = started(engine)
        for bad in (-1, ROWS):
            with pytest.raises(cr.errors.ShapeError, match=f"order < {ROWS}"):
                running.advance(np.array([[0, bad]]))


def test_weights_and_moments_lie_in_panels():
    model, data = mlp(sizes=(24, 64, 48, 10))
    optimizer = optim.adam(1e-2)
    repeated = loop("native", optimizer)
    running = repeated.start((model, optimizer.init(nn.parameters(model))), data)
    running.advance(order(2, 32))
    (variant,) = repeated._variants.values()
    specs = running._state_specs
    wide = [
        w for w, spec in zip(variant.engine.layout, specs, strict=True) if spec.shape == (24, 64)
    ]
    assert len(wide) == 3 and all(wide)  # the weight, its mean and its mean square
    narrow = [w for w, spec in zip(variant.engine.layout, specs, strict=True) if spec.ndim == 1]
    assert not any(narrow)


def test_numbers_below_the_normal_ones_are_flushed_in_the_loop_only():
    def step(w, batch, row):
        return w * 0.5, batch.sum()

    tiny = np.full(8, np.finfo(np.float32).tiny, np.float32)
    running = repeat(step, engine="native").start(tiny, np.ones(2, np.float32))
    running.advance(np.zeros((1, 1), int))
    assert np.all(np.asarray(running.state) == 0)
    assert np.all(tiny * np.float32(0.5) > 0)  # the caller's arithmetic is as before


def test_an_index_out_of_range_in_a_step_is_the_interpreters_error():
    model, (x, t) = mlp()
    t = np.where(np.arange(ROWS) == 50, 7, t)  # there are five classes
    state = model, optim.adam(1e-2).init(nn.parameters(model))
    for engine in ("native", "interpret"):
        running = loop(engine, optim.adam(1e-2)).start(state, (x, t))
        running.advance(np.arange(32)[None])
        with pytest.raises(cr.errors.ShapeError, match="7"):
            running.advance(np.arange(64).reshape(2, 32))


# ------------------------------------------------------------------ any number of rows
def started_for(sizes, engine="native", dtype=np.float64, make=None, threads=1):
    """A loop that is told which sizes of batches will come."""
    model, data = mlp(dtype)
    optimizer = optim.adam(1e-2)

    def cost(model, x, t):
        return (make or nn.cross_entropy)(model(x), t)

    one = training_step(Cost.of(cost), optimizer)

    def step(state, batch, row):
        model, memory, _, error = one(*state, batch, None, None)
        return (model, memory), error

    expected = dict.fromkeys(sizes, 10**6)
    repeated = repeat(step, engine=engine, expected=expected, threads=threads)
    return repeated.start((model, optimizer.init(nn.parameters(model))), data)


def count_compilations(monkeypatch):
    made = []
    artifact = LoopDesign.artifact

    def counted(self):
        made.append(self)
        return artifact(self)

    monkeypatch.setenv("CHAINRULE_CACHE", "")
    monkeypatch.setattr("chainrule.engines.native._compiled", native._Cache())
    monkeypatch.setattr(LoopDesign, "artifact", counted)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_code_serves_batches_of_any_length(dtype, monkeypatch):
    made = count_compilations(monkeypatch)
    runs = [started_for((32, 7), engine, dtype) for engine in ("native", "interpret")]
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    for size in (32, 7, 32, 31, 2, 17, 1):
        assert len(made) <= 1  # a single row is simpler, and has code of its own
        errors = [running.advance(order(3, size)).numpy() for running in runs]
        np.testing.assert_allclose(*errors, rtol=tolerance, atol=tolerance)
    for a, b in zip(*map(leaves, runs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * tolerance * max(1, np.abs(b).max()))


def test_fit_compiles_once_for_all_its_batches(monkeypatch):
    made = count_compilations(monkeypatch)
    model, (x, t) = mlp(np.float64)

    def cost(model, x, t):
        return nn.cross_entropy(model(x), t)

    for rows in (96, 95, 90):  # as in a cross-validation: folds of different size
        runs = [
            cr.fit(model, cost, (x[:rows], t[:rows]), epochs=2, batch_size=28, engine=engine)
            for engine in ("native", "interpret")
        ]
        np.testing.assert_allclose(*(history["loss"] for _, history in runs), rtol=1e-9)
    assert len(made) <= 3


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_short_batches(threads, monkeypatch, eight_threads):
    monkeypatch.setattr("chainrule.engines.choose.SHARED_RUN", 0.0)
    runs = [started_for((32, 7), threads=n, dtype=np.float32) for n in (1, threads)]
    for size in (32, 1, 7, 31):
        errors = [running.advance(order(5, size)).numpy() for running in runs]
        assert errors[0].tobytes() == errors[1].tobytes()
    for a, b in zip(*map(leaves, runs), strict=True):
        assert a.tobytes() == b.tobytes()


def weighted(z, t):
    """A cost whose graph is another one for another number of rows."""
    return nn.cross_entropy(z, t) + (z[::-1] * z).mean()


def test_what_depends_on_the_length_in_other_ways_is_compiled_for_each(monkeypatch):
    made = count_compilations(monkeypatch)
    runs = [started_for((32, 7), engine, make=weighted) for engine in ("native", "interpret")]
    for size in (32, 7, 32):
        errors = [running.advance(order(3, size)).numpy() for running in runs]
        np.testing.assert_allclose(*errors, rtol=1e-10)
    assert len(made) == 2


# ------------------------------------------------------------------ several sizes in one call
@pytest.mark.parametrize(
    ("sizes", "known"),
    [
        ([32, 32, 7, 32, 32, 7], (32, 7)),
        ([7, 32], (32, 7)),
        ([20, 20, 9, 20], (32, 7)),  # both shorter than what the code was made for
        ([32, 7, 5, 32], (32, 7)),  # three sizes: by parts
        ([32, 1, 32], (32, 7)),  # a single row has code of its own
    ],
)
@pytest.mark.parametrize("engine", ["native", "interpret"])
@pytest.mark.parametrize("threads", [1, 2])
def test_batches_of_several_sizes_in_one_call(sizes, known, engine, threads, monkeypatch):
    monkeypatch.setattr("chainrule.engines.choose.SHARED_RUN", 0.0)
    together, apart = (started_for(known, engine, threads=threads) for _ in range(2))
    for running in (together, apart):
        running.advance(order(1, 32))
    rows = order(len(sizes), max(sizes), seed=3)
    errors = together.advance(rows, sizes=np.array(sizes)).numpy()
    singly = [apart.advance(rows[i : i + 1, :size]).numpy()[0] for i, size in enumerate(sizes)]
    assert errors.tobytes() == np.array(singly).tobytes()
    for a, b in zip(leaves(together), leaves(apart), strict=True):
        assert a.tobytes() == b.tobytes()


def test_several_sizes_are_one_call_of_one_code(monkeypatch):
    made = count_compilations(monkeypatch)
    running = started_for((32, 7))
    calls = []
    advance = native_training.NativeLoop.advance

    def counted(self, *arguments):
        calls.append(self)
        return advance(self, *arguments)

    monkeypatch.setattr(native_training.NativeLoop, "advance", counted)
    running.advance(order(4, 32), sizes=np.array([32, 32, 32, 7]))
    assert len(made) == len(calls) == 1


def test_an_index_out_of_range_is_found_among_several_sizes():
    _, (_, t) = mlp(np.float64)
    t = np.where(np.arange(ROWS) == 50, 7, t)
    for engine in ("native", "interpret"):
        running = started_for((32, 7), engine)
        running._data[1] = np.ascontiguousarray(t)
        with pytest.raises(cr.errors.ShapeError, match="7"):
            running.advance(np.arange(96).reshape(3, 32), sizes=np.array([32, 32, 7]))

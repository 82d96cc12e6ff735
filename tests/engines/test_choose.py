"""The cost model: what is compiled, and when."""

import math
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.engines import choose
from chainrule.engines.choose import (
    chosen_engine,
    runs_before_compiling,
    threads_for,
    work_of,
)
from chainrule.errors import EngineWarning, OptionError


@pytest.fixture(autouse=True)
def new_ledger(monkeypatch):
    monkeypatch.setattr(choose, "_ledger", choose._Ledger())


def graph(size=32):
    return cr.make_graph(lambda x: cr.tanh(x @ x), cr.Spec((size, size)))


def test_work_counts_operations_bytes_and_products():
    work = work_of(graph(8))
    assert (work.calls, work.moved, work.flops, work.nodes) == (2, 2 * 256, 2 * 8**3, 2)


def test_a_loop_counts_every_round_but_its_nodes_once():
    def looped(length):
        def f(x):
            return cr.scan(lambda h, _: (cr.tanh(h), None), x, None, length=length)[0]

        return work_of(cr.make_graph(f, cr.Spec((5,))))

    two, ten = looped(2), looped(10)
    assert ten.moved - two.moved == 8 * 20
    assert ten.calls - two.calls == 8 and ten.nodes == two.nodes


def test_few_runs_are_interpreted_and_many_compiled():
    assert chosen_engine("auto", graph(), 1) == "interpret"
    assert chosen_engine("auto", graph(), 1e6) == "native"
    assert chosen_engine("interpret", graph(), 1e6) == "interpret"
    assert chosen_engine("native", graph(), 1) == "native"


def test_a_thousand_short_runs_compile_once_they_would_have_paid():
    """The equal graph of another trace counts as the same."""
    engines = [chosen_engine("auto", graph(), 100) for _ in range(1000)]
    first = engines.index("native")
    assert 0 < first < 1000 and set(engines[first:]) == {"native"}
    work = work_of(graph())
    assert first == math.floor(work.compiling / (100 * (work.interpreted - work.native)))


def test_compile_interprets_until_compiling_would_have_paid(monkeypatch):
    made = []

    def native(graph, captured, threads):
        made.append(graph)
        return lambda arrays: [np.zeros(3, np.float32)]

    module = sys.modules["chainrule.engines.compile"]  # the package exports a function of this name
    monkeypatch.setattr(module, "_native", native)

    @cr.compile
    def f(x):
        for _ in range(40):
            x = cr.tanh(x) + x
        return x

    x = np.ones(3, np.float32)
    expected = f(x).numpy()
    limit = runs_before_compiling(f.graph(x), module.NATIVE_CALL)
    assert limit < 1e6
    for _ in range(math.floor(limit) - 1):
        np.testing.assert_array_equal(f(x).numpy(), expected)
    assert not made
    f(x)
    assert len(made) == 1 and f(x).numpy().tolist() == [0, 0, 0]


def test_small_work_stays_on_one_thread(monkeypatch):
    monkeypatch.setattr(choose, "cpu_limit", lambda: 8)
    assert threads_for(graph(8), None, repeated=True) == 1
    assert threads_for(graph(128), None, repeated=True) == 8
    assert threads_for(graph(128), None, repeated=False) == 1  # waking them would take longer
    assert threads_for(graph(512), None, repeated=False) == 8
    assert threads_for(graph(512), 3, repeated=True) == 3


def test_without_llvm_everything_is_interpreted_and_says_so_once(monkeypatch):
    monkeypatch.setattr(choose, "native_available", lambda: False)
    choose._native_or_note.cache_clear()
    rng = np.random.default_rng(0)
    data = rng.standard_normal((64, 30)), rng.standard_normal((64, 1))
    model = nn.MLP(30, [30], 1, rng=0)
    monkeypatch.setattr(choose, "COMPILE_START", 0.0)
    monkeypatch.setattr(choose, "COMPILE_NODE", 0.0)

    def fit():
        def cost(model, x, t):
            return nn.mse(model(x), t)

        return cr.fit(model, cost, data, optimizer=optim.sgd(0.01), epochs=2)

    with pytest.warns(EngineWarning, match=r"pip install llvmlite"):
        fit()
    _, history = fit()  # a second warning would be an error
    assert len(history) == 2
    choose._native_or_note.cache_clear()


def test_an_engine_that_there_is_not_is_refused():
    with pytest.raises(OptionError, match="interpret, native"):
        cr.engines.repeat(lambda s, b, r: (s, s), engine="gpu")


def test_a_fit_of_ten_rows_is_not_compiled(monkeypatch):
    monkeypatch.setattr(sys.modules["chainrule.engines.repeat"], "native_loop", None)
    x = np.linspace(-1, 1, 10, dtype=np.float32)[:, None]

    def cost(model, x, t):
        return nn.mse(model(x), t)

    _, history = cr.fit(nn.MLP(1, [8], 1, rng=0), cost, (x, x), epochs=20)
    assert len(history) == 20

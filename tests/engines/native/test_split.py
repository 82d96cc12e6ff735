"""Which kernels threads share, and where they have to meet."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.native import operands
from chainrule.engines.native.fuse import fuse
from chainrule.engines.native.operands import pack_operands
from chainrule.engines.native.plan import plan
from chainrule.engines.native.program import NativeProgram
from chainrule.engines.native.split import Share, share_of
from chainrule.engines.native.target import host


def scheduled(function, *specs):
    schedule = fuse(cr.simplify(cr.inline_calls(cr.make_graph(function, *specs))))
    pack_operands(schedule, host())
    return schedule, plan(schedule, host())


def test_layers_are_followed_without_a_meeting():
    model = nn.MLP(20, [30, 40, 50], 5, rng=0)
    schedule, made = scheduled(lambda x: nn.softmax(model(x)), cr.Spec((64, 20)))
    assert {share_of(kernel) for kernel in schedule.kernels} == {Share("rows", 64)}
    assert set(made.segment) == {0}


@pytest.mark.parametrize(
    ("hidden", "meetings"),
    [
        ([30, 40, 50], 1),
        ([300, 200, 150], 2),  # large weights are transposed together, before anybody reads them
    ],
)
def test_backpropagation_meets_once_before_the_weights(hidden, meetings):
    model = nn.MLP(20, hidden, 5, rng=0)

    def cost(model, x, t):
        return nn.cross_entropy(model(x), t)

    specs = cr.Spec((64, 20)), cr.Spec((64,), "int64")
    schedule, made = scheduled(cr.grad(cost), model, *specs)
    weights = [
        i for i, k in enumerate(schedule.kernels) if "64 × " not in str(k) and "pack" not in str(k)
    ]
    assert len({made.segment[i] for i in weights}) == 1
    assert made.segment[-1] == meetings


def test_a_small_operand_is_copied_by_every_thread_right_before_it_is_read():
    schedule, made = scheduled(lambda x: (x @ x.T) @ x, cr.Spec((40, 30)))
    copy, product = schedule.kernels[:2]
    assert str(copy).startswith("pack <transpose") and str(copy).endswith("by every thread")
    assert product.anchor in schedule.packed
    assert made.private == {copy.made} and copy.made not in made.offset
    assert made.scratch >= made.private_at + 30 * 40 * 4


@pytest.mark.parametrize(
    ("function", "meetings"),
    [
        (lambda x: cr.tanh(x @ x), 0),
        (lambda x: (x @ x) @ (x @ x), 1),  # the right-hand side is read whole
        (lambda x: (x + 1.0).sum(0) * 2.0, 1),  # each column is summed over all rows
        (lambda x: ((x + 1.0).sum(1) * 2.0).sum(), 1),
        (lambda x: cr.cumsum(cr.exp(x), axis=0) + 1.0, 2),  # the first thread does a cumulative sum
    ],
)
def test_meetings(function, meetings):
    _, made = scheduled(function, cr.Spec((48, 48)))
    assert made.segment[-1] == meetings


def test_a_value_outlives_its_segment():
    """What one thread still reads, no other may overwrite: places are free a segment later."""
    _, made = scheduled(lambda x: cr.exp(cr.exp(cr.exp(x) @ x) @ x) @ x, cr.Spec((48, 48)))
    stored = [node for stores in made.stores for node in stores if node in made.offset]
    assert set(made.segment) == {0}
    assert len(stored) == len({made.offset[node] for node in stored}) == 4


# ------------------------------------------------------------------ any number of threads
FUNCTIONS = {
    "products": lambda x: cr.tanh(x @ x.T) @ x,
    "sums": lambda x: (x.sum(0), x.sum(1), x.sum(), x.max(0), x.mean()),
    "softmax": lambda x: nn.softmax(x, axis=1) + x.sum(0),
    "gradient": cr.grad(lambda x: (nn.softmax(cr.tanh(x @ x.T) @ x, axis=1) ** 2).sum()),
    "batched": lambda x: (x.reshape(3, 11, 7) @ x.reshape(3, 7, 11)).sum(0),
    "loop": lambda x: cr.scan(lambda h, r: (cr.tanh(h @ x.T @ x + r), h.sum()), x * 0.1, x),
    "while": lambda x: cr.while_loop(lambda s: s.sum() < 500, lambda s: s + s * s + 1, x),
    "alone": lambda x: cr.cumsum(x, axis=0) + cr.argsort(x, axis=1) + x[::-1],
}


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_the_number_of_threads_changes_no_bit(name, threads, private, eight_threads, monkeypatch):
    if not private:
        monkeypatch.setenv("CHAINRULE_CACHE", "")  # the same graph, but other code
        monkeypatch.setattr(operands, "PRIVATE", 0)
    graph = cr.make_graph(FUNCTIONS[name], cr.Spec((33, 7)))
    x = np.random.default_rng(0).standard_normal((33, 7)).astype(np.float32)
    alone = NativeProgram(graph)([x])
    program = NativeProgram(graph, threads=threads)
    for _ in range(20):
        for a, b in zip(program([x]), alone, strict=True):
            assert a.tobytes() == b.tobytes()

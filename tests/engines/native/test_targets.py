"""Other CPUs than this one: their vectors here, split by LLVM, and the code that they would get."""

import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

import chainrule as cr
from chainrule import nn, optim
from chainrule.engines import Program, native, repeat
from chainrule.engines.native.barrier import emit_barrier_function
from chainrule.engines.native.disk import digest
from chainrule.engines.native.emit import flushed_denormals, new_function
from chainrule.engines.native.gemm import MatmulSpec, Strided, choose, matmul_kernel
from chainrule.engines.native.machine import assembly
from chainrule.engines.native.program import Design, NativeProgram
from chainrule.engines.native.target import Target, host
from chainrule.engines.native.training import LoopDesign
from chainrule.train.step import Cost, training_step

from .small_layers import lstm

#: Vectors and registers of AVX-512 and of NEON, in this machine's own instructions.
SHAPES = {"as AVX-512": (64, 32), "as NEON": (16, 32)}
FOREIGN = {
    "skylake": Target(64, 32, "skylake-avx512", "", "x86_64-unknown-linux-gnu"),
    "zen 5": Target(64, 32, "znver5", "", "x86_64-unknown-linux-gnu"),
    "arm": Target(16, 32, "generic", "", "aarch64-unknown-linux-gnu"),
    "apple": Target(16, 32, "apple-m1", "", "arm64-apple-darwin23"),
}
#: How an object file for a machine begins, and where it names the machine.
MACHINES = {"skylake": (18, b"\x3e\0"), "zen 5": (18, b"\x3e\0"), "arm": (18, b"\xb7\0")}
MACHINES["apple"] = 0, b"\xcf\xfa\xed\xfe\x0c\0\0\x01"


@pytest.fixture(params=SHAPES)
def shaped(request):
    return Target(*SHAPES[request.param], host().cpu, host().features)


@pytest.fixture(params=FOREIGN)
def foreign(request):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return request.param, FOREIGN[request.param]


def recurrent(weight, rows):
    zeros = cr.zeros((*rows.shape[1:-1], weight.shape[0]), rows.dtype)
    return cr.sum(cr.scan(lambda s, z: lstm(s, z, weight), (zeros, zeros), rows)[1] ** 2)


def curves(x):
    return cr.sin(9 * x), cr.exp(9 * x), cr.erf(3 * x), cr.tanh(x), cr.log1p(x * x)


GRAPHS = {
    "product": (lambda a, b: a @ b, (37, 53), (53, 29)),
    "transposed product": (lambda a, b: a.T @ b.T, (53, 19), (7, 53)),
    "product of one row": (lambda a, b: a @ b, (1, 53), (53, 130)),
    "softmax": (nn.softmax, (13, 37)),
    "reductions": (lambda x: (cr.sum(x, 0), cr.max(x, 1), cr.mean(x * x)), (13, 37)),
    "functions": (curves, (1001,)),
    "comparisons": (lambda x, y: (x < y, cr.where(x < y, x, y)), (5, 67), (5, 67)),
    "recurrent": (cr.value_and_grad(recurrent, argnums=(0, 1)), (19, 76), (5, 11, 76)),
}


def graph_of(name, dtype):
    function, *shapes = GRAPHS[name]
    return cr.make_graph(function, *(cr.Spec(shape, dtype) for shape in shapes))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("name", GRAPHS)
def test_other_vectors_give_the_same_numbers(name, dtype, tolerance, shaped) -> None:
    graph, rng = graph_of(name, dtype), np.random.default_rng(0)
    arrays = [rng.uniform(-1, 1, s.shape).astype(dtype) for s in graph.input_specs]
    got = NativeProgram(graph, shaped)(arrays)
    for a, b in zip(got, Program(graph)(arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


def training(engine, dtype, threads=1):
    """States after five steps of Adam."""
    optimizer = optim.adam(1e-2)
    model = nn.MLP(20, [48, 33], 5, rng=0, dtype=dtype)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((96, 20)).astype(dtype), rng.integers(0, 5, 96)
    one = training_step(Cost.of(lambda model, x, t: nn.cross_entropy(model(x), t)), optimizer)

    def step(state, batch, row):
        model, memory, _, error = one(*state, batch, None, None)
        return (model, memory), error

    state = model, optimizer.init(nn.parameters(model))
    running = repeat(step, engine=engine, threads=threads).start(state, data)
    running.advance(np.stack([rng.permutation(96)[:32] for _ in range(5)]))
    return [np.asarray(leaf) for leaf in cr.tree_leaves(running.state)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ("as AVX-512", "float32"),
        ("as AVX-512", "float64"),
        ("as NEON", "float32"),
        ("as NEON", "float64"),
    ],
)
def test_training_with_other_vectors(shape, dtype, threads, eight_threads, monkeypatch) -> None:
    target, used = Target(*SHAPES[shape], host().cpu, host().features), []
    monkeypatch.setattr("chainrule.engines.native._compiled", native._Cache())
    monkeypatch.setattr(
        "chainrule.engines.native.training.host", lambda: used.append(target) or target
    )
    got, wanted = training("native", dtype, threads), training("interpret", dtype)
    tolerance = {"float32": 1e-3, "float64": 1e-9}[dtype]
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance / 10)
    assert used


# ------------------------------------------------------------------ code for other machines
@pytest.mark.parametrize("name", ["softmax", "functions", "comparisons", "recurrent"])
def test_programs_assemble(name, foreign) -> None:
    machine, target = foreign
    at, wanted = MACHINES[machine]
    code = Design(graph_of(name, "float32"), target).artifact().code
    assert code[at : at + len(wanted)] == wanted


def test_training_loops_assemble(foreign) -> None:
    machine, target = foreign
    at, wanted = MACHINES[machine]
    step = cr.make_graph(
        lambda w, x: w - 0.1 * cr.grad(lambda w: cr.sum(cr.tanh(x @ w)))(w),
        *(cr.Spec((40, 24)), cr.Spec((32, 40))),
    )
    code = LoopDesign(step, 1, 1, 0, target).artifact().code
    assert code[at : at + len(wanted)] == wanted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_a_tile_stay_in_registers(dtype, foreign) -> None:
    _, target = foreign
    module = ir.Module("product")
    spec = MatmulSpec(dtype, 128, 784, Strided(784, 1), Strided(128, 1))
    matmul_kernel(module, target, spec).linkage = "external"
    blocks = re.split(r"^(?=\S+:)", assembly(module, target), flags=re.MULTILINE)
    fused = {block: re.findall(r"\b(?:vfmadd|fmla).*", block) for block in blocks}
    inner = max(blocks, key=lambda block: len(fused[block]))
    assert len(fused[inner]) == choose(spec, target).unroll * 12 * 2  # rows and vectors of a tile
    if target.vector_bytes == 64:
        assert all("%zmm" in line for line in fused[inner])
    vector = r"(?:[xyz]mm\d|\b[qvds]\d)"
    spilled = rf"{vector}.*(?:\(%r[sb]p|\[sp)|(?:\(%r[sb]p|\[sp).*{vector}"
    assert not re.findall(spilled, inner)


def test_threads_meet_in_release_and_acquire_order_on_arm(foreign) -> None:
    """Such a CPU may exchange all other reads and writes."""
    _, target = foreign
    module = ir.Module("barrier")
    emit_barrier_function(module, target).linkage = "external"
    text = assembly(module, target)
    if target.architecture == "aarch64":
        assert re.search(r"\bldap?r\b", text)
        assert len(re.findall(r"\b(?:stlxr|swpl)\b", text)) == 2
        assert re.search(r"\b(?:yield|hint\s+#0x1)\b", text)
    else:
        assert "pause" in text and len(re.findall(r"\bxchgq\b", text)) == 2


# ------------------------------------------------------------------ what a target says
@pytest.mark.parametrize(
    ("triple", "architecture", "registers"),
    [
        ("aarch64-unknown-linux-gnu", "aarch64", 32),
        ("arm64-apple-darwin23.1.0", "aarch64", 32),
        ("x86_64-pc-windows-msvc", "x86_64", 16),
    ],
)
def test_a_cpu_whose_features_are_unknown(triple, architecture, registers, monkeypatch) -> None:
    monkeypatch.setattr(llvm, "get_host_cpu_features", llvm.FeatureMap)
    monkeypatch.setattr(llvm, "get_process_triple", lambda: triple)
    target = host.__wrapped__()
    assert (target.vector_bytes, target.registers) == (16, registers)
    assert target.architecture == architecture


def test_no_system_reads_the_code_of_another() -> None:
    graph = graph_of("softmax", "float32")
    triples = [target.triple for target in FOREIGN.values()] + ["x86_64-pc-windows-msvc"]
    names = {digest(graph, (), Target(16, 16, "generic", "", triple)) for triple in triples}
    assert len(names) == len(set(triples)) == 4


@pytest.mark.parametrize(
    ("machine", "instruction"), [("skylake", "ldmxcsr"), ("arm", r"msr\s+fpcr")]
)
def test_numbers_are_flushed_without_knowing_features(machine, instruction) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = ir.Module("flushed")
    _, e = new_function(module, "run", [], FOREIGN[machine])
    with flushed_denormals(e):
        pass
    e.b.ret_void()
    assert len(re.findall(instruction, assembly(module, FOREIGN[machine]), re.IGNORECASE)) == 2

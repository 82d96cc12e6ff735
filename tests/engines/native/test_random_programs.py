"""Random programs and their gradients as machine code, against the interpreter."""

import importlib.util
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.engines import Program
from chainrule.engines.native.program import NativeProgram

# The programs are those of the graph's tests: a file beside, not a package.
PATH = Path(__file__).parents[2] / "graph" / "test_random_graphs.py"
SPEC = importlib.util.spec_from_file_location("random_graphs", PATH)
random_graphs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(random_graphs)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(random_graphs.programs(), st.booleans())
def test_the_interpreter_agrees(program, differentiate):
    def values(*inputs):
        return random_graphs.run(program, *inputs)

    arrays = [np.asarray(x) for x in random_graphs.INPUTS]
    everything = tuple(range(len(arrays)))
    gradient = cr.value_and_grad(random_graphs.scalar(program), argnums=everything)
    graph = cr.make_graph(gradient if differentiate else values, *arrays)
    expected, got = Program(graph)(arrays), NativeProgram(graph)(arrays)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-9, atol=1e-11)

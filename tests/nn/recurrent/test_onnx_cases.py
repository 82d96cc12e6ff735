"""ONNX's own test cases of RNN, LSTM and GRU nodes, through our layers."""

import importlib
import warnings

import numpy as np
import pytest

from chainrule import nn

pytest.importorskip("onnx")

from onnx import helper
from onnx.backend.test.case import node as cases_of_nodes

#: For each op the order of its blocks in terms of ours, and the gates.
LAYERS = {
    "RNN": (nn.RNN, {}, [0]),
    "LSTM": (nn.LSTM, {}, [0, 2, 3, 1]),  # ONNX: input, output, forget, candidate
    "GRU": (nn.GRU, {"reset": "before"}, [1, 0, 2]),  # ONNX: update, reset, candidate
}


def cases():
    """The cases of these ops; importing their module makes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("rnn", "lstm", "gru"):
            importlib.import_module(f"onnx.backend.test.case.node.{name}")
    found = [case for case in cases_of_nodes._NodeTestCases if operator(case) in LAYERS]
    return sorted({case.name: case for case in found}.values(), key=lambda case: case.name)


def operator(case):
    return case.model.graph.node[0].op_type if len(case.model.graph.node) == 1 else None


def blocks(array, order):
    """Rows in blocks, one per gate, in our order."""
    parts = np.split(array, len(order))
    return np.concatenate([parts[i] for i in order])


def layer_of(node, given):
    """Our layer with the weights of a node."""
    build, options, order = LAYERS[node.op_type]
    w, r = given["W"], given["R"]
    directions, units = r.shape[0], r.shape[2]
    if "P" in given:
        options = {**options, "peepholes": True}
    layer = build(w.shape[2], units, bidirectional=directions == 2, rng=0, **options)
    cells = []
    for i, cell in enumerate(layer.cells):
        changes = {
            "weight": np.ascontiguousarray(blocks(w[i], order).T),
            "recurrent": np.ascontiguousarray(blocks(r[i], order).T),
        }
        if "B" in given:
            of_input, of_state = np.split(given["B"][i], 2)
            changes["bias"] = blocks(of_input, order) + blocks(of_state, order)
        else:
            changes["bias"] = np.zeros_like(cell.bias.numpy())
        if "P" in given:
            changes["peepholes"] = given["P"][i].reshape(3, units)[[0, 2, 1]]
        cells.append(cell.replace(**changes))
    return layer.replace(cells=cells)


def initial_states(node, given):
    if "initial_h" not in given:
        return None
    if node.op_type != "LSTM":
        return tuple(given["initial_h"])
    return tuple(map(nn.LSTMState, given["initial_h"], given["initial_c"]))


def results(node, given):
    """What the node gives by name; time first, as ONNX has it, unless ``layout`` is 1."""
    options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    batch_first, backward = options.get("layout", 0), options.get("direction") == b"reverse"
    layer = layer_of(node, given)
    x = given["X"] if batch_first else given["X"].swapaxes(0, 1)
    x = x[:, ::-1] if backward else x
    outputs, states = layer(x, given.get("sequence_lens"), initial_states(node, given))
    y = outputs.numpy()[:, ::-1] if backward else outputs.numpy()
    y = y.reshape(*y.shape[:2], len(layer.cells), -1)
    found = {"Y": y if batch_first else y.transpose(1, 2, 0, 3)}
    parts = zip(*states, strict=True) if node.op_type == "LSTM" else [states]
    for name, part in zip(("Y_h", "Y_c"), parts, strict=False):
        found[name] = np.stack(part, axis=1 if batch_first else 0)
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_case(case):
    (node,) = case.model.graph.node
    for inputs, expected in case.data_sets:
        given = dict(zip([name for name in node.input if name], inputs, strict=True))
        got = results(node, given)
        wanted = dict(zip([name for name in node.output if name], expected, strict=True))
        for name, array in wanted.items():
            assert got[name].dtype == array.dtype
            np.testing.assert_allclose(got[name], array, rtol=1e-5, atol=1e-6)


def test_all_ops_have_cases():
    assert {operator(case) for case in cases()} == set(LAYERS)

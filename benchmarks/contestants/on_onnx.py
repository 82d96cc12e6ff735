"""onnxruntime: predictions only. Input and output stay where they are (``io_binding``)."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.workloads import Problem


def model(problem: Problem) -> bytes:
    """The network as Gemm and Relu."""
    nodes, initializers, x = [], [], "x"
    for i, (w, b) in enumerate(problem.weights):
        last = i == len(problem.weights) - 1
        initializers += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        z = "y" if last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], [z]))
        if not last:
            x = f"a{i}"
            nodes.append(helper.make_node("Relu", [z], [x]))
    rows, sizes = problem.workload.rows, problem.workload.sizes
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (rows, size))
        for name, size in (("x", sizes[0]), ("y", sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


class Prediction:
    """The outputs for one batch."""

    def __init__(self, problem: Problem, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(
            model(problem), options, providers=["CPUExecutionProvider"]
        )
        self._y = np.empty((problem.workload.rows, problem.workload.sizes[-1]), np.float32)
        x, y = (onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in (problem.x, self._y))
        self._result = y
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input("x", x)
        self._binding.bind_ortvalue_output("y", y)

    def reset(self) -> None:
        """Nothing to do."""

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def values(self) -> list[float]:
        """The length of the outputs."""
        return [float(np.linalg.norm(self._result.numpy()))]

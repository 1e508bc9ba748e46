"""Build ONNX graphs that ONNX Runtime runs fast on one thread, and open sessions for them.

The weight files of others (dlib's .dat, quantised .onnx, .tflite) are read in `dlib_weights`, `encode`, `detect` and
`mesh`; what they share is here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # onnx takes a sixth of a second to load
    import onnx
    from onnxruntime import InferenceSession

Array = NDArray[np.float32]


class Graph:
    """A network under construction: every method adds one layer and returns the name of its output."""

    def __init__(self, *input_shape: int | str) -> None:
        """Start from one float32 input named "input" of this shape; a str is a dimension free at run time."""
        from onnx import TensorProto, helper

        self._inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, input_shape)]
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add any ONNX operator."""
        from onnx import helper

        output = f"{op}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def weight(self, values: NDArray[Any]) -> str:
        """Add a constant; floats become float32."""
        from onnx import numpy_helper

        name = f"w{len(self._weights)}"
        if values.dtype.kind == "f":
            values = values.astype(np.float32)
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def conv(
        self,
        x: str,
        kernel: NDArray[Any],
        bias: NDArray[Any] | None = None,
        *,
        stride: int = 1,
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        group: int = 1,
    ) -> str:
        """Convolve with (out, in / group, rows, cols) kernels; pads are top, left, bottom, right."""
        inputs = [x, self.weight(kernel)] + ([] if bias is None else [self.weight(bias)])
        return self.add(
            "Conv",
            *inputs,
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            pads=list(pads),
            group=group,
        )

    def prelu(self, x: str, slope: NDArray[Any]) -> str:
        """Per-channel PReLU, written as a*x + relu((1 - a)*x) with 1x1 depthwise convolutions.

        ONNX Runtime keeps convolutions, their fused relu and their fused sum in its blocked NCHWc layout, but not
        PRelu: with that operator every layer is reordered twice, and sface takes 33 ms a face instead of 16
        (`benchmarks/networks.py`). Where a > 1, (1 - a) * relu(x) is the exact form.
        """
        channels = slope.size
        a = slope.reshape(channels, 1, 1, 1).astype(np.float64)
        if np.all(a <= 1):
            bent = self.add("Relu", self.conv(x, 1 - a, group=channels))
        else:
            bent = self.conv(self.add("Relu", x), 1 - a, group=channels)
        return self.add("Add", self.conv(x, a, group=channels), bent)

    def session(self, *outputs: str) -> InferenceSession:
        """Check the graph and open it on one CPU thread."""
        from onnx import TensorProto, helper

        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self._nodes, "facecluster", self._inputs, infos, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return open_session(model)


def open_session(model: onnx.ModelProto) -> InferenceSession:
    """Open a model on one CPU thread: the parallelism of facecluster is one process per core.

    Memory that a run took is kept for the next run of the session (the arena of ONNX Runtime): giving it back makes
    small networks half as fast. Callers therefore bound the size of their inputs.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = (
        "1"  # its wheels tell Microsoft of every session otherwise, on Linux too
    )
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Return the weights of a quantised model by name, block-dequantised to float32 and reshaped.

    OpenCV Zoo's `int8bq` files hold a weight as integers with a scale and a zero point per block, a
    DequantizeLinear (ONNX operator set 21, `axis` and `block_size`) and a Reshape to the shape that is used.
    """
    from onnx import numpy_helper

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            quantised, scale, zero = (values[name] for name in node.input)
            options = attributes(node)
            axis, block = options["axis"], options["block_size"]
            whole = tuple(slice(size) for size in quantised.shape)
            scale = np.repeat(scale, block, axis=axis)[whole]
            zero = np.repeat(zero.astype(np.float32), block, axis=axis)[whole]
            values[node.output[0]] = (quantised.astype(np.float32) - zero) * scale
        elif node.op_type == "Reshape" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].reshape(values[node.input[1]])
    return values


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by name."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}

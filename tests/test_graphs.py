"""The ONNX graphs we build compute what the networks define."""

import numpy as np
import pytest

from facecluster.errors import ModelError
from facecluster.vision import dlib_weights, mesh, models
from facecluster.vision.graphs import Graph, constants


@pytest.mark.parametrize("largest_slope", [0.9, 1.2])
def test_prelu_equals_its_definition_for_slopes_below_and_above_one(largest_slope):
    rng = np.random.default_rng(0)
    slope = np.append(rng.uniform(-0.5, 0.8, 15), largest_slope)
    x = rng.normal(size=(2, 16, 5, 7)).astype(np.float32)
    graph = Graph("n", 16, 5, 7)
    session = graph.session(graph.prelu("input", slope))
    expected = np.where(x > 0, x, x * slope[:, None, None])
    np.testing.assert_allclose(session.run(None, {"input": x})[0], expected, atol=1e-6)


def test_blockwise_weights_are_dequantised_by_hand():
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    values = {
        "quantised": np.array([[1, 2, 3], [4, 5, 6]], np.int8),
        "scale": np.array([[0.5, 2.0], [1.0, 10.0]], np.float32),
        "zero": np.array([[1, 0], [0, 6]], np.int8),
        "shape": np.array([3, 2], np.int64),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["quantised", "scale", "zero"], ["w"], axis=1, block_size=2),
        helper.make_node("Reshape", ["w", "shape"], ["reshaped"]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in values.items()]
    output = helper.make_tensor_value_info("reshaped", TensorProto.FLOAT, [3, 2])
    model = onnx.helper.make_model(helper.make_graph(nodes, "g", [], [output], initializers))
    assert constants(model)["w"].tolist() == [[0.0, 0.5, 6.0], [4.0, 5.0, 0.0]]
    assert constants(model)["reshaped"].tolist() == [[0.0, 0.5], [6.0, 4.0], [5.0, 0.0]]


def test_mesh_network_agrees_with_opencv_running_the_same_file():
    import cv2

    path = models.path("mesh")
    crop = np.random.default_rng(0).random((1, 3, 192, 192), np.float32)
    theirs = cv2.dnn.readNetFromTFLite(str(path))
    theirs.setInput(crop)
    ours = mesh.read_tflite(path).run(None, {"input": crop})[0]
    np.testing.assert_allclose(ours.ravel(), theirs.forward("conv2d_20").ravel(), atol=1e-2)


def test_tensors_are_found_behind_settings_and_false_starts(tmp_path):
    tensor = np.array([1.5, -2.0, 3.25], np.float32)
    header = bytes([1, 2, 1, 3, 1, 1, 1, 1, 1, 1])  # version 2; 3 samples of 1 channel, 1 row, 1 column
    file = tmp_path / "net.dat"
    file.write_bytes(b"\x01\x02\x01\x02settings\x01\x02\x01\x07" + header + tensor.tobytes() + b"end")
    assert next(dlib_weights.read_tensors(file, [3])).tolist() == tensor.tolist()


@pytest.mark.parametrize(
    "content", [b"", b"\x01\x02", b"\x01\x02\x01\x03\x01\x01\x01\x01\x01\x01abc", b"no network"]
)
def test_a_file_without_the_tensors_says_so(tmp_path, content):
    file = tmp_path / "net.dat"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"net\.dat: tensor 0"):
        list(dlib_weights.read_tensors(file, [3]))

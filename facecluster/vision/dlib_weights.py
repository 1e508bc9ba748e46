"""Read the tensors out of dlib's .dat files and build ONNX graphs of the same networks.

dlib serialises a network as its layers from input to output. An integer is one byte (low 4 bits: number of value
bytes, bit 7: sign) and the value, little-endian; a tensor is the integer 2 (its version), four integers (samples,
channels, rows, columns) and raw little-endian float32. Between tensors lie settings that inference does not need.
Source: dlib 20.0, `dlib/serialize.h`, `dlib/cuda/tensor.h`, `dlib/dnn/layers.h`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import ModelError
from facecluster.vision.graphs import Graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MEAN_RGB = (122.782, 117.001, 104.298)
"""What dlib's input layers subtract before they divide by 256 (`dlib/dnn/input.h`)."""

_TENSOR_VERSION = b"\x01\x02"
_BN_EPSILON = 1e-4
_HEADER_BYTES = 40


def read_tensors(path: Path, sizes: list[int]) -> Iterator[NDArray[np.float32]]:
    """Yield the tensors of a .dat file in order, flat.

    Args:
        path: a file written by dlib's `serialize`.
        sizes: expected number of elements of each tensor, in order; what else lies between is skipped.

    Raises:
        ModelError: the file does not hold these tensors in this order.
    """
    data = path.read_bytes()
    position = 0
    for number, size in enumerate(sizes):
        while True:
            position = data.find(_TENSOR_VERSION, position)
            if position < 0:
                raise ModelError(
                    f"{path}: tensor {number} of {size} numbers not found; not the dlib file it should be"
                )
            start = _header_end(data, position + len(_TENSOR_VERSION), size)
            if start and start + 4 * size <= len(data):
                break
            position += 1
        yield np.frombuffer(data, "<f4", size, start)
        position = start + 4 * size


def _header_end(data: bytes, position: int, size: int) -> int:
    """Return where the floats start if four integers with this product lie here, else 0."""
    product = 1
    for _ in range(4):
        control = data[position] if position < len(data) else 0
        length = control & 0x0F
        if control & 0xF0 or not 1 <= length <= 8:
            return 0
        product *= int.from_bytes(data[position + 1 : position + 1 + length], "little")
        position += 1 + length
    return position if product == size else 0


_RESNET_BLOCKS = [(32, False)] * 3 + [(64, True)] + [(64, False)] * 3 + [(128, True)] + [(128, False)] * 2
_RESNET_BLOCKS += [(256, True)] + [(256, False)] * 2 + [(256, True)]
"""(filters, halves the picture) of each residual block, from input to output."""


def resnet(path: Path) -> InferenceSession:
    """Open dlib's face recognition ResNet: (n, 3, 150, 150) float32 RGB 0..255 -> (n, 128) encodings.

    Architecture: dlib's `examples/dnn_face_recognition_ex.cpp` (`anet_type`).
    """
    shapes: list[tuple[int, int, int]] = [(32, 3, 7)]
    channels = 32
    for filters, _ in _RESNET_BLOCKS:
        shapes += [(filters, channels, 3), (filters, filters, 3)]
        channels = filters
    sizes: list[int] = []
    for out, into, side in shapes:
        sizes += [out * into * side * side + out, 2 * out]
    tensors = read_tensors(path, [*sizes, 256 * 128])
    layers = iter(shapes)

    graph = Graph("n", 3, 150, 150)

    def conv_affine(x: str, stride: int, pad: int) -> str:
        out, into, side = next(layers)
        kernel, bias = _split(next(tensors), out, into, side)
        gamma, beta = next(tensors).astype(np.float64).reshape(2, out)
        return graph.conv(
            x, kernel * gamma[:, None, None, None], bias * gamma + beta, stride=stride, pads=(pad,) * 4
        )

    mean = np.reshape(np.array(MEAN_RGB), (1, 3, 1, 1))
    x = graph.add("Mul", graph.add("Sub", "input", graph.weight(mean)), graph.weight(np.array(1 / 256)))
    x = graph.add("Relu", conv_affine(x, 2, 0))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    rows, channels = 35, 32
    for filters, halves in _RESNET_BLOCKS:
        stride, pad = (2, 0) if halves else (1, 1)
        main = conv_affine(graph.add("Relu", conv_affine(x, stride, pad)), 1, 1)
        shortcut = x
        if halves:
            shortcut = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            conv_rows, pool_rows = (rows - 3) // 2 + 1, rows // 2
            rows = max(conv_rows, pool_rows)
            main = _zero_pad(graph, main, 0, rows - conv_rows)
            shortcut = _zero_pad(graph, shortcut, filters - channels, rows - pool_rows)
        x = graph.add("Relu", graph.add("Add", main, shortcut))
        channels = filters
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    return graph.session(graph.add("MatMul", x, graph.weight(next(tensors).reshape(256, 128))))


MMOD_WINDOW = 80
"""Side in pixels of the square that one output cell of the mmod detector looks for."""


def mmod(path: Path) -> InferenceSession:
    """Open dlib's mmod CNN face detector: (1, 3, h, w) float32 (RGB - MEAN_RGB) / 256 -> (1, 1, rows, cols) scores.

    Output cell (r, c) is centred on input pixel (x, y) = (8c + 14, 8r + 14). Architecture: dlib's
    `examples/dnn_mmod_face_detection_ex.cpp` (`net_type`).
    """
    shapes = [(16, 3, 5), (32, 16, 5), (32, 32, 5), (45, 32, 5), (45, 45, 5), (45, 45, 5), (1, 45, 9)]
    sizes: list[int] = []
    for out, into, side in shapes:
        sizes += [out * into * side * side + out]
        if out > 1:
            sizes += [2 * out, out, out, out, out]
    tensors = read_tensors(path, sizes)

    graph = Graph(1, 3, "h", "w")
    x = "input"
    for number, (out, into, side) in enumerate(shapes):
        kernel, bias = _split(next(tensors), out, into, side)
        stride, pad = (2, 0) if number < 3 else (1, side // 2)
        if out == 1:
            # The same sum, transposed: ONNX Runtime is slow at convolutions of one filter; it does this one as a matrix
            # product of all taps and a sum of shifted maps, 20 times faster.
            flipped = graph.weight(kernel[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
            x = graph.add("ConvTranspose", x, flipped, graph.weight(bias), pads=[pad] * 4)
            return graph.session(x)
        gamma, beta = next(tensors).astype(np.float64).reshape(2, out)
        next(tensors), next(tensors)  # statistics of the last training batch
        mean, variance = next(tensors).astype(np.float64), next(tensors).astype(np.float64)
        scale = gamma / np.sqrt(variance + _BN_EPSILON)
        folded = graph.conv(
            x,
            kernel * scale[:, None, None, None],
            (bias - mean) * scale + beta,
            stride=stride,
            pads=(pad,) * 4,
        )
        x = graph.add("Relu", folded)
    raise AssertionError("unreachable: the last layer has one filter")


def _split(
    parameters: NDArray[np.float32], out: int, into: int, side: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Split a convolution's parameters into float64 kernels (out, into, side, side) and biases (out,)."""
    exact = parameters.astype(np.float64)
    return exact[:-out].reshape(out, into, side, side), exact[-out:]


def _zero_pad(graph: Graph, x: str, channels: int, rows: int) -> str:
    """Append zero channels, and zero rows and columns at the bottom and right."""
    if channels == rows == 0:
        return x
    return graph.add("Pad", x, graph.weight(np.array([0, 0, 0, 0, 0, channels, rows, rows], np.int64)))

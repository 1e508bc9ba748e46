"""Fit a mesh of 468 3-D points to each face, and say how likely it is that there is a face at all.

The network is MediaPipe's face landmark model (Kartynnik et al., Real-time Facial Surface Geometry from Monocular
Video on Mobile GPUs, CVPR workshop 2019): a 192x192 RGB crop in 0..1 -> 468 x (x, y, z) in crop pixels and a logit.
Both are read off the same features, which say more about the head than the mesh does: `vision.pose` uses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops, models

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onnxruntime import InferenceSession

Array = NDArray[np.float32]

N_POINTS = 468
N_FEATURES = 2304
CROP_SIZE = 192

CROP_PER_BOX = 1.5
"""Side of the first crop over the side of the box (FACTS.md, measured on `pose_renders`)."""

CROP_PER_MESH = 1.5
"""Side of the second crop over the extent of the first mesh: MediaPipe's own figure for tracking."""

MAX_PASSES, MAX_TILT_DEG = 6, 6.0
"""A mesh is final when its crop was turned by less than this against the one before, or after so many passes."""

SURE_PRESENCE = 0.97
"""Below this a face may lie so far aside that the first mesh missed it: first crops turned by 45 degrees either way are
tried, and one that halves the doubt is taken. So a face costs 2.4 runs of the network on average, in `lfw_dev`."""

PRESENCE_SCALE = 8.0
"""The network's logit is divided by this: its plain sigmoid is 1.0 in float32 for most faces, good or bad."""

MIN_PRESENCE = 0.36
"""Below this presence (a logit of -4.6, a probability of 0.01) a mesh is noise and its points are NaN."""

# Vertices of the canonical mesh. Right and left are the person's.
RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)
NOSE_TIP = 1
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 61, 291

_FEATURE_MAPS = (179, 177)
"""Tensors of the file, 3x3x128 each: the inputs of the head for the points and of that for the logit."""


@dataclass(frozen=True, eq=False)
class Meshes:
    """One mesh a face.

    Attributes:
        points: (n, 468, 3) float32 x, y in pixels of the picture (z in the same unit, smaller is nearer to the
            camera); NaN where no face was seen.
        presence: (n,) float32 in 0..1, the sigmoid of the network's logit over `PRESENCE_SCALE`.
        features: (n, 2304) float32 of the last crop, two maps of 128 x 3 x 3: what the network's two heads, for the
            points and for the logit, start from. NaN where no face was seen.
    """

    points: Array
    presence: Array
    features: Array


def fit_meshes(pixels: crops.Pixels, box: Array, landmarks: Array) -> Meshes:
    """Fit a mesh to every face, in two passes: on the box, then on the extent of the first mesh.

    A face that was not upright in the first crop gets up to two more passes: on faces tilted by 45 degrees yunet's
    eyes are off by some 30, and the first mesh by some 10. Where the network doubts that there is a face, it looks
    for one lying to either side too.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (n, 4) left, top, right, bottom in pixels.
        landmarks: (n, 5, 2) as in `table.Faces`; NaN where the detector gives none. The first crop is turned so
            that the eyes are level where they are known.
    """
    n = len(box)
    points = np.full((n, N_POINTS, 3), np.nan, np.float32)
    features = np.full((n, N_FEATURES), np.nan, np.float32)
    presence = np.zeros(n, np.float32)
    for face in range(n):
        eyes = landmarks[face, :2]
        roll = 0.0 if np.isnan(eyes).any() else _roll_deg(eyes[0], eyes[1])
        centre: Array = ((box[face, :2] + box[face, 2:]) / 2).astype(np.float32)
        side = CROP_PER_BOX * float((box[face, 2:] - box[face, :2]).max())
        fitted = _refined(pixels, _fit(pixels, centre, side, roll), roll)
        if fitted.presence < SURE_PRESENCE:
            for tilted_roll in (roll - 45, roll + 45):
                tilted = _fit(pixels, centre, side, tilted_roll)
                if 1 - tilted.presence < (1 - fitted.presence) / 2:
                    fitted = _refined(pixels, tilted, tilted_roll)
        if fitted.presence >= MIN_PRESENCE:
            points[face], features[face] = fitted.points, fitted.features
        presence[face] = fitted.presence
    return Meshes(points, presence, features)


def landmarks(points: Array) -> Array:
    """Read the five landmarks off the meshes: (n, 468, 3) -> (n, 5, 2), order as in `table.Faces`."""
    flat = points[:, :, :2]
    right_eye = flat[:, RIGHT_EYE].mean(axis=1)
    left_eye = flat[:, LEFT_EYE].mean(axis=1)
    rest = (flat[:, NOSE_TIP], flat[:, RIGHT_MOUTH_CORNER], flat[:, LEFT_MOUTH_CORNER])
    return np.stack([right_eye, left_eye, *rest], axis=1)


def _roll_deg(right_eye: Array, left_eye: Array) -> float:
    """Clockwise angle of the line from the person's right eye to the left one, which an upright face has at 0."""
    dx, dy = (left_eye - right_eye)[:2]
    return float(np.rad2deg(np.arctan2(dy, dx)))


def _crop_of(points: Array) -> tuple[Array, float, float]:
    """Centre, side and roll of the crop that a mesh asks for."""
    flat = points[:, :2]
    roll = _roll_deg(flat[RIGHT_EYE[0]], flat[LEFT_EYE[1]])
    angle = np.deg2rad(roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    level = flat @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    return turn @ ((low + high) / 2), CROP_PER_MESH * float((high - low).max()), roll


def _refined(pixels: crops.Pixels, fitted: _Fit, roll: float) -> _Fit:
    """Fit again on the crop that each mesh asks for, until it is turned no further; keep the last that sees a face."""
    for _ in range(MAX_PASSES - 1):
        if fitted.presence < MIN_PRESENCE:
            break
        centre, side, next_roll = _crop_of(fitted.points)
        again = _fit(pixels, centre, side, next_roll)
        if again.presence < MIN_PRESENCE:
            break
        turned = abs((next_roll - roll + 180) % 360 - 180)
        fitted, roll = again, next_roll
        if turned < MAX_TILT_DEG:
            break
    return fitted


class _Fit(NamedTuple):
    """One mesh, see `Meshes`."""

    points: Array
    presence: float
    features: Array


def _fit(pixels: crops.Pixels, centre: Array, side: float, roll_deg: float) -> _Fit:
    """Run the network on one crop; the points are in pixels of the picture."""
    matrix = crops.square(centre, side, roll_deg, CROP_SIZE)
    crop = crops.cut(pixels, matrix, CROP_SIZE)
    blob = crop.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / 255
    raw, logit, *maps = _network().run(None, {"input": blob})
    scale = side / CROP_SIZE
    points = raw.reshape(N_POINTS, 3).copy()
    turn = matrix[:, :2].astype(np.float32) * scale * scale
    points[:, :2] = (points[:, :2] - CROP_SIZE / 2) @ turn + centre
    points[:, 2] *= scale
    presence = float(1 / (1 + np.exp(-logit.item() / PRESENCE_SCALE)))
    return _Fit(points, presence, np.concatenate(maps, axis=None))


@cache
def _network() -> InferenceSession:
    return read_tflite(models.path("mesh"), also=_FEATURE_MAPS)


def read_tflite(path: Path, also: Sequence[int] = ()) -> InferenceSession:
    """Translate a float32 TensorFlow Lite network of plain layers to ONNX, channels first, and open it.

    OpenCV reads the file too, but OpenCV 5 drops its second output, and ONNX Runtime is faster.

    Args:
        path: the file.
        also: tensors that are put out after the network's own outputs.
    """
    import tflite

    from facecluster.vision.graphs import Graph

    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    net = model.Subgraphs(0)

    def shape(tensor: int) -> list[int]:
        return [int(size) for size in net.Tensors(tensor).ShapeAsNumpy()]

    def constant(tensor: int) -> NDArray[Any]:
        entry = net.Tensors(tensor)
        dtype = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.INT32: np.int32}[entry.Type()]
        values: NDArray[Any] = model.Buffers(entry.Buffer()).DataAsNumpy().view(dtype).reshape(shape(tensor))
        return values

    def pads(options: Any, rows: int, cols: int, kernel: tuple[int, int]) -> tuple[int, int, int, int]:
        if options.Padding() == tflite.Padding.VALID:
            return (0, 0, 0, 0)
        total = [
            max((-(-size // stride) - 1) * stride + side - size, 0)
            for size, stride, side in (
                (rows, options.StrideH(), kernel[0]),
                (cols, options.StrideW(), kernel[1]),
            )
        ]
        return (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)

    def options_of(operator: Any, kind: Any) -> Any:
        options = kind()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        return options

    rows, cols = shape(net.Inputs(0))[1:3]
    graph = Graph(1, 3, rows, cols)
    names = {net.Inputs(0): "input"}
    for index in range(net.OperatorsLength()):
        operator = net.Operators(index)
        entry = model.OperatorCodes(operator.OpcodeIndex())
        code = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
        inputs = [int(tensor) for tensor in operator.InputsAsNumpy()]
        x = names[inputs[0]]
        rows, cols = [*shape(inputs[0]), 0, 0][1:3]
        ops = tflite.BuiltinOperator
        if code in (ops.CONV_2D, ops.DEPTHWISE_CONV_2D):
            depthwise = code == ops.DEPTHWISE_CONV_2D
            options = options_of(
                operator, tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions
            )
            kernel = constant(inputs[1]).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
            y = graph.conv(
                x,
                kernel,
                constant(inputs[2]),
                stride=options.StrideH(),
                pads=pads(options, rows, cols, kernel.shape[2:]),
                group=len(kernel) if depthwise else 1,
            )
        elif code == ops.MAX_POOL_2D:
            options = options_of(operator, tflite.Pool2DOptions)
            side = (options.FilterHeight(), options.FilterWidth())
            strides = [options.StrideH(), options.StrideW()]
            y = graph.add("MaxPool", x, kernel_shape=list(side), strides=strides)
        elif code == ops.PRELU:
            y = graph.prelu(x, constant(inputs[1]))
        elif code == ops.ADD:
            y = graph.add("Add", x, names[inputs[1]])
        elif code == ops.PAD:
            before, after = constant(inputs[1])[[0, 3, 1, 2]].T.astype(np.int64)
            y = graph.add("Pad", x, graph.weight(np.concatenate([before, after])))
        else:
            raise ValueError(f"{path}: operator {code} of TensorFlow Lite is not expected in a face mesh")
        names[int(operator.OutputsAsNumpy()[0])] = y
    return graph.session(*(names[int(tensor)] for tensor in (*net.OutputsAsNumpy(), *also)))

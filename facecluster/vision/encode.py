"""Turn faces into 128 numbers that are near for one person and far for two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops, models

if TYPE_CHECKING:
    from pathlib import Path

    from onnxruntime import InferenceSession

Array = NDArray[np.float32]

ENCODERS = ("sface", "dlib")

SFACE_SIZE = 112
SFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where the five landmarks lie in sface's crop: the template of ArcFace (Deng et al., CVPR 2019)."""

DLIB_SIZE, DLIB_PADDING = 150, 0.25
"""Side of dlib's chip and its margin as a share of the face: `face_recognition_model_v1`'s own."""

YUNET_TO_DLIB = (0.50, 0.55, 1.05)
"""dlib's square for a yunet box of width w and height h: centre at (left + a w, top + b h), side c w (FACTS.md)."""

TYPICAL_DISTANCE = {"sface": 12.26, "dlib": 0.6026}
"""Distance from `nobody` that counts as a distinctness of 1: the median of the undamaged faces of the fit half
of `lfw_dev` (`benchmarks/quality.py fit`)."""

_BATCH = 8


@dataclass(frozen=True, eq=False)
class Encodings:
    """One encoding a face.

    Attributes:
        encoding: (n, 128) float32; NaN for a face whose landmarks are unknown (sface only).
        distinctness: (n,) float32, 0 to about 1.3, up is better: how much the network has to say about this face.
            It is the distance of the network's output, before it is normalised and without the mirror image, from
            `nobody`, over `TYPICAL_DISTANCE`; so 1 is a usual face with either encoder, and what is no face
            at all has about 0.5 with sface and 0.8 with dlib. NaN where the encoding is.
            That the output's norm falls with quality is known of networks trained as sface is (Meng et al., MagFace,
            CVPR 2021); of dlib's only the distance from such a fixed point does.
    """

    encoding: Array
    distinctness: Array


def encode_faces(
    pixels: crops.Pixels,
    box: Array,
    landmarks: Array,
    *,
    detector: str = "yunet",
    encoder: str = "sface",
    mirror: bool = False,
) -> Encodings:
    """Encode every face of a picture.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (n, 4) left, top, right, bottom in pixels, as the detector gave it.
        landmarks: (n, 5, 2) as in `table.Faces`; used by sface.
        detector: what found the boxes; dlib's landmark predictor wants dlib's kind of box.
        encoder: "sface" (Zhong et al., SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition,
            IEEE TIP 2021), aligned on the landmarks and L2-normalised; or "dlib": the numbers of
            `face_recognition.face_encodings`, aligned on its own five points.
        mirror: average the encodings of the face and of its mirror image: twice the time, and a little better.

    Raises:
        ValueError: unknown encoder.
    """
    if encoder not in ENCODERS:
        raise ValueError(f"encoder: expected one of {ENCODERS}, got {encoder!r}")
    output, encoding = outputs(pixels, box, landmarks, detector=detector, encoder=encoder, mirror=mirror)
    if encoder == "sface":
        encoding /= np.maximum(np.linalg.norm(encoding, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return Encodings(encoding, distinctness(output, encoder))


def outputs(
    pixels: crops.Pixels, box: Array, landmarks: Array, *, detector: str, encoder: str, mirror: bool
) -> tuple[Array, Array]:
    """Return what a network says of every face, not normalised: (n, 128) of the face, and of it and its mirror image.

    The second is their mean where `mirror` is set, else equal to the first. Arguments as in `encode_faces`.
    """
    if encoder == "sface":
        result = _run(_sface_network(), [_sface_chip(pixels, points) for points in landmarks], mirror)
        for output in result:
            output[np.isnan(landmarks).any(axis=(1, 2))] = np.nan
        return result
    squares = box if detector in ("cnn", "hog") else dlib_squares(box)
    return _run(_dlib_network(), [_dlib_chip(pixels, square) for square in squares], mirror)


def distinctness(output: Array, encoder: str) -> Array:
    """Say how much a network has to say about each face, (n,) float32: see `Encodings`.

    Args:
        output: (n, 128) of the network, not normalised.
        encoder: one of `ENCODERS`.
    """
    distance = np.linalg.norm(output - nobody(encoder), axis=1)
    return np.asarray(distance / TYPICAL_DISTANCE[encoder], np.float32)


@cache
def nobody(encoder: str) -> Array:
    """Return the (128,) float32 output of a network, not normalised, that stands for nobody in particular.

    It lies near the mean output for faces that nine kinds of damage have ruined, moved a little so that the distance
    from it says best which faces match (`benchmarks/quality.py fit` makes the file, from the fit half of `lfw_dev`).
    """
    with resources.files(__package__).joinpath("nobody.npy").open("rb") as file:
        output: Array = np.load(file, allow_pickle=False)[ENCODERS.index(encoder)]
    return output


def dlib_squares(box: Array) -> Array:
    """Turn (n, 4) yunet boxes into squares such as dlib's detectors give, brows to chin: see `YUNET_TO_DLIB`."""
    across, down, side = YUNET_TO_DLIB
    size = box[:, 2:] - box[:, :2]
    centre = box[:, :2] + size * np.array([across, down], np.float32)
    half = size[:, :1] * np.float32(side / 2)
    return np.concatenate([centre - half, centre + half], axis=1)


def _run(session: InferenceSession, chips: list[crops.Pixels], mirror: bool) -> tuple[Array, Array]:
    """Encode chips in small batches: (n, 128) alone, and (n, 128) averaged with their mirror images if asked."""
    alone = np.zeros((len(chips), 128), np.float32)
    averaged = np.zeros_like(alone)
    for start in range(0, len(chips), _BATCH):
        blob = np.stack(chips[start : start + _BATCH]).transpose(0, 3, 1, 2).astype(np.float32)
        rows = slice(start, start + len(blob))
        alone[rows] = averaged[rows] = session.run(None, {"input": blob})[0]
        if mirror:
            flipped = np.ascontiguousarray(blob[..., ::-1])
            averaged[rows] = (alone[rows] + session.run(None, {"input": flipped})[0]) / 2
    return alone, averaged


def _sface_chip(pixels: crops.Pixels, points: Array) -> crops.Pixels:
    """Cut the face out so that its landmarks lie where sface learnt them; black if they are unknown."""
    if np.isnan(points).any():
        return np.zeros((SFACE_SIZE, SFACE_SIZE, 3), np.uint8)
    return crops.cut(pixels, crops.similarity(points.astype(np.float64), SFACE_POINTS), SFACE_SIZE)


@cache
def _sface_network() -> InferenceSession:
    return read_sface(models.path("sface"))


def read_sface(path: Path) -> InferenceSession:
    """Open sface for RGB 0..255 in any batch, its weights in float32, its normalisations folded into its layers.

    The network is a MobileNet: convolution, batch norm and PReLU, 27 times, then one linear layer.
    """
    import onnx

    from facecluster.vision.graphs import Graph, attributes, constants

    model = onnx.load(path)
    values = constants(model)

    def scale_and_shift(node: onnx.NodeProto) -> tuple[NDArray[Any], NDArray[Any]]:
        gamma, beta, mean, variance = (values[name].astype(np.float64) for name in node.input[1:5])
        scale = gamma / np.sqrt(variance + attributes(node)["epsilon"])
        return scale, beta - mean * scale

    graph = Graph("n", 3, SFACE_SIZE, SFACE_SIZE)
    x, channels = "input", 3
    norms = {
        node.input[0]: scale_and_shift(node)
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
    }
    last: tuple[NDArray[Any], NDArray[Any]] | None = None
    for node in model.graph.node:
        if node.output[0] in values:
            continue
        if node.op_type in ("Sub", "Mul"):
            x = graph.add(node.op_type, x, graph.weight(values[node.input[1]]))
        elif node.op_type == "Conv":
            options = attributes(node)
            kernel = values[node.input[1]].astype(np.float64)
            scale, shift = norms[node.output[0]]
            x = graph.conv(
                x,
                kernel * scale[:, None, None, None],
                shift,
                stride=options["strides"][0],
                pads=tuple(options["pads"]),
                group=options["group"],
            )
        elif node.op_type == "PRelu":
            slope = values[node.input[1]]
            x, channels = graph.prelu(x, slope), slope.size
            last = norms.get(node.output[0])
        elif node.op_type == "Gemm":
            if last is None:
                raise ValueError(f"{path}: expected a batch norm before the last layer")
            weight, bias = (values[name].astype(np.float64) for name in node.input[1:3])
            side = round((weight.shape[1] / channels) ** 0.5)
            kernel = weight.reshape(128, channels, side, side)
            scale, shift = norms[node.output[0]]
            bias = bias + np.einsum("ocij,c->o", kernel, last[1])
            kernel = kernel * last[0][:, None, None] * scale[:, None, None, None]
            x = graph.conv(x, kernel, bias * scale + shift)
    return graph.session(graph.add("Flatten", x))


def _dlib_chip(pixels: crops.Pixels, square: Array) -> crops.Pixels:
    """Cut the face out as face_recognition does: box trimmed to the picture, five points, dlib's own resampling."""
    import dlib

    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(float(value)) for value in square)
    rectangle = dlib.rectangle(max(left, 0), max(top, 0), min(right - 1, width), min(bottom - 1, height))
    shape = _dlib_landmarks()(pixels, rectangle)
    chip: crops.Pixels = dlib.get_face_chip(pixels, shape, size=DLIB_SIZE, padding=DLIB_PADDING)
    return chip


@cache
def _dlib_landmarks() -> Any:
    import dlib

    return dlib.shape_predictor(str(models.path("dlib-5point")))


@cache
def _dlib_network() -> InferenceSession:
    from facecluster.vision.dlib_weights import resnet

    return resnet(models.path("dlib-resnet"))

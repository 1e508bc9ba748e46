"""Find faces in a picture: one array in, boxes, scores and landmarks out.

`yunet` is the default: Wu et al., YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20,
2023. `cnn` and `hog` are dlib's two detectors, which users of face_recognition know: King, Max-Margin Object
Detection, arXiv 1502.00046, 2015, and Dalal and Triggs, Histograms of Oriented Gradients, CVPR 2005.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import closer, models
from facecluster.vision.crops import Pixels, averaged
from facecluster.vision.dlib_weights import MEAN_RGB, MMOD_WINDOW, mmod

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Array = NDArray[np.float32]

DETECTORS = ("yunet", "cnn", "hog")

MIN_FACE_PX = 24.0
"""Faces whose box is narrower and lower than this are dropped: too small to tell people apart."""

UPSAMPLE = 1
"""How often dlib's detectors double the picture first: face_recognition's own default, needed for faces under 80 px."""

DLIB_PIXELS = 13_000_000
"""cnn and hog see no larger picture, and double it only up to this, so that a worker stays under 1 GB."""

YUNET_SIDES = (640, 800)
"""Long sides of yunet's two looks at every picture, whose scores are averaged.

One look at 640, its training size, has recall 0.925 and precision 0.932 on `wider_dev`, the two 0.931 and 0.944; six
sizes and their pairs were tried on the fit half (`benchmarks/detectors.py`).
"""

YUNET_SMALL_SIDE = 256
"""Long side of a look that finds no face by itself, and tells where to look closer: a face of 700 of 1,024 pixels has
a score of 0.92 there, and none in the first two looks."""

YUNET_SHARE = 0.4
"""Long side of a third look, over the picture's: a face of 76 px in 12 megapixels (4000 wide) is 30 px there."""

YUNET_THIRD_PX, YUNET_SURE_SCORE = 32, 0.83
"""Largest usual face of the third look, in pixels of the larger of the first two; lowest score of one that is larger.

A face of 1,000 pixels has another two on it in the third look, of scores up to 0.82, which no other look sees; what
lies on a face of which another look is sure does not count at all. In 12-megapixel canvases of the fit half the third
look adds 22 faces up to this size and 4 above it (`benchmarks/subjects.py`, `benchmarks/detectors.py`).
"""

YUNET_SCORE = 0.61
"""Lowest average score of a face in the first two looks (`benchmarks/detectors.py`)."""

YUNET_SCORE_LARGE = 0.65
"""Lowest score in the third look, where false finds score higher (`benchmarks/detectors.py`)."""

YUNET_CLOSER_SHARE, YUNET_CLOSER_SCORE, YUNET_CLOSER_FACES = 0.08, 0.3, 3
"""What is looked at closer, see `vision.closer`: faces of at least this share of the picture's long side of which the
first looks are not sure, and to which a look gives at least this score; the best so many.

So it is done at every third photo of `wider_dev`. With the small look a photo takes 34 ms there instead of 30, of some
92 that `encode` takes.
"""

_YUNET_UNSEEN = 0.25
"""Score that stands for a look that does not see a face; lower ones are not kept."""

_YUNET_IOU, _YUNET_AGREE_IOU = 0.3, 0.4
_YUNET_INSIDE = 0.7
"""Share of a box in a larger one from which the two may be one face. Of labelled faces none has half of it in another;
of 357 pasted ones (`benchmarks/subjects.py`, fit half) two had a find in or around them, of scores 0.75 and 0.63.
"""
_YUNET_STRIDES = (8, 16, 32)
_TILE, _TILE_OVERLAP = 1216, 160
"""Pictures are analysed in tiles of this size, so that memory does not grow with them."""

_MMOD_IOU = 0.338
_MMOD_STRIDE, _MMOD_OFFSET = 8, 14
_MMOD_PADDING, _MMOD_OUTER_PADDING = 10, 11
_MMOD_CONTEXT = 10
"""Output cells over which the padded convolutions of the mmod network reach: 2 + 2 + 2 + 4."""
_MMOD_STRIP = 2 << 20
"""Pixels of the picture pyramid that go through the mmod network at once."""
_MMOD_HALF_PRECISION = 5_000_000
"""Pixels from which the pyramid is kept in half precision: half the memory, and scores move by 0.001 or so."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one picture, best score first.

    Attributes:
        box: (n, 4) float32 left, top, right, bottom in pixels, half-open; may reach outside the picture.
        score: (n,) float32; yunet 0..1, dlib's detectors above 0.
        landmarks: (n, 5, 2) float32 as in `table.Faces`; NaN for dlib's detectors, which find none.
    """

    box: Array
    score: Array
    landmarks: Array

    def __len__(self) -> int:
        return len(self.box)

    def rows(self, index: NDArray[Any]) -> Detections:
        """Choose and order rows."""
        return Detections(self.box[index], self.score[index], self.landmarks[index])


def find_faces(
    pixels: Pixels,
    *,
    detector: str = "yunet",
    min_face_px: float = MIN_FACE_PX,
    max_side_px: int | None = None,
    upsample: int = UPSAMPLE,
) -> Detections:
    """Find the faces of one picture.

    Args:
        pixels: (h, w, 3) uint8 RGB, upright.
        detector: one of `DETECTORS`.
        min_face_px: faces whose box is smaller than this both ways are dropped, in pixels of `pixels`.
        max_side_px: long side to which a larger picture is reduced for the analysis; 0 is full size. None is the
            detector's own rule: full size for cnn and hog; for yunet `YUNET_SIDES`, and `YUNET_SHARE` of the
            picture where that is larger.
        upsample: for cnn and hog: how often the picture is doubled, as far as `DLIB_PIXELS` allows.

    Raises:
        ValueError: unknown detector.
    """
    return find_and_guess(
        pixels, detector=detector, min_face_px=min_face_px, max_side_px=max_side_px, upsample=upsample
    )[0]


def find_and_guess(
    pixels: Pixels, *, detector: str, min_face_px: float, max_side_px: int | None, upsample: int
) -> tuple[Detections, Detections]:
    """Find the faces of one picture, and all that is a little like one.

    Arguments as in `find_faces`.

    Returns:
        The faces; and all that yunet's first two looks see, best first, also if it scores too low for a face. Most
        faces that lie on their side or head are there. dlib's detectors guess nothing.
    """
    long_side = max(pixels.shape[:2])
    if detector == "yunet":
        own_rule = max(round(YUNET_SHARE * long_side), YUNET_SIDES[-1])
        found, guesses = _yunet(
            pixels, min(own_rule if max_side_px is None else (max_side_px or long_side), long_side)
        )
    elif detector in ("cnn", "hog"):
        fitting = int(long_side * min(1.0, (DLIB_PIXELS / (pixels.shape[0] * pixels.shape[1])) ** 0.5))
        reduced, factor = reduce_to(pixels, min(max_side_px or long_side, fitting))
        upsample = min(upsample, max(0, int(np.log(DLIB_PIXELS / (reduced.size / 3)) / np.log(4))))
        boxes, scores = (_mmod if detector == "cnn" else _hog)(reduced, upsample)
        found = Detections(
            _scaled(boxes, np.tile(factor, 2)), scores, np.full((len(boxes), 5, 2), np.nan, np.float32)
        )
        guesses = found.rows(np.zeros(0, np.intp))
    else:
        raise ValueError(f"detector: expected one of {DETECTORS}, got {detector!r}")
    return _of_size(found, min_face_px), _of_size(guesses, min_face_px)


def _of_size(found: Detections, min_face_px: float) -> Detections:
    """Drop what is smaller both ways."""
    sizes = (found.box[:, 2:] - found.box[:, :2]).max(axis=1, initial=0)
    return found.rows(np.flatnonzero(sizes >= min_face_px))


def suppress(box: Array, score: Array, iou: float) -> NDArray[np.intp]:
    """Return the rows that survive greedy non-maximum suppression, best score first.

    A box is dropped when its intersection over union with a better one is above `iou`.
    """
    order = np.argsort(-score, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[overlap(box[best], box[order]) <= iou]
    return np.array(kept, np.intp)


def overlap(one: Array, many: Array) -> Array:
    """Intersection over union of one box with (n, 4) others."""
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:], many[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(one[2:] - one[:2]) + np.prod(many[:, 2:] - many[:, :2], axis=1) - shared
    result: Array = shared / np.maximum(union, np.finfo(np.float32).tiny)
    return result


def reduce_to(pixels: Pixels, long_side: int, *, quick: bool = False) -> tuple[Pixels, Array]:
    """Average a picture down to a long side; also return the exact factors of width and height. Never enlarges.

    The rest of the way, which is less than half, a `quick` one interpolates: in a ninth of the time.
    """
    import cv2  # loaded by who reads pixels only

    scale = long_side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels, np.ones(2, np.float32)
    pixels, whole = averaged(pixels, int(1 / scale))
    height, width = pixels.shape[:2]
    size = (max(1, round(width * whole * scale)), max(1, round(height * whole * scale)))
    factor = np.array([size[0] / (width * whole), size[1] / (height * whole)], np.float32)
    way = cv2.INTER_LINEAR if quick else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8), factor


def _scaled(coordinates: Array, factor: Array) -> Array:
    """Bring coordinates in a reduced picture back to the picture."""
    result: Array = coordinates / factor
    return result


# yunet -----------------------------------------------------------------------------------------------------------


def _yunet(pixels: Pixels, largest_side: int) -> tuple[Detections, Detections]:
    """Look at the picture at `YUNET_SIDES`, where `largest_side` is well above them at that size too; then closer.

    Returns the faces, and the guesses of the first looks as in `find_and_guess`.
    """
    first = sorted({min(side, largest_side) for side in YUNET_SIDES}, reverse=True)
    third = [largest_side] * (largest_side > 1.25 * YUNET_SIDES[-1])
    small = [YUNET_SMALL_SIDE] * (first[-1] > 1.25 * YUNET_SMALL_SIDE)
    factor = np.ones(2, np.float32)
    looks: dict[int, Detections] = {}
    for side in (*third, *first, *small):  # each made from the one before, which is smaller than the picture
        pixels, step = reduce_to(pixels, side, quick=side < first[0])  # yunet finds the same faces in either
        factor = factor * step
        if side == first[0]:
            reduced, reduction = pixels, factor
        looks[side] = _yunet_look(pixels, factor, YUNET_SCORE_LARGE if side in third else _YUNET_UNSEEN)
    agreed = _agreed([looks[side] for side in first])
    sure = _where(agreed, agreed.score > YUNET_SCORE)
    seen = _joined([looks[side] for side in (*first, *small)])
    doubtful = _where(seen, seen.score >= YUNET_CLOSER_SCORE)
    least = YUNET_CLOSER_SHARE * max(reduced.shape[:2])
    doubtful = _where(doubtful, _sizes(doubtful, reduction) >= least)
    for side in third:
        is_small = _sizes(looks[side], reduction) <= YUNET_THIRD_PX
        large = _apart(_where(looks[side], ~is_small), sure)
        is_sure = large.score >= YUNET_SURE_SCORE
        sure = _joined([sure, _where(looks[side], is_small), _where(large, is_sure)])
        doubtful = _joined([doubtful, _where(large, ~is_sure)])
    sure = sure.rows(suppress(sure.box, sure.score, _YUNET_IOU))
    doubtful = doubtful.rows(suppress(doubtful.box, doubtful.score, _YUNET_IOU))
    for face in _closer(reduced, reduction, _apart(doubtful, sure)):
        sure = _joined([sure, _apart(face, sure)])
    guesses = _joined([looks[side] for side in first])
    best = suppress(guesses.box, guesses.score, _YUNET_IOU)
    return sure.rows(_not_twice(sure.box, sure.score)), guesses.rows(best)


def _not_twice(box: Array, score: Array) -> NDArray[np.intp]:
    """Return the rows that stay, best first, where of two faces one inside the other the worse goes.

    One of `YUNET_SURE_SCORE` stays: it may be a child's face before another's.
    """
    low, high = np.maximum(box[:, np.newaxis, :2], box[:, :2]), np.minimum(box[:, np.newaxis, 2:], box[:, 2:])
    area = np.prod(box[:, 2:] - box[:, :2], axis=1)
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    is_inside = shared > _YUNET_INSIDE * np.minimum(area[:, np.newaxis], area)
    kept: list[int] = []
    for row in np.argsort(-score, kind="stable"):
        if score[row] >= YUNET_SURE_SCORE or not is_inside[row, kept].any():
            kept.append(int(row))
    return np.array(kept, np.intp)


def _closer(reduced: Pixels, reduction: Array, doubtful: Detections) -> list[Detections]:
    """Look closer at the best of some faces; return each that there is to be sure of, best first."""

    def see(crop: Pixels) -> tuple[Array, Array, Array]:
        seen = _yunet_tile(crop, _YUNET_UNSEEN)
        return seen.box, seen.score, seen.landmarks

    found: list[Detections] = []
    both = np.tile(reduction, 2)
    for box, landmarks in zip(doubtful.box[:YUNET_CLOSER_FACES], doubtful.landmarks, strict=False):
        face = closer.look(reduced, box * both, landmarks * reduction, see)
        if face is not None:
            place, score, points = (np.array([value], np.float32) for value in face)
            found.append(Detections(_scaled(place, both), score, _scaled(points, reduction)))
    return sorted(found, key=lambda face: -float(face.score[0]))


def _where(faces: Detections, condition: NDArray[np.bool_]) -> Detections:
    """Choose the rows for which a condition holds."""
    return faces.rows(np.flatnonzero(condition))


def _sizes(faces: Detections, reduction: Array) -> Array:
    """Return the longer side of each box in a reduced picture."""
    return np.asarray(((faces.box[:, 2:] - faces.box[:, :2]) * reduction).max(axis=1, initial=0), np.float32)


def _apart(some: Detections, others: Detections) -> Detections:
    """Choose those of some faces that are no part of others, nor the others of them: no box has a middle in it."""
    is_part = _holds(others.box, some.box).any(axis=0)
    has_part = _holds(some.box, others.box).any(axis=1)
    return some.rows(np.flatnonzero(~(is_part | has_part)))


def _holds(box: Array, other: Array) -> NDArray[np.bool_]:
    """Say, (n, m), which of n boxes hold the middle of which of m others."""
    middle = (other[:, :2] + other[:, 2:]) / 2
    inside = np.concatenate([box[:, np.newaxis, :2] <= middle, middle <= box[:, np.newaxis, 2:]], axis=2)
    return np.asarray(inside.all(axis=2))


def _agreed(looks: list[Detections]) -> Detections:
    """Give every find of several looks the mean of the best scores that the looks give to its place."""
    found = _joined(looks)
    scores = np.full((len(found), len(looks)), _YUNET_UNSEEN, np.float32)
    for row, box in enumerate(found.box):
        for number, look in enumerate(looks):
            there = look.score[overlap(box, look.box) > _YUNET_AGREE_IOU]
            scores[row, number] = there.max(initial=_YUNET_UNSEEN)
    return Detections(found.box, scores.mean(axis=1), found.landmarks)


def _joined(parts: list[Detections]) -> Detections:
    """Put the rows of several detections below each other."""
    columns = ([getattr(part, name) for part in parts] for name in Detections.__annotations__)
    return Detections(*(np.concatenate(column) for column in columns))


def glance(pixels: Pixels) -> Detections:
    """Look once with yunet at a small picture as it is: its faces, best first."""
    return _yunet_look(pixels, np.ones(2, np.float32), YUNET_SCORE)


def _yunet_look(reduced: Pixels, factor: Array, threshold: float) -> Detections:
    """Run the network on a reduced picture, tile by tile; boxes and landmarks in pixels of the full one."""
    found: list[Detections] = []
    for left, top, tile in _tiles(reduced):
        seen = _yunet_tile(tile, threshold)
        shift = np.array([left, top], np.float32)
        box, landmarks = seen.box + np.tile(shift, 2), seen.landmarks + shift
        found.append(Detections(_scaled(box, np.tile(factor, 2)), seen.score, _scaled(landmarks, factor)))
    merged = _joined(found)
    return merged.rows(suppress(merged.box, merged.score, _YUNET_IOU))


def _tiles(pixels: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """Yield left, top and pixels of overlapping tiles; a face cut by an edge is whole in the next tile or look."""
    height, width = pixels.shape[:2]
    step = _TILE - _TILE_OVERLAP
    for top in range(0, max(height - _TILE_OVERLAP, 1), step):
        for left in range(0, max(width - _TILE_OVERLAP, 1), step):
            yield left, top, pixels[top : top + _TILE, left : left + _TILE]


def _yunet_tile(pixels: Pixels, threshold: float) -> Detections:
    """Run the network on one picture at its own size.

    A cell (c, r) of the map with stride s predicts the centre (c + dx, r + dy) * s, the size exp(.) * s, and five
    points relative to the cell; the score is the geometric mean of face and object confidence (OpenCV Zoo,
    face_detection_yunet).
    """
    height, width = pixels.shape[:2]
    rows, cols = -(-height // 32) * 32, -(-width // 32) * 32
    blob = np.zeros((1, 3, rows, cols), np.float32)
    for plane, channel in enumerate((2, 1, 0)):  # one by one takes half the time
        blob[0, plane, :height, :width] = pixels[:, :, channel]
    session = _yunet_network()
    names = [output.name for output in session.get_outputs()]
    maps = {name: value[0] for name, value in zip(names, session.run(None, {"input": blob}), strict=True)}
    boxes, scores, landmarks = [], [], []
    for stride in _YUNET_STRIDES:
        confidence = np.clip(maps[f"cls_{stride}"], 0, 1) * np.clip(maps[f"obj_{stride}"], 0, 1)
        score = np.sqrt(confidence[:, 0])
        cells = np.flatnonzero(score > threshold)
        at = np.stack(np.divmod(cells, cols // stride)[::-1], axis=1).astype(np.float32)
        box = maps[f"bbox_{stride}"][cells]
        centre, half = (at + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
        boxes.append(np.concatenate([centre - half, centre + half], axis=1))
        scores.append(score[cells])
        landmarks.append((maps[f"kps_{stride}"][cells].reshape(-1, 5, 2) + at[:, np.newaxis]) * stride)
    return Detections(np.concatenate(boxes), np.concatenate(scores), np.concatenate(landmarks))


@cache
def _yunet_network() -> InferenceSession:
    """Open yunet with its weights folded to float32 and its input size free."""
    import onnx
    from onnx import helper, numpy_helper

    from facecluster.vision.graphs import constants, open_session

    model = onnx.load(models.path("yunet"))
    values = constants(model)
    nodes = [node for node in model.graph.node if node.output[0] not in values]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "yunet",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [
            helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, None)
            for output in model.graph.output
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items() if name in used],
    )
    return open_session(helper.make_model(graph, opset_imports=model.opset_import, ir_version=8))


# cnn -------------------------------------------------------------------------------------------------------------


def _mmod(pixels: Pixels, upsample: int) -> tuple[Array, Array]:
    """dlib's `cnn_face_detection_model_v1`: boxes (n, 4) and scores (n,), best first.

    Every number here, the roundings too, is dlib's, so that the boxes are: `tools/python/src/cnn_face_detector.cpp`,
    `dlib/dnn/loss.h` (mmod), `dlib/image_transforms/image_pyramid.h`.
    """
    import dlib

    for _ in range(upsample):
        rows, cols = pixels.shape[:2]
        pixels = dlib.resize_image(pixels, 2 * rows + 1, 2 * cols + 2)
    tiled, tiles = _tiled_pyramid(pixels)
    scores = _mmod_scores(tiled)
    r, c = np.nonzero(scores > 0)
    score = scores[r, c]
    centre = np.stack([c, r], axis=1) * float(_MMOD_STRIDE) + _MMOD_OFFSET
    low, high = tiles[:, :2], tiles[:, :2] + tiles[:, 2:] - 1
    outside = np.maximum(np.maximum(low - centre[:, np.newaxis], centre[:, np.newaxis] - high), 0)
    level = np.argmin(np.square(outside).sum(axis=2), axis=1) if len(centre) else np.zeros(0, np.intp)
    half = (MMOD_WINDOW - 1) / 2
    corners = np.concatenate([centre - half, centre + half], axis=1) - np.tile(low[level], 2)
    for step in range(level.max(initial=0)):
        corners = np.where((level > step)[:, np.newaxis], corners * 1.2 + 0.3, corners)
    corners = _rounded(corners)
    kept = suppress(_half_open(corners), score, _MMOD_IOU)
    corners, score = corners[kept], score[kept]
    for _ in range(upsample):
        corners = _rounded(corners / 2 - [1.25, 0.75, 1.25, 0.75])
    return _half_open(corners), score


def _rounded(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round halves away from zero, as C's lround does."""
    return np.trunc(corners + np.copysign(0.5, corners))


def _half_open(corners: NDArray[np.float64]) -> Array:
    """Turn dlib's rectangles, whose last pixel is inside, into boxes."""
    boxes: Array = (corners + np.array([0.0, 0.0, 1.0, 1.0])).astype(np.float32)
    return boxes


def _tiled_pyramid(pixels: Pixels) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Lay the picture and its reductions by 5/6 out in one picture, as dlib does.

    The levels go down the left side until the next one fits beside the last, then up the right side.

    Returns:
        The (3, h, w) picture, mean colour 0 and 0 between the levels; and (k, 4) left, top, width, height of each
        level in it.
    """
    import dlib

    height, width = pixels.shape[:2]
    sizes = [(width, height)]
    while min(5 * sizes[-1][0] // 6, 5 * sizes[-1][1] // 6 - 4) > 0:
        sizes.append((5 * sizes[-1][0] // 6, 5 * sizes[-1][1] // 6))
    gap, margin = _MMOD_PADDING, _MMOD_OUTER_PADDING
    total = sum(rows + gap for _, rows in sizes) - 2 * gap
    column, previous = 0, 0
    for cols, rows in sizes:
        if cols <= width - previous - gap and (column - height) * 2 >= total - height:
            break
        column, previous = column + rows + gap, cols
    column -= gap

    tiles: list[tuple[int, int, int, int]] = []
    y = margin
    while y < column + margin and len(tiles) < len(sizes):
        cols, rows = sizes[len(tiles)]
        tiles.append((margin, y, cols, rows))
        y += rows + gap
    y -= gap
    while len(tiles) < len(sizes):
        cols, rows = sizes[len(tiles)]
        left, top = margin + width - cols, y - rows
        if left < margin + width and top < margin + height:
            break  # it would run into the picture itself
        tiles.append((left, top, cols, rows))
        y -= rows + gap

    precision = np.float16 if width * height > _MMOD_HALF_PRECISION else np.float32
    tiled = np.zeros((3, column + 2 * margin, width + 2 * margin), precision)
    for channel, mean in enumerate(MEAN_RGB):
        level = (pixels[:, :, channel] - np.float32(mean)) / np.float32(256)
        for number, (left, top, cols, rows) in enumerate(tiles):
            if number:
                level = dlib.resize_image(level, rows, cols)
            tiled[channel, top : top + rows, left : left + cols] = level
    return tiled, np.array(tiles, np.int64)


def _mmod_scores(tiled: NDArray[np.floating]) -> Array:
    """Run the mmod network over a picture in strips that overlap by what it sees: (rows, cols) scores."""
    session = _mmod_network()
    height, width = tiled.shape[1:]
    n_rows = _mmod_cells(height)
    step = max(1, _MMOD_STRIP // (width * _MMOD_STRIDE))
    strips = []
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        first, last = max(0, start - _MMOD_CONTEXT), min(n_rows, stop + _MMOD_CONTEXT)
        end = height if last == n_rows else (last - 1) * _MMOD_STRIDE + 2 * _MMOD_OFFSET + 1
        blob = tiled[np.newaxis, :, first * _MMOD_STRIDE : end].astype(np.float32, copy=False)
        strips.append(session.run(None, {"input": blob})[0][0, 0, start - first : stop - first])
    return np.concatenate(strips) if strips else np.zeros((0, 0), np.float32)


def _mmod_cells(side: int) -> int:
    """Number of output cells along a side: three convolutions 5/2 without padding."""
    for _ in range(3):
        side = (side - 5) // 2 + 1
    return max(side, 0)


@cache
def _mmod_network() -> InferenceSession:
    return mmod(models.path("dlib-mmod"))


# hog -------------------------------------------------------------------------------------------------------------


def _hog(pixels: Pixels, upsample: int) -> tuple[Array, Array]:
    """dlib's own frontal face detector: boxes (n, 4) and scores (n,), best first."""
    rectangles, scores, _ = _hog_detector().run(pixels, upsample, 0.0)
    corners = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in rectangles]
    order = np.argsort(-np.array(scores), kind="stable")
    return np.array(corners, np.float32).reshape(-1, 4)[order], np.array(scores, np.float32)[order]


@cache
def _hog_detector() -> Any:
    import dlib

    return dlib.get_frontal_face_detector()

"""What can be measured on a face that says how usable it is. `quality` makes one score of some of it.

Light, sharpness and eyes are measured on one upright crop of fixed size, the chip, so that they mean the same for a
large photo, a scan and a video frame, and on the pixels of the face, not on what is behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops
from facecluster.vision.mesh import LEFT_EYE, RIGHT_EYE
from facecluster.vision.occlusion import occlusions
from facecluster.vision.pose import canonical_face

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]

CHIP_SIZE = 112
"""Side of the chip, which shows the whole mesh, turned level: the size that sface sees."""

DARKEST, BRIGHTEST = 25, 247
"""Up to the one and from the other on, luminance counts as clipped (OFIQ, under- and over-exposure prevention)."""

WIDE_OPEN_MOUTH = 0.25
"""Gap of the lips over the distance from eyes to chin that counts as fully open.

In 350 faces of the fit half of `lfw_dev` the gap is 0.05 in the median, 0.21 in the 99th percentile and 0.29 at most;
about 0.10, which is then 0.4, parts closed and slightly open mouths from those that shout, laugh or bare their teeth.
OFIQ's limit of 0.2 is of other landmarks: this mesh draws the lips of an open mouth closer together.
"""

MOST, MOST_OF_NOISE = 0.8, 0.437
"""The level of noise is read off the four fifths of pixels with the least of it, whose mean square is this share of
that of all pixels where the noise is Gaussian; an edge of a mask or a hand is among the rest."""

SOFT = 0.157
"""The ratio of fine to coarse detail that halves the sharpness (see `sharpness`)."""

MAX_YAW_DEG = 75.0
"""Beyond this yaw the distance between the eyes is corrected no further: it would be divided by almost nothing."""

# Vertices of the mesh, by MediaPipe's numbers. Right and left are the person's.
CHIN = 152
LIPS = np.array([[13, 82, 312, 81, 311, 80, 310], [14, 87, 317, 178, 402, 88, 318]])
"""Inner edge of the upper lip, and of the lower one where it faces that."""
FACE_LINE = np.array([
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
])  # fmt: skip
FEATURES = (
    np.array([70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 33, 7, 163, 144, 145, 153, 154, 155, 133]),
    np.array([300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 263, 249, 390, 373, 374, 380, 381, 382, 362]),
    np.array([61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]),
)
"""Where every face has fine detail: right brow and eye, left brow and eye, lips."""
EYES = np.array([RIGHT_EYE, LEFT_EYE[::-1]])
"""Per eye its outer and its inner corner."""

_DIRECTIONS = np.array([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], np.float32)

_NEAR = np.ones((7, 7), np.uint8)
"""How far an edge reaches into the bands of `sharpness`, in pixels of the chip."""

MESH_PER_BOX = np.array([1.05, 0.92])
MESH_BELOW_BOX = 0.04
"""Width and height of a mesh over those of yunet's box, and how far its middle lies below, over the box's height;
medians of 350 faces of the fit half of `lfw_dev`."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What is measured on n faces, each (n,) float32. NaN is unknown: mostly, that there is no mesh.

    Names in brackets are the components of ISO/IEC 29794-5 that ask for the same. The functions say where the formula
    is that of its reference software OFIQ. OFIQ takes luminance in linear light, here it is as the file has it, so
    that dark skin is not taken for a lack of light.

    Attributes:
        presence: 0..1, up is better. Confidence of the face mesh network that there is a face (`mesh.Meshes`): falls
            with occlusion, blur and noise.
        sharpness: 0..1, up is better; see `sharpness` [sharpness]. 95 % of ordinary LFW faces reach 0.8.
        brightness: -1..1, 0 is best, - is dark, + is bright; see `brightness` [luminance mean].
        contrast: 0..1, up is better; see `contrast` [dynamic range].
        under_exposure: 0..1, down is better. Share of the face's pixels of luminance 0 to 25 [under-exposure
            prevention].
        over_exposure: 0..1, down is better. Share of luminance 247 to 255 [over-exposure prevention].
        eyes_open: 0..1, up is open. Probability that both eyes are open; see `eyes_open` [eyes open].
        mouth_open: 0..1, 0 closed, from about 0.4 on plainly open, 1 wide open; see `mouth_open` [mouth closed].
        inter_eye_px: pixels of the full-size photo, up is better; see `inter_eye_px` [inter-eye distance].
        size_px: the shorter side of the box in pixels of the full-size photo, up is better.
        size: 0..1, the larger of box width over photo width and box height over photo height, of the part in the
            photo; neither end is best [head size is the nearest].
        centre: 0..1, up is better. 1 for a box in the middle of the photo, 0 for one whose centre is in a corner:
            1 - the distance of the centres over half the photo's diagonal.
        completeness: 0..1, up is better. Share of the face that lies in the photo, brows to chin [crop of the face
            image]: of the mesh, which goes on where a photo ends, while a detector's box does not; of the box where
            there is no mesh.
        occlusion: 0..1, down is better. Share of the face that something hides; this and the other five are of
            `occlusion.occlusions` [face occlusion prevention].
        occlusion_eyes: 0..1, down is better. The same of the eyes [eyes visible].
        occlusion_brows: 0..1, down is better. The same of the eyebrows.
        occlusion_nose: 0..1, down is better. The same of the nose.
        occlusion_mouth: 0..1, down is better. The same of the mouth [mouth occlusion prevention].
        occlusion_face_line: 0..1, down is better. The same of the outline of the face.
    """

    presence: Array
    sharpness: Array
    brightness: Array
    contrast: Array
    under_exposure: Array
    over_exposure: Array
    eyes_open: Array
    mouth_open: Array
    inter_eye_px: Array
    size_px: Array
    size: Array
    centre: Array
    completeness: Array
    occlusion: Array
    occlusion_eyes: Array
    occlusion_brows: Array
    occlusion_nose: Array
    occlusion_mouth: Array
    occlusion_face_line: Array


@dataclass(frozen=True, eq=False)
class Chip:
    """A face turned level and scaled until its mesh fills the frame.

    Attributes:
        luminance: (112, 112) uint8, BT.601 of the sRGB values as they are.
        points: (468, 2) float64 the mesh in pixels of the chip, pixel corners at whole numbers.
        inside: (112, 112) uint8, 1 where the photo is and 0 beyond its edge.
        face: (112, 112) uint8, 1 where the face is, within its outline and within the photo, else 0.
        completeness: 0..1, share of the outline that is within the photo.
    """

    luminance: Pixels
    points: NDArray[np.float64]
    inside: Pixels
    face: Pixels
    completeness: float


def measure(
    pixels: crops.Pixels,
    box: Array,
    points: Array,
    presence: Array,
    scale: float,
    pose: Array,
) -> Parts:
    """Measure the parts of quality of every face.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (n, 4) left, top, right, bottom in pixels, not clipped.
        points: (n, 468, 3) mesh, NaN where there is none; the light is then that of a mean face in the box.
        presence: (n,) 0..1.
        scale: size of `pixels` over that of the full-size photo.
        pose: (n, 3) pitch, yaw, roll in degrees as `pose.head_pose` gives them.
    """
    height, width = pixels.shape[:2]
    photo = np.array([width, height], np.float32)
    size = box[:, 2:] - box[:, :2]
    visible = np.maximum(np.minimum(box[:, 2:], photo) - np.maximum(box[:, :2], 0), 0)
    off_centre = _length(box[:, :2] + box[:, 2:] - photo) / math.hypot(width, height)
    known = ~np.isnan(points[:, 0, 0])
    on_chip = np.full((len(box), 7), np.nan, np.float32)
    for face in range(len(box)):
        flat = points[face, :, :2] if known[face] else _mean_face_in(box[face])
        chip = cut_chip(pixels, flat)
        light = histogram(chip.luminance, chip.face)
        on_chip[face] = (
            sharpness(chip) if known[face] else np.nan,
            brightness(light),
            contrast(light),
            light[: DARKEST + 1].sum(),
            light[BRIGHTEST:].sum(),
            eyes_open(chip) if known[face] else np.nan,
            chip.completeness,
        )
    hidden = occlusions(pixels, points, presence)
    return Parts(
        presence=presence.astype(np.float32),
        sharpness=on_chip[:, 0],
        brightness=on_chip[:, 1],
        contrast=on_chip[:, 2],
        under_exposure=on_chip[:, 3],
        over_exposure=on_chip[:, 4],
        eyes_open=on_chip[:, 5],
        mouth_open=mouth_open(points),
        inter_eye_px=(inter_eye_px(points, pose[:, 1]) / scale).astype(np.float32),
        size_px=(size.min(axis=1, initial=np.inf) / scale).astype(np.float32),
        size=(visible / photo).max(axis=1, initial=0).astype(np.float32),
        centre=np.maximum(1 - off_centre, 0).astype(np.float32),
        completeness=np.where(
            known, on_chip[:, 6], visible.prod(axis=1) / np.maximum(size.prod(axis=1), 1e-6)
        ).astype(np.float32),
        occlusion=hidden[:, 0],
        occlusion_eyes=hidden[:, 1],
        occlusion_brows=hidden[:, 2],
        occlusion_nose=hidden[:, 3],
        occlusion_mouth=hidden[:, 4],
        occlusion_face_line=hidden[:, 5],
    )


# ------------------------------------------------------------------------------------------------ on the mesh


def mouth_open(points: Array) -> Array:
    """Say how far the mouth of every mesh is open: the widest gap of the inner lips over the length of the face.

    Args:
        points: (n, 468, 3) mesh in any unit, NaN where there is none.

    Returns:
        (n,) float32 in 0..1, gap over the distance from the middle of the eyes to the chin, over `WIDE_OPEN_MOUTH`;
        NaN where there is no mesh.

    References:
        ISO/IEC 29794-5, mouth closed; OFIQ, MouthClosed.cpp.
    """
    lips = points[:, LIPS, :2]
    gap = _length(lips[:, 0] - lips[:, 1]).max(axis=1)
    right, left = _eye_centres(points)
    length = _length((right + left) / 2 - points[:, CHIN, :2])
    share: Array = np.minimum(gap / np.maximum(length, 1e-6) / WIDE_OPEN_MOUTH, 1).astype(np.float32)
    return share


def inter_eye_px(points: Array, yaw_deg: Array) -> Array:
    """Measure the distance between the eyes as it would be if the face looked straight at the camera.

    Args:
        points: (n, 468, 3) mesh in pixels, NaN where there is none.
        yaw_deg: (n,) degrees; beyond `MAX_YAW_DEG` it counts as that.

    Returns:
        (n,) float32, distance of the middles of the corners of each eye, over cos(yaw), in pixels.

    References:
        ISO/IEC 29794-5, inter-eye distance; OFIQ, FaceMeasures.cpp.
    """
    right, left = _eye_centres(points)
    turned = np.deg2rad(np.minimum(np.abs(yaw_deg), MAX_YAW_DEG))
    straight: Array = (_length(left - right) / np.cos(turned)).astype(np.float32)
    return straight


def _eye_centres(points: Array) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the middle between the corners of the right eye and that of the left one, (n, 2) each."""
    flat = points[:, [*RIGHT_EYE, *LEFT_EYE], :2]
    return (flat[:, 0] + flat[:, 1]) / 2, (flat[:, 2] + flat[:, 3]) / 2


def _length(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the lengths of (..., 2) vectors."""
    lengths: NDArray[np.floating] = np.hypot(vectors[..., 0], vectors[..., 1])
    return lengths


# ------------------------------------------------------------------------------------------------ on the chip


def cut_chip(pixels: crops.Pixels, flat: NDArray[np.floating]) -> Chip:
    """Cut a face out, level and square.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        flat: (468, 2) x, y of its mesh in pixels.
    """
    xy = np.ascontiguousarray(flat.T, np.float64)
    low, high = xy.min(axis=1), xy.max(axis=1)
    x, y = xy[:, LEFT_EYE[1]] - xy[:, RIGHT_EYE[0]]
    side = max(float((high - low).max()), 1.0)
    matrix = crops.square((low + high) / 2, side, math.degrees(math.atan2(y, x)), CHIP_SIZE)
    luminance = np.asarray(cv2.cvtColor(crops.cut(pixels, matrix, CHIP_SIZE), cv2.COLOR_RGB2GRAY), np.uint8)
    points = (matrix[:, :2] @ xy + matrix[:, 2:]).T
    inside = _inside(pixels.shape, matrix)
    outline = _hulls(points[FACE_LINE])
    face = outline & inside
    completeness = cv2.countNonZero(face) / max(cv2.countNonZero(outline), 1)
    return Chip(luminance, points, inside, face, completeness)


def _inside(shape: tuple[int, ...], matrix: NDArray[np.float64]) -> Pixels:
    """Say which pixels of a chip show the photo, given the matrix that cut it: `Chip.inside`."""
    height, width = shape[:2]
    left, top, right, bottom = crops.extent(matrix, CHIP_SIZE)
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return np.ones((CHIP_SIZE, CHIP_SIZE), np.uint8)
    edge = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ matrix[:, :2].T + matrix[:, 2]
    # the pixels at the very edge are resampled half from the black beyond it
    return np.asarray(cv2.erode(_hulls(np.clip(edge, -1e5, 1e5)), np.ones((3, 3), np.uint8)), np.uint8)


def histogram(luminance: Pixels, mask: Pixels) -> NDArray[np.float64]:
    """Return (256,) the share of each luminance among the pixels of a mask; NaN where the mask is empty."""
    counts = cv2.calcHist([luminance], [0], mask, [256], [0, 256]).ravel().astype(np.float64)
    total = counts.sum()
    return counts / total if total else np.full(256, np.nan)


def brightness(light: NDArray[np.float64]) -> float:
    """Say how dark or bright a face is: -1 black, 0 mid-grey, 1 white.

    Twice the mean luminance minus one. The luminance is the one of the file's own scale, on which equal steps look
    equal; OFIQ takes the mean of linear light.

    Args:
        light: (256,) shares of luminance (`histogram`).

    References:
        ISO/IEC 29794-5, luminance mean; OFIQ, Luminance.cpp.
    """
    return float(2 * (light @ np.arange(256)) / 255 - 1)


def contrast(light: NDArray[np.float64]) -> float:
    """Say how much of the range of luminance a face uses: its entropy in bits over 8. 0 one value, 1 all alike.

    Args:
        light: (256,) shares of luminance (`histogram`).

    References:
        ISO/IEC 29794-5, dynamic range; OFIQ, DynamicRange.cpp, which takes linear light here, too.
    """
    if np.isnan(light[0]):
        return np.nan
    used = light[light > 0]
    return float(max(-(used * np.log2(used)).sum() / 8, 0))


def sharpness(chip: Chip) -> float:
    """Say how sharp a face is: how much fine detail its brows, eyes and lips have beside their coarse detail.

    Every face has edges there, and few elsewhere, while noise and the blocks of JPEG are everywhere: what the rest of
    the face has of a band is taken as noise and subtracted. With E(a, b) the mean square of the difference of
    Gaussians of a and b pixels, in the features less elsewhere, and N the level elsewhere (see `MOST`),

        ratio = E(0.7, 1.4) / (E(1.4, 2.8) + N(0.7, 1.4) / 2),  sharpness = ratio^4 / (ratio^4 + SOFT^4)

    The last term draws a noisy face down, whose E is uncertain. The bands, this term and `SOFT` were chosen on the fit
    half of `lfw_dev` (`benchmarks/parts.py` reports the other): the bands so that blur and downscaling lower the ratio
    most surely, while noise and JPEG do not raise its median; `SOFT` so that 95 % of ordinary faces reach 0.8.

    Returns:
        0..1; 0 for a flat face; NaN where its features lie outside the photo.
    """
    features = _hulls(*(chip.points[vertices] for vertices in FEATURES))
    face = np.asarray(cv2.erode(chip.face, _NEAR), np.uint8)
    elsewhere = np.asarray(cv2.subtract(face, cv2.dilate(features, _NEAR)), np.uint8)
    if not chip.inside.all():
        # the step to black beyond the photo's edge is stronger than any in the face, and felt further
        clear = np.asarray(cv2.erode(chip.inside, np.ones((13, 13), np.uint8)), np.uint8)
        features, elsewhere = features & clear, elsewhere & clear
    if not features.any() or not elsewhere.any():
        return np.nan
    picture = chip.luminance.astype(np.float32)
    fine, middle, coarse = (cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (0.7, 1.4, 2.8))
    noise = _level(fine, middle, elsewhere)
    fine_detail = max(_mean_square(fine, middle, features) - noise, 0)
    coarse_detail = max(_mean_square(middle, coarse, features) - _level(middle, coarse, elsewhere), 0)
    if fine_detail == 0:
        return 0.0
    ratio = fine_detail / (coarse_detail + noise / 2)
    return ratio**4 / (ratio**4 + SOFT**4)


def _mean_square(one: cv2.typing.MatLike, other: cv2.typing.MatLike, mask: Pixels) -> float:
    """Return the mean square of the difference of two pictures under a mask."""
    return cv2.norm(one, other, cv2.NORM_L2SQR, mask) / cv2.countNonZero(mask)


def _level(one: cv2.typing.MatLike, other: cv2.typing.MatLike, mask: Pixels) -> float:
    """Return the mean square of the difference of two pictures under a mask, if it were Gaussian: see `MOST`."""
    squared = np.square(cv2.subtract(one, other)[mask != 0])
    n = max(int(MOST * len(squared)), 1)
    return float(np.partition(squared, n - 1)[:n].mean()) / MOST_OF_NOISE


def eyes_open(chip: Chip) -> float:
    """Return the probability that both eyes are open, as one who looks at the photo would say.

    Logistic regression on `describe_eyes`: a logit that the eye is closed for each eye. People rarely close one alone,
    so both have a say, but the one that seems more closed counts twice:

        eyes_open = 1 / (1 + exp((2 * larger logit + smaller logit) / 3))

    An eye that looks down counts as closed where the lid covers it, one that is narrow from laughing as open where its
    iris or white can be seen. The lids of the mesh do not follow closed eyes, so that OFIQ's gap between them ranks
    open above closed in 41 % of the pairs: worse than chance.

    Returns:
        0..1, 0 closed; NaN where a corner of an eye lies outside the photo. Nearly all faces have open eyes, 99 in 100
        of `lfw_dev` and `genki4k_odd`, and the probability is that of such photos. What cannot be told counts as open
        mostly: strong blur and noise make a closed eye seem open, and nothing was fitted to dark glasses.

    References:
        `benchmarks/eyes.py`: `fit` for weights and scale, on the fit half of those faces; `report` on the other.
            There, of 4,136 faces, 42 of them closed, the area under the ROC curve is 0.995 (the change along the eye
            over that across it, which this replaces, had 0.864); 47 fall below 0.5, of which 75 % are closed, and they
            are 83 % of the closed ones. Winks are found less: of one closed eye beside an open one 33 % fall below 0.5.
        Dalal and Triggs, Histograms of oriented gradients for human detection, CVPR 2005, for the description.
        ISO/IEC 29794-5, eyes open, for what it stands for; OFIQ, EyesOpen.cpp.
    """
    x, y = chip.points[EYES].reshape(-1, 2).T.astype(int).clip(0, CHIP_SIZE - 1)
    if not chip.inside[y, x].all():
        return np.nan
    weights = _eye_weights()
    less, more = np.sort(describe_eyes(chip) @ weights[:-1] + weights[-1]).tolist()
    return 1 / (1 + math.exp((2 * more + less) / 3))


def describe_eyes(chip: Chip) -> Array:
    """Describe what both eyes look like: how strong the edges of each direction are in the parts of each.

    An eye is laid level into a strip of 34 x 18 pixels, its corners 22 apart, the outer one to the left. The gradient
    of luminance counts for each of 8 directions with g * max(cos(angle to it) - 0.7, 0), summed over cells of 4 x 4
    pixels.

    Args:
        chip: a face.

    Returns:
        (2, 256) float32 of the right and the left eye, square roots of the shares of direction, row and column of the
        cells, 8 x 4 x 8; 0 where there is no edge at all. The width, the cut at 0.7 and the cells were chosen by
        cross-validation on the fit half (`benchmarks/eyes.py`).
    """
    strips = np.empty((2, 18, 34), np.float32)
    for strip, (outer, inner), mirror in zip(strips, chip.points[EYES], (1, -1), strict=True):
        x, y = ((inner - outer) * 22 / max(_length(inner - outer) ** 2, 16.0)).tolist()
        turn = np.array([[x, y], [-mirror * y, mirror * x]])
        # by OpenCV's pixel centres, half a pixel off, the strip's middle is at (16.5, 8.5)
        shift = (16.5, 8.5) - turn @ ((outer + inner) / 2 - 0.5)
        matrix = np.column_stack([turn, shift])
        strip[:] = cv2.warpAffine(chip.luminance, matrix, (34, 18), borderMode=cv2.BORDER_REPLICATE)
    right, down = strips[:, 1:-1, 2:] - strips[:, 1:-1, :-2], strips[:, 2:, 1:-1] - strips[:, :-2, 1:-1]
    edges = np.multiply.outer(_DIRECTIONS[0], right) + np.multiply.outer(_DIRECTIONS[1], down)
    edges = np.maximum(edges - 0.7 * np.hypot(right, down), 0)
    cells = edges.reshape(8, 2, 4, 4, 8, 4).sum(axis=(3, 5)).swapaxes(0, 1).reshape(2, 256)
    described: Array = np.sqrt(cells / np.maximum(cells.sum(axis=1, keepdims=True), 1e-6))
    return described


@cache
def _eye_weights() -> Array:
    """Return the weights of the 256 numbers of `describe_eyes`, and the offset, of the logit that an eye is closed."""
    with resources.files(__package__).joinpath("closed_eyes.npy").open("rb") as file:
        return np.asarray(np.load(file, allow_pickle=False), np.float32)


def _hulls(*corners: NDArray[np.floating]) -> Pixels:
    """Return (112, 112) the union of the convex hulls of sets of (k, 2) points of the chip: 1 inside, 0 outside."""
    mask = np.zeros((CHIP_SIZE, CHIP_SIZE), np.uint8)
    for points in corners:
        hull = cv2.convexHull(np.rint((points - 0.5) * 16).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 1, shift=4)
    return mask


def _mean_face_in(box: Array) -> NDArray[np.float64]:
    """Lay the canonical face into a box as the meshes of faces lie in theirs: (468, 2)."""
    flat = canonical_face()[:, :2] * (1, -1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    size = np.maximum(box[2:] - box[:2], 1).astype(np.float64)
    centre = (box[:2] + box[2:]) / 2 + (0, MESH_BELOW_BOX * size[1])
    laid: NDArray[np.float64] = (flat - (low + high) / 2) / (high - low) * size * MESH_PER_BOX + centre
    return laid

"""How usable is a face: what can be measured on it, and one score in 0..1 made of that."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops

Array = NDArray[np.float32]

CHIP_SIZE = 112
"""Side of the upright crop on which sharpness and exposure are measured: what sface sees."""

DARK, BRIGHT = 26, 246
"""Luminance below and above which a pixel counts as clipped (ISO/IEC 29794-5, under- and over-exposure)."""

HALF_AND_GOOD = {
    "presence": (0.60, 0.93),
    "sharpness": (0.17, 0.36),
    "exposure": (0.10, 0.60),
    "size_px": (20.0, 80.0),
    "inside": (0.50, 0.95),
}
"""Per part the value that halves the score and the one at which the part is as good as it needs to be.

Good is the 2nd percentile of 400 undamaged faces of the fit half of `lfw_dev`; milder for exposure, since encodings
bear a quarter of the light, and set by hand for size_px and inside. Half lies where the same faces are after heavy
damage: blur of 4 pixels, half the face hidden, a tenth of the light (`benchmarks/quality.py`).
"""


@dataclass(frozen=True, eq=False)
class Parts:
    """What is measured on n faces, each (n,) float32, each the higher the better.

    Attributes:
        presence: 0..1, confidence of the face mesh network that there is a face (`mesh.Meshes`): falls with
            occlusion, blur and noise.
        sharpness: 0..1, 1 - the blur metric of Crete et al. (2007) on the face at 112x112.
        exposure: 0..1, share of the face's pixels that are neither black nor white (ISO/IEC 29794-5), times
            its range of luminance from the 5th to the 95th percentile over 64 where that is less than 1.
        size_px: the shorter side of the box in pixels of the full-size photo.
        inside: 0..1, share of the box that lies in the photo.
    """

    presence: Array
    sharpness: Array
    exposure: Array
    size_px: Array
    inside: Array


def measure(pixels: crops.Pixels, box: Array, points: Array, presence: Array, scale: float = 1.0) -> Parts:
    """Measure the parts of quality of every face.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (n, 4) left, top, right, bottom in pixels, not clipped.
        points: (n, 468, 3) mesh, NaN where there is none; the face is then taken to be the box.
        presence: (n,) 0..1.
        scale: size of `pixels` over that of the full-size photo.
    """
    height, width = pixels.shape[:2]
    size = box[:, 2:] - box[:, :2]
    clipped = np.clip(box, 0, np.array([width, height, width, height], np.float32))
    visible = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1)
    chips = [_luminance(pixels, square, mesh) for square, mesh in zip(box, points, strict=True)]
    return Parts(
        presence=presence.astype(np.float32),
        sharpness=np.array([sharpness(chip) for chip in chips], np.float32),
        exposure=np.array([exposure(chip) for chip in chips], np.float32),
        size_px=(size.min(axis=1, initial=np.inf) / scale).astype(np.float32),
        inside=(visible / np.maximum(np.prod(size, axis=1), 1e-6)).astype(np.float32),
    )


def score(parts: Parts) -> Array:
    """Make one score in 0..1 of the parts, (n,) float32: a product of logistic curves, so that it rises with each.

    Each factor is 0.5 at the part's half value and 0.97 at its good value (`HALF_AND_GOOD`); size in logarithms.
    A first version: about 95 % of undamaged LFW faces score above 0.8 (`benchmarks/quality.py`).
    """
    product = np.ones(len(parts.presence), np.float64)
    for name, (half, good) in HALF_AND_GOOD.items():
        value = getattr(parts, name).astype(np.float64)
        if name == "size_px":
            value, half, good = np.log(np.maximum(value, 1e-3)), float(np.log(half)), float(np.log(good))
        product /= 1 + np.exp(-np.log(0.97 / 0.03) * (value - half) / (good - half))
    return product.astype(np.float32)


def sharpness(luminance: NDArray[np.uint8]) -> float:
    """Say how sharp a picture is: 1 - blur, the worse of the two directions; 0 for a flat one.

    A sharp picture changes when it is blurred, a blurred one hardly does: the blur metric is the share of the
    differences between neighbours that survives a mean over nine pixels.

    References:
        Crete, Dolmiere, Ladret, Nicolas: The Blur Effect: Perception and Estimation with a New No-Reference
        Perceptual Blur Metric, SPIE Human Vision and Electronic Imaging XII, 2007, equations 1 to 6.
    """
    picture = luminance.astype(np.float32)
    worst = 1.0
    for axis in (0, 1):
        kernel = (1, 9) if axis == 0 else (9, 1)  # OpenCV's sizes are width, height
        blurred = cv2.blur(picture, kernel, borderType=cv2.BORDER_REFLECT_101)
        change = np.abs(np.diff(picture, axis=axis))
        lost = np.maximum(change - np.abs(np.diff(blurred, axis=axis)), 0)
        total = float(change.sum())
        worst = min(worst, float(lost.sum()) / total if total > 0 else 0.0)
    return worst


def exposure(luminance: NDArray[np.uint8]) -> float:
    """Say how well a face is exposed: see `Parts.exposure`."""
    usable = float(np.mean((luminance >= DARK) & (luminance <= BRIGHT)))
    low, high = np.percentile(luminance, (5, 95))
    return usable * min(1.0, float(high - low) / 64)


def _luminance(pixels: crops.Pixels, box: Array, points: Array) -> NDArray[np.uint8]:
    """Cut the face out level and square, brows to chin where its mesh is known, as (112, 112) luminance (BT.601)."""
    if np.isnan(points).any():
        centre, side, roll = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()), 0.0
    else:
        flat = points[:, :2]
        centre = (flat.min(axis=0) + flat.max(axis=0)) / 2
        across = flat[263] - flat[33]  # from the outer corner of the right eye to that of the left
        roll = float(np.rad2deg(np.arctan2(across[1], across[0])))
        side = 0.8 * float((flat.max(axis=0) - flat.min(axis=0)).max())
    chip = crops.cut(pixels, crops.square(centre, max(side, 1.0), roll, CHIP_SIZE), CHIP_SIZE)
    luminance: NDArray[np.uint8] = np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), np.uint8)
    return luminance

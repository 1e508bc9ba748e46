"""Damage photos in nine ways, each in strengths from 0 (none) to 5, the same way every time.

Lengths are in pixels of a photo whose shorter side is 250, as LFW's, and grow with the photo.
"""

from __future__ import annotations

import cv2
import numpy as np

LADDERS = {
    "gaussian blur": (0, 1, 1.8, 2.8, 4, 6),  # standard deviation
    "motion blur": (0, 4, 7, 11, 16, 24),  # length of the path
    "noise": (0, 8, 16, 28, 42, 60),  # standard deviation of Gaussian noise in every channel
    "darkness": (1, 0.6, 0.4, 0.25, 0.13, 0.06),  # share of the light that is left
    "overexposure": (1, 1.4, 1.8, 2.5, 3.5, 5),  # times the light, cut off at white
    "low contrast": (1, 0.6, 0.4, 0.25, 0.14, 0.07),  # share of the difference from mid-grey that is left
    "JPEG": (95, 40, 22, 13, 7, 3),  # quality
    "occlusion": (0, 0.1, 0.2, 0.32, 0.48, 0.68),  # share of the face's box under one patch of one colour
    "downscaling": (1, 0.5, 0.33, 0.22, 0.15, 0.1),  # size, then enlarged again
}
"""Per kind of damage what its strengths 0, 1, .. 5 are; between them it is interpolated."""

STRENGTHS = (1, 2, 3, 4, 5)


def damaged(pixels, box, kind, strength, seed=0):
    """Return a damaged copy of a photo; strength 0 changes nothing.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (4,) left, top, right, bottom of the face, which is where the patch of an occlusion goes.
        kind: one of `LADDERS`.
        strength: 0..5.
        seed: of the noise, of the direction of the motion, and of the place, shape and colour of the patch; a
            stronger damage of the same seed goes on from the weaker one.
    """
    if strength == 0:
        return pixels.copy()
    amount = float(np.interp(strength, range(6), LADDERS[kind]))
    unit = min(pixels.shape[:2]) / 250
    rng = np.random.default_rng(seed)
    if kind == "gaussian blur":
        return cv2.GaussianBlur(pixels, (0, 0), amount * unit)
    if kind == "motion blur":
        return cv2.filter2D(pixels, -1, motion(amount * unit, rng.uniform(0, np.pi)))
    if kind == "noise":
        return rounded(pixels + amount * rng.standard_normal(pixels.shape, np.float32))
    if kind in ("darkness", "overexposure"):
        return rounded(pixels * amount)
    if kind == "low contrast":
        return rounded(128 + (pixels - 128.0) * amount)
    if kind == "JPEG":
        data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(amount)])[1]
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    if kind == "occlusion":
        return patched(pixels, box, amount, rng)
    if kind == "downscaling":
        height, width = pixels.shape[:2]
        size = max(round(width * amount), 1), max(round(height * amount), 1)
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    raise ValueError(f"kind: expected one of {list(LADDERS)}, got {kind!r}")


def rounded(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def motion(length, angle):
    """Return the kernel of a straight path of light, `length` pixels long, as thin as a kernel can draw it."""
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for step in np.linspace(-length / 2, length / 2, 8 * half):
        x, y = half + step * np.cos(angle), half + step * np.sin(angle)
        column, row = int(x), int(y)
        kernel[row, column] += (column + 1 - x) * (row + 1 - y)
        kernel[row, column + 1] += (x - column) * (row + 1 - y)
        kernel[row + 1, column] += (column + 1 - x) * (y - row)
        kernel[row + 1, column + 1] += (x - column) * (y - row)
    return kernel / kernel.sum()


def patched(pixels, box, share, rng):
    """Hide a share of the box: a patch anywhere in it, of any shape from a bar across to a bar down, any colour."""
    shape, place, colour = rng.uniform(0, 1), rng.uniform(0, 1, 2), rng.integers(0, 256, 3)
    size = (box[2:] - box[:2]) * (share**shape, share ** (1 - shape))
    left, top = np.maximum(np.rint(box[:2] + place * (box[2:] - box[:2] - size)), 0).astype(int)
    right, bottom = np.maximum(np.rint(np.array([left, top]) + size), 0).astype(int)
    hidden = pixels.copy()
    hidden[top:bottom, left:right] = colour
    return hidden

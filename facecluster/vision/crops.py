"""Cut a face out of a picture: turned upright, at the size that a network wants, without aliasing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fit the rotation, scale and shift that bring points closest to others, in the least-squares sense.

    Args:
        source: (k, 2) x, y.
        target: (k, 2) x, y.

    Returns:
        (2, 3) float64 matrix M with target ~ M[:, :2] @ source + M[:, 2]; never a reflection.

    References:
        Umeyama, Least-squares estimation of transformation parameters, IEEE PAMI 13(4), 1991. In the plane, with
        points as complex numbers z -> w, it is the one-line regression of w on z.
    """
    z = source[:, 0] + 1j * source[:, 1]
    w = target[:, 0] + 1j * target[:, 1]
    z_mean, w_mean = z.mean(), w.mean()
    centred = z - z_mean
    a = np.vdot(centred, w - w_mean) / max(np.vdot(centred, centred).real, np.finfo(np.float64).tiny)
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def square(centre: NDArray[np.floating], side: float, roll_deg: float, size: int) -> NDArray[np.float64]:
    """Return the (2, 3) matrix that maps a turned square of the picture onto a size x size crop.

    Args:
        centre: (2,) x, y of the middle of the square.
        side: its side in pixels of the picture.
        roll_deg: clockwise turn of the square in the picture; the crop shows it upright.
        size: side of the crop in pixels.
    """
    x, y = map(float, centre)
    angle = math.radians(roll_deg)
    cos, sin = math.cos(angle) * size / side, math.sin(angle) * size / side
    return np.array([[cos, sin, size / 2 - cos * x - sin * y], [-sin, cos, size / 2 + sin * x - cos * y]])


def averaged(pixels: Pixels, factor: int) -> tuple[Pixels, int]:
    """Average blocks of factor x factor pixels; what is left over at the right and the bottom falls off.

    OpenCV averages whole blocks three times as fast as fractions of them (`INTER_AREA`).

    Returns:
        The smaller picture, and the factor that was used: less than asked for where the picture is narrower.
    """
    import cv2  # loaded by who reads pixels only

    height, width = pixels.shape[:2]
    factor = min(factor, height, width)
    if factor < 2:
        return pixels, 1
    rows, cols = height // factor, width // factor
    whole = pixels[: rows * factor, : cols * factor]
    return np.asarray(cv2.resize(whole, (cols, rows), interpolation=cv2.INTER_AREA), np.uint8), factor


def cut(pixels: Pixels, matrix: NDArray[np.float64], size: int) -> Pixels:
    """Resample the part of a picture that a matrix maps onto a size x size crop; black outside the picture.

    Args:
        pixels: (h, w, 3) uint8.
        matrix: (2, 3) picture -> crop, with pixel (x, y) covering the square from (x, y) to (x + 1, y + 1).
        size: side of the crop.

    Returns:
        (size, size, 3) uint8. Where the crop is smaller than what it shows by more than two, the region is first
        averaged down by a whole factor, so that a large face does not alias.
    """
    import cv2  # loaded by who reads pixels only

    height, width = pixels.shape[:2]
    low_x, low_y, high_x, high_y = extent(matrix, size)
    if not (low_x - 2 < width and low_y - 2 < height and high_x + 2 > 0 and high_y + 2 > 0):  # or NaN
        return np.zeros((size, size, 3), np.uint8)
    left, top = max(math.floor(low_x) - 2, 0), max(math.floor(low_y) - 2, 0)
    right, bottom = min(math.ceil(high_x) + 2, width), min(math.ceil(high_y) + 2, height)
    (a, b, x), (c, d, y) = matrix.tolist()
    area = abs(a * d - b * c)  # of a pixel of the picture, in the crop; 0 for points that all coincide
    region, factor = averaged(pixels[top:bottom, left:right], int(1 / math.sqrt(area)) if area else 1)
    # warpAffine speaks of pixel centres, the matrix of pixel corners: shift both sides by half a pixel
    left_centre, top_centre = left + factor / 2, top + factor / 2
    shift = x + a * left_centre + b * top_centre - 0.5, y + c * left_centre + d * top_centre - 0.5
    moved = np.array([[a * factor, b * factor, shift[0]], [c * factor, d * factor, shift[1]]])
    # and it takes less than half the time for four channels that it takes for three
    crop = cv2.warpAffine(
        cv2.cvtColor(region, cv2.COLOR_RGB2RGBA), moved, (size, size), flags=cv2.INTER_LINEAR
    )
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB), np.uint8)


def extent(matrix: NDArray[np.float64], size: int) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of what a size x size crop shows, in pixels of the picture."""
    import cv2  # loaded by who reads pixels only

    (a, b, x), (c, d, y) = (cv2.invertAffineTransform(matrix) * (size, size, 1)).tolist()
    return (
        x + min(a, 0) + min(b, 0),
        y + min(c, 0) + min(d, 0),
        x + max(a, 0) + max(b, 0),
        y + max(c, 0) + max(d, 0),
    )

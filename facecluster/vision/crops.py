"""Cut a face out of a picture: turned upright, at the size that a network wants, without aliasing."""

from __future__ import annotations

import cv2
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
    scale = size / side
    angle = np.deg2rad(roll_deg)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, size / 2 - turn @ np.asarray(centre, np.float64)])


def averaged(pixels: Pixels, factor: int) -> tuple[Pixels, int]:
    """Average blocks of factor x factor pixels; what is left over at the right and the bottom falls off.

    OpenCV averages whole blocks three times as fast as fractions of them (`INTER_AREA`).

    Returns:
        The smaller picture, and the factor that was used: less than asked for where the picture is narrower.
    """
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
    inverse = cv2.invertAffineTransform(matrix)
    corners = (
        np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) @ inverse[:, :2].T + inverse[:, 2]
    )
    height, width = pixels.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, (width, height))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, (width, height))
    if left >= right or top >= bottom:
        return np.zeros((size, size, 3), np.uint8)
    region = pixels[top:bottom, left:right]
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (left, top)
    region, factor = averaged(region, int(np.sqrt(abs(np.linalg.det(inverse[:, :2])))))
    moved[:, :2] *= factor
    # warpAffine speaks of pixel centres, the matrix of pixel corners: shift both sides by half a pixel.
    moved[:, 2] += moved[:, :2] @ (0.5, 0.5) - 0.5
    return np.asarray(cv2.warpAffine(region, moved, (size, size), flags=cv2.INTER_LINEAR), np.uint8)

"""What a photo looks like, in 64 bits: copies that are scaled or compressed differ in few of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def perceptual_hash(pixels: NDArray[np.uint8]) -> int:
    """Hash what a photo looks like: rescaled and recompressed copies differ in few of the 64 bits.

    Each bit says whether one of 8x8 places is brighter than its right neighbour, in the luminance averaged over
    9x8 areas; the first bit is the top left one.

    Args:
        pixels: (h, w, 3) uint8 RGB.

    References:
        N. Krawetz, "Kind of Like That", hackerfactor.com, 2013 (dHash). Luminance: ITU-R BT.601.
    """
    return brightness_bits(area_luminance(reduce_blocks(pixels), 8, 9))


def mean_colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average the colours of (h, w, 3) pixels over areas of equal size -> (16, 16, 3)."""
    return _resize(pixels, 16, 16)


def reduce_blocks(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average whole blocks of pixels until the shorter side has 500 to 999, the first step of a perceptual hash.

    Args:
        pixels: (h, w, 3) uint8 RGB.
    """
    # In steps: OpenCV averages whole blocks three times as fast as fractions of them (what falls off is under a 500th);
    # it rounds to whole numbers, and 16x16 averages of those keep the fractions that tell neighbours.
    height, width = pixels.shape[:2]
    block = max(1, min(width, height) // 500)
    whole = pixels[: height // block * block, : width // block * block]
    return _resize(whole, width // block, height // block)


def area_luminance(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.float64]:
    """Average the luminance of (h, w, 3) pixels over (rows, columns) areas of equal size."""
    fine = _resize(pixels, columns * 16, rows * 16)
    luminance: NDArray[np.float64] = fine.reshape(rows, 16, columns, 16, 3).mean(axis=(1, 3)) @ (
        0.299,
        0.587,
        0.114,
    )
    return luminance


def brightness_bits(luminance: NDArray[np.float64]) -> int:
    """Give the 64 bits that say which of (8, 9) areas are brighter than their right neighbours."""
    brighter = luminance[:, :-1] > luminance[:, 1:]
    return int.from_bytes(np.packbits(brighter).tobytes(), "big")


def _resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Average pixels over the areas of fewer."""
    import cv2  # a tenth of a second, and only workers need it

    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

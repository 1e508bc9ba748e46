"""How much of a face is hidden: by a hand, a mask, sunglasses, hair, a bar, another object, or the photo's edge.

Every face is unrolled by its mesh onto one frame, where an eye lies always at the same place. A cell of the frame
is compared with what unhidden faces show there: brightness, colour, texture, and its mirror image. A perceptron of
one small hidden layer, the same for all cells, makes of these and of their surroundings how likely the cell is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops

Array = NDArray[np.float32]

REGIONS = ("total", "eyes", "brows", "nose", "mouth", "face_line")
"""Columns of the result; total is the whole face within the mesh, face_line its outermost eighth all around."""

CELLS = 32
"""Cells along one side of the frame."""

FRAME = 2 * CELLS
"""Pixels along one side of the frame."""

NEAR, WIDE = 3, 7
"""Sides, in cells, of the two squares around a cell over which deviations are averaged."""

N_FEATURES = 33
FAR = 6.0
"""Deviations beyond so many spreads count as this many."""

SMALL = 500 * 500
"""Pixels up to which a face is worth a fourth channel (see `_around`): adding it then takes 0.05 ms, and
resampling 0.06 to 0.1 less."""

DARK = 16.0
"""Added to luminances before they are divided, so that noise in a black picture stays small."""


@dataclass(frozen=True, eq=False)
class Model:
    """What `benchmarks/occlusion.py fit` found on one half of the people of `lfw_dev`; the file is `occlusion.npz`.

    Attributes:
        vertices, weights: (1024, 3) for each cell, row by row, the vertices of the mesh around its centre, and their
            barycentric weights.
        regions: (6, 1024) share of each cell in each of `REGIONS`, each row with sum 1.
        mean, spread: (32, 32, 4) median and spread of the layers of unhidden faces.
        into, bias: (33, k), (k,) from the features to the hidden units.
        out, offset: (k,), (1,) from the hidden units to the logit that a cell is hidden.
        floor: (6,) share below which a region counts as not hidden at all.
    """

    vertices: NDArray[np.intp]
    weights: Array
    regions: Array
    mean: Array
    spread: Array
    into: Array
    bias: Array
    out: Array
    offset: Array
    floor: Array


def occlusions(pixels: crops.Pixels, points: Array, presence: Array) -> Array:
    """Measure how much of every face and of its parts is hidden.

    Clear glasses, beards and moustaches count as unhidden, hair over the forehead as hidden. Small shares that unhidden
    faces show too are 0 (`Model.floor`). What lies outside the photo is hidden.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        points: (n, 468, 3) mesh in pixels, NaN where there is none.
        presence: (n,) 0..1, as in `mesh.Meshes`.

    Returns:
        (n, 6) float32, columns as in `REGIONS`: 0 nothing hidden .. 1 all hidden; NaN where the mesh is unknown.

    References:
        The demand is that of ISO/IEC 29794-5, eyes visible, mouth and face occlusion prevention, which OFIQ measures
        with a segmentation network; `benchmarks/occlusion.py` made this model and measures it.
    """
    shares = np.full((len(points), len(REGIONS)), np.nan, np.float32)
    model = fitted()
    for face in np.flatnonzero(~np.isnan(points[:, 0, 0])):
        picture, outside = unroll(pixels, points[face], model.vertices, model.weights)
        inputs = features(layers(picture), outside, float(presence[face]), model.mean, model.spread)
        shares[face] = above(model.regions @ hidden(inputs, outside, model), model.floor)
    return shares


def unroll(
    pixels: crops.Pixels, points: Array, vertices: NDArray[np.intp], weights: Array
) -> tuple[crops.Pixels, NDArray[np.bool_]]:
    """Lay a face onto the frame: (64, 64, 3) uint8 RGB, and (1024,) whether a cell lies outside the photo.

    A pixel of the frame is the mean of four places in the photo, each interpolated between pixels. So the time does
    not depend on the size of the face, and a face up to 250 pixels high does not alias.
    """
    height, width = pixels.shape[:2]
    where = np.einsum("ckx,ck->cx", points[:, :2].take(vertices, axis=0), weights)
    x, y = where[:, 0], where[:, 1]
    outside = (x < 0) | (x > width) | (y < 0) | (y > height)
    # Pixel (x, y) covers the square from (x, y) to (x + 1, y + 1); remap speaks of pixel centres.
    cells = (where - 0.5).astype(np.float32).reshape(CELLS, CELLS, 2)
    grid = cv2.resize(cells, (2 * FRAME, 2 * FRAME), interpolation=cv2.INTER_LINEAR)
    region, left, top = _around(pixels, cells)
    x, y = cv2.split(grid)
    fine = cv2.remap(region, x - left, y - top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    picture = cv2.resize(fine, (FRAME, FRAME), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[:, :, :3]), outside


def _around(pixels: crops.Pixels, places: Array) -> tuple[crops.Pixels, int, int]:
    """Return the part of a photo around (..., 2) places, with a fourth channel if it is small, and its left and top.

    OpenCV resamples four channels in less than half the time of three; adding one to a large face would cost more.
    """
    height, width = pixels.shape[:2]
    x, y, across, down = cv2.boundingRect(places.reshape(-1, 1, 2))
    left, top = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    region = pixels[top : max(y + down, top) + 1, left : max(x + across, left) + 1]
    if region.size < 3 * SMALL:
        region = np.asarray(cv2.cvtColor(region, cv2.COLOR_RGB2RGBA), np.uint8)
    return region, left, top


def layers(picture: crops.Pixels) -> Array:
    """Describe each cell of a frame: (32, 32, 4) log luminance, red and blue chroma, log texture.

    All are relative to the median of the face's own inner part, so that light and the colour of the skin drop out.
    """
    ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    eighth = FRAME // 8
    inner = ycc[eighth:-eighth:2, eighth:-eighth:2].reshape(-1, 3)
    halves = len(inner) // 2 - 1, len(inner) // 2  # the median lies between; np.median takes longer
    middle = np.partition(inner, halves, axis=0)[halves, :].mean(axis=0, dtype=np.float32)
    scale = middle[0] + np.float32(DARK)
    light, red, blue = cv2.split(ycc.astype(np.float32))
    mean = cv2.blur(light, (3, 3))
    variance = cv2.blur(light * light, (3, 3)) - mean * mean
    texture = np.sqrt(np.maximum(variance, 0)) / scale
    described = cv2.merge(
        [
            np.log((light + DARK) / scale),
            (red - middle[1]) * (4 / scale),
            (blue - middle[2]) * (4 / scale),
            np.log(texture + 0.01),
        ]
    )
    return np.asarray(cv2.resize(described, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)


def features(
    described: Array, outside: NDArray[np.bool_], presence: float, mean: Array, spread: Array
) -> Array:
    """Say how far each cell is from that of unhidden faces: (1024, 33), row by row.

    Eight deviations in spreads (luminance either way and darker, red and blue chroma, more and less texture, and
    luminance and chroma against the mirror image), at the cell, near, wide, and over the frame; the presence's logit.
    """
    z = (described - mean) / spread
    z[outside.reshape(CELLS, CELLS)] = 0
    light, red, blue, texture = cv2.split(z)
    odd_light, odd_red, odd_blue, _ = cv2.split(cv2.absdiff(z, cv2.flip(z, 1)))
    own = cv2.merge([
        np.abs(light), np.abs(red), np.abs(blue), -light, texture, -texture,
        np.divide(odd_light, 1.4), np.divide(odd_red + odd_blue, 1.4),
    ])  # fmt: skip
    own = np.minimum(np.maximum(own, 0), FAR)
    inputs = np.empty((CELLS, CELLS, N_FEATURES), np.float32)
    inputs[:, :, :8] = own
    inputs[:, :, 8:16] = cv2.blur(own, (NEAR, NEAR))
    inputs[:, :, 16:24] = cv2.blur(own, (WIDE, WIDE))
    inputs[:, :, 24:32] = cv2.reduce(own.reshape(-1, 8), 0, cv2.REDUCE_AVG)
    seen = min(max(presence, 1e-3), 1 - 1e-3)
    inputs[:, :, 32] = np.log(seen / (1 - seen))
    return inputs.reshape(-1, N_FEATURES)


def hidden(inputs: Array, outside: NDArray[np.bool_], model: Model) -> Array:
    """Say how much of each cell is hidden, (1024,) in 0..1: all of it from a probability of 3/4, nothing up to 1/4."""
    units = np.maximum(inputs @ model.into + model.bias, 0)
    probability = 0.5 + 0.5 * np.tanh((units @ model.out + model.offset) / 2)
    share: Array = np.minimum(np.maximum(2 * probability - 0.5, 0), 1)
    share[outside] = 1
    return share


def above(share: Array, floor: Array) -> Array:
    """Stretch shares so that those up to the floor become 0, and 1 stays 1."""
    stretched: Array = np.maximum(share - floor, 0) / (1 - floor)
    return np.minimum(stretched, 1)


@cache
def fitted() -> Model:
    """Read the model beside this file."""
    with resources.files(__package__).joinpath("occlusion.npz").open("rb") as file:
        found = np.load(file, allow_pickle=False)
        arrays = {field.name: found[field.name].astype(np.float32) for field in fields(Model)}
    arrays["vertices"] = arrays["vertices"].astype(np.intp)
    arrays["regions"] /= arrays["regions"].sum(axis=1, keepdims=True)
    return Model(**arrays)

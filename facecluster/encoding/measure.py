"""Faces that were found in a photo are measured and encoded: pixels, boxes and meshes -> rows of `analysis.FACE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import FACE, laid
from facecluster.options import EncodeOptions
from facecluster.photos.pixels import Decoded
from facecluster.table import ATTRIBUTES, PLAIN

if TYPE_CHECKING:  # OpenCV is loaded by who reads pixels only
    from facecluster.vision.turned import Upright


def faces_in(photo: Decoded, options: EncodeOptions) -> NDArray[np.void]:
    """Find and measure the faces of one photo, or of one page, in whichever way it lies.

    Args:
        photo: as `photos.decode.decode` gives it.
        options: what to look for, and how.

    Returns:
        (n,) of `FACE`, by descending score, in pixels of the photo at full size.
    """
    from facecluster.vision import turned

    upright = turned.find_upright(
        photo.pixels,
        detector=options.detector,
        min_face_px=options.min_face * photo.scale,
        max_side_px=options.max_side,
        upsample=options.upsample,
    )
    return measured(upright, photo, options)


def measured(upright: Upright, photo: Decoded, options: EncodeOptions) -> NDArray[np.void]:
    """Measure and encode the faces of one photo.

    Args:
        upright: n faces, in the pixels of the photo, turned.
        photo: as `photos.decode.decode` gives it.
        options: what to measure, and how.

    Returns:
        (n,) of `FACE`, in pixels of the photo as it is, at full size.
    """
    from facecluster.vision import attributes, encode, mesh, parts, pose, quality

    pixels, found, meshes = upright.pixels, upright.found, upright.meshes
    landmarks = np.where(np.isnan(found.landmarks), mesh.landmarks(meshes.points), found.landmarks)
    angles = pose.head_pose(meshes.points, meshes.features)
    numbers = parts.measure(pixels, found.box, meshes.points, meshes.presence, photo.scale, angles)

    faces = np.empty(len(found.box), FACE)
    for name, value in PLAIN.items():
        faces[name] = value
    width, height = photo.size if upright.turns % 2 == 0 else photo.size[::-1]
    faces["box"] = np.clip(found.box / photo.scale, 0, (width, height, width, height))
    faces["score"] = found.score
    faces["landmarks"] = landmarks / photo.scale
    faces["pose"] = angles
    faces["turned"] = 0
    faces = laid(faces, (width, height), photo.size, upright.turns)
    faces["anchor"] = faces["box"]
    for name in ATTRIBUTES:
        faces[name] = np.nan
    estimated = vars(attributes.estimate(pixels, meshes.points)) if options.attributes else {}
    for name, column in (vars(numbers) | estimated).items():
        faces[name] = column
    encoded = encode.encode_faces(
        pixels,
        found.box,
        landmarks,
        detector=options.detector,
        encoder=options.encoder,
        mirror=options.mirror,
    )
    faces["encoding"] = encoded.encoding
    faces["distinctness"] = encoded.distinctness
    faces["quality"] = quality.score(numbers.presence, encoded.distinctness, options.encoder)
    return faces

"""Decode RAW files with rawpy (LibRaw), which is the extra [raw].

A camera puts finished JPEGs into its RAW files. The largest one is the photo, if it has at least half of the sensor's
sides: as many pixels as a development at half size, which is the quickest one (a pixel of each 2x2 of the mosaic). A
smaller one is a thumbnail, and the file is developed, with the camera's white balance; where a pixel has all colours
already, as in a linear DNG, at full size.

References:
    LibRaw, API documentation: unpack_thumb, half_size, sizes.flip. DNG 1.7, tags PreviewColorSpace and Orientation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image
from threadpoolctl import threadpool_limits

from facecluster.errors import PhotoError
from facecluster.photos import decode_memory
from facecluster.photos.pillow import decode_pillow
from facecluster.photos.pixels import LARGEST, TURNS, Decoded, assemble, reduction

if TYPE_CHECKING:
    from rawpy import RawPy

_LEAST_SIDE = 0.5
"""Share of the sensor's longer side that an embedded JPEG has at least."""

_ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}
"""Values of the EXIF tag, by how LibRaw counts them."""


@dataclass(frozen=True)
class Shown:
    """The picture of a RAW file.

    Attributes:
        jpeg: the embedded JPEG that it is; None: it is to be developed.
        size: width, height of it as it is stored, before it is turned.
        orientation: 1..8, what makes it upright.
    """

    jpeg: bytes | None
    size: tuple[int, int]
    orientation: int


def shown(data: bytes) -> Shown:
    """Say what the picture of a RAW file is, without developing it.

    Raises:
        PhotoError: the extra is not installed, or the file cannot be read.
    """
    with _opened(data) as raw:
        return _shown(raw)


def decode_raw(data: bytes, max_pixels: int) -> Decoded:
    """Decode a RAW file.

    Raises:
        PhotoError: the extra is not installed, or the file cannot be read.
    """
    with _opened(data) as raw:
        picture = _shown(raw)
        if picture.jpeg is None:
            return _developed(raw, picture, len(data), max_pixels)
    return decode_pillow(picture.jpeg, max_pixels, orientation=picture.orientation, beside=len(data))


def _developed(raw: RawPy, picture: Shown, n_bytes: int, max_pixels: int) -> Decoded:
    width, height = picture.size
    n_pixels = width * height
    if n_pixels > LARGEST:
        raise Image.DecompressionBombError
    decode_memory.check(n_bytes + decode_memory.of_raw(n_pixels, is_mosaic=True), n_pixels)
    is_mosaic = raw.raw_pattern is not None  # which unpacks the file
    decode_memory.check(n_bytes + decode_memory.of_raw(n_pixels, is_mosaic), n_pixels)
    # Not turned: LibRaw would hold a second copy.
    with threadpool_limits(1):
        half = raw.postprocess(half_size=True, use_camera_wb=True, user_flip=0)
    rows, columns = half.shape[:2]
    halved = 2 if is_mosaic else 1
    factor = reduction(rows * columns, max_pixels)
    pixels = assemble(
        lambda top, bottom: Image.fromarray(half[top:bottom]), (columns, rows), factor, picture.orientation
    )
    size = columns * halved, rows * halved
    return Decoded(pixels, size[::-1] if picture.orientation >= 5 else size, 1 / (halved * factor))


@contextmanager
def _opened(data: bytes) -> Iterator[RawPy]:
    try:
        import rawpy
    except ImportError as error:
        raise PhotoError('RAW files need one more package: pip install "facecluster[raw]"') from error
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            yield raw
    except rawpy.LibRawError as error:
        text = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise PhotoError(f"broken photo: {text.lower()}, says LibRaw") from error


def _shown(raw: RawPy) -> Shown:
    sizes = raw.sizes
    orientation = _ORIENTATIONS.get(sizes.flip, 1)
    jpeg = _largest_jpeg(raw)
    if jpeg is not None:
        try:
            with Image.open(BytesIO(jpeg), formats=("JPEG", "MPO")) as image:
                size, own = image.size, _own_orientation(image)
        except Exception:  # noqa: BLE001 - as in photos.decode.decode
            size, own = (0, 0), None
        if max(size) >= _LEAST_SIDE * max(sizes.width, sizes.height):
            return Shown(jpeg, size, own or _of_preview(size, (sizes.width, sizes.height), orientation))
    return Shown(None, (sizes.width, sizes.height), orientation)


def _of_preview(size: tuple[int, int], sensor: tuple[int, int], orientation: int) -> int:
    """Tell how a JPEG that does not say it is turned: as the RAW file, if it lies as the sensor does."""
    lies_as_sensor = (size[0] > size[1]) == (sensor[0] > sensor[1])
    return orientation if orientation < 5 or lies_as_sensor else 1


def _own_orientation(image: Image.Image) -> int | None:
    value = image.getexif().get(ExifTags.Base.Orientation)
    return value if value == 1 or value in TURNS else None


def _largest_jpeg(raw: RawPy) -> bytes | None:
    import rawpy

    try:
        found: Any = raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError, NotImplementedError):
        return None
    return found.data if found.format == rawpy.ThumbFormat.JPEG else None

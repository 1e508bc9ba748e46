"""Decode a photo to upright RGB pixels, whatever its format.

A file that cannot be read raises `PhotoError`, whose message is the reason alone, without the path: in a batch it
becomes the reason in the photo's row.
"""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import suppress

from PIL import Image

from facecluster.errors import PhotoError
from facecluster.photos.coded import without_metadata
from facecluster.photos.file import LARGE_FILE, read_photo, reason
from facecluster.photos.heif import decode_heif
from facecluster.photos.jxl import decode_jxl
from facecluster.photos.kinds import RAW_KINDS, VIDEO_KINDS, kind_of
from facecluster.photos.moment import FIRST, Moment
from facecluster.photos.pages import has_several
from facecluster.photos.pillow import decode_pillow
from facecluster.photos.pixels import LARGEST, MAX_PIXELS, Decoded
from facecluster.photos.psd import decode_psd
from facecluster.photos.raw import decode_raw

# Pillow's own limit is lower and warns on stderr at half of where it refuses; photos are decoded in threads too, so
# both are set once, for the process.
Image.MAX_IMAGE_PIXELS = LARGEST // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on broken photos go to stderr


def decode(
    source: str | os.PathLike[str] | bytes,
    *,
    moment: Moment = FIRST,
    max_pixels: int = MAX_PIXELS,
    truncated: bool = False,
) -> Decoded:
    """Decode a photo, or a picture out of a file of several, to upright RGB pixels.

    The first page or frame unless `moment` says another, or the primary picture, of JPEG, PNG, WebP, TIFF, BMP, GIF,
    HEIF, AVIF, JPEG XL, PSD and RAW, told by content and not by name. Transparency is dropped, as face_recognition and
    OpenCV do, so that encodings agree with theirs; what is white in values of 16 bits and floats says `depth`; colour
    profiles and gain maps are not applied. A photo with any part of its picture missing is unreadable, however little
    it is: what decodes of it could pass for a whole photo, whose digest and faces would be different once it is copied
    again. A JPEG of which only the end marker is missing is whole.

    Args:
        source: path of the file, or its bytes; of a video, the path.
        moment: which page, or which moment of a video: the frame that is shown then.
        max_pixels: a photo of more pixels is reduced by a whole number: a JPEG by 2, 4 or 8 while it is decoded,
            any other format by averaging blocks.
        truncated: give what is there of a photo of which a part is missing, the rest black or grey.

    Raises:
        PhotoError: the file cannot be read, or has no such page or moment, with the reason.
    """
    if moment.in_video:
        raise PhotoError("it is no video")
    data = source if isinstance(source, bytes) else read_photo(source)[0]
    if not data:
        raise PhotoError("the file is empty")
    try:
        return _decode(data, moment.page, max_pixels, truncated)
    except PhotoError:
        raise
    except Exception as error:
        with suppress(Exception):
            if len(data) <= LARGE_FILE and (bare := without_metadata(data)) != data:
                return _decode(bare, moment.page, max_pixels, truncated)
        # Decoders raise whatever a broken file makes them trip over (OSError, ValueError, KeyError, struct.error,
        # zlib.error, ...); none of it may end a run over many photos.
        raise PhotoError(reason(error)) from error


def _decode(data: bytes, page: int, max_pixels: int, truncated: bool) -> Decoded:
    if page and not has_several(data):
        raise PhotoError(f"it has no page {page + 1}")
    kind = kind_of(data)
    if kind in RAW_KINDS:
        return decode_raw(data, max_pixels)
    if kind in VIDEO_KINDS:
        raise PhotoError("a video, and no photo")
    if kind == "jxl":
        return decode_jxl(data, max_pixels)
    if kind == "psd":
        return decode_psd(data, max_pixels)
    if kind == "heif":
        return decode_heif(data, max_pixels)
    return decode_pillow(data, max_pixels, page=page, truncated=truncated)

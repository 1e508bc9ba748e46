"""Decode the flattened picture of a Photoshop file (PSD, PSB), which stands in it beside the layers.

Of 8 and 16 bits a channel; grey, indexed, RGB, CMYK and Lab. Photoshop leaves the picture white where it saves a file
without "maximize compatibility", and says so in a resource.

References:
    Adobe Photoshop File Formats Specification, 2019. Pillow's plugin reads 8 bits alone, and no PSB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from facecluster.errors import PhotoError
from facecluster.photos import decode_memory
from facecluster.photos.pixels import LARGEST, Decoded, assemble, bytes_made, reduction

_MODES = {1: "L", 2: "P", 3: "RGB", 4: "CMYK", 8: "L", 9: "LAB"}
"""What Pillow calls them; 8 is duotone, whose grey is stored."""

EXIF, XMP, _VERSION = 1058, 1060, 1057
"""Resources: metadata; the version, with a byte that says whether the flattened picture is there."""

_HEAD = struct.Struct(">4sH6xHIIHH")


@dataclass(frozen=True)
class Psd:
    """What a file is made of.

    Attributes:
        head: the first bytes, and the colours of an indexed picture: what the flattened picture needs.
        mode: of Pillow; "" if it is not read.
        size: width, height.
        bits: of a value.
        is_large: a PSB.
        resources: their bytes, by number; of equal ones the first.
        picture: the flattened picture.
    """

    head: bytes
    mode: str
    size: tuple[int, int]
    bits: int
    is_large: bool
    resources: dict[int, bytes]
    picture: memoryview

    @property
    def has_picture(self) -> bool:
        """Whether the flattened picture is one."""
        return self.resources.get(_VERSION, b"\0\0\0\1\1")[4:5] != b"\0"


def read_psd(data: bytes) -> Psd:
    """Look where the parts of a file are.

    Raises:
        struct.error: it is cut off in its head.
    """
    _, version, _, height, width, bits, mode = _HEAD.unpack_from(data)
    (n_colours,) = struct.unpack_from(">I", data, _HEAD.size)
    at = _HEAD.size + 4 + n_colours
    head = data[:at]
    (n_resources,) = struct.unpack_from(">I", data, at)
    resources = _resources(data[at + 4 : at + 4 + n_resources])
    at += 4 + n_resources
    (n_layers,) = struct.unpack_from(">Q" if version == 2 else ">I", data, at)
    at += (8 if version == 2 else 4) + n_layers
    return Psd(
        head, _MODES.get(mode, ""), (width, height), bits, version == 2, resources, memoryview(data)[at:]
    )


def _resources(block: bytes) -> dict[int, bytes]:
    """Read the resources: a signature, a number, a name, a length, bytes; padded to an even number each."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 12 <= len(block):
        (number,) = struct.unpack_from(">H", block, at + 4)
        at += 6 + (block[at + 6] + 2) // 2 * 2
        length = int.from_bytes(block[at : at + 4], "big")
        found.setdefault(number, block[at + 4 : at + 4 + length])
        at += 4 + (length + 1) // 2 * 2
    return found


def decode_psd(data: bytes, max_pixels: int) -> Decoded:
    """Decode the flattened picture.

    Raises:
        PhotoError: there is none, or it is of a kind that is not read.
    """
    psd = read_psd(data)
    width, height = psd.size
    if not psd.has_picture:
        raise PhotoError(
            "its flattened picture is missing; save it with File > Save a copy as JPEG, or with Photoshop's "
            '"maximize compatibility"'
        )
    if not psd.mode or psd.bits not in (8, 16):
        raise PhotoError(f"a Photoshop file of {psd.bits} bits in this mode is not read; save a copy as JPEG")
    if width * height > LARGEST:
        raise Image.DecompressionBombError
    n_channels = len(psd.mode)
    made = bytes_made(width * height, max_pixels)
    # A channel as it is stored, those of one byte each, and Pillow's picture of four.
    needs = width * height * (psd.bits // 8 + 1 + n_channels + 4) + made
    decode_memory.check(len(data) + needs, width * height)
    image = Image.merge(psd.mode, list(_channels(psd))) if n_channels > 1 else next(iter(_channels(psd)))
    if psd.mode == "P":
        image.putpalette(np.frombuffer(psd.head[_HEAD.size + 4 :], np.uint8).reshape(3, 256).T.tobytes())
    factor = reduction(width * height, max_pixels)
    pixels = assemble(lambda top, bottom: image.crop((0, top, width, bottom)), psd.size, factor, 1)
    return Decoded(pixels, psd.size, 1 / factor)


def _channels(psd: Psd) -> list[Image.Image]:
    """Decode the channels that the mode needs; others are transparency, and further ones."""
    (packed,) = struct.unpack_from(">H", psd.picture)
    (n_stored,) = struct.unpack_from(">H", psd.head, 12)
    if packed not in (0, 1) or n_stored < len(psd.mode):
        raise PhotoError("broken photo: its flattened picture is coded in an unknown way")
    width, height = psd.size
    per_row = width * psd.bits // 8
    rows = np.full(n_stored * height, per_row, np.int64)
    at = 2
    if packed:
        lengths = np.dtype(">u4" if psd.is_large else ">u2")
        rows = np.frombuffer(psd.picture, lengths, n_stored * height, at).astype(np.int64)
        at += n_stored * height * lengths.itemsize
    channels = []
    for k in range(len(psd.mode)):
        stop = at + int(rows[k * height : (k + 1) * height].sum())
        how = ("packbits", "L") if packed else ("raw", "L", 0, 1)
        channel = Image.frombytes("L", (per_row, height), bytes(psd.picture[at:stop]), *how)
        at = stop
        if psd.bits == 16:  # the first of two bytes says the most
            channel = Image.fromarray(np.ascontiguousarray(np.asarray(channel)[:, ::2]))
        channels.append(ImageChops.invert(channel) if psd.mode == "CMYK" else channel)
    if psd.mode == "P":
        channels[0] = Image.frombytes("P", psd.size, channels[0].tobytes())
    return channels

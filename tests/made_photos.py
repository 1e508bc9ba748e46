"""Files of kinds that no library here writes, by hand: DNG, PSD, Ultra HDR."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DATE = "2023:05:06 07:08:09"


def coded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def directory(tags: dict[int, tuple[int, Any]], at: int) -> bytes:
    """A directory of a TIFF that lies at a place, with its values behind it: type and values by tag."""
    codes = {1: "B", 3: "H", 4: "I", 5: "II", 10: "ii"}
    entries, body = struct.pack("<H", len(tags)), b""
    free = at + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        if kind == 2:
            values = values.encode() + b"\0"
        values = values if isinstance(values, (list, tuple, bytes)) else [values]
        raw = values
        if not isinstance(values, bytes):
            raw = b"".join(
                struct.pack("<" + codes[kind], *(it if isinstance(it, tuple) else (it,))) for it in values
            )
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", free + len(body))
        body += b"" if len(raw) <= 4 else raw + bytes(len(raw) % 2)
        entries += struct.pack("<HHI", tag, kind, len(values)) + place
    return entries + bytes(4) + body


def dng(
    image: Image.Image,
    jpeg: bytes | None = None,
    orientation: int = 1,
    make: str = "Made",
    linear: bool = False,
) -> bytes:
    """A DNG of a mosaic (or of all colours) of an RGB picture, with a thumbnail, and perhaps a JPEG of it."""
    share = np.asarray(image, np.float64)[: image.height // 2 * 2, : image.width // 2 * 2] / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) * 4000 + 100
    height, width = light.shape[:2]
    if not linear:
        mosaic = light[:, :, 1].copy()
        mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
        light = mosaic
    raw, small = light.astype("<u2").tobytes(), Image.new("RGB", (32, 24), (0, 200, 0)).tobytes()
    data, places = b"II*\0" + bytes(4), []

    def add(body: bytes) -> int:
        nonlocal data
        places.append(len(data))
        data += body + bytes(len(body) % 2)
        return places[-1]

    def page(
        shape: tuple[int, int], bits: list[int], kind: int, at: int, length: int, compression: int = 1
    ) -> dict[int, tuple[int, Any]]:
        return {
            254: (4, 1), 256: (4, shape[0]), 257: (4, shape[1]), 258: (3, bits), 259: (3, compression), 262: (3, kind),
            273: (4, at), 277: (3, len(bits)), 278: (4, shape[1]), 279: (4, length), 284: (3, 1),
        }  # fmt: skip

    n_colours = 3 if linear else 1
    main = page((width, height), [16] * n_colours, 34892 if linear else 32803, add(raw), len(raw))
    main |= {254: (4, 0), 50714: (3, [100] * n_colours), 50717: (4, [4100] * n_colours)}
    if not linear:
        main |= {33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2])}
    pages = [add(directory(main, len(data)))]
    if jpeg is not None:
        size = Image.open(BytesIO(jpeg)).size
        preview = page(size, [8, 8, 8], 6, add(jpeg), len(jpeg), compression=7)
        pages.append(add(directory(preview, len(data))))
    exif = add(directory({36867: (2, DATE)}, len(data)))
    matrix = [(v, 10000) for v in (32405, -15371, -4985, -9693, 18760, 416, 556, -2040, 10572)]
    first = page((32, 24), [8, 8, 8], 2, add(small), len(small)) | {
        271: (2, make), 272: (2, "Camera"), 274: (3, orientation), 330: (4, pages), 34665: (4, exif),
        50706: (1, [1, 4, 0, 0]), 50707: (1, [1, 1, 0, 0]), 50708: (2, "Made Camera"), 50721: (10, matrix),
        50728: (5, [(95, 100), (1, 1), (109, 100)]), 50778: (3, 21),
    }  # fmt: skip
    at = add(directory(first, len(data)))
    return data[:4] + struct.pack("<I", at) + data[8:]


def _packed(row: bytes) -> bytes:
    """A row as PackBits: runs of one byte, or pieces of up to 128 as they are."""
    if row == row[:1] * len(row) and len(row) <= 128:
        return bytes([257 - len(row)]) + row[:1]
    return b"".join(
        bytes([len(part) - 1]) + part for part in (row[k : k + 128] for k in range(0, len(row), 128))
    )


def psd(
    image: Image.Image, *, bits: int = 8, packed: bool = True, large: bool = False, flattened: bool = True,
    resources: dict[int, bytes] | None = None,
) -> bytes:  # fmt: skip
    """A Photoshop file of a picture of mode L, P, RGB or CMYK, without layers."""
    pixels: NDArray[Any] = np.asarray(image)
    pixels = (pixels[:, :, None] if pixels.ndim == 2 else pixels).transpose(2, 0, 1)
    if image.mode == "CMYK":
        pixels = 255 - pixels
    if bits == 16:
        pixels = (pixels.astype(np.uint16) * 257).astype(">u2")
    rows = [row.tobytes() for channel in pixels for row in channel]
    body = b"\0\0" + b"".join(rows)
    if packed:
        rows = [_packed(row) for row in rows]
        lengths = np.array([len(row) for row in rows]).astype(">u4" if large else ">u2")
        body = b"\0\1" + lengths.tobytes() + b"".join(rows)
    colours = b""
    if image.mode == "P":
        colours = np.array((image.getpalette() or []) + [0] * 768, np.uint8)[:768].reshape(256, 3).T.tobytes()
    own = {1057: struct.pack(">IB", 1, flattened)} | (resources or {})
    block = b"".join(
        b"8BIM" + struct.pack(">HH", number, 0) + struct.pack(">I", len(it)) + it + bytes(len(it) % 2)
        for number, it in own.items()
    )
    number = {"L": 1, "P": 2, "RGB": 3, "CMYK": 4}[image.mode]
    head = struct.pack(
        ">4sH6xHIIHH", b"8BPS", 1 + large, len(pixels), image.height, image.width, bits, number
    )
    layers = bytes(8 if large else 4)
    return (
        head
        + struct.pack(">I", len(colours))
        + colours
        + struct.pack(">I", len(block))
        + block
        + layers
        + body
    )


def ultra_hdr(image: Image.Image, gain: Image.Image) -> bytes:
    """A JPEG with a gain map behind it, as Android writes it: XMP, and the list of pictures (MPF)."""
    xmp = (
        b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
    )
    base, second = coded(image, quality=95), coded(gain)
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    n_mpf = 4 + 8 + 2 + 3 * 12 + 4 + 32
    length = len(base) + len(segment) + 2 + 2 + n_mpf
    table = struct.pack(">IIIHH", 0x030000, length, 0, 0, 0)
    table += struct.pack(">IIIHH", 0, len(second), length - (2 + len(segment) + 4 + 4), 0, 0)
    mpf = b"MPF\0MM\0*" + struct.pack(">IH", 8, 3)
    mpf += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    mpf += struct.pack(">HHII", 0xB002, 7, 32, 8 + 2 + 36 + 4) + bytes(4) + table
    assert len(mpf) == n_mpf
    return base[:2] + segment + b"\xff\xe2" + struct.pack(">H", n_mpf + 2) + mpf + base[2:] + second

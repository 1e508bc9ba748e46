"""Know a picture again: by how it is coded, by its pixels, and by what it looks like in any orientation.

| digest | the same for | costs |
|---|---|---|
| `coded_digest` | files that differ in metadata alone | reading the file |
| `pixel_digest` | files that decode to the same pixels | decoding the photo |
| `hashes` | nearly the same for copies that are scaled, compressed, turned or mirrored | 1 ms more than one hash |
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from PIL import Image

from facecluster.photos import jxl, raw
from facecluster.photos.coded import TIFF_METADATA
from facecluster.photos.kinds import RAW_KINDS, kind_of
from facecluster.photos.looks import area_luminance, brightness_bits, reduce_blocks
from facecluster.photos.pages import has_several, tiff_pages
from facecluster.photos.pillow import open_picture
from facecluster.photos.pixels import read_orientation
from facecluster.photos.psd import read_psd

Part = bytes | memoryview
"""A piece of a file that the picture depends on."""

_ID = struct.Struct("<Q")

_PIECES = 100_000
"""A file of more segments, chunks, strips or boxes is not looked into: what time they take is bounded."""

_META = 1 << 22
"""Bytes. An HEIF file whose lists are larger is not looked into."""

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""What ends entropy-coded data: a marker that is neither a stuffed byte, nor a restart, nor a fill byte."""

_JPEG_FILL = re.compile(rb"\xff+")
"""What stands before the number of a marker."""

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers SOF0 to SOF15."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PNG_KEPT = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
"""Ancillary chunks that belong to the picture: transparency, and further frames."""

_PNG_TEXT = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
"""Ancillary chunks in which Pillow finds an orientation."""

_WEBP_METADATA = frozenset({b"EXIF", b"XMP ", b"ICCP"})

_TIFF_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
"""Types of tags that are whole numbers, as NumPy calls them: BYTE, SHORT, LONG, IFD, LONG8, IFD8."""

_TIFF_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of a value, by type."""

_TIFF_TAGS = 4096
"""A page of more tags is not looked into."""

_HEIF_METADATA = frozenset({b"Exif", b"mime", b"uri "})
"""Types of items that are no pictures."""

_HEIF_FILM = frozenset({b"moov", b"moof"})
"""Boxes of a film. Decoders may take the picture from there."""

_HEIF_LATER = frozenset({b"thmb", b"cdsc"})
"""References from thumbnails and metadata to the picture that they belong to."""

_HEIF_TURNS: dict[tuple[int, ...], int] = {
    (0, 1, 2, 3): 1,
    (1, 0, 3, 2): 2,
    (3, 2, 1, 0): 3,
    (2, 3, 0, 1): 4,
    (0, 2, 1, 3): 5,
    (2, 0, 3, 1): 6,
    (3, 1, 2, 0): 7,
    (1, 3, 0, 2): 8,
}
"""EXIF orientations, by which corner of the coded picture is shown at the top left, top right and the bottom ones."""


class _UnusualError(Exception):
    """The file is damaged, or has something that is not looked into."""


def coded_digest(data: bytes) -> str:
    """Digest the coded picture of a file without its metadata, without decoding it.

    Counts for JPEG, PNG, WebP, TIFF, HEIF, AVIF, JPEG XL, PSD, and RAW that is shown by a JPEG in it: the coded picture
    that `photos.decode.decode` decodes, whatever its decoder reads to do so, and the orientation that is applied to it;
    of a TIFF all pages that are pictures, of an animation all frames. EXIF, XMP, IPTC, comments, colour profiles,
    thumbnails, layers and further pictures do not count. Of any other file, RAW that is to be developed, and wherever a
    file is damaged or unusual, all bytes count. Files of different formats have different digests. A file of several
    pages or frames has another digest than it had when only its first one was looked at, so that the others are looked
    at now; files of one have the digest that they always had.

    Args:
        data: the bytes of the file; any bytes.

    Returns:
        32 hex digits: BLAKE2b with 128 bits. Never raises. Takes time in proportion to the file.

    References:
        JPEG: ITU-T T.81, annex B; colours: libjpeg, jdapimin.c. PNG: W3C, 3rd edition. WebP: RFC 9649. TIFF 6.0.
        HEIF: ISO/IEC 14496-12 and 23008-12.
    """
    several = has_several(data)
    kind, parts = _picture_or_bytes(data, first_page=not several)
    return _digest(kind + " of pages" * several, parts)


def is_coded_as(data: bytes, digest: str) -> bool:
    """Say whether a file has the coded picture of a digest, also of one by an older facecluster.

    That knew a TIFF by its first page, and an animation by a digest that it keeps for files of one frame.
    """
    if coded_digest(data) == digest:
        return True
    return has_several(data) and _digest(*_picture_or_bytes(data, first_page=True)) == digest


def pixel_digest(pixels: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """Digest the upright pixels of a photo.

    Args:
        pixels: (h, w, 3) uint8 RGB, as `photos.decode.decode` gives them.
        size: width and height at full size, which differ from those of reduced pixels.

    Returns:
        32 hex digits: the first 128 bits of BLAKE3, which takes 7 ms for 12 megapixels on one core where BLAKE2b takes
        45 (AVX-512; without such instructions the value is the same).

    References:
        J. O'Connor et al., BLAKE3: one function, fast everywhere, 2020.
    """
    height, width = pixels.shape[:2]
    state = blake3(struct.pack("<4Q", *size, width, height), max_threads=1)
    state.update(np.ascontiguousarray(pixels).reshape(-1).data)
    return state.hexdigest(length=16)


def digest_of_pages(pages: Sequence[tuple[int, str]]) -> str:
    """Digest the pixels of a photo of several pages.

    Args:
        pages: number and `pixel_digest` of each page that is looked at, "" of one that cannot be read.

    Returns:
        32 hex digits; of the first page alone, its digest as it is.
    """
    if [number for number, _ in pages] == [0]:
        return pages[0][1]
    return _digest(
        "pages", [part for number, digest in pages for part in (_ID.pack(number), digest.encode())]
    )


def hashes(pixels: NDArray[np.uint8]) -> tuple[int, ...]:
    """Give `photos.looks.perceptual_hash` of a photo as it is, and of the photo turned and mirrored.

    Args:
        pixels: (h, w, 3) uint8 RGB.

    Returns:
        8 hashes: of the photo turned counterclockwise by 0, 90, 180 and 270 degrees (`numpy.rot90(pixels, k)`), then
        of the photo mirrored left to right and then turned by the same (`numpy.rot90(pixels[:, ::-1], k)`). The first
        is `perceptual_hash(pixels)`. The others may differ from the hash of turned pixels in a bit or two, as the edge
        that is cut off to make whole blocks is another one.
    """
    reduced = reduce_blocks(pixels)
    wide, tall = area_luminance(reduced, 8, 9), area_luminance(reduced, 9, 8)
    turned = [np.rot90(tall if k % 2 else wide, k) for k in range(4)]
    mirrored = [np.rot90((tall if k % 2 else wide)[:, ::-1], k) for k in range(4)]
    return tuple(brightness_bits(areas) for areas in (*turned, *mirrored))


def _digest(kind: str, parts: Sequence[Part]) -> str:
    """Digest a kind of content and its parts, each with its length, so that no two lists read the same."""
    state = hashlib.blake2b(kind.encode() + b"\0", digest_size=16)
    for part in parts:
        state.update(_ID.pack(len(part)))
        state.update(part)
    return state.hexdigest()


def _picture_or_bytes(data: bytes, *, first_page: bool) -> tuple[str, list[Part]]:
    """Do what `_picture` does; of a file that is not looked into, give all its bytes."""
    try:
        return _picture(data, first_page)
    except Exception:  # noqa: BLE001 - broken bytes make Pillow and our parsers trip over anything
        return "bytes", [data]


def _picture(data: bytes, first_page: bool) -> tuple[str, list[Part]]:
    """Give the kind of a file, and the parts of it that its picture depends on; of a TIFF its first page, or all.

    Raises:
        Exception: it is of no kind that is looked into, or unusual.
    """
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg", [*_jpeg(data), _orientation(data, "JPEG", "MPO")]
    if data[:8] == _PNG_SIGNATURE:
        return "png", _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp", [*_webp(data), _orientation(data, "WEBP")]
    kind = kind_of(data)
    if kind == "tiff":
        return "tiff", _tiff(data, first_page)
    if kind == "heif":
        return "heif", _heif(data)
    if kind == "avif":
        return "avif", [*_heif(data), _orientation(data, "AVIF")]
    if kind == "jxl":
        return "jxl", _jxl(data)
    if kind == "psd":
        return "psd", _psd(data)
    if kind in RAW_KINDS:
        return "raw", _raw(data)
    raise _UnusualError


def _orientation(data: bytes, *formats: str) -> bytes:
    """Ask Pillow which orientation it applies, and whether it takes the file for what we do."""
    with open_picture(data) as image:
        if image.format not in formats:
            raise _UnusualError
        return bytes([read_orientation(image)])


def _require(condition: bool) -> None:
    if not condition:
        raise _UnusualError


# ------------------------------------------------------------------------------------------------------ JPEG


def _jpeg(data: bytes) -> list[Part]:
    """All segments of the first picture but APPn and COM, and how its colours are to be understood."""
    view, parts = memoryview(data), list[Part]()
    jfif, adobe, frame, in_header = False, -1, b"", True
    at = 2
    for _ in range(_PIECES):
        filled = _JPEG_FILL.match(data, at)
        if filled is None:
            raise _UnusualError
        at = filled.end()
        marker = data[at]
        if marker == 0xD9:
            _require(not in_header and len(frame) >= 6)
            return [*parts, bytes([_jpeg_transform(frame, jfif, adobe)])]
        _require(marker >= 0xC0 and not 0xD0 <= marker <= 0xD8)
        length = int.from_bytes(data[at + 1 : at + 3], "big")
        start, at = at + 3, at + 1 + length
        _require(length >= 2 and at < len(data))
        body = view[start:at]
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            if marker == 0xE0 and len(body) >= 14 and data[start : start + 5] == b"JFIF\0":
                jfif |= in_header
            elif marker == 0xEE and len(body) >= 12 and data[start : start + 5] == b"Adobe" and in_header:
                adobe = body[11]
            continue
        parts += [bytes([marker]), body]
        if marker in _JPEG_FRAMES:
            frame = bytes(body)
        elif marker == 0xDA:
            in_header = False
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                raise _UnusualError
            parts.append(view[at : found.start()])
            at = found.start()
    raise _UnusualError


def _jpeg_transform(frame: bytes, jfif: bool, adobe: int) -> int:
    """Tell the colour transform that libjpeg applies: 0 none, 1 from YCbCr, 2 from YCCK, as Adobe numbers them."""
    n_components = frame[5]
    if n_components == 4:
        return 2 if adobe > 0 else 0
    if n_components != 3:
        return 0
    if jfif:
        return 1
    if adobe >= 0:
        return int(adobe != 0)
    return int(frame[6:15:3] != b"RGB")


# ------------------------------------------------------------------------------------------------------- PNG


def _png(data: bytes) -> list[Part]:
    """The critical chunks, those in `_PNG_KEPT`, and the orientation."""
    view, parts, texts = memoryview(data), list[Part](), list[Part]()
    at = len(_PNG_SIGNATURE)
    for _ in range(_PIECES):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        stop = at + 12 + length
        _require(stop <= len(data))
        _require(zlib.crc32(view[at + 4 : stop - 4]) == int.from_bytes(data[stop - 4 : stop], "big"))
        if name in _PNG_TEXT:
            texts.append(view[at:stop])
        elif not name[0] & 0x20 or name in _PNG_KEPT:
            parts += [name, view[at + 8 : stop - 4]]
        if name == b"IEND":
            return [*parts, _png_orientation(texts)]
        at = stop
    raise _UnusualError


def _png_orientation(texts: Sequence[Part]) -> bytes:
    """Ask Pillow which orientation it applies to a picture with these chunks, by one of a single pixel.

    Pillow would decode the whole picture to find what stands behind it.
    """
    if not texts:
        return b"\1"
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    pixel = file.getvalue()
    after_header = len(_PNG_SIGNATURE) + 25
    return _orientation(b"".join([pixel[:after_header], *texts, pixel[after_header:]]), "PNG")


# ------------------------------------------------------------------------------------------------------ WebP


def _webp(data: bytes) -> list[Part]:
    """All chunks but `_WEBP_METADATA`; of the header VP8X, which metadata bring along, what an animation needs."""
    view, parts = memoryview(data), list[Part]()
    at, end = 12, 8 + int.from_bytes(data[4:8], "little")
    _require(end <= len(data))
    for _ in range(_PIECES):
        if at >= end:
            return parts
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body, stop = view[at + 8 : at + 8 + length], at + 8 + length
        _require(stop <= end)
        if name == b"VP8X":
            if body[0] & 0x02:
                parts += [name, bytes([body[0] & 0x12]), body[4:]]
        elif name not in _WEBP_METADATA:
            parts += [name, body]
        at = stop + length % 2
    raise _UnusualError


# ------------------------------------------------------------------------------------------------------ TIFF


@dataclass(frozen=True)
class _Tag:
    """A tag: its type, and its values as they are in the file."""

    kind: int
    raw: memoryview
    order: str

    def numbers(self) -> list[int]:
        """The values of a tag of whole numbers."""
        if self.kind not in _TIFF_INTEGERS:
            raise _UnusualError
        found: list[int] = np.frombuffer(self.raw, self.order + _TIFF_INTEGERS[self.kind]).tolist()
        return found

    def canonical(self) -> bytes:
        """The values, the same in any type of whole numbers that holds them."""
        if self.kind in _TIFF_INTEGERS:
            numbers = np.frombuffer(self.raw, self.order + _TIFF_INTEGERS[self.kind])
            return b"\0" + numbers.astype("<u8").tobytes()
        return bytes([self.kind]) + self.order.encode() + bytes(self.raw)


def _tiff(data: bytes, first_page: bool) -> list[Part]:
    """The first page, or those that are pictures, each with the orientation that Pillow applies."""
    pages = tiff_pages(data)
    places = [(0, pages.first)] if first_page else list(zip(pages.numbers, pages.offsets, strict=True))
    parts_of = [_tiff_page(data, at) for _, at in places]  # Pillow is not asked about what is damaged
    parts = list[Part]()
    with open_picture(data) as image:
        _require(image.format == "TIFF")
        for (number, _), own in zip(places, parts_of, strict=True):
            if number:
                image.seek(number)
                parts.append(_ID.pack(number))
            parts += [*own, bytes([read_orientation(image)])]
    return parts


def _tiff_page(data: bytes, at: int) -> list[Part]:
    """The tags of a page but `TIFF_METADATA`, and its strips or tiles, wherever these lie."""
    tags = _tiff_tags(data, at)
    order = next(iter(tags.values())).order
    tiled = 324 in tags
    at_tag, length_tag = (324, 325) if tiled else (273, 279)
    _require(not tags.keys() & ({273, 279} if tiled else {324, 325}))
    starts, lengths = tags[at_tag].numbers(), tags[length_tag].numbers()
    _require(len(starts) == len(lengths) <= _PIECES and min(lengths) > 0 and sum(lengths) <= len(data))
    _require(all(start + length <= len(data) for start, length in zip(starts, lengths, strict=True)))
    compression = tags[259].numbers() if 259 in tags else [1]
    _require(
        len(compression) == 1 and compression[0] != 6
    )  # 6: the old JPEG, which has pointers in other tags
    if compression == [1]:
        # Pillow reads what it needs there, whatever length is said.
        _require(
            all(n >= need for n, need in zip(lengths, _tiff_needs(tags, tiled, len(lengths)), strict=True))
        )
    parts: list[Part] = [order.encode()]
    for number in sorted(tags.keys() - TIFF_METADATA - {at_tag}):
        parts += [_ID.pack(number), tags[number].canonical()]
    view = memoryview(data)
    parts += [view[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    return parts


def _tiff_tags(data: bytes, at: int) -> dict[int, _Tag]:
    """Read the tags of the page that starts there, in their order."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    word = struct.Struct(order + ("Q" if big else "I"))
    number = struct.Struct(order + ("Q" if big else "H"))
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    (n_tags,) = number.unpack_from(data, at)
    _require(0 < n_tags <= _TIFF_TAGS)
    at += number.size
    view, tags, n_bytes, before = memoryview(data), dict[int, _Tag](), 0, -1
    for k in range(n_tags):
        tag, kind, count, field = entry.unpack_from(data, at + k * entry.size)
        _require(tag > before)  # else decoders may differ in which of two equal tags counts
        before = tag
        if tag in TIFF_METADATA:
            continue
        size = count * _TIFF_SIZES[kind]
        start = at + (k + 1) * entry.size - len(field)
        if size > len(field):
            (start,) = word.unpack(field)
        n_bytes += size
        _require(size > 0 and start + size <= len(data) and n_bytes <= len(data))
        tags[tag] = _Tag(kind, view[start : start + size], order)
    return tags


def _tiff_needs(tags: dict[int, _Tag], tiled: bool, n_pieces: int) -> Iterator[int]:
    """Give the bytes that each strip or tile of an uncompressed page takes at least."""
    (width,), (height,) = tags[256].numbers(), tags[257].numbers()
    n_samples = tags[277].numbers()[0] if 277 in tags else 1
    bits = max(tags[258].numbers()) if 258 in tags else 1
    planar = 284 in tags and tags[284].numbers() == [2]
    rows = tags[278].numbers()[0] if 278 in tags else height
    if tiled:
        (width,), (rows,) = tags[322].numbers(), tags[323].numbers()
    _require(rows > 0)
    per_row = -(-width * bits * (1 if planar else n_samples) // 8)
    n_down = max(1, -(-height // rows))
    for k in range(n_pieces):
        yield per_row * (rows if tiled else min(rows, height - k % n_down * rows))


# ------------------------------------------------------------------------------------------ JPEG XL, PSD and RAW


def _jxl(data: bytes) -> list[Part]:
    """The codestream, which says how it is turned; of a JPEG that became JPEG XL, its metadata say that."""
    _require(all(name != b"jbrd" for name, _ in jxl.boxes(data)))
    return [b"".join(jxl.codestream(data))]


def _psd(data: bytes) -> list[Part]:
    """The flattened picture, and what it is."""
    psd = read_psd(data)
    return [psd.head, bytes([psd.has_picture]), psd.picture]


def _raw(data: bytes) -> list[Part]:
    """The JPEG that is the photo, and how it is turned; where the file is to be developed, all of it counts."""
    shown = raw.shown(data)
    if shown.jpeg is None:
        raise _UnusualError
    return [*_jpeg(shown.jpeg), bytes([shown.orientation])]


# ---------------------------------------------------------------------------------------------- HEIF and AVIF


class _Reader:
    """Reads numbers, most significant byte first, from a part of a file."""

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self.data, self.at, self.stop = data, at, stop

    def number(self, n_bytes: int) -> int:
        """Read a number of so many bytes; 0 of none."""
        return int.from_bytes(self.take(n_bytes), "big")

    def take(self, n_bytes: int) -> bytes:
        """Read so many bytes."""
        start, self.at = self.at, self.at + n_bytes
        _require(self.at <= self.stop)
        return self.data[start : self.at]

    def version(self) -> tuple[int, int]:
        """Read the version and flags of a full box."""
        return self.number(1), self.number(3)

    def boxes(self) -> Iterator[tuple[bytes, _Reader]]:
        """Give the type and the inside of each box up to the end."""
        for n_before in count():
            if self.at >= self.stop:
                return
            _require(n_before < _PIECES)
            start = self.at
            length, name = self.number(4), self.take(4)
            if length == 1:
                length = self.number(8)
            elif length == 0:
                length = self.stop - start
            end = start + length
            _require(self.at <= end <= self.stop)
            yield name, _Reader(self.data, self.at, end)
            self.at = end

    def named(self) -> dict[bytes, _Reader]:
        """Give the boxes by type, none of which may be there twice."""
        found: dict[bytes, _Reader] = {}
        for name, inside in self.boxes():
            _require(name not in found or name in (b"free", b"skip"))
            found[name] = inside
        return found

    def rest(self) -> memoryview:
        """All that is left."""
        return memoryview(self.data)[self.at : self.stop]


@dataclass(frozen=True)
class _Extents:
    """Where the data of an item lie: in the file, or in the box `idat`."""

    in_file: bool
    spans: list[tuple[int, int]]


def heif_orientation(data: bytes) -> int | None:
    """Say how decoders turn the primary picture of an HEIF file, by its properties irot and imir.

    Args:
        data: the bytes of the file.

    Returns:
        1..8, counted as EXIF counts orientations; None: they cut it as well (clap), or the file is damaged or unusual.
    """
    try:
        _, boxes = _heif_lists(data)
        turned = np.arange(4).reshape(2, 2)
        for _, name, body in _heif_properties(boxes[b"iprp"]).get(_heif_primary(boxes), []):
            if name == b"clap":
                return None
            if name == b"irot":
                turned = np.rot90(turned, body[0] & 3)
            elif name == b"imir":
                turned = np.flip(turned, body[0] & 1)
    except Exception:  # noqa: BLE001 - as in coded_digest
        return None
    return _HEIF_TURNS[tuple(turned.ravel().tolist())]


def _heif_lists(data: bytes) -> tuple[list[tuple[bytes, _Reader]], dict[bytes, _Reader]]:
    """Give the boxes of a file, and those that list what is in it."""
    top = list(_Reader(data, 0, len(data)).boxes())
    names = [name for name, _ in top]
    _require(names[0] == b"ftyp" and names.count(b"meta") == 1 and not _HEIF_FILM & set(names))
    meta = top[names.index(b"meta")][1]
    _require(meta.stop - meta.at <= _META)
    meta.version()
    return top, meta.named()


def _heif_primary(boxes: dict[bytes, _Reader]) -> int:
    """Read which item is the picture: 'pitm'."""
    version, _ = boxes[b"pitm"].version()
    return boxes[b"pitm"].number(4 if version else 2)


def _heif(data: bytes) -> list[Part]:
    """The primary picture, and all pictures it is made of or that belong to it: data, properties, references."""
    top, boxes = _heif_lists(data)
    kinds = _heif_kinds(boxes[b"iinf"])
    references = _heif_references(boxes[b"iref"]) if b"iref" in boxes else []
    located = _heif_locations(boxes[b"iloc"])
    properties = _heif_properties(boxes[b"iprp"])
    stored = boxes[b"idat"].rest() if b"idat" in boxes else memoryview(b"")
    items = _heif_reachable(_heif_primary(boxes), references, kinds)
    place = {item: k for k, item in enumerate(items)}

    parts: list[Part] = [top[0][1].rest()]
    n_bytes, n_described = 0, 0
    for item in items:
        parts += [b"item", kinds[item]]
        for essential, name, body in properties.get(item, []):
            if name == b"colr" and bytes(body[:4]) in (b"prof", b"rICC"):
                continue
            n_described += len(body)
            _require(n_described <= _META)
            parts += [bytes([essential]), name, body]
        where = located.get(item, _Extents(True, []))
        source = memoryview(data) if where.in_file else stored
        for start, length in where.spans:
            n_bytes += length
            _require(length > 0 and start + length <= len(source) and n_bytes <= len(data))
            parts.append(source[start : start + length])
    for name, one, others in references:
        if one in place and name not in _HEIF_LATER:
            parts += [b"reference", name, _ID.pack(place[one])]
            parts += [_ID.pack(place[other]) for other in others if other in place]
    return parts


def _heif_reachable(
    primary: int, references: list[tuple[bytes, int, list[int]]], kinds: dict[int, bytes]
) -> list[int]:
    """Give the primary picture, those that it refers to, and those that are auxiliary to one of them, as alpha is."""
    linked: dict[int, list[int]] = {}
    for name, one, others in references:
        if name in _HEIF_LATER:
            continue
        linked.setdefault(one, []).extend(others)
        if name == b"auxl":
            for other in others:
                linked.setdefault(other, []).append(one)
    found = {primary: None}
    pending = [primary]
    while pending:
        for other in linked.pop(pending.pop(), []):
            if other not in found and kinds[other] not in _HEIF_METADATA:
                found[other] = None
                pending.append(other)
    return list(found)


def _heif_kinds(box: _Reader) -> dict[int, bytes]:
    """Read the types of the items: 'iinf'."""
    version, _ = box.version()
    box.number(4 if version else 2)
    kinds: dict[int, bytes] = {}
    for name, entry in box.boxes():
        version, _ = entry.version()
        _require(name == b"infe" and version in (2, 3))
        item = entry.number(2 if version == 2 else 4)
        _require(entry.number(2) == 0 and item not in kinds)  # not protected
        kinds[item] = entry.take(4)
    return kinds


def _heif_references(box: _Reader) -> list[tuple[bytes, int, list[int]]]:
    """Read which items refer to which: 'iref'."""
    version, _ = box.version()
    size = 4 if version else 2
    references = []
    for name, entry in box.boxes():
        one = entry.number(size)
        references.append((name, one, [entry.number(size) for _ in range(entry.number(2))]))
    return references


def _heif_locations(box: _Reader) -> dict[int, _Extents]:
    """Read where the items lie: 'iloc'."""
    version, _ = box.version()
    _require(version <= 2)
    sizes = box.number(2)
    at_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    _require(length_size in (4, 8))  # else an extent is the whole file, and takes no place in the list
    located: dict[int, _Extents] = {}
    for _ in range(box.number(4 if version == 2 else 2)):
        item = box.number(4 if version == 2 else 2)
        method = box.number(2) & 15 if version else 0
        _require(method in (0, 1) and box.number(2) == 0 and item not in located)  # 0: not in another file
        base = box.number(base_size)
        spans = []
        for _ in range(box.number(2)):
            box.number(index_size if version else 0)
            spans.append((base + box.number(at_size), box.number(length_size)))
        located[item] = _Extents(method == 0, spans)
    return located


def _heif_properties(box: _Reader) -> dict[int, list[tuple[bool, bytes, memoryview]]]:
    """Read the properties of the items, and whether they are essential: 'iprp'."""
    all_properties: list[tuple[bytes, memoryview]] = []
    properties: dict[int, list[tuple[bool, bytes, memoryview]]] = {}
    for name, inside in box.boxes():
        if name == b"ipco":
            _require(not all_properties)
            all_properties = [(kind, body.rest()) for kind, body in inside.boxes()]
            continue
        _require(name == b"ipma")
        version, flags = inside.version()
        size, essential = (2, 0x8000) if flags & 1 else (1, 0x80)
        for _ in range(inside.number(4)):
            item = inside.number(4 if version else 2)
            own = properties.setdefault(item, [])
            for _ in range(inside.number(1)):
                code = inside.number(size)
                index = code & (essential - 1)
                if index:
                    own.append((bool(code & essential), *all_properties[index - 1]))
    return properties

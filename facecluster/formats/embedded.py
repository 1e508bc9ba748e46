"""What the file of a photo says beside its picture: its packet of XMP, and what EXIF says of orientation and dates.

| format | XMP | EXIF |
|---|---|---|
| JPEG | APP1, with what continues it (extended XMP) | APP1 |
| PNG | iTXt | eXIf, or a text as ImageMagick writes it |
| WebP, AVIF, HEIF | their own chunk or item | the same |
| TIFF | tag 700 | its own tags |
| JPEG XL | its own box, not compressed | the same |
| PSD | resource 1060 | resource 1058 |
| RAW | tag 700 of a TIFF | its own tags; CR3: boxes CMT1 and CMT2; RAF: its JPEG |

No pixel is decoded. XMP of other formats, and in other places, is not read.

Regions lie in the stored picture, which is turned by EXIF orientation to be upright. An HEIF file is turned by its own
properties, irot and imir, and not by EXIF, which may repeat them: cameras write it so. Programs know of EXIF alone
where the regions of such a file lie. So the picture as it is coded counts as stored if EXIF says how it is turned;
else the picture as it is shown, which has orientation 1.

References:
    Adobe, XMP, part 3: storage in files. ISO/IEC 23008-12, 6.5.10 irot and 6.5.12 imir. PNG, 3rd edition, 11.3.3.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from PIL import ExifTags, Image

from facecluster.errors import FaceclusterError, PhotoError
from facecluster.formats import xmp_tree
from facecluster.photos import jxl, psd, raw
from facecluster.photos.file import open_photo
from facecluster.photos.find import OnePath
from facecluster.photos.kinds import N_HEAD, RAW_KINDS, kind_of
from facecluster.photos.picture import heif_orientation
from facecluster.photos.pillow import FORMATS, open_picture
from facecluster.photos.pixels import LARGEST, TURNS, read_orientation

_PACKET = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENDED_BY = re.compile(
    rb"""\s+\w+:HasExtendedXMP\s*=\s*["']([0-9A-Fa-f]{32})["']"""
    rb"""|<\w+:HasExtendedXMP>\s*([0-9A-Fa-f]{32})\s*</\w+:HasExtendedXMP>"""
)
"""Of a packet that is continued: 32 letters, by which the parts are found."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = len(_PNG_SIGNATURE) + 25
"""Bytes of a PNG before its second chunk."""
_PNG_TEXT = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
_PNG_XMP = b"XML:com.adobe.xmp\0"

_XMP_TAG = 700
_CR3_HEAD = 1 << 20
"""Bytes of a CR3 in which its blocks of EXIF are looked for."""

_PIECES = 100_000
"""A file of more segments or chunks is not looked into further."""

_EXIF_DATES = (
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.OffsetTimeOriginal,
    ExifTags.Base.DateTimeDigitized,
    ExifTags.Base.OffsetTimeDigitized,
    ExifTags.Base.OffsetTime,
)


@dataclass(frozen=True)
class Embedded:
    """What a photo's file says of itself.

    Attributes:
        xmp: a packet for `xmp.read`, which may be no XMP nevertheless; None: there is none.
        orientation: 1..8, how the stored picture is turned to be as `photos.decode.decode` gives it.
        size: width, height in pixels of the stored picture, before it is turned; None: the file is broken.
        dates: texts by what `dates.Tag` calls them, with those of OffsetTime...; only what EXIF says.
    """

    xmp: bytes | None = None
    orientation: int = 1
    size: tuple[int, int] | None = None
    dates: dict[str, str] = field(default_factory=dict)


def embedded_of(path: OnePath) -> Embedded:
    """Read what a photo's file says; of JPEG, PNG and TIFF no more of the file than that.

    Raises:
        PhotoError: the file cannot be read.
    """
    with open_photo(path) as file:
        return _embedded(file)


def read_embedded(data: bytes) -> Embedded:
    """Read what the bytes of a photo's file say. What is broken in them counts as not there."""
    return _embedded(BytesIO(data))


def _embedded(file: BinaryIO) -> Embedded:
    head = file.read(N_HEAD)
    file.seek(0)
    kind = kind_of(head) or ""
    if kind in RAW_KINDS:
        return _of_raw(file.read(), kind)
    if kind in _WHOLE:
        return _WHOLE[kind](file.read())
    if head[:8] == _PNG_SIGNATURE:
        return _of_png(file)
    said = _of_pillow(file)
    if head[:2] != b"\xff\xd8":
        return said
    return Embedded(_jpeg_xmp(file), said.orientation, said.size, said.dates)


def _of_pillow(file: BinaryIO) -> Embedded:
    """Ask Pillow, which decodes nothing."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            return _of_image(image)
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return Embedded()


def _of_avif(data: bytes) -> Embedded:
    try:
        return _of_image(open_picture(data))
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return Embedded()


def _of_image(image: Image.Image) -> Embedded:
    tags = getattr(image, "tag_v2", {})  # of a TIFF, which Pillow lays on its side itself
    width, height = tags.get(256, image.width), tags.get(257, image.height)
    return Embedded(
        _whole(image.info.get("xmp")), read_orientation(image), _size(width, height), _dates_of(image)
    )


def _whole(packet: object) -> bytes | None:
    """Give a packet of XMP if it is one of a size that is read."""
    return packet if isinstance(packet, bytes) and 0 < len(packet) <= xmp_tree.MOST_BYTES else None


def _size(width: object, height: object) -> tuple[int, int] | None:
    if not isinstance(width, int) or not isinstance(height, int):
        return None
    return (width, height) if width > 0 and height > 0 and width * height <= LARGEST else None


def _dates_of(image: Image.Image) -> dict[str, str]:
    try:
        return _dates(image.getexif())
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return {}


def _dates(exif: Image.Exif) -> dict[str, str]:
    """Give the texts of EXIF that are dates and zones."""
    values = {"DateTime": exif.get(ExifTags.Base.DateTime)}
    details = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}  # a CR3 has them in a block of their own
    values |= {tag.name: details.get(tag) for tag in _EXIF_DATES}
    return {name: text for name, text in values.items() if isinstance(text, str)}


# ------------------------------------------------------------------------------------------------------ JPEG


def _jpeg_xmp(file: BinaryIO) -> bytes | None:
    """Read the packet of a JPEG, and what continues it."""
    packet, extensions, left = None, list[bytes](), xmp_tree.MOST_BYTES
    for body in _jpeg_app1(file):
        if packet is None and body.startswith(_PACKET):
            packet = body[len(_PACKET) :]
        elif body.startswith(_EXTENSION) and len(body) <= left:
            extensions.append(body[len(_EXTENSION) :])
            left -= len(body)
    if packet is None or (found := _EXTENDED_BY.search(packet)) is None:
        return _whole(packet)
    extended = _extended((found[1] or found[2]).upper(), extensions)
    if extended is None:
        return packet
    try:
        return _joined(packet, extended)
    except FaceclusterError:
        return packet


def _jpeg_app1(file: BinaryIO) -> Iterator[bytes]:
    """Give what is in the segments APP1 before the first scan; fewer where the file is broken."""
    file.seek(2)
    for _ in range(_PIECES):
        start = file.read(2)
        while start == b"\xff\xff":
            start = start[1:] + file.read(1)
        length = int.from_bytes(file.read(2), "big")
        if len(start) < 2 or start[0] != 0xFF or start[1] in (0xD9, 0xDA) or length < 2:
            return
        if start[1] == 0xE1:
            yield file.read(length - 2)
        else:
            file.seek(length - 2, 1)


def _extended(guid: bytes, extensions: list[bytes]) -> bytes | None:
    """Put the parts of extended XMP together: 32 letters whose they are, the length of all, where it goes, itself."""
    own = [part for part in extensions if part[:32].upper() == guid and len(part) > 40]
    length = int.from_bytes(own[0][32:36], "big") if own else 0
    whole, at = list[bytes](), 0
    for start, part in sorted((int.from_bytes(part[36:40], "big"), part[40:]) for part in own):
        if start == at:
            whole.append(part)
            at += len(part)
    return b"".join(whole) if at == length > 0 else None


def _joined(packet: bytes, extended: bytes) -> bytes:
    """Put the descriptions of extended XMP into the packet that it continues.

    Raises:
        FaceclusterError: one of the two is no XMP.
    """
    main, more = xmp_tree.parse(packet), xmp_tree.parse(extended)
    if main.is_one_tag(main.rdf):
        return extended
    added = []
    for node in xmp_tree.descriptions(more.rdf):
        own = node.declared or {}
        around = (more.root.declared or {}) | (more.rdf.declared or {})
        text = more.body[node.start : more.end(node)]
        name = re.match(rb"<[^\s/>]+", text)
        assert name is not None, "a tag has a name"
        declared = "".join(
            f" {f'xmlns:{prefix}' if prefix else 'xmlns'}={quoteattr(address)}"
            for prefix, address in around.items()
            if prefix not in own
        )
        added.append(name[0] + declared.encode() + text[name.end() :])
    at = main.rdf.closing
    whole = main.body[:at] + b"\n".join(added) + main.body[at:]
    return main.encoded(_EXTENDED_BY.sub(b"", whole, count=1))


# ------------------------------------------------------------------------------------------------------- PNG


def _of_png(file: BinaryIO) -> Embedded:
    """Read the chunks before and behind the picture; Pillow would decode it to find the last ones."""
    file.seek(len(_PNG_SIGNATURE))
    size, packet, texts, left = None, None, list[bytes](), xmp_tree.MOST_BYTES
    for _ in range(_PIECES):
        length, name = int.from_bytes(file.read(4), "big"), file.read(4)
        if name == b"IHDR" and length == 13:
            body = file.read(length + 4)
            size = _size(int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"))
        elif name in _PNG_TEXT and length <= left:
            body = file.read(length + 4)
            left -= length
            if name == b"iTXt" and body.startswith(_PNG_XMP):
                packet = packet or _png_text(body[len(_PNG_XMP) : -4])
            texts.append(length.to_bytes(4, "big") + name + body)
        elif len(name) == 4 and name != b"IEND":
            file.seek(length + 4, 1)
        else:
            break
    if not texts:
        return Embedded(size=size)
    pixel = _pixel()
    said = _of_pillow(BytesIO(b"".join([pixel[:_HEADER], *texts, pixel[_HEADER:]])))
    return Embedded(_whole(packet), said.orientation, size, said.dates)


def _png_text(body: bytes) -> bytes | None:
    """Give the text of a chunk iTXt behind its name: compressed?, by what, language, the name in it, text."""
    _, _, text = body[2:].partition(b"\0")
    _, _, text = text.partition(b"\0")
    if body[:1] != b"\1":
        return text
    try:
        stream = zlib.decompressobj()
        return stream.decompress(text, xmp_tree.MOST_BYTES + 1) if body[1:2] == b"\0" else None
    except zlib.error:
        return None


@cache
def _pixel() -> bytes:
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    return file.getvalue()


# ------------------------------------------------------------------------------------------------------ HEIF


def _of_heif(data: bytes) -> Embedded:
    import pillow_heif  # a tenth of a second that only HEIF needs

    try:
        picture = pillow_heif.open_heif(data)
        shown = _size(*picture.size)
        packet, block = picture.info.get("xmp"), picture.info.get("exif")
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return Embedded()
    said, dates, _ = _said_by(block or b"")
    orientation = heif_orientation(data) if said != 1 else 1
    if shown is None or orientation is None or orientation != said:
        return Embedded(_whole(packet), 1, shown, dates)
    return Embedded(_whole(packet), orientation, shown[::-1] if orientation >= 5 else shown, dates)


def _said_by(block: bytes) -> tuple[int, dict[str, str], bytes | None]:
    """Give orientation, dates and XMP of a block of EXIF, or of a file that starts as one."""
    exif = Image.Exif()
    try:
        exif.load(block)
        said, packet = exif.get(ExifTags.Base.Orientation, 1), exif.get(_XMP_TAG)
        return (said if said in TURNS else 1), _dates(exif), _whole(packet)
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return 1, {}, None


# ------------------------------------------------------------------------------------------ JPEG XL, PSD and RAW


def _of_jxl(data: bytes) -> Embedded:
    """Read the boxes. The decoder turns the picture, so the one that is shown counts as stored."""
    try:
        found = {name: bytes(body) for name, body in jxl.boxes(data) if name in (b"Exif", b"xml ")}
        size = _size(*jxl.read_head(data)[0])
    except (PhotoError, ValueError):
        return Embedded()
    # Four bytes say where the block starts; some programs leave them out.
    block = found.get(b"Exif", b"")
    block = block if block[:2] in (b"II", b"MM") else block[4 + int.from_bytes(block[:4], "big") :]
    return Embedded(_whole(found.get(b"xml ")), 1, size, _said_by(block)[1])


def _of_psd(data: bytes) -> Embedded:
    try:
        found = psd.read_psd(data)
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return Embedded()
    _, dates, _ = _said_by(found.resources.get(psd.EXIF, b""))
    return Embedded(_whole(found.resources.get(psd.XMP)), 1, _size(*found.size), dates)


def _of_raw(data: bytes, kind: str) -> Embedded:
    """Read what a RAW file says; without the extra [raw] its size is not known."""
    said, dates, packet = _said_by_raw(data, kind)
    try:
        shown = raw.shown(data)
    except PhotoError:
        return Embedded(packet, said, None, dates)
    return Embedded(packet, shown.orientation, _size(*shown.size), dates)


def _said_by_raw(data: bytes, kind: str) -> tuple[int, dict[str, str], bytes | None]:
    if kind == "raf":  # where its JPEG is, and how long
        start, length = (int.from_bytes(data[at : at + 4], "big") for at in (84, 88))
        jpeg = read_embedded(data[start : start + length])
        return jpeg.orientation, jpeg.dates, jpeg.xmp
    if kind == "cr3":
        said, dates, packet = _said_by(_cr3_block(data, b"CMT1"))
        details = _said_by(_cr3_block(data, b"CMT2"))[1]
        return said, dates | details, packet
    order = b"MM\0*" if data[:1] == b"M" else b"II*\0"  # ORF and RW2 have another number there
    return _said_by(order + data[4:])


def _cr3_block(data: bytes, name: bytes) -> bytes:
    """Find a block of EXIF in the head of a CR3: a box, behind its length."""
    at = data.find(name, 0, _CR3_HEAD)
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")] if at >= 4 else b""


_WHOLE = {"heif": _of_heif, "avif": _of_avif, "jxl": _of_jxl, "psd": _of_psd}
"""What reads files of which all is needed."""

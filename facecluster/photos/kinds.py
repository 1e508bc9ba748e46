"""What kind of photo or video a file is, by what it is called and by its first bytes."""

from __future__ import annotations

from typing import Literal

RAW_KINDS = frozenset({"cr2", "cr3", "nef", "nrw", "arw", "dng", "orf", "rw2", "raf", "pef", "srw", "raw"})
"""Of `kind_of`: what a sensor saw, not developed yet; "raw" is one of a camera that is not known."""

VIDEO_KINDS = frozenset({"mp4", "mov", "mkv", "webm", "avi", "mts", "mpg", "wmv"})
"""Of `kind_of`: videos; "mp4" is also M4V and 3GP, "mts" also M2TS."""

RAW_EXTENSIONS = frozenset(
    {".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"}
)
"""What RAW files are called, in lower case."""

VIDEO_EXTENSIONS = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".qt",
        ".3gp",
        ".3g2",
        ".mkv",
        ".webm",
        ".avi",
        ".mts",
        ".m2ts",
        ".mpg",
        ".mpeg",
        ".wmv",
    }
)
"""What videos are called, in lower case. Not .ts, which programs in TypeScript are called, too."""

JPEG_EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
HEIF_EXTENSIONS = frozenset({".heic", ".heif", ".hif"})

EXTENSIONS = (
    JPEG_EXTENSIONS
    | HEIF_EXTENSIONS
    | RAW_EXTENSIONS
    | VIDEO_EXTENSIONS
    | {".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".avif", ".jxl", ".psd", ".psb"}
)
"""What a photo or video in a folder is called, in lower case. A file that is named itself is tried whatever it is
called."""

N_HEAD = 4096
"""Bytes that `kind_of` wants to see: the first directory of a RAW file and five packets of an MTS lie in them."""

_STARTS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"8BPS\0\1", "psd"),
    (b"8BPS\0\2", "psd"),
    (b"FUJIFILMCCD-RAW", "raf"),
    (b"IIRO", "orf"),
    (b"IIRS", "orf"),
    (b"MMOR", "orf"),
    (b"IIU\0", "rw2"),
    (b"\0\0\1\xba", "mpg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wmv"),
)
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"miaf"}
_SOUND = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
_QUICKTIME = {b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip"}
"""First box of a MOV older than the box that says what a file is."""

_SHORT = 3
"""Type of a value of two bytes."""
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _OTHERS, _DNG_VERSION = 254, 259, 262, 271, 330, 50706
"""Tags of a TIFF; `_OTHERS` is where further pictures are (SubIFDs)."""
_MOSAIC, _OLD_JPEG = 32803, 6
_OF_CAMERAS = {32767, 32769, 32770, 34713, 65535}
"""Compressions that only cameras write: Sony, Samsung (two), Nikon, Pentax."""
_MAKES = (
    (b"NIKON", "nef"),
    (b"SONY", "arw"),
    (b"PENTAX", "pef"),
    (b"RICOH", "pef"),
    (b"SAMSUNG", "srw"),
    (b"CANON", "cr2"),
    (b"OLYMPUS", "orf"),
)


def kind_of(head: bytes) -> str | None:
    """Say what a file is by its first bytes.

    Args:
        head: its first `N_HEAD` bytes, or all of it where it is shorter; more do no harm.

    Returns:
        "jpeg" (MPO too), "png", "webp", "tiff", "bmp", "gif", "heif", "avif", "jxl", "psd" (PSB too), one of
        `RAW_KINDS`, or one of `VIDEO_KINDS`; None: no photo and no video of these. A RAW file that is a TIFF is told
        from a picture by its first directory: it says that it is a DNG, holds what a sensor saw, or is a small picture
        beside others.

    References:
        ISO/IEC 14496-12 section 4.3 (brands), TIFF 6.0 section 2, DNG 1.6 (DNGVersion), ISO/IEC 13818-1 section 2.4
        (packets), exiftool's table of TIFF compressions.
    """
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(head)
    if head[4:8] == b"ftyp":
        return _by_brands(head)
    if head[:4] == b"RIFF":
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(head[8:12])
    if head[:4] == b"\x1aE\xdf\xa3":
        return "webm" if b"webm" in head[:64] else "mkv" if b"matroska" in head[:64] else None
    if head[4:8] in _QUICKTIME and (head[:1] == b"\0" or head[4:8] == b"mdat"):  # "the free" starts a text
        return "mov"
    # Two letters start a text too: the rest of a BMP's head is nothing that one has.
    if head[:2] == b"BM" and head[15:18] == b"\0\0\0" and head[14] in (12, 16, 40, 52, 56, 64, 108, 124):
        return "bmp"
    for first, step in ((0, 188), (4, 192)):
        if len(head) > first + 4 * step and all(head[first + i * step] == 0x47 for i in range(5)):
            return "mts"
    return None


def _by_brands(head: bytes) -> str | None:
    """What a file of boxes is by all brands that it lists: the first one may say little ("mif1")."""
    end = max(16, min(int.from_bytes(head[:4], "big"), len(head)))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    for kind, those in (("cr3", {b"crx "}), ("avif", _AVIF), ("heif", _HEIF)):
        if brands & those:
            return kind
    if head[8:12] in _SOUND:
        return None
    return "mov" if head[8:12] == b"qt  " else "mp4"


def _tiff(head: bytes) -> str:
    """Tell a picture in a TIFF from a RAW file that is one, by its first directory."""
    if head[8:10] == b"CR":
        return "cr2"
    if b"+" in head[2:4]:
        return "tiff"
    order: Literal["little", "big"] = "little" if head[:1] == b"I" else "big"

    def number(at: int, n_bytes: int) -> int:
        return int.from_bytes(head[at : at + n_bytes], order)

    start = number(4, 4)
    stop = min(start + 2 + 12 * number(start, 2), len(head))
    values = {
        number(at, 2): number(at + 8, 2 if number(at + 2, 2) == _SHORT else 4)
        for at in range(start + 2, stop, 12)
    }
    if _DNG_VERSION in values:
        return "dng"
    is_small = values.get(_SUBFILE) == 1 or values.get(_COMPRESSION) == _OLD_JPEG
    if not (
        values.get(_PHOTOMETRIC) == _MOSAIC
        or values.get(_COMPRESSION) in _OF_CAMERAS
        or (is_small and _OTHERS in values)
    ):
        return "tiff"
    make = head[values.get(_MAKE, len(head)) :][:16].upper()
    return next((kind for name, kind in _MAKES if make.startswith(name)), "raw")

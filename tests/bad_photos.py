"""Photos that are broken, lie, or are odd, and files that are no photos at all: made anew, the same every time."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pillow_heif
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF")
SUFFIXES = dict(
    zip(FORMATS, (".jpg", ".png", ".webp", ".tif", ".bmp", ".gif", ".heic", ".avif"), strict=True)
)

BAD, WHOLE, EITHER = "bad", "whole", "either"
"""What is to become of a file: a row with a reason; a photo that is analysed; one of the two."""


class Case(NamedTuple):
    """A file.

    Attributes:
        kind: what is odd about it; cases of one kind are told apart by numbers.
        name: of the file.
        becomes: one of `BAD`, `WHOLE`, `EITHER`.
        data: its bytes.
    """

    kind: str
    name: str
    becomes: str
    data: bytes


def coded(picture: Image.Image, form: str, **options: Any) -> bytes:
    """Give the bytes of a picture in a format."""
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def cases(picture: Image.Image, *, n_cuts: int = 10, n_flips: int = 40) -> Iterator[Case]:
    """Make files of a picture in RGB.

    Args:
        picture: what whole ones show.
        n_cuts: places at which each format is cut off.
        n_flips: copies of each format in which one byte is another.
    """
    generator = random.Random(0)
    for form in FORMATS:
        whole, suffix = coded(picture, form), SUFFIXES[form]
        for k in range(n_cuts):
            yield Case("cut off", f"cut-{k}{suffix}", BAD, whole[: len(whole) * k // n_cuts])
        for k in range(n_flips):
            at = generator.randrange(len(whole))
            other = bytes([whole[at] ^ generator.randrange(1, 256)])
            yield Case("a byte is another", f"flip-{k}{suffix}", EITHER, whole[:at] + other + whole[at + 1 :])
        wrong = SUFFIXES[FORMATS[FORMATS.index(form) - 1]]
        yield Case("wrong extension", f"is {form}{wrong}", WHOLE, whole)
        yield Case("bytes behind it", f"longer{suffix}", WHOLE, whole + bytes(1000))
    yield from _shapes(picture)
    yield from _lies(picture)
    yield from _metadata(picture)
    yield from _no_photos()


def _shapes(picture: Image.Image) -> Iterator[Case]:
    for mode, form in (
        [(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
        + [(mode, "TIFF") for mode in ("1", "L", "P", "RGBA", "CMYK", "LAB", "YCbCr", "I;16", "I", "F")]
        + [
            ("L", "JPEG"),
            ("CMYK", "JPEG"),
            ("P", "GIF"),
            ("RGBA", "WEBP"),
            ("RGBA", "HEIF"),
            ("RGBA", "AVIF"),
        ]
    ):
        stored = picture.convert("L").convert(mode) if mode in ("I;16", "I", "F") else picture.convert(mode)
        name = f"{mode.replace(';', '')}{SUFFIXES[form]}"
        yield Case("another mode", name, WHOLE, coded(stored, form))
    yield Case("progressive", "progressive.jpg", WHOLE, coded(picture, "JPEG", progressive=True))
    frames = [picture.rotate(k) for k in range(5)]
    for form in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        data = coded(picture, form, save_all=True, append_images=frames)
        yield Case("animated", f"animated{SUFFIXES[form]}", WHOLE, data)
    many = [Image.new("1", (1, 1), k % 2) for k in range(2000)]
    for form in ("GIF", "PNG"):
        data = coded(many[0], form, save_all=True, append_images=many[1:])
        yield Case("thousands of frames", f"film{SUFFIXES[form]}", WHOLE, data)
    for size in ((1, 1), (1, 60_000), (60_000, 1)):
        for form in ("JPEG", "PNG", "TIFF", "BMP", "GIF"):
            data = coded(Image.new("RGB", size, "grey"), form)
            yield Case("odd size", f"{size[0]}x{size[1]}{SUFFIXES[form]}", WHOLE, data)


def _lies(picture: Image.Image) -> Iterator[Case]:
    jpeg, png, gif, bmp = (coded(picture, form) for form in ("JPEG", "PNG", "GIF", "BMP"))
    heif, webp, tiff = (coded(picture, form) for form in ("HEIF", "WEBP", "TIFF"))
    frame = jpeg.index(b"\xff\xc0")
    spatial = heif.index(b"ispe")
    for width, height in ((40_000, 40_000), (65_500, 65_500), (16_000, 16_000), (0, 0)):
        sides = struct.pack(">HH", height, width)
        low, high = struct.pack("<II", width, height), struct.pack(">II", width, height)
        lies = {
            "JPEG": jpeg[: frame + 5] + sides + jpeg[frame + 9 :],
            "PNG": png_of(width, height, zlib.compress(bytes(99))),
            "GIF": gif[:6] + struct.pack("<HH", width, height) + gif[10:],
            "BMP": bmp[:18] + low + bmp[26:],
            "HEIF": heif[: spatial + 8] + high + heif[spatial + 16 :],
            "TIFF": tiff.replace(
                struct.pack("<HHII", 256, 4, 1, picture.width), struct.pack("<HHII", 256, 4, 1, width)
            ),
        }
        for form, data in lies.items():
            becomes = EITHER if form in ("JPEG", "GIF", "HEIF", "TIFF") else BAD
            yield Case("lies about its size", f"says {width}x{height}{SUFFIXES[form]}", becomes, data)
    yield Case("lies about its length", "riff.webp", EITHER, webp[:4] + b"\xff\xff\xff\x7f" + webp[8:])
    zeros = zlib.compress(bytes(3 * 40_000 + 1) * 20)
    yield Case("bomb", "bomb.png", BAD, png_of(40_000, 20, zeros[: len(zeros) // 2]))
    yield Case("bomb", "much.png", EITHER, png_of(10, 10, zlib.compress(bytes(20_000_000))))
    text = zlib.compress(b"x" * 20_000_000)
    broken = png_with(png, b"eXIf", b"nonsense").replace(b"nonsense", b"noncents")
    yield Case("broken EXIF", "checksum.png", WHOLE, broken)
    yield Case("bomb", "text.png", EITHER, png_with(png, b"zTXt", b"a\0\0" + text))
    yield Case("bomb", "profile.png", EITHER, png_with(png, b"iCCP", b"a\0\0" + text))


def _metadata(picture: Image.Image) -> Iterator[Case]:
    for orientation in range(10):
        exif = Image.Exif()
        exif[274] = orientation
        for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
            data = coded(picture, form, exif=exif.tobytes())
            yield Case("orientation", f"turned-{orientation}{SUFFIXES[form]}", WHOLE, data)
    blocks = {
        "nonsense": b"nonsense",
        "cut": b"II*\0\xff\xff\xff\xff",
        "empty": b"",
        # IFD0 -> Exif IFD -> IFD0
        "loop": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8),
        "many": b"MM\0*\0\0\0\x08\xff\xff" + bytes(30),
        "huge": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x10F, 2, 0x7FFFFFFF, 8) + bytes(4),
        "large": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x10F, 2, 60_000, 26) + bytes(60_004),
        "kind": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 274, 99, 1, 6) + bytes(4),
        "text": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHI4s", 274, 2, 4, b"six\0") + bytes(4),
    }
    for name, block in blocks.items():
        for form in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF"):
            data = with_exif(picture, form, block)
            if data is not None:
                yield Case("broken EXIF", f"exif {name}{SUFFIXES[form]}", WHOLE, data)
    for form in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"):
        data = coded(picture, form, icc_profile=b"no profile" * 5_000)
        yield Case("broken profile", f"profile{SUFFIXES[form]}", WHOLE, data)


def _no_photos() -> Iterator[Case]:
    generator = random.Random(1)
    for suffix in SUFFIXES.values():
        yield Case("empty", f"empty{suffix}", BAD, b"")
        yield Case("a byte", f"byte{suffix}", BAD, b"\xff")
        yield Case("zeros", f"zeros{suffix}", BAD, bytes(5000))
        yield Case("noise", f"noise{suffix}", BAD, generator.randbytes(5000))
        yield Case("text", f"text{suffix}", BAD, b"<html>no photo here</html>\n" * 9)
    heads = (
        b"\xff\xd8\xff\xe1\xff\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"\0\0\0\x18ftypheic",
    )
    for k, head in enumerate(
        (*heads, b"RIFF\xff\xff\0\0WEBPVP8 ", b"\0\0\0\x18ftypavif", b"%!PS-Adobe-3.0 EPSF")
    ):
        yield Case("a head alone", f"head-{k}.jpg", BAD, head + b"\xff" * 3000)


def png_of(width: int, height: int, pixels: bytes) -> bytes:
    """Give an RGB PNG that claims a size, whatever its pixels are."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_with(png: bytes, kind: bytes, body: bytes) -> bytes:
    """Give a PNG with one more chunk behind its header."""
    return png[:33] + _chunk(kind, body) + png[33:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_exif(picture: Image.Image, form: str, block: bytes) -> bytes | None:
    """Give a photo with a block in the place of its EXIF data; None where our encoders do not write such a one."""
    if form == "JPEG":
        data = coded(picture, form)
        segment = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    if form == "PNG":
        return png_with(coded(picture, form), b"eXIf", block)
    place = Image.Exif()
    place[0x10F] = "X" * max(len(block), 8)
    whole = place.tobytes()
    data = coded(picture, form, exif=whole)
    inside = whole[6:]
    if inside not in data:
        return None
    return data.replace(inside, block.ljust(len(inside), b"\0"))


NAMES = (
    "a\nb.jpg", "it's \"quoted\".jpg", "-rf.jpg", "$(touch x).jpg", "=cmd.jpg", "\x1b[31mred.jpg", "a\\b.jpg",
    "שלום\u202egpj.exe.jpg", "né.jpg", "ne\u0301.jpg", "\u200b.jpg", "😀.jpg", " .jpg", "a..jpg", "CON.jpg",
    "x" * 251 + ".jpg", os.fsdecode(b"caf\xe9.jpg"), os.fsdecode(b"\xff\xfe.jpg"),
)  # fmt: skip
"""Names that a file may have on Linux."""


def put_odd_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Put what is no regular file, or cannot be opened, into a folder; give its path and whether a row is due.

    Yields:
        Path, and `BAD` where it becomes a row with a reason, `EITHER` where it is left out.
    """
    (folder / "folder.jpg").mkdir()
    yield str(folder / "folder.jpg"), EITHER
    os.mkfifo(folder / "pipe.jpg")
    yield str(folder / "pipe.jpg"), EITHER
    with socket.socket(socket.AF_UNIX) as ours:
        here = os.getcwd()
        os.chdir(folder)  # the path of a socket has 108 bytes at most
        ours.bind("socket.jpg")
        os.chdir(here)
    yield str(folder / "socket.jpg"), EITHER
    for name, target in {
        "loop.jpg": "loop.jpg",
        "gone.jpg": "not there",
        "no folder.jpg": "gone.txt/x",
        "long.jpg": "x" * 300,
        "device.jpg": os.devnull,
        "to a pipe.jpg": "pipe.jpg",
    }.items():
        (folder / name).symlink_to(target)
        yield str(folder / name), BAD
    (folder / "gone.txt").write_text("a file")
    for name, target in {"loop": "loop", "no folder": "gone.txt/x", "long": "x" * 300}.items():
        (folder / name).symlink_to(target)
        yield str(folder / name), EITHER

"""What is found among files of every name: kinds by first bytes, what is not looked at, pairs, and lists."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from facecluster.photos.kinds import N_HEAD, kind_of

PICTURE = Image.linear_gradient("L").resize((48, 32)).convert("RGB")


def coded(kind: str) -> bytes:
    file = BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(PICTURE).save(file)
    else:
        PICTURE.save(file, kind)
    return file.getvalue()


def tiff(order: str, **tags: int | bytes) -> bytes:
    """A TIFF of one directory: numbers are one SHORT, bytes a text behind the directory."""
    numbers = {
        "subfile": 254,
        "compression": 259,
        "photometric": 262,
        "make": 271,
        "others": 330,
        "dng": 50706,
    }
    entries, texts = b"", b""
    behind = 8 + 2 + 12 * len(tags) + 4
    for name, value in tags.items():
        if isinstance(value, bytes):
            entries += struct.pack(f"{order}HHLL", numbers[name], 2, len(value), behind + len(texts))
            texts += value
        else:
            entries += struct.pack(f"{order}HHLHH", numbers[name], 3, 1, value, 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}LH", 8, len(tags)) + entries + bytes(4) + texts


def film(path: Path, codec: str) -> bytes:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 5, (64, 48))
    for k in range(5):
        video.write(np.full((48, 64, 3), 40 * k, np.uint8))
    video.release()
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"])
def test_a_photo_is_told_by_its_first_bytes(kind: str) -> None:
    assert kind_of(coded(kind)[:N_HEAD]) == kind.lower()


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [("a.mp4", "mp4v", "mp4"), ("a.mov", "mp4v", "mov"), ("a.avi", "MJPG", "avi"), ("a.mkv", "mp4v", "mkv"),
     ("a.webm", "VP80", "webm"), ("a.m2ts", "mp4v", "mts"), ("a.3gp", "mp4v", "mp4")],
)  # fmt: skip
def test_a_video_is_told_by_its_first_bytes(tmp_path: Path, name: str, codec: str, kind: str) -> None:
    assert kind_of(film(tmp_path / name, codec)[:N_HEAD]) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "cr3"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", None),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\xff\x0a\xfa", "jxl"),
        (b"8BPS\0\1", "psd"),
        (b"FUJIFILMCCD-RAW 0201", "raf"),
        (b"IIU\0\x18\0\0\0", "rw2"),
        (b"IIRO\x08\0\0\0", "orf"),
        (b"II*\0\x10\0\0\0CR\2\0", "cr2"),
        (tiff("<", dng=1), "dng"),
        (tiff(">", subfile=1, make=b"NIKON CORPORATION\0", others=0), "nef"),
        (tiff("<", compression=6, make=b"SAMSUNG\0", others=0), "srw"),
        (tiff(">", compression=65535, make=b"PENTAX\0"), "pef"),
        (tiff("<", subfile=1, make=b"SONY\0", others=0), "arw"),
        (tiff("<", photometric=32803), "raw"),
        (tiff("<", subfile=0, make=b"NIKON CORPORATION\0", others=0), "tiff"),  # a picture made of a RAW
        (b"II*\0\xff\xff\xff\xff", "tiff"),
        (b"BMW drives, a text as long as a head is", None),
        (b"\x1aE\xdf\xa3", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)  # fmt: skip
def test_a_kind_is_told_by_what_a_file_says_of_itself(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind

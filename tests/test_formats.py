"""A real file of every kind of photo, and what is unusual about some: each gives the picture that is in it."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 - lets Pillow write JPEG XL
import pytest
from made_photos import DATE, coded, dng, psd, ultra_hdr
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from facecluster.errors import PhotoError
from facecluster.formats.embedded import read_embedded
from facecluster.photos import depth
from facecluster.photos.decode import decode
from facecluster.photos.picture import coded_digest
from facecluster.photos.pixels import TURNS

X, Y = np.meshgrid(np.linspace(0, 1, 96), np.linspace(0, 1, 64))
PIXELS = (np.stack([X, Y, (1 - X) * (1 - Y)], axis=2) * 200 + 40).astype(np.uint8)
"""Ramps: every corner has a colour of its own; the highest value of all is 240."""
PICTURE = Image.fromarray(PIXELS)
OTHER = Image.new("RGB", PICTURE.size, (200, 30, 30))
GREY = PICTURE.convert("L")
EXIF = b"II*\0" + struct.pack("<IHHHII", 8, 1, 36867, 2, 20, 26) + bytes(4) + DATE.encode() + b"\0"


def by_opencv(extension: str, pixels: NDArray[Any] = PIXELS, *options: int) -> bytes:
    return bytes(cv2.imencode(extension, np.ascontiguousarray(pixels[:, :, ::-1]), options)[1])


def heif(bits: int = 8) -> bytes:
    file = BytesIO()
    of_16 = np.ascontiguousarray(PIXELS.astype(np.uint16) << 8)
    one = pillow_heif.from_bytes(
        "RGB;16" if bits > 8 else "RGB", PICTURE.size, of_16.tobytes() if bits > 8 else PIXELS.tobytes()
    )
    saving = pillow_heif.options.SAVE_HDR_TO_12_BIT
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        one.save(file, quality=95)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = saving
    return file.getvalue()


def heif_of_two() -> bytes:
    file = BytesIO()
    both = pillow_heif.from_pillow(OTHER)
    both.add_from_pillow(PICTURE)
    both.save(file, quality=95, primary_index=1)
    return file.getvalue()


def branded(data: bytes, brand: bytes) -> bytes:
    return data[:8] + brand + data[12:]


def jpeg_in_jxl() -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(coded(PICTURE, quality=95))
        file.flush()
        with Image.open(file.name) as image:
            return coded(image, "JXL", lossless_jpeg=True)


AVIF = coded(PICTURE, "AVIF", quality=95)
CASES: dict[str, Callable[[], bytes]] = {
    "DNG with a JPEG": lambda: dng(PICTURE, coded(PICTURE, quality=95)),
    "DNG with a JPEG of half the sides": lambda: dng(PICTURE.resize((192, 128)), coded(PICTURE, quality=95)),
    "JPEG XL": lambda: coded(PICTURE, "JXL", quality=95),
    "JPEG XL, lossless": lambda: coded(PICTURE, "JXL", lossless=True),
    "JPEG XL with a box": lambda: coded(PICTURE, "JXL", exif=EXIF),
    "JPEG XL of a JPEG": jpeg_in_jxl,
    "PSD": lambda: psd(PICTURE),
    "PSD, not packed": lambda: psd(PICTURE, packed=False),
    "PSD, 16 bits": lambda: psd(PICTURE, bits=16),
    "PSB, 16 bits": lambda: psd(PICTURE, bits=16, large=True),
    "PSD, CMYK": lambda: psd(PICTURE.convert("CMYK")),
    "PSD, indexed": lambda: psd(PICTURE.quantize(256)),
    "AVIF": lambda: AVIF,
    "AVIF, mif1": lambda: branded(AVIF, b"mif1"),
    "AVIF, miaf": lambda: branded(AVIF, b"miaf"),
    "AVIF, MA1B": lambda: branded(AVIF, b"MA1B"),
    "AVIF, 10 bits": lambda: by_opencv(".avif", PIXELS.astype(np.uint16) * 4, cv2.IMWRITE_AVIF_DEPTH, 10),
    "AVIF, 12 bits": lambda: by_opencv(".avif", PIXELS.astype(np.uint16) * 16, cv2.IMWRITE_AVIF_DEPTH, 12),
    "HEIF, 10 bits": lambda: heif(10),
    "HEIF, 12 bits": lambda: heif(12),
    "HEIF, miaf": lambda: branded(heif(), b"miaf"),
    "HEIF of two, the second is primary": heif_of_two,
    "Ultra HDR": lambda: ultra_hdr(PICTURE, GREY.resize((24, 16))),
    "MPO": lambda: coded(PICTURE, "MPO", save_all=True, append_images=[OTHER], quality=95),
    "PNG, 12 bits in 16": lambda: by_opencv(".png", PIXELS.astype(np.uint16) * 16),
    "TIFF, 14 bits in 16": lambda: by_opencv(".tif", PIXELS.astype(np.uint16) * 64),
    "TIFF, 16 bits": lambda: by_opencv(".tif", PIXELS.astype(np.uint16) * 257),
}


def assert_alike(data: bytes, tolerance: float = 6) -> None:
    photo = decode(data)
    assert (photo.size, photo.scale, photo.pixels.shape) == (PICTURE.size, 1, PIXELS.shape)
    assert np.abs(photo.pixels.astype(int) - PIXELS).mean() < tolerance


@pytest.mark.parametrize("kind", CASES)
def test_a_file_of_every_kind_gives_its_picture_and_a_digest_of_its_own(kind: str) -> None:
    data = CASES[kind]()
    assert_alike(data)
    assert len({coded_digest(data), coded_digest(coded(PICTURE)), coded_digest(coded(OTHER))}) == 3
    assert read_embedded(data).size == PICTURE.size


# ------------------------------------------------------------------------------------------------------- RAW


def test_a_raw_file_whose_jpeg_is_small_is_developed_at_half_size() -> None:
    for jpeg in (None, coded(OTHER.resize((46, 30)))):
        photo = decode(dng(PICTURE, jpeg))
        assert (photo.size, photo.scale, photo.pixels.shape) == (PICTURE.size, 0.5, (32, 48, 3))
        assert np.abs(photo.pixels.astype(int) - PIXELS[::2, ::2]).mean() < 25  # brightened as LibRaw does
    assert decode(dng(OTHER, coded(PICTURE))).pixels[0, 0, 2] > 200  # that of the JPEG, which is large enough
    photo = decode(dng(PICTURE, linear=True))
    assert (photo.scale, photo.pixels.shape) == (1, PIXELS.shape)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("has_jpeg", [True, False])
def test_raw_files_are_turned_as_they_say(orientation: int, has_jpeg: bool) -> None:
    upright = np.asarray(PICTURE.transpose(TURNS[orientation]) if orientation > 1 else PICTURE)
    data = dng(PICTURE, coded(PICTURE) if has_jpeg else None, orientation)
    photo = decode(data)
    assert photo.size == upright.shape[1::-1]
    found = cv2.resize(photo.pixels, photo.size, interpolation=cv2.INTER_LINEAR)
    assert np.abs(found.astype(int) - upright).mean() < 25
    said = read_embedded(data)
    assert (said.orientation, said.size, said.dates) == (
        orientation,
        PICTURE.size,
        {"DateTimeOriginal": DATE},
    )


def test_a_jpeg_in_a_raw_file_that_is_turned_already_or_says_how_is_turned_once() -> None:
    upright = PICTURE.transpose(Image.Transpose.ROTATE_270)
    exif = Image.Exif()
    exif[274] = 6
    for jpeg in (coded(upright, quality=95), coded(PICTURE, quality=95, exif=exif.tobytes())):
        photo = decode(dng(PICTURE, jpeg, 6))
        assert photo.size == (64, 96)
        assert np.abs(photo.pixels.astype(int) - np.asarray(upright)).mean() < 6


def test_without_the_extra_a_file_is_told_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"rawpy": dng(PICTURE, coded(PICTURE)), "pillow_jxl": coded(PICTURE, "JXL")}
    for module, data in files.items():
        monkeypatch.setitem(sys.modules, module, None)
        extra = {"rawpy": "raw", "pillow_jxl": "jxl"}[module]
        with pytest.raises(PhotoError, match=rf"type: pip install 'facecluster\[{extra}\]'"):
            decode(data)
        assert coded_digest(data)
    assert read_embedded(files["rawpy"]).dates == {"DateTimeOriginal": DATE}


def test_dates_of_raw_files_that_are_no_tiff() -> None:
    tiff = EXIF
    boxes = struct.pack(">I4s4s", 12, b"ftyp", b"crx ") + b"".join(
        struct.pack(">I4s", len(tiff) + 8, name) + tiff for name in (b"CMT1", b"CMT2")
    )
    jpeg = coded(PICTURE, exif=b"Exif\0\0" + tiff)
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">II", 92, len(jpeg)) + jpeg
    for data in (boxes, raf, b"IIRO" + tiff[4:], b"IIU\0" + tiff[4:]):
        assert read_embedded(data).dates == {"DateTimeOriginal": DATE}
        with pytest.raises(PhotoError):  # there is nothing else in them
            decode(data)


# --------------------------------------------------------------------------------------------- what does not count


@pytest.mark.parametrize("orientation", [1, 3])
def test_raw_files_of_one_thumbnail_have_digests_of_their_own(orientation: int) -> None:
    made = [dng(image, coded(image) if jpeg else None, 1) for image in (PICTURE, OTHER) for jpeg in (1, 0)]
    made.append(dng(PICTURE, coded(PICTURE), orientation + 1))
    assert len({coded_digest(data) for data in made}) == len(made)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("kind", ["DNG with a JPEG", "JPEG XL, lossless", "JPEG XL with a box", "PSD"])
def test_metadata_do_not_count(kind: str, tmp_path: Path) -> None:
    data = CASES[kind]()
    file = tmp_path / f"a.{'dng' if 'DNG' in kind else 'psd' if 'PSD' in kind else 'jxl'}"
    file.write_bytes(data)
    subprocess.run(
        ["exiftool", "-q", "-m", "-overwrite_original", "-XMP:Rating=5", f"-DateTimeOriginal={DATE}", file],
        check=True,
    )
    edited = file.read_bytes()
    assert edited != data
    assert coded_digest(edited) == coded_digest(data)
    assert read_embedded(edited).dates["DateTimeOriginal"] == DATE
    assert b"Rating" in (read_embedded(edited).xmp or b"")
    np.testing.assert_array_equal(decode(edited).pixels, decode(data).pixels)


def test_a_psd_without_its_flattened_picture_is_told() -> None:
    with pytest.raises(PhotoError, match="flattened picture is missing"):
        decode(psd(Image.new("RGB", (9, 9), "white"), flattened=False))
    data = bytearray(psd(PICTURE))
    data[22:24] = b"\0\x20"
    with pytest.raises(PhotoError, match="32 bits"):
        decode(bytes(data))


# --------------------------------------------------------------------------------------- more than 8 bits


def grey_tiff(values: NDArray[Any], said: dict[int, int | float] | None = None) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in (said or {}).items():
        tags.tagtype[tag] = 12 if isinstance(value, float) else 3
        tags[tag] = value
    return coded(Image.fromarray(values), "TIFF", tiffinfo=tags)


@pytest.mark.parametrize(
    ("values", "said", "white"),
    [
        (np.uint16([0, 255]), {}, 255),
        (np.uint16([0, 1000]), {}, 1023),
        (np.uint16([0, 4080]), {}, 4095),
        (np.uint16([0, 16000]), {}, 16383),
        (np.uint16([0, 65000]), {}, 65535),
        (np.uint16([0, 3000]), {}, 65535),  # a dark photo
        (np.uint16([0, 9000]), {}, 65535),
        (np.uint16([0, 3000]), {281: 4095}, 4095),
        (np.uint16([0, 4000]), {281: 65535}, 65535),
        (np.uint16([0, 5000]), {281: 4095}, 65535),  # it says what cannot be
        (np.uint16([0, 12000]), {281: 12000}, 65535),  # a statistic
        (np.float32([0, 0.5]), {}, 1),
        (np.float32([0, 2] + 30 * [0.5]), {}, 1),
        (np.float32([0, 12, 14, 16]), {}, 1),  # highlights of HDR
        (np.float32([0, 100, 200, np.nan, np.inf]), {}, 255),
        (np.float32([0, 4000, 3000]), {}, 4095),
        (np.float32([0, 30000, 3000]), {}, 65535),
        (np.float32([0, 100, 200]), {341: 1.0}, 1),
        (np.float32([0, 100, 200]), {341: 4095.0}, 4095),
    ],
)
def test_what_is_white(values: NDArray[Any], said: dict[int, int | float], white: float) -> None:
    data = grey_tiff(np.tile(values, (4, 1)), said)
    expected = depth.in_8_bits(values, white)
    np.testing.assert_array_equal(decode(data).pixels[0, :, 0], expected)
    shares = np.clip(np.nan_to_num(values.astype(np.float64), posinf=white) / white, 0, 1)
    assert np.abs(expected - 255 * shares).max() <= 1


@pytest.mark.parametrize(("bits", "white"), [(12, 4095), (16, 65535)])
def test_significant_bits_of_a_png_say_what_is_white(bits: int, white: int) -> None:
    png = coded(Image.fromarray(np.uint16([[0, 1000, 3000]])), "PNG")
    chunk = b"sBIT" + bytes([bits])
    data = png[:33] + struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]
    assert decode(data).pixels[0, 2, 0] == 3000 * 256 // (white + 1)


@pytest.mark.parametrize("white", [1, 255])
def test_floats_in_colours(white: int) -> None:
    tiff = by_opencv(".tif", np.float32(PIXELS / 255 * white))
    np.testing.assert_array_equal(decode(tiff).pixels, PIXELS)
    assert coded_digest(tiff) != coded_digest(by_opencv(".tif", np.float32(PIXELS)[::-1]))
    with pytest.raises(PhotoError):
        decode(tiff[: len(tiff) // 2])


def test_dark_colours_of_16_bits_stay_dark() -> None:
    for extension in (".png", ".tif"):
        dark = decode(by_opencv(extension, PIXELS.astype(np.uint16) * 37)).pixels
        np.testing.assert_array_equal(dark, PIXELS.astype(int) * 37 >> 8)


# ------------------------------------------------------------------------------------ JPEG without an end


TRAILER = b"MotionPhoto_Data....ftypmp42" + np.random.default_rng(0).bytes(5000) + b"SEFH....SEFT"


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"quality": 100}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_of_which_only_the_end_is_missing_is_whole(mode: str, options: dict[str, Any]) -> None:
    noisy = PIXELS + np.random.default_rng(1).integers(-40, 15, PIXELS.shape)
    jpeg = coded(Image.fromarray(noisy.astype(np.uint8)).convert(mode), **options)
    whole = decode(jpeg).pixels
    for behind in (b"", TRAILER):
        np.testing.assert_array_equal(decode(jpeg[:-2] + behind).pixels, whole)
    for n_missing in (10, 100, 500):
        data = jpeg[:-n_missing]
        with pytest.raises(PhotoError, match="broken photo"):
            decode(data)
        there = decode(data, truncated=True)
        assert there.size == PICTURE.size
        if "progressive" not in options:
            np.testing.assert_array_equal(there.pixels[:16], whole[:16])
        assert coded_digest(data) != coded_digest(jpeg)


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF"])
def test_what_is_there_of_other_photos(form: str) -> None:
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 255, PIXELS.shape, np.uint8))
    data = coded(noisy, form)
    with pytest.raises(PhotoError):
        decode(data[: len(data) * 3 // 4])
    there = decode(data[: len(data) * 3 // 4], truncated=True).pixels
    n_there = np.flatnonzero((there == decode(data).pixels).all(axis=(1, 2))).size
    assert 20 <= n_there < 64
    with pytest.raises(PhotoError):
        decode(data[:70], truncated=True)


# -------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    "kind", ["DNG with a JPEG", "JPEG XL with a box", "PSD", "PSB, 16 bits", "AVIF, miaf"]
)
def test_damaged_files_raise_nothing_else(kind: str) -> None:
    data, rng = CASES[kind](), np.random.default_rng(0)
    for k in range(60):
        broken = bytearray(data[: int(rng.integers(1, len(data)))] if k % 3 == 0 else data)
        for at in rng.integers(0, min(len(broken), 400), 3):
            broken[at] = rng.integers(256)
        read_embedded(bytes(broken))
        coded_digest(bytes(broken))
        with suppress(PhotoError):
            decode(bytes(broken))


# ----------------------------------------------------------------------------------------- faces, all the way


def test_unusual_files_have_the_face_of_the_plain_one(shared_data: Path, tmp_path: Path) -> None:
    from facecluster import encode

    image = Image.open(min((shared_data / "caltech_faces84" / "person_1").glob("*.jpg"))).convert("RGB")
    grey, jpeg = np.asarray(image)[:, :, 1], coded(image, quality=95)
    files = {
        "a_ref.jpg": jpeg,
        "no_end.jpg": jpeg[:-2] + TRAILER,
        "cut.jpg": jpeg[: len(jpeg) * 4 // 5],
        "brand.avif": branded(coded(image, "AVIF"), b"miaf"),
        "in_16.png": coded(Image.fromarray(grey.astype(np.uint16) * 16), "PNG"),
        "float.tif": coded(Image.fromarray(grey.astype(np.float32)), "TIFF"),
        "shown.dng": dng(image, jpeg),
        "developed.dng": dng(image.resize((896, 592)), coded(image.resize((160, 106)))),
        "a.jxl": coded(image, "JXL"),
        "a.psd": psd(image, bits=16),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    table = encode(tmp_path, truncated=True, jobs=1)
    assert table.settings.options["truncated"] is True
    paths = [Path(path).name for path in table.photos.path]
    assert sorted(paths) == sorted(files)
    assert table.faces.photo.tolist() == list(range(len(files)))
    boxes = table.faces.box / table.photos.size[:, [0, 1, 0, 1]]
    np.testing.assert_allclose(boxes, np.tile(boxes[0], (len(files), 1)), atol=0.02)
    distances = np.linalg.norm(table.faces.encoding - table.faces.encoding[0], axis=1)
    assert distances.max() < 0.75, dict(zip(paths, distances, strict=True))
    assert not math.isnan(table.photos.time[paths.index("shown.dng")])

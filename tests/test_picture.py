from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from facecluster.errors import PhotoError
from facecluster.photos.decode import decode
from facecluster.photos.file import file_digest
from facecluster.photos.looks import perceptual_hash
from facecluster.photos.picture import coded_digest, hashes, pixel_digest

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><xmp:Rating>5</xmp:Rating></rdf:RDF></x:xmpmeta>'
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OTHER_PROFILE = PROFILE[:-1] + bytes([PROFILE[-1] ^ 1])


def make_pixels(seed: int = 0, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """A smooth picture with a little noise."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + rng.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8)


def encode(pixels: np.ndarray, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    if form == "HEIF":
        pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, **options)
    else:
        Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def exif(orientation: int = 1, text: str = "a camera") -> Image.Exif:
    found = Image.Exif()
    found[0x010F] = text
    found[0x0112] = orientation
    found.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    return found


def pixels_of(data: bytes, folder: Path) -> np.ndarray | None:
    file = folder / "photo"
    file.write_bytes(data)
    try:
        return decode(file).pixels
    except PhotoError:
        return None


def whole(data: bytes) -> str:
    """The digest of a file of which all bytes count."""
    return hashlib.blake2b(b"bytes\0" + len(data).to_bytes(8, "little") + data, digest_size=16).hexdigest()


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_looked_into(form: str) -> None:
    data = encode(make_pixels(), form)
    assert len(coded_digest(data)) == 32
    assert coded_digest(data) != whole(data)


@pytest.mark.parametrize("form", ["BMP", "GIF", "PPM"])
def test_all_bytes_count_in_other_formats(form: str) -> None:
    data = encode(make_pixels(), form)
    assert coded_digest(data) == whole(data)
    assert coded_digest(b"") == whole(b"")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("what", ["exif", "xmp", "icc_profile"])
def test_metadata_do_not_count(form: str, what: str) -> None:
    pixels = make_pixels()
    added = {what: {"exif": exif().tobytes(), "xmp": XMP, "icc_profile": PROFILE}[what]}
    without: dict[str, object] = {}
    if what == "xmp" and form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        added = {"pnginfo": text}
    elif what == "xmp" and form == "TIFF":
        added = {"tiffinfo": {700: XMP}}
    elif what == "icc_profile" and form in ("HEIF", "AVIF"):
        without = {"icc_profile": OTHER_PROFILE}  # with any profile, the encoders code the colours otherwise
    with_it = encode(pixels, form, **added)
    assert with_it != encode(pixels, form, **without)
    assert coded_digest(with_it) == coded_digest(encode(pixels, form, **without))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", [1, 2])
def test_another_picture_has_another_digest(form: str, seed: int) -> None:
    pixels = make_pixels()
    changed = pixels.copy()
    if seed == 1:  # one pixel, by enough for a lossy format
        changed[40, 50] = 255 - changed[40, 50]
    else:
        changed = make_pixels(seed)
    assert coded_digest(encode(pixels, form)) != coded_digest(encode(changed, form))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_each_orientation_has_its_digest(form: str) -> None:
    pixels = make_pixels()
    digests = [coded_digest(encode(pixels, form, exif=exif(value).tobytes())) for value in range(1, 9)]
    assert len(set(digests)) == 8
    assert digests[0] == coded_digest(encode(pixels, form))


def test_orientation_in_xmp_counts_where_pillow_applies_it(tmp_path: Path) -> None:
    turned = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    for form in ("JPEG", "WEBP", "AVIF"):
        plain, other = encode(make_pixels(), form), encode(make_pixels(), form, xmp=turned)
        one, two = pixels_of(plain, tmp_path), pixels_of(other, tmp_path)
        assert one is not None
        assert two is not None
        assert (coded_digest(plain) == coded_digest(other)) == np.array_equal(one, two)


def test_orientation_behind_the_picture_of_a_png_counts(tmp_path: Path) -> None:
    data = encode(make_pixels(), "PNG")
    with_exif = encode(make_pixels(), "PNG", exif=exif(6).tobytes())
    at = with_exif.index(b"eXIf") - 4
    chunk = with_exif[at : at + 12 + int.from_bytes(with_exif[at : at + 4], "big")]
    behind = data[:-12] + chunk + data[-12:]
    assert coded_digest(behind) == coded_digest(with_exif) != coded_digest(data)
    pixels = pixels_of(behind, tmp_path)
    assert pixels is not None
    assert pixels.shape == (96, 64, 3)


def test_comments_thumbnails_and_trailers_of_a_jpeg_do_not_count() -> None:
    pixels = make_pixels()
    data = encode(pixels, "JPEG")
    thumbnail = encode(make_pixels(3), "JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\0\0" + thumbnail
    digest = coded_digest(data)
    assert coded_digest(encode(pixels, "JPEG", comment=b"hello")) == digest
    assert coded_digest(data[:2] + segment + data[2:]) == digest
    assert coded_digest(data + thumbnail) == digest
    assert coded_digest(data + b"trailer of a phone") == digest
    assert coded_digest(data[:2] + b"\xff\xff\xff" + data[3:]) == digest  # fill bytes


def test_further_pictures_of_an_mpo_do_not_count() -> None:
    def mpo(second: int) -> bytes:
        file = io.BytesIO()
        first, other = Image.fromarray(make_pixels()), Image.fromarray(make_pixels(second))
        first.save(file, "MPO", save_all=True, append_images=[other])
        return file.getvalue()

    assert coded_digest(mpo(1)) == coded_digest(mpo(2)) == coded_digest(encode(make_pixels(), "JPEG"))


def test_adobe_colours_of_a_jpeg_count() -> None:
    data = encode(make_pixels(), "JPEG")
    assert data[2:4] == b"\xff\xe0"
    bare = data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]  # without JFIF, which says YCbCr
    adobe = [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform]) for transform in (0, 1)]
    rgb, ycbcr = (coded_digest(bare[:2] + segment + bare[2:]) for segment in adobe)
    assert rgb != ycbcr == coded_digest(bare) == coded_digest(data)


def test_progressive_and_grey_and_cmyk_jpegs_are_looked_into() -> None:
    for mode in ("RGB", "L", "CMYK"):
        file = io.BytesIO()
        Image.fromarray(make_pixels()).convert(mode).save(file, "JPEG", progressive=mode == "RGB")
        data = file.getvalue()
        assert coded_digest(data) != whole(data)
        assert coded_digest(data + b"x") == coded_digest(data)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_webp_header_that_metadata_bring_does_not_count(lossless: bool, alpha: bool) -> None:
    picture = Image.fromarray(make_pixels())
    if alpha:
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    plain, tagged = io.BytesIO(), io.BytesIO()
    picture.save(plain, "WEBP", lossless=lossless)
    picture.save(tagged, "WEBP", lossless=lossless, exif=exif().tobytes(), xmp=XMP)
    assert coded_digest(plain.getvalue()) == coded_digest(tagged.getvalue())


def test_files_are_told_apart_by_later_pages_and_frames() -> None:
    for form in ("WEBP", "PNG", "TIFF", "GIF"):

        def film(second: int, form: str = form) -> bytes:
            file = io.BytesIO()
            first, other = Image.fromarray(make_pixels()), Image.fromarray(make_pixels(second))
            first.save(file, form, save_all=True, append_images=[other], lossless=True)
            return file.getvalue()

        assert coded_digest(film(1)) != coded_digest(film(2))
        assert coded_digest(film(1)) == coded_digest(film(1))


def test_transparency_of_a_png_counts() -> None:
    pixels = make_pixels()
    assert coded_digest(encode(pixels, "PNG")) != coded_digest(encode(pixels, "PNG", transparency=(1, 2, 3)))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_tiff_strips_count_wherever_they_lie(compression: str | None) -> None:
    data = bytearray(encode(make_pixels(), "TIFF", compression=compression))
    assert coded_digest(bytes(data)) != whole(bytes(data))
    page = int.from_bytes(data[4:8], "little")
    n_tags = int.from_bytes(data[page : page + 2], "little")
    entries = [page + 2 + 12 * k for k in range(n_tags)]
    tag = {int.from_bytes(data[at : at + 2], "little"): at for at in entries}
    at, length = (int.from_bytes(data[tag[t] + 8 : tag[t] + 12], "little") for t in (273, 279))
    assert int.from_bytes(data[tag[273] + 4 : tag[273] + 8], "little") == 1
    moved = bytearray(data) + b"spacer" + data[at : at + length]
    moved[tag[273] + 8 : tag[273] + 12] = (len(data) + 6).to_bytes(4, "little")
    moved[at : at + length] = bytes(length)
    assert coded_digest(bytes(moved)) == coded_digest(bytes(data))
    shorter = bytearray(data)
    shorter[tag[279] + 8 : tag[279] + 12] = (length // 2).to_bytes(4, "little")
    if compression is None:  # Pillow reads on, so the length says nothing
        assert coded_digest(bytes(shorter)) == whole(bytes(shorter))


def test_modes_of_tiff_and_png_are_looked_into() -> None:
    for form in ("TIFF", "PNG"):
        for mode in ("1", "L", "P", "RGBA", "I;16"):
            file = io.BytesIO()
            picture = Image.fromarray(make_pixels())
            if mode == "I;16":
                picture = Image.fromarray(make_pixels()[..., 0].astype(np.uint16) * 256)
            else:
                picture = picture.convert(mode)
            picture.save(file, form)
            assert coded_digest(file.getvalue()) != whole(file.getvalue()), (form, mode)


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_file_is_not_the_whole_one(form: str) -> None:
    data = encode(make_pixels(), form, exif=exif().tobytes())
    digest = coded_digest(data)
    for length in [*range(0, len(data) - 200, 97), *range(len(data) - 200, len(data))]:
        assert coded_digest(data[:length]) != digest


@pytest.mark.parametrize("form", FORMATS)
def test_files_of_equal_digests_have_equal_pixels_also_when_damaged(form: str, tmp_path: Path) -> None:
    data = encode(make_pixels(), form, exif=exif(6).tobytes(), xmp=XMP, icc_profile=PROFILE)
    digest, pixels = coded_digest(data), pixels_of(data, tmp_path)
    assert pixels is not None
    rng = np.random.default_rng(0)
    n_equal = 0
    for _ in range(1500):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            broken[at] ^= 1 << rng.integers(8) if rng.random() < 0.5 else rng.integers(256)
        if coded_digest(bytes(broken)) == digest:
            n_equal += 1
            found = pixels_of(bytes(broken), tmp_path)
            assert found is None or np.array_equal(found, pixels)
    assert n_equal > 0


SEEDS = [encode(make_pixels(size=(24, 16)), form, exif=exif().tobytes()) for form in FORMATS]


@settings(max_examples=300, deadline=1000)
@given(data=st.data())
def test_no_bytes_make_it_fail(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS))
    at = data.draw(st.integers(0, len(seed)))
    inserted = data.draw(st.binary(max_size=24))
    cut = data.draw(st.integers(0, 24))
    assert len(coded_digest(seed[:at] + inserted + seed[at + cut :])) == 32
    start = data.draw(st.sampled_from([12, 8, 4]))
    assert len(coded_digest(seed[:start] + data.draw(st.binary(max_size=200)))) == 32


@pytest.mark.parametrize(
    "piece",
    [
        b"\xff\xd8" + b"\xff" * 3_000_000,
        b"\xff\xd8" + b"\xff\xfe\0\x02" * 700_000,
        b"RIFF\xff\xff\x2d\0WEBP" + b"ABCD\0\0\0\0" * 400_000,
        b"\0\0\0\x18ftypheic" + bytes(12) + b"\0\0\0\x08free" * 400_000,
        b"\0\0\0\x18ftypavif" + bytes(12) + bytes(3_000_000),
        b"II*\0\x08\0\0\0\xff\xff" + b"\x11\x01\x04\0\xff\xff\x0b\0\0\0\0\0" * 250_000,
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IDAT\x35\xaf\x06\x1e" * 250_000,
    ],
    ids=["fill", "segments", "chunks", "boxes", "zeros", "tags", "png"],
)
def test_hostile_files_take_little_time(piece: bytes) -> None:
    start = time.perf_counter()
    assert coded_digest(piece) == whole(piece)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(("one", "other"), [("PNG", "TIFF"), ("PNG", "WEBP"), ("TIFF", "WEBP")])
def test_pixels_are_known_again_after_lossless_coding(one: str, other: str, tmp_path: Path) -> None:
    digests = set()
    for form in (one, other):
        file = tmp_path / form
        file.write_bytes(encode(make_pixels(), form, **({"lossless": True} if form == "WEBP" else {})))
        photo = decode(file)
        digests.add(pixel_digest(photo.pixels, photo.size))
    assert len(digests) == 1


def test_pixel_digest_tells_shape_size_and_each_value() -> None:
    pixels = make_pixels()
    digest = pixel_digest(pixels, (96, 64))
    changed = pixels.copy()
    changed[-1, -1, -1] ^= 1
    assert len(digest) == 32
    assert digest != pixel_digest(changed, (96, 64))
    assert digest != pixel_digest(pixels, (192, 128))
    assert digest != pixel_digest(pixels.reshape(96, 64, 3), (96, 64))
    assert digest == pixel_digest(np.asfortranarray(pixels), (96, 64))
    pixel_digest(np.zeros((0, 0, 3), np.uint8), (0, 0))


@pytest.mark.parametrize("size", [(96, 64), (640, 480), (1201, 1507), (3, 900), (1, 1)])
def test_hashes_are_those_of_the_turned_and_mirrored_picture(size: tuple[int, int]) -> None:
    pixels = make_pixels(5, size)
    found = hashes(pixels)
    assert found[0] == perceptual_hash(pixels)
    for k in range(4):
        for mirrored, value in ((False, found[k]), (True, found[4 + k])):
            turned = np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, k))
            assert (perceptual_hash(turned) ^ value).bit_count() <= (2 if min(size) > 9 else 64)


def exiftool(*arguments: str | Path) -> None:
    subprocess.run(["exiftool", "-q", "-m", "-overwrite_original", *map(str, arguments)], check=True)


EDITS: dict[str, Callable[[Path], tuple[str | Path, ...]]] = {
    "rating": lambda folder: ("-XMP:Rating=5",),
    "keywords": lambda folder: ("-keywords+=x", "-XMP:Subject+=x"),
    "exif": lambda folder: ("-EXIF:Artist=me", "-EXIF:UserComment=hello", "-GPSLatitude=48"),
    "profile": lambda folder: (f"-icc_profile<={folder / 'profile.icc'}",),
    "all removed": lambda folder: ("-all=", "-tagsfromfile", "@", "-orientation"),
}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("form", FORMATS)
def test_what_exiftool_writes_does_not_count(form: str, edit: str, tmp_path: Path) -> None:
    if edit == "profile" and form in ("HEIF", "AVIF"):
        pytest.skip("exiftool writes no profile into these")
    extension = {"JPEG": "jpg", "HEIF": "heic", "TIFF": "tif"}.get(form, form.lower())
    file = tmp_path / f"photo.{extension}"
    file.write_bytes(encode(make_pixels(), form, exif=exif(1).tobytes()))
    (tmp_path / "profile.icc").write_bytes(PROFILE)
    before = file.read_bytes()
    exiftool(*EDITS[edit](tmp_path), file)
    after = file.read_bytes()
    assert before != after
    assert coded_digest(before) == coded_digest(after) != whole(after)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_that_exiftool_writes_counts(form: str, tmp_path: Path) -> None:
    extension = {"JPEG": "jpg", "TIFF": "tif"}.get(form, form.lower())
    file = tmp_path / f"photo.{extension}"
    file.write_bytes(encode(make_pixels(), form))
    before = coded_digest(file.read_bytes())
    exiftool("-n", "-Orientation=6", file)
    assert coded_digest(file.read_bytes()) != before
    exiftool("-n", "-Orientation=1", file)
    assert coded_digest(file.read_bytes()) == before


def test_real_photos_are_looked_into(shared_data: Path) -> None:
    files = sorted((shared_data / "lfw_dev").rglob("*.jpg"))[::200] + sorted(
        (shared_data / "dlib_faces").glob("*.jpg")
    )
    digests = [coded_digest(file.read_bytes()) for file in files]
    assert all(digest != whole(file.read_bytes()) for digest, file in zip(digests, files, strict=True))
    assert len(set(digests)) == len({file_digest(file.read_bytes()) for file in files})

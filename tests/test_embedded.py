from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facecluster.errors import FaceclusterError, PhotoError
from facecluster.formats import embedded, xmp
from facecluster.formats.embedded import Embedded, embedded_of, read_embedded
from facecluster.photos.decode import decode

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
CORNERS = np.zeros((64, 96, 3), np.uint8)
CORNERS[:32, :48], CORNERS[:32, 48:], CORNERS[32:, :48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
DATES = {
    "DateTimeOriginal": "2019:05:04 10:11:12",
    "OffsetTimeOriginal": "+02:00",
    "DateTimeDigitized": "2019:05:04 10:11:13",
    "OffsetTimeDigitized": "+03:00",
    "DateTime": "2021:01:01 00:00:01",
    "OffsetTime": "-01:00",
}


def packet(*keywords: str, more: str = "") -> bytes:
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    subject = f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>" if keywords else ""
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF} xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<rdf:Description rdf:about=""{more}>{subject}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def exif(orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x0132] = DATES["DateTime"]
    details = found.get_ifd(0x8769)
    names = (
        "DateTimeOriginal",
        "DateTimeDigitized",
        "OffsetTime",
        "OffsetTimeOriginal",
        "OffsetTimeDigitized",
    )
    for tag, name in zip((0x9003, 0x9004, 0x9010, 0x9011, 0x9012), names, strict=True):
        details[tag] = DATES[name]
    return found


def photo(form: str, orientation: int = 1, said: bytes = b"") -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(CORNERS)
    if form == "TIFF":
        tags = exif(orientation)
        if said:
            tags[700] = said
        image.save(file, "TIFF", exif=tags.tobytes())
        return file.getvalue()
    options = {"exif": exif(orientation).tobytes()} | ({"xmp": said} if said else {})
    if form == "HEIF":
        pillow_heif.register_heif_opener()
        image.save(
            file, "HEIF", **options
        )  # with its own properties, and EXIF data that repeat the orientation
    elif form == "PNG":
        image.save(file, "PNG", exif=options["exif"])
        return (
            with_chunk(file.getvalue(), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + said)
            if said
            else file.getvalue()
        )
    else:
        image.save(file, form, **options)
    return file.getvalue()


def with_chunk(png: bytes, name: bytes, body: bytes, at: int = 33) -> bytes:
    chunk = len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
    return png[:at] + chunk + png[at:]


def app1(body: bytes) -> bytes:
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


def extended_jpeg(main: bytes, more: bytes, guid: str = "", step: int = 150) -> bytes:
    """A JPEG of a packet, and of another in parts, the last first."""
    guid = guid or hashlib.md5(more).hexdigest().upper()
    parts = [
        app1(
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid.encode()
            + len(more).to_bytes(4, "big")
            + at.to_bytes(4, "big")
            + more[at : at + step]
        )
        for at in range(0, len(more), step)
    ]
    data = photo("JPEG")
    return data[:2] + app1(b"http://ns.adobe.com/xap/1.0/\0" + main) + b"".join(parts[::-1]) + data[2:]


def keywords(said: Embedded) -> tuple[str, ...]:
    assert said.xmp is not None
    return xmp.read(said.xmp).keywords


@pytest.mark.parametrize("form", FORMATS)
def test_a_photo_says_what_it_is(form: str, tmp_path: Path) -> None:
    data = photo(form, said=packet("Anna", "Öğrün"))
    said = read_embedded(data)
    assert keywords(said) == ("Anna", "Öğrün")
    assert (said.orientation, said.size, said.dates) == (1, (96, 64), DATES)
    file = tmp_path / "photo"
    file.write_bytes(data)
    assert embedded_of(file) == said


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMATS)
def test_the_stored_picture_turned_by_the_orientation_is_the_decoded_one(form: str, orientation: int) -> None:
    data = photo(form, orientation)
    said = read_embedded(data)
    assert (said.size, said.orientation) == ((96, 64), orientation)
    shown = decode(data).pixels.astype(int)
    height, width = shown.shape[:2]
    for box, colour in (((0, 0, 0.5, 0.5), CORNERS[0, 0]), ((0.5, 0, 1, 0.5), CORNERS[0, -1])):
        left, top, right, bottom = xmp.upright(box, said.orientation)
        there = shown[
            round(top * height) : round(bottom * height), round(left * width) : round(right * width)
        ]
        assert np.abs(there.mean(axis=(0, 1)) - colour).max() < 30


def test_regions_of_an_heif_file_lie_in_the_shown_picture_where_exif_does_not_say_how_it_is_turned() -> None:
    turned = photo("HEIF", 6)
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00"  # Orientation, a SHORT
    at = turned.index(entry) + len(entry)
    assert turned[at] == 6
    for other in (1, 3, 8):
        said = read_embedded(turned[:at] + bytes([other]) + turned[at + 1 :])
        assert (said.orientation, said.size) == (1, (64, 96))
        assert said.dates == DATES


def test_the_orientation_that_only_xmp_says_counts_as_it_does_in_decoding() -> None:
    said = packet(more=' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"')
    file = io.BytesIO()
    Image.fromarray(CORNERS).save(file, "JPEG", xmp=said)
    assert read_embedded(file.getvalue()).orientation == 6
    assert decode(file.getvalue()).size == (64, 96)


def test_extended_xmp_of_a_jpeg_is_a_part_of_its_packet() -> None:
    more = packet("Tag in the other part" * 20, "Berta &amp; Bo")
    guid = hashlib.md5(more).hexdigest().upper()
    note = f' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{guid}"'
    said = read_embedded(extended_jpeg(packet("Anna", more=note), more))
    assert keywords(said) == ("Anna", "Tag in the other part" * 20, "Berta & Bo")
    assert said.xmp is not None
    assert b"HasExtendedXMP" not in said.xmp


@pytest.mark.parametrize("what", ["cut", "of another", "no XMP", "not told"])
def test_extended_xmp_that_is_not_whole_leaves_the_packet(what: str) -> None:
    more = packet("other" * 50)
    guid = hashlib.md5(more).hexdigest().upper()
    if what == "no XMP":
        more = more.replace(b"rdf:RDF", b"rdf:RDX")
    note = f' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{guid}"'
    main = packet("Anna", more="" if what == "not told" else note)
    data = extended_jpeg(main, more, "0" * 32 if what == "of another" else guid)
    if what == "cut":
        at = data.index(b"http://ns.adobe.com/xmp/extension/")
        length = int.from_bytes(data[at - 2 : at], "big")
        data = data[: at - 4] + data[at - 2 + length :]
    assert read_embedded(data).xmp == main


def test_a_jpeg_is_read_up_to_its_picture(tmp_path: Path) -> None:
    whole = photo("JPEG", 6, packet("Anna"))
    file = tmp_path / "photo.jpg"
    file.write_bytes(whole[: whole.index(b"\xff\xda") + 16])
    assert embedded_of(file) == read_embedded(whole)


@pytest.mark.parametrize("where", ["before", "behind"])
@pytest.mark.parametrize("compressed", [False, True])
def test_xmp_of_a_png_is_read_on_both_sides_of_the_picture(where: str, compressed: bool) -> None:
    png = photo("PNG")
    text = zlib.compress(packet("Anna")) if compressed else packet("Anna")
    body = b"XML:com.adobe.xmp\0" + bytes([compressed, 0]) + b"de\0Name\0" + text
    said = read_embedded(with_chunk(png, b"iTXt", body, 33 if where == "before" else len(png) - 12))
    assert keywords(said) == ("Anna",)
    assert said.size == (96, 64)


def test_exif_data_behind_the_picture_of_a_png_count() -> None:
    png = photo("PNG", 6)
    at = png.index(b"eXIf") - 4
    length = int.from_bytes(png[at : at + 4], "big") + 12
    moved = png[:at] + png[at + length : -12] + png[at : at + length] + png[-12:]
    assert read_embedded(moved) == read_embedded(png)
    assert read_embedded(moved).orientation == 6


def test_a_text_that_grows_when_it_is_read_is_not() -> None:
    bomb = zlib.compress(bytes(100_000_000))
    png = with_chunk(photo("PNG"), b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    assert read_embedded(png).xmp is None


@pytest.mark.parametrize("form", FORMATS)
def test_a_photo_without_metadata_says_its_size_alone(form: str) -> None:
    file = io.BytesIO()
    if form == "HEIF":
        pillow_heif.from_pillow(Image.fromarray(CORNERS)).save(file)
    else:
        Image.fromarray(CORNERS).save(file, form)
    assert read_embedded(file.getvalue()) == Embedded(None, 1, (96, 64), {})


@pytest.mark.parametrize("form", FORMATS)
def test_broken_files_say_less_and_raise_nothing(form: str) -> None:
    data = photo(form, 6, packet("Anna"))
    whole = read_embedded(data)
    for cut in range(0, len(data), 7):
        said = read_embedded(data[:cut])
        assert said.size in (None, whole.size, (64, 96))
        assert said.orientation in (1, 6)
    assert read_embedded(b"") == read_embedded(b"no photo") == Embedded()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_changed_bytes_raise_nothing(form: str, data: st.DataObject) -> None:
    photos = test_changed_bytes_raise_nothing.__dict__.setdefault("photos", {})
    whole = bytearray(photos.setdefault(form, photo(form, 6, packet("Anna"))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    said = read_embedded(bytes(whole))
    assert said.orientation in range(1, 9)
    if said.xmp is not None:
        with suppress(FaceclusterError):
            xmp.read(said.xmp)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such file"):
        embedded_of(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError, match="folder"):
        embedded_of(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoError, match="regular"):
        embedded_of(tmp_path / "pipe.jpg")


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("form", FORMATS)
def test_xmp_that_exiftool_wrote_is_read(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"photo.{'heic' if form == 'HEIF' else form.lower()}"
    file.write_bytes(photo(form, 6))
    subjects = [
        f"Person {k} {'x' * 1000}" for k in range(150 if form == "JPEG" else 3)
    ]  # a JPEG's are extended
    arguments = [f"-XMP-dc:Subject={subject}" for subject in subjects]
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", "-api", "Compact=NoPadding", *arguments, str(file)],
        check=True,
    )
    said = embedded_of(file)
    assert keywords(said) == tuple(subjects)
    assert (said.orientation, said.size, said.dates) == (6, (96, 64), DATES)
    assert embedded.read_embedded(file.read_bytes()) == said

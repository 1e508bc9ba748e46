"""When photos were taken: which of the texts about them counts, and what of it the table and the lists say."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from facecluster.encoding.dated import UNDATED, When, when_of
from facecluster.encoding.keep import Keep
from facecluster.encoding.pipeline import Encoded, encode_each, encode_photos
from facecluster.formats import face_table
from facecluster.options import EncodeOptions
from facecluster.photos.find import find_photos
from facecluster.render.show import PhotoFacts, photo_record, show_photo

HOG = EncodeOptions(detector="hog", upsample=0)
TAKEOUT = {"title": "a.jpg", "photoTakenTime": {"timestamp": "1300000000"}}
XMP_TAGS = {
    "exif:DateTimeOriginal": "http://ns.adobe.com/exif/1.0/",
    "exif:DateTimeDigitized": "http://ns.adobe.com/exif/1.0/",
    "photoshop:DateCreated": "http://ns.adobe.com/photoshop/1.0/",
    "xmp:CreateDate": "http://ns.adobe.com/xap/1.0/",
}


def seconds(*when: int) -> float:
    return datetime(*when, tzinfo=timezone.utc).timestamp()  # type: ignore[arg-type]


def packet(**dates: str) -> bytes:
    """XMP of some dates; `xmp_CreateDate` stands for xmp:CreateDate."""
    said = {name.replace("_", ":"): text for name, text in dates.items()}
    texts = "".join(
        f' xmlns:{name.split(":")[0]}{i}="{XMP_TAGS[name]}" {name.replace(":", f"{i}:")}="{text}"'
        for i, (name, text) in enumerate(said.items())
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{texts}/></rdf:RDF></x:xmpmeta>'
    ).encode()


def exif_of(tags: Mapping[str, str]) -> bytes:
    exif = Image.Exif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for name, text in tags.items():
        (exif if name == "DateTime" else details)[ExifTags.Base[name]] = text
    return exif.tobytes()


def photo(tags: Mapping[str, str] | None = None, xmp: bytes = b"", form: str = "JPEG") -> bytes:
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    options = {"exif": exif_of(tags)} if tags else {}
    Image.new("RGB", (64, 48), "teal").save(file, form, **(options | ({"xmp": xmp} if xmp else {})))
    return file.getvalue()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"DateTimeOriginal": "1970:01:02 00:00:01"}, When(86_401, "DateTimeOriginal")),
        ({"DateTimeOriginal": "1960:01:01 00:00:00"}, When(-315_619_200, "DateTimeOriginal")),
        (
            {"DateTimeOriginal": "2020:06:01 12:00:00", "OffsetTimeOriginal": "+02:00"},
            When(seconds(2020, 6, 1, 10), "DateTimeOriginal", zoned=True),
        ),
        (
            {"DateTimeOriginal": "2020:06:01 12:00:00", "OffsetTimeOriginal": "-03:30"},
            When(seconds(2020, 6, 1, 15, 30), "DateTimeOriginal", zoned=True),
        ),
        (
            {"DateTimeOriginal": "2020:06:01 12:00:00\0", "OffsetTimeOriginal": "  :  "},
            When(seconds(2020, 6, 1, 12), "DateTimeOriginal"),
        ),
        (
            {"DateTimeOriginal": "    :  :     :  :  ", "DateTimeDigitized": "2001:02:03 04:05:06"},
            When(seconds(2001, 2, 3, 4, 5, 6), "DateTimeDigitized"),
        ),
        ({"DateTime": "2021:01:01 00:00:00"}, When(seconds(2021, 1, 1), "DateTime")),
        ({"DateTimeOriginal": "0000:00:00 00:00:00"}, UNDATED),
        ({"DateTimeOriginal": "yesterday", "OffsetTimeOriginal": "+01:00"}, UNDATED),
        ({}, UNDATED),
    ],
)
def test_exif_says_it(tags: dict[str, str], expected: When, tmp_path: Path) -> None:
    found = when_of(str(tmp_path / "a.jpg"), photo(tags))
    assert found[1:] == expected[1:]
    assert found.time == pytest.approx(expected.time, nan_ok=True)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
def test_every_format_tells_its_time(form: str, tmp_path: Path) -> None:
    data = photo({"DateTimeOriginal": "1970:01:02 00:00:01"}, form=form)
    assert when_of(str(tmp_path / "a"), data) == When(86_401, "DateTimeOriginal")


def test_each_source_counts_only_where_no_better_one_is_a_date(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    last = {"DateTime": "2021:01:01 00:00:00"}
    own = packet(xmp_CreateDate="2003-03-03T03:03:03")

    def found(exif: Mapping[str, str] = last, xmp: bytes = own) -> tuple[str, int, bool]:
        when = when_of(str(path), photo(exif, xmp))
        return when.tag, datetime.fromtimestamp(when.time, timezone.utc).year, when.zoned

    assert found(xmp=b"") == ("DateTime", 2021, False)
    (tmp_path / "a.jpg.supplemental-metadata.json").write_text(json.dumps(TAKEOUT))
    os.utime(tmp_path, (1, 1))
    assert found(xmp=b"") == ("photoTakenTime", 2011, True)
    assert found() == ("xmp:CreateDate", 2003, False)
    (tmp_path / "a.xmp").write_bytes(packet(xmp_CreateDate="2004-03-03T03:03:03+01:00"))
    os.utime(tmp_path, (2, 2))
    assert found() == ("xmp:CreateDate", 2004, True)
    (tmp_path / "a.jpg.xmp").write_bytes(packet(photoshop_DateCreated="2005"))
    os.utime(tmp_path, (3, 3))
    assert found() == ("xmp:CreateDate", 2004, True)  # a year is no date
    (tmp_path / "a.jpg.xmp").write_bytes(packet(photoshop_DateCreated="2005-05-05"))
    assert found() == ("photoshop:DateCreated", 2005, False)
    assert found(xmp=packet(exif_DateTimeOriginal="2006-01-01T00:00:00Z")) == (
        "exif:DateTimeOriginal",
        2006,
        True,
    )
    assert found({"DateTimeDigitized": "2007:01:01 00:00:00"}) == ("DateTimeDigitized", 2007, False)


@pytest.mark.parametrize(
    "bad", [b"", b"<x:xmpmeta", b"<!DOCTYPE a><a/>", b"\0" * 99, b"{", b'{"photoTakenTime": 3}']
)
def test_broken_files_beside_a_photo_say_nothing(bad: bytes, tmp_path: Path) -> None:
    for name in ("a.jpg.xmp", "a.xmp", "a.jpg.json"):
        (tmp_path / name).write_bytes(bad)
    assert when_of(str(tmp_path / "a.jpg"), photo()) == UNDATED
    assert when_of(str(tmp_path / "a.jpg"), photo({"DateTime": "2021:01:01 00:00:00"})).tag == "DateTime"


def test_links_beside_a_photo_are_passed_by(tmp_path: Path) -> None:
    album, elsewhere = tmp_path / "album", tmp_path / "elsewhere"
    album.mkdir()
    elsewhere.mkdir()
    (elsewhere / "x").write_bytes(packet(xmp_CreateDate="2004-03-03T03:03:03"))
    (elsewhere / "j").write_text(json.dumps(TAKEOUT))
    (album / "a.jpg.xmp").symlink_to(elsewhere / "x")
    (album / "a.jpg.json").symlink_to(elsewhere / "j")
    os.mkfifo(album / "a.xmp")
    assert when_of(str(album / "a.jpg"), photo()) == UNDATED


def test_no_bytes_and_no_folder_say_nothing(tmp_path: Path) -> None:
    assert when_of(str(tmp_path / "gone" / "a.jpg"), b"") == UNDATED


def test_only_the_cameras_time_tells_shots_apart() -> None:
    assert When(5.0, "DateTimeOriginal").shot == When(5.0).shot == 5.0
    assert math.isnan(When(5.0, "DateTime").shot)
    assert math.isnan(When(5.0, "photoTakenTime", zoned=True).shot)


# ------------------------------------------------------------------------------------------------- in the table


def encoded(folder: Path) -> Encoded:
    return encode_photos(
        find_photos([folder]),
        HOG,
        output=folder.parent / "faces.npz",
        jobs=1,
        keep=Keep((str(folder),)),
    )


def said(result: Encoded) -> list[tuple[str, int]]:
    return list(zip(result.table.photos.time_from.tolist(), result.table.photos.zoned.tolist(), strict=True))


def test_the_table_says_which_it_was_and_a_sidecar_that_changed_costs_no_analysis(tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(
        photo({"DateTimeOriginal": "2020:06:01 12:00:00", "OffsetTimeOriginal": "+02:00"})
    )
    (album / "b.png").write_bytes(photo(form="PNG"))
    (album / "c.webp").write_bytes(photo({"DateTime": "2021:01:01 00:00:00"}, form="WEBP"))
    first = encoded(album)
    assert said(first) == [("DateTimeOriginal", 1), ("", 0), ("DateTime", 0)]
    output = tmp_path / "faces.npz"
    for path in album.iterdir():
        os.utime(path, (1, 1))
    os.utime(output, (4e9, 4e9))  # as if the photos had been there for long

    (album / "b.png.xmp").write_bytes(packet(exif_DateTimeOriginal="2004-03-03T03:03:03"))
    (album / "a.jpg.xmp").write_bytes(packet(exif_DateTimeOriginal="2004-03-03T03:03:03"))
    second = encoded(album)
    assert said(second) == [("DateTimeOriginal", 1), ("exif:DateTimeOriginal", 0), ("DateTime", 0)]
    assert second.n_reused == 3
    assert second.table.photos.time[1] == seconds(2004, 3, 3, 3, 3, 3)
    os.utime(output, (4e9, 4e9))
    (album / "b.png.xmp").write_bytes(packet(exif_DateTimeOriginal="2005-03-03T03:03:03+01:00"))
    third = encoded(album)
    assert said(third)[1] == ("exif:DateTimeOriginal", 1)
    assert third.table.photos.time[1] == seconds(2005, 3, 3, 2, 3, 3)
    assert third.n_reused == 3
    read = face_table.read(output)
    assert read.photos.time_from.tolist() == third.table.photos.time_from.tolist()
    assert read.photos.zoned.tolist() == third.table.photos.zoned.tolist()


def test_times_of_an_older_table_are_looked_up_again(tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(photo({"DateTimeDigitized": "2020:06:01 12:00:00"}))
    output = tmp_path / "faces.npz"
    table = encoded(album).table
    undated = {"time": np.full(1, np.nan), "time_from": np.array([""]), "zoned": np.zeros(1, np.uint8)}
    face_table.write(replace(table, photos=replace(table.photos, **undated)), output)
    os.utime(album / "a.jpg", (1, 1))
    os.utime(output, (4e9, 4e9))
    again = encoded(album)
    assert said(again) == [("DateTimeDigitized", 0)]
    assert again.n_reused == 1


def test_photos_that_are_streamed_tell_it_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photo({"DateTimeOriginal": "2020:06:01 12:00:00"}))
    (table,) = encode_each([str(path)], HOG, jobs=1)
    assert table.photos.time_from.tolist() == ["DateTimeOriginal"]


def test_lists_have_local_time_without_a_zone_and_say_what_it_is_from(tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(
        photo({"DateTimeOriginal": "2020:06:01 12:00:00", "OffsetTimeOriginal": "+02:00"})
    )
    (album / "b.jpg").write_bytes(photo({"DateTimeOriginal": "2020:06:01 12:00:00"}))
    (album / "c.jpg").write_bytes(photo())
    known = PhotoFacts(encoded(album).table)
    records = [photo_record(show_photo(str(album / f"{name}.jpg"), (), known)) for name in "abc"]
    assert [(record["time"], record["time_from"]) for record in records] == [
        ("2020-06-01T10:00:00Z", "DateTimeOriginal"),
        ("2020-06-01T12:00:00", "DateTimeOriginal"),
        (None, None),
    ]

"""A run over bad photos with good ones between: it ends well, and each is what it is alone."""

from __future__ import annotations

import io
import os
import re
import shutil
import struct
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_photos import BAD, EITHER, NAMES, WHOLE, cases, coded, put_odd_files
from PIL import Image

from facecluster.encoding.pipeline import encode_each, encode_photos
from facecluster.errors import PhotoError, UsageError
from facecluster.options import EncodeOptions
from facecluster.photos import pillow
from facecluster.photos.decode import decode
from facecluster.photos.file import read_photo
from facecluster.photos.find import find_photos, search
from facecluster.table import UNREADABLE

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names and files of Linux")


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    return Image.linear_gradient("L").resize((48, 32)).convert("RGB")


def test_bad_photos_become_rows_and_good_ones_are_as_if_alone(
    shared_data: Path, picture: Image.Image, tmp_path: Path
) -> None:
    folder, becomes, n_of_kind = tmp_path / "photos", dict[str, str](), defaultdict[str, int](int)
    folder.mkdir()
    for case in cases(picture, n_cuts=3, n_flips=2):
        n_of_kind[case.kind] += 1
        if n_of_kind[case.kind] <= 8:
            path = folder / case.name
            path.write_bytes(case.data)
            becomes[str(path)] = case.becomes
    odd = dict(put_odd_files(folder))
    small = coded(picture, "JPEG", quality=50)
    for k, name in enumerate(NAMES):
        (folder / name).write_bytes(small + bytes(k))
        becomes[str(folder / name)] = WHOLE
    originals = find_photos([shared_data / "lfw_dev"])[:3]
    good = [str(folder / f"{place} good.jpg") for place in ("0", "m", "z")]
    for original, path in zip(originals, good, strict=True):
        shutil.copy(original, path)
    before = sorted(os.listdir(folder))

    lost: list[str] = []
    found = search([folder], lost=lost.append).photos
    assert sorted(os.path.basename(message.split(":")[0]) for message in lost) == [
        "long",
        "loop",
        "no folder",
    ]
    assert {*becomes, *good} <= set(found)
    tables = encode_each(found, EncodeOptions(), jobs=1)
    rows = {str(table.photos.path[0]): table for table in tables}
    alone = {str(table.photos.path[0]): table for table in encode_each(originals, EncodeOptions(), jobs=1)}

    assert list(rows) == found
    for path, table in rows.items():
        status, reason = table.photos.status[0], table.photos.reason[0]
        due = becomes.get(path, odd.get(path, EITHER))
        assert due == EITHER or (status == UNREADABLE) == (due == BAD), (path, status, reason)
        assert (reason != "") == (status == UNREADABLE)
        assert "report it" not in reason
    for original, path in zip(originals, good, strict=True):
        for column, values in vars(rows[path].faces).items():
            np.testing.assert_array_equal(values, getattr(alone[original].faces, column))
    assert sorted(os.listdir(folder)) == before


def test_links_that_lead_nowhere_are_rows_also_where_they_are_named(tmp_path: Path) -> None:
    put = dict(put_odd_files(tmp_path))
    Image.new("RGB", (30, 20)).save(tmp_path / "good.png")
    named = [path for path, due in put.items() if due == BAD] + [str(tmp_path / "good.png")]
    assert find_photos(named) == named
    assert find_photos([str(tmp_path / "gone.txt" / "y"), *named])[1:] == named
    done = encode_photos(named, EncodeOptions(), output=tmp_path / "faces.npz", jobs=1)
    rows = done.table.photos
    statuses = dict(zip(rows.path.tolist(), rows.status.tolist(), strict=True))
    assert [path for path in named if statuses[path] != UNREADABLE] == [str(tmp_path / "good.png")]
    reasons = {Path(path).name: reason for path, reason in zip(rows.path, rows.reason, strict=True)}
    assert reasons["loop.jpg"] == "too many levels of symbolic links"
    assert reasons["gone.jpg"] == "no such file or directory"
    assert reasons["no folder.jpg"] == "not a directory"
    with pytest.raises(UsageError, match="not there"):
        find_photos([tmp_path / "not there", *named])


@pytest.mark.parametrize("name", ["a\0b.jpg", "a\ud800b.jpg"])
def test_a_name_that_no_file_can_have_is_told_and_left_out(name: str, tmp_path: Path) -> None:
    (tmp_path / "good.jpg").touch()
    told: list[str] = []
    assert search([name, tmp_path], listed=[name], report=told.append).photos == [str(tmp_path / "good.jpg")]
    assert len(told) == 2
    assert "no file can have this name" in told[0]
    with pytest.raises(PhotoError):
        read_photo(name)


def test_folders_without_permission_cost_nothing_else() -> None:
    us = os.geteuid()
    with tempfile.TemporaryDirectory() as name:  # not below pytest's own, which only its user may enter
        folder = Path(name)
        (folder / "shut").mkdir()
        for path in (folder / "shut" / "a.png", folder / "good.png"):
            Image.new("RGB", (30, 20)).save(path)
        (folder / "link.png").symlink_to(folder / "shut" / "a.png")
        (folder / "shut").chmod(0)
        folder.chmod(0o755)
        told: list[str] = []
        try:
            if us == 0:
                os.seteuid(65534)
            found = search([folder], lost=told.append).photos
            named = [str(folder / "shut" / "a.png"), str(folder / "good.png")]
            found_named = find_photos(named)
            with pytest.raises(PhotoError, match="permission denied"):
                read_photo(named[0])
        finally:
            os.seteuid(us)
            (folder / "shut").chmod(0o700)
        assert found == [str(folder / "good.png"), str(folder / "link.png")]
        assert told == [f"{folder / 'shut'}: Permission denied; skipped this folder"]
        assert found_named == named


def test_what_takes_too_much_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    from bad_photos import png_of

    with open(tmp_path / "sparse.heic", "wb") as file:
        file.write(b"\0\0\0\x18ftypheic")
        file.truncate(4 << 30)
    jpeg = coded(Image.new("CMYK", (16, 16)), "JPEG", progressive=True)
    at = jpeg.index(b"\xff\xc2") + 5
    side = (17_000).to_bytes(2, "big") * 2
    (tmp_path / "cmyk.jpg").write_bytes(jpeg[:at] + side + jpeg[at + 4 :])
    (tmp_path / "large.png").write_bytes(png_of(17_000, 17_000, b""))
    for name, reason in {"sparse.heic": "500 MB", "cmyk.jpg": "1 GB", "large.png": "1 GB"}.items():
        with pytest.raises(PhotoError, match=reason):
            decode(tmp_path / name)


def test_metadata_cost_no_photo(picture: Image.Image) -> None:
    for case in cases(picture, n_cuts=1, n_flips=0):
        if case.kind in ("broken EXIF", "broken profile", "orientation"):
            assert decode(case.data).pixels.size == picture.width * picture.height * 3


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}, {"quality": 100}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_claims_more_rows_than_it_has_is_broken(
    picture: Image.Image, mode: str, options: dict[str, Any]
) -> None:
    for shown in (picture, Image.new("RGB", (48, 32), (128, 128, 128))):
        jpeg = coded(shown.convert(mode), "JPEG", **options)
        assert decode(jpeg).size == (48, 32)
    jpeg = coded(picture.convert(mode), "JPEG", **options)
    at = re.search(rb"\xff[\xc0\xc2]\0.\x08", jpeg, re.DOTALL)
    assert at is not None
    for height in (56, 64, 1000):
        with pytest.raises(PhotoError, match="missing"):
            decode(jpeg[: at.end()] + height.to_bytes(2, "big") + jpeg[at.end() + 2 :])


def test_broken_metadata_of_jpeg_and_tiff_cost_no_photo(picture: Image.Image) -> None:
    jpeg, tiff = (coded(picture, form) for form in ("JPEG", "TIFF"))
    for segment in (b"\xff\xe0\0\x08JFIF\0\x01", b"\xff\xed\0\x19Photoshop 3.0\x008BIM\x03\xed\0\0\0"):
        data = jpeg[:2] + segment + jpeg[20:]
        np.testing.assert_array_equal(decode(data).pixels, decode(jpeg).pixels)
    first = int.from_bytes(tiff[4:8], "little")
    page = tiff[first + 2 : first + 2 + 12 * tiff[first]]
    for entry in (struct.pack("<HHII", 700, 4, 3, 8), struct.pack("<HHII", 270, 2, 1 << 31, 9)):
        entries = sorted(
            [entry, *(page[k : k + 12] for k in range(0, len(page), 12))], key=lambda it: it[1::-1]
        )
        data = tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:]
        data += struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
        np.testing.assert_array_equal(decode(data).pixels, np.asarray(picture))


@pytest.mark.parametrize("rows", [1, 7, 32])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F"])
def test_large_uncompressed_tiff_are_read_row_by_row(
    picture: Image.Image, mode: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = (picture.convert("L") if mode in ("LA", "I", "F") else picture).convert(mode)
    data = coded(stored, "TIFF", tiffinfo={278: rows})
    assert pillow._is_stored_row_by_row(Image.open(io.BytesIO(data)))
    by_row = decode(data, max_pixels=700)
    with pytest.raises(PhotoError):
        decode(data[: len(data) // 2], max_pixels=700)
    monkeypatch.setattr(pillow, "_is_stored_row_by_row", lambda image: False)
    at_once = decode(data, max_pixels=700)
    np.testing.assert_array_equal(by_row.pixels, at_once.pixels)
    assert (by_row.size, by_row.scale) == (at_once.size, at_once.scale)

"""Files of several pictures: pages of a TIFF, and frames of animations."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from facecluster.errors import PhotoError
from facecluster.library.library import Library
from facecluster.photos.decode import decode
from facecluster.photos.each_page import MOST_FRAMES, each_page, picture_digest, which_pages
from facecluster.photos.moment import Moment
from facecluster.photos.pages import MOST_PAGES, has_several
from facecluster.photos.picture import coded_digest, is_coded_as, pixel_digest
from facecluster.table import FaceTable

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (48, 32)) -> Image.Image:
    return Image.new("RGB", size, colour)


def saved(images: Sequence[Image.Image], form: str = "TIFF", **options: object) -> bytes:
    file = io.BytesIO()
    if form != "TIFF":
        options = {"duration": 100} | options
    images[0].save(file, form, save_all=len(images) > 1, append_images=images[1:], **options)
    return file.getvalue()


def tiff(pages: Sequence[tuple[np.ndarray, dict[str, object]]]) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels, options in pages:
            writer.write(pixels, metadata=None, **options)
    return file.getvalue()


def colours(data: bytes) -> list[str]:
    """Which of red, green and blue the pictures of a file are, or why one cannot be read."""
    found = []
    for page in each_page(data, which_pages(data).numbers):
        picture = page.picture
        channel = str(picture) if isinstance(picture, PhotoError) else "RGB"[picture.pixels[0, 0].argmax()]
        found.append(f"{page.number} {channel}")
    return found


@pytest.mark.parametrize("form", ["TIFF", *ANIMATED])
def test_each_picture_of_a_file_is_decoded_with_its_number(form: str) -> None:
    data = saved([plain(RED), plain(GREEN), plain(BLUE)], form)
    assert has_several(data)
    assert colours(data) == ["0 R", "1 G", "2 B"]
    assert decode(data, moment=Moment(2)).pixels[0, 0].argmax() == 2
    with pytest.raises(PhotoError, match="it has no page 4"):
        decode(data, moment=Moment(3))


@pytest.mark.parametrize("form", ["TIFF", "JPEG", *ANIMATED])
def test_a_file_of_one_picture_is_what_it_always_was(form: str) -> None:
    data = saved([plain(RED)], form)
    photo = decode(data)
    assert not has_several(data)
    assert which_pages(data) == ((0,), "")
    assert picture_digest(data) == pixel_digest(photo.pixels, photo.size)
    with pytest.raises(PhotoError, match="it has no page 2"):
        decode(data, moment=Moment(1))


def test_reduced_copies_and_masks_are_no_pages() -> None:
    full = np.asarray(Image.radial_gradient("L").convert("RGB").resize((96, 64)))
    small, other = np.ascontiguousarray(full[::2, ::2]), np.asarray(plain(BLUE, (96, 64)))
    mask = np.zeros((64, 96), np.bool_)
    flagged = tiff([(full, {}), (small, {"subfiletype": 1}), (mask, {"subfiletype": 4}), (other, {})])
    assert which_pages(flagged).numbers == (0, 3)
    thumbnail_first = tiff([(small, {"subfiletype": 1}), (full, {})])
    assert which_pages(thumbnail_first).numbers == (1,)
    in_page = tiff([(full, {"subifds": 1}), (small, {"subfiletype": 1})])
    assert not has_several(in_page)
    unsaid = tiff([(full, {}), (small, {}), (np.ascontiguousarray(small[::2, ::2]), {}), (other, {})])
    assert [page.number for page in each_page(unsaid, which_pages(unsaid).numbers)] == [0, 3]
    only_reduced = tiff([(small, {"subfiletype": 1})])
    assert which_pages(only_reduced).numbers == (0,)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}])
def test_pages_of_every_kind_of_tiff(options: dict[str, object]) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for colour in (RED, GREEN):
            writer.write(np.asarray(plain(colour)), metadata=None, tile=(16, 16))
    assert colours(file.getvalue()) == ["0 R", "1 G"]


def test_every_page_is_upright_and_has_its_own_size() -> None:
    turned = plain(GREEN, (40, 20))
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.asarray(plain(RED)), metadata=None)
        writer.write(np.asarray(turned), metadata=None, extratags=[(274, 3, 1, 6, True)])
    data = file.getvalue()
    assert decode(data, moment=Moment(1)).size == (20, 40)
    other = data.replace(struct.pack("<HHIH", 274, 3, 1, 6), struct.pack("<HHIH", 274, 3, 1, 8))
    assert coded_digest(data) != coded_digest(other)


@pytest.mark.parametrize("form", ["TIFF", *ANIMATED])
def test_a_change_on_any_page_changes_both_digests(form: str) -> None:
    one, other = (saved([plain(RED), plain(last)], form) for last in (GREEN, BLUE))
    assert coded_digest(one) != coded_digest(other)
    assert picture_digest(one) != picture_digest(other)
    assert picture_digest(one) != picture_digest(saved([plain(RED)], form))


def test_broken_pages_leave_the_others() -> None:
    data = bytearray(saved([plain(RED), plain(GREEN), plain(BLUE)], compression="tiff_adobe_deflate"))
    good = bytes(data)
    with tifffile.TiffFile(io.BytesIO(good)) as file:
        start = file.pages[1].dataoffsets[0]
    data[start : start + 8] = bytes(8)
    first, second, third = colours(bytes(data))
    assert (first, third) == ("0 R", "2 B")
    assert second.startswith("1 broken photo")
    assert picture_digest(bytes(data)) != picture_digest(good)
    with tifffile.TiffFile(io.BytesIO(good)) as file:
        cut = file.pages[2].offset
    which = which_pages(good[:cut])
    assert which == ((0, 1), "what follows its first 2 pages cannot be read")


def test_of_more_pages_than_are_looked_at_the_first_are() -> None:
    page = np.zeros((1, 1), np.uint8)
    data = tiff([(page, {})] * (MOST_PAGES + 2))
    which = which_pages(data)
    assert which.numbers == tuple(range(MOST_PAGES))
    assert which.remark == "the first 1,000 of 1,002 pages were looked at"


def test_pages_that_follow_each_other_in_a_circle_end() -> None:
    data = bytearray(saved([plain(RED), plain(GREEN)]))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        first, second = (page.offset for page in file.pages)
    n_tags = int.from_bytes(data[second : second + 2], "little")
    at = second + 2 + 12 * n_tags
    data[at : at + 4] = first.to_bytes(4, "little")
    assert which_pages(bytes(data)).numbers == (0, 1)


@pytest.mark.parametrize("form", ANIMATED)
def test_frames_that_are_alike_are_looked_at_once(form: str) -> None:
    noise = np.random.default_rng(0).integers(-8, 8, (9, 32, 48, 3))
    seen = [RED, RED, RED, GREEN, GREEN, RED, RED, BLUE, BLUE]
    frames = [
        Image.fromarray((np.asarray(plain(c)) + n).clip(0, 255).astype(np.uint8))
        for c, n in zip(seen, noise, strict=True)
    ]
    data = saved(frames, form)
    assert len(which_pages(data).numbers) == 3
    assert sorted(text[-1] for text in colours(data)) == ["B", "G", "R"]


def test_of_many_frames_the_most_different_are_chosen() -> None:
    frames = [plain((20 + i, 20 + i, 20 + i)) for i in range(200)]
    numbers = which_pages(saved(frames, "PNG")).numbers
    assert (numbers[0], numbers[-1]) == (0, 199)
    assert len(numbers) <= MOST_FRAMES
    assert np.diff(numbers).max() <= 32


def test_a_frame_that_is_cut_off_leaves_those_before_it() -> None:
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(3)]
    data = saved([plain(RED, (64, 64)), plain(GREEN, (64, 64)), *frames], "PNG")
    assert which_pages(data[: len(data) // 2]).numbers[:2] == (0, 1)


@pytest.mark.parametrize("form", ["TIFF", *ANIMATED])
def test_no_bytes_make_it_fail(form: str) -> None:
    data = saved([plain(RED), plain(GREEN), plain(BLUE)], form)
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(data)
        for at in rng.integers(4, len(data), 3):
            broken[at] = rng.integers(256)
        which = which_pages(bytes(broken[: rng.integers(len(data) // 2, len(data) + 1)]))
        assert which.numbers
        coded_digest(bytes(broken))
        colours(bytes(broken))


# ------------------------------------------------------------------------------------------------ in a library


def portrait(shared_data: Path, name: str) -> Image.Image:
    return Image.open(next((shared_data / "lfw_dev" / name).iterdir())).convert("RGB")


def row_of(table: FaceTable, name: str) -> int:
    return next(i for i, path in enumerate(table.photos.path.tolist()) if path.endswith(name))


def test_an_older_library_gets_further_pages_and_keeps_photos_faces_and_names(
    shared_data: Path, tmp_path: Path
) -> None:
    anna, bert, dora = (portrait(shared_data, name) for name in ("AJ_Lamas", "Aaron_Eckhart", "Abdullah_Gul"))
    empty = plain((0, 0, 0), (300, 200))
    photos = tmp_path / "photos"
    photos.mkdir()
    files = {
        "album.tif": [anna, bert],
        "scan.tif": [empty, dora],
        "film.gif": [plain((40, 0, 0), (300, 200)), *[dora] * 3],
    }
    # An older facecluster knew these files by what it saw, their first page, and had these digests for them.
    for name, (first, *_) in files.items():
        (photos / name).write_bytes(saved([first], "GIF" if name.endswith("gif") else "TIFF"))
    with Library.open(tmp_path / "people", new=True) as library:
        before = library.run([photos], jobs=1).encoded.table
        album = row_of(before, "album.tif")
        assert len(before.faces) == 1
        library.make("Anna", before.faces.id[0])
    data = {name: saved(pages, "GIF" if name.endswith("gif") else "TIFF") for name, pages in files.items()}
    for name in ("album.tif", "scan.tif"):
        assert is_coded_as(data[name], before.photos.coded[row_of(before, name)].decode())
        assert not is_coded_as(data[name], coded_digest(saved([bert])))
    for name, content in data.items():
        (photos / name).write_bytes(content)

    with Library.open(tmp_path / "people") as library:
        ran = library.run([photos], jobs=1).encoded
        table = ran.table
        assert [row_of(before, name) for name in files] == [row_of(table, name) for name in files]
        assert table.photos.digest.tolist() == before.photos.digest.tolist()
        assert table.photos.pages.tolist() == [2, 2, 2]
        assert (table.photos.reason == "").all()
        digests = table.photos.digest
        scan, film = row_of(table, "scan.tif"), row_of(table, "film.gif")
        assert table.photos.size[scan].tolist() == [300, 200]
        assert list(zip(table.faces.id.tolist(), table.faces.page.tolist(), strict=True)) == [
            (f"{digests[album]}-0", 0),
            (f"{digests[album]}-1", 1),
            (f"{digests[film]}-0", 1),
            (f"{digests[scan]}-0", 1),
        ]
        np.testing.assert_array_equal(table.faces.box[0], before.faces.box[0])
        named = {person.name: [face.id for face in person.faces] for person in library.people.people}
        assert named["Anna"] == [f"{digests[album]}-0"]

        # Saved again, it is known by its pixels; broken in part, the other page counts, and the photo says so.
        (photos / "album.tif").write_bytes(saved(files["album.tif"], compression="tiff_lzw"))
        again = library.run([photos], jobs=1).encoded
        assert again.n_new_faces == 0
        assert again.table.faces.id.tolist() == table.faces.id.tolist()
        broken = bytearray(packed := saved(files["scan.tif"], compression="tiff_adobe_deflate"))
        with tifffile.TiffFile(io.BytesIO(packed)) as file:
            start = file.pages[0].dataoffsets[0]
        broken[start : start + 8] = bytes(8)
        (photos / "scan.tif").write_bytes(broken)
        table = library.run([photos], jobs=1).encoded.table
        assert table.photos.digest[scan] == digests[scan]
        assert (table.photos.pages[scan], table.photos.status[scan]) == (1, "ok")
        assert table.photos.reason[scan].startswith("1 of 2 pages cannot be read: (1) ")

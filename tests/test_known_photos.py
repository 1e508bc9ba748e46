"""Photos are known by their picture: what is done to real photos, and which photo and face each is afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from commands import called
from PIL import Image, ImageEnhance, PngImagePlugin

from facecluster.encoding.keep import Keep
from facecluster.encoding.pipeline import Encoded, encode_photos
from facecluster.errors import FaceclusterError
from facecluster.formats import face_table, forgotten_jsonl
from facecluster.formats.forgotten_jsonl import Place
from facecluster.options import EncodeOptions
from facecluster.photos.file import file_digest
from facecluster.photos.find import find_photos
from facecluster.table import LOST, NO_FACE, UNREADABLE, FaceTable

ONE, OTHER_SHOT, OTHER, CROWD = "one.jpg", "other shot.jpg", "other.jpg", "crowd.jpg"
"""A person, another photo of the same one, another person, and three people in one photo."""

HOG = EncodeOptions(detector="hog", upsample=0)


@dataclass(frozen=True)
class Album:
    """A folder of photos, and the table of them."""

    folder: Path
    output: Path
    table: FaceTable

    def path(self, name: str) -> Path:
        return self.folder / name

    def run(
        self, *, keep: Keep | None = None, options: EncodeOptions | None = None, **given: bool
    ) -> Encoded:
        """Bring the table up to date."""
        looked_in = keep or Keep((str(self.folder),))
        return encode_photos(
            find_photos([self.folder]),
            options or EncodeOptions(),
            output=self.output,
            jobs=1,
            keep=looked_in,
            **given,
        )

    def forget(self, name: str, number: int) -> None:
        """Put a face of a photo on the list of what is forgotten, and take it out of the table."""
        table = face_table.read(self.output)
        (row,) = np.flatnonzero(table.photos.path == str(self.path(name)))
        (face,) = np.flatnonzero(table.faces.id == f"{table.photos.digest[row]}-{number}")
        width, height = table.photos.size[row].tolist()
        left, top, right, bottom = table.faces.box[face].tolist()
        place = Place(
            photo=str(table.photos.digest[row]),
            pixels=table.photos.pixels[row].decode(),
            looks=int(table.photos.hash[row]),
            size=(width, height),
            box=(left, top, right, bottom),
        )
        forgotten_jsonl.append(forgotten_jsonl.list_of(self.output), [place])
        stays = np.arange(len(table.faces)) != face
        lost = table.photos.lost.copy()
        lost[row] |= LOST
        cleaned = replace(table, photos=replace(table.photos, lost=lost))
        face_table.write(cleaned.select(np.ones(len(table.photos), np.bool_), stays), self.output)


@pytest.fixture(scope="module")
def made(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FaceTable]:
    """The photos and their table, made once."""
    folder = tmp_path_factory.mktemp("made") / "album"
    folder.mkdir()
    faces = shared_data / "caltech_faces84"
    some, others = (find_photos([faces / name]) for name in ("person_0", "person_1"))
    for path, name in ((some[0], ONE), (some[1], OTHER_SHOT), (others[0], OTHER)):
        shutil.copy(path, folder / name)
    shutil.copy(shared_data / "dlib_faces" / "2008_001322.jpg", folder / CROWD)
    return folder, encode_photos(find_photos([folder]), EncodeOptions(), jobs=2).table


@pytest.fixture
def album(made: tuple[Path, FaceTable], tmp_path: Path) -> Album:
    source, table = made
    folder, output = tmp_path / "album", tmp_path / "faces.npz"
    shutil.copytree(source, folder)
    paths = [str(folder / os.path.basename(path)) for path in table.photos.path.tolist()]
    table = replace(table, photos=replace(table.photos, path=np.array(paths)))
    face_table.write(table, output)
    return Album(folder, output, table)


def rows(table: FaceTable) -> dict[str, tuple[str, list[str]]]:
    """By name of the file: the id of the photo, and those of its faces."""
    names = [os.path.basename(path) for path in table.photos.path.tolist()]
    return {
        name: (str(table.photos.digest[i]), sorted(table.faces.id[table.faces.photo == i].tolist()))
        for i, name in enumerate(names)
    }


def ids(table: FaceTable, name: str) -> list[str]:
    return rows(table)[name][1]


def anchors(table: FaceTable) -> dict[str, list[float]]:
    return dict(zip(table.faces.id.tolist(), table.faces.anchor.tolist(), strict=True))


def nothing_was_analysed(encoded: Encoded, before: FaceTable) -> bool:
    same = np.array_equal(encoded.table.faces.box, before.faces.box)
    return encoded.n_new_faces == 0 and encoded.n_reused == len(encoded.table.photos) and same


def rewrite(path: Path, change: Callable[[Image.Image], Image.Image], **options: object) -> None:
    """Save a photo again, as an editor does."""
    with Image.open(path) as photo:
        edited = change(photo.convert("RGB"))
    edited.save(path, **options)


# ------------------------------------------------------------------------------------------------------ metadata


def segment(data: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with a segment more."""
    return data[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def dated(text: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = text
    return exif.tobytes()


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmp:Rating='5'/>"),
        (0xFE, b"a comment"),
        (0xE1, dated("2001:02:03 04:05:06")),
    ],
)
def test_metadata_of_a_jpeg_do_not_matter(marker: int, body: bytes, album: Album) -> None:
    for path in album.folder.iterdir():
        path.write_bytes(segment(path.read_bytes(), marker, body))
    again = album.run()
    assert nothing_was_analysed(again, album.table)
    assert rows(again.table) == rows(album.table)


FORMS = ["jpg", "png", "webp", "tiff", "heic", "avif"]


def save(photo: Image.Image, path: Path, exif: bytes, xmp: bytes) -> None:
    """Save a photo in the format of its name, with metadata."""
    if path.suffix == ".heic":
        pillow_heif.from_pillow(photo).save(path, quality=90, exif=exif, xmp=xmp)
    elif path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        photo.save(path, exif=exif, pnginfo=info)
    elif path.suffix == ".tiff":
        photo.save(path, exif=exif)
    else:
        photo.save(path, exif=exif, xmp=xmp, quality=90)


@pytest.mark.parametrize("suffix", FORMS)
def test_a_corrected_date_is_taken_over_and_nothing_else_changes(suffix: str, album: Album) -> None:
    """The date by the copies' own files, too, and where an editor puts the file's time back."""
    with Image.open(album.path(ONE)) as photo:
        small = photo.convert("RGB").resize((photo.width // 2, photo.height // 2))
    for path in album.folder.iterdir():
        path.unlink()
    first, copy = (album.path(f"{name}.{suffix}") for name in ("a", "b"))
    for path in (first, copy):
        save(small, path, dated("2001:02:03 04:05:06"), b"<x:xmpmeta/>")
    one = album.run(fresh=True, keep=Keep(prune=True, looked_in=(str(album.folder),)))
    assert one.table.photos.time.tolist() == [981173106.0] * 2
    os.utime(album.output, (2e9, 2e9))  # as if it had been written later
    save(small, copy, dated("2001:02:03 04:05:07"), b"<x:xmpmeta xmp:Rating='5'/>")
    os.utime(album.output, None)
    os.utime(copy, (1, 1))
    two = album.run()
    assert nothing_was_analysed(two, one.table)
    assert rows(two.table) == rows(one.table)
    assert two.table.photos.time.tolist() == [981173106.0, 981173107.0]
    assert album.run().table.photos.time.tolist() == [981173106.0, 981173107.0]


def test_copies_of_other_dates_keep_their_dates(album: Album, tmp_path: Path) -> None:
    data = album.path(ONE).read_bytes()
    for i in range(3):
        album.path(f"copy {i}.jpg").write_bytes(segment(data, 0xE1, dated(f"2001:02:03 04:05:0{i}")))
    fresh = encode_photos(find_photos([album.folder]), EncodeOptions(), output=tmp_path / "fresh.npz", jobs=1)
    assert fresh.table.photos.time[:3].tolist() == [981173100.0, 981173101.0, 981173102.0]
    album.run()
    assert album.output.read_bytes() == (tmp_path / "fresh.npz").read_bytes()
    for path in album.folder.iterdir():
        os.utime(path, (1, 1))
    os.utime(album.output, (2e9, 2e9))  # newer than all of them
    assert np.array_equal(album.run().table.photos.time, fresh.table.photos.time, equal_nan=True)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_what_exiftool_writes_does_not_matter(album: Album) -> None:
    subprocess.run(
        [
            "exiftool",
            "-q",
            "-P",
            "-overwrite_original",
            "-XMP:Rating=5",
            "-keywords+=x",
            "-Artist=me",
            album.folder,
        ],
        check=True,
    )
    again = album.run()
    assert nothing_was_analysed(again, album.table)
    assert rows(again.table) == rows(album.table)


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("tiff", {}), ("webp", {"lossless": True})])
def test_a_photo_that_is_coded_otherwise_without_loss_is_the_same(
    suffix: str, options: dict[str, bool], album: Album
) -> None:
    with Image.open(album.path(ONE)) as photo:
        photo.convert("RGB").save(album.path(f"z.{suffix}"), **options)
    album.path(ONE).unlink()
    again = album.run()
    assert again.n_new_faces == 0
    assert rows(again.table)[f"z.{suffix}"] == rows(album.table)[ONE]
    assert again.kept.renamed == (str(album.path(ONE)),)


def test_photos_that_are_renamed_moved_or_duplicated_are_the_same(album: Album) -> None:
    album.path("new").mkdir()
    album.path(ONE).rename(album.path("renamed.jpg"))
    album.path(OTHER).rename(album.path("new") / "moved.jpg")
    shutil.copy(album.path(CROWD), album.path("duplicate.jpg"))
    again = album.run()
    before, after = rows(album.table), rows(again.table)
    assert again.n_new_faces == 0
    assert after["renamed.jpg"] == before[ONE]
    assert after["moved.jpg"] == before[OTHER]
    assert after["duplicate.jpg"] == after[CROWD] == before[CROWD]
    assert len(after) == 5


def test_photos_that_swap_their_names_swap_nothing_else(album: Album) -> None:
    album.path(ONE).rename(album.path("x"))
    album.path(OTHER).rename(album.path(ONE))
    album.path("x").rename(album.path(OTHER))
    again = album.run()
    before, after = rows(album.table), rows(again.table)
    assert (again.n_new_faces, again.edited) == (0, ())
    assert (after[ONE], after[OTHER]) == (before[OTHER], before[ONE])


# ------------------------------------------------------------------------------------------------ edited in place


def crop(photo: Image.Image) -> Image.Image:
    width, height = photo.size
    return photo.crop((width // 20, height // 20, width, height))


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "cropped": (crop, 95),
    "brightened": (lambda photo: ImageEnhance.Brightness(photo).enhance(1.3), 95),
    "scaled": (lambda photo: photo.resize((photo.width // 2, photo.height // 2)), 95),
    "saved again": (lambda photo: photo, 60),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_photo_that_is_edited_in_place_stays_who_it_is(edit: str, album: Album) -> None:
    change, quality = EDITS[edit]
    for name in (ONE, CROWD):
        rewrite(album.path(name), change, quality=quality)
    again = album.run()
    before, after = rows(album.table), rows(again.table)
    assert set(again.edited) == {str(album.path(name)) for name in (ONE, CROWD)}
    assert again.replaced == ()
    for name in (ONE, CROWD):
        assert after[name][0] == before[name][0]
        assert set(before[name][1]) <= set(after[name][1])
    assert after[OTHER] == before[OTHER]
    earlier, now = anchors(album.table), anchors(again.table)
    known = earlier.keys() & now.keys()
    assert all(now[face] == earlier[face] for face in known)
    third = album.run()
    assert (third.n_new_faces, third.edited, rows(third.table)) == (0, (), after)


TURNS = {
    "turned by 90": Image.Transpose.ROTATE_90,
    "turned by 180": Image.Transpose.ROTATE_180,
    "turned by 270": Image.Transpose.ROTATE_270,
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_photo_that_is_turned_in_place_keeps_its_faces(turn: str, album: Album) -> None:
    """Even those that a detector does not find where they lie on their side."""
    for name in (ONE, CROWD):
        rewrite(album.path(name), lambda photo: photo.transpose(TURNS[turn]), quality=95)
    again = album.run()
    for name in (ONE, CROWD):
        assert rows(again.table)[name][0] == rows(album.table)[name][0]
        assert set(ids(album.table, name)) <= set(ids(again.table, name))
    width, height = again.table.photos.size[again.table.faces.photo].T
    assert (again.table.faces.box[:, 2] <= width * 1.2).all()
    assert (again.table.faces.box[:, 3] <= height * 1.2).all()
    third = album.run()
    assert (third.n_new_faces, rows(third.table)) == (0, rows(again.table))


@pytest.mark.parametrize("other", ["another person", "another photo of the person"])
def test_another_photo_under_a_name_is_a_new_photo(other: str, album: Album, shared_data: Path) -> None:
    people = shared_data / "lfw_dev"
    source = people / "Abdullah" / "Abdullah_0001.jpg"
    if other == "another photo of the person":
        shutil.copy(source, album.path(ONE))
        source = source.with_name("Abdullah_0002.jpg")
        album = replace(album, table=album.run().table)
    shutil.copy(source, album.path(ONE))
    again = album.run()
    assert rows(again.table)[ONE][0] not in {digest for digest, _ in rows(album.table).values()}
    assert again.edited == ()
    assert str(album.path(ONE)) in again.replaced


def test_a_photo_that_is_put_back_as_it_was_has_its_faces_again(album: Album) -> None:
    original = album.path(CROWD).read_bytes()
    rewrite(album.path(CROWD), crop, quality=95)
    album.run()
    album.path("restored.jpg").write_bytes(original)
    again = album.run()
    assert rows(again.table)["restored.jpg"] == rows(album.table)[CROWD]
    album.path(CROWD).write_bytes(original)
    assert rows(album.run().table)[CROWD] == rows(album.table)[CROWD]


def test_a_copy_stays_as_it_is_where_its_twin_is_edited(album: Album) -> None:
    shutil.copy(album.path(CROWD), album.path("a copy.jpg"))
    album.run()
    rewrite(album.path(CROWD), crop, quality=95)
    again = album.run()
    before, after = rows(album.table), rows(again.table)
    assert after["a copy.jpg"] == before[CROWD]
    assert after[CROWD][0] == before[CROWD][0]
    assert again.edited == (str(album.path(CROWD)),)
    third = album.run()
    assert (third.n_new_faces, rows(third.table)) == (0, after)
    assert rows(album.run(fresh=True).table) == after


def test_a_photo_that_could_not_be_read_for_a_while_is_the_same_afterwards(album: Album) -> None:
    whole = album.path(CROWD).read_bytes()
    album.path(CROWD).write_bytes(whole[:3000])
    broken = album.run()
    assert str(album.path(CROWD)) in broken.replaced
    assert UNREADABLE in broken.table.photos.status
    shutil.copy(album.path(ONE), album.path("y.jpg"))
    album.path(CROWD).write_bytes(whole)
    again = album.run()
    assert rows(again.table)[CROWD] == rows(album.table)[CROWD]


# -------------------------------------------------------------------------------------- fresh, and other settings


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (EncodeOptions(), {"fresh": True}),
        (HOG, {"remake": True}),
        (HOG, {"fresh": True}),
        (EncodeOptions(encoder="dlib"), {"remake": True}),
    ],
)
def test_photos_and_faces_keep_their_ids_when_all_is_made_anew(
    options: EncodeOptions, given: dict[str, bool], album: Album
) -> None:
    rewrite(album.path(ONE), crop, quality=95)
    edited = album.run().table
    again = album.run(options=options, **given)
    before, after = rows(edited), rows(again.table)
    assert {name: digest for name, (digest, _) in after.items()} == {
        name: digest for name, (digest, _) in before.items()
    }
    assert after[ONE] == before[ONE]
    assert len({*ids(again.table, CROWD)} & {*ids(edited, CROWD)}) >= 2
    earlier, now = anchors(edited), anchors(again.table)
    assert all(now[face] == earlier[face] for face in earlier.keys() & now.keys())


@pytest.mark.parametrize("given", [{"remake": True}, {"fresh": True}])
def test_a_table_of_photos_that_are_gone_is_not_made_with_other_settings(
    given: dict[str, bool], album: Album
) -> None:
    """Nor does it keep encodings of another kind where they may go."""
    album.path(ONE).rename(album.path("renamed.jpg"))  # is there
    album.path(OTHER).unlink()
    written = album.output.read_bytes()
    with pytest.raises(FaceclusterError, match=r"1 photo is in the earlier table.*\n  .*/other\.jpg\n"):
        album.run(options=HOG, keep=Keep(), **given)
    assert album.output.read_bytes() == written
    again = album.run(options=HOG, keep=Keep(prune=True), **given)
    assert sorted(rows(again.table)) == sorted([CROWD, OTHER_SHOT, "renamed.jpg"])
    assert rows(again.table)["renamed.jpg"][0] == rows(album.table)[ONE][0]


# --------------------------------------------------------------------------------------------------- over a part


def facecluster(*arguments: str | Path) -> str:
    done = called(*arguments, "-j", "1")
    assert done.exit_code == 0, done.stderr
    return done.stderr


def names_in(output: Path) -> list[str]:
    return sorted(rows(face_table.read(output)))


def test_a_run_over_a_part_says_nothing_of_the_rest(album: Album) -> None:
    year, drive = album.path("2024"), album.path("drive")
    for folder in (year, drive):
        folder.mkdir()
    album.path(ONE).rename(year / ONE)
    album.path(OTHER).rename(drive / OTHER)
    output = album.output
    said = facecluster("encode", album.folder, "-o", output)
    assert "2 photos have another name or place now" in said
    assert "3 earlier photos that nobody looked at now: kept" in facecluster("encode", year, "-o", output)
    assert len(names_in(output)) == 4

    drive.rename(album.output.with_name("elsewhere"))
    said = facecluster("encode", album.folder, "-o", output)
    assert f"{drive}: 1 photo is not there; kept, as the folder is not there (--prune lets them go)" in said
    drive.mkdir()
    said = facecluster("encode", album.folder, "-o", output)
    assert f"{drive}: 1 photo is not there; kept, as the folder is empty (--prune lets them go)" in said
    assert len(names_in(output)) == 4
    assert "1 photo is gone, and left out now" in facecluster("encode", album.folder, "-o", output, "--prune")
    assert OTHER not in names_in(output)


def test_more_than_a_third_of_a_folder_stays_and_less_goes(album: Album) -> None:
    for name in (ONE, OTHER):
        album.path(name).unlink()
    said = facecluster("encode", album.folder, "-o", album.output)
    assert (
        f"{album.folder}: 2 photos are not there; kept, as more than a third of the folder is gone "
        f"(--prune lets them go):\n  {album.path(ONE)}\n  {album.path(OTHER)}\n"
    ) in said
    shutil.copy(album.output.with_name("album") / CROWD, album.path(ONE))
    said = facecluster("encode", album.folder, "-o", album.output)
    assert f"1 photo is gone, and left out now:\n  {album.path(OTHER)}\n" in said
    assert names_in(album.output) == sorted([CROWD, ONE, OTHER_SHOT])


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link to a folder")
def test_a_folder_that_is_reached_by_another_way_gives_its_photos_once(album: Album, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(album.folder)
    found = find_photos([tmp_path / "link"])
    again = encode_photos(
        found, EncodeOptions(), output=album.output, jobs=1, keep=Keep((str(tmp_path / "link"),))
    )
    assert again.table.photos.path.tolist() == found
    assert again.n_new_faces == 0


# ----------------------------------------------------------------------------------------------------- forgotten


def left(table: FaceTable, names: Iterable[str]) -> dict[str, int]:
    """How many faces each of some photos has."""
    return {name: len(ids(table, name)) for name in names}


@pytest.mark.parametrize(
    "way", ["fresh", "hog", "elsewhere", "cropped", "saved again", "scaled copy", "cropped copy"]
)
def test_a_face_that_is_forgotten_does_not_come_back(way: str, album: Album) -> None:
    """And those beside it stay."""
    faces = ids(album.table, CROWD)
    album.forget(CROWD, 1)
    name, options, given = CROWD, EncodeOptions(), {}
    if way == "fresh":
        given = {"fresh": True}
    elif way == "hog":
        options, given = HOG, {"remake": True}
    elif way == "elsewhere":
        name = "elsewhere.jpg"
        shutil.copy(album.path(CROWD), album.path(name))
    elif way == "cropped copy":
        name = "copy.jpg"
        with Image.open(album.path(CROWD)) as photo:
            crop(photo).save(album.path(name), quality=90)
    elif way == "scaled copy":
        name = "copy.jpg"
        with Image.open(album.path(CROWD)) as photo:
            photo.resize((photo.width * 3 // 4, photo.height * 3 // 4)).save(album.path(name), quality=90)
    else:
        rewrite(album.path(CROWD), EDITS[way][0], quality=EDITS[way][1])
    everything = {"scaled copy": 2}.get(way, len(faces) - 1)
    again = album.run(options=options, **given)
    assert faces[1] not in ids(again.table, name)
    if way != "hog":  # which finds others
        assert left(again.table, [name]) == {name: everything}
    if way in ("fresh", "cropped", "saved again", "scaled copy", "cropped copy"):
        assert again.left_out == {str(album.path(name)): 1}
    lines = forgotten_jsonl.list_of(album.output).read_text()
    assert len(lines.splitlines()) == 1 + (way not in ("fresh", "hog", "elsewhere"))  # a line a picture
    assert "encoding" not in lines


def test_another_photo_under_the_name_of_one_with_forgotten_faces_keeps_its_own(album: Album) -> None:
    album.forget(ONE, 0)
    os.replace(album.path(OTHER), album.path(ONE))
    assert len(ids(album.run(fresh=True).table, ONE)) == len(ids(album.table, OTHER))


# ------------------------------------------------------------------------------------- a table of an older version


def make_old(album: Album) -> FaceTable:
    """Write the table as 2225703 did: photos are known by the bytes of their files alone."""
    table = face_table.read(album.output)
    m = len(table.photos)
    digests = [file_digest(Path(path).read_bytes()) for path in table.photos.path.tolist()]
    number = [face.rpartition("-")[2] for face in table.faces.id.tolist()]
    old = replace(
        table,
        photos=replace(
            table.photos, digest=np.array(digests), coded=np.zeros(m, "S32"), pixels=np.zeros(m, "S32")
        ),
        faces=replace(
            table.faces,
            id=np.array(
                [f"{digests[p]}-{n}" for p, n in zip(table.faces.photo.tolist(), number, strict=True)]
            ),
        ),
    )
    face_table.write(old, album.output)
    return old


def test_photos_of_an_older_table_are_known(album: Album) -> None:
    old = make_old(album)
    again = album.run()
    assert nothing_was_analysed(again, old)
    assert rows(again.table) == rows(old)
    for path in album.folder.iterdir():
        path.write_bytes(segment(path.read_bytes(), 0xFE, b"a comment"))
    tagged = album.run()  # known by their coded pictures by now
    assert nothing_was_analysed(tagged, old)
    assert rows(tagged.table) == rows(old)


@pytest.mark.parametrize("given", [{}, {"fresh": True}])
def test_photos_of_an_older_table_that_were_tagged_since_keep_their_ids(
    given: dict[str, bool], album: Album
) -> None:
    old = make_old(album)
    for path in album.folder.iterdir():
        path.write_bytes(segment(path.read_bytes(), 0xFE, b"a comment"))
    assert rows(album.run(**given).table) == rows(old)


def test_what_an_older_version_forgot_does_not_come_back_and_gets_on_the_list(album: Album) -> None:
    album.forget(CROWD, 0)
    forgotten_jsonl.list_of(album.output).unlink()
    old = make_old(album)
    for _ in range(2):
        again = album.run(fresh=True)
        assert rows(again.table) == rows(old)
        (place,) = forgotten_jsonl.read(forgotten_jsonl.list_of(album.output))
        assert place.photo == rows(old)[CROWD][0]
        assert place.box is not None
    # A line that is deleted lets the face be found again.
    forgotten_jsonl.list_of(album.output).unlink()
    assert len(ids(album.run(fresh=True).table, CROWD)) == len(ids(old, CROWD)) + 1
    assert not forgotten_jsonl.list_of(album.output).exists()


def test_another_photo_under_the_name_of_one_of_an_older_version_keeps_its_faces(album: Album) -> None:
    album.forget(ONE, 0)
    forgotten_jsonl.list_of(album.output).unlink()
    make_old(album)
    os.replace(album.path(OTHER), album.path(ONE))
    again = album.run(fresh=True)
    assert len(ids(again.table, ONE)) == len(ids(album.table, OTHER)) > 0
    assert NO_FACE not in again.table.photos.status


# ------------------------------------------------------------------------------------------ while files are changing


def test_a_file_that_is_replaced_while_it_waits_has_no_wrong_faces(
    album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that are digested are those that are decoded."""
    from facecluster.encoding import pipeline

    original = album.path(ONE).read_bytes()
    started = pipeline._with_weights

    def replacing(paths: Iterable[str], options: EncodeOptions) -> Iterable[str]:
        for path in started(paths, options):
            if path == str(album.path(ONE)):  # it was looked at, and is not analysed yet
                album.path(ONE).write_bytes(album.path(OTHER).read_bytes())
            yield path

    monkeypatch.setattr(pipeline, "_with_weights", replacing)
    album.path("zz copy.jpg").write_bytes(original)
    output = tmp_path / "new.npz"
    again = encode_photos(find_photos([album.folder]), EncodeOptions(), output=output, jobs=1)
    before, after = rows(album.table), rows(again.table)
    assert after[ONE] == before[OTHER]
    assert after["zz copy.jpg"] == before[ONE]

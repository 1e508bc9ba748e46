from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xmp_files
from click.testing import CliRunner, Result
from commands import on_terminal
from killed import killed_at
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable import whole_file as whole_files
from facecluster.errors import FaceclusterError
from facecluster.formats import face_table, tags_jsonl, xmp, xmp_write
from facecluster.library import sidecar
from facecluster.library.layout import TAGS
from facecluster.library.library import Library
from facecluster.library.named import named_photos
from facecluster.library.settings import Choices
from facecluster.library.tag import tag

NO_PHOTOS = Choices(link="none")
SIZE = (400, 300)
"""Of the stored pictures."""
BOX = (20.0, 30.0, 120.0, 150.0)
"""Of the first face of each photo, in the upright picture; the second one lies 150 pixels further to the right."""


def call(verb: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [verb, *map(str, arguments)])


def done(verb: str, *arguments: object) -> Any:
    result = call(verb, *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A library: Anna is in photos 0 to 4, in 0 with Bob, who is in 5, 6 and 7, too; photo i has orientation i + 1.

    Photo 1 is there twice, as copy.jpg. person-0001 is Anna, person-0002 Bob.
    """
    folder = tmp_path / "photos"
    folder.mkdir()
    paths, sizes = [], []
    for i in range(8):
        exif = Image.Exif()
        exif[0x0112] = i + 1
        path = folder / f"{i}.jpg"
        Image.new("RGB", SIZE, (30 * i, 100, 100)).save(path, exif=exif)
        paths.append(str(path))
        sizes.append(SIZE if i < 4 else SIZE[::-1])
    shutil.copy(folder / "1.jpg", folder / "copy.jpg")
    paths.append(str(folder / "copy.jpg"))
    sizes.append(SIZE)
    anna, bob = people(2, 6, spread=0.4).reshape(2, 6, 128)
    photo, which = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    digest = [f"{i:032x}" for i in [10, 11, 12, 13, 14, 15, 16, 17, 11]]
    table = make_table(
        np.vstack([anna[:1], bob[:1], anna[1:5], bob[1:4], anna[1:2]]),
        photo=photo,
        paths=paths,
        id=[f"{digest[p]}-{w}" for p, w in zip(photo, which, strict=True)],
        box=[[BOX[0] + 150 * w, BOX[1], BOX[2] + 150 * w, BOX[3]] for w in which],
        photos={"size": sizes, "digest": digest, "pixels": digest},
    )
    out = tmp_path / "out"
    out.mkdir()
    face_table.write(table, out / "faces.npz")
    cluster_table(table, out, NO_PHOTOS, source=str(out / "faces.npz"))
    done_name(out, "person-0001", "Anna Berg")
    done_name(out, "person-0002", "Bob")
    return out


def done_name(out: Path, person: str, name: str) -> None:
    with Library.open(out) as library:
        library.name(person, name)


def photos_of(out: Path) -> Path:
    return out.parent / "photos"


def sidecars(out: Path) -> list[str]:
    return sorted(path.name for path in photos_of(out).glob("*.xmp"))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def said(file: Path) -> xmp.Metadata:
    return xmp.read(file.read_bytes())


def names_in(file: Path) -> set[str]:
    """All names in a sidecar, which says the same in each field."""
    found = said(file)
    names = {region.name for region in found.regions}
    assert names == set(found.persons)
    assert {("People", name) for name in found.persons} == set(found.hierarchical)
    assert names <= set(found.keywords)
    return {name for name in names if name is not None}


# ------------------------------------------------------------------------------------------------- what is written


def test_every_photo_with_a_name_gets_a_sidecar_and_copies_too(out: Path) -> None:
    before = snapshot(photos_of(out))
    told = done("tag", out)
    assert sidecars(out) == [*(f"{i}.jpg.xmp" for i in range(8)), "copy.jpg.xmp"]
    assert {Path(change["file"]).name for change in told["changed"]} == set(sidecars(out))
    assert (told["photos"], told["people"], told["troubles"]) == (9, 2, [])
    assert names_in(photos_of(out) / "0.jpg.xmp") == {"Anna Berg", "Bob"}
    assert names_in(photos_of(out) / "copy.jpg.xmp") == {"Anna Berg"}
    after = snapshot(photos_of(out))
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_lie_in_the_stored_picture(orientation: int, out: Path) -> None:
    done("tag", out)
    found = said(photos_of(out) / f"{orientation - 1}.jpg.xmp")
    width, height = SIZE if orientation < 5 else SIZE[::-1]
    mine = [region for region in found.regions if region.name != ("Bob" if orientation < 6 else "Anna Berg")]
    assert {region.kind for region in mine} == {"mwg", "microsoft"}
    for region in mine:
        left, top, right, bottom = xmp.upright(region.box, orientation)
        box = (left * width, top * height, right * width, bottom * height)
        assert box == pytest.approx(BOX, abs=0.01)
    assert {region.applied for region in mine if region.kind == "mwg"} == {SIZE}


def test_only_and_without_are_remembered(out: Path) -> None:
    done("tag", out, "--only", "persons", "--only", "subject")
    found = said(photos_of(out) / "0.jpg.xmp")
    assert (found.regions, found.hierarchical) == ((), ())
    assert set(found.persons) == set(found.keywords) == {"Anna Berg", "Bob"}
    assert done("tag", out)["changed"] == []
    done("tag", out, "--without", "mwg")
    found = said(photos_of(out) / "0.jpg.xmp")
    assert {region.kind for region in found.regions} == {"microsoft"}
    done("tag", out, "--only", "all")
    names_in(photos_of(out) / "0.jpg.xmp")
    refused = call("tag", out, "--only", "mwg", "--without", "mwg")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_how_some_photos_are_tagged_is_not_remembered(out: Path) -> None:
    done("tag", out, "0.jpg", "--sidecar-name", "stem", "--only", "persons")
    assert sidecars(out) == ["0.xmp"]
    assert said(photos_of(out) / "0.xmp").keywords == ()
    done("tag", out)
    assert sidecars(out) == ["0.xmp", *(f"{i}.jpg.xmp" for i in range(1, 8)), "copy.jpg.xmp"]
    assert names_in(photos_of(out) / "0.xmp") == {"Anna Berg", "Bob"}
    asked = tags_jsonl.read(out / TAGS).asked
    done("tag", out, "3.jpg", "--without", "mwg")
    assert {region.kind for region in said(photos_of(out) / "3.jpg.xmp").regions} == {"microsoft"}
    assert tags_jsonl.read(out / TAGS).asked == asked == tags_jsonl.Asked("ext", xmp_write.FIELDS)
    done("untag", out, "3.jpg")
    assert tags_jsonl.read(out / TAGS).asked == asked
    done("tag", out, "--sidecar-name", "stem")
    assert tags_jsonl.read(out / TAGS).asked == tags_jsonl.Asked("stem", xmp_write.FIELDS)
    assert {f"{i}.xmp" for i in range(8)} <= set(sidecars(out))
    assert done("tag", out)["changed"] == []


def test_two_photos_with_one_stem_do_not_share_the_sidecar_of_one(out: Path) -> None:
    table = face_table.read(out / "faces.npz")
    (photos_of(out) / "copy.jpg").rename(photos_of(out) / "0.jpeg")
    paths = [path.replace("copy.jpg", "0.jpeg") for path in table.photos.path.tolist()]
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), out / "faces.npz")
    cluster_table(face_table.read(out / "faces.npz"), out, NO_PHOTOS, source=str(out / "faces.npz"))
    done("tag", out, "0.jpg", "--sidecar-name", "stem")
    done("tag", out)
    assert {"0.xmp", "0.jpeg.xmp"} <= set(sidecars(out))
    assert "0.jpg.xmp" not in sidecars(out)


def test_only_some_photos(out: Path) -> None:
    assert len(done("tag", out, "3.jpg")["changed"]) == 1
    assert sidecars(out) == ["3.jpg.xmp"]
    done("tag", out, "[45].jpg")
    assert sidecars(out) == ["3.jpg.xmp", "4.jpg.xmp", "5.jpg.xmp"]
    assert done("tag", out, photos_of(out))["unchanged"] == 3
    assert len(sidecars(out)) == 9
    refused = call("tag", out, "nothing.jpg")
    assert (refused.exit_code, refused.stdout) == (2, "")
    done("untag", out, photos_of(out) / "3.jpg")
    assert "3.jpg.xmp" not in sidecars(out)
    assert len(sidecars(out)) == 8


def test_hidden_people_and_those_without_a_name_are_not_written(out: Path) -> None:
    done_name(out, "person-0001", "")
    done("tag", out)
    assert sidecars(out) == ["0.jpg.xmp", "5.jpg.xmp", "6.jpg.xmp", "7.jpg.xmp"]
    assert names_in(photos_of(out) / "0.jpg.xmp") == {"Bob"}
    with Library.open(out) as library:
        library.hide("person-0002")
    done("tag", out)
    assert sidecars(out) == []


def test_name_that_xmp_cannot_hold_is_told_once(out: Path) -> None:
    troubles: list[str] = []
    with Library.open(out) as library:
        anna, bob = library.people.people
        result = replace(library.people, people=(replace(anna, name="An\x07na"), bob))
        named = named_photos(result, library.pictures, troubles)
    assert troubles == [
        "person-0001: 'An\\\\x07na' has a letter that XMP cannot hold: '\\x07', so it is written nowhere"
    ]
    assert {name for one in named.values() for name in one.names} == {"Bob"}


def test_names_that_get_no_keyword_are_told_once(out: Path) -> None:
    done_name(out, "person-0001", "Anna/Berg")
    done_name(out, "person-0002", "Bob|L")
    remarks = [
        "no keyword of digiKam (TagsList), which would read two at the /: Anna/Berg",
        "no keyword of Lightroom (hierarchicalSubject), which would read two at the |: Bob|L",
    ]
    result = call("tag", out)
    assert json.loads(result.stdout)["remarks"] == remarks
    assert [result.stderr.count(remark) for remark in remarks] == [1, 1]
    text = (photos_of(out) / "0.jpg.xmp").read_text()
    assert "People|Anna/Berg" in text
    assert "People/Bob|L" in text
    assert "People/Anna/Berg" not in text
    assert "People|Bob|L" not in text
    assert done("tag", out, "--without", "digikam", "--without", "lightroom")["remarks"] == []


# --------------------------------------------------------------------------------------------------- what is there


def test_what_others_wrote_stays_to_the_byte(out: Path) -> None:
    file = photos_of(out) / "0.jpg.xmp"
    theirs = xmp_files.DIGIKAM.encode()
    file.write_bytes(theirs)
    done("tag", out)
    found = said(file)
    assert {"Ines Krüger", "Anna Berg", "Bob"} <= set(found.keywords)
    assert ("Places", "Lake") in found.hierarchical
    assert b'xmp:Rating="4"' in file.read_bytes()
    done("untag", out)
    assert file.read_bytes() == theirs
    assert sidecars(out) == ["0.jpg.xmp"]


def test_untag_leaves_what_others_added_meanwhile(out: Path) -> None:
    done("tag", out)
    file = photos_of(out) / "1.jpg.xmp"
    theirs = xmp_write.tags([xmp_write.Marked("Carl", (0.7, 0.7, 0.9, 0.9))], [], SIZE)
    merged = xmp_write.merge(file.read_bytes(), theirs).data
    assert merged is not None
    file.write_bytes(merged)
    done("untag", out)
    assert sidecars(out) == ["1.jpg.xmp"]
    assert names_in(file) == {"Carl"}


def test_sidecar_that_others_changed_is_added_to_again(out: Path) -> None:
    done("tag", out)
    file = photos_of(out) / "1.jpg.xmp"
    file.write_bytes(xmp_files.DIGIKAM.encode())
    (photos_of(out) / "2.jpg.xmp").unlink()
    assert len(done("tag", out)["changed"]) == 2
    assert {"Ines Krüger", "Anna Berg"} <= set(said(file).keywords)
    assert names_in(photos_of(out) / "2.jpg.xmp") == {"Anna Berg"}


def test_what_is_in_the_photo_is_in_a_new_sidecar_too(out: Path) -> None:
    theirs = xmp_write.tags([xmp_write.Marked("Carl", (0.7, 0.7, 0.9, 0.9))], ["Dora"], SIZE)
    packet = xmp_write.merge(None, theirs).data
    photo = photos_of(out) / "0.jpg"
    with Image.open(photo) as image:
        image.save(photo, xmp=packet, quality="keep")
    done("tag", out)
    file = photos_of(out) / "0.jpg.xmp"
    assert {region.name for region in said(file).regions} == {"Anna Berg", "Bob", "Carl"}
    assert set(said(file).persons) == {"Anna Berg", "Bob", "Carl", "Dora"}
    done("untag", out)
    assert sidecars(out) == []


def region_in(photo: Path, name: str, *, ours: tuple[float, float, float, float]) -> None:
    """Put a region of another program into a photo, a bit off a box of ours, with the name in each field and beside."""
    box = (ours[0] / SIZE[0] + 0.02, ours[1] / SIZE[1], ours[2] / SIZE[0] + 0.02, ours[3] / SIZE[1])
    marked = [xmp_write.Marked(name, box), xmp_write.Marked("Carl", (0.8, 0.7, 0.95, 0.9))]
    packet = xmp_write.merge(None, xmp_write.tags(marked, ["Dora"], SIZE)).data
    with Image.open(photo) as image:
        image.save(photo, xmp=packet, quality="keep")


def test_no_face_gets_a_second_name_out_of_the_photo(out: Path) -> None:
    file = photos_of(out) / "0.jpg.xmp"
    region_in(photos_of(out) / "0.jpg", "Anna", ours=BOX)
    assert done("tag", out)["two_names"] == {}
    found = said(file)
    assert {region.name for region in found.regions} == {"Anna Berg", "Bob", "Carl"}
    assert set(found.persons) == set(found.keywords) == {"Anna Berg", "Bob", "Carl", "Dora"}
    assert {path[-1] for path in found.hierarchical} == {"Anna Berg", "Bob", "Carl", "Dora"}
    done_name(out, "person-0001", "Anna Maria")
    done("tag", out)
    assert set(said(file).persons) == {"Anna Maria", "Bob", "Carl", "Dora"}
    assert {region.name for region in said(file).regions} == {"Anna Maria", "Bob", "Carl"}
    done_name(out, "person-0001", "")  # the photo's own name is not to be hidden then
    done("tag", out)
    assert {region.name for region in said(file).regions} == {"Anna", "Bob", "Carl"}
    assert set(said(file).persons) == set(said(file).keywords) == {"Anna", "Bob", "Carl", "Dora"}
    assert done("tag", out)["changed"] == []
    done("untag", out)
    assert not file.exists()


def test_name_in_the_photo_that_another_place_bears_too_is_kept(out: Path) -> None:
    box = (BOX[0] / SIZE[0], BOX[1] / SIZE[1], BOX[2] / SIZE[0], BOX[3] / SIZE[1])
    marked = [xmp_write.Marked("Carl", box), xmp_write.Marked("Carl", (0.8, 0.7, 0.95, 0.9))]
    packet = xmp_write.merge(None, xmp_write.tags(marked, (), SIZE)).data
    with Image.open(photos_of(out) / "0.jpg") as image:
        image.save(photos_of(out) / "0.jpg", xmp=packet, quality="keep")
    done("tag", out)
    found = said(photos_of(out) / "0.jpg.xmp")
    assert len([region for region in found.regions if region.name == "Carl"]) == 2  # of each standard one
    assert "Carl" in found.persons
    assert "Carl" in found.keywords


def test_second_name_in_a_sidecar_of_others_stays_and_is_told(out: Path) -> None:
    region_in(photos_of(out) / "0.jpg", "Anna", ours=BOX)
    with Image.open(photos_of(out) / "0.jpg") as image:
        theirs = xmp_write.merge(image.info["xmp"], xmp_write.NOTHING).data or b""
    file = photos_of(out) / "0.jpg.xmp"
    file.write_bytes(theirs)
    result = call("tag", out)
    assert json.loads(result.stdout)["two_names"] == {str(file): 1}
    told = (
        f"1 face with another name of another program, which stays beside yours: {file}; to see both names: "
    )
    assert result.stderr.count(f"{told}facecluster audit {out} --labels xmp") == 1
    assert {region.name for region in said(file).regions} == {"Anna Berg", "Anna", "Bob", "Carl"}
    done("untag", out)
    assert file.read_bytes() == theirs


def in_the_photo(photo: Path, *keywords: str) -> None:
    """Put keywords into a photo itself."""
    packet = xmp_write.merge(None, xmp_write.Tags(subject=keywords)).data
    with Image.open(photo) as image:
        image.save(photo, xmp=packet, quality="keep")


def test_what_others_took_out_of_a_sidecar_stays_out(out: Path) -> None:
    in_the_photo(photos_of(out) / "1.jpg", "Lake", "Boat")
    done("tag", out)
    file = photos_of(out) / "1.jpg.xmp"
    assert set(said(file).keywords) == {"Anna Berg", "Lake", "Boat"}
    file.write_bytes(file.read_bytes().replace(b"<rdf:li>Lake</rdf:li>", b""))
    done("tag", out)
    assert set(said(file).keywords) == {"Anna Berg", "Boat"}
    assert done("tag", out)["changed"] == []
    done_name(out, "person-0001", "Anna")
    done("tag", out)
    assert set(said(file).keywords) == {"Anna", "Boat"}
    in_the_photo(photos_of(out) / "1.jpg", "Sky")
    done("tag", out)
    assert set(said(file).keywords) == {"Anna", "Sky"}


def test_what_a_sidecar_hid_of_the_photo_stays_hidden(out: Path) -> None:
    in_the_photo(photos_of(out) / "1.jpg", "Lake")
    file = photos_of(out) / "1.jpg.xmp"
    theirs = xmp_write.merge(None, xmp_write.Tags(subject=("Sea",))).data
    file.write_bytes(theirs or b"")
    done("tag", out)
    assert set(said(file).keywords) == {"Anna Berg", "Sea"}
    done("untag", out)
    assert file.read_bytes() == theirs


def test_sidecars_of_other_programs_are_as_they_were_after_untag(out: Path) -> None:
    theirs = {f"{i}.jpg.xmp": text.encode() for i, text in enumerate(xmp_files.LAYOUTS.values())}
    assert len(theirs) <= 8
    for name, data in theirs.items():
        (photos_of(out) / name).write_bytes(data)
    done("tag", out)
    for name, data in theirs.items():
        found = said(photos_of(out) / name)
        assert {"Anna Berg", "Bob"} & set(found.persons)
        assert set(xmp.read(data).regions) <= set(found.regions)
        assert set(xmp.read(data).keywords) <= set(found.keywords)
    done("untag", out)
    assert {path.name: path.read_bytes() for path in photos_of(out).glob("*.xmp")} == theirs


def test_sidecar_named_by_the_stem(out: Path) -> None:
    stem = photos_of(out) / "0.xmp"
    stem.write_bytes(xmp_files.DIGIKAM.encode())
    told = done("tag", out, "0.jpg")
    assert [Path(path).name for path in told["beside"]] == ["0.jpg"]
    done("tag", out, "--sidecar-name", "stem")
    assert {"0.xmp", "0.jpg.xmp", "1.xmp", "7.xmp"} <= set(sidecars(out))
    assert "1.jpg.xmp" not in sidecars(out)
    assert "Anna Berg" in said(stem).keywords
    assert done("tag", out)["changed"] == []
    done_name(out, "person-0001", "Anna")
    done("tag", out)
    assert "Anna Berg" not in said(stem).keywords + said(photos_of(out) / "0.jpg.xmp").keywords
    done("untag", out)
    assert sidecars(out) == ["0.xmp"]
    assert stem.read_bytes() == xmp_files.DIGIKAM.encode()


def test_two_photos_that_would_share_a_sidecar_are_told(out: Path) -> None:
    table = face_table.read(out / "faces.npz")
    (photos_of(out) / "copy.jpg").rename(photos_of(out) / "0.jpeg")
    paths = [path.replace("copy.jpg", "0.jpeg") for path in table.photos.path.tolist()]
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), out / "faces.npz")
    cluster_table(face_table.read(out / "faces.npz"), out, NO_PHOTOS, source=str(out / "faces.npz"))
    result = call("tag", out, "--sidecar-name", "stem")
    assert result.exit_code == 1
    (line,) = json.loads(result.stdout)["troubles"]
    assert line.startswith(f"{photos_of(out) / '0.xmp'}: would be the sidecar of ")
    assert "0.xmp" not in sidecars(out)
    assert "2.xmp" in sidecars(out)


# ------------------------------------------------------------------------------------------------- a second time


@pytest.fixture
def opened_for_writing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are opened for writing, or change places, but for the lock."""
    found: list[str] = []
    real = os.open

    def opened(path: Any, flags: int, *others: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and not str(path).endswith(".facecluster.lock"):
            found.append(str(path))
        return real(path, flags, *others, **more)

    monkeypatch.setattr(os, "open", opened)
    return found


def test_second_time_writes_no_file(out: Path, opened_for_writing: list[str]) -> None:
    done("tag", out)
    assert len(opened_for_writing) >= 9
    opened_for_writing.clear()
    kept = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in out.parent.rglob("*")
        if path.is_file()
    }
    told = done("tag", out)
    assert (told["changed"], told["unchanged"], opened_for_writing) == ([], 9, [])
    kept.pop(out / ".facecluster.lock", None)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in kept} == kept


def test_dry_run_lists_and_writes_nothing(out: Path) -> None:
    before = snapshot(out.parent)
    told = done("tag", out, "-n")
    assert len(told["changed"]) == 9
    assert snapshot(out.parent) == before
    assert done("tag", out) == told | {"dry_run": False}
    before = snapshot(out.parent)
    assert all(change["is_gone"] for change in done("untag", out, "-n")["changed"])
    assert snapshot(out.parent) == before


def test_sidecar_of_ours_goes_with_our_names_after_another_program_laid_it_out_anew(out: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    theirs = photos_of(out) / "7.jpg.xmp"
    subprocess.run(
        ["exiftool", "-q", "-XMP-xmp:Rating=1", "-o", theirs, photos_of(out) / "7.jpg"], check=True
    )
    done("tag", out)
    for number, given in ((2, ["Rating=5", "Rating="]), (3, ["Rating=5"]), (7, ["Rating="])):
        for one in given:
            file = photos_of(out) / f"{number}.jpg.xmp"
            subprocess.run(["exiftool", "-q", "-overwrite_original", f"-XMP-xmp:{one}", file], check=True)
    done("untag", out)
    assert sidecars(out) == ["3.jpg.xmp", "7.jpg.xmp"]  # a rating of others', a file of others'


def test_person_renamed_moved_and_without_a_name(out: Path) -> None:
    done("tag", out)
    done_name(out, "person-0002", "Robert")
    told = done("tag", out)
    assert {Path(change["photo"]).name for change in told["changed"]} == {"0.jpg", "5.jpg", "6.jpg", "7.jpg"}
    assert names_in(photos_of(out) / "0.jpg.xmp") == {"Anna Berg", "Robert"}
    with Library.open(out) as library:
        library.move("4.jpg", to="person-0002")
    assert len(done("tag", out)["changed"]) == 1
    assert names_in(photos_of(out) / "4.jpg.xmp") == {"Robert"}
    done_name(out, "person-0002", "")
    done("tag", out)
    assert names_in(photos_of(out) / "0.jpg.xmp") == {"Anna Berg"}
    assert "4.jpg.xmp" not in sidecars(out)
    assert "Robert" not in "".join(path.read_text() for path in photos_of(out).glob("*.xmp"))


def test_photo_that_moved_with_its_sidecar(out: Path) -> None:
    done("tag", out)
    new = out.parent / "elsewhere"
    photos_of(out).rename(new)
    table = face_table.read(out / "faces.npz")
    paths = [path.replace("photos", "elsewhere") for path in table.photos.path.tolist()]
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), out / "faces.npz")
    cluster_table(face_table.read(out / "faces.npz"), out, NO_PHOTOS, source=str(out / "faces.npz"))
    told = done("tag", out)
    assert (told["changed"], told["unchanged"], told["away"]) == ([], 9, [])
    done_name(out, "person-0002", "Robert")
    done("tag", out)
    assert "Bob" not in "".join(path.read_text() for path in new.glob("*.xmp"))
    done("untag", out)
    assert not [*new.glob("*.xmp")]


def test_photo_that_moved_and_left_its_sidecar(out: Path) -> None:
    done("tag", out)
    table = face_table.read(out / "faces.npz")
    (photos_of(out) / "2.jpg").rename(photos_of(out) / "20.jpg")
    paths = [path.replace("2.jpg", "20.jpg") for path in table.photos.path.tolist()]
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), out / "faces.npz")
    cluster_table(face_table.read(out / "faces.npz"), out, NO_PHOTOS, source=str(out / "faces.npz"))
    done("tag", out)
    assert "2.jpg.xmp" not in sidecars(out)
    assert "20.jpg.xmp" in sidecars(out)


def test_photos_that_are_away_are_told_and_come_back(out: Path) -> None:
    done("tag", out)
    done_name(out, "person-0001", "Anna")
    photos_of(out).rename(out.parent / "away")
    told = done("tag", out)
    assert (len(told["away"]), told["changed"]) == (9, [])
    (out.parent / "away").rename(photos_of(out))
    assert len(done("tag", out)["changed"]) == 6
    assert "Anna Berg" not in "".join(path.read_text() for path in photos_of(out).glob("*.xmp"))


def test_photo_that_is_another_one_now_is_told(out: Path) -> None:
    Image.new("RGB", (90, 80)).save(photos_of(out) / "1.jpg")
    result = call("tag", out)
    assert result.exit_code == 1
    assert f"{photos_of(out) / '1.jpg'}: has 90 x 80 pixels, and had 400 x 300" in result.stderr
    assert len(sidecars(out)) == 8


def test_forgotten_person_is_in_no_file(out: Path) -> None:
    done("tag", out)
    dry = done("forget", out, "--person", "Bob", "-n")
    before = snapshot(photos_of(out))
    assert "Bob" in names_in(photos_of(out) / "0.jpg.xmp")
    told = done("forget", out, "--person", "Bob")
    assert told == dry | {"dry_run": False}
    assert str(photos_of(out) / "0.jpg.xmp") in told["rewritten"]
    assert str(photos_of(out) / "7.jpg.xmp") in told["removed"]
    after = snapshot(photos_of(out))
    assert not any(b"Bob" in data for data in after.values())
    assert "Bob" not in (out / TAGS).read_text()
    assert names_in(photos_of(out) / "0.jpg.xmp") == {"Anna Berg"}
    kept = {path: data for path, data in before.items() if b"Bob" not in data}
    assert {path: after[path] for path in kept} == kept
    assert done("tag", out)["changed"] == []


def test_names_of_ours_are_no_labels_of_what_is_forgotten(out: Path) -> None:
    done("tag", out)
    for target in (out, out / "faces.npz"):
        result = call("forget", target, "--label", "Anna Berg", "--labels", "xmp", "-y")
        assert result.exit_code == 1
        assert "Anna Berg: no face has this label" in result.stderr
    (out / TAGS).unlink()
    told = done("forget", out, "--label", "Anna Berg", "--labels", "xmp", "-n")
    assert len(told["face_ids"]) == 5


def test_forget_writes_no_other_kinds_into_a_file(out: Path) -> None:
    done("tag", out, "--without", "mwg")
    done("tag", out, "[05].jpg", "--only", "persons")
    before = snapshot(photos_of(out))
    asked = tags_jsonl.read(out / TAGS).asked
    done("forget", out, "--person", "Anna Berg", "-y")
    found = said(photos_of(out) / "0.jpg.xmp")
    assert (found.persons, found.regions, found.keywords, found.hierarchical) == (("Bob",), (), (), ())
    kept = [photos_of(out) / f"{i}.jpg.xmp" for i in (5, 6, 7)]
    assert [path.read_bytes() for path in kept] == [before[str(path)] for path in kept]
    assert tags_jsonl.read(out / TAGS).asked == asked


def test_forget_puts_no_other_name_of_the_photo_in_the_place(out: Path) -> None:
    region_in(photos_of(out) / "0.jpg", "Anna", ours=BOX)
    done("tag", out)
    done("forget", out, "--person", "Anna Berg", "-y")
    assert set(said(photos_of(out) / "0.jpg.xmp").persons) == {"Bob", "Carl", "Dora"}
    done("tag", out)
    found = said(photos_of(out) / "0.jpg.xmp")
    assert set(found.persons) == set(found.keywords) == {"Bob", "Carl", "Dora"}
    assert {region.name for region in found.regions} == {"Bob", "Carl"}


def test_forget_tells_of_names_in_files_and_in_photos(out: Path) -> None:
    done("tag", out)
    listed = tags_jsonl.read(out / TAGS).files
    beside = listed[str(photos_of(out) / "7.jpg.xmp")]
    photo = photos_of(out) / "7.jpg"
    with Image.open(photo) as image:
        image.save(photo, xmp=photos_of(out).joinpath("7.jpg.xmp").read_bytes(), quality="keep")
    (photos_of(out) / "7.jpg.xmp").unlink()
    inside = replace(beside, file=str(photo), stamp=sidecar.stamp_of(str(photo)))
    tags_jsonl.append(out / TAGS, [tags_jsonl.gone(beside.file), tags_jsonl.line(inside)])
    end = f"{photo}; to take them out: facecluster tag {out} --embed"
    code, shown, _ = on_terminal("forget", out, "--person", "Bob", "-n")
    assert code == 0
    assert "names to be taken out of 3 files beside photos" in shown
    assert f"names that do not hold any more will be still inside 1 photo: {end}" in shown
    code, shown, _ = on_terminal("forget", out, "--person", "Bob", "-y")
    assert code == 0
    assert "names taken out of 3 files beside photos" in shown
    assert f"names that do not hold any more are still inside 1 photo: {end}" in shown


def test_forgotten_photo_has_no_names_beside_it(out: Path) -> None:
    done("tag", out)
    done("forget", out, "--photo", "2.jpg")
    assert "2.jpg.xmp" not in sidecars(out)
    assert len(sidecars(out)) == 8


def test_forget_that_cannot_write_a_sidecar_says_so_and_tag_does_it(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done("tag", out)
    with monkeypatch.context() as patch:
        failing(patch, errno.EACCES)
        result = call("forget", out, "--person", "Bob")
    assert result.exit_code == 0, result.output
    assert f"{photos_of(out) / '0.jpg.xmp'}: cannot be written" in result.stderr
    assert f"once that is mended, type: facecluster tag {out}" in result.stderr
    done("tag", out)
    assert names_in(photos_of(out) / "0.jpg.xmp") == {"Anna Berg"}


# ------------------------------------------------------------------------------------------------- bad files


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">&b;</rdf:RDF></x:xmpmeta>
"""


def test_bad_sidecars_are_told_and_left_alone(out: Path, tmp_path: Path) -> None:
    folder, outside = photos_of(out), tmp_path / "outside.xmp"
    outside.write_bytes(xmp_files.DIGIKAM.encode())
    bad = {
        "0.jpg.xmp": xmp_files.DIGIKAM.encode()[:900],
        "1.jpg.xmp": b"no XML at all",
        "2.jpg.xmp": BOMB,
        "3.jpg.xmp": b"<x>" + b" " * 50_000_000 + b"</x>",
        "4.jpg.xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xff\xfe</x:xmpmeta>",
        "5.jpg.xmp": b'<?xml version="1.0" encoding="EBCDIC-XX"?><x/>',
    }
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    (folder / "6.jpg.xmp").symlink_to(outside)
    (folder / "7.jpg.xmp").mkdir()
    result = call("tag", out)
    assert result.exit_code == 1
    troubles = json.loads(result.stdout)["troubles"]
    assert [line.partition(": ")[0] for line in troubles] == [str(folder / f"{i}.jpg.xmp") for i in range(8)]
    for line in troubles:
        assert f"facecluster: {line}" in result.stderr
    assert {name: (folder / name).read_bytes() for name in bad} == bad
    assert outside.read_bytes() == xmp_files.DIGIKAM.encode()
    assert names_in(folder / "copy.jpg.xmp") == {"Anna Berg"}
    (folder / "1.jpg.xmp").unlink()
    assert call("tag", out).exit_code == 1
    assert names_in(folder / "1.jpg.xmp") == {"Anna Berg"}


def test_empty_sidecar_is_filled(out: Path) -> None:
    (photos_of(out) / "1.jpg.xmp").touch()
    (photos_of(out) / "2.jpg.xmp").write_bytes(bytes(4096))
    done("tag", out)
    assert names_in(photos_of(out) / "1.jpg.xmp") == names_in(photos_of(out) / "2.jpg.xmp") == {"Anna Berg"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written(out: Path) -> None:
    photos_of(out).chmod(0o555)
    try:
        result = call("tag", out)
    finally:
        photos_of(out).chmod(0o755)
    assert result.exit_code == 1
    (trouble,) = json.loads(result.stdout)["troubles"]
    assert trouble.startswith(f"{photos_of(out)}: 9 files: cannot be written: no permission")
    assert trouble.endswith(f"; type: chmod u+rwx {photos_of(out)}")


def failing(monkeypatch: pytest.MonkeyPatch, number: int, after: int = 0) -> None:
    """Have writing a sidecar fail as the system says it by a number, once some were written."""
    real, numbers = whole_files.part_of, itertools.count(1)

    def part_of(target: Path) -> Path:
        if target.suffix == ".xmp" and next(numbers) > after:
            raise OSError(number, os.strerror(number), str(target))
        return real(target)

    monkeypatch.setattr(whole_files, "part_of", part_of)


def test_sidecars_that_cannot_be_written_are_a_line_a_folder(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, errno.EACCES)
        result = call("tag", out)
    assert result.exit_code == 1
    (trouble,) = json.loads(result.stdout)["troubles"]
    assert trouble.startswith(f"{photos_of(out)}: 9 files: cannot be written: no permission")
    assert json.loads(result.stdout)["changed"] == []
    with monkeypatch.context() as patch:
        failing(patch, errno.EACCES, after=8)
        result = call("tag", out)
    (trouble,) = json.loads(result.stdout)["troubles"]
    assert Path(trouble.partition(": ")[0]).parent == photos_of(out)
    assert len(done("tag", out)["changed"]) == 1
    done("untag", out)
    assert sidecars(out) == []


def test_full_disk_ends_it_and_the_same_again_finishes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        failing(patch, errno.ENOSPC, after=4)
        result = call("tag", out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the disk is full" in result.stderr
    assert len(sidecars(out)) == 4
    told = done("tag", out)
    assert (len(told["changed"]), told["unchanged"]) == (5, 4)


def test_mode_of_a_new_sidecar_is_that_of_the_photo(out: Path) -> None:
    (photos_of(out) / "1.jpg").chmod(0o600)
    (photos_of(out) / "2.jpg").chmod(0o640)
    done("tag", out)
    modes = [(photos_of(out) / f"{i}.jpg.xmp").stat().st_mode & 0o777 for i in (1, 2)]
    assert modes == [0o600, 0o640]


def test_list_of_somebody_else_is_not_a_way_to_other_files(out: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim.xmp"
    done("tag", out)
    shutil.copy(photos_of(out) / "1.jpg.xmp", victim)
    listed = (out / TAGS).read_text()
    (out / TAGS).write_text(listed.replace(str(photos_of(out) / "1.jpg.xmp"), str(victim)))
    before = victim.read_bytes()
    result = call("untag", out)
    assert result.exit_code == 1
    assert f"{victim}: is no sidecar of" in result.stderr
    assert victim.read_bytes() == before


@pytest.mark.parametrize("known_id", [False, True])
@pytest.mark.parametrize("verb", [["tag"], ["untag"], ["forget", "--person", "Bob", "-y"]])
def test_lines_about_photos_of_others_do_not_count(
    verb: list[str], known_id: bool, out: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "private" / "photo.jpg.xmp"
    canary.parent.mkdir()
    Image.new("RGB", SIZE).save(canary.with_suffix(""))
    canary.write_bytes(xmp_write.merge(None, xmp_write.Tags(subject=("secret",))).data or b"")
    part = canary.parent / whole_files.part_of(canary).name.replace(str(os.getpid()), "999999999")
    part.touch()
    done("tag", out)
    own = tags_jsonl.read(out / TAGS).files[str(photos_of(out) / "2.jpg.xmp")]
    for name in ("photo.jpg.xmp", "photo.xmp"):
        file = canary.with_name(name)
        file.write_bytes(canary.read_bytes())
        line = replace(
            own,
            file=str(file),
            photo=str(canary.with_suffix("")),
            id=own.id if known_id else "ab" * 16,
            tags=xmp_write.Tags(subject=("secret",)),
        )
        tags_jsonl.append(out / TAGS, [tags_jsonl.line(line)])
    before = snapshot(canary.parent)
    result = call(verb[0], out, *verb[1:])
    assert result.exit_code == 0, result.output
    assert snapshot(canary.parent) == before
    told = f"2 lines do not count, as the library knows nothing of the photo ({canary.with_suffix('')})"
    assert result.stderr.count(told) == 1
    assert "Bob" not in "".join(path.read_text() for path in photos_of(out).glob("*.xmp")) or verb == ["tag"]
    assert {str(canary), str(canary.with_suffix("").with_suffix(".xmp"))} <= {
        *tags_jsonl.read(out / TAGS).files
    }


def test_sidecars_that_stayed_where_photos_lay_are_still_ours(out: Path) -> None:
    done("tag", out)
    new = out.parent / "elsewhere"
    new.mkdir()
    for photo in photos_of(out).glob("*.jpg"):
        photo.rename(new / photo.name)
    table = face_table.read(out / "faces.npz")
    paths = [path.replace("photos", "elsewhere") for path in table.photos.path.tolist()]
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), out / "faces.npz")
    cluster_table(face_table.read(out / "faces.npz"), out, NO_PHOTOS, source=str(out / "faces.npz"))
    assert done("tag", out)["remarks"] == []
    assert sidecars(out) == []
    assert len([*new.glob("*.xmp")]) == 9


# ------------------------------------------------------------------------------------------------- killed


@pytest.mark.parametrize("step", [0, 1, 4, 8])
def test_killed_in_the_middle_the_same_command_finishes(step: int, out: Path) -> None:
    file = photos_of(out) / "0.jpg.xmp"
    theirs = xmp_files.DIGIKAM.encode()
    file.write_bytes(theirs)
    with killed_at(step), Library.open(out) as library:
        library.tag()
    done_name(out, "person-0001", "Anna")
    done("tag", out)
    content = "".join(path.read_text() for path in photos_of(out).glob("*.xmp"))
    assert "Anna Berg" not in content
    assert len(sidecars(out)) == 9
    assert done("tag", out)["changed"] == []
    with killed_at(step), Library.open(out) as library:
        library.untag()
    done("untag", out)
    assert sidecars(out) == ["0.jpg.xmp"]
    assert file.read_bytes() == theirs


def test_unfinished_files_of_a_kill_go(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(file: str, *_: object) -> None:
        part = whole_files.part_of(Path(file))
        part.with_name(part.name.replace(str(os.getpid()), "999999999")).touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, Library.open(out) as library:
        patch.setattr(sidecar, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            tag(library)
    assert [*photos_of(out).glob(".facecluster-*")]
    done("tag", out)
    assert not [*photos_of(out).glob(".facecluster-*")]


def test_list_is_written_anew_when_it_has_grown(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecluster.library.tag_list._FEW_LINES", 5)
    for name in ("A", "B", "C", "D"):
        done_name(out, "person-0001", name)
        done("tag", out)
    assert len((out / TAGS).read_text().splitlines()) <= 30
    assert set(tags_jsonl.read(out / TAGS).files) == {str(photos_of(out) / name) for name in sidecars(out)}


def test_names_go_from_beside_a_photo_that_is_gone(out: Path) -> None:
    folder = out.parent / "photos"
    theirs = xmp_files.xmp("<dc:subject><rdf:Bag><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>")
    (folder / "2.jpg.xmp").write_bytes(theirs)
    done("tag", out)
    (folder / "2.jpg").unlink()
    done("untag", out)
    assert (folder / "2.jpg.xmp").read_bytes() == theirs
    assert [path.name for path in folder.glob("*.xmp")] == ["2.jpg.xmp"]


def test_sidecar_whose_name_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(FaceclusterError, match="cannot be read"):
        sidecar.read(str(tmp_path / ("a" * 252 + ".xmp")))


@pytest.mark.parametrize(
    "verb", [["untag"], ["forget", "--person", "Bob", "-y"], ["forget", "--photo", "6.jpg", "-y"]]
)
def test_names_are_found_beside_photos_that_moved(verb: list[str], out: Path) -> None:
    done("tag", out)
    new = out.parent / "elsewhere"
    photos_of(out).rename(new)
    table = face_table.read(out / "faces.npz")
    paths = [path.replace("photos", "elsewhere") for path in table.photos.path.tolist()]
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), out / "faces.npz")
    cluster_table(face_table.read(out / "faces.npz"), out, NO_PHOTOS, source=str(out / "faces.npz"))
    done(verb[0], out, *verb[1:])
    left = {path.name for path in new.glob("*.xmp") if "Bob" in path.read_text()}
    assert left == ({"0.jpg.xmp", "5.jpg.xmp", "7.jpg.xmp"} if "--photo" in verb else set())


def test_names_are_not_in_the_list_when_they_are_out_of_files(out: Path) -> None:
    done("tag", out)
    folder, away = photos_of(out), out.parent / "away"
    folder.rename(away)
    told = call("untag", out)
    assert "9 photos not there, so names may stand beside" in told.stderr
    done("forget", out, "--person", "Bob", "-y")
    away.rename(folder)
    assert "Bob" in (out / TAGS).read_text()
    done("tag", out)
    assert [path.name for path in [out / TAGS, *folder.glob("*.xmp")] if "Bob" in path.read_text()] == []

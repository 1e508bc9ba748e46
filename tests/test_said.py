"""What other programs' files say of who is in photos, read from real files beside small photos, and whose faces."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from xmp_files import rectangle, xmp

from facecluster.errors import FaceclusterError
from facecluster.formats.said_names import Box, SaidName
from facecluster.formats.xmp_write import Marked, Tags
from facecluster.identity.changes import Placed
from facecluster.library.said import ORIGINS, Said, match, read_said


def photo(path: Path, orientation: int = 1, packet: bytes | None = None) -> str:
    """A small photo, 40 x 20 as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    more: dict[str, Any] = {} if packet is None else {"xmp": packet}
    Image.new("RGB", (40, 20), (90, 120, 60)).save(path, exif=exif, **more)
    return str(path)


def region(name: str, x: float, y: float, w: float = 0.2, h: float = 0.2, kind: str = "Face") -> str:
    """A region of the Metadata Working Group; x and y are its centre."""
    return (
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{name}</mwg-rs:Name><mwg-rs:Type>{kind}</mwg-rs:Type>'
        f'<mwg-rs:Area stArea:x="{x}" stArea:y="{y}" stArea:w="{w}" stArea:h="{h}" stArea:unit="normalized"/></rdf:li>'
    )


def named(*regions: str, persons: str = "") -> bytes:
    """XMP with regions, and names without a place."""
    inside = "".join(regions)
    return xmp(
        f'<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>{inside}</rdf:Bag>'
        f"</mwg-rs:RegionList></mwg-rs:Regions>{persons}"
    )


def in_image(*names: str) -> str:
    items = "".join(f"<rdf:li>{name}</rdf:li>" for name in names)
    return f"<Iptc4xmpExt:PersonInImage><rdf:Bag>{items}</rdf:Bag></Iptc4xmpExt:PersonInImage>"


def told(said: Said, path: str) -> list[tuple[str, tuple[float, ...] | None]]:
    """Names and rounded boxes."""
    return [
        (one.name, None if one.box is None else tuple(round(side, 3) for side in one.box))
        for one in said.names.get(path, ())
    ]


def placed(*faces: tuple[str, Box]) -> Placed:
    """Faces of photos of 1000 x 1000 pixels, by boxes 0..1."""
    box = 1000 * np.array([box for _, box in faces], dtype=np.float64).reshape(-1, 4)
    n = len(faces)
    return Placed(
        [f"{i:032x}-0" for i in range(n)],
        [path for path, _ in faces],
        box,
        box,
        np.zeros(n, dtype=np.int64),
        np.full(n, np.nan),
        np.full(n, -1),
        np.full(n, -1),
        np.full(n, np.nan),
    )


def of(path: str, *names: tuple[str, Box | None], file: str = "a.xmp") -> Said:
    said = tuple(SaidName(name, box, None if box is None else "upright", "xmp", file) for name, box in names)
    return Said({path: said}, (), 1)


def found(said: Said, faces: Placed) -> dict[int, list[str]]:
    matched = match(said, faces, dict.fromkeys(faces.photo, (1000, 1000)))
    return {row: [one.name for one in names] for row, names in matched.names.items()}


# ------------------------------------------------------------------------------------------------------- reading


def test_both_sidecars_and_the_photo_itself_are_read(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", packet=named(region("Inge", 0.8, 0.5)))
    (tmp_path / "a.jpg.xmp").write_bytes(named(region("Anna", 0.2, 0.5), persons=in_image("Anna", "Uwe")))
    (tmp_path / "a.xmp").write_bytes(named(region("Bert", 0.5, 0.5)))
    said = read_said([path], ["xmp"])
    assert told(said, path) == [
        ("Anna", (0.1, 0.4, 0.3, 0.6)),
        ("Bert", (0.4, 0.4, 0.6, 0.6)),
        ("Inge", (0.7, 0.4, 0.9, 0.6)),
        ("Uwe", None),
    ]
    assert {os.path.basename(one.file) for one in said.names[path]} == {"a.jpg.xmp", "a.xmp", "a.jpg"}
    assert (said.n_files, said.troubles) == (3, ())


def test_a_sidecar_counts_more_than_the_photo_at_one_place(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", packet=named(region("Ana", 0.2, 0.5), region("Uwe", 0.7, 0.5)))
    (tmp_path / "a.jpg.xmp").write_bytes(named(region("Anna", 0.21, 0.5)))
    assert [name for name, _ in told(read_said([path], ["xmp"]), path)] == ["Anna", "Uwe"]


def test_what_is_ours_in_files_is_not_read(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", packet=named(region("Inge", 0.8, 0.5), region("Kim", 0.2, 0.5)))
    (tmp_path / "a.jpg.xmp").write_bytes(named(region("Anna", 0.2, 0.5), persons=in_image("Anna", "Uwe")))
    anna = Tags(mwg=(Marked("Anna", (0.1, 0.4, 0.3, 0.6)),), persons=("Anna",))
    inge = Tags(mwg=(Marked("Inge", (0.7, 0.4, 0.9, 0.6)),))
    said = read_said([path], ["xmp"], ours={f"{path}.xmp": anna, path: inge})
    assert told(said, path) == [
        ("Kim", (0.1, 0.4, 0.3, 0.6)),
        ("Uwe", None),
    ]  # Anna's region does not hide Kim's


def test_two_regions_of_one_file_are_two_people_though_they_overlap(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", packet=named(region("Anna", 0.4, 0.5), region("Uwe", 0.44, 0.5)))
    assert [name for name, _ in told(read_said([path], ["xmp"]), path)] == ["Anna", "Uwe"]


def test_both_standards_in_one_file_are_one_name(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.xmp").write_bytes(rectangle("0.1, 0.2, 0.3, 0.4"))
    (name, box), *others = told(read_said([path], ["xmp"]), path)
    assert box == (0.1, 0.2, 0.4, 0.6)
    assert name
    assert not others


def test_pets_and_points_of_focus_are_nobody(tmp_path: Path) -> None:
    path = photo(
        tmp_path / "a.jpg", packet=named(region("Rex", 0.4, 0.5, kind="Pet"), region("Uwe", 0.7, 0.5))
    )
    assert [name for name, _ in told(read_said([path], ["xmp"]), path)] == ["Uwe"]


def test_keywords_below_people_are_names_and_others_are_not(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.xmp").write_bytes(
        xmp(
            "<lr:hierarchicalSubject><rdf:Bag><rdf:li>People|Anna Berg</rdf:li><rdf:li>Places|Ulm</rdf:li>"
            "<rdf:li>People</rdf:li></rdf:Bag></lr:hierarchicalSubject>"
            "<digiKam:TagsList><rdf:Seq><rdf:li>people/Family/Uwe</rdf:li><rdf:li>People/Anna Berg</rdf:li></rdf:Seq>"
            "</digiKam:TagsList>"
        )
    )
    assert told(read_said([path], ["xmp"]), path) == [("Anna Berg", None), ("Uwe", None)]


@pytest.mark.parametrize(
    ("orientation", "box"),
    [
        (1, (0.1, 0.1, 0.3, 0.5)),
        (2, (0.7, 0.1, 0.9, 0.5)),
        (3, (0.7, 0.5, 0.9, 0.9)),
        (4, (0.1, 0.5, 0.3, 0.9)),
        (5, (0.1, 0.1, 0.5, 0.3)),
        (6, (0.5, 0.1, 0.9, 0.3)),
        (7, (0.5, 0.7, 0.9, 0.9)),
        (8, (0.1, 0.7, 0.5, 0.9)),
    ],
)
def test_boxes_are_laid_into_the_upright_picture(
    tmp_path: Path, orientation: int, box: tuple[float, ...]
) -> None:
    path = photo(tmp_path / "a.jpg", orientation)
    (tmp_path / "a.jpg.xmp").write_bytes(named(region("Anna", 0.2, 0.3, 0.2, 0.4)))
    assert told(read_said([path], ["xmp"]), path) == [("Anna", box)]
    (tmp_path / ".picasa.ini").write_text(
        "[Contacts2]\nb8e4117cf1d6615b=Anna;;\n[a.jpg]\nfaces=rect64(199919994ccc7fff),b8e4117cf1d6615b\n"
    )
    assert told(read_said([path], ["picasa"]), path) == [("Anna", box)]


def test_the_origins_asked_for_are_read_and_no_others(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", packet=named(region("Xena", 0.2, 0.3)))
    (tmp_path / ".picasa.ini").write_text(
        "[Contacts2]\nb8e4117cf1d6615b=Piet;;\n[a.jpg]\nfaces=rect64(199919994ccc7fff),b8e4117cf1d6615b\n"
    )
    (tmp_path / "a.jpg.supplemental-metadata.json").write_text(
        json.dumps({"title": "a.jpg", "people": [{"name": "Theo"}]})
    )
    (tmp_path / "a.jpg.json").write_text(json.dumps([{"SourceFile": "a.jpg", "XMP:PersonInImage": "Olga"}]))
    by = {origin: [name for name, _ in told(read_said([path], [origin]), path)] for origin in ORIGINS}
    assert by == {"xmp": ["Xena"], "picasa": ["Piet"], "takeout": ["Theo"], "osxphotos": ["Olga"]}
    assert {one.origin for one in read_said([path], ORIGINS).names[path]} == {*ORIGINS}


def test_one_name_at_one_place_from_several_programs_counts_once(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", packet=named(region("anna", 0.2, 0.3, 0.2, 0.4)))
    (tmp_path / ".picasa.ini").write_text(
        "[Contacts2]\nb8e4117cf1d6615b=Anna;;\n[a.jpg]\nfaces=rect64(199919994ccc7fff),b8e4117cf1d6615b\n"
    )
    (tmp_path / "a.jpg.json").write_text(json.dumps({"title": "a.jpg", "people": [{"name": "Anna"}]}))
    assert [name for name, _ in told(read_said([path], ORIGINS), path)] == ["anna"]


def test_a_sidecar_that_two_photos_may_mean_is_told(tmp_path: Path) -> None:
    one, other = photo(tmp_path / "a.jpg"), photo(tmp_path / "a.png")
    (tmp_path / "a.xmp").write_bytes(named(region("Anna", 0.2, 0.5)))
    said = read_said([one, other], ["xmp"])
    assert not said.names
    assert len(said.troubles) == 1
    assert "a.xmp" in said.troubles[0]


def test_a_sidecar_beside_a_raw_file_or_a_live_photo_is_of_the_photo(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    for name in ("A.NEF", "a.mov"):
        (tmp_path / name).touch()
    (tmp_path / "a.xmp").write_bytes(named(region("Anna", 0.5, 0.5)))
    said = read_said([path, str(tmp_path / "a.mov")], ["xmp"])
    assert [name for name, _ in told(said, path)] == ["Anna"]
    assert told(said, str(tmp_path / "a.mov")) == []
    assert not [text for text in said.troubles if "a.xmp" in text]


def test_a_link_that_leads_out_of_its_folder_is_told_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    path = photo(tmp_path / "photos" / "a.jpg")
    (tmp_path / "secret.xmp").write_bytes(named(region("Anna", 0.2, 0.5)))
    os.symlink(tmp_path / "secret.xmp", tmp_path / "photos" / "a.jpg.xmp")
    os.symlink(tmp_path / "secret.xmp", tmp_path / "photos" / ".picasa.ini")
    said = read_said([path], ORIGINS)
    assert not said.names
    assert len(said.troubles) == 2
    assert all("leads out" in line for line in said.troubles)
    (tmp_path / "photos" / "a.jpg.xmp").unlink()
    (tmp_path / "photos" / "inside").write_bytes(named(region("Anna", 0.2, 0.5)))
    os.symlink("inside", tmp_path / "photos" / "a.jpg.xmp")
    assert [name for name, _ in told(read_said([path], ["xmp"]), path)] == ["Anna"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        named(region("Anna", 0.2, 0.5))[:300],
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + named(region("&b;", 0.2, 0.5)),
        b"<x>" * 100_000,
    ],
    ids=["empty", "no XML", "cut short", "entities", "deep"],
)
def test_a_bad_sidecar_is_a_line_and_the_others_count(tmp_path: Path, data: bytes) -> None:
    path, other = photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg", packet=named(region("Uwe", 0.2, 0.5)))
    (tmp_path / "a.jpg.xmp").write_bytes(data)
    (tmp_path / "a.xmp").write_bytes(named(region("Anna", 0.2, 0.5)))
    said = read_said([path, other], ["xmp"])
    assert [name for name, _ in told(said, path) + told(said, other)] == ["Anna", "Uwe"]
    assert len(said.troubles) == 1
    assert "a.jpg.xmp" in said.troubles[0]
    assert "\n" not in said.troubles[0]


def test_a_photo_that_is_gone_is_told(tmp_path: Path) -> None:
    said = read_said([str(tmp_path / "gone.jpg")], ["xmp"])
    assert not said.names
    assert len(said.troubles) == 1
    assert "gone.jpg" in said.troubles[0]


# ------------------------------------------------------------------------------------------------ of Apple Photos


def apple(**more: Any) -> dict[str, Any]:
    """A photo as osxphotos prints it, with a face in the middle of its upper half."""
    face = {"name": "Olga", "center_x": 0.5, "center_y": 0.75, "size": 0.2}
    return {"uuid": "U-1", "width": 40, "height": 20, "persons": ["Olga"], "faces": [face]} | more


@pytest.mark.parametrize(
    "record",
    [
        apple(original_filename="elsewhere.jpg", path="a.jpg"),
        apple(original_filename="A.JPG", path="/Users/olga/originals/1.jpg"),
        apple(original_filename="x.jpg", uuid="A"),
    ],
    ids=["path", "name", "id"],
)
def test_photos_of_osxphotos_are_found_by_path_name_and_id(tmp_path: Path, record: dict[str, Any]) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "all.json").write_text(json.dumps([record]))
    said = read_said([path], ["osxphotos"], [tmp_path / "all.json"])
    assert told(said, path) == [("Olga", (0.4, 0.05, 0.6, 0.45))]


def test_photos_that_are_called_the_same_are_told(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    path, other = photo(tmp_path / "a.jpg"), photo(tmp_path / "1" / "a.jpg")
    (tmp_path / "all.json").write_text(json.dumps([apple(original_filename="a.jpg")]))
    said = read_said([path, other], ["osxphotos"], [tmp_path / "all.json"])
    assert not said.names
    assert len(said.troubles) == 1
    assert "all.json" in said.troubles[0]


def test_faces_of_an_edited_photo_lie_in_its_edited_version(tmp_path: Path) -> None:
    path, edited = photo(tmp_path / "a.jpg"), photo(tmp_path / "a_edited.jpg")
    (tmp_path / "all.json").write_text(json.dumps([apple(original_filename="a.jpg", hasadjustments=True)]))
    said = read_said([path, edited], ["osxphotos"], [tmp_path / "all.json"])
    assert told(said, path) == [("Olga", None)]
    assert told(said, edited) == [("Olga", (0.4, 0.05, 0.6, 0.45))]


def test_a_given_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    with pytest.raises(FaceclusterError, match=r"all\.json"):
        read_said([path], ["osxphotos"], [tmp_path / "all.json"])


def test_contacts_of_picasa_are_told_where_they_have_no_name(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / ".picasa.ini").write_text("[a.jpg]\nfaces=rect64(199919994ccc7fff),b8e4117cf1d6615b\n")
    said = read_said([path], ["picasa"])
    assert not said.names
    assert len(said.troubles) == 1
    assert "contacts.xml" in said.troubles[0]
    (tmp_path / "contacts.xml").write_text(
        '<contacts><contact id="b8e4117cf1d6615b" name="Anna"/></contacts>'
    )
    assert told(read_said([path], ["picasa"], [tmp_path / "contacts.xml"]), path) == [
        ("Anna", (0.1, 0.1, 0.3, 0.5))
    ]


# ------------------------------------------------------------------------------------------------------ matching

A, B = (0.1, 0.1, 0.3, 0.3), (0.5, 0.1, 0.7, 0.3)


def test_each_region_is_of_the_face_that_overlaps_most() -> None:
    faces = placed(("p", B), ("p", A), ("q", A))
    assert found(of("p", ("Anna", A), ("Uwe", B)), faces) == {1: ["Anna"], 0: ["Uwe"]}


@pytest.mark.parametrize("factor", [0.5, 0.7, 1, 1.5, 2])
def test_boxes_of_other_programs_are_smaller_or_larger(factor: float) -> None:
    half = 0.1 * factor
    assert found(
        of("p", ("Anna", (0.2 - half, 0.2 - half, 0.2 + half, 0.2 + half))), placed(("p", A), ("p", B))
    ) == {0: ["Anna"]}


@pytest.mark.parametrize("picture", ["stored", "upright"])
def test_boxes_of_picasa_lie_in_the_picture_in_which_faces_are(tmp_path: Path, picture: str) -> None:
    path = photo(tmp_path / "a.jpg", 6)
    (tmp_path / ".picasa.ini").write_text(
        "[Contacts2]\nb8e4117cf1d6615b=Anna;;\n[a.jpg]\nfaces=rect64(199919994ccc7fff),b8e4117cf1d6615b\n"
    )
    box = (0.5, 0.1, 0.9, 0.3) if picture == "stored" else (0.1, 0.1, 0.3, 0.5)
    said = read_said([path], ["picasa"])
    matched = match(said, placed((path, box)), {path: (1000, 1000)})
    assert [one.name for one in matched.names[0]] == ["Anna"]
    elsewhere = match(said, placed((path, (0.6, 0.7, 0.9, 0.9))), {path: (1000, 1000)})
    assert [one.box for _, one in elsewhere.unmatched] == [pytest.approx((0.5, 0.1, 0.9, 0.3), abs=1e-4)]


def test_a_neighbour_is_not_meant() -> None:
    said = of("p", ("Anna", (0.2, 0.1, 0.4, 0.3)))  # half a face beside
    matched = match(said, placed(("p", A)), {"p": (1000, 1000)})
    assert not matched.names
    assert [(path, one.name) for path, one in matched.unmatched] == [("p", "Anna")]


def test_cheek_to_cheek_each_gets_its_own() -> None:
    left, right = (0.1, 0.1, 0.3, 0.3), (0.16, 0.1, 0.36, 0.3)
    said = of("p", ("Anna", (0.09, 0.1, 0.29, 0.3)), ("Uwe", (0.17, 0.1, 0.37, 0.3)))
    assert found(said, placed(("p", right), ("p", left))) == {1: ["Anna"], 0: ["Uwe"]}


def test_two_programs_that_differ_about_a_face_are_both_told() -> None:
    one, other = of("p", ("Anna", A)), of("p", ("Uwe", (0.11, 0.1, 0.31, 0.3)), file="b.ini")
    said = Said({"p": one.names["p"] + other.names["p"]}, (), 2)
    assert found(said, placed(("p", A), ("p", B))) == {0: ["Anna", "Uwe"]}


def test_a_name_without_a_place_is_of_the_one_face_that_is_left() -> None:
    faces = placed(("p", A), ("p", B))
    assert found(of("p", ("Anna", A), ("Uwe", None)), faces) == {0: ["Anna"], 1: ["Uwe"]}
    assert found(of("p", ("Uwe", None)), faces) == {}
    assert found(of("p", ("Uwe", None)), placed(("p", A))) == {0: ["Uwe"]}
    assert found(of("p", ("Uwe", None), ("Ida", None)), placed(("p", A))) == {}
    matched = match(of("p", ("Uwe", None)), faces, {"p": (1000, 1000)})
    assert [(path, one.name) for path, one in matched.unplaced] == [("p", "Uwe")]


def test_a_region_of_a_forgotten_face_is_of_nobody_else() -> None:
    faces, sizes = placed(("p", B)), {"p": (1000, 1000)}
    large = (0.02, 0.02, 0.38, 0.38)
    said = of("p", ("Anna", large), ("Kim", (0.6, 0.6, 0.8, 0.8)), ("Uwe", None))
    matched = match(said, faces, sizes, forgotten={"p": [A]})
    assert [one.name for _, one in matched.forgotten] == ["Anna", "Uwe"]
    assert [one.name for _, one in matched.unmatched] == ["Kim"]
    assert not matched.names
    assert [one.name for _, one in match(said, faces, sizes, forgotten={"p": None}).forgotten] == [
        "Anna",
        "Kim",
        "Uwe",
    ]
    assert [one.name for one in match(of("p", ("Ida", B)), faces, sizes, forgotten={"p": [A]}).names[0]] == [
        "Ida"
    ]


def test_a_photo_without_a_size_has_no_matches() -> None:
    matched = match(of("p", ("Anna", A), ("Uwe", None)), placed(("p", A)), {"p": (0, 0)})
    assert not matched.names
    assert len(matched.unmatched) == len(matched.unplaced) == 1


def test_thousands_of_names_in_a_photo_are_cut_and_told(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    regions = [region(f"N{i}", 0.5, 0.5, 0.01, 0.01) for i in range(1200)]
    (tmp_path / "a.jpg.xmp").write_bytes(named(*regions))
    said = read_said([path], ORIGINS)
    assert len(said.names[path]) == 1000
    assert said.troubles == (f"{path}.xmp: has 1200 names for a.jpg; the first 1000 count",)


def test_names_that_are_too_long_are_counted(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.xmp").write_bytes(
        named(region("N" * 201, 0.5, 0.5), region("Ida", 0.2, 0.2), persons=in_image("M" * 9999, "K" * 200))
    )
    said = read_said([path], ORIGINS)
    assert [one.name for one in said.names[path]] == ["Ida", "K" * 200]
    assert said.troubles == (f"2 names of more than 200 letters, left out, the first in {path}.xmp",)

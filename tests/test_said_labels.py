"""Labels that other programs' files have: `--labels xmp,picasa`, wherever labels are taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from click.testing import CliRunner
from commands import on_terminal
from PIL import Image
from tables import make_table, people
from xmp_files import RDF

from facecluster.cli import main
from facecluster.formats import face_table

WHO = ["Anna"] * 4 + ["Bert"] * 4 + ["Carl"] * 4
"""Whose the face of each photo is; it is 100 x 100 pixels in an upright photo of 1000 x 800."""

STORED = {1: (0.15, 0.3125, 0.1, 0.125), 6: (0.3125, 0.85, 0.125, 0.1)}
"""Middle, width and height of that face in the stored picture, by EXIF orientation."""


def run(*arguments: object) -> click.testing.Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def told(*arguments: object) -> Any:
    done = run(*arguments)
    assert done.exit_code in (0, 3), done.output
    return json.loads(done.stdout)


def sidecar(regions: Sequence[tuple[str, tuple[float, float, float, float]]]) -> str:
    """XMP of MWG regions, each with its middle, width and height."""
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><r:Name>{name}</r:Name><r:Type>Face</r:Type>'
        f'<r:Area a:x="{x}" a:y="{y}" a:w="{w}" a:h="{h}" a:unit="normalized"/></rdf:li>'
        for name, (x, y, w, h) in regions
    )
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" '
        'xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/" '
        'xmlns:a="http://ns.adobe.com/xmp/sType/Area#"><r:Regions rdf:parseType="Resource"><r:RegionList><rdf:Bag>'
        f"{items}</rdf:Bag></r:RegionList></r:Regions></rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def call(photo: Path, name: str, orientation: int = 1) -> None:
    """Say in a sidecar whose the face of a photo is."""
    photo.with_name(f"{photo.name}.xmp").write_text(sidecar([(name, STORED[orientation])]), encoding="utf-8")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Twelve photos, each with a sidecar that tells the truth. The second was taken with the camera on its side."""
    paths = [tmp_path / "photos" / f"{i:02d}.jpg" for i in range(len(WHO))]
    paths[0].parent.mkdir()
    for i, path in enumerate(paths):
        exif = Image.Exif()
        exif[0x0112] = orientation = 6 if i == 1 else 1
        Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(path, exif=exif)
        call(path, WHO[i], orientation)
    return paths


@pytest.fixture
def file(photos: list[Path], tmp_path: Path) -> Path:
    ids = [f"{i:032x}-0" for i in range(1, len(WHO) + 1)]
    face_table.write(make_table(people(3, 4), paths=[*map(str, photos)], id=ids), tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


@pytest.fixture
def library(file: Path, tmp_path: Path) -> Path:
    """Three people without names, whose faces are those of Anna, Bert and Carl."""
    done = run("cluster", file, "-o", tmp_path / "out", "--link", "none", "-q")
    assert done.exit_code == 0, done.output
    return tmp_path / "out"


def test_regions_of_sidecars_are_labels_of_faces(file: Path, library: Path) -> None:
    for source in (file, library):
        record = told("audit", source, "--labels", "xmp")
        assert (record["all_right"], record["faces"], record["labels"]) == (True, 12, 3)
        assert [group["labels"] for group in record["groups"]] == [{"Anna": 4}, {"Bert": 4}, {"Carl": 4}]
    scores = told("evaluate", library, "--labels", "xmp")
    assert (scores["labels"], scores["pairwise"]["f"], scores["coverage"]) == (3, 1, 1)


def test_names_that_differ_in_case_only_are_one_label(file: Path, photos: list[Path]) -> None:
    for photo, name in zip(photos, ["zo\u00eb", "Zoe\u0308", "Zo\u00eb", "ZO\u00cb"], strict=False):
        call(photo, name, 6 if photo.name == "01.jpg" else 1)
    scores = told("evaluate", file, "--labels", "xmp")
    assert (scores["labels"], scores["pairwise"]["recall"]) == (3, 1)
    record = told("audit", file, "--labels", "xmp")
    assert (record["all_right"], record["groups"][0]["labels"]) == (True, {"Zo\u00eb": 4})


def test_audit_names_a_face_that_is_filed_under_somebody_else(file: Path, photos: list[Path]) -> None:
    call(photos[3], "Bert")
    (wrong,) = told("audit", file, "--labels", "xmp")["misfiled"]
    assert (wrong["label"], wrong["looks_like"]) == ("Bert", "Anna")
    assert [face["photo"] for face in wrong["faces"]] == [str(photos[3])]


def test_where_all_that_is_named_is_disputed_there_are_no_labels(file: Path, photos: list[Path]) -> None:
    for photo in photos[1:]:
        photo.with_name(f"{photo.name}.xmp").unlink()
    record = {"title": photos[0].name, "people": [{"name": "Zoe"}]}
    photos[0].with_name("00.jpg.json").write_text(json.dumps(record))
    lines = ["[Contacts2]", "a1=Eva;;", "[00.jpg]", "faces=rect64(1999400033336000),a1"]
    photos[0].with_name(".picasa.ini").write_text("\n".join(lines))
    record = told("audit", file, "--labels", "programs")
    assert (record["faces"], record["disputed"][0]["labels"]) == (0, ["Anna", "Eva"])
    assert told("audit", file, "--labels", "folder")["disputed"] is None
    done = run("list", file, "--labels", "programs")
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize(("labels", "n_faces"), [("{}", 2), ("picasa,{}", 2), ("xmp, {}", 12)])
def test_a_file_of_osxphotos_is_given_by_path(
    labels: str, n_faces: int, file: Path, photos: list[Path], tmp_path: Path
) -> None:
    given = tmp_path / "apple.JSON"
    given.write_text(json.dumps([{"path": str(photo), "persons": ["Anna"]} for photo in photos[:2]]))
    listed = run("list", file, "--labels", labels.format(given)).stdout.splitlines()
    assert sum(json.loads(line)["n_faces"] for line in listed) == n_faces
    given.unlink()
    done = run("audit", file, "--labels", labels.format(given))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"{given}: cannot be read: " in done.stderr


def test_audit_of_a_table_knows_no_people(file: Path) -> None:
    done = run("audit", file, "--labels", "xmp")
    assert json.loads(done.stdout)["several_names"] is None
    assert "under two names" not in done.stderr


def test_audit_lists_one_person_under_two_names(library: Path, photos: list[Path]) -> None:
    call(photos[3], "Eva")
    done = run("audit", library, "--labels", "xmp")
    assert done.exit_code == 3
    (person,) = json.loads(done.stdout)["several_names"]
    assert person["whose"] == {"id": "person-0001", "name": None}
    assert (person["labels"], person["n_faces"]) == (["Anna", "Eva"], [3, 1])
    assert [face["photo"] for face in person["faces"]] == [str(photos[3])]
    assert "1 person under two names; 0 names of two people" in done.stderr


def test_audit_lists_a_person_who_is_called_otherwise(library: Path, photos: list[Path]) -> None:
    assert run("name", library, "person-0001", "ANNA", "-q").exit_code == 0
    assert told("audit", library, "--labels", "xmp")["all_right"]
    assert run("name", library, "person-0001", "Hanna", "-q").exit_code == 0
    record = told("audit", library, "--labels", "xmp")
    assert not record["all_right"]
    (person,) = record["several_names"]
    assert person["whose"] == {"id": "person-0001", "name": "Hanna"}
    assert (person["labels"], len(person["faces"])) == (["Anna"], 4)


def test_audit_lists_one_name_on_two_people(library: Path, photos: list[Path]) -> None:
    for photo in photos[4:6]:
        call(photo, "anna")
    record = told("audit", library, "--labels", "xmp")
    (name,) = record["several_people"]
    assert (name["label"], name["n_faces"]) == ("Anna", [4, 2])
    assert [person["id"] for person in name["people"]] == ["person-0001", "person-0002"]
    assert [face["photo"] for face in name["faces"]] == [str(photos[0]), str(photos[4])]


def test_audit_lists_a_name_that_is_somebody_elses(library: Path) -> None:
    assert run("name", library, "person-0002", "Carl", "-q").exit_code == 0
    record = told("audit", library, "--labels", "xmp")
    assert [person["labels"] for person in record["several_names"]] == [["Bert"]]
    (name,) = record["several_people"]
    assert (name["label"], name["n_faces"]) == ("Carl", [4, 0])
    assert len(name["faces"]) == 1


def test_face_that_the_library_does_not_know_is_of_nobody_there(
    library: Path, file: Path, photos: list[Path]
) -> None:
    new = photos[0].with_name("new.jpg")
    Image.new("RGB", (8, 8), (0, 9, 0)).save(new)
    call(new, "Zoe")
    ids = [f"{i:032x}-0" for i in range(1, len(WHO) + 2)]
    encoding = np.concatenate([people(3, 4), people(4, 1)[3:]])
    face_table.write(make_table(encoding, paths=[*map(str, photos), str(new)], id=ids), file)
    record = told("audit", library, "--labels", "xmp")
    assert (record["faces"], record["labels"]) == (13, 4)
    assert (record["several_names"], record["several_people"]) == ([], [])


def test_audit_looks_at_one_name(library: Path, photos: list[Path]) -> None:
    call(photos[3], "Bert")
    assert told("audit", library, "--labels", "xmp", "--database", "Carl")["all_right"]


def test_region_without_a_face_is_told(file: Path, photos: list[Path]) -> None:
    regions = [("Anna", STORED[1]), ("Zoe", (0.8, 0.8, 0.1, 0.1))]
    photos[0].with_name("00.jpg.xmp").write_text(sidecar(regions), encoding="utf-8")
    done = run("audit", file, "--labels", "xmp")
    assert f"xmp: no face for 1 of 13 labels, the first in {photos[0]}: Zoe\n" in done.stderr
    scores = run("evaluate", file, "--labels", "xmp")
    assert f"xmp: no face for 1 of 13 labels, among them:\n  {photos[0]}: Zoe\n" in scores.stderr


def test_names_without_a_place_are_told_apart(photos: list[Path], tmp_path: Path) -> None:
    three = [str(photos[0])] * 2 + [str(photos[1])]
    face_table.write(make_table(people(3, 1), paths=three, id=["a-0", "a-1", "b-0"]), tmp_path / "faces.npz")
    photos[0].with_name("00.jpg.xmp").unlink()
    for photo, name in ((photos[0], "Mia Berg"), (photos[1], "Zoe")):
        record = {"title": photo.name, "people": [{"name": name}]}
        photo.with_name(f"{photo.name}.json").write_text(json.dumps(record))
    unsure = (
        "takeout: 1 name without a place in photos with several faces or names, and left out, the first "
        f"{photos[0]}: Mia Berg\n"
    )
    for verb in ("audit", "evaluate"):
        done = run(verb, tmp_path / "faces.npz", "--labels", "takeout")
        assert done.exit_code == 0, done.output
        assert unsure in done.stderr
        assert "no face for" not in done.stderr
    photos[1].with_name("01.jpg.json").unlink()
    for verb in ("audit", "evaluate"):
        done = run(verb, tmp_path / "faces.npz", "--labels", "takeout")
        assert (done.exit_code, done.stdout) == (1, "")
        assert unsure in done.stderr
        assert "takeout: none of its labels is of a face of" in done.stderr


def test_name_of_somebody_whose_face_was_not_found_is_told(file: Path, photos: list[Path]) -> None:
    region = sidecar([("Anna", STORED[1])])
    both = region.replace(
        "</r:Regions>",
        '</r:Regions><i:PersonInImage xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><rdf:Bag>'
        "<rdf:li>Zoe</rdf:li></rdf:Bag></i:PersonInImage>",
    )
    photos[0].with_name("00.jpg.xmp").write_text(both, encoding="utf-8")
    done = run("audit", file, "--labels", "xmp")
    assert f"xmp: no face for 1 of 13 labels, the first in {photos[0]}: Zoe\n" in done.stderr
    assert "without a place" not in done.stderr


def test_file_that_cannot_be_read_costs_itself_only(file: Path, photos: list[Path]) -> None:
    photos[0].with_name("00.jpg.xmp").write_text("<x:xmpmeta", encoding="utf-8")
    done = run("audit", file, "--labels", "xmp")
    assert f"{photos[0]}.xmp" in done.stderr
    record = json.loads(done.stdout)
    assert (record["faces"], record["why_left_out"]) == (11, {"no_label": 1})


def test_copies_that_are_called_two_things_have_no_label(photos: list[Path], tmp_path: Path) -> None:
    call(photos[1], "Eva", 6)
    ids = [f"face{max(i, 1):04d}" for i in range(12)]
    table = make_table(people(3, 4)[[1, 1, *range(2, 12)]], paths=[*map(str, photos)], id=ids)
    face_table.write(table, tmp_path / "faces.npz")
    done = run("audit", tmp_path / "faces.npz", "--labels", "xmp")
    assert json.loads(done.stdout)["why_left_out"] == {"no_label": 2}
    assert "xmp: 1 face called two things, and left out, the first Anna and Eva" in done.stderr


def test_names_of_takeout_are_of_the_only_face(file: Path, photos: list[Path]) -> None:
    for i in (0, 4, 5):
        record = {"title": photos[i].name, "people": [{"name": WHO[i]}]}
        photos[i].with_name(f"{photos[i].name}.json").write_text(json.dumps(record))
    listed = run("list", file, "--labels", "takeout").stdout.splitlines()
    assert [(one["name"], one["n_faces"]) for one in map(json.loads, listed)] == [("Anna", 1), ("Bert", 2)]


def test_names_of_picasa(file: Path, photos: list[Path]) -> None:
    lines = ["[Contacts2]", "a1=Anna Berg;;", "[00.jpg]", "faces=rect64(1999400033336000),a1"]
    photos[0].with_name(".picasa.ini").write_text("\n".join(lines))
    (found,) = run("list", file, "--labels", "picasa").stdout.splitlines()
    assert (json.loads(found)["name"], json.loads(found)["n_faces"]) == ("Anna Berg", 1)


def test_names_of_osxphotos(file: Path, photos: list[Path]) -> None:
    record = [{"SourceFile": str(photos[0]), "XMP:PersonInImage": ["Anna Berg"]}]
    photos[0].with_name("00.jpg.json").write_text(json.dumps(record))
    (found,) = run("list", file, "--labels", "osxphotos").stdout.splitlines()
    assert (json.loads(found)["name"], json.loads(found)["n_faces"]) == ("Anna Berg", 1)


@pytest.mark.parametrize("labels", ["takeout,xmp,picasa", "xmp, picasa,takeout", "programs"])
def test_several_programs_say_it_together(
    labels: str, library: Path, file: Path, photos: list[Path], tmp_path: Path
) -> None:
    for photo in photos:
        photo.with_name(f"{photo.name}.xmp").unlink()
    for i in range(8, 12):
        call(photos[i], "Carl")
    for i in (0, 2, 3):
        record = {"title": photos[i].name, "people": [{"name": "Anna"}]}
        photos[i].with_name(f"{photos[i].name}.json").write_text(json.dumps(record))
    lines = [f"[{i:02d}.jpg]\nfaces=rect64(1999400033336000),b" for i in (4, 5, 11)]
    photos[0].with_name(".picasa.ini").write_text("\n".join(["[Contacts2]", "b=Bert;;", *lines]))
    listed = run("list", file, "--labels", labels)
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["name"], one["n_faces"]) for one in found] == [("Anna", 3), ("Bert", 2), ("Carl", 3)]
    assert "1 face called two things, and left out, the first Carl and Bert" in listed.stderr
    record = told("audit", library, "--labels", labels)
    assert (record["faces"], record["labels"], record["several_names"]) == (8, 3, [])
    (disputed,) = record["disputed"]
    assert (disputed["face"]["photo"], disputed["labels"]) == (str(photos[11]), ["Bert", "Carl"])
    picasa, sidecar = photos[0].with_name(".picasa.ini"), f"{photos[11]}.xmp"
    assert disputed["said_in"] == [[str(picasa)], [sidecar]]
    assert not record["all_right"]
    _, shown, stderr = on_terminal("audit", library, "--labels", labels)
    assert shown.splitlines()[-4:] == [
        "faces that are called several things",
        f"    {photos[11].name}  [100, 200, 200, 300]",
        f"      Bert, by {picasa}",
        f"      Carl, by {sidecar}",
    ]
    assert "; 1 face called several things\n" in stderr
    assert told("audit", library, "--labels", labels, "--database", "Anna")["disputed"] == []
    scores = told("evaluate", library, "--labels", labels)
    assert (scores["labels"], scores["pairwise"]["f"]) == (3, 1)
    assert run("forget", file, "--label", "bert", "--labels", labels, "-y", "-q").exit_code == 0
    assert len(face_table.read(file).faces) == 10


@pytest.mark.parametrize("verb", ["audit", "evaluate", "list"])
def test_one_of_several_that_is_no_program_is_an_error(verb: str, file: Path) -> None:
    done = run(verb, file, "--labels", "xmp,folder")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "folder: no program whose files are read; give some of" in done.stderr


def test_file_may_be_called_like_programs(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("xmp,all.csv").write_text(f"face,label\n{1:032x}-0,Anna\n")
    (found,) = run("list", file, "--labels", "xmp,all.csv").stdout.splitlines()
    assert json.loads(found)["name"] == "Anna"


def test_search_finds_names_of_sidecars(file: Path, tmp_path: Path) -> None:
    face_table.write(make_table(people(3, 4)[5:6]), tmp_path / "query.npz")
    done = run("search", "--faces", tmp_path / "query.npz", "--in", file, "--labels", "xmp")
    assert [match["name"] for match in json.loads(done.stdout)["matches"]] == ["Bert"]


def test_faces_under_a_name_of_sidecars_are_forgotten(file: Path) -> None:
    done = run("forget", file, "--label", "Anna", "--labels", "xmp", "-y", "-q")
    assert done.exit_code == 0, done.stderr
    assert len(face_table.read(file).faces) == 8


@pytest.mark.parametrize("verb", ["audit", "evaluate", "list"])
def test_sidecars_say_themselves_which_face_is_meant(verb: str, file: Path) -> None:
    done = run(verb, file, "--labels", "xmp", "--label-face", "largest")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "xmp: says itself which faces its labels are of" in done.stderr


def test_result_without_its_table_cannot_be_compared(library: Path, file: Path) -> None:
    file.unlink()
    done = run("evaluate", library, "--labels", "xmp")
    assert done.exit_code == 1
    assert "give their face table with -e" in done.stderr


def test_no_labels_at_all(file: Path) -> None:
    done = run("audit", file, "--labels", "picasa")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "picasa: none of its labels is of a face" in done.stderr


def test_report_of_what_is_at_odds(library: Path, photos: list[Path]) -> None:
    from facecluster.cli.audit import read_labelled, report
    from facecluster.render.audit import make_audit

    call(photos[3], "Bert")
    faces, shown, encoder, label, texts, whose, _ = read_labelled(str(library), "xmp", None, None)
    audit = make_audit(
        faces, shown, encoder, label, texts, whose, cluster_threshold=50, output_threshold=50, max_results=5
    )
    lines = list(report(audit))
    start = lines.index("people under two names")
    assert lines[start + 1 :] == [
        "  person-0001: Anna (3 faces) and Bert (1 face)",
        f"    {photos[3]}  [100, 200, 200, 300]",
        "names of two people",
        "  Bert: person-0002 (4 faces) and person-0001 (1 face)",
        f"    {photos[4]}  [100, 200, 200, 300]",
        f"    {photos[3]}  [100, 200, 200, 300]",
    ]

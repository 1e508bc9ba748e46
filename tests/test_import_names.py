"""Names that other programs gave become decisions, weaker than one's own: in real small libraries with sidecars."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click.testing
import pytest
from click.testing import CliRunner
from commands import on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people
from xmp_files import xmp

from facecluster.cli import main
from facecluster.errors import FaceclusterError
from facecluster.formats import decisions_jsonl, face_table, tags_jsonl
from facecluster.formats.clusters_json import read_result
from facecluster.formats.tags_jsonl import Written
from facecluster.formats.xmp_write import Marked, Tags
from facecluster.identity.decisions import Act, Decision, Make, Move, Name, Said, SaidBy
from facecluster.library import correct, undo_patches
from facecluster.library.history import history
from facecluster.library.import_names import import_names
from facecluster.library.library import Library
from facecluster.library.proposed import proposed
from facecluster.library.questions import Queue, answer
from facecluster.library.said import tagged
from facecluster.library.settings import Choices
from facecluster.library.tag import tag
from facecluster.library.undo import undo
from facecluster.photos.decode import decode
from facecluster.photos.picture import pixel_digest
from facecluster.result import Result, columns

SIDE = 400


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library: person-0001 in photos 00 to 05, 0002 in 06 to 09, 0003 in 10 to 12, a stranger in 13.

    In photo 06 there is a second face, of nobody, at the right. Photo 05 is a copy of photo 04.
    """
    root = tmp_path_factory.mktemp("made")
    folder = root / "photos"
    folder.mkdir()
    paths = [folder / f"{i:02d}.png" for i in range(14)]
    for i, path in enumerate(paths):
        Image.new("RGB", (SIDE, SIDE), (10 * min(i, 4) if i < 6 else 10 * i, 100, 100)).save(path)
    digests = [pixel_digest((photo := decode(path)).pixels, photo.size) for path in paths]
    photo_of = [*range(7), 6, *range(7, 14)]
    left = [100.0] * 7 + [250.0] + [100.0] * 7
    ordinal = [0] * 7 + [1] + [0] * 7
    table = make_table(
        people(5, 6)[[0, 1, 2, 3, 4, 4, 6, 24, 7, 8, 9, 12, 13, 14, 18]],
        photo=photo_of,
        paths=[str(path) for path in paths],
        photos={"size": [[SIDE, SIDE]] * 14, "digest": digests},
        id=[f"{digests[p]}-{o}" for p, o in zip(photo_of, ordinal, strict=True)],
        box=[[x, 200, x + 100, 300] for x in left],
    )
    (root / "people").mkdir()
    file = root / "people" / "faces.npz"
    face_table.write(table, file)
    cluster_table(table, file.parent, Choices(link="none"), source=str(file), jobs=1)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of the library, whose photos are where they were; without any sidecar."""
    shutil.copytree(made / "people", tmp_path / "people")
    for file in (made / "photos").iterdir():
        if file.suffix != ".png":
            file.unlink()
    return tmp_path


@pytest.fixture
def say(root: Path, made: Path) -> Callable[..., None]:
    """Write sidecars: names of the left and of the right face of photos by number, None nobody; and of the photo."""

    def write(*names: str | None, photos: Sequence[int], inside: Sequence[str] = ()) -> None:
        regions = [
            f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{name}</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type>'
            f'<mwg-rs:Area stArea:x="{x}" stArea:y="0.625" stArea:w="0.3" stArea:h="0.3"/></rdf:li>'
            for name, x in zip(names, (0.375, 0.75, 0.1), strict=False)
            if name is not None
        ]
        persons = "".join(f"<rdf:li>{name}</rdf:li>" for name in inside)
        for number in photos:
            (made / "photos" / f"{number:02d}.png.xmp").write_bytes(
                xmp(
                    '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
                    f"{''.join(regions)}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
                    f"<Iptc4xmpExt:PersonInImage><rdf:Bag>{persons}</rdf:Bag></Iptc4xmpExt:PersonInImage>"
                )
            )

    return write


@pytest.fixture
def take_in(root: Path) -> Callable[..., list[Decision]]:
    """Import, and give what was written."""

    def run(**options: Any) -> list[Decision]:
        with Library.open(root / "people") as library:
            return [*import_names(library, **options).corrected.decisions]

    return run


def result_of(root: Path) -> Result:
    return read_result(root / "people" / "clusters.json")


def who(root: Path) -> dict[str, list[str]]:
    """The photos of everybody by name or id; those of nobody as "nobody"."""
    result = result_of(root)
    found = {one.name or one.id: sorted(Path(face.photo).stem for face in one.faces) for one in result.people}
    return found | {"nobody": sorted(Path(face.photo).stem for face in result.unclustered)}


def lines(root: Path) -> list[dict[str, Any]]:
    file = root / "people" / "decisions.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def acts(decisions: Sequence[Decision], kind: type) -> list[Any]:
    return [one.act for one in decisions if isinstance(one.act, kind)]


def again(root: Path) -> None:
    """Group anew, and expect what the import made of the people."""
    before = who(root)
    cluster_table(
        face_table.read(root / "people" / "faces.npz"),
        root / "people",
        Choices(link="none"),
        source=str(root / "people" / "faces.npz"),
        jobs=1,
    )
    assert who(root) == before


NOBODY_NAMED = {
    "person-0001": ["00", "01", "02", "03", "04", "05"],
    "person-0002": ["06", "07", "08", "09"],
    "person-0003": ["10", "11", "12"],
    "nobody": ["06", "13"],
}


def test_people_are_named_and_faces_of_nobody_placed(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna Berg", photos=[0, 1, 2])
    say("Uwe", "Anna Berg", photos=[6])
    say("Zoe", photos=[13])
    written = take_in()
    assert who(root) == {
        "Anna Berg": ["00", "01", "02", "03", "04", "05", "06"],
        "Uwe": ["06", "07", "08", "09"],
        "person-0003": ["10", "11", "12"],
        "Zoe": ["13"],
        "nobody": [],
    }
    assert [one.name for one in acts(written, Name)] == ["Anna Berg", "Uwe"]
    assert [one.name for one in acts(written, Make)] == ["Zoe"]
    assert len(acts(written, Move)) == 1
    assert len({one.time for one in written}) == 1
    files = {
        one.act.name: [Path(file).name for file in one.said_by.files]
        for one in written
        if one.said_by and isinstance(one.act, Name)
    }
    assert files == {"Anna Berg": ["00.png.xmp", "01.png.xmp", "02.png.xmp"], "Uwe": ["06.png.xmp"]}
    assert all(line["by"]["origin"] == "xmp" for line in lines(root))
    again(root)


def test_importing_again_changes_nothing(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    say("Uwe", "Anna", photos=[6])
    say("Anna", photos=[10])
    say("Zoe", photos=[13])
    assert take_in()
    files = {file: file.read_bytes() for file in (root / "people").rglob("*") if file.is_file()}
    assert take_in() == []
    assert {file: file.read_bytes() for file in (root / "people").rglob("*") if file.is_file()} == files


def test_names_are_spelt_as_most_files_have_them(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("anna berg", photos=[0])
    say("Anna Berg", photos=[1, 2])
    take_in()
    assert "Anna Berg" in who(root)


def test_what_was_decided_here_wins(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    with Library.open(root / "people") as library:
        library.name("person-0001", "Grandma")
        library.name("person-0003", "Zoe")
        library.move("12.png", to="nobody")
        library.not_a_person("13.png")
        correct.not_theirs(library, ["06.png#2"], "person-0001")
    before = who(root)
    say("Anna", photos=[0, 1, 2])
    say("Uwe", "Grandma", photos=[6])
    say("Zoe", photos=[12])
    say("Kim", photos=[13])
    written = take_in()
    assert acts(written, Move) == acts(written, Make) == []
    assert [one.name for one in acts(written, Name)] == ["Uwe"]
    assert [(one.name, len(one.faces)) for one in acts(written, Said)] == [("Anna", 3)]
    assert who(root) == {"Uwe" if name == "person-0002" else name: those for name, those in before.items()}
    with Library.open(root / "people") as library:
        library.name("Uwe", "Uwe B.")
    assert [(type(one.act), one.act.name) for one in take_in()] == [(Said, "Uwe")]  # told, and that is all
    say(photos=[10], inside=["Tim"])  # of the one face of its photo, which is called Zoe here
    with Library.open(root / "people") as library:
        done = import_names(library)
    assert [(one.name, one.why) for one in done.conflicts if one.name == "Tim"] == [
        ("Tim", "that is not its name here")
    ]
    assert done.unplaced == ()
    assert take_in() == []
    assert "Uwe B." in who(root)
    again(root)


def test_a_name_that_was_taken_away_here_is_not_given_again(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    take_in()
    with Library.open(root / "people") as library:
        library.name("Anna", "")
    assert acts(take_in(), Name) == []
    assert "Anna" not in who(root)
    with Library.open(root / "people") as library:
        assert [one.why for one in import_names(library).conflicts] == ["its name was taken away here"]
        library.name("person-0001", "Berta")
        assert [one.why for one in import_names(library).conflicts] == ["that is not its name here"]


def test_a_name_that_another_program_changed_is_changed(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    take_in()
    say("Anna Berg", photos=[0, 1])
    take_in()
    assert "Anna Berg" in who(root)
    assert "Anna" not in who(root)


def test_of_two_people_with_one_name_the_larger_gets_it(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 7, 8, 9, 10])
    written = take_in()
    assert [one.person for one in acts(written, Name)] == ["person-0001"]
    assert sorted(len(one.faces) for one in acts(written, Said)) == [1, 3]
    assert {name: those for name, those in who(root).items() if name != "Anna"} == {
        name: those for name, those in NOBODY_NAMED.items() if name != "person-0001"
    }
    with Library.open(root / "people") as library:
        told = import_names(library)
    assert [(one.name, one.n_faces) for one in told.conflicts] == [("Anna", 3), ("Anna", 1)]
    assert all("has that name" in one.why for one in told.conflicts)


def test_a_person_under_two_names_stays_as_it_is(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2])
    say("Uwe", photos=[3])
    written = take_in()
    assert [(one.name, len(one.faces)) for one in acts(written, Said)] == [("Anna", 3), ("Uwe", 1)]
    assert len(written) == 2
    assert who(root) == NOBODY_NAMED
    say("Uwe", photos=[4])  # one more says so, and is told alone
    assert [(one.name, len(one.faces)) for one in acts(take_in(), Said)] == [("Uwe", 1)]
    told = run("import", root / "people").stderr
    assert f"facecluster name {root / 'people'} person-0001 Anna" in told


def test_one_wrong_name_keeps_nobody_from_a_name(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2, 4])
    say("Zoe", photos=[3])
    told = run("import", root / "people", "--dry-run").stderr
    assert "1 face of person-0001 called Zoe in XMP: most of its faces are called Anna" in told
    assert "facecluster name" not in told
    written = take_in()
    assert [(one.person, one.name) for one in acts(written, Name)] == [("person-0001", "Anna")]
    assert [(one.name, len(one.faces)) for one in acts(written, Said)] == [("Zoe", 1)]
    assert take_in() == []
    say("Zoe", photos=[2])  # too many now; who has the name keeps it
    assert acts(take_in(), Name) == []
    assert who(root)["Anna"] == NOBODY_NAMED["person-0001"]


def test_names_of_photos_are_of_the_one_face_that_is_left(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say(photos=[7, 8], inside=["Uwe"])
    say(photos=[6], inside=["Ida", "Uwe"])  # once Uwe is known, the other one is Ida
    say(photos=[0, 1, 2], inside=["Anna"])
    say(photos=[3], inside=["Anna", "Kim"])
    take_in()
    assert who(root) == {
        "Anna": NOBODY_NAMED["person-0001"],
        "Uwe": NOBODY_NAMED["person-0002"],
        "person-0003": NOBODY_NAMED["person-0003"],
        "Ida": ["06"],
        "nobody": ["13"],
    }
    assert take_in() == []


def test_few_names_of_photos_are_outvoted_and_regions_count_more(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say(photos=[0, 1, 2, 3], inside=["Anna"])
    say(photos=[4], inside=["Uwe"])
    say(photos=[7, 8], inside=["Kim"])
    say("Ida", photos=[9])
    take_in()
    names = who(root)
    assert names["Anna"] == NOBODY_NAMED["person-0001"]
    assert names["Ida"] == NOBODY_NAMED["person-0002"]


def test_a_word_with_another_meaning_is_no_name(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("person-0003", photos=[0, 1])
    say("nobody", photos=[7])
    with Library.open(root / "people") as library:
        done = import_names(library)
    assert done.corrected.decisions == ()
    assert len(done.troubles) == 2
    assert who(root) == NOBODY_NAMED


@pytest.mark.parametrize("has_patch", [True, False], ids=["at once", "grouped anew"])
def test_an_import_is_taken_back_as_a_whole_and_counts_again(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]], has_patch: bool
) -> None:
    with Library.open(root / "people") as library:
        library.name("person-0003", "Zoe")
    before = who(root)
    say("Anna", photos=[0, 1])
    say("Uwe", "Anna", photos=[6])
    say("Kim", photos=[13])
    say("Uwe", photos=[10])
    n_written = len(take_in())
    after = who(root)
    if not has_patch:
        (root / "people" / undo_patches.FILE).unlink()
    with Library.open(root / "people") as library:
        taken = undo(library, jobs=1)
        assert taken.in_step
    assert len(taken.decisions) == n_written == 5
    assert who(root) == before
    again(root)
    with Library.open(root / "people") as library:
        assert undo(library, taken.decisions[2].id, jobs=1).in_step
    assert who(root) == after


def test_an_import_that_is_taken_back_names_each_program_once(
    made: Path, root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    say(photos=[7], inside=["Uwe"])
    for number, name in ((2, "Anna"), (8, "Uwe"), (10, "Tim")):
        (made / "photos" / f"{number:02d}.png.json").write_text(
            json.dumps({"title": f"{number:02d}.png", "people": [{"name": name}]})
        )
    written = take_in()
    assert {one.said_by.origin for one in written if one.said_by} == {"xmp,takeout", "takeout,xmp", "takeout"}
    with Library.open(root / "people") as library:
        told = undo(library, jobs=1).said
    assert re.fullmatch(
        "taken back: import of [0-9-]{10}: 2 names from Google Takeout and XMP, 1 from Google Takeout", told
    )


def test_an_import_is_a_line_of_the_history_that_undo_takes_by_its_id(
    made: Path, root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
    from pages import opened

    say("Anna", photos=[0, 1, 2, 3])
    say("Zoe", photos=[4])
    say("Uwe", photos=[7])
    written = take_in()
    day = datetime.fromisoformat(written[0].time.replace("Z", "+00:00")).astimezone()
    said = f"import of {day:%Y-%m-%d}: 2 names from XMP, 1 conflict"
    assert run("name", root / "people", "person-0003", "Ida").exit_code == 0
    _, shown, _ = on_terminal("history", root / "people")
    _, line, _ = shown.splitlines()
    whole = f"{written[0].id}+"
    assert line.split()[2:] == [whole, "yes", *said.split()]
    assert on_terminal("history", root / "people", "--all")[1].count("said by xmp") == 3
    assert len(on_terminal("history", root / "people", "Anna")[1].splitlines()) == 3
    assert len(run("history", root / "people").stdout.splitlines()) == 4
    with opened(root / "people") as page:
        last, first = page.get("/api/history")["decisions"]
        assert (first["id"], first["said"], first["n"], first["holds"]) == (whole, said, 3, True)
        assert [one["n"] for one in page.get(f"/api/history?of={quote(whole)}")["decisions"]] == [1, 1, 1]
        page.decide("undo", decisions=[whole])
        assert page.get("/api/state")["undo"]["id"] == last["id"]
        told = page.get("/api/history")["decisions"][0]
        assert (told["said"], told["n"]) == (f"taken back: {said}", 3)
        page.decide("undo", 400, decisions=[whole])
    assert who(root) == {
        **{key: NOBODY_NAMED[key] for key in ("person-0001", "person-0002", "nobody")},
        "Ida": NOBODY_NAMED["person-0003"],
    }


@pytest.mark.parametrize("n_names", [6, 7])
def test_names_that_an_undo_takes_are_named_or_counted(root: Path, n_names: int) -> None:
    photos = ["00.png", "01.png", "02.png", "03.png", "07.png", "08.png", "10.png"][:n_names]
    with Library.open(root / "people") as library:
        for number, photo in enumerate(photos):
            library.move(photo, to="nobody")
            library.make(f"A{number}", photo)
        (root / "people" / undo_patches.FILE).unlink()
        told = undo(library, number=2 * n_names, jobs=1).said
    named = "nobody is named A0 or A1 or A2 or A3 or A4 or A5 any more"
    assert told.endswith(named if n_names == 6 else "7 names are nobody's any more")


def test_a_name_given_since_stays_when_an_import_is_taken_back(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    say("Uwe", photos=[7])
    (one, _) = take_in()
    with Library.open(root / "people") as library:
        library.name("Uwe", "Uwe B.")
        library.name("person-0003", "Zoe")
        undo(library, number=3, jobs=1)
    assert who(root) == NOBODY_NAMED
    with Library.open(root / "people") as library:
        library.name("person-0003", "Zoe")
    take_in()
    with Library.open(root / "people") as library:
        library.name("Uwe", "Uwe B.")
        thing = [each for each in library.decisions if each.said_by is not None][-2:]
        undo(library, *(each.id for each in thing), jobs=1)
    assert one.time < thing[0].time
    assert {*who(root)} == {"person-0001", "Uwe B.", "Zoe", "nobody"}


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("n_lines", [4, 2], ids=["all lines", "a part of them"])
def test_a_kill_between_the_decisions_and_the_people_loses_nothing(
    root: Path,
    say: Callable[..., None],
    take_in: Callable[..., list[Decision]],
    n_lines: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    say("Anna", photos=[0, 1])
    say("Uwe", "Anna", photos=[6])
    say("Kim", photos=[13])

    def die(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(Library, "save", die)
        with pytest.raises(_Killed):
            take_in()
    file = root / "people" / "decisions.jsonl"
    written = file.read_bytes().splitlines(keepends=True)
    assert len(written) == 4
    file.write_bytes(b"".join(written[:n_lines]) + (written[n_lines][:40] if n_lines < 4 else b""))
    assert who(root) == NOBODY_NAMED
    assert len(take_in()) == 4
    assert "grouped anew" not in caplog.text
    assert file.read_bytes().splitlines(keepends=True) == written
    assert {*who(root)} == {"Anna", "Uwe", "Kim", "person-0003", "nobody"}
    assert take_in() == []
    with Library.open(root / "people") as library:
        undo(library, jobs=1)
    assert who(root) == NOBODY_NAMED


def test_other_names_after_a_kill_are_asked_of_the_people_of_before_it(
    root: Path,
    say: Callable[..., None],
    take_in: Callable[..., list[Decision]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    say("Anna", photos=[0, 1])

    def die(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(Library, "save", die)
        with pytest.raises(_Killed):
            take_in()
    say("Uwe", photos=[7])
    take_in()
    assert {*who(root)} == {"Anna", "Uwe", "person-0003", "nobody"}


def test_dry_run_writes_nothing(root: Path, say: Callable[..., None]) -> None:
    say("Anna", photos=[0, 1])
    say("Kim", photos=[13])
    files = {file: file.read_bytes() for file in (root / "people").rglob("*") if file.is_file()}
    with Library.open(root / "people") as library:
        done = import_names(library, dry_run=True)
    assert done.corrected.decision is None
    assert [type(one.act) for one in done.planned] == [Name, Make]
    assert {file: file.read_bytes() for file in (root / "people").rglob("*") if file.is_file()} == files


def test_dry_run_says_where_faces_would_be_looked_for(root: Path, say: Callable[..., None]) -> None:
    say("Anna", photos=[0, 1, 2, 4])
    say("Anna", "Anna", photos=[3])  # she has a face there
    say(None, "Kim", "Ida", photos=[7])
    with Library.open(root / "people") as library:
        assert "3 regions without a face" in import_names(library, dry_run=True).corrected.said
        done = import_names(library, draw=True, dry_run=True)
    assert done.corrected.said.endswith("3 regions without a face, a face would be looked for in 2 regions")
    assert done.corrected.decisions == ()
    assert not lines(root)


def test_photos_and_origins_are_chosen(made: Path, root: Path, say: Callable[..., None]) -> None:
    say("Anna", photos=[0, 1])
    say("Uwe", photos=[7])
    (made / "photos" / "10.png.json").write_text(json.dumps({"title": "10.png", "people": [{"name": "Tim"}]}))
    runner = CliRunner()

    def names(*more: str) -> list[str]:
        done = runner.invoke(main, ["import", str(root / "people"), "--dry-run", *more])
        assert done.exit_code == 0, done.output
        return [json.loads(line)["name"] for line in done.stdout.splitlines()]

    assert names() == ["Anna", "Uwe", "Tim"]
    assert names("--from", "takeout") == ["Tim"]
    assert names("--from", "xmp,takeout", str(made / "photos" / "07.png")) == ["Uwe"]
    assert names(str(made / "photos")) == ["Anna", "Uwe", "Tim"]
    refused = runner.invoke(main, ["import", str(root / "people"), str(root)])
    assert refused.exit_code == 2
    assert "no photo of the library" in refused.stderr
    assert runner.invoke(main, ["import", str(root / "people"), "--from", "flickr"]).exit_code == 2


def test_a_file_beside_photos_and_one_that_is_not_there(
    made: Path, root: Path, say: Callable[..., None]
) -> None:
    say("Anna", photos=[0, 1])
    ini = made / "photos" / ".picasa.ini"
    for text in (str(ini), "photo.jpgg"):
        refused = run("import", root / "people", text)
        assert refused.exit_code == 2
        assert "there is no such file" in refused.stderr
        assert "facecluster run" not in refused.stderr
    ini.write_text(
        "[Contacts2]\nb8e4117cf1d6615b=Uwe;;\n[07.png]\nfaces=rect64(400080008000c000),b8e4117cf1d6615b\n"
    )
    done = run("import", root / "people", ini, "--dry-run")
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == ["Anna", "Uwe"], done.output
    refused = run("import", root / "people", made / "photos" / "00.png.xmp")
    assert refused.exit_code == 2
    assert "give that" in refused.stderr
    (root / "other.png").write_bytes(b"")
    assert "no photo of the library" in run("import", root / "people", root / "other.png").stderr


def run(*arguments: object) -> click.testing.Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_pipe_gets_the_lines_and_stderr_the_sentences(root: Path, say: Callable[..., None]) -> None:
    say("Anna", photos=[0, 1])
    say("Uwe", None, "Kim", photos=[7])
    say("Anna", photos=[10])
    done = run("import", root / "people")
    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in done.stdout.splitlines()] == lines(root)
    assert "3 names on 4 faces" not in done.stderr
    for part in (
        "2 names on 4 faces, 2 people named (Anna, Uwe), 1 conflict, 1 region without a face",
        "07.png (Kim)",
        "1 face of person-0003 called Anna in XMP: person-0001 gets that name\n",
        "--labels programs",
        "facecluster undo",
    ):
        assert part in done.stderr
    assert "facecluster name" not in done.stderr
    code, shown, _ = on_terminal("import", str(root / "people"))
    assert code == 0
    assert "nothing was changed" in shown
    assert not shown.startswith("{")


def test_names_without_a_place_are_told_with_their_photos(
    made: Path, root: Path, say: Callable[..., None]
) -> None:
    say("Anna", "Zoe", photos=[6])
    say(photos=[7], inside=["N0, Bo", *(f"N{i}" for i in range(1, 8))])
    done = run("import", root / "people")
    assert "1 person named (Anna), 1 new person of 1 face (Zoe), 0 conflicts" in done.stderr
    assert (
        '8 names that may be of several faces, or of none ("N0, Bo" in 07.png, "N1" in 07.png, '
        '"N2" in 07.png, "N3" in 07.png, "N4" in 07.png, "N5" in 07.png, 2 more)'
    ) in done.stderr
    assert "N7" not in done.stderr
    photo = str(made / "photos" / "07.png")
    assert [json.loads(line) for line in done.stdout.splitlines()] == lines(root)
    said = f"of several faces, or of none: N7 in {photo}, by {photo}.xmp\n"
    assert said in run("import", root / "people", "-v").stderr


def test_history_says_whose_words_it_is(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2])
    say("Uwe", photos=[10])
    say("Ida", photos=[11])
    take_in()
    with Library.open(root / "people") as library:
        said = [one.said for one in history(library)]
    assert said[0] == "person-0001 is called Anna, said by xmp (00.png.xmp and 2 more)"
    assert said[1].endswith("is called Uwe, said by xmp (10.png.xmp)")


def test_forget_takes_a_name_out_of_what_was_said(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    say("Kim", photos=[10, 11])
    say("Ida", photos=[12])
    say("Anna", photos=[7])
    take_in()
    assert [line["name"] for line in lines(root)] == ["Anna", "Kim", "Ida", "Anna"]
    done = run("forget", root / "people", "--person", "Anna", "-y")
    assert done.exit_code == 0, done.output
    assert [line["name"] for line in lines(root)] == ["Kim", "Ida"]


def test_a_region_without_a_face_is_made_one(made: Path, root: Path, say: Callable[..., None]) -> None:
    say("Anna", photos=[0, 1])
    say(None, "Anna", photos=[7])
    with Library.open(root / "people") as library:
        told = import_names(library)
        assert [one.name for _, one in told.unmatched] == ["Anna"]
        after_first = who(root)
        done = import_names(library, draw=True)
        assert not done.unmatched
        assert not done.troubles
        assert [type(one.act).__name__ for one in done.corrected.decisions] == ["Draw", "Move"]
        assert who(root)["Anna"] == ["00", "01", "02", "03", "04", "05", "07"]
        assert import_names(library, draw=True).corrected.decision is None
        undo(library, jobs=1)
    assert who(root) == after_first


def test_nobody_gets_a_second_face_in_a_photo(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2, 4])
    say("Anna", "Anna", photos=[3])
    say(None, "Kim", "Kim", photos=[7])
    with Library.open(root / "people") as library:
        done = import_names(library, draw=True)
    assert sorted(type(one.act).__name__ for one in done.corrected.decisions) == ["Draw", "Make", "Name"]
    assert done.troubles == (
        "03.png: Anna has another face there already",
        "07.png: Kim has another face there already",
    )
    assert who(root)["Anna"] == NOBODY_NAMED["person-0001"]
    assert who(root)["Kim"] == ["07"]
    assert take_in(draw=True) == []


def test_who_was_forgotten_does_not_come_back(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1])
    say("Uwe", "Anna", photos=[6])
    take_in()
    assert who(root)["Anna"] == ["00", "01", "02", "03", "04", "05", "06"]
    assert run("forget", root / "people", "--person", "Anna", "-y").exit_code == 0
    before = who(root)
    say("Anna", None, "Anna", photos=[2])  # the region is nearly three times as large as the face
    say("Uwe", photos=[7], inside=["Anna"])
    say(photos=[6], inside=["Anna"])  # is not Uwe
    say("Anna", photos=[13])  # a stranger
    with Library.open(root / "people") as library:
        done = import_names(library, draw=True)
    assert done.planned == ()
    assert who(root) == before
    (told,) = [line for line in done.troubles if "forgotten" in line]
    for part in ("00.png (Anna)", "01.png (Anna)", "02.png (Anna)", "06.png (Anna)", "13.png (Anna)"):
        assert part in told


def test_what_tag_wrote_is_nobodys_word(
    made: Path, root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2])
    say("Zoe", photos=[4])  # 05 is a copy of it
    take_in()
    with Library.open(root / "people") as library:
        library.name("person-0001", "Anna")
        before = import_names(library, dry_run=True)
        tag(library)
        after = import_names(library, dry_run=True)
    assert [(one.name, one.n_faces) for one in before.conflicts] == [("Zoe", 1)]
    assert [(one.name, one.n_faces) for one in after.conflicts] == [("Zoe", 1)]
    assert (after.n_faces, after.n_names) == (before.n_faces, before.n_names) == (4, 2)
    assert "Anna" in (made / "photos" / "05.png.xmp").read_text()
    shown = run("evaluate", root / "people", "--labels", "xmp", "--json")
    (merge,) = json.loads(shown.stdout)["merges"]
    assert (merge["labels"], merge["n_faces"]) == (["Anna", "Zoe"], [3, 2])
    listed = run("audit", root / "people", "--labels", "xmp")
    assert "Zoe" in listed.output
    (root / "people" / "tags.jsonl").unlink()  # another library reads all of it
    with Library.open(root / "people") as library:
        assert import_names(library, dry_run=True).n_faces == 5


def test_names_of_tag_are_known_where_their_photos_went(tmp_path: Path, made: Path) -> None:
    with Library.open(made / "people") as library:
        faces = columns(library.people)
    written = Tags(mwg=(Marked("Anna", (0.25, 0.5, 0.5, 0.75)),), persons=("Anna",))
    old = str(tmp_path / "old.png")
    digest = faces.id[0].rpartition("-")[0]
    lines = [
        tags_jsonl.line(Written(file, old, digest, "key", written, (1, 1), (1, 1)))
        for file in (old, f"{old}.xmp")
    ]
    tags_jsonl.append(tmp_path / "tags.jsonl", lines)
    ours = tagged(tmp_path, faces)
    there = {path for id_, path in zip(faces.id, faces.photo, strict=True) if id_.startswith(digest)}
    assert ours == dict.fromkeys([*there, old, *(f"{path}.xmp" for path in (*there, old))], written)


def test_a_path_that_is_no_text_is_kept(tmp_path: Path) -> None:
    act = Name("person-0001", "Anna", ())
    path = os.fsdecode(b"/photos/\xff.jpg.xmp")
    (made,) = decisions_jsonl.decide_all([(act, SaidBy("xmp", (path,)))], [])
    decisions_jsonl.append(tmp_path / "decisions.jsonl", made)
    (read,) = decisions_jsonl.read(tmp_path / "decisions.jsonl")
    assert (read.id, read.act, read.said_by) == (made.id, act, SaidBy("xmp", (path,)))


@pytest.mark.parametrize("by", ["xmp", 7, {"files": []}, {"origin": "xmp", "files": [3]}, []])
def test_a_line_with_other_words_is_refused(tmp_path: Path, by: object) -> None:
    act = Said("Anna", ())
    line = json.loads(decisions_jsonl.text_of(decisions_jsonl.decide(act, [])))
    (tmp_path / "decisions.jsonl").write_text(json.dumps(line | {"by": by}) + "\n")
    with pytest.raises(FaceclusterError, match=r"decisions\.jsonl:1"):
        decisions_jsonl.read(tmp_path / "decisions.jsonl")


def test_decisions_of_one_call_have_one_time_and_ids_of_their_own() -> None:
    acts: list[tuple[Act, SaidBy | None]] = [(Said(f"name {i % 50}", ()), None) for i in range(100)]
    made = decisions_jsonl.decide_all(acts, [])
    assert len({one.id for one in made}) == 100
    assert [one.act for one in made] == [act for act, _ in acts]
    assert len({one.time for one in made[:50]}) == 1


# ------------------------------------------------------------------------------------------------------ questions


def asked(root: Path, *, also: Callable[[Library, Queue], None] = lambda *_: None) -> dict[str, str]:
    """Kind and why of the questions that files of other programs have asked."""
    with Library.open(root / "people") as library:
        queue = Queue(library)
        also(library, queue)
        queue.refresh()
        return {one.id: one.why for one in queue.questions(100) if "called" in one.why}


def reply(text: str) -> Callable[[Library, Queue], None]:
    """Answer the first question that other programs have asked."""

    def give(library: Library, queue: Queue) -> None:
        question = next(one for one in queue.questions(100) if "called" in one.why)
        answer(library, question, text)

    return give


def test_one_name_on_two_people_is_asked(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 10])
    take_in()
    assert asked(root) == {"same person-0001 person-0003": "both are called Anna in XMP"}
    assert asked(root, also=reply("no")) == {}
    with Library.open(root / "people") as library:
        undo(library, jobs=1)
    assert asked(root, also=reply("unsure")) == {}
    with Library.open(root / "people") as library:
        undo(library, jobs=1)
    assert asked(root, also=reply("yes")) == {}
    assert who(root)["Anna"] == [*NOBODY_NAMED["person-0001"], *NOBODY_NAMED["person-0003"]]
    assert take_in() == []


def test_faces_that_are_called_otherwise_are_asked(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2])
    say("Uwe", photos=[3])
    say("Kim", photos=[7])
    take_in()
    (before,) = asked(root).items()
    assert before[0].endswith(" person-0001")
    assert before[1] == "called Uwe in XMP"
    assert asked(root, also=reply("no")) == {}
    assert "03" in who(root)["nobody"]
    take_in()
    assert who(root)["Anna"] == ["00", "01", "02", "04", "05"]
    assert "03" in who(root)["nobody"]  # somebody put it there


def test_a_face_that_was_confirmed_is_not_asked_again(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    say("Anna", photos=[0, 1, 2])
    say("Uwe", photos=[3])
    take_in()
    assert asked(root, also=reply("yes")) == {}
    take_in()
    assert who(root)["Anna"] == NOBODY_NAMED["person-0001"]


def test_an_import_is_asked_about_at_once(root: Path, say: Callable[..., None]) -> None:
    say("Anna", photos=[0, 10])
    with Library.open(root / "people") as library:
        queue = Queue(library)
        assert not [one for one in queue.questions(100) if "called" in one.why]
        import_names(library)
        queue.refresh()
        assert [one.kind for one in queue.questions(100) if "called" in one.why] == ["same"]
        undo(library, jobs=1)
        queue.refresh()
        assert not [one for one in queue.questions(100) if "called" in one.why]


def test_a_named_person_all_of_whose_faces_have_the_name_of_another_is_asked(
    root: Path, say: Callable[..., None], take_in: Callable[..., list[Decision]]
) -> None:
    for person, name in (("person-0001", "Anna"), ("person-0003", "Berta")):
        assert run("name", root / "people", person, name).exit_code == 0
    say("Anna", photos=[10, 11, 12])
    take_in()
    assert asked(root) == {"same person-0001 person-0003": "Berta is called Anna in XMP"}
    assert asked(root, also=reply("no")) == {}


# ------------------------------------------------------------------------------------------------- names to propose


def proposals(library: Library, person: str) -> list[tuple[str, int, list[str], list[str]]]:
    """Name, number of faces, whose files say so, and these, of each name that is proposed for a person."""
    (one,) = (one for one in library.people.people if one.id == person)
    return [
        (found.name, len(found.faces), [*found.origins], sorted(Path(file).name for file in found.files))
        for found in proposed(library, [face.id for face in one.faces])
    ]


def test_names_in_files_of_its_photos_are_proposed_for_a_person(
    made: Path, root: Path, say: Callable[..., None]
) -> None:
    say("Anna Berg", photos=[0, 1])
    say("Zoe", photos=[2])
    say("person-0003", photos=[3])  # has a meaning of its own
    for number in (1, 2, 7):  # of Takeout, without a place
        (made / "photos" / f"{number:02d}.png.json").write_text(
            json.dumps({"title": f"{number:02d}.png", "people": [{"name": "anna berg"}]})
        )
    with Library.open(root / "people") as library:
        assert proposals(library, "person-0001") == [
            ("Anna Berg", 2, ["xmp"], ["00.png.xmp", "01.png.xmp"]),
            ("Zoe", 1, ["xmp"], ["02.png.xmp"]),
        ]
        assert proposals(library, "person-0002") == [("anna berg", 1, ["takeout"], ["07.png.json"])]
        assert proposals(library, "person-0003") == []


def test_neither_own_words_nor_names_of_forgotten_faces_are_proposed(
    root: Path, say: Callable[..., None]
) -> None:
    assert run("name", root / "people", "person-0002", "Uwe").exit_code == 0
    assert run("tag", root / "people").exit_code == 0
    say(photos=[6], inside=["Kim"])  # of the face at the right, or of who is forgotten
    with Library.open(root / "people") as library:
        (right,) = (face.id for face in library.people.unclustered if Path(face.photo).stem == "06")
        assert [one.name for one in proposed(library, [right])] == ["Kim"]
        library.name("person-0002", "")
        assert proposals(library, "person-0002") == []
    assert run("forget", root / "people", "--person", "person-0002", "-y").exit_code == 0
    with Library.open(root / "people") as library:
        assert proposed(library, [right]) == []


def test_the_page_proposes_names_and_says_who_has_them(
    made: Path, root: Path, say: Callable[..., None]
) -> None:
    pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
    from pages import opened

    say("Anna", photos=[0, 7])
    say("Ida", photos=[13])
    with opened(root / "people") as page:
        page.decide("name", person="person-0002", name="ANNA")
        found = page.get(f"/api/proposed?question={quote('who person-0001')}")["names"]
        assert found == [
            {"name": "Anna", "id": "person-0002", "n_faces": 1, "by": "XMP", "files": ["00.png.xmp"]}
        ]
        questions = page.get("/api/questions?number=100")["questions"]
        (alone,) = (
            one
            for one in questions
            if one["kind"] == "who"
            and one["left"]["person"] is None
            and page.get(f"/api/proposed?question={quote(one['id'])}")["names"]
        )
        assert page.get(f"/api/proposed?question={quote(alone['id'])}")["names"][0]["name"] == "Ida"
        assert page.ask("GET", "/api/proposed?question=none").status == 400

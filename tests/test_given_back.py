"""What any verb prints, every other verb takes: names of people, faces, photos, groups of strangers, decisions.

One library is printed by every verb, as JSON and as a terminal has it. Every name in there is given to every verb that
takes a name of its kind, and is asked whether it means what it was printed for.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from click.testing import CliRunner
from commands import on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.formats import face_table
from facecluster.formats.clusters_json import read_result
from facecluster.library.refer import faces_of
from facecluster.photos.picture import pixel_digest
from facecluster.result import Result

PHOTOS = (
    "a/IMG_1.png", "a/IMG_2.png", "a/IMG_3.png", "a/two.png",
    "b/IMG_1.png", "b/with space.png", "b/\u00dcn\u00ef.png", "-dash.png",
    "b/it's.png", "c/x.png", "c/y.png", "c/IMG_3.PNG", "d/lone.png",
)  # fmt: skip
OF_PERSON = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 2, 4)
"""Who is on each photo; 2 (whose photos are poor), 3 and 4 are strangers. On the fourth is the first stranger, too."""

PRINTED = {
    "show": [],
    "show people": ["--format", "csv"],
    "show photos": ["--photos"],
    "show person": ["person-0001"],
    "show nobody": ["--nobody"],
    "list": [],
    "explain person": ["person-0001"],
    "explain face": ["lone.png"],
    "explain poor face": ["c/x.png"],
    "history": [],
}
"""Verbs that print names, and their arguments behind LIBRARY."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("library")
    paths = [here / "photos" / name for name in PHOTOS]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(i)
        small = rng.integers(0, 256, (10, 10, 3), dtype=np.uint8)
        Image.fromarray(small).resize((400, 400)).save(path)
    encoding = people(5, 5)
    rows = [5 * person + OF_PERSON[:i].count(person) for i, person in enumerate(OF_PERSON)] + [14]
    digests = [pixel_digest(np.asarray(Image.open(path)), (400, 400)) for path in paths]
    of_photo = [*range(len(paths)), 3]
    order = np.argsort(of_photo, kind="stable")
    photo = np.array(of_photo)[order]
    ids = [f"{digests[p]}-{list(photo[:k]).count(p)}" for k, p in enumerate(photo)]
    quality = np.array([0.3 if OF_PERSON[p] == 2 else 0.9 for p in of_photo])[order]
    boxes = np.array([[100, 100, 200, 200]] * len(paths) + [[250, 100, 350, 200]])[order]
    table = make_table(
        encoding[rows][order],
        photo=photo,
        paths=list(map(str, paths)),
        photos={"size": [[400, 400]] * len(paths), "digest": digests},
        id=ids,
        quality=quality,
        box=boxes,
    )
    out = here / "people"
    out.mkdir()
    face_table.write(table, out / "faces.npz")
    cluster_table(table, out, source=str(out / "faces.npz"), jobs=1)
    run("name", out, "person-0001", "Zo\u00eb M\u00fcller")
    run("name", out, "person-0002", "O'Brien (old)")
    return out


def run(*arguments: object) -> click.testing.Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def ok(*arguments: object) -> Any:
    """What a verb prints, as JSON where it is; it must end well."""
    done = run(*arguments)
    assert done.exit_code == 0, f"{arguments}: {done.output}{done.exception!r}"
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.stdout


def printed(folder: Path) -> Iterator[str]:
    """All that is printed about a library: JSON, tables, sentences."""
    for verb, arguments in PRINTED.items():
        name = verb.partition(" ")[0]
        done = run(name, folder, *arguments)
        assert done.exit_code == 0, done.output
        yield done.stdout + done.stderr
        if "--format" not in arguments:
            code, shown, stderr = on_terminal(name, folder, *arguments)
            assert code == 0
            yield shown + stderr
    others = [
        ("cluster", folder / "faces.npz", "-o", folder),
        ("search", "--faces", folder / "faces.npz", "--in", folder),
        ("audit", folder, "--labels", "folder"),
        ("evaluate", folder, "--labels", "folder"),
        ("name", folder, "person-0002", "Bob"),
        ("move", folder, "a/two.png#2", "Bob"),
        ("undo", folder, "-n", "2"),
        ("forget", folder, "--person", "Zoe Muller", "--dry-run"),
    ]
    for arguments in others:
        code, shown, stderr = on_terminal(*arguments)
        assert code in (0, 3), stderr  # 3: audit found something
        yield shown + stderr


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return "\n".join(printed(folder))


def result_of(folder: Path) -> Result:
    return read_result(folder / "clusters.json")


def strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from strings(one)
        case list():
            for one in value:
                yield from strings(one)


def photos_in(text: str, folder: Path) -> set[str]:
    """Every spelling of a photo, with the number of a face or without, that a text has."""
    known = "|".join(sorted((re.escape(Path(name).name) for name in PHOTOS), key=len, reverse=True))
    found = set[str]()
    for match in re.finditer(
        rf"(?:(?<=[\s(\"',])|^)((?:[^\s\"',(]*/)?(?:{known})(?:#\d+)?)", text, re.MULTILINE
    ):
        found.add(match[1])
    for line in text.splitlines():
        try:
            found.update(
                one for one in strings(json.loads(line)) if re.search(r"\.png(#\d+)?$", one, re.IGNORECASE)
            )
        except json.JSONDecodeError:
            continue
    return found


def test_photos_are_given_back(folder: Path, text: str) -> None:
    result = result_of(folder)
    of_photo: dict[str, list[str]] = {}
    for face in sorted(faces_of(result), key=lambda face: face.id):
        of_photo.setdefault(face.photo, []).append(face.id)
    tokens = photos_in(text, folder)
    assert len(tokens) > 2 * len(PHOTOS)
    assert {"two.png#1", "two.png#2", "a/IMG_1.png", "b/IMG_1.png", "./-dash.png"} <= tokens
    for token in sorted(tokens):
        path, _, number = token.partition("#") if re.search(r"#\d+$", token) else (token, "", "")
        cut = path.startswith("…")  # as on a narrow terminal
        end = path[1:] if cut else "/" + path.removeprefix("./").lstrip("/")
        meant = [photo for photo in of_photo if photo.endswith(end)]
        assert len(meant) == 1, token
        if not number and len(of_photo[meant[0]]) > 1:
            done = run("explain", folder, token)
            assert done.exit_code == 1
            choices = re.findall(r"^  (\S.*#\d)  ", done.stderr, re.MULTILINE)
            assert [ok("explain", folder, choice)["id"] for choice in choices] == of_photo[meant[0]]
        else:
            expected = of_photo[meant[0]][int(number or 1) - 1]
            assert ok("explain", folder, token)["id"] == expected, token
        if not number:
            assert ok("forget", folder, "--photo", token, "--dry-run")


def test_people_are_given_back(folder: Path, text: str) -> None:
    tokens = set(re.findall(r"person-\d{4}(?: \([^()]*(?:\([^()]*\))?\))?", text))
    tokens |= {"person-0001 (Zo\u00eb M\u00fcller)", "person-0002 (O'Brien (old))"} & tokens
    tokens |= {
        "Zo\u00eb M\u00fcller",
        "zoe muller",
        "ZO\u00cb M\u00dcLLER",
        "Zoe\u0308 Mu\u0308ller",
        "O'Brien (old)",
    }
    tokens |= {"Zo\u00eb M\u00fcller (person-0001)", str(folder / "person-0001 Zo\u00eb M\u00fcller")}
    tokens |= {"person-0001 Zo\u00eb M\u00fcller_montage.jpg", "person-0001 Zo\u00eb M\u00fcller/"}
    for token in sorted(tokens):
        own = "person-0002" if "0002" in token or "Brien" in token else "person-0001"
        assert ok("explain", folder, token)["id"] == own
        assert ok("show", folder, token)["total"] == 4
        assert all(line["people"] for line in [ok("history", folder, token)] if isinstance(line, dict))
        assert ok("forget", folder, "--person", token, "--dry-run")


def test_ids_of_faces_and_groups_are_given_back(folder: Path, text: str) -> None:
    ids = set(re.findall(r"\b[0-9a-f]{32}-\d+\b", text))
    assert len(ids) == len(PHOTOS) + 1
    for own in sorted(ids):
        assert ok("explain", folder, own)["id"] == own
    groups = set(re.findall(r"group-[0-9a-f]+(?:-\d+)?", text))
    assert len(groups) > 1
    for group in sorted(groups):
        assert ok("explain", folder, group)["person"] is None
    numbers = {f"person-0001#{i}" for i in range(1, 5)} | {f"Zo\u00eb M\u00fcller#{i}" for i in range(1, 5)}
    faces = result_of(folder).people[0].faces
    for token in numbers:
        assert ok("explain", folder, token)["id"] == faces[int(token[-1]) - 1].id


KINDS = {
    "bare name": "lone.png",
    "end of a path": "d/lone.png",
    "whole path": "{photos}/d/lone.png",
    "other case": "LONE.PNG",
    "number of a face": "two.png#2",
    "id of a face": "{id}-0",
    "start of an id": "{id:.8}",
    "file in the library": "{library}/unclustered/lone.png",
    "path in the library": "unclustered/lone.png",
    "dash": "-dash.png",
}
"""Spellings of a face that every verb takes."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_verb_takes_every_spelling_of_a_face(kind: str, folder: Path, tmp_path: Path) -> None:
    library = tmp_path / "people"
    shutil.copytree(folder, library, symlinks=True)
    photos = folder.parent / "photos"
    lone = pixel_digest(np.asarray(Image.open(photos / "d" / "lone.png")), (400, 400))
    token = KINDS[kind].format(photos=photos, library=library, id=lone)
    dashes = ["--"] if token.startswith("-") else []
    expected = ok("explain", *dashes, library, token)["id"]
    is_mine = any(face.id == expected for person in result_of(library).people for face in person.faces)

    def owner() -> str | None:
        people = result_of(library).people
        return next((p.id for p in people if any(face.id == expected for face in p.faces)), None)

    before = owner()
    other = "o'brien (old)" if before == "person-0001" else "zoe muller"
    others = "person-0002" if before == "person-0001" else "person-0001"
    for verb, arguments, after in (
        ("name", ["Eva", token], "new"),
        ("move", [token, other], others),
        ("not-a-person", [token], None),
        *([("move", [token, "nobody"], None), ("split", [before, token], "new")] if is_mine else []),
    ):
        done = run(verb, *dashes, library, *arguments)
        assert done.exit_code == 0, f"{verb} {arguments}: {done.output}"
        now = owner()
        assert (now not in (before, None)) if after == "new" else (now == after), verb
        ok("undo", library)
        assert owner() == before, verb


def test_name_that_several_have_lists_them_so_that_one_can_be_chosen(folder: Path) -> None:
    done = run("explain", folder, "IMG_1.png")
    assert done.exit_code == 1
    choices = re.findall(r"^  (\S+)$", done.stderr, re.MULTILINE)
    assert sorted(choices) == ["a/IMG_1.png", "b/IMG_1.png"]
    assert {ok("explain", folder, choice)["photo"] for choice in choices} == {
        str(folder.parent / "photos" / choice) for choice in choices
    }
    assert ok("explain", folder, "IMG_3.PNG")["photo"].endswith("c/IMG_3.PNG")  # letter by letter goes first


def test_decisions_are_given_back(folder: Path, tmp_path: Path) -> None:
    library = tmp_path / "people"
    shutil.copytree(folder, library, symlinks=True)
    told = (
        run("name", library, "lone.png", "x").stderr + run("move", library, "lone.png", "Zoe Muller").stderr
    )
    [own] = re.findall(r"undo \S+ ([0-9a-f]{8})", told)
    shown = ok("history", library)
    assert own in str(shown)
    ok("undo", library, own)
    assert "taken back" in str(on_terminal("history", library)[1])

"""A library from somebody else makes no verb write, delete or take in anything outside of its folder."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

import facecluster
from facecluster.cli import main
from facecluster.durable.own_list import RESULT_MARKER
from facecluster.formats import decisions_jsonl, face_table
from facecluster.identity.decisions import Name, Spot
from facecluster.library.layout import FILES, PENDING, TOLD

SECRET = b"-----BEGIN PRIVATE KEY-----"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library of two people, "lib", and their photos."""
    root = tmp_path_factory.mktemp("sound")
    photos = [root / "photos" / f"{number}.png" for number in range(6)]
    photos[0].parent.mkdir()
    for number, photo in enumerate(photos):
        Image.new("RGB", (400, 400), (40 * number, 90, 90)).save(photo)
    table = make_table(people(2, 3), paths=[*map(str, photos)], photos={"size": [[400, 400]] * 6})
    (root / "lib").mkdir()
    face_table.write(table, root / "lib" / "faces.npz")
    cluster_table(table, root / "lib", source=str(root / "lib" / "faces.npz"))
    return root


@pytest.fixture
def lib(sound: Path, tmp_path: Path) -> Path:
    """A copy of the library, beside "canary": files of the user's that are to stay as they are."""
    canary = tmp_path / "canary"
    (canary / "person-0001").mkdir(parents=True)
    (canary / "id_rsa").write_bytes(SECRET)
    (canary / "empty").touch()
    part = canary / "person-0001" / ".facecluster-99999999-abcdef-0.part"
    part.write_bytes(b"of another library")
    os.utime(part, (0, 0))
    Image.new("RGB", (400, 400), (1, 2, 3)).save(canary / "private.png")
    for name in ("id_rsa", "private.png"):
        (canary / name).chmod(0o600)
    shutil.copy(canary / "private.png", canary / "person-0001" / "0.png")
    face_table.write(make_table(people(1, 3), id=["x-0", "x-1", "x-2"]), canary / "faces.npz")
    decisions_jsonl.append(
        canary / "decisions.jsonl",
        decisions_jsonl.decide(Name("person-0001", "Ann", (Spot("ab", (1, 2, 3, 4)),)), []),
    )
    shutil.copytree(sound / "lib", tmp_path / "lib", symlinks=True)
    return tmp_path / "lib"


def state(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that is below a folder: mode, names, and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = b"" if path.is_dir() else path.read_bytes()
        found[str(path)] = (status.st_mode, 1 if path.is_dir() else status.st_nlink, content)
    return found


def verbs(lib: Path) -> Iterator[tuple[object, ...]]:
    """All that can be done with a library, without analysing photos."""
    yield from (("show", lib, *more) for more in ((), ("--nobody",), ("person-0001",)))
    yield from ((verb, lib) for verb in ("list", "history"))
    yield "diff", lib, lib
    yield "explain", lib, "person-0001"
    yield "name", lib, "person-0001", "Ann"
    yield "merge", lib, "person-0001", "person-0002"
    yield "undo", lib
    yield "split", lib, "person-0001", "face0001"
    yield "move", lib, "face0003", "person-0001"
    yield "different", lib, "person-0001", "person-0002"
    yield "hide", lib, "person-0002"
    yield "cover", lib, "face0001"
    yield "not-a-person", lib, "person-0002"
    yield "cluster", lib / "faces.npz", "-o", lib, "-y", "--link", "copy"
    yield "cluster", lib / "faces.npz", "-o", lib, "-y", "--update", "--max-angle", "40"
    yield "forget", lib, "--person", "person-0001", "-y"
    yield "forget", lib, "--photos", "*", "-y"


def run_all(lib: Path) -> str:
    """Run every verb; nothing of the canary changes, nothing of it is taken in, and nothing ends in a traceback."""
    canary = lib.parent / "canary"
    before, errors = state(canary), ""
    for verb in verbs(lib):
        done = CliRunner().invoke(main, [*map(str, verb)])
        assert done.exception is None or isinstance(done.exception, SystemExit), (verb, done.exception)
        errors += done.stderr
        assert state(canary) == before, verb
    private = (canary / "private.png").read_bytes()
    for path in lib.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert SECRET not in content, path
            assert private != content, path
    return errors


def edited(lib: Path, edit: Callable[[str], str], name: str = "clusters.json") -> None:
    """Change a file of the library, which counts as ours all the same."""
    file = lib / name
    file.write_text(edit(file.read_text()))
    status = file.stat()
    with (lib / RESULT_MARKER).open("a") as lines:
        record = {
            "path": name,
            "kind": "file",
            "source": "",
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
        }
        lines.write(json.dumps({**record, "digest": "", "was": None}) + "\n")


def with_lines(lib: Path, *records: Any) -> None:
    """Add lines to the list of our files."""
    with (lib / RESULT_MARKER).open("a") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_library_that_are_links_are_not_followed(lib: Path, name: str) -> None:
    canary, leads = lib.parent / "canary", {"faces.npz": "faces.npz", "decisions.jsonl": "decisions.jsonl"}
    (lib / name).unlink(missing_ok=True)
    (lib / name).symlink_to(canary / leads.get(name, "empty"))
    assert f"{name}: a link" in run_all(lib)
    assert (lib / name).is_symlink()


LINKS = ("index.jpg", "person-0001_montage.jpg", "nobody.jpg", "faces.npz.lock", "faces.npz.partial")
LINKS += ("clusters.damaged.json", "watch.journal.part", "decisions.jsonl.torn")


def test_other_links_in_a_library_are_not_followed(lib: Path) -> None:
    for name in LINKS:
        (lib / name).unlink(missing_ok=True)
        (lib / name).symlink_to(lib.parent / "canary" / "id_rsa")
    run_all(lib)


def test_folders_of_people_that_are_links_are_not_followed(lib: Path) -> None:
    for name in ("person-0001", "unclustered", "person-0001 Ann"):
        shutil.rmtree(lib / name, ignore_errors=True)
        (lib / name).symlink_to(lib.parent / "canary" / "person-0001")
        with_lines(
            lib, {"path": f"{name}/0.png", "kind": "copy", "source": "/gone", "size": 1389, "mtime_ns": 0}
        )
    assert "a link, where facecluster needs a folder" in run_all(lib)


PATHS = [
    "../canary/id_rsa",
    "person-0001/../../canary/id_rsa",
    "..\\canary\\id_rsa",
    "a\0b",
    "person-0001//x",
    "/etc/x",
]


def test_list_of_files_leads_nowhere(lib: Path) -> None:
    canary = lib.parent / "canary"
    for path in (*PATHS, f"{canary}/id_rsa", "../canary/empty"):
        for kind in ("file", "copy", "symlink"):
            with_lines(lib, {"path": path, "kind": kind, "source": "", "size": len(SECRET), "mtime_ns": 0})
        with_lines(
            lib, {"renamed": ["../canary", path]}, {"renamed": [path, "../canary/new"]}, {"gone": path}
        )
    with_lines(
        lib, {"begun": ["../canary", "..", "\0"]}, {"renamed": ["person-0001", "../canary/new"]}, [], 7, None
    )
    run_all(lib)


@pytest.mark.parametrize(
    "own", ["../canary", "person-0001/../../canary", "/etc", "person-0001\\u0000", "..\\\\canary"]
)
def test_ids_of_people_lead_nowhere(lib: Path, own: str) -> None:
    edited(lib, lambda text: text.replace("person-0001", own))
    errors = run_all(lib)
    assert "is no id of a person" in errors or "a text has a zero" in errors


@pytest.mark.parametrize(
    "name", ["../../canary/person-0001", "/etc/x", "..\\\\..\\\\canary", "a\\u0000b", "..", "\\u202e/x"]
)
def test_names_of_people_lead_nowhere(lib: Path, name: str) -> None:
    edited(lib, lambda text: text.replace('"name":null', f'"name":"{name}"', 1))
    run_all(lib)
    assert {path.name for path in lib.parent.iterdir()} == {"lib", "canary"}


@pytest.mark.parametrize("photo", ["id_rsa", "private.png"])
@pytest.mark.parametrize("face", ["face0001", f"{7:032x}-0"])
@pytest.mark.parametrize("coded", [b"0" * 32, b""])
def test_photos_of_others_are_not_taken_in(lib: Path, photo: str, face: str, coded: bytes) -> None:
    """Neither by the record alone, nor by a table that names them with a digest that is not theirs, or with none."""
    there = str(lib.parent / "canary" / photo)
    table = face_table.read(lib / "faces.npz")
    columns = {
        "path": [*table.photos.path[:-1].tolist(), there],
        "coded": [coded] * 6,
        "digest": ["zz"] * 6,
        "size": [[400, 400]] * 6,
    }
    face_table.write(make_table(people(2, 3), paths=columns.pop("path"), photos=columns), lib / "faces.npz")
    edited(lib, lambda text: text.replace(str(table.photos.path[1]), there).replace("face0001", face))
    shutil.rmtree(lib / "person-0001")
    run_all(lib)


def test_tables_and_decisions_elsewhere_are_not_written(lib: Path) -> None:
    canary = lib.parent / "canary"
    for name in ("decisions.jsonl", "empty", "id_rsa"):
        edited(lib, lambda text, name=name: _with(text, decisions_file=str(canary / name)))
        run_all(lib)
    edited(
        lib,
        lambda text: _with(text, decisions_file=None, table=str(canary / "faces.npz"), sources=[str(canary)]),
    )
    run_all(lib)
    edited(lib, lambda text: _with(text, table="../canary/faces.npz"))
    (lib / "faces.npz").unlink()
    run_all(lib)


def _with(text: str, **settings: object) -> str:
    record = json.loads(text)
    record["settings"] |= settings
    return json.dumps(record)


def test_patches_and_journals_and_decisions_lead_nowhere(lib: Path) -> None:
    canary = lib.parent / "canary"
    record = json.loads((lib / "clusters.json").read_text())
    there = record["people"][0] | {"id": "../canary", "name": "../../canary/x"}
    from facecluster.formats.clusters_json import read_result
    from facecluster.library.undo_patches import FILE, stamp

    decision = decisions_jsonl.decide(
        Name("../canary", "../../canary/person-0001", (Spot("face0001", (1, 2, 3, 4)),)), []
    )
    decisions_jsonl.append(lib / "decisions.jsonl", decision)
    patch = {
        "format": 2,
        "decision": decision.id,
        "stamp": stamp(read_result(lib / "clusters.json")),
        "gone": [],
    }
    patch |= {"people": [[0, there]], "unclustered": [], "almost": None}
    (lib / FILE).write_text(json.dumps(patch) + "\n")
    (lib / TOLD).write_bytes(b'{"journal of watch": 2}\n')
    (lib / PENDING).write_bytes(b'{"arrivals": 1}\n\x05\0\0\0')
    (lib / "forgotten.jsonl").write_text(
        json.dumps({"photo": str(canary), "pixels": "../x", "looks": "0", "size": [1, 1], "box": None}) + "\n"
    )
    run_all(lib)


SHELLS = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}


def test_no_shell_is_ever_used() -> None:
    for file in Path(facecluster.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.keyword):
                assert node.arg != "shell", file
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in SHELLS, (file, node.lineno)
            if isinstance(node, ast.ImportFrom):
                assert all((node.module, alias.name) not in SHELLS for alias in node.names), (
                    file,
                    node.lineno,
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, (file, node.lineno)

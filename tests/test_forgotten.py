"""Somebody who was forgotten stays away, whatever becomes of the photos, the files of the library and the settings.

Each case starts from one library of a dozen real photos: Anna alone, Bob alone, and both beside each other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from facecluster.cli import main
from facecluster.formats import face_table, forgotten_jsonl
from facecluster.identity.rules import DEFAULTS
from facecluster.table import FaceTable

ANNA, BOB = "Colin_Powell", "Tony_Blair"
"""Folders of lfw_dev whose photos play the two."""
N_ALONE, N_BOTH = 5, 3


def facecluster(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


@dataclass(frozen=True)
class Home:
    """Photos, and a library of them in which Anna was forgotten.

    Attributes:
        photos, library: folders.
        before: a copy of the library with Anna in it.
        anna: her encodings by encoder, of upright photos.
        bob: id of Bob.
    """

    photos: Path
    library: Path
    before: Path
    anna: dict[str, NDArray[np.float32]]
    bob: str

    def run(self, *options: object) -> Result:
        return facecluster("run", self.photos, "-o", self.library, "--jobs", 1, *options)

    def anna_is_away(self, *, n_both: int = N_BOTH) -> None:
        """She is in no file of the library, and Bob is who he was.

        Args:
            n_both: photos of both in which Bob is found still: all, unless they are turned or encoded otherwise.
        """
        table = face_table.read(self.library / "faces.npz")
        self.is_not_in(table)
        record = json.loads((self.library / "clusters.json").read_text())
        faces = set(table.faces.id.tolist())
        told = [face for person in record["people"] for face in person["faces"]] + record["unclustered"]
        assert {face["id"] for face in told} <= faces
        content = b"".join(path.read_bytes() for path in self.library.rglob("*") if path.is_file())
        assert b"Anna" not in content
        for encoding in self.anna.values():
            assert not any(row.tobytes() in content for row in encoding)
        folders = [path.name for path in self.library.rglob("*") if path.parent != self.library]
        assert not any("anna" in name for name in folders)
        assert not any("anna" in face["photo"] for face in told)
        (bob,) = [person for person in record["people"] if person["name"] == "Bob Ek"]
        assert bob["id"] == self.bob
        both = {Path(face["photo"]).name for face in bob["faces"] if "both" in face["photo"]}
        assert len(both) >= n_both

    def is_not_in(self, table: FaceTable) -> None:
        """No face of a table is as near to one of hers as those of one person are."""
        hers = self.anna.get(table.settings.encoder)
        assert hers is not None
        apart = np.linalg.norm(table.faces.encoding[:, None] - hers[None], axis=2)
        near = apart.min(axis=1, initial=9) <= DEFAULTS[table.settings.encoder].join
        paths = table.photos.path[table.faces.photo[near]].tolist()
        assert not paths, f"Anna is back in {paths}"


@pytest.fixture(scope="module")
def made(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Home]:
    """The folder that is put in place before each case, and where that is."""
    top = tmp_path_factory.mktemp("forgotten")
    photos, library = top / "home" / "photos", top / "home" / "people"
    photos.mkdir(parents=True)
    of = {name: sorted((shared_data / "lfw_dev" / name).iterdir()) for name in (ANNA, BOB)}
    for i in range(N_ALONE):
        shutil.copy(of[ANNA][i], photos / f"anna{i}.jpg")
        shutil.copy(of[BOB][i], photos / f"bob{i}.jpg")
    for i in range(N_BOTH):
        pair = Image.new("RGB", (500, 250))
        for k, name in enumerate((ANNA, BOB)):
            with Image.open(of[name][N_ALONE + i]) as one:
                pair.paste(one, (250 * k, 0))
        pair.save(photos / f"both{i}.png")
    (top / "known").mkdir()
    for i in range(N_ALONE + N_BOTH):
        with Image.open(of[ANNA][i]) as one:
            one.save(top / "known" / f"{i}.png")
    hers = {}
    for encoder in ("sface", "dlib"):
        facecluster("encode", top / "known", "-o", top / f"{encoder}.npz", "--encoder", encoder, "--jobs", 1)
        known = face_table.read(top / f"{encoder}.npz").faces
        hers[encoder] = known.encoding[known.size_px > 60]
    home = Home(photos, library, top / "home" / "before", hers, "")
    home.run("--min-images", 3)
    ids = {}
    record = json.loads((library / "clusters.json").read_text())
    for person in record["people"]:
        for face in person["faces"]:
            ids.setdefault(Path(face["photo"]).name, person["id"])
    for photo, name in (("anna0.jpg", "Anna Berg"), ("bob0.jpg", "Bob Ek")):
        facecluster("name", library, ids[photo], name)
    shutil.copytree(library, home.before, copy_function=shutil.copy2)
    facecluster("forget", library, "--person", "Anna Berg")
    shutil.copytree(top / "home", top / "kept", copy_function=shutil.copy2)
    return top / "kept", replace(home, bob=ids["bob0.jpg"])


@pytest.fixture
def home(made: tuple[Path, Home]) -> Home:
    kept, home = made
    shutil.rmtree(home.photos.parent)
    shutil.copytree(kept, home.photos.parent, copy_function=shutil.copy2)
    return home


def edit(home: Home, change: Callable[[Image.Image], Image.Image], *, name: str = "{}") -> None:
    """Write each photo changed, in place or under another name."""
    for path in sorted(home.photos.iterdir()):
        with Image.open(path) as photo:
            changed = change(photo.convert("RGB"))
        changed.save(path.with_name(name.format(path.stem) + path.suffix), quality=92)


def scaled(photo: Image.Image) -> Image.Image:
    return photo.resize((photo.width * 4 // 5, photo.height * 4 // 5), Image.Resampling.LANCZOS)


def cropped(photo: Image.Image) -> Image.Image:
    width, height = photo.size
    return photo.crop((width // 25, height // 20, width - width // 30, height - height // 30))


def brightened(photo: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(photo).enhance(1.2)


def turned(photo: Image.Image) -> Image.Image:
    return photo.transpose(Image.Transpose.ROTATE_90)


def mirrored(photo: Image.Image) -> Image.Image:
    return photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def move_away(home: Home, *which: str) -> dict[Path, Path]:
    """Take photos out of their folder; gives where they were, by where they are."""
    away = home.photos.parent / "away"
    away.mkdir()
    moved = {away / path.name: path for which_one in which for path in home.photos.glob(which_one)}
    for there, path in moved.items():
        path.rename(there)
    return moved


def test_forget_takes_her_out_of_all_files(home: Home) -> None:
    home.anna_is_away()
    places = forgotten_jsonl.read(home.library / "forgotten.jsonl")
    assert len(places) == N_ALONE + N_BOTH
    assert all(place.pixels == place.photo and place.looks and place.box for place in places)


@pytest.mark.parametrize(
    "options",
    [[], ["--fresh"], ["--encoder", "dlib"], ["--detector", "hog", "--encoder", "dlib"], ["--min-images", "2"],
     ["--min-face", "40"], ["--update"], ["--no-gate"]],
    ids=" ".join,
)  # fmt: skip
def test_another_run_does_not_find_her(home: Home, options: list[str]) -> None:
    n_both = 2 if "dlib" in options else N_BOTH
    home.run(*options)
    home.anna_is_away(n_both=n_both)
    home.run()
    home.anna_is_away(n_both=n_both)


def test_photos_that_went_and_came_back(home: Home) -> None:
    moved = move_away(home, "anna*", "both1*")
    home.run("--prune")
    assert not any(
        "anna" in path for path in face_table.read(home.library / "faces.npz").photos.path.tolist()
    )
    for there, path in moved.items():
        there.rename(path)
    home.run()
    home.anna_is_away()


@pytest.mark.parametrize("change", [scaled, cropped, brightened, turned, mirrored, lambda photo: photo])
@pytest.mark.parametrize("fresh", [[], ["--fresh"]], ids=["", "fresh"])
def test_photos_that_are_edited_in_place(
    home: Home, change: Callable[[Image.Image], Image.Image], fresh: list[str]
) -> None:
    edit(home, change)
    home.run(*fresh)
    home.anna_is_away(n_both=2 if change is turned else N_BOTH)
    (home.library / "faces.npz").unlink()
    home.run()
    home.is_not_in(face_table.read(home.library / "faces.npz"))


@pytest.mark.parametrize("change", [scaled, brightened, turned, lambda photo: photo])
def test_copies_under_other_names(home: Home, change: Callable[[Image.Image], Image.Image]) -> None:
    edit(home, change, name="copy of {}")
    home.run()
    home.anna_is_away()


def test_renamed_photos(home: Home) -> None:
    for path in sorted(home.photos.iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    home.run()
    home.anna_is_away()


@pytest.mark.parametrize(
    "lost", [["faces.npz"], ["clusters.json"], ["faces.npz", "clusters.json"]], ids=" ".join
)
def test_files_that_are_lost(home: Home, lost: list[str]) -> None:
    for name in lost:
        (home.library / name).unlink()
    home.run()
    if "clusters.json" in lost:  # with it go the ids; the name is a decision
        record = json.loads((home.library / "clusters.json").read_text())
        (bob,) = [person["id"] for person in record["people"] if person["name"] == "Bob Ek"]
        home = replace(home, bob=bob)
    home.anna_is_away()


@pytest.mark.parametrize("options", [[], ["--fresh"], ["--update"]])
def test_an_older_face_table_that_is_put_back(home: Home, options: list[str]) -> None:
    shutil.copy2(home.before / "faces.npz", home.library / "faces.npz")
    home.run(*options)
    home.anna_is_away()


def test_edited_before_and_put_back_afterwards(home: Home) -> None:
    originals = home.photos.parent / "originals"
    shutil.copytree(home.photos, originals)
    shutil.rmtree(home.library)
    shutil.copytree(home.before, home.library, copy_function=shutil.copy2)
    edit(home, cropped)
    home.run()
    facecluster("forget", home.library, "--person", "Anna Berg")
    home.anna_is_away()
    (home.library / "faces.npz").unlink()
    home.run()
    home.is_not_in(face_table.read(home.library / "faces.npz"))
    (home.library / "faces.npz").unlink()
    for path in originals.iterdir():
        shutil.copy(path, home.photos)
    home.run()
    home.anna_is_away()


def test_somebody_else_in_the_photos_is_found_by_lines_that_are_gone(home: Home) -> None:
    (home.library / "forgotten.jsonl").unlink()
    home.run("--fresh")
    table = face_table.read(home.library / "faces.npz")
    with pytest.raises(AssertionError, match="Anna is back"):
        home.is_not_in(table)


def test_another_table_into_the_library(home: Home) -> None:
    other = home.photos.parent / "other.npz"
    facecluster("encode", home.photos, "-o", other, "--jobs", 1)
    done = facecluster("cluster", other, "-o", home.library, "--yes")
    assert "8 faces" in done.stderr
    record = json.loads((home.library / "clusters.json").read_text())
    assert not any("anna" in face["photo"] for person in record["people"] for face in person["faces"])
    assert not any("anna" in face["photo"] for face in record["unclustered"])


@pytest.mark.parametrize("suffix", ["npz", "pickle"])
@pytest.mark.parametrize("options", [[], ["--fresh"]], ids=["", "fresh"])
def test_a_plain_table_whose_label_was_forgotten(home: Home, suffix: str, options: list[str]) -> None:
    members = home.photos.parent / f"members.{suffix}"
    for path in home.photos.iterdir():
        (home.photos / path.name[:4]).mkdir(exist_ok=True)
        path.rename(home.photos / path.name[:4] / path.name)
    facecluster("encode", home.photos, "-o", members, "--jobs", 1)
    facecluster("forget", members, "--label", "anna", "--labels", "folder")
    facecluster("encode", home.photos, "-o", members, "--jobs", 1, *options)
    table = face_table.read(members)
    assert not any("anna" in path for path in table.photos.path[table.faces.photo].tolist())
    assert any("bob" in path for path in table.photos.path[table.faces.photo].tolist())


def test_photos_that_are_forgotten_stay_away(home: Home) -> None:
    facecluster("forget", home.library, "--photo", "both1.png")
    assert [place.box for place in forgotten_jsonl.read(home.library / "forgotten.jsonl")].count(None) == 1
    for options in ([], ["--fresh"], ["--encoder", "dlib"]):
        home.run(*options)
        table = face_table.read(home.library / "faces.npz")
        assert not any("both1" in path for path in table.photos.path[table.faces.photo].tolist())

"""Somebody who was forgotten stays away, whatever becomes of the photos, the files of the library and the settings.

Each case starts from one library of a dozen real photos: Anna alone, Bob alone, and both beside each other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from libraries import cluster_table
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from tables import make_table, people

from facecluster.cli import main
from facecluster.encoding.analysis import rows_of
from facecluster.encoding.forgotten import leave_out, without_places
from facecluster.encoding.resume import Past
from facecluster.formats import face_table, forgotten_jsonl
from facecluster.formats.forgotten_jsonl import Place
from facecluster.identity.rules import DEFAULTS
from facecluster.library.forget_sights import content_of
from facecluster.table import LOST, FaceTable

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


@pytest.mark.parametrize(
    ("change", "fresh"),
    [(scaled, []), (cropped, []), (brightened, []), (turned, []), (mirrored, []), (cropped, ["--fresh"])],
)
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


# ------------------------------------------------------------------------------- tables of older and other programs


@dataclass(frozen=True)
class Two:
    """A library, and an older table of the same photos.

    Attributes:
        library, old: where they are.
        new: faces of the library: Ann in photos 0 to 3, Bob in 2 to 5, on the right in 2 and 3.
    """

    library: Path
    old: Path
    new: FaceTable

    def forget(self, *more: object) -> dict[str, Any]:
        done = facecluster("forget", self.library, self.old, "--person", "person-0001", *more)
        return json.loads(done.stdout) | {"told": done.stderr}

    def both_are_clean(self) -> None:
        for file in (self.old, self.library / "faces.npz"):
            assert len(face_table.read(file).faces) == 4, file
        assert forgotten_jsonl.read(self.library / "forgotten.jsonl")
        assert forgotten_jsonl.read(forgotten_jsonl.list_of(self.old))


@pytest.fixture
def two(tmp_path: Path) -> Two:
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / f"{i}.png" for i in range(6)]
    rng = np.random.default_rng(3)
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (5, 9, 3), dtype=np.uint8))
        coarse.resize((300, 150), Image.Resampling.BICUBIC).save(path)
    contents = [content_of(str(path)) for path in paths]
    ann, bob = people(2, 4, spread=0.4).reshape(2, 4, 128)
    photo, which = [0, 1, 2, 2, 3, 3, 4, 5], [0, 0, 0, 1, 0, 1, 0, 0]
    encoding = np.vstack([ann[:3], bob[:1], ann[3:], bob[1:]])
    box = [[10 + 150 * k, 20, 110 + 150 * k, 120] for k in which]

    def made(name: str, **photos: Any) -> FaceTable:
        digests = [getattr(content, name) for content in contents]
        return make_table(
            encoding,
            photo=photo,
            paths=[str(path) for path in paths],
            id=[f"{digests[p]}-{k}" for p, k in zip(photo, which, strict=True)],
            box=box,
            photos={"digest": digests, "size": [[300, 150]] * 6, "hash": rng.integers(1, 2**63, 6), **photos},
        )

    new = made("pixels", pixels=[content.pixels for content in contents if content])
    library, old = tmp_path / "people", tmp_path / "old.npz"
    library.mkdir()
    face_table.write(new, library / "faces.npz")
    face_table.write(made("file"), old)
    cluster_table(new, library, source=str(library / "faces.npz"))
    return Two(library, old, new)


def change_old(two: Two, **photos: Any) -> None:
    """Write the older table with other columns of photos."""
    table = face_table.read(two.old)
    face_table.write(replace(table, photos=replace(table.photos, **photos)), two.old)


def elsewhere(two: Two) -> NDArray[np.str_]:
    """Paths of photos that are not there any more."""
    paths = face_table.read(two.old).photos.path.tolist()
    return np.array([path.replace("photos", "gone") for path in paths])


def rate(two: Two) -> None:
    """Let the files of the photos be others, and their pixels the same."""
    for path in two.new.photos.path.tolist():
        with Image.open(path) as photo:
            photo.save(path, compress_level=1)


def test_older_table_of_the_same_photos(two: Two) -> None:
    dry = two.forget("--dry-run")
    assert not (two.library / "forgotten.jsonl").exists()
    report = two.forget()
    assert report["encodings"] == dry["encodings"] == 8
    assert report["doubtful"] == {}
    two.both_are_clean()
    places = forgotten_jsonl.read(two.library / "forgotten.jsonl")
    assert all(place.pixels for place in places), "the files tell the pixels"


def test_older_table_of_photos_that_were_rated_since(two: Two) -> None:
    rate(two)
    assert two.forget()["doubtful"] == {}
    two.both_are_clean()


def test_older_table_of_photos_that_were_moved_since(two: Two) -> None:
    change_old(two, path=elsewhere(two))
    old = face_table.read(two.old)
    face_table.write(replace(old, faces=replace(old.faces, encoding=-old.faces.encoding)), two.old)
    assert two.forget()["doubtful"] == {}, "the files have both digests"
    two.both_are_clean()


def test_older_table_of_photos_that_were_rated_and_moved_since(two: Two) -> None:
    rate(two)
    change_old(two, path=elsewhere(two))
    assert two.forget()["doubtful"] == {}, "the encodings are the same"
    two.both_are_clean()


def test_older_table_with_another_encoder_is_known_by_hashes(two: Two) -> None:
    rate(two)
    change_old(two, path=elsewhere(two), hash=two.new.photos.hash)
    old = face_table.read(two.old)
    face_table.write(replace(old, settings=replace(old.settings, encoder="dlib")), two.old)
    assert two.forget()["doubtful"] == {}
    two.both_are_clean()


def test_photos_that_cannot_be_matched_are_told_by_name(two: Two) -> None:
    rate(two)
    old = face_table.read(two.old)
    far = old.faces.box + np.float32(120) * np.array([0, 1, 0, 1], dtype=np.float32)
    moved = replace(old.faces, box=far, anchor=far)
    face_table.write(replace(old, faces=moved, settings=replace(old.settings, encoder="dlib")), two.old)
    report = two.forget()
    photos = old.photos.path[:4].tolist()
    assert report["doubtful"] == {str(two.old): photos}
    assert f"{two.old}: 4 photos may show them still" in report["told"]
    assert photos[0] in report["told"]


def test_faces_that_are_like_hers_are_told_by_name(two: Two) -> None:
    old = face_table.read(two.old)
    other = make_table(
        people(1, 1, spread=1.0, seed=9), paths=["/other/9.png"], photos={"digest": ["9" * 32]}
    )
    face_table.write(replace(other, settings=old.settings), two.old)
    assert two.forget()["doubtful"] == {str(two.old): ["/other/9.png"]}


def test_older_result_is_cleaned_with_its_table(two: Two, tmp_path: Path) -> None:
    more = tmp_path / "more"
    cluster_table(face_table.read(two.old), more, source=str(two.old))
    for name, folder in (("Ann", two.library), ("Ann", more)):
        facecluster("name", folder, "person-0001", name)
    report = json.loads(facecluster("forget", two.library, more, "--person", "Ann").stdout)
    assert report["encodings"] == report["faces"] == 8
    two.both_are_clean()
    for folder in (two.library, more):
        assert b"Ann" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_older_result_without_its_table_is_cleaned(two: Two, tmp_path: Path) -> None:
    more = tmp_path / "more"
    cluster_table(face_table.read(two.old), more)
    two.old.unlink()
    facecluster("name", two.library, "person-0001", "Ann")
    report = json.loads(facecluster("forget", two.library, more, "--person", "Ann").stdout)
    assert (report["encodings"], report["faces"]) == (4, 8)


def test_an_older_table_into_a_library_with_a_list(two: Two) -> None:
    old = face_table.read(two.old)
    facecluster("forget", two.library, "--person", "person-0001")
    face_table.write(replace(old, photos=replace(old.photos, hash=two.new.photos.hash)), two.old)
    cluster_table(face_table.read(two.old), two.library, source=str(two.old))
    record = json.loads((two.library / "clusters.json").read_text())
    assert [person["n_faces"] for person in record["people"]] == [4]
    assert record["counts"]["faces"] == 4


# ------------------------------------------------------------------------------------------------------- the list


def test_killed_where_the_list_is_written_it_finishes(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in two.library.rglob("*") if path.is_file()}
    arguments = ["forget", str(two.library), "--person", "person-0001"]

    def die(file: Path, places: list[Place]) -> None:
        if len(places) > 1:
            append(file, places[:1])
        with file.open("ab") as stream:
            stream.write(b'{"format": 1, "photo": "ab')
        raise KeyboardInterrupt

    append = forgotten_jsonl.append
    with monkeypatch.context() as patch:
        patch.setattr(forgotten_jsonl, "append", die)
        assert CliRunner().invoke(main, arguments).exit_code == 130
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads(facecluster(*arguments).stdout)["places"] == 3
    places = forgotten_jsonl.read(two.library / "forgotten.jsonl")
    assert len(places) == len(set(places)) == 4


def test_a_list_that_cannot_be_written_or_read_stops_all(two: Two) -> None:
    before = {path: path.read_bytes() for path in two.library.rglob("*") if path.is_file()}
    for content in (None, "[]\n", '{"format": 9}\n'):
        file = two.library / "forgotten.jsonl"
        file.mkdir() if content is None else file.write_text(content)
        done = CliRunner().invoke(main, ["forget", str(two.library), "--person", "person-0001"])
        assert (done.exit_code, done.stdout) == (1, ""), content
        assert "forgotten.jsonl" in done.stderr
        assert {path: path.read_bytes() for path in before} == before
        file.rmdir() if content is None else file.unlink()


def test_a_photo_of_which_a_copy_stays_is_told(two: Two) -> None:
    table = face_table.read(two.library / "faces.npz")
    digest, pixels = table.photos.digest.copy(), table.photos.pixels.copy()
    digest[5], pixels[5] = digest[4], pixels[4]
    ids = np.array([*table.faces.id[:-1].tolist(), table.faces.id[-2]])
    photos = replace(table.photos, digest=digest, pixels=pixels)
    face_table.write(replace(table, photos=photos, faces=replace(table.faces, id=ids)), two.old)
    done = facecluster("forget", two.old, "--photo", "4.png")
    assert "4.png: copies of it stay, so the next run over it finds its faces again" in done.stderr
    assert forgotten_jsonl.read(forgotten_jsonl.list_of(two.old)) == []


def test_what_an_older_facecluster_forgot_gets_on_the_list(two: Two) -> None:
    # photos 0 and 1 have lost all their faces, and there is no list
    old = face_table.read(two.old)
    lost = np.array([LOST, LOST, 0, 0, 0, 0], dtype=np.uint8)
    gone = without_places(
        old, [Place(digest, "", 0, (0, 0), None) for digest in old.photos.digest[:2].tolist()]
    )
    assert gone.photos.lost[:2].all()
    photos = replace(gone.photos, lost=np.maximum(gone.photos.lost, lost))
    past = Past(rows=list(rows_of(replace(gone, photos=photos))), settings=old.settings)
    left = leave_out(past.rows, [], past)
    assert [(place.photo, place.box) for place in left.places] == [
        (digest, None) for digest in old.photos.digest[:2].tolist()
    ]
    again = leave_out(list(rows_of(old)), left.places, past)
    assert [len(row.analysis.faces) for row in again.rows] == [0, 0, 2, 2, 1, 1]
    assert leave_out(past.rows, left.places, past).places == []

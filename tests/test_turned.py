"""Photos that lie on their side or stand on their head, without an EXIF orientation or with a wrong one."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tables import assert_same, make_faces, make_table

import facecluster as fc
import scripts
from facecluster.encoding.analysis import FACE, Analysis, laid
from facecluster.encoding.pipeline import analyse, encode_photos
from facecluster.formats import face_table
from facecluster.identity.boxes import overlaps
from facecluster.identity.check import PRESETS, find_failures, measure
from facecluster.identity.gate import Limits, Reason, judge
from facecluster.options import EncodeOptions
from facecluster.photos.decode import decode
from facecluster.render.tile import cut_from, turns_of
from facecluster.result import Box, Person, PersonFace
from facecluster.table import NO_FACE, turn_pose
from facecluster.vision import detect, turned
from facecluster.vision.pose import angles_of, rotation_of

QUARTERS = (0, 1, 2, 3)
CLOCKWISE = {
    0: None,
    1: Image.Transpose.ROTATE_270,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_90,
}


def jpeg(pixels: NDArray[np.uint8], orientation: int | None = None) -> bytes:
    """A photo as a file, with an EXIF orientation if one is given."""
    exif, file = Image.Exif(), io.BytesIO()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def found_in(data: bytes, **options: Any) -> Analysis:
    found = analyse(decode(data), EncodeOptions(**options))
    assert isinstance(found, Analysis)
    return found


def faces_of(n: int) -> NDArray[np.void]:
    """Faces with different boxes, landmarks and poses, of a photo of 60 x 40."""
    rng = np.random.default_rng(n)
    faces = np.zeros(n, FACE)
    low = rng.integers(0, (40, 25), (n, 2))
    faces["box"] = np.concatenate([low, low + rng.integers(2, 15, (n, 2))], axis=1)
    faces["anchor"] = faces["box"]
    faces["landmarks"] = rng.uniform(0, 40, (n, 5, 2))
    faces["pose"] = rng.uniform(-60, 60, (n, 3))
    return faces


def find(pixels: NDArray[np.uint8], detector: str = "yunet") -> turned.Upright:
    return turned.find_upright(
        pixels, detector=detector, min_face_px=24, max_side_px=None, upsample=detect.UPSAMPLE
    )


@pytest.fixture(scope="module")
def people(shared_data: Path) -> dict[str, list[Path]]:
    """Four photos of each of three people of lfw_dev."""
    names = ("Hugo_Chavez", "Halle_Berry", "Kim_Clijsters")
    return {name: sorted((shared_data / "lfw_dev" / name).glob("*.jpg"))[:4] for name in names}


# ------------------------------------------------------------------------------------------------ coordinates


@pytest.mark.parametrize("k", range(8))
def test_boxes_and_landmarks_are_laid_where_the_pixels_go(k: int) -> None:
    face = faces_of(1)
    left, top, right, bottom = face["box"][0].astype(int)
    pixels = np.zeros((40, 60), np.uint8)
    pixels[top:bottom, left:right] = 1
    there = np.rot90(pixels, -(k % 4))
    there = there[:, ::-1] if k >= 4 else there
    face["landmarks"][0, :] = (left, top)
    result = laid(face, (60, 40), there.shape[::-1], k)
    rows, columns = np.nonzero(there)
    assert result["box"][0].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    corner = np.zeros_like(pixels)
    corner[top, left] = 1
    corner = np.rot90(corner, -(k % 4))
    (row,), (column,) = np.nonzero(corner[:, ::-1] if k >= 4 else corner)
    x, y = result["landmarks"][0, 0]
    assert column <= x <= column + 1
    assert row <= y <= row + 1
    assert result["anchor"].tolist() == face["anchor"].tolist()


@pytest.mark.parametrize("n", [0, 1, 5])
def test_four_quarters_are_none(n: int) -> None:
    faces, size = faces_of(n), (60, 40)
    result = faces
    for _ in range(4):
        result = laid(result, size, size[::-1], 1)
        size = size[::-1]
    for name in ("box", "landmarks", "turned"):
        np.testing.assert_allclose(result[name], faces[name], atol=1e-4)
    np.testing.assert_allclose(result["pose"], faces["pose"], atol=1e-3)
    assert laid(faces, size, size, 0).tobytes() == faces.tobytes()


def test_mirrored_and_turned_faces_have_the_pose_of_the_mirror() -> None:
    faces = faces_of(3)
    mirrored = laid(faces, (60, 40), (40, 60), 5)
    np.testing.assert_allclose(mirrored["pose"], turn_pose(faces["pose"], np.full(3, 90.0)) * (1, -1, -1))
    assert mirrored["turned"].tolist() == [270, 270, 270]


@pytest.mark.parametrize("degrees", [-90, 0, 37, 90, 180, 270, 360])
def test_turned_poses_are_turned_rotations(degrees: float) -> None:
    pose = np.random.default_rng(1).uniform(-80, 80, (50, 3)).astype(np.float32)
    turn = rotation_of(np.tile([0.0, 0.0, degrees], (50, 1)))
    np.testing.assert_allclose(
        turn_pose(pose, np.full(50, degrees)), angles_of(turn @ rotation_of(pose)), atol=1e-3
    )


def test_who_looks_up_looks_right_in_a_photo_turned_clockwise() -> None:
    up = np.array([[20.0, 0, 0], [np.nan, np.nan, np.nan]], np.float32)
    turned_pose = turn_pose(up, np.array([90.0, 90.0]))
    np.testing.assert_allclose(turned_pose[0], [0, 20, 90], atol=1e-4)
    assert np.isnan(turned_pose[1]).all()


# --------------------------------------------------------------------------------------------- the face table


def test_the_gate_and_check_hold_the_photo_upright() -> None:
    pose = [[0, 0, 90], [0, 0, 90], [0, 0, -175], [25, 0, 90], [20, 45, 90]]
    faces = make_faces(np.ones((5, 128)), pose=pose, turned=[90, 0, 180, 90, 90])
    expected = [Reason.PASSED, Reason.ROLL, Reason.PASSED, Reason.PASSED, Reason.PITCH]
    assert judge(faces, Limits()).tolist() == expected
    failures = list(find_failures(measure(faces), PRESETS["clustering"]))
    assert [bool(failed) for failed in failures] == [reason != Reason.PASSED for reason in expected]


@pytest.mark.parametrize("kind", ["npz", "pickle"])
def test_a_table_says_by_how_much_photos_lie_turned(tmp_path: Path, kind: str) -> None:
    table = make_table(np.eye(128)[:3], turned=[0, 90, 270])
    face_table.write(table, tmp_path / f"t.{kind}")
    assert_same(face_table.read(tmp_path / f"t.{kind}"), table)


@pytest.mark.parametrize("kind", ["npz", "pickle"])
def test_a_table_without_turned_photos_is_as_an_older_facecluster_wrote_it(tmp_path: Path, kind: str) -> None:
    table = make_table(np.eye(128)[:3])
    face_table.write(table, tmp_path / f"t.{kind}")
    assert b"turned" not in (tmp_path / f"t.{kind}").read_bytes()
    assert face_table.read(tmp_path / f"t.{kind}").faces.turned.tolist() == [0, 0, 0]


# ------------------------------------------------------------------------------------------------------ tiles


@pytest.mark.parametrize(
    ("roll", "turns"),
    [
        (None, 0),
        (np.nan, 0),
        (0, 0),
        (60, 0),
        (-60, 0),
        (61, 1),
        (90, 1),
        (-90, 3),
        (134, 1),
        (180, 2),
        (-179, 2),
    ],
)
def test_tiles_of_lying_faces_are_turned(roll: float | None, turns: int) -> None:
    assert turns_of(roll) == turns


@pytest.mark.parametrize("k", QUARTERS)
def test_a_face_is_shown_upright_from_a_turned_photo(tmp_path: Path, k: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    there = np.ascontiguousarray(np.rot90(pixels, -k))
    Image.fromarray(there).save(tmp_path / "a.png")
    face = faces_of(1)
    face["box"] = (20, 10, 30, 20)
    (upright,) = np.zeros((1, 14, 14, 3), np.uint8) + pixels[8:22, 18:32]
    box = Box(*laid(face, (60, 40), there.shape[1::-1], k)["box"][0].tolist())
    (tile,) = cut_from(str(tmp_path / "a.png"), [box], there.shape[1::-1], 14, [k])
    np.testing.assert_array_equal(tile, upright)


# ----------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("detector", detect.DETECTORS)
def test_a_turned_photo_gives_what_the_upright_one_gives(shared_data: Path, detector: str) -> None:
    file = min((shared_data / "caltech_faces84" / "person_4").glob("*.jpg"))
    pixels = decode(file).pixels
    size = pixels.shape[1::-1]
    upright = found_in(jpeg(pixels), detector=detector).faces
    assert len(upright) == 1
    assert upright["turned"].tolist() == [0]
    for k in (1, 2, 3):
        there = np.rot90(pixels, -k)
        faces = found_in(jpeg(there), detector=detector).faces
        expected = laid(upright, size, there.shape[1::-1], k)
        assert faces["turned"].tolist() == [90 * k]
        assert overlaps(faces["box"].astype(float), expected["box"].astype(float))[0] > 0.9
        np.testing.assert_allclose(
            faces["landmarks"], expected["landmarks"], atol=0.05 * upright["size_px"][0]
        )
        np.testing.assert_array_equal(faces["anchor"], faces["box"])
        difference = (faces["pose"] - expected["pose"] + 180) % 360 - 180
        assert np.abs(difference).max() < 4
        assert np.linalg.norm(faces["encoding"] - upright["encoding"]) < 0.35
        for name in ("quality", "size", "centre", "completeness", "eyes_open"):
            np.testing.assert_allclose(faces[name], upright[name], atol=0.05)


def test_most_photos_of_many_people_are_put_right(shared_data: Path) -> None:
    files = sorted((shared_data / "lfw_dev").glob("*/*_0001.jpg"))[::90]
    right = Counter[int]()
    for file in files:
        pixels = decode(file).pixels
        for k in QUARTERS:
            right[k] += find(np.ascontiguousarray(np.rot90(pixels, -k))).turns == k
    assert right[0] == len(files)
    assert min(right.values()) >= 0.93 * len(files)


def test_an_upright_photo_is_left_as_it_is(shared_data: Path) -> None:
    for file in sorted((shared_data / "wider_dev" / "images").glob("*/*.jpg"))[::12]:
        pixels = decode(file).pixels
        upright = find(pixels)
        if detect.find_faces(pixels).score.max(initial=0) > 0.92:
            assert upright.turns == 0
            assert upright.pixels is pixels


def test_no_face_is_found_by_turning_where_none_is(shared_data: Path) -> None:
    for file in sorted((shared_data / "nonface" / "objects").glob("*"))[:30]:
        pixels = decode(file).pixels
        assert find(pixels).turns == 0
    grey = np.full((300, 400, 3), 128, np.uint8)
    found = found_in(jpeg(grey))
    assert (found.status, len(found.faces)) == (NO_FACE, 0)
    for detector in detect.DETECTORS:
        upright = find(grey, detector)
        assert (upright.turns, len(upright.found), upright.pixels is grey) == (0, 0, True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5, 7), (40, 30)])
def test_the_smallest_pictures_are_looked_at(shape: tuple[int, int]) -> None:
    for detector in detect.DETECTORS:
        assert find(np.zeros((*shape, 3), np.uint8), detector).turns == 0


def test_one_upright_person_keeps_the_photo_upright(people: dict[str, list[Path]]) -> None:
    first, *others = (decode(files[0]).pixels for files in people.values())
    picture = np.hstack([first, *(np.rot90(pixels) for pixels in others)])
    assert find(picture).turns == 0
    assert len(find(first).found) == 1


def test_a_wrong_exif_orientation_is_put_right_too(people: dict[str, list[Path]]) -> None:
    pixels = decode(people["Hugo_Chavez"][0]).pixels
    upright = found_in(jpeg(pixels))
    wrong = found_in(jpeg(pixels, orientation=6))  # shown turned clockwise, and stored as it should be shown
    assert wrong.size == pixels.shape[:2]
    assert wrong.faces["turned"].tolist() == [90] * len(upright.faces)
    expected = laid(upright.faces, upright.size, wrong.size, 1)
    assert overlaps(wrong.faces["box"].astype(float), expected["box"].astype(float)).min() > 0.9
    right = found_in(jpeg(np.rot90(pixels), orientation=6))
    assert right.faces["turned"].tolist() == [0] * len(upright.faces)


# -------------------------------------------------------------------------------------------------- libraries


def turned_copy(source: Path, target: Path, k: int) -> None:
    """Write a photo turned clockwise by k quarters, without an EXIF tag."""
    target.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(source).convert("RGB")
    turn = CLOCKWISE[k]
    (image if turn is None else image.transpose(turn)).save(target, quality=95)


def people_of(folder: Path, library: Path) -> tuple[Person, ...]:
    """Run over a folder with default options."""
    with fc.open(str(library), new=True) as opened:
        opened.run(str(folder))
        shown = opened.show()
    assert isinstance(shown, tuple)
    return shown


def counts(people: Sequence[Person]) -> list[int]:
    return sorted(person.n_faces for person in people)


def roll_of(face: PersonFace) -> float:
    assert face.pose.roll is not None
    return face.pose.roll


def test_people_are_found_in_a_library_of_photos_that_lie_all_ways(
    people: dict[str, list[Path]], tmp_path: Path
) -> None:
    for i, (name, files) in enumerate(people.items()):
        for k, file in enumerate(files):
            turned_copy(file, tmp_path / "photos" / name / file.name, (i + k) % 4)
    found = people_of(tmp_path / "photos", tmp_path / "library")
    assert counts(found) == [4, 4, 4]
    for person in found:
        assert len({Path(face.photo).parent.name for face in person.faces}) == 1
        assert sorted(round(roll_of(face) / 90) % 4 for face in person.faces) == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def case(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos of the case `turned` of ../shared/cases, by angle and person."""
    out = tmp_path_factory.mktemp("case") / "turned"
    scripts.cases(shared_data).turned(str(out))
    return out


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_the_case_gives_its_three_people_however_it_lies(case: Path, tmp_path: Path, angle: int) -> None:
    found = people_of(case / str(angle), tmp_path / "library")
    assert counts(found) == [5, 6, 6]
    for person in found:
        for face in person.faces:
            width, height = Image.open(face.photo).size
            assert 0 <= face.box.left < face.box.right <= width
            assert 0 <= face.box.top < face.box.bottom <= height
            assert abs((roll_of(face) + angle + 180) % 360 - 180) < 30  # the angles are counterclockwise
            assert face.core


def test_the_case_gives_three_people_of_all_four_folders(case: Path, tmp_path: Path) -> None:
    assert counts(people_of(case, tmp_path / "library")) == [20, 24, 24]


def test_a_photo_that_is_turned_later_keeps_its_faces(people: dict[str, list[Path]], tmp_path: Path) -> None:
    photo, output = tmp_path / "photo.jpg", tmp_path / "faces.npz"
    (source, *_) = people["Halle_Berry"]
    turned_copy(source, photo, 0)
    before = encode_photos([str(photo)], EncodeOptions(), output=output, jobs=1).table.faces
    for k in (1, 2, 3):
        turned_copy(source, photo, k)
        encoded = encode_photos([str(photo)], EncodeOptions(), output=output, jobs=1)
        faces = encoded.table.faces
        assert encoded.edited == (str(photo),)
        assert sorted(faces.id.tolist()) == sorted(before.id.tolist())
        assert faces.turned.tolist() == [90 * k] * len(before)
        assert np.abs(faces.upright_pose() - before.upright_pose()).max() < 5
        np.testing.assert_array_equal(np.sort(faces.anchor, axis=0), np.sort(before.anchor, axis=0))

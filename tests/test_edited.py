from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.identity.edited import (
    EditedSide,
    ForgottenPlaces,
    forgotten_in,
    hash_distances,
    is_edit,
    match_faces_of_edit,
    orient,
)
from facecluster.photos.looks import perceptual_hash
from facecluster.photos.picture import hashes

JOIN = 1.0
RNG = np.random.default_rng(0)
FACES = RNG.normal(size=(4, 16))
FACES /= np.linalg.norm(FACES, axis=1, keepdims=True)  # strangers: about 1.4 apart
BOX = np.array([[10.0, 20, 30, 40], [60, 20, 80, 40], [110, 60, 140, 90], [20, 70, 40, 90]])
SIZE = (160, 120)
PIXELS = np.kron(RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))
OTHER = np.kron(RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))


def side(box: np.ndarray, encoding: np.ndarray | None, pixels: np.ndarray | None = PIXELS) -> EditedSide:
    known = () if pixels is None else hashes(pixels)
    size = SIZE if pixels is None else (pixels.shape[1], pixels.shape[0])
    return EditedSide(size, box, encoding, known)


def edited(k: int, *, order: list[int] | None = None, noise: float = 0.05) -> EditedSide:
    """The photo so that orientation k of it is the photo as it was."""
    pixels = next(
        turned
        for j in range(8)
        for turned in [np.ascontiguousarray(np.rot90(PIXELS[:, ::-1] if j >= 4 else PIXELS, j % 4))]
        if np.array_equal(np.rot90(turned[:, ::-1] if k >= 4 else turned, k % 4), PIXELS)
    )
    size = (pixels.shape[1], pixels.shape[0])
    inverse = next(j for j in range(8) if np.allclose(orient(orient(BOX, SIZE, j), size, k), BOX))
    rows = order or [0, 1, 2, 3]
    noisy = FACES + np.random.default_rng(1).normal(scale=noise, size=FACES.shape)
    return EditedSide(size, orient(BOX, SIZE, inverse)[rows], noisy[rows], hashes(pixels))


@pytest.mark.parametrize("k", range(8))
def test_orient_moves_boxes_as_pixels_are_turned(k: int) -> None:
    pixels = np.zeros((12, 16), np.uint8)
    pixels[2:4, 5:10] = 1
    turned = np.rot90(pixels[:, ::-1] if k >= 4 else pixels, k % 4)
    rows, columns = np.nonzero(turned)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert orient(np.array([[5, 2, 10, 4]]), (16, 12), k).tolist() == [box]


@pytest.mark.parametrize("k", range(8))
@pytest.mark.parametrize("with_encoding", [True, False])
def test_faces_are_matched_in_any_orientation(k: int, with_encoding: bool) -> None:
    order = [2, 0, 3, 1]
    new = edited(k, order=order)
    if not with_encoding:
        new = EditedSide(new.size, new.box, None, new.hashes)
    old = side(BOX, FACES)
    assert match_faces_of_edit(old, new, join=JOIN).tolist() == order
    assert is_edit(old, new, join=JOIN)


def test_lookalikes_are_not_exchanged() -> None:
    twins = FACES.copy()
    twins[1] = twins[0] + 0.02 * FACES[2]
    swapped = twins[[1, 0, 2, 3]]  # each is nearer to the other's encoding, and lies in its own place
    shift = np.array([-5, -8, -5, -8])
    found = match_faces_of_edit(side(BOX, twins), side(BOX + shift, swapped, PIXELS[8:, 5:]), join=JOIN)
    assert found.tolist() == [0, 1, 2, 3]


def test_a_new_face_and_a_lost_one_are_nobody() -> None:
    stranger = -FACES[0]
    new = side(np.vstack([BOX[1:], [[45, 90, 60, 110]]]), np.vstack([FACES[1:], stranger]))
    assert match_faces_of_edit(side(BOX, FACES), new, join=JOIN).tolist() == [1, 2, 3, -1]


def test_another_person_in_the_same_place_is_nobody_and_no_edit() -> None:
    old, new = side(BOX[:1], FACES[:1]), side(BOX[:1], FACES[1:2])
    assert match_faces_of_edit(old, new, join=JOIN).tolist() == [-1]
    assert not is_edit(old, new, join=JOIN)


def test_another_photo_without_comparable_faces_is_no_edit() -> None:
    old = side(BOX, None)
    assert not is_edit(old, side(BOX, None, OTHER), join=JOIN)
    assert match_faces_of_edit(old, side(BOX, None, OTHER), join=JOIN).tolist() == [-1] * 4
    assert is_edit(old, side(BOX, None), join=JOIN)
    nan = np.full((4, 16), np.nan)
    assert match_faces_of_edit(side(BOX, nan), side(BOX, FACES), join=JOIN).tolist() == [0, 1, 2, 3]


def test_photos_without_faces_are_edits_by_hash_alone() -> None:
    none, nothing = np.zeros((0, 4)), np.zeros((0, 16))
    assert is_edit(side(none, nothing), side(none, nothing), join=JOIN)
    assert not is_edit(side(none, nothing), side(none, nothing, OTHER), join=JOIN)
    assert not is_edit(side(none, nothing, None), side(none, nothing, None), join=JOIN)
    assert match_faces_of_edit(side(none, nothing), side(BOX, FACES), join=JOIN).tolist() == [-1] * 4
    assert match_faces_of_edit(side(BOX, FACES), side(none, nothing), join=JOIN).tolist() == []


@given(st.permutations(range(4)), st.floats(0.3, 3), st.integers(0, 7), st.integers(0, 4))
def test_matches_are_one_to_one_and_follow_the_rows(order: list[int], scale: float, k: int, n: int) -> None:
    new = edited(k, order=order)
    size = (round(new.size[0] * scale), round(new.size[1] * scale))
    new = EditedSide(size, (new.box * scale)[:n], new.encoding[:n], new.hashes)
    assert match_faces_of_edit(side(BOX, FACES), new, join=JOIN).tolist() == order[:n]


def test_unknown_hashes_are_far() -> None:
    assert hash_distances(0, (1,) * 8).tolist() == [64] * 8
    assert hash_distances(7, (1, 7)).tolist() == [2, 0] + [64] * 6


PLACES = ForgottenPlaces(SIZE, BOX[:1], perceptual_hash(PIXELS))


def test_same_picture_forgets_by_overlap() -> None:
    gone = forgotten_in(PLACES, BOX, SIZE, hashes(PIXELS), relation="same")
    assert gone.tolist() == [True, False, False, False]
    half = BOX[:1] + np.array([12, 0, 12, 0])
    assert not forgotten_in(PLACES, half, SIZE, hashes(PIXELS), relation="same").any()


@pytest.mark.parametrize("k", range(8))
@pytest.mark.parametrize("relation", ["edit", "alike"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_forgotten_faces_are_found_in_any_orientation_and_scale(k: int, relation: str, scale: float) -> None:
    new = edited(k)
    size = (round(new.size[0] * scale), round(new.size[1] * scale))
    gone = forgotten_in(PLACES, new.box * scale, size, new.hashes, relation=relation)  # type: ignore[arg-type]
    assert gone.tolist() == [True, False, False, False]


def test_an_edit_forgets_what_a_crop_has_moved_unless_it_is_known() -> None:
    cropped = PIXELS[12:-4, 9:-15]
    moved = BOX - [9, 12, 9, 12]
    size = (cropped.shape[1], cropped.shape[0])
    gone = forgotten_in(PLACES, moved, size, hashes(cropped), relation="edit")
    assert gone[0]
    known = np.array([False, True, True, True])
    assert forgotten_in(PLACES, moved, size, hashes(cropped), relation="edit", known=known).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_nothing_is_forgotten_in_photos_that_are_not_alike() -> None:
    assert not forgotten_in(PLACES, BOX, SIZE, hashes(OTHER), relation="alike").any()
    unknown = ForgottenPlaces(SIZE, BOX, 0)
    assert not forgotten_in(unknown, BOX, SIZE, hashes(PIXELS), relation="alike").any()
    assert forgotten_in(unknown, BOX, SIZE, hashes(PIXELS), relation="edit").all()
    assert not forgotten_in(PLACES, np.zeros((0, 4)), SIZE, hashes(PIXELS), relation="edit").size

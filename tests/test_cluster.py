from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tables import make_table, people

from facecluster.errors import TableError
from facecluster.identity import neighbours
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.gate import Limits, Reason
from facecluster.identity.rules import Radii, Rules
from facecluster.table import FaceTable

RULES = Rules.make("sface")
LINE = Rules(Radii(eps=1.0, join=1.2, margin=0.1))
"""For encodings that lie on a line, so that distances can be worked out by hand."""


def on_a_line(*places: float) -> NDArray[np.float32]:
    encoding = np.zeros((len(places), 128), dtype=np.float32)
    encoding[:, 0] = places
    return encoding


def reordered(table: FaceTable, order: NDArray[np.intp]) -> FaceTable:
    """The same photos and faces in another order, for tables with one face a photo."""
    photos = type(table.photos)(**{key: column[order] for key, column in vars(table.photos).items()})
    faces = {key: column[order] for key, column in vars(table.faces).items()}
    faces["photo"] = np.arange(len(order), dtype=np.int32)
    return FaceTable(photos, type(table.faces)(**faces), table.settings)


def test_people_are_found_and_numbered_by_size() -> None:
    encoding = people(3, 5)
    table = make_table(encoding[[0, 1, 2, 5, 6, 7, 8, 10, 11, 12, 13, 14]])
    found = cluster_faces(table, RULES)
    assert found.label.tolist() == [2] * 3 + [1] * 4 + [0] * 5
    assert found.core.all()
    assert found.n_people == 3
    assert (found.reason == Reason.PASSED).all()
    assert (found.confidence > 0.7).all()


def test_no_faces_at_all() -> None:
    found = cluster_faces(make_table([]), RULES)
    assert (found.n_people, len(found.label)) == (0, 0)


def test_one_face_is_nobody() -> None:
    found = cluster_faces(make_table(people(1, 1)), RULES)
    assert found.label.tolist() == [-1]
    assert found.reason.tolist() == [Reason.NO_MATCH]
    assert np.isnan(found.confidence).all()


def test_nobody_is_founded_on_two_photos() -> None:
    found = cluster_faces(make_table(people(1, 3), photo=[0, 0, 1]), RULES)
    assert found.reason.tolist() == [Reason.TOO_FEW_PHOTOS] * 3


@pytest.mark.parametrize(
    ("photos", "n_people"),
    [
        ({}, 1),
        ({"digest": ["a", "b", "a"]}, 0),
        ({"hash": [0b1111, 0b0000_1111 << 30, 0b11111]}, 0),  # the first and the third differ in one bit
        ({"hash": [0b11111, 0b11111 << 20, 0b11111 << 40]}, 1),
        ({"hash": [0, 0, 0], "digest": ["", "", ""]}, 1),  # unknown is not equal
    ],
)
def test_copies_and_near_duplicates_count_once(photos: dict[str, object], n_people: int) -> None:
    assert cluster_faces(make_table(people(1, 3), photos=photos), RULES).n_people == n_people


def test_only_faces_that_pass_the_gate_link() -> None:
    # two people at 0..0.2 and 2.0..2.2; the face between them, at 1.1, is within eps of both
    table = make_table(
        on_a_line(0, 0.1, 0.2, 1.1, 2.0, 2.1, 2.2), quality=[0.9, 0.9, 0.9, 0.3, 0.9, 0.9, 0.9]
    )
    found = cluster_faces(table, LINE)
    assert found.label.tolist() == [0, 0, 0, -1, 1, 1, 1]
    assert found.reason[3] == Reason.BETWEEN_PEOPLE
    good = make_table(on_a_line(0, 0.1, 0.2, 1.1, 2.0, 2.1, 2.2))
    assert cluster_faces(good, LINE).n_people == 1


def test_other_faces_join_the_person_they_resemble() -> None:
    table = make_table(
        on_a_line(0, 0.1, 0.2, 0.8, 3.0, 3.1, 3.2, 5.0), quality=[0.9, 0.9, 0.9, 0.3, 0.9, 0.9, 0.9, 0.2]
    )
    found = cluster_faces(table, LINE)
    assert found.label.tolist() == [0, 0, 0, 0, 1, 1, 1, -1]
    assert found.core.tolist() == [True, True, True, False, True, True, True, False]
    assert found.reason[7] == Reason.LOW_QUALITY
    # by hand: the mean of 0.8², 0.7², 0.6²
    assert found.distance[3] == pytest.approx(np.sqrt((0.64 + 0.49 + 0.36) / 3), abs=1e-6)
    assert found.confidence[3] == pytest.approx(1 - 0.49667 / (2 * 1.2**2), abs=1e-4)
    # a founding face is compared with the other two
    assert found.distance[0] == pytest.approx(np.sqrt((0.01 + 0.04) / 2), abs=1e-6)


def test_a_good_face_without_a_group_of_its_own_may_join() -> None:
    found = cluster_faces(make_table(on_a_line(0, 0.1, 0.2, 1.25)), Rules(Radii(1.0, 1.2, 0.1)))
    assert found.label.tolist() == [0] * 4
    assert found.core.tolist() == [True, True, True, False]


def test_two_faces_of_a_photo_do_not_join_one_person() -> None:
    faces = {"photo": [0, 1, 2, 3, 3], "quality": [0.9, 0.9, 0.9, 0.1, 0.1]}
    apart = [[0, 0, 90, 90]] * 3 + [[0, 0, 90, 90], [200, 0, 290, 90]]
    found = cluster_faces(make_table(on_a_line(0, 0.1, 0.2, 0.6, 0.4), box=apart, **faces), LINE)
    assert found.label.tolist() == [0, 0, 0, -1, 0]
    assert found.reason[3] == Reason.SAME_PHOTO
    twice = [[0, 0, 90, 90]] * 3 + [[0, 0, 90, 90], [5, 0, 95, 90]]
    found = cluster_faces(make_table(on_a_line(0, 0.1, 0.2, 0.6, 0.4), box=twice, **faces), LINE)
    assert found.label.tolist() == [0] * 5


def test_a_face_does_not_join_somebody_who_is_in_its_photo() -> None:
    boxes = [[0, 0, 90, 90]] * 3 + [[200, 0, 290, 90]]
    table = make_table(
        on_a_line(0, 0.1, 0.2, 0.3), photo=[0, 1, 2, 2], box=boxes, quality=[0.9, 0.9, 0.9, 0.1]
    )
    assert cluster_faces(table, LINE).reason.tolist() == [0, 0, 0, Reason.SAME_PHOTO]


def test_border_faces_go_to_the_nearest_dense_face() -> None:
    # 1.45 reaches one face at either end, too few to be dense itself; the one on the right is nearer
    places = [0.25, 0.35, 0.45, 0.55, 1.45, 2.30, 2.40, 2.50, 2.60]
    rules = Rules(Radii(eps=0.91, join=0.1, margin=0.1), min_samples=4)
    for order in (np.arange(9), np.arange(9)[::-1]):
        found = cluster_faces(reordered(make_table(on_a_line(*places)), order), rules)
        assert found.label[np.argsort(order)].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoding = people(6, 8, spread=float(rng.uniform(0.6, 1.3)), seed=seed)
    quality = rng.uniform(0.6, 1, len(encoding))
    table = make_table(encoding, quality=quality)
    order = rng.permutation(len(encoding))
    one, other = cluster_faces(table, RULES), cluster_faces(reordered(table, order), RULES)
    assert one.label[order].tolist() == other.label.tolist()
    assert one.reason[order].tolist() == other.reason.tolist()
    np.testing.assert_allclose(one.confidence[order], other.confidence, atol=1e-5)


def test_blocks_give_the_same_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = np.random.default_rng(1).uniform(0.7, 1, 200)
    table = make_table(people(10, 20, spread=1.0), quality=quality)
    whole = cluster_faces(table, RULES)
    monkeypatch.setattr(neighbours, "BLOCK", 300)
    pieces = cluster_faces(table, RULES)
    np.testing.assert_array_equal(whole.label, pieces.label)
    np.testing.assert_allclose(whole.distance, pieces.distance, atol=1e-5)


def test_input_is_unchanged() -> None:
    table = make_table(people(2, 4))
    before = {key: column.copy() for key, column in vars(table.faces).items()}
    cluster_faces(table, RULES)
    for key, column in before.items():
        np.testing.assert_array_equal(column, getattr(table.faces, key))


def test_faces_without_an_encoding_are_left_out_with_or_without_a_gate() -> None:
    encoding = people(1, 4)
    encoding[1] = np.nan
    for gate in (True, False):
        found = cluster_faces(make_table(encoding), Rules(RULES.radii, gate=gate))
        assert found.label.tolist() == [0, -1, 0, 0]
        assert found.reason[1] == Reason.NO_ENCODING


def test_a_person_of_one_photo_when_that_is_asked_for() -> None:
    table = make_table(people(2, 1))
    found = cluster_faces(table, Rules.make("sface", limits=Limits(min_images=1)))
    assert found.label.tolist() == [0, 1]
    assert np.isnan(found.confidence).all(), "nothing to compare with"


def test_defaults_are_by_encoder_and_can_be_met() -> None:
    assert Rules.make("dlib").radii.eps < Rules.make("sface").radii.eps
    assert Rules.make("sface", limits=Limits(min_images=2)).min_samples == 2
    assert Rules.make("sface", limits=Limits(min_images=9)).min_samples == 3
    assert Rules.make("sface", eps=0.5, min_samples=7) == Rules(Radii(0.5, 1.04, 0.05), min_samples=7)
    with pytest.raises(TableError, match=r"'arcface'.*sface, dlib.*encode again"):
        Rules.make("arcface")

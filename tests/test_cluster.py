from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tables import make_table, people

from facecluster.errors import TableError
from facecluster.identity import neighbours
from facecluster.identity.assignment import Assignment, Case
from facecluster.identity.assured import Assured
from facecluster.identity.cluster import cluster_faces, conclude
from facecluster.identity.constraints import Constraints
from facecluster.identity.find import find
from facecluster.identity.gate import Limits, Reason
from facecluster.identity.join import join
from facecluster.identity.keep import keep, tell
from facecluster.identity.rules import Radii, Rules, SamePhotoRule
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
    assert (found.confidence > 70).all()


def test_no_faces_at_all() -> None:
    found = cluster_faces(make_table([]), RULES)
    assert (found.n_people, len(found.label)) == (0, 0)


def test_one_face_is_nobody() -> None:
    found = cluster_faces(make_table(people(1, 1)), RULES)
    assert found.label.tolist() == [-1]
    assert found.reason.tolist() == [Reason.NO_MATCH]
    assert np.isnan(found.confidence).all()


def test_clusterings_are_shown_in_short() -> None:
    found = cluster_faces(make_table(np.vstack([people(2, 4), people(3, 1, seed=3)[2:]])), RULES)
    assert repr(found) == "Clustering: 2 people, 8 of 9 faces"
    assert repr(cluster_faces(make_table(people(1, 1)), RULES)) == "Clustering: 0 people, 0 of 1 face"


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


def test_a_good_face_between_two_people_does_not_make_them_one() -> None:
    # at 1.1 it is within eps of both, and DBSCAN makes one group of all
    good = make_table(on_a_line(0, 0.1, 0.2, 1.1, 2.0, 2.1, 2.2))
    label = cluster_faces(good, LINE).label
    assert label[0] == label[1] == label[2] != label[4] == label[5] == label[6]


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
    assert found.confidence[3] == pytest.approx(100 * (1 - 0.49667 / (2 * 1.2**2)), abs=1e-2)
    # a founding face is compared with the other two
    assert found.distance[0] == pytest.approx(np.sqrt((0.01 + 0.04) / 2), abs=1e-6)


def test_good_faces_that_dbscan_leaves_alone_are_merged_by_their_mean_distance() -> None:
    # 1.25 is beyond eps of all; the mean of 1.25², 1.15², 1.05² is 1.15²
    for radius, label in ((1.2, [0, 0, 0, 0]), (1.14, [0, 0, 0, -1])):
        found = cluster_faces(make_table(on_a_line(0, 0.1, 0.2, 1.25)), Rules(Radii(1.0, radius, 0.1)))
        assert found.label.tolist() == label
        assert found.core.tolist() == [place == 0 for place in label]


SIDE_BY_SIDE = [[0, 0, 90, 90]] * 3 + [[0, 0, 90, 90], [200, 0, 290, 90]]


def test_two_faces_of_a_photo_do_not_join_one_person() -> None:
    # both are within 1.2 of the three; 0.9 is nearer than -0.8, and both too far for the second of a photo
    faces = {"photo": [0, 1, 2, 3, 3], "quality": [0.9, 0.9, 0.9, 0.1, 0.1]}
    found = cluster_faces(make_table(on_a_line(0, 0.1, 0.2, -0.9, 0.9), box=SIDE_BY_SIDE, **faces), LINE)
    assert found.label.tolist() == [0, 0, 0, -1, 0]
    assert found.reason[3] == Reason.SAME_PHOTO
    twice = [[0, 0, 90, 90]] * 3 + [[0, 0, 90, 90], [5, 0, 95, 90]]
    found = cluster_faces(make_table(on_a_line(0, 0.1, 0.2, -0.9, 0.9), box=twice, **faces), LINE)
    assert found.label.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("same_photo", "label"), [("forbid", [0, 0, 0, -1, 0]), ("allow", [0] * 5), ("prefer", [0] * 5)]
)
def test_a_face_in_a_mirror_is_the_same_person_unless_that_is_forbidden(
    same_photo: SamePhotoRule, label: list[int]
) -> None:
    faces = {"photo": [0, 1, 2, 3, 3], "quality": [0.9, 0.9, 0.9, 0.1, 0.1]}
    table = make_table(on_a_line(0, 0.1, 0.2, 0.6, 0.4), box=SIDE_BY_SIDE, **faces)
    found = cluster_faces(table, replace(LINE, same_photo=same_photo))
    assert found.label.tolist() == label
    assert (found.reason[3] == Reason.SAME_PHOTO) == (label[3] < 0)


def test_a_face_does_not_join_somebody_who_is_in_its_photo() -> None:
    boxes = [[0, 0, 90, 90]] * 3 + [[200, 0, 290, 90]]
    faces = {"photo": [0, 1, 2, 2], "box": boxes, "quality": [0.9, 0.9, 0.9, 0.1]}
    table = make_table(on_a_line(0, 0.1, 0.2, 1.1), **faces)
    assert cluster_faces(table, LINE).reason.tolist() == [0, 0, 0, Reason.SAME_PHOTO]
    # it is somebody else, whom it is less like
    table = make_table(
        on_a_line(0, 0.1, 0.2, 1.1, 2.2, 2.25, 2.3),
        photo=[0, 1, 2, 2, 3, 4, 5],
        box=boxes + [[0, 0, 90, 90]] * 3,
        quality=[0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9],
    )
    assert cluster_faces(table, LINE).label.tolist() == [1, 1, 1, 0, 0, 0, 0]


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
    np.testing.assert_allclose(one.confidence[order], other.confidence, atol=1e-3)


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


def test_no_stage_changes_what_it_was_handed() -> None:
    encoding = people(3, 6, spread=0.9)
    encoding[0] = np.nan
    table = make_table(encoding, photo=[min(i, 14) for i in range(18)], quality=[0.9, 0.9, 0.3] * 6)
    together = np.array([0] * 4 + [-1] * 14, dtype=np.int32)
    somebody = (Assured("p", "Anna", np.array([0, 1]), True, None, -1),)
    choices = replace(
        Constraints.none(18), together=together, assured=somebody, not_people=(np.arange(12, 15),)
    )
    case = Case.of(table, RULES, choices, None, None)
    assignment = Assignment.start(case)
    for stage in (find, keep, tell, join, conclude):
        for array in vars(assignment).values():
            array.setflags(write=False)
        assignment = stage(case, assignment)
        lengths = {len(array) for name, array in vars(assignment).items() if name != "ties"}
        assert lengths == {18}, stage.__name__


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


def test_defaults_are_by_encoder_and_keep_their_proportions() -> None:
    assert Rules.make("dlib").radii.eps < Rules.make("sface").radii.eps
    assert Rules.make("sface").min_samples == 3
    halved = Rules.make("sface", eps=0.4, min_samples=7)
    assert halved.min_samples == 7
    assert halved.radii == Radii(0.4, 0.53, 0.025, 0.025, 0.005)
    assert Rules.make("sface", eps=1.0).radii.join == Rules.make("sface").radii.join
    with pytest.raises(TableError, match=r"'arcface'.*sface, dlib.*encode again"):
        Rules.make("arcface")


# ------------------------------------------------------------------------------------------- what people decided

TWO = people(2, 5, spread=0.3)
"""Five faces of one person, then five of another."""


def decided(n: int, **columns: Any) -> Constraints:
    """Nothing but what is given."""
    rows = {"moved", "founded", "ignored"}
    arrays = {key: np.isin(np.arange(n), value) if key in rows else value for key, value in columns.items()}
    if "apart" in arrays:
        arrays["apart"] = np.array(columns["apart"], dtype=np.int64)
    if "together" in arrays:
        together = np.full(n, -1, dtype=np.int32)
        for number, part in enumerate(columns["together"]):
            together[list(part)] = number
        arrays["together"] = together
    return replace(Constraints.none(n), **arrays)


def test_people_who_were_merged_are_one() -> None:
    found = cluster_faces(make_table(TWO), RULES, decided(10, together=[[0, 1, 2, 5, 6, 7]]))
    assert found.label.tolist() == [0] * 10
    assert found.core.all()


def test_faces_that_were_split_off_are_a_person_whatever_the_gate_says() -> None:
    choices = decided(10, together=[[3, 4]], moved=[3, 4], founded=[3, 4], apart=[[3, 0], [4, 0]])
    found = cluster_faces(make_table(TWO, quality=[0.9] * 4 + [0.1] + [0.9] * 5), RULES, choices)
    assert found.label.tolist() == [1, 1, 1, 2, 2, 0, 0, 0, 0, 0]


def test_a_face_that_was_moved_is_where_it_was_moved_and_founds_nobody() -> None:
    choices = decided(10, together=[[4, 5, 6, 7]], moved=[4], apart=[[4, 0], [4, 1]])
    found = cluster_faces(make_table(TWO), RULES, choices)
    assert found.label.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert found.core.tolist() == [True] * 4 + [False] + [True] * 5
    # by hand: the mean of the squared distances to the five
    assert found.distance[4] == pytest.approx(
        np.sqrt(np.mean(np.sum((TWO[5:] - TWO[4]) ** 2, axis=1))), abs=1e-5
    )


def test_a_face_that_was_moved_to_nobody_stays_out() -> None:
    found = cluster_faces(make_table(TWO), RULES, decided(10, moved=[4], apart=[[4, 0], [4, 1], [4, 2]]))
    assert found.label.tolist() == [1, 1, 1, 1, -1, 0, 0, 0, 0, 0]
    assert found.reason[4] == Reason.TAKEN_AWAY


def test_a_poor_face_follows_the_face_that_it_belongs_to() -> None:
    far = np.concatenate([TWO, -TWO[:1]])
    choices = decided(11, together=[[10, 0]], moved=[10])
    found = cluster_faces(make_table(far, quality=[0.9] * 10 + [0.1]), RULES, choices)
    assert found.label[10] == found.label[0] >= 0


def test_an_ignored_face_is_nobody() -> None:
    found = cluster_faces(make_table(TWO), RULES, decided(10, ignored=[0]))
    assert found.label.tolist() == [-1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert found.reason[0] == Reason.NOT_A_PERSON


def test_somebody_who_is_no_person_is_dissolved_with_whoever_joins() -> None:
    found = cluster_faces(make_table(TWO), RULES, decided(10, not_people=(np.array([0, 1, 5]),)))
    assert found.label.tolist() == [-1] * 5 + [0] * 5
    assert (found.reason[:5] == Reason.NOT_A_PERSON).all()


def test_faces_of_no_person_do_not_come_back_as_almost_a_person() -> None:
    table, strict = make_table(TWO), replace(RULES, limits=replace(RULES.limits, min_images=6))
    assert [len(almost.rows) for almost in cluster_faces(table, strict).almost] == [5, 5]
    found = cluster_faces(table, strict, decided(10, not_people=(np.array([0, 1, 2]),)))
    assert (found.reason[:5] == Reason.NOT_A_PERSON).all()
    assert [almost.rows.tolist() for almost in found.almost] == [[5, 6, 7, 8, 9]]


def test_face_of_no_person_that_is_nobodys_is_said_to_be_none() -> None:
    far = np.concatenate([TWO, -TWO[:1]])
    found = cluster_faces(make_table(far), RULES, decided(11, not_people=(np.array([0, 1, 10]),)))
    assert found.reason.tolist() == [Reason.NOT_A_PERSON] * 5 + [Reason.PASSED] * 5 + [Reason.NOT_A_PERSON]


def test_no_decisions_are_the_same_as_none() -> None:
    table = make_table(TWO)
    one, other = cluster_faces(table, RULES), cluster_faces(table, RULES, Constraints.none(10))
    assert one.label.tolist() == other.label.tolist()
    assert one.almost == other.almost


def test_a_stray_face_ties_two_people_not_together() -> None:
    # somebody merged the faces of the first; one of these is with the second now
    found = cluster_faces(make_table(TWO), RULES, decided(10, together=[[0, 1, 2, 5]]))
    assert found.label.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] or found.label.tolist() == [0] * 5 + [1] * 5


def test_faces_that_somebody_knows_a_person_by_found_whatever_the_gate_says() -> None:
    poor = make_table(TWO, quality=[0.1] * 10)
    assert cluster_faces(poor, RULES).n_people == 0
    choices = decided(
        10, together=[[3, 4]], moved=[3, 4], founded=[3, 4], apart=[[f, a] for f in (3, 4) for a in (0, 1, 2)]
    )
    assert cluster_faces(poor, RULES, choices).label.tolist() == [0, 0, 0, 1, 1, -1, -1, -1, -1, -1]

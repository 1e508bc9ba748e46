"""Almost-people, as `cluster_faces` finds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import make_faces, make_table, people
from test_cluster import LINE, RULES, on_a_line, reordered

from facecluster.identity import neighbours
from facecluster.identity.almost import _shortfalls
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.gate import Limits, Reason, judge
from facecluster.identity.rules import Rules
from facecluster.table import FaceTable


def almost(table: FaceTable, rules: Rules = LINE) -> list[tuple[list[int], list[str], int]]:
    """Rows, what each lacks, and the photos that count, of every almost-person."""
    found = cluster_faces(table, rules).almost
    return [(a.rows.tolist(), [Reason(lack).code for lack in a.lack], a.n_photos) for a in found]


def turned(n: int, **yaw: float) -> list[list[float]]:
    """Poses of n faces, those of `f0=34` turned."""
    return [[0, yaw.get(f"f{i}", 0), 0] for i in range(n)]


def test_two_good_photos_and_one_turned_are_almost_a_person() -> None:
    table = make_table(on_a_line(0, 0.1, 0.2), pose=turned(3, f1=34))
    assert cluster_faces(table, LINE).n_people == 0
    assert almost(table) == [([0, 2, 1], ["passed", "passed", "yaw"], 2)]
    nearer = Rules(LINE.radii, Limits(max_angle_deg=35))
    assert (cluster_faces(table, nearer).n_people, almost(table, nearer)) == (1, [])


def test_two_good_photos_are_almost_a_person_and_one_is_not() -> None:
    assert almost(make_table(on_a_line(0, 0.1, 5.0))) == [([0, 1], ["passed", "passed"], 2)]
    assert almost(make_table(on_a_line(0, 0.1), pose=turned(2, f1=34))) == []


def test_one_good_photo_is_almost_a_person_where_lower_limits_would_do() -> None:
    table = make_table(on_a_line(0, 0.1, 0.2, 0.3, 0.4), quality=[0.9, 0.3, 0.75, 0.79, 0.1])
    assert almost(table) == [([0, 3, 2, 1, 4], ["passed"] + ["low_quality"] * 4, 1)]


def test_without_a_good_face_nobody_is_almost_a_person() -> None:
    assert almost(make_table(on_a_line(0, 0.1, 0.2, 0.3), quality=[0.79] * 4)) == []


def test_complete_people_strangers_and_no_faces_are_not_almost_people() -> None:
    assert almost(make_table(on_a_line(0, 0.1, 0.2))) == []
    assert almost(make_table(on_a_line(0, 2, 4, 6))) == []
    assert almost(make_table([])) == []
    assert almost(make_table(people(1, 3), quality=[np.nan] * 3), RULES) == []


def test_faces_that_are_not_good_link_nothing() -> None:
    # 0.9 and 1.8 are a chain of poor faces from 0 to 2.7, each within 1.0 of the next
    table = make_table(on_a_line(0, 0.1, 0.95, 1.85, 2.7, 2.8), quality=[0.9, 0.9, 0.3, 0.3, 0.9, 0.9])
    assert [rows for rows, _, _ in almost(table)] == [[0, 1, 2], [4, 5, 3]]


def test_a_poor_face_between_two_almost_people_is_in_none() -> None:
    table = make_table(on_a_line(0, 0.1, 0.9, 1.7, 1.8), quality=[0.9, 0.9, 0.3, 0.9, 0.9])
    assert [rows for rows, _, _ in almost(table)] == [[0, 1], [3, 4]]


def test_a_chain_of_good_faces_is_not_one_almost_person() -> None:
    rules = Rules(LINE.radii, Limits(min_images=9))
    assert [rows for rows, _, _ in almost(make_table(on_a_line(0, 0.1, 0.2)), rules)] == [[0, 1, 2]]
    chain = almost(make_table(on_a_line(0, 0.9, 1.8, 2.7)), rules)
    assert [rows for rows, _, _ in chain] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("hash_", "expected"),
    [
        # 2 is a near-duplicate of 0: of two good ones one counts, and the turned one would add nothing
        ([0b1111, 0xFFFFFF << 20, 0b11111], [([0, 1, 2], ["passed", "passed", "near_duplicate"], 2)]),
        ([0b1111, 0b11111, 0xFFFFFF << 20], []),
    ],
)
def test_near_duplicates_count_once_for_almost_people(hash_: list[int], expected: object) -> None:
    table = make_table(on_a_line(0, 0.1, 0.2), pose=turned(3, f2=34), photos={"hash": hash_})
    assert almost(table) == expected


def test_a_group_from_too_few_photos_is_almost_a_person() -> None:
    table = make_table(on_a_line(0, 0.1, 0.2), photos={"digest": ["a", "b", "a"]})
    (rows, lacks, n_photos), = almost(table)  # fmt: skip
    assert (rows[2] in (0, 2), lacks, n_photos) == (True, ["passed", "passed", "near_duplicate"], 2)


def test_somebody_else_in_the_photo_is_not_the_almost_person() -> None:
    boxes = [[0, 0, 90, 90]] * 2 + [[200, 0, 290, 90]]
    table = make_table(on_a_line(0, 0.1, 0.2), photo=[0, 1, 1], box=boxes, quality=[0.9, 0.9, 0.1])
    assert [rows for rows, _, _ in almost(table)] == [[0, 1]]


def test_a_face_like_a_person_who_was_found_is_no_almost_person() -> None:
    # the last two are good, too far to link, near enough to join, and beside the person in two photos
    boxes = [[0, 0, 90, 90]] * 2 + [[0, 0, 90, 90], [200, 0, 290, 90]] * 2
    table = make_table(on_a_line(0, 0.1, 0.2, 1.25, 0.15, 1.26), photo=[0, 1, 2, 2, 3, 3], box=boxes)
    found = cluster_faces(table, LINE)
    assert found.reason[[3, 5]].tolist() == [Reason.SAME_PHOTO] * 2
    assert found.almost == ()


def test_the_faces_of_the_limit_that_alone_would_do_come_first() -> None:
    # one good; two are turned by 36 and 37 degrees; one is short by little in quality, one by little in both
    table = make_table(
        on_a_line(0, 0.1, 0.2, 0.3, 0.4), pose=turned(5, f1=37, f3=36, f4=30.5),
        quality=[0.9, 0.9, 0.79, 0.9, 0.79],
    )  # fmt: skip
    assert almost(table)[0][0] == [0, 3, 1, 2, 4]


def test_an_unknown_pose_comes_last() -> None:
    pose = turned(4, f3=80)
    pose[2] = [np.nan] * 3
    assert almost(make_table(on_a_line(0, 0.1, 0.2, 0.3), pose=pose))[0][:2] == (
        [0, 1, 3, 2], ["passed", "passed", "yaw", "no_pose"],
    )  # fmt: skip


def test_the_most_nearly_complete_come_first() -> None:
    # one photo counts; two, no third; two and a third turned by 50; two and a third turned by 31
    table = make_table(
        on_a_line(0, 0.1, 0.2, 10, 10.1, 20, 20.1, 20.2, 30, 30.1, 30.2),
        pose=turned(11, f1=31, f2=31, f7=50, f10=31),
    )
    assert [rows[0] for rows, _, _ in almost(table)] == [8, 5, 3, 0]


def test_without_a_gate_only_photos_are_missing() -> None:
    table = make_table(on_a_line(0, 0.1, 5.0, 5.1, 5.2), pose=np.full((5, 3), np.nan))
    assert almost(table, Rules(LINE.radii, gate=False)) == [([0, 1], ["passed", "passed"], 2)]


@pytest.mark.parametrize(("min_images", "min_samples"), [(1, 1), (1, 3), (2, 1), (3, 1), (3, 5), (9, 4)])
def test_almost_people_have_too_few_photos_whatever_the_rules(min_images: int, min_samples: int) -> None:
    quality = np.random.default_rng(1).uniform(0.75, 1, 60)
    table = make_table(people(12, 5, spread=0.9), quality=quality)
    found = cluster_faces(table, Rules(RULES.radii, Limits(min_images), min_samples=min_samples))
    assert all(1 <= a.n_photos < min_images for a in found.almost)
    rows = [row for a in found.almost for row in a.rows.tolist()]
    assert len(rows) == len(set(rows))
    assert (found.label[rows] == -1).all()
    assert all(np.count_nonzero(a.lack == Reason.PASSED) == a.n_photos for a in found.almost)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_does_not_matter_to_almost_people(seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoding = people(10, 4, spread=float(rng.uniform(0.6, 1.2)), seed=seed)
    table = make_table(
        encoding, quality=rng.uniform(0.6, 1, 40), pose=rng.normal(0, 20, (40, 3)),
        photos={"hash": 1 << rng.integers(1, 60, 40) * rng.integers(0, 2, 40)},
    )  # fmt: skip
    order = rng.permutation(40)
    place = np.argsort(order)
    one = [(place[rows].tolist(), *rest) for rows, *rest in almost(table, RULES)]
    assert one == [(rows, *rest) for rows, *rest in almost(reordered(table, order), RULES)]


def test_blocks_of_almost_people_give_the_same_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = np.random.default_rng(1).uniform(0.7, 1, 200)
    table = make_table(people(50, 4, spread=1.0), quality=quality)
    whole = almost(table, RULES)
    assert len(whole) > 5
    for block in (1, 300, 2000):
        monkeypatch.setattr(neighbours, "BLOCK", block)
        assert almost(table, RULES) == whole


def test_shortfall_is_how_far_from_passing_by_limit() -> None:
    faces = make_faces(
        [np.ones(128)] * 4, box=[[0, 0, 60, 90], *[[0, 0, 90, 90]] * 3],
        pose=[[0, -39, 34.5], [30, 0, 0], [np.nan] * 3, [0, 0, 0]], quality=[0.7, 0.9, 0.9, 0.9],
    )  # fmt: skip
    short = _shortfalls(faces, Limits())
    np.testing.assert_allclose(short[:, 0], [15 / 75, 0, 0, 0], atol=1e-5)
    np.testing.assert_allclose(short[:, 1], [9 / 90, 0, np.inf, 0], atol=1e-5)
    np.testing.assert_allclose(short[:, 2], [0.1, 0, 0, 0], atol=1e-5)
    assert short[1, 1] > 0, "exactly on the limit fails"


@pytest.mark.parametrize("limits", [Limits(), Limits(min_size_px=0, max_angle_deg=0, min_quality=0)])
def test_a_face_without_shortfall_is_one_that_passes(limits: Limits) -> None:
    rng = np.random.default_rng(3)
    box = np.zeros((200, 4))
    box[:, 2:] = rng.integers(70, 100, (200, 2))
    pose = rng.choice([0, 20, 30, -40, np.nan], (200, 3), p=[0.6, 0.1, 0.1, 0.1, 0.1])
    quality = rng.choice([0, 0.8, 0.9, np.nan], 200)
    faces = make_faces(np.ones((200, 128)), box=box, pose=pose, quality=quality)
    short = _shortfalls(faces, limits)
    np.testing.assert_array_equal((short == 0).all(axis=1), judge(faces, limits) == Reason.PASSED)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facecluster.identity.changes import Placed, match_faces, match_people


def placed(
    ids: Sequence[str],
    *,
    photo: Sequence[str] | None = None,
    box: Sequence[Sequence[float]] | None = None,
    anchor: Sequence[Sequence[float]] | None = None,
    page: Sequence[int] | None = None,
    time_s: Sequence[float] | None = None,
) -> Placed:
    n = len(ids)
    boxes = [[0, 0, 10, 10]] * n if box is None else box
    anchors = boxes if anchor is None else anchor
    return Placed(
        id=list(ids),
        photo=[f"/p/{name}" for name in ids] if photo is None else list(photo),
        box=np.array(boxes, dtype=np.float64).reshape(n, 4),
        anchor=np.array(anchors, dtype=np.float64).reshape(n, 4),
        page=np.zeros(n, dtype=np.int64) if page is None else np.array(page),
        time_s=np.full(n, np.nan) if time_s is None else np.array(time_s),
        track=np.full(n, -1),
        person=np.zeros(n, dtype=np.int64),
        confidence=np.ones(n),
    )


def pairs(a: Placed, b: Placed) -> list[tuple[int, int]]:
    return list(zip(*(rows.tolist() for rows in match_faces(a, b)), strict=True))


def people(a: list[int], b: list[int]) -> list[tuple[int, int, int]]:
    columns = match_people(np.array(a, dtype=np.int64), np.array(b, dtype=np.int64))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_faces_of_renamed_photos_are_known() -> None:
    a = placed(["aa-0", "bb-0"], photo=["/p/1", "/p/2"])
    b = placed(["bb-0", "cc-0", "aa-0"], photo=["/q/x", "/q/y", "/q/z"])
    assert pairs(a, b) == [(0, 2), (1, 0)]


def test_of_copies_the_one_of_the_same_path_is_meant() -> None:
    a = placed(["aa-0", "aa-0"], photo=["/p/1", "/p/2"])
    assert pairs(a, placed(["aa-0"], photo=["/p/2"])) == [(1, 0)]
    assert pairs(placed(["aa-0"], photo=["/p/2"]), a) == [(0, 1)]
    assert pairs(a, placed(["aa-0", "aa-0"], photo=["/p/3", "/p/1"])) == [(0, 1), (1, 0)]


def test_faces_that_another_detector_numbered_otherwise_are_known_by_their_boxes() -> None:
    here, there = [0, 0, 10, 10], [50, 0, 60, 10]
    a = placed(["aa-0", "aa-1"], photo=["/p", "/p"], box=[here, there])
    b = placed(["aa-0", "aa-1", "aa-2"], photo=["/p"] * 3, box=[[0, 90, 9, 99], [1, 0, 11, 10], there])
    assert pairs(a, b) == [(0, 1), (1, 2)]


def test_faces_of_an_edited_photo_are_known_by_their_anchors() -> None:
    here, cropped = [50, 0, 60, 10], [0, 0, 10, 10]
    a = placed(["aa-0"], box=[here])
    assert pairs(a, placed(["aa-0"], box=[cropped], anchor=[here])) == [(0, 0)]
    assert pairs(a, placed(["aa-1"], box=[cropped], anchor=[here])) == [(0, 0)]
    assert pairs(a, placed(["aa-0"], box=[here], anchor=[cropped])) == []


def test_same_id_elsewhere_in_the_photo_is_another_face() -> None:
    assert pairs(placed(["aa-0"]), placed(["aa-0"], box=[[50, 0, 60, 10]])) == []


def test_faces_of_other_pages_and_moments_are_others_wherever_their_boxes_are() -> None:
    a = placed(
        ["d-0", "d-1", "v-0", "v-1"], photo=["/p"] * 4, page=[0, 2, 0, 0], time_s=[np.nan, np.nan, 0, 12.48]
    )
    renumbered = placed(["d-5", "v-5"], photo=["/q"] * 2, page=[2, 0], time_s=[np.nan, 12.48])
    assert pairs(a, renumbered) == [(1, 0), (3, 1)]
    moved = placed(["d-1", "v-1"], photo=["/p"] * 2, page=[1, 0], time_s=[np.nan, 12.5])
    assert pairs(a, moved) == []


def test_other_content_is_another_face() -> None:
    assert pairs(placed(["aa-0"], photo=["/p"]), placed(["bb-0"], photo=["/p"])) == []


def test_no_faces_match_nothing() -> None:
    assert pairs(placed([]), placed(["aa-0"])) == pairs(placed([]), placed([])) == []
    assert people([], []) == []


def test_people_by_hand() -> None:
    # 0 becomes 1; 1 is split into 0 and 2; 2 and 3 become 3, which takes one face of 0 too
    a = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3]
    b = [1, 1, 1, 3, 0, 0, 2, 2, 3, 3, 3, 3]
    assert people(a, b) == [(0, 1, 3), (1, 0, 2), (1, 2, 2), (2, 3, 2), (3, 3, 2)]


def test_half_of_a_person_is_no_majority() -> None:
    # half of 0 stays out, the other half is a minority of 0 in the other result
    assert people([0, 0, 1, 1, 1], [-1, 0, 0, 0, 0]) == [(1, 0, 3)]


def test_faces_of_nobody_link_nobody() -> None:
    assert people([-1, -1, 0], [0, -1, -1]) == []


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), max_size=40))
def test_people_of_the_reverse_are_the_reverse(faces: list[tuple[int, int]]) -> None:
    a, b = [x for x, _ in faces], [y for _, y in faces]
    assert sorted((q, p, n) for q, p, n in people(b, a)) == sorted((q, p, n) for p, q, n in people(a, b))
    assert people(a, a) == [(p, p, a.count(p)) for p in sorted(set(a)) if p >= 0]

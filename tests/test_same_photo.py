from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tables import make_table, people

from facecluster.identity.cluster import cluster_faces
from facecluster.identity.gate import Reason
from facecluster.identity.points import Points
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import Rules, SamePhotoRule
from facecluster.identity.same_photo import ALIKE, TWICE, WEIGHT, Rivals, Shown, against
from facecluster.table import FaceTable

RULES = Rules.make("sface")
JOIN = RULES.radii.join
LEFT, RIGHT, FAR = [0, 0, 90, 90], [200, 0, 290, 90], [400, 0, 490, 90]


def on_axes(*places: tuple[float, float]) -> NDArray[np.float32]:
    encoding = np.zeros((len(places), 128), dtype=np.float32)
    encoding[:, :2] = places
    return encoding


def rivals(encoding: NDArray[np.float32], same_photo: SamePhotoRule = "prefer", **columns: Any) -> Rivals:
    rules = replace(RULES, same_photo=same_photo)
    return Rivals(make_table(encoding, **columns), Points.plain(encoding), rules)


def twins(n: int, apart: float, *, alone: int = 0) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Two people `apart` from each other, in n photos together; and each in `alone` photos without the other."""
    rng = np.random.default_rng(3)
    encoding = rng.normal(scale=0.3 / math.sqrt(128), size=(2 * (n + alone), 128)).astype(np.float32)
    encoding[1::2, 0] += apart
    photo = [i // 2 for i in range(2 * n)] + [n + i for i in range(2 * alone)]
    return encoding, {"photo": photo, "box": [LEFT, RIGHT] * (n + alone)}


def test_one_face_found_twice_is_no_two_people() -> None:
    near, box = on_axes((0, 0), (0.9, 0)), [LEFT, [5, 0, 95, 90]]
    assert not rivals(near, "forbid", photo=[0, 0], box=box).two_people(np.array([0]), np.array([1])).any()
    assert (
        rivals(near, "forbid", photo=[0, 0], box=[LEFT, RIGHT]).two_people(np.array([0]), np.array([1])).all()
    )


def test_a_mirror_shows_the_same_person() -> None:
    for distance, two in ((ALIKE * JOIN - 0.01, False), (ALIKE * JOIN + 0.01, True)):
        found = rivals(on_axes((0, 0), (distance, 0)), photo=[0, 0], box=[LEFT, RIGHT])
        assert found.two_people(np.array([0]), np.array([1])).item() is two


def test_three_that_are_alike_are_a_collage_and_two_are_not() -> None:
    triangle = on_axes((0, 0), (0.78, 0), (0.39, 0.67))
    of_three = rivals(triangle, photo=[0, 0, 0], box=[LEFT, RIGHT, FAR])
    assert not of_three.two_people(np.arange(3), np.arange(3)).any()
    of_two = rivals(triangle[:2], photo=[0, 0], box=[LEFT, RIGHT])
    assert of_two.two_people(np.array([0]), np.array([1])).all()


def test_copies_of_a_photo_are_one_photo_and_their_faces_the_same() -> None:
    found = rivals(
        on_axes((0, 0), (2, 0), (0, 0), (2, 0)),
        photo=[0, 0, 1, 1],
        box=[LEFT, RIGHT] * 2,
        photos={"digest": ["a", "a"]},
    )
    assert found.photo.tolist() == [0] * 4
    two = found.two_people(np.arange(4), np.arange(4))
    assert two.tolist() == [[i % 2 != j % 2 for j in range(4)] for i in range(4)]


def test_photos_without_a_digest_are_all_different() -> None:
    found = rivals(on_axes((0, 0), (2, 0)), photo=[0, 1], photos={"digest": ["", ""]})
    assert len(set(found.photo.tolist())) == 2


def test_evidence_grows_with_every_photo_and_a_single_one_of_many_is_nothing() -> None:
    assert against(1, 1) == pytest.approx(WEIGHT)
    assert against(1, int(1 / TWICE)) == 0
    assert 0 < against(1, 10) < against(1, 3) < WEIGHT
    assert against(2, 2) == pytest.approx(2 * WEIGHT)
    # by hand: 5 ln(5 / (0.02 * 10)) / ln 50 / 2
    assert against(5, 10) == pytest.approx(5 * math.log(25) / math.log(50) / 2)


def test_merged_groups_are_in_the_photos_of_both() -> None:
    encoding = on_axes((0, 0), (3, 0), (0, 3), (3, 3))
    found = rivals(encoding, photo=[0, 0, 1, 1], box=[LEFT, RIGHT] * 2)
    shown = Shown(found, np.arange(4), np.arange(5), "prefer")
    assert [shown.penalty(0, 1), shown.penalty(0, 2), shown.penalty(0, 3)] == [pytest.approx(WEIGHT), 0, 0]
    shown.merge(0, 2, 4)
    assert shown.penalty(4, 1) == pytest.approx(WEIGHT)
    shown.merge(1, 3, 5)
    assert shown.penalty(4, 5) == pytest.approx(against(2, 2))
    forbidden = Shown(
        rivals(encoding, "forbid", photo=[0, 0, 1, 1], box=[LEFT, RIGHT] * 2),
        np.arange(4),
        np.arange(5),
        "forbid",
    )
    assert forbidden.penalty(0, 1) == math.inf


@pytest.mark.parametrize(("same_photo", "n_people"), [("prefer", 2), ("forbid", 2), ("allow", 1)])
def test_twins_who_are_always_together_are_two_people(same_photo: SamePhotoRule, n_people: int) -> None:
    encoding, columns = twins(8, 0.75)
    found = cluster_faces(make_table(encoding, **columns), replace(RULES, same_photo=same_photo))
    assert found.n_people == n_people
    if n_people == 2:
        assert len({*found.label[::2].tolist()}) == len({*found.label[1::2].tolist()}) == 1


@pytest.mark.parametrize("apart", [0.5, 0.55, 0.65])
def test_twins_who_are_more_alike_than_other_peoples_photos_are_two(apart: float) -> None:
    encoding, columns = twins(8, apart, alone=4)
    label = cluster_faces(make_table(encoding, **columns), RULES).label
    assert len(set(label[::2].tolist())) == len(set(label[1::2].tolist())) == 1
    assert label[0] != label[1]


def test_twins_stay_two_when_they_are_alone_in_other_photos() -> None:
    encoding, columns = twins(8, 0.75, alone=12)
    label = cluster_faces(make_table(encoding, **columns), RULES).label
    assert sorted(np.unique(label).tolist()) == [0, 1]
    assert len(set(label[::2].tolist())) == len(set(label[1::2].tolist())) == 1


def test_a_collage_of_one_person_stays_with_that_person() -> None:
    encoding = people(1, 14, spread=0.5)
    box = [LEFT] * 10 + [[100 * i, 0, 100 * i + 90, 90] for i in range(4)]
    table = make_table(encoding, photo=[*range(10), 10, 10, 10, 10], box=box)
    assert cluster_faces(table, RULES).label.tolist() == [0] * 14
    assert np.count_nonzero(cluster_faces(table, replace(RULES, same_photo="forbid")).label == 0) == 11


def collages(n_alone: int, n_pairs: int, *, copied: bool) -> FaceTable:
    """One person in photos alone, and in pictures of two photos side by side: of those photos, or of others."""
    encoding = people(1, n_alone + 2 * n_pairs, spread=0.6)
    if copied:
        encoding[n_alone:] = encoding[: 2 * n_pairs]
    photo = [*range(n_alone), *(n_alone + i // 2 for i in range(2 * n_pairs))]
    return make_table(encoding, photo=photo, box=[LEFT] * n_alone + [LEFT, RIGHT] * n_pairs)


@pytest.mark.parametrize("n_pairs", [1, 2, 3])
def test_two_photos_side_by_side_do_not_split_a_person(n_pairs: int) -> None:
    found = cluster_faces(collages(9, n_pairs, copied=True), RULES)
    assert found.label.tolist() == [0] * (9 + 2 * n_pairs)
    found = cluster_faces(collages(9, n_pairs, copied=False), RULES)
    assert found.n_people == 1
    assert (found.label[:9] == 0).all()


def pages(
    n_people: int, n_pages: int, *, prints: int = 2, alone: int = 0, spread: float = 0.85
) -> tuple[FaceTable, list[int]]:
    """Pages that show everybody several times, and photos of each alone; and who each face is."""
    each = prints * n_pages + alone
    encoding = people(n_people, each, spread=spread).reshape(n_people, each, 128)
    faces, photo, box, who = [], [], [], []
    for page in range(n_pages):
        for n in range(n_people * prints):
            faces.append(encoding[n // prints, page * prints + n % prints])
            photo.append(page)
            box.append([200 * n, 0, 200 * n + 90, 90])
            who.append(n // prints)
    for n in range(n_people * alone):
        faces.append(encoding[n // alone, prints * n_pages + n % alone])
        photo.append(n_pages + n)
        box.append(LEFT)
        who.append(n // alone)
    return make_table(np.array(faces), photo=photo, box=box), who


def are_same(label: NDArray[np.int32], who: list[int]) -> bool:
    """Whether faces have one label where they are of one person, and nobody is left out."""
    return bool((label >= 0).all()) and ((label[:, None] == label) == np.equal.outer(who, who)).all()


@pytest.mark.parametrize(("n_people", "n_pages", "prints", "alone"), [
    (3, 6, 2, 0), (6, 6, 2, 0), (3, 3, 2, 0), (2, 6, 2, 0), (1, 6, 2, 0), (3, 1, 2, 6), (3, 1, 4, 3), (3, 3, 4, 2),
])  # fmt: skip
def test_prints_of_one_person_on_pages_are_one_person(
    n_people: int, n_pages: int, prints: int, alone: int
) -> None:
    table, who = pages(n_people, n_pages, prints=prints, alone=alone)
    assert are_same(cluster_faces(table, RULES).label, who)


def test_a_page_alone_makes_people_where_one_photo_is_enough() -> None:
    table, who = pages(3, 1, prints=4)
    assert cluster_faces(table, RULES).n_people == 0
    rules = replace(RULES, limits=replace(RULES.limits, min_images=1))
    assert are_same(cluster_faces(table, rules).label, who)


def test_where_a_person_may_not_be_twice_nobody_is_on_a_page() -> None:
    table, who = pages(3, 6)
    label = cluster_faces(table, replace(RULES, same_photo="forbid")).label
    for person in range(label.max() + 1):
        assert np.bincount(table.faces.photo[label == person]).max() == 1
        assert len(set(np.array(who)[label == person].tolist())) == 1


def test_a_page_that_comes_later_joins_the_people_who_are_there() -> None:
    table, who = pages(3, 1, alone=5)
    rows = np.flatnonzero(table.faces.photo > 0)
    first = cluster_faces(table.select(np.arange(len(table.photos)) > 0), RULES)
    assert are_same(first.label, np.array(who)[rows].tolist())
    nothing = PriorAssignment.nothing(len(who))
    is_new, label, core = nothing.is_new.copy(), nothing.person.copy(), nothing.core.copy()
    is_new[rows], label[rows], core[rows] = False, first.label, first.core
    prior = replace(nothing, is_new=is_new, person=label, core=core)
    assert are_same(cluster_faces(table, RULES, prior=prior).label, who)


def family(
    n_photos: int, apart: float, *, n_pairs: int, n_others: int, alone: int = 0
) -> tuple[FaceTable, list[int]]:
    """Pairs of twins in photos with others, each person once; and who each face is."""
    n_people, each = 2 * n_pairs + n_others, n_photos + alone
    encoding = people(n_people, each, spread=0.75).reshape(n_people, each, 128)
    for twin in range(1, 2 * n_pairs, 2):
        between = encoding[twin].mean(axis=0) - encoding[twin - 1].mean(axis=0)
        encoding[twin] -= between * (1 - apart / np.linalg.norm(between))
    who = [n for _ in range(n_photos) for n in range(n_people)] + [
        n for n in range(n_people) for _ in range(alone)
    ]
    faces = [encoding[n, i] for i in range(n_photos) for n in range(n_people)]
    faces += [encoding[n, n_photos + i] for n in range(n_people) for i in range(alone)]
    photo = [i for i in range(n_photos) for _ in range(n_people)]
    photo += [n_photos + i for i in range(n_people * alone)]
    box = [[200 * n, 0, 200 * n + 90, 90] for _ in range(n_photos) for n in range(n_people)]
    box += [LEFT] * (n_people * alone)
    return make_table(np.array(faces), photo=photo, box=box), who


@pytest.mark.parametrize("apart", [0.55, 0.7, 0.85])
@pytest.mark.parametrize(("n_pairs", "n_others", "n_photos", "alone"), [
    (1, 0, 8, 0), (1, 3, 8, 0), (1, 2, 5, 6), (2, 2, 8, 0), (2, 0, 6, 6), (2, 4, 5, 4),
])  # fmt: skip
def test_twins_in_photos_of_a_family_are_two(
    n_pairs: int, n_others: int, n_photos: int, alone: int, apart: float
) -> None:
    table, who = family(n_photos, apart, n_pairs=n_pairs, n_others=n_others, alone=alone)
    assert are_same(cluster_faces(table, RULES).label, who)


def test_twins_on_pages_that_show_others_twice_are_two() -> None:
    table, who = family(8, 0.7, n_pairs=1, n_others=2)
    others, who_else = pages(3, 8, spread=0.7)
    turned = others.faces.encoding[:, ::-1]  # in another part of the space
    faces = [*table.faces.encoding, *turned]
    photo = [*table.faces.photo.tolist(), *others.faces.photo.tolist()]
    below = others.faces.box + np.float32([0, 500, 0, 500])
    box = [*table.faces.box.tolist(), *below.tolist()]
    order = np.argsort(photo, kind="stable")
    both = make_table(np.array(faces)[order], photo=np.array(photo)[order].tolist(), box=np.array(box)[order])
    everybody = np.array([*who, *(9 + n for n in who_else)])[order].tolist()
    assert are_same(cluster_faces(both, RULES).label, everybody)


def test_two_couples_of_a_photo_do_not_make_it_a_page() -> None:
    encoding = people(4, 1, spread=0.1)
    found = rivals(encoding, photo=[0] * 4, box=[[200 * n, 0, 200 * n + 90, 90] for n in range(4)])
    assert not found.compose(np.array([0, 0, 0, -1], dtype=np.int32))
    assert found.compose(np.array([0, 0, 1, 1], dtype=np.int32))
    assert not found.two_people(np.arange(4), np.arange(4)).any()
    assert not found.compose(np.array([0, 0, 1, 1], dtype=np.int32))  # known already


def test_a_crowd_with_two_doubles_is_no_page() -> None:
    n = 12
    found = rivals(people(n, 1), photo=[0] * n, box=[[200 * i, 0, 200 * i + 90, 90] for i in range(n)])
    assert not found.compose(np.array([0, 0, 1, 1, *range(2, n - 2)], dtype=np.int32))


def test_where_a_person_may_not_be_twice_a_collage_gives_one_face() -> None:
    encoding = people(1, 10, spread=0.5)
    table = make_table(
        encoding, photo=[0, 1, 2, 3, *[4] * 6], box=[[100 * i, 0, 100 * i + 90, 90] for i in range(10)]
    )
    found = cluster_faces(table, replace(RULES, same_photo="forbid"))
    assert found.n_people == 1
    assert (found.label[:4] == 0).all()
    assert np.count_nonzero(found.label[4:] == 0) == 1


def test_a_sibling_in_one_photo_is_left_out() -> None:
    encoding = people(1, 6, spread=0.4)
    sibling = encoding.mean(axis=0, keepdims=True)
    sibling[0, 0] += 0.95
    table = make_table(np.concatenate([encoding, sibling]), photo=[*range(6), 5], box=[LEFT] * 6 + [RIGHT])
    found = cluster_faces(table, RULES)
    assert found.label.tolist() == [0] * 6 + [-1]
    assert found.reason[6] == Reason.NO_MATCH or found.reason[6] == Reason.SAME_PHOTO
    assert cluster_faces(table, replace(RULES, same_photo="allow")).label.tolist() == [0] * 7


def test_the_order_of_rows_does_not_matter() -> None:
    encoding, columns = twins(6, 0.8, alone=4)
    table = make_table(encoding, **columns)
    one = cluster_faces(table, RULES)
    order = np.lexsort(
        (-np.arange(len(encoding)), table.faces.photo)
    )  # within each photo, the other way round
    faces = type(table.faces)(**{key: column[order] for key, column in vars(table.faces).items()})
    other = cluster_faces(FaceTable(table.photos, faces, table.settings), RULES)
    assert one.label[order].tolist() == other.label.tolist()

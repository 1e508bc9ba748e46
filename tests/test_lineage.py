from __future__ import annotations

from dataclasses import replace

import pytest
from tables import NOTHING_SAID

from facecluster.errors import FaceclusterError
from facecluster.library.lineage import check_ids, inherit, rename
from facecluster.result import (
    Absent,
    Box,
    Changes,
    Counts,
    Person,
    PersonFace,
    Pose,
    Result,
    WasMerged,
    WasSplit,
    person_id,
)


def result_of(**people: int | list[int]) -> Result:
    """People by the numbers of their photos; a plain number is so many photos from 0 on."""
    where = (Box(0, 0, 9, 9), Pose(0, 0, 0), 0.9)
    records = tuple(
        Person.of(
            own,
            [
                PersonFace(f"{i:08x}-0", f"/p/{i}.jpg", *where, core=True, confidence=None)
                for i in (range(photos) if isinstance(photos, int) else photos)
            ],
        )
        for own, photos in people.items()
    )
    return Result(NOTHING_SAID, records, (), Counts(0, 0, 0, 0, 0, 0, 0, {}), next_id=len(records) + 1)


def numbered(*photos: list[int]) -> Result:
    return result_of(**{person_id(i): those for i, those in enumerate(photos, start=1)})


def test_one_result_after_the_other_keeps_ids_and_counts_on() -> None:
    first = numbered([0, 1, 2], [3, 4, 5])
    second = inherit(numbered([3, 4, 5, 6], [7, 8, 9], [0, 1, 2]), first, names=True)
    assert [p.id for p in second.people] == ["person-0002", "person-0003", "person-0001"]
    assert second.next_id == 4
    assert second.changes == Changes(appeared=("person-0003",))
    third = inherit(numbered([0, 1, 2], [10, 11, 12]), second, names=True)
    assert [p.id for p in third.people] == ["person-0001", "person-0004"]
    assert third.changes == Changes(("person-0004",), ("person-0002", "person-0003"))


def test_merged_people_leave_their_ids_and_a_name() -> None:
    first = numbered([0, 1, 2], [3, 4], [5, 6])
    people = (
        first.people[0],
        replace(first.people[1], former=("person-10000", "person-0009")),
        first.people[2],
    )
    people = (people[0], people[1], replace(people[2], name="Cy"))
    (one,) = inherit(numbered([*range(7)]), replace(first, people=people), names=True).people
    assert (one.id, one.name) == ("person-0001", "Cy")
    assert one.former == ("person-0002", "person-0003", "person-0009", "person-10000")
    assert inherit(numbered([*range(7)]), replace(first, people=people), names=False).people[0].name is None


def test_merge_and_split_at_once() -> None:
    result = inherit(numbered([0, 1, 2, 3, 4, 5], [6, 7]), numbered([0, 1, 2], [3, 4, 5, 6, 7]), names=True)
    assert [p.id for p in result.people] == ["person-0001", "person-0003"]
    assert result.people[0].former == ("person-0002",)
    assert result.changes == Changes(
        appeared=("person-0003",),
        vanished=("person-0002",),
        merged=(WasMerged("person-0001", ("person-0001", "person-0002")),),
        split=(WasSplit("person-0002", ("person-0001", "person-0003")),),
    )


def test_no_two_people_get_one_name() -> None:
    result = numbered([0], [1], [2])
    named = replace(
        result, people=tuple(replace(p, name=n) for p, n in zip(result.people, "abc", strict=True))
    )
    assert [p.name for p in rename(named, {0: "B"}).people] == ["B", None, "c"]
    assert rename(named, {}) == named


@pytest.mark.parametrize("own", ["anna", "person-1", "person-0001/..", "person-٠٠٠١", "person-0001\n", ""])
def test_strange_ids_are_told(own: str) -> None:
    check_ids(result_of(**{"person-0001": 1, "person-12345": 2}))
    with pytest.raises(FaceclusterError, match="is no id of a person"):
        check_ids(result_of(**{own: 1}))


def test_one_id_of_two_people_is_told() -> None:
    result = numbered([0], [1])
    with pytest.raises(FaceclusterError, match="two people have one id"):
        check_ids(replace(result, people=result.people[:1] * 2))


def faces(*photos: int) -> tuple[str, ...]:
    return tuple(f"{i:08x}-0" for i in photos)


def test_who_was_merged_and_is_apart_again_gets_the_id_back() -> None:
    first = numbered([0, 1, 2, 3], [4, 5, 6], [7, 8])
    merged = inherit(numbered([*range(7)], [7, 8]), first, names=True)
    assert merged.absent == (Absent("person-0002", 3, faces(4, 5, 6)),)
    assert merged.people[0].former == ("person-0002",)
    apart = inherit(numbered([0, 1, 2, 3], [4, 5, 6], [7, 8]), merged, names=True)
    assert [(p.id, p.former) for p in apart.people] == [(p.id, ()) for p in first.people]
    assert (apart.absent, apart.next_id) == ((), 4)
    assert apart.changes.split == (WasSplit("person-0001", ("person-0001", "person-0002")),)
    again = inherit(numbered([0, 1, 2, 3], [4, 5, 6], [7, 8]), apart, names=True)
    assert replace(again, changes=apart.changes) == apart


def test_smaller_one_that_gave_the_id_of_a_merge_keeps_it_when_they_are_apart() -> None:
    first = numbered([0, 1, 2, 3, 4, 5], [6, 7, 8])
    one = Person.of("person-0002", numbered([*range(9)]).people[0].faces, "Cy", ["person-0001"])
    merged = replace(first, people=(one,), absent=(Absent.of(first.people[0]),))
    apart = inherit(numbered([0, 1, 2, 3, 4, 5], [6, 7, 8]), merged, names=True)
    assert [(p.id, p.name, p.former) for p in apart.people] == [
        ("person-0001", None, ()),
        ("person-0002", "Cy", ()),
    ]
    some = inherit(numbered([0, 1, 2, 3, 4, 5, 6, 7], [8]), merged, names=True)
    assert [(p.id, p.former) for p in some.people] == [("person-0002", ("person-0001",)), ("person-0003", ())]


def test_who_vanished_gets_the_id_back_with_most_of_the_known_faces_that_are_placed() -> None:
    gone = inherit(numbered([0, 1, 2]), numbered([0, 1, 2], [3, 4, 5, 6]), names=True)
    assert gone.absent == (Absent("person-0002", 4, faces(3, 4, 5, 6)),)
    assert gone.people[0].former == ()
    assert [p.id for p in inherit(numbered([0, 1, 2], [3, 9]), gone, names=True).people][1:] == [
        "person-0002"
    ]
    half = inherit(numbered([0, 1, 2, 3], [4, 9]), gone, names=True)
    assert [p.id for p in half.people] == ["person-0001", "person-0003"]
    assert half.absent == gone.absent
    two = inherit(numbered([0, 1, 2], [4, 9, 10], [3, 5, 6]), gone, names=True)
    assert [p.id for p in two.people] == ["person-0001", "person-0003", "person-0002"]


def test_several_absent_come_back_once_each_the_best_first() -> None:
    first = numbered([0, 1, 2, 3], [4, 5, 6], [7, 8])
    one = inherit(numbered([*range(9)]), first, names=True)
    assert [own.id for own in one.absent] == ["person-0002", "person-0003"]
    two = inherit(numbered([4, 5, 6, 7, 8], [0, 1, 2, 3]), one, names=True)
    assert [(p.id, p.former) for p in two.people] == [("person-0002", ("person-0003",)), ("person-0001", ())]
    assert [own.id for own in two.absent] == ["person-0003"]
    three = inherit(numbered([0, 1, 2, 3], [4, 5, 6], [7, 8]), two, names=True)
    assert [(p.id, p.former) for p in three.people] == [(p.id, ()) for p in first.people]


def test_absent_ids_that_are_none_are_told() -> None:
    with pytest.raises(FaceclusterError, match="is no id of a person"):
        check_ids(replace(numbered([0]), absent=(Absent("../x", 1, faces(1)),)))

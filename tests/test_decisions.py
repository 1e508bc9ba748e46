from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from tables import make_table

from facecluster.errors import FaceclusterError, OutputError
from facecluster.formats import decisions_jsonl
from facecluster.formats.decisions_jsonl import text_of
from facecluster.identity.assured import names, namesakes
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    Act,
    Decision,
    Make,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spot,
    Spots,
    Undo,
    digest_of,
    in_force,
    mark,
)
from facecluster.table import Faces

BOX = (100.0, 200.0, 200.0, 300.0)


def spots(*rows: int) -> Spots:
    """The faces of `faces`, by row."""
    return tuple(Spot(f"d{row}", BOX) for row in rows)


def faces(n: int = 12) -> Faces:
    """One face a photo, with digest d0, d1, ..."""
    return make_table(np.zeros((n, 128)), id=[f"d{i}-0" for i in range(n)]).faces


def decisions(*acts: Act) -> list[Decision]:
    """Made one after the other, with ids 00000001, 00000002, ..."""
    return [
        Decision(f"{i:08d}", f"2026-01-01T00:00:{i:02d}.000000Z", act, "decisions.jsonl", i)
        for i, act in enumerate(acts, start=1)
    ]


def groups(together: NDArray[np.int32]) -> list[list[int]]:
    """Rows of each group."""
    return [np.flatnonzero(together == number).tolist() for number in range(together.max(initial=-1) + 1)]


# ------------------------------------------------------------------------------------------- finding faces


def test_nothing_decided_is_no_constraint() -> None:
    constraints = resolve([], faces(3))
    assert constraints.together.tolist() == [-1, -1, -1]
    assert constraints.apart.shape == (0, 2)
    assert not constraints.moved.any()
    assert not constraints.founded.any()
    assert not constraints.ignored.any()
    assert constraints.not_people == ()
    assert len(resolve(decisions(Merge(("a", "b"), (spots(0), spots(1)))), faces(0)).together) == 0


def test_face_is_found_by_content_and_overlapping_box() -> None:
    overlapping, beside = (120.0, 200.0, 220.0, 300.0), (160.0, 200.0, 260.0, 300.0)  # IoU 0.67 and 0.25
    found = make_table(
        np.zeros((4, 128)),
        id=["d0-1", "d0-0", "d1-0", "e-0"],
        photo=[0, 0, 1, 2],
        box=[beside, overlapping, beside, BOX],
    ).faces
    ignored = resolve(decisions(NotAPerson(None, spots(0, 1))), found).ignored
    assert ignored.tolist() == [False, True, False, False]


def test_face_of_an_edited_photo_is_found_by_its_anchor() -> None:
    elsewhere = (500.0, 200.0, 600.0, 300.0)
    found = make_table(np.zeros((2, 128)), id=["d0-0", "d1-0"], box=[elsewhere, BOX], anchor=[BOX, elsewhere])
    assert resolve(decisions(NotAPerson(None, spots(0, 1))), found.faces).ignored.tolist() == [True, False]


def test_best_overlapping_box_is_taken() -> None:
    near, nearer = (110.0, 200.0, 210.0, 300.0), (101.0, 200.0, 201.0, 300.0)
    found = make_table(np.zeros((2, 128)), id=["d0-0", "d0-1"], photo=[0, 0], box=[near, nearer]).faces
    assert resolve(decisions(NotAPerson(None, spots(0))), found).ignored.tolist() == [False, True]


def test_all_identical_copies_of_a_photo_count() -> None:
    copies = make_table(np.zeros((3, 128)), id=["d0-0", "d1-0", "d0-0"]).faces
    constraints = resolve(decisions(Merge(("a", "b"), (spots(0), spots(1)))), copies)
    assert groups(constraints.together) == [[0, 1, 2]]


def test_decision_about_photos_that_are_gone_means_nothing() -> None:
    made = decisions(
        Merge(("a", "b"), (spots(20), spots(0))),
        Move("a", "b", spots(21), spots(1, 2), spots(3)),
        Split("a", spots(22), spots(1)),
        NotAPerson("a", spots(23)),
        Name("a", "Anna", spots(24)),
    )
    constraints = resolve(made, faces())
    assert (constraints.together == -1).all()
    assert len(constraints.apart) == 0
    assert constraints.not_people == ()
    assert names(made, faces(), np.zeros(12, np.int32)) == {}


def test_digest_is_what_stands_before_the_last_dash() -> None:
    assert digest_of("00ff-12") == "00ff"
    assert digest_of("plain") == "plain"


# ------------------------------------------------------------------------------------------ what they mean


def test_merge_links_the_anchors() -> None:
    made = decisions(
        Merge(("a", "b", "c"), (spots(0, 1), spots(5), spots(7))), Merge(("d", "e"), (spots(3), spots(4)))
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 1, 5, 7], [3, 4]]
    assert constraints.together.dtype == np.int32
    assert not constraints.moved.any()


def test_split_founds_a_person_apart_from_the_anchors() -> None:
    constraints = resolve(decisions(Split("a", spots(3, 4), spots(0, 1))), faces())
    assert groups(constraints.together) == [[3, 4]]
    assert constraints.apart.tolist() == [[0, 3], [0, 4], [1, 3], [1, 4]]
    assert np.flatnonzero(constraints.moved).tolist() == [3, 4]
    assert np.flatnonzero(constraints.founded).tolist() == [3, 4]


def test_one_face_split_off_is_a_group_alone() -> None:
    constraints = resolve(decisions(Split("a", spots(3), spots(0))), faces())
    assert groups(constraints.together) == [[3]]


def test_move_links_to_one_person_and_parts_from_the_other() -> None:
    constraints = resolve(decisions(Move("a", "b", spots(0), spots(5, 6), spots(1, 2))), faces())
    assert groups(constraints.together) == [[0, 5, 6]]
    assert constraints.apart.tolist() == [[0, 1], [0, 2]]
    assert np.flatnonzero(constraints.moved).tolist() == [0]
    assert not constraints.founded.any()


def test_faces_moved_to_nobody_are_not_linked() -> None:
    constraints = resolve(decisions(Move("a", None, spots(0, 3), None, spots(1))), faces())
    assert (constraints.together == -1).all()
    assert constraints.apart.tolist() == [[0, 1], [1, 3]]
    assert np.flatnonzero(constraints.moved).tolist() == [0, 3]


def test_not_a_person_is_of_faces_or_of_whoever_holds_most_of_them() -> None:
    constraints = resolve(decisions(NotAPerson("a", spots(0, 1)), NotAPerson(None, spots(5))), faces())
    assert [rows.tolist() for rows in constraints.not_people] == [[0, 1]]
    assert np.flatnonzero(constraints.ignored).tolist() == [5]


def test_undone_decision_does_not_count_until_its_undo_is_undone() -> None:
    made = decisions(Merge(("a", "b"), (spots(0), spots(1))), Undo("00000001"), Undo("00000002"))
    assert in_force(made[:2]) == []
    assert in_force(made) == made[:1]
    assert (resolve(made[:2], faces()).together == -1).all()
    assert groups(resolve(made, faces()).together) == [[0, 1]]
    assert mark(made[:2]) == mark([]) == ""
    assert mark(made) == mark(made[:1]) != ""


def test_order_of_faces_does_not_matter() -> None:
    made = decisions(
        Merge(("a", "b"), (spots(0, 1), spots(5))),
        Split("c", spots(2, 3), spots(7, 8)),
        Move("a", "c", spots(4), spots(2), spots(0)),
        NotAPerson("d", spots(9, 10)),
    )
    order = np.random.default_rng(1).permutation(12)
    straight = resolve(made, faces())
    shuffled = resolve(made, make_table(np.zeros((12, 128)), id=[f"d{i}-0" for i in order]).faces)
    assert sorted(sorted(order[rows].tolist()) for rows in groups(shuffled.together)) == groups(
        straight.together
    )
    assert sorted(sorted(order[pair].tolist()) for pair in shuffled.apart) == straight.apart.tolist()
    assert np.array_equal(shuffled.moved, straight.moved[order])
    assert [sorted(order[rows].tolist()) for rows in shuffled.not_people] == [[9, 10]]


# ------------------------------------------------------------------------------------------ contradictions


def test_merge_of_who_was_split_counts_as_it_was_said_last() -> None:
    made = decisions(
        Merge(("c", "d"), (spots(8), spots(9))),
        Split("a", spots(2, 3), spots(0, 1)),
        Merge(("a", "b"), (spots(0, 1), spots(2, 3))),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 1, 2, 3], [8, 9]]
    assert constraints.apart.tolist() == []


def test_split_of_who_were_merged_counts_as_it_was_said_last() -> None:
    made = decisions(
        Merge(("a", "b"), (spots(0, 1, 2), spots(3, 4))),
        Split("a", spots(3, 4), spots(0, 1, 2)),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[3, 4]]
    assert constraints.apart.tolist() == [[row, other] for row in (0, 1, 2) for other in (3, 4)]


@pytest.mark.parametrize("act", ["make", "move", "nobody"])
def test_all_faces_of_one_side_may_leave_a_merge_in_any_way(act: str) -> None:
    merge = Merge(("a", "b"), (spots(0, 1, 2), spots(3, 4)))
    acts = {
        "make": Make("e", None, spots(3, 4), spots(0, 1, 2)),
        "move": Move("a", "c", spots(3, 4), spots(6, 7), spots(0, 1, 2)),
        "nobody": Move("a", None, spots(3, 4), None, spots(0, 1, 2)),
    }
    constraints = resolve(decisions(merge, acts[act]), faces())
    assert [0, 1, 2, 3, 4] not in groups(constraints.together)
    assert constraints.apart.tolist() == [[row, other] for row in (0, 1, 2) for other in (3, 4)]


def test_said_to_and_fro_the_last_word_counts() -> None:
    merge = Merge(("a", "b"), (spots(0, 1, 2), spots(3, 4)))
    split = Split("a", spots(3, 4), spots(0, 1, 2))
    for n in range(1, 6):
        constraints = resolve(decisions(*([merge, split] * 3)[:n]), faces())
        is_one = n % 2 == 1
        assert ([0, 1, 2, 3, 4] in groups(constraints.together)) == is_one
        assert (len(constraints.apart) == 0) == is_one


def test_split_of_whom_several_merges_link_counts() -> None:
    made = decisions(
        Merge(("a", "b"), (spots(0), spots(1))),
        Merge(("b", "c"), (spots(1), spots(2))),
        Split("a", spots(2), spots(0)),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 1], [2]]
    assert constraints.apart.tolist() == [[0, 2]]


def test_contradiction_shows_the_lines_and_how_to_undo_them() -> None:
    """By the first, c is b; by the third, who was split off b is c, as another computer says that knows no first."""
    made = decisions(
        Merge(("d", "e"), (spots(8), spots(9))),
        Merge(("b", "c"), (spots(0, 1), spots(6, 7))),
        Split("b", spots(2, 3), spots(0, 1)),
        Merge(("x", "c"), (spots(2, 3), spots(6, 7))),
    )
    made[3] = replace(made[3], file="")
    with pytest.raises(FaceclusterError) as error:
        resolve(made, faces())
    message = str(error.value)
    assert "\n  00000002, 2026-01-01: merge b c (decisions.jsonl:2)\n" in message
    assert "\n  00000003, 2026-01-01: split 2 faces off b (decisions.jsonl:3)\n" in message
    assert "\n  this one: merge x c\n" in message
    assert "decisions.jsonl:1" not in message
    assert "facecluster undo LIBRARY 00000002 or facecluster undo LIBRARY 00000003" in message
    with pytest.raises(FaceclusterError, match="one back: facecluster undo 'my people' 00000002 or"):
        resolve(made, faces(), library="'my people'")
    undone = decisions(*(decision.act for decision in made), Undo("00000002"))
    assert groups(resolve(undone, faces()).together) == [[2, 3, 6, 7], [8, 9]]


def test_face_that_was_moved_to_a_person_stays_when_the_other_face_is_split_off() -> None:
    made = decisions(
        Move("a", "b", spots(2), spots(3), spots(0, 1)),
        Split("b", spots(3), spots(2)),
    )
    constraints = resolve(made, faces())
    assert constraints.apart.tolist() == [[0, 2], [1, 2], [2, 3]]


def test_anchor_that_was_moved_later_stands_for_the_person_no_more() -> None:
    """Somebody merges two people, then takes one of the faces out that happened to stand for one of them."""
    made = decisions(
        Merge(("a", "b"), (spots(0, 1, 2), spots(3, 4, 5))),
        Move("a", None, spots(3), None, spots(0, 1, 2)),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 1, 2, 4, 5]]
    assert constraints.apart.tolist() == [[0, 3], [1, 3], [2, 3]]


@pytest.mark.parametrize("to", ["c", "a", None])
def test_last_move_of_a_face_takes_back_the_earlier_ones(to: str | None) -> None:
    anchors = {"a": spots(1, 2), "c": spots(6, 7), None: None}
    made = decisions(
        Move("a", "b", spots(0, 8), spots(3, 4), spots(1, 2)),
        Move("b", to, spots(0), anchors[to], spots(3, 4)),
    )
    constraints = resolve(made, faces())
    others = {"c": [[0, 6, 7]], "a": [[0, 1, 2]], None: []}[to]
    assert groups(constraints.together) == [*others, [3, 4, 8]]
    not_a = [[0, 1], [0, 2]] if to is None else []  # who is nobody's stays away from all it was taken from
    assert constraints.apart.tolist() == [*not_a, [0, 3], [0, 4], [1, 8], [2, 8]]
    assert np.flatnonzero(constraints.moved).tolist() == [0, 8]


def test_split_takes_back_a_move_and_a_move_a_split() -> None:
    split, move = Split("a", spots(0, 8), spots(1, 2)), Move("b", "a", spots(0), spots(1, 2), spots(8))
    back = resolve(decisions(split, move), faces())
    assert groups(back.together) == [[0, 1, 2], [8]]
    assert np.flatnonzero(back.founded).tolist() == [8]
    assert back.apart.tolist() == [[0, 8], [1, 8], [2, 8]]
    out = resolve(decisions(move, split), faces())
    assert groups(out.together) == [[0, 8]]
    assert np.flatnonzero(out.founded).tolist() == [0, 8]


def test_merges_that_share_a_stray_are_not_one() -> None:
    """By the second, face 4 was with c: c and d are one person, and that is no reason to merge them with a and b."""
    made = decisions(
        Merge(("a", "b"), (spots(0, 1, 2, 3, 4), spots(5, 6))),
        Merge(("c", "d"), (spots(7, 8, 9, 4), spots(10, 11))),
        Split("c", spots(12), spots(7, 8, 9)),
        Merge(("a", "e"), (spots(0, 1, 2), spots(12))),
    )
    constraints = resolve(made, faces(13))
    assert groups(constraints.together) == [[0, 1, 2, 3, 5, 6, 12], [4, 7, 8, 9, 10, 11]]


def test_copies_of_a_stray_count_as_one() -> None:
    """Face 2 is there three times."""
    copies = make_table(
        np.zeros((11, 128)), id=[f"d{i}-0" for i in [*range(9), 2, 2]], photo=list(range(11))
    ).faces
    made = decisions(
        Merge(("a", "b"), (spots(0, 1, 2, 3), spots(4))),
        Merge(("c", "d"), (spots(2, 5, 6, 7), spots(8))),
    )
    assert groups(resolve(made, copies).together) == [[0, 1, 3, 4], [2, 5, 6, 7, 8, 9, 10]]


def test_merges_of_one_person_are_one() -> None:
    made = decisions(
        Merge(("a", "b"), (spots(0, 1, 2, 3, 4), spots(5))),
        Merge(("a", "c"), (spots(3, 4, 6, 7, 8), spots(9))),
        Merge(("c", "d"), (spots(9), spots(10))),
    )
    assert groups(resolve(made, faces()).together) == [list(range(11))]


def test_stray_anchor_of_a_person_is_no_contradiction() -> None:
    """Face 4 was with a when 0 was split off; since then it is with b, who is the same as 0."""
    made = decisions(
        Split("a", spots(0), spots(1, 2, 3, 4)),
        Merge(("b", "c"), (spots(4, 5, 6), spots(0))),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 4, 5, 6]]
    assert constraints.apart.tolist() == [[0, 1], [0, 2], [0, 3]]
    made = decisions(
        Split("a", spots(0), spots(1, 2, 3, 4)),
        Merge(("b", "c"), (spots(3, 4, 5, 6), spots(0))),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 3, 4, 5, 6]]
    assert constraints.apart.tolist() == []


def test_face_that_was_moved_is_nobody_elses_stray() -> None:
    """Another computer, which does not know of the move, has the face among the anchors of d."""
    made = decisions(
        Move("d", "a", spots(0), spots(1, 2, 3), spots(6, 7)),
        Merge(("d", "e"), (spots(0, 6, 7, 8), spots(9))),
    )
    constraints = resolve(made, faces())
    assert groups(constraints.together) == [[0, 1, 2, 3], [6, 7, 8, 9]]
    assert constraints.apart.tolist() == [[0, 6], [0, 7]]


def test_merge_of_one_who_is_gone_says_nothing() -> None:
    assert (resolve(decisions(Merge(("a", "b"), (spots(0, 1), spots(20)))), faces()).together == -1).all()


def test_later_word_on_whether_a_face_is_a_persons_wins() -> None:
    no_person, placed = NotAPerson(None, spots(3)), Move(None, "b", spots(3), spots(6), ())
    taken_out = resolve(decisions(placed, no_person), faces())
    assert taken_out.ignored[3]
    assert taken_out.together[3] == -1
    put_in = resolve(decisions(no_person, placed), faces())
    assert not put_in.ignored.any()
    assert groups(put_in.together) == [[3, 6]]


def test_face_moved_out_of_no_person_does_not_speak_for_it() -> None:
    made = decisions(NotAPerson("a", spots(0, 1, 2)), Move(None, "b", spots(1), spots(6), ()))
    assert [rows.tolist() for rows in resolve(made, faces()).not_people] == [[0, 2]]


# ----------------------------------------------------------------------------------------------------- names


def named(*acts: Act, label: str) -> dict[int, str]:
    """Names where a letter is the person of each face, a = 0, and a dot nobody."""
    number = np.array([-1 if letter == "." else ord(letter) - ord("a") for letter in label], dtype=np.int32)
    return names(decisions(*acts), faces(len(label)), number)


def test_name_goes_with_most_of_the_faces() -> None:
    assert named(Name("p", "Anna", spots(0, 1, 2)), label="abb") == {1: "Anna"}
    assert named(Name("p", "Anna", spots(0, 1, 2)), label="a..") == {}
    assert named(Name("p", "Anna", spots(0, 1)), label="ab") == {0: "Anna"}


def test_later_name_wins_and_null_takes_it_away() -> None:
    anna, bea = Name("p", "Anna", spots(0, 1)), Name("p", "Bea", spots(0, 1))
    assert named(anna, bea, label="aa") == {0: "Bea"}
    assert named(bea, anna, label="aa") == {0: "Anna"}
    assert named(anna, Name("p", None, spots(0, 1)), label="aa") == {}


def test_undone_name_gives_back_the_one_before() -> None:
    anna, bea = Name("p", "Anna", spots(0, 1)), Name("p", "Bea", spots(0, 1))
    assert named(anna, bea, Undo("00000002"), label="aa") == {0: "Anna"}


def test_no_name_is_two_peoples() -> None:
    assert named(Name("p", "Anna", spots(0)), Name("q", "ANNA", spots(1)), label="ab") == {1: "ANNA"}


def test_who_loses_a_name_to_another_is_told_with_both_decisions() -> None:
    acts = [Name("p", "Anna", spots(0)), Name("r", "Cleo", spots(2)), Name("q", "anna", spots(1))]
    made, label = decisions(*acts), np.array([0, 1, 2])
    (pair,) = namesakes(made, faces(3), label)
    assert (pair.first, pair.second, pair.decisions) == (0, 1, (made[0], made[2]))
    assert namesakes(made, faces(3), np.array([0, 0, 2])) == []
    assert namesakes(decisions(*acts, Name("p", None, spots(0))), faces(3), label) == []


def test_name_that_another_had_for_a_while_is_not_lost() -> None:
    anna, other, bea = Name("p", "Anna", spots(0)), Name("q", "Anna", spots(1)), Name("q", "Bea", spots(1))
    assert named(anna, other, bea, label="ab") == {0: "Anna", 1: "Bea"}
    assert namesakes(decisions(anna, other, bea), faces(2), np.array([0, 1])) == []


def test_merged_person_has_the_first_ones_name_even_if_the_other_was_named_later() -> None:
    anna, bea = Name("p", "Anna", spots(0, 1)), Name("q", "Bea", spots(2, 3))
    merge = Merge(("p", "q"), (spots(0, 1), spots(2, 3)))
    assert named(anna, bea, merge, label="aaaa") == {0: "Anna"}
    assert named(bea, merge, label="aaaa") == {0: "Bea"}
    assert named(anna, bea, merge, Undo("00000003"), label="aabb") == {0: "Anna", 1: "Bea"}
    assert named(anna, bea, merge, Undo("00000001"), label="aaaa") == {0: "Bea"}


def test_person_keeps_the_name_when_most_faces_are_split_off() -> None:
    anna = Name("p", "Anna", spots(0, 1, 2))
    assert named(anna, Split("p", spots(0, 1), spots(2)), label="bba") == {0: "Anna"}
    assert named(anna, Split("p", spots(0, 1, 2), spots(3)), label="bbba") == {0: "Anna"}


# ------------------------------------------------------------------------------------------------ the file

ACTS: list[Act] = [
    Name("person-0001", "Ünal \u2603", spots(0, 1)),
    Name("person-0001", None, spots(0)),
    Merge(("person-0001", "person-0002"), (spots(0, 1), spots(2))),
    Split("person-0001", spots(3), spots(0)),
    Move("person-0001", "person-0002", spots(3), spots(2), spots(0)),
    Move(None, None, spots(3), None, ()),
    NotAPerson("person-0001", spots(0)),
    NotAPerson(None, spots(0)),
    Undo("0123abcd"),
]


def write(path: Path, *acts: Act) -> list[Decision]:
    """Append decisions, one after the other."""
    made: list[Decision] = []
    for act in acts:
        made.append(decisions_jsonl.decide(act, made))
        decisions_jsonl.append(path, made[-1])
    return made


def test_decisions_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    made = write(path, *ACTS)
    back = decisions_jsonl.read(path)
    assert [d.act for d in back] == ACTS
    assert [(d.id, d.time, text_of(d)) for d in back] == [(d.id, d.time, text_of(d)) for d in made]
    assert [d.place for d in back] == [f"{path}:{i}" for i in range(1, len(ACTS) + 1)]
    lines = path.read_text("ascii").splitlines()
    assert len(lines) == len(ACTS)
    assert all(json.loads(line)["format"] == 1 for line in lines)
    assert all(len(d.id) == 8 and int(d.id, 16) >= 0 for d in back)


def test_no_file_is_no_decisions(tmp_path: Path) -> None:
    assert decisions_jsonl.read(tmp_path / "decisions.jsonl") == []


def test_equal_decisions_have_different_ids(tmp_path: Path) -> None:
    made = write(tmp_path / "d.jsonl", *[ACTS[0]] * 50)
    assert len({decision.id for decision in made}) == 50


def test_torn_last_line_is_told_left_out_and_kept_elsewhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "decisions.jsonl"
    made = write(path, *ACTS[:2])
    whole = path.read_bytes()
    for cut in range(1, len(text_of(made[1]))):
        path.write_bytes(whole[: -cut - 1])
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            assert [d.act for d in decisions_jsonl.read(path)] == ACTS[:1]
        assert "line 2 is cut short" in caplog.text
    kept = tmp_path / "decisions.jsonl.torn"
    assert not kept.exists()
    torn = path.read_bytes().splitlines()[1]
    write(path, ACTS[3])
    assert [d.act for d in decisions_jsonl.read(path)] == [ACTS[0], ACTS[3]]
    assert kept.read_bytes() == torn + b"\n"
    assert f"what was left of it is in {kept} now" in caplog.text
    path.write_bytes(path.read_bytes() + b"{again")
    write(path, ACTS[2])
    assert kept.read_bytes() == torn + b"\n{again\n"


def test_torn_line_that_cannot_be_kept_elsewhere_stays(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"{torn")
    (tmp_path / "decisions.jsonl.torn").mkdir()
    with pytest.raises(OutputError, match="torn"):
        write(path, ACTS[0])
    assert path.read_bytes() == b"{torn"


def test_lines_are_numbered_and_a_repeated_one_is_the_later(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    write(path, *ACTS[:2])
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(second + b"\n" + first + second)
    assert [(d.act, d.line, d.place) for d in decisions_jsonl.read(path)] == [
        (ACTS[0], 3, f"{path}:3"),
        (ACTS[1], 4, f"{path}:4"),
    ]


def test_decisions_of_a_result_are_in_the_file_it_names_if_that_is_there(tmp_path: Path) -> None:
    own, other = tmp_path / "decisions.jsonl", tmp_path / "other.jsonl"
    assert decisions_jsonl.file_of(None, tmp_path) == own
    assert decisions_jsonl.file_of(str(other), tmp_path) == own
    other.touch()
    assert decisions_jsonl.file_of(str(other), tmp_path) == other


def test_last_line_without_an_end_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "decisions.jsonl"
    write(path, ACTS[0])
    path.write_bytes(path.read_bytes().rstrip())
    assert len(decisions_jsonl.read(path)) == 1
    write(path, ACTS[2])
    assert [d.act for d in decisions_jsonl.read(path)] == [ACTS[0], ACTS[2]]
    assert not caplog.text


def test_file_of_an_editor_is_read(tmp_path: Path) -> None:
    """Byte order mark, Windows ends of lines, empty lines, letters that are not escaped."""
    path = tmp_path / "decisions.jsonl"
    (made,) = write(path, ACTS[0])
    text = json.dumps(json.loads(text_of(made)), ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf\r\n" + text.encode() + b"\r\n\r\n")
    assert [d.act for d in decisions_jsonl.read(path)] == [ACTS[0]]


def test_files_of_two_computers_may_be_put_together(tmp_path: Path) -> None:
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    both = write(a, ACTS[0])
    b.write_bytes(a.read_bytes())
    write(a, ACTS[2])
    write(b, ACTS[3])
    one = decisions_jsonl.read(a)
    b.write_bytes(b.read_bytes() + a.read_bytes())
    assert [d.act for d in decisions_jsonl.read(b)] == [ACTS[0], ACTS[2], ACTS[3]]
    assert [d.id for d in decisions_jsonl.read(b)][:2] == [both[0].id, one[1].id]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "Expecting value"),
        ("[]", "Expected `object`, got `array`"),
        ('{"id": "1", "time": "2", "do": "dance"}', "nothing is known of 'dance'"),
        ('{"id": "1", "time": "2", "do": "undo"}', "missing required field `undo`"),
        ('{"time": "2", "do": "undo", "undo": "1"}', "missing required field `id`"),
        ('{"id": 1, "time": "2", "do": "undo", "undo": "1"}', "Expected `str`, got `int` - at `$.id`"),
        (
            '{"id": "1", "time": "2", "do": "name", "person": "p", "name": "A", "faces": "x"}',
            "Expected `array`, got `str` - at `$.faces`",
        ),
        (
            '{"id": "1", "time": "2", "do": "name", "person": "p", "name": "A", "faces": [["d", [1, 2]]]}',
            "Expected `array` of length 4, got 2 - at `$.faces[0][1]`",
        ),
        (
            '{"id": "1", "time": "2", "do": "name", "person": "p", "name": "A", "faces": [["d", [1, 2, 3, Infinity]]]}',
            "Infinity is no number",
        ),
    ],
)
def test_bad_line_is_an_error_that_names_it(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "decisions.jsonl"
    (made,) = write(path, ACTS[0])
    path.write_text(f"{text_of(made)}\n{line}\n{text_of(made)}\n")
    with pytest.raises(FaceclusterError) as error:
        decisions_jsonl.read(path)
    assert f"{path}:2: not a decision: " in str(error.value)
    assert says in str(error.value)
    assert line[:40] in str(error.value)


def test_line_without_a_format_is_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"do": "undo", "undo": "1", "time": "2", "id": "3", "note": "mine"}\n')
    assert [(d.id, d.time, d.act) for d in decisions_jsonl.read(path)] == [("3", "2", Undo("1"))]


def test_name_of_a_shell_that_is_no_text_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    write(path, Name("person-0001", "Andr\udce9", spots(0)), ACTS[2])
    assert [d.act for d in decisions_jsonl.read(path)] == [
        Name("person-0001", "Andr\udce9", spots(0)),
        ACTS[2],
    ]


def test_split_of_an_older_facecluster_does_not_say_into_what(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    known = Split("person-0001", spots(3), spots(0), "person-0009")
    older, newer = write(path, ACTS[3], known)
    assert list(json.loads(text_of(older))) == ["format", "id", "time", "do", "person", "faces", "from"]
    assert list(json.loads(text_of(newer))) == [
        "format",
        "id",
        "time",
        "do",
        "person",
        "into",
        "faces",
        "from",
    ]
    assert [d.act for d in decisions_jsonl.read(path)] == [ACTS[3], known]


def test_file_of_2225703_is_read_to_the_letter() -> None:
    path = Path(__file__).parent / "library_2225703" / "people" / "decisions.jsonl"
    read, lines = decisions_jsonl.read(path), path.read_text("ascii").splitlines()
    assert [text_of(d) for d in read] == lines
    for decision in read:
        record = json.loads(text_of(decision))
        again = json.loads(text_of(decisions_jsonl.decide(decision.act, [])))
        assert {**again, "id": decision.id, "time": decision.time} == record
        assert list(again) == list(record)


def test_line_of_a_newer_format_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"format": 3, "id": "1"}\n')
    with pytest.raises(FaceclusterError, match=r"1: written by format 3, .* upgrade"):
        decisions_jsonl.read(path)


def test_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FaceclusterError, match="no file"):
        decisions_jsonl.read(tmp_path)
    with pytest.raises(OutputError, match="not a folder"):
        write(tmp_path / "no" / "folder", ACTS[0])

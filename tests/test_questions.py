"""Which questions a library has, in which order, and what becomes of them when they are answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tables import make_table

from facecluster.errors import UsageError
from facecluster.formats import face_table
from facecluster.identity.metrics import pairwise
from facecluster.library import correct
from facecluster.library.build import build
from facecluster.library.library import Library
from facecluster.library.questions import Question, Queue, answer
from facecluster.library.settings import Choices
from facecluster.library.undo import undo
from facecluster.result import Result
from facecluster.table import FaceTable

SPREAD = 0.4
"""How far two faces of one person are apart."""
LARGE, ANNA, BEN, YOUNG, OLD, PAIR = range(6)
"""Six people; Young and Old are one, and nearly near enough. Of Pair there are two photos."""
SIZES = (9, 6, 5, 4, 4, 2)
BETWEEN, NEAR, STRANGER = "face0030", "face0031", "face0032"
"""A face as near to Anna as to Ben, who is Ben's; one that is Anna's, and a little too far; one of somebody else."""
TRUTH = [*np.repeat([LARGE, ANNA, BEN, YOUNG, YOUNG, PAIR], SIZES), BEN, ANNA, 99]


def axis(number: int) -> NDArray[np.float64]:
    return np.eye(128)[number]


def towards(one: NDArray[np.float64], other: NDArray[np.float64], apart: float) -> NDArray[np.float64]:
    """A direction so far from the first (as squared distance) on the way to the second."""
    cosine = 1 - apart / 2
    return cosine * one + np.sqrt(1 - cosine**2) * other


def world() -> FaceTable:
    """The faces of the people above, one a photo."""
    rng = np.random.default_rng(3)
    centre = [axis(0), axis(1), axis(2), axis(3), towards(axis(3), axis(4), 1.15), axis(5)]
    faces = []
    for middle, size in zip(centre, SIZES, strict=True):
        noise = rng.normal(size=(size, 128))
        noise *= SPREAD / np.sqrt(2) / np.linalg.norm(noise, axis=1, keepdims=True)
        faces.append(middle + noise)
    between = (axis(1) + axis(2)) / np.sqrt(2)
    encoding = np.concatenate([*faces, [between, towards(axis(1), axis(6), 1.1), axis(7)]])
    quality = np.full(len(encoding), 0.9)
    quality[30] = 0.1  # so that it founds nobody
    return make_table(encoding / np.linalg.norm(encoding, axis=1, keepdims=True), quality=quality)


@dataclass
class Room:
    """A library in a folder, and its queue."""

    library: Library
    table: FaceTable
    source: Path
    queue: Queue

    @property
    def ids(self) -> list[str]:
        return [question.id for question in self.queue.questions(1000)]

    def person(self, whose: int) -> str:
        """Id of who holds most of the faces of somebody."""
        faces = set(
            self.table.faces.id[np.repeat(np.arange(6), SIZES).tolist().index(whose) :][: SIZES[whose]]
        )
        people = self.library.people.people
        return max(people, key=lambda person: sum(face.id in faces for face in person.faces)).id

    def one(self, kind: str, *of: str) -> Question:
        """The question of a kind about these people, or faces."""
        found = [
            question
            for question in self.queue.questions(1000)
            if question.kind == kind and set(of) <= said(question)
        ]
        assert len(found) == 1, (kind, of, self.ids)
        return found[0]

    def answer(self, question: Question, reply: str, name: str | None = None) -> None:
        answer(self.library, question, reply, name)
        self.queue.refresh()

    def cluster(self) -> None:
        build(self.library, self.table, source=str(self.source), jobs=1)
        self.queue.refresh()


def said(question: Question) -> set[str]:
    """The people and the faces that a question shows."""
    sides = [side for side in (question.left, question.right) if side is not None]
    return {one for side in sides for one in (side.person, *side.faces) if one is not None}


@contextmanager
def opened(folder: Path, table: FaceTable) -> Iterator[Room]:
    source = folder / "faces.npz"
    face_table.write(table, source)
    with Library.open(folder / "people", new=True) as library:
        build(library, table, Choices(link="none"), source=str(source), jobs=1)
        yield Room(library, table, source, Queue(library))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with opened(tmp_path, world()) as room:
        yield room


def fresh(room: Room) -> set[str]:
    """The questions of a queue that is built now."""
    return {question.id for question in Queue(room.library).questions(1000)}


# ------------------------------------------------------------------------------------------------ what is asked


def test_unnamed_person_is_asked_for_a_name(room: Room) -> None:
    question = room.one("who", room.person(LARGE))
    assert question.text == "Who is this?"
    assert question.right is None
    assert question.why == "9 faces without a name"
    assert question.left.n_faces == 9


def test_named_person_is_not(room: Room) -> None:
    anna = room.person(ANNA)
    room.answer(room.one("who", anna), "name", "Anna Berg")
    assert f"who {anna}" not in room.ids
    assert {person.name for person in room.library.people.people} == {None, "Anna Berg"}


def test_almost_person_is_asked_for_a_name(room: Room) -> None:
    question = room.one("who", "face0028", "face0029")
    assert question.left.person is None
    assert question.left.every == question.left.faces
    assert question.why == "nearly a person: 2 of 3 photos"
    assert question.id.startswith("who group-face0")


def test_people_who_are_near_are_compared(room: Room) -> None:
    young, old = room.person(YOUNG), room.person(OLD)
    question = room.one("same", young, old)
    assert question.id == f"same {min(young, old)} {max(young, old)}"
    assert question.text == "Are these two the same person?"


def test_face_between_two_people_is_asked_about(room: Room) -> None:
    ben = room.person(BEN)
    free = {face.id: face.reason for face in room.library.people.unclustered}
    assert free[BETWEEN] == "between_people"
    found = [question for question in room.queue.questions(1000) if BETWEEN in question.left.faces]
    assert found[0].kind == "is"
    assert found[0].right is not None
    assert found[0].right.person in {room.person(ANNA), ben}
    assert "between" in found[0].why


def test_face_near_a_person_is_asked_about_by_name(room: Room) -> None:
    room.answer(room.one("who", room.person(ANNA)), "name", "Anna Berg")
    question = room.one("is", NEAR, room.person(ANNA))
    assert question.text == "Is this Anna Berg?"
    assert question.left.n_faces == 1


def test_weakest_link_of_a_person_is_asked_about(tmp_path: Path) -> None:
    table = world()
    encoding = table.faces.encoding.copy()
    encoding[9] = towards(axis(1), axis(8), 1.02)  # of Anna, joins and founds nobody
    quality = table.faces.quality.copy()
    quality[9] = 0.1
    with opened(tmp_path, make_table(encoding, quality=quality)) as room:
        anna = room.person(ANNA)
        assert "face0009" in {face.id for one in room.library.people.people for face in one.faces}
        (question,) = (one for one in room.queue.questions(1000) if one.left.faces == ("face0009",))
        assert question.why == f"the weakest link of {anna}"
        assert question.right is not None
        assert question.right.n_faces == 5
        room.answer(question, "no")
        left = {person.id: {face.id for face in person.faces} for person in room.library.people.people}
        assert len(left[anna] - {"face0009"}) == len(left[anna]) == 5
        assert question.id not in room.ids


def test_stranger_is_hardly_worth_a_question(room: Room) -> None:
    assert [q.id for q in room.queue.questions(1000) if q.kind != "who" and STRANGER in said(q)] == []
    assert room.queue.find(f"who {STRANGER}") is not None
    assert room.ids[0] != f"who {STRANGER}"


def test_questions_come_by_falling_worth(room: Room) -> None:
    worth = [question.worth for question in room.queue.questions(1000)]
    assert worth == sorted(worth, reverse=True)
    assert len(worth) > 5
    assert min(worth) > 0
    assert room.queue.questions(3) == room.queue.questions(1000)[:3]
    assert room.one("who", room.person(LARGE)).worth > room.one("who", room.person(BEN)).worth


def test_queue_counts_what_is_left(room: Room) -> None:
    n_left, worth = room.queue.n_left, room.queue.worth_left
    assert n_left >= len(room.ids)
    assert room.queue.worth_done == 0
    room.answer(room.one("same", room.person(YOUNG), room.person(OLD)), "no")
    assert room.queue.n_left == n_left - 1
    assert room.queue.worth_left < worth
    assert room.queue.worth_done == pytest.approx(worth - room.queue.worth_left)


# --------------------------------------------------------------------------------------------------- what is done


def holder(result: Result, face: str) -> str | None:
    return next((person.id for person in result.people if face in {one.id for one in person.faces}), None)


def test_yes_to_two_people_makes_them_one_and_the_named_one_stays(room: Room) -> None:
    young, old = room.person(YOUNG), room.person(OLD)
    later = max(young, old)
    room.answer(room.one("who", later), "name", "Yasmin")
    room.answer(room.one("same", young, old), "yes")
    people = {person.id: person for person in room.library.people.people}
    assert people[later].n_faces == 8
    assert min(young, old) not in people


def test_yes_to_a_face_gives_it_to_the_person(room: Room) -> None:
    anna = room.person(ANNA)
    room.answer(room.one("is", NEAR, anna), "yes")
    assert holder(room.library.people, NEAR) == anna
    room.cluster()
    assert holder(room.library.people, NEAR) == anna


def test_name_makes_a_person_of_faces_of_nobody(room: Room) -> None:
    room.answer(room.one("who", "face0028"), "name", "Paula")
    paula = next(person for person in room.library.people.people if person.name == "Paula")
    assert {face.id for face in paula.faces} == {"face0028", "face0029"}


def test_name_of_somebody_else_means_the_same_person(room: Room) -> None:
    room.answer(room.one("who", room.person(ANNA)), "name", "Anna Berg")
    room.answer(room.one("who", "face0028"), "name", "anna berg")
    room.answer(room.one("who", room.person(BEN)), "name", "Anna Berg")
    anna = next(person for person in room.library.people.people if person.name == "Anna Berg")
    assert anna.n_faces >= 6 + 2 + 5


def test_nobody_is_no_person(room: Room) -> None:
    ben = room.person(BEN)
    room.answer(room.one("who", ben), "nobody")
    room.answer(room.one("who", "face0028"), "nobody")
    assert ben not in {person.id for person in room.library.people.people}
    reasons = {face.id: face.reason for face in room.library.people.unclustered}
    assert reasons["face0028"] == "not_a_person"
    assert not [q for q in room.queue.questions(1000) if {ben, "face0028", "face0015"} & said(q)]


@pytest.mark.parametrize(
    ("kind", "reply"), [("who", "yes"), ("same", "name"), ("is", "maybe"), ("who", "name")]
)
def test_reply_that_does_not_fit_is_refused(room: Room, kind: str, reply: str) -> None:
    question = next(question for question in room.queue.questions(1000) if question.kind == kind)
    with pytest.raises(UsageError):
        answer(room.library, question, reply, " ")
    assert room.library.decisions == []


def test_hidden_person_is_not_asked_about(room: Room) -> None:
    young, old = room.person(YOUNG), room.person(OLD)
    room.answer(room.one("same", young, old), "no")
    before = room.ids
    correct.hide(room.library, [young])
    room.queue.refresh()
    assert not [q for q in room.queue.questions(1000) if young in said(q)]
    assert young not in {one for id_ in fresh(room) for one in id_.split()}
    room.cluster()
    assert not [q for q in room.queue.questions(1000) if young in said(q)]
    correct.unhide(room.library, [young])
    room.queue.refresh()
    assert sorted(room.ids) == sorted(before)


# ------------------------------------------------------------------------------------------- what is asked again

ASKED = [
    ("same", YOUNG, "no"),
    ("is", ANNA, "no"),
    ("same", YOUNG, "unsure"),
    ("is", ANNA, "unsure"),
    ("who", LARGE, "unsure"),
]


def sides_of(room: Room, kind: str, whose: int) -> Sequence[str]:
    return {
        "same": (room.person(YOUNG), room.person(OLD)),
        "is": (NEAR, room.person(ANNA)),
        "who": (room.person(whose),),
    }[kind]


@pytest.mark.parametrize(("kind", "whose", "reply"), ASKED)
def test_answered_question_is_not_asked_again(room: Room, kind: str, whose: int, reply: str) -> None:
    question = room.one(kind, *sides_of(room, kind, whose))
    people = room.library.people.people
    room.answer(question, reply)
    assert room.library.people.people == people  # a no changes nobody
    assert question.id not in room.ids
    assert question.id not in fresh(room)
    room.cluster()
    assert question.id not in room.ids
    assert {person.id for person in room.library.people.people} == {person.id for person in people}


@pytest.mark.parametrize(("kind", "whose", "reply"), [*ASKED, ("same", YOUNG, "yes"), ("is", ANNA, "yes")])
def test_undo_brings_a_question_back(room: Room, kind: str, whose: int, reply: str) -> None:
    before = {(question.id, round(question.worth, 6)) for question in room.queue.questions(1000)}
    room.answer(room.one(kind, *sides_of(room, kind, whose)), reply)
    undo(room.library, jobs=1)
    room.queue.refresh()
    assert {(question.id, round(question.worth, 6)) for question in room.queue.questions(1000)} == before


def test_question_that_was_answered_stays_so_for_the_person_whom_one_becomes(room: Room) -> None:
    young, old = room.person(YOUNG), room.person(OLD)
    room.answer(room.one("same", young, old), "no")
    correct.merge(room.library, [room.person(LARGE), old])
    room.queue.refresh()
    assert not [q for q in room.queue.questions(1000) if {young, room.person(LARGE)} <= said(q)]


def test_who_lost_faces_may_be_unknown_again(room: Room) -> None:
    large = room.person(LARGE)
    room.answer(room.one("who", large), "unsure")
    person = next(person for person in room.library.people.people if person.id == large)
    correct.split(room.library, large, [face.id for face in person.faces[:6]])
    room.queue.refresh()
    room.answer(room.one("who", large), "unsure")  # of other faces, so it is noted, too
    assert f"who {large}" not in room.ids
    assert f"who {large}" not in fresh(room)


def test_sides_that_somebody_made_one_are_not_asked_about(room: Room) -> None:
    young, old = room.person(YOUNG), room.person(OLD)
    room.answer(room.one("same", young, old), "yes")
    into = room.person(YOUNG)
    parts = [
        set(q.left.every)
        for q in room.queue.questions(1000)
        if q.right is not None and q.right.person == into
    ]
    one, other = ({f"face{i:04d}" for i in range(at, at + 4)} for at in (20, 24))
    assert one not in parts
    assert other not in parts


def test_refreshed_queue_asks_what_a_new_one_asks(room: Room) -> None:
    for kind, sides, reply in (
        ("is", (NEAR, room.person(ANNA)), "yes"),
        ("same", (room.person(YOUNG), room.person(OLD)), "yes"),
        ("who", (room.person(LARGE),), "name"),
        ("who", ("face0028",), "name"),
    ):
        room.answer(room.one(kind, *sides), reply, f"{kind} {sides[0]}")
        now = {q.id: q.worth for q in room.queue.questions(1000)}
        new = {q.id: q.worth for q in Queue(room.library).questions(1000)}
        assert now.keys() == new.keys()
        assert now == pytest.approx(new, abs=1e-5)


# ------------------------------------------------------------------------------------------------------ libraries


def test_library_without_table_asks_what_records_tell(room: Room) -> None:
    room.source.unlink()
    room.library.forget_table()
    queue = Queue(room.library)
    asked = queue.questions(1000)
    assert {question.kind for question in asked} == {"who"}
    assert {question.left.person for question in asked} == {p.id for p in room.library.people.people} | {None}
    answer(room.library, asked[0], "name", "Lara")
    queue.refresh()
    assert asked[0].id not in {question.id for question in queue.questions(1000)}


def test_library_of_nobody_asks_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, make_table(np.empty((0, 128)))) as room:
        assert room.ids == []
        assert (room.queue.n_left, room.queue.worth_left, room.queue.worth_done) == (0, 0, 0)
        room.queue.refresh()


def test_library_of_one_person_asks_who_that_is(tmp_path: Path) -> None:
    with opened(tmp_path, make_table(world().faces.encoding[:9])) as room:
        assert [question.kind for question in room.queue.questions() if question.worth > 0.1] == ["who"]


def test_answering_truthfully_never_costs_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    centre = [axis(i) for i in range(6)]
    centre += [towards(axis(i), axis(20 + i), 0.9 + 0.06 * i) for i in range(6)]
    truth = rng.integers(0, 12, 90)
    noise = rng.normal(size=(90, 128))
    noise *= rng.uniform(0.3, 0.85, (90, 1)) / np.linalg.norm(noise, axis=1, keepdims=True)
    encoding = np.array(centre)[truth] + noise
    table = make_table(encoding / np.linalg.norm(encoding, axis=1, keepdims=True))
    name = dict(zip(table.faces.id.tolist(), (truth % 9).tolist(), strict=True))  # some are one person twice
    with opened(tmp_path, table) as room:
        scores = [score(room.library.people, name)]
        while asked := room.queue.questions(1):
            room.answer(asked[0], *reply(room, asked[0], name))
            assert asked[0].id not in room.ids
            scores.append(score(room.library.people, name))
            assert scores[-1][0] >= scores[-2][0] - 1e-9
        assert scores[-1][1] > scores[0][1] + 0.1
        room.cluster()
        assert score(room.library.people, name)[0] >= scores[0][0] - 1e-9


def score(result: Result, name: dict[str, int]) -> tuple[float, float]:
    """Pairwise precision and recall."""
    place = {face.id: i for i, person in enumerate(result.people) for face in person.faces}
    found = pairwise(list(name.values()), [place.get(face, -1) for face in name])
    return found.precision, found.recall


def reply(room: Room, question: Question, name: dict[str, int]) -> tuple[str, str | None]:
    """What somebody says who knows whose each face is."""
    faces = {person.id: [face.id for face in person.faces] for person in room.library.people.people}
    sides = [
        {name[face] for face in side.every or faces[side.person or ""]}
        for side in (question.left, question.right)
        if side is not None
    ]
    if question.right is not None and question.left.every:
        theirs = faces[question.right.person or ""]
        sides[1] = {name[face] for face in theirs if face not in question.left.every}
    if any(len(side) > 1 for side in sides):
        return "unsure", None
    (one,) = sides[0]
    if question.kind == "who":
        return "name", f"Number {one}"
    return ("yes" if sides[0] == sides[1] else "no"), None

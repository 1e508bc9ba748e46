"""A library at one moment, with what is looked up in it: whoever reads a view is not disturbed by the next decision."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.decisions import Decision, digest_of, in_force
from facecluster.identity.gate import Reason
from facecluster.library import strangers
from facecluster.library.history import Line, PastDecision, lines, past_of
from facecluster.library.refer import faces_of
from facecluster.photos.kinds import VIDEO_EXTENSIONS
from facecluster.photos.moment import FIRST, START, Moment
from facecluster.result import AlmostPerson, Person, PersonFace, Result, UnclusteredFace
from facecluster.review.shelf import Shelf

if TYPE_CHECKING:
    from facecluster.library.refer import Face


def is_named_video(path: str) -> bool:
    """Whether a file of a library is called as videos are."""
    return os.path.splitext(path)[1].lower() in VIDEO_EXTENSIONS


class Placed(NamedTuple):
    """A face and whose it is; None: nobody's."""

    face: PersonFace | UnclusteredFace
    person: Person | None


class About(NamedTuple):
    """What a list shows of a person beside its counts.

    Attributes:
        newest: when the latest photo was taken, in seconds since 1970; None where no photo has a time.
        unsure: the lowest confidence of a face, per cent, 0..100; None where no face has one.
    """

    newest: float | None
    unsure: float | None


class View:
    """Who is who, as a page shows it.

    Attributes:
        version: of what is shown; another number stands for another library.
        result: who is who.
        decisions: what was said, in order of time.
        shelf: the photos of the face table.
    """

    def __init__(
        self,
        version: int,
        result: Result,
        decisions: Sequence[Decision],
        shelf: Shelf,
        abouts: dict[int, tuple[Person, About]],
        earlier: View | None = None,
    ) -> None:
        """Take what is known.

        Args:
            version: see above.
            result: see above.
            decisions: see above.
            shelf: see above.
            abouts: what earlier views found of people who are still the same; it gets what is found now.
            earlier: a view of the same faces, or of fewer: what it has looked up is looked up no more.
        """
        self.version = version
        self.result = result
        self.decisions = tuple(decisions)
        self.shelf = shelf
        self._abouts = abouts
        if earlier is not None and "faces" in vars(earlier):
            self.faces = self._faces_after(earlier.faces, earlier.result)
            if len(self.faces) == len(earlier.faces):
                same = ("in_photo", "paths", "with_face") if shelf is earlier.shelf else ("in_photo",)
                vars(self).update((key, value) for key, value in vars(earlier).items() if key in same)

    @cached_property
    def people(self) -> dict[str, Person]:
        """By id."""
        return {person.id: person for person in self.result.people}

    @cached_property
    def faces(self) -> dict[str, Placed]:
        """Every face by id; of one that copies of a photo have, the first."""
        return self._faces_after({}, None)

    def _faces_after(self, known: Mapping[str, Placed], earlier: Result | None) -> dict[str, Placed]:
        """Every face by id, where those of an earlier result are known."""
        before = set() if earlier is None else {*map(id, earlier.people)}
        found = {**known}
        if earlier is None or self.result.unclustered is not earlier.unclustered:
            for free in self.result.unclustered:
                whose = found[free.id].person if free.id in found else None
                if whose is None or self.people.get(whose.id) is not whose:
                    found[free.id] = Placed(free, None)
        for person in self.result.people:
            if id(person) not in before:
                for face in reversed(person.faces):
                    found[face.id] = Placed(face, person)
        return found

    @cached_property
    def in_photo(self) -> dict[str, list[str]]:
        """The ids of the faces of every photo that has some, by its id; copies are one photo."""
        found: dict[str, list[str]] = {}
        for own in self.faces:
            found.setdefault(digest_of(own), []).append(own)
        return found

    @cached_property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """Where each photo lies, by its id, of those without a face too: several are copies."""
        there = self.shelf.paths
        known = self.shelf.digests
        others: dict[str, dict[str, None]] = {}
        for face in faces_of(self.result):
            own = digest_of(face.id)
            if known.get(face.photo) != own:
                others.setdefault(own, {})[face.photo] = None
        return {**there, **{own: (*there.get(own, ()), *paths) for own, paths in others.items()}}

    @cached_property
    def of_nobody(self) -> set[str]:
        """The ids of the photos with a face that is nobody's, but for what was said to be no person."""
        told = Reason.NOT_A_PERSON.code
        return {digest_of(free.id) for free in self.result.unclustered if free.reason != told}

    @cached_property
    def with_face(self) -> NDArray[np.bool_]:
        """Say of each photo of the shelf whether it has a face: (n,)."""
        return np.fromiter(map(self.in_photo.__contains__, self.shelf.ids), bool, len(self.shelf.ids))

    @cached_property
    def with_nobody(self) -> NDArray[np.bool_]:
        """Say of each photo of the shelf whether it has a face of nobody: (n,)."""
        return np.fromiter(map(self.of_nobody.__contains__, self.shelf.ids), bool, len(self.shelf.ids))

    def photo(self, own: str) -> list[Placed]:
        """The faces of a photo, each once, in the order of their ids."""
        found = self.in_photo.get(own, ())
        return [self.faces[face] for face in sorted(found, key=lambda face: (len(face), face))]

    def scene(self, own: str) -> tuple[str, Moment]:
        """Say which photo an id means, and where in its file: of a face, where it is; of a photo, where its first is.

        Raises:
            KeyError: there is no such face or photo.
        """
        if own not in self.paths:
            return digest_of(own), self.faces[own].face.moment
        first = next((placed.face.moment for placed in self.photo(own)), FIRST)
        return own, START if first == FIRST and is_named_video(self.paths[own][0]) else first

    @cached_property
    def almost(self) -> dict[str, AlmostPerson]:
        """The almost-people by the name of their group."""
        groups = [[face.id for face in one.faces] for one in self.result.almost]
        return dict(zip(strangers.names_of(self.result, groups), self.result.almost, strict=True))

    @cached_property
    def last(self) -> tuple[Decision, ...]:
        """The decision that an undo takes back, or all of an import, the last first; (): there is none."""
        after = len(self.decisions) + 1
        standing = in_force(self.decisions)
        last = max(standing, key=lambda one: (one.line or after, one.time), default=None)
        if last is None or last.said_by is None:
            return () if last is None else (last,)
        return tuple(one for one in standing if one.time == last.time)

    @cached_property
    def past(self) -> tuple[PastDecision, ...]:
        """All decisions in words, in order of time."""
        return past_of(self.result, self.decisions) if self.decisions else ()

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The same, an import in one line."""
        return lines(self.past)

    def about(self, person: Person) -> About:
        """Say what a list shows of a person."""
        known = self._abouts.get(id(person))
        if known is not None and known[0] is person:
            return known[1]
        times = (self.shelf.dates.get(face.photo) for face in person.faces)
        sure = (face.confidence for face in person.faces)
        found = About(
            max((time for time in times if time is not None), default=None),
            min((one for one in sure if one is not None), default=None),
        )
        self._abouts[id(person)] = person, found
        return found

    def paths_of(self, face: Face) -> list[str]:
        """Where the photo of a face lies, its own path first."""
        return [*dict.fromkeys([face.photo, *self.paths[digest_of(face.id)]])]

    def date(self, face: Face) -> float | None:
        """When the photo of a face was taken, in seconds since 1970; None where that is not known."""
        return self.shelf.dates.get(face.photo)

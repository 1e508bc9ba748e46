"""A library at one moment, with what is looked up in it: whoever reads a view is not disturbed by the next decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from facecluster.identity.decisions import Decision, digest_of, in_force
from facecluster.library import strangers
from facecluster.library.history import PastDecision, past_of
from facecluster.result import AlmostPerson, Person, PersonFace, Result, UnclusteredFace

if TYPE_CHECKING:
    from facecluster.library.refer import Face


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
        dates: seconds since 1970 by path of a photo, as far as they are known.
    """

    def __init__(
        self,
        version: int,
        result: Result,
        decisions: Sequence[Decision],
        dates: Mapping[str, float],
        abouts: dict[int, tuple[Person, About]],
        earlier: View | None = None,
    ) -> None:
        """Take what is known.

        Args:
            version: see above.
            result: see above.
            decisions: see above.
            dates: see above.
            abouts: what earlier views found of people who are still the same; it gets what is found now.
            earlier: a view of the same faces, or of fewer: what it has looked up is looked up no more.
        """
        self.version = version
        self.result = result
        self.decisions = tuple(decisions)
        self.dates = dates
        self._abouts = abouts
        if earlier is not None and "faces" in vars(earlier):
            self.faces = self._faces_after(earlier.faces, earlier.result)
            if len(self.faces) == len(earlier.faces):
                vars(self).update(
                    (key, value) for key, value in vars(earlier).items() if key in ("in_photo", "paths")
                )

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
        """The ids of the faces of every photo, by its id; copies are one photo."""
        found: dict[str, list[str]] = {}
        for own in self.faces:
            found.setdefault(digest_of(own), []).append(own)
        return found

    @cached_property
    def paths(self) -> dict[str, list[str]]:
        """Where each photo lies, by its id: several are copies."""
        found: dict[str, dict[str, None]] = {}
        for person in self.result.people:
            for face in person.faces:
                found.setdefault(digest_of(face.id), {})[face.photo] = None
        for free in self.result.unclustered:
            found.setdefault(digest_of(free.id), {})[free.photo] = None
        return {own: [*paths] for own, paths in found.items()}

    def photo(self, own: str) -> list[Placed]:
        """The faces of a photo, each once, in the order of their ids."""
        return [self.faces[face] for face in sorted(self.in_photo[own], key=lambda face: (len(face), face))]

    @cached_property
    def almost(self) -> dict[str, AlmostPerson]:
        """The almost-people by the name of their group."""
        groups = [[face.id for face in one.faces] for one in self.result.almost]
        return dict(zip(strangers.names_of(self.result, groups), self.result.almost, strict=True))

    @cached_property
    def last(self) -> Decision | None:
        """The decision that an undo takes back; None: there is none."""
        after = len(self.decisions) + 1
        return max(in_force(self.decisions), key=lambda one: (one.line or after, one.time), default=None)

    @cached_property
    def past(self) -> tuple[PastDecision, ...]:
        """All decisions in words, in order of time."""
        return past_of(self.result, self.decisions) if self.decisions else ()

    def about(self, person: Person) -> About:
        """Say what a list shows of a person."""
        known = self._abouts.get(id(person))
        if known is not None and known[0] is person:
            return known[1]
        times = (self.dates.get(face.photo) for face in person.faces)
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
        return self.dates.get(face.photo)

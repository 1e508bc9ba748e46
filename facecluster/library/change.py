"""What one decision asks for and what came of it, and how decisions know people and faces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from facecluster.identity.decisions import TYPICAL, Act, Decision, Spot, Spots, digest_of
from facecluster.library.amend import Correction
from facecluster.library.refer import called
from facecluster.result import Person, PersonFace, UnclusteredFace
from facecluster.table import FaceTable


@dataclass(frozen=True)
class Corrected:
    """What was decided, and what it did.

    Attributes:
        decision: as it was written; where one call decided several things, the last of them. None: nothing was, as
            all of it was so already.
        others: the earlier ones of the same call. They have one time, by which `undo` takes them back together.
        said: the same in a sentence.
        in_step: whether the people show all decisions now; else they have to be clustered again.
    """

    decision: Decision | None
    said: str
    in_step: bool
    others: tuple[Decision, ...] = ()

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All that was written, in order."""
        return self.others if self.decision is None else (*self.others, self.decision)


class Change(NamedTuple):
    """What a verb asks for.

    Attributes:
        act: what is decided; where several things are, the last of them.
        correction: the people as they are then, and the ids of those whose faces are others; None: only what is told of
            people changes, their names, and how they are shown.
        said: the same in a sentence.
        others: the acts before it.
        table: the face table as it is then; None: as it was.
    """

    act: Act
    correction: Correction | None
    said: str
    others: tuple[Act, ...] = ()
    table: FaceTable | None = None


def typical(person: Person, without: Iterable[str] = ()) -> Spots:
    """The faces by which a person is known, but for some: founding ones first."""
    left_out = set(without)
    founding_first: list[PersonFace] = sorted(person.faces, key=lambda face: not face.core)
    return spots(face for face in founding_first if face.id not in left_out)[:TYPICAL]


def spots(faces: Iterable[PersonFace | UnclusteredFace]) -> Spots:
    """How decisions know faces; copies are one."""
    return tuple(
        dict.fromkeys(Spot(digest_of(face.id), face.known_at, face.page, face.time_s) for face in faces)
    )


def and_gone(origins: Sequence[Person], ids: Collection[str]) -> str:
    """Say which people have no other faces than these."""
    gone = [called(person) for person in origins if all(face.id in ids for face in person.faces)]
    if not gone:
        return ""
    return f"; {', '.join(gone)} had no other and {'is' if len(gone) == 1 else 'are'} gone"

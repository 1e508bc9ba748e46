"""What a person said of a library, in order of time, and whether it still holds."""

from __future__ import annotations

from dataclasses import dataclass

from facecluster.identity.assured import lapsed
from facecluster.identity.decisions import Decision, Undo, in_force
from facecluster.library.correct import describe
from facecluster.library.held import Held
from facecluster.result import columns


@dataclass(frozen=True)
class PastDecision:
    """A decision of the past.

    Attributes:
        id: of the decision; `Held.undo` takes it.
        time: ISO 8601, UTC.
        said: what was decided, in a few words; ids are those of the time.
        holds: whether it is in force; not so where it was taken back.
        found: whether any of the faces that it is about is in the library now.
        decision: all of it.
    """

    id: str
    time: str
    said: str
    holds: bool
    found: bool
    decision: Decision


def history(library: Held) -> tuple[PastDecision, ...]:
    """Give all decisions of a library in order of time."""
    standing = {decision.id for decision in in_force(library.decisions)}
    lost = {decision.id for decision in lapsed(library.decisions, columns(library.people))}
    return tuple(
        PastDecision(
            decision.id,
            decision.time,
            describe(decision.act),
            decision.id in standing or isinstance(decision.act, Undo),
            decision.id not in lost,
            decision,
        )
        for decision in library.decisions
    )

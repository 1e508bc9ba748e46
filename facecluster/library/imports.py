"""Which decisions are of one import, and how they are told in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from facecluster.formats.said_names import programs
from facecluster.identity.decisions import Decision, Draw, Make, Move, Name, Said
from facecluster.text import many

WHOLE = "+"
"""What stands after the id of a decision where all of its import is meant."""


def in_words(decisions: Sequence[Decision]) -> str:
    """Tell an import: "import of 2026-11-30: 212 names from XMP, 14 from Picasa, 2 conflicts".

    Args:
        decisions: of one import, one or more; each says whose words it repeats.
    """
    origins: dict[str, tuple[str, ...]] = {}  # by id of the person who has a name
    n_drawn = n_conflicts = 0
    for one in decisions:
        by = () if one.said_by is None else tuple(sorted(one.said_by.origin.split(",")))
        match one.act:
            case Name(person) | Make(person) | Move(into=str(person)):
                origins[person] = tuple(sorted({*by, *origins.get(person, ())}))
            case Draw(faces=faces):
                n_drawn += len(faces)
            case Said():
                n_conflicts += 1
            case _:
                pass
    parts, noun = list[str](), True
    for by, n in Counter(origins.values()).most_common():
        parts.append(f"{many(n, 'name') if noun else n} from {programs(by)}")
        noun = False
    if n_drawn:
        parts.append(f"{many(n_drawn, 'face')} put in")
    if n_conflicts:
        parts.append(many(n_conflicts, "conflict"))
    day = datetime.fromisoformat(decisions[0].time.replace("Z", "+00:00")).astimezone()
    return f"import of {day:%Y-%m-%d}: {', '.join(parts)}"

"""`facecluster history`: what was decided about the people of a library, and whether it still holds."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from facecluster.render.columns import aligned
from facecluster.text import many

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.history import Line, PastDecision
    from facecluster.library.refer import Face


class _Since(click.DateTime):
    """A day, a time, or how long ago."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Make a time, here, of what was given, or fail."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            if ago := re.fullmatch(r"(\d{1,5})([dwDW])", text, re.ASCII):
                days = int(ago[1]) * (7 if ago[2] in "wW" else 1)
                return datetime.now().astimezone() - timedelta(days=days)
            return datetime.fromisoformat(text).astimezone()
        except OverflowError:
            return datetime.min.replace(tzinfo=timezone.utc)
        except ValueError:
            return self.fail(
                f"{text!r}: say a day as 2026-11-22, a time as 2026-11-22T15:30, or how long ago: 7d for seven days, "
                "2w for two weeks",
                param,
                ctx,
            )


@click.command("history")
@click.argument("source", metavar="LIBRARY")
@click.argument("who", metavar="[PERSON|FACE]", required=False)
@click.option(
    "--since",
    type=_Since(),
    metavar="DATE",
    help="Only what was decided on this day or later: 2026-11-22, 7d (seven days ago), 2w (two weeks ago).",
)
@click.option("--all", "every", is_flag=True, help="A line for each decision of an import, too.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON a decision, as a pipe gets it anyway."
)
@click.option("-q", "--quiet", is_flag=True, help="No messages but errors.")
def command(
    source: str, who: str | None, since: datetime | None, every: bool, as_json: bool, quiet: bool
) -> None:
    """Say what was decided with name, merge, split, move, not-a-person, different, hide, cover and undo.

    LIBRARY is a folder of people. With PERSON (an id, or a name) only what is about this person, with FACE (a photo,
    PHOTO#2, person-0004#7) what is about this face. A line is a decision: when it was made, its id, which undo takes,
    what it changed, and whether it still holds. An import is one line, but with --all or a PERSON; undo takes all of it
    by its id, which ends with +.
    What was forgotten is not told.
    """
    from facecluster.errors import FaceclusterError
    from facecluster.library.history import history, lines, people_named
    from facecluster.library.layout import folder_of
    from facecluster.library.library import Library
    from facecluster.library.read import read
    from facecluster.library.refer import called, find, whose
    from facecluster.result import Person
    from facecluster.text import typed

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    # without the lock: nothing is written, and the disk may be one that cannot be
    with Library(folder_of(source), read(source), ExitStack()) as library:
        whom: Person | Face | str | None = None
        if who is not None:
            try:
                whom = find(library.people, who, library.look)
            except FaceclusterError:
                if len(ids := people_named(library.decisions, who)) != 1:
                    raise
                whom = ids[0]
        past = history(library, whom)
        person = None if whom is None or isinstance(whom, Person | str) else whose(library.people, whom)
    if since is not None:
        past = tuple(one for one in past if _when(one) >= since)
    if as_json or not sys.stdout.isatty():
        sys.stdout.writelines(json.dumps(_record(one)) + "\n" for one in past)
    elif past:
        click.echo("\n".join(_rows(lines(past, every=every or who is not None))))
    if not quiet:
        click.echo(_count(past) if past else "nothing was decided", err=True)
        if person is not None:
            click.echo(
                f"about {called(person)}, whose face this is: facecluster history {typed(source)} {person.id}",
                err=True,
            )


def _count(past: Sequence[PastDecision]) -> str:
    """Count decisions, and apart those that take one back."""
    from facecluster.identity.decisions import Undo

    others = [one for one in past if not isinstance(one.decision.act, Undo)]
    n_undos, n_holding = len(past) - len(others), sum(one.holds and one.found for one in others)
    text = f"{many(len(others), 'decision')}, {n_holding} of them in force"
    return f"{text}; {many(n_undos, 'undo')}" if n_undos else text


def _record(one: PastDecision) -> dict[str, object]:
    """A decision as JSON has it; `said_by` is of one that repeats what files say."""
    by = one.decision.said_by
    return {
        "id": one.id,
        "time": one.time,
        "do": str(one.decision.act.__struct_config__.tag),
        "said": one.said,
        "people": one.people,
        "photos": one.photos,
        "holds": one.holds,
        "undone_by": one.undone_by,
        "replaced_by": one.replaced_by,
        "found": one.found,
        "said_by": None if by is None else {"origin": by.origin, "files": by.files},
    }


def _when(one: PastDecision) -> datetime:
    """When a decision was made, here."""
    return datetime.fromisoformat(one.time.replace("Z", "+00:00")).astimezone()


def _rows(lines: Sequence[Line]) -> Iterator[str]:
    """Write lines: the sentence is last, as it is longest."""
    rows = [("when", "id", "holds", "what")]
    rows += [(f"{_when(one.past[0]):%Y-%m-%d %H:%M}", one.id, _state(one), one.said) for one in lines]
    yield from aligned(rows)


def _state(line: Line) -> str:
    one = line.past[0]
    if 0 < line.n_holding < len(line.past):
        return f"{line.n_holding} of {len(line.past)}"
    if not one.holds:
        if one.undone_by is None and one.replaced_by is not None:
            return f"no, later: {one.replaced_by}"
        return f"no: {one.undone_by} took it back" if one.undone_by else "no"
    return "yes" if one.found else "yes, when its photos are back"

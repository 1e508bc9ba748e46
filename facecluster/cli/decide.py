"""`facecluster name, merge, split, move, not-a-person, undo`: one correction by somebody who knows better.

The line that decisions.jsonl gets goes to stdout, what it means to stderr.
"""

from __future__ import annotations

import functools
import logging
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from facecluster.library.layout import CLUSTERS

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.correct import Corrected
    from facecluster.library.library import Library

_log = logging.getLogger(__name__)


def _verb(name: str) -> Callable[[Callable[..., Corrected]], click.Command]:
    """Make a command of a function that gets `library: Library`, for LIBRARY, and the other arguments."""

    def make(function: Callable[..., Corrected]) -> click.Command:
        @functools.wraps(function)
        def with_library(*, source: str, quiet: bool, **others: Any) -> None:
            from facecluster.library.library import Library

            if quiet:
                logging.getLogger("facecluster").setLevel(logging.ERROR)
            with Library.open(source) as library:
                done = function(library, **others)
                _say(library, source, done, quiet=quiet)

        quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
        return click.command(name)(click.argument("source", metavar="LIBRARY")(quiet(with_library)))

    return make


@_verb("name")
@click.argument("who", metavar="PERSON")
@click.argument("called_now", metavar="NAME")
def name(library: Library, who: str, called_now: str) -> Corrected:
    """Give a person a name; "" takes it away.

    LIBRARY is a folder of people, or its clusters.json. PERSON is an id, as person-0001, or the name so far. Somebody
    who has a name stays a person with that id and name, whatever is run later.
    """
    from facecluster.library import correct

    return correct.name(library, who, called_now)


@_verb("merge")
@click.argument("who", metavar="PERSON PERSON...", nargs=-1)
def merge(library: Library, who: tuple[str, ...]) -> Corrected:
    """Make one person of two or more, with the id and name of the first.

    LIBRARY is a folder of people, or its clusters.json. PERSON is an id, as person-0001, or a name. If the first has
    no name, the next one's is taken. They stay one person when clustered again.
    """
    from facecluster.library import correct

    return correct.merge(library, who)


@_verb("split")
@click.argument("who", metavar="PERSON")
@click.argument("texts", metavar="FACE...", nargs=-1, required=True)
def split(library: Library, who: str, texts: tuple[str, ...]) -> Corrected:
    """Make a new person of some faces of one.

    LIBRARY is a folder of people, or its clusters.json. PERSON is an id, as person-0001, or a name. FACE is a face's
    id (6 letters of its start will do), or the path of a photo; PHOTO#2 is the second of several faces in it. The
    faces stay one person, and not PERSON, when clustered again.
    """
    from facecluster.library import correct

    return correct.split(library, who, texts)


@_verb("move")
@click.argument("texts", metavar="FACE...", nargs=-1, required=True)
@click.argument("to", metavar="PERSON|nobody")
def move(library: Library, texts: tuple[str, ...], to: str) -> Corrected:
    """Give faces to a person, or to nobody.

    LIBRARY is a folder of people, or its clusters.json. FACE is a face's id (6 letters of its start will do), or the
    path of a photo; PHOTO#2 is the second of several faces in it. PERSON is an id, as person-0001, or a name. The
    faces stay with PERSON, and not with those they were taken from, when clustered again.
    """
    from facecluster.library import correct

    return correct.move(library, texts, to)


@_verb("not-a-person")
@click.argument("texts", metavar="PERSON|FACE...", nargs=-1, required=True)
def not_a_person(library: Library, texts: tuple[str, ...]) -> Corrected:
    """Say that a person, or a face, is none: a statue, a poster.

    LIBRARY is a folder of people, or its clusters.json. PERSON is an id, as person-0001, or a name: whoever is formed
    by most of these faces is none from now on, with new photos too. FACE is a face's id (6 letters of its start will
    do), or the path of a photo; PHOTO#2 is the second of several faces in it.
    """
    from facecluster.library import correct

    return correct.not_a_person(library, texts)


@_verb("undo")
@click.argument("which", metavar="[ID]", required=False)
def undo(library: Library, which: str | None) -> Corrected:
    """Take a decision back: the last one, or that of an id.

    LIBRARY is a folder of people, or its clusters.json. ID was said when the decision was made, and is the "id" of its
    line in decisions.jsonl. An undo can be undone by its own id. What the last decision changed is put back; for an
    earlier one, people are grouped anew from the face table.
    """
    from facecluster.library import correct

    return correct.undo(library, which)


def _say(library: Library, source: str, done: Corrected, *, quiet: bool) -> None:
    """Print the line on stdout, and a sentence on stderr."""
    from facecluster.identity.decisions import Undo

    click.echo(done.decision.text)
    if not quiet:
        back = f"facecluster undo {shlex.quote(source)} {done.decision.id}"
        is_undo = isinstance(done.decision.act, Undo)
        click.echo(done.said if is_undo else f"{done.said}; to take it back: {back}", err=True)
    if not done.in_step:
        _log.warning(
            "%s does not show all decisions of %s; run facecluster cluster with -o %s to see them",
            CLUSTERS, library.ledger, shlex.quote(str(library.directory)),
        )  # fmt: skip
